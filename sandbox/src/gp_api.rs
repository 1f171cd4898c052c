//! Plays Global Payments' GP API, below `/gp_api/ucp`.
//!
//! Shapes, codes, texts and test cards are the platform's as far as they are documented or were seen. The order
//! of checks, the use of 200 for everything that is created, and much around it is a choice made here; what
//! matters to clients and is unknown is a setting. Choices that a client could come to rely on by mistake say
//! so where they are made.

mod access;
mod adjustments;
mod book;
mod cards;
mod disputes;
mod fields;
mod issuer;
mod lists;
mod notifications;
mod payment_methods;
mod refusal;
mod settings;
mod settlement;
mod transactions;
mod verifications;

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, ORIGIN, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use cardseal::gp_api::{VERSION, VERSION_HEADER};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

use self::access::App;
use self::book::{Book, Resource, Token};
use self::fields::Fields;
use self::refusal::Refusal;
pub use self::settings::Settings;
use crate::faults::{Applied, Kind};
use crate::host::reply as connection;
use crate::host::settings::changed;
use crate::host::{CommandResult, Mounted, Shared, cors};
use crate::{Notifications, SandboxOptions, StartError};

const MAX_BODY: usize = 256 * 1024;

/// Header of the key that keeps an action from being done twice.
const IDEMPOTENCY: &str = "x-gp-idempotency";

/// Headers that a page may send, as the platform's own hosted field does.
const PAGE_HEADERS: &str = "accept, authorization, content-type, x-gp-library, x-gp-version";

/// What a client needs to use the simulated GP API.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Base URL.
    pub base_url: String,
    /// What the merchant's server authenticates with.
    pub credentials: Credentials,
    /// `MER_…`
    pub merchant_id: String,
    /// The accounts of the application.
    pub accounts: Vec<Account>,
}

/// Test credentials, made anew at every start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credentials {
    /// The application.
    pub app_id: String,
    /// Its key.
    pub app_key: String,
}

/// An account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// `TRA_…` or `TKA_…`.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// What changes while the sandbox runs, behind one lock: a call is checked and booked in one go, so that of two
/// calls with one idempotency key, or with one single-use payment method, only one finds it unused.
pub(crate) struct Ledger {
    book: Book,
    settings: Settings,
}

/// The simulated GP API.
pub(crate) struct GpApi {
    shared: Shared,
    app: App,
    base_url: String,
    card_salt: [u8; 32],
    notifications: Notifications,
    first_settings: Settings,
    ledger: Mutex<Ledger>,
}

/// What can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    AccessToken,
    CreateMethod,
    ReadMethod,
    ListMethods,
    SearchMethods,
    EditMethod,
    DeleteMethod,
    Verify,
    ReadVerification,
    Charge,
    ReadTransaction,
    ListTransactions,
    Capture,
    Refund,
    Reverse,
    Hold,
    Release,
    Increment,
    Adjust,
    Reauthorize,
    ListSettled,
    ListDeposits,
    ReadDeposit,
    ListSettledDisputes,
    ReadSettledDispute,
    ListDisputes,
    ReadDispute,
    ReadDocument,
    AcceptDispute,
    ChallengeDispute,
}

/// The routes by the names that faults use. A path's variable is `*`.
const ROUTES: [(&str, Method, &[&str], Route); 30] = [
    ("accesstoken", Method::POST, &["accesstoken"], Route::AccessToken),
    (
        "payment-methods",
        Method::POST,
        &["payment-methods"],
        Route::CreateMethod,
    ),
    (
        "payment-methods/list",
        Method::GET,
        &["payment-methods"],
        Route::ListMethods,
    ),
    (
        "payment-methods/search",
        Method::POST,
        &["payment-methods", "search"],
        Route::SearchMethods,
    ),
    (
        "payment-methods/get",
        Method::GET,
        &["payment-methods", "*"],
        Route::ReadMethod,
    ),
    (
        "payment-methods/edit",
        Method::PATCH,
        &["payment-methods", "*"],
        Route::EditMethod,
    ),
    (
        "payment-methods/delete",
        Method::DELETE,
        &["payment-methods", "*"],
        Route::DeleteMethod,
    ),
    ("verifications", Method::POST, &["verifications"], Route::Verify),
    (
        "verifications/get",
        Method::GET,
        &["verifications", "*"],
        Route::ReadVerification,
    ),
    ("transactions", Method::POST, &["transactions"], Route::Charge),
    (
        "transactions/list",
        Method::GET,
        &["transactions"],
        Route::ListTransactions,
    ),
    (
        "transactions/get",
        Method::GET,
        &["transactions", "*"],
        Route::ReadTransaction,
    ),
    (
        "transactions/capture",
        Method::POST,
        &["transactions", "*", "capture"],
        Route::Capture,
    ),
    (
        "transactions/refund",
        Method::POST,
        &["transactions", "*", "refund"],
        Route::Refund,
    ),
    (
        "transactions/reversal",
        Method::POST,
        &["transactions", "*", "reversal"],
        Route::Reverse,
    ),
    (
        "transactions/hold",
        Method::POST,
        &["transactions", "*", "hold"],
        Route::Hold,
    ),
    (
        "transactions/release",
        Method::POST,
        &["transactions", "*", "release"],
        Route::Release,
    ),
    (
        "transactions/incremental",
        Method::POST,
        &["transactions", "*", "incremental"],
        Route::Increment,
    ),
    (
        "transactions/adjustment",
        Method::POST,
        &["transactions", "*", "adjustment"],
        Route::Adjust,
    ),
    (
        "transactions/reauthorization",
        Method::POST,
        &["transactions", "*", "reauthorization"],
        Route::Reauthorize,
    ),
    (
        "settlement/transactions",
        Method::GET,
        &["settlement", "transactions"],
        Route::ListSettled,
    ),
    (
        "settlement/deposits",
        Method::GET,
        &["settlement", "deposits"],
        Route::ListDeposits,
    ),
    (
        "settlement/deposits/get",
        Method::GET,
        &["settlement", "deposits", "*"],
        Route::ReadDeposit,
    ),
    (
        "settlement/disputes",
        Method::GET,
        &["settlement", "disputes"],
        Route::ListSettledDisputes,
    ),
    (
        "settlement/disputes/get",
        Method::GET,
        &["settlement", "disputes", "*"],
        Route::ReadSettledDispute,
    ),
    ("disputes", Method::GET, &["disputes"], Route::ListDisputes),
    (
        "disputes/get",
        Method::GET,
        &["disputes", "*"],
        Route::ReadDispute,
    ),
    (
        "disputes/documents",
        Method::GET,
        &["disputes", "*", "documents", "*"],
        Route::ReadDocument,
    ),
    (
        "disputes/acceptance",
        Method::POST,
        &["disputes", "*", "acceptance"],
        Route::AcceptDispute,
    ),
    (
        "disputes/challenge",
        Method::POST,
        &["disputes", "*", "challenge"],
        Route::ChallengeDispute,
    ),
];

/// Not a route: the fault applies to what the platform sends.
const NOTIFICATIONS: &str = "notifications";

impl Route {
    /// What the token may do if it has one of these permissions. Nobody has one that is not there.
    const fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::AccessToken | Self::DeleteMethod => &[],
            Self::CreateMethod => &["PMT_POST_Create_Single", "PMT_POST_Create"],
            Self::ReadMethod => &["PMT_GET_Single"],
            Self::ListMethods => &["PMT_GET_List"],
            Self::SearchMethods => &["PMT_POST_Search"],
            Self::EditMethod => &["PMT_PATCH_Edit"],
            // Reading a verification has no permission of its own in what was seen.
            Self::Verify | Self::ReadVerification => &["VER_POST_Verify"],
            Self::Charge => &["TRN_POST_Authorize", "TRN_POST_Refund_Standalone"],
            Self::ReadTransaction => &["TRN_GET_Single"],
            Self::ListTransactions => &["TRN_GET_List"],
            Self::Capture => &["TRN_POST_Capture"],
            Self::Refund => &["TRN_POST_Refund"],
            Self::Reverse => &["TRN_POST_Reverse"],
            // Which permission these three need was not seen.
            Self::Hold | Self::Release | Self::Increment => &["TRN_POST_Authorize"],
            Self::Adjust => &["TRN_POST_Adjust"],
            Self::Reauthorize => &["TRN_POST_Reauthorize"],
            Self::ListSettled => &["TRN_GET_List_Funded"],
            Self::ListDeposits => &["DEP_GET_List"],
            Self::ReadDeposit => &["DEP_GET_Single"],
            Self::ListSettledDisputes => &["DIS_GET_List_Funded"],
            Self::ReadSettledDispute => &["DIS_GET_Single_Funded"],
            Self::ListDisputes => &["DIS_GET_List"],
            Self::ReadDispute | Self::ReadDocument => &["DIS_GET_Single"],
            Self::AcceptDispute => &["DIS_POST_Accept"],
            Self::ChallengeDispute => &["DIS_POST_Challenge"],
        }
    }

    /// What the call acts on, if it is one that an idempotency key keeps from being done twice.
    const fn acts_on(self) -> Option<Resource> {
        match self {
            Self::CreateMethod | Self::EditMethod | Self::DeleteMethod => Some(Resource::PaymentMethod),
            Self::Verify => Some(Resource::Verification),
            Self::Charge
            | Self::Capture
            | Self::Refund
            | Self::Reverse
            | Self::Hold
            | Self::Release
            | Self::Increment
            | Self::Adjust
            | Self::Reauthorize => Some(Resource::Transaction),
            Self::AcceptDispute | Self::ChallengeDispute => Some(Resource::Dispute),
            Self::AccessToken
            | Self::ReadMethod
            | Self::ListMethods
            | Self::SearchMethods
            | Self::ReadVerification
            | Self::ReadTransaction
            | Self::ListTransactions
            | Self::ListSettled
            | Self::ListDeposits
            | Self::ReadDeposit
            | Self::ListSettledDisputes
            | Self::ReadSettledDispute
            | Self::ListDisputes
            | Self::ReadDispute
            | Self::ReadDocument => None,
        }
    }
}

/// A call whose path and bearer were understood.
pub(crate) struct Call<'a> {
    /// The variable of the path.
    id: String,
    /// Of the few paths that have two.
    second_id: String,
    uri: &'a Uri,
    token: Token,
    /// Its idempotency key.
    key: Option<&'a str>,
    fields: Fields,
    applied: &'a Applied,
    now: OffsetDateTime,
}

impl Call<'_> {
    fn query(&self) -> Result<Vec<(String, String)>, Refusal> {
        Query::try_from_uri(self.uri)
            .map(|Query(pairs)| pairs)
            .map_err(|_| Refusal::unexpected("query"))
    }
}

pub(crate) type Answer = Result<Value, Refusal>;

impl GpApi {
    pub(crate) fn start(
        shared: &Shared,
        options: &SandboxOptions,
        origin: &str,
    ) -> Result<(Arc<Self>, Info), StartError> {
        let mut card_salt = [0; 32];
        getrandom::fill(&mut card_salt).map_err(|_| StartError::Random)?;
        let app = App::make();
        let base_url = format!("{origin}/gp_api/ucp");
        let notifications = Notifications::to(options, cardseal::platform::Platform::GpApi.id())?;
        let first_settings = Settings {
            webhook_url: notifications.url.clone(),
            ..Settings::default()
        };
        let info = Info {
            base_url: base_url.clone(),
            credentials: Credentials {
                app_id: app.id.clone(),
                app_key: app.key.clone(),
            },
            merchant_id: app.merchant_id.clone(),
            accounts: app
                .accounts
                .iter()
                .map(|account| Account {
                    id: account.id.clone(),
                    name: account.name.clone(),
                })
                .collect(),
        };
        let gp_api = Self {
            shared: shared.clone(),
            app,
            base_url,
            card_salt,
            ledger: Mutex::new(Ledger {
                book: Book::default(),
                settings: first_settings.clone(),
            }),
            notifications,
            first_settings,
        };
        Ok((Arc::new(gp_api), info))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does the work of a call: all of it, or nothing.
    fn answer(&self, asked: &Asked, applied: &Applied) -> Answer {
        let header = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok());
        // The answers to a missing and to another version are not documented.
        match header(VERSION_HEADER) {
            Some(VERSION) => {}
            Some(_) => return Err(Refusal::unexpected("X-GP-Version")),
            None => return Err(Refusal::missing("X-GP-Version")),
        }
        let now = self.shared.clock.now();
        if asked.route == Route::AccessToken {
            let fields = Fields::parse(&asked.body)?;
            return self.with(|ledger| self.make_token(ledger, &fields, now));
        }
        self.with(|ledger| {
            let bearer = header(AUTHORIZATION.as_str()).and_then(|text| text.strip_prefix("Bearer "));
            let token = bearer
                .and_then(|bearer| ledger.book.token(bearer))
                .ok_or_else(Refusal::invalid_token)?;
            if now >= token.expires_at {
                return Err(Refusal::expired_token());
            }
            let permitted = if asked.route == Route::DeleteMethod {
                // By default no application may; then none but the whole of one.
                ledger.settings.delete_permission && !token.narrowed
            } else {
                asked.route.permissions().iter().any(|name| token.may(name))
            };
            if !permitted {
                return Err(Refusal::not_permitted());
            }
            let call = Call {
                id: asked.id.clone(),
                second_id: asked.second_id.clone(),
                uri: &asked.uri,
                token: token.clone(),
                key: header(IDEMPOTENCY).filter(|key| !key.is_empty()),
                fields: if asked.method == Method::GET || asked.method == Method::DELETE {
                    Fields::parse(b"")?
                } else {
                    Fields::parse(&asked.body)?
                },
                applied,
                now,
            };
            if asked
                .merchant
                .as_ref()
                .is_some_and(|id| *id != self.app.merchant_id)
            {
                return Err(Refusal::wrong_account());
            }
            // Before anything that the body lacks, as the tests of the official clients have it.
            if let Some((resource, key)) = asked.route.acts_on().zip(call.key)
                && let Some(id) = ledger.book.made_with(resource, key)
            {
                return Err(Refusal::seen_before(id));
            }
            match asked.route {
                Route::AccessToken => Err(Refusal::no_route()),
                Route::CreateMethod => self.create_method(ledger, &call),
                Route::ReadMethod => self.read_method(ledger, &call),
                Route::ListMethods => self.list_methods(ledger, &call),
                Route::SearchMethods => self.search_methods(ledger, &call),
                Route::EditMethod => self.edit_method(ledger, &call),
                Route::DeleteMethod => self.delete_method(ledger, &call),
                Route::Verify => self.verify(ledger, &call),
                Route::ReadVerification => Self::read_verification(ledger, &call),
                Route::Charge => self.charge(ledger, &call),
                Route::ReadTransaction => self.read_transaction(ledger, &call),
                Route::ListTransactions => self.list_transactions(ledger, &call),
                Route::Capture => self.capture(ledger, &call),
                Route::Refund => self.refund(ledger, &call),
                Route::Reverse => self.reverse(ledger, &call),
                Route::Hold => self.hold(ledger, &call),
                Route::Release => self.release(ledger, &call),
                Route::Increment => self.increment(ledger, &call),
                Route::Adjust => self.adjust(ledger, &call),
                Route::Reauthorize => self.reauthorize(ledger, &call),
                Route::ListSettled => self.list_settled(ledger, &call),
                Route::ListDeposits => self.list_deposits(ledger, &call),
                Route::ReadDeposit => self.read_deposit(ledger, &call),
                Route::ListSettledDisputes => self.list_settled_disputes(&call),
                Route::ReadSettledDispute => self.read_settled_dispute(&call),
                Route::ListDisputes => self.list_disputes(&call),
                Route::ReadDispute => self.read_dispute(&call),
                Route::ReadDocument => self.read_document(&call),
                Route::AcceptDispute => self.accept_dispute(ledger, &call),
                Route::ChallengeDispute => self.challenge_dispute(ledger, &call),
            }
        })
    }

    /// One call with its faults.
    async fn serve(self: Arc<Self>, asked: Asked) -> Response {
        let applied = self.shared.faults.take(Mounted::id(&*self), asked.name);
        if let Some(delay) = applied.delay(Kind::Delay) {
            tokio::time::sleep(delay).await;
        }
        let response = if applied.is(Kind::BadGatewayBeforeCommit) {
            refused(&Refusal::processing())
        } else if let Some(response) = connection::fail_before(&applied) {
            response
        } else {
            let answer = self.answer(&asked, &applied);
            let refused_with = answer.as_ref().err().map(Refusal::detailed);
            tracing::info!(route = asked.name, refused_with, fault = ?applied.kind(), "gp_api");
            if let Some(delay) = applied.delay(Kind::DelayAfterCommit) {
                tokio::time::sleep(delay).await;
            }
            match answer {
                _ if applied.is(Kind::BadGatewayAfterCommit) => refused(&Refusal::processing()),
                Ok(body) => connection::respond(StatusCode::OK, &body, &applied),
                Err(refusal) => connection::respond(status_of(&refusal), &refusal.body(), &applied),
            }
        };
        self.packed(&asked.headers, response).await
    }

    /// The response as the client takes it. One of the official clients reads errors only if they are compressed.
    async fn packed(&self, headers: &HeaderMap, response: Response) -> Response {
        if self.with(|ledger| ledger.settings.gzip) && accepts_gzip(headers) {
            compressed(response).await
        } else {
            response
        }
    }
}

fn status_of(refusal: &Refusal) -> StatusCode {
    StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn refused(refusal: &Refusal) -> Response {
    connection::json(status_of(refusal), &refusal.body())
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(ACCEPT_ENCODING).into_iter();
    lists.filter_map(|value| value.to_str().ok()).any(|list| {
        list.split(',').any(|item| {
            let (name, weight) = item.split_once(';').unwrap_or((item, ""));
            let weight = weight
                .trim()
                .strip_prefix("q=")
                .and_then(|text| text.parse::<f32>().ok());
            name.trim().eq_ignore_ascii_case("gzip") && weight.is_none_or(|weight| weight > 0.0)
        })
    })
}

/// The response, errors included, with its body compressed.
async fn compressed(response: Response) -> Response {
    if response.extensions().get::<connection::Cut>().is_some() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(plain) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if plain.is_empty() {
        return Response::from_parts(parts, Body::empty());
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let Ok(packed) = encoder.write_all(&plain).and_then(|()| encoder.finish()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    parts.headers.remove(CONTENT_LENGTH);
    parts
        .headers
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts
        .headers
        .append(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    Response::from_parts(parts, Body::from(packed))
}

impl Mounted for GpApi {
    fn id(&self) -> &'static str {
        cardseal::platform::Platform::GpApi.id()
    }

    fn fault_routes(&self) -> Vec<&'static str> {
        let routes = ROUTES.iter().map(|(name, ..)| *name);
        routes.chain([NOTIFICATIONS]).collect()
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/gp_api", any(receive))
            .route("/gp_api/", any(receive))
            .route("/gp_api/{*path}", any(receive))
            .with_state(self)
    }

    fn server_settings(&self) -> Value {
        json!({
            "environment": "custom",
            "base_url": self.base_url,
            "app_id": self.app.id,
            "app_key": self.app.key,
            "webhook_path_secret": self.notifications.path_secret,
        })
    }

    fn state(&self) -> Value {
        let now = self.shared.clock.now();
        // Turned into JSON outside of the lock: it may be long.
        let snapshot = self.with(|ledger| ledger.book.snapshot(now));
        serde_json::to_value(snapshot).unwrap_or_default()
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
                "expire_tokens" => {
                    let now = self.shared.clock.now();
                    let expired = self.with(|ledger| ledger.book.expire_tokens(now));
                    Some(Ok(json!({ "expired": expired })))
                }
                "notify" => Some(self.notify(&body).await),
                _ => None,
            }
        })
    }
}

/// A call whose path was understood.
struct Asked {
    name: &'static str,
    route: Route,
    id: String,
    second_id: String,
    /// Of a path that names it, as those of partners do.
    merchant: Option<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

async fn receive(State(gp_api): State<Arc<GpApi>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut segments: Vec<&str> = parts
        .uri
        .path()
        .split('/')
        .filter(|segment| !segment.is_empty())
        .skip(1)
        .collect();
    let known = segments.first() == Some(&"ucp");
    segments.drain(..usize::from(known));
    let mut merchant = None;
    if let ["merchants", id, _, ..] = segments.as_slice() {
        merchant = Some((*id).to_owned());
        segments.drain(..2);
    }
    let cross_origin = (segments == ["payment-methods"])
        .then(|| gp_api.allowed_origin(&parts.headers))
        .flatten();
    if parts.method == Method::OPTIONS && cross_origin.is_some() {
        let access = cors::PageAccess {
            methods: "POST",
            headers: PAGE_HEADERS,
            any_headers: false,
        };
        return cors::share(cors::preflight(access, &parts.headers), cross_origin);
    }
    let found = ROUTES.iter().find_map(|(name, method, pattern, route)| {
        let fits = known
            && *method == parts.method
            && pattern.len() == segments.len()
            && pattern
                .iter()
                .zip(&segments)
                .all(|(wanted, given)| *wanted == "*" || wanted == given);
        fits.then(|| {
            let mut ids = pattern
                .iter()
                .zip(&segments)
                .filter(|(part, _)| **part == "*")
                .map(|(_, id)| (*id).to_owned());
            let (id, second_id) = (ids.next(), ids.next());
            (
                *name,
                *route,
                id.unwrap_or_default(),
                second_id.unwrap_or_default(),
            )
        })
    });
    let Some((name, route, id, second_id)) = found else {
        let response = refused(&Refusal::no_route());
        return gp_api.packed(&parts.headers, response).await;
    };
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let asked = Asked {
        name,
        route,
        id,
        second_id,
        merchant,
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body,
    };
    // In a task of its own, as the platform goes on when its caller has lost patience.
    let response = tokio::spawn(gp_api.serve(asked))
        .await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response());
    cors::share(response, cross_origin)
}

impl GpApi {
    fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        let text = origin.to_str().ok()?;
        self.with(|ledger| cors::allows(&ledger.settings.cors_origins, text))
            .then(|| origin.clone())
    }
}

/// Letters and digits by chance, as the platform's ids are made of.
fn alphanumerics(count: usize) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    std::iter::repeat_with(|| {
        let mut bytes = Uuid::new_v4().into_bytes();
        // The two that are not by chance in every place.
        bytes.swap(6, 14);
        bytes.swap(8, 15);
        bytes
    })
    .flat_map(|bytes| bytes.into_iter().take(14))
    .filter_map(|byte| ALPHABET.get(usize::from(byte) % ALPHABET.len()))
    .map(|letter| char::from(*letter))
    .take(count)
    .collect()
}

/// The instant with milliseconds, always three of them.
fn timestamp(instant: OffsetDateTime) -> String {
    let at = instant.to_offset(UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_decimals() {
        assert_eq!(timestamp(OffsetDateTime::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
        let later = OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(86_399_050);
        assert_eq!(timestamp(later), "1970-01-01T23:59:59.050Z");
    }

    #[test]
    fn ids_differ_and_have_the_asked_length() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| alphanumerics(30)).collect();
        assert_eq!(ids.len(), 1000);
        assert!(
            ids.iter()
                .all(|id| id.len() == 30 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        );
    }

    #[test]
    fn knows_who_takes_gzip() {
        for (text, takes) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("identity", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(text));
            assert_eq!(accepts_gzip(&headers), takes, "{text}");
        }
    }
}
