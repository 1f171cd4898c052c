//! Authentications: 3-D Secure before a charge of a stored card.
//!
//! No HTTP and no SQL, as in [`crate::payments`]. The merchant begins one; its id is the page's permission to go on. What
//! the page says only starts the next call to the platform, which alone says how far it is.

use std::sync::Arc;

use cardseal_gateways::Amount;
use cardseal_gateways::authentication::{
    Authentication as Told, AuthenticationParams, AuthenticationStatus, BrowserData, Preference,
};
use cardseal_gateways::gateway::Gateway;
use cardseal_gateways::{Transport, error};
use secrecy::SecretString;

use crate::App;
use crate::gate::Purpose;
use crate::metrics::Operation;
use crate::reason::{Error, Reason};
use crate::sessions::{accepted, new_reference};
use crate::store::{
    Authentication, AuthenticationId, AuthenticationState, Begun, Fingerprint, IdempotencyKey,
    NewAuthentication, TokenId,
};
use crate::tokens;

/// How long one may be used. Customers who were asked pay at once; a day is for shops that look at the order first.
const USABLE_MS: i64 = 24 * 60 * 60_000;

/// A request for an authentication.
pub(crate) struct Request {
    pub(crate) token: TokenId,
    pub(crate) amount: Amount,
    pub(crate) preference: Preference,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) fingerprint: Fingerprint,
}

/// Begins an authentication, or finds the one of an earlier request with the same key. It goes on if the caller hangs up.
pub(crate) async fn begin(app: &App, request: Request) -> Result<Authentication, Error> {
    let owner = Arc::clone(app);
    app.to_completion(async move {
        let app = &owner;
        let token = tokens::active(app, &request.token).await?;
        let account = app.account(token.platform)?;
        if !account.gateway.capabilities().authentications {
            return Err(Reason::NotOffered.into());
        }
        accepted(account, &request.amount)?;
        let now = app.clock.now();
        let new = NewAuthentication {
            platform: token.platform,
            token_id: token.id.clone(),
            amount: request.amount,
            preference: request.preference,
            reference: new_reference(),
            key: request.key,
            fingerprint: request.fingerprint,
            expires_at: now + USABLE_MS,
        };
        let known = match app.store.begin_authentication(new, now).await? {
            Begun::Stored(authentication) => *authentication,
            Begun::Reused => return Err(Reason::KeyReused.into()),
        };
        match known.state {
            AuthenticationState::Started => ask(app, known, Call::Begin).await,
            // An earlier request has had its answer.
            AuthenticationState::Told(_) => Ok(known),
        }
    })
    .await
}

/// Goes on with what the page tells of its browser. One that is further already is returned as it is.
pub(crate) async fn initiate(
    app: &App,
    id: AuthenticationId,
    browser: BrowserData,
) -> Result<Authentication, Error> {
    let owner = Arc::clone(app);
    app.to_completion(async move {
        let known = open(&owner, &id).await?;
        match known.state {
            AuthenticationState::Told(AuthenticationStatus::Available) => {
                ask(&owner, known, Call::Initiate(Box::new(browser))).await
            }
            AuthenticationState::Started | AuthenticationState::Told(_) => Ok(known),
        }
    })
    .await
}

/// Asks the platform for the result, unless it is known.
pub(crate) async fn result(app: &App, id: AuthenticationId) -> Result<Authentication, Error> {
    let owner = Arc::clone(app);
    app.to_completion(async move {
        let known = open(&owner, &id).await?;
        match known.state {
            AuthenticationState::Told(AuthenticationStatus::Challenge) => {
                ask(&owner, known, Call::Result).await
            }
            AuthenticationState::Started | AuthenticationState::Told(_) => Ok(known),
        }
    })
    .await
}

/// Loads an authentication.
pub(crate) async fn get(app: &App, id: &AuthenticationId) -> Result<Authentication, Error> {
    let known = app.store.authentication(id).await?;
    Ok(known.ok_or(Reason::AuthenticationNotFound)?)
}

/// One that a page may go on with: it has not expired before it came to something.
async fn open(app: &App, id: &AuthenticationId) -> Result<Authentication, Error> {
    let known = get(app, id).await?;
    if !known.state.is_final() && known.expires_at <= app.clock.now() {
        return Err(Reason::AuthenticationNotFound.into());
    }
    Ok(known)
}

/// What the platform is asked.
enum Call {
    Begin,
    Initiate(Box<BrowserData>),
    Result,
}

impl Call {
    async fn send(
        &self,
        gateway: &dyn Gateway,
        transport: &Transport,
        params: &AuthenticationParams<'_>,
        kept: Option<&SecretString>,
    ) -> Result<Told, error::Error> {
        let state = kept.ok_or(error::Refusal::Invalid("authentication"));
        match self {
            Self::Begin => gateway.authenticate(transport, params).await,
            Self::Initiate(browser) => {
                gateway
                    .continue_authentication(transport, params, state?, browser)
                    .await
            }
            Self::Result => gateway.authentication_result(transport, params, state?).await,
        }
    }
}

async fn ask(app: &App, known: Authentication, call: Call) -> Result<Authentication, Error> {
    let platform = known.platform;
    let token = tokens::active(app, &known.token_id).await?;
    let token = token.platform_token.ok_or(Reason::TokenDeleted)?;
    let _permit = app.enter(platform, Purpose::Operation).await?;
    let transport = app.transport(platform, Operation::Authenticate)?;
    let gateway = &app.account(platform)?.gateway;
    let params = AuthenticationParams {
        token: &token,
        amount: &known.amount,
        reference: &known.reference,
        attempt: known.id.as_str(),
        preference: known.preference,
    };
    let told = call
        .send(gateway.as_ref(), transport, &params, known.kept.as_ref())
        .await
        .map_err(|error| Error::from(error).at(platform))?;
    let stored = app
        .store
        .update_authentication(&known.id, told, app.clock.now())
        .await?;
    tracing::info!(authentication = %stored.id, status = stored.state.as_str(), "an authentication went on");
    Ok(stored)
}
