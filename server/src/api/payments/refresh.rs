//! `POST /v1/payments/{id}/refresh`, and the same by itself in the background: asks the platform what became of
//! a lost answer, where the platform can say.
//!
//! A charge is looked up by its reference. One that the platform does not know, and a change, is sent again with the
//! key of the first time while that is young: the platform recognises the key and does nothing twice.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cardseal_gateways::Transport;
use cardseal_gateways::error::{Doubt, Refusal};
use cardseal_gateways::gateway::{Capture, ChargeAsk, Gateway, Outcome};
use secrecy::SecretString;
use serde_json::Value;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{change, resource};
use crate::access::Merchant;
use crate::body::Fields;
use crate::clock::Clock;
use crate::error::{ApiError, Code};
use crate::gate::Purpose;
use crate::store::{Payment, Settlement, Status};
use crate::{App, Shared};

/// How long a charge is sent again at most: hours later nobody wishes for it.
const REPEAT_WITHIN: Duration = Duration::from_secs(60 * 60);
/// Between two queries for unknown payments.
const ROUND: Duration = Duration::from_millis(500);
/// Between two tries to have the turn.
const LOOK: Duration = Duration::from_millis(50);
/// How many lookups may be under way at one platform. The others have their own.
const LOOKUPS_PER_PLATFORM: usize = 16;
/// How many ages are remembered. Beyond that a payment's age counts from its stored time alone.
const MOST_AGES: usize = 100_000;
/// Longer than any platform recognises a key.
const FORGET_AFTER_MS: i64 = 48 * 60 * 60_000;

/// Payments that are being asked about, and how old the unknown ones are.
#[derive(Default)]
pub(crate) struct Asking {
    ids: Mutex<HashSet<String>>,
    ages: Mutex<HashMap<String, Seen>>,
}

impl Asking {
    fn with<T>(&self, work: impl FnOnce(&mut HashSet<String>) -> T) -> T {
        work(&mut self.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn ages<T>(&self, work: impl FnOnce(&mut HashMap<String, Seen>) -> T) -> T {
        work(&mut self.ages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Remembers when this process itself sent a charge or a change whose outcome is unknown, by the steady clock.
    pub(super) fn sent(&self, id: &str, since: i64) {
        let before = Some(0);
        self.ages(|ages| {
            if make_room(ages, since) {
                ages.insert(id.into(), Seen { before, since });
            }
        });
    }

    /// The age of a charge or change, which from the first call on does not depend on the wall clock.
    pub(super) fn age(&self, id: &str, created_at: i64, clock: &Clock) -> Age {
        let steady = clock.steady();
        let first = Seen {
            // Created in the future: the clock was put back since, and nobody knows by how much.
            before: Some(clock.now() - created_at).filter(|age| *age >= 0),
            since: steady,
        };
        let seen = self.ages(|ages| match ages.get(id) {
            Some(seen) => *seen,
            None => {
                if make_room(ages, steady) {
                    ages.insert(id.into(), first);
                }
                first
            }
        });
        let since = steady - seen.since;
        Age {
            at_least: since,
            at_most: seen.before.map(|before| before.saturating_add(since)),
        }
    }

    /// Its outcome is known, so its age matters no more.
    pub(super) fn settled(&self, id: &str) {
        self.ages(|ages| ages.remove(id));
    }
}

/// When a charge or change was first seen by this process.
#[derive(Clone, Copy)]
struct Seen {
    /// How old it was then, if that is known.
    before: Option<i64>,
    /// By the steady clock.
    since: i64,
}

/// How old a charge or change is, in milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Age {
    /// For what needs time to arrive.
    at_least: i64,
    /// For what may be sent again only while it is young.
    at_most: Option<i64>,
}

impl Age {
    /// Whether it is certainly younger.
    pub(super) fn is_below(self, limit: Duration) -> bool {
        self.at_most
            .and_then(|age| u64::try_from(age).ok())
            .is_some_and(|age| Duration::from_millis(age) < limit)
    }
}

/// Forgets the oldest when there are too many. They are past every limit that an age is compared with.
fn make_room(ages: &mut HashMap<String, Seen>, steady: i64) -> bool {
    if ages.len() >= MOST_AGES {
        ages.retain(|_, seen| steady - seen.since < FORGET_AFTER_MS);
    }
    ages.len() < MOST_AGES
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

pub(in crate::api) async fn refresh(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    fields.finish()?;
    let payment = app.store.payment(&id).await?.ok_or(Code::PaymentNotFound)?;
    if !app.capabilities(&payment.platform)?.payment_lookup {
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
pub(in crate::api) async fn find_out(app: &App, id: &str) -> Result<Payment, ApiError> {
    if let Some(_turn) = Turn::take(&app.asking, id) {
        // Read within the turn: what has been settled since is not asked for again.
        let payment = app.store.payment(id).await?.ok_or(Code::PaymentNotFound)?;
        match payment.status {
            Status::Unknown => charge(app, &payment).await?,
            Status::CaptureUnknown | Status::VoidUnknown | Status::RefundUnknown => {
                let unknown = app.store.unknown_change(id).await?;
                if let Some(unknown) = unknown {
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
        app.store.looked(id, app.clock.steady()).await?;
    } else {
        app.asking.settled(id);
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
    let age = app.asking.age(&payment.id, payment.created_at, &app.clock);
    let repeat = token.is_some() && age.is_below(REPEAT_WITHIN);
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
        now: payment.created_at.saturating_add(age.at_least),
        customer_ip: None,
    };
    // Not being able to ask says nothing about the payment.
    let not_asked = |cause: &str| {
        tracing::info!(payment = payment.id, cause, "the platform could not be asked");
        Ok(())
    };
    let transport = app.transport(&payment.platform)?;
    let _permit = match app.enter(&payment.platform, Purpose::Operation).await {
        Ok(permit) => permit,
        Err(error) => return not_asked(error.code().as_str()),
    };
    let outcome = match lookup(app, gateway.as_ref(), transport, &ask, repeat).await {
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

/// Looks a charge up. Only what may send it again is carried through when the server stops.
async fn lookup(
    app: &App,
    gateway: &dyn Gateway,
    transport: &Transport,
    ask: &ChargeAsk<'_>,
    repeat: bool,
) -> Result<Outcome, Refusal> {
    let lookup = gateway.find(transport, ask, false);
    let Some(outcome) = app.stopping.run_until_cancelled(lookup).await else {
        return Ok(Outcome::Unknown(Doubt::Interrupted));
    };
    let outcome = outcome?;
    // The platform answered, and knows nothing of it.
    let may_be_lost = outcome == Outcome::Unknown(Doubt::Interrupted);
    if may_be_lost && repeat && !app.stopping.is_cancelled() {
        return gateway.find(transport, ask, true).await;
    }
    Ok(outcome)
}

/// Settles what is unknown, for as long as the application is there. Each platform has a queue of its own, so that
/// one that hangs delays no other.
pub(crate) fn watch(app: &App) {
    for (platform, account) in app.config.platforms() {
        if account.gateway.capabilities().payment_lookup {
            tokio::spawn(reconcile(Arc::downgrade(app), app.stopping.clone(), platform));
        }
    }
}

async fn reconcile(app: Weak<Shared>, stopping: CancellationToken, platform: &'static str) {
    let mut lookups = tokio::task::JoinSet::new();
    let mut busy = HashSet::new();
    let mut round = tokio::time::interval(ROUND);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What could not even be noted as asked about waits for the next round.
    let mut failed: Vec<String> = Vec::new();
    loop {
        tokio::select! {
            _ = round.tick() => {
                for id in failed.drain(..) {
                    busy.remove(&id);
                }
            }
            Some(ended) = lookups.join_next() => match ended {
                Ok((id, true)) => drop(busy.remove(&id)),
                Ok((id, false)) => failed.push(id),
                Err(_) => {}
            },
            () = stopping.cancelled() => return,
        }
        if lookups.is_empty() {
            // Also those whose lookup panicked.
            busy.retain(|id| failed.contains(id));
        }
        let Some(app) = Weak::upgrade(&app) else {
            return;
        };
        let free = LOOKUPS_PER_PLATFORM.saturating_sub(lookups.len());
        if free == 0 {
            continue;
        }
        // Those under way are still due: asking for as many more finds the others.
        let limit = u32::try_from(busy.len() + free).unwrap_or(u32::MAX);
        let Ok(due) = app
            .store
            .unknown_payments(platform, app.clock.steady(), limit)
            .await
        else {
            continue;
        };
        let due: Vec<String> = due
            .into_iter()
            .filter(|id| !busy.contains(id))
            .take(free)
            .collect();
        // What the platform says could not be stored: it is asked once it can be.
        if !due.is_empty() && !app.store.health(app.clock.now()).await.writer {
            continue;
        }
        for id in due {
            busy.insert(id.clone());
            let app = Arc::clone(&app);
            let tracked = app.tasks.token();
            lookups.spawn(async move {
                let result = find_out(&app, &id).await;
                if let Err(error) = &result {
                    tracing::warn!(
                        payment = id,
                        code = error.code().as_str(),
                        "asking about a payment failed"
                    );
                }
                drop(tracked);
                (id, result.is_ok())
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn an_age_is_counted_by_what_has_passed() {
        let (asking, clock) = (Asking::default(), Clock::default());
        let created = clock.now();
        assert!(asking.age("a", created, &clock).is_below(HOUR));
        clock.advance(1800);
        // Put back by a day: half an hour has passed all the same.
        clock.advance(-86_400);
        let age = asking.age("a", created, &clock);
        assert!(age.is_below(HOUR) && !age.is_below(HOUR / 2));
        assert!(age.at_least >= 1_800_000);
        clock.advance(1801);
        assert!(!asking.age("a", created, &clock).is_below(HOUR));
    }

    #[test]
    fn what_was_made_in_the_future_is_of_no_known_age() {
        let (asking, clock) = (Asking::default(), Clock::default());
        let age = asking.age("a", clock.now() + 86_400_000, &clock);
        assert!(!age.is_below(Duration::MAX));
        assert!(age.at_least < 1000);
        // Unless this process made it.
        asking.sent("b", clock.steady());
        assert!(asking.age("b", clock.now() + 86_400_000, &clock).is_below(HOUR));
    }

    #[test]
    fn ages_take_a_bounded_room() {
        let (asking, clock) = (Asking::default(), Clock::default());
        for index in 0..MOST_AGES + 10 {
            asking.sent(&index.to_string(), clock.steady());
        }
        assert_eq!(asking.ages(|ages| ages.len()), MOST_AGES);
        clock.advance(3 * 86_400);
        asking.sent("new", clock.steady());
        assert_eq!(asking.ages(|ages| ages.len()), 1);
    }
}
