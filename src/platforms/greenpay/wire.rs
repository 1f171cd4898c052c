//! Every JSON shape of GreenPay's generation 1 ("ld/lk"), in both directions and for all roles.
//!
//! The names are the platform's own. Shapes that carry the merchant's secret or a card have no `Debug`.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::platforms::lenient::{self, integral};

/// A number or a text, kept as it was printed.
///
/// GreenPay echoes a `requestId` with the JSON type it was sent with, and its `status` is a number in most
/// answers and a word (`DELETED`, `SUCCESS`, `FAIL`) in others; the signed string holds it as printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// An integer. The platform prints no other numbers here, and one would be refused: its text could not be
    /// told from its value.
    Integer(i64),
    /// A text.
    Text(String),
}

impl Scalar {
    /// The value as an integer, if it is one.
    #[must_use]
    pub const fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::Text(_) => None,
        }
    }

    /// Of an answer that does not say it.
    fn nothing() -> Self {
        Self::Text(String::new())
    }

    /// The value as printed.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Integer(value) => value.to_string(),
            Self::Text(value) => value.clone(),
        }
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Text(value) => serializer.serialize_str(value),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer or a text")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Integer(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar, E> {
                Ok(i64::try_from(value).map_or_else(|_| Scalar::Text(value.to_string()), Scalar::Integer))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Scalar, E> {
                // JavaScript writes an integral number without a fraction, whatever it was read from.
                integral(value)
                    .map(Scalar::Integer)
                    .ok_or_else(|| E::invalid_type(de::Unexpected::Float(0.0), &self))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Scalar, E> {
                Ok(value.into())
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// One entry of `errors`. Texts are kept; nested objects and arrays, which only the void and refund answers
/// have, are reduced to the texts inside them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ErrorEntry(pub String);

impl<'de> Deserialize<'de> for ErrorEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = ErrorEntry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an error entry")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<ErrorEntry, E> {
                Ok(ErrorEntry(value.into()))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<ErrorEntry, E> {
                Ok(ErrorEntry(value.to_string()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<ErrorEntry, E> {
                Ok(ErrorEntry(value.to_string()))
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<ErrorEntry, E> {
                Ok(ErrorEntry(String::new()))
            }
            fn visit_bool<E: de::Error>(self, _: bool) -> Result<ErrorEntry, E> {
                Ok(ErrorEntry(String::new()))
            }
            fn visit_unit<E: de::Error>(self) -> Result<ErrorEntry, E> {
                Ok(ErrorEntry(String::new()))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<ErrorEntry, A::Error> {
                let mut texts = Vec::new();
                while let Some(ErrorEntry(text)) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(joined(texts))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<ErrorEntry, A::Error> {
                let mut texts = Vec::new();
                while let Some((de::IgnoredAny, ErrorEntry(text))) = map.next_entry()? {
                    texts.push(text);
                }
                Ok(joined(texts))
            }
        }
        fn joined(texts: Vec<String>) -> ErrorEntry {
            let texts: Vec<_> = texts.into_iter().filter(|text| !text.is_empty()).collect();
            ErrorEntry(texts.join(" "))
        }
        deserializer.deserialize_any(Any)
    }
}

/// A number that may come as a text.
fn lenient_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(Loose::deserialize(deserializer)?
        .0
        .and_then(|scalar| match scalar {
            Scalar::Integer(value) => Some(value),
            Scalar::Text(text) => text.parse().ok(),
        }))
}

/// What a status or a code says. One that cannot be read says nothing.
fn lenient_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
    Ok(Loose::deserialize(deserializer)?
        .0
        .unwrap_or_else(Scalar::nothing))
}

/// The echo of a reference. One that cannot be read is the echo of none.
fn lenient_echo<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Scalar>, D::Error> {
    Ok(Loose::deserialize(deserializer)?.0)
}

/// What the bank said. If it cannot be read, it was no approval.
fn payment_result<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PaymentResult>, D::Error> {
    Ok(match lenient::Object::deserialize(deserializer)? {
        lenient::Object::Read(result) => Some(result),
        lenient::Object::Missing => None,
        lenient::Object::Unreadable => Some(PaymentResult {
            resp_code: Some(lenient::UNREADABLE.into()),
            ..PaymentResult::default()
        }),
    })
}

/// A list of errors, or one alone.
fn lenient_errors<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<ErrorEntry>>, D::Error> {
    struct Any;
    impl<'de> Visitor<'de> for Any {
        type Value = Option<Vec<ErrorEntry>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("errors")
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = seq.next_element()? {
                entries.push(entry);
            }
            Ok(Some(entries))
        }
        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            ErrorEntry::deserialize(de::value::MapAccessDeserializer::new(map)).map(|entry| Some(vec![entry]))
        }
        fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
            Ok(Some(vec![ErrorEntry(value.into())]))
        }
        fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    deserializer.deserialize_any(Any)
}

/// A number or a text, or nothing for whatever else stands there.
struct Loose(Option<Scalar>);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Loose;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Loose, E> {
                Ok(Loose(Some(Scalar::Integer(value))))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Loose, E> {
                Ok(Loose(i64::try_from(value).ok().map(Scalar::Integer)))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Loose, E> {
                Ok(Loose(integral(value).map(Scalar::Integer)))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Loose, E> {
                Ok(Loose(Some(value.into())))
            }
            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Loose, E> {
                Ok(Loose(None))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Loose, E> {
                Ok(Loose(None))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Loose, A::Error> {
                while seq.next_element::<de::IgnoredAny>()?.is_some() {}
                Ok(Loose(None))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
                while map.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
                Ok(Loose(None))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Name of the header that carries the order's token to the checkout host.
pub const LISZT_TOKEN: &str = "liszt-token";

/// Merchant host, `POST /tokenize`: creates a tokenization order.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenizeOrder {
    /// The merchant's secret.
    pub secret: String,
    /// The merchant's id.
    #[serde(rename = "merchantId")]
    pub merchant_id: String,
    /// The merchant's own unique id of the request; comes back in the answer, with its JSON type.
    #[serde(rename = "requestId")]
    pub request_id: Scalar,
    /// Where a web form returns to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
}

/// Merchant host, `POST /`: creates a payment order; `POST /tokenPayment`: the same with `token`.
#[derive(Clone, Serialize, Deserialize)]
pub struct PaymentOrder<Amount> {
    /// The merchant's secret.
    pub secret: String,
    /// The merchant's id.
    #[serde(rename = "merchantId")]
    pub merchant_id: String,
    /// The terminal, one per currency.
    pub terminal: String,
    /// Major units as a JSON number; generic, so that each side can keep the exact decimal text.
    pub amount: Amount,
    /// `CRC`, `USD` or `GTQ`, as the terminal is set up for.
    pub currency: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// The merchant's unique reference; comes back as `orderId`.
    #[serde(rename = "orderReference")]
    pub order_reference: String,
    /// Where a web form returns to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
    /// The stored card, for `/tokenPayment` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// Merchant host, `POST /deleteToken`.
#[derive(Clone, Serialize, Deserialize)]
pub struct DeleteToken {
    /// The merchant's secret.
    pub secret: String,
    /// The merchant's id.
    #[serde(rename = "merchantId")]
    pub merchant_id: String,
    /// The card token.
    pub token: String,
    /// The merchant's unique id of the request.
    #[serde(rename = "requestId")]
    pub request_id: Scalar,
}

/// Merchant host, `POST /transactions/void` and `/transactions/refund`: whole transactions only.
#[derive(Clone, Serialize, Deserialize)]
pub struct Reversal {
    /// The merchant's secret.
    pub secret: String,
    /// The merchant's id.
    #[serde(rename = "merchantId")]
    pub merchant_id: String,
    /// First six digits of the card.
    pub bin: String,
    /// Last four digits of the card.
    pub last4: String,
    /// The authorization of the payment.
    pub authorization: String,
    /// The reference of the payment.
    #[serde(rename = "orderReference")]
    pub order_reference: String,
}

/// Answer to the creation of an order. Both are UUIDs, valid for thirty minutes.
#[derive(Clone, Serialize, Deserialize)]
pub struct OrderAnswer {
    /// Names the order to the checkout host.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub session: Option<String>,
    /// Authorizes the checkout call, in the header `liszt-token`.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub token: Option<String>,
    /// Texts of a refusal.
    #[serde(
        default,
        deserialize_with = "lenient_errors",
        skip_serializing_if = "Option::is_none"
    )]
    pub errors: Option<Vec<ErrorEntry>>,
}

/// `result` of a tokenization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenResult {
    /// The card token, a UUID. Always the one to store, also after an update.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub token: Option<String>,
    /// Last four digits.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_digits: Option<String>,
    /// First six digits.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub bin: Option<String>,
    /// BIN and fourteen more characters, in later versions of the platform only.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub khash: Option<String>,
}

/// Answer of `/tokenize` and `/tokenize/update`, also sent to the webhook `/newCard`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenAnswer {
    /// 201 on success, inside an HTTP 200.
    #[serde(default = "Scalar::nothing", deserialize_with = "lenient_status")]
    pub status: Scalar,
    /// Echo of the order's `requestId`.
    #[serde(
        rename = "requestId",
        default,
        deserialize_with = "lenient_echo",
        skip_serializing_if = "Option::is_none"
    )]
    pub request_id: Option<Scalar>,
    /// The token.
    #[serde(default, deserialize_with = "lenient::object")]
    pub result: Option<TokenResult>,
    /// `YYMM`.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub expiration_date: Option<String>,
    /// `Visa`, `Mastercard`, or `nd` for not determined.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub brand: Option<String>,
    /// The nickname that was in the card.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub nickname: Option<String>,
    /// In later versions only.
    #[serde(
        rename = "cardHolder",
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub card_holder: Option<String>,
    /// Of orders made for a web form.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub callback: Option<String>,
    /// Texts of a refusal.
    #[serde(default, deserialize_with = "lenient_errors")]
    pub errors: Option<Vec<ErrorEntry>>,
    /// Over `status` and `requestId` only.
    #[serde(
        rename = "_signature",
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub signature: Option<String>,
}

/// `result` of a payment: the bank's message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentResult {
    /// Whether the bank approved.
    #[serde(
        default,
        deserialize_with = "lenient::approving_flag",
        skip_serializing_if = "Option::is_none"
    )]
    pub success: Option<bool>,
    /// `00` for approved, else the reason.
    #[serde(
        default,
        deserialize_with = "lenient::deciding_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub resp_code: Option<String>,
    /// The bank's text on a decline.
    #[serde(default, deserialize_with = "lenient::text")]
    pub reserved_private4: Option<String>,
    /// Reference number of the bank.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub retrieval_ref_num: Option<String>,
    /// Local time, `hhmmss`.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub time_local_tran: Option<String>,
    /// Local date, `MMDD`.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub date_local_tran: Option<String>,
    /// Trace number.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub systems_trace_audit_number: Option<String>,
    /// Processing code.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub proc_code: Option<String>,
    /// Network.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub network_international_id: Option<String>,
    /// Message type.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub mti: Option<String>,
    /// The merchant at the bank.
    #[serde(
        default,
        deserialize_with = "lenient_integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub merchant_id: Option<i64>,
    /// The terminal at the bank.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub card_acceptor_terminal_id: Option<String>,
    /// The authorization of the bank.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub authorization_id_resp: Option<String>,
}

/// Answer of `/kount`, `/` and `/tokenPayment`, also sent to the webhook `/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentAnswer {
    /// 200 approved, 500 declined or refused.
    #[serde(default = "Scalar::nothing", deserialize_with = "lenient_status")]
    pub status: Scalar,
    /// The order's `orderReference`.
    #[serde(
        rename = "orderId",
        default,
        deserialize_with = "lenient_echo",
        skip_serializing_if = "Option::is_none"
    )]
    pub order_id: Option<Scalar>,
    /// The authorization, needed to void or refund.
    #[serde(default, deserialize_with = "lenient::deciding_text")]
    pub authorization: Option<String>,
    /// Last four digits.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub last4: Option<String>,
    /// Brand.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub brand: Option<String>,
    /// The bank's message; null on some failures.
    #[serde(default, deserialize_with = "payment_result")]
    pub result: Option<PaymentResult>,
    /// Texts of a refusal.
    #[serde(default, deserialize_with = "lenient_errors")]
    pub errors: Option<Vec<ErrorEntry>>,
    /// Of orders made for a web form.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub callback: Option<String>,
    /// By analogy with the tokenization over `status` and `orderId`.
    #[serde(
        rename = "_signature",
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub signature: Option<String>,
}

/// Answer of `/deleteToken`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteAnswer {
    /// `DELETED`.
    #[serde(default = "Scalar::nothing", deserialize_with = "lenient_status")]
    pub status: Scalar,
    /// Echo of the `requestId`.
    #[serde(
        rename = "requestId",
        default,
        deserialize_with = "lenient_echo",
        skip_serializing_if = "Option::is_none"
    )]
    pub request_id: Option<Scalar>,
    /// Texts of a refusal.
    #[serde(default, deserialize_with = "lenient_errors")]
    pub errors: Option<Vec<ErrorEntry>>,
    /// Over `status` and `requestId`.
    #[serde(
        rename = "_signature",
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub signature: Option<String>,
}

/// `result` of a void or a refund.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReversalResult {
    /// The payment's reference.
    #[serde(
        rename = "orderReference",
        default,
        deserialize_with = "lenient::deciding_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub order_reference: Option<String>,
    /// True for a void.
    #[serde(
        default,
        deserialize_with = "lenient::approving_flag",
        skip_serializing_if = "Option::is_none"
    )]
    pub void: Option<bool>,
    /// True for a refund.
    #[serde(
        default,
        deserialize_with = "lenient::approving_flag",
        skip_serializing_if = "Option::is_none"
    )]
    pub refund: Option<bool>,
}

/// Answer of `/transactions/void` and `/transactions/refund`; it has no signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReversalAnswer {
    /// 200, 404 or 500.
    #[serde(default = "Scalar::nothing", deserialize_with = "lenient_status")]
    pub code: Scalar,
    /// `SUCCESS` or `FAIL`.
    #[serde(default = "Scalar::nothing", deserialize_with = "lenient_status")]
    pub status: Scalar,
    /// What was done.
    #[serde(default, deserialize_with = "lenient::object")]
    pub result: Option<ReversalResult>,
    /// Texts of a refusal.
    #[serde(default, deserialize_with = "lenient_errors")]
    pub errors: Option<Vec<ErrorEntry>>,
}
