//! Changes stored cards, at the platform first.

use std::sync::Arc;

use cardseal_gateways::gateway::TokenPatch;

use super::get;
use crate::App;
use crate::gate::Purpose;
use crate::metrics::Operation;
use crate::persist::store_outcome;
use crate::reason::{Error, Reason};
use crate::store::{Token, TokenId, TokenStatus};

/// Updates a card's details from its platform.
pub(crate) async fn refresh(app: &App, id: TokenId) -> Result<Token, Error> {
    describe(app, id, None).await
}

/// Changes a card's expiry or holder.
pub(crate) async fn update(app: &App, id: TokenId, patch: TokenPatch) -> Result<Token, Error> {
    describe(app, id, Some(patch)).await
}

async fn describe(app: &App, id: TokenId, patch: Option<TokenPatch>) -> Result<Token, Error> {
    let owner = Arc::clone(app);
    app.to_completion(async move {
        let app = &owner;
        let token = super::active(app, &id).await?;
        let platform_token = token.platform_token.as_ref().ok_or(Reason::TokenDeleted)?;
        let gateway = &app.account(token.platform)?.gateway;
        let _permit = app.enter(token.platform, Purpose::Operation).await?;
        let operation = if patch.is_some() {
            Operation::UpdateToken
        } else {
            Operation::ReadToken
        };
        let transport = app.transport(token.platform, operation)?;
        let card = match &patch {
            Some(patch) => gateway.update_token(transport, platform_token, patch).await,
            None => gateway.read_token(transport, platform_token).await,
        }
        .map_err(|error| Error::from(error).at(token.platform))?;
        let described = Arc::new((token.id.clone(), Arc::new(card)));
        let stored = store_outcome(app, "description of a token", id.as_str(), move |app| {
            let described = Arc::clone(&described);
            async move {
                let (token, card) = &*described;
                app.store
                    .describe_token(token, Arc::clone(card), app.clock.now())
                    .await
            }
        });
        stored.await.ok_or(Reason::NotStoredYet)?;
        get(app, &token.id).await
    })
    .await
}

/// Deletes a card. If only a browser has named it, it is deleted here and not at the platform, where it may be
/// somebody else's.
pub(crate) async fn delete(app: &App, id: TokenId) -> Result<Token, Error> {
    let owner = Arc::clone(app);
    app.to_completion(async move {
        let app = &owner;
        let token = get(app, &id).await?;
        if let (TokenStatus::Active, Some(platform_token)) = (token.status, &token.platform_token) {
            let gateway = &app.account(token.platform)?.gateway;
            let _permit = app.enter(token.platform, Purpose::Operation).await?;
            let transport = app.transport(token.platform, Operation::DeleteToken)?;
            let deleted = gateway.delete_token(transport, platform_token).await;
            deleted.map_err(|error| Error::from(error).at(token.platform))?;
        }
        let deleted = Arc::new(token.id.clone());
        let stored = store_outcome(app, "deletion of a token", id.as_str(), move |app| {
            let deleted = Arc::clone(&deleted);
            async move { app.store.delete_token(&deleted, app.clock.now()).await }
        });
        stored.await.ok_or(Reason::NotStoredYet)?;
        get(app, &token.id).await
    })
    .await
}
