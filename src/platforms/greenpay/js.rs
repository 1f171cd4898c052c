//! `GreenPay` of `index.d.ts`, but for sending.

use serde::Serialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::card::Card;
use crate::crypto::public_key::PublicKey;
use crate::error::{Code, Error};
use crate::greenpay::wire::{PaymentAnswer, TokenAnswer};
use crate::greenpay::{
    CardToken, Counter, Decline, GreenPay, Hosts, Outcome, PAYMENT_RULES, Packed, Payload, SESSION_MS,
    TOKEN_RULES, Target, Verb, Verified, read_payment, read_token,
};
use crate::js::value::{base_url, get, id, moment, object, optional_bool, optional_text};
use crate::js::{Expiry, Token, card_input, fresh, sealed, server_session, session_text, unreadable};
use crate::platform::Platform;
use crate::random::SystemRandom;
use crate::session::{Kind, Mode, Session};

/// The parsed key and where requests go.
#[wasm_bindgen]
pub struct GreenPayCore {
    greenpay: GreenPay,
    hosts: Hosts,
    server: String,
    signature_required: bool,
}

/// What a session object was found to be.
struct Opened {
    target: Target,
    /// Of an update through our own server.
    card_token: Option<String>,
}

#[wasm_bindgen]
impl GreenPayCore {
    /// From the options object.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &JsValue) -> Result<Self, JsValue> {
        sealed(|| {
            let key = optional_text(options, "publicKey")?.ok_or(Code::KeyMissing)?;
            let environment = get(options, "environment");
            let hosts = match environment.as_string().as_deref() {
                None if environment.is_undefined() => Hosts::Sandbox,
                Some("sandbox") => Hosts::Sandbox,
                Some("production") => Hosts::Production,
                Some(_) => return Err(Error::new(Code::OptionInvalid).at("environment")),
                None => {
                    let url = optional_text(&environment, "checkout")?;
                    Hosts::Custom(base_url(&url.unwrap_or_default(), false, "environment")?)
                }
            };
            let signature_required = match optional_text(options, "signature")?.as_deref() {
                None | Some("required") => true,
                Some("warn") => false,
                Some(_) => return Err(Error::new(Code::OptionInvalid).at("signature")),
            };
            Ok(Self {
                greenpay: GreenPay::new(PublicKey::parse(&key)?),
                hosts,
                server: base_url(
                    &optional_text(options, "server")?.unwrap_or_default(),
                    true,
                    "server",
                )?,
                signature_required,
            })
        })
    }

    /// Length of the key's modulus.
    #[wasm_bindgen(getter)]
    pub fn bits(&self) -> usize {
        self.greenpay.key().bits()
    }

    /// Whether the key is shorter than is recommended.
    #[wasm_bindgen(getter, js_name = isShort)]
    pub fn is_short(&self) -> bool {
        self.greenpay.key().is_short()
    }

    /// Encrypts what `input` holds: a card, and `token`, `tokenize` or `kountSession`.
    pub fn pack(&self, input: &JsValue, options: &JsValue, now: f64) -> Result<JsValue, JsValue> {
        sealed(|| {
            let token = optional_text(input, "token")?
                .map(|token| id(token, "token"))
                .transpose()?;
            let kount = kount_session(input)?;
            let tokenize = optional_bool(input, "tokenize")?;
            let verb = match (&token, &kount, tokenize) {
                (Some(_), None, None) => Verb::UpdateToken,
                (Some(_), _, _) => return Err(Error::new(Code::OptionInvalid).at("token")),
                (None, None, None) => Verb::Tokenize,
                (None, kount, _) => Verb::Pay {
                    kount: kount.is_some(),
                },
            };
            let extras = Extras {
                token,
                kount,
                tokenize: tokenize.unwrap_or(false),
            };
            Ok(object(&self.seal(
                verb,
                &get(input, "card"),
                &extras,
                options,
                now,
            )?))
        })
    }

    /// `tokenizeRequest`.
    #[wasm_bindgen(js_name = tokenizeRequest)]
    pub fn tokenize_request(
        &self,
        session: &JsValue,
        card: &JsValue,
        options: &JsValue,
        now: f64,
    ) -> Result<JsValue, JsValue> {
        sealed(|| {
            let opened = self.open(session, Kind::Tokenize, options, now)?;
            self.request(
                Verb::Tokenize,
                &opened.target,
                card,
                &Extras::default(),
                options,
                now,
            )
        })
    }

    /// `updateTokenRequest`.
    #[wasm_bindgen(js_name = updateTokenRequest)]
    pub fn update_token_request(
        &self,
        session: &JsValue,
        card: &JsValue,
        options: &JsValue,
        now: f64,
    ) -> Result<JsValue, JsValue> {
        sealed(|| {
            let opened = self.open(session, Kind::Update, options, now)?;
            let token = optional_text(options, "token")?.or(opened.card_token);
            let token = token.ok_or_else(|| Error::new(Code::OptionInvalid).at("token"))?;
            let extras = Extras {
                token: Some(id(token, "token")?),
                ..Extras::default()
            };
            self.request(Verb::UpdateToken, &opened.target, card, &extras, options, now)
        })
    }

    /// `payRequest`.
    #[wasm_bindgen(js_name = payRequest)]
    pub fn pay_request(
        &self,
        session: &JsValue,
        card: &JsValue,
        options: &JsValue,
        now: f64,
    ) -> Result<JsValue, JsValue> {
        sealed(|| {
            let opened = self.open(session, Kind::Payment, options, now)?;
            let kount = kount_session(options)?;
            let tokenize = optional_bool(options, "tokenize")?.unwrap_or(false);
            let verb = Verb::Pay {
                kount: kount.is_some(),
            };
            self.request(
                verb,
                &opened.target,
                card,
                &Extras {
                    token: None,
                    kount,
                    tokenize,
                },
                options,
                now,
            )
        })
    }

    /// The platform's answer to a direct `tokenize` or `updateToken`.
    #[wasm_bindgen(js_name = readToken)]
    pub fn read_token(&self, status: u16, answer: JsValue) -> Result<JsValue, JsValue> {
        sealed(|| {
            let answer: TokenAnswer =
                serde_wasm_bindgen::from_value(answer).map_err(|_| unreadable(status))?;
            let token = read_token(self.greenpay.key(), status, &answer)?;
            if self.signature_required && !token.signature.verified {
                return Err(Error::new(Code::SignatureInvalid).with_status(status));
            }
            Ok(object(&Token::from(token)))
        })
    }

    /// The platform's answer to a direct `pay`; `undefined` if there was none that could be read.
    #[wasm_bindgen(js_name = readPayment)]
    pub fn read_payment(&self, status: u16, answer: JsValue) -> Result<JsValue, JsValue> {
        sealed(|| {
            let payment = match serde_wasm_bindgen::from_value::<PaymentAnswer>(answer) {
                Ok(answer) => read_payment(self.greenpay.key(), status, &answer)?,
                Err(_) => return Ok(object(&Paid::unknown())),
            };
            Ok(object(&Paid {
                id: None,
                platform: Platform::GreenPay,
                status: payment.outcome,
                order_reference: payment.order_reference,
                authorization: payment.authorization,
                brand: payment.brand,
                last4: payment.last4,
                decline: payment.decline,
                signature: Some(payment.signature),
            }))
        })
    }
}

#[derive(Default)]
struct Extras {
    token: Option<String>,
    kount: Option<String>,
    tokenize: bool,
}

impl GreenPayCore {
    /// Recognises the session and checks its age, before anything is encrypted.
    fn open(&self, session: &JsValue, kind: Kind, options: &JsValue, now: f64) -> Result<Opened, Error> {
        let own = server_session(session, Platform::GreenPay, kind, now)?;
        let created = get(session, "created_at");
        if !created.is_undefined() {
            let created =
                moment(&created).ok_or_else(|| Error::new(Code::SessionMalformed).at("created_at"))?;
            fresh(created + SESSION_MS, now)?;
        }
        let target = match own {
            Some(Session {
                id: own,
                mode: Mode::Relay,
                ..
            }) => Target::Relay {
                server: self.server.clone(),
                session: id(own, "id")?,
                idempotency_key: visible(options, "idempotencyKey")?,
            },
            _ => Target::Direct {
                hosts: match optional_text(session, "checkout_url")? {
                    Some(url) => Hosts::Custom(base_url(&url, false, "checkout_url")?),
                    None => self.hosts.clone(),
                },
                session: id(session_text(session, "session")?, "session")?,
                token: id(session_text(session, "token")?, "token")?,
            },
        };
        Ok(Opened {
            target,
            card_token: optional_text(session, "card_token")?,
        })
    }

    fn seal(
        &self,
        verb: Verb,
        card: &JsValue,
        extras: &Extras,
        options: &JsValue,
        now: f64,
    ) -> Result<Packed, Error> {
        let counter = match optional_text(options, "counter")?.as_deref() {
            None | Some("byte") => Counter::Byte,
            Some("integer") => Counter::Integer,
            Some("block") => Counter::Block,
            Some(_) => return Err(Error::new(Code::OptionInvalid).at("counter")),
        };
        let rules = if matches!(verb, Verb::Pay { .. }) && !extras.tokenize {
            PAYMENT_RULES
        } else {
            TOKEN_RULES
        };
        let card = Card::parse(&card_input(card)?, &rules, now)?;
        let payload = match (verb, &extras.token) {
            (Verb::UpdateToken, Some(token)) => Payload::UpdateToken(&card, token),
            (Verb::Tokenize | Verb::UpdateToken, _) => Payload::NewToken(&card),
            (Verb::Pay { .. }, _) => Payload::Payment {
                card: &card,
                tokenize: extras.tokenize,
                kount_session: extras.kount.as_deref(),
            },
        };
        self.greenpay.pack(payload, counter, &mut SystemRandom)
    }

    fn request(
        &self,
        verb: Verb,
        target: &Target,
        card: &JsValue,
        extras: &Extras,
        options: &JsValue,
        now: f64,
    ) -> Result<JsValue, Error> {
        let packed = self.seal(verb, card, extras, options, now)?;
        Ok(object(&verb.request(target, &packed)))
    }
}

/// The id of a Kount session, which goes into the encrypted text as it is.
fn kount_session(options: &JsValue) -> Result<Option<String>, Error> {
    visible(options, "kountSession")
}

/// An option of 1 to 255 visible ASCII characters.
fn visible(options: &JsValue, name: &'static str) -> Result<Option<String>, Error> {
    let text = optional_text(options, name)?;
    let fits =
        |text: &str| (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.as_deref().is_none_or(fits) {
        Ok(text)
    } else {
        Err(Error::new(Code::OptionInvalid).at(name))
    }
}

impl From<CardToken> for Token<Verified> {
    fn from(token: CardToken) -> Self {
        Self {
            id: token.token,
            platform: Platform::GreenPay,
            brand: token.brand,
            bin: token.bin,
            last4: token.last4,
            expiry: token.expiry.map(Expiry::from),
            holder: token.holder,
            nickname: token.nickname,
            // The signature covers neither the token nor the card: only the server can make it more.
            status: "unconfirmed",
            signature: token.signature,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Paid {
    id: Option<String>,
    platform: Platform,
    status: Outcome,
    order_reference: Option<String>,
    authorization: Option<String>,
    brand: Option<String>,
    last4: Option<String>,
    decline: Option<Decline>,
    signature: Option<Verified>,
}

impl Paid {
    const fn unknown() -> Self {
        Self {
            id: None,
            platform: Platform::GreenPay,
            status: Outcome::Unknown,
            order_reference: None,
            authorization: None,
            brand: None,
            last4: None,
            decline: None,
            signature: None,
        }
    }
}
