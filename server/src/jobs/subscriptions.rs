//! Asks the platforms about subscriptions: soon where something is open, and every few hours where nothing is.

use std::sync::{Arc, Weak};
use std::time::Duration;

use cardseal::platform::Platform;
use tokio::time::MissedTickBehavior;

use crate::config::Account;
use crate::subscriptions;
use crate::{App, Shared};

/// The interval between two looks for what is due.
const ROUND: Duration = Duration::from_secs(1);
/// How many subscriptions are asked about at once.
const AT_ONCE: u32 = 8;

/// Starts the job, if there is a platform with subscriptions. It ends with the application.
pub(super) fn start(app: &App) {
    let accounts = app.config.platforms();
    let has_some = |(_, account): &(Platform, &Account)| account.gateway.capabilities().subscriptions;
    if accounts.iter().any(has_some) {
        tokio::spawn(run(Arc::downgrade(app)));
    }
}

async fn run(app: Weak<Shared>) {
    let mut round = tokio::time::interval(ROUND);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        round.tick().await;
        let Some(app) = Weak::upgrade(&app).filter(|app| !app.jobs.is_cancelled()) else {
            return;
        };
        let Ok(due) = app.store.due_subscriptions(app.clock.steady(), AT_ONCE).await else {
            continue;
        };
        // The platform's word could not be stored. Pause until that works.
        if !due.is_empty() && !app.store.health(app.clock.now()).await.writer {
            continue;
        }
        let mut lookups = tokio::task::JoinSet::new();
        for id in due {
            let app = Arc::clone(&app);
            let tracked = app.tasks.token();
            lookups.spawn(async move {
                if let Err(error) = subscriptions::refresh(&app, id.clone()).await {
                    tracing::info!(subscription = %id, %error, "a subscription could not be looked up");
                    // The platform, or the database, is away for a while.
                    if let Err(cause) = app.store.plan_subscription(&id, true, app.clock.steady()).await {
                        tracing::warn!(subscription = %id, %cause, "the next lookup cannot be planned");
                    }
                }
                drop(tracked);
            });
        }
        drop(app);
        while lookups.join_next().await.is_some() {}
    }
}
