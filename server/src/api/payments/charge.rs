//! `POST /v1/payments`: charges a stored card, or the card of a session.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use cardseal::session::Kind;
use cardseal_gateways::Amount;
use cardseal_gateways::gateway::{Capture, Handed};

use super::answer::Answers;
use super::{bin, idempotency_key, order_reference, text_or_default};
use crate::App;
use crate::access::Browser;
use crate::api::sessions::{amount, customer_ip};
use crate::api::tokens::HandIn;
use crate::body::Fields;
use crate::error::{ApiError, Code};
use crate::logging::RequestId;
use crate::payments::{self, Charge, Source, sends_card};
use crate::store::{Fingerprint, IdempotencyKey, Key, Scope, Session, SessionState, StoredAnswer, Token};

/// When the money is taken.
pub(in crate::api) const CAPTURES: &[(&str, Capture)] = &[("auto", Capture::Auto), ("later", Capture::Later)];

/// The idempotency key of a request, and the fingerprint of its body.
type Identity = (Option<IdempotencyKey>, Fingerprint);

pub(in crate::api) async fn create(
    State(app): State<App>,
    browser: Browser,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, ApiError> {
    let identity = (idempotency_key(&headers)?, fields.fingerprint().into());
    let answers = Answers::created(request_id);
    let charge = if fields.has("session") {
        by_session(&app, fields, identity, &answers).await?
    } else {
        browser.merchant?;
        by_token(&app, fields, identity, browser.address, &answers).await?
    };
    let reply = payments::charge(&app, charge).await?;
    Ok(answers.response(reply))
}

/// Charges a stored card for another route, and returns the answer to a `POST /v1/payments`.
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
        ..Charge::of_token(token, amount, None, answers.clone())
    };
    let (answer, _) = answers.of(payments::charge(app, charge).await?);
    Ok(answer)
}

/// Looks up what the customer did on the platform's page, and stores what came of it.
pub(in crate::api) async fn refresh_page(
    app: &App,
    session: &Session,
    request_id: String,
) -> Result<(), ApiError> {
    payments::refresh_page(app, session.clone(), Answers::created(request_id)).await?;
    Ok(())
}

async fn by_token(
    app: &App,
    mut fields: Fields,
    (key, fingerprint): Identity,
    caller: Option<IpAddr>,
    answers: &Arc<Answers>,
) -> Result<Charge, ApiError> {
    let token = fields.text("token", 64)?.into();
    let token = app.store.token(&token).await?.ok_or(Code::TokenNotFound)?;
    let account = app.account(&token.platform)?;
    let amount = amount(account, &mut fields)?;
    let order_reference = order_reference(&mut fields)?;
    let description = text_or_default(&mut fields)?;
    let customer = fields.optional("customer", 255)?;
    let customer_ip = customer_ip(account, &mut fields, &Ok(()), caller)?;
    let capture = fields.word("capture", CAPTURES, Capture::Auto)?;
    let network_token = fields.optional_boolean("network_token")?;
    fields.finish()?;
    let charge = Charge::of_token(token, amount, customer_ip, answers.clone());
    Ok(Charge {
        order_reference,
        description,
        customer: customer.or(charge.customer),
        key: key.map(|key| Key {
            scope: Scope::Merchant,
            key,
            fingerprint,
        }),
        capture,
        network_token,
        ..charge
    })
}

async fn by_session(
    app: &App,
    mut fields: Fields,
    (key, fingerprint): Identity,
    answers: &Arc<Answers>,
) -> Result<Charge, ApiError> {
    let hand_in = HandIn::read(&mut fields)?;
    let fraud_check = fields.boolean("kount")?;
    let bin = bin(&mut fields)?;
    fields.finish()?;
    let session = hand_in.session(app, &[Kind::Payment]).await?;
    let grace = hand_in.grace();
    let HandIn {
        handed: payload,
        hash,
        ..
    } = hand_in;
    // A page that names no key is protected all the same: one session, one card, one payment.
    let key = Key {
        scope: Scope::Session(session.id.clone()),
        key: key.unwrap_or_else(|| format!("card {hash}").into()),
        fingerprint,
    };
    let open = session.state == SessionState::Open && !session.is_expired(app.clock.now(), grace);
    if open && sends_card(app, &session, &payload)? {
        app.attempts.admit(&session, &hash)?;
    }
    let gateway = &app.account(&session.platform)?.gateway;
    if let Handed::Answer(answer) = &payload
        && gateway.capabilities().hosted_page
    {
        let charge = Charge::of_page(app, session, Some(answer), key, hash, answers.clone()).await;
        return Ok(charge?);
    }
    let card_claim = gateway.claim(&payload);
    let source = Source::Payload {
        session: Box::new(session.clone()),
        payload,
        fraud_check,
        bin,
    };
    Ok(Charge {
        grace,
        card_claim,
        ..Charge::of_session(&session, source, key, hash, answers.clone())?
    })
}
