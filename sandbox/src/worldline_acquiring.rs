//! Plays Worldline's Acquiring API at the root of the sandbox, as its libraries take a host without a path:
//! `/processing/v1`, `/services/v1`. Access tokens are at `/worldline_acquiring/connect/token`; the platform's come from
//! another host.
//!
//! Paths, members and words are the platform's as far as they are published. What a step out of turn leads to, the
//! answers to repeats and to undone operations, and most refusals are choices made here; what brings about a decline stands
//! in `issuer`, what is set in `settings`. Disputes are not played.
//!
//! Cards come in clear. They are read, judged and dropped: what is kept of one is its last four digits.

mod access;
mod book;
mod cards;
mod fields;
mod inquiries;
mod issuer;
mod payments;
mod refusal;
mod settings;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use self::access::Client;
use self::book::{Book, Known, Target};
use self::fields::Fields;
use self::payments::Call;
use self::refusal::Refusal;
pub use self::settings::{Repeats, Settings, WrongClient};
use crate::faults::{Applied, Kind};
use crate::host::reply as connection;
use crate::host::settings::changed;
use crate::host::{CommandResult, Mounted, Shared};
use crate::{SandboxOptions, StartError, sealing};

const MAX_BODY: usize = 256 * 1024;
const TOKEN_PATH: &str = "/worldline_acquiring/connect/token";
const METADATA: &str = "X-WL-ServerMetaInfo";
/// The name of the route of access tokens, for faults.
const OAUTH: &str = "oauth";

/// What a client needs to use the simulated platform.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// The API: a host without a path.
    pub base_url: String,
    /// Where access tokens are.
    pub token_uri: String,
    /// The acquirer.
    pub acquirer_id: String,
    /// The merchant.
    pub merchant_id: String,
    /// Of the merchant's application.
    pub credentials: Credentials,
}

/// Test credentials, made anew at every start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credentials {
    /// The application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

/// What changes while the sandbox runs, behind one lock.
#[derive(Default)]
pub(crate) struct Ledger {
    book: Book,
    settings: Settings,
}

/// The simulated platform.
pub(crate) struct WorldlineAcquiring {
    shared: Shared,
    info: Info,
    client: Client,
    /// The key pair that pages seal cards to, as the server reads it. The platform has nothing to do with it.
    sealing_key: SealingKey,
    salt: [u8; 32],
    ledger: Mutex<Ledger>,
}

struct SealingKey {
    kid: String,
    jwk: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Pay,
    ReadPayment,
    Capture,
    Increment,
    Reverse,
    RefundPayment,
    RefundAlone,
    ReadRefund,
    CaptureRefund,
    ReverseRefund,
    Verify,
    Balance,
    Undo,
    Rate,
    Ping,
}

/// By the names that faults use, and the scope that a call needs. `*` is the id in the path.
type Entry = (&'static str, Method, &'static [&'static str], &'static str, Route);

/// Below `/processing/v1/{acquirer}/{merchant}`.
const PROCESSING: [Entry; 13] = [
    (
        "payments",
        Method::POST,
        &["payments"],
        access::PAYMENT,
        Route::Pay,
    ),
    (
        "payments/get",
        Method::GET,
        &["payments", "*"],
        access::PAYMENT,
        Route::ReadPayment,
    ),
    (
        "payments/captures",
        Method::POST,
        &["payments", "*", "captures"],
        access::PAYMENT,
        Route::Capture,
    ),
    (
        "payments/increments",
        Method::POST,
        &["payments", "*", "increments"],
        access::PAYMENT,
        Route::Increment,
    ),
    (
        "payments/authorization-reversals",
        Method::POST,
        &["payments", "*", "authorization-reversals"],
        access::PAYMENT,
        Route::Reverse,
    ),
    // By the platform's own table, although its path is below those of payments.
    (
        "payments/refunds",
        Method::POST,
        &["payments", "*", "refunds"],
        access::REFUND,
        Route::RefundPayment,
    ),
    (
        "refunds",
        Method::POST,
        &["refunds"],
        access::REFUND,
        Route::RefundAlone,
    ),
    (
        "refunds/get",
        Method::GET,
        &["refunds", "*"],
        access::REFUND,
        Route::ReadRefund,
    ),
    (
        "refunds/captures",
        Method::POST,
        &["refunds", "*", "captures"],
        access::REFUND,
        Route::CaptureRefund,
    ),
    (
        "refunds/authorization-reversals",
        Method::POST,
        &["refunds", "*", "authorization-reversals"],
        access::REFUND,
        Route::ReverseRefund,
    ),
    (
        "account-verifications",
        Method::POST,
        &["account-verifications"],
        access::VERIFICATION,
        Route::Verify,
    ),
    (
        "balance-inquiries",
        Method::POST,
        &["balance-inquiries"],
        access::BALANCE,
        Route::Balance,
    ),
    (
        "operations/reverse",
        Method::POST,
        &["operations", "*", "reverse"],
        access::REVERSE,
        Route::Undo,
    ),
];

/// Below `/services/v1/{acquirer}/{merchant}`.
const SERVICES: [Entry; 1] = [(
    "dcc-rates",
    Method::POST,
    &["dcc-rates"],
    access::DCC,
    Route::Rate,
)];

/// `GET /services/v1/ping`, of no merchant.
const PING: Entry = ("ping", Method::GET, &["ping"], access::PING, Route::Ping);

/// What is answered.
pub(crate) struct Reply {
    status: StatusCode,
    body: Value,
    /// What the operation worked on.
    target: Target,
}

impl Reply {
    const fn created(body: Value, target: Target) -> Self {
        Self {
            status: StatusCode::CREATED,
            body,
            target,
        }
    }
}

pub(crate) type Answer = Result<Reply, Refusal>;

/// A call whose path was understood.
struct Asked {
    name: &'static str,
    route: Route,
    scope: &'static str,
    /// Of the path, where there is one.
    account: Option<(String, String)>,
    id: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl WorldlineAcquiring {
    pub(crate) fn start(
        shared: &Shared,
        _options: &SandboxOptions,
        origin: &str,
    ) -> Result<(Arc<Self>, Info), StartError> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|_| StartError::Random)?;
        let client = Client::make();
        let info = Info {
            base_url: origin.to_owned(),
            token_uri: format!("{origin}{TOKEN_PATH}"),
            acquirer_id: "100812".into(),
            merchant_id: "520000214".into(),
            credentials: Credentials {
                client_id: client.id.clone(),
                client_secret: client.secret.clone(),
            },
        };
        let kid = format!("sandbox-{}", Uuid::new_v4().simple());
        let platform = Self {
            shared: shared.clone(),
            info: info.clone(),
            client,
            sealing_key: SealingKey {
                jwk: sealing::private_jwk(&kid).ok_or(StartError::Random)?.to_string(),
                kid,
            },
            salt,
            ledger: Mutex::default(),
        };
        Ok((Arc::new(platform), info))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does the work of a call: all of it, or nothing.
    fn answer(&self, asked: &Asked, applied: &Applied) -> Answer {
        let now = self.shared.clock.now();
        self.with(|ledger| {
            let bearer = asked
                .header(AUTHORIZATION.as_str())
                .and_then(|text| text.strip_prefix("Bearer "));
            let may = bearer
                .and_then(|bearer| ledger.book.tokens.may(bearer, asked.scope, now))
                .ok_or_else(Refusal::unauthenticated)?;
            if !may {
                return Err(Refusal::scope(asked.scope));
            }
            let ours = (&self.info.acquirer_id, &self.info.merchant_id);
            if asked
                .account
                .as_ref()
                .is_some_and(|(acquirer, merchant)| (acquirer, merchant) != ours)
            {
                return Err(Refusal::account());
            }
            if ledger.settings.metadata_required && !is_metadata(asked.header(METADATA)) {
                return Err(Refusal::invalid(METADATA));
            }
            let reads = matches!(asked.route, Route::ReadPayment | Route::ReadRefund | Route::Ping);
            let fields = if reads {
                Fields::none()
            } else {
                Fields::parse(&asked.body)?
            };
            let mut call = Call {
                fields: &fields,
                operation: String::new(),
                id: &asked.id,
                query: &asked.query,
                applied,
                now,
            };
            if reads {
                return carry_out(asked.route, &call, ledger);
            }
            call.operation = fields.operation()?;
            let digest = self.digest(asked, &fields);
            if let Some(known) = ledger.book.known.get(&call.operation) {
                let same = known.digest == digest && ledger.settings.repeats == Repeats::Replay;
                if known.undone || !same {
                    return Err(Refusal::duplicate());
                }
                let reply = Reply {
                    status: known.status,
                    body: known.answer.clone(),
                    target: Target::Nothing,
                };
                ledger.book.replays += 1;
                return Ok(reply);
            }
            let operation = call.operation.clone();
            let reply = carry_out(asked.route, &call, ledger)?;
            ledger.book.known.insert(
                operation,
                Known {
                    digest,
                    status: reply.status,
                    answer: reply.body.clone(),
                    target: reply.target.clone(),
                    undone: false,
                },
            );
            Ok(reply)
        })
    }

    /// Of what is asked for, so that another use of the same id is seen without keeping the card.
    fn digest(&self, asked: &Asked, fields: &Fields) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.salt)
            .chain_update(asked.name)
            .chain_update([0])
            .chain_update(&asked.id)
            .chain_update([0])
            .chain_update(fields.canonical())
            .finalize()
            .into()
    }

    /// One call with its faults.
    async fn serve(self: Arc<Self>, asked: Asked) -> Response {
        self.faulty(asked.name, |applied| {
            let answer = self.answer(&asked, applied);
            let refused = answer.as_ref().err().map(Refusal::kind);
            tracing::info!(route = asked.name, refused, fault = ?applied.kind(), "worldline_acquiring");
            match answer {
                Ok(reply) if reply.status == StatusCode::NO_CONTENT => match applied.kind() {
                    // There is nothing to spoil, but it can still be lost.
                    Some(
                        Kind::DropAfterCommit | Kind::GatewayTimeoutAfterCommit | Kind::BadGatewayAfterCommit,
                    ) => connection::respond(reply.status, &reply.body, applied),
                    _ => reply.status.into_response(),
                },
                Ok(reply) => connection::respond(reply.status, &reply.body, applied),
                Err(refusal) => refusal.response(applied),
            }
        })
        .await
    }

    /// `POST /connect/token`.
    async fn grant(self: Arc<Self>, form: Bytes) -> Response {
        self.faulty(OAUTH, |applied| {
            let now = self.shared.clock.now();
            let (status, body) = self.with(|ledger| {
                let settings = ledger.settings.clone();
                ledger.book.tokens.grant(&self.client, &form, &settings, now)
            });
            tracing::info!(route = OAUTH, status = status.as_u16(), "worldline_acquiring");
            connection::respond(status, &body, applied)
        })
        .await
    }

    async fn faulty(&self, route: &str, work: impl FnOnce(&Applied) -> Response) -> Response {
        let applied = self.shared.faults.take(Mounted::id(self), route);
        if let Some(delay) = applied.delay(Kind::Delay) {
            tokio::time::sleep(delay).await;
        }
        if let Some(response) = connection::fail_before(&applied) {
            return response;
        }
        let response = work(&applied);
        if let Some(delay) = applied.delay(Kind::DelayAfterCommit) {
            tokio::time::sleep(delay).await;
        }
        response
    }
}

fn carry_out(route: Route, call: &Call<'_>, ledger: &mut Ledger) -> Answer {
    match route {
        Route::Pay => call.pay(ledger),
        Route::ReadPayment => call.read_payment(ledger),
        Route::Capture => call.capture_payment(ledger),
        Route::Increment => call.increment(ledger),
        Route::Reverse => call.reverse(ledger),
        Route::RefundPayment => call.refund(ledger),
        Route::RefundAlone => call.refund_alone(ledger),
        Route::ReadRefund => call.read_refund(ledger),
        Route::CaptureRefund => call.capture_refund(ledger),
        Route::ReverseRefund => call.reverse_refund(ledger),
        Route::Verify => call.verify(ledger),
        Route::Balance => call.balance(),
        Route::Undo => call.undo(ledger),
        Route::Rate => call.rate(),
        // With any body the platform's own Python library fails.
        Route::Ping => Ok(Reply {
            status: StatusCode::NO_CONTENT,
            body: Value::Null,
            target: Target::Nothing,
        }),
    }
}

/// Whether a header is base64 of a JSON object that names an integrator. Whether the platform looks is not known.
fn is_metadata(header: Option<&str>) -> bool {
    header
        .and_then(|text| STANDARD.decode(text).ok())
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
        .is_some_and(|data| {
            data["integrator"]
                .as_str()
                .is_some_and(|name| !name.trim().is_empty())
        })
}

impl Mounted for WorldlineAcquiring {
    fn id(&self) -> &'static str {
        cardseal::platform::Platform::WorldlineAcquiring.id()
    }

    fn fault_routes(&self) -> Vec<&'static str> {
        let routes = PROCESSING.iter().chain(&SERVICES).chain([&PING]);
        routes.map(|(name, ..)| *name).chain([OAUTH]).collect()
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/processing/{*path}", any(receive))
            .route("/services/{*path}", any(receive))
            .route("/dispute-management/{*path}", any(receive))
            .route(TOKEN_PATH, post(receive_grant))
            .with_state(self)
    }

    fn server_settings(&self) -> Value {
        json!({
            "environment": "custom",
            "base_url": self.info.base_url,
            "token_uri": self.info.token_uri,
            "client_id": self.client.id,
            "client_secret": self.client.secret,
            "acquirer_id": self.info.acquirer_id,
            "merchant_id": self.info.merchant_id,
            "sealing": true,
            "sealing_keys": [{ "kid": self.sealing_key.kid, "jwk": self.sealing_key.jwk }],
        })
    }

    fn state(&self) -> Value {
        let now = self.shared.clock.now();
        self.with(|ledger| ledger.book.state(&ledger.settings, now))
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
        self.with(|ledger| *ledger = Ledger::default());
    }

    fn command(self: Arc<Self>, name: &str, _body: &Value) -> CommandResult {
        let expired = (name == "expire_tokens").then(|| self.with(|ledger| ledger.book.tokens.expire()));
        Box::pin(std::future::ready(
            expired.map(|expired| Ok(json!({ "expired": expired }))),
        ))
    }
}

async fn receive_grant(State(platform): State<Arc<WorldlineAcquiring>>, request: Request) -> Response {
    let Ok(form) = to_bytes(request.into_body(), MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    tokio::spawn(platform.grant(form))
        .await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// What an unknown path leads to is not known; like every refusal here it is a problem that clients can read.
async fn receive(State(platform): State<Arc<WorldlineAcquiring>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let segments: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
    let fits = |(_, method, pattern, ..): &&Entry, segments: &[&str]| {
        *method == parts.method
            && pattern.len() == segments.len()
            && pattern.iter().zip(segments).all(|(wanted, given)| {
                if *wanted == "*" {
                    !given.is_empty()
                } else {
                    wanted == given
                }
            })
    };
    let (entry, account, segments) = match segments.as_slice() {
        ["services", "v1", rest @ ..] if rest.len() == 1 => {
            (Some(&PING).filter(|entry| fits(entry, rest)), None, rest)
        }
        [
            host @ ("processing" | "services"),
            "v1",
            acquirer,
            merchant,
            rest @ ..,
        ] => {
            let mut entries = if *host == "processing" {
                PROCESSING.iter()
            } else {
                SERVICES.iter()
            };
            let account = ((*acquirer).to_owned(), (*merchant).to_owned());
            (entries.find(|entry| fits(entry, rest)), Some(account), rest)
        }
        _ => (None, None, &[][..]),
    };
    let Some((name, _, pattern, scope, route)) = entry else {
        return Refusal::unknown("path").response(&Applied::default());
    };
    let id = pattern
        .iter()
        .position(|part| *part == "*")
        .and_then(|index| segments.get(index))
        .map_or_else(String::new, |id| (*id).to_owned());
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return Refusal::too_large().response(&Applied::default());
    };
    let asked = Asked {
        name,
        route: *route,
        scope,
        account,
        id,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    // In a task of its own, as the platform goes on when its caller has lost patience.
    tokio::spawn(platform.serve(asked))
        .await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_its_own_name() {
        let routes = PROCESSING.iter().chain(&SERVICES).chain([&PING]);
        let names: std::collections::HashSet<_> = routes.map(|(name, ..)| name).collect();
        assert_eq!(names.len(), PROCESSING.len() + SERVICES.len() + 1);
    }

    #[test]
    fn knows_sound_metadata() {
        let of = |text: &str| is_metadata(Some(&STANDARD.encode(text)));
        assert!(of(r#"{ "integrator": "Cardseal" }"#));
        for wrong in [r#"{"integrator":" "}"#, r#"{"integrator":1}"#, "[]", "{}", "x"] {
            assert!(!of(wrong), "{wrong}");
        }
        assert!(!is_metadata(None) && !is_metadata(Some("%%")));
    }
}
