//! Faults: what a route does wrong, how often, and at which point of its work.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Waits `ms` before the work starts.
    Delay,
    /// Waits `ms` after the work is done, before the answer.
    DelayAfterCommit,
    /// Cuts the connection before the work starts.
    DropBefore,
    /// Does the work, then cuts the connection.
    DropAfterCommit,
    /// Does the work, then answers 504 without a body.
    GatewayTimeoutAfterCommit,
    /// Answers 504 without a body and does nothing.
    GatewayTimeoutBeforeCommit,
    /// Does the work, then answers 502 with the platform's own error, if it has one.
    BadGatewayAfterCommit,
    /// Answers that 502 and does nothing.
    BadGatewayBeforeCommit,
    /// Answers 500 (or the status in `value`) with plain text and does nothing.
    ServerError,
    /// Answers 200 (or the status in `value`) with an HTML page and does nothing.
    Html,
    /// Answers 404 without a body and does nothing.
    EmptyNotFound,
    /// Answers 404 (or the status in `value`) with an error whose JSON says 500, and does nothing.
    MisstatedError,
    /// Answers 503 (or the status in `value`) with a problem in JSON (RFC 9457), not the platform's own error, and
    /// does nothing.
    ProblemJson,
    /// Answers 200 with a text that is not JSON and does nothing.
    NotJson,
    /// Does the work, then sends only the first half of the answer.
    TruncatedJson,
    /// Does the work, then sends 32 MiB of spaces (or as many as `value` says) before the answer: valid JSON,
    /// that a careful reader refuses for its length.
    Huge,
    /// Does the work, then answers with `result: null`.
    ResultNull,
    /// Echoes the request's id with another JSON type.
    RequestIdType,
    /// Spoils one digit of the signature.
    BadSignature,
    /// Leaves the signature out.
    MissingSignature,
    /// Drops the leading zeros of the signature. Counts only answers whose signature has any: 1 in 16.
    StrippedZeroSignature,
    /// Signs with another key.
    WrongKeySignature,
    /// Opens the card with another key, which fails.
    WrongKeyDecrypt,
    /// The bank declines with the code in `value`.
    RespCode,
}

impl Kind {
    /// A delay combines with another fault. All others exclude each other.
    const fn is_delay(self) -> bool {
        matches!(self, Self::Delay | Self::DelayAfterCommit)
    }
}

/// A fault for a route: what goes wrong, and for which requests.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Id of the platform.
    pub platform: String,
    /// Which of its routes; `*` for all.
    pub route: String,
    /// What goes wrong.
    pub kind: Kind,
    /// How many requests it applies to; 0 for all until cleared.
    #[serde(default = "once")]
    pub times: u32,
    /// It applies to every n-th request of the route; 1 for all.
    #[serde(default = "once")]
    pub every: u32,
    /// How long a delay lasts.
    #[serde(default)]
    pub ms: u64,
    /// The argument, if this kind takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// How long after the work the webhook is posted, if the fault loses the answer.
    #[serde(default = "soon")]
    pub webhook_after_ms: u64,
}

const fn once() -> u32 {
    1
}

const fn soon() -> u64 {
    300
}

impl Fault {
    /// A fault for the next request of a route.
    #[must_use]
    pub fn new(platform: &str, route: &str, kind: Kind) -> Self {
        Self {
            platform: platform.into(),
            route: route.into(),
            kind,
            times: once(),
            every: once(),
            ms: 0,
            value: None,
            webhook_after_ms: soon(),
        }
    }
}

/// The fault and the delay of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActiveFault {
    delay: Option<Fault>,
    fault: Option<Fault>,
}

impl ActiveFault {
    pub(crate) fn is(&self, kind: Kind) -> bool {
        self.kind() == Some(kind)
    }

    pub(crate) fn kind(&self) -> Option<Kind> {
        self.fault.as_ref().map(|fault| fault.kind)
    }

    pub(crate) fn value(&self) -> Option<&str> {
        self.fault.as_ref().and_then(|fault| fault.value.as_deref())
    }

    pub(crate) fn webhook_after(&self) -> Duration {
        let swallows = |fault: &&Fault| {
            matches!(
                fault.kind,
                Kind::DropAfterCommit | Kind::GatewayTimeoutAfterCommit | Kind::BadGatewayAfterCommit
            )
        };
        Duration::from_millis(
            self.fault
                .as_ref()
                .filter(swallows)
                .map_or(0, |fault| fault.webhook_after_ms),
        )
    }

    pub(crate) fn delay(&self, kind: Kind) -> Option<Duration> {
        self.delay
            .as_ref()
            .filter(|delay| delay.kind == kind)
            .map(|delay| Duration::from_millis(delay.ms))
    }

    /// Waits if there is a delay of this kind.
    pub(crate) async fn pause(&self, kind: Kind) {
        if let Some(delay) = self.delay(kind) {
            tokio::time::sleep(delay).await;
        }
    }
}

/// A fault that waits for its requests.
#[derive(Debug)]
struct QueuedFault {
    fault: Fault,
    /// Requests since it last applied.
    passed: u32,
}

impl QueuedFault {
    const fn new(fault: Fault) -> Self {
        Self { fault, passed: 0 }
    }

    /// Counts a request. True if the fault applies to it.
    const fn is_due(&mut self) -> bool {
        self.passed = self.passed.saturating_add(1);
        let due = self.passed >= self.fault.every;
        if due {
            self.passed = 0;
        }
        due
    }
}

/// The faults that wait for their requests, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Arc<Mutex<VecDeque<QueuedFault>>>);

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        self.with(|queue| queue.push_back(QueuedFault::new(fault)));
    }

    pub(crate) fn clear(&self) {
        self.with(VecDeque::clear);
    }

    /// Takes the oldest delay and the oldest other fault for a request.
    pub(crate) fn take(&self, platform: &str, route: &str) -> ActiveFault {
        self.with(|queue| ActiveFault {
            delay: take_one(queue, platform, route, true),
            fault: take_one(queue, platform, route, false),
        })
    }

    /// Puts back a fault that did not apply to this answer.
    pub(crate) fn give_back(&self, fault: &ActiveFault) {
        if let Some(fault) = fault.fault.as_ref().filter(|fault| fault.times != 0) {
            self.with(|queue| {
                queue.push_front(QueuedFault::new(Fault {
                    times: 1,
                    every: 1,
                    ..fault.clone()
                }));
            });
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut VecDeque<QueuedFault>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn take_one(queue: &mut VecDeque<QueuedFault>, platform: &str, route: &str, delay: bool) -> Option<Fault> {
    let fits = |fault: &Fault| {
        fault.kind.is_delay() == delay
            && fault.platform == platform
            && (fault.route == "*" || fault.route == route)
    };
    // A call that one fault lets pass still counts for the next one.
    let index = queue
        .iter_mut()
        .position(|waiting| fits(&waiting.fault) && waiting.is_due())?;
    let fault = &mut queue.get_mut(index)?.fault;
    let taken = fault.clone();
    match fault.times {
        0 => {}
        1 => drop(queue.remove(index)),
        _ => fault.times -= 1,
    }
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applies_as_often_as_told_and_only_where_told() {
        let faults = Faults::default();
        faults.add(Fault {
            times: 2,
            ..Fault::new("greenpay", "merchant/", Kind::Html)
        });
        faults.add(Fault {
            ms: 5,
            ..Fault::new("greenpay", "*", Kind::Delay)
        });
        assert_eq!(faults.take("greenpay", "checkout/").kind(), None);
        let first = faults.take("greenpay", "merchant/");
        assert!(first.is(Kind::Html));
        assert_eq!(first.delay(Kind::Delay), None);
        assert!(faults.take("greenpay", "merchant/").is(Kind::Html));
        assert_eq!(faults.take("greenpay", "merchant/").kind(), None);
    }

    #[test]
    fn applies_to_every_nth_call_only() {
        let faults = Faults::default();
        faults.add(Fault {
            times: 0,
            every: 5,
            ..Fault::new("greenpay", "*", Kind::DropAfterCommit)
        });
        faults.add(Fault {
            times: 2,
            every: 2,
            ..Fault::new("greenpay", "*", Kind::Html)
        });
        let hits: Vec<_> = (0..12)
            .map(|_| faults.take("greenpay", "merchant/").kind())
            .collect();
        let (drop, html) = (Some(Kind::DropAfterCommit), Some(Kind::Html));
        assert_eq!(
            hits,
            [
                None, html, None, html, drop, None, None, None, None, drop, None, None
            ]
        );
    }

    #[test]
    fn a_delay_goes_along_with_another_fault() {
        let faults = Faults::default();
        faults.add(Fault {
            ms: 7,
            times: 0,
            ..Fault::new("greenpay", "*", Kind::Delay)
        });
        faults.add(Fault::new("greenpay", "merchant/", Kind::NotJson));
        let both = faults.take("greenpay", "merchant/");
        assert!(both.is(Kind::NotJson));
        assert_eq!(both.delay(Kind::Delay), Some(Duration::from_millis(7)));
        assert_eq!(
            faults.take("greenpay", "merchant/").delay(Kind::Delay),
            Some(Duration::from_millis(7))
        );
        faults.clear();
        assert_eq!(faults.take("greenpay", "merchant/").delay(Kind::Delay), None);
    }
}
