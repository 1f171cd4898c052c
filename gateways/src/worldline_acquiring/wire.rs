//! Our amounts in the platform's types.

use cardseal_worldline::acquiring::domain::AmountData;

use crate::amount::{Amount, decimals};

impl From<&Amount> for AmountData {
    fn from(amount: &Amount) -> Self {
        Self {
            amount: Some(amount.minor()),
            currency_code: Some(amount.currency().code().into()),
            number_of_decimals: decimals(amount.currency()).and_then(|digits| u32::try_from(digits).ok()),
            ..Self::default()
        }
    }
}

/// Whether the platform names this amount, if it names one.
pub(super) fn is_amount(named: Option<&AmountData>, amount: &Amount) -> bool {
    let own = AmountData::from(amount);
    named.is_none_or(|named| {
        named.amount == own.amount
            && named.currency_code == own.currency_code
            && !named.is_unreadable("numberOfDecimals")
            && named
                .number_of_decimals
                .is_none_or(|digits| Some(digits) == own.number_of_decimals)
    })
}
