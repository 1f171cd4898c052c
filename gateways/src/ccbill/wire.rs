//! The platform's JSON: what is sent, exactly, and what is read, tolerantly.
//!
//! The sandbox has shapes of its own on purpose, so that one misreading is not shared by both sides.

use std::fmt;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::threeds::Threeds;

pub use cardseal::ccbill::is_payment_token;

/// An id of up to nineteen digits. The platform's have eighteen, more than a double holds: the older answers send them
/// as numbers, the newer ones as texts for that reason. Here they are always the digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongId(String);

impl LongId {
    /// Of digits; nothing else is an id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| Self(text.into()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for LongId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl Visitor<'_> for Digits {
            type Value = LongId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id as digits or as a whole number")
            }
            // No `visit_f64`: what went through a double is another id.
            fn visit_u64<E>(self, number: u64) -> Result<LongId, E> {
                Ok(LongId(number.to_string()))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LongId, E> {
                LongId::parse(text).ok_or_else(|| E::custom("not digits"))
            }
        }
        deserializer.deserialize_any(Digits)
    }
}

/// Members of an answer that may have another type than the documented one.
pub(super) mod lenient {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer};
    use serde_json::Value;

    use super::LongId;

    /// A text, or a number in its place.
    pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        })
    }

    /// An id, or nothing.
    pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<LongId>, D::Error> {
        Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
    }

    /// A number, or its digits, or nothing.
    pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        Ok(id(deserializer)?.and_then(|id| id.as_str().parse().ok()))
    }

    /// A number, or its digits, without which there is no answer.
    pub(in super::super) fn needed_number<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u32, D::Error> {
        number(deserializer)?
            .and_then(|number| u32::try_from(number).ok())
            .ok_or_else(|| D::Error::custom("not a number"))
    }
}

/// `GET /payment-tokens/{id}`, and what the page is answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenInfo {
    /// Letters and digits.
    pub payment_token_id: String,
    /// The account that it was made for.
    #[serde(deserialize_with = "lenient::needed_number")]
    pub client_accnum: u32,
    /// And the sub account.
    #[serde(deserialize_with = "lenient::needed_number")]
    pub client_subacc: u32,
    /// Hours from when it was made.
    #[serde(default, deserialize_with = "lenient::number")]
    pub time_to_live: Option<u64>,
    /// Charges.
    #[serde(default, deserialize_with = "lenient::number")]
    pub valid_number_of_use: Option<u64>,
    /// Of the sale that the card is of.
    #[serde(default, deserialize_with = "lenient::id")]
    pub subscription_id: Option<LongId>,
    /// The bank's result for the security code, if it was checked: M, N, P, S or U.
    #[serde(default, deserialize_with = "lenient::text")]
    pub cvv2_response: Option<String>,
    /// The bank's word on the address.
    #[serde(default, deserialize_with = "lenient::text")]
    pub avs_response: Option<String>,
}

/// One of `GET /transactions/payment-tokens/{id}`: a sale that was made with a token.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sale {
    /// The account.
    #[serde(deserialize_with = "lenient::needed_number")]
    pub client_accnum: u32,
    /// The sub account.
    #[serde(deserialize_with = "lenient::needed_number")]
    pub client_subacc: u32,
    /// The sale; nothing if its id cannot be read.
    #[serde(default, deserialize_with = "lenient::id")]
    pub subscription_id: Option<LongId>,
}

/// What a charge is answered with.
#[derive(Clone, Debug)]
pub struct ChargeAnswer {
    /// Whether the bank said yes. HTTP is 200 either way.
    pub approved: bool,
    /// Why not.
    pub decline_code: Option<u32>,
    /// The same for people.
    pub decline_text: Option<String>,
    /// Of the decline.
    pub denial_id: Option<LongId>,
    /// Of the sale.
    pub subscription_id: Option<LongId>,
    /// Base64 of sixteen bytes without padding: never to be put into an address as it is.
    pub payment_unique_id: Option<String>,
    /// The token for later charges, if one was requested.
    pub new_payment_token_id: Option<String>,
    /// Members that are there and cannot be read, of those that say which of the two it was.
    unreadable: Vec<&'static str>,
}

impl ChargeAnswer {
    /// Whether `declineCode`, `denialId` or `subscriptionId` is there and cannot be read.
    #[must_use]
    pub fn is_unreadable(&self, name: &str) -> bool {
        self.unreadable.contains(&name)
    }
}

impl<'de> Deserialize<'de> for ChargeAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Members {
            /// Without it nobody knows.
            approved: bool,
            #[serde(default)]
            decline_code: Value,
            #[serde(default, deserialize_with = "lenient::text")]
            decline_text: Option<String>,
            #[serde(default)]
            denial_id: Value,
            #[serde(default)]
            subscription_id: Value,
            #[serde(default, deserialize_with = "lenient::text")]
            payment_unique_id: Option<String>,
            #[serde(default, deserialize_with = "lenient::text")]
            new_payment_token_id: Option<String>,
        }
        // A derived shape would take an array in the order of its fields.
        let value = Value::deserialize(deserializer)?;
        if !value.is_object() {
            return Err(D::Error::custom("not an object"));
        }
        let members: Members = serde_json::from_value(value).map_err(D::Error::custom)?;
        let mut unreadable = Vec::new();
        let mut id = |name, value: Value| {
            let missing = value.is_null();
            let id: Option<LongId> = serde_json::from_value(value).ok();
            if id.is_none() && !missing {
                unreadable.push(name);
            }
            id
        };
        let decline_code = id("declineCode", members.decline_code);
        let (denial_id, subscription_id) = (
            id("denialId", members.denial_id),
            id("subscriptionId", members.subscription_id),
        );
        let code = decline_code.as_ref().and_then(|code| code.as_str().parse().ok());
        if decline_code.is_some() && code.is_none() {
            unreadable.push("declineCode");
        }
        Ok(Self {
            approved: members.approved,
            decline_code: code,
            decline_text: members.decline_text,
            denial_id,
            subscription_id,
            payment_unique_id: members.payment_unique_id,
            new_payment_token_id: members.new_payment_token_id,
            unreadable,
        })
    }
}

/// Charges that follow the first one.
#[derive(Clone, Debug)]
pub struct Recurring {
    /// Of each, in the charge's own currency.
    pub price: crate::amount::Amount,
    /// Days between them.
    pub period: u32,
    /// How many; 99 for ever.
    pub rebills: u32,
}

/// The body of a charge.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChargeBody<'a> {
    pub(super) client_accnum: u32,
    pub(super) client_subacc: u32,
    pub(super) initial_price: Box<RawValue>,
    pub(super) initial_period: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recurring_price: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recurring_period: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rebills: Option<u32>,
    /// The number of ISO 4217: 36 for AUD, as a number has no zero in front.
    pub(super) currency_code: u16,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) create_new_payment_token: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) pass_through_info: Vec<Named<'a>>,
    #[serde(flatten)]
    pub(super) threeds: Option<ThreedsBody<'a>>,
}

/// What comes back in the platform's webhooks.
#[derive(Serialize)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

/// The flat fields of 3-D Secure; amount and currency are those of the charge.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThreedsBody<'a> {
    #[serde(flatten)]
    pub(super) result: &'a Threeds,
    pub(super) threeds_amount: Box<RawValue>,
    pub(super) threeds_currency: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_survive_as_numbers_and_as_texts() {
        for text in [
            "924313501000000101",
            "925014201000000206",
            "0",
            "18446744073709551615",
        ] {
            let id: Option<LongId> = serde_json::from_str(text).ok();
            assert_eq!(id.as_ref().map(LongId::as_str), Some(text));
        }
        let text: LongId = serde_json::from_str("\"924313501000000101\"").unwrap();
        assert_eq!(text.as_str(), "924313501000000101");
        // As a double the first one ends in 128.
        for wrong in [
            "9.24313501000000101e17",
            "1.0",
            "-1",
            "\"\"",
            "\"1.0\"",
            "\"12a\"",
            "true",
            "\"12345678901234567890\"",
        ] {
            assert!(serde_json::from_str::<LongId>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn reads_both_versions_of_a_token() {
        let read = |id: &str| -> TokenInfo {
            serde_json::from_str(&format!(
                r#"{{"paymentTokenId":"019f5576d7f046c3a375e8a054f2c033","programParticipationId":null,
                "originalPaymentTokenId":null,"clientAccnum":900684,"clientSubacc":0,
                "createdDatetime":"2024-11-08T12:22:51","timeToLive":24,"validNumberOfUse":2147483647,
                "subscriptionId":{id},"paymentInfoId":null}}"#
            ))
            .unwrap()
        };
        for id in ["924313501000000101", "\"924313501000000101\""] {
            let info = read(id);
            assert_eq!(info.subscription_id.unwrap().as_str(), "924313501000000101");
            assert_eq!(
                (info.client_accnum, info.client_subacc, info.time_to_live),
                (900_684, 0, Some(24))
            );
            assert_eq!(
                (info.cvv2_response, info.valid_number_of_use),
                (None, Some(2_147_483_647))
            );
        }
        assert!(read("null").subscription_id.is_none());
    }

    #[test]
    fn reads_both_versions_of_a_sale_and_of_a_decline() {
        for (subscription, denial) in [
            ("925014201000000206", "925013101000000100"),
            ("\"925014201000000206\"", "\"925013101000000100\""),
        ] {
            let sale: ChargeAnswer = serde_json::from_str(&format!(
                r#"{{"declineCode":null,"declineText":null,"denialId":null,"approved":true,
                "paymentUniqueId":"z8Zprmki+WoAyOwj74Ei3w","sessionId":null,"subscriptionId":{subscription},
                "newPaymentTokenId":null}}"#
            ))
            .unwrap();
            assert!(sale.approved && sale.decline_code.is_none());
            assert_eq!(sale.subscription_id.unwrap().as_str(), "925014201000000206");
            let decline: ChargeAnswer = serde_json::from_str(&format!(
                r#"{{"declineCode":27,"declineText":"System Error, Please Try Again","denialId":{denial},
                "approved":false,"paymentUniqueId":null,"sessionId":null,"newPaymentTokenId":null,
                "subscriptionId":null}}"#
            ))
            .unwrap();
            assert!(!decline.approved);
            assert_eq!(decline.decline_code, Some(27));
            assert_eq!(decline.denial_id.unwrap().as_str(), "925013101000000100");
        }
        for not in [
            "{}",
            r#"{"approved":"true"}"#,
            r#"{"approved":1}"#,
            "[]",
            "[true]",
            "null",
        ] {
            assert!(serde_json::from_str::<ChargeAnswer>(not).is_err(), "{not}");
        }
    }

    proptest! {
        #[test]
        fn every_id_survives(number in any::<u64>().prop_filter("nineteen digits", |n| *n < 10_000_000_000_000_000_000)) {
            let text = number.to_string();
            for json in [text.clone(), format!("\"{text}\"")] {
                let id: LongId = serde_json::from_str(&json).unwrap();
                prop_assert_eq!(id.as_str(), text.as_str());
            }
        }

        #[test]
        fn a_payment_token_never_changes_the_path(text in ".{0,80}") {
            if is_payment_token(&text) {
                let url = url::Url::parse(&format!("https://api.ccbill.com/payment-tokens/{text}")).unwrap();
                prop_assert_eq!(url.path(), format!("/payment-tokens/{text}"));
            }
        }
    }
}
