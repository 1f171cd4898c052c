//! What the gateways of both Worldline products share: how the client's errors and logs become the gateways' own.

use std::sync::Arc;

use cardseal_worldline::errors::{Communication, Mistake};
use cardseal_worldline::logging::CommunicatorLogger;

use crate::error::{Doubt, Error, Refusal};

impl From<Communication> for Error {
    fn from(why: Communication) -> Self {
        match why {
            Communication::Failure(failure) => failure.into(),
            Communication::NotJson(500..=599) => Self::Doubtful(Doubt::NoAnswerBehindProxy),
            Communication::NotJson(_) | Communication::Redirect(_) => Self::Doubtful(Doubt::Undecodable),
        }
    }
}

/// A request that the client did not make. `clear` is the field that a card number in clear can have come with.
pub(crate) const fn refused_here(mistake: Mistake, clear: &'static str) -> Refusal {
    match mistake {
        Mistake::Value(name) => Refusal::Invalid(name),
        Mistake::ClearCardData => Refusal::Invalid(clear),
        Mistake::Closed => Refusal::NotSent,
    }
}

/// The server's log of calls.
pub(crate) struct CallLog(pub(crate) Arc<dyn Fn(&str) + Send + Sync>);

impl CommunicatorLogger for CallLog {
    fn log(&self, message: &str) {
        (self.0)(message);
    }
}
