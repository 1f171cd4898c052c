//! What the issuers behind the simulated GP API know of 3-D Secure: only the documented cards take part in it.

use serde::Serialize;

/// How an issuer authenticates a cardholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Way {
    /// Without asking.
    Frictionless(Verdict),
    /// On a page of the issuer's.
    Challenge,
}

/// What an authentication came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Verdict {
    Authenticated,
    /// The issuer could not, and proves that it was asked.
    Attempted,
    NotAuthenticated,
    Rejected,
    Unavailable,
}

impl Verdict {
    /// GP API's status. It has one word for the last two.
    pub(crate) const fn status(self) -> &'static str {
        match self {
            Self::Authenticated => "SUCCESS_AUTHENTICATED",
            Self::Attempted => "SUCCESS_ATTEMPT_MADE",
            Self::NotAuthenticated => "NOT_AUTHENTICATED",
            Self::Rejected | Self::Unavailable => "FAILED",
        }
    }

    /// `transStatus` of EMV 3-D Secure.
    pub(crate) const fn letter(self) -> &'static str {
        match self {
            Self::Authenticated => "Y",
            Self::Attempted => "A",
            Self::NotAuthenticated => "N",
            Self::Rejected => "R",
            Self::Unavailable => "U",
        }
    }

    /// Whether the issuer answers for a charge that the cardholder denies later.
    pub(crate) const fn shifts_liability(self) -> bool {
        matches!(self, Self::Authenticated | Self::Attempted)
    }

    /// The brand's number for it.
    pub(crate) const fn eci(self, brand: &str) -> &'static str {
        let mastercard = matches!(brand.as_bytes(), b"MASTERCARD");
        match (self, mastercard) {
            (Self::Authenticated, false) => "05",
            (Self::Attempted, false) => "06",
            (Self::NotAuthenticated | Self::Rejected | Self::Unavailable, false) => "07",
            (Self::Authenticated, true) => "02",
            (Self::Attempted, true) => "01",
            (Self::NotAuthenticated | Self::Rejected | Self::Unavailable, true) => "00",
        }
    }
}

/// A card that takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Enrolled {
    pub(crate) way: Way,
    /// Of the protocol.
    pub(crate) version: &'static str,
    /// Whether the issuer wants to look at the browser first.
    pub(crate) method: bool,
}

const V21: &str = "2.1.0";
const V22: &str = "2.2.0";

const AUTHENTICATED: Way = Way::Frictionless(Verdict::Authenticated);
const ATTEMPTED: Way = Way::Frictionless(Verdict::Attempted);
const NOT_AUTHENTICATED: Way = Way::Frictionless(Verdict::NotAuthenticated);
const REJECTED: Way = Way::Frictionless(Verdict::Rejected);
const UNAVAILABLE: Way = Way::Frictionless(Verdict::Unavailable);

/// The platform's cards for 3-D Secure. That all others are not enrolled is a choice made here.
const CARDS: [(&str, Way, &str, bool); 18] = [
    ("4222000006285344", AUTHENTICATED, V22, true),
    ("4222000009719489", AUTHENTICATED, V22, false),
    ("4222000005218627", ATTEMPTED, V22, true),
    ("4222000002144131", NOT_AUTHENTICATED, V22, true),
    ("4222000007275799", REJECTED, V22, true),
    ("4222000008880910", UNAVAILABLE, V22, true),
    ("4222000001227408", Way::Challenge, V22, true),
    ("4263970000005262", AUTHENTICATED, V21, true),
    ("4222000006724235", AUTHENTICATED, V21, false),
    ("4012001037167778", ATTEMPTED, V21, true),
    ("4012001037461114", NOT_AUTHENTICATED, V21, true),
    ("4012001038443335", REJECTED, V21, true),
    ("4012001037484447", UNAVAILABLE, V21, true),
    ("4012001038488884", Way::Challenge, V21, true),
    ("5354560000000004", AUTHENTICATED, V22, true),
    ("5580364874958322", ATTEMPTED, V22, true),
    ("5540010585397800", NOT_AUTHENTICATED, V22, true),
    ("5506874496684651", Way::Challenge, V22, true),
];

/// What is known of a card. `None` if it does not take part.
pub(crate) fn enrolled(number: &str) -> Option<Enrolled> {
    let mut cards = CARDS.iter();
    cards
        .find(|(card, ..)| *card == number)
        .map(|&(_, way, version, method)| Enrolled { way, version, method })
}

/// Everything that [`enrolled`] can say.
pub(crate) fn enrolments() -> impl Iterator<Item = Option<Enrolled>> {
    let taking_part = CARDS
        .iter()
        .map(|&(_, way, version, method)| Some(Enrolled { way, version, method }));
    taking_part.chain([None])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_passes_the_luhn_check_once() {
        let mut numbers: Vec<_> = CARDS.iter().map(|(number, ..)| *number).collect();
        for number in &numbers {
            let digits = number.chars().map(|digit| digit.to_digit(10).unwrap());
            assert!(cardseal::card::luhn(digits), "{number}");
        }
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), CARDS.len());
    }
}
