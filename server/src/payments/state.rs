//! The states of a payment, and every transition between them, in one table.
//!
//! A payment starts as [`Status::InFlight`], and no transition leads back: a charge with an unknown outcome is never
//! made again. `docs/architecture.md` has the table as a diagram; a test compares them.

use crate::store::{Abandoned, ChangeResult, EventKind, Movement, Status};

macro_rules! events {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal $(tells $kind:ident)?;)+) => {
        /// What happens to a payment.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Event { $($(#[doc = $doc])+ $name,)+ }

        impl Event {
            /// What the merchant is told, if it depends on nothing else.
            const fn kind(self) -> Option<EventKind> {
                $(if matches!(self, Self::$name) {
                    $(return Some(EventKind::$kind);)?
                })+
                None
            }
        }

        #[cfg(test)]
        impl Event {
            const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name in the diagram.
            const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

events! {
    /// The charge went through.
    Approved = "approved" tells PaymentApproved;
    /// The bank holds the money.
    Authorized = "authorized" tells PaymentAuthorized;
    /// The charge or the authorization was cancelled.
    Voided = "voided" tells PaymentVoided;
    /// The bank declined.
    Declined = "declined" tells PaymentDeclined;
    /// Nothing was charged, and no bank got the request.
    Failed = "failed" tells PaymentFailed;
    /// The answer is missing, or the platform has not decided yet.
    Undecided = "undecided" tells PaymentUnknown;
    /// The merchant requests a capture.
    CaptureRequested = "capture requested";
    /// The money was captured.
    Captured = "captured" tells PaymentCaptured;
    /// The money was certainly not captured.
    CaptureFailed = "capture failed" tells PaymentCaptureFailed;
    /// Whether the money was captured is unknown.
    CaptureUndecided = "capture undecided" tells PaymentCaptureUnknown;
    /// The merchant requests a void.
    VoidRequested = "void requested";
    /// The payment was voided.
    VoidDone = "void done" tells PaymentVoided;
    /// The payment was certainly not voided.
    VoidFailed = "void failed" tells PaymentVoidFailed;
    /// Whether the payment was voided is unknown.
    VoidUndecided = "void undecided" tells PaymentVoidUnknown;
    /// The merchant requests a refund.
    RefundRequested = "refund requested";
    /// Money was refunded, and some is left.
    RefundedInPart = "refunded in part" tells PaymentPartiallyRefunded;
    /// Money was refunded, and nothing is left.
    RefundedInFull = "refunded in full" tells PaymentRefunded;
    /// The money was certainly not refunded.
    RefundFailed = "refund failed" tells PaymentRefundFailed;
    /// Whether the money was refunded is unknown.
    RefundUndecided = "refund undecided" tells PaymentRefundUnknown;
    /// The process or the task that was calling the platform ended.
    Abandoned = "abandoned";
}

/// Who reports an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reporter {
    /// The server's own call: a request for a charge or a change, and the platform's answer to it.
    Call,
    /// A later lookup at the platform, by the server or by the merchant.
    Lookup,
    /// A notification that the platform sent.
    Notification,
}

use Reporter::{Call, Lookup, Notification};

/// The server itself; for the result of a change, also by a later lookup.
const CALL: &[Reporter] = &[Call];
const LOOKUP: &[Reporter] = &[Lookup];
const SERVER: &[Reporter] = &[Call, Lookup];
/// The answer to the call and the notification of the same thing: one of them comes first.
const FIRST: &[Reporter] = &[Call, Notification];
/// Whoever can say later.
const LATER: &[Reporter] = &[Lookup, Notification];
const NOTIFICATION: &[Reporter] = &[Notification];
const ANYBODY: &[Reporter] = &[Call, Lookup, Notification];

struct Transition {
    from: &'static [Status],
    event: Event,
    by: &'static [Reporter],
    to: Status,
}

macro_rules! transitions {
    ($([$($from:ident),+] $event:ident $by:ident => $to:ident;)+) => {
        /// All transitions. There are no others.
        const TRANSITIONS: &[Transition] = &[$(Transition {
            from: &[$(Status::$from),+],
            event: Event::$event,
            by: $by,
            to: Status::$to,
        }),+];
    };
}

transitions! {
    // The charge.
    [InFlight] Approved FIRST => Approved;
    [InFlight] Authorized FIRST => Authorized;
    [InFlight] Voided FIRST => Voided;
    [InFlight] Declined FIRST => Declined;
    [InFlight] Failed FIRST => Failed;
    [InFlight] Undecided CALL => Unknown;
    [InFlight] Abandoned CALL => Unknown;

    // Reconciled later.
    [Unknown] Approved ANYBODY => Approved;
    [Unknown] Authorized ANYBODY => Authorized;
    [Unknown] Voided LATER => Voided;
    [Unknown] Declined LATER => Declined;
    [Unknown] Failed LATER => Failed;
    [Unknown] Undecided LOOKUP => Unknown;

    // The platform says that money moved, whatever was stored before.
    [Failed, Declined] Approved FIRST => Approved;
    [Failed, Declined] Authorized FIRST => Authorized;

    // Captured or voided by other means than this server.
    [Authorized] Approved NOTIFICATION => Approved;
    [Authorized, Approved] Voided NOTIFICATION => Voided;

    // A capture.
    [Authorized] CaptureRequested CALL => CaptureInFlight;
    [CaptureInFlight, CaptureUnknown] Captured SERVER => Approved;
    [CaptureInFlight, CaptureUnknown] CaptureFailed SERVER => Authorized;
    [CaptureInFlight, CaptureUnknown] CaptureUndecided SERVER => CaptureUnknown;
    [CaptureInFlight] Abandoned CALL => CaptureUnknown;

    // A void. It cannot happen twice, so one whose outcome is unknown may be requested again.
    [Authorized, Approved, VoidUnknown] VoidRequested CALL => VoidInFlight;
    [VoidInFlight, VoidUnknown] VoidDone SERVER => Voided;
    [VoidInFlight, VoidUnknown] VoidFailed SERVER => Authorized;
    [VoidInFlight, VoidUnknown] VoidFailed SERVER => Approved;
    [VoidInFlight, VoidUnknown] VoidUndecided SERVER => VoidUnknown;
    [VoidInFlight] Abandoned CALL => VoidUnknown;

    // A refund.
    [Approved, PartiallyRefunded] RefundRequested CALL => RefundInFlight;
    [RefundInFlight, RefundUnknown] RefundedInPart SERVER => PartiallyRefunded;
    [RefundInFlight, RefundUnknown] RefundedInFull SERVER => Refunded;
    [RefundInFlight, RefundUnknown] RefundFailed SERVER => Approved;
    [RefundInFlight, RefundUnknown] RefundFailed SERVER => PartiallyRefunded;
    [RefundInFlight, RefundUnknown] RefundUndecided SERVER => RefundUnknown;
    [RefundInFlight] Abandoned CALL => RefundUnknown;
}

fn targets(from: Status, event: Event, by: Reporter) -> impl Iterator<Item = Status> {
    TRANSITIONS
        .iter()
        .filter(move |row| row.event == event && row.by.contains(&by) && row.from.contains(&from))
        .map(|row| row.to)
}

/// The status after an event. `None` if the event means nothing in this status.
pub(crate) fn next(from: Status, event: Event, by: Reporter) -> Option<Status> {
    targets(from, event, by).next()
}

/// The status after a change that failed: the one before the change.
pub(crate) fn back(from: Status, event: Event, by: Reporter, before: Status) -> Option<Status> {
    targets(from, event, by).find(|to| *to == before)
}

/// For each status in flight, what becomes of it if no task waits for the answer any more.
pub(crate) fn abandoned() -> Vec<Abandoned> {
    let rows = TRANSITIONS.iter().filter(|row| row.event == Event::Abandoned);
    rows.flat_map(|row| {
        row.from.iter().map(|from| Abandoned {
            from: *from,
            to: row.to,
            event: told(*from, row.event, row.to),
        })
    })
    .collect()
}

/// What the merchant is told of a transition. A request tells nothing that its caller does not know, and neither does a
/// lookup that leaves a payment unknown.
pub(crate) fn told(from: Status, event: Event, to: Status) -> Option<EventKind> {
    if from == to {
        return None;
    }
    if event == Event::Abandoned {
        // The same as an answer that is missing.
        let undecided = TRANSITIONS.iter().find(|row| {
            row.event != event && row.to == to && row.from.contains(&from) && row.event.kind().is_some()
        });
        return undecided.and_then(|row| row.event.kind());
    }
    event.kind()
}

/// The event of a request for a change.
pub(crate) const fn requested(movement: Movement) -> Event {
    match movement {
        Movement::Capture => Event::CaptureRequested,
        Movement::Void => Event::VoidRequested,
        Movement::Refund => Event::RefundRequested,
    }
}

/// The event of a change's result. `in_full` says whether nothing is left to refund.
pub(crate) const fn changed(movement: Movement, result: ChangeResult, in_full: bool) -> Event {
    match (movement, result) {
        (Movement::Capture, ChangeResult::Done) => Event::Captured,
        (Movement::Capture, ChangeResult::Failed) => Event::CaptureFailed,
        (Movement::Capture, ChangeResult::Unknown) => Event::CaptureUndecided,
        (Movement::Void, ChangeResult::Done) => Event::VoidDone,
        (Movement::Void, ChangeResult::Failed) => Event::VoidFailed,
        (Movement::Void, ChangeResult::Unknown) => Event::VoidUndecided,
        (Movement::Refund, ChangeResult::Done) if in_full => Event::RefundedInFull,
        (Movement::Refund, ChangeResult::Done) => Event::RefundedInPart,
        (Movement::Refund, ChangeResult::Failed) => Event::RefundFailed,
        (Movement::Refund, ChangeResult::Unknown) => Event::RefundUndecided,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write;

    use super::*;

    const REPORTERS: [Reporter; 3] = [Call, Lookup, Notification];

    /// The table as Mermaid draws it, in a diagram each for the charge and for the changes to it: one line for each pair of
    /// states.
    fn diagrams() -> Vec<String> {
        let mut edges: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
        let place = |status: Status| Status::ALL.iter().position(|other| *other == status).unwrap();
        for row in TRANSITIONS {
            for from in row.from {
                let mut label = row.event.as_str().to_owned();
                if row.by == [Notification] {
                    label += " (notification)";
                }
                edges
                    .entry((place(*from), place(row.to)))
                    .or_default()
                    .push(label);
            }
        }
        let mut parts: BTreeMap<&str, String> = BTreeMap::new();
        parts.insert("charge", "  [*] --> in_flight: requested\n".into());
        for ((from, to), labels) in edges {
            let (from, to) = (Status::ALL[from].stored(), Status::ALL[to].stored());
            let of = |change: &&str| [from, to].iter().any(|state| state.starts_with(*change));
            let change = ["capture_", "void_", "refund", "partially_refunded"]
                .into_iter()
                .find(of);
            let part = match change {
                Some("capture_") => "capture",
                Some("void_") => "void",
                Some(_) => "refund",
                None => "charge",
            };
            let text = parts.entry(part).or_default();
            writeln!(text, "  {from} --> {to}: {}", labels.join(", ")).unwrap();
        }
        let whole = |(part, lines): (&str, String)| {
            format!(
                "stateDiagram-v2\n  accTitle: What a {part} can lead to\n  accDescr: Each state that a {part} can leave a \
                 payment in, with what leads there from which other state.\n{lines}"
            )
        };
        parts.into_iter().map(whole).collect()
    }

    #[test]
    fn the_documented_diagrams_are_this_table() {
        let page = include_str!("../../../docs/architecture.md");
        for diagram in diagrams() {
            assert!(
                page.contains(&format!("```mermaid\n{diagram}```")),
                "docs/architecture.md needs this diagram:\n{diagram}"
            );
        }
    }

    #[test]
    fn an_event_leads_to_one_state() {
        for from in Status::ALL {
            for event in Event::ALL {
                // These lead back to what the payment was before.
                let several = matches!(event, Event::VoidFailed | Event::RefundFailed);
                for by in REPORTERS {
                    let number = targets(*from, *event, by).count();
                    assert!(number <= if several { 2 } else { 1 }, "{from:?} {event:?} {by:?}");
                }
            }
        }
    }

    /// Whatever changes what the merchant sees of a payment is told, but for what the merchant requests.
    #[test]
    fn every_transition_that_shows_is_told() {
        let requests = [Movement::Capture, Movement::Void, Movement::Refund].map(requested);
        for row in TRANSITIONS {
            for from in row.from {
                let kind = told(*from, row.event, row.to);
                let is_news = from != &row.to && !requests.contains(&row.event);
                assert_eq!(kind.is_some(), is_news, "{from:?} {:?}", row.event);
                if let Some(kind) = kind {
                    let of_unknown = kind.as_str().ends_with("unknown");
                    assert_eq!(of_unknown, row.to.is_unknown(), "{from:?} {kind:?}");
                }
            }
        }
    }

    #[test]
    fn every_kind_of_payments_is_told_of_some_transition() {
        for kind in EventKind::ALL
            .iter()
            .filter(|kind| kind.as_str().starts_with("payment."))
        {
            let told = TRANSITIONS.iter().any(|row| {
                row.from
                    .iter()
                    .any(|from| told(*from, row.event, row.to) == Some(*kind))
            });
            assert!(told, "{kind:?}");
        }
    }

    #[test]
    fn nothing_charges_again() {
        assert!(TRANSITIONS.iter().all(|row| row.to != Status::InFlight));
    }

    #[test]
    fn every_state_is_reached() {
        let mut reached = vec![Status::InFlight];
        let mut at = 0;
        while let Some(from) = reached.get(at).copied() {
            for row in TRANSITIONS.iter().filter(|row| row.from.contains(&from)) {
                if !reached.contains(&row.to) {
                    reached.push(row.to);
                }
            }
            at += 1;
        }
        for status in Status::ALL {
            assert!(reached.contains(status), "{status:?}");
        }
    }

    /// A lookup can settle whatever is unknown, and a process that ends leaves nothing in flight.
    #[test]
    fn an_unknown_outcome_has_a_way_out() {
        for status in Status::ALL.iter().filter(|status| status.is_unknown()) {
            let abandoned = abandoned()
                .into_iter()
                .find(|abandoned| abandoned.from == *status);
            // Recovered first, if it was in flight.
            let unknown = abandoned.map_or(*status, |abandoned| abandoned.to);
            let in_flight = status.stored().ends_with("in_flight");
            assert_eq!(abandoned.is_some(), in_flight, "{status:?}");
            assert!(unknown.stored().ends_with("unknown"), "{status:?}");
            let known = Event::ALL
                .iter()
                .flat_map(|event| targets(unknown, *event, Lookup))
                .filter(|to| !to.is_unknown());
            assert!(known.count() >= 2, "{status:?}");
        }
    }

    #[test]
    fn nothing_changes_a_settled_payment_but_a_request_or_the_platform() {
        for status in Status::ALL.iter().filter(|status| !status.is_unknown()) {
            for event in Event::ALL {
                assert_eq!(next(*status, *event, Lookup), None, "{status:?} {event:?}");
            }
        }
    }
}
