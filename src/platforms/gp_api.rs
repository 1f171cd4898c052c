//! Global Payments GP API: the browser's half.
//!
//! This platform has no encryption in the page: the card goes as clear JSON over TLS to
//! `POST {base}/payment-methods`, authorised by a short-lived token that may do nothing else. The answer names
//! the card by a single-use `PMT_…` id. Every request is therefore as sensitive as the card itself.

mod request;
pub mod wire;

use sha2::{Digest, Sha512};

use crate::card::{NameRule, Rules, Severity};
use crate::error::{Code, Error, Result};
use crate::redact;
use wire::{ErrorBody, PaymentMethod};

pub use request::{GivenAccess, Options, Place, Tokenize};

/// Value of the header `X-GP-Version`.
pub const VERSION: &str = "2021-03-22";

/// Name of the header that carries [`VERSION`].
pub const VERSION_HEADER: &str = "x-gp-version";

/// What a card must fulfil. Luhn only warns: one of the test cards that the platform publishes fails it, although the
/// platform's own page refuses that. A name is optional there.
pub const RULES: Rules = Rules {
    luhn: Severity::Warning,
    cvc: true,
    holder: NameRule {
        shortest: 2,
        longest: 100,
        ..NameRule::OPTIONAL
    },
    nickname: NameRule::OPTIONAL,
};

/// Where the API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// The platform's sandbox.
    Sandbox,
    /// The live platform.
    Production,
    /// The sandbox whose data stays in the European Union.
    SandboxEu,
    /// The live platform whose data stays in the European Union.
    ProductionEu,
    /// A base URL of the caller's.
    Custom(String),
}

impl Hosts {
    const SANDBOX: &str = "https://apis.sandbox.globalpay.com/ucp";
    const PRODUCTION: &str = "https://apis.globalpay.com/ucp";
    const SANDBOX_EU: &str = "https://apis.sandbox.eu.globalpay.com/ucp";
    const PRODUCTION_EU: &str = "https://apis.eu.globalpay.com/ucp";

    /// Base URL, without a slash at the end.
    #[must_use]
    pub fn base(&self) -> &str {
        match self {
            Self::Sandbox => Self::SANDBOX,
            Self::Production => Self::PRODUCTION,
            Self::SandboxEu => Self::SANDBOX_EU,
            Self::ProductionEu => Self::PRODUCTION_EU,
            Self::Custom(url) => url.trim_end_matches('/'),
        }
    }
}

/// The `secret` of an access-token request: lower-case hex of SHA-512 over nonce and key, nothing between.
#[must_use]
pub fn secret(nonce: &str, app_key: &str) -> String {
    hex::encode(Sha512::new().chain_update(nonce).chain_update(app_key).finalize())
}

/// A payment method, as the platform describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardToken {
    /// `PMT_…`
    pub id: String,
    /// In lower case.
    pub brand: Option<String>,
    /// Last four digits.
    pub last4: Option<String>,
    /// Month and four-digit year.
    pub expiry: Option<(u8, u16)>,
    /// The name on the card.
    pub holder: Option<String>,
}

/// Reads the answer of `POST /payment-methods`.
///
/// # Errors
/// `answer_malformed` if it names no usable payment method.
pub fn read_payment_method(answer: &PaymentMethod) -> Result<CardToken> {
    let id = answer.id.as_deref().filter(|id| is_id("PMT_", id));
    let active = answer.status.as_deref().is_none_or(|status| status == "ACTIVE");
    let succeeded = answer
        .action
        .as_ref()
        .and_then(|action| action.result_code.as_deref())
        .is_none_or(|code| code == "SUCCESS" || code == "00");
    let (Some(id), true, true) = (id, active, succeeded) else {
        return Err(Code::AnswerMalformed.into());
    };
    let card = answer.card.as_ref();
    Ok(CardToken {
        id: id.into(),
        brand: card
            .and_then(|card| card.brand.as_deref())
            .filter(|brand| !brand.is_empty())
            .map(|brand| redact::card_digits(brand).to_ascii_lowercase()),
        last4: card.and_then(|card| {
            last4(
                card.masked_number_last4
                    .as_deref()
                    .or(card.number_last4.as_deref())?,
            )
        }),
        expiry: card.and_then(|card| {
            let month = card
                .expiry_month
                .as_deref()?
                .parse()
                .ok()
                .filter(|month| (1..=12).contains(month))?;
            let year = card.expiry_year.as_deref()?.parse().ok();
            let year: u16 = year.filter(|year| *year < 10_000)?;
            Some((month, if year < 100 { 2000 + year } else { year }))
        }),
        holder: answer
            .name
            .as_deref()
            .filter(|name| !name.is_empty())
            .map(redact::card_digits),
    })
}

/// What an answer says that is none of a payment method. A token that is no longer good is a session that has expired.
#[must_use]
pub fn read_error(status: u16, answer: &ErrorBody) -> Error {
    let detailed = answer.detailed_error_code.as_deref();
    let said = detailed
        .filter(|code| !code.is_empty())
        .or(answer.error_code.as_deref());
    let code = match (detailed, status) {
        (Some("40001" | "40002"), _) => Code::SessionExpired,
        (_, 500..) => Code::PlatformUnavailable,
        _ if said.is_none() => Code::AnswerMalformed,
        _ => Code::PlatformRejected,
    };
    let is_word = |text: &&str| {
        text.len() <= 40
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let description = answer.detailed_error_description.as_deref();
    Error::new(code).with_status(status).with_platform(
        said.filter(is_word).map(redact::card_digits),
        description.unwrap_or_default(),
    )
}

/// Whether a text is one of the platform's ids, safe in a path.
#[must_use]
pub fn is_id(prefix: &str, id: &str) -> bool {
    id.strip_prefix(prefix).is_some_and(|rest| {
        (1..=76).contains(&rest.len())
            && rest
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    })
}

/// The last four digits of a mask, whatever stands before them.
#[must_use]
pub fn last4(masked: &str) -> Option<String> {
    let digits = masked.trim_start_matches(['X', 'x', '*']);
    (digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn the_secret_is_the_vectors() {
        // Computed with another implementation of SHA-512; the key is an example.
        assert_eq!(
            secret("0123456789abcdef0123456789abcdef", "exampleAppKey123"),
            "a98bee34da9d0815d5a33c23971435df92199b9c191b2bb2c2964cdd3ff620ca3d94f2f81c90ee4f13b8f743477b38641b2e309ca26a4520f11a4e6255a0d169"
        );
        assert_eq!(
            secret("2026-01-02T03:04:05.678Z", "exampleAppKey123"),
            "93d93b9924dbf28565d62673d9908a8c6ec5cc815ae3d3a8767b7566a14da14b3307a8ed3cdbdb39791cb5009dbea70f3b4eb0445bb126657b6c8addb567f99f"
        );
    }

    #[test]
    fn reads_a_payment_method_and_refuses_what_is_none() {
        let answer = json!({"id": "PMT_fdbdcb02-1f84-4f6f-8fda-9b34d3e8a6ea", "status": "ACTIVE", "usage_mode": "SINGLE",
            "card": {"masked_number_last4": "XXXXXXXXXXXX5262", "brand": "VISA", "expiry_month": "05", "expiry_year": "30"},
            "name": "Jane 4263970000005262", "action": {"result_code": "SUCCESS"}, "later": {"unknown": true}});
        let read = |answer: Value| read_payment_method(&serde_json::from_value(answer).unwrap());
        let token = read(answer.clone()).unwrap();
        assert_eq!(token.brand.as_deref(), Some("visa"));
        assert_eq!(token.last4.as_deref(), Some("5262"));
        assert_eq!(token.expiry, Some((5, 2030)));
        assert_eq!(token.holder.as_deref(), Some("Jane ****************"));
        let mut strange = answer.clone();
        strange["card"]["expiry_year"] = json!("20301");
        assert_eq!(read(strange).unwrap().expiry, None);
        let mut echo = answer.clone();
        echo["card"]["brand"] = json!("4263970000005262");
        assert_eq!(read(echo).unwrap().brand.as_deref(), Some("****************"));
        for (name, value) in [
            ("id", json!("PMT_../x")),
            ("id", json!("TRN_1")),
            ("id", Value::Null),
            ("status", json!("INACTIVE")),
            ("action", json!({"result_code": "DECLINED"})),
        ] {
            let mut broken = answer.clone();
            broken[name] = value;
            assert_eq!(read(broken).unwrap_err().code(), Code::AnswerMalformed, "{name}");
        }
    }

    #[test]
    fn an_error_keeps_the_platforms_word_and_nothing_of_the_card() {
        let read = |status, error: Value| {
            let error = read_error(status, &serde_json::from_value(error).unwrap());
            assert_eq!(error.status(), Some(status));
            let said = [error.platform_code(), error.platform_message()];
            (error.code(), said.map(|text| text.map(str::to_owned)))
        };
        let said = |code: &str, message: &str| [Some(code.into()), Some(message.into())];
        assert_eq!(
            read(
                400,
                json!({"error_code": "MANDATORY_DATA_MISSING", "detailed_error_code": "40005",
                    "detailed_error_description": "number 4242424242424242"})
            ),
            (Code::PlatformRejected, said("40005", "number ****************"))
        );
        assert_eq!(
            read(400, json!({"error_code": "4263970000005262"})),
            (Code::PlatformRejected, said("****************", ""))
        );
        for detail in ["40001", "40002"] {
            let error = json!({"error_code": "NOT_AUTHENTICATED", "detailed_error_code": detail});
            assert_eq!(read(401, error), (Code::SessionExpired, said(detail, "")));
        }
        assert_eq!(
            read(
                502,
                json!({"error_code": "SYSTEM_ERROR", "detailed_error_code": ""})
            ),
            (Code::PlatformUnavailable, said("SYSTEM_ERROR", ""))
        );
        assert_eq!(
            read(400, json!({"error_code": "<b>no word</b>"})),
            (Code::PlatformRejected, [None, Some(String::new())])
        );
        assert_eq!(read(400, json!({})).0, Code::AnswerMalformed);
        assert_eq!(read(503, json!({})).0, Code::PlatformUnavailable);
    }
}
