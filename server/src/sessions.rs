//! Sessions: a platform prepared for a card from the browser, and what came of it.
//!
//! No HTTP and no SQL, as in [`crate::payments`].

use std::net::IpAddr;
use std::sync::Arc;

use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use cardseal_gateways::Amount;
use cardseal_gateways::error::Refusal;
use cardseal_gateways::gateway::{Capture, Page, PageSession, PlatformSession, SessionParams};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::App;
use crate::config::Account;
use crate::gate::Purpose;
use crate::metrics::Operation;
use crate::payments::{self, Render};
use crate::reason::{Error, Reason};
use crate::store::{NewSession, Payment, Session, SessionId, SessionResult, SessionState, Token, TokenId};
use crate::tokens;

/// How long a payment reference of another page may be tried again.
const EXCHANGE_MS: i64 = 24 * 60 * 60_000;

/// A request for a session.
pub(crate) struct Request {
    pub(crate) kind: Kind,
    /// `None` means the platform's default.
    pub(crate) mode: Option<Mode>,
    /// `None` means the stored card's platform, or the first configured one.
    pub(crate) platform: Option<Platform>,
    pub(crate) token: Option<TokenId>,
    pub(crate) customer: Option<String>,
    pub(crate) payment: Option<PaymentTerms>,
    pub(crate) capture: Capture,
    pub(crate) page: PageOptions,
    pub(crate) customer_ip: CustomerIp,
    /// Whether a page, and not the merchant, opens the session.
    pub(crate) by_page: bool,
}

/// The payment that a session is for.
pub(crate) struct PaymentTerms {
    pub(crate) amount: Amount,
    pub(crate) description: String,
    pub(crate) reference: String,
}

/// Options of the platform's own page.
#[derive(Default)]
pub(crate) struct PageOptions {
    pub(crate) return_url: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) variant: Option<String>,
}

/// The customer's address, given by the merchant or taken from a page's call.
#[derive(Clone, Copy, Default)]
pub(crate) struct CustomerIp {
    pub(crate) given: Option<IpAddr>,
    pub(crate) caller: Option<IpAddr>,
}

impl CustomerIp {
    /// The address, if the platform needs one.
    pub(crate) fn wanted_by(self, account: &Account) -> Result<Option<IpAddr>, Reason> {
        match (account.gateway.capabilities().needs_customer_ip, self.given) {
            (true, given) => Ok(given.or(self.caller)),
            (false, None) => Ok(None),
            (false, Some(_)) => Err(Reason::FieldMisplaced {
                field: "customer_ip",
                why: "the platform does not ask for it",
            }),
        }
    }
}

/// A session that was opened.
pub(crate) struct Opened {
    pub(crate) id: SessionId,
    pub(crate) platform: Platform,
    pub(crate) mode: Mode,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) seconds: u32,
    pub(crate) payment: Option<PaymentTerms>,
    /// What the page needs for this platform and mode.
    pub(crate) public: Map<String, Value>,
}

/// Generates a reference that cannot be guessed, so that an answer with it belongs to its session.
pub(crate) fn new_reference() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Refuses a currency for which the platform's configuration has no account.
pub(crate) fn accepted(account: &Account, amount: &Amount) -> Result<(), Reason> {
    if account.gateway.accepts(amount.currency()) {
        return Ok(());
    }
    let platform = account.gateway.platform();
    Err(Reason::NoAccount(platform, amount.currency().code()))
}

/// Opens a session at its platform and stores it.
pub(crate) async fn open(app: &App, request: Request) -> Result<Opened, Error> {
    if app.store.outbox().is_full() {
        // Before the customer types a card that could not be charged.
        return Err(Reason::OutboxFull.into());
    }
    let Request { kind, capture, .. } = request;
    let token = match &request.token {
        Some(id) => Some(tokens::active(app, id).await?),
        None => None,
    };
    let platform = token.as_ref().map(|token| token.platform).or(request.platform);
    // Without a name it is the first configured platform.
    let platform = platform.or_else(|| app.config.platforms.keys().next().copied());
    let platform = platform.ok_or_else(|| app.unknown_platform())?;
    let account = app.account(platform)?;
    let mode = offered_mode(account, &request)?;
    let customer_ip = request.customer_ip.wanted_by(account)?;
    if let Some(terms) = &request.payment {
        accepted(account, &terms.amount)?;
        if app.store.reference_used(platform, &terms.reference).await? {
            return Err(Reason::OrderReferenceUsed.into());
        }
    }
    let own_reference = new_reference();
    let (amount, description, reference) = match &request.payment {
        Some(terms) => (Some(&terms.amount), terms.description.as_str(), &terms.reference),
        None => (None, "", &own_reference),
    };
    let params = SessionParams {
        kind,
        mode,
        reference,
        token: token
            .as_ref()
            .and_then(|token| token.platform_token.as_ref())
            .map(ExposeSecret::expose_secret),
        amount,
        description,
        capture,
        page: Page {
            return_url: request.page.return_url.as_deref(),
            locale: request.page.locale.as_deref(),
            variant: request.page.variant.as_deref(),
        },
        customer_ip,
    };
    let customer = request.customer.as_deref();
    let (created_at, opened) = open_at_platform(app, platform, &params, customer, request.by_page).await?;
    let expires_at = created_at + i64::from(opened.seconds) * 1000;
    let currency = amount.map(|amount| amount.currency().code());
    let minor = amount.and_then(|amount| i64::try_from(amount.minor()).ok());
    let session = NewSession {
        platform,
        kind,
        mode,
        reference: reference.clone(),
        platform_state: opened.state,
        customer: request.customer.clone(),
        // A payment that refers to a stored card does not charge its token: the customer enters the card again.
        token_id: request.token.clone().filter(|_| kind == Kind::Update),
        amount: minor.zip(currency),
        description: description.to_owned(),
        capture_later: capture == Capture::Later,
        created_at,
        expires_at,
    };
    let id = app.store.add_session(session).await?;
    app.metrics.session_opened(platform);
    Ok(Opened {
        id,
        platform,
        mode,
        created_at,
        expires_at,
        seconds: opened.seconds,
        payment: request.payment,
        public: opened.public,
    })
}

/// Checks that the platform offers what is requested, and returns the session's mode.
fn offered_mode(account: &Account, request: &Request) -> Result<Mode, Reason> {
    let can = account.gateway.capabilities();
    let not_offered = |field, why| Err(Reason::FieldNotOffered { field, why });
    let for_payment = request.kind == Kind::Payment;
    if for_payment && request.token.is_some() && !can.session_stored_card {
        return not_offered("token", None);
    }
    if request.capture == Capture::Later && !can.session_capture_later {
        return not_offered("capture", None);
    }
    let mode = request.mode.unwrap_or(can.default_mode);
    // Without notifications, a token that a browser names could never be confirmed.
    let confirmable = account.webhook_path_secret.is_some() || !can.direct_needs_notifications;
    if mode == Mode::Direct && !for_payment && !confirmable {
        return not_offered("mode", Some("the direct way needs webhook_path_secret"));
    }
    if mode != Mode::Direct || !can.hosted_page {
        let page = &request.page;
        let form = mode == Mode::Direct && can.web_form;
        let options = [
            ("return_url", page.return_url.is_some() && !form),
            ("locale", page.locale.is_some()),
            ("variant", page.variant.is_some()),
        ];
        if let Some((field, _)) = options.into_iter().find(|(_, given)| *given) {
            let why = "it is for a platform that shows a page of its own, in the mode `direct`";
            return Err(Reason::FieldMisplaced { field, why });
        }
    }
    Ok(mode)
}

/// Opens a session at a platform. Returns the time before the call, so that our session never looks younger than the
/// platform's.
async fn open_at_platform(
    app: &App,
    platform: Platform,
    params: &SessionParams<'_>,
    customer: Option<&str>,
    by_page: bool,
) -> Result<(i64, PlatformSession), Error> {
    let _permit = app.enter(platform, Purpose::Session).await?;
    app.attempts.open_session(customer, by_page)?;
    let created_at = app.clock.now();
    let transport = app.transport(platform, Operation::OpenSession)?;
    let gateway = &app.account(platform)?.gateway;
    match gateway.open_session(transport, params).await {
        Ok(opened) => Ok((created_at, opened)),
        Err(cardseal_gateways::Error::Refused(Refusal::NotOffered)) => Err(Reason::SessionNotOffered {
            platform,
            kind: params.kind,
            mode: params.mode,
        }
        .into()),
        Err(error) => Err(Error::from(error).at(platform)),
    }
}

/// Makes an access token for a page that keeps no session here.
pub(crate) async fn access_token(app: &App, platform: Platform, by_page: bool) -> Result<Value, Error> {
    let params = SessionParams {
        capture: Capture::Auto,
        kind: Kind::Tokenize,
        mode: Mode::Direct,
        reference: &new_reference(),
        token: None,
        amount: None,
        description: "",
        page: Page::default(),
        customer_ip: None,
    };
    let (_, mut opened) = open_at_platform(app, platform, &params, None, by_page).await?;
    Ok(opened.public.remove("access_token").unwrap_or_default())
}

/// Finds or creates the session for a payment reference from a page. A repeated request gets the same session, and so
/// the same token.
pub(crate) async fn exchange(
    app: &App,
    platform: Platform,
    reference: &str,
    by_page: bool,
) -> Result<SessionId, Error> {
    if let Some(session) = app.store.session_of(platform, reference).await? {
        return Ok(session);
    }
    let method = SecretString::from(reference);
    if app.store.knows_platform_token(platform, &method).await? {
        return Err(Reason::BelongsElsewhere.into());
    }
    let gateway = &app.account(platform)?.gateway;
    let _permit = app.enter(platform, Purpose::Session).await?;
    app.attempts.open_session(None, by_page)?;
    // A payment reference that a page created for one of our sessions belongs to that session. Our references are in
    // lower case; the platform sometimes writes them in capitals.
    let made_for = gateway
        .session_reference(app.transport(platform, Operation::Tokenize)?, &method)
        .await
        .map_err(|error| Error::from(error).at(platform))?;
    if let Some(made_for) = made_for.map(|made_for| made_for.to_ascii_lowercase())
        && app.store.session_of(platform, &made_for).await?.is_some()
    {
        return Err(Reason::BelongsElsewhere.into());
    }
    let now = app.clock.now();
    let session = NewSession {
        capture_later: false,
        platform,
        kind: Kind::Tokenize,
        mode: Mode::Direct,
        reference: reference.to_owned(),
        platform_state: SecretString::default(),
        customer: None,
        token_id: None,
        amount: None,
        description: String::new(),
        created_at: now,
        expires_at: now + EXCHANGE_MS,
    };
    let id = app.store.add_session_once(session).await?;
    app.metrics.session_opened(platform);
    Ok(id)
}

/// An open session, as its page needs it.
pub(crate) struct Shown {
    pub(crate) session: Session,
    /// Until it expires.
    pub(crate) seconds: u32,
    /// What the page needs for this platform and mode.
    pub(crate) public: Map<String, Value>,
}

/// Returns what the page of an open session needs, as [`open`] did.
pub(crate) async fn page(app: &App, id: &SessionId) -> Result<Shown, Error> {
    let session = get(app, id).await?;
    let left = session.expires_at.saturating_sub(app.clock.now());
    match session.state {
        SessionState::Busy | SessionState::Used => return Err(Reason::SessionUsed.into()),
        SessionState::Open if session.is_expired(app.clock.now(), 0) || left <= 0 => {
            return Err(Reason::SessionExpired.into());
        }
        SessionState::Open => {}
    }
    let token = match &session.token_id {
        Some(id) => Some(tokens::active(app, id).await?),
        None => None,
    };
    let token = token.as_ref().and_then(|token| token.platform_token.as_ref());
    let gateway = &app.account(session.platform)?.gateway;
    let public = session.platform_state.as_ref().and_then(|state| {
        gateway.page(&PageSession {
            kind: session.kind,
            mode: session.mode,
            state,
            reference: &session.reference,
            token: token.map(ExposeSecret::expose_secret),
        })
    });
    Ok(Shown {
        seconds: u32::try_from(left.saturating_add(999) / 1000).unwrap_or(u32::MAX),
        // Of a session from before an update of this server, not everything is known.
        public: public.ok_or(Reason::SessionExpired)?,
        session,
    })
}

/// A session and what came of it.
pub(crate) struct Outcome {
    pub(crate) session: Session,
    pub(crate) status: Status,
    pub(crate) payment: Option<Payment>,
    pub(crate) token: Option<Token>,
}

/// The status of a session.
pub(crate) enum Status {
    Open,
    /// A card is on its way to the platform.
    Busy,
    Used,
    /// The customer left the platform's page.
    Cancelled,
    Expired,
}

/// Returns the outcome of a session. While the customer is on the platform's page, the platform is asked.
pub(crate) async fn outcome(app: &App, id: &SessionId, render: Arc<dyn Render>) -> Result<Outcome, Error> {
    let mut session = get(app, id).await?;
    let can = app.capabilities(session.platform)?;
    let mut cancelled = false;
    if session.state == SessionState::Open && session.mode == Mode::Direct && can.hosted_page {
        let refreshed = match session.kind {
            Kind::Payment => payments::refresh_page(app, session, render).await.map(|_| ()),
            Kind::Tokenize | Kind::Update => tokens::refresh_page(app, id).await,
        };
        match refreshed {
            Err(error) if matches!(error.reason, Reason::PageCancelled) => cancelled = true,
            Err(error)
                if !matches!(
                    error.reason,
                    Reason::PageOpen | Reason::Refused(Refusal::PageOpen)
                ) =>
            {
                return Err(error);
            }
            Ok(()) | Err(_) => {}
        }
        session = get(app, id).await?;
    }
    let (mut payment, mut token) = (None, None);
    match &session.result {
        Some(SessionResult::Payment(id)) => payment = app.store.payment(id).await?,
        Some(SessionResult::Token(id)) => token = app.store.token(id).await?,
        None => {}
    }
    let status = match session.state {
        SessionState::Used => Status::Used,
        SessionState::Busy => Status::Busy,
        SessionState::Open if cancelled => Status::Cancelled,
        SessionState::Open if session.is_expired(app.clock.now(), 0) => Status::Expired,
        SessionState::Open => Status::Open,
    };
    Ok(Outcome {
        session,
        status,
        payment,
        token,
    })
}

async fn get(app: &App, id: &SessionId) -> Result<Session, Error> {
    let session = app.store.session(id).await?;
    Ok(session.ok_or(Reason::SessionNotFound)?)
}
