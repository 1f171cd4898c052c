//! `POST /v1/payments`: charges a stored card, or the card of a session.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use cardseal_gateways::Amount;
use cardseal_gateways::gateway::Recurring;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::answer::{Answers, PaymentResource};
use super::{KeyHeader, idempotency_key};
use crate::App;
use crate::access::Browser;
use crate::api::contract::refusals;
use crate::api::fields::{
    AmountText, AuthenticationReference, Bin, CaptureTime, CurrencyCode, CustomerReference, Description,
    EncryptedCard, IpAddress, OrderReference, ProductNumber, SealedCard, SessionReference, TokenReference,
    WrappedKey, capture, none_left,
};
use crate::api::tokens::CardPayload;
use crate::error::ApiError;
use crate::logging::RequestId;
use crate::payload::{Checked, Payload, checked};
use crate::payments::{self, Charge, SubmissionOptions};
use crate::reason::Reason;
use crate::sessions::{CustomerIp, accepted, new_reference};
use crate::store::{AuthenticationId, Fingerprint, IdempotencyKey, Key, Scope, StoredAnswer, Token, TokenId};
use crate::submission::Submission;
use crate::tokens;

refusals! {
    /// Errors of `POST /v1/payments`.
    CreateRefused = MERCHANT | BODY | STORE | PLATFORM | CARD [
        IdempotencyKeyInvalid, IdempotencyKeyReused, AmountInvalid, CurrencyNotSupported, TokenUnconfirmed,
        OrderReferenceUsed, OutboxFull, AuthenticationNotFound, AuthenticationUnusable,
    ];
}
checked!(PaymentRequest);

/// What to charge: a stored card, with `token`, `amount` and `currency`, or the card of a `session`, for the
/// session's amount.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PaymentRequest {
    /// The stored card to charge.
    #[schema(nullable = false)]
    token: Option<TokenReference>,
    /// For a stored card.
    #[schema(nullable = false)]
    amount: Option<AmountText>,
    /// For a stored card.
    #[schema(nullable = false)]
    currency: Option<CurrencyCode>,
    /// For a stored card.
    #[schema(nullable = false)]
    description: Option<Description>,
    /// For a stored card. Without it, the server generates one.
    #[schema(nullable = false)]
    order_reference: Option<OrderReference>,
    /// For a stored card. Without it, the card's customer.
    #[schema(nullable = false)]
    customer: Option<CustomerReference>,
    /// For a stored card: the customer's address, for platforms that need it.
    #[schema(nullable = false)]
    customer_ip: Option<IpAddress>,
    #[schema(schema_with = capture)]
    capture: Option<CaptureTime>,
    /// For a stored card: whether to charge the card network's own token. Without it, as configured.
    #[schema(nullable = false)]
    network_token: Option<bool>,
    /// For a stored card: the authentication of the customer for this charge.
    #[schema(nullable = false)]
    authentication: Option<AuthenticationReference>,
    #[schema(inline, nullable = false)]
    recurring: Option<RecurringRequest>,
    /// The session whose card is charged.
    #[schema(nullable = false)]
    session: Option<SessionReference>,
    /// GreenPay, relayed.
    #[schema(nullable = false)]
    ld: Option<EncryptedCard>,
    /// GreenPay, relayed.
    #[schema(nullable = false)]
    lk: Option<WrappedKey>,
    /// Online Payments, relayed.
    #[schema(nullable = false)]
    encrypted_customer_input: Option<EncryptedCard>,
    /// Online Payments, relayed.
    #[schema(nullable = false)]
    payment_product_id: Option<ProductNumber>,
    /// Worldline Acquiring.
    #[schema(nullable = false)]
    sealed: Option<SealedCard>,
    /// In the direct mode: the platform's answer to the browser, unchanged.
    #[schema(value_type = Object, required = false)]
    answer: Option<Value>,
    /// For a session: whether GreenPay's fraud check is used.
    #[schema(nullable = false)]
    kount: Option<bool>,
    /// For a session: the first digits of the card, for a later void or refund.
    #[schema(nullable = false)]
    bin: Option<Bin>,
}

/// For a stored card, only with CCBill: what the platform charges by itself from then on, in the same currency.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RecurringRequest {
    /// What each takes.
    amount: AmountText,
    /// Days between two of them. CCBill asks for 30, 60 or 90.
    #[schema(minimum = 1, maximum = 365)]
    period_days: u32,
    /// Days that the first charge pays for. Default: `period_days`.
    #[schema(minimum = 1, maximum = 365, nullable = false)]
    initial_period_days: Option<u32>,
    /// How many. Without it, they go on until they are cancelled.
    #[schema(minimum = 1, maximum = 98, nullable = false)]
    times: Option<u32>,
}

impl RecurringRequest {
    fn terms(self, currency: &CurrencyCode) -> Result<Recurring, ApiError> {
        Ok(Recurring {
            amount: self.amount.parse(currency)?,
            period_days: self.period_days,
            initial_period_days: self.initial_period_days.unwrap_or(self.period_days),
            times: self.times,
        })
    }
}

impl PaymentRequest {
    /// Refuses fields that belong to a session's card.
    fn none_of_a_session(&self) -> Result<(), ApiError> {
        none_left(
            &[
                ("ld", self.ld.is_some()),
                ("lk", self.lk.is_some()),
                (
                    "encrypted_customer_input",
                    self.encrypted_customer_input.is_some(),
                ),
                ("payment_product_id", self.payment_product_id.is_some()),
                ("sealed", self.sealed.is_some()),
                ("answer", self.answer.is_some()),
                ("kount", self.kount.is_some()),
                ("bin", self.bin.is_some()),
            ],
            "it goes with a `session`",
        )
    }

    /// Refuses fields that belong to a stored card.
    fn none_of_a_token(&self) -> Result<(), ApiError> {
        none_left(
            &[
                ("token", self.token.is_some()),
                ("amount", self.amount.is_some()),
                ("currency", self.currency.is_some()),
                ("description", self.description.is_some()),
                ("order_reference", self.order_reference.is_some()),
                ("customer", self.customer.is_some()),
                ("customer_ip", self.customer_ip.is_some()),
                ("capture", self.capture.is_some()),
                ("network_token", self.network_token.is_some()),
                ("authentication", self.authentication.is_some()),
                ("recurring", self.recurring.is_some()),
            ],
            "the session has it already",
        )
    }
}

/// The idempotency key of a request, and the fingerprint of its body.
type Identity = (Option<IdempotencyKey>, Fingerprint);

/// Charges a stored card, or the card of a session.
#[utoipa::path(post, operation_id = "createPayment", path = "/v1/payments",
    tag = "payments", security(("api_key" = ["charge"]), ()),
    params(KeyHeader),
    request_body = PaymentRequest,
    responses(
        (status = 201, body = PaymentResource, description = "The payment, even if it was declined."),
        (status = 202, body = PaymentResource, description = "The outcome is not known yet. Do not charge again."),
        CreateRefused,
    ),
)]
pub(in crate::api) async fn create(
    State(app): State<App>,
    browser: Browser,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    payload: Payload<PaymentRequest>,
) -> Result<Response, ApiError> {
    let identity = (idempotency_key(&headers)?, payload.fingerprint);
    let answers = Answers::created(request_id);
    let mut request = payload.request;
    let charge = if let Some(session) = request.session.take() {
        by_session(&app, session, request, identity, &answers).await?
    } else {
        browser.merchant?;
        by_token(&app, request, identity, browser.address, &answers).await?
    };
    let reply = payments::charge(&app, charge).await?;
    Ok(answers.response(reply))
}

/// Charges a stored card for another route. Returns the answer that `POST /v1/payments` would give.
pub(in crate::api) async fn charge_stored(
    app: &App,
    token: Token,
    amount: Amount,
    network_token: Option<bool>,
    key: Option<Key>,
    request_id: String,
) -> Result<StoredAnswer, ApiError> {
    let answers = Answers::created(request_id);
    let charge = Charge {
        key,
        network_token,
        ..Charge::of_token(token, amount, None, None, answers.clone())
    };
    let (answer, _) = answers.of(payments::charge(app, charge).await?);
    Ok(answer)
}

async fn by_token(
    app: &App,
    request: PaymentRequest,
    (key, fingerprint): Identity,
    caller: Option<IpAddr>,
    answers: &Arc<Answers>,
) -> Result<Charge, ApiError> {
    request.none_of_a_session()?;
    let missing = |name| PaymentRequest::rules().missing(name);
    let token = request.token.ok_or_else(|| missing("token"))?;
    let token = tokens::get(app, &TokenId::from(token)).await?;
    let account = app.account(token.platform)?;
    let amount = request.amount.ok_or_else(|| missing("amount"))?;
    let currency = request.currency.ok_or_else(|| missing("currency"))?;
    let amount = amount.parse(&currency)?;
    accepted(account, &amount)?;
    let recurring = request.recurring.map(|recurring| recurring.terms(&currency));
    let recurring = recurring.transpose()?;
    if recurring.is_some() && !account.gateway.capabilities().recurring_charges {
        let reason = Reason::FieldNotOffered {
            field: "recurring",
            why: None,
        };
        return Err(reason.into());
    }
    let given = request.customer_ip.map(|ip| ip.parse(PaymentRequest::rules()));
    let given = given.transpose()?;
    let customer_ip = CustomerIp { given, caller }.wanted_by(account)?;
    let charge = Charge::of_token(token, amount, customer_ip, recurring, answers.clone());
    Ok(Charge {
        order_reference: request.order_reference.map_or_else(new_reference, String::from),
        description: request.description.map_or_else(|| "Payment".into(), String::from),
        customer: request.customer.map(String::from).or(charge.customer),
        key: key.map(|key| Key {
            scope: Scope::Merchant,
            key,
            fingerprint,
        }),
        capture: request.capture.unwrap_or_default().into(),
        network_token: request.network_token,
        authentication: request
            .authentication
            .map(|id| AuthenticationId::from(String::from(id))),
        ..charge
    })
}

async fn by_session(
    app: &App,
    session: SessionReference,
    request: PaymentRequest,
    (key, fingerprint): Identity,
    answers: &Arc<Answers>,
) -> Result<Charge, ApiError> {
    request.none_of_a_token()?;
    let submission = Submission::try_from(CardPayload {
        session,
        ld: request.ld,
        lk: request.lk,
        encrypted_customer_input: request.encrypted_customer_input,
        payment_product_id: request.payment_product_id,
        sealed: request.sealed,
        answer: request.answer,
    })?;
    let options = SubmissionOptions {
        key,
        fingerprint,
        fraud_check: request.kount.unwrap_or(false),
        bin: request.bin.map(String::from),
    };
    Ok(Charge::of_submission(app, submission, options, answers.clone()).await?)
}
