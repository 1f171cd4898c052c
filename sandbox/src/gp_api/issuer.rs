//! The issuers behind the simulated GP API: every plausible card is approved, except the documented ones.

use serde::Serialize;

/// What a card's issuer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Verdict {
    Approved,
    /// With `payment_method.result`.
    Declined(&'static str),
    /// The processor fails, and the API answers 502.
    Failed,
    /// The same, in other words.
    TimedOut,
    /// The account does not take the card.
    Unsupported,
}

/// Documented cards that are not simply approved.
const CARDS: [(&str, Verdict); 29] = [
    ("4000120000001154", Verdict::Declined(BY_BANK)),
    ("5114610000004778", Verdict::Declined(BY_BANK)),
    ("376525000000010", Verdict::Declined(BY_BANK)),
    ("36256000000998", Verdict::Declined(BY_BANK)),
    ("6011000000001010", Verdict::Declined(BY_BANK)),
    ("3566000000001016", Verdict::Declined(BY_BANK)),
    // Declined for its address; with which code is not documented.
    ("4259917010910078", Verdict::Declined(BY_BANK)),
    ("4000130000001724", Verdict::Declined("102")),
    ("5114630000009791", Verdict::Declined("102")),
    ("375425000000907", Verdict::Declined("102")),
    ("36256000000634", Verdict::Declined("102")),
    ("6011000000001028", Verdict::Declined("102")),
    ("3566000000001024", Verdict::Declined("102")),
    ("4000160000004147", Verdict::Declined("103")),
    ("5121220000006921", Verdict::Declined("103")),
    ("343452000000306", Verdict::Declined("103")),
    ("38865000000705", Verdict::Declined("103")),
    ("6011000000001036", Verdict::Declined("103")),
    ("3566000000001032", Verdict::Declined("103")),
    ("4242420000000091", Verdict::Declined("111")),
    ("5100000000000131", Verdict::Declined("111")),
    ("374205502001004", Verdict::Declined("111")),
    ("4009830000001985", Verdict::TimedOut),
    ("5135020000005871", Verdict::TimedOut),
    ("372349000000852", Verdict::TimedOut),
    ("30450000000985", Verdict::Failed),
    ("6011000000002000", Verdict::Failed),
    ("3566000000002006", Verdict::Failed),
    ("135400000007187", Verdict::Unsupported),
];

/// Published as a test card with the platform's sample, although its check digit is wrong.
pub(crate) const WRONG_CHECK_DIGIT: &str = "5425233424241200";

/// Cards whose security code and address are not simply confirmed: letters for the code, the address and the
/// postal code.
const CHECKS: [(&str, [char; 3]); 3] = [
    ("5167308114614170", ['M', 'U', 'U']),
    ("4259917010910078", ['I', 'U', 'U']),
    ("5218042821896924", ['N', 'N', 'N']),
];

/// `payment_method.result` of an approval.
pub(crate) const APPROVED: &str = "00";
/// Of a decline for want of an authentication.
pub(crate) const AUTHENTICATION_REQUIRED: &str = "111";
/// And of a decline without a reason of its own.
pub(crate) const BY_BANK: &str = "101";

pub(crate) fn verdict(number: &str) -> Verdict {
    CARDS
        .iter()
        .find(|(card, _)| *card == number)
        .map_or(Verdict::Approved, |(_, verdict)| *verdict)
}

/// Everything that [`verdict`] can say.
pub(crate) fn verdicts() -> impl Iterator<Item = Verdict> {
    CARDS
        .iter()
        .map(|(_, verdict)| *verdict)
        .chain([Verdict::Approved])
}

/// What is known of the security code, the address and the postal code, in the provider's letters.
pub(crate) fn checks(number: &str) -> [char; 3] {
    CHECKS
        .iter()
        .find(|(card, _)| *card == number)
        .map_or(['M'; 3], |(_, checks)| *checks)
}

/// Where no security code was sent. The platform's letter for that is not known; of its processor's it is the one
/// for "not checked".
pub(crate) const NO_CODE: char = 'I';

/// The provider's letter as a word.
pub(crate) const fn check_word(letter: char) -> &'static str {
    match letter {
        'M' => "MATCHED",
        'N' => "NOT_MATCHED",
        _ => "NOT_CHECKED",
    }
}

/// `payment_method.message`.
pub(crate) fn message(result: &str) -> &'static str {
    match result {
        APPROVED => "[ test system ] Authorised",
        "102" => "[ test system ] REFERRAL B",
        "103" => "[ test system ] CARD REPORTED LOST/STOLEN",
        "111" => "[ test system ] STRONG CUSTOMER AUTHENTICATION REQUIRED",
        _ => "[ test system ] DECLINED",
    }
}

/// Everything that [`brand`] can say.
pub(crate) const BRANDS: [&str; 8] = [
    "VISA",
    "MASTERCARD",
    "AMEX",
    "DINERS",
    "DISCOVER",
    "JCB",
    "UATP",
    "UNKNOWN",
];

/// The brand in GP API's spelling.
pub(crate) fn brand(number: &str) -> &'static str {
    let prefix = |digits: usize| {
        number
            .get(..digits)
            .and_then(|text| text.parse::<u32>().ok())
            .unwrap_or(0)
    };
    match prefix(2) {
        40..=49 => "VISA",
        22..=27 | 51..=55 => "MASTERCARD",
        34 | 37 => "AMEX",
        30 | 36 | 38 | 39 => "DINERS",
        60 | 64 | 65 => "DISCOVER",
        35 => "JCB",
        10..=19 => "UATP",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_passes_the_luhn_check_once() {
        let mut numbers: Vec<_> = CARDS.iter().map(|(number, _)| *number).collect();
        for number in &numbers {
            assert!(cardseal::card::luhn(
                number.chars().map(|digit| digit.to_digit(10).unwrap())
            ));
        }
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), CARDS.len());
    }

    #[test]
    fn names_the_brands() {
        for (number, name) in [
            ("4263970000005262", "VISA"),
            ("5425230000004415", "MASTERCARD"),
            ("2221000000000009", "MASTERCARD"),
            ("374101000000608", "AMEX"),
            ("36256000000725", "DINERS"),
            ("6011000000000087", "DISCOVER"),
            ("3566000000000000", "JCB"),
            ("135400000007187", "UATP"),
            ("9", "UNKNOWN"),
        ] {
            assert_eq!(brand(number), name);
            assert!(BRANDS.contains(&name), "{name}");
        }
    }
}
