//! Reads request bodies by their content, whatever their `Content-Type` says: two official clients send a wrong
//! one.

use super::refusal::Refusal;
use crate::host;
use crate::host::fields::{Refuse, is_code};

/// The longest amount, in digits without leading zeros.
const MAX_AMOUNT_DIGITS: usize = 15;

pub(crate) type Fields = host::fields::Fields<Refusal>;

impl Refuse for Refusal {
    // Some clients send follow-ups that have no members without a body.
    const BODY: &'static str = "Request body";
    const EMPTY_IS_ABSENT: bool = true;

    fn missing(path: &str) -> Self {
        Self::missing(path)
    }

    fn invalid(path: &str) -> Self {
        Self::unexpected(path)
    }
}

impl Fields {
    /// A string of capital letters, such as a country or currency.
    pub(crate) fn letters(&self, path: &str, count: usize) -> Result<&str, Refusal> {
        let text = self.needed(path)?;
        if is_code(text, count) {
            Ok(text)
        } else {
            Err(Refusal::unexpected(path))
        }
    }

    /// Minor units as a string of digits, leading zeros allowed. None of zero: whether the platform takes it is
    /// not documented.
    pub(crate) fn amount(&self, path: &str) -> Result<Option<u64>, Refusal> {
        match self.amount_or_zero(path)? {
            Some(0) => Err(Refusal::unexpected(path)),
            amount => Ok(amount),
        }
    }

    /// The same where the tests of official clients send zero.
    pub(crate) fn amount_or_zero(&self, path: &str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(path)? else {
            return Ok(None);
        };
        let digits = text.trim_start_matches('0');
        let valid = digits.len() <= MAX_AMOUNT_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        let amount = if digits.is_empty() {
            Some(0)
        } else {
            digits.parse().ok()
        };
        amount
            .filter(|_| valid)
            .map(Some)
            .ok_or_else(|| Refusal::unexpected(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_amounts_in_minor_units_only() {
        let body = br#"{"a":"1999","b":"029","c":"100.5","d":"-1","e":1999,"f":"","g":null,"h":"0","i":" 1",
            "j":"9999999999999999","k":"000000000000000001","l":"1e2"}"#;
        let fields = Fields::parse(body).unwrap();
        assert_eq!(fields.amount("a"), Ok(Some(1999)));
        assert_eq!(fields.amount("b"), Ok(Some(29)));
        assert_eq!(fields.amount("k"), Ok(Some(1)));
        for absent in ["f", "g", "x"] {
            assert_eq!(fields.amount(absent), Ok(None), "{absent}");
        }
        for wrong in ["c", "d", "e", "h", "i", "j", "l"] {
            assert_eq!(fields.amount(wrong), Err(Refusal::unexpected(wrong)));
        }
    }

    #[test]
    fn takes_no_body_for_an_empty_one() {
        assert!(Fields::parse(b" \n").unwrap().at("amount").is_none());
        for wrong in [&b"[]"[..], b"{", b"\"x\"", b"amount=1"] {
            assert!(Fields::parse(wrong).is_err());
        }
    }
}
