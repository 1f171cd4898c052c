//! Our amounts in the platform's types.

use cardseal_worldline::online_payments::domain::AmountOfMoney;

use crate::amount::Amount;

impl From<&Amount> for AmountOfMoney {
    fn from(amount: &Amount) -> Self {
        Self {
            amount: Some(amount.minor()),
            currency_code: Some(amount.currency().code().into()),
            ..Self::default()
        }
    }
}

/// Whether the platform names this amount.
pub(super) fn is_amount(named: &AmountOfMoney, amount: &Amount) -> bool {
    named.amount == Some(amount.minor()) && named.currency_code.as_deref() == Some(amount.currency().code())
}
