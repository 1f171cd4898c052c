//! Webhooks: an event is only a hint. The payment is looked up at the platform before anything changes.

use super::OnlinePayments;
use super::payments::payment_id;
use crate::error::{Doubt, Error};
use crate::gateway::{Event, Notification, Outcome, PaymentEvent};
use crate::transport::Transport;
use cardseal_worldline::online_payments::domain::WebhooksEvent;
use cardseal_worldline::online_payments::webhooks::WebhookError;

impl OnlinePayments {
    pub(super) fn notifications(&self, headers: &[(&str, &str)], body: &[u8]) -> Result<Vec<Event>, Error> {
        let events = self
            .webhooks
            .unmarshal(body, headers)
            .map_err(|error| match error {
                WebhookError::SignatureInvalid => Error::SignatureInvalid,
                WebhookError::Unreadable | WebhookError::ApiVersion => Error::Doubtful(Doubt::Undecodable),
            })?;
        Ok(events.iter().map(|event| self.noticed(event)).collect())
    }

    fn noticed(&self, event: &WebhooksEvent) -> Event {
        let ours = event
            .merchant_id
            .as_deref()
            .is_none_or(|id| id.eq_ignore_ascii_case(&self.merchant_id));
        // Sent by hand to try an address: whatever is in it was never made.
        let trial = event.kind.as_deref() == Some("payment.test");
        let about = event
            .payment
            .as_ref()
            .and_then(|payment| payment.id.as_deref())
            .or_else(|| event.refund.as_ref().and_then(|refund| refund.id.as_deref()));
        let reference = event
            .payment
            .as_ref()
            .and_then(|payment| payment.payment_output.as_ref())
            .and_then(|output| output.references.as_ref())
            .and_then(|references| references.merchant_reference.clone())
            .unwrap_or_default();
        let notification = match about.and_then(payment_id).filter(|_| ours && !trial) {
            Some(platform_id) => Notification::Hint {
                reference,
                platform_id,
            },
            None => Notification::Nothing { reference },
        };
        Event {
            id: event.id.clone().filter(|id| (1..=100).contains(&id.len())),
            notification,
        }
    }

    pub(super) async fn confirmed(&self, transport: &Transport, id: &str) -> Result<Notification, Error> {
        let payment = self.over(transport).payments().get(id).await?;
        if payment.id.as_deref().and_then(payment_id) != payment_id(id) {
            return Err(Error::Doubtful(Doubt::WrongReference));
        }
        let reference = payment
            .payment_output
            .as_ref()
            .and_then(|output| output.references.as_ref())
            .and_then(|references| references.merchant_reference.clone())
            .unwrap_or_default();
        let news = match self.outcome(Some(&payment), None, None) {
            Outcome::Approved(approval) => PaymentEvent::Approved(approval),
            Outcome::Authorized(approval) => PaymentEvent::Authorized(approval),
            Outcome::Voided(approval) => PaymentEvent::Voided(approval),
            Outcome::Declined(decline) => PaymentEvent::Declined(decline),
            Outcome::Pending(_) | Outcome::Unknown(_) => return Ok(Notification::Nothing { reference }),
        };
        Ok(Notification::Payment { reference, news })
    }
}
