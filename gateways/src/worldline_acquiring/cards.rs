//! Sessions, sealed cards, and what is stored of a card.

use std::time::Duration;

use cardseal::card::Brand;
use cardseal::session::{Kind, Mode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::{PAUSES, WorldlineAcquiring};
use crate::amount::{Amount, Currency};
use crate::error::{Doubt, Error, Refusal, Rejection, sentence, word};
use crate::gateway::{Capture, Handed, OpenSession, Opened, Origin, SessionAsk, StoredCard};
use crate::sealing::SealedCard;
use crate::transport::Transport;
use cardseal_worldline::acquiring::domain::{
    ApiAccountVerificationRequest, CardOnFileData, CardPaymentData, InitialCardOnFileData, NetworkTokenData,
    PaymentReferences, PlainCardData, SubsequentCardOnFileData,
};

/// Says that the number is a token of a card network and of no wallet.
const NETWORK_TOKEN: &str = "327";

/// What the server stores of a card: the scheme's names of its verification.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Stored {
    scheme_transaction_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme_transaction_link_id: Option<String>,
}

/// What the server keeps of a session.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Kept {
    minor: Option<u64>,
    currency: Option<String>,
    #[serde(default)]
    later: bool,
    #[serde(default)]
    stored: Option<Stored>,
}

impl Kept {
    pub(super) fn read(session: &OpenSession<'_>) -> Self {
        serde_json::from_str(session.kept.expose_secret()).unwrap_or_default()
    }

    /// The amount that the merchant fixed.
    pub(super) fn amount(&self) -> Result<Amount, Refusal> {
        let currency = self.currency.as_deref().and_then(Currency::from_code);
        currency
            .zip(self.minor)
            .and_then(|(currency, minor)| Amount::from_minor(minor, currency).ok())
            .ok_or(Refusal::Invalid("session"))
    }

    pub(super) const fn capture(&self) -> Capture {
        if self.later { Capture::Later } else { Capture::Auto }
    }
}

/// RFC 3339 with milliseconds, in UTC.
pub(super) fn timestamp(millis: i64) -> String {
    let seconds = u64::try_from(millis.div_euclid(1000)).unwrap_or_default();
    let time = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
    let http = httpdate::fmt_http_date(time);
    // `Sat, 21 Nov 2026 10:00:00 GMT`
    let words: Vec<&str> = http.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let month = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    .iter()
    .position(|name| words.get(2) == Some(name))
    .map_or(0, |index| index + 1);
    let part = |index: usize| words.get(index).copied().unwrap_or_default();
    format!(
        "{}-{month:02}-{}T{}.{:03}Z",
        part(3),
        part(1),
        part(4),
        millis.rem_euclid(1000)
    )
}

/// The form of the platform's ids for one of ours: `pay_` and 32 digits of hex.
pub(super) fn operation_id(attempt: &str) -> Result<String, Refusal> {
    let digits = attempt.rsplit('_').next().unwrap_or_default();
    uuid::Uuid::try_parse(digits)
        .map(|id| id.hyphenated().to_string())
        .map_err(|_| Refusal::Invalid("attempt"))
}

fn brand(number: &str) -> Option<Brand> {
    Brand::candidates(number).into_iter().next()
}

/// Only the two names that the platform's own samples have.
const fn platform_brand(brand: Brand) -> Option<&'static str> {
    if matches!(brand, Brand::Visa) {
        Some("VISA")
    } else if matches!(brand, Brand::Mastercard) {
        Some("MASTERCARD")
    } else {
        None
    }
}

/// The card as the platform wants it.
pub(super) fn card_payment_data(card: &SealedCard) -> CardPaymentData {
    let token = card.network_token.as_ref();
    let expiry: SecretString = format!("{:02}{:04}", card.month, card.year).into();
    CardPaymentData {
        brand: brand(card.number.expose_secret())
            .and_then(platform_brand)
            .map(Into::into),
        card_data: Some(PlainCardData {
            card_number: Some(card.number.clone().into()),
            expiry_date: Some(expiry.into()),
            card_security_code: card.cvc.clone().map(Into::into),
            ..Default::default()
        }),
        card_entry_mode: Some("ECOMMERCE".into()),
        cardholder_verification_method: Some(
            if card.cvc.is_some() {
                "CARD_SECURITY_CODE"
            } else {
                "NONE"
            }
            .into(),
        ),
        network_token_data: token.map(|token| NetworkTokenData {
            cryptogram: Some(token.cryptogram.clone().into()),
            eci: token.eci.clone(),
            ..Default::default()
        }),
        wallet_id: token.map(|_| NETWORK_TOKEN.into()),
        ..Default::default()
    }
}

fn last4(number: &str) -> Option<String> {
    number.get(number.len().checked_sub(4)?..).map(Into::into)
}

/// An id of a scheme is kept and sent again as it is.
fn scheme_id(text: Option<String>) -> Option<String> {
    text.filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()))
}

impl WorldlineAcquiring {
    /// Nothing happens at the platform.
    pub(super) fn open(&self, ask: &SessionAsk<'_>) -> Result<Opened, Error> {
        let ring = self.ring.as_ref().ok_or(Refusal::NotOffered)?;
        if ask.kind == Kind::Update || ask.mode == Mode::Direct {
            return Err(Refusal::NotOffered.into());
        }
        let stored = match ask.token {
            None => None,
            Some(token) => Some(serde_json::from_str(token).map_err(|_| Refusal::Invalid("token"))?),
        };
        let kept = Kept {
            minor: ask.amount.map(Amount::minor),
            currency: ask.amount.map(|amount| amount.currency().code().into()),
            later: ask.capture == Capture::Later,
            stored,
        };
        let mut public = Map::new();
        public.insert("seal".into(), ring.public());
        Ok(Opened {
            kept: serde_json::to_string(&kept)
                .map_err(|_| Refusal::Invalid("session"))?
                .into(),
            public,
            seconds: self.session_seconds,
        })
    }

    /// Opens what a page sealed for this session.
    pub(super) fn unseal(&self, session: &OpenSession<'_>, handed: &Handed) -> Result<SealedCard, Refusal> {
        let (
            Some(ring),
            Handed::Sealed {
                data,
                key: None,
                product: None,
            },
        ) = (&self.ring, handed)
        else {
            return Err(Refusal::NotOffered);
        };
        ring.open(data, session.id, session.now.div_euclid(1000))
            .map_err(Refusal::Sealed)
    }

    /// What is said of a card that was stored before.
    pub(super) fn subsequent(&self, kept: &Kept) -> Option<CardOnFileData> {
        let stored = kept.stored.as_ref()?;
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

    /// `POST /account-verifications`: without money, the bank is asked whether the card is good.
    pub(super) async fn verify(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        handed: Handed,
    ) -> Result<StoredCard, Error> {
        let card = self.unseal(session, &handed)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_time_and_ids_as_the_platform_does() {
        assert_eq!(timestamp(1_795_255_237_686), "2026-11-21T10:00:37.686Z");
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(1_709_164_800_001), "2024-02-29T00:00:00.001Z");
        assert_eq!(
            operation_id("pay_0123456789abcdef0123456789abcdef").unwrap(),
            "01234567-89ab-cdef-0123-456789abcdef"
        );
        assert!(operation_id("pay_1").is_err() && operation_id("").is_err());
    }
}
