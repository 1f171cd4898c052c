//! CCBill's RESTful Transaction API: the browser's half.
//!
//! This platform has no encryption in the page. The card is sent as plain JSON over TLS, with an access token that
//! cannot charge. So the request for a payment token is as sensitive as the card itself.

mod answer;
mod customer;
mod request;
mod threeds;

use crate::card::{NameRule, Rules};
use crate::error::{Code, Error, Result};
use crate::json::Object;

pub use answer::{read_error, read_subscription};
pub use customer::{Customer, CustomerProblem, CustomerProblemCode};
pub use request::{
    AccountInput, CheckedSession, Limits, OrderInput, Place, Source, SubscriptionId, session_address,
};
pub use threeds::{AUTHENTICATION, AuthenticationInput, PaymentInput};

/// The rules for a card. Its name has 2 to 45 letters, spaces, dots, apostrophes and hyphens.
pub const RULES: Rules = Rules {
    holder: NameRule {
        longest: 45,
        letters: true,
        ..Rules::COMMON.holder
    },
    ..Rules::COMMON
};

/// The published base URL.
pub const BASE: &str = "https://api.ccbill.com";

/// The `Accept` header. It asks for ids as strings; without it, their type is not specified.
pub const ACCEPT: &str = "application/vnd.mcn.transaction-service.api.v.2+json";

/// The highest number of a main account.
pub const LAST_ACCNUM: u32 = 999_999;

/// The highest number of a sub account.
pub const LAST_SUBACC: u32 = 9_999;

/// The most hours and uses of a payment token, which are also the platform's defaults.
pub const ENDLESS: u32 = 2_147_483_647;

/// Whether a text matches the documented pattern of a payment token, and so is safe in a path.
#[must_use]
pub fn is_payment_token(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The members of a payment token, from the platform or a page. Members of the wrong type are `None`.
#[derive(Clone, Debug, Default)]
pub struct TokenInput {
    /// The id.
    pub id: Option<String>,
    /// The account that the token is for, up to [`LAST_ACCNUM`].
    pub client_accnum: Option<u32>,
    /// The sub account, up to [`LAST_SUBACC`].
    pub client_subacc: Option<u32>,
}

/// A payment token, with only the members that the merchant's server reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentToken {
    /// Letters and digits.
    pub id: String,
    client_accnum: u32,
    client_subacc: u32,
}

impl TokenInput {
    /// Checks the members.
    ///
    /// # Errors
    /// `answer_malformed`, with the member at fault.
    pub fn checked(self) -> Result<PaymentToken> {
        let missing = |name| Error::new(Code::AnswerMalformed).at(name);
        Ok(PaymentToken {
            id: self
                .id
                .filter(|id| is_payment_token(id))
                .ok_or_else(|| missing("paymentTokenId"))?,
            client_accnum: self.client_accnum.ok_or_else(|| missing("clientAccnum"))?,
            client_subacc: self.client_subacc.ok_or_else(|| missing("clientSubacc"))?,
        })
    }
}

impl PaymentToken {
    /// Returns the JSON for the merchant's server.
    #[must_use]
    pub fn to_json(&self) -> String {
        crate::json::text(|body| self.write(body))
    }

    fn write(&self, body: &mut Object<'_>) {
        body.text("paymentTokenId", &self.id)
            .number("clientAccnum", self.client_accnum.into())
            .number("clientSubacc", self.client_subacc.into());
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_payment_token_is_handed_over_with_its_three_members() {
        let read = |change: fn(&mut TokenInput)| {
            let mut given = TokenInput {
                id: Some("019f5576d7f046c3a375e8a054f2c033".into()),
                client_accnum: Some(900_684),
                client_subacc: Some(0),
            };
            change(&mut given);
            given
                .checked()
                .map(|token| token.to_json())
                .map_err(|error| (error.code(), error.field()))
        };
        assert_eq!(
            read(|_| {}).unwrap(),
            r#"{"paymentTokenId":"019f5576d7f046c3a375e8a054f2c033","clientAccnum":900684,"clientSubacc":0}"#
        );
        let malformed = |field| Err((Code::AnswerMalformed, Some(field)));
        assert_eq!(read(|given| given.id = None), malformed("paymentTokenId"));
        assert_eq!(
            read(|given| given.id = Some("a/b".into())),
            malformed("paymentTokenId")
        );
        assert_eq!(
            read(|given| given.id = Some("a".repeat(65))),
            malformed("paymentTokenId")
        );
        assert_eq!(
            read(|given| given.client_accnum = None),
            malformed("clientAccnum")
        );
        assert_eq!(
            read(|given| given.client_subacc = None),
            malformed("clientSubacc")
        );
    }
}
