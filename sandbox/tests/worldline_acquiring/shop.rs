//! A client for tests, written from the platform's description and not with the client that it is for.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cardseal_sandbox::worldline_acquiring::Info;
use cardseal_sandbox::{RunningSandbox, Sandbox, SandboxOptions};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// From the tests of the official libraries, with the security code and the date that go with it.
pub(crate) const APPROVED: &str = "4176669999000104";
pub(crate) const DECLINED: &str = "4176669999000203";
pub(crate) const MASTERCARD: &str = "5555555555554444";
/// All that the official libraries ask for.
pub(crate) const SCOPES: &str = "processing_payment processing_refund processing_accountverification processing_balanceinquiry \
    processing_operation_reverse processing_dcc_rate services_ping disputes_retrieve disputes_manage";
pub(crate) const TIME: &str = "2026-11-21T10:00:00.000Z";

pub(crate) struct Shop {
    pub(crate) sandbox: RunningSandbox,
    pub(crate) client: reqwest::Client,
    token: OnceCell<String>,
    last: AtomicU32,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) challenge: String,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json
    }

    /// A refusal with all its members, and a text in its details.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, kind: &str, text: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.kind, "application/problem+json");
        let name = self.json["type"].as_str().unwrap().rsplit('/').next();
        assert_eq!((name, &self.json["status"]), (Some(kind), &json!(status)));
        for member in ["title", "detail", "instance", "requestId"] {
            assert!(!self.json[member].as_str().unwrap().is_empty(), "{member}");
        }
        let detail = self.json["detail"].as_str().unwrap();
        assert!(detail.contains(text), "{detail}");
    }
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let _another = rustls::crypto::ring::default_provider().install_default();
        Self {
            sandbox: Sandbox::start(SandboxOptions::default()).await.unwrap(),
            client: reqwest::Client::new(),
            token: OnceCell::new(),
            last: AtomicU32::new(0),
        }
    }

    pub(crate) fn info(&self) -> &Info {
        &self.sandbox.info().platforms.worldline_acquiring
    }

    pub(crate) fn state(&self) -> Value {
        self.sandbox.state()["worldline_acquiring"].clone()
    }

    pub(crate) fn set(&self, change: &Value) {
        self.sandbox
            .change_settings("worldline_acquiring", change)
            .unwrap();
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.timeout(Duration::from_secs(30)).send().await.unwrap();
        let header = |name| {
            let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (kind, challenge) = (header("content-type"), header("www-authenticate"));
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        Answer {
            status,
            kind,
            challenge,
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    /// The form as it is, encoded or not.
    pub(crate) async fn grant(&self, form: String) -> Answer {
        let request = self
            .client
            .post(&self.info().token_uri)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        self.send(request).await
    }

    /// As the official libraries write it.
    pub(crate) fn form(&self, scopes: &str) -> String {
        let pair = &self.info().credentials;
        format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={scopes}",
            pair.client_id, pair.client_secret
        )
    }

    pub(crate) async fn bearer(&self, scopes: &str) -> String {
        let answer = self.grant(self.form(scopes)).await.is(200);
        answer["access_token"].as_str().unwrap().into()
    }

    /// With the headers of every call.
    pub(crate) fn request(&self, method: &str, path: &str, bearer: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.info().base_url);
        let metadata = json!({ "platformIdentifier": "x", "integrator": "Tests" }).to_string();
        self.client
            .request(method.parse().unwrap(), url)
            .bearer_auth(bearer)
            .header("x-wl-servermetainfo", STANDARD.encode(metadata))
    }

    async fn token(&self) -> &str {
        self.token.get_or_init(|| self.bearer(SCOPES)).await
    }

    /// Below the merchant.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let path = format!("/processing/v1/100812/520000214{path}");
        self.send(self.request("POST", &path, self.token().await).json(body))
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let path = format!("/processing/v1/100812/520000214{path}");
        self.send(self.request("GET", &path, self.token().await)).await
    }

    pub(crate) async fn service(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let request = self.request(method, &format!("/services/v1{path}"), self.token().await);
        self.send(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    /// Another at each call.
    pub(crate) fn id(&self) -> String {
        let number = self.last.fetch_add(1, Ordering::SeqCst);
        // With a letter: digits alone would be masked in the state.
        format!("00000000-0000-4000-8000-{number:011}a")
    }

    /// A follow-up, or anything else that needs no more than these.
    pub(crate) fn body(&self, more: &Value) -> Value {
        let mut body = json!({ "operationId": self.id(), "transactionTimestamp": TIME });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    }

    pub(crate) fn payment_body(&self, minor: u64) -> Value {
        self.body(&json!({
            "amount": { "amount": minor, "currencyCode": "GBP", "numberOfDecimals": 2 },
            "authorizationType": "PRE_AUTHORIZATION",
            "cardPaymentData": { "cardEntryMode": "ECOMMERCE", "allowPartialApproval": false, "brand": "VISA",
                "captureImmediately": false, "cardholderVerificationMethod": "CARD_SECURITY_CODE",
                "cardData": { "cardNumber": APPROVED, "expiryDate": "122031", "cardSecurityCode": "012" } },
            "references": { "merchantReference": "your-order-1" },
        }))
    }

    /// An authorized payment.
    pub(crate) async fn paid(&self, minor: u64) -> String {
        let payment = self.post("/payments", &self.payment_body(minor)).await.is(201);
        assert_eq!(payment["status"], "AUTHORIZED");
        payment["paymentId"].as_str().unwrap().into()
    }
}

pub(crate) fn pounds(minor: u64) -> Value {
    json!({ "amount": minor, "currencyCode": "GBP", "numberOfDecimals": 2 })
}

/// A member of a body by its path, or without one nothing.
pub(crate) fn put(body: &mut Value, path: &str, value: Value) {
    let pointer = format!("/{}", path.replace('.', "/"));
    if let Some(place) = body.pointer_mut(&pointer) {
        *place = value;
        return;
    }
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
}
