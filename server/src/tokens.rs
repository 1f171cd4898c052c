//! Stored cards: storing a session's card, changing and deleting it.
//!
//! No HTTP and no SQL, as in [`crate::payments`].
//!
//! A session makes one token. If the same card is sent again for the session, because an answer was lost, the caller
//! gets the same token; another card is refused. A token that a browser names is stored as `unconfirmed`, because the
//! platform's signature does not cover it. It can be charged once the platform's own notification names the same
//! token. If the platform can be asked, it is, and the token is active at once.

mod change;
mod create;

pub(crate) use change::{delete, refresh, update};
pub(crate) use create::{create, refresh_page};

use crate::App;
use crate::reason::{Error, Reason};
use crate::store::{Token, TokenId, TokenStatus};

/// Loads a token that can be charged or replaced.
pub(crate) async fn active(app: &App, id: &TokenId) -> Result<Token, Error> {
    let token = get(app, id).await?;
    match token.status {
        TokenStatus::Active => Ok(token),
        TokenStatus::Unconfirmed => Err(Reason::TokenUnconfirmed.into()),
        TokenStatus::Deleted => Err(Reason::TokenDeleted.into()),
    }
}

/// Loads a token.
pub(crate) async fn get(app: &App, id: &TokenId) -> Result<Token, Error> {
    let token = app.store.token(id).await?;
    Ok(token.ok_or(Reason::TokenNotFound)?)
}
