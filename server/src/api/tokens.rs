//! `/v1/tokens`: stored cards.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use cardseal::platform::Platform;
use cardseal::session::Kind;
use cardseal_gateways::gateway::{PagePayload, TokenPatch};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::contract::refusals;
use super::fields::{
    EncryptedCard, ProductNumber, SealedCard, SessionReference, WrappedKey, none_left, platform,
};
use super::{CustomerQuery, Page, PageQuery};
use crate::App;
use crate::access::{Browser, Merchant};
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::payload::{Checked, Payload, checked};
use crate::store::{Token, TokenId};
use crate::submission::Submission;
use crate::tokens;

refusals! {
    /// Errors of `POST /v1/tokens`.
    CreateRefused = MERCHANT | BODY | STORE | PLATFORM | CARD [];
    /// Errors of the list.
    ListRefused = MERCHANT | QUERY | STORE [];
    /// Errors of `GET /v1/tokens/{id}`.
    ShowRefused = MERCHANT | STORE [TokenNotFound];
    /// Errors of a lookup or a change of a token.
    ChangeRefused = MERCHANT | BODY | STORE | PLATFORM [TokenNotFound, TokenDeleted, TokenUnconfirmed];
    /// Errors of a deletion.
    DeleteRefused = MERCHANT | STORE | PLATFORM [TokenNotFound];
}
checked!(CardPayload, TokenChange, Nothing);

/// The card of a session, in the form for its platform and mode: `sealed`, `ld` with `lk`,
/// `encrypted_customer_input`, or the platform's `answer`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CardPayload {
    pub(super) session: SessionReference,
    /// GreenPay, relayed.
    #[schema(nullable = false)]
    pub(super) ld: Option<EncryptedCard>,
    /// GreenPay, relayed.
    #[schema(nullable = false)]
    pub(super) lk: Option<WrappedKey>,
    /// Online Payments, relayed.
    #[schema(nullable = false)]
    pub(super) encrypted_customer_input: Option<EncryptedCard>,
    /// Online Payments, relayed.
    #[schema(nullable = false)]
    pub(super) payment_product_id: Option<ProductNumber>,
    /// Worldline Acquiring.
    #[schema(nullable = false)]
    pub(super) sealed: Option<SealedCard>,
    /// In the direct mode: the platform's answer to the browser, unchanged.
    #[schema(value_type = Object, required = false)]
    pub(super) answer: Option<Value>,
}

impl TryFrom<CardPayload> for Submission {
    type Error = ApiError;

    /// Takes one form of a card: `ld` with `lk`, `encrypted_customer_input`, `sealed` or `answer`.
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
        let ciphertext = |data, key, product| PagePayload::Sealed { data, key, product };
        let payload = if let Some(data) = encrypted_customer_input {
            one(&[ld_given, lk_given, sealed_given, answer_given])?;
            ciphertext(data.into(), None, payment_product_id.map(|product| product.0))
        } else if let Some(data) = sealed {
            one(&[ld_given, lk_given, answer_given, product_given])?;
            ciphertext(data.into(), None, None)
        } else if let Some(answer) = answer {
            one(&[ld_given, lk_given, product_given])?;
            PagePayload::Answer(answer)
        } else {
            one(&[product_given])?;
            let missing = |name| CardPayload::rules().missing(name);
            let data = ld.ok_or_else(|| missing("ld"))?;
            let key = lk.ok_or_else(|| missing("lk"))?;
            ciphertext(data.into(), Some(key.into()), None)
        };
        Ok(Self::new(session.into(), payload))
    }
}

/// Stores the card of a session.
///
/// If an answer is lost, send the same request again: the answer is the same token.
#[utoipa::path(post, operation_id = "createToken", path = "/v1/tokens",
    tag = "tokens", security(("api_key" = ["tokens"]), ()),
    request_body = CardPayload,
    responses(
        (status = 201, body = TokenResource, description = "The card is stored."),
        (status = 200, body = TokenResource, description = "The token's card is replaced."),
        CreateRefused,
    ),
)]
pub(super) async fn create(
    State(app): State<App>,
    _: Browser,
    payload: Payload<CardPayload>,
) -> Result<(StatusCode, Json<TokenResource>), ApiError> {
    let submission = Submission::try_from(payload.request)?;
    let session = submission.session(&app, &[Kind::Tokenize, Kind::Update]).await?;
    let status = if session.kind == Kind::Update {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let token = tokens::create(&app, submission).await?;
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
    /// The customer's name for the card.
    #[schema(required, example = "My Visa")]
    nickname: Option<String>,
    /// `active`, `unconfirmed` (named by a browser, cannot be charged until the platform's notification names the
    /// same token) or `deleted`.
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
    /// `after` for the next page; null on the last page.
    #[schema(required)]
    next: Option<String>,
}

/// What to change: one or both fields.
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

/// The token in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the contract")]
struct TokenPath {
    /// The id of the token.
    #[param(example = "tok_5f0c1d2e")]
    id: String,
}

/// Lists stored cards, newest first.
#[utoipa::path(get, operation_id = "listTokens", path = "/v1/tokens",
    tag = "tokens", security(("api_key" = ["read"])),
    params(PageQuery, CustomerQuery),
    responses((status = 200, body = TokenList), ListRefused))]
pub(super) async fn list(
    State(app): State<App>,
    _: Merchant,
    RawQuery(query): RawQuery,
) -> Result<Json<TokenList>, ApiError> {
    let page = Page::read(query.as_deref(), &["customer"])?;
    let tokens = app
        .store
        .tokens(
            page.filter("customer"),
            page.after.as_deref().map(TokenId::from).as_ref(),
            page.limit + 1,
        )
        .await?;
    let (tokens, next) = page.cut(tokens, |token| token.id.as_str());
    let data = tokens.iter().map(TokenResource::from).collect();
    Ok(Json(TokenList { data, next }))
}

/// Shows a stored card.
#[utoipa::path(get, operation_id = "showToken", path = "/v1/tokens/{id}",
    tag = "tokens", security(("api_key" = ["read"])),
    params(TokenPath),
    responses((status = 200, body = TokenResource), ShowRefused))]
pub(super) async fn show(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<TokenId>,
) -> Result<Json<TokenResource>, ApiError> {
    let token = tokens::get(&app, &id).await?;
    Ok(Json(TokenResource::from(&token)))
}

/// Updates a stored card's details from its platform.
#[utoipa::path(post, operation_id = "refreshToken", path = "/v1/tokens/{id}/refresh",
    tag = "tokens", security(("api_key" = ["tokens"])),
    params(TokenPath),
    request_body = Option<Nothing>,
    responses((status = 200, body = TokenResource), ChangeRefused))]
pub(super) async fn refresh(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<TokenId>,
    _: Payload<Nothing>,
) -> Result<Json<TokenResource>, ApiError> {
    let token = tokens::refresh(&app, id).await?;
    Ok(Json(TokenResource::from(&token)))
}

/// Changes a card's expiry or holder, at the platform first.
#[utoipa::path(patch, operation_id = "changeToken", path = "/v1/tokens/{id}",
    tag = "tokens", security(("api_key" = ["tokens"])),
    params(TokenPath),
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
    let token = tokens::update(&app, id, patch).await?;
    Ok(Json(TokenResource::from(&token)))
}

/// Deletes a stored card, at the platform first.
///
/// A token that only a browser has named is deleted here and not at the platform, where it may be somebody else's
/// card.
#[utoipa::path(delete, operation_id = "deleteToken", path = "/v1/tokens/{id}",
    tag = "tokens", security(("api_key" = ["tokens"])),
    params(TokenPath),
    responses((status = 200, body = TokenResource), DeleteRefused))]
pub(super) async fn delete(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<TokenId>,
) -> Result<Json<TokenResource>, ApiError> {
    let token = tokens::delete(&app, id).await?;
    Ok(Json(TokenResource::from(&token)))
}
