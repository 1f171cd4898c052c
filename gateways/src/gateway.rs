//! The trait that every platform implements for the server, and the types of its calls.
//!
//! | platform | `open_session` | sent by the browser | money |
//! | --- | --- | --- | --- |
//! | GreenPay | an order at the merchant host | ciphertext to relay, or the platform's answer | by token or session, whole void and refund, notifications |
//! | with OAuth and browser tokens | a bearer with narrow rights | a token made by the browser | by token, capture, partial refund, lookup |
//! | with client sessions | a client session | ciphertext for the charge | the same |
//! | without a browser side | nothing at the platform | ciphertext for our own key | the same |
//!
//! An implementation may cache an access token; it holds no HTTP client. An operation that a platform does not offer
//! is a provided method, which returns [`Refusal::NotOffered`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::amount::{Amount, Currency};
use crate::authentication::{Authentication, AuthenticationParams, BrowserData};
use crate::error::{Doubt, Error, Refusal, Rejection};
use crate::subscription::{
    ListedSubscription, NewSubscription, Subscribing, SubscriptionChange, SubscriptionPaid,
    SubscriptionPayments, SubscriptionRef,
};
use crate::transport::Transport;

/// The parameters of a new session.
pub struct SessionParams<'a> {
    /// What it is for.
    pub kind: Kind,
    /// Who sends the card.
    pub mode: Mode,
    /// Our unguessable reference, which the platform's answer has to repeat.
    pub reference: &'a str,
    /// For an update, and for a payment with a stored card: the platform's token.
    pub token: Option<&'a str>,
    /// Only for a payment.
    pub amount: Option<&'a Amount>,
    /// Only for a payment: the description that the customer sees.
    pub description: &'a str,
    /// Only for a payment: when the money is taken.
    pub capture: Capture,
    /// For platforms that show a page of their own.
    pub page: Page<'a>,
    /// The customer's IP address, if it is known, for platforms that need it.
    pub customer_ip: Option<IpAddr>,
}

/// How the platform's own page looks, and where it sends the customer back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page<'a> {
    /// The URL that the customer returns to.
    pub return_url: Option<&'a str>,
    /// Such as `de_DE`.
    pub locale: Option<&'a str>,
    /// The name of a template.
    pub variant: Option<&'a str>,
}

/// A session that the platform opened.
pub struct PlatformSession {
    /// What the gateway needs again when the card arrives. The server stores it and shows it to nobody.
    pub state: SecretString,
    /// What the browser needs, merged into the session resource.
    pub public: Map<String, Value>,
    /// How long the session may be used.
    pub seconds: u32,
}

/// An open session, as the server stored it.
pub struct OpenSession<'a> {
    /// The server's id of the session, which the page knows.
    pub id: &'a str,
    /// By the server's clock, in milliseconds since 1970.
    pub now: i64,
    /// From [`PlatformSession::state`].
    pub state: &'a SecretString,
    /// What it is for.
    pub kind: Kind,
    /// From [`SessionParams::reference`].
    pub reference: &'a str,
    /// Only for a payment: our id, for platforms that recognize a repeat by its key.
    pub attempt: &'a str,
}

/// What is known of an open session whose page asks for what it needs.
pub struct PageSession<'a> {
    /// What it is for.
    pub kind: Kind,
    /// Who sends the card.
    pub mode: Mode,
    /// From [`PlatformSession::state`].
    pub state: &'a SecretString,
    /// From [`SessionParams::reference`].
    pub reference: &'a str,
    /// For an update: the platform's token.
    pub token: Option<&'a str>,
}

/// What a page sends to the server: an encrypted card, or the platform's answer.
pub enum PagePayload {
    /// Ciphertext that the server cannot open, for the platform.
    Sealed {
        /// The card.
        data: String,
        /// The wrapped key, if it is sent separately.
        key: Option<String>,
        /// The platform's number for the card's brand, if it needs one.
        product: Option<u32>,
    },
    /// The platform's answer to the browser.
    Answer(Value),
}

/// A stored card, as the platform describes it.
#[derive(Clone)]
pub struct StoredCard {
    /// The platform's token. With our credentials it can move money, so it is never shown.
    pub token: SecretString,
    /// Brand, in lower case.
    pub brand: Option<String>,
    /// First digits.
    pub bin: Option<String>,
    /// Last four digits.
    pub last4: Option<String>,
    /// Month and four-digit year.
    pub expiry: Option<(u8, u16)>,
    /// The name on the card.
    pub holder: Option<String>,
    /// The nickname.
    pub nickname: Option<String>,
    /// Whether the platform or the browser named the token.
    pub origin: Origin,
}

/// Where a token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The platform named it for this session, over our own connection or in a verified notification.
    Platform,
    /// The browser named it. The platform confirms the token, but not the session that it was made for.
    Named,
    /// The browser named it. It must not be charged before the platform confirms it.
    Browser,
}

/// A charge of a stored card.
pub struct ChargeParams<'a> {
    /// The platform's token.
    pub token: &'a SecretString,
    /// The amount.
    pub amount: &'a Amount,
    /// The merchant's unique reference, which the answer has to repeat.
    pub reference: &'a str,
    /// The description that the customer sees.
    pub description: &'a str,
    /// Our id of the attempt, for platforms that recognize a repeat by its key.
    pub attempt: &'a str,
    /// When the money is taken.
    pub capture: Capture,
    /// Whether to use a network token. Default: as configured.
    pub network_token: Option<bool>,
    /// Only for [`Gateway::lookup`]: the platform's own id, if it gave one.
    pub platform_id: Option<&'a str>,
    /// When it was first requested, in milliseconds since 1970.
    pub requested_at: i64,
    /// The time now, by the same clock.
    pub now: i64,
    /// The customer's IP address, if it is known, for platforms that need it.
    pub customer_ip: Option<IpAddr>,
    /// From [`Authentication::state`], if the customer was authenticated for this charge.
    pub authentication: Option<&'a SecretString>,
    /// What the platform charges by itself from then on.
    pub recurring: Option<&'a Recurring>,
}

/// Charges that follow a first one, which the platform makes by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurring {
    /// Of each, in the currency of the first charge.
    pub amount: Amount,
    /// Days between two of them.
    pub period_days: u32,
    /// Days that the first charge pays for.
    pub initial_period_days: u32,
    /// How many; `None` until the platform is told to stop.
    pub times: Option<u32>,
}

/// When the money of a charge is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capture {
    /// With the authorization.
    #[default]
    Auto,
    /// By [`Gateway::capture`].
    Later,
}

/// Changes to a stored card.
#[derive(Clone, Debug, Default)]
pub struct TokenPatch {
    /// Month and four-digit year.
    pub expiry: Option<(u8, u16)>,
    /// The name on the card.
    pub holder: Option<String>,
}

/// A payment that went through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// The bank's authorization.
    pub authorization: Option<String>,
    /// The platform's own id of the payment, where later calls need it.
    pub platform_id: Option<String>,
    /// Brand, in lower case.
    pub brand: Option<String>,
    /// Last four digits.
    pub last4: Option<String>,
    /// The signature that the answer should have is missing or wrong.
    pub unverified: bool,
}

/// A payment that the bank or the platform declined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decline {
    /// The bank's code.
    pub code: Option<String>,
    /// Our stable code for it.
    pub reason: String,
    /// The bank's text, masked.
    pub message: Option<String>,
}

/// The outcome of a charge. An error in its place means that nothing was charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It went through.
    Approved(Approval),
    /// The bank holds the money; it is to be captured.
    Authorized(Approval),
    /// It went through and has been undone since.
    Voided(Approval),
    /// The bank or the platform declined it.
    Declined(Decline),
    /// The platform has not decided yet, or waits for the customer.
    Pending(Pending),
    /// The outcome is unknown. It must not be charged again.
    Unknown(Doubt),
}

/// A payment that the platform has not decided yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The platform's own id, by which [`Gateway::lookup`] asks.
    pub platform_id: String,
    /// Where the customer has to go.
    pub redirect: Option<String>,
    /// Why it is not known.
    pub doubt: Doubt,
}

/// How far the customer is on the platform's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageState {
    /// Not done.
    Open,
    /// The customer left.
    Cancelled,
    /// The customer paid, or tried to.
    Paid(Outcome),
}

/// A payment that is to be captured, undone or paid back.
pub struct PaymentRef<'a> {
    /// The merchant's reference.
    pub reference: &'a str,
    /// The bank's authorization.
    pub authorization: Option<&'a str>,
    /// From [`Approval::platform_id`].
    pub platform_id: Option<&'a str>,
    /// First digits of the card.
    pub bin: Option<&'a str>,
    /// Last four digits of the card.
    pub last4: Option<&'a str>,
    /// Its amount.
    pub amount: &'a Amount,
    /// How much this change moves, also where it is all there is.
    pub moved: &'a Amount,
    /// Our id of the change, for platforms that recognise repeats by a key.
    pub attempt: &'a str,
    /// Whether this change was sent before and its answer was lost.
    pub again: bool,
    /// Whether it may be sent again with its key, or only be looked up.
    pub repeat: bool,
}

/// What became of a capture, a void or a refund. An error beside it means that nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Done.
    Done,
    /// Nobody knows.
    Unknown(Doubt),
}

/// A verified notification of a platform.
pub enum Notification {
    /// About a payment.
    Payment {
        /// The merchant's reference.
        reference: String,
        /// The outcome.
        news: PaymentEvent,
    },
    /// About a stored card.
    Card {
        /// Our reference of the session.
        reference: String,
        /// The card.
        card: Box<StoredCard>,
    },
    /// Verified, but not to be believed before [`Gateway::confirm`].
    Hint {
        /// The merchant's reference, if the notification names it.
        reference: String,
        /// The platform's own id of what it is about.
        platform_id: String,
    },
    /// A payment of a subscription, not to be believed before [`Gateway::subscription_payments`] lists it.
    Subscription {
        /// The platform's own id of the subscription.
        platform_id: String,
    },
    /// Verified, but nothing to act on.
    Nothing {
        /// What it is about.
        reference: String,
    },
}

/// A notification with its id, by which a repeat is recognized. Without an id, the whole body counts.
pub struct Event {
    /// The platform's id of it.
    pub id: Option<String>,
    /// What it says.
    pub notification: Notification,
}

/// A page of the platform's own list of one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What it lists, oldest first.
    pub items: Vec<Listed>,
    /// Whether another page may follow.
    pub more: bool,
}

/// Money that moved, or was to move, by the platform's own list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Charge or refund.
    pub kind: ListedKind,
    /// The platform's own id.
    pub platform_id: String,
    /// The merchant's reference, if it has one.
    pub reference: Option<String>,
    /// The amount, if it can be read.
    pub amount: Option<Amount>,
    /// What came of it. [`Outcome::Unknown`] if the platform has not decided, or in a word that is not known here.
    pub outcome: Outcome,
}

/// What a row of the platform's list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedKind {
    /// Money was taken, or held.
    Charge,
    /// Money was paid back.
    Refund,
}

/// What a notification says about a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentEvent {
    /// It went through.
    Approved(Approval),
    /// The bank holds the money.
    Authorized(Approval),
    /// It went through and has been undone since.
    Voided(Approval),
    /// It was declined.
    Declined(Decline),
    /// It was refused before any bank saw it.
    Failed(Rejection),
}

/// The platform's own card form, in a frame of the shop's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Where the frame's pages are.
    pub pages: &'a str,
    /// The script that the page around it loads.
    pub script: &'a str,
}

/// What a platform can do with this account.
///
/// A gateway starts from [`Capabilities::new`], which promises nothing, and names what it has:
///
/// ```
/// # use cardseal_gateways::gateway::Capabilities;
/// let capabilities = Capabilities {
///     partial_refunds: true,
///     ..Capabilities::new(true)
/// };
/// assert!(capabilities.live && !capabilities.payment_lookup);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Real cards are charged real money. Such an account never runs behind the demo page.
    pub live: bool,
    /// Who sends the card when a session does not say.
    pub default_mode: Mode,
    /// In direct mode the customer pays on the platform's own page; [`Gateway::page_state`] asks for the result.
    pub hosted_page: bool,
    /// In direct mode a session with a [`Page::return_url`] is for the platform's own form, which sends the customer back
    /// there with the answer.
    pub web_form: bool,
    /// In direct mode the browser's answer proves nothing until the platform's notification confirms it.
    pub direct_needs_notifications: bool,
    /// In direct mode [`Gateway::pay`] charges the card that the browser sent. Otherwise the browser's answer
    /// reports a payment already made, and reading it twice does no harm.
    pub charges_direct_answer: bool,
    /// A session's payment can be authorized now and captured later.
    pub session_capture_later: bool,
    /// A session's payment can use a stored card.
    pub session_stored_card: bool,
    /// A part of a payment can be refunded.
    pub partial_refunds: bool,
    /// A void or a refund needs the first digits of the card.
    pub changes_need_bin: bool,
    /// Sessions and charges need the customer's IP address.
    pub needs_customer_ip: bool,
    /// A charge whose answer was lost can be looked up with [`Gateway::lookup`], and a capture, void or refund may be
    /// sent again.
    pub payment_lookup: bool,
    /// A capture, void or refund can be looked up without sending it again.
    pub change_lookup: bool,
    /// The platform lists the payments of a day: [`Gateway::list`].
    pub payment_list: bool,
    /// Customers can be authenticated before a charge of a stored card: [`Gateway::authenticate`].
    pub authentications: bool,
    /// A charge of a stored card may begin others, which the platform makes by itself: [`ChargeParams::recurring`].
    pub recurring_charges: bool,
    /// The platform charges stored cards every so many months by itself: [`Gateway::subscribe`].
    pub subscriptions: bool,
    /// For how long the platform recognizes a repeated idempotency key.
    pub idempotency_window: Duration,
    /// Card numbers in clear pass through this process, which is then in full PCI DSS scope.
    pub handles_clear_cards: bool,
}

impl Capabilities {
    /// The least that a platform offers.
    #[must_use]
    pub const fn new(live: bool) -> Self {
        Self {
            live,
            default_mode: Mode::Relay,
            hosted_page: false,
            web_form: false,
            direct_needs_notifications: false,
            charges_direct_answer: false,
            session_capture_later: false,
            session_stored_card: false,
            partial_refunds: false,
            changes_need_bin: false,
            needs_customer_ip: false,
            payment_lookup: false,
            change_lookup: false,
            payment_list: false,
            authentications: false,
            recurring_charges: false,
            subscriptions: false,
            idempotency_window: Duration::from_secs(60 * 60),
            handles_clear_cards: false,
        }
    }
}

/// The server half of one platform.
#[async_trait]
pub trait Gateway: Send + Sync {
    /// The platform.
    fn platform(&self) -> Platform;

    /// What it can do. Cheap: the server asks again before every call.
    fn capabilities(&self) -> Capabilities;

    /// Whether there is an account for a currency.
    fn accepts(&self, currency: Currency) -> bool;

    /// Where notifications come in, after the server's own prefix, without a slash at the start.
    fn notification_routes(&self) -> &'static [&'static str] {
        &[]
    }

    /// Addresses that the browser calls in the direct way.
    fn browser_urls(&self) -> Vec<&str> {
        Vec::new()
    }

    /// What a page needs for the platform's own form in a frame.
    fn frame(&self) -> Option<Frame<'_>> {
        None
    }

    /// Logs calls to the platform from now on, if the gateway can show them without secrets.
    fn log_calls(&self, _log: Arc<dyn Fn(&str) + Send + Sync>) {}

    /// The settings of the account that a shop's page may know: addresses, currencies, public keys. Nothing secret.
    fn public_settings(&self) -> Map<String, Value> {
        Map::new()
    }

    /// Checks the form of a page's payload before anything is done with it.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] with the field's name.
    fn check(&self, payload: &PagePayload) -> Result<(), Refusal>;

    /// What identifies the card in a payload that nothing at the platform ties to one session. The first session that
    /// brings it, and its customer, own it.
    fn claim(&self, _payload: &PagePayload) -> Option<SecretString> {
        None
    }

    /// The session reference that a token was made with, as the platform reports it. `None` if it reports none or does
    /// not know the token.
    async fn session_reference(
        &self,
        _transport: &Transport,
        _token: &SecretString,
    ) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// Prepares the platform for a card from the browser.
    async fn open_session(
        &self,
        transport: &Transport,
        params: &SessionParams<'_>,
    ) -> Result<PlatformSession, Error>;

    /// What the browser needs of an open session, once more: [`PlatformSession::public`] from what is stored. `None` if
    /// that can no longer be said.
    fn page(&self, session: &PageSession<'_>) -> Option<Map<String, Value>>;

    /// Stores the card of a page's payload as a token.
    async fn tokenize(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        payload: PagePayload,
    ) -> Result<StoredCard, Error>;

    /// Deletes a token. One that the platform does not know counts as deleted.
    async fn delete_token(&self, transport: &Transport, token: &SecretString) -> Result<(), Error>;

    /// Charges a stored card.
    async fn charge(&self, transport: &Transport, params: &ChargeParams<'_>) -> Result<Outcome, Refusal>;

    /// Asks whether a stored card takes part in 3-D Secure, for a charge to come.
    async fn authenticate(
        &self,
        _transport: &Transport,
        _params: &AuthenticationParams<'_>,
    ) -> Result<Authentication, Error> {
        Err(Refusal::NotOffered.into())
    }

    /// Goes on with what the browser tells of itself. `state` is from [`Authentication::state`].
    async fn continue_authentication(
        &self,
        _transport: &Transport,
        _params: &AuthenticationParams<'_>,
        _state: &SecretString,
        _browser: &BrowserData,
    ) -> Result<Authentication, Error> {
        Err(Refusal::NotOffered.into())
    }

    /// Asks the platform what became of it.
    async fn authentication_result(
        &self,
        _transport: &Transport,
        _params: &AuthenticationParams<'_>,
        _state: &SecretString,
    ) -> Result<Authentication, Error> {
        Err(Refusal::NotOffered.into())
    }

    /// Charges the card of a page's payload. `fraud_check` asks for the platform's fraud service.
    async fn pay(
        &self,
        _transport: &Transport,
        _session: &OpenSession<'_>,
        _payload: PagePayload,
        _fraud_check: bool,
    ) -> Result<Outcome, Refusal> {
        Err(Refusal::NotOffered)
    }

    /// Asks the platform how far the customer got on its page. What the browser returned with must match.
    async fn page_state(
        &self,
        _transport: &Transport,
        _session: &OpenSession<'_>,
        _answer: Option<&Value>,
    ) -> Result<PageState, Error> {
        Err(Refusal::NotOffered.into())
    }

    /// Captures an authorized payment, or a part of it.
    async fn capture(
        &self,
        _transport: &Transport,
        _payment: &PaymentRef<'_>,
        _amount: Option<&Amount>,
    ) -> Result<Change, Refusal> {
        Err(Refusal::NotOffered)
    }

    /// Undoes a payment before it is settled.
    async fn void(&self, _transport: &Transport, _payment: &PaymentRef<'_>) -> Result<Change, Refusal> {
        Err(Refusal::NotOffered)
    }

    /// Refunds a payment: in full, or the amount if the platform offers partial refunds.
    async fn refund(
        &self,
        _transport: &Transport,
        _payment: &PaymentRef<'_>,
        _amount: Option<&Amount>,
    ) -> Result<Change, Refusal> {
        Err(Refusal::NotOffered)
    }

    /// Looks up a charge whose answer was lost. With `repeat`, a charge that the platform does not know is sent again
    /// with its first idempotency key, by which the platform recognizes it.
    async fn lookup(
        &self,
        _transport: &Transport,
        _ask: &ChargeParams<'_>,
        _repeat: bool,
    ) -> Result<Outcome, Refusal> {
        Err(Refusal::NotOffered)
    }

    /// Reads a page of what the platform lists for a day in UTC, such as `2026-11-30`. The first page is 1.
    async fn list(&self, _transport: &Transport, _day: &str, _page: u32) -> Result<Listing, Error> {
        Err(Refusal::NotOffered.into())
    }

    /// Makes a subscription, which the platform charges by itself.
    async fn subscribe(
        &self,
        _transport: &Transport,
        _new: &NewSubscription<'_>,
    ) -> Result<Subscribing, Refusal> {
        Err(Refusal::NotOffered)
    }

    /// Changes a subscription or ends it.
    async fn change_subscription(
        &self,
        _transport: &Transport,
        _of: &SubscriptionRef<'_>,
        _change: &SubscriptionChange<'_>,
    ) -> Result<Change, Refusal> {
        Err(Refusal::NotOffered)
    }

    /// Charges a subscription now, whenever its next payment is due. If the answer is lost, the list of its payments
    /// tells the outcome.
    async fn pay_subscription(
        &self,
        _transport: &Transport,
        _of: &SubscriptionRef<'_>,
    ) -> Result<SubscriptionPaid, Refusal> {
        Err(Refusal::NotOffered)
    }

    /// Finds a subscription by our reference.
    async fn find_subscription(
        &self,
        _transport: &Transport,
        _reference: &str,
    ) -> Result<Option<ListedSubscription>, Error> {
        Err(Refusal::NotOffered.into())
    }

    /// Reads a page of what the platform lists as the payments of a subscription. The first page is 1.
    async fn subscription_payments(
        &self,
        _transport: &Transport,
        _of: &SubscriptionRef<'_>,
        _page: u32,
    ) -> Result<SubscriptionPayments, Error> {
        Err(Refusal::NotOffered.into())
    }

    /// Looks up what a [`Notification::Hint`] names.
    async fn confirm(&self, _transport: &Transport, _platform_id: &str) -> Result<Notification, Error> {
        Err(Refusal::NotOffered.into())
    }

    /// The platform's own description of a stored card.
    async fn read_token(&self, _transport: &Transport, _token: &SecretString) -> Result<StoredCard, Error> {
        Err(Refusal::NotOffered.into())
    }

    /// Changes what the platform knows about a stored card.
    async fn update_token(
        &self,
        _transport: &Transport,
        _token: &SecretString,
        _patch: &TokenPatch,
    ) -> Result<StoredCard, Error> {
        Err(Refusal::NotOffered.into())
    }

    /// Verifies and reads a notification that came in at one of [`Gateway::notification_routes`].
    ///
    /// # Errors
    /// `SignatureInvalid` if it is not verifiably the platform's; `Doubtful(Undecodable)` if it is unreadable.
    fn read_notification(
        &self,
        _route: &str,
        _headers: &[(&str, &str)],
        _body: &[u8],
    ) -> Result<Notification, Error> {
        Err(Refusal::NotOffered.into())
    }

    /// The same for platforms that send several notifications at once.
    ///
    /// # Errors
    /// Those of [`Gateway::read_notification`].
    fn read_notifications(
        &self,
        route: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Vec<Event>, Error> {
        let notification = self.read_notification(route, headers, body)?;
        Ok(vec![Event {
            id: None,
            notification,
        }])
    }

    /// The plain-text answer for a platform that checks whether the notification address is ours.
    fn endpoint_verification(&self, _headers: &[(&str, &str)]) -> Option<String> {
        None
    }

    /// The same for a notification that came as a `GET`, with its content in the query.
    ///
    /// # Errors
    /// Those of [`Gateway::read_notification`].
    fn read_query_notification(&self, _route: &str, _query: &str) -> Result<Notification, Error> {
        Err(Refusal::NotOffered.into())
    }
}
