//! A merchant, a page and a person with `cardseal doctor`, beside a sandbox of their own. Whatever is sent is recorded as
//! a browser records it, in a HAR file.

use std::process::{Command, Output};
use std::time::Duration;

use aes::Aes128;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cardseal::crypto::public_key::Numbers;
use cardseal::http::Request;
use cardseal_gateways::transport::{Timeouts, Transport};
use cardseal_sandbox::{RunningSandbox, Sandbox, SandboxOptions};
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use getrandom::SysRng;
use rsa::BoxedUint;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use time::format_description::well_known::Rfc3339;

/// The key that GreenPay has for the merchant.
pub(crate) const OURS: &str = "t1024";
/// Another merchant's.
pub(crate) const FOREIGN: &str = "t1023";
/// Of another size.
pub(crate) const LONG: &str = "t2048";
pub(crate) const PAN: &str = "4242424242424242";

/// A key of the vectors: `public_spki_pem`, `private_pkcs8_pem` or `public_spki_base64_one_line`.
pub(crate) fn key(name: &str, form: &str) -> String {
    let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/greenpay.json")).unwrap();
    vectors["rsa_keys"][name][form].as_str().unwrap().to_owned()
}

pub(crate) fn public(name: &str) -> String {
    key(name, "public_spki_base64_one_line")
}

pub(crate) fn rsa_key(name: &str) -> rsa::PublicKey {
    let numbers = Numbers::parse(&public(name)).unwrap();
    let modulus = BoxedUint::from_be_slice_vartime(numbers.modulus());
    rsa::PublicKey::new_with_size_limits(modulus, numbers.exponent().into(), 1016..=4096).unwrap()
}

/// The AES key of all clients here.
pub(crate) const AES: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// `{"k":[0,…,15],"s":…}`
pub(crate) fn pair(s: &str) -> String {
    format!(r#"{{"k":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15],"s":{s}}}"#)
}

pub(crate) fn ctr(text: &[u8], block: [u8; 16]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    Ctr128BE::<Aes128>::new(&AES.into(), &block.into()).apply_keystream(&mut bytes);
    bytes
}

pub(crate) fn wrap(name: &str, text: &str) -> String {
    let wrapped = rsa_key(name).pkcs1v15_encrypt_with_rng(&mut SysRng, text.as_bytes());
    STANDARD.encode(wrapped.unwrap())
}

/// A card as clients of GreenPay write it.
pub(crate) fn card() -> Value {
    json!({ "card": { "cardHolder": "Ana Núñez", "expirationDate": { "month": 9, "year": 31 }, "cardNumber": PAN,
        "cvc": "222", "nickname": "Tarjeta Ana" } })
}

/// The same as text, in the order of the platform's article.
pub(crate) fn card_text() -> String {
    format!(
        r#"{{"card":{{"cardHolder":"Ana Núñez","expirationDate":{{"month":9,"year":31}},"cardNumber":"{PAN}","cvc":"222","nickname":"Tarjeta Ana"}}}}"#
    )
}

/// `ld` and `lk` of a text as a right client makes them.
pub(crate) fn packed(text: &str) -> [String; 2] {
    packed_with(OURS, text)
}

pub(crate) fn packed_with(name: &str, text: &str) -> [String; 2] {
    [
        hex::encode(ctr(text.as_bytes(), 200_u128.to_be_bytes())),
        wrap(name, &pair("200")),
    ]
}

/// An order of GreenPay.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) session: String,
    pub(crate) token: String,
}

pub(crate) struct Shop {
    pub(crate) sandbox: RunningSandbox,
    transport: Transport,
    folder: TempDir,
    /// What was sent, as entries of HAR.
    entries: Vec<Value>,
    /// The tables of the server's configuration.
    pub(crate) settings: Map<String, Value>,
    /// Further tables.
    pub(crate) server: Map<String, Value>,
    arguments: Vec<String>,
    /// Texts that may not be shown.
    pub(crate) secrets: Vec<String>,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let options = SandboxOptions {
            private_key: Some(key(OURS, "private_pkcs8_pem")),
            ..SandboxOptions::default()
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        let settings = sandbox.info().server_settings.clone();
        let mut secrets = vec![PAN.to_owned(), "Ana N".into()];
        for table in settings.values() {
            for (name, value) in table.as_object().unwrap() {
                if name.contains("secret") || name == "app_key" {
                    secrets.extend(value.as_str().map(str::to_owned));
                }
            }
        }
        Self {
            sandbox,
            transport: Transport::new(Timeouts::default()).unwrap(),
            folder: tempfile::tempdir().unwrap(),
            entries: Vec::new(),
            settings,
            server: Map::new(),
            arguments: Vec::new(),
            secrets,
        }
    }

    pub(crate) fn setting(&self, platform: &str, name: &str) -> String {
        self.settings[platform][name].as_str().unwrap().to_owned()
    }

    pub(crate) fn set(&mut self, platform: &str, name: &str, value: impl Into<Value>) {
        self.settings[platform][name] = value.into();
    }

    pub(crate) fn switch(&self, platform: &str, change: &Value) {
        self.sandbox.change_settings(platform, change).unwrap();
    }

    pub(crate) fn wait(&self, minutes: u64) {
        self.sandbox.clock().advance(Duration::from_secs(60 * minutes));
    }

    /// Sends a request and records it with its answer.
    pub(crate) async fn send(&mut self, request: Request) -> (u16, Value) {
        let at = self.sandbox.clock().now().format(&Rfc3339).unwrap();
        let answer = self.transport.send(request.clone()).await.unwrap();
        let text = String::from_utf8(answer.body.clone()).unwrap();
        let list = |headers: Vec<(String, String)>| -> Vec<Value> {
            let pair = |(name, value): (String, String)| json!({ "name": name, "value": value });
            headers.into_iter().map(pair).collect()
        };
        let sent = request
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        self.entries.push(json!({
            "startedDateTime": at,
            "request": { "method": request.method, "url": request.url, "headers": list(sent.collect()),
                "postData": { "text": request.body } },
            "response": { "status": answer.status, "headers": list(answer.headers), "content": { "text": text } },
        }));
        (answer.status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// A call with JSON.
    pub(crate) async fn post(
        &mut self,
        url: String,
        headers: &[(&'static str, &str)],
        body: &Value,
    ) -> (u16, Value) {
        let mut request = Request {
            method: "POST",
            url,
            headers: vec![
                ("accept", "application/json".into()),
                ("content-type", "application/json".into()),
            ],
            body: body.to_string(),
        };
        for (name, value) in headers {
            request.headers.retain(|(own, _)| own != name);
            if !value.is_empty() {
                request = request.header(name, *value);
            }
        }
        self.send(request).await
    }

    pub(crate) fn merchant(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.info().platforms.greenpay.merchant_url)
    }

    pub(crate) fn checkout(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.info().platforms.greenpay.checkout_url)
    }

    /// A call of GreenPay's merchant host.
    pub(crate) async fn order_with(&mut self, path: &str, more: &Value) -> (u16, Value) {
        let credentials = self.sandbox.info().platforms.greenpay.credentials.clone();
        let mut body = json!({ "secret": credentials.secret, "merchantId": credentials.merchant_id });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.post(self.merchant(path), &[], &body).await
    }

    pub(crate) async fn order(&mut self) -> Order {
        let (status, body) = self.order_with("/tokenize", &json!({ "requestId": "r-1" })).await;
        assert_eq!(status, 200, "{body}");
        Order {
            session: body["session"].as_str().unwrap().into(),
            token: body["token"].as_str().unwrap().into(),
        }
    }

    /// Sends a card to the checkout host.
    pub(crate) async fn submit(&mut self, path: &str, order: &Order, body: &Value) -> (u16, Value) {
        let mut whole = json!({ "session": order.session });
        for (name, value) in body.as_object().unwrap() {
            whole[name] = value.clone();
        }
        let url = self.checkout(path);
        self.post(url, &[("liszt-token", &order.token)], &whole).await
    }

    /// A whole tokenization with these two texts; the platform has to answer with `says`.
    pub(crate) async fn tokenize(&mut self, [ld, lk]: [String; 2], says: &str) {
        let order = self.order().await;
        let (_, body) = self
            .submit("/tokenize", &order, &json!({ "ld": ld, "lk": lk }))
            .await;
        assert_eq!(body["errors"][0].as_str().unwrap_or_default(), says, "{body}");
    }

    /// Hands doctor the platform's private key.
    pub(crate) fn with_private_key(&mut self) {
        self.argument("--private-key", "private.pem", &key(OURS, "private_pkcs8_pem"));
    }

    pub(crate) fn argument(&mut self, option: &str, name: &str, content: &str) {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        self.arguments.extend([option.into(), path.display().to_string()]);
    }

    pub(crate) fn flag(&mut self, words: &[&str]) {
        self.arguments.extend(words.iter().map(|word| (*word).to_owned()));
    }

    /// The configuration as TOML, of one platform.
    pub(crate) fn toml(&self, platform: &str) -> String {
        let mut tree = Map::new();
        if !self.server.is_empty() {
            tree.insert("server".into(), Value::Object(self.server.clone()));
        }
        tree.insert("platforms".into(), json!({ platform: self.settings[platform] }));
        toml::to_string(&Value::Object(tree)).unwrap()
    }

    /// Asks doctor, with everything that was recorded.
    pub(crate) fn doctor(&mut self, platform: &str) -> Report {
        let mut arguments = vec!["doctor".to_owned(), "--json".into()];
        let config = self.toml(platform);
        let own = self.folder.path().join("cardseal.toml");
        std::fs::write(&own, config).unwrap();
        arguments.extend(["--config".into(), own.display().to_string()]);
        if !self.entries.is_empty() {
            let har = self.folder.path().join("capture.har");
            std::fs::write(&har, json!({ "log": { "entries": self.entries } }).to_string()).unwrap();
            arguments.extend(["--request".into(), har.display().to_string()]);
        }
        arguments.extend(self.arguments.clone());
        let output = cardseal(&arguments, "");
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        for secret in &self.secrets {
            assert!(
                !text.contains(secret) && !errors.contains(secret),
                "a secret is shown: {text}{errors}"
            );
        }
        Report {
            code: output.status.code().unwrap(),
            json: serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{errors}")),
        }
    }
}

/// What doctor reports.
pub(crate) struct Report {
    pub(crate) code: i32,
    pub(crate) json: Value,
}

impl Report {
    /// Ids of the causes that were found, first those that explain the answer.
    pub(crate) fn found(&self) -> Vec<&str> {
        let causes = self.json["causes"].as_array().unwrap().iter();
        causes
            .filter(|cause| cause["state"] == "found")
            .map(|cause| cause["id"].as_str().unwrap())
            .collect()
    }
}

/// Runs the program.
pub(crate) fn cardseal<S: AsRef<std::ffi::OsStr>>(arguments: &[S], input: &str) -> Output {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = Command::new(env!("CARGO_BIN_EXE_cardseal"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input may be gone already.
    let _gone = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}
