//! GreenPay's class.

use js_sys::{Array, Object};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::answer::{ReadExpiry, ReadToken};
use super::card::card_request;
use super::client::Client;
use super::error::Thrown;
use super::read::{Environment, Members, is_local, is_object, not_offered};
use super::{requested, run, to_js};
use crate::card::{Card, Rules};
use crate::crypto::public_key::PublicKey;
use crate::error::{Code, Error, Result};
use crate::greenpay::{
    self, CardToken, Counter, Decline, Hosts, OrderInput, Outcome, PAYMENT_RULES, Packed, Payload, Payment,
    PaymentAnswer, Place, Scalar, TOKEN_RULES, TokenAnswer, Verb, Verified,
};
use crate::http::Request;
use crate::object::object;
use crate::platform::Platform;
use crate::platform::lenient::{UNREADABLE, integral};
use crate::platform::unreadable;
use crate::session::{self, Kind};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("greenpay.ts");

/// GreenPay, generation 1: `ld` (AES-128-CTR) and `lk` (RSA-wrapped key).
#[wasm_bindgen]
pub struct GreenPay {
    client: Client,
    greenpay: greenpay::GreenPay,
    hosts: Hosts,
    signed: bool,
}

struct KeyWarning {
    bits: u32,
    message: String,
}

object!(KeyWarning, warning, {
    "code" = "key_below_2048_bits",
    "bits" = warning.bits,
    "message" = &warning.message,
});

const PLATFORM: Platform = Platform::GreenPay;

#[wasm_bindgen]
impl GreenPay {
    /// Reads the key. Throws where it cannot serve.
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_param_type = "GreenPayOptions")] options: &JsValue,
    ) -> Result<Self, Thrown> {
        run(PLATFORM, || {
            let options = Members::of(options);
            let names = [("sandbox", false), ("production", true)];
            let hosts = match options.environment("checkout", &names)? {
                None | Some(Environment::Named(false)) => Hosts::Sandbox,
                Some(Environment::Named(true)) => Hosts::Production,
                Some(Environment::At(url)) => Hosts::Custom(url.as_str().into()),
            };
            let key = options.text("publicKey")?.ok_or(Code::KeyMissing)?;
            Ok(Self {
                client: Client::new(&options)?,
                hosts,
                signed: options.choice("signature", &[("required", true), ("warn", false)])?,
                greenpay: greenpay::GreenPay::new(PublicKey::parse(&key)?),
            })
        })
    }

    /// What is worth knowing about the key.
    #[wasm_bindgen(getter, unchecked_return_type = "KeyWarning[]")]
    #[must_use]
    pub fn warnings(&self) -> JsValue {
        let key = self.greenpay.key();
        // The size always fits, and serde would check whether a `usize` fits a JavaScript number.
        let bits = u32::try_from(key.bits()).unwrap_or(u32::MAX);
        let warning = KeyWarning {
            bits,
            message: [
                "the RSA key has ",
                &bits.to_string(),
                " bits; at least 2048 are recommended",
            ]
            .concat(),
        };
        to_js(&key.is_short().then_some(warning).into_iter().collect::<Vec<_>>())
    }

    /// Encrypts without making a request, for a backend of your own.
    #[wasm_bindgen(unchecked_return_type = "Packed")]
    pub fn pack(
        &self,
        #[wasm_bindgen(unchecked_param_type = "PackInput")] input: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "PackOptions")] options: &JsValue,
    ) -> Result<JsValue, Thrown> {
        run(PLATFORM, || {
            let input = Members::of(input);
            let token = input.text("token")?;
            let token = token
                .map(|token| session::id(token, "token", Code::SessionMalformed))
                .transpose()?;
            let tokenize = input.flag("tokenize")?;
            let kount = input.visible("kountSession")?;
            let paid = tokenize.is_some() || kount.is_some();
            if token.is_some() && paid {
                return Err(not_offered("token"));
            }
            let extras = Extras {
                token,
                paid,
                tokenize: tokenize.unwrap_or_default(),
                kount,
            };
            let card = input.value("card")?.unwrap_or_default();
            let counter = counter(&Members::of(options))?;
            let card = self.client.card(&card, extras.rules(), self.client.now()?)?;
            Ok(to_js(&self.packed(&card, &extras, counter)?))
        })
    }

    /// The request that makes a token of a card.
    #[wasm_bindgen(js_name = tokenizeRequest, unchecked_return_type = "CardRequest")]
    pub fn tokenize_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession | GreenPayOrder")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "CardInput")] card: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "GreenPayRequestOptions")] options: &JsValue,
    ) -> Result<JsValue, Thrown> {
        run(PLATFORM, || self.request(Kind::Tokenize, session, card, options))
    }

    /// The request that stores a card in the place of a token. `token` is needed with a `GreenPayOrder`; a server
    /// session of kind `update` brings it.
    #[wasm_bindgen(js_name = updateTokenRequest, unchecked_return_type = "CardRequest")]
    pub fn update_token_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession | GreenPayOrder")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "CardInput")] card: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "GreenPayRequestOptions & { token?: string }")]
        options: &JsValue,
    ) -> Result<JsValue, Thrown> {
        run(PLATFORM, || self.request(Kind::Update, session, card, options))
    }

    /// The request that charges a card.
    #[wasm_bindgen(js_name = payRequest, unchecked_return_type = "CardRequest")]
    pub fn pay_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession | GreenPayOrder")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "CardInput")] card: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "GreenPayRequestOptions & GreenPayPayOptions")]
        options: &JsValue,
    ) -> Result<JsValue, Thrown> {
        run(PLATFORM, || self.request(Kind::Payment, session, card, options))
    }

    /// Where the platform's web form of a session is.
    #[wasm_bindgen(js_name = formUrl)]
    pub fn form_url(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession")] session: &JsValue,
    ) -> Result<String, Thrown> {
        run(PLATFORM, || {
            let session = Members::of_session(session)?;
            let (common, url) = session.read(|session| (session.session(), session.text("form_url")))?;
            self.place().form(&common, url, self.client.now()?)
        })
    }

    /// The request that hands a direct answer to the Cardseal server, for a token.
    #[wasm_bindgen(js_name = confirmTokenRequest, unchecked_return_type = "CardsealRequest")]
    pub fn confirm_token_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "Pick<CardToken, \"raw\">")] token: &JsValue,
    ) -> Result<JsValue, Thrown> {
        requested(PLATFORM, || self.confirm(Kind::Tokenize, session, token))
    }

    /// The request that hands a direct answer to the Cardseal server, for a payment.
    #[wasm_bindgen(js_name = confirmPaymentRequest, unchecked_return_type = "CardsealRequest")]
    pub fn confirm_payment_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "Pick<PaymentOutcome, \"raw\">")] outcome: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "IdempotencyOptions")] options: &JsValue,
    ) -> Result<JsValue, Thrown> {
        requested(PLATFORM, || {
            let key = Members::of(options).visible("idempotencyKey")?;
            Ok(self.confirm(Kind::Payment, session, outcome)?.idempotent(key))
        })
    }

    /// Reads the platform's answer to a request of [`Self::tokenize_request`] or [`Self::update_token_request`]
    /// that was sent to the platform itself.
    #[wasm_bindgen(js_name = readToken, unchecked_return_type = "ReadToken")]
    pub fn read_token(&self, status: u16, answer: &JsValue) -> Result<JsValue, Thrown> {
        run(PLATFORM, || {
            let answer = token_answer(answer).ok_or_else(|| unreadable(status))?;
            let token = greenpay::read_token(self.greenpay.key(), status, &answer)?;
            if self.signed && !token.signature.verified {
                return Err(Error::new(Code::SignatureInvalid).with_status(status));
            }
            Ok(to_js(&ReadToken::from(token)))
        })
    }

    /// Reads the platform's answer to a request of [`Self::pay_request`] that was sent to the platform itself. What
    /// cannot be read says nothing, and a decline is no error.
    #[wasm_bindgen(js_name = readPayment, unchecked_return_type = "ReadPayment")]
    pub fn read_payment(&self, status: u16, answer: &JsValue) -> Result<JsValue, Thrown> {
        run(PLATFORM, || {
            let read = match payment_answer(answer) {
                Some(answer) => {
                    greenpay::read_payment(self.greenpay.key(), status, &answer).map(ReadPayment::from)?
                }
                None => ReadPayment::default(),
            };
            Ok(to_js(&read))
        })
    }
}

/// What is encrypted together with the card. Without a payment, the card becomes a token or replaces that of a token.
#[derive(Default)]
struct Extras {
    token: Option<String>,
    paid: bool,
    tokenize: bool,
    kount: Option<String>,
}

impl Extras {
    const fn rules(&self) -> Rules {
        if self.paid && !self.tokenize {
            PAYMENT_RULES
        } else {
            TOKEN_RULES
        }
    }
}

fn counter(options: &Members) -> Result<Counter> {
    let counters = [
        ("byte", Counter::Byte),
        ("integer", Counter::Integer),
        ("block", Counter::Block),
    ];
    options.choice("counter", &counters)
}

impl GreenPay {
    fn place(&self) -> Place<'_> {
        Place {
            hosts: &self.hosts,
            server: &self.client.server,
            local: is_local(),
        }
    }

    fn packed(&self, card: &Card, extras: &Extras, counter: Counter) -> Result<Packed> {
        let payload = match extras {
            Extras {
                token: Some(token), ..
            } => Payload::UpdateToken(card, token),
            Extras {
                paid: true,
                tokenize,
                kount,
                ..
            } => Payload::Payment {
                card,
                tokenize: *tokenize,
                kount_session: kount.as_deref(),
            },
            Extras { .. } => Payload::NewToken(card),
        };
        self.greenpay
            .pack(payload, counter, &mut crate::random::SystemRandom)
    }

    fn request(&self, kind: Kind, session: &JsValue, card: &JsValue, options: &JsValue) -> Result<JsValue> {
        let now = self.client.now()?;
        let session = Members::of_session(session)?;
        let options = Members::of(options);
        let given = session.read(|session| OrderInput {
            common: session.session(),
            session: session.text("session"),
            token: session.text("token"),
            checkout_url: session.text("checkout_url"),
            card_token: session.text("card_token"),
        })?;
        let target = given.target(kind, options.visible("idempotencyKey")?, &self.place(), now)?;
        let mut extras = Extras::default();
        let verb = match kind {
            Kind::Tokenize => Verb::Tokenize,
            Kind::Update => {
                let token = options.text("token")?.or(given.card_token);
                let token = token.ok_or_else(|| not_offered("token"))?;
                extras.token = Some(session::id(token, "token", Code::SessionMalformed)?);
                Verb::UpdateToken
            }
            Kind::Payment => {
                extras = options.read(|options| Extras {
                    token: None,
                    paid: true,
                    tokenize: options.flag("tokenize"),
                    kount: options.visible("kountSession"),
                })?;
                Verb::Pay {
                    kount: extras.kount.is_some(),
                }
            }
        };
        let counter = counter(&options)?;
        let card = self.client.card(card, extras.rules(), now)?;
        let packed = self.packed(&card, &extras, counter)?;
        Ok(card_request(&verb.request(&target, &packed), card.warnings()))
    }

    fn confirm(&self, kind: Kind, session: &JsValue, answered: &JsValue) -> Result<Request> {
        let raw = Members::of(answered).value("raw")?;
        self.client.hand_over(kind.server_path(), session, raw.as_ref())
    }
}

impl From<CardToken> for ReadToken {
    fn from(token: CardToken) -> Self {
        Self {
            id: token.token,
            brand: token.brand,
            bin: token.bin,
            last4: token.last4,
            expiry: token.expiry.map(|(month, year)| ReadExpiry { month, year }),
            holder: token.holder,
            nickname: token.nickname,
            signature: Some(token.signature),
            ..Self::default()
        }
    }
}

/// What JavaScript gets from a payment's answer. Without an answer, the outcome is unknown.
#[derive(Default)]
struct ReadPayment {
    status: Outcome,
    order_reference: Option<String>,
    authorization: Option<String>,
    brand: Option<String>,
    last4: Option<String>,
    decline: Option<Decline>,
    signature: Option<Verified>,
}

object!(ReadPayment, payment, {
    "status" = payment.status.as_str(),
    "orderReference" = &payment.order_reference,
    "authorization" = &payment.authorization,
    "brand" = &payment.brand,
    "last4" = &payment.last4,
    "decline" = &payment.decline,
    "signature" = &payment.signature,
});

impl From<Payment> for ReadPayment {
    fn from(payment: Payment) -> Self {
        Self {
            status: payment.outcome,
            order_reference: payment.order_reference,
            authorization: payment.authorization,
            brand: payment.brand,
            last4: payment.last4,
            decline: payment.decline,
            signature: Some(payment.signature),
        }
    }
}

/// Reads a number or a string. Other types are `None`.
fn scalar(value: Option<JsValue>) -> Option<Scalar> {
    let value = value?;
    if let Some(text) = value.as_string() {
        return Some(Scalar::Text(text));
    }
    integral(value.as_f64()?).map(Scalar::Integer)
}

/// The members of an answer. A member of another type than documented does not affect the others.
struct Answer(Members);

impl Answer {
    /// An object with a readable status is an answer.
    fn of(value: &JsValue) -> Option<Self> {
        let answer = Self(Members::of(value));
        (is_object(value) && answer.scalar("status").is_some()).then_some(answer)
    }

    fn value(&self, name: &'static str) -> Option<JsValue> {
        self.0.value(name).ok().flatten()
    }

    fn scalar(&self, name: &'static str) -> Option<Scalar> {
        scalar(self.value(name))
    }

    fn text(&self, name: &'static str) -> Option<String> {
        self.scalar(name).map(|scalar| scalar.text())
    }

    /// Reads a string that decides the outcome.
    fn deciding(&self, name: &'static str) -> Option<String> {
        let value = self.value(name)?;
        Some(scalar(Some(value)).map_or_else(|| UNREADABLE.into(), |scalar| scalar.text()))
    }

    /// Reads a reference, if there is one. `None` if it has another type.
    fn echo(&self, name: &'static str) -> Option<Option<Scalar>> {
        match self.value(name) {
            None => Some(None),
            value => scalar(value).map(Some),
        }
    }

    /// Reads the result, if there is one. `None` if it has another type.
    fn result(&self) -> Option<Option<Self>> {
        match self.value("result") {
            None => Some(None),
            Some(result) => is_object(&result).then(|| Some(Self(Members::of(&result)))),
        }
    }

    /// Reads the messages of a list of errors, or of a single one.
    fn errors(&self) -> String {
        let Some(value) = self.value("errors") else {
            return String::new();
        };
        let Some(list) = value.dyn_ref::<Array>() else {
            return words(&value, DEEPEST);
        };
        let mut text = String::new();
        for (index, entry) in list.iter().enumerate() {
            text.push_str(if index > 0 { "; " } else { "" });
            text.push_str(&words(&entry, DEEPEST));
        }
        text
    }
}

/// The deepest nesting that is read.
const DEEPEST: u32 = 20;

/// Returns every message in an entry of `errors`.
fn words(value: &JsValue, depth: u32) -> String {
    if let Some(scalar) = scalar(Some(value.clone())) {
        return scalar.text();
    }
    let Some(object) = value.dyn_ref::<Object>().filter(|_| depth > 0) else {
        return String::new();
    };
    let mut text = String::new();
    for item in Object::values(object).into_iter() {
        let words = words(&item, depth - 1);
        if !text.is_empty() && !words.is_empty() {
            text.push(' ');
        }
        text.push_str(&words);
    }
    text
}

fn token_answer(answer: &JsValue) -> Option<TokenAnswer> {
    let answer = Answer::of(answer)?;
    let result = answer.result()?;
    let of_result = |name| result.as_ref().and_then(|result| result.text(name));
    Some(TokenAnswer {
        status: answer.scalar("status")?,
        request_id: answer.echo("requestId")?,
        token: of_result("token"),
        bin: of_result("bin"),
        last4: of_result("last_digits"),
        expiry: answer.text("expiration_date"),
        brand: answer.text("brand"),
        nickname: answer.text("nickname"),
        holder: answer.text("cardHolder"),
        errors: answer.errors(),
        signature: answer.text("_signature"),
    })
}

fn payment_answer(answer: &JsValue) -> Option<PaymentAnswer> {
    let answer = Answer::of(answer)?;
    let result = answer.result()?;
    let success = match result.as_ref().and_then(|result| result.value("success")) {
        None => None,
        Some(success) => Some(success.as_bool()?),
    };
    Some(PaymentAnswer {
        status: answer.scalar("status")?,
        order_id: answer.echo("orderId")?,
        authorization: answer.deciding("authorization"),
        last4: answer.text("last4"),
        brand: answer.text("brand"),
        success,
        bank_code: result.as_ref().and_then(|result| result.deciding("resp_code")),
        bank_text: result
            .as_ref()
            .and_then(|result| result.text("reserved_private4")),
        errors: answer.errors(),
        signature: answer.text("_signature"),
    })
}
