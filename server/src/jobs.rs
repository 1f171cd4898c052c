//! Background jobs.

mod events;
mod hints;
mod reconcile;
pub(crate) mod reseal;
mod retention;
mod steps;
mod subscriptions;
mod upkeep;

use crate::App;

/// Starts all jobs. They end with the application, or when another configuration takes over.
pub(crate) fn start(app: &App) {
    events::start(app);
    hints::start(app);
    reconcile::start(app);
    reseal::start(app);
    retention::start(app);
    subscriptions::start(app);
    upkeep::start(app);
}
