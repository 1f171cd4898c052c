//! A shop's server and page in one, speaking HTTP to a sandbox of their own. It signs and encrypts by itself, so
//! that what it shares with the sandbox is the documentation alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use aes::Aes256;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cardseal_sandbox::faults::{Fault, Kind};
use cardseal_sandbox::online_payments::Info;
use cardseal_sandbox::{RunningSandbox, Sandbox, SandboxOptions};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use getrandom::SysRng;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use rsa::PublicKey;
use rsa::pkcs8::DecodePublicKey;
use serde_json::{Value, json};
use sha2::{Sha256, Sha512};

pub(crate) const VISA: &str = "4567350000427977";
pub(crate) const DECLINED: &str = "4000000000000002";
pub(crate) const CHALLENGED: &str = "4000000000003220";

pub(crate) struct Shop {
    pub(crate) sandbox: RunningSandbox,
    pub(crate) http: reqwest::Client,
    counter: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) http: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (http, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Self {
            http,
            headers,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status, id and member of a refusal.
    pub(crate) fn refusal(&self) -> (u16, &str, &str) {
        let error = &self.body["errors"][0];
        (
            self.http,
            error["id"].as_str().unwrap_or_default(),
            error["propertyName"].as_str().unwrap_or_default(),
        )
    }

    #[track_caller]
    pub(crate) fn good(self, status: u16) -> Value {
        assert_eq!(self.http, status, "{}", self.text);
        self.body
    }
}

/// `value` with one field replaced, or left out if null. The path is a JSON pointer without its first slash.
pub(crate) fn with(mut value: Value, path: &str, new: Value) -> Value {
    let mut at = &mut value;
    let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
    for parent in parents.split('/').filter(|parent| !parent.is_empty()) {
        at = &mut at[parent];
    }
    if new.is_null() {
        at.as_object_mut().unwrap().remove(name);
    } else {
        at[name] = new;
    }
    value
}

pub(crate) fn order(amount: i64) -> Value {
    json!({
        "order": {
            "amountOfMoney": { "amount": amount, "currencyCode": "EUR" },
            "references": { "merchantReference": "order-1" },
        },
    })
}

pub(crate) fn by_card(amount: i64, mode: &str, number: &str) -> Value {
    with(
        order(amount),
        "cardPaymentMethodSpecificInput",
        json!({
            "authorizationMode": mode,
            "card": { "cardNumber": number, "cardholderName": "Zoë Müller", "expiryDate": "1230", "cvv": "123" },
        }),
    )
}

pub(crate) fn by_token(amount: i64, token: &str) -> Value {
    with(
        order(amount),
        "cardPaymentMethodSpecificInput",
        json!({ "token": token, "authorizationMode": "SALE" }),
    )
}

/// What a page encrypts.
pub(crate) fn payload(session: &Value, nonce: &str, number: &str) -> Value {
    json!({
        "clientSessionId": session["clientSessionId"], "nonce": nonce, "paymentProductId": 1, "tokenize": false,
        "collectedDeviceInformation": { "timezoneOffsetUtcMinutes": -60, "locale": "de-DE", "browserData": {} },
        "paymentValues": [
            { "key": "cardNumber", "value": number }, { "key": "cardholderName", "value": "Zoë Müller" },
            { "key": "expiryDate", "value": "122030" }, { "key": "cvv", "value": "123" },
        ],
    })
}

pub(crate) fn hmac_sha256(secret: &str, bytes: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    STANDARD.encode(mac.chain_update(bytes).finalize().into_bytes())
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(SandboxOptions::default()).await
    }

    pub(crate) async fn open_with(options: SandboxOptions) -> Self {
        // In a build of the whole workspace another crate gives reqwest its TLS, which needs a provider even for
        // plain HTTP.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            sandbox: Sandbox::start(options).await.unwrap(),
            http,
            counter: AtomicU64::new(0),
        }
    }

    pub(crate) fn info(&self) -> &Info {
        &self.sandbox.info().platforms.online_payments
    }

    /// A text that comes once.
    pub(crate) fn unique(&self) -> String {
        format!("{:032x}", self.counter.fetch_add(1, Ordering::Relaxed))
    }

    /// A signed request, as the Python library sends it.
    pub(crate) fn signed(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        extra: &[(&str, &str)],
    ) -> RequestBuilder {
        let info = self.info();
        let target = format!("/v2/{}{path}", info.merchant_id);
        let date = httpdate::fmt_http_date(SystemTime::now());
        let content_type = if body.is_some() { "application/json" } else { "" };
        let mut text = format!("{method}\n{content_type}\n{date}\n");
        let mut request = self
            .http
            .request(method, format!("{}{target}", info.base_url))
            .header("Date", date);
        let mut extra = extra.to_vec();
        extra.sort_unstable();
        for (name, value) in extra {
            text.push_str(&format!("{name}:{value}\n"));
            request = request.header(name, value);
        }
        text.push_str(&format!("{target}\n"));
        let signature = hmac_sha256(&info.credentials.secret_api_key, text.as_bytes());
        let key_id = &info.credentials.api_key_id;
        request = request.header("Authorization", format!("GCS v1HMAC:{key_id}:{signature}"));
        match body {
            Some(body) => request
                .header("Content-Type", content_type)
                .body(body.to_string()),
            None => request,
        }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.signed(Method::POST, path, Some(body), &[]);
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn post_with_key(&self, path: &str, body: &Value, key: &str) -> Answer {
        let extra = [("x-gcs-idempotence-key", key)];
        let request = self.signed(Method::POST, path, Some(body), &extra);
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self.signed(Method::GET, path, None, &[]);
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        let request = self.signed(Method::DELETE, path, None, &[]);
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn session(&self, body: Value) -> Value {
        self.post("/sessions", &body).await.good(201)
    }

    /// A call of a page.
    pub(crate) fn page(&self, method: Method, session: &Value, path: &str) -> RequestBuilder {
        let text = |name: &str| session[name].as_str().unwrap();
        let url = format!("{}/v1/{}{path}", text("clientApiUrl"), text("customerId"));
        self.http
            .request(method, url)
            .header(
                "Authorization",
                format!("GCS v1Client:{}", text("clientSessionId")),
            )
            .header("Content-Type", "application/json")
            .header("X-GCS-ClientMetaInfo", STANDARD.encode("{}"))
    }

    pub(crate) async fn page_get(&self, session: &Value, path: &str) -> Answer {
        let request = self.page(Method::GET, session, path);
        Answer::of(request.send().await.unwrap()).await
    }

    /// Encrypts as a page does.
    pub(crate) async fn seal(&self, session: &Value, payload: &Value) -> String {
        let key = self.page_get(session, "/crypto/publickey").await.good(200);
        seal(&key, payload)
    }

    /// An input of a card that was never used.
    pub(crate) async fn input(&self, number: &str) -> String {
        let session = self.session(json!({})).await;
        let payload = payload(&session, &self.unique(), number);
        self.seal(&session, &payload).await
    }

    /// The payment's id, after it was authorized.
    pub(crate) async fn paid(&self, amount: i64, mode: &str) -> String {
        let made = self
            .post("/payments", &by_card(amount, mode, VISA))
            .await
            .good(201);
        made["payment"]["id"].as_str().unwrap().to_owned()
    }

    /// Status and code of a payment.
    pub(crate) async fn standing(&self, id: &str) -> (String, u64) {
        let payment = self.get(&format!("/payments/{id}")).await.good(200);
        (
            payment["status"].as_str().unwrap().to_owned(),
            payment["statusOutput"]["statusCode"].as_u64().unwrap(),
        )
    }

    pub(crate) async fn stored(&self, number: &str) -> String {
        let card = json!({ "cardNumber": number, "cardholderName": "Zoë Müller", "expiryDate": "1230", "cvv": "123" });
        let body = json!({ "paymentProductId": 1, "card": { "data": { "card": card } } });
        let made = self.post("/tokens", &body).await.good(201);
        made["token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn state(&self) -> Value {
        self.sandbox.state()["online_payments"].clone()
    }

    pub(crate) fn payments(&self) -> Vec<Value> {
        self.state()["payments"].as_array().unwrap().clone()
    }

    pub(crate) fn set(&self, change: &Value) {
        self.sandbox.change_settings("online_payments", change).unwrap();
    }

    pub(crate) fn inject(&self, route: &str, kind: Kind, change: impl FnOnce(&mut Fault)) {
        let mut fault = Fault::new("online_payments", route, kind);
        change(&mut fault);
        self.sandbox.inject(fault).unwrap();
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.sandbox
            .clock()
            .advance(std::time::Duration::from_secs(seconds));
    }
}

pub(crate) fn seal(key: &Value, payload: &Value) -> String {
    let header = json!({ "alg": "RSA-OAEP", "enc": "A256CBC-HS512", "kid": key["keyId"] }).to_string();
    let header = URL_SAFE_NO_PAD.encode(header);
    let spki = STANDARD.decode(key["publicKey"].as_str().unwrap()).unwrap();
    let public = PublicKey::from_public_key_der(&spki).unwrap();
    let (mut cek, mut iv) = ([0; 64], [0; 16]);
    getrandom::fill(&mut cek).unwrap();
    getrandom::fill(&mut iv).unwrap();
    let wrapped = public
        .oaep_encrypt_with_rng::<sha1::Sha1, _>(&mut SysRng, &cek)
        .unwrap();
    let (mac_key, cipher_key) = cek.split_at(32);
    let ciphertext = cbc::Encryptor::<Aes256>::new_from_slices(cipher_key, &iv)
        .unwrap()
        .encrypt_padded_vec::<Pkcs7>(payload.to_string().as_bytes());
    let tag = Hmac::<Sha512>::new_from_slice(mac_key)
        .unwrap()
        .chain_update(&header)
        .chain_update(iv)
        .chain_update(&ciphertext)
        .chain_update((header.len() as u64 * 8).to_be_bytes())
        .finalize()
        .into_bytes();
    let rest = [&wrapped[..], &iv, &ciphertext, &tag[..32]].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{}", rest.join("."))
}
