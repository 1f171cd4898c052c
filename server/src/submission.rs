//! What a page sends for its session: an encrypted card, or what the platform answered the browser.

use cardseal::session::{Kind, Mode};
use cardseal_gateways::gateway::PagePayload;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::App;
use crate::reason::{Error, Reason};
use crate::store::{ANSWER_GRACE_MS, Session, SessionId, SessionState, Taker};

/// Replaces the hash if the platform is asked what the customer did on its page.
const PAGE: &str = "page";

/// What a page sends for its session.
pub(crate) struct Submission {
    pub(crate) session: SessionId,
    pub(crate) payload: PagePayload,
    /// Recognises the same submission. It reveals nothing about the card, because ciphertext contains random keys and
    /// numbers.
    pub(crate) hash: String,
}

impl Submission {
    pub(crate) fn new(session: SessionId, payload: PagePayload) -> Self {
        let mut hash = Sha256::new();
        match &payload {
            PagePayload::Sealed { data, key, .. } => {
                hash.update(data);
                if let Some(key) = key {
                    hash.update(",");
                    hash.update(key);
                }
            }
            PagePayload::Answer(answer) => hash.update(answer.to_string()),
        }
        let hash = hex::encode(hash.finalize());
        Self {
            session,
            payload,
            hash,
        }
    }

    /// The submission of a session whose customer was on the platform's page. It is empty, because the platform knows
    /// the rest.
    pub(crate) fn of_page(session: SessionId) -> Self {
        Self {
            session,
            payload: PagePayload::Answer(Value::Null),
            hash: PAGE.into(),
        }
    }

    /// The session, if it is of one of these kinds and takes this payload.
    pub(crate) async fn session(&self, app: &App, kinds: &[Kind]) -> Result<Session, Error> {
        let session = app.store.session(&self.session).await?;
        let session = session.ok_or(Reason::SessionNotFound)?;
        let mode = match self.payload {
            PagePayload::Sealed { .. } => Mode::Relay,
            PagePayload::Answer(_) => Mode::Direct,
        };
        if !kinds.contains(&session.kind) || session.mode != mode {
            return Err(Reason::SessionWrongKind {
                kind: session.kind,
                mode: session.mode,
            }
            .into());
        }
        app.account(session.platform)?.gateway.check(&self.payload)?;
        Ok(session)
    }

    /// Whether it counts as one of the session's cards.
    pub(crate) fn taker(&self, app: &App) -> Taker {
        if self.hash == PAGE {
            return Taker::Platform;
        }
        Taker::Card(app.config.limits.session_attempts)
    }

    /// How many milliseconds after its session's end it is still accepted.
    pub(crate) const fn grace(&self) -> i64 {
        match self.payload {
            PagePayload::Sealed { .. } => 0,
            PagePayload::Answer(_) => ANSWER_GRACE_MS,
        }
    }

    /// Whether the session can still take it.
    pub(crate) fn is_in_time(&self, app: &App, session: &Session) -> bool {
        session.state == SessionState::Open && !session.is_expired(app.clock.now(), self.grace())
    }
}
