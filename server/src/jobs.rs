//! What runs for as long as the server does.

mod reconcile;
mod upkeep;

use crate::App;

/// Starts every job. They end with the application.
pub(crate) fn start(app: &App) {
    reconcile::start(app);
    upkeep::start(app);
}
