//! Stored cards: a page's single-use payment method becomes a lasting one by a verification.

use cardseal::gp_api::wire::PaymentMethod;
use cardseal::gp_api::{CardToken, is_id, last4, read_payment_method};
use cardseal::redact::card_digits;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::access::{Asked, Call};
use super::{GpApi, PAUSES, Problem, query, text};
use crate::error::{Doubt, Error, Refusal, Rejection, shortened};
use crate::gateway::{Handed, OpenSession, Origin, StoredCard, TokenPatch};
use crate::transport::Transport;

impl GpApi {
    /// `POST /verifications` with `storage_mode: ON_SUCCESS`. The id that comes back may be another one, and is
    /// the one to keep. The key is made of the single-use id: a repeated hand-over finds the first verification.
    pub(super) async fn store_card(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        handed: Handed,
    ) -> Result<StoredCard, Error> {
        let Handed::Answer(answer) = handed else {
            return Err(Refusal::NotOffered.into());
        };
        let answer: PaymentMethod = serde_json::from_value(answer).map_err(|_| Refusal::Invalid("answer"))?;
        let single = read_payment_method(&answer).map_err(|_| Refusal::Invalid("answer"))?;
        if answer
            .reference
            .as_deref()
            .is_some_and(|reference| reference != session.reference)
        {
            return Err(Refusal::Invalid("answer").into());
        }
        let body = json!({
            "channel": "CNP",
            "reference": session.reference,
            "currency": self.currency.code(),
            "country": self.country,
            "payment_method": { "entry_mode": "ECOM", "id": single.id, "storage_mode": "ON_SUCCESS" },
        });
        let key = format!("verify-{}", single.id);
        let call = Call {
            account: true,
            ..Call::post("/verifications".into(), &key, body)
        };
        let mut lost = None;
        for pause in [None, Some(PAUSES[0]), Some(PAUSES[1])] {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            match self.ask(transport, &call).await {
                Ok(verification) => return self.verified(&verification, &single),
                Err(Asked::Answer(Problem::Duplicate(id))) => {
                    if let Some(id) = id.filter(|id| is_id("VER_", id))
                        && let Ok(verification) = self
                            .ask(transport, &Call::get(format!("/verifications/{id}")))
                            .await
                    {
                        return self.verified(&verification, &single);
                    }
                    return self.stored_before(transport, session.reference, &single).await;
                }
                // The first try may have used the single-use id up.
                Err(Asked::Answer(Problem::Rejected(rejection))) => {
                    if lost.is_none() {
                        return Err(Refusal::Rejected(rejection).into());
                    }
                    return self.stored_before(transport, session.reference, &single).await;
                }
                Err(Asked::Answer(Problem::Doubtful(doubt)) | Asked::Call(Error::Doubtful(doubt))) => {
                    lost = Some(doubt);
                }
                Err(Asked::Call(error)) => return Err(error),
            }
        }
        Err(Error::Doubtful(lost.unwrap_or(Doubt::Undecodable)))
    }

    fn verified(&self, verification: &Value, single: &CardToken) -> Result<StoredCard, Error> {
        let status = text(verification, "/status").unwrap_or_default();
        let result = text(verification, "/action/result_code").unwrap_or("SUCCESS");
        match (status, result) {
            ("VERIFIED", "SUCCESS") => {}
            ("NOT_VERIFIED", _) | (_, "NOT_VERIFIED" | "DECLINED") => {
                let message = text(verification, "/payment_method/message").unwrap_or("not verified");
                return Err(Refusal::Rejected(Rejection {
                    code: text(verification, "/payment_method/result")
                        .or(Some("not_verified"))
                        .map(shortened),
                    name: Some("NOT_VERIFIED".into()),
                    message: shortened(&card_digits(message)),
                    status: None,
                })
                .into());
            }
            ("VERIFIED", _) => return Err(Error::Doubtful(Doubt::Contradictory)),
            _ => return Err(Error::Doubtful(Doubt::Pending)),
        }
        let Some(id) = text(verification, "/payment_method/id").filter(|id| is_id("PMT_", id)) else {
            return Err(Error::Incomplete(Rejection {
                code: Some("no_token_returned".into()),
                name: None,
                message: "the card was verified, and no stored payment method was returned".into(),
                status: None,
            }));
        };
        let card = |name: &str| text(verification, &format!("/payment_method/card/{name}"));
        Ok(StoredCard {
            token: id.to_owned().into(),
            brand: card("brand")
                .map(|brand| shortened(&brand.to_lowercase()))
                .or_else(|| single.brand.clone()),
            bin: None,
            last4: card("masked_number_last4")
                .and_then(last4)
                .or_else(|| single.last4.clone()),
            expiry: single.expiry,
            holder: single.holder.as_deref().map(shortened),
            nickname: None,
            origin: Origin::Platform,
        })
    }

    /// What an earlier verification stored, found by the reference that it shares with the single-use one.
    async fn stored_before(
        &self,
        transport: &Transport,
        reference: &str,
        single: &CardToken,
    ) -> Result<StoredCard, Error> {
        let path = query(
            "/payment-methods",
            &[
                ("page", "1"),
                ("page_size", "20"),
                ("reference", reference),
                ("status", "ACTIVE"),
            ],
        );
        let list = self.ask(transport, &Call::get(path)).await?;
        let methods = list.get("payment_methods").and_then(Value::as_array);
        let found = methods.into_iter().flatten().find(|method| {
            text(method, "/reference") == Some(reference)
                && text(method, "/id").is_some_and(|id| id != single.id)
        });
        let found = found.ok_or(Error::Doubtful(Doubt::NoAnswerBehindProxy))?;
        let mut card = described(found)?;
        card.expiry = card.expiry.or(single.expiry);
        card.holder = card.holder.or_else(|| single.holder.as_deref().map(shortened));
        Ok(card)
    }

    /// `GET /payment-methods/{id}`.
    pub(super) async fn stored_card(
        &self,
        transport: &Transport,
        token: &SecretString,
    ) -> Result<StoredCard, Error> {
        let method = self.ask(transport, &Call::get(path(token)?)).await?;
        let card = described(&method)?;
        if card.token.expose_secret() == token.expose_secret() {
            Ok(card)
        } else {
            Err(Error::Doubtful(Doubt::WrongReference))
        }
    }

    /// `PATCH /payment-methods/{id}`.
    pub(super) async fn patch_card(
        &self,
        transport: &Transport,
        token: &SecretString,
        patch: &TokenPatch,
    ) -> Result<StoredCard, Error> {
        let mut body = Map::new();
        if let Some(holder) = &patch.holder {
            // As the platform's own fields take it.
            if !(2..=100).contains(&holder.chars().count()) {
                return Err(Refusal::Invalid("holder").into());
            }
            body.insert("name".into(), holder.as_str().into());
        }
        if let Some((month, year)) = patch.expiry {
            // One-digit months are refused.
            let expiry = json!({
                "expiry_month": format!("{month:02}"),
                "expiry_year": format!("{:02}", year % 100),
            });
            body.insert("card".into(), expiry);
        }
        let call = Call {
            method: "PATCH",
            path: path(token)?,
            key: None,
            body: Some(body.into()),
            account: false,
        };
        self.ask(transport, &call).await?;
        let mut card = self.stored_card(transport, token).await?;
        // Not everything that can be changed is always told.
        card.expiry = card.expiry.or(patch.expiry);
        card.holder = card.holder.or_else(|| patch.holder.as_deref().map(shortened));
        Ok(card)
    }

    /// `DELETE /payment-methods/{id}`. Many applications lack the permission; the platform's refusal says so.
    pub(super) async fn forget_card(&self, transport: &Transport, token: &SecretString) -> Result<(), Error> {
        let call = Call {
            method: "DELETE",
            ..Call::get(path(token)?)
        };
        match self.ask(transport, &call).await {
            Ok(_) => Ok(()),
            // Not known there: there is nothing left to forget.
            Err(Asked::Answer(Problem::Rejected(rejection)))
                if matches!(rejection.code.as_deref(), Some("40116" | "40118")) =>
            {
                Ok(())
            }
            Err(asked) => Err(asked.into()),
        }
    }
}

fn path(token: &SecretString) -> Result<String, Refusal> {
    let id = token.expose_secret();
    if is_id("PMT_", id) {
        Ok(format!("/payment-methods/{id}"))
    } else {
        Err(Refusal::Invalid("token"))
    }
}

fn described(method: &Value) -> Result<StoredCard, Error> {
    let card = serde_json::from_value::<PaymentMethod>(method.clone())
        .ok()
        .and_then(|method| read_payment_method(&method).ok())
        .ok_or(Error::Doubtful(Doubt::Undecodable))?;
    Ok(StoredCard {
        token: card.id.into(),
        brand: card.brand.map(|brand| shortened(&brand)),
        bin: None,
        last4: card.last4,
        expiry: card.expiry,
        holder: card.holder.map(|holder| shortened(&holder)),
        nickname: None,
        origin: Origin::Platform,
    })
}
