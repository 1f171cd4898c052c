//! Worldline Acquiring: what a card must fulfil. The page seals it with the browser's own cryptography.

use crate::card::{NameRule, Rules};

/// The platform is told no name. One that is there is stored with the card; whoever opens it takes as many characters.
pub const RULES: Rules = Rules {
    holder: NameRule {
        shortest: 2,
        longest: 100,
        ..NameRule::OPTIONAL
    },
    ..Rules::COMMON
};
