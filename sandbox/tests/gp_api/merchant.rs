//! A merchant's server and page in one, speaking HTTP to a sandbox of their own.

use std::sync::atomic::{AtomicU64, Ordering};

use cardseal_sandbox::faults::{Fault, Kind};
use cardseal_sandbox::{RunningSandbox, Sandbox, SandboxOptions};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

pub(crate) const GOOD_CARD: &str = "4263970000005262";

pub(crate) struct Merchant {
    pub(crate) sandbox: RunningSandbox,
    pub(crate) http: reqwest::Client,
    /// A token that may do all.
    pub(crate) token: String,
    nonces: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) http: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        Self {
            http: response.status().as_u16(),
            body: response.json().await.unwrap(),
        }
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }

    /// Status and codes of a refusal.
    pub(crate) fn refusal(&self) -> (u16, &str, &str) {
        (
            self.http,
            self.text("error_code"),
            self.text("detailed_error_code"),
        )
    }

    pub(crate) fn told(&self) -> &str {
        self.text("detailed_error_description")
    }

    #[track_caller]
    pub(crate) fn good(self) -> Value {
        assert_eq!(self.http, 200, "{:?}", self.body);
        self.body
    }
}

pub(crate) fn card(number: &str) -> Value {
    let cvv = if number.len() == 15 && number.starts_with('3') {
        "1234"
    } else {
        "123"
    };
    json!({ "number": number, "cvv": cvv, "expiry_month": "05", "expiry_year": "30" })
}

/// `value` with one field replaced, or left out if null. The path is a JSON pointer without its first slash.
pub(crate) fn with(mut value: Value, path: &str, new: Value) -> Value {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let pointer = if parent.is_empty() {
        String::new()
    } else {
        format!("/{parent}")
    };
    let fields = value.pointer_mut(&pointer).unwrap().as_object_mut().unwrap();
    if new.is_null() {
        fields.remove(name);
    } else {
        fields.insert(name.into(), new);
    }
    value
}

pub(crate) fn sale_by_card(reference: &str, number: &str) -> Value {
    json!({
        "account_name": "transaction_processing", "channel": "CNP", "country": "US", "currency": "USD",
        "amount": "1999", "reference": reference,
        "payment_method": { "entry_mode": "ECOM", "card": card(number) },
    })
}

pub(crate) fn sale_by_id(reference: &str, id: &str) -> Value {
    with(
        sale_by_card(reference, GOOD_CARD),
        "payment_method",
        json!({ "entry_mode": "ECOM", "id": id }),
    )
}

pub(crate) fn verification(id: &str) -> Value {
    json!({
        "account_name": "transaction_processing", "channel": "CNP", "country": "US", "currency": "USD",
        "reference": "ver-1",
        "payment_method": { "entry_mode": "ECOM", "id": id, "storage_mode": "ON_SUCCESS" },
    })
}

/// What a merchant proves its key with: SHA-512 over nonce and key, in lower-case hex.
fn secret(nonce: &str, app_key: &str) -> String {
    hex::encode(Sha512::digest([nonce, app_key].concat()))
}

impl Merchant {
    pub(crate) async fn open() -> Self {
        Self::open_with(SandboxOptions::default()).await
    }

    pub(crate) async fn open_with(options: SandboxOptions) -> Self {
        let mut merchant = Self {
            sandbox: Sandbox::start(options).await.unwrap(),
            http: client(),
            token: String::new(),
            nonces: AtomicU64::new(0),
        };
        merchant.token = merchant.new_token(json!({})).await;
        merchant
    }

    pub(crate) fn info(&self) -> &cardseal_sandbox::gp_api::Info {
        &self.sandbox.info().platforms.gp_api
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.info().base_url)
    }

    /// The body of a token request, with the given fields over it.
    pub(crate) fn credentials(&self, more: &Value) -> Value {
        let nonce = format!("n{}", self.nonces.fetch_add(1, Ordering::Relaxed));
        let credentials = &self.info().credentials;
        let mut body = json!({
            "app_id": credentials.app_id, "nonce": nonce, "grant_type": "client_credentials",
            "secret": secret(&nonce, &credentials.app_key),
        });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    }

    pub(crate) async fn ask_token(&self, more: Value) -> Answer {
        let request = self.http.post(self.url("/accesstoken"));
        let request = request
            .header("x-gp-version", "2021-03-22")
            .json(&self.credentials(&more));
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn new_token(&self, more: Value) -> String {
        let answer = self.ask_token(more).await.good();
        answer["token"].as_str().unwrap().to_owned()
    }

    /// A token as it is handed to a page.
    pub(crate) async fn page_token(&self) -> String {
        self.new_token(json!({ "permissions": ["PMT_POST_Create_Single"] }))
            .await
    }

    pub(crate) fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.http
            .request(method, self.url(path))
            .header("x-gp-version", "2021-03-22")
            .bearer_auth(token)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(
            self.request(Method::POST, path, &self.token)
                .json(body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn post_with_key(&self, path: &str, body: &Value, key: &str) -> Answer {
        let request = self.request(Method::POST, path, &self.token);
        let request = request.header("x-gp-idempotency", key).json(body);
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self.request(Method::GET, path, &self.token);
        Answer::of(request.send().await.unwrap()).await
    }

    /// A single-use payment method, made as a page does.
    pub(crate) async fn single(&self, number: &str) -> String {
        let body = json!({ "reference": "pmt-1", "usage_mode": "SINGLE", "card": card(number) });
        let token = self.page_token().await;
        let request = self.request(Method::POST, "/payment-methods", &token).json(&body);
        let answer = Answer::of(request.send().await.unwrap()).await.good();
        answer["id"].as_str().unwrap().to_owned()
    }

    /// A lasting payment method.
    pub(crate) async fn stored(&self, number: &str) -> String {
        let body = json!({ "reference": "pmt-2", "usage_mode": "MULTIPLE", "card": card(number) });
        let answer = self.post("/payment-methods", &body).await.good();
        answer["id"].as_str().unwrap().to_owned()
    }

    /// A charge of 19.99 USD that was captured, or only authorized.
    pub(crate) async fn charged(&self, reference: &str, capture_mode: &str) -> String {
        let body = with(
            sale_by_card(reference, GOOD_CARD),
            "capture_mode",
            json!(capture_mode),
        );
        let answer = self.post("/transactions", &body).await.good();
        answer["id"].as_str().unwrap().to_owned()
    }

    /// The state that the control API tells.
    pub(crate) fn state(&self) -> Value {
        self.sandbox.state()["gp_api"].clone()
    }

    pub(crate) fn transactions(&self) -> Vec<Value> {
        self.state()["transactions"].as_array().unwrap().clone()
    }

    pub(crate) fn set(&self, change: &Value) {
        self.sandbox.change_settings("gp_api", change).unwrap();
    }

    pub(crate) fn inject(&self, route: &str, kind: Kind) {
        self.sandbox.inject(Fault::new("gp_api", route, kind)).unwrap();
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.sandbox
            .clock()
            .advance(std::time::Duration::from_secs(seconds));
    }
}

/// In a build of the whole workspace another crate gives reqwest its TLS, which needs a provider even for
/// plain HTTP.
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}
