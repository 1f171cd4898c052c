//! `/v1/tokens`: stored cards.
//!
//! A session makes one token. The same card sent again for the same session, because an answer was lost, gets
//! the token that came of it; another card is refused. A token that a browser hands over is stored as
//! `unconfirmed`, whatever its signature says, for the signature does not cover it: it can be charged only when
//! the platform's own notification names the same one. Where a platform can be asked about it, it is, and the
//! token is active at once.

use cardseal::platform::Platform;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use cardseal::session::{Kind, Mode};
use cardseal_gateways::Error;
use cardseal_gateways::error::{Cause, Refusal};
use cardseal_gateways::gateway::{OpenSession, Origin, PagePayload, StoredCard, TokenPatch};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::contract::refusals;
use super::fields::{none_left, platform};
use super::{CustomerQuery, Page, PageQuery};
use crate::App;
use crate::access::{Browser, Merchant};
use crate::attempts::session_exhausted;
use crate::clock::rfc3339;
use crate::error::{ApiError, Code};
use crate::gate::Purpose;
use crate::payload::{Checked, Payload, checked};
use crate::payments::Join;
use crate::persist::store_outcome;
use crate::store::{
    ANSWER_GRACE_MS, Attempt, Claimed, Session, SessionClaim, SessionId, SessionResult, SessionState,
    Storing, Taker, Token, TokenId, TokenStatus,
};

/// In the place of a hash: the platform is asked what the customer did on its page.
const PAGE: &str = "page";

refusals! {
    /// Of `POST /v1/tokens`.
    CreateRefused = MERCHANT | BODY | STORE | PLATFORM | CARD [];
    /// Of the list.
    ListRefused = MERCHANT | QUERY | STORE [];
    /// Of one token.
    ShowRefused = MERCHANT | STORE [TokenNotFound];
    /// Of what changes one token at its platform.
    ChangeRefused = MERCHANT | BODY | STORE | PLATFORM [TokenNotFound, TokenDeleted, TokenUnconfirmed];
    /// Of a deletion.
    DeleteRefused = MERCHANT | STORE | PLATFORM [TokenNotFound];
}
checked!(CardPayload, TokenChange, Nothing);

/// The card of a session, in the form that its platform and mode want: `sealed`, `ld` and `lk`,
/// `encrypted_customer_input`, or the platform's `answer`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CardPayload {
    /// The id of the session.
    #[schema(min_length = 1, max_length = 64, example = "ses_5f0c1d2e")]
    pub(super) session: String,
    /// GreenPay, relayed: the encrypted card.
    #[schema(min_length = 1, max_length = 8192, nullable = false)]
    pub(super) ld: Option<String>,
    /// GreenPay, relayed: the wrapped key.
    #[schema(min_length = 1, max_length = 2048, nullable = false)]
    pub(super) lk: Option<String>,
    /// Online Payments, relayed: the encrypted card.
    #[schema(min_length = 1, max_length = 8192, nullable = false)]
    pub(super) encrypted_customer_input: Option<String>,
    /// Online Payments, relayed: the platform's number of the card's brand.
    #[schema(minimum = 0, maximum = 4294967295u32, nullable = false, example = 1)]
    pub(super) payment_product_id: Option<u32>,
    /// Worldline Acquiring: the card, sealed to this server's key.
    #[schema(min_length = 1, max_length = 16384, nullable = false)]
    pub(super) sealed: Option<String>,
    /// The direct mode: what the platform answered the browser, unchanged.
    #[schema(value_type = Object, required = false)]
    pub(super) answer: Option<Value>,
}

/// What the browser sends for a session.
pub(super) struct CardSubmission {
    pub(super) session: SessionId,
    pub(super) payload: PagePayload,
    pub(super) hash: String,
}

impl TryFrom<CardPayload> for CardSubmission {
    type Error = ApiError;

    /// `session` with `ld` and `lk`, with `encrypted_customer_input`, with `sealed`, or with `answer`.
    fn try_from(card: CardPayload) -> Result<Self, ApiError> {
        let CardPayload {
            session,
            ld,
            lk,
            encrypted_customer_input,
            payment_product_id,
            sealed,
            answer,
        } = card;
        let ld_given = ("ld", ld.is_some());
        let lk_given = ("lk", lk.is_some());
        let sealed_given = ("sealed", sealed.is_some());
        let answer_given = ("answer", answer.is_some());
        let product_given = ("payment_product_id", payment_product_id.is_some());
        let one = |others: &[(&str, bool)]| none_left(others, "send a card in one form only");
        // The keys and numbers inside ciphertext are random: a hash of it says nothing about the card.
        let (payload, hash) = if let Some(data) = encrypted_customer_input {
            one(&[ld_given, lk_given, sealed_given, answer_given])?;
            let hash = Sha256::digest(&data);
            let product = payment_product_id;
            (
                PagePayload::Sealed {
                    data,
                    key: None,
                    product,
                },
                hash,
            )
        } else if let Some(data) = sealed {
            one(&[ld_given, lk_given, answer_given, product_given])?;
            let hash = Sha256::digest(&data);
            (
                PagePayload::Sealed {
                    data,
                    key: None,
                    product: None,
                },
                hash,
            )
        } else if let Some(answer) = answer {
            one(&[ld_given, lk_given, product_given])?;
            let hash = Sha256::digest(answer.to_string());
            (PagePayload::Answer(answer), hash)
        } else {
            one(&[product_given])?;
            let missing = |name| CardPayload::rules().missing(name);
            let data = ld.ok_or_else(|| missing("ld"))?;
            let key = lk.ok_or_else(|| missing("lk"))?;
            let hash = Sha256::new()
                .chain_update(&data)
                .chain_update(",")
                .chain_update(&key)
                .finalize();
            (
                PagePayload::Sealed {
                    data,
                    key: Some(key),
                    product: None,
                },
                hash,
            )
        };
        Ok(Self {
            session: session.into(),
            payload,
            hash: hex::encode(hash),
        })
    }
}

impl CardSubmission {
    /// The session, if it is for this kind of request and this way.
    pub(super) async fn session(&self, app: &App, kinds: &[Kind]) -> Result<Session, ApiError> {
        let session = app
            .store
            .session(&self.session)
            .await?
            .ok_or(Code::SessionNotFound)?;
        let mode = match self.payload {
            PagePayload::Sealed { .. } => Mode::Relay,
            PagePayload::Answer(_) => Mode::Direct,
        };
        if !kinds.contains(&session.kind) || session.mode != mode {
            return Err(Code::SessionWrongKind.into());
        }
        app.account(session.platform)?.gateway.check(&self.payload)?;
        Ok(session)
    }

    /// Whether it counts as one of the session's cards.
    fn taker(&self, app: &App) -> Taker {
        if self.hash == PAGE {
            return Taker::Platform;
        }
        Taker::Card(app.config.limits.session_attempts)
    }

    /// How much older than it should a session may be, in milliseconds.
    pub(super) const fn grace(&self) -> i64 {
        match self.payload {
            PagePayload::Sealed { .. } => 0,
            PagePayload::Answer(_) => ANSWER_GRACE_MS,
        }
    }
}

/// Stores the card of a session.
///
/// The same request again, after a lost answer, gets the same token again.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", security(("api_key" = []), ()),
    request_body = CardPayload,
    responses(
        (status = 201, body = TokenResource, description = "Stored."),
        (status = 200, body = TokenResource, description = "Another card stands in the place of a token's."),
        CreateRefused,
    ),
)]
pub(super) async fn create(
    State(app): State<App>,
    _: Browser,
    payload: Payload<CardPayload>,
) -> Result<(StatusCode, Json<TokenResource>), ApiError> {
    let submission = CardSubmission::try_from(payload.request)?;
    let session = submission.session(&app, &[Kind::Tokenize, Kind::Update]).await?;
    let status = if session.kind == Kind::Update {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let owner = Arc::clone(&app);
    let token = app
        .to_completion(async move { tokenize(&owner, submission).await })
        .await?;
    Ok((status, Json(TokenResource::from(&token))))
}

/// A stored card.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub(super) struct TokenResource {
    /// The id of the token.
    #[schema(example = "tok_5f0c1d2e")]
    id: String,
    #[schema(schema_with = platform)]
    platform: Platform,
    /// The card's brand, in lower case.
    #[schema(required, example = "visa")]
    brand: Option<String>,
    /// The first digits of the card number.
    #[schema(required, example = "424242")]
    bin: Option<String>,
    /// The last four digits of the card number.
    #[schema(required, example = "4242")]
    last4: Option<String>,
    #[schema(required)]
    expiry: Option<Expiry>,
    /// The name on the card.
    #[schema(required)]
    holder: Option<String>,
    /// What the customer calls the card.
    #[schema(required, example = "My Visa")]
    nickname: Option<String>,
    /// `active`, `unconfirmed` (a browser's word, not chargeable until the platform's notification names the same token)
    /// or `deleted`.
    #[schema(value_type = TokenState)]
    status: &'static str,
    /// The merchant's reference of the customer.
    #[schema(required)]
    customer: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "the words of `TokenStatus`, for the contract")]
enum TokenState {
    Active,
    Unconfirmed,
    Deleted,
}

/// Month and year.
#[derive(Serialize, ToSchema)]
struct Expiry {
    #[schema(minimum = 1, maximum = 12)]
    month: i64,
    year: i64,
}

impl From<&Token> for TokenResource {
    fn from(token: &Token) -> Self {
        Self {
            id: token.id.to_string(),
            platform: token.platform,
            brand: token.brand.clone(),
            bin: token.bin.clone(),
            last4: token.last4.clone(),
            expiry: token.expiry.map(|(month, year)| Expiry { month, year }),
            holder: token.holder.clone(),
            nickname: token.nickname.clone(),
            status: token.status.as_str(),
            customer: token.customer.clone(),
            created_at: rfc3339(token.created_at),
            updated_at: rfc3339(token.updated_at),
        }
    }
}

/// A page of tokens.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenList {
    data: Vec<TokenResource>,
    /// What `after` takes for the next page; null at the end.
    #[schema(required)]
    next: Option<String>,
}

/// What to change of a stored card: one or both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenChange {
    #[schema(inline, nullable = false, example = json!({ "month": 12, "year": 2030 }))]
    expiry: Option<NewExpiry>,
    /// The name on the card.
    #[schema(min_length = 1, max_length = 100, nullable = false, example = "Ada Lovelace")]
    holder: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewExpiry {
    #[schema(minimum = 1, maximum = 12)]
    month: u8,
    #[schema(minimum = 2000, maximum = 2099)]
    year: u16,
}

/// No fields.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// A token of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the contract")]
struct TokenPath {
    /// The id of the token.
    #[param(example = "tok_5f0c1d2e")]
    id: String,
}

pub(super) async fn tokenize(app: &App, submission: CardSubmission) -> Result<Token, ApiError> {
    let join = Join::within(app.config.limits.idempotency_wait);
    let taker = submission.taker(app);
    let session = app
        .store
        .session(&submission.session)
        .await?
        .ok_or(Code::SessionNotFound)?;
    let open =
        session.state == SessionState::Open && !session.is_expired(app.clock.now(), submission.grace());
    if open && taker != Taker::Platform {
        app.attempts.admit(&session, &submission.hash)?;
    }
    let claim = app.account(session.platform)?.gateway.claim(&submission.payload);
    let (session, claimed) = loop {
        match app
            .store
            .claim_session(
                &submission.session,
                &Attempt {
                    body_hash: &submission.hash,
                    card: claim.as_ref(),
                    taker,
                },
                app.clock.now(),
                submission.grace(),
            )
            .await?
        {
            SessionClaim::Claimed(session, claimed) => break (session, Some(claimed)),
            SessionClaim::Exhausted => return Err(session_exhausted()),
            SessionClaim::None => return Err(Code::SessionNotFound.into()),
            SessionClaim::BelongsElsewhere => return Err(Code::TokenBelongsElsewhere.into()),
            SessionClaim::Taken(session) => {
                let same = session.body_hash.as_deref() == Some(&submission.hash);
                match (
                    session.state,
                    session.result.as_ref().and_then(SessionResult::token),
                ) {
                    (SessionState::Used, Some(token)) if same => {
                        let token = app.store.token(token).await?.ok_or(Code::TokenNotFound)?;
                        // The card that this came to is gone, here and at the platform.
                        return match token.status {
                            TokenStatus::Active | TokenStatus::Unconfirmed => Ok(token),
                            TokenStatus::Deleted => Err(Code::TokenDeleted.into()),
                        };
                    }
                    // A notification was first; what is handed over now has to say the same.
                    (SessionState::Used, Some(_)) if session.mode == Mode::Direct => {
                        break (session, None);
                    }
                    (SessionState::Open, _) => return Err(Code::SessionExpired.into()),
                    (SessionState::Busy, _) if same => {
                        if !join.wait().await {
                            return Err(Code::IdempotencyInProgress.into());
                        }
                    }
                    (SessionState::Busy | SessionState::Used, _) => return Err(Code::SessionUsed.into()),
                }
            }
        }
    };
    let claimed = Arc::new(claimed);
    match ask_platform(app, &session, submission.payload).await {
        Ok(card) => keep_card(app, &session, card, claimed).await,
        Err(error) => {
            if session.state == SessionState::Open {
                // Whether a failed attempt burns the platform's session is not documented: it may be tried again.
                reopen(app, &session.id, claimed).await;
            }
            Err(error)
        }
    }
}

/// Stores a card that the platform has. Nobody else knows of it: until it is stored, the session stays busy, and the
/// same request again waits for the token.
async fn keep_card(
    app: &App,
    session: &Session,
    card: StoredCard,
    claimed: Arc<Option<Claimed>>,
) -> Result<Token, ApiError> {
    let kept = Arc::new((session.id.clone(), card, Arc::clone(&claimed)));
    let stored = store_outcome(app, "card", session.id.as_str(), move |app| {
        let kept = Arc::clone(&kept);
        async move { app.store.store_card(&kept.0, &kept.1, app.clock.now()).await }
    })
    .await;
    let code = match stored {
        Some(Storing::Stored(token)) => return Ok(*token),
        Some(Storing::Conflict) => Code::SessionUsed,
        Some(Storing::BelongsElsewhere) => Code::TokenBelongsElsewhere,
        Some(Storing::Deleted) => Code::TokenDeleted,
        None => return Err(not_stored_yet()),
    };
    if session.state == SessionState::Open {
        reopen(app, &session.id, claimed).await;
    }
    Err(code.into())
}

/// Gives a session back, as soon as that can be stored.
async fn reopen(app: &App, session: &SessionId, claimed: Arc<Option<Claimed>>) {
    let kept = Arc::new((session.clone(), claimed));
    store_outcome(app, "session", session.as_str(), move |app| {
        let kept = Arc::clone(&kept);
        async move { app.store.reopen_session(&kept.0).await }
    })
    .await;
}

/// The platform has done it, and the disk will have it later.
fn not_stored_yet() -> ApiError {
    ApiError::from(Code::StorageUnavailable)
        .detail("the platform has done it and it cannot be stored yet; send the same request again")
        .retry_after(5)
}

/// Asks the platform what the customer did on its form, and keeps the card that came of it.
pub(super) async fn look(app: &App, session: &SessionId) -> Result<(), ApiError> {
    let submission = CardSubmission {
        session: session.clone(),
        payload: PagePayload::Answer(Value::Null),
        hash: PAGE.into(),
    };
    let owner = Arc::clone(app);
    match app
        .to_completion(async move { tokenize(&owner, submission).await })
        .await
    {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Code::SessionExpired => Err(Code::PageOpen.into()),
        Err(error) => Err(error),
    }
}

async fn ask_platform(app: &App, session: &Session, payload: PagePayload) -> Result<StoredCard, ApiError> {
    let account = app.account(session.platform)?;
    let from_browser = matches!(payload, PagePayload::Answer(_));
    let gone = SecretString::default();
    let open = OpenSession {
        id: session.id.as_str(),
        now: app.clock.now(),
        state: session.platform_state.as_ref().unwrap_or(&gone),
        kind: session.kind,
        reference: &session.reference,
        attempt: "",
    };
    let _permit = app.enter(session.platform, Purpose::Operation).await?;
    let card = account
        .gateway
        .tokenize(app.transport(session.platform)?, &open, payload)
        .await
        .map_err(|error| match error {
            Error::SignatureInvalid if from_browser => Code::HandedSignatureInvalid.into(),
            Error::Refused(Refusal::Rejected(ref rejection)) if rejection.cause() == Cause::Card => {
                ApiError::from(error).with_code(Code::CardDeclined)
            }
            Error::Refused(_) | Error::Doubtful(_) | Error::Incomplete(_) | Error::SignatureInvalid => {
                ApiError::from(error)
            }
        })?;
    if card.origin == Origin::Browser {
        tracing::info!(
            session = %session.id,
            "a browser handed over a token; it waits for the platform's word"
        );
    }
    Ok(card)
}

/// Lists stored cards, the newest first.
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens", security(("api_key" = [])), params(PageQuery, CustomerQuery),
    responses((status = 200, body = TokenList), ListRefused))]
pub(super) async fn list(
    State(app): State<App>,
    _: Merchant,
    RawQuery(query): RawQuery,
) -> Result<Json<TokenList>, ApiError> {
    let page = Page::read(query.as_deref())?;
    let tokens = app
        .store
        .tokens(
            page.customer.as_deref(),
            page.after.as_deref().map(TokenId::from).as_ref(),
            page.limit + 1,
        )
        .await?;
    let (tokens, next) = page.cut(tokens, |token| token.id.as_str());
    let data = tokens.iter().map(TokenResource::from).collect();
    Ok(Json(TokenList { data, next }))
}

/// Shows a stored card.
#[utoipa::path(get, path = "/v1/tokens/{id}", tag = "tokens", security(("api_key" = [])), params(TokenPath),
    responses((status = 200, body = TokenResource), ShowRefused))]
pub(super) async fn show(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<TokenId>,
) -> Result<Json<TokenResource>, ApiError> {
    let token = app.store.token(&id).await?.ok_or(Code::TokenNotFound)?;
    Ok(Json(TokenResource::from(&token)))
}

/// Asks the platform what it knows of the card now.
#[utoipa::path(post, path = "/v1/tokens/{id}/refresh", tag = "tokens", security(("api_key" = [])), params(TokenPath),
    request_body = Option<Nothing>,
    responses((status = 200, body = TokenResource), ChangeRefused))]
pub(super) async fn refresh(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<TokenId>,
    _: Payload<Nothing>,
) -> Result<Json<TokenResource>, ApiError> {
    let owner = Arc::clone(&app);
    let token = app
        .to_completion(async move { describe(&owner, &id, None).await })
        .await?;
    Ok(Json(TokenResource::from(&token)))
}

/// Changes a card's expiry and holder, at the platform first.
#[utoipa::path(patch, path = "/v1/tokens/{id}", tag = "tokens", security(("api_key" = [])), params(TokenPath),
    request_body = TokenChange,
    responses((status = 200, body = TokenResource), ChangeRefused))]
pub(super) async fn change(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<TokenId>,
    payload: Payload<TokenChange>,
) -> Result<Json<TokenResource>, ApiError> {
    let patch = TokenPatch {
        expiry: payload.request.expiry.map(|expiry| (expiry.month, expiry.year)),
        holder: payload.request.holder,
    };
    if patch.expiry.is_none() && patch.holder.is_none() {
        return Err(TokenChange::rules().missing("expiry"));
    }
    let owner = Arc::clone(&app);
    let token = app
        .to_completion(async move { describe(&owner, &id, Some(patch)).await })
        .await?;
    Ok(Json(TokenResource::from(&token)))
}

/// Asks the platform about a card, or to change it, and keeps what it says.
async fn describe(app: &App, id: &TokenId, patch: Option<TokenPatch>) -> Result<Token, ApiError> {
    let token = app.store.token(id).await?.ok_or(Code::TokenNotFound)?;
    let platform_token = match (token.status, &token.platform_token) {
        (TokenStatus::Active, Some(platform_token)) => platform_token,
        (TokenStatus::Unconfirmed, _) => return Err(Code::TokenUnconfirmed.into()),
        (TokenStatus::Active | TokenStatus::Deleted, _) => return Err(Code::TokenDeleted.into()),
    };
    let gateway = &app.account(token.platform)?.gateway;
    let _permit = app.enter(token.platform, Purpose::Operation).await?;
    let transport = app.transport(token.platform)?;
    let card = match &patch {
        Some(patch) => gateway.update_token(transport, platform_token, patch).await,
        None => gateway.read_token(transport, platform_token).await,
    }?;
    let kept = Arc::new((token.id.clone(), card));
    let stored = store_outcome(app, "description of a token", id.as_str(), move |app| {
        let kept = Arc::clone(&kept);
        async move { app.store.describe_token(&kept.0, &kept.1, app.clock.now()).await }
    })
    .await;
    stored.ok_or_else(not_stored_yet)?;
    app.store
        .token(&token.id)
        .await?
        .ok_or_else(|| Code::TokenNotFound.into())
}

/// Deletes a stored card, at the platform first.
///
/// What only a browser claimed is forgotten here alone: it may be somebody else's card there.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "tokens", security(("api_key" = [])), params(TokenPath),
    responses((status = 200, body = TokenResource), DeleteRefused))]
pub(super) async fn delete(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<TokenId>,
) -> Result<Json<TokenResource>, ApiError> {
    let owner = Arc::clone(&app);
    let token = app
        .to_completion(async move { forget(&owner, &id).await })
        .await?;
    Ok(Json(TokenResource::from(&token)))
}

async fn forget(app: &App, id: &TokenId) -> Result<Token, ApiError> {
    let token = app.store.token(id).await?.ok_or(Code::TokenNotFound)?;
    if let (TokenStatus::Active, Some(platform_token)) = (token.status, &token.platform_token) {
        let account = app.account(token.platform)?;
        let _permit = app.enter(token.platform, Purpose::Operation).await?;
        account
            .gateway
            .delete_token(app.transport(token.platform)?, platform_token)
            .await?;
    }
    let kept = Arc::new(token.id.clone());
    let stored = store_outcome(app, "deletion of a token", id.as_str(), move |app| {
        let kept = Arc::clone(&kept);
        async move { app.store.delete_token(&kept, app.clock.now()).await }
    })
    .await;
    stored.ok_or_else(not_stored_yet)?;
    app.store
        .token(&token.id)
        .await?
        .ok_or_else(|| Code::TokenNotFound.into())
}
