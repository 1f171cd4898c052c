//! Payments that a customer makes on the platform's own page.

use std::sync::Arc;

use cardseal_gateways::Error as PlatformError;
use cardseal_gateways::error::Doubt;
use cardseal_gateways::gateway::{Capture, Outcome, PageState};
use secrecy::SecretString;
use serde_json::Value;

use super::charge::{Source, charge, open_session};
use super::{Charge, Error, Reason, Render, Reply};
use crate::App;
use crate::gate::Purpose;
use crate::metrics::Operation;
use crate::store::{Key, PAGE_GRACE_MS, Scope, Session, SessionState};

impl Charge {
    /// Creates a charge from the outcome on the platform's page. It sends nothing.
    ///
    /// `answer` is what the browser returned with, if the call comes from a browser. It has to match.
    pub(crate) async fn of_page(
        app: &App,
        session: Session,
        answer: Option<&Value>,
        key: Key,
        payload_hash: String,
        render: Arc<dyn Render>,
    ) -> Result<Self, Error> {
        // If the session is used, the answer is that of the key or of the session's payment.
        let outcome = if session.state == SessionState::Used {
            Outcome::Unknown(Doubt::Interrupted)
        } else {
            outcome(app, &session, answer).await?
        };
        let source = Source::Page {
            session: Box::new(session.clone()),
            outcome: Box::new(outcome),
        };
        Ok(Self {
            // The platform accepted it in time, however late this server learns of it.
            grace: PAGE_GRACE_MS,
            capture: Capture::Auto,
            ..Self::of_session(&session, source, key, payload_hash, render)?
        })
    }
}

async fn outcome(app: &App, session: &Session, answer: Option<&Value>) -> Result<Outcome, Error> {
    let gone = SecretString::default();
    let open = open_session(session, &gone, app.clock.now(), "");
    let gateway = &app.account(session.platform)?.gateway;
    let _permit = app.enter(session.platform, Purpose::Operation).await?;
    let transport = app.transport(session.platform, Operation::Lookup)?;
    match gateway.page_state(transport, &open, answer).await? {
        PageState::Open => Err(Reason::PageOpen.into()),
        PageState::Cancelled => Err(Reason::PageCancelled.into()),
        PageState::Paid(Outcome::Unknown(doubt)) => Err(PlatformError::Doubtful(doubt).into()),
        PageState::Paid(outcome) => Ok(outcome),
    }
}

/// Looks up what the customer did on the platform's page, and stores what came of it.
pub(crate) async fn refresh_page(
    app: &App,
    session: Session,
    render: Arc<dyn Render>,
) -> Result<Reply, Error> {
    let key = Key {
        scope: Scope::Session(session.id.clone()),
        key: "page".into(),
        fingerprint: "page".into(),
    };
    charge(
        app,
        Charge::of_page(app, session, None, key, "page".into(), render).await?,
    )
    .await
}
