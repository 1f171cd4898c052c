//! Background jobs.

mod reconcile;
mod upkeep;

use crate::App;

/// Starts all jobs. They end with the application.
pub(crate) fn start(app: &App) {
    reconcile::start(app);
    upkeep::start(app);
}
