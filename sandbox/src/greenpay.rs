//! Plays GreenPay's merchant and checkout hosts, below `/greenpay/merchant` and `/greenpay/checkout`.
//!
//! The texts of refusals, the shapes of answers, the test cards and the signature are GreenPay's as far as
//! they are documented. What is not documented, such as the order of checks, the HTTP status of a failure, the
//! single use of a session, or CORS on the checkout host, is a choice made here, and most of it is a setting.

mod answers;
mod bank;
mod body;
mod checkout;
mod decrypt;
mod keys;
mod merchant;
mod orders;
mod settings;
mod webhooks;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use self::answers::Answer;
use self::body::Body;
use self::checkout::Verb;
pub use self::decrypt::{CounterArithmetic, Utf8Decoder};
pub use self::keys::KeyError;
use self::keys::KeyPair;
use self::merchant::{TERMINALS, Way};
use self::orders::Book;
pub use self::settings::Settings;
use crate::faults::{Applied, Kind};
use crate::host::cors::PageAccess;
use crate::host::reply as connection;
use crate::host::settings::changed;
use crate::host::{CommandResult, Mounted, Shared, cors};
use crate::{Notifications, SandboxOptions, StartError};

/// Bodies are small; orders may list products.
const MAX_BODY: usize = 256 * 1024;

/// What a client needs to use the simulated GreenPay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Base URL of the merchant host.
    pub merchant_url: String,
    /// Base URL of the checkout host.
    pub checkout_url: String,
    /// What the merchant's server authenticates with.
    pub credentials: Credentials,
    /// SPKI in base64, on one line.
    pub public_key: String,
}

/// Test credentials, made anew at every start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credentials {
    /// The secret.
    pub secret: String,
    /// The merchant's id, a UUID.
    pub merchant_id: String,
    /// One per currency.
    pub terminals: Vec<Terminal>,
}

/// A terminal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Terminal {
    /// Its name on the wire.
    pub terminal: String,
    /// The only currency it takes.
    pub currency: String,
}

/// A documented text, or one of ours where none is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(&'static str);

impl Refusal {
    const INVALID_BODY: Self = Self("Invalid request body");
    const SESSION_NOT_FOUND: Self = Self("Session not found");
    const INVALID_CARD_TOKEN: Self = Self("Invalid card token");
}

/// What changes while the sandbox runs, behind one lock: a call is checked and booked in one go, so that of two
/// posts of one session only one finds it unused.
pub(crate) struct Ledger {
    book: Book,
    settings: Settings,
}

/// The simulated GreenPay.
pub(crate) struct GreenPay {
    shared: Shared,
    keys: KeyPair,
    other_keys: OnceLock<Option<KeyPair>>,
    khash_salt: [u8; 32],
    info: Info,
    notifications: Notifications,
    first_settings: Settings,
    ledger: Mutex<Ledger>,
}

/// A path of one of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    OrderToken,
    OrderPayment,
    PayWithToken,
    DeleteToken,
    Reverse(Way),
    Checkout(Verb),
}

/// The routes by the names that faults use: host and path.
const ROUTES: [(&str, Route); 10] = [
    ("merchant/tokenize", Route::OrderToken),
    ("merchant/", Route::OrderPayment),
    ("merchant/tokenPayment", Route::PayWithToken),
    ("merchant/deleteToken", Route::DeleteToken),
    ("merchant/transactions/void", Route::Reverse(Way::Void)),
    ("merchant/transactions/refund", Route::Reverse(Way::Refund)),
    ("checkout/tokenize", Route::Checkout(Verb::Tokenize)),
    ("checkout/tokenize/update", Route::Checkout(Verb::Update)),
    ("checkout/kount", Route::Checkout(Verb::PayWithKount)),
    ("checkout/", Route::Checkout(Verb::Pay)),
];

impl GreenPay {
    pub(crate) fn start(
        shared: &Shared,
        options: &SandboxOptions,
        origin: &str,
    ) -> Result<(Arc<Self>, Info), StartError> {
        let keys = match &options.private_key {
            Some(pem) => KeyPair::parse(pem)?,
            None => KeyPair::make(options.key_bits)?,
        };
        let notifications = Notifications::to(options, "greenpay")?;
        let first_settings = Settings {
            webhook_url: notifications.url.clone(),
            ..Settings::default()
        };
        let mut secret = [0; 64];
        let mut khash_salt = [0; 32];
        getrandom::fill(&mut secret)
            .and_then(|()| getrandom::fill(&mut khash_salt))
            .map_err(|_| StartError::Random)?;
        let terminal = |(terminal, currency): &(&str, &str)| Terminal {
            terminal: (*terminal).into(),
            currency: (*currency).into(),
        };
        let info = Info {
            merchant_url: format!("{origin}/greenpay/merchant"),
            checkout_url: format!("{origin}/greenpay/checkout"),
            credentials: Credentials {
                // The published sample of a secret has this form.
                secret: STANDARD.encode(hex::encode_upper(secret)),
                merchant_id: Uuid::new_v4().to_string(),
                terminals: TERMINALS.iter().map(terminal).collect(),
            },
            public_key: keys.public().to_owned(),
        };
        let greenpay = Self {
            shared: shared.clone(),
            keys,
            other_keys: OnceLock::new(),
            khash_salt,
            ledger: Mutex::new(Ledger {
                book: Book::default(),
                settings: first_settings.clone(),
            }),
            info: info.clone(),
            notifications,
            first_settings,
        };
        Ok((Arc::new(greenpay), info))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A key pair that the merchant does not have, for faults.
    fn other_keys(&self) -> Option<&KeyPair> {
        self.other_keys
            .get_or_init(|| KeyPair::make(self.keys.bits().clamp(1024, 4096)).ok())
            .as_ref()
    }

    /// Does the work of a call: all of it, or nothing.
    fn answer(&self, route: Route, headers: &HeaderMap, body: &[u8], applied: &Applied) -> Answer {
        let Some(body) = Body::parse(body) else {
            let Refusal(text) = Refusal::INVALID_BODY;
            return Answer::refusal(text, None);
        };
        self.with(|ledger| match route {
            Route::OrderToken => self.order_token(ledger, &body),
            Route::OrderPayment => self.order_payment(ledger, &body),
            Route::PayWithToken => self.pay_with_token(ledger, &body, applied),
            Route::DeleteToken => self.delete_token(ledger, &body),
            Route::Reverse(way) => self.reverse(ledger, &body, way),
            Route::Checkout(verb) => self.checkout(ledger, verb, headers, &body, applied),
        })
    }

    /// Signs, posts the webhook, spoils.
    fn finish(self: &Arc<Self>, answer: &Answer, applied: &Applied) -> (StatusCode, Value) {
        let settings = self.with(|ledger| ledger.settings.clone());
        let sign = |keys: &KeyPair| {
            if settings.sign {
                answer.signed(keys)
            } else {
                answer.body.clone()
            }
        };
        let good = sign(&self.keys);
        if let (Some(hook), Some(base)) = (&answer.hook, settings.webhook_url) {
            webhooks::send_later(
                self.clone(),
                base,
                hook.clone(),
                good.clone(),
                applied.webhook_after(),
            );
        }
        let mut body = match self.other_keys_for(applied) {
            Some(keys) => sign(keys),
            None => good,
        };
        if !answers::spoil(&mut body, applied) {
            self.shared.faults.give_back(applied);
        }
        let status = if answer.failed {
            settings.failure_http_status
        } else {
            200
        };
        (
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            body,
        )
    }

    fn other_keys_for(&self, applied: &Applied) -> Option<&KeyPair> {
        if applied.is(Kind::WrongKeySignature) {
            self.other_keys()
        } else {
            None
        }
    }

    /// One call with its faults.
    async fn serve(
        self: Arc<Self>,
        id: &'static str,
        route: Route,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        let applied = self.shared.faults.take(Mounted::id(&*self), id);
        if let Some(delay) = applied.delay(Kind::Delay) {
            tokio::time::sleep(delay).await;
        }
        if let Some(response) = connection::fail_before(&applied) {
            return response;
        }
        let answer = self.answer(route, &headers, &body, &applied);
        let (status, body) = self.finish(&answer, &applied);
        tracing::info!(route = id, failed = answer.failed, fault = ?applied.kind(), "greenpay");
        if let Some(delay) = applied.delay(Kind::DelayAfterCommit) {
            tokio::time::sleep(delay).await;
        }
        connection::respond(status, &body, &applied)
    }
}

impl Mounted for GreenPay {
    fn id(&self) -> &'static str {
        "greenpay"
    }

    fn fault_routes(&self) -> Vec<&'static str> {
        ROUTES.iter().map(|(id, _)| *id).collect()
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/greenpay", any(call))
            .route("/greenpay/", any(call))
            .route("/greenpay/{host}", any(call))
            .route("/greenpay/{host}/", any(call))
            .route("/greenpay/{host}/{*path}", any(call))
            .with_state(self)
    }

    fn server_settings(&self) -> Value {
        let Info {
            merchant_url,
            checkout_url,
            credentials,
            public_key,
        } = &self.info;
        json!({
            "environment": "custom",
            "merchant_url": merchant_url,
            "checkout_url": checkout_url,
            "secret": credentials.secret,
            "merchant_id": credentials.merchant_id,
            "public_key": public_key,
            "webhook_path_secret": self.notifications.path_secret,
            "terminals": credentials.terminals,
        })
    }

    fn state(&self) -> Value {
        self.with(|ledger| ledger.book.state())
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

    fn command(self: Arc<Self>, _name: &str, _body: &Value) -> CommandResult {
        Box::pin(std::future::ready(None))
    }

    fn reset(&self) {
        self.with(|ledger| {
            *ledger = Ledger {
                book: Book::default(),
                settings: self.first_settings.clone(),
            }
        });
    }
}

async fn call(State(greenpay): State<Arc<GreenPay>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let segments: Vec<&str> = parts
        .uri
        .path()
        .split('/')
        .filter(|segment| !segment.is_empty())
        .skip(1)
        .collect();
    let path = match segments.as_slice() {
        [host] => format!("{host}/"),
        _ => segments.join("/"),
    };
    let Some((id, route)) = ROUTES.iter().copied().find(|(id, _)| *id == path) else {
        return not_found();
    };
    let cross_origin = matches!(route, Route::Checkout(_))
        .then(|| greenpay.allowed_origin(&parts.headers))
        .flatten();
    let response = if parts.method == Method::OPTIONS && cross_origin.is_some() {
        preflight(&parts.headers)
    } else if parts.method != Method::POST {
        not_found()
    } else {
        match to_bytes(body, MAX_BODY).await {
            // In a task of its own, as the platform goes on when its caller has lost patience.
            Ok(body) => tokio::spawn(greenpay.serve(id, route, parts.headers, body))
                .await
                .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()),
            Err(_) => connection::json(
                StatusCode::PAYLOAD_TOO_LARGE,
                &Answer::refusal("Request too large", None).body,
            ),
        }
    };
    cors::share(response, cross_origin)
}

fn not_found() -> Response {
    connection::json(
        StatusCode::NOT_FOUND,
        &json!({ "status": 404, "errors": ["Not found"] }),
    )
}

impl GreenPay {
    fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        let text = origin.to_str().ok()?;
        self.with(|ledger| cors::allows(&ledger.settings.cors_origins, text))
            .then(|| origin.clone())
    }
}

/// Answers what a browser asks before it sends `liszt-token` to another origin.
fn preflight(headers: &HeaderMap) -> Response {
    cors::preflight(
        PageAccess {
            methods: "POST",
            headers: "accept, content-type, liszt-token",
            any_headers: true,
        },
        headers,
    )
}
