//! CCBill's RESTful Transaction API: what it asks of a card. Its requests and answers are JSON that JavaScript writes and
//! reads (`src/js/ccbill.js`).

use crate::card::{NameRule, Rules};

/// The name on the card has 2 to 45 letters, blanks, dots, apostrophes and dashes.
pub const RULES: Rules = Rules {
    holder: NameRule {
        longest: 45,
        letters: true,
        ..Rules::COMMON.holder
    },
    ..Rules::COMMON
};
