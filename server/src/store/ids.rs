//! Ids and keys. Each is a type of its own, so that none can be mistaken for another.

use std::fmt;

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};

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

        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                String::column_result(value).map(Self)
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
    /// What a caller sent as `Idempotency-Key`, hashed.
    IdempotencyKey;
    /// The fingerprint of a request's body.
    Fingerprint;
}

macro_rules! prefixes {
    ($($name:ident = $prefix:literal;)+) => {$(
        impl $name {
            /// Generates an id: the prefix and 122 random bits.
            pub(super) fn random() -> Self {
                Self(format!(concat!($prefix, "_{}"), uuid::Uuid::new_v4().simple()))
            }
        }
    )+};
}

prefixes! {
    PaymentId = "pay";
    ChangeId = "chg";
    TokenId = "tok";
    SessionId = "ses";
}
