//! Charges, captures, reversals and refunds.
//!
//! Each has its own operation id, the same for every try. While the card is there a charge is sent again with it; the
//! platform knows it and does nothing twice. A charge whose answer stays lost cannot be asked for, as the platform
//! finds payments by its own id alone: it is undone by a technical reversal, and is then known not to have been
//! made. Changes are looked for by their id among the operations of the payment.

use std::time::Duration;

use cardseal_worldline::acquiring::client::MerchantClient;
use cardseal_worldline::acquiring::domain::{
    ApiActionResponse, ApiCaptureRequest, ApiPaymentRefundRequest, ApiPaymentRequest,
    ApiPaymentReversalRequest, ApiTechnicalReversalRequest, CardPaymentData, PaymentReferences, SubOperation,
};
use cardseal_worldline::acquiring::errors;
use cardseal_worldline::resource::is_id;

use super::answer::{Category, category, found, outcome, refused};
use super::wire::{SessionState, card_payment_data, operation_id, reversal_id, timestamp};
use super::{PAUSES, WorldlineAcquiring};
use crate::amount::Amount;
use crate::error::{Doubt, Error, Refusal};
use crate::gateway::{
    Approval, Capture, Change, ChargeParams, Decline, OpenSession, Outcome, PagePayload, PaymentRef,
};
use crate::transport::Transport;

/// No request arrives so long after it was sent. An operation that the platform does not know then was never made.
const ARRIVED_MS: i64 = 2 * 60_000;

/// What is done to a payment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Takes the money that is held.
    Capture,
    /// Lets it go.
    Reverse,
    /// Pays back.
    Refund,
}

impl Verb {
    const fn operation(self) -> &'static str {
        match self {
            Self::Capture => "CAPTURE",
            Self::Reverse => "AUTHORIZATION_REVERSAL",
            Self::Refund => "REFUND",
        }
    }
}

impl WorldlineAcquiring {
    /// `POST /payments` with the card that a page sealed.
    pub(super) async fn charge_sealed(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        payload: PagePayload,
    ) -> Result<Outcome, Refusal> {
        let state = SessionState::read(session);
        let amount = state.amount()?;
        let id = operation_id(session.attempt)?;
        let card = self.unseal(session, &payload)?;
        drop(payload);
        let authorization_type = match state.capture() {
            Capture::Auto => "FINAL_AUTHORIZATION",
            Capture::Later => self.later_type,
        };
        let request = ApiPaymentRequest {
            amount: Some((&amount).into()),
            authorization_type: Some(authorization_type.into()),
            transaction_timestamp: Some(timestamp(session.now)),
            card_payment_data: Some(CardPaymentData {
                allow_partial_approval: Some(false),
                capture_immediately: Some(state.capture() == Capture::Auto),
                card_on_file_data: self.subsequent(&state),
                ..card_payment_data(&card)
            }),
            references: Some(PaymentReferences {
                merchant_reference: Some(session.reference.into()),
                ..Default::default()
            }),
            operation_id: Some(id.clone()),
            ..Default::default()
        };
        let last4 = {
            use secrecy::ExposeSecret;
            let number = card.number.expose_secret();
            number.get(number.len().saturating_sub(4)..).map(str::to_owned)
        };
        drop(card);
        let merchant = self.over(transport);
        let mut lost = None;
        for pause in std::iter::once(&Duration::ZERO).chain(&PAUSES) {
            tokio::time::sleep(*pause).await;
            let error = match merchant.payments().process_payment(&request).await {
                Ok(answer) => {
                    let mut outcome = outcome(&answer, &id, state.capture(), &amount);
                    if let Outcome::Approved(approval) | Outcome::Authorized(approval) = &mut outcome {
                        approval.last4 = last4;
                    }
                    return Ok(outcome);
                }
                Err(error) => error,
            };
            match (Error::from(&error).into_doubt(), lost) {
                (Ok(doubt), _) => lost = Some(doubt),
                (Err(refusal), None) => return Err(refusal),
                // What could not be sent now may be sent in a moment; any other refusal, such as 409 for an id that
                // is known already, says nothing about the first try.
                (Err(Refusal::NotSent), Some(_)) => {}
                (Err(_), Some(doubt)) => return Ok(Outcome::Unknown(doubt)),
            }
        }
        Ok(Outcome::Unknown(lost.unwrap_or(Doubt::Interrupted)))
    }

    /// After a lost answer, or of a payment that was pending.
    pub(super) async fn lookup_charge(
        &self,
        transport: &Transport,
        params: &ChargeParams<'_>,
    ) -> Result<Outcome, Refusal> {
        let merchant = self.over(transport);
        if let Some(id) = params.platform_id {
            return Ok(match merchant.payments().get(id, true).await {
                Ok(payment) => found(&payment, id, params),
                Err(error) => Outcome::Unknown(match Error::from(&error).into_doubt() {
                    Ok(doubt) => doubt,
                    Err(_) => Doubt::Pending,
                }),
            });
        }
        self.undo(&merchant, params).await
    }

    /// `POST /operations/{id}/reverse`: after it, nothing was charged, whatever became of the first request.
    async fn undo(&self, merchant: &MerchantClient, params: &ChargeParams<'_>) -> Result<Outcome, Refusal> {
        let id = operation_id(params.attempt)?;
        // Word for word the same each time, so that a repeat is known as one.
        let request = ApiTechnicalReversalRequest {
            operation_id: Some(reversal_id(&id)),
            transaction_timestamp: Some(timestamp(params.requested_at)),
            ..Default::default()
        };
        let answer = match merchant.technical_reversal(&id, &request).await {
            Ok(answer) => answer,
            Err(errors::Error::Reference(fault)) if fault.status == 404 => {
                return Ok(if params.now - params.requested_at >= ARRIVED_MS {
                    Outcome::Declined(Decline {
                        code: None,
                        reason: "not_processed".into(),
                        message: Some("the platform never received the payment".into()),
                    })
                } else {
                    Outcome::Unknown(Doubt::Interrupted)
                });
            }
            Err(error) => {
                return Ok(Outcome::Unknown(match Error::from(&error).into_doubt() {
                    Ok(doubt) => doubt,
                    Err(_) => Doubt::Interrupted,
                }));
            }
        };
        Ok(match category(answer.response_code_category.as_deref()) {
            Category::Approved => Outcome::Voided(Approval::default()),
            Category::Declined | Category::Other => Outcome::Unknown(Doubt::Contradictory),
        })
    }

    /// Captures, reverses or pays back.
    pub(super) async fn change(
        &self,
        transport: &Transport,
        payment: &PaymentRef<'_>,
        verb: Verb,
    ) -> Result<Change, Refusal> {
        let payment_id = payment
            .platform_id
            .filter(|id| is_id(id))
            .ok_or(Refusal::Invalid("platform_id"))?;
        let id = operation_id(payment.attempt)?;
        let merchant = self.over(transport);
        let mut lost = None;
        if payment.again {
            lost = Some(Doubt::Interrupted);
            if let Some(known) = lookup_change(&merchant, payment_id, &id, verb).await {
                return known;
            }
            if !payment.repeat {
                return Ok(Change::Unknown(Doubt::Interrupted));
            }
        }
        // Made once, so that every repeat is word for word the same.
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .ok()
            .and_then(|since| i64::try_from(since.as_millis()).ok())
            .unwrap_or_default();
        let timestamp = timestamp(now);
        for pause in [Duration::ZERO, PAUSES[0], PAUSES[1]] {
            tokio::time::sleep(pause).await;
            let error = match send(&merchant, payment_id, &id, &timestamp, verb, payment.moved).await {
                Ok(answer) if answer.operation_id.as_deref() != Some(id.as_str()) => {
                    return Ok(Change::Unknown(Doubt::WrongReference));
                }
                Ok(answer) => {
                    return match category(answer.response_code_category.as_deref()) {
                        Category::Approved => Ok(Change::Done),
                        Category::Declined => Err(refused(
                            answer.response_code.as_deref(),
                            answer.response_code_description.as_deref(),
                        )),
                        Category::Other => Ok(Change::Unknown(Doubt::Undecodable)),
                    };
                }
                Err(error) => error,
            };
            match (Error::from(&error).into_doubt(), lost) {
                (Ok(doubt), _) => lost = Some(doubt),
                (Err(refusal), None) => return Err(refusal),
                (Err(Refusal::NotSent), Some(_)) => {}
                (Err(_), Some(_)) => break,
            }
        }
        match lookup_change(&merchant, payment_id, &id, verb).await {
            Some(known) => known,
            None => Ok(Change::Unknown(lost.unwrap_or(Doubt::Interrupted))),
        }
    }
}

async fn send(
    merchant: &MerchantClient,
    payment_id: &str,
    id: &str,
    timestamp: &str,
    verb: Verb,
    moved: &Amount,
) -> Result<ApiActionResponse, errors::Error> {
    let payments = merchant.payments();
    let (operation_id, transaction_timestamp) = (Some(id.into()), Some(timestamp.into()));
    match verb {
        Verb::Capture => {
            let request = ApiCaptureRequest {
                operation_id,
                transaction_timestamp,
                amount: Some(moved.into()),
                capture_sequence_number: Some(1),
                is_final: Some(true),
                ..Default::default()
            };
            payments.capture(payment_id, &request).await
        }
        Verb::Reverse => {
            let request = ApiPaymentReversalRequest {
                operation_id,
                transaction_timestamp,
                ..Default::default()
            };
            payments.reverse(payment_id, &request).await
        }
        Verb::Refund => {
            let request = ApiPaymentRefundRequest {
                operation_id,
                transaction_timestamp,
                amount: Some(moved.into()),
                capture_immediately: Some(true),
                ..Default::default()
            };
            payments.refund(payment_id, &request).await
        }
    }
}

/// What the payment's operations say of a change. That it is not among them says nothing: it may be under way.
async fn lookup_change(
    merchant: &MerchantClient,
    payment_id: &str,
    id: &str,
    verb: Verb,
) -> Option<Result<Change, Refusal>> {
    let payment = merchant.payments().get(payment_id, true).await.ok()?;
    let own = |operation: &&SubOperation| {
        operation.operation_id.as_deref() == Some(id)
            && operation.operation_type.as_deref() == Some(verb.operation())
    };
    let found = payment.operations.as_deref()?.iter().find(own)?;
    match category(found.response_code_category.as_deref()) {
        Category::Approved => Some(Ok(Change::Done)),
        Category::Declined => Some(Err(refused(
            found.response_code.as_deref(),
            found.response_code_description.as_deref(),
        ))),
        Category::Other => None,
    }
}
