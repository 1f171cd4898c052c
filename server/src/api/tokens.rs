//! `/v1/tokens`: stored cards.
//!
//! A session makes one token. The same card sent again for the same session, because an answer was lost, gets
//! the token that came of it; another card is refused. A token that a browser hands over is stored as
//! `unconfirmed`, whatever its signature says, for the signature does not cover it: it can be charged only when
//! the platform's own notification names the same one. Where a platform can be asked about it, it is, and the
//! token is active at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use cardseal::session::{Kind, Mode};
use cardseal_gateways::Error;
use cardseal_gateways::gateway::{Handed, OpenSession, Origin, StoredCard, TokenPatch};
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Page, listed};
use crate::App;
use crate::access::{Browser, Merchant};
use crate::attempts::session_exhausted;
use crate::body::Fields;
use crate::clock::rfc3339;
use crate::error::{ApiError, Code};
use crate::gate::Purpose;
use crate::payments::Join;
use crate::persist::store_outcome;
use crate::store::{
    ANSWER_GRACE_MS, Attempt, Claimed, Session, SessionClaim, SessionId, SessionResult, SessionState,
    Storing, Taker, Token, TokenId, TokenStatus,
};

/// In the place of a hash: the platform is asked what the customer did on its page.
const PAGE: &str = "page";

/// What the browser sends for a session.
pub(super) struct HandIn {
    pub(super) session: SessionId,
    pub(super) handed: Handed,
    pub(super) hash: String,
}

impl HandIn {
    /// `session` with `ld` and `lk`, with `encrypted_customer_input`, with `sealed`, or with `answer`.
    pub(super) fn read(fields: &mut Fields) -> Result<Self, ApiError> {
        let session = fields.text("session", 64)?.into();
        if fields.has("encrypted_customer_input") {
            let data = fields.text("encrypted_customer_input", 8192)?;
            let product = fields.optional_number("payment_product_id")?;
            // The key and the number inside are random: the hash says nothing about the card.
            let hash = hex::encode(Sha256::digest(&data));
            return Ok(Self {
                session,
                handed: Handed::Sealed {
                    data,
                    key: None,
                    product,
                },
                hash,
            });
        }
        if fields.has("sealed") {
            // Longer than any; what is too long is refused in the words of the seal.
            let data = fields.text("sealed", 16_384)?;
            // The page's key is made for this card alone: the hash says nothing about it.
            let hash = hex::encode(Sha256::digest(&data));
            return Ok(Self {
                session,
                handed: Handed::Sealed {
                    data,
                    key: None,
                    product: None,
                },
                hash,
            });
        }
        if fields.has("answer") {
            let answer = fields.object("answer")?;
            let hash = hex::encode(Sha256::digest(answer.to_string()));
            return Ok(Self {
                session,
                handed: Handed::Answer(answer),
                hash,
            });
        }
        let data = fields.text("ld", 8192)?;
        let key = fields.text("lk", 2048)?;
        // The key inside is random: the hash says nothing about the card.
        let hash = Sha256::new()
            .chain_update(&data)
            .chain_update(",")
            .chain_update(&key)
            .finalize();
        Ok(Self {
            session,
            handed: Handed::Sealed {
                data,
                key: Some(key),
                product: None,
            },
            hash: hex::encode(hash),
        })
    }

    /// The session, if it is for this kind of request and this way.
    pub(super) async fn session(&self, app: &App, kinds: &[Kind]) -> Result<Session, ApiError> {
        let session = app
            .store
            .session(&self.session)
            .await?
            .ok_or(Code::SessionNotFound)?;
        let mode = match self.handed {
            Handed::Sealed { .. } => Mode::Relay,
            Handed::Answer(_) => Mode::Direct,
        };
        if !kinds.contains(&session.kind) || session.mode != mode {
            return Err(Code::SessionWrongKind.into());
        }
        app.account(&session.platform)?.gateway.check(&self.handed)?;
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
        match self.handed {
            Handed::Sealed { .. } => 0,
            Handed::Answer(_) => ANSWER_GRACE_MS,
        }
    }
}

pub(super) async fn create(
    State(app): State<App>,
    _: Browser,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let hand_in = HandIn::read(&mut fields)?;
    fields.finish()?;
    let session = hand_in.session(&app, &[Kind::Tokenize, Kind::Update]).await?;
    let status = if session.kind == Kind::Update {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let owner = Arc::clone(&app);
    let token = app
        .to_the_end(async move { tokenize(&owner, hand_in).await })
        .await?;
    Ok((status, Json(resource(&token))))
}

pub(super) async fn tokenize(app: &App, hand_in: HandIn) -> Result<Token, ApiError> {
    let join = Join::within(app.config.limits.idempotency_wait);
    let taker = hand_in.taker(app);
    let session = app
        .store
        .session(&hand_in.session)
        .await?
        .ok_or(Code::SessionNotFound)?;
    let open = session.state == SessionState::Open && !session.is_expired(app.clock.now(), hand_in.grace());
    if open && taker != Taker::Platform {
        app.attempts.admit(&session, &hand_in.hash)?;
    }
    let claim = app.account(&session.platform)?.gateway.claim(&hand_in.handed);
    let (session, claimed) = loop {
        match app
            .store
            .claim_session(
                &hand_in.session,
                &Attempt {
                    body_hash: &hand_in.hash,
                    card: claim.as_ref(),
                    taker,
                },
                app.clock.now(),
                hand_in.grace(),
            )
            .await?
        {
            SessionClaim::Claimed(session, claimed) => break (session, Some(claimed)),
            SessionClaim::Exhausted => return Err(session_exhausted()),
            SessionClaim::None => return Err(Code::SessionNotFound.into()),
            SessionClaim::BelongsElsewhere => return Err(Code::TokenBelongsElsewhere.into()),
            SessionClaim::Taken(session) => {
                let same = session.body_hash.as_deref() == Some(&hand_in.hash);
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
    match ask_platform(app, &session, hand_in.handed).await {
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
    let hand_in = HandIn {
        session: session.clone(),
        handed: Handed::Answer(Value::Null),
        hash: PAGE.into(),
    };
    let owner = Arc::clone(app);
    match app
        .to_the_end(async move { tokenize(&owner, hand_in).await })
        .await
    {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Code::SessionExpired => Err(Code::PageOpen.into()),
        Err(error) => Err(error),
    }
}

async fn ask_platform(app: &App, session: &Session, handed: Handed) -> Result<StoredCard, ApiError> {
    let account = app.account(&session.platform)?;
    let from_browser = matches!(handed, Handed::Answer(_));
    let gone = SecretString::default();
    let open = OpenSession {
        id: session.id.as_str(),
        now: app.clock.now(),
        kept: session.kept.as_ref().unwrap_or(&gone),
        kind: session.kind,
        reference: &session.reference,
        attempt: "",
    };
    let _permit = app.enter(&session.platform, Purpose::Operation).await?;
    let card = account
        .gateway
        .tokenize(app.transport(&session.platform)?, &open, handed)
        .await
        .map_err(|error| match error {
            Error::SignatureInvalid if from_browser => Code::HandedSignatureInvalid.into(),
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

pub(super) async fn list(
    State(app): State<App>,
    _: Merchant,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, ApiError> {
    let page = Page::read(query.as_deref())?;
    let tokens = app
        .store
        .tokens(
            page.customer.as_deref(),
            page.after.map(TokenId::from).as_ref(),
            page.limit + 1,
        )
        .await?;
    Ok(listed(tokens.iter().map(resource).collect(), page.limit))
}

pub(super) async fn show(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<TokenId>,
) -> Result<Json<Value>, ApiError> {
    let token = app.store.token(&id).await?.ok_or(Code::TokenNotFound)?;
    Ok(Json(resource(&token)))
}

/// `POST /v1/tokens/{id}/refresh`: what the platform says of the card now.
pub(super) async fn refresh(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<TokenId>,
    fields: Fields,
) -> Result<Json<Value>, ApiError> {
    fields.finish()?;
    let owner = Arc::clone(&app);
    let token = app
        .to_the_end(async move { describe(&owner, &id, None).await })
        .await?;
    Ok(Json(resource(&token)))
}

/// `PATCH /v1/tokens/{id}`: expiry and holder, at the platform first.
pub(super) async fn change(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<TokenId>,
    mut fields: Fields,
) -> Result<Json<Value>, ApiError> {
    let patch = TokenPatch {
        expiry: expiry(&mut fields)?,
        holder: fields.optional("holder", 100)?,
    };
    fields.finish()?;
    if patch.expiry.is_none() && patch.holder.is_none() {
        return Err(ApiError::field(Code::FieldMissing, "expiry"));
    }
    let owner = Arc::clone(&app);
    let token = app
        .to_the_end(async move { describe(&owner, &id, Some(patch)).await })
        .await?;
    Ok(Json(resource(&token)))
}

/// `{ "month": 12, "year": 2030 }`, as the resource has it.
fn expiry(fields: &mut Fields) -> Result<Option<(u8, u16)>, ApiError> {
    if !fields.has("expiry") {
        return Ok(None);
    }
    let given = fields.object("expiry")?;
    let invalid = || ApiError::field(Code::FieldInvalid, "expiry");
    let number = |name: &str| given.get(name).and_then(Value::as_u64);
    let month = number("month").and_then(|month| u8::try_from(month).ok());
    let year = number("year").and_then(|year| u16::try_from(year).ok());
    let fits = given.as_object().is_some_and(|fields| fields.len() == 2);
    month
        .zip(year)
        .filter(|(month, year)| fits && (1..=12).contains(month) && (2000..=2099).contains(year))
        .map(Some)
        .ok_or_else(invalid)
}

/// Asks the platform about a card, or to change it, and keeps what it says.
async fn describe(app: &App, id: &TokenId, patch: Option<TokenPatch>) -> Result<Token, ApiError> {
    let token = app.store.token(id).await?.ok_or(Code::TokenNotFound)?;
    let platform_token = match (token.status, &token.platform_token) {
        (TokenStatus::Active, Some(platform_token)) => platform_token,
        (TokenStatus::Unconfirmed, _) => return Err(Code::TokenUnconfirmed.into()),
        (TokenStatus::Active | TokenStatus::Deleted, _) => return Err(Code::TokenDeleted.into()),
    };
    let gateway = &app.account(&token.platform)?.gateway;
    let _permit = app.enter(&token.platform, Purpose::Operation).await?;
    let transport = app.transport(&token.platform)?;
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

/// At the platform first. What a browser claimed is forgotten here only: it may be somebody else's card there.
pub(super) async fn delete(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<TokenId>,
) -> Result<Json<Value>, ApiError> {
    let owner = Arc::clone(&app);
    let token = app.to_the_end(async move { forget(&owner, &id).await }).await?;
    Ok(Json(resource(&token)))
}

async fn forget(app: &App, id: &TokenId) -> Result<Token, ApiError> {
    let token = app.store.token(id).await?.ok_or(Code::TokenNotFound)?;
    if let (TokenStatus::Active, Some(platform_token)) = (token.status, &token.platform_token) {
        let account = app.account(&token.platform)?;
        let _permit = app.enter(&token.platform, Purpose::Operation).await?;
        account
            .gateway
            .delete_token(app.transport(&token.platform)?, platform_token)
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

pub(super) fn resource(token: &Token) -> Value {
    json!({
        "id": token.id,
        "platform": token.platform,
        "brand": token.brand,
        "bin": token.bin,
        "last4": token.last4,
        "expiry": token.expiry.map(|(month, year)| json!({ "month": month, "year": year })),
        "holder": token.holder,
        "nickname": token.nickname,
        "status": token.status.as_str(),
        "customer": token.customer,
        "created_at": rfc3339(token.created_at),
        "updated_at": rfc3339(token.updated_at),
    })
}
