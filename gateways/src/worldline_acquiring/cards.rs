//! Sessions, sealed cards, and what is stored of a card.

use std::time::Duration;

use cardseal::session::{Kind, Mode};
use cardseal_worldline::acquiring::domain::{
    ApiAccountVerificationRequest, CardOnFileData, CardPaymentData, InitialCardOnFileData, PaymentReferences,
    SubsequentCardOnFileData,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::wire::{SessionState, Stored, brand, card_payment_data, last4, scheme_id, timestamp};
use super::{PAUSES, WorldlineAcquiring};
use crate::amount::Amount;
use crate::error::{Doubt, Error, Refusal, Rejection, sentence, word};
use crate::gateway::{Capture, OpenSession, Origin, PagePayload, PlatformSession, SessionParams, StoredCard};
use crate::sealing::{KeyRing, SealedCard};
use crate::transport::Transport;

/// What a page needs: the key to seal its card to.
fn public(ring: &KeyRing) -> Map<String, Value> {
    let mut public = Map::new();
    public.insert("seal".into(), ring.public());
    public
}

impl WorldlineAcquiring {
    /// Nothing happens at the platform.
    pub(super) fn open(&self, params: &SessionParams<'_>) -> Result<PlatformSession, Error> {
        let ring = self.ring.as_ref().ok_or(Refusal::NotOffered)?;
        if params.kind == Kind::Update || params.mode == Mode::Direct {
            return Err(Refusal::NotOffered.into());
        }
        let stored = match params.token {
            None => None,
            Some(token) => Some(serde_json::from_str(token).map_err(|_| Refusal::Invalid("token"))?),
        };
        let state = SessionState {
            minor: params.amount.map(Amount::minor),
            currency: params.amount.map(|amount| amount.currency().code().into()),
            later: params.capture == Capture::Later,
            stored,
        };
        Ok(PlatformSession {
            state: serde_json::to_string(&state)
                .map_err(|_| Refusal::Invalid("session"))?
                .into(),
            public: public(ring),
            seconds: self.session_seconds,
        })
    }

    /// What the page of an open session needs. Any key of the ring opens what is sealed for the session.
    pub(super) fn public(&self) -> Option<Map<String, Value>> {
        self.ring.as_ref().map(public)
    }

    /// Opens what a page sealed for this session.
    pub(super) fn unseal(
        &self,
        session: &OpenSession<'_>,
        payload: &PagePayload,
    ) -> Result<SealedCard, Refusal> {
        let (
            Some(ring),
            PagePayload::Sealed {
                data,
                key: None,
                product: None,
            },
        ) = (&self.ring, payload)
        else {
            return Err(Refusal::NotOffered);
        };
        ring.open(data, session.id, session.now.div_euclid(1000))
            .map_err(Refusal::Sealed)
    }

    /// What is said of a card that was stored before.
    pub(super) fn subsequent(&self, state: &SessionState) -> Option<CardOnFileData> {
        let stored = state.stored.as_ref()?;
        Some(CardOnFileData {
            is_initial_transaction: Some(false),
            subsequent_card_on_file_data: Some(SubsequentCardOnFileData {
                transaction_type: Some(self.stored_use.into()),
                card_on_file_initiator: Some(self.initiator.into()),
                initial_scheme_transaction_id: Some(stored.scheme_transaction_id.clone()),
                initial_scheme_transaction_link_id: stored.scheme_transaction_link_id.clone(),
                ..Default::default()
            }),
            ..Default::default()
        })
    }

    /// `POST /account-verifications`: asks the bank whether the card is valid, without moving money.
    pub(super) async fn verify(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        payload: PagePayload,
    ) -> Result<StoredCard, Error> {
        let card = self.unseal(session, &payload)?;
        let number = card.number.expose_secret();
        let mut described = StoredCard {
            token: SecretString::default(),
            brand: brand(number).map(|brand| brand.id().into()),
            bin: None,
            last4: last4(number),
            expiry: Some((card.month, card.year)),
            holder: card
                .holder
                .as_ref()
                .map(|holder| sentence(holder.expose_secret())),
            nickname: None,
            origin: Origin::Platform,
        };
        let id = uuid::Uuid::new_v4().to_string();
        let request = ApiAccountVerificationRequest {
            operation_id: Some(id.clone()),
            transaction_timestamp: Some(timestamp(session.now)),
            card_payment_data: Some(CardPaymentData {
                card_on_file_data: Some(CardOnFileData {
                    is_initial_transaction: Some(true),
                    initial_card_on_file_data: Some(InitialCardOnFileData {
                        transaction_type: Some(self.stored_use.into()),
                        future_use: Some(format!("{}_INITIATED", self.initiator)),
                        ..Default::default()
                    }),
                    ..Default::default()
                }),
                ..card_payment_data(&card)
            }),
            references: Some(PaymentReferences {
                merchant_reference: Some(session.reference.into()),
                ..Default::default()
            }),
            ..Default::default()
        };
        drop(card);
        let merchant = self.over(transport);
        let mut lost = None;
        for pause in [Duration::ZERO, PAUSES[0], PAUSES[1]] {
            tokio::time::sleep(pause).await;
            let answer = match merchant.verify_account(&request).await {
                Ok(answer) => answer,
                Err(error) => match (Error::from(&error).into_doubt(), lost) {
                    (Ok(doubt), _) => {
                        lost = Some(doubt);
                        continue;
                    }
                    (Err(refusal), None) => return Err(refusal.into()),
                    (Err(_), Some(doubt)) => return Err(Error::Doubtful(doubt)),
                },
            };
            if answer.operation_id.as_deref() != Some(id.as_str()) {
                return Err(Error::Doubtful(Doubt::WrongReference));
            }
            let said = Rejection {
                code: answer.response_code.as_deref().map(word),
                name: answer.response_code_category.as_deref().map(word),
                message: answer
                    .response_code_description
                    .as_deref()
                    .map(word)
                    .unwrap_or_default(),
                status: None,
            };
            match answer.response_code_category.as_deref() {
                Some("APPROVED") => {}
                Some("DECLINED") => return Err(Refusal::Rejected(said).into()),
                _ => return Err(Error::Doubtful(Doubt::Undecodable)),
            }
            let references = answer.references.unwrap_or_default();
            // Without it nothing could ever refer to this card.
            let scheme_transaction_id =
                scheme_id(references.scheme_transaction_id).ok_or(Error::Incomplete(said))?;
            let stored = Stored {
                scheme_transaction_id,
                scheme_transaction_link_id: scheme_id(references.scheme_transaction_link_id),
            };
            described.token = serde_json::to_string(&stored)
                .map_err(|_| Error::Doubtful(Doubt::Undecodable))?
                .into();
            return Ok(described);
        }
        Err(Error::Doubtful(lost.unwrap_or(Doubt::Interrupted)))
    }
}
