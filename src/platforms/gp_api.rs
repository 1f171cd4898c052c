//! Global Payments GP API: the browser's half.
//!
//! This platform has no encryption in the page: the card goes as clear JSON over TLS to
//! `POST {base}/payment-methods`, authorised by a short-lived token that may do nothing else. The answer names
//! the card by a single-use `PMT_…` id. Every request is therefore as sensitive as the card itself.

use crate::prelude::*;
#[cfg(feature = "gp_api")]
pub(crate) mod boundary;
pub mod wire;

use sha2::{Digest, Sha512};

use crate::card::{Card, NameRule, Rules, Severity};
use crate::error::{Code, Error, Result};
use crate::http::{Request, json_headers};
use crate::json::Json;
use crate::redact;
use wire::{ErrorBody, PaymentMethod};

/// Value of the header `X-GP-Version`.
pub const VERSION: &str = "2021-03-22";

/// Name of the header that carries [`VERSION`].
pub const VERSION_HEADER: &str = "x-gp-version";

/// Value of the header `X-GP-Library`: that of the official library whose request this is, byte for byte, because the
/// platform names no other value that it takes.
pub const LIBRARY: &str = "javascript;version=5.0.1";

/// What a card must fulfil. The platform's own page refuses a wrong check digit; a name is optional there.
pub const RULES: Rules = Rules {
    luhn: Severity::Error,
    holder: NameRule {
        required: false,
        shortest: 2,
        longest: 100,
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
    /// Base URL, without a slash at the end.
    #[must_use]
    pub fn base(&self) -> &str {
        match self {
            Self::Sandbox => "https://apis.sandbox.globalpay.com/ucp",
            Self::Production => "https://apis.globalpay.com/ucp",
            Self::SandboxEu => "https://apis.sandbox.eu.globalpay.com/ucp",
            Self::ProductionEu => "https://apis.eu.globalpay.com/ucp",
            Self::Custom(url) => url.trim_end_matches('/'),
        }
    }
}

/// The `secret` of an access-token request: lower-case hex of SHA-512 over nonce and key, nothing between.
#[must_use]
pub fn secret(nonce: &str, app_key: &str) -> String {
    hex::encode(Sha512::new().chain_update(nonce).chain_update(app_key).finalize())
}

/// What goes with a card.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The access token, which may create a single-use payment method and nothing else.
    pub access_token: &'a str,
    /// The merchant's reference.
    pub reference: &'a str,
    /// Needed only where the token belongs to more than one tokenization account.
    pub account_name: Option<&'a str>,
    /// Asks for a network token instead of a single-use one.
    pub network_token: bool,
}

/// The request that turns a card into a payment method. **Its body holds the card in clear.**
#[must_use]
pub fn payment_method_request(hosts: &Hosts, ask: &Ask<'_>, card: &Card) -> Request {
    let mut headers = json_headers();
    headers.push(("authorization", ["Bearer ", ask.access_token].concat()));
    headers.push((VERSION_HEADER, VERSION.into()));
    headers.push(("x-gp-library", LIBRARY.into()));
    let holder = card.holder.expose();
    let account = ask.account_name.unwrap_or_default();
    // Six bytes for every one is the longest that escaping makes of a text.
    let mut body = Json::with_capacity(256 + 6 * (ask.reference.len() + account.len() + holder.len()));
    body.raw("{\"reference\":").text(ask.reference);
    body.raw(",\"usage_mode\":").text(if ask.network_token {
        "USE_NETWORK_TOKEN"
    } else {
        "SINGLE"
    });
    if let Some(account) = ask.account_name {
        body.raw(",\"account_name\":").text(account);
    }
    body.raw(",\"card\":{\"number\":").text(card.number.expose());
    body.raw(",\"cvv\":").text(card.cvc.expose());
    body.raw(",\"expiry_month\":\"")
        .two_digits(card.expiry.month().into());
    body.raw("\",\"expiry_year\":\"")
        .two_digits(card.expiry.short_year().into());
    body.raw("\"}");
    if !holder.is_empty() {
        body.raw(",\"name\":").text(holder);
    }
    body.raw("}");
    Request {
        method: "POST",
        url: [hosts.base(), "/payment-methods"].concat(),
        headers,
        body: body.into_string(),
    }
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
            let year: u16 = card.expiry_year.as_deref()?.parse().ok()?;
            Some((month, if year < 100 { 2000 + year } else { year }))
        }),
        holder: answer
            .name
            .as_deref()
            .filter(|name| !name.is_empty())
            .map(redact::card_digits),
    })
}

/// An error answer. A token that is no longer good is a session that has expired.
#[must_use]
pub fn read_error(status: u16, body: &ErrorBody) -> Error {
    let detailed = body.detailed_error_code.as_deref().unwrap_or_default();
    let code = match (status, detailed) {
        (_, "40001" | "40002") => Code::SessionExpired,
        (500..=599, _) => Code::PlatformUnavailable,
        _ if detailed.is_empty() && body.error_code.is_none() => Code::AnswerMalformed,
        _ => Code::PlatformRejected,
    };
    let known = if detailed.is_empty() {
        body.error_code.as_deref()
    } else {
        Some(detailed)
    };
    let plain =
        known.filter(|code| code.len() <= 40 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    Error::new(code).with_status(status).with_platform(
        plain.map(redact::card_digits),
        body.detailed_error_description.as_deref().unwrap_or_default(),
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
    use crate::card::CardInput;

    const NOW: f64 = 1_795_219_200_000.0;

    fn card(holder: &str) -> Card {
        let input = CardInput {
            number: "4263 9700 0000 5262".into(),
            expiry: "5/2030".into(),
            cvc: "123".into(),
            holder: holder.into(),
            ..CardInput::default()
        };
        Card::parse(&input, &RULES, NOW).unwrap()
    }

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
    fn the_request_has_the_platforms_shape() {
        let ask = Ask {
            access_token: "t0",
            reference: "r-1",
            account_name: None,
            network_token: false,
        };
        let request = payment_method_request(&Hosts::Sandbox, &ask, &card("Jane Doe"));
        assert_eq!(
            request.url,
            "https://apis.sandbox.globalpay.com/ucp/payment-methods"
        );
        assert_eq!(
            request.body,
            r#"{"reference":"r-1","usage_mode":"SINGLE","card":{"number":"4263970000005262","cvv":"123","expiry_month":"05","expiry_year":"30"},"name":"Jane Doe"}"#
        );
        for header in [
            ("authorization", "Bearer t0"),
            ("x-gp-version", VERSION),
            ("x-gp-library", "javascript;version=5.0.1"),
            ("content-type", "application/json"),
        ] {
            assert!(
                request
                    .headers
                    .iter()
                    .any(|(name, value)| (*name, value.as_str()) == header),
                "{header:?}"
            );
        }
        let ask = Ask {
            account_name: Some("tokenization"),
            network_token: true,
            ..ask
        };
        let body: Value =
            serde_json::from_str(&payment_method_request(&Hosts::Sandbox, &ask, &card("")).body).unwrap();
        assert_eq!(
            body,
            json!({"reference": "r-1", "usage_mode": "USE_NETWORK_TOKEN", "account_name": "tokenization",
                "card": {"number": "4263970000005262", "cvv": "123", "expiry_month": "05", "expiry_year": "30"}})
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
    fn keeps_the_detailed_code_of_an_error() {
        let read = |status, body: Value| read_error(status, &serde_json::from_value(body).unwrap());
        let body = json!({"error_code": "MANDATORY_DATA_MISSING", "detailed_error_code": "40005",
            "detailed_error_description": "Request expects the following fields : number 4263970000005262"});
        let error = read(400, body);
        assert_eq!(
            (error.code(), error.platform_code(), error.status()),
            (Code::PlatformRejected, Some("40005"), Some(400))
        );
        assert!(!error.platform_message().unwrap().contains("4263"));
        for name in ["error_code", "detailed_error_code"] {
            let mut echo = json!({"error_code": "X"});
            echo[name] = json!("4263970000005262");
            assert_eq!(
                read(400, echo).platform_code(),
                Some("****************"),
                "{name}"
            );
        }
        let expired = json!({"error_code": "NOT_AUTHENTICATED", "detailed_error_code": "40002"});
        assert_eq!(read(401, expired).code(), Code::SessionExpired);
        assert_eq!(
            read(502, json!({"error_code": "SYSTEM_ERROR"})).code(),
            Code::PlatformUnavailable
        );
        assert_eq!(read(400, json!({})).code(), Code::AnswerMalformed);
    }
}
