//! What the processes that share a database tell each other at once: that work has ended, to those who wait for it, and
//! what counts against a limit.
//!
//! A hint may be lost. Whoever waits looks once a second anyway, and a limit lets through what it did not hear of.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::{broadcast, mpsc};

/// How many hints wait until they are sent, or heard. Those beyond are dropped.
const WAITING: usize = 4096;

/// What names a session, a payment, a customer or an address among the processes: a part of its SHA-256, so that no id
/// leaves the process that has it. Two things with the same tag only wake or limit each other.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tag(u64);

impl Tag {
    pub(crate) fn of(value: &(impl Hash + ?Sized)) -> Self {
        let mut digest = Sha(Sha256::new());
        value.hash(&mut digest);
        Self(digest.finish())
    }

    pub(crate) const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// SHA-256 in the place of a hasher whose results are a process's own.
struct Sha(Sha256);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest
            .iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// A limit that holds for all processes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// Requests of pages, by address.
    Requests,
    /// Cards, by customer.
    CustomersCards,
    AllCards,
    /// Sessions, by customer.
    CustomersSessions,
    AllSessions,
}

/// What one process tells the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Work on this ended.
    Ended(Tag),
    /// This counts once.
    Counted(Rate, Tag),
}

#[cfg_attr(
    not(feature = "postgres"),
    expect(dead_code, reason = "a file has no neighbours")
)]
impl Hint {
    /// As text, in which a letter says what it is.
    pub(crate) fn write(self, text: &mut String) {
        let (letter, tag) = match self {
            Self::Ended(tag) => ('e', tag),
            Self::Counted(Rate::Requests, tag) => ('r', tag),
            Self::Counted(Rate::CustomersCards, tag) => ('c', tag),
            Self::Counted(Rate::AllCards, tag) => ('C', tag),
            Self::Counted(Rate::CustomersSessions, tag) => ('s', tag),
            Self::Counted(Rate::AllSessions, tag) => ('S', tag),
        };
        text.push(letter);
        text.push_str(&format!("{tag:?}"));
    }

    /// `None` for what only another version knows.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (letter, tag) = text.split_at_checked(1)?;
        let tag = Tag(u64::from_str_radix(tag, 16).ok()?);
        Some(match letter {
            "e" => Self::Ended(tag),
            "r" => Self::Counted(Rate::Requests, tag),
            "c" => Self::Counted(Rate::CustomersCards, tag),
            "C" => Self::Counted(Rate::AllCards, tag),
            "s" => Self::Counted(Rate::CustomersSessions, tag),
            "S" => Self::Counted(Rate::AllSessions, tag),
            _ => return None,
        })
    }
}

/// The way to the other processes, and from them. Without a shared database there are none.
#[derive(Clone, Default)]
pub(crate) struct Hints(Option<Arc<Ways>>);

struct Ways {
    out: mpsc::Sender<Hint>,
    told: broadcast::Sender<Hint>,
}

impl Hints {
    /// To others: what is to be sent comes from the receiver, and what is heard goes to the sender.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "a file has no neighbours")
    )]
    pub(crate) fn to_others() -> (Self, mpsc::Receiver<Hint>, broadcast::Sender<Hint>) {
        let (out, sent) = mpsc::channel(WAITING);
        let told = broadcast::Sender::new(WAITING);
        let heard = told.clone();
        (Self(Some(Arc::new(Ways { out, told }))), sent, heard)
    }

    /// Tells the others, if there are any. Never waits.
    pub(crate) fn tell(&self, hint: Hint) {
        if let Some(ways) = &self.0 {
            let _ = ways.out.try_send(hint);
        }
    }

    /// What the others tell from now on. `None` if there can be no others.
    pub(crate) fn told(&self) -> Option<broadcast::Receiver<Hint>> {
        Some(self.0.as_ref()?.told.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let tag = Tag::of("pay_1");
        let all = [
            Hint::Ended(tag),
            Hint::Counted(Rate::Requests, tag),
            Hint::Counted(Rate::CustomersCards, tag),
            Hint::Counted(Rate::AllCards, tag),
            Hint::Counted(Rate::CustomersSessions, tag),
            Hint::Counted(Rate::AllSessions, tag),
        ];
        let mut texts = std::collections::HashSet::new();
        for hint in all {
            let mut text = String::new();
            hint.write(&mut text);
            assert_eq!(Hint::read(&text), Some(hint));
            assert!(texts.insert(text));
        }
        for wrong in ["", "e", "e1 ", "x0000000000000000", "é1", "e10000000000000000"] {
            assert_eq!(Hint::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_tag_is_the_same_in_every_process_and_says_nothing() {
        assert_eq!(format!("{:?}", Tag::of("customer 1")), EXPECTED);
        assert_ne!(Tag::of("customer 1"), Tag::of("customer 2"));
    }

    /// SHA-256 of the text and the byte 0xff, which ends a text in a hash: its first eight bytes.
    const EXPECTED: &str = "94c3fa839c09aac2";

    #[tokio::test]
    async fn nobody_waits_for_others() {
        Hints::default().tell(Hint::Ended(Tag::of("a")));
        assert!(Hints::default().told().is_none());
        let (hints, mut sent, heard) = Hints::to_others();
        let mut told = hints.told().unwrap();
        for _ in 0..2 * WAITING {
            hints.tell(Hint::Ended(Tag::of("a")));
        }
        let mut all = Vec::new();
        assert_eq!(sent.recv_many(&mut all, 2 * WAITING).await, WAITING);
        heard.send(Hint::Ended(Tag::of("b"))).unwrap();
        assert_eq!(told.recv().await, Ok(Hint::Ended(Tag::of("b"))));
    }
}
