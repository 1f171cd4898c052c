//! What can go wrong between a server and a platform.
//!
//! There are two types. A [`Refusal`] says that nothing happened at the platform. Operations that move money return no
//! other error: for them, doubt is an outcome. The [`Error`] of all other operations can also mean that the outcome is
//! unknown. Neither contains a secret, a card or a URL.

use cardseal::redact::line;

use crate::transport::Failure;

/// The operation was certainly not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The platform has no such operation.
    #[error("the platform does not offer this operation")]
    NotOffered,
    /// The merchant has no account in this currency.
    #[error("the platform account does not take this currency")]
    CurrencyNotSupported,
    /// A value from the caller cannot be sent. Names the field.
    #[error("the value of `{0}` is not valid")]
    Invalid(&'static str),
    /// No connection could be made.
    #[error("the platform could not be reached")]
    NotSent,
    /// The page's payload was made for another session.
    #[error("this belongs to another session")]
    BelongsElsewhere,
    /// The customer has not filled in the platform's form yet.
    #[error("the customer has not finished on the platform's page")]
    PageOpen,
    /// A card that a page sealed to our own key cannot be opened.
    #[error(transparent)]
    Sealed(#[from] crate::sealing::Refusal),
    /// The platform refused the request.
    #[error("the platform refused the request")]
    Rejected(Rejection),
}

/// What a platform said when it refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejection {
    /// The platform's own code, or our stable code if the platform sends none.
    pub code: Option<String>,
    /// The platform's name for the code, if it sends both.
    pub name: Option<String>,
    /// The platform's own text, masked.
    pub message: String,
    /// The status in the body, or the HTTP status.
    pub status: Option<u16>,
}

/// What a platform's refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The request itself, or what the platform's code says.
    Request,
    /// The bank declined the card.
    Card,
    /// The merchant's account, credentials or permissions: neither another card nor a retry helps.
    Setup,
}

/// Words of faults in the merchant's set-up where the status does not say so: GreenPay's texts, the words of OAuth 2.0
/// (RFC 6749, 5.2), and our own.
const SETUP: &[&str] = &[
    "merchant_unknown",
    "terminal_unknown",
    "account_not_in_scope",
    "account_not_permitted",
    "caller_address_not_allowed",
    "invalid_client",
    "invalid_grant",
    "invalid_scope",
    "unauthorized",
    "unauthorized_client",
];
/// Words of a bank that declined a card.
const DECLINED: &[&str] = &["NOT_VERIFIED", "DECLINED"];

impl Rejection {
    /// What it is about.
    #[must_use]
    pub fn cause(&self) -> Cause {
        let says = |words: &[&str]| {
            [&self.code, &self.name]
                .into_iter()
                .flatten()
                .any(|own| words.contains(&own.as_str()))
        };
        if matches!(self.status, Some(401 | 403)) || says(SETUP) {
            Cause::Setup
        } else if says(DECLINED) {
            Cause::Card
        } else {
            Cause::Request
        }
    }
}

/// A platform's sentence as it is stored or returned: on one line, bounded, card numbers masked.
pub(crate) fn sentence(text: &str) -> String {
    line(text, 300)
}

/// A platform's code or name, in the same way.
pub(crate) fn word(text: &str) -> String {
    line(text, 80)
}

/// A platform's id, which may be of digits alone.
pub(crate) fn identifier(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// The operation failed, or its outcome is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It was not carried out.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It may have been carried out.
    #[error("the platform gave no usable answer")]
    Doubtful(Doubt),
    /// It was carried out, but the answer lacks the expected result.
    #[error("the platform's answer lacks what was asked for")]
    Incomplete(Rejection),
    /// The signature of an answer or a notification is missing or wrong.
    #[error("the signature is missing or wrong")]
    SignatureInvalid,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent => Refusal::NotSent.into(),
            Failure::TimedOut => Self::Doubtful(Doubt::TimedOut),
            Failure::ConnectionLost => Self::Doubtful(Doubt::ConnectionLost),
            Failure::AnswerTooLarge => Self::Doubtful(Doubt::AnswerTooLarge),
        }
    }
}

impl Error {
    /// For an operation that moves money, where doubt is an outcome and not an error.
    ///
    /// # Errors
    /// [`Refusal`], if nothing was carried out.
    pub fn into_doubt(self) -> Result<Doubt, Refusal> {
        match self {
            Self::Refused(refusal) => Err(refusal),
            Self::Doubtful(doubt) => Ok(doubt),
            Self::Incomplete(_) => Ok(Doubt::Undecodable),
            Self::SignatureInvalid => Ok(Doubt::SignatureInvalid),
        }
    }

    /// For a call that only prepares an operation: whatever happened to it, the operation itself was not sent.
    #[must_use]
    pub fn before_sending(self) -> Refusal {
        self.into_doubt()
            .map_or_else(|refusal| refusal, |_| Refusal::NotSent)
    }
}

/// Why the outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// No answer within the time-out.
    TimedOut,
    /// The connection broke after the request was on its way.
    ConnectionLost,
    /// The answer is larger than any that is documented.
    AnswerTooLarge,
    /// A proxy got no answer from the platform (504 and the like), or a server error gave no reason.
    NoAnswerBehindProxy,
    /// The answer is not JSON, or not of the documented shape.
    Undecodable,
    /// Two parts of the answer say different things.
    Contradictory,
    /// The answer belongs to another request.
    WrongReference,
    /// The signature is missing or wrong, and the configuration demands it.
    SignatureInvalid,
    /// The platform has not decided yet.
    Pending,
    /// The process ended while the request was under way.
    Interrupted,
}

impl Doubt {
    /// A stable word for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::ConnectionLost => "connection_lost",
            Self::AnswerTooLarge => "answer_too_large",
            Self::NoAnswerBehindProxy => "no_answer_behind_proxy",
            Self::Undecodable => "undecodable",
            Self::Contradictory => "contradictory",
            Self::WrongReference => "wrong_reference",
            Self::SignatureInvalid => "signature_invalid",
            Self::Pending => "pending",
            Self::Interrupted => "interrupted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_it_is_about() {
        let cause = |code: Option<&str>, name: Option<&str>, status: Option<u16>| {
            Rejection {
                code: code.map(Into::into),
                name: name.map(Into::into),
                message: String::new(),
                status,
            }
            .cause()
        };
        assert_eq!(cause(Some("9007"), None, Some(403)), Cause::Setup);
        assert_eq!(cause(Some("invalid_client"), None, Some(400)), Cause::Setup);
        assert_eq!(cause(Some("merchant_unknown"), None, Some(500)), Cause::Setup);
        assert_eq!(cause(Some("51"), Some("NOT_VERIFIED"), None), Cause::Card);
        assert_eq!(cause(Some("40118"), None, Some(404)), Cause::Request);
        assert_eq!(cause(None, None, None), Cause::Request);
    }
}
