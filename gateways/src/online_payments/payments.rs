//! Charges, captures, cancellations and refunds.
//!
//! Each has its own idempotence key. After a lost answer the same call is made again with the same key, and the
//! platform answers with the first outcome; a 409 says that the first one is under way. What is refused after a lost
//! answer proves nothing about the first try. A payment whose id is known is looked up by it, and never sent again.

use std::time::Duration;

use cardseal_worldline::online_payments::client::{CallContext, MerchantClient};
use cardseal_worldline::online_payments::domain::{
    CapturePaymentRequest, CardPaymentMethodSpecificInput, CreatePaymentRequest, MerchantAction, Operation,
    Order, Payment, RedirectionData, References, RefundRequest, StatusOutput, ThreeDSecure,
};
use cardseal_worldline::online_payments::errors::{self, Communication};
use cardseal_worldline::resource::is_id;
use secrecy::ExposeSecret;

use super::answer::{State, rejection, state};
use super::wire::{SessionState, brand, check_sealed, is_amount, last4, merchant_reference};
use super::{OnlinePayments, PAUSES};
use crate::amount::Amount;
use crate::error::{Doubt, Error, Refusal, Rejection, sentence, word};
use crate::gateway::{
    Approval, Capture, Change, ChargeParams, Decline, OpenSession, Outcome, PagePayload, PaymentRef, Pending,
};
use crate::transport::Transport;

/// Before the last try of what is not kept.
const LAST_PAUSE: Duration = Duration::from_secs(4);

/// What a payment has to be to be ours.
pub(super) struct Expected<'a> {
    pub(super) amount: &'a Amount,
    pub(super) reference: &'a str,
}

/// What is done to a payment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Takes the money that is held.
    Capture,
    /// Lets it go.
    Cancel,
    /// Pays back.
    Refund,
}

/// What an answer to a change says about it.
enum Step {
    Done,
    Refused,
    Waiting,
    Contradictory,
}

impl Verb {
    fn step(self, state: State) -> Step {
        match (self, state) {
            (Self::Capture, State::Captured)
            | (Self::Cancel, State::Cancelled)
            | (Self::Refund, State::Refunded) => Step::Done,
            (Self::Capture, State::CaptureRejected | State::Rejected)
            | (Self::Cancel, State::CancelRejected | State::Rejected)
            | (Self::Refund, State::RefundRejected | State::Rejected) => Step::Refused,
            (Self::Capture, State::CapturePending)
            | (Self::Cancel, State::CancelPending)
            | (Self::Refund, State::RefundPending)
            | (_, State::Pending) => Step::Waiting,
            (Self::Capture | Self::Cancel | Self::Refund, _) => Step::Contradictory,
        }
    }
}

/// Our word for a code of the platform.
fn reason(code: &str) -> &'static str {
    match code {
        "30511001" => "insufficient_funds",
        "30591001" => "suspected_fraud",
        "40001134" => "authentication_failed",
        "30041001" => "rejected_by_issuer",
        "30171001" => "cancelled_by_customer",
        "30921001" => "technical",
        _ => "declined",
    }
}

fn decline(code: Option<&str>, message: Option<&str>, word_of_ours: Option<&str>) -> Decline {
    Decline {
        code: code.map(word),
        reason: word_of_ours
            .unwrap_or_else(|| reason(code.unwrap_or_default()))
            .into(),
        message: message.map(sentence),
    }
}

fn approval(payment: &Payment) -> Approval {
    let output = payment.payment_output.as_ref();
    let card = output.and_then(|output| output.card_payment_method_specific_output.as_ref());
    Approval {
        authorization: card
            .and_then(|card| card.authorisation_code.as_deref())
            .filter(|code| !code.is_empty())
            .map(word),
        platform_id: payment.id.clone(),
        brand: brand(card.and_then(|card| card.payment_product_id)),
        last4: card
            .and_then(|card| card.card.as_ref())
            .and_then(|card| card.card_number.as_deref())
            .and_then(last4),
        unverified: false,
    }
}

/// Whether all that says which payment it is, and of how much, can be read. What is missing can be.
fn is_readable(payment: &Payment) -> bool {
    let output = payment.payment_output.as_ref();
    let references = output.and_then(|output| output.references.as_ref());
    !(payment.is_unreadable("paymentOutput")
        || output.is_some_and(|output| {
            output.is_unreadable("amountOfMoney") || output.is_unreadable("references")
        })
        || references.is_some_and(|references| references.is_unreadable("merchantReference")))
}

/// The payment that an id of one of its operations belongs to.
pub(super) fn payment_id(id: &str) -> Option<String> {
    let id = match id.rsplit_once('_') {
        Some((payment, operation))
            if !operation.is_empty() && operation.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            format!("{payment}_0")
        }
        _ => id.to_owned(),
    };
    is_id(&id).then_some(id)
}

impl OnlinePayments {
    pub(super) fn order(amount: &Amount, reference: &str) -> Result<Order, Refusal> {
        Ok(Order {
            amount_of_money: Some(amount.into()),
            references: Some(References {
                merchant_reference: Some(merchant_reference(reference)?),
                ..Default::default()
            }),
            ..Default::default()
        })
    }

    fn card(&self, capture: Capture) -> CardPaymentMethodSpecificInput {
        CardPaymentMethodSpecificInput {
            authorization_mode: Some(
                match capture {
                    Capture::Auto => "SALE",
                    Capture::Later => self.later_mode,
                }
                .into(),
            ),
            transaction_channel: Some("ECOMMERCE".into()),
            three_d_secure: self.return_url.as_ref().map(|url| ThreeDSecure {
                redirection_data: Some(RedirectionData {
                    return_url: Some(url.clone()),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    /// `POST /payments` with a token. `lost` is why it is sent again.
    pub(super) async fn charge_token(
        &self,
        transport: &Transport,
        params: &ChargeParams<'_>,
        lost: Option<Doubt>,
    ) -> Result<Outcome, Refusal> {
        if params.network_token == Some(true) {
            return Err(Refusal::NotOffered);
        }
        let token = params.token.expose_secret();
        if !is_id(token) {
            return Err(Refusal::Invalid("token"));
        }
        let request = CreatePaymentRequest {
            order: Some(Self::order(params.amount, params.reference)?),
            card_payment_method_specific_input: Some(CardPaymentMethodSpecificInput {
                token: Some(token.into()),
                unscheduled_card_on_file_requestor: self.initiator.map(Into::into),
                unscheduled_card_on_file_sequence_indicator: self.initiator.map(|_| "subsequent".into()),
                ..self.card(params.capture)
            }),
            ..Default::default()
        };
        let expected = Expected {
            amount: params.amount,
            reference: params.reference,
        };
        let merchant = self.over(transport);
        self.create(&merchant, &request, params.attempt, &expected, (lost, &PAUSES))
            .await
    }

    /// `POST /payments` with what the page encrypted. It is sent again only while this call lasts: it is not stored.
    pub(super) async fn charge_sealed(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        payload: PagePayload,
    ) -> Result<Outcome, Refusal> {
        let PagePayload::Sealed { data, product, .. } = payload else {
            return Err(Refusal::NotOffered);
        };
        check_sealed(&data)?;
        let amount = SessionState::read(session.state).amount()?;
        let request = CreatePaymentRequest {
            order: Some(Self::order(&amount, session.reference)?),
            encrypted_customer_input: Some(data),
            card_payment_method_specific_input: Some(CardPaymentMethodSpecificInput {
                payment_product_id: product,
                ..self.card(Capture::Auto)
            }),
            ..Default::default()
        };
        let expected = Expected {
            amount: &amount,
            reference: session.reference,
        };
        let merchant = self.over(transport);
        // There is no later try: it gets one more now.
        let pauses = [PAUSES[0], PAUSES[1], LAST_PAUSE];
        self.create(&merchant, &request, session.attempt, &expected, (None, &pauses))
            .await
    }

    async fn create(
        &self,
        merchant: &MerchantClient,
        request: &CreatePaymentRequest,
        key: &str,
        expected: &Expected<'_>,
        (mut lost, pauses): (Option<Doubt>, &[Duration]),
    ) -> Result<Outcome, Refusal> {
        let context =
            CallContext::with_idempotence_key(key).map_err(|_| Refusal::Invalid("idempotence_key"))?;
        for pause in std::iter::once(&Duration::ZERO).chain(pauses) {
            tokio::time::sleep(*pause).await;
            let error = match merchant.payments().create(request, Some(&context)).await {
                Ok(answer) => {
                    return Ok(self.outcome(
                        answer.payment.as_ref(),
                        answer.merchant_action.as_ref(),
                        Some(expected),
                    ));
                }
                Err(error) => error,
            };
            if let errors::Error::DeclinedPayment(declined) = &error {
                let mut outcome = self.outcome(declined.result.payment.as_ref(), None, Some(expected));
                let fault = &declined.fault;
                if let Outcome::Declined(decline) = &mut outcome
                    && decline.code.is_none()
                {
                    let first = fault.errors.first();
                    let message = first.and_then(|error| error.message.as_deref());
                    *decline = self::decline(fault.code(), message, None);
                }
                return Ok(outcome);
            }
            match Error::from(&error).into_doubt() {
                Ok(doubt) => lost = Some(doubt),
                // It says nothing about the first try; and what could not be sent now may be sent in a moment.
                Err(refusal) => match lost {
                    None => return Err(refusal),
                    Some(_) if refusal == Refusal::NotSent => {}
                    Some(doubt) => return Ok(Outcome::Unknown(doubt)),
                },
            }
        }
        Ok(Outcome::Unknown(lost.unwrap_or(Doubt::Interrupted)))
    }

    /// What a payment says, if it is the expected one.
    pub(super) fn outcome(
        &self,
        payment: Option<&Payment>,
        action: Option<&MerchantAction>,
        expected: Option<&Expected<'_>>,
    ) -> Outcome {
        let Some((payment, id)) =
            payment.and_then(|payment| Some((payment, payment.id.clone().filter(|id| is_id(id))?)))
        else {
            return Outcome::Unknown(Doubt::Undecodable);
        };
        if let Some(expected) = expected {
            let output = payment.payment_output.as_ref();
            let reference = output
                .and_then(|output| output.references.as_ref())
                .and_then(|references| references.merchant_reference.as_deref());
            if reference.is_some_and(|reference| reference != expected.reference) {
                return Outcome::Unknown(Doubt::WrongReference);
            }
            let amount = output.and_then(|output| output.amount_of_money.as_ref());
            if amount.is_some_and(|amount| !is_amount(amount, expected.amount)) {
                return Outcome::Unknown(Doubt::Contradictory);
            }
        }
        let pending = |doubt| {
            Outcome::Pending(Pending {
                platform_id: id,
                redirect: action.and_then(|action| self.redirect(action)),
                doubt,
            })
        };
        let output = payment.status_output.as_ref();
        let first = output
            .and_then(|output| output.errors.as_ref())
            .and_then(|errors| errors.first());
        let code = first.and_then(|error| error.error_code.as_deref().or(error.code.as_deref()));
        let message = first.and_then(|error| error.message.as_deref());
        let state = state(payment.status.as_deref(), output)
            .where_read(is_readable(payment) && !payment.is_unreadable("statusOutput"));
        match state {
            // What was done since does not change that it went through.
            State::Captured | State::Refunded | State::RefundPending | State::RefundRejected => {
                Outcome::Approved(approval(payment))
            }
            State::Authorized | State::CancelRejected => Outcome::Authorized(approval(payment)),
            State::Cancelled => Outcome::Voided(approval(payment)),
            State::Rejected => Outcome::Declined(decline(code, message, None)),
            State::Abandoned => Outcome::Declined(decline(code, message, Some("cancelled_by_customer"))),
            State::CaptureRejected => Outcome::Declined(decline(code, message, Some("capture_refused"))),
            State::Redirected | State::Pending | State::CapturePending | State::CancelPending => {
                pending(Doubt::Pending)
            }
            State::Contradictory => pending(Doubt::Contradictory),
        }
    }

    fn redirect(&self, action: &MerchantAction) -> Option<String> {
        if action.action_type.as_deref() != Some("REDIRECT") {
            return None;
        }
        self.page_url(action.redirect_data.as_ref()?.redirect_url.as_deref()?)
    }

    /// After a lost answer, or of a payment that was pending.
    pub(super) async fn lookup_charge(
        &self,
        transport: &Transport,
        params: &ChargeParams<'_>,
        repeat: bool,
    ) -> Result<Outcome, Refusal> {
        let expected = Expected {
            amount: params.amount,
            reference: params.reference,
        };
        if let Some(id) = params.platform_id {
            return Ok(match self.over(transport).payments().get(id).await {
                Ok(payment) if payment.id.as_deref().and_then(payment_id) == payment_id(id) => {
                    self.outcome(Some(&payment), None, Some(&expected))
                }
                Ok(_) => Outcome::Unknown(Doubt::WrongReference),
                Err(error) => Outcome::Unknown(match Error::from(&error).into_doubt() {
                    Ok(doubt) => doubt,
                    Err(_) => Doubt::Pending,
                }),
            });
        }
        if repeat && !params.token.expose_secret().is_empty() {
            return self
                .charge_token(transport, params, Some(Doubt::Interrupted))
                .await;
        }
        Ok(Outcome::Unknown(Doubt::Interrupted))
    }

    /// Captures, cancels or pays back.
    pub(super) async fn change(
        &self,
        transport: &Transport,
        payment: &PaymentRef<'_>,
        verb: Verb,
    ) -> Result<Change, Refusal> {
        let id = payment
            .platform_id
            .and_then(payment_id)
            .ok_or(Refusal::Invalid("platform_id"))?;
        let merchant = self.over(transport);
        if payment.again && !payment.repeat {
            return Ok(self.lookup_change(&merchant, &id, verb, payment).await);
        }
        let context = CallContext::with_idempotence_key(payment.attempt)
            .map_err(|_| Refusal::Invalid("idempotence_key"))?;
        let mut lost = payment.again.then_some(Doubt::Interrupted);
        for pause in [None, Some(PAUSES[0]), Some(PAUSES[1])] {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            let error = match self.send_change(&merchant, &id, verb, payment, &context).await {
                Ok(made) => {
                    return match verb.step(made.state()) {
                        Step::Done => Ok(Change::Done),
                        Step::Refused => Err(made.refused(verb)),
                        // A repeat is answered as the first time; how far it is since stands in the details.
                        Step::Waiting | Step::Contradictory if payment.again => {
                            self.operation(&merchant, &id, made.id.as_deref(), verb, payment)
                                .await
                        }
                        Step::Waiting => Ok(Change::Unknown(Doubt::Pending)),
                        Step::Contradictory => Ok(Change::Unknown(Doubt::Contradictory)),
                    };
                }
                Err(error) => error,
            };
            match (Error::from(&error).into_doubt(), lost) {
                (Ok(doubt), _) => lost = Some(doubt),
                (Err(refusal), None) => return Err(refusal),
                (Err(Refusal::NotSent), Some(_)) => {}
                (Err(refusal), Some(doubt)) => {
                    // The outcome of the first try is what a declined repeat repeats.
                    if matches!(error, errors::Error::DeclinedRefund(_)) {
                        return Err(refusal);
                    }
                    return match self.lookup_change(&merchant, &id, verb, payment).await {
                        Change::Done => Ok(Change::Done),
                        Change::Unknown(_) => Ok(Change::Unknown(doubt)),
                    };
                }
            }
        }
        Ok(Change::Unknown(lost.unwrap_or(Doubt::Interrupted)))
    }

    async fn send_change(
        &self,
        merchant: &MerchantClient,
        id: &str,
        verb: Verb,
        payment: &PaymentRef<'_>,
        context: &CallContext,
    ) -> Result<OperationState, errors::Error> {
        let payments = merchant.payments();
        let made = match verb {
            Verb::Capture => {
                let request = CapturePaymentRequest {
                    amount: Some(payment.moved.minor()),
                    is_final: Some(true),
                    ..Default::default()
                };
                payments.capture(id, &request, Some(context)).await?
            }
            Verb::Refund => {
                let request = RefundRequest {
                    amount_of_money: Some(payment.moved.into()),
                    ..Default::default()
                };
                payments.refund(id, &request, Some(context)).await?
            }
            Verb::Cancel => {
                let answer = payments.cancel(id, None, Some(context)).await?;
                let payment = answer.payment.ok_or(NOTHING_USABLE)?;
                return Ok(OperationState {
                    read: !payment.is_unreadable("statusOutput"),
                    id: payment.id,
                    status: payment.status,
                    output: payment.status_output,
                });
            }
        };
        Ok(OperationState {
            read: !made.is_unreadable("statusOutput"),
            id: made.id,
            status: made.status,
            output: made.status_output,
        })
    }

    /// How far an operation of a payment is.
    async fn operation(
        &self,
        merchant: &MerchantClient,
        id: &str,
        operation: Option<&str>,
        verb: Verb,
        payment: &PaymentRef<'_>,
    ) -> Result<Change, Refusal> {
        let Ok(details) = merchant.payments().details(id).await else {
            return Ok(Change::Unknown(Doubt::Pending));
        };
        let operations = details.operations.unwrap_or_default();
        let found = operations
            .into_iter()
            .find(|found| found.id.is_some() && found.id.as_deref() == operation);
        let Some(found) = found else {
            return Ok(self.lookup_change(merchant, id, verb, payment).await);
        };
        let found = OperationState::from(found);
        match verb.step(found.state()) {
            Step::Done => Ok(Change::Done),
            Step::Refused => Err(found.refused(verb)),
            Step::Waiting | Step::Contradictory => Ok(Change::Unknown(Doubt::Pending)),
        }
    }

    /// Whether the payment itself says that a change was made. Only "yes" is certain: the change may be under way. Of
    /// a refund of a part it does not say.
    async fn lookup_change(
        &self,
        merchant: &MerchantClient,
        id: &str,
        verb: Verb,
        payment: &PaymentRef<'_>,
    ) -> Change {
        let Ok(found) = merchant.payments().get(id).await else {
            return Change::Unknown(Doubt::Interrupted);
        };
        let own = found.id.as_deref().and_then(payment_id).as_deref() == Some(id);
        let whole = verb != Verb::Refund || payment.moved == payment.amount;
        let state = state(found.status.as_deref(), found.status_output.as_ref())
            .where_read(!found.is_unreadable("statusOutput"));
        match verb.step(state) {
            Step::Done if own && whole => Change::Done,
            Step::Done | Step::Refused | Step::Waiting | Step::Contradictory => {
                Change::Unknown(Doubt::Pending)
            }
        }
    }
}

const NOTHING_USABLE: errors::Error = errors::Error::Communication(Communication::NotJson(200));

/// What the platform says of a change.
struct OperationState {
    id: Option<String>,
    status: Option<String>,
    output: Option<StatusOutput>,
    /// Whether its details could be read.
    read: bool,
}

impl From<Operation> for OperationState {
    fn from(operation: Operation) -> Self {
        Self {
            read: !operation.is_unreadable("statusOutput"),
            id: operation.id,
            status: operation.status,
            output: operation.status_output,
        }
    }
}

impl OperationState {
    fn state(&self) -> State {
        state(self.status.as_deref(), self.output.as_ref()).where_read(self.read)
    }

    fn refused(self, verb: Verb) -> Refusal {
        let fault = errors::Fault {
            errors: self.output.and_then(|output| output.errors).unwrap_or_default(),
            ..Default::default()
        };
        let message = match verb {
            Verb::Capture => "the capture was refused",
            Verb::Cancel => "the cancellation was refused",
            Verb::Refund => "the refund was refused",
        };
        let said = rejection(&fault);
        Refusal::Rejected(Rejection {
            name: Some("DECLINED".into()),
            message: if said.message.is_empty() {
                message.into()
            } else {
                said.message
            },
            status: None,
            ..said
        })
    }
}
