//! Plays Worldline Online Payments (brand PAYONE E-Payment): the server API below `/v2`, the client API below
//! `/client`, and pages of its own below `/hostedcheckout` and `/hostedtokenization`. They stand at the root of
//! the host, because the platform's libraries take a host without a path, and sign the path.
//!
//! JSON is built and read here by hand, and on purpose not with the types that the merchant's half uses: a
//! misreading of the documentation is then not shared by both. What is not documented is a choice made here;
//! where a client could come to rely on it, it is a setting, or says so where it is made.

mod book;
mod cards;
mod fields;
mod hosted;
mod inputs;
mod jwe;
mod keys;
mod links;
mod mandates;
mod pages;
mod payments;
mod payouts;
mod products;
mod refusal;
mod services;
mod sessions;
mod settings;
mod signature;
mod statuses;
mod tokens;
mod webhooks;

use std::io::Read;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DATE, ORIGIN};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use flate2::read::GzDecoder;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{OffsetDateTime, UtcOffset};
use tokio::sync::mpsc;
use uuid::Uuid;

use self::book::{Book, Outcome};
use self::fields::Fields;
use self::keys::KeyPair;
use self::refusal::Refusal;
pub use self::settings::Settings;
use self::signature::Signed;
use crate::faults::{Applied, Kind};
use crate::host::cors::PageAccess;
use crate::host::reply as connection;
use crate::host::settings::changed;
use crate::host::{CommandResult, Mounted, Shared, cors};
use crate::{Notifications, SandboxOptions, StartError};

const MAX_BODY: usize = 256 * 1024;

const IDEMPOTENCE_KEY: &str = "x-gcs-idempotence-key";
const IDEMPOTENCE_TIMESTAMP: HeaderName = HeaderName::from_static("x-gcs-idempotence-request-timestamp");
const CORRELATION_ID: HeaderName = HeaderName::from_static("correlation-id");
/// The documentation says 40, the platform's own tests use up to 52 and are answered.
const MAX_KEY_CHARS: usize = 64;

/// Headers that a page may send: by name, as `*` does not cover `Authorization`.
const PAGE_HEADERS: &str = "authorization, content-type, x-gcs-clientmetainfo";

/// What a client needs to use the simulated Online Payments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Scheme, host and port; paths begin with `/v2`.
    pub base_url: String,
    /// The merchant's id, in every path.
    pub merchant_id: String,
    /// What requests are signed with.
    pub credentials: Credentials,
    /// What events are signed with: another pair.
    pub webhook_key: WebhookKey,
}

/// Test credentials, made anew at every start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credentials {
    /// Names the key.
    pub api_key_id: String,
    /// Used as the text it is, although it looks like base64.
    pub secret_api_key: String,
}

/// Key of the events' signatures, made anew at every start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebhookKey {
    /// Names the key.
    pub key_id: String,
    /// The key.
    pub secret: String,
}

/// What changes while the sandbox runs, behind one lock: a call is checked and booked in one go, so that of two
/// calls with one encrypted input, or of two captures of all that is left, only one finds it unused.
pub(crate) struct Ledger {
    book: Book,
    settings: Settings,
}

/// The simulated Online Payments.
pub(crate) struct OnlinePayments {
    shared: Shared,
    info: Info,
    notifications: Notifications,
    card_salt: [u8; 32],
    keys: OnceLock<Option<KeyPair>>,
    first_settings: Settings,
    ledger: Mutex<Ledger>,
    /// The last payment's number. It goes on after a reset, so that no id comes twice.
    counter: Mutex<u64>,
    events: mpsc::UnboundedSender<webhooks::Outgoing>,
}

/// What can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    CreateSession,
    CreatePayment,
    ReadPayment,
    ReadDetails,
    Capture,
    ReadCaptures,
    Refund,
    ReadRefunds,
    Cancel,
    Complete,
    Subsequent,
    CreatePayout,
    ReadPayout,
    CreateLink,
    ReadLink,
    CancelLink,
    CreateMandate,
    ReadMandate,
    BlockMandate,
    UnblockMandate,
    RevokeMandate,
    CreateToken,
    ReadToken,
    DeleteToken,
    CreateCheckout,
    ReadCheckout,
    CreateTokenization,
    ReadTokenization,
    ListProducts,
    ReadProduct,
    ReadNetworks,
    ReadDirectory,
    OpenProductSession,
    ListGroups,
    ReadGroup,
    PrivacyPolicy,
    ConvertCurrency,
    CalculateSurcharge,
    TestConnection,
    LookUpBin,
    ValidateCredentials,
    SendTest,
    PagePublicKey,
    PageProducts,
    PageProduct,
    PageNetworks,
    PageBin,
    PageSurcharge,
    PageConversion,
}

impl Route {
    /// Whether a key keeps it from being done twice.
    const fn is_idempotent(self) -> bool {
        matches!(
            self,
            Self::CreatePayment
                | Self::Capture
                | Self::Refund
                | Self::Cancel
                | Self::Complete
                | Self::Subsequent
                | Self::CreatePayout
        )
    }
}

/// The routes of the server API by the names that faults use. A path's variable is `*`.
const ROUTES: [(&str, Method, &[&str], Route); 42] = [
    ("sessions", Method::POST, &["sessions"], Route::CreateSession),
    ("payments", Method::POST, &["payments"], Route::CreatePayment),
    (
        "payments/get",
        Method::GET,
        &["payments", "*"],
        Route::ReadPayment,
    ),
    (
        "payments/details",
        Method::GET,
        &["payments", "*", "details"],
        Route::ReadDetails,
    ),
    (
        "payments/capture",
        Method::POST,
        &["payments", "*", "capture"],
        Route::Capture,
    ),
    (
        "payments/captures",
        Method::GET,
        &["payments", "*", "captures"],
        Route::ReadCaptures,
    ),
    (
        "payments/refund",
        Method::POST,
        &["payments", "*", "refund"],
        Route::Refund,
    ),
    (
        "payments/refunds",
        Method::GET,
        &["payments", "*", "refunds"],
        Route::ReadRefunds,
    ),
    (
        "payments/cancel",
        Method::POST,
        &["payments", "*", "cancel"],
        Route::Cancel,
    ),
    (
        "payments/complete",
        Method::POST,
        &["payments", "*", "complete"],
        Route::Complete,
    ),
    (
        "payments/subsequent",
        Method::POST,
        &["payments", "*", "subsequent"],
        Route::Subsequent,
    ),
    ("payouts", Method::POST, &["payouts"], Route::CreatePayout),
    ("payouts/get", Method::GET, &["payouts", "*"], Route::ReadPayout),
    ("paymentlinks", Method::POST, &["paymentlinks"], Route::CreateLink),
    (
        "paymentlinks/get",
        Method::GET,
        &["paymentlinks", "*"],
        Route::ReadLink,
    ),
    (
        "paymentlinks/cancel",
        Method::POST,
        &["paymentlinks", "*", "cancel"],
        Route::CancelLink,
    ),
    ("mandates", Method::POST, &["mandates"], Route::CreateMandate),
    (
        "mandates/get",
        Method::GET,
        &["mandates", "*"],
        Route::ReadMandate,
    ),
    (
        "mandates/block",
        Method::POST,
        &["mandates", "*", "block"],
        Route::BlockMandate,
    ),
    (
        "mandates/unblock",
        Method::POST,
        &["mandates", "*", "unblock"],
        Route::UnblockMandate,
    ),
    (
        "mandates/revoke",
        Method::POST,
        &["mandates", "*", "revoke"],
        Route::RevokeMandate,
    ),
    ("tokens", Method::POST, &["tokens"], Route::CreateToken),
    ("tokens/get", Method::GET, &["tokens", "*"], Route::ReadToken),
    (
        "tokens/delete",
        Method::DELETE,
        &["tokens", "*"],
        Route::DeleteToken,
    ),
    (
        "hostedcheckouts",
        Method::POST,
        &["hostedcheckouts"],
        Route::CreateCheckout,
    ),
    (
        "hostedcheckouts/get",
        Method::GET,
        &["hostedcheckouts", "*"],
        Route::ReadCheckout,
    ),
    (
        "hostedtokenizations",
        Method::POST,
        &["hostedtokenizations"],
        Route::CreateTokenization,
    ),
    (
        "hostedtokenizations/get",
        Method::GET,
        &["hostedtokenizations", "*"],
        Route::ReadTokenization,
    ),
    ("products", Method::GET, &["products"], Route::ListProducts),
    (
        "products/get",
        Method::GET,
        &["products", "*"],
        Route::ReadProduct,
    ),
    (
        "products/networks",
        Method::GET,
        &["products", "*", "networks"],
        Route::ReadNetworks,
    ),
    (
        "products/directory",
        Method::GET,
        &["products", "*", "directory"],
        Route::ReadDirectory,
    ),
    (
        "products/sessions",
        Method::POST,
        &["products", "*", "sessions"],
        Route::OpenProductSession,
    ),
    (
        "productgroups",
        Method::GET,
        &["productgroups"],
        Route::ListGroups,
    ),
    (
        "productgroups/get",
        Method::GET,
        &["productgroups", "*"],
        Route::ReadGroup,
    ),
    (
        "services/privacypolicy",
        Method::GET,
        &["services", "privacypolicy"],
        Route::PrivacyPolicy,
    ),
    (
        "services/dccrate",
        Method::POST,
        &["services", "dccrate"],
        Route::ConvertCurrency,
    ),
    (
        "services/surchargecalculation",
        Method::POST,
        &["services", "surchargecalculation"],
        Route::CalculateSurcharge,
    ),
    (
        "services/testconnection",
        Method::GET,
        &["services", "testconnection"],
        Route::TestConnection,
    ),
    (
        "services/getIINdetails",
        Method::POST,
        &["services", "getIINdetails"],
        Route::LookUpBin,
    ),
    (
        "webhooks/validateCredentials",
        Method::POST,
        &["webhooks", "validateCredentials"],
        Route::ValidateCredentials,
    ),
    (
        "webhooks/sendtest",
        Method::POST,
        &["webhooks", "sendtest"],
        Route::SendTest,
    ),
];

/// The routes of the client API.
const PAGE_ROUTES: [(&str, Method, &[&str], Route); 7] = [
    (
        "client/publickey",
        Method::GET,
        &["crypto", "publickey"],
        Route::PagePublicKey,
    ),
    ("client/products", Method::GET, &["products"], Route::PageProducts),
    (
        "client/products/get",
        Method::GET,
        &["products", "*"],
        Route::PageProduct,
    ),
    (
        "client/products/networks",
        Method::GET,
        &["products", "*", "networks"],
        Route::PageNetworks,
    ),
    (
        "client/surchargeCalculation",
        Method::POST,
        &["services", "surchargeCalculation"],
        Route::PageSurcharge,
    ),
    (
        "client/dccrate",
        Method::POST,
        &["services", "dccrate"],
        Route::PageConversion,
    ),
    (
        "client/getIINdetails",
        Method::POST,
        &["services", "getIINdetails"],
        Route::PageBin,
    ),
];

/// The one call of a page that has a second version.
const CONVERSION_PREFIX: &str = "/client/v2/";

/// Not a route: the fault applies to what the platform sends.
const WEBHOOKS: &str = "webhooks";

/// A call that was let in.
pub(crate) struct Call<'a> {
    /// The variable of the path.
    id: &'a str,
    query: Vec<(String, String)>,
    /// Of the client API: whose page.
    session: Option<&'a str>,
    fields: Fields,
    applied: &'a Applied,
    now: OffsetDateTime,
}

impl Call<'_> {
    fn query(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.iter();
        pairs
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What is answered if all went well, or if the issuer declined.
pub(crate) struct Reply {
    status: StatusCode,
    body: Option<Value>,
}

impl Reply {
    fn new(status: StatusCode, body: Value) -> Self {
        Self {
            status,
            body: Some(without_nulls(body)),
        }
    }

    fn ok(body: Value) -> Self {
        Self::new(StatusCode::OK, body)
    }

    fn created(body: Value) -> Self {
        Self::new(StatusCode::CREATED, body)
    }

    const fn nothing() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
        }
    }
}

pub(crate) type Answer = Result<Reply, Refusal>;

impl OnlinePayments {
    pub(crate) fn start(
        shared: &Shared,
        options: &SandboxOptions,
        origin: &str,
    ) -> Result<(Arc<Self>, Info), StartError> {
        let mut card_salt = [0; 32];
        let mut secret = [0; 32];
        let mut start = [0; 4];
        getrandom::fill(&mut card_salt)
            .and_then(|()| getrandom::fill(&mut secret))
            .and_then(|()| getrandom::fill(&mut start))
            .map_err(|_| StartError::Random)?;
        let info = Info {
            base_url: origin.to_owned(),
            merchant_id: "CardsealSandbox".into(),
            credentials: Credentials {
                api_key_id: hex::encode_upper(Uuid::new_v4().as_bytes()),
                secret_api_key: base64::Engine::encode(&base64::engine::general_purpose::STANDARD, secret),
            },
            webhook_key: WebhookKey {
                key_id: Uuid::new_v4().to_string(),
                secret: Uuid::new_v4().to_string(),
            },
        };
        let (events, queue) = mpsc::unbounded_channel();
        let notifications = Notifications::to(options, cardseal::platform::Platform::OnlinePayments.id())?;
        let first_settings = Settings {
            webhook_url: notifications.url.clone(),
            ..Settings::default()
        };
        let online_payments = Arc::new(Self {
            shared: shared.clone(),
            info: info.clone(),
            notifications,
            card_salt,
            keys: OnceLock::new(),
            ledger: Mutex::new(Ledger {
                book: Book::default(),
                settings: first_settings.clone(),
            }),
            first_settings,
            // Ten digits, as they were seen.
            counter: Mutex::new(1_000_000_000 + u64::from(u32::from_ne_bytes(start))),
            events,
        });
        webhooks::deliver_in_order(Arc::downgrade(&online_payments), shared, queue);
        Ok((online_payments, info))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn next_number(&self) -> String {
        let mut counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
        *counter += 1;
        counter.to_string()
    }

    /// Made by whoever needs it first.
    fn keys(&self) -> Option<&KeyPair> {
        self.keys.get_or_init(KeyPair::make).as_ref()
    }

    /// Whether the server may call. Every mistake has the same answer.
    fn authenticate_server(&self, asked: &Asked) -> Result<(), Refusal> {
        let refused = Refusal::no_access;
        let header = |name: HeaderName| asked.headers.get(name).and_then(|value| value.to_str().ok());
        let (strict, tolerance) = self.with(|ledger| {
            (
                ledger.settings.strict_signature,
                ledger.settings.date_tolerance_seconds,
            )
        });
        let known = &self.info.credentials;
        let (key_id, given) = header(AUTHORIZATION)
            .and_then(signature::parse)
            .filter(|(key_id, _)| *key_id == known.api_key_id)
            .ok_or_else(refused)?;
        if asked.owner != self.info.merchant_id {
            return Err(refused());
        }
        // By this machine's time: the sandbox's own clock may have been moved.
        let date = header(DATE)
            .and_then(|text| httpdate::parse_http_date(text).ok())
            .ok_or_else(refused)?;
        if tolerance.is_some_and(|seconds| distance(date) > Duration::from_secs(seconds.into())) {
            return Err(refused());
        }
        let signed = Signed {
            method: &asked.method,
            target: &asked.target,
            headers: &asked.headers,
        };
        let form = signed
            .check(&known.secret_api_key, given, strict)
            .ok_or_else(refused)?;
        tracing::debug!(?form, key_id, "online_payments signature");
        Ok(())
    }

    /// Does the work of a call: all of it, or nothing.
    fn answer(&self, asked: &Asked, applied: &Applied) -> Answer {
        let fields = if asked.method == Method::POST {
            Fields::parse(&asked.plain_body()?)?
        } else {
            Fields::parse(b"")?
        };
        let call = Call {
            id: &asked.id,
            query: form_urlencoded::parse(asked.query().as_bytes())
                .into_owned()
                .collect(),
            session: asked.session.as_deref(),
            fields,
            applied,
            now: self.shared.clock.now(),
        };
        self.with(|ledger| {
            ledger.book.settle(call.now);
            match asked.route {
                Route::CreateSession => self.create_session(ledger, &call),
                Route::CreatePayment => self.create_payment(ledger, &call),
                Route::ReadPayment => Self::read_payment(ledger, &call),
                Route::ReadDetails => Self::read_details(ledger, &call),
                Route::Capture => Self::capture(ledger, &call),
                Route::ReadCaptures => Self::read_captures(ledger, &call),
                Route::Refund => Self::refund(ledger, &call),
                Route::ReadRefunds => Self::read_refunds(ledger, &call),
                Route::Cancel => Self::cancel(ledger, &call),
                Route::Complete => Self::complete(ledger, &call),
                Route::Subsequent => self.subsequent(ledger, &call),
                Route::CreatePayout => self.create_payout(ledger, &call),
                Route::ReadPayout => Self::read_payout(ledger, &call),
                Route::CreateLink => self.create_link(ledger, &call),
                Route::ReadLink => self.read_link(ledger, &call),
                Route::CancelLink => Self::cancel_link(ledger, &call),
                Route::CreateMandate => Self::create_mandate(ledger, &call),
                Route::ReadMandate => Self::read_mandate(ledger, &call),
                Route::BlockMandate => Self::block_mandate(ledger, &call),
                Route::UnblockMandate => Self::unblock_mandate(ledger, &call),
                Route::RevokeMandate => Self::revoke_mandate(ledger, &call),
                Route::CreateToken => self.create_token(ledger, &call),
                Route::ReadToken => Self::read_token(ledger, &call),
                Route::DeleteToken => Self::delete_token(ledger, &call),
                Route::CreateCheckout => self.create_checkout(ledger, &call),
                Route::ReadCheckout => Self::read_checkout(ledger, &call),
                Route::CreateTokenization => self.create_tokenization(ledger, &call),
                Route::ReadTokenization => Self::read_tokenization(ledger, &call),
                Route::ListProducts | Route::PageProducts => self.list_products(ledger, &call),
                Route::ReadProduct | Route::PageProduct => self.read_product(ledger, &call),
                Route::ReadNetworks | Route::PageNetworks => Self::read_networks(ledger, &call),
                Route::ReadDirectory => Self::read_directory(),
                Route::OpenProductSession => Self::open_product_session(),
                Route::ListGroups => self.list_groups(&call),
                Route::ReadGroup => self.read_group(&call),
                Route::PrivacyPolicy => Self::read_privacy_policy(ledger, &call),
                Route::ConvertCurrency | Route::PageConversion => Self::convert_currency(ledger, &call),
                Route::CalculateSurcharge | Route::PageSurcharge => Self::calculate_surcharge(ledger, &call),
                Route::TestConnection => Ok(Reply::ok(json!({ "result": "OK" }))),
                Route::LookUpBin | Route::PageBin => Self::look_up_bin(ledger, &call),
                Route::ValidateCredentials => self.validate_credentials(&call),
                Route::SendTest => Self::send_test(ledger, &call),
                Route::PagePublicKey => self.public_key(),
            }
        })
    }

    /// One call with its faults.
    async fn serve(self: Arc<Self>, mut asked: Asked) -> Response {
        let applied = self.shared.faults.take(Mounted::id(&*self), asked.name);
        let allowed = if asked.is_page {
            self.authenticate_page(&mut asked)
        } else {
            self.authenticate_server(&asked)
        };
        let key = match allowed.and_then(|()| asked.idempotence_key()) {
            Ok(key) => key,
            Err(refusal) => return refused(&refusal, &applied, asked.name),
        };
        let came_at = self.shared.clock.now();
        let before = key.as_deref().and_then(|key| {
            self.with(|ledger| {
                let seen = ledger.book.seen(asked.name, key, came_at);
                if seen.is_none() {
                    ledger.book.keep(asked.name, key, came_at, Outcome::Running);
                }
                seen
            })
        });
        if let Some(delay) = applied.delay(Kind::Delay) {
            tokio::time::sleep(delay).await;
        }
        let failed = if applied.is(Kind::BadGatewayBeforeCommit) {
            Some(refused(&Refusal::bad_gateway(), &Applied::default(), asked.name))
        } else {
            connection::fail_before(&applied)
        };
        if let Some(response) = failed {
            if let (Some(key), None) = (&key, &before) {
                self.with(|ledger| ledger.book.forget(asked.name, key));
            }
            return response;
        }
        let response = match before {
            Some((at, Outcome::Done(status, body))) => {
                stamped(replied(&Reply { status, body }, &applied), at)
            }
            Some((at, Outcome::Running)) => {
                let code = self.with(|ledger| ledger.settings.in_progress_code.clone());
                let refusal = Refusal::in_progress(code.as_deref());
                stamped(refused(&refusal, &applied, asked.name), at)
            }
            None => {
                // The key pair is made, and inputs are opened, where nothing else waits for it.
                let (platform, fault) = (self.clone(), applied.clone());
                let work = tokio::task::spawn_blocking(move || {
                    let answer = platform.answer(&asked, &fault);
                    (asked, answer)
                });
                let Ok((asked, answer)) = work.await else {
                    return StatusCode::INTERNAL_SERVER_ERROR.into_response();
                };
                let told = answer.as_ref().map_err(Refusal::id).err();
                tracing::info!(route = asked.name, refused = told, fault = ?applied.kind(), "online_payments");
                self.clone().send_events(applied.webhook_after());
                if let Some(delay) = applied.delay(Kind::DelayAfterCommit) {
                    tokio::time::sleep(delay).await;
                }
                self.finish(&asked, key.as_deref(), came_at, &answer, &applied)
            }
        };
        if applied.is(Kind::BadGatewayAfterCommit) {
            return refused(&Refusal::bad_gateway(), &Applied::default(), "");
        }
        response
    }

    /// Keeps what a call with a key led to, whatever it is: the same key gives it again.
    fn finish(
        &self,
        asked: &Asked,
        key: Option<&str>,
        came_at: OffsetDateTime,
        answer: &Answer,
        applied: &Applied,
    ) -> Response {
        let (outcome, response) = match answer {
            Ok(reply) => (
                Outcome::Done(reply.status, reply.body.clone()),
                replied(reply, applied),
            ),
            Err(refusal) => {
                let told = refusal.told();
                (
                    Outcome::Done(told.status, Some(told.body.clone())),
                    with_id(connection::respond(told.status, &told.body, applied), &told.id, 1),
                )
            }
        };
        if let Some(key) = key {
            self.with(|ledger| ledger.book.keep(asked.name, key, came_at, outcome));
        }
        response
    }
}

/// The platform leaves out what there is not.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

/// How far a date is from this machine's time.
fn distance(date: SystemTime) -> Duration {
    let now = SystemTime::now();
    now.duration_since(date)
        .or_else(|_| date.duration_since(now))
        .unwrap_or_default()
}

/// With the time of the first call with the same key.
fn stamped(mut response: Response, first: OffsetDateTime) -> Response {
    let stamp = (first.unix_timestamp_nanos() / 1_000_000).to_string();
    if let Ok(stamp) = HeaderValue::from_str(&stamp) {
        response.headers_mut().insert(IDEMPOTENCE_TIMESTAMP, stamp);
    }
    response
}

/// The correlation id, as often as it was seen.
fn with_id(mut response: Response, id: &str, times: usize) -> Response {
    if let Ok(id) = HeaderValue::from_str(id) {
        for _ in 0..times {
            response.headers_mut().append(CORRELATION_ID, id.clone());
        }
    }
    response
}

fn replied(reply: &Reply, applied: &Applied) -> Response {
    let mut response = match &reply.body {
        Some(body) => connection::respond(reply.status, body, applied),
        // Faults have nothing to spoil in no body, but can still lose it.
        None => match applied.kind() {
            Some(Kind::DropAfterCommit | Kind::GatewayTimeoutAfterCommit) => {
                connection::respond(reply.status, &Value::Null, applied)
            }
            _ => reply.status.into_response(),
        },
    };
    response.headers_mut().insert(
        HeaderName::from_static("api_auth"),
        HeaderValue::from_static("true"),
    );
    with_id(response, &Uuid::new_v4().to_string(), 2)
}

fn refused(refusal: &Refusal, applied: &Applied, route: &str) -> Response {
    if !route.is_empty() {
        tracing::info!(route, refused = refusal.id(), fault = ?applied.kind(), "online_payments");
    }
    let told = refusal.told();
    let mut response = match &told.text {
        // As recorded: without a charset.
        Some(text) if applied.kind().is_none() => {
            let json = HeaderValue::from_static("application/json");
            (told.status, [(CONTENT_TYPE, json)], text.clone()).into_response()
        }
        _ => connection::fail_before(applied)
            .unwrap_or_else(|| connection::respond(told.status, &told.body, applied)),
    };
    if response.extensions().get::<connection::Cut>().is_none() {
        response = with_id(response, &told.id, 1);
    }
    response
}

impl Mounted for OnlinePayments {
    fn id(&self) -> &'static str {
        cardseal::platform::Platform::OnlinePayments.id()
    }

    fn fault_routes(&self) -> Vec<&'static str> {
        let routes = ROUTES.iter().chain(&PAGE_ROUTES).map(|(name, ..)| *name);
        routes.chain([WEBHOOKS]).collect()
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/v2/{*path}", any(receive))
            .route("/client/{*path}", any(receive_from_page))
            .merge(pages::routes())
            .with_state(self)
    }

    fn state(&self) -> Value {
        let now = self.shared.clock.now();
        self.with(|ledger| {
            ledger.book.settle(now);
            ledger.book.state(now)
        })
    }

    fn server_settings(&self) -> Value {
        let Info {
            base_url,
            merchant_id,
            credentials,
            webhook_key,
        } = &self.info;
        json!({
            "environment": "custom",
            "base_url": base_url,
            "merchant_id": merchant_id,
            "api_key_id": credentials.api_key_id,
            "secret_api_key": credentials.secret_api_key,
            "webhook_path_secret": self.notifications.path_secret,
            "webhook_keys": [{ "id": webhook_key.key_id, "secret": webhook_key.secret }],
        })
    }

    fn settings(&self) -> Value {
        self.with(|ledger| serde_json::to_value(&ledger.settings))
            .unwrap_or_default()
    }

    fn change_settings(&self, change: &Value) -> Result<(), String> {
        self.with(|ledger| {
            ledger.settings = changed(&ledger.settings, change)?;
            Ok(())
        })
    }

    fn reset(&self) {
        self.with(|ledger| {
            *ledger = Ledger {
                book: Book::default(),
                settings: self.first_settings.clone(),
            }
        });
    }

    fn command(self: Arc<Self>, name: &str, body: &Value) -> CommandResult {
        let (name, body) = (name.to_owned(), body.clone());
        Box::pin(async move {
            match name.as_str() {
                "expire_sessions" => {
                    let now = self.shared.clock.now();
                    let expired = self.with(|ledger| ledger.book.expire_sessions(now));
                    Some(Ok(json!({ "expired": expired })))
                }
                "notify" => Some(self.notify(&body)),
                "verify_endpoint" => Some(self.verify_endpoint(&body).await),
                _ => None,
            }
        })
    }
}

/// A call whose path was understood.
pub(crate) struct Asked {
    name: &'static str,
    route: Route,
    /// Of the client API.
    is_page: bool,
    /// The merchant, or the customer of a page.
    owner: String,
    id: String,
    method: Method,
    /// Path and query as they came.
    target: String,
    headers: HeaderMap,
    body: Bytes,
    session: Option<String>,
}

impl Asked {
    fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    fn plain_body(&self) -> Result<Vec<u8>, Refusal> {
        let packed = self
            .headers
            .get(CONTENT_ENCODING)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"));
        if !packed {
            return Ok(self.body.to_vec());
        }
        let mut plain = Vec::new();
        let limit = u64::try_from(MAX_BODY).unwrap_or(u64::MAX);
        GzDecoder::new(&*self.body)
            .take(limit)
            .read_to_end(&mut plain)
            .map_err(|_| Refusal::invalid("body"))?;
        Ok(plain)
    }

    /// The key, where the route knows keys. What the platform does with a wrong one is not documented.
    fn idempotence_key(&self) -> Result<Option<String>, Refusal> {
        let Some(key) = self
            .headers
            .get(IDEMPOTENCE_KEY)
            .filter(|_| self.route.is_idempotent())
        else {
            return Ok(None);
        };
        match key.to_str() {
            Ok(key) if (1..=MAX_KEY_CHARS).contains(&key.len()) => Ok(Some(key.to_owned())),
            _ => Err(Refusal::invalid("X-GCS-Idempotence-Key")),
        }
    }
}

async fn receive(State(platform): State<Arc<OnlinePayments>>, request: Request) -> Response {
    take(platform, request, &ROUTES, false).await
}

async fn receive_from_page(State(platform): State<Arc<OnlinePayments>>, request: Request) -> Response {
    let origin = platform.allowed_origin(request.headers());
    if request.method() == Method::OPTIONS && origin.is_some() {
        let access = PageAccess {
            methods: "GET, POST",
            headers: PAGE_HEADERS,
            any_headers: false,
        };
        return cors::share(cors::preflight(access, request.headers()), origin);
    }
    cors::share(take(platform, request, &PAGE_ROUTES, true).await, origin)
}

/// An unknown path is 404 without a body, whoever asks.
async fn take(
    platform: Arc<OnlinePayments>,
    request: Request,
    routes: &'static [(&'static str, Method, &'static [&'static str], Route)],
    is_page: bool,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let prefixes: &[&str] = if is_page {
        &["/client/v1/", CONVERSION_PREFIX]
    } else {
        &["/v2/"]
    };
    let prefix = prefixes.iter().find(|prefix| path.starts_with(**prefix));
    let is_second = prefix == Some(&CONVERSION_PREFIX);
    let segments: Vec<&str> = prefix
        .and_then(|prefix| path.strip_prefix(prefix))
        .map(|rest| rest.split('/').collect())
        .unwrap_or_default();
    let Some((owner, segments)) = segments.split_first() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let found = routes.iter().find_map(|(name, method, pattern, route)| {
        let fits = *method == parts.method
            && is_second == (*route == Route::PageConversion)
            && pattern.len() == segments.len()
            && pattern.iter().zip(segments).all(|(wanted, given)| {
                if *wanted == "*" {
                    !given.is_empty()
                } else {
                    wanted == given
                }
            });
        fits.then(|| {
            let variable = pattern.iter().position(|part| *part == "*");
            let id = variable.and_then(|index| segments.get(index));
            (*name, *route, id.map_or_else(String::new, |id| (*id).to_owned()))
        })
    });
    let Some((name, route, id)) = found else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let asked = Asked {
        name,
        route,
        is_page,
        owner: percent_decode_str(owner).decode_utf8_lossy().into_owned(),
        id,
        method: parts.method,
        target: parts
            .uri
            .path_and_query()
            .map_or_else(|| path.to_owned(), ToString::to_string),
        headers: parts.headers,
        body,
        session: None,
    };
    // In a task of its own, as the platform goes on when its caller has lost patience.
    tokio::spawn(platform.serve(asked))
        .await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

impl OnlinePayments {
    fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        let text = origin.to_str().ok()?;
        self.with(|ledger| cors::allows(&ledger.settings.cors_origins, text))
            .then(|| origin.clone())
    }

    /// Below the host that the browser reached.
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.info.base_url)
    }
}

/// The instant with seven decimals and an offset, as events have been seen with.
fn timestamp(instant: OffsetDateTime) -> String {
    let at = instant.to_offset(UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:07}+00:00",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.nanosecond() / 100
    )
}

/// 32 hexadecimal digits by chance.
fn hex_id() -> String {
    Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_seven_decimals() {
        let instant = OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(86_399_050);
        assert_eq!(timestamp(instant), "1970-01-01T23:59:59.0500000+00:00");
    }

    #[test]
    fn leaves_out_what_there_is_not() {
        let value = json!({ "a": null, "b": [{ "c": null, "d": 0 }], "e": {} });
        assert_eq!(without_nulls(value), json!({ "b": [{ "d": 0 }], "e": {} }));
    }

    #[test]
    fn every_route_has_its_own_name() {
        let names: std::collections::HashSet<_> =
            ROUTES.iter().chain(&PAGE_ROUTES).map(|(name, ..)| name).collect();
        assert_eq!(names.len(), ROUTES.len() + PAGE_ROUTES.len());
    }
}
