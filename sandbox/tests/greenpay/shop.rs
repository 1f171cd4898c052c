//! A merchant and a buyer in one, speaking HTTP to a sandbox of their own.

use aes::Aes128;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cardseal_sandbox::faults::{Fault, Kind};
use cardseal_sandbox::{RunningSandbox, Sandbox, SandboxOptions};
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use getrandom::SysRng;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use sha2::Sha256;

pub(crate) const USD: &str = "sandbox-0002-BNCR-USD";
pub(crate) const GOOD_CARD: &str = "4242424242424242";

pub(crate) struct Shop {
    pub(crate) sandbox: RunningSandbox,
    pub(crate) http: reqwest::Client,
}

/// What the merchant host answers to an order.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) session: String,
    pub(crate) token: String,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) http: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn error(&self) -> &str {
        self.body["errors"][0].as_str().unwrap_or_default()
    }

    pub(crate) async fn of(response: reqwest::Response) -> Self {
        Self {
            http: response.status().as_u16(),
            body: response.json().await.unwrap(),
        }
    }
}

/// An encrypted card.
pub(crate) struct Sealed {
    pub(crate) ld: String,
    pub(crate) lk: String,
}

/// `text` under a key and a counter block of the caller's, with any text inside `lk`.
pub(crate) fn seal(public: &str, text: &[u8], key: [u8; 16], block: u128, lk: &str) -> Sealed {
    let mut bytes = text.to_vec();
    Ctr128BE::<Aes128>::new(&key.into(), &block.to_be_bytes().into()).apply_keystream(&mut bytes);
    let wrapped = public_key(public)
        .pkcs1v15_encrypt_with_rng(&mut SysRng, lk.as_bytes())
        .unwrap();
    Sealed {
        ld: hex::encode(bytes),
        lk: STANDARD.encode(wrapped),
    }
}

/// What is encrypted for a new token.
pub(crate) fn card(number: &str) -> Value {
    json!({ "card": {
        "cardHolder": "Ana Núñez", "expirationDate": { "month": 9, "year": 30 },
        "cardNumber": number, "cvc": "222", "nickname": "Tarjeta Ñandú",
    }})
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

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(SandboxOptions::default()).await
    }

    pub(crate) async fn open_with(options: SandboxOptions) -> Self {
        Self {
            sandbox: Sandbox::start(options).await.unwrap(),
            http: client(),
        }
    }

    pub(crate) fn info(&self) -> &cardseal_sandbox::greenpay::Info {
        &self.sandbox.info().platforms.greenpay
    }

    pub(crate) fn merchant(&self, path: &str) -> String {
        format!("{}{path}", self.info().merchant_url)
    }

    pub(crate) fn checkout_url(&self, path: &str) -> String {
        format!("{}{path}", self.info().checkout_url)
    }

    /// The state that the control API tells.
    pub(crate) fn state(&self) -> Value {
        self.sandbox.state()["greenpay"].clone()
    }

    pub(crate) fn set(&self, change: &Value) {
        self.sandbox.change_settings("greenpay", change).unwrap();
    }

    pub(crate) fn inject(&self, route: &str, kind: Kind) {
        self.sandbox.inject(Fault::new("greenpay", route, kind)).unwrap();
    }

    pub(crate) fn inject_with(&self, route: &str, kind: Kind, value: &str) {
        let fault = Fault {
            value: Some(value.into()),
            ..Fault::new("greenpay", route, kind)
        };
        self.sandbox.inject(fault).unwrap();
    }

    pub(crate) async fn post(&self, url: &str, body: &Value) -> Answer {
        Answer::of(self.http.post(url).json(body).send().await.unwrap()).await
    }

    /// The credentials and the given fields.
    pub(crate) fn signed_in(&self, fields: &Value) -> Value {
        let credentials = &self.info().credentials;
        let mut body = json!({ "secret": credentials.secret, "merchantId": credentials.merchant_id });
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        body
    }

    pub(crate) async fn order(&self, path: &str, fields: Value) -> Order {
        let answer = self.post(&self.merchant(path), &self.signed_in(&fields)).await;
        assert_eq!(answer.http, 200, "{answer:?}");
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        Order {
            session: text("session"),
            token: text("token"),
        }
    }

    pub(crate) async fn token_order(&self) -> Order {
        self.order("/tokenize", json!({ "requestId": "xwr-1" })).await
    }

    pub(crate) fn purchase(reference: &str) -> Value {
        json!({
            "terminal": USD, "amount": 12.34, "currency": "USD", "description": "Coffee",
            "orderReference": reference,
        })
    }

    pub(crate) async fn payment_order(&self, reference: &str) -> Order {
        self.order("/", Self::purchase(reference)).await
    }

    /// Encrypts as the field does: one small number as the counter.
    pub(crate) fn seal(&self, plain: &Value) -> Sealed {
        let lk = r#"{"k":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15],"s":254}"#;
        let key = core::array::from_fn(|index| u8::try_from(index).unwrap());
        seal(
            &self.info().public_key,
            plain.to_string().as_bytes(),
            key,
            254,
            lk,
        )
    }

    pub(crate) async fn send(
        &self,
        path: &str,
        order: &Order,
        sealed: &Sealed,
    ) -> reqwest::Result<reqwest::Response> {
        let body = json!({ "session": order.session, "ld": sealed.ld, "lk": sealed.lk });
        self.http
            .post(self.checkout_url(path))
            .header("liszt-token", &order.token)
            .json(&body)
            .send()
            .await
    }

    /// Encrypts and posts to the checkout host.
    pub(crate) async fn check_out(&self, path: &str, order: &Order, plain: &Value) -> Answer {
        Answer::of(self.send(path, order, &self.seal(plain)).await.unwrap()).await
    }

    /// A stored card's token.
    pub(crate) async fn stored(&self, number: &str) -> String {
        let answer = self
            .check_out("/tokenize", &self.token_order().await, &card(number))
            .await;
        assert_eq!(answer.http, 200, "{answer:?}");
        answer.body["result"]["token"].as_str().unwrap().to_owned()
    }

    /// An approved payment.
    pub(crate) async fn paid(&self, reference: &str) -> Answer {
        let order = self.payment_order(reference).await;
        let answer = self.check_out("/", &order, &card(GOOD_CARD)).await;
        assert_eq!(answer.http, 200, "{answer:?}");
        answer
    }

    /// Which member the answer's signature covers beside `status`, by the merchant's own check.
    pub(crate) fn verified(&self, body: &Value) -> Option<&'static str> {
        let printed = |name: &str| match &body[name] {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let (name, id) = ["requestId", "orderId", "subscriptionId"]
            .into_iter()
            .find_map(|name| Some((name, printed(name)?)))?;
        let signed = format!("status:{},{name}:{id}", printed("status")?);
        let key = public_key(&self.info().public_key);
        // The platform's signers print the number, which may lack zeros in front.
        let signature = format!("{:0>1$}", body["_signature"].as_str()?, 2 * key.size());
        let signature = hex::decode(signature).ok()?;
        key.pkcs1v15_verify::<Sha256>(signed.as_bytes(), &signature)
            .is_ok()
            .then_some(name)
    }
}

fn public_key(spki_base64: &str) -> rsa::PublicKey {
    rsa::PublicKey::from_public_key_der(&STANDARD.decode(spki_base64).unwrap()).unwrap()
}

/// In a build of the whole workspace another crate gives reqwest its TLS, which needs a provider even for
/// plain HTTP.
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}
