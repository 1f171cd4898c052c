//! Ids and keys. Each is a type of its own, so that none can be mistaken for another.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

use super::sql::{Cell, Column, Param, Value};

macro_rules! texts {
    ($($(#[doc = $doc:literal])+ $name:ident;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Param for $name {
            const NULL: Value<'static> = Value::Text(None);

            fn value(&self) -> Value<'_> {
                Value::Text(Some(&self.0))
            }
        }

        impl Column for $name {
            fn read(cell: Cell<'_>) -> Option<Self> {
                String::read(cell).map(Self)
            }
        }
    )+};
}

texts! {
    /// A payment's id, `pay_…`.
    PaymentId;
    /// The id of a capture, void or refund, `chg_…`. It is the idempotency key at the platform.
    ChangeId;
    /// A stored card's id, `tok_…`.
    TokenId;
    /// A session's id, `ses_…`.
    SessionId;
    /// The id of an authentication, `aut_…`. It is the idempotency key at the platform, too.
    AuthenticationId;
    /// A subscription's id, `sub_…`. The platform lists the subscription under it.
    SubscriptionId;
    /// An event's id, `evt_…`.
    EventId;
    /// An API key's id, `key_…`.
    KeyId;
    /// The id of an entry of the audit log, `aud_…`.
    AuditId;
    /// What a caller sent as `Idempotency-Key`, hashed.
    IdempotencyKey;
    /// The fingerprint of a request's body.
    Fingerprint;
}

macro_rules! prefixes {
    ($($name:ident = $prefix:literal;)+) => {$(
        impl $name {
            /// Generates an id: the prefix and a UUID of version 7. It begins with the time, so that rows stored
            /// together are neighbours in their index, and a commit writes few pages. 74 bits are random.
            pub(super) fn random() -> Self {
                // Without a context: a counter in the place of random bits would make the next id a guess.
                let id = Uuid::new_v7(Timestamp::now(NoContext));
                Self(format!(concat!($prefix, "_{}"), id.simple()))
            }
        }
    )+};
}

impl PaymentId {
    /// What sorts before all ids that are made at this time or later, and after all that are made before it. The
    /// time is in milliseconds since 1970.
    pub(super) fn bound(time: i64) -> Self {
        Self(format!("pay_{:012x}", time.max(0)))
    }
}

prefixes! {
    PaymentId = "pay";
    ChangeId = "chg";
    TokenId = "tok";
    SessionId = "ses";
    AuthenticationId = "aut";
    SubscriptionId = "sub";
    EventId = "evt";
    KeyId = "key";
    AuditId = "aud";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_bound_of_ids() {
        let id = PaymentId::random();
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = i64::try_from(time.unwrap().as_millis()).unwrap();
        assert!(PaymentId::bound(now - 1000).as_str() < id.as_str());
        assert!(PaymentId::bound(now + 1).as_str() > id.as_str());
    }

    #[test]
    fn later_ids_are_greater_and_no_id_tells_the_next() {
        let ids: Vec<_> = (0..1000).map(|_| SessionId::random()).collect();
        std::thread::sleep(std::time::Duration::from_millis(2));
        let later = SessionId::random();
        assert!(ids.iter().all(|id| id.as_str() < later.as_str()));
        // What follows the time, the version and the variant.
        let mut tails: Vec<_> = ids.iter().map(|id| &id.as_str()[21..]).collect();
        tails.sort_unstable();
        tails.dedup();
        assert_eq!(tails.len(), ids.len());
        let rising = ids.windows(2).filter(|pair| pair[0].as_str() < pair[1].as_str());
        assert!((300..700).contains(&rising.count()), "the random part counts up");
    }
}
