//! A merchant's shop for tests: a sandbox, a server on it, a customer who packs cards.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use cardseal::card::{Card, CardInput};
use cardseal::crypto::public_key::PublicKey;
use cardseal::greenpay::{Counter, GreenPay, PAYMENT_RULES, Payload, TOKEN_RULES};
use cardseal::random::SystemRandom;
use cardseal_sandbox::faults::{Fault, Kind};
use cardseal_sandbox::{RunningSandbox, Sandbox, SandboxOptions};
use cardseal_server::config::Config;
use cardseal_server::{App, Shared, router};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

pub(crate) const API_KEY: &str = "9d41c7e05b8f2a6613e4b90d7fa258cc";
pub(crate) const ORIGIN: &str = "https://shop.example";
pub(crate) const WEBHOOK_SECRET: &str = "webhook-secret-for-tests";
/// From the platform's own documentation.
pub(crate) const APPROVED: &str = "4242424242424242";
pub(crate) const DECLINED_51: &str = "4094394314664828";

pub(crate) struct Shop {
    pub(crate) sandbox: RunningSandbox,
    pub(crate) app: App,
    pub(crate) router: Router,
    pub(crate) folder: TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// The code of a problem, with what every problem has.
    #[track_caller]
    pub(crate) fn code(&self) -> &str {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{self:?}"
        );
        assert_eq!(self.json["status"], self.status.as_u16(), "{self:?}");
        assert!(
            self.json["title"].is_string() && self.json["request_id"].is_string(),
            "{self:?}"
        );
        self.json["code"].as_str().unwrap()
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json
    }

    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status.as_u16(), self.code()),
            (status, code),
            "{}",
            self.text
        );
    }
}

pub(crate) async fn sandbox() -> RunningSandbox {
    Sandbox::start(SandboxOptions::default()).await.unwrap()
}

/// The configuration as a file would have it, with the database of this run.
pub(crate) fn config_text(
    sandbox: &RunningSandbox,
    database: &std::path::Path,
    listen: &str,
    more: &str,
) -> String {
    text_with(sandbox, &crate::database::section(database), listen, more)
}

/// The same with a SQLite file, whatever database this run has.
pub(crate) fn file_config_text(
    sandbox: &RunningSandbox,
    database: &std::path::Path,
    listen: &str,
    more: &str,
) -> String {
    let section = crate::database::file_section(database);
    text_with(sandbox, &section, listen, more)
}

fn text_with(sandbox: &RunningSandbox, database: &str, listen: &str, more: &str) -> String {
    let info = &sandbox.info().platforms.greenpay;
    let mut text = format!(
        "[server]\nlisten = \"{listen}\"\nallowed_origins = [\"{ORIGIN}\"]\napi_key = \"{API_KEY}\"\n\
         {}[platforms.greenpay]\nenvironment = \"custom\"\nmerchant_url = {:?}\ncheckout_url = {:?}\n\
         payment_form_url = {:?}\ntoken_form_url = {:?}\n\
         secret = {:?}\nmerchant_id = {:?}\npublic_key = {:?}\nwebhook_path_secret = \"{WEBHOOK_SECRET}\"\n",
        database,
        info.merchant_url,
        info.checkout_url,
        info.payment_form_url,
        info.token_form_url,
        info.credentials.secret,
        info.credentials.merchant_id,
        info.public_key,
    );
    for terminal in &info.credentials.terminals {
        text += &format!(
            "[[platforms.greenpay.terminals]]\nterminal = {:?}\ncurrency = {:?}\n",
            terminal.terminal, terminal.currency
        );
    }
    text + more
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::with(&[]).await
    }

    /// With settings as the environment would give them. Many calls come from one address here.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let sandbox = sandbox().await;
        let folder = tempfile::tempdir().unwrap();
        let (app, router) = serve(&sandbox, &folder.path().join("cardseal.sqlite"), settings).await;
        Self {
            sandbox,
            app,
            router,
            folder,
        }
    }

    pub(crate) async fn gp_api(settings: &[(&str, &str)]) -> Self {
        Self::beside("gp_api", settings).await
    }

    /// With another platform beside the first.
    pub(crate) async fn beside(id: &str, settings: &[(&str, &str)]) -> Self {
        let sandbox = sandbox().await;
        let folder = tempfile::tempdir().unwrap();
        let platform = platform_settings(&sandbox, id);
        let all: Vec<(&str, &str)> = platform
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .chain(settings.iter().copied())
            .collect();
        let (app, router) = serve(&sandbox, &folder.path().join("cardseal.sqlite"), &all).await;
        Self {
            sandbox,
            app,
            router,
            folder,
        }
    }

    /// The same shop after its server has ended and started anew.
    pub(crate) async fn restarted(self, id: &str, settings: &[(&str, &str)]) -> Self {
        let Self {
            sandbox,
            app,
            router,
            folder,
        } = self;
        app.stop().await;
        drop(router);
        // The file is free once the last task has let go.
        let gone = std::sync::Arc::downgrade(&app);
        drop(app);
        while gone.strong_count() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let platform = platform_settings(&sandbox, id);
        let all: Vec<(&str, &str)> = platform
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .chain(settings.iter().copied())
            .collect();
        let (app, router) = serve(&sandbox, &folder.path().join("cardseal.sqlite"), &all).await;
        Self {
            sandbox,
            app,
            router,
            folder,
        }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("cardseal.sqlite")
    }

    /// Everything that the database has written down.
    pub(crate) async fn written(&self) -> Vec<u8> {
        crate::database::written(&self.database()).await
    }

    /// Whether a text is written down there.
    pub(crate) async fn has_written(&self, text: &str) -> bool {
        let written = self.written().await;
        written
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    }

    pub(crate) fn fault(&self, route: &str, kind: Kind) -> Fault {
        let fault = Fault::new("greenpay", route, kind);
        self.sandbox.inject(fault.clone()).unwrap();
        fault
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        send(self.router.clone(), request).await
    }

    pub(crate) async fn page(&self, path: &str, body: &Value) -> Answer {
        self.send(
            post(path, body)
                .header("origin", ORIGIN)
                .body(body.to_string().into())
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn merchant(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.merchant_with(method, path, body, &[]).await
    }

    pub(crate) async fn merchant_with(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        self.send(merchant_request(method, path, body, headers)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.merchant("GET", path, None).await
    }

    pub(crate) fn key(&self) -> GreenPay {
        GreenPay::new(PublicKey::parse(&self.sandbox.info().platforms.greenpay.public_key).unwrap())
    }

    /// What a page would post for a session.
    pub(crate) fn seal(&self, session: &Value, number: &str) -> Value {
        seal(&self.key(), session, number)
    }

    pub(crate) async fn session(&self) -> Value {
        self.page("/v1/sessions", &json!({ "customer": "c-1" }))
            .await
            .is(201)
    }

    pub(crate) async fn token(&self, number: &str) -> Value {
        let session = self.session().await;
        self.page("/v1/tokens", &self.seal(&session, number))
            .await
            .is(201)
    }

    pub(crate) async fn payment_session(&self, amount: &str) -> Value {
        let ask = json!({ "kind": "payment", "amount": amount, "currency": "USD" });
        self.merchant("POST", "/v1/sessions", Some(&ask)).await.is(201)
    }

    pub(crate) async fn charge(&self, token: &Value, key: &str) -> Answer {
        let body = json!({ "token": token["id"], "amount": "12.34", "currency": "USD" });
        self.merchant_with("POST", "/v1/payments", Some(&body), &[("idempotency-key", key)])
            .await
    }

    /// What the platform has booked.
    pub(crate) fn transactions(&self) -> Vec<Value> {
        self.sandbox.state()["greenpay"]["transactions"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// A notification with a signature that fits, as the platform posted it.
    pub(crate) async fn notify(&self, route: &str, body: &Value) -> Answer {
        let path = format!("/v1/notifications/greenpay/{WEBHOOK_SECRET}{route}");
        self.send(post(&path, body).body(body.to_string().into()).unwrap())
            .await
    }
}

/// `[platforms.<id>]` as the environment would have it.
pub(crate) fn platform_settings(sandbox: &RunningSandbox, id: &str) -> Vec<(String, String)> {
    let mut table = sandbox.info().server_settings[id].clone();
    if let Some(secret) = table.get_mut("webhook_path_secret") {
        *secret = WEBHOOK_SECRET.into();
    }
    let mut pairs = Vec::new();
    flatten(
        &mut pairs,
        format!("CARDSEAL__PLATFORMS__{}", id.to_uppercase()),
        &table,
    );
    pairs
}

fn flatten(pairs: &mut Vec<(String, String)>, name: String, value: &Value) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                flatten(pairs, format!("{name}__{}", key.to_uppercase()), value);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                flatten(pairs, format!("{name}__{index}"), value);
            }
        }
        Value::String(text) => pairs.push((name, text.clone())),
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => pairs.push((name, value.to_string())),
    }
}

pub(crate) fn merchant_request(
    method: &str,
    path: &str,
    body: Option<&Value>,
    headers: &[(&str, &str)],
) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {API_KEY}"))
        .header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
        .body(body.map(Value::to_string).unwrap_or_default().into())
        .unwrap()
}

pub(crate) async fn send(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let json = serde_json::from_str(&text).unwrap_or_default();
    Answer {
        status: parts.status,
        headers: parts.headers,
        text,
        json,
    }
}

pub(crate) async fn serve(
    sandbox: &RunningSandbox,
    database: &std::path::Path,
    settings: &[(&str, &str)],
) -> (App, Router) {
    let text = config_text(sandbox, database, "127.0.0.1:0", "");
    let mut environment: BTreeMap<String, String> = BTreeMap::from([
        ("CARDSEAL__LIMITS__BROWSER_BURST".into(), "10000".into()),
        (
            "CARDSEAL__LIMITS__BROWSER_REQUESTS_PER_MINUTE".into(),
            "10000".into(),
        ),
        ("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS".into(), "3000".into()),
        ("CARDSEAL__LIMITS__SESSION_ATTEMPTS".into(), "1000".into()),
        (
            "CARDSEAL__LIMITS__CUSTOMER_ATTEMPTS_PER_MINUTE".into(),
            "10000".into(),
        ),
        ("CARDSEAL__LIMITS__ATTEMPTS_PER_MINUTE".into(), "10000".into()),
        (
            "CARDSEAL__LIMITS__CUSTOMER_SESSIONS_PER_MINUTE".into(),
            "10000".into(),
        ),
        ("CARDSEAL__LIMITS__SESSIONS_PER_MINUTE".into(), "10000".into()),
    ]);
    environment.extend(
        settings
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into())),
    );
    let mut config = Config::from_parts(&text, &environment).unwrap();
    config.open_demo_origins(SocketAddr::from(([127, 0, 0, 1], 8080)));
    let app = Shared::start(config).await.unwrap();
    let router = router(&app);
    (app, router)
}

/// A client as a browser or a merchant would use one. It needs the TLS provider that the server's own installs.
pub(crate) fn client() -> reqwest::Client {
    let _ = cardseal_gateways::Transport::new(cardseal_gateways::transport::Timeouts::default());
    reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(20))
        .build()
        .unwrap()
}

pub(crate) fn post(path: &str, _: &Value) -> axum::http::request::Builder {
    Request::builder()
        .method("POST")
        .uri(path)
        .header("content-type", "application/json")
}

pub(crate) fn seal(key: &GreenPay, session: &Value, number: &str) -> Value {
    let input = CardInput {
        number: number.into(),
        expiry: "12/30".into(),
        cvc: "123".into(),
        holder: "Ana Núñez".into(),
        nickname: Some("My Visa".into()),
    };
    let payment = session["kind"] == "payment";
    let rules = if payment { PAYMENT_RULES } else { TOKEN_RULES };
    let card = Card::parse(&input, &rules, 1_793_000_000_000.0).unwrap();
    let payload = match session["card_token"].as_str() {
        _ if payment => Payload::Payment {
            card: &card,
            tokenize: false,
            kount_session: Some("k-1"),
        },
        Some(token) => Payload::UpdateToken(&card, token),
        None => Payload::NewToken(&card),
    };
    let packed = key.pack(payload, Counter::Byte, &mut SystemRandom).unwrap();
    json!({ "session": session["id"], "ld": packed.ld, "lk": packed.lk })
}

/// Everything that was logged since the first call, by all tests of this process.
pub(crate) fn logs() -> &'static Mutex<Vec<u8>> {
    static LOGS: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    &LOGS
}
