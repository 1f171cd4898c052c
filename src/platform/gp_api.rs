//! Global Payments GP API: the browser's half.
//!
//! This platform has no encryption in the page. The card is sent as plain JSON over TLS to `POST
//! {base}/payment-methods`, with a short-lived access token that allows nothing else. The answer has a single-use
//! `PMT_…` id for the card. So each request is as sensitive as the card itself.

mod request;

use crate::card::{NameRule, Rules, Severity};
use crate::error::{Code, Error, Result};
use crate::redact;

pub use request::{AccessInput, Options, Place, Tokenize};

/// The value of the header `X-GP-Version`.
pub const VERSION: &str = "2021-03-22";

/// The name of that header.
pub const VERSION_HEADER: &str = "x-gp-version";

/// The rules for a card. A wrong check digit is only a warning, because one of the platform's published test cards
/// has one, although the platform's own form refuses it. The name is optional.
pub const RULES: Rules = Rules {
    luhn: Severity::Warning,
    holder: NameRule {
        shortest: 2,
        longest: 100,
        ..NameRule::OPTIONAL
    },
    ..Rules::COMMON
};

/// The environments of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// The platform's sandbox.
    Sandbox,
    /// The live platform.
    Production,
    /// The sandbox whose data stays in the European Union.
    SandboxEu,
    /// The live platform whose data stays in the European Union.
    ProductionEu,
}

impl Hosts {
    pub(crate) const SANDBOX: &str = "https://apis.sandbox.globalpay.com/ucp";
    pub(crate) const PRODUCTION: &str = "https://apis.globalpay.com/ucp";
    pub(crate) const SANDBOX_EU: &str = "https://apis.sandbox.eu.globalpay.com/ucp";
    pub(crate) const PRODUCTION_EU: &str = "https://apis.eu.globalpay.com/ucp";

    /// Base URL, without a slash at the end.
    #[must_use]
    pub const fn base(self) -> &'static str {
        match self {
            Self::Sandbox => Self::SANDBOX,
            Self::Production => Self::PRODUCTION,
            Self::SandboxEu => Self::SANDBOX_EU,
            Self::ProductionEu => Self::PRODUCTION_EU,
        }
    }
}

/// The members of a payment method, as the platform sends them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentMethod {
    /// `PMT_…`
    pub id: Option<String>,
    /// `ACTIVE`, `INACTIVE` or `DELETED`.
    pub status: Option<String>,
    /// `action.result_code`: `SUCCESS`, `DECLINED` or `NOT_VERIFIED`.
    pub result_code: Option<String>,
    /// The name on the card.
    pub name: Option<String>,
    /// For example `XXXXXXXXXXXX1111`: `card.masked_number_last4` when created, `card.number_last4` when read later.
    pub masked_number: Option<String>,
    /// `card.brand`: `VISA`, `MASTERCARD`, …
    pub brand: Option<String>,
    /// `card.expiry_month`, two digits.
    pub expiry_month: Option<String>,
    /// `card.expiry_year`, two digits.
    pub expiry_year: Option<String>,
}

/// The platform's error. Its members are never nested.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// For example `NOT_AUTHENTICATED`.
    pub error_code: Option<String>,
    /// Five digits.
    pub detailed_error_code: Option<String>,
    /// A sentence.
    pub detailed_error_description: Option<String>,
}

/// A payment method.
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
/// `answer_malformed` if it contains no usable payment method.
pub fn read_payment_method(answer: &PaymentMethod) -> Result<CardToken> {
    let id = answer.id.as_deref().filter(|id| is_id("PMT_", id));
    let active = answer.status.as_deref().is_none_or(|status| status == "ACTIVE");
    let succeeded = answer
        .result_code
        .as_deref()
        .is_none_or(|code| code == "SUCCESS" || code == "00");
    let (Some(id), true, true) = (id, active, succeeded) else {
        return Err(Code::AnswerMalformed.into());
    };
    let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Ok(CardToken {
        id: id.into(),
        brand: said(&answer.brand).map(|brand| redact::card_digits(&brand).to_ascii_lowercase()),
        last4: answer.masked_number.as_deref().and_then(last4),
        expiry: expiry(answer),
        holder: said(&answer.name).map(|name| redact::card_digits(&name)),
    })
}

fn expiry(answer: &PaymentMethod) -> Option<(u8, u16)> {
    let month = answer.expiry_month.as_deref()?.parse().ok();
    let month = month.filter(|month| (1..=12).contains(month))?;
    let year = answer.expiry_year.as_deref()?.parse().ok();
    let year: u16 = year.filter(|year| *year < 10_000)?;
    Some((month, if year < 100 { 2000 + year } else { year }))
}

/// Reads the error in an answer. An invalid access token means that the session has expired.
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

/// Whether a text is an id of the platform, and so is safe in a path.
#[must_use]
pub fn is_id(prefix: &str, id: &str) -> bool {
    id.strip_prefix(prefix).is_some_and(|rest| {
        (1..=76).contains(&rest.len())
            && rest
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    })
}

/// The last four digits of a masked number.
#[must_use]
pub fn last4(masked: &str) -> Option<String> {
    let digits = masked.trim_start_matches(['X', 'x', '*']);
    (digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.into())
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn reads_a_payment_method_and_refuses_what_is_none() {
        let some = |text: &str| Some(text.to_owned());
        let method = PaymentMethod {
            id: some("PMT_fdbdcb02-1f84-4f6f-8fda-9b34d3e8a6ea"),
            status: some("ACTIVE"),
            result_code: some("SUCCESS"),
            name: some("Jane 4263970000005262"),
            masked_number: some("XXXXXXXXXXXX5262"),
            brand: some("VISA"),
            expiry_month: some("05"),
            expiry_year: some("30"),
        };
        let read = |change: &dyn Fn(&mut PaymentMethod)| {
            let mut changed = method.clone();
            change(&mut changed);
            read_payment_method(&changed)
        };
        let token = read(&|_| {}).unwrap();
        assert_eq!(token.brand.as_deref(), Some("visa"));
        assert_eq!(token.last4.as_deref(), Some("5262"));
        assert_eq!(token.expiry, Some((5, 2030)));
        assert_eq!(token.holder.as_deref(), Some("Jane ****************"));
        let strange = read(&|method| method.expiry_year = some("20301"));
        assert_eq!(strange.unwrap().expiry, None);
        let echo = read(&|method| method.brand = some("4263970000005262"));
        assert_eq!(echo.unwrap().brand.as_deref(), Some("****************"));
        let refused: [&dyn Fn(&mut PaymentMethod); 5] = [
            &|method| method.id = some("PMT_../x"),
            &|method| method.id = some("TRN_1"),
            &|method| method.id = None,
            &|method| method.status = some("INACTIVE"),
            &|method| method.result_code = some("DECLINED"),
        ];
        for change in refused {
            assert_eq!(read(change).unwrap_err().code(), Code::AnswerMalformed);
        }
    }

    #[test]
    fn an_error_keeps_the_platforms_word_and_nothing_of_the_card() {
        let read = |status, texts: [&str; 3]| {
            let [error_code, detailed_error_code, detailed_error_description] =
                texts.map(|text| (text != "-").then(|| text.to_owned()));
            let body = ErrorBody {
                error_code,
                detailed_error_code,
                detailed_error_description,
            };
            let error = read_error(status, &body);
            assert_eq!(error.status(), Some(status));
            let said = [error.platform_code(), error.platform_message()];
            (error.code(), said.map(|text| text.map(str::to_owned)))
        };
        let said = |code: &str, message: &str| [Some(code.into()), Some(message.into())];
        assert_eq!(
            read(
                400,
                ["MANDATORY_DATA_MISSING", "40005", "number 4242424242424242"]
            ),
            (Code::PlatformRejected, said("40005", "number ****************"))
        );
        assert_eq!(
            read(400, ["4263970000005262", "-", "-"]),
            (Code::PlatformRejected, said("****************", ""))
        );
        for detail in ["40001", "40002"] {
            assert_eq!(
                read(401, ["NOT_AUTHENTICATED", detail, "-"]),
                (Code::SessionExpired, said(detail, ""))
            );
        }
        assert_eq!(
            read(502, ["SYSTEM_ERROR", "", "-"]),
            (Code::PlatformUnavailable, said("SYSTEM_ERROR", ""))
        );
        assert_eq!(
            read(400, ["<b>no word</b>", "-", "-"]),
            (Code::PlatformRejected, [None, Some(String::new())])
        );
        assert_eq!(read(400, ["-"; 3]).0, Code::AnswerMalformed);
        assert_eq!(read(503, ["-"; 3]).0, Code::PlatformUnavailable);
    }
}
