//! What requests of this platform hold: amounts, references, locales.

use serde_json::Value;

use super::refusal::Refusal;
use crate::host;
use crate::host::fields::{Refuse, is_code};

/// The largest amount, in minor units. The real limit is not known.
const MAX_AMOUNT: i64 = 999_999_999_999;
/// By the contract; longer ones are refused.
const MAX_REFERENCE_CHARS: usize = 40;

pub(crate) type Fields = host::fields::Fields<Refusal>;

impl Refuse for Refusal {
    const BODY: &'static str = "body";

    fn missing(path: &str) -> Self {
        Self::missing(path)
    }

    fn invalid(path: &str) -> Self {
        Self::invalid(path)
    }
}

/// An amount with its currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Money {
    pub(crate) amount: i64,
    pub(crate) currency: String,
}

impl Fields {
    pub(crate) fn integer(&self, path: &str) -> Result<Option<i64>, Refusal> {
        self.typed(path, Value::as_i64)
    }

    /// The number of a payment product.
    pub(crate) fn product(&self, path: &str) -> Result<Option<u32>, Refusal> {
        self.integer(path)?
            .map(|id| u32::try_from(id).map_err(|_| Refusal::invalid(path)))
            .transpose()
    }

    /// Minor units: a JSON integer, never a fraction or a text.
    pub(crate) fn amount(&self, path: &str) -> Result<Option<i64>, Refusal> {
        let amount = self.integer(path)?;
        match amount {
            Some(amount) if !(0..=MAX_AMOUNT).contains(&amount) => Err(Refusal::invalid(path)),
            _ => Ok(amount),
        }
    }

    /// An object of an amount and a currency.
    pub(crate) fn money(&self, path: &str) -> Result<Option<Money>, Refusal> {
        if !self.has(path) {
            return Ok(None);
        }
        let (amount_path, currency_path) = (format!("{path}.amount"), format!("{path}.currencyCode"));
        let amount = self
            .amount(&amount_path)?
            .ok_or_else(|| Refusal::missing(&amount_path))?;
        let currency = self.needed(&currency_path)?;
        if !is_code(currency, 3) {
            return Err(Refusal::invalid(currency_path));
        }
        Ok(Some(Money {
            amount,
            currency: currency.into(),
        }))
    }

    /// The merchant's own name of the order.
    pub(crate) fn reference(&self, path: &str) -> Result<Option<String>, Refusal> {
        match self.text(path)? {
            Some(text) if text.chars().count() > MAX_REFERENCE_CHARS => Err(Refusal::invalid(path)),
            text => Ok(text.map(Into::into)),
        }
    }

    /// A language and a country, such as `de_DE`. Which ones the platform knows is not known, so the form counts.
    pub(crate) fn locale(&self, path: &str) -> Result<(), Refusal> {
        match self.text(path)? {
            Some(text) if !is_locale(text) => Err(Refusal::invalid(path)),
            _ => Ok(()),
        }
    }

    /// Texts of an array, or of a list with commas.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>, Refusal> {
        match self.at(path) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(Into::into)
                .collect()),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| {
                    item.as_str()
                        .map(Into::into)
                        .ok_or_else(|| Refusal::invalid(path))
                })
                .collect(),
            Some(_) => Err(Refusal::invalid(path)),
        }
    }
}

pub(crate) fn is_locale(text: &str) -> bool {
    text.split_once('_').is_some_and(|(language, country)| {
        language.len() == 2
            && language.bytes().all(|byte| byte.is_ascii_lowercase())
            && country.len() == 2
            && country.bytes().all(|byte| byte.is_ascii_uppercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_money_in_whole_minor_units() {
        let body = br#"{"a":{"amount":1999,"currencyCode":"EUR"},"b":{"amount":19.99,"currencyCode":"EUR"},
            "c":{"amount":"1999","currencyCode":"EUR"},"d":{"amount":-1,"currencyCode":"EUR"},
            "e":{"amount":1,"currencyCode":"eur"},"f":{"amount":10.0,"currencyCode":"EUR"},"g":{"amount":1},
            "h":{"amount":1000000000000,"currencyCode":"EUR"},"i":null,"j":{"amount":0,"currencyCode":"EUR"}}"#;
        let fields = Fields::parse(body).unwrap();
        let euros = |amount| {
            Some(Money {
                amount,
                currency: "EUR".into(),
            })
        };
        assert_eq!(fields.money("a"), Ok(euros(1999)));
        assert_eq!(fields.money("j"), Ok(euros(0)));
        assert_eq!((fields.money("i"), fields.money("x")), (Ok(None), Ok(None)));
        for name in ["b", "c", "d", "f", "h"] {
            assert_eq!(
                fields.money(name),
                Err(Refusal::invalid(format!("{name}.amount")))
            );
        }
        assert_eq!(fields.money("e"), Err(Refusal::invalid("e.currencyCode")));
        assert_eq!(fields.money("g"), Err(Refusal::missing("g.currencyCode")));
    }

    #[test]
    fn reads_lists_in_both_forms() {
        let fields = Fields::parse(br#"{"a":"x, y,","b":["x","y"],"c":[1],"d":1}"#).unwrap();
        assert_eq!(fields.list("a").unwrap(), ["x", "y"]);
        assert_eq!(fields.list("b").unwrap(), ["x", "y"]);
        assert!(fields.list("x").unwrap().is_empty());
        assert!(fields.list("c").is_err() && fields.list("d").is_err());
    }

    #[test]
    fn tells_locales_from_other_texts() {
        for (text, wanted) in [
            ("de_DE", true),
            ("en_GB", true),
            ("de", false),
            ("de-DE", false),
            ("DE_de", false),
            ("deu_DE", false),
            ("invalid_locale", false),
            ("", false),
        ] {
            assert_eq!(is_locale(text), wanted, "{text}");
        }
    }

    #[test]
    fn takes_no_body_for_an_empty_one() {
        assert!(!Fields::parse(b" \n").unwrap().has("order"));
        for wrong in [&b"[]"[..], b"{", b"\"x\"", b"a=1"] {
            assert!(Fields::parse(wrong).is_err());
        }
    }
}
