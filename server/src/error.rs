//! What callers get when something is refused: `application/problem+json` with a stable code.
//!
//! One table of codes with their statuses. The cause, which only operators see, goes to the log once.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cardseal_gateways::error::{Doubt, Error, Refusal, Rejection};
use cardseal_gateways::sealing;
use serde_json::{Map, Value};

use crate::gate::Busy;
use crate::store::StoreError;
use crate::{TaskPanicked, UnknownPlatform};

/// When to try again what could not be stored, in seconds.
const STORAGE_RETRY_S: u64 = 5;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $status:ident, $title:literal;)+) => {
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

            /// A sentence for the developer.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }
        }
    };
}

codes! {
    /// The body is no JSON object in UTF-8.
    BadJson = "bad_json", BAD_REQUEST, "the body is not a valid JSON object";
    /// A key stands twice in an object.
    DuplicateField = "duplicate_field", BAD_REQUEST, "a field is given twice";
    /// The body is longer than the limit.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "the body is too large";
    /// The body came too slowly.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "the body did not arrive in time";
    /// Not `application/json`.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "send application/json";
    /// A field that this request does not have.
    UnknownField = "unknown_field", UNPROCESSABLE_ENTITY, "a field is not known";
    /// A field that this request needs.
    FieldMissing = "field_missing", UNPROCESSABLE_ENTITY, "a field is missing";
    /// A field has another JSON type.
    FieldType = "field_type", UNPROCESSABLE_ENTITY, "a field has the wrong type";
    /// A field has a value that cannot be taken.
    FieldInvalid = "field_invalid", UNPROCESSABLE_ENTITY, "a field has a value that is not valid";
    /// Something like a card number stands where none may be.
    ClearCardData = "clear_card_data", UNPROCESSABLE_ENTITY,
        "the body holds what looks like a card number in clear; it was discarded";
    /// The amount is not decimal text, zero, too large, or has too many decimals.
    AmountInvalid = "amount_invalid", UNPROCESSABLE_ENTITY, "the amount is not valid";
    /// No account for this currency.
    CurrencyNotSupported = "currency_not_supported", UNPROCESSABLE_ENTITY, "there is no account for this currency";
    /// The merchant's key is needed.
    ApiKeyMissing = "api_key_missing", UNAUTHORIZED, "this call needs the merchant's API key";
    /// The merchant's key is wrong.
    ApiKeyInvalid = "api_key_invalid", UNAUTHORIZED, "the API key is not valid";
    /// The page is not one of the configured ones.
    OriginNotAllowed = "origin_not_allowed", FORBIDDEN, "calls from this origin are not allowed";
    /// Too many calls from one address.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "too many requests; try again later";
    /// A session, a customer or all together have tried too many cards.
    TooManyAttempts = "too_many_attempts", TOO_MANY_REQUESTS, "too many cards were tried";
    /// No such session.
    SessionNotFound = "session_not_found", NOT_FOUND, "there is no such session";
    /// The session is too old.
    SessionExpired = "session_expired", GONE, "the session has expired; open a new one";
    /// The session has led to a token or a payment, or is doing so.
    SessionUsed = "session_used", CONFLICT, "the session has been used; open a new one";
    /// The customer is still on the platform's page.
    PageOpen = "page_open", CONFLICT, "the customer has not finished on the platform's page yet";
    /// The customer left the platform's page.
    PageCancelled = "page_cancelled", CONFLICT, "the customer left the platform's page without paying";
    /// The session was opened for something else.
    SessionWrongKind = "session_wrong_kind", CONFLICT, "the session was opened for another kind of request";
    /// Longer than any sealed card.
    SealedOversized = "sealed_oversized", UNPROCESSABLE_ENTITY, "the sealed card is too long";
    /// Not the documented form.
    SealedMalformed = "sealed_malformed", UNPROCESSABLE_ENTITY, "the sealed card is not a JWE of the documented form";
    /// Another algorithm.
    SealedAlgorithm = "sealed_algorithm", UNPROCESSABLE_ENTITY, "the sealed card uses another algorithm";
    /// A key that is not in the ring.
    SealedKeyUnknown = "sealed_key_unknown", UNPROCESSABLE_ENTITY, "the sealed card names a key that is not in use";
    /// Sealed for another session.
    SealedWrongSession = "sealed_wrong_session", CONFLICT, "the sealed card belongs to another session";
    /// Past the end that stands in it.
    SealedExpired = "sealed_expired", GONE, "the sealed card has expired";
    /// No point of the curve.
    SealedEphemeralKey = "sealed_ephemeral_key", UNPROCESSABLE_ENTITY, "the sealed card's ephemeral key is not valid";
    /// Changed on its way.
    SealedChanged = "sealed_changed", UNPROCESSABLE_ENTITY, "the sealed card was changed";
    /// Authentic, and no card.
    SealedNotACard = "sealed_not_a_card", UNPROCESSABLE_ENTITY, "what was sealed is not a card";
    /// No such token.
    TokenNotFound = "token_not_found", NOT_FOUND, "there is no such token";
    /// The token has been deleted.
    TokenDeleted = "token_deleted", CONFLICT, "the token has been deleted";
    /// A token or a card that was made for somebody else's session.
    TokenBelongsElsewhere = "token_belongs_elsewhere", CONFLICT,
        "this card was handed over for another session or customer; make a new token in this session";
    /// The token is only a browser's word so far.
    TokenUnconfirmed = "token_unconfirmed", CONFLICT, "the platform has not confirmed this token yet";
    /// No such payment.
    PaymentNotFound = "payment_not_found", NOT_FOUND, "there is no such payment";
    /// The payment's status does not allow it.
    PaymentState = "payment_state", CONFLICT, "the payment's status does not allow this";
    /// The merchant's reference belongs to another payment.
    OrderReferenceUsed = "order_reference_used", CONFLICT, "the order reference belongs to another payment";
    /// Not 1 to 255 visible ASCII characters.
    IdempotencyKeyInvalid = "idempotency_key_invalid", BAD_REQUEST,
        "Idempotency-Key must be 1 to 255 visible ASCII characters";
    /// The key came with another body before.
    IdempotencyKeyReused = "idempotency_key_reused", CONFLICT, "the idempotency key belongs to another request";
    /// The first request with the key is still under way.
    IdempotencyInProgress = "idempotency_in_progress", CONFLICT,
        "the first request with this idempotency key is still under way";
    /// No connection to the platform: nothing was done.
    PlatformUnavailable = "platform_unavailable", SERVICE_UNAVAILABLE, "the platform could not be reached";
    /// Too many calls to the platform are under way: nothing was sent.
    PlatformBusy = "platform_busy", SERVICE_UNAVAILABLE, "too many calls to the platform are under way; nothing was sent";
    /// The platform did not answer.
    PlatformTimeout = "platform_timeout", GATEWAY_TIMEOUT, "the platform did not answer in time";
    /// The platform's answer cannot be used.
    PlatformAnswerInvalid = "platform_answer_invalid", BAD_GATEWAY, "the platform's answer cannot be used";
    /// The platform said no: nothing was done.
    PlatformRejected = "platform_rejected", UNPROCESSABLE_ENTITY, "the platform refused the request";
    /// The platform's answer is not verifiably its own.
    SignatureInvalid = "signature_invalid", BAD_GATEWAY, "the signature of the platform's answer is missing or wrong";
    /// What was handed in is not verifiably the platform's.
    HandedSignatureInvalid = "signature_invalid", UNPROCESSABLE_ENTITY, "the signature is missing or wrong";
    /// The platform has no such operation.
    NotOffered = "not_offered", UNPROCESSABLE_ENTITY, "the platform does not offer this";
    /// The platform refunds whole payments only.
    PartialRefundNotOffered = "partial_refund_not_offered", UNPROCESSABLE_ENTITY,
        "the platform refunds whole payments only";
    /// The disk is full or failing, or the database is locked: nothing was stored.
    StorageUnavailable = "storage_unavailable", SERVICE_UNAVAILABLE,
        "the server cannot store anything at the moment; try again later";
    /// A stored record has a value that this version does not know.
    RecordUnreadable = "record_unreadable", INTERNAL_SERVER_ERROR,
        "a stored record cannot be read; the log names it";
    /// No such address.
    NotFound = "not_found", NOT_FOUND, "there is nothing here";
    /// Another method is needed.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "the address does not take this method";
    /// Our fault.
    Internal = "internal", INTERNAL_SERVER_ERROR, "something went wrong on our side";
}

/// A refusal on its way to the caller. Boxed, so that a `Result` stays small.
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
    /// A refusal of one field.
    #[must_use]
    pub fn field(code: Code, field: &str) -> Self {
        let mut error = Self::from(code);
        error.0.field = Some(field.into());
        error
    }

    /// What went wrong inside; for the log only.
    #[must_use]
    pub fn internal(cause: &str) -> Self {
        Self::from(Code::Internal).because(cause)
    }

    /// Adds what only the log shows.
    #[must_use]
    fn because(mut self, cause: &str) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Says more. Never with a value of the caller's.
    #[must_use]
    pub fn detail(mut self, detail: &str) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Names the payment that the refusal is about.
    #[must_use]
    pub fn about(mut self, payment: &str) -> Self {
        self.0.payment = Some(payment.into());
        self
    }

    /// When to try again.
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

    /// What the platform said, if it refused.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        self.0.rejection.as_ref()
    }

    /// Says more than the title, or the title.
    #[must_use]
    pub fn detail_text(&self) -> &str {
        self.0.detail.as_deref().unwrap_or(self.0.code.title())
    }

    /// For the log.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The body.
    #[must_use]
    pub fn render(&self, request_id: &str) -> String {
        let mut problem = Map::new();
        let code = self.0.code.as_str();
        problem.insert("type".into(), format!("urn:cardseal:problem:{code}").into());
        problem.insert("title".into(), self.0.code.title().into());
        problem.insert("status".into(), self.0.code.status().as_u16().into());
        problem.insert("code".into(), code.into());
        problem.insert("detail".into(), self.detail_text().into());
        problem.insert("request_id".into(), request_id.into());
        if let Some(field) = &self.0.field {
            problem.insert("field".into(), field.as_str().into());
        }
        if let Some(rejection) = &self.0.rejection {
            problem.insert("platform_code".into(), rejection.code.clone().into());
            problem.insert("platform_message".into(), rejection.message.as_str().into());
        }
        if let Some(seconds) = self.0.retry_after {
            problem.insert("retry_after".into(), seconds.into());
        }
        if let Some(payment) = &self.0.payment {
            problem.insert("payment".into(), payment.as_str().into());
        }
        Value::Object(problem).to_string()
    }

    /// The whole answer, once the id of the request is known.
    #[must_use]
    pub fn response(&self, request_id: &str) -> Response {
        let mut response = problem(self.0.code.status(), self.render(request_id));
        if let Some(seconds) = self.0.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// An answer of type `application/problem+json`.
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
            StoreError::Unavailable(_) => Self::from(Code::StorageUnavailable)
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
            | StoreError::Linked
            | StoreError::TooNew
            | StoreError::Unknown(_) => Self::internal(&cause),
        }
    }
}

impl From<UnknownPlatform> for ApiError {
    fn from(_: UnknownPlatform) -> Self {
        Self::field(Code::FieldInvalid, "platform")
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

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotOffered => Code::NotOffered.into(),
            Refusal::CurrencyNotSupported => Self::field(Code::CurrencyNotSupported, "currency"),
            Refusal::Invalid(field) => Self::field(Code::FieldInvalid, field),
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
            Refusal::NotSent => Self::from(Code::PlatformUnavailable).retry_after(5),
            Refusal::Rejected(rejection) => {
                let mut error = Self::from(Code::PlatformRejected);
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
                let mut error = Self::from(Code::PlatformAnswerInvalid);
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
                Self::from(code).because(doubt.as_str())
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
            assert!(!code.title().ends_with('.'), "{text}");
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
