//! The platform's decline codes. It confirms 22 and 27 in the description of this interface; the others are those of
//! its older interfaces.

/// What a code means for a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Our stable word for the decline.
    Declined(&'static str),
    /// An earlier attempt is still with the bank.
    Processing,
    /// "No decline", in the answer of a decline.
    Contradictory,
}

/// By code, in order.
pub(super) const TABLE: &[(u32, Meaning)] = &[
    (1, Meaning::Declined("site_not_open")),
    (2, Meaning::Declined("signup_rules_unknown")),
    (3, Meaning::Declined("card_type_not_accepted")),
    (4, Meaning::Declined("bank_error")),
    (5, Meaning::Declined("invalid_card")),
    (6, Meaning::Declined("invalid_expiry")),
    (9, Meaning::Declined("bank_error")),
    (10, Meaning::Declined("pricing_invalid")),
    (11, Meaning::Declined("declined")),
    (12, Meaning::Declined("already_subscribed")),
    (13, Meaning::Declined("trial_already_used")),
    (14, Meaning::Declined("security_code_needed")),
    (15, Meaning::Processing),
    (16, Meaning::Declined("subscription_unknown")),
    (17, Meaning::Declined("subscription_unknown")),
    (18, Meaning::Declined("earlier_attempt_declined")),
    (19, Meaning::Declined("not_authorized")),
    (20, Meaning::Contradictory),
    (21, Meaning::Declined("trial_already_used")),
    (22, Meaning::Declined("bank_unreachable")),
    (23, Meaning::Declined("invalid_card")),
    (24, Meaning::Declined("declined")),
    (25, Meaning::Declined("bank_error")),
    (26, Meaning::Declined("merchant_setup")),
    (27, Meaning::Declined("system_error")),
    (28, Meaning::Declined("try_again_later")),
    (29, Meaning::Declined("expired_card")),
    (31, Meaning::Declined("insufficient_funds")),
    (32, Meaning::Declined("security_code_needed")),
    (33, Meaning::Declined("undetermined")),
    (34, Meaning::Declined("bank_unreachable")),
    (35, Meaning::Declined("declined")),
    (36, Meaning::Declined("bank_unreachable")),
    (37, Meaning::Declined("card_type_not_accepted")),
    (38, Meaning::Declined("do_not_honor")),
    (39, Meaning::Declined("too_many_attempts")),
    (40, Meaning::Declined("card_not_accepted")),
    (41, Meaning::Declined("merchant_inactive")),
    (42, Meaning::Declined("invalid_address")),
    (44, Meaning::Declined("prepaid_refused")),
    (45, Meaning::Declined("refer_to_issuer")),
];

/// What a code means; one that is not in the table is a decline like any other.
pub(super) fn meaning(code: Option<u32>) -> Meaning {
    TABLE
        .iter()
        .find(|(known, _)| Some(*known) == code)
        .map_or(Meaning::Declined("declined"), |(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented() {
        let page = include_str!("../../../docs/ccbill.md");
        for (code, meaning) in TABLE {
            let row = match meaning {
                Meaning::Declined(word) => format!("| {code} | `{word}` |"),
                Meaning::Processing => format!("| {code} | unknown: still being processed |"),
                Meaning::Contradictory => format!("| {code} | unknown: the answer contradicts itself |"),
            };
            assert!(page.contains(&row), "docs/ccbill.md has no row {row}");
        }
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(meaning(None), Meaning::Declined("declined"));
        assert_eq!(meaning(Some(99)), Meaning::Declined("declined"));
    }
}
