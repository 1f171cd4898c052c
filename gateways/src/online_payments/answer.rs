//! Reads the client's answers: what an error says about a call, and what a status means.
//!
//! Of a status the code counts first, then the word and the flags, which must not contradict it. Whatever is not known is
//! pending. Nothing but an explicit row says that money was taken.

use cardseal_worldline::online_payments::domain::StatusOutput;
use cardseal_worldline::online_payments::errors::{self, Fault};

use crate::error::{Doubt, Error, Refusal, Rejection, sentence, word};
use crate::worldline::refused_here;

/// What the platform said, masked.
pub(super) fn rejection(fault: &Fault) -> Rejection {
    let first = fault.errors.first();
    let problem = fault.problem.as_ref();
    let message = first
        .and_then(|error| error.message.as_deref())
        .or_else(|| problem.and_then(|problem| problem.detail.as_deref().or(problem.title.as_deref())))
        .unwrap_or_default();
    Rejection {
        code: fault.code().map(word),
        name: first.and_then(|error| error.id.as_deref()).map(word),
        message: sentence(message),
        status: Some(fault.status),
    }
}

/// A refusal is one only where the platform itself says in its own words that it did nothing.
impl From<&errors::Error> for Error {
    fn from(error: &errors::Error) -> Self {
        let rejected = |fault| Refusal::Rejected(rejection(fault)).into();
        match error {
            errors::Error::DeclinedPayment(declined) => rejected(&declined.fault),
            errors::Error::DeclinedRefund(declined) | errors::Error::DeclinedPayout(declined) => {
                rejected(&declined.fault)
            }
            // With a key, a conflict is a first request that is under way, whatever its code.
            errors::Error::Reference(fault) if fault.status == 409 => Self::Doubtful(Doubt::Pending),
            errors::Error::Validation(fault)
            | errors::Error::Authorization(fault)
            | errors::Error::Reference(fault) => rejected(fault),
            errors::Error::NotFound => Refusal::Rejected(Rejection {
                code: Some("not_found".into()),
                status: Some(404),
                ..Rejection::default()
            })
            .into(),
            errors::Error::Idempotence(_) => Self::Doubtful(Doubt::Pending),
            // 402 without the payment: declined, or not, by a word that is not documented.
            errors::Error::Api(fault) => match fault.status {
                402 | 408 => Self::Doubtful(Doubt::Undecodable),
                400..=499 => rejected(fault),
                500..=599 => Self::Doubtful(Doubt::NoAnswerBehindProxy),
                _ => Self::Doubtful(Doubt::Undecodable),
            },
            errors::Error::Platform(_) => Self::Doubtful(Doubt::NoAnswerBehindProxy),
            errors::Error::Communication(why) => (*why).into(),
            errors::Error::Mistake(mistake) => refused_here(*mistake, "card").into(),
        }
    }
}

impl From<errors::Error> for Error {
    fn from(error: errors::Error) -> Self {
        Self::from(&error)
    }
}

/// How far a payment, or something that was done to it, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The money was taken.
    Captured,
    /// The bank holds the money.
    Authorized,
    /// What was held has been let go, or what was taken has been undone.
    Cancelled,
    /// The bank or the platform said no.
    Rejected,
    /// The shopper went away.
    Abandoned,
    /// The money was held, and taking it was refused.
    CaptureRejected,
    /// Paid back.
    Refunded,
    /// Paying back was refused: the money stays taken.
    RefundRejected,
    /// Letting go was refused: the money stays held.
    CancelRejected,
    /// The shopper has to do something first.
    Redirected,
    /// It is being authorised, or waits for somebody.
    Pending,
    /// It is being captured.
    CapturePending,
    /// It is being cancelled.
    CancelPending,
    /// It is being paid back.
    RefundPending,
    /// Two parts of the answer say different things.
    Contradictory,
}

impl State {
    /// What is left of it where a member that decides cannot be read: no money is said to have moved, and none to have
    /// stayed. A plain refusal is one all the same.
    #[must_use]
    pub(super) const fn where_read(self, read: bool) -> Self {
        if read {
            return self;
        }
        match self {
            Self::Captured
            | Self::Authorized
            | Self::Cancelled
            | Self::CaptureRejected
            | Self::Refunded
            | Self::RefundRejected
            | Self::CancelRejected => Self::Pending,
            Self::Rejected
            | Self::Abandoned
            | Self::Redirected
            | Self::Pending
            | Self::CapturePending
            | Self::CancelPending
            | Self::RefundPending
            | Self::Contradictory => self,
        }
    }
}

/// Codes, what they mean, and the words that go with them.
const CODES: &[(&[i64], State, &[&str])] = &[
    (&[0], State::Pending, &["CREATED"]),
    (&[46], State::Redirected, &["REDIRECTED"]),
    (
        &[50, 51, 52, 55],
        State::Pending,
        &["AUTHORIZATION_REQUESTED", "PENDING_PAYMENT", "PENDING_COMPLETION"],
    ),
    (&[5, 56], State::Authorized, &["PENDING_CAPTURE"]),
    (&[63], State::CancelRejected, &["PENDING_CAPTURE"]),
    (&[4, 91, 92, 99], State::CapturePending, &["CAPTURE_REQUESTED"]),
    (&[9], State::Captured, &["CAPTURED"]),
    (&[93], State::CaptureRejected, &["REJECTED_CAPTURE"]),
    (&[1], State::Abandoned, &["CANCELLED"]),
    (&[2], State::Rejected, &["REJECTED"]),
    (&[6], State::Cancelled, &["CANCELLED"]),
    (&[61, 62], State::CancelPending, &["CANCELLED"]),
    (&[7], State::Cancelled, &["CANCELLED", "REVERSED"]),
    (
        &[64, 71, 72, 73, 75],
        State::CancelPending,
        &["CANCELLED", "REVERSED"],
    ),
    (&[8, 85], State::Refunded, &["REFUNDED"]),
    (&[81, 82], State::RefundPending, &["REFUND_REQUESTED"]),
    (&[83, 84], State::RefundRejected, &["CAPTURED", "REJECTED"]),
];

/// Words alone, for an answer without a code. One that says `CANCELLED` alone may still be waiting.
const WORDS: &[(&str, State)] = &[
    ("CAPTURED", State::Captured),
    ("PENDING_CAPTURE", State::Authorized),
    ("REJECTED", State::Rejected),
    ("REJECTED_CAPTURE", State::CaptureRejected),
    ("REDIRECTED", State::Redirected),
    ("CAPTURE_REQUESTED", State::CapturePending),
    ("CANCELLED", State::CancelPending),
    ("REVERSED", State::CancelPending),
    ("REFUND_REQUESTED", State::RefundPending),
    ("REFUNDED", State::Refunded),
];

/// What a status and its details say together.
#[must_use]
pub(super) fn state(status: Option<&str>, output: Option<&StatusOutput>) -> State {
    let code = output.and_then(|output| output.status_code);
    let state = match code {
        Some(code) => {
            let Some((_, state, words)) = CODES.iter().find(|(codes, _, _)| codes.contains(&code)) else {
                return State::Pending;
            };
            let known = |word: &str| {
                WORDS.iter().any(|(own, _)| *own == word)
                    || CODES.iter().any(|(_, _, words)| words.contains(&word))
            };
            match status {
                Some(word) if words.contains(&word) => *state,
                Some(word) if known(word) => return State::Contradictory,
                // A word of a later version, or none.
                Some(_) | None => return State::Pending,
            }
        }
        None => WORDS
            .iter()
            .find(|(word, _)| status == Some(*word))
            .map_or(State::Pending, |(_, state)| *state),
    };
    let flag = |of: fn(&StatusOutput) -> Option<bool>| output.and_then(of);
    let (authorized, refundable) = (
        flag(|output| output.is_authorized),
        flag(|output| output.is_refundable),
    );
    let refused = matches!(state, State::Rejected | State::Abandoned);
    let state = state.where_read(!output.is_some_and(|output| {
        ["statusCode", "isAuthorized", "isRefundable"]
            .iter()
            .any(|name| output.is_unreadable(name))
    }));
    let not_held = state == State::Authorized && authorized == Some(false);
    if not_held || (refused && (authorized == Some(true) || refundable == Some(true))) {
        State::Contradictory
    } else {
        state
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: &str, output: serde_json::Value) -> State {
        let output: StatusOutput = serde_json::from_value(output).unwrap();
        state(Some(status), Some(&output))
    }

    #[test]
    fn every_code_of_the_published_table() {
        for (codes, word, expected) in [
            (&[0][..], "CREATED", State::Pending),
            (&[46], "REDIRECTED", State::Redirected),
            (&[50, 51, 52, 55], "AUTHORIZATION_REQUESTED", State::Pending),
            (&[5, 56], "PENDING_CAPTURE", State::Authorized),
            (&[4, 91, 92, 99], "CAPTURE_REQUESTED", State::CapturePending),
            (&[9], "CAPTURED", State::Captured),
            (&[93], "REJECTED_CAPTURE", State::CaptureRejected),
            (&[1], "CANCELLED", State::Abandoned),
            (&[2], "REJECTED", State::Rejected),
            (&[6], "CANCELLED", State::Cancelled),
            (&[61, 62], "CANCELLED", State::CancelPending),
            (&[63], "PENDING_CAPTURE", State::CancelRejected),
            (&[7], "REVERSED", State::Cancelled),
            (&[71, 72, 73, 64, 75], "CANCELLED", State::CancelPending),
            (&[8, 85], "REFUNDED", State::Refunded),
            (&[81, 82], "REFUND_REQUESTED", State::RefundPending),
            (&[83, 84], "CAPTURED", State::RefundRejected),
        ] {
            for code in codes {
                assert_eq!(of(word, json!({ "statusCode": code })), expected, "{code} {word}");
                // The same code with any other word is never money.
                for other in ["CAPTURED", "PENDING_CAPTURE", "REJECTED", "SETTLED_SOMEHOW"] {
                    let state = of(other, json!({ "statusCode": code }));
                    assert!(
                        state == expected
                            || [State::Contradictory, State::Pending, State::RefundRejected].contains(&state),
                        "{code} {other}: {state:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_documented_table_is_this_one() {
        let guide = include_str!("../../../docs/online-payments.md");
        let (_, table) = guide
            .split_once("| code | meaning | payment here |\n|---|---|---|\n")
            .unwrap();
        let mut documented = Vec::new();
        for row in table.lines().take_while(|line| line.starts_with('|')) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            for code in cells[1].split(", ") {
                let code: i64 = code.parse().unwrap();
                let (_, state, _) = CODES.iter().find(|(codes, _, _)| codes.contains(&code)).unwrap();
                let word = match state {
                    State::Captured => "`approved`",
                    State::Authorized | State::CancelRejected => "`authorized`",
                    State::Cancelled => "`voided`",
                    State::Rejected | State::Abandoned | State::CaptureRejected => "`declined`",
                    State::Refunded => "`refunded`",
                    State::RefundPending => "`refund_unknown`",
                    State::RefundRejected => "`platform_rejected`",
                    State::Redirected | State::Pending | State::CapturePending | State::CancelPending => {
                        "`unknown`"
                    }
                    State::Contradictory => "no code is contradictory",
                };
                assert!(cells[3].contains(word), "{code}: {word} is not in {row}");
                documented.push(code);
            }
        }
        let mut known: Vec<i64> = CODES
            .iter()
            .flat_map(|(codes, _, _)| codes.iter().copied())
            .collect();
        documented.sort_unstable();
        known.sort_unstable();
        assert_eq!(documented, known);
    }

    #[test]
    fn what_is_not_known_is_pending() {
        assert_eq!(of("CAPTURED", json!({ "statusCode": 900 })), State::Pending);
        assert_eq!(of("PAID", json!({ "statusCode": 9 })), State::Pending);
        assert_eq!(of("PAID", json!({})), State::Pending);
        assert_eq!(state(None, None), State::Pending);
        assert_eq!(state(Some("CREATED"), None), State::Pending);
        assert_eq!(state(Some("CANCELLED"), None), State::CancelPending);
    }

    #[test]
    fn flags_must_not_contradict() {
        let recorded = json!({ "isCancellable": false, "statusCategory": "COMPLETED", "statusCode": 9,
            "isAuthorized": false, "isRefundable": true });
        assert_eq!(of("CAPTURED", recorded), State::Captured);
        assert_eq!(
            of(
                "PENDING_CAPTURE",
                json!({ "statusCode": 5, "isAuthorized": false })
            ),
            State::Contradictory
        );
        assert_eq!(
            of("REJECTED", json!({ "statusCode": 2, "isAuthorized": true })),
            State::Contradictory
        );
    }
}
