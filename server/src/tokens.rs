//! Stored cards: how one is made of a session's card, changed and deleted.
//!
//! No HTTP and no SQL, as in [`crate::payments`].
//!
//! A session makes one token. The same card sent again for the same session, because an answer was lost, gets
//! the token that came of it; another card is refused. A token that a browser names is stored as
//! `unconfirmed`, whatever its signature says, for the signature does not cover it: it can be charged only when
//! the platform's own notification names the same one. Where a platform can be asked about it, it is, and the
//! token is active at once.

mod change;
mod create;

pub(crate) use change::{delete, refresh, update};
pub(crate) use create::{create, refresh_page};

use crate::App;
use crate::reason::{Error, Reason};
use crate::store::{Token, TokenId, TokenStatus};

/// A token that can be charged or replaced.
pub(crate) async fn active(app: &App, id: &TokenId) -> Result<Token, Error> {
    let token = get(app, id).await?;
    match token.status {
        TokenStatus::Active => Ok(token),
        TokenStatus::Unconfirmed => Err(Reason::TokenUnconfirmed.into()),
        TokenStatus::Deleted => Err(Reason::TokenDeleted.into()),
    }
}

/// A token.
pub(crate) async fn get(app: &App, id: &TokenId) -> Result<Token, Error> {
    let token = app.store.token(id).await?;
    Ok(token.ok_or(Reason::TokenNotFound)?)
}
