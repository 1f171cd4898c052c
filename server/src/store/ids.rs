//! Ids and keys. Each is a type of its own, so that none can be mistaken for another.

use std::fmt;

use serde::{Deserialize, Serialize};
use sqlx::Sqlite;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Encode, Type};

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

        impl Type<Sqlite> for $name {
            fn type_info() -> SqliteTypeInfo {
                <String as Type<Sqlite>>::type_info()
            }
        }

        impl Encode<'_, Sqlite> for $name {
            fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
                self.0.encode_by_ref(buffer)
            }
        }

        impl<'r> Decode<'r, Sqlite> for $name {
            fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
                <String as Decode<'r, Sqlite>>::decode(value).map(Self)
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
