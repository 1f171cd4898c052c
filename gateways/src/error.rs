//! What can go wrong between a server and a platform.
//!
//! Two types on purpose. A [`Refusal`] says that nothing happened at the platform: it is the only error that
//! an operation on money has, everything doubtful there is an outcome. An [`Error`] of the other operations
//! can also mean that nobody knows. Neither holds a secret, a card or an address.

use cardseal::redact::line;

use crate::transport::Failure;

/// The operation was not carried out, for certain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The platform has no such operation.
    #[error("the platform does not offer this operation")]
    NotOffered,
    /// The merchant has no account in this currency.
    #[error("the platform account does not take this currency")]
    CurrencyNotSupported,
    /// A value that the caller handed in cannot be sent; the field is named.
    #[error("the value of `{0}` is not valid")]
    Invalid(&'static str),
    /// No connection came about.
    #[error("the platform could not be reached")]
    NotSent,
    /// What the page handed over was made for another session.
    #[error("this belongs to another session")]
    BelongsElsewhere,
    /// The customer has not filled in the platform's form yet.
    #[error("the customer has not finished on the platform's page")]
    PageOpen,
    /// What a page sealed to our own key was not opened.
    #[error(transparent)]
    Sealed(#[from] crate::sealing::Refusal),
    /// The platform said no.
    #[error("the platform refused the request")]
    Rejected(Rejection),
}

/// What a platform said when it refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejection {
    /// The platform's own code, or our stable word for it where the platform has none.
    pub code: Option<String>,
    /// The platform's word beside the code, where it has both.
    pub name: Option<String>,
    /// The platform's own text, masked.
    pub message: String,
    /// The status in the body, or of the HTTP answer.
    pub status: Option<u16>,
}

/// What a platform's refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The request, or something that the platform's code says.
    Request,
    /// The bank declined the card.
    Card,
    /// The merchant's account, credentials or permissions: no other card and no other try helps.
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

/// The operation failed, or nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It was not carried out.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It may have been carried out.
    #[error("the platform gave no usable answer")]
    Doubtful(Doubt),
    /// It was carried out, and the answer lacks what it was asked for.
    #[error("the platform's answer lacks what was asked for")]
    Incomplete(Rejection),
    /// The answer, or a notification, is not the platform's own.
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
    /// For an operation on money: what is in doubt there is an outcome and no error.
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

    /// For a call that was only to prepare an operation: whatever became of it, the operation itself was not sent.
    #[must_use]
    pub fn before_sending(self) -> Refusal {
        self.into_doubt()
            .map_or_else(|refusal| refusal, |_| Refusal::NotSent)
    }
}

/// Why nobody knows what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// No answer within the time-out.
    TimedOut,
    /// The connection broke after the request was on its way.
    ConnectionLost,
    /// The answer is larger than any that is documented.
    AnswerTooLarge,
    /// A proxy on the way answered that it heard nothing (504 and its kin), or a server error without a reason.
    NoAnswerBehindProxy,
    /// The answer is not JSON, or not of the documented shape.
    Undecodable,
    /// Two parts of the answer say different things.
    Contradictory,
    /// The answer belongs to another request.
    WrongReference,
    /// The signature is missing or wrong, and the configuration demands it.
    SignatureInvalid,
    /// The platform has it and has not decided.
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
