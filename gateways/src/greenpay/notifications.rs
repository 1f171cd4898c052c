//! "Webhook payment response": what the platform posts to us, the same JSON as the answer it gave.
//!
//! A notification counts only with a signature that fits, whatever the policy for answers is: anybody can post. Those about
//! subscriptions have none that is documented, and only say what to look up.

use cardseal::Code;
use cardseal::greenpay::signature::{self, Candidate};
use cardseal::greenpay::{Scalar, read_payment, read_token};
use serde_json::Value;

use super::GreenPay;
use super::answer::object;
use super::payments::settled;
use super::wire::{opaque, payment_answer, token_answer};
use crate::error::{Doubt, Error, Refusal, Rejection, sentence};
use crate::gateway::{Notification, Origin, Outcome, PaymentEvent};
use crate::lenient::text;

/// Under the one address that is registered at the platform. The empty one is for payments.
pub(super) const ROUTES: &[&str] = &["", "newCard", SUBSCRIPTION];
/// The payments of subscriptions.
const SUBSCRIPTION: &str = "subscription/payment/results";

impl GreenPay {
    pub(super) fn notification(&self, route: &str, body: &[u8]) -> Result<Notification, Error> {
        match route {
            "" => self.payment_notification(body),
            "newCard" => self.card_notification(body),
            SUBSCRIPTION => subscription_notification(body),
            _ => Err(Refusal::NotOffered.into()),
        }
    }

    fn payment_notification(&self, body: &[u8]) -> Result<Notification, Error> {
        let body = read(body)?;
        let answer = payment_answer(&body);
        let reference = self.verified(
            Candidate::PAYMENT,
            &answer.status,
            answer.order_id.as_ref(),
            answer.signature.as_deref(),
        )?;
        let news = match read_payment(&self.key, 200, &answer) {
            Ok(payment) => match settled(payment, &body) {
                Outcome::Approved(approval) => PaymentEvent::Approved(approval),
                Outcome::Authorized(approval) => PaymentEvent::Authorized(approval),
                Outcome::Voided(approval) => PaymentEvent::Voided(approval),
                Outcome::Declined(decline) => PaymentEvent::Declined(decline),
                Outcome::Pending(_) | Outcome::Unknown(_) => return Ok(Notification::Nothing { reference }),
            },
            Err(error) if error.code() == Code::PlatformRejected => PaymentEvent::Failed(Rejection {
                code: error.platform_code().map(Into::into),
                name: None,
                message: sentence(error.platform_message().unwrap_or_default()),
                status: error.status(),
            }),
            Err(_) => return Ok(Notification::Nothing { reference }),
        };
        Ok(Notification::Payment { reference, news })
    }

    fn card_notification(&self, body: &[u8]) -> Result<Notification, Error> {
        let answer = token_answer(&read(body)?);
        let reference = self.verified(
            Candidate::TOKEN,
            &answer.status,
            answer.request_id.as_ref(),
            answer.signature.as_deref(),
        )?;
        let Ok(card) = read_token(&self.key, 200, &answer) else {
            return Ok(Notification::Nothing { reference });
        };
        let card = self.card(card, &reference, Origin::Platform)?;
        Ok(Notification::Card {
            reference,
            card: Box::new(card),
        })
    }

    /// The reference that is signed together with the status.
    fn verified(
        &self,
        candidates: &[Candidate],
        status: &Scalar,
        id: Option<&Scalar>,
        signature: Option<&str>,
    ) -> Result<String, Error> {
        let (Some(id), Some(signature)) = (id, signature) else {
            return Err(Error::SignatureInvalid);
        };
        signature::verify(&self.key, candidates, status, id, signature).ok_or(Error::SignatureInvalid)?;
        Ok(id.text())
    }
}

/// The answer that this repeats has no signature, so all that counts is which subscription to ask the platform about.
fn subscription_notification(body: &[u8]) -> Result<Notification, Error> {
    let platform_id = text(&read(body)?, "/result/order/subscriptionId").filter(|id| opaque(id));
    let platform_id = platform_id.ok_or(Error::Doubtful(Doubt::Undecodable))?;
    Ok(Notification::Subscription { platform_id })
}

fn read(body: &[u8]) -> Result<Value, Error> {
    object(body).ok_or(Error::Doubtful(Doubt::Undecodable))
}
