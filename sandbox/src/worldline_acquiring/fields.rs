//! What requests of this platform hold. It is not known which members the real one requires: here they are those that the
//! samples of its guide have.

use serde_json::{Value, json};

use super::refusal::Refusal;
use crate::host;
use crate::host::fields::{Refuse, is_code};

/// The largest amount, in minor units. The real limit is not known.
const MAX_AMOUNT: u64 = 999_999_999_999;
/// And the longest id of an operation.
const MAX_ID_CHARS: usize = 100;

const WITHOUT_DECIMALS: [&str; 17] = [
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF",
    "XOF", "XPF",
];
const WITH_THREE: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

pub(crate) type Fields = host::fields::Fields<Refusal>;

impl Refuse for Refusal {
    const BODY: &'static str = "the body";
    const ALLOWS_NO_BODY: bool = false;

    fn missing(path: &str) -> Self {
        Self::missing(path)
    }

    fn invalid(path: &str) -> Self {
        Self::invalid(path)
    }
}

/// An amount in minor units, its currency, and how many of the digits are behind the point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Money {
    pub(crate) amount: u64,
    pub(crate) currency: String,
    pub(crate) decimals: u64,
}

impl Money {
    /// Another amount of the same currency.
    pub(crate) fn with(&self, amount: u64) -> Self {
        Self {
            amount,
            ..self.clone()
        }
    }

    /// As the platform writes it.
    pub(crate) fn body(&self) -> Value {
        json!({ "amount": self.amount, "currencyCode": self.currency, "numberOfDecimals": self.decimals })
    }
}

/// How many digits of a currency's amounts are behind the point.
pub(crate) fn decimals(currency: &str) -> u64 {
    if WITHOUT_DECIMALS.contains(&currency) {
        0
    } else if WITH_THREE.contains(&currency) {
        3
    } else {
        2
    }
}

impl Fields {
    fn integer(&self, path: &str) -> Result<Option<u64>, Refusal> {
        self.typed(path, Value::as_u64)
    }

    /// An amount of more than nothing, all three members of it.
    pub(crate) fn money(&self, path: &str) -> Result<Option<Money>, Refusal> {
        if !self.has(path) {
            return Ok(None);
        }
        let at = |name: &str| format!("{path}.{name}");
        let (amount_path, currency_path, decimals_path) =
            (at("amount"), at("currencyCode"), at("numberOfDecimals"));
        let needed = |path: &str| self.integer(path)?.ok_or_else(|| Refusal::missing(path));
        let amount = needed(&amount_path)?;
        if !(1..=MAX_AMOUNT).contains(&amount) {
            return Err(Refusal::invalid(&amount_path));
        }
        let currency = self.needed(&currency_path)?;
        if !is_code(currency, 3) {
            return Err(Refusal::invalid(&currency_path));
        }
        let money = Money {
            amount,
            currency: currency.into(),
            decimals: needed(&decimals_path)?,
        };
        if money.decimals != decimals(currency) {
            return Err(Refusal::invalid(&decimals_path));
        }
        Ok(Some(money))
    }

    /// The id that the merchant gave the operation, and the time of it, which all bodies have.
    pub(crate) fn operation(&self) -> Result<String, Refusal> {
        let id = self.needed("operationId")?;
        let fits = id.len() <= MAX_ID_CHARS && id.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            return Err(Refusal::invalid("operationId"));
        }
        Ok(id.into())
    }

    pub(crate) fn timestamp(&self, path: &str) -> Result<(), Refusal> {
        if is_timestamp(self.needed(path)?) {
            Ok(())
        } else {
            Err(Refusal::invalid(path))
        }
    }
}

/// Whether a text has the form of an instant: a date, a time, and `Z` or an offset.
fn is_timestamp(text: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    let bytes = text.as_bytes();
    let fits = |form: &[u8], bytes: &[u8]| {
        form.len() == bytes.len()
            && form.iter().zip(bytes).all(|(form, byte)| match form {
                b'0' => byte.is_ascii_digit(),
                other => other == byte,
            })
    };
    let Some((instant, rest)) = bytes.split_at_checked(FORM.len()) else {
        return false;
    };
    let fraction = rest
        .strip_prefix(b".")
        .map(|rest| rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let zone = match fraction {
        Some(0) => return false,
        Some(digits) => rest.get(digits + 1..).unwrap_or_default(),
        None => rest,
    };
    fits(FORM, instant) && (zone == b"Z" || fits(b"+00:00", zone) || fits(b"-00:00", zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_money_of_three_members_only() {
        let body = br#"{"a":{"amount":200,"currencyCode":"GBP","numberOfDecimals":2},
            "b":{"amount":200,"currencyCode":"JPY","numberOfDecimals":0},
            "c":{"amount":2.5,"currencyCode":"GBP","numberOfDecimals":2},
            "d":{"amount":"200","currencyCode":"GBP","numberOfDecimals":2},
            "e":{"amount":200,"currencyCode":"gbp","numberOfDecimals":2},
            "f":{"amount":200,"currencyCode":"GBP","numberOfDecimals":0},
            "g":{"amount":0,"currencyCode":"GBP","numberOfDecimals":2},
            "h":{"amount":200,"currencyCode":"GBP"},"i":null,
            "j":{"amount":200,"currencyCode":"KWD","numberOfDecimals":3}}"#;
        let fields = Fields::parse(body).unwrap();
        assert_eq!(
            fields.money("a").unwrap().unwrap().body(),
            json!({ "amount": 200, "currencyCode": "GBP", "numberOfDecimals": 2 })
        );
        assert!(fields.money("b").is_ok() && fields.money("j").is_ok());
        assert_eq!((fields.money("i"), fields.money("x")), (Ok(None), Ok(None)));
        for (name, wrong) in [
            ("c", "amount"),
            ("d", "amount"),
            ("e", "currencyCode"),
            ("f", "numberOfDecimals"),
            ("g", "amount"),
        ] {
            let path = format!("{name}.{wrong}");
            assert_eq!(fields.money(name), Err(Refusal::invalid(&path)));
        }
        assert_eq!(fields.money("h"), Err(Refusal::missing("h.numberOfDecimals")));
    }

    #[test]
    fn knows_an_instant() {
        for (text, is_one) in [
            ("2026-11-21T10:00:00Z", true),
            ("2026-11-21T00:55:37.686+00:00", true),
            ("2026-11-21T00:55:37.6-01:30", true),
            ("2026-11-21T10:00:00", false),
            ("2026-11-21T10:00:00.Z", false),
            ("2026-11-21 10:00:00Z", false),
            ("2026-11-21", false),
            ("", false),
        ] {
            assert_eq!(is_timestamp(text), is_one, "{text}");
        }
    }
}
