//! The issuers behind the simulated platform. No list of test cards or amounts of the real one is published, apart from
//! one card that it approves. What causes anything else is made up here, and only here.

use serde_json::{Value, json};

/// From the tests of the official libraries: approved, with the security code 012 and the end of 2031.
#[cfg(test)]
const APPROVED: &str = "4176669999000104";

/// Cards that are declined.
const DECLINED: [&str; 2] = ["4176669999000203", "5555559999000204"];

/// Security codes that do not match. What a bank then does is not known: here it approves, and says so.
const WRONG_CODES: [&str; 2] = ["999", "9999"];

/// What there is on a prepaid card, in minor units and a currency.
pub(crate) const BALANCE: (u64, &str) = (10_000, "EUR");

/// What an issuer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Approved,
    /// Half of it, where the merchant takes parts; else nothing.
    Partly,
    /// Approved, but told later.
    Later,
    /// With the code of the answer, and of the advice.
    Declined(String, Option<&'static str>),
}

fn declined(advice: Option<&'static str>) -> Verdict {
    Verdict::Declined("5".into(), advice)
}

/// Of a card.
pub(crate) fn of_card(number: &str) -> Verdict {
    if DECLINED.contains(&number) {
        declined(None)
    } else {
        Verdict::Approved
    }
}

/// Of an amount, by its last two digits.
pub(crate) fn of_amount(minor: u64) -> Verdict {
    match minor % 100 {
        5 => declined(None),
        61 => declined(Some("01")),
        62 => declined(Some("02")),
        63 => declined(Some("03")),
        64 => Verdict::Partly,
        68 => Verdict::Later,
        _ => Verdict::Approved,
    }
}

/// `cardSecurityCodeResult`.
pub(crate) fn code_result(code: Option<&str>) -> &'static str {
    match code {
        None => "OMITTED",
        Some(code) if WRONG_CODES.contains(&code) => "MISMATCH",
        Some(_) => "MATCH",
    }
}

/// The codes of an answer. Of those of the platform only 0 and 5 have been seen; 10 is that of ISO 8583.
pub(crate) fn codes(verdict: &Verdict, responder: &'static str) -> Value {
    let (code, category, description) = match verdict {
        Verdict::Approved | Verdict::Later => ("0", "APPROVED", "Approved"),
        Verdict::Partly => ("10", "PARTIALLY_APPROVED", "Approved for a part of the amount"),
        Verdict::Declined(code, _) => (code.as_str(), "DECLINED", "Do not honour"),
    };
    let mut codes = json!({
        "responder": responder,
        "responseCode": code,
        "responseCodeCategory": category,
        "responseCodeDescription": description,
    });
    if let Verdict::Declined(_, Some(advice)) = verdict {
        codes["additionalResponseData"] = json!({
            "merchantAdviceCode": advice,
            "merchantAdviceCodeDescription": match *advice {
                "01" => "New account information available",
                "02" => "Try again later",
                _ => "Do not try again",
            },
        });
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_passes_the_luhn_check() {
        for number in DECLINED.into_iter().chain([APPROVED]) {
            let digits = number.chars().map(|digit| digit.to_digit(10).unwrap());
            assert!(cardseal::card::luhn(digits), "{number}");
        }
        assert_eq!(of_card(APPROVED), Verdict::Approved);
        assert_eq!(of_amount(200), Verdict::Approved);
    }
}
