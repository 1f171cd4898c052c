//! Sends events to the merchant's server, as many at once as the configuration says.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use cardseal_gateways::transport::Transport;
use tokio::task::JoinSet;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::events::Events;
use crate::store::{Attempted, StoreError, StoredEvent};
use crate::{App, Shared};

/// How long the job rests if nothing wakes it.
const ROUND: Duration = Duration::from_secs(1);

/// Starts the job, if events are configured. It ends with the application, or when another configuration takes over.
pub(super) fn start(app: &App) {
    app.store.outbox().set_open(app.config.events.is_some());
    let Some(events) = app.config.events.clone() else {
        return;
    };
    match events.transport() {
        Ok(transport) => {
            tokio::spawn(run(Arc::downgrade(app), Arc::new(Sender { events, transport })));
        }
        Err(cause) => tracing::error!(%cause, "events are stored and cannot be sent"),
    }
}

struct Sender {
    events: Events,
    transport: Transport,
}

async fn run(app: Weak<Shared>, sender: Arc<Sender>) {
    let Some(owner) = Weak::upgrade(&app) else { return };
    let (outbox, stopping) = (owner.store.outbox(), owner.jobs.clone());
    drop(owner);
    let mut sending = JoinSet::new();
    let mut sent = Vec::new();
    let mut counted: Option<Instant> = None;
    let mut failures = 0_u32;
    loop {
        let Some(owner) = Weak::upgrade(&app) else { return };
        if stopping.is_cancelled() {
            // Those under way end at once.
            while let Some(ended) = sending.join_next().await {
                sent.extend(ended.ok());
            }
            note(&owner, sent).await;
            return;
        }
        // A bug ended a task that is missing here; its event is due again later. What ends while these are stored is
        // stored together, too.
        while let Some(ended) = sending.try_join_next() {
            sent.extend(ended.ok());
        }
        note(&owner, std::mem::take(&mut sent)).await;
        match step(&owner, &sender, &mut sending, &mut counted).await {
            Ok(()) => failures = 0,
            Err(cause) => {
                failures = failures.saturating_add(1);
                // A full disk must not log a line a second.
                if failures.is_power_of_two() {
                    tracing::error!(%cause, failures, "events cannot be taken from the database");
                }
                let _ = stopping.run_until_cancelled(tokio::time::sleep(ROUND)).await;
            }
        }
        drop(owner);
        let full = sending.len() >= usize::try_from(sender.events.concurrency).unwrap_or(usize::MAX);
        tokio::select! {
            Some(ended) = sending.join_next() => sent.extend(ended.ok()),
            () = outbox.written(), if !full => {}
            () = tokio::time::sleep(ROUND) => {}
            () = stopping.cancelled() => {}
        }
    }
}

/// Takes what is due, and sees whether there is room for more.
async fn step(
    app: &App,
    sender: &Arc<Sender>,
    sending: &mut JoinSet<Sent>,
    counted: &mut Option<Instant>,
) -> Result<(), StoreError> {
    let events = &sender.events;
    if counted.is_none_or(|counted| counted.elapsed() >= ROUND) {
        note_room(app, events.max_pending).await?;
        *counted = Some(Instant::now());
    }
    let free = events
        .concurrency
        .saturating_sub(u32::try_from(sending.len()).unwrap_or(u32::MAX));
    if free == 0 {
        return Ok(());
    }
    let now = app.clock.steady();
    let lease = i64::try_from(events.lease().as_millis()).unwrap_or(i64::MAX);
    for event in app
        .store
        .take_events(now, now.saturating_add(lease), free)
        .await?
    {
        let (app, sender) = (Arc::clone(app), Arc::clone(sender));
        sending.spawn(async move { send(&app, &sender, event).await });
    }
    Ok(())
}

/// While too many events wait, new payments are refused.
async fn note_room(app: &App, max_pending: u32) -> Result<(), StoreError> {
    let pending = app.store.pending_events(max_pending).await?;
    let full = pending >= i64::from(max_pending);
    match (app.store.outbox().set_full(full), full) {
        (false, true) => tracing::error!(
            pending,
            "the merchant's server has not taken events for long; new sessions, payments and changes are refused \
             (events.max_pending)"
        ),
        (true, false) => tracing::info!(pending, "the outbox has room again"),
        (false, false) | (true, true) => {}
    }
    Ok(())
}

/// An event with what became of it. The server does not stop before that is stored.
struct Sent {
    event: StoredEvent,
    attempted: Attempted,
    tracked: TaskTrackerToken,
}

async fn send(app: &App, sender: &Sender, event: StoredEvent) -> Sent {
    let tracked = app.tasks.token();
    let (now, steady) = (app.clock.now(), app.clock.steady());
    let sending = sender.events.send(&sender.transport, &event, now, steady);
    // A server that stops does not wait for the merchant's. The event is sent again by the next one.
    let attempted = app.jobs.run_until_cancelled(sending).await;
    let attempted = attempted.unwrap_or_else(|| Attempted::Postponed {
        at: steady,
        problem: "interrupted".into(),
    });
    match &attempted {
        Attempted::Delivered => tracing::debug!(event = %event.id, "an event was delivered"),
        Attempted::Postponed { problem, .. } => tracing::warn!(
            event = %event.id,
            attempts = event.attempts,
            problem,
            "an event was not taken by the merchant's server; it is sent again"
        ),
        Attempted::GivenUp { problem } => tracing::error!(
            event = %event.id,
            attempts = event.attempts,
            problem,
            "an event was not taken by the merchant's server for days and is not sent again; replay it"
        ),
    }
    Sent {
        event,
        attempted,
        tracked,
    }
}

/// Stores what became of events, in one transaction.
async fn note(app: &App, sent: Vec<Sent>) {
    if sent.is_empty() {
        return;
    }
    let (mut ended, mut tracked) = (Vec::with_capacity(sent.len()), Vec::with_capacity(sent.len()));
    for one in sent {
        ended.push((one.event, one.attempted));
        tracked.push(one.tracked);
    }
    let events = ended.len();
    let times = (app.clock.now(), app.clock.steady());
    if let Err(cause) = app.store.note_attempts(ended, times).await {
        tracing::warn!(%cause, events, "how events were sent cannot be stored; they are sent again");
    }
    drop(tracked);
}
