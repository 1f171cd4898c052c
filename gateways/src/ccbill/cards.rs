//! Payment tokens: what a page sends, and what the platform says about it.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::CcBill;
use super::answer::{Problem, read};
use super::wire::{TokenInfo, is_payment_token};
use crate::error::{Doubt, Error, Refusal};
use crate::gateway::PagePayload;
use crate::transport::Transport;

/// A page's payload: the platform's answer, with or without a result of 3-D Secure.
pub(super) struct PageAnswer {
    pub(super) id: SecretString,
    pub(super) account: (u32, u32),
    pub(super) threeds: Option<Value>,
}

impl PageAnswer {
    /// `{ "paymentTokenId", "clientAccnum", "clientSubacc", … }`, or, as the platform's script resolves to,
    /// `{ "paymentToken": {…}, "threedsInformation": {…} }`.
    pub(super) fn read(payload: &PagePayload) -> Result<Self, Refusal> {
        let PagePayload::Answer(answer) = payload else {
            return Err(Refusal::NotOffered);
        };
        let invalid = Refusal::Invalid("answer");
        let (token, threeds) = match answer.get("paymentToken") {
            Some(token) => (token, answer.get("threedsInformation")),
            None => (answer, None),
        };
        let threeds = threeds.filter(|result| !result.is_null());
        if threeds.is_some_and(|result| !result.is_object()) {
            return Err(invalid);
        }
        let info = Some(token)
            .filter(|token| token.is_object())
            .and_then(|token| serde_json::from_value::<TokenInfo>(token.clone()).ok())
            .filter(|info| is_payment_token(&info.payment_token_id))
            .ok_or(invalid)?;
        Ok(Self {
            id: info.payment_token_id.into(),
            account: (info.client_accnum, info.client_subacc),
            threeds: threeds.cloned(),
        })
    }
}

impl CcBill {
    /// What the platform says of a payment token.
    ///
    /// # Errors
    /// As its calls.
    pub async fn token_info(&self, transport: &Transport, token: &SecretString) -> Result<TokenInfo, Error> {
        let answer = self
            .call(transport, |bearer| {
                self.api.token_request(bearer, token.expose_secret())
            })
            .await?;
        let info: TokenInfo = read(&answer).map_err(Problem::into_error)?;
        if info.payment_token_id == token.expose_secret() {
            Ok(info)
        } else {
            Err(Error::Doubtful(Doubt::WrongReference))
        }
    }
}
