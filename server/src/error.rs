//! The errors that callers get: `application/problem+json` with a stable code.
//!
//! One table has all codes and their statuses. The cause is for operators: it is logged once.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cardseal_gateways::error::{Cause, Doubt, Error, Refusal, Rejection};
use cardseal_gateways::sealing;
use serde::Serialize;
use utoipa::ToSchema;

use crate::gate::Busy;
use crate::payload::listed;
use crate::store::StoreError;
use crate::{TaskPanicked, UnknownPlatform};

/// `Retry-After` in seconds for what could not be stored.
const STORAGE_RETRY_S: u64 = 5;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $status:ident, $title:literal, $advice:literal;)+) => {
        /// Why a request was not carried out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// HTTP status.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// What happened, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// What it means and what to check, where nothing more precise is known.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)+ }
            }
        }
    };
}

codes! {
    /// The body is not a JSON object in UTF-8.
    BadJson = "bad_json", BAD_REQUEST,
        "the body is not a valid JSON object",
        "the body could not be read as one JSON object in UTF-8; send `{}` if there are no fields";
    /// An object has a duplicate key.
    DuplicateField = "duplicate_field", BAD_REQUEST,
        "a field appears twice",
        "an object in the body has the same key twice; send each key only once";
    /// The body is longer than the limit.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE,
        "the body is too large",
        "the body is larger than this server accepts (`limits.body_bytes`)";
    /// The body took too long to arrive.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT,
        "the body did not arrive in time",
        "the body was incomplete after `connections.body_timeout_ms`; send the request again";
    /// The body is not `application/json`.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE,
        "send application/json",
        "a body needs the header `Content-Type: application/json`";
    /// The request has an unknown field.
    UnknownField = "unknown_field", UNPROCESSABLE_ENTITY,
        "the request has an unknown field",
        "this call has no such field; compare the name with the contract at /openapi.json";
    /// A field is missing.
    FieldMissing = "field_missing", UNPROCESSABLE_ENTITY,
        "a field is missing",
        "this call needs a field that the request does not have; see the contract at /openapi.json";
    /// A field has the wrong JSON type.
    FieldType = "field_type", UNPROCESSABLE_ENTITY,
        "a field has the wrong type",
        "the field must have another JSON type; see the contract at /openapi.json";
    /// A field has a value that is not allowed.
    FieldInvalid = "field_invalid", UNPROCESSABLE_ENTITY,
        "a field has an invalid value",
        "the value is not allowed for this field; see the contract at /openapi.json";
    /// A field that must not have a card number seems to have one.
    ClearCardData = "clear_card_data", UNPROCESSABLE_ENTITY,
        "the body contains what looks like a card number in the clear; it was discarded",
        "never send a card number to this server in the clear; check what the page sends";
    /// The amount is not decimal text, zero, too large, or has too many decimals.
    AmountInvalid = "amount_invalid", UNPROCESSABLE_ENTITY,
        "the amount is not valid",
        "an amount is decimal text above zero with no more decimals than its currency has, for example \"12.34\"";
    /// The platform's configuration has no account for this currency.
    CurrencyNotSupported = "currency_not_supported", UNPROCESSABLE_ENTITY,
        "there is no account for this currency",
        "`currency` must be an ISO 4217 code in capitals, for example \"USD\", that the platform's configuration \
         has an account for";
    /// The API key is missing.
    ApiKeyMissing = "api_key_missing", UNAUTHORIZED,
        "this call needs the merchant's API key",
        "send `Authorization: Bearer <api_key>` from the merchant's server; a page may only open a session for a \
         token and submit its card, from an origin in `allowed_origins`";
    /// The API key is wrong.
    ApiKeyInvalid = "api_key_invalid", UNAUTHORIZED,
        "the API key is not valid",
        "the header must be `Authorization: Bearer <api_key>` with the `api_key` of this server's configuration";
    /// The API key was revoked.
    ApiKeyRevoked = "api_key_revoked", UNAUTHORIZED,
        "the API key was revoked",
        "make another one with `cardseal-server keys add`";
    /// The API key has expired.
    ApiKeyExpired = "api_key_expired", UNAUTHORIZED,
        "the API key has expired",
        "make another one with `cardseal-server keys rotate` or `keys add`";
    /// The API key may not do this.
    ApiKeyScope = "api_key_scope", FORBIDDEN,
        "the API key may not do this",
        "the key lacks the scope that the contract at /openapi.json names for this call";
    /// The page's origin is not in `allowed_origins`.
    OriginNotAllowed = "origin_not_allowed", FORBIDDEN,
        "calls from this origin are not allowed",
        "the page's origin is not in `allowed_origins`; scheme, host and port must be the same";
    /// One address makes too many calls.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS,
        "too many requests; try again later",
        "this address has sent too many requests; wait as long as `Retry-After` says \
         (`limits.browser_requests_per_minute`)";
    /// A session, a customer or all of them together have tried too many cards.
    TooManyAttempts = "too_many_attempts", TOO_MANY_REQUESTS,
        "too many cards were tried",
        "a limit against card testing was reached; wait as long as `Retry-After` says, or open a new session if \
         that header is missing";
    /// There is no such session.
    SessionNotFound = "session_not_found", NOT_FOUND,
        "there is no such session",
        "no session has this id; send the `id` from the answer of `POST /v1/sessions`, to the same server";
    /// The session has expired.
    SessionExpired = "session_expired", GONE,
        "the session has expired; open a new one",
        "the session's `expires_at` is past; nothing was charged or stored";
    /// The session has led to a token or a payment, or is about to.
    SessionUsed = "session_used", CONFLICT,
        "the session has been used; open a new one",
        "a session leads to one token or one payment, and this one has; `GET /v1/sessions/{id}` shows it";
    /// The customer is still on the platform's page.
    PageOpen = "page_open", CONFLICT,
        "the customer has not finished on the platform's page yet",
        "the platform has no result yet; try again when the customer has come back";
    /// The customer left the platform's page.
    PageCancelled = "page_cancelled", CONFLICT,
        "the customer left the platform's page without paying",
        "the platform says that the customer cancelled; open a new session to try again";
    /// The session was opened for something else.
    SessionWrongKind = "session_wrong_kind", CONFLICT,
        "the session was opened for another kind of request",
        "a `tokenize` or `update` session goes to `/v1/tokens` and a `payment` session to `/v1/payments`, with \
         the fields of its `mode`";
    /// The text is longer than any sealed card.
    SealedOversized = "sealed_oversized", UNPROCESSABLE_ENTITY,
        "the sealed card is too long",
        "the sealed text is longer than any card needs; send exactly what the module's `seal` returned";
    /// The text does not have the documented form.
    SealedMalformed = "sealed_malformed", UNPROCESSABLE_ENTITY,
        "the sealed card is not a JWE of the documented form",
        "the sealed text was cut or changed; send exactly what the module's `seal` returned";
    /// The card is sealed with another algorithm.
    SealedAlgorithm = "sealed_algorithm", UNPROCESSABLE_ENTITY,
        "the sealed card uses another algorithm",
        "only this package's algorithms are accepted; seal the card with the same version of the module";
    /// The card is sealed to a key that this server does not have.
    SealedKeyUnknown = "sealed_key_unknown", UNPROCESSABLE_ENTITY,
        "the sealed card names a key that is not in use",
        "the key was removed from `sealing_keys`; open a new session and seal the card again";
    /// The card is sealed for another session.
    SealedWrongSession = "sealed_wrong_session", CONFLICT,
        "the sealed card belongs to another session",
        "the sealed card names another session than the request; seal the card for this session";
    /// The sealed card has expired.
    SealedExpired = "sealed_expired", GONE,
        "the sealed card has expired",
        "its session has ended; open a new session and seal the card again";
    /// The page's key is not a point of the curve.
    SealedEphemeralKey = "sealed_ephemeral_key", UNPROCESSABLE_ENTITY,
        "the sealed card's ephemeral key is not valid",
        "the key inside the seal is not a point on the curve; seal the card again";
    /// The sealed card was altered.
    SealedChanged = "sealed_changed", UNPROCESSABLE_ENTITY,
        "the sealed card was changed",
        "the seal does not authenticate; send exactly what the module's `seal` returned, or seal the card again";
    /// What was sealed is authentic and is not a card.
    SealedNotACard = "sealed_not_a_card", UNPROCESSABLE_ENTITY,
        "what was sealed is not a card",
        "the sealed content is not a card that can be charged; check number and expiry in the page";
    /// There is no such token.
    TokenNotFound = "token_not_found", NOT_FOUND,
        "there is no such token",
        "no token has this id; send the `id` from the answer of `POST /v1/tokens`, to the same server";
    /// The token has been deleted.
    TokenDeleted = "token_deleted", CONFLICT,
        "the token has been deleted",
        "a deleted card cannot be used or restored; ask the customer for the card again";
    /// The token or card was made for another session.
    TokenBelongsElsewhere = "token_belongs_elsewhere", CONFLICT,
        "this card belongs to another session or customer; make a new token in this session",
        "another session or customer owns the card and keeps it";
    /// The platform has not confirmed the token.
    TokenUnconfirmed = "token_unconfirmed", CONFLICT,
        "the platform has not confirmed this token yet",
        "the platform's notification about the card has not arrived; check that notifications reach this server";
    /// There is no such authentication.
    AuthenticationNotFound = "authentication_not_found", NOT_FOUND,
        "there is no such authentication",
        "no authentication has this id, or it expired before the customer was done; begin one with \
         `POST /v1/authentications`, on the same server";
    /// The authentication is not for this charge.
    AuthenticationUnusable = "authentication_unusable", CONFLICT,
        "the authentication cannot be used for this charge",
        "an authentication is for one card, one amount and one charge, and only after it succeeded; nothing was charged";
    /// There is no such payment.
    PaymentNotFound = "payment_not_found", NOT_FOUND,
        "there is no such payment",
        "no payment has this id; send the `id` from the answer of `POST /v1/payments`, to the same server";
    /// The payment's status does not allow it.
    PaymentState = "payment_state", CONFLICT,
        "the payment's status does not allow this",
        "compare the payment's `status` with the table of changes in docs/server.md";
    /// There is no such subscription.
    SubscriptionNotFound = "subscription_not_found", NOT_FOUND,
        "there is no such subscription",
        "no subscription has this id; send the `id` from the answer of `POST /v1/subscriptions`, to the same server";
    /// The subscription's status does not allow it.
    SubscriptionState = "subscription_state", CONFLICT,
        "the subscription's status does not allow this",
        "one that is cancelled or failed is over, and one that is `unknown` has to be known first";
    /// Another payment of the subscription is not settled.
    SubscriptionPaymentOpen = "subscription_payment_open", CONFLICT,
        "the outcome of another payment of the subscription is not known yet",
        "`payment` names it; nothing was charged for this request; get that payment again until it is known";
    /// The merchant's reference belongs to another payment.
    OrderReferenceUsed = "order_reference_used", CONFLICT,
        "the order reference belongs to another payment",
        "an order is paid once; send another `order_reference`, or leave it out and the server makes one";
    /// The idempotency key is not 1 to 255 visible ASCII characters.
    IdempotencyKeyInvalid = "idempotency_key_invalid", BAD_REQUEST,
        "Idempotency-Key must be 1 to 255 visible ASCII characters",
        "the header is empty, too long, sent twice, or contains a space or a character outside ASCII";
    /// The idempotency key was used with another body.
    IdempotencyKeyReused = "idempotency_key_reused", CONFLICT,
        "the idempotency key belongs to another request",
        "a key belongs to one request and its body; use a new key for a new request";
    /// The first request with the key is still in progress.
    IdempotencyInProgress = "idempotency_in_progress", CONFLICT,
        "the first request with this idempotency key is still under way",
        "send the same request again after `Retry-After`; it gets the answer to the first";
    /// The platform cannot be reached. Nothing was done.
    PlatformUnavailable = "platform_unavailable", SERVICE_UNAVAILABLE,
        "the platform could not be reached",
        "the server could not connect to the platform, and nothing was done; its log names host and reason";
    /// Too many calls to the platform are in flight. Nothing was sent.
    PlatformBusy = "platform_busy", SERVICE_UNAVAILABLE,
        "too many calls to the platform are under way; nothing was sent",
        "this server's queue for the platform is full (`http.calls_per_platform`); send the same request again \
         after `Retry-After`";
    /// The platform did not answer.
    PlatformTimeout = "platform_timeout", GATEWAY_TIMEOUT,
        "the platform did not answer in time",
        "the request may have reached the platform; check the payment or the session before you try again";
    /// The platform's answer is unusable.
    PlatformAnswerInvalid = "platform_answer_invalid", BAD_GATEWAY,
        "the platform's answer cannot be used",
        "the platform's answer contradicts its documentation; the server's log has the reason";
    /// The platform refused. Nothing was done.
    PlatformRejected = "platform_rejected", UNPROCESSABLE_ENTITY,
        "the platform refused the request",
        "nothing was done; `platform_code` and `platform_message` are from the platform";
    /// The bank declined a card that was to be stored.
    CardDeclined = "card_declined", UNPROCESSABLE_ENTITY,
        "the bank declined the card",
        "nothing was stored or charged; ask the customer for another card";
    /// The platform rejected the merchant's account, credentials or permissions. Nothing was done.
    PlatformSetup = "platform_setup", BAD_GATEWAY,
        "the platform does not accept this server's account",
        "neither the customer nor the card is the cause; check `platform_code`, and credentials, account and \
         permissions in the platform's section, `[platforms.…]`";
    /// The signature of the platform's answer is missing or wrong.
    SignatureInvalid = "signature_invalid", BAD_GATEWAY,
        "the signature of the platform's answer is missing or wrong",
        "the answer was not used; check the platform's public key in this server's configuration";
    /// The signature of what a browser or a webhook sent is missing or wrong.
    HandedSignatureInvalid = "signature_invalid", UNPROCESSABLE_ENTITY,
        "the signature is missing or wrong",
        "nothing was stored; submit the platform's answer unchanged, and check the platform's key in this \
         server's configuration";
    /// The platform does not offer this.
    NotOffered = "not_offered", UNPROCESSABLE_ENTITY,
        "the platform does not offer this",
        "the platform has no such operation, or this server's configuration does not turn it on";
    /// The platform refunds whole payments only.
    PartialRefundNotOffered = "partial_refund_not_offered", UNPROCESSABLE_ENTITY,
        "the platform refunds whole payments only",
        "leave `amount` out to refund the whole payment";
    /// The disk is full or failing, or the database is locked. Nothing was stored.
    StorageUnavailable = "storage_unavailable", SERVICE_UNAVAILABLE,
        "the server cannot store anything at the moment; try again later",
        "nothing was done; send the same request again after `Retry-After`, and check the server's disk";
    /// Too many events wait for the merchant's server. Nothing was done.
    OutboxFull = "outbox_full", SERVICE_UNAVAILABLE,
        "too many events wait for the merchant's server",
        "nothing was done; the server at `events.url` has not taken events for long: bring it back, or raise \
         `events.max_pending`";
    /// There is no such event.
    EventNotFound = "event_not_found", NOT_FOUND,
        "there is no such event",
        "no event has this id, or it was removed after `retention.event_days`";
    /// A stored record is damaged or was written by a newer version.
    RecordUnreadable = "record_unreadable", INTERNAL_SERVER_ERROR,
        "a stored record cannot be read; the log names it",
        "a row of the database is damaged or was written by a newer version; the server's log names its table and id";
    /// There is nothing at this path.
    NotFound = "not_found", NOT_FOUND,
        "there is nothing here",
        "this server has no such route; behind a proxy that keeps a path prefix, set `base_path`";
    /// The path needs another method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED,
        "the address does not take this method",
        "the `Allow` header lists the methods of this address";
    /// The server failed.
    Internal = "internal", INTERNAL_SERVER_ERROR,
        "something went wrong on our side",
        "this is a defect of the server; its log has the cause under this `request_id`";
}

/// Why a request was not carried out, as `application/problem+json` (RFC 9457). Compare `code`.
#[derive(Serialize, ToSchema)]
pub struct Problem {
    /// `urn:cardseal:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:cardseal:problem:field_type")]
    pub kind: String,
    /// What happened, in a few words that are the same for every refusal with this code.
    #[schema(example = "a field has the wrong type")]
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, example = 422)]
    pub status: u16,
    /// The stable code.
    #[schema(example = "field_type")]
    pub code: String,
    /// What came, what was expected and what to check.
    #[schema(example = "`amount` must be text of 1 to 32 characters, for example \"12.34\"; got a number")]
    pub detail: String,
    /// The id of the request, as in `x-request-id` and in the server's log.
    pub request_id: String,
    /// The field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "amount")]
    pub field: Option<String>,
    /// The platform's own code, where the platform refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub platform_code: Option<Option<String>>,
    /// The platform's own text, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub platform_message: Option<String>,
    /// Seconds until the same request may work, as in `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_after: Option<u64>,
    /// The payment that the refusal is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payment: Option<String>,
}

/// An error for a caller. Boxed to keep a `Result` small.
#[derive(Clone, Debug)]
pub struct ApiError(Box<Facts>);

#[derive(Clone, Debug)]
struct Facts {
    code: Code,
    detail: Option<String>,
    field: Option<String>,
    rejection: Option<Rejection>,
    payment: Option<String>,
    retry_after: Option<u64>,
    cause: Option<String>,
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Self(Box::new(Facts {
            code,
            detail: None,
            field: None,
            rejection: None,
            payment: None,
            retry_after: None,
            cause: None,
        }))
    }
}

impl ApiError {
    /// An error about one field.
    #[must_use]
    pub fn field(code: Code, field: &str) -> Self {
        let mut error = Self::from(code);
        error.0.field = Some(field.into());
        error
    }

    /// An internal error. The cause goes to the log only.
    #[must_use]
    pub fn internal(cause: &str) -> Self {
        Self::from(Code::Internal).because(cause)
    }

    /// Says that the error is about a part of this field, which is an object.
    #[must_use]
    pub(crate) fn within(mut self, field: &str) -> Self {
        self.0.code = Code::FieldInvalid;
        self.0.detail = Some(format!("in `{field}`: {}", self.detail_text()));
        self.0.field = Some(field.into());
        self
    }

    /// Replaces the code with a more precise one.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.0.code = code;
        self
    }

    /// Adds a cause, for the log only.
    #[must_use]
    pub fn because(mut self, cause: &str) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Adds a detail. It must not contain a value from the caller.
    #[must_use]
    pub fn detail(mut self, detail: &str) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Names the platform that was called: in the cause, and where its section of the configuration must be checked.
    #[must_use]
    pub fn at(mut self, platform: &str) -> Self {
        if let Some(cause) = &mut self.0.cause {
            *cause = format!("{platform}: {cause}");
        }
        if self.0.code == Code::PlatformSetup {
            let section = format!("[platforms.{platform}]");
            self.0.detail = Some(self.detail_text().replace("[platforms.…]", &section));
        }
        self
    }

    /// Sets the payment that the error is about.
    #[must_use]
    pub fn about(mut self, payment: &str) -> Self {
        self.0.payment = Some(payment.into());
        self
    }

    /// Sets `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The platform's refusal, if there is one.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        self.0.rejection.as_ref()
    }

    /// The detail, or the code's general advice.
    #[must_use]
    pub fn detail_text(&self) -> &str {
        self.0.detail.as_deref().unwrap_or(self.0.code.advice())
    }

    /// The detail, if there is one.
    #[must_use]
    pub fn own_detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The cause, for the log.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// Writes the body.
    #[must_use]
    pub fn render(&self, request_id: &str) -> String {
        let facts = &self.0;
        let code = facts.code.as_str();
        let problem = Problem {
            kind: format!("urn:cardseal:problem:{code}"),
            title: facts.code.title().into(),
            status: facts.code.status().as_u16(),
            code: code.into(),
            detail: self.detail_text().into(),
            request_id: request_id.into(),
            field: facts.field.clone(),
            platform_code: facts.rejection.as_ref().map(|rejection| rejection.code.clone()),
            platform_message: facts
                .rejection
                .as_ref()
                .map(|rejection| rejection.message.clone()),
            retry_after: facts.retry_after,
            payment: facts.payment.clone(),
        };
        serde_json::to_string(&problem).unwrap_or_default()
    }

    /// Builds the response, once the request's id is known.
    #[must_use]
    pub fn response(&self, request_id: &str) -> Response {
        let mut response = problem(self.0.code.status(), self.render(request_id));
        if let Some(seconds) = self.0.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Builds a response of type `application/problem+json`.
#[must_use]
pub fn problem(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response
}

/// The middleware that knows the request's id writes the body; see `logging`.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.0.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl From<&StoreError> for ApiError {
    fn from(error: &StoreError) -> Self {
        let cause = error.to_string();
        match error {
            StoreError::Unavailable(_) | StoreError::LeaseLost => Self::from(Code::StorageUnavailable)
                .retry_after(STORAGE_RETRY_S)
                .because(&cause),
            StoreError::Unreadable { table, row, .. } => {
                let error = Self::from(Code::RecordUnreadable).because(&cause);
                if *table == "payments" {
                    error.about(row)
                } else {
                    error
                }
            }
            StoreError::Database(_)
            | StoreError::File(_)
            | StoreError::InUse
            | StoreError::OlderOwner
            | StoreError::OlderInstances
            | StoreError::ClocksApart(_)
            | StoreError::Access(_)
            | StoreError::Tls(_)
            | StoreError::NotDurable(_)
            | StoreError::ReadOnly
            | StoreError::NothingToCompact
            | StoreError::Linked
            | StoreError::TooNew
            | StoreError::OtherMigration(_)
            | StoreError::Unknown(_)
            | StoreError::Sealed { .. }
            | StoreError::WrongKey(_)
            | StoreError::MissingKey { .. }
            | StoreError::Panicked => Self::internal(&cause),
        }
    }
}

impl From<UnknownPlatform> for ApiError {
    fn from(unknown: UnknownPlatform) -> Self {
        Self::field(Code::FieldInvalid, "platform").detail(&format!(
            "this platform is not configured here: `platform` must be {} (a section [platforms.…] of the \
             configuration adds one)",
            listed(&unknown.configured, "or")
        ))
    }
}

impl From<Busy> for ApiError {
    fn from(_: Busy) -> Self {
        Self::from(Code::PlatformBusy).retry_after(5)
    }
}

impl From<TaskPanicked> for ApiError {
    fn from(error: TaskPanicked) -> Self {
        Self::internal(&error.to_string())
    }
}

/// Describes a platform's refusal, for the log.
fn said(rejection: &Rejection) -> String {
    let part = |text: Option<&str>| text.unwrap_or("none").to_owned();
    let check = match rejection.cause() {
        Cause::Setup => {
            "; check credentials, account and permissions in the platform's section of the configuration"
        }
        Cause::Request | Cause::Card => "",
    };
    format!(
        "platform code {} ({}), status {}: {}{check}",
        part(rejection.code.as_deref()),
        part(rejection.name.as_deref()),
        rejection
            .status
            .map_or_else(|| "none".into(), |status| status.to_string()),
        rejection.message
    )
}

/// What a platform takes in a field whose form was right.
fn wanted(field: &str) -> String {
    let wanted = match field {
        "customer_ip" => {
            "must be the customer's IPv4 address, for example \"192.0.2.1\"; this platform needs one"
        }
        "answer" => {
            "is not what the session's platform answers to the module's request; send its JSON unchanged, with the \
             session that the request was made with"
        }
        "ld" | "lk" | "sealed" | "encrypted_customer_input" => {
            "is missing or is not what the module makes for the session's platform; send the fields that it returned, \
             unchanged"
        }
        "return_url" => {
            "is missing, or is not an https address of at most 200 characters, with GreenPay one without a query; the \
             platform's page needs it. Send it, or with Online Payments set `return_url` in the platform's section"
        }
        _ => {
            "has a value that the platform does not take; docs/server.md and the platform's page there say what it takes"
        }
    };
    format!("`{field}` {wanted}")
}

/// What came instead of a usable answer, and what to check.
const fn explained(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::TimedOut => {
            "no answer came within `http.request_timeout_ms`; check the platform's status page"
        }
        Doubt::ConnectionLost => "the connection broke before the answer was complete",
        Doubt::NoAnswerBehindProxy => {
            "the platform, or a proxy in front of it, answered with a server error; check the platform's status page"
        }
        Doubt::AnswerTooLarge => "the answer is larger than any documented one; check the platform's address",
        Doubt::Undecodable => {
            "the answer is not the documented JSON; check `environment`, address and credentials in the platform's \
             section"
        }
        Doubt::Contradictory => "two parts of the answer contradict each other; ask the platform",
        Doubt::WrongReference => "the answer belongs to another request; ask the platform",
        Doubt::SignatureInvalid => {
            "the answer's signature is missing or wrong; check the platform's public key"
        }
        Doubt::Pending => "the platform has not decided yet",
        Doubt::Interrupted => "the call was interrupted",
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotOffered => Code::NotOffered.into(),
            Refusal::CurrencyNotSupported => Self::field(Code::CurrencyNotSupported, "currency"),
            Refusal::Invalid(field) => Self::field(Code::FieldInvalid, field).detail(&wanted(field)),
            Refusal::Sealed(refusal) => match refusal {
                sealing::Refusal::Oversized => Code::SealedOversized,
                sealing::Refusal::Malformed => Code::SealedMalformed,
                sealing::Refusal::Algorithm => Code::SealedAlgorithm,
                sealing::Refusal::UnknownKey => Code::SealedKeyUnknown,
                sealing::Refusal::WrongSession => Code::SealedWrongSession,
                sealing::Refusal::Expired => Code::SealedExpired,
                sealing::Refusal::EphemeralKey => Code::SealedEphemeralKey,
                sealing::Refusal::Changed => Code::SealedChanged,
                sealing::Refusal::NotACard => Code::SealedNotACard,
            }
            .into(),
            Refusal::BelongsElsewhere => Code::TokenBelongsElsewhere.into(),
            Refusal::PageOpen => Code::PageOpen.into(),
            Refusal::NotSent => Self::from(Code::PlatformUnavailable)
                .retry_after(5)
                .because("could not connect; the log line before names host and reason"),
            Refusal::Rejected(rejection) => {
                let code = match rejection.cause() {
                    Cause::Setup => Code::PlatformSetup,
                    Cause::Request | Cause::Card => Code::PlatformRejected,
                };
                let cause = said(&rejection);
                let mut error = Self::from(code).because(&cause);
                error.0.rejection = Some(rejection);
                error
            }
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal.into(),
            Error::SignatureInvalid => Code::SignatureInvalid.into(),
            Error::Incomplete(rejection) => {
                let cause = said(&rejection);
                let mut error = Self::from(Code::PlatformAnswerInvalid).because(&cause);
                error.0.rejection = Some(rejection);
                error
            }
            Error::Doubtful(doubt) => {
                let code = match doubt {
                    Doubt::TimedOut | Doubt::NoAnswerBehindProxy | Doubt::ConnectionLost => {
                        Code::PlatformTimeout
                    }
                    Doubt::AnswerTooLarge
                    | Doubt::Undecodable
                    | Doubt::Contradictory
                    | Doubt::WrongReference
                    | Doubt::SignatureInvalid
                    | Doubt::Pending
                    | Doubt::Interrupted => Code::PlatformAnswerInvalid,
                };
                Self::from(code).because(&format!("{}: {}", doubt.as_str(), explained(doubt)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_snake_case_and_titles_are_sentences_without_a_stop() {
        for code in Code::ALL {
            let text = code.as_str();
            assert!(
                text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{text}"
            );
            for sentence in [code.title(), code.advice()] {
                assert!(!sentence.ends_with('.'), "{text}");
            }
            assert_ne!(code.title(), code.advice(), "{text}");
            assert!(
                code.status().is_client_error() || code.status().is_server_error(),
                "{text}"
            );
        }
    }

    #[test]
    fn every_code_is_documented_with_its_status() {
        let page = include_str!("../../docs/server.md");
        for code in Code::ALL {
            let row = format!(
                "| `{}` | {} | {} |",
                code.as_str(),
                code.status().as_u16(),
                code.title()
            );
            assert!(page.contains(&row), "docs/server.md has no row {row}");
        }
    }

    #[test]
    fn what_was_sealed_is_refused_in_the_words_of_the_seal() {
        for refusal in sealing::Refusal::ALL {
            let code = ApiError::from(Refusal::Sealed(refusal)).code();
            assert_eq!(
                (code.as_str(), code.title()),
                (refusal.code(), refusal.to_string().as_str())
            );
        }
    }

    #[test]
    fn a_cause_stays_inside() {
        let error = ApiError::internal("disk /dev/secret is full");
        assert!(!error.render("r").contains("secret"));
        assert_eq!(error.cause(), Some("disk /dev/secret is full"));
    }
}
