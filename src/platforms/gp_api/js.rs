//! `GpApi` of `index.d.ts`, but for sending.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::card::Card;
use crate::error::{Code, Error};
use crate::gp_api::wire::{ErrorBody, PaymentMethod};
use crate::gp_api::{Ask, CardToken, Hosts, RULES, payment_method_request, read_error, read_payment_method};
use crate::js::value::{base_url, get, object, optional_bool, optional_text};
use crate::js::{Expiry, Token, card_input, sealed, server_session, session_text, unreadable};
use crate::platform::Platform;
use crate::session::Kind;

/// Where requests go.
#[wasm_bindgen]
pub struct GpApiCore {
    hosts: Option<Hosts>,
}

#[wasm_bindgen]
impl GpApiCore {
    /// From the options object.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &JsValue) -> Result<Self, JsValue> {
        sealed(|| {
            let environment = get(options, "environment");
            let hosts = match environment.as_string().as_deref() {
                None if environment.is_undefined() => None,
                Some("sandbox") => Some(Hosts::Sandbox),
                Some("production") => Some(Hosts::Production),
                Some("sandbox_eu") => Some(Hosts::SandboxEu),
                Some("production_eu") => Some(Hosts::ProductionEu),
                Some(_) => return Err(Error::new(Code::OptionInvalid).at("environment")),
                None => {
                    let url = optional_text(&environment, "base")?.unwrap_or_default();
                    Some(Hosts::Custom(base_url(&url, false, "environment")?))
                }
            };
            Ok(Self { hosts })
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
            // A token of the caller's own backend is taken too; its age is the platform's to judge.
            server_session(session, Platform::GpApi, Kind::Tokenize, now)?;
            let hosts = match (&self.hosts, optional_text(session, "base_url")?) {
                (Some(hosts), _) => hosts.clone(),
                (None, Some(url)) => Hosts::Custom(base_url(&url, false, "base_url")?),
                (None, None) => return Err(Error::new(Code::OptionInvalid).at("environment")),
            };
            let access_token = session_text(session, "access_token")?;
            if !(1..=4096).contains(&access_token.len())
                || !access_token.bytes().all(|b| b.is_ascii_graphic())
            {
                return Err(Error::new(Code::SessionMalformed).at("access_token"));
            }
            let reference = match optional_text(options, "reference")? {
                Some(reference) => reference,
                None => session_text(session, "reference")?,
            };
            let account_name = optional_text(session, "account_name")?;
            let ask = Ask {
                access_token: &access_token,
                reference: &reference,
                account_name: account_name.as_deref(),
                network_token: optional_bool(options, "useNetworkToken")?.unwrap_or(false),
            };
            let card = Card::parse(&card_input(card)?, &RULES, now)?;
            Ok(object(&payment_method_request(&hosts, &ask, &card)))
        })
    }

    /// The platform's answer to `tokenize`. As the official library has it, the JSON decides and not the status;
    /// both count here, so that an error is never taken for a card.
    #[wasm_bindgen(js_name = readToken)]
    pub fn read_token(&self, status: u16, answer: JsValue) -> Result<JsValue, JsValue> {
        sealed(|| {
            if !(200..300).contains(&status) || !get(&answer, "error_code").is_undefined() {
                let body: ErrorBody =
                    serde_wasm_bindgen::from_value(answer).map_err(|_| unreadable(status))?;
                return Err(read_error(status, &body));
            }
            let answer: PaymentMethod =
                serde_wasm_bindgen::from_value(answer).map_err(|_| unreadable(status))?;
            let token = read_payment_method(&answer).map_err(|error| error.with_status(status))?;
            Ok(object(&Token::from(token)))
        })
    }
}

impl From<CardToken> for Token<Option<()>> {
    fn from(token: CardToken) -> Self {
        Self {
            id: token.id,
            platform: Platform::GpApi,
            brand: token.brand,
            bin: None,
            last4: token.last4,
            expiry: token.expiry.map(Expiry::from),
            holder: token.holder,
            nickname: None,
            // Good for one use; the server makes a lasting token of it.
            status: "unconfirmed",
            signature: None,
        }
    }
}
