//! Plays CCBill's RESTful Transaction API, below `/ccbill`.
//!
//! Two applications, whose access tokens do different things; payment tokens with a time to live and a number of
//! uses; charges that the bank declines by the cents of the price. Shapes, codes and texts are the platform's as far
//! as they are documented. The order of checks, what a price brings about, and that a token of the wrong application
//! is refused are choices made here. Nothing of the platform's own 3-D Secure is known: a stub, at an address that
//! the real platform does not have, stands in for its script.

mod accept;
mod calls;
mod fields;
mod settings;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

pub use self::settings::Settings;
use crate::faults::{Applied, Kind};
use crate::{CommandResult, Platform, SandboxOptions, Shared, StartError, clock, connection, cors};

const MAX_BODY: usize = 256 * 1024;
const VERSIONS: [(&str, u8); 2] = [
    ("application/vnd.mcn.transaction-service.api.v.1+json", 1),
    ("application/vnd.mcn.transaction-service.api.v.2+json", 2),
];
const ERROR_TYPE: &str = "application/vnd.com.cwie.error.v1+json";
/// Headers that a page may send.
const PAGE_HEADERS: &str = "authorization, content-type, widget-version";

/// What a client needs to use the simulated CCBill.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Base URL.
    pub base_url: String,
    /// Where the stub of 3-D Secure is. The real platform has none.
    pub threeds_stub_url: String,
    /// The account.
    pub client_accnum: u32,
    /// For sales without 3-D Secure.
    pub client_subacc: u32,
    /// For sales with it.
    pub client_subacc_3ds: u32,
    /// Of the application whose tokens pages hold.
    pub frontend: Credentials,
    /// Of the application that charges.
    pub backend: Credentials,
}

/// Test credentials, made anew at every start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credentials {
    /// The application.
    pub application_id: String,
    /// Its secret.
    pub secret: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    FrontEnd,
    BackEnd,
}

#[derive(Clone, Copy)]
struct Access {
    role: Role,
    expires_at: OffsetDateTime,
}

/// A payment token. Of the card only what is safe to show.
#[derive(Clone, Serialize)]
pub(crate) struct Token {
    id: String,
    subacc: u32,
    #[serde(serialize_with = "clock::as_text::serialize")]
    created_at: OffsetDateTime,
    time_to_live: u64,
    valid_number_of_use: u64,
    uses: u64,
    bin: String,
    last4: String,
    verified: bool,
    subscription_id: u64,
    ip_address: Option<String>,
}

/// A charge that reached the bank.
#[derive(Clone, Serialize)]
struct Sale {
    token: String,
    subacc: u32,
    cents: u64,
    currency: Option<u64>,
    threeds: bool,
    approved: bool,
    decline_code: Option<u32>,
    subscription_id: Option<String>,
    ip_address: Option<String>,
    pass_through: Value,
}

#[derive(Default)]
struct Book {
    access: BTreeMap<String, Access>,
    access_tokens_made: BTreeMap<&'static str, u64>,
    tokens: BTreeMap<String, Token>,
    sales: Vec<Sale>,
    number: u64,
}

/// What changes while the sandbox runs, behind one lock.
pub(crate) struct Ledger {
    book: Book,
    settings: Settings,
}

/// The simulated CCBill.
pub(crate) struct CcBill {
    shared: Shared,
    info: Info,
    ledger: Mutex<Ledger>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    OAuth,
    Create,
    CreateVerified,
    ThreedsRequired,
    TokenThreedsRequired,
    ReadToken,
    Charge,
    ChargeThreeds,
    Sales,
    /// Not of the platform's.
    Stub,
}

/// By the names that faults use. A path's variable is `*`; a fixed part goes before it.
const ROUTES: [(&str, Method, &[&str], Route); 10] = [
    (
        "oauth",
        Method::POST,
        &["ccbill-auth", "oauth", "token"],
        Route::OAuth,
    ),
    (
        "payment-tokens",
        Method::POST,
        &["payment-tokens", "merchant-only"],
        Route::Create,
    ),
    (
        "payment-tokens/verify",
        Method::POST,
        &["payment-tokens", "merchant-only-verify"],
        Route::CreateVerified,
    ),
    (
        "payment-tokens/threeds-required",
        Method::GET,
        &["payment-tokens", "threeds-required"],
        Route::ThreedsRequired,
    ),
    (
        "payment-tokens/token-threeds-required",
        Method::GET,
        &["payment-tokens", "*", "threeds-required"],
        Route::TokenThreedsRequired,
    ),
    (
        "payment-tokens/get",
        Method::GET,
        &["payment-tokens", "*"],
        Route::ReadToken,
    ),
    (
        "transactions/threeds",
        Method::POST,
        &["transactions", "payment-tokens", "threeds", "*"],
        Route::ChargeThreeds,
    ),
    (
        "transactions",
        Method::POST,
        &["transactions", "payment-tokens", "*"],
        Route::Charge,
    ),
    (
        "transactions/sales",
        Method::GET,
        &["transactions", "payment-tokens", "*"],
        Route::Sales,
    ),
    (
        "stub/authenticate",
        Method::POST,
        &["_stub", "authenticate-customer"],
        Route::Stub,
    ),
];

impl Route {
    /// Whose tokens make the call.
    const fn role(self) -> Role {
        match self {
            Self::OAuth
            | Self::Create
            | Self::CreateVerified
            | Self::ThreedsRequired
            | Self::TokenThreedsRequired
            | Self::Stub => Role::FrontEnd,
            Self::ReadToken | Self::Charge | Self::ChargeThreeds | Self::Sales => Role::BackEnd,
        }
    }
}

/// What is answered instead of the result.
pub(crate) struct Refusal {
    status: u16,
    code: u32,
    text: &'static str,
    errors: Value,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: u32, text: &'static str) -> Self {
        Self {
            status,
            code,
            text,
            errors: json!([]),
        }
    }

    pub(crate) fn validation(wrong: fields::Wrong) -> Self {
        Self {
            errors: wrong.into_errors(),
            ..Self::new(400, 200_000, "Validation failed!")
        }
    }

    /// Without a body, as its form is not known.
    const fn unauthorized() -> Self {
        Self {
            status: 401,
            code: 0,
            text: "",
            errors: Value::Null,
        }
    }

    fn forbidden() -> Self {
        Self::new(403, 100_020, "Forbidden")
    }

    fn not_found() -> Self {
        Self::new(404, 130_000, "Not Found")
    }
}

/// A call whose path was understood.
struct Asked {
    name: &'static str,
    route: Route,
    id: String,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl CcBill {
    pub(crate) fn start(
        shared: &Shared,
        _options: &SandboxOptions,
        origin: &str,
    ) -> Result<(Arc<Self>, Info), StartError> {
        let made = |prefix: &str| Credentials {
            application_id: format!("{prefix}{}", Uuid::new_v4().simple()),
            secret: Uuid::new_v4().simple().to_string(),
        };
        let base_url = format!("{origin}/ccbill");
        let info = Info {
            threeds_stub_url: format!("{base_url}/_stub/authenticate-customer"),
            base_url,
            client_accnum: 900_684,
            client_subacc: 0,
            client_subacc_3ds: 1,
            frontend: made("fe"),
            backend: made("be"),
        };
        let ccbill = Self {
            shared: shared.clone(),
            info: info.clone(),
            ledger: Mutex::new(Ledger {
                book: Book::default(),
                settings: Settings::default(),
            }),
        };
        Ok((Arc::new(ccbill), info))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// `POST /ccbill-auth/oauth/token`, with the grant type in the form or the query.
    fn grant(&self, asked: &Asked) -> Result<Value, Refusal> {
        let pairs =
            |text: &[u8]| -> Vec<(String, String)> { form_urlencoded::parse(text).into_owned().collect() };
        let mut given = pairs(asked.uri.query().unwrap_or_default().as_bytes());
        given.extend(pairs(&asked.body));
        let grants = given
            .iter()
            .any(|(name, value)| name == "grant_type" && value == "client_credentials");
        if !grants {
            return Err(Refusal::new(400, 0, "unsupported_grant_type"));
        }
        let basic = |pair: &Credentials| {
            format!(
                "Basic {}",
                STANDARD.encode(format!("{}:{}", pair.application_id, pair.secret))
            )
        };
        let given = asked.header(AUTHORIZATION.as_str());
        let (role, name) = if given == Some(&basic(&self.info.frontend)) {
            (Role::FrontEnd, "frontend")
        } else if given == Some(&basic(&self.info.backend)) {
            (Role::BackEnd, "backend")
        } else {
            return Err(Refusal::new(401, 0, "unauthorized"));
        };
        let now = self.shared.clock.now();
        Ok(self.with(|ledger| {
            let seconds = ledger.settings.token_seconds;
            let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
            ledger.book.access.insert(
                token.clone(),
                Access {
                    role,
                    expires_at: now + Duration::seconds(seconds.into()),
                },
            );
            *ledger.book.access_tokens_made.entry(name).or_default() += 1;
            json!({ "access_token": token, "token_type": "bearer", "expires_in": seconds, "scope": name })
        }))
    }

    /// Does the work of a call: all of it, or nothing. Then the version of the answer.
    fn answer(&self, asked: &Asked, applied: &Applied) -> Result<(Value, u8), Refusal> {
        if asked.route == Route::OAuth {
            return self.grant(asked).map(|answer| (answer, 0));
        }
        let now = self.shared.clock.now();
        self.with(|ledger| {
            let bearer = asked
                .header(AUTHORIZATION.as_str())
                .and_then(|text| text.strip_prefix("Bearer "));
            let access = bearer
                .and_then(|bearer| ledger.book.access.get(bearer))
                .filter(|access| now < access.expires_at)
                .ok_or_else(Refusal::unauthorized)?;
            if access.role != asked.route.role() {
                return Err(Refusal::forbidden());
            }
            let lists = asked.headers.get_all(ACCEPT).into_iter();
            let lists = lists.filter_map(|list| list.to_str().ok());
            let version = accept::version(lists, ledger.settings.default_version)
                .ok_or_else(|| Refusal::new(406, 100_015, "Not Acceptable"))?;
            let json = asked
                .header(CONTENT_TYPE.as_str())
                .and_then(|kind| kind.split(';').next())
                .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
            let call = calls::Call {
                ours: &self.info,
                ip_header: asked.header("x-origin-ip"),
                query: asked.uri.query().unwrap_or_default(),
                id: &asked.id,
                applied,
                now,
                version,
            };
            let body = || -> Result<Value, Refusal> {
                if !json {
                    return Err(Refusal::new(415, 100_004, "Unsupported Media Type"));
                }
                let mut wrong = fields::Wrong::default();
                wrong.note(None, "Unreadable body");
                serde_json::from_slice(&asked.body)
                    .ok()
                    .filter(Value::is_object)
                    .ok_or_else(|| Refusal::validation(wrong))
            };
            let answer = match asked.route {
                Route::OAuth => Err(Refusal::not_found()),
                Route::Create => call.create(ledger, &body()?, false),
                Route::CreateVerified => call.create(ledger, &body()?, true),
                Route::ThreedsRequired => call.threeds_required(),
                Route::TokenThreedsRequired => call.token_threeds_required(ledger),
                Route::ReadToken => call.read_token(ledger),
                Route::Charge => call.charge(ledger, &body()?, false),
                Route::ChargeThreeds => call.charge(ledger, &body()?, true),
                Route::Sales => call.sales(ledger),
                Route::Stub => call.authenticate(&body()?),
            }?;
            Ok((answer, version))
        })
    }

    /// One call with its faults.
    async fn serve(self: Arc<Self>, asked: Asked) -> Response {
        let applied = self.shared.faults.take(Platform::id(&*self), asked.name);
        if let Some(delay) = applied.delay(Kind::Delay) {
            tokio::time::sleep(delay).await;
        }
        if let Some(response) = connection::fail_before(&applied) {
            return response;
        }
        let answer = self.answer(&asked, &applied);
        let refused_with = answer.as_ref().err().map(|refusal| refusal.code);
        tracing::info!(route = asked.name, refused_with, fault = ?applied.kind(), "ccbill");
        if let Some(delay) = applied.delay(Kind::DelayAfterCommit) {
            tokio::time::sleep(delay).await;
        }
        match answer {
            Ok((body, version)) => {
                let mut response = connection::respond(StatusCode::OK, &body, &applied);
                if let Some((kind, _)) = VERSIONS.iter().find(|(_, of)| *of == version) {
                    response
                        .headers_mut()
                        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
                }
                response
            }
            Err(refusal) => refused(&refusal, &asked, &self.shared, &applied),
        }
    }
}

fn refused(refusal: &Refusal, asked: &Asked, shared: &Shared, applied: &Applied) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if refusal.errors.is_null() {
        return status.into_response();
    }
    if asked.route == Route::OAuth {
        let body = json!({ "error": refusal.text,
            "error_description": "Full authentication is required to access this resource" });
        return connection::respond(status, &body, applied);
    }
    let body = json!({
        "id": Uuid::new_v4().to_string(),
        "url": asked.uri.path().strip_prefix("/ccbill").unwrap_or_default(),
        "errors": refusal.errors,
        "generalMessage": refusal.text,
        "errorCode": refusal.code,
        "timestamp": clock::text(shared.clock.now()),
    });
    let mut response = connection::respond(status, &body, applied);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(ERROR_TYPE));
    response
}

impl Platform for CcBill {
    fn id(&self) -> &'static str {
        cardseal::platform::Platform::CcBill.id()
    }

    fn fault_routes(&self) -> Vec<&'static str> {
        ROUTES.iter().map(|(name, ..)| *name).collect()
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/ccbill", any(receive))
            .route("/ccbill/", any(receive))
            .route("/ccbill/{*path}", any(receive))
            .with_state(self)
    }

    fn server_settings(&self) -> Value {
        json!({
            "environment": "custom",
            "base_url": self.info.base_url,
            "client_accnum": self.info.client_accnum,
            "client_subacc": self.info.client_subacc,
            "client_subacc_3ds": self.info.client_subacc_3ds,
            "frontend_application_id": self.info.frontend.application_id,
            "frontend_secret": self.info.frontend.secret,
            "backend_application_id": self.info.backend.application_id,
            "backend_secret": self.info.backend.secret,
        })
    }

    fn state(&self) -> Value {
        self.with(|ledger| {
            json!({
                "access_tokens_made": ledger.book.access_tokens_made,
                "payment_tokens": ledger.book.tokens.values().collect::<Vec<_>>(),
                "transactions": ledger.book.sales,
            })
        })
    }

    fn settings(&self) -> Value {
        self.with(|ledger| serde_json::to_value(&ledger.settings))
            .unwrap_or_default()
    }

    fn change_settings(&self, change: &Value) -> Result<(), String> {
        self.with(|ledger| {
            ledger.settings = ledger.settings.changed(change)?;
            Ok(())
        })
    }

    fn reset(&self) {
        self.with(|ledger| {
            *ledger = Ledger {
                book: Book::default(),
                settings: Settings::default(),
            }
        });
    }

    fn command(self: Arc<Self>, name: &str, _body: &Value) -> Option<CommandResult> {
        if name != "expire_tokens" {
            return None;
        }
        let expired = self.with(|ledger| {
            let count = ledger.book.access.len();
            ledger.book.access.clear();
            count
        });
        Some(Box::pin(async move { Ok(json!({ "expired": expired })) }))
    }
}

async fn receive(State(ccbill): State<Arc<CcBill>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let segments: Vec<&str> = parts
        .uri
        .path()
        .split('/')
        .filter(|segment| !segment.is_empty())
        .skip(1)
        .collect();
    let fits = |pattern: &[&str]| {
        pattern.len() == segments.len()
            && pattern
                .iter()
                .zip(&segments)
                .all(|(wanted, given)| *wanted == "*" || wanted == given)
    };
    // The platform says that its tokens cannot be asked for by a page, and charges are not a page's.
    let page = ROUTES.iter().any(|(_, _, pattern, route)| {
        fits(pattern) && *route != Route::OAuth && route.role() == Role::FrontEnd
    });
    let cross_origin = parts.headers.get(ORIGIN).filter(|_| page).and_then(|origin| {
        let text = origin.to_str().ok()?;
        ccbill
            .with(|ledger| cors::allows(&ledger.settings.cors_origins, text))
            .then(|| origin.clone())
    });
    if parts.method == Method::OPTIONS && cross_origin.is_some() {
        let names = HeaderValue::from_static(PAGE_HEADERS);
        return cors::share(cors::preflight("GET, POST", Some(names)), cross_origin);
    }
    let found = ROUTES
        .iter()
        .find(|(_, method, pattern, _)| *method == parts.method && fits(pattern));
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    // `POST /payment-tokens/target-client` is a route that is not played, no wrong method on a token of that name.
    let other_method = || {
        ROUTES.iter().any(|(_, _, pattern, _)| {
            let mut parts = pattern.iter().zip(&segments);
            fits(pattern) && parts.all(|(part, given)| *part != "*" || calls::is_token_id(given))
        })
    };
    let (name, route, refusal) = match found {
        Some((name, _, _, route)) => (*name, *route, None),
        None if other_method() => (
            "",
            Route::Sales,
            Some(Refusal::new(405, 130_000, "Method Not Allowed")),
        ),
        None => ("", Route::Sales, Some(Refusal::not_found())),
    };
    let id = found
        .and_then(|(_, _, pattern, _)| pattern.iter().position(|part| *part == "*"))
        .and_then(|index| segments.get(index))
        .map_or_else(String::new, |id| (*id).to_owned());
    let asked = Asked {
        name,
        route,
        id,
        uri: parts.uri.clone(),
        headers: parts.headers,
        body,
    };
    let response = match refusal {
        Some(refusal) => refused(&refusal, &asked, &ccbill.shared, &Applied::default()),
        // In a task of its own, as the platform goes on when its caller has lost patience.
        None => tokio::spawn(ccbill.serve(asked))
            .await
            .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()),
    };
    cors::share(response, cross_origin)
}
