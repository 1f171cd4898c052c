//! One module a platform.

pub mod ccbill;
pub mod gp_api;
pub mod greenpay;
pub mod lenient;
pub mod online_payments;
pub mod worldline_acquiring;

use crate::card::Rules;
use crate::error::{Code, Error};
use crate::platform::Platform;

/// What a platform asks of a card, to be stored or to be charged at once.
#[must_use]
pub const fn rules(platform: Platform, stored: bool) -> Rules {
    // By reference, so that the rules are copied in one place and not in each arm.
    let rules: &Rules = match (platform, stored) {
        (Platform::GreenPay, true) => &greenpay::TOKEN_RULES,
        (Platform::GreenPay, false) => &greenpay::PAYMENT_RULES,
        (Platform::GpApi, _) => &gp_api::RULES,
        (Platform::CcBill, _) => &ccbill::RULES,
        (Platform::WorldlineAcquiring, _) => &worldline_acquiring::RULES,
        // It sends its own rules with each payment product.
        (Platform::OnlinePayments, _) => &online_payments::RULES,
    };
    *rules
}

/// A platform's answer that has not the form of one.
pub(crate) fn unreadable(status: u16) -> Error {
    let code = match status {
        502..=504 => Code::PlatformUnavailable,
        _ => Code::AnswerMalformed,
    };
    Error::new(code).with_status(status)
}
