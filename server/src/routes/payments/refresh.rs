//! `POST /v1/payments/{id}/refresh`, and the same by itself in the background: asks the platform what became of
//! a lost answer, where the platform can say.
//!
//! A charge is looked up by its reference. One that the platform does not know, and a change, is sent again with the
//! key of the first time while that is young: the platform recognises the key and does nothing twice.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cardseal_gateways::gateway::{Capture, ChargeAsk, Outcome};
use secrecy::SecretString;
use serde_json::Value;

use super::{change, resource};
use crate::access::Merchant;
use crate::body::Fields;
use crate::error::{ApiError, Code};
use crate::gate::Purpose;
use crate::store::{Payment, Settlement, Status};
use crate::{App, Shared};

/// How long a charge is sent again at most: hours later nobody wishes for it.
const REPEAT_WITHIN_MS: i64 = 60 * 60_000;
/// Between two looks at what is unknown.
const ROUND: Duration = Duration::from_millis(500);
/// Between two tries to have the turn.
const LOOK: Duration = Duration::from_millis(50);
/// How many are asked about at once.
const AT_ONCE: u32 = 16;

/// Payments that are being asked about.
#[derive(Default)]
pub(crate) struct Asking(Mutex<HashSet<String>>);

impl Asking {
    fn with<T>(&self, work: impl FnOnce(&mut HashSet<String>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Ends the asking when dropped, however it ends.
pub(super) struct Turn<'a>(&'a Asking, &'a str);

impl<'a> Turn<'a> {
    fn take(asking: &'a Asking, id: &'a str) -> Option<Self> {
        asking
            .with(|ids| ids.insert(id.into()))
            .then_some(Self(asking, id))
    }

    /// The turn once nobody else has it, as far as that is soon.
    pub(super) async fn wait(asking: &'a Asking, id: &'a str, patience: Duration) -> Option<Self> {
        let deadline = Instant::now() + patience;
        loop {
            let turn = Self::take(asking, id);
            if turn.is_some() || Instant::now() > deadline {
                return turn;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.with(|ids| ids.remove(self.1));
    }
}

pub(in crate::routes) async fn refresh(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    fields.finish()?;
    let payment = app.store.payment(&id).await?.ok_or(Code::PaymentNotFound)?;
    if !app.account(&payment.platform)?.gateway.finds() {
        return Err(Code::NotOffered.into());
    }
    let owner = Arc::clone(&app);
    let payment = app.to_the_end(async move { find_out(&owner, &id).await }).await?;
    let status = if payment.status.is_unknown() {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(resource(&payment))))
}

/// Asks about one payment and returns it as it is then.
pub(in crate::routes) async fn find_out(app: &App, id: &str) -> Result<Payment, ApiError> {
    if let Some(_turn) = Turn::take(&app.asking, id) {
        // Read within the turn: what has been settled since is not asked for again.
        let payment = app.store.payment(id).await?.ok_or(Code::PaymentNotFound)?;
        match payment.status {
            Status::Unknown => charge(app, &payment).await?,
            Status::CaptureUnknown | Status::VoidUnknown | Status::RefundUnknown => {
                let unknown = app.store.unknown_change(id).await?;
                if let Some(unknown) = unknown
                    && (change::repeats(app, &payment, &unknown)?
                        || app.account(&payment.platform)?.gateway.looks_for_changes())
                {
                    change::again(app, &payment, &unknown).await?;
                }
            }
            Status::InFlight
            | Status::Approved
            | Status::Authorized
            | Status::Declined
            | Status::Failed
            | Status::CaptureInFlight
            | Status::VoidInFlight
            | Status::Voided
            | Status::RefundInFlight
            | Status::PartiallyRefunded
            | Status::Refunded => return Ok(payment),
        }
    }
    let payment = app.store.payment(id).await?.ok_or(Code::PaymentNotFound)?;
    if payment.status.is_unknown() {
        app.store.looked(id, app.clock.now()).await?;
    } else {
        tracing::info!(
            payment = id,
            status = payment.status.stored(),
            "the platform says what became of it"
        );
    }
    Ok(payment)
}

async fn charge(app: &App, payment: &Payment) -> Result<(), ApiError> {
    let gateway = &app.account(&payment.platform)?.gateway;
    let token = match &payment.token_id {
        Some(token) => app
            .store
            .token(token)
            .await?
            .and_then(|token| token.platform_token),
        None => None,
    };
    let repeat = token.is_some() && app.clock.now() - payment.created_at < REPEAT_WITHIN_MS;
    let none = SecretString::default();
    let ask = ChargeAsk {
        token: token.as_ref().unwrap_or(&none),
        amount: &payment.amount,
        reference: &payment.order_reference,
        description: &payment.description,
        attempt: &payment.id,
        capture: if payment.capture_later {
            Capture::Later
        } else {
            Capture::Auto
        },
        network_token: payment.network_token,
        platform_id: payment.platform_payment.as_deref(),
        asked_at: payment.created_at,
        now: app.clock.now(),
        customer_ip: None,
    };
    // Not being able to ask says nothing about the payment.
    let not_asked = |cause: &str| {
        tracing::info!(payment = payment.id, cause, "the platform could not be asked");
        Ok(())
    };
    let _permit = match app.enter(&payment.platform, Purpose::Operation).await {
        Ok(permit) => permit,
        Err(error) => return not_asked(error.code().as_str()),
    };
    let outcome = match gateway.find(&app.transport, &ask, repeat).await {
        Ok(outcome) => outcome,
        Err(refusal) => return not_asked(&refusal.to_string()),
    };
    let settlement = match &outcome {
        Outcome::Approved(approval) => Settlement::Approved(approval),
        Outcome::Authorized(approval) => Settlement::Authorized(approval),
        Outcome::Voided(approval) => Settlement::Voided(approval),
        Outcome::Declined(decline) => Settlement::Declined(decline),
        Outcome::Pending(pending) => {
            if payment.platform_payment.is_some() && pending.redirect.is_none() {
                return Ok(());
            }
            Settlement::Pending(pending)
        }
        Outcome::Unknown(_) => return Ok(()),
    };
    app.store
        .resolve_payment(&payment.id, &settlement, app.clock.now())
        .await?;
    Ok(())
}

/// Looks at what is unknown, for as long as the application is there.
pub(crate) fn watch(app: &App) {
    let platforms: Vec<&'static str> = app
        .config
        .platforms
        .iter()
        .filter(|(_, account)| account.gateway.finds())
        .map(|(id, _)| *id)
        .collect();
    if platforms.is_empty() {
        return;
    }
    let app = Arc::downgrade(app);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(ROUND).await;
            let Some(app) = Weak::upgrade(&app).filter(|app| !app.tasks.is_closed()) else {
                return;
            };
            round(&app, &platforms).await;
        }
    });
}

async fn round(app: &Arc<Shared>, platforms: &[&str]) {
    let unknown = app
        .store
        .unknown_payments(platforms, app.clock.now(), AT_ONCE)
        .await;
    let Ok(ids) = unknown else {
        return;
    };
    let mut looks = tokio::task::JoinSet::new();
    for id in ids {
        let app = Arc::clone(app);
        let tracked = app.tasks.token();
        looks.spawn(async move {
            if let Err(error) = find_out(&app, &id).await {
                tracing::warn!(
                    payment = id,
                    code = error.code().as_str(),
                    "asking about a payment failed"
                );
            }
            drop(tracked);
        });
    }
    while looks.join_next().await.is_some() {}
}
