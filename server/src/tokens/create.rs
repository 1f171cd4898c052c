//! Stores the card of a session as a token.

use std::sync::Arc;

use cardseal::session::Mode;
use cardseal_gateways::Error as PlatformError;
use cardseal_gateways::error::{Cause, Refusal};
use cardseal_gateways::gateway::{Origin, PagePayload, StoredCard};
use secrecy::SecretString;

use crate::App;
use crate::attempts::TooMany;
use crate::gate::Purpose;
use crate::metrics::Operation;
use crate::payments::{Join, Working, open_session};
use crate::persist::store_outcome;
use crate::reason::{Error, Reason};
use crate::store::{
    Attempt, Claimed, Session, SessionClaim, SessionId, SessionResult, SessionState, Storing, Taker, Token,
    TokenStatus,
};
use crate::submission::Submission;

/// Stores a card once, however often it is sent. The work goes on if the caller hangs up.
pub(crate) async fn create(app: &App, submission: Submission) -> Result<Token, Error> {
    let owner = Arc::clone(app);
    app.to_completion(async move { carry_out(&owner, submission).await })
        .await
}

/// Asks the platform what the customer did on its page, and stores the resulting card.
pub(crate) async fn refresh_page(app: &App, session: &SessionId) -> Result<(), Error> {
    match create(app, Submission::of_page(session.clone())).await {
        Ok(_) => Ok(()),
        Err(Error {
            reason: Reason::SessionExpired,
            ..
        }) => Err(Reason::PageOpen.into()),
        Err(error) => Err(error),
    }
}

/// A claim on a session. Those that wait for its end are woken after it.
struct Claim {
    _claimed: Claimed,
    _working: Working,
}

/// How to handle a submission.
enum Start {
    /// Call the platform. There is no claim if a notification has used the session already.
    Work(Box<Session>, Option<Claim>),
    /// The same submission made this token before.
    Done(Box<Token>),
}

async fn carry_out(app: &App, submission: Submission) -> Result<Token, Error> {
    let (session, claimed) = match claim(app, &submission).await? {
        Start::Work(session, claimed) => (session, Arc::new(claimed)),
        Start::Done(token) => return Ok(*token),
    };
    match call_platform(app, &session, submission.payload).await {
        Ok(card) => store(app, &session, card, claimed).await,
        Err(error) => {
            if session.state == SessionState::Open {
                // It is not documented whether a failed attempt uses up the platform's session, so allow another one.
                reopen(app, &session.id, claimed).await;
            }
            Err(error)
        }
    }
}

/// Claims the session. If the same submission is in progress, waits for it to end.
async fn claim(app: &App, submission: &Submission) -> Result<Start, Error> {
    let mut join = Join::within(&app.joins, app.config.limits.idempotency_wait);
    let taker = submission.taker(app);
    let session = app.store.session(&submission.session).await?;
    let session = session.ok_or(Reason::SessionNotFound)?;
    if submission.is_in_time(app, &session) && taker != Taker::Platform {
        app.attempts.admit(&session, &submission.hash)?;
    }
    let card = app.account(session.platform)?.gateway.claim(&submission.payload);
    loop {
        let attempt = Attempt {
            body_hash: submission.hash.clone(),
            card: card.clone(),
            taker,
        };
        let (now, grace) = (app.clock.now(), submission.grace());
        let taken = match app
            .store
            .claim_session(&submission.session, attempt, now, grace)
            .await?
        {
            SessionClaim::Claimed(session, claimed) => {
                let claim = Claim {
                    _claimed: claimed,
                    _working: app.joins.working(session.id.as_str()),
                };
                return Ok(Start::Work(Box::new(session), Some(claim)));
            }
            SessionClaim::Taken(session) => session,
            SessionClaim::Exhausted => return Err(Reason::from(TooMany::CardsOfSession).into()),
            SessionClaim::None => return Err(Reason::SessionNotFound.into()),
            SessionClaim::BelongsElsewhere => return Err(Reason::BelongsElsewhere.into()),
        };
        let same = taken.body_hash.as_deref() == Some(&submission.hash);
        let token = taken.result.as_ref().and_then(SessionResult::token);
        match (taken.state, token) {
            (SessionState::Used, Some(token)) if same => {
                let token = super::get(app, token).await?;
                // The card has been deleted, here and at the platform.
                return match token.status {
                    TokenStatus::Active | TokenStatus::Unconfirmed => Ok(Start::Done(Box::new(token))),
                    TokenStatus::Deleted => Err(Reason::TokenDeleted.into()),
                };
            }
            // A notification was faster. The browser's answer has to name the same card.
            (SessionState::Used, Some(_)) if taken.mode == Mode::Direct => {
                return Ok(Start::Work(Box::new(taken), None));
            }
            (SessionState::Open, _) => return Err(Reason::SessionExpired.into()),
            (SessionState::Busy, _) if same => {
                if !join.wait(submission.session.as_str()).await {
                    return Err(Reason::InProgress.into());
                }
            }
            (SessionState::Busy | SessionState::Used, _) => return Err(Reason::SessionUsed.into()),
        }
    }
}

async fn call_platform(app: &App, session: &Session, payload: PagePayload) -> Result<StoredCard, Error> {
    let gateway = &app.account(session.platform)?.gateway;
    let from_browser = matches!(payload, PagePayload::Answer(_));
    let gone = SecretString::default();
    let open = open_session(session, &gone, app.clock.now(), "");
    let _permit = app.enter(session.platform, Purpose::Operation).await?;
    let transport = app.transport(session.platform, Operation::Tokenize)?;
    let card = match gateway.tokenize(transport, &open, payload).await {
        Ok(card) => card,
        Err(PlatformError::SignatureInvalid) if from_browser => {
            return Err(Reason::BrowserSignatureInvalid.into());
        }
        Err(PlatformError::Refused(Refusal::Rejected(rejection))) if rejection.cause() == Cause::Card => {
            return Err(Error::from(Reason::CardDeclined(Refusal::Rejected(rejection))).at(session.platform));
        }
        Err(error) => return Err(Error::from(error).at(session.platform)),
    };
    if card.origin == Origin::Browser {
        tracing::info!(session = %session.id, "a browser named a token; it waits for the platform's confirmation");
    }
    Ok(card)
}

/// Stores a card that is stored at the platform. Until that works the session stays busy, and a repeated request
/// waits for the token.
async fn store(
    app: &App,
    session: &Session,
    card: StoredCard,
    claimed: Arc<Option<Claim>>,
) -> Result<Token, Error> {
    let outcome = Arc::new((session.id.clone(), Arc::new(card), Arc::clone(&claimed)));
    let stored = store_outcome(app, "card", session.id.as_str(), move |app| {
        let outcome = Arc::clone(&outcome);
        async move {
            let (session, card, _) = &*outcome;
            app.store
                .store_card(session, Arc::clone(card), app.clock.now())
                .await
        }
    })
    .await;
    let reason = match stored {
        Some(Storing::Stored(token)) => {
            app.metrics.token_stored(token.platform);
            return Ok(*token);
        }
        Some(Storing::Conflict) => Reason::SessionUsed,
        Some(Storing::BelongsElsewhere) => Reason::BelongsElsewhere,
        Some(Storing::Deleted) => Reason::TokenDeleted,
        None => return Err(Reason::NotStoredYet.into()),
    };
    if session.state == SessionState::Open {
        reopen(app, &session.id, claimed).await;
    }
    Err(reason.into())
}

/// Opens the session again, as soon as that can be stored.
async fn reopen(app: &App, session: &SessionId, claimed: Arc<Option<Claim>>) {
    let held = Arc::new((session.clone(), claimed));
    store_outcome(app, "session", session.as_str(), move |app| {
        let held = Arc::clone(&held);
        async move { app.store.reopen_session(&held.0).await }
    })
    .await;
}
