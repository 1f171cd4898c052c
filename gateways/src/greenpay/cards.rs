//! Storing and forgetting cards.

use cardseal::greenpay::{CardToken, Verb, read_token};
use cardseal::session::Kind;
use cardseal::{Code, error};
use secrecy::{ExposeSecret, SecretString};

use super::answer::{decode, rejection, undecodable};
use super::wire::{DeleteToken, echo, errors, opaque, packed, status, token_answer};
use super::{GreenPay, SignaturePolicy};
use crate::error::{Doubt, Error, Refusal, Rejection, sentence, word};
use crate::gateway::{OpenSession, Origin, PagePayload, StoredCard};
use crate::transport::Transport;

impl GreenPay {
    /// "API Tokenization process": `POST /tokenize` or `/tokenize/update` on the checkout host. HTTP 200 with
    /// body status 201, signed over `status` and `requestId`; the token itself is not signed, so an answer that
    /// a browser sends proves that the session was used, not which card was stored.
    pub(super) async fn store_card(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        payload: PagePayload,
    ) -> Result<StoredCard, Error> {
        match payload {
            PagePayload::Sealed { .. } => {
                let packed = packed(payload)?;
                let verb = if session.kind == Kind::Update {
                    Verb::UpdateToken
                } else {
                    Verb::Tokenize
                };
                let answer = self.relay(transport, verb, session, &packed).await?;
                let token = token_answer(&decode(&answer)?);
                let card = read_token(&self.key, answer.status, &token)
                    .map_err(|error| refused(&error, answer.status))?;
                self.card(card, session.reference, Origin::Platform)
            }
            PagePayload::Answer(answer) => {
                let card = read_token(&self.key, 200, &token_answer(&answer))
                    .map_err(|_| Refusal::Invalid("answer"))?;
                // Whatever the policy is: the signature is all that a browser's word has.
                if !card.signature.verified {
                    return Err(Error::SignatureInvalid);
                }
                self.card(card, session.reference, Origin::Browser)
                    .map_err(|error| match error {
                        Error::Doubtful(_) => Refusal::Invalid("answer").into(),
                        Error::Refused(_) | Error::SignatureInvalid | Error::Incomplete(_) => error,
                    })
            }
        }
    }

    /// A card from an answer that names the reference and whose signature is as the policy wants it.
    pub(super) fn card(&self, card: CardToken, reference: &str, origin: Origin) -> Result<StoredCard, Error> {
        if card.request_id.as_deref() != Some(reference) {
            return Err(Error::Doubtful(Doubt::WrongReference));
        }
        if !card.signature.verified && self.token_policy == SignaturePolicy::Required {
            return Err(Error::SignatureInvalid);
        }
        if !opaque(&card.token) {
            return Err(Error::Doubtful(Doubt::Undecodable));
        }
        Ok(StoredCard {
            token: card.token.into(),
            brand: card.brand.map(|text| word(&text)),
            bin: card.bin,
            last4: card.last4,
            expiry: card.expiry,
            holder: card.holder.map(|text| sentence(&text)),
            nickname: card.nickname.map(|text| sentence(&text)),
            origin,
        })
    }

    /// "Delete card token": `POST /deleteToken`, answered `{"status":"DELETED","requestId":…}`.
    pub(super) async fn forget_card(&self, transport: &Transport, token: &SecretString) -> Result<(), Error> {
        let request_id = uuid::Uuid::new_v4().to_string();
        let body = DeleteToken {
            secret: self.secret.expose_secret(),
            merchant_id: &self.merchant_id,
            token: token.expose_secret(),
            request_id: &request_id,
        };
        let answer = self.post(transport, "/deleteToken", &body).await?;
        let deleted = decode(&answer)?;
        if status(&deleted, "status").text() == "DELETED" {
            let named = echo(&deleted, "requestId").is_some_and(|id| id.text() == request_id);
            return if named {
                Ok(())
            } else {
                Err(Error::Doubtful(Doubt::WrongReference))
            };
        }
        match rejection(Some(answer.status), &errors(&deleted)) {
            // Not known there: there is nothing left to forget.
            Some(rejection) if rejection.code.as_deref() == Some("invalid_card_token") => Ok(()),
            Some(rejection) => Err(Refusal::Rejected(rejection).into()),
            None => Err(Error::Doubtful(undecodable(answer.status))),
        }
    }
}

fn refused(error: &error::Error, http_status: u16) -> Error {
    if error.code() != Code::PlatformRejected {
        return Error::Doubtful(undecodable(http_status));
    }
    Refusal::Rejected(Rejection {
        code: error.platform_code().map(Into::into),
        name: None,
        message: sentence(error.platform_message().unwrap_or_default()),
        status: error.status().or(Some(http_status)),
    })
    .into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::payments::tests::gateway;
    use super::*;
    use crate::variants::variants;

    #[test]
    fn one_odd_member_never_costs_a_stored_card() {
        let gateway = gateway();
        let answer = json!({ "status": 201, "requestId": "r-1", "errors": [], "expiration_date": "3012", "brand": "Visa",
            "nickname": "mine", "cardHolder": "Ada", "_signature": "00",
            "result": { "token": "1c3a0f89", "last_digits": "1111", "bin": "411111" } });
        for variant in variants(&answer) {
            let card = read_token(&gateway.key, 200, &token_answer(&variant.body));
            let said = format!("{} {:?}: {card:?}", variant.path, variant.odd);
            let same = variant.odd == Some(json!("201"));
            match card {
                Ok(card) => assert!(
                    card.token == "1c3a0f89" || variant.path == "/result/token",
                    "{said}"
                ),
                Err(_) => assert!(
                    !same && (variant.touches("/status") || variant.touches("/result/token")),
                    "{said}"
                ),
            }
        }
    }
}
