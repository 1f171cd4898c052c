//! The bank behind the simulated GreenPay: every plausible card is approved, except the documented ones.

/// GreenPay's sandbox cards that are declined, with the code. Two of them fail the Luhn check.
const DECLINED: [(&str, &str); 22] = [
    ("4539790114303785", "01"),
    ("4319593393858768", "03"),
    ("4556500081329277", "04"),
    ("4485970366452449", "05"),
    ("4485684474633390", "12"),
    ("4024007189880601", "13"),
    ("4916402417466144", "14"),
    ("4539935161849723", "19"),
    ("4345967438617249", "31"),
    ("4929639391534299", "41"),
    ("4716178359021988", "43"),
    ("4094394314664828", "51"),
    ("4539610492212483", "54"),
    ("4556710706281072", "55"),
    ("4556592228753727", "58"),
    ("4929518506489375", "262"),
    ("4024007105223894", "63"),
    ("4716342493980323", "65"),
    ("4929597009464475", "78"),
    ("4539740270025870", "89"),
    ("4929942460623880", "91"),
    ("4916869335186964", "96"),
];

/// Code that GreenPay itself gives when the bank did not answer and the charge was reversed.
pub(crate) const REVERSED: &str = "899";
/// Code that GreenPay itself gives when Kount rejected the payment.
pub(crate) const REJECTED_BY_KOUNT: &str = "996";
/// What an approval says.
pub(crate) const APPROVED: &str = "00";

/// The code with which a charge of this card is declined, if it is.
pub(crate) fn decline(number: &str) -> Option<&'static str> {
    DECLINED
        .iter()
        .find(|(card, _)| *card == number)
        .map(|(_, code)| *code)
}

/// Everything that [`decline`] can say.
pub(crate) fn declines() -> impl Iterator<Item = Option<&'static str>> {
    DECLINED.iter().map(|(_, code)| Some(*code)).chain([None])
}

/// The text that goes with a code.
pub(crate) fn text(code: &str) -> &'static str {
    match code {
        APPROVED => "Approved",
        "01" | "201" => "Refer to card issuer",
        "03" | "203" => "Invalid merchant",
        "04" => "Pick up card",
        "05" | "205" => "Denied",
        "12" | "212" => "Invalid transaction",
        "13" => "Invalid amount",
        "14" => "Invalid card number",
        "19" => "Re-enter transaction",
        "30" => "Format error",
        "31" => "Bank not supported",
        "41" | "241" => "Lost card",
        "43" => "Retain card and call",
        "51" | "251" => "Insufficient funds",
        "54" => "Expired card",
        "55" | "255" => "Wrong PIN",
        "58" => "Function not allowed",
        "62" | "63" | "65" | "78" | "278" | "262" => "Transaction cannot be authorized",
        "89" => "Invalid terminal",
        "91" => "Issuer does not answer",
        "96" | "296" => "Transaction not supported",
        REVERSED => "Timeout, reversal applied",
        REJECTED_BY_KOUNT => "Rejected by Kount",
        _ => "Denied by the bank",
    }
}

/// Everything that [`brand`] can say.
pub(crate) const BRANDS: [&str; 3] = ["Visa", "Mastercard", "nd"];

/// The brand in GreenPay's spelling, `nd` for not determined.
pub(crate) fn brand(number: &str) -> &'static str {
    let prefix = |digits: usize| {
        number
            .get(..digits)
            .and_then(|text| text.parse::<u32>().ok())
            .unwrap_or(0)
    };
    if prefix(1) == 4 {
        "Visa"
    } else if (51..=55).contains(&prefix(2)) || (2221..=2720).contains(&prefix(4)) {
        "Mastercard"
    } else {
        "nd"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declines_the_documented_cards_and_no_others() {
        assert_eq!(decline("4485970366452449"), Some("05"));
        assert_eq!(decline("4929518506489375"), Some("262"));
        assert_eq!(decline("4242424242424242"), None);
        for (number, code) in DECLINED {
            assert_eq!(number.len(), 16);
            assert_ne!(text(code), "Denied by the bank", "{code}");
        }
    }

    #[test]
    fn names_two_brands() {
        assert_eq!(brand("4242424242424242"), "Visa");
        assert_eq!(brand("5555555555554444"), "Mastercard");
        assert_eq!(brand("2221000000000009"), "Mastercard");
        assert_eq!(brand("378282246310005"), "nd");
        for number in ["4242424242424242", "5555555555554444", "378282246310005"] {
            assert!(BRANDS.contains(&brand(number)), "{number}");
        }
    }
}
