//! Stored cards: a page's single-use payment method becomes a lasting one by a verification.

use cardseal::gp_api::{is_id, last4, read_payment_method};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::access::CallError;
use super::answer::{Problem, deciding, text};
use super::wire::{Call, payment_method, query};
use super::{GpApi, PAUSES};
use crate::error::{Doubt, Error, Refusal, Rejection, sentence, word};
use crate::gateway::{OpenSession, Origin, PagePayload, StoredCard, TokenPatch};
use crate::lenient::deciding_text;
use crate::transport::Transport;

/// A payment method from a page, as the platform describes it.
struct Single {
    id: String,
    card: StoredCard,
}

/// Codes of a payment method that the platform does not know, or knows no longer.
const GONE: [&str; 2] = ["40116", "40118"];

impl GpApi {
    /// `POST /verifications` with `storage_mode: ON_SUCCESS`. The id that comes back may be another one, and is
    /// the one to keep. The key is made of the single-use id: a repeated hand-over finds the first verification.
    ///
    /// Of what the page hands over only the id counts. The platform is asked first for which session it was made,
    /// since a verification uses it up: somebody else's stays untouched.
    pub(super) async fn store_card(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        payload: PagePayload,
    ) -> Result<StoredCard, Error> {
        let PagePayload::Answer(answer) = payload else {
            return Err(Refusal::NotOffered.into());
        };
        let id = read_payment_method(&payment_method(&answer))
            .map_err(|_| Refusal::Invalid("answer"))?
            .id;
        if deciding_text(&answer, "/reference").is_some_and(|reference| reference != session.reference) {
            return Err(Refusal::Invalid("answer").into());
        }
        let reference = self.verification_reference(session.reference)?;
        let single = match self.single(transport, session, &reference, &id).await? {
            Ok(single) => single,
            Err(rejection) => {
                // An earlier try may have used it up, and stored the card for this session.
                let stored = self.stored_before(transport, &reference).await?;
                return stored.ok_or_else(|| Refusal::Rejected(rejection).into());
            }
        };
        let body = json!({
            "channel": "CNP",
            "reference": reference,
            "currency": self.currency.code(),
            "country": self.country,
            "payment_method": { "entry_mode": "ECOM", "id": single.id, "storage_mode": "ON_SUCCESS" },
        });
        let key = format!("verify-{}", single.id);
        let call = Call {
            account: true,
            ..Call::post("/verifications".into(), &key, body)
        };
        let lost_before = Error::Doubtful(Doubt::NoAnswerBehindProxy);
        let mut lost = None;
        for pause in [None, Some(PAUSES[0]), Some(PAUSES[1])] {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            match self.fetch(transport, &call).await {
                Ok(verification) => return verified(&verification, &single),
                Err(CallError::Answer(Problem::Duplicate(id))) => {
                    if let Some(id) = id.filter(|id| is_id("VER_", id))
                        && let Ok(verification) = self
                            .fetch(transport, &Call::get(format!("/verifications/{id}")))
                            .await
                    {
                        // A key can be anybody's; the reference is this session's alone.
                        return if names(&verification, &reference) {
                            verified(&verification, &single)
                        } else {
                            Err(Refusal::BelongsElsewhere.into())
                        };
                    }
                    let stored = self.stored_before(transport, &reference).await?;
                    return stored.ok_or(lost_before);
                }
                // The first try may have used the single-use id up.
                Err(CallError::Answer(Problem::Rejected(rejection))) => {
                    if lost.is_none() {
                        return Err(Refusal::Rejected(rejection).into());
                    }
                    let stored = self.stored_before(transport, &reference).await?;
                    return stored.ok_or(lost_before);
                }
                Err(
                    CallError::Answer(Problem::Doubtful(doubt)) | CallError::Call(Error::Doubtful(doubt)),
                ) => {
                    lost = Some(doubt);
                }
                Err(CallError::Call(error)) => return Err(error),
            }
        }
        Err(Error::Doubtful(lost.unwrap_or(Doubt::Undecodable)))
    }

    /// The reference of a session's verification, and with it of the card that this stores. Pages give their payment
    /// methods what reference they like, and cannot know this one: what has it was verified.
    fn verification_reference(&self, session: &str) -> Result<String, Refusal> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.app_key.expose_secret().as_bytes())
            .map_err(|_| Refusal::NotSent)?;
        mac.update(b"verification ");
        mac.update(session.as_bytes());
        let mut bytes = [0; 16];
        for (byte, from) in bytes.iter_mut().zip(mac.finalize().into_bytes()) {
            *byte = from;
        }
        Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
    }

    /// What the platform says of the payment method that a page handed over. It has to be of this session; or the
    /// session was opened for it, by a page that had no session of ours when it made it. Of one that is used up,
    /// or that the platform does not know, its refusal.
    async fn single(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        verification: &str,
        id: &str,
    ) -> Result<Result<Single, Rejection>, Error> {
        let call = Call::get(path(&id.into())?);
        let mut asked = self.fetch(transport, &call).await;
        // What the page has made this moment may not be readable yet.
        for pause in &PAUSES[..2] {
            if !matches!(&asked, Err(CallError::Answer(Problem::Rejected(rejection))) if gone(rejection)) {
                break;
            }
            tokio::time::sleep(*pause).await;
            asked = self.fetch(transport, &call).await;
        }
        let method = match asked {
            Ok(method) => method,
            Err(CallError::Answer(Problem::Rejected(rejection))) if gone(&rejection) => {
                return Ok(Err(rejection));
            }
            Err(asked) => return Err(asked.into()),
        };
        if text(&method, "/id") != Some(id) {
            return Err(Error::Doubtful(Doubt::WrongReference));
        }
        let own = names(&method, session.reference) || names(&method, verification);
        if !own && session.reference != id {
            return Err(Refusal::BelongsElsewhere.into());
        }
        if deciding(&method, "/status").is_some_and(|status| status != "ACTIVE") {
            return Ok(Err(Rejection {
                code: Some("payment_method_inactive".into()),
                name: None,
                message: "the payment method was used before, or is too old".into(),
                status: None,
            }));
        }
        let card = described(&method)?;
        Ok(Ok(Single { id: id.into(), card }))
    }

    /// The reference that a payment method was made with.
    pub(super) async fn reference_of(
        &self,
        transport: &Transport,
        token: &SecretString,
    ) -> Result<Option<String>, Error> {
        match self.fetch(transport, &Call::get(path(token)?)).await {
            Ok(method) => Ok(text(&method, "/reference").map(str::to_owned)),
            Err(CallError::Answer(Problem::Rejected(rejection))) if gone(&rejection) => Ok(None),
            Err(asked) => Err(asked.into()),
        }
    }

    /// What an earlier verification stored, found by the reference of that.
    async fn stored_before(
        &self,
        transport: &Transport,
        reference: &str,
    ) -> Result<Option<StoredCard>, Error> {
        let path = query(
            "/payment-methods",
            &[
                ("page", "1"),
                ("page_size", "20"),
                ("reference", reference),
                ("status", "ACTIVE"),
            ],
        );
        let list = self.fetch(transport, &Call::get(path)).await?;
        let methods = list.get("payment_methods").and_then(Value::as_array);
        let mut own = methods
            .into_iter()
            .flatten()
            .filter(|method| names(method, reference));
        let found = own.find_map(|method| text(method, "/id").map(SecretString::from));
        match found {
            // The list does not tell the holder.
            Some(id) => self.stored_card(transport, &id).await.map(Some),
            None => Ok(None),
        }
    }

    /// `GET /payment-methods/{id}`.
    pub(super) async fn stored_card(
        &self,
        transport: &Transport,
        token: &SecretString,
    ) -> Result<StoredCard, Error> {
        let method = self.fetch(transport, &Call::get(path(token)?)).await?;
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
        self.fetch(transport, &call).await?;
        let mut card = self.stored_card(transport, token).await?;
        // Not everything that can be changed is always told.
        card.expiry = card.expiry.or(patch.expiry);
        card.holder = card.holder.or_else(|| patch.holder.as_deref().map(sentence));
        Ok(card)
    }

    /// `DELETE /payment-methods/{id}`. Many applications lack the permission; the platform's refusal says so.
    pub(super) async fn forget_card(&self, transport: &Transport, token: &SecretString) -> Result<(), Error> {
        let call = Call {
            method: "DELETE",
            ..Call::get(path(token)?)
        };
        match self.fetch(transport, &call).await {
            Ok(_) => Ok(()),
            // Not known there: there is nothing left to forget.
            Err(CallError::Answer(Problem::Rejected(rejection))) if gone(&rejection) => Ok(()),
            Err(asked) => Err(asked.into()),
        }
    }
}

/// Whether an answer has this reference. Case is nothing to a UUID, and the platform is known to write references in
/// capitals here and there.
fn names(answer: &Value, reference: &str) -> bool {
    text(answer, "/reference").is_some_and(|named| named.eq_ignore_ascii_case(reference))
}

fn gone(rejection: &Rejection) -> bool {
    rejection.code.as_deref().is_some_and(|code| GONE.contains(&code))
}

/// The card that a verification stored. What it does not tell, the platform has told of the single-use one.
fn verified(verification: &Value, single: &Single) -> Result<StoredCard, Error> {
    let status = text(verification, "/status").unwrap_or_default();
    let result = deciding(verification, "/action/result_code").unwrap_or("SUCCESS");
    match (status, result) {
        ("VERIFIED", "SUCCESS") => {}
        ("NOT_VERIFIED", _) | (_, "NOT_VERIFIED" | "DECLINED") => {
            let message = text(verification, "/payment_method/message").unwrap_or("not verified");
            return Err(Refusal::Rejected(Rejection {
                code: text(verification, "/payment_method/result")
                    .or(Some("not_verified"))
                    .map(sentence),
                name: Some("NOT_VERIFIED".into()),
                message: sentence(message),
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
            .map(|brand| word(&brand.to_lowercase()))
            .or_else(|| single.card.brand.clone()),
        last4: card("masked_number_last4")
            .and_then(last4)
            .or_else(|| single.card.last4.clone()),
        ..single.card.clone()
    })
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
    let card =
        read_payment_method(&payment_method(method)).map_err(|_| Error::Doubtful(Doubt::Undecodable))?;
    Ok(StoredCard {
        token: card.id.into(),
        brand: card.brand.map(|brand| word(&brand)),
        bin: None,
        last4: card.last4,
        expiry: card.expiry,
        holder: card.holder.map(|holder| sentence(&holder)),
        nickname: None,
        origin: Origin::Platform,
    })
}
