//! The class of Global Payments GP API.

use std::cell::Cell;

use wasm_bindgen::prelude::*;

use super::answer::{ReadExpiry, ReadToken};
use super::card::card_request;
use super::client::Client;
use super::error::Thrown;
use super::read::{Environment, Members, is_local, is_object, text};
use super::{requested, run, to_js};
use crate::authentication::{self, AuthenticationInput, BrowserInput, StepInput};
use crate::error::Result;
use crate::gp_api::{self, AccessInput, CardToken, ErrorBody, Hosts, Options, PaymentMethod, Place, RULES};
use crate::hosts::BaseUrl;
use crate::platform::Platform;
use crate::platform::unreadable;
use crate::random::SystemRandom;
use crate::session::Kind;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("gp_api.ts");

/// Global Payments GP API. The platform has no encryption in the page: each request holds the card in clear and
/// goes to the platform itself, with a token that may do nothing but store a card.
#[wasm_bindgen]
pub struct GpApi {
    client: Client,
    chosen: Option<BaseUrl>,
}

const PLATFORM: Platform = Platform::GpApi;

#[wasm_bindgen]
impl GpApi {
    /// Reads the options. Throws where one of them cannot serve.
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_optional_param_type = "GpApiOptions")] options: &JsValue,
    ) -> Result<Self, Thrown> {
        run(PLATFORM, || {
            let options = Members::of(options);
            let names = [
                ("sandbox", Hosts::SANDBOX),
                ("production", Hosts::PRODUCTION),
                ("sandbox_eu", Hosts::SANDBOX_EU),
                ("production_eu", Hosts::PRODUCTION_EU),
            ];
            let chosen = match options.environment("base", &names)? {
                None => None,
                Some(Environment::At(url)) => Some(url),
                Some(Environment::Named(url)) => BaseUrl::parse(url),
            };
            Ok(Self {
                client: Client::new(&options)?,
                chosen,
            })
        })
    }

    /// The request that makes a single-use token of a card.
    #[wasm_bindgen(js_name = tokenizeRequest, unchecked_return_type = "CardRequest")]
    pub fn tokenize_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession | GpApiAccess")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "CardInput")] card: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "GpApiRequestOptions")] options: &JsValue,
    ) -> Result<JsValue, Thrown> {
        run(PLATFORM, || {
            let now = self.client.now()?;
            let session = Members::of_session(session)?;
            let given = session.read(|session| AccessInput {
                access: session.access(),
                reference: session.text("reference"),
                account_name: session.text("account_name"),
                common: session.session(),
            })?;
            let options = Members::of(options).read(|options| Options {
                reference: options.text("reference"),
                network_token: options.flag("useNetworkToken"),
            })?;
            let place = Place {
                chosen: self.chosen.clone(),
                local: is_local(),
            };
            let opened = given.open(options, &place, now, &mut SystemRandom)?;
            let card = self.client.card(card, RULES, now)?;
            Ok(card_request(&opened.request(&card), card.warnings()))
        })
    }

    /// The request that hands the platform's answer to the Cardseal server, which verifies the card and stores a
    /// lasting token.
    #[wasm_bindgen(js_name = confirmTokenRequest, unchecked_return_type = "CardsealRequest")]
    pub fn confirm_token_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "Pick<CardToken, \"raw\">")] token: &JsValue,
    ) -> Result<JsValue, Thrown> {
        requested(PLATFORM, || {
            let raw = Members::of(token).value("raw")?;
            self.client
                .hand_over(Kind::Tokenize.server_path(), session, raw.as_ref())
        })
    }

    /// Reads the platform's answer to a request of [`Self::tokenize_request`]. The token is good for one use.
    #[wasm_bindgen(js_name = readToken, unchecked_return_type = "ReadToken")]
    pub fn read_token(&self, status: u16, answer: &JsValue) -> Result<JsValue, Thrown> {
        run(PLATFORM, || read_token(status, answer).map(|token| to_js(&token)))
    }

    /// The request that tells the Cardseal server of the browser, to go on with an authentication.
    #[wasm_bindgen(js_name = initiateAuthenticationRequest, unchecked_return_type = "CardsealRequest")]
    pub fn initiate_authentication_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string")] id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "AuthenticationBrowser")] browser: &JsValue,
    ) -> Result<JsValue, Thrown> {
        requested(PLATFORM, || {
            let members = Members::of(browser);
            let browser = members.read(|browser| {
                let number = |name| {
                    let value = browser.kept(members.value(name));
                    value.and_then(|value| value.as_f64()).unwrap_or_default()
                };
                let text = |name| browser.text(name).unwrap_or_default();
                BrowserInput {
                    language: text("language"),
                    color_depth: number("colorDepth"),
                    screen_width: number("screenWidth"),
                    screen_height: number("screenHeight"),
                    timezone_offset: text("timezoneOffset"),
                    java_enabled: browser.flag("javaEnabled"),
                    window: text("window"),
                    method: text("method"),
                }
            })?;
            browser.request(&self.client.server, text(id, "id")?)
        })
    }

    /// The request that asks the Cardseal server what became of an authentication.
    #[wasm_bindgen(js_name = authenticationResultRequest, unchecked_return_type = "CardsealRequest")]
    pub fn authentication_result_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string")] id: &JsValue,
    ) -> Result<JsValue, Thrown> {
        requested(PLATFORM, || {
            authentication::result_request(&self.client.server, text(id, "id")?)
        })
    }

    /// Reads what the Cardseal server says of an authentication.
    #[wasm_bindgen(js_name = readAuthentication, unchecked_return_type = "Authentication")]
    pub fn read_authentication(&self, answer: &JsValue) -> Result<JsValue, Thrown> {
        run(PLATFORM, || {
            let members = Members::of(answer);
            let step = members.value("step")?.map(|step| Members::of(&step));
            let known = members.read(|answer| AuthenticationInput {
                id: answer.text("id"),
                status: answer.text("status"),
                step: step.as_ref().map(|step| {
                    let step = answer.within(step);
                    StepInput {
                        kind: step.text("kind"),
                        url: step.text("url"),
                        field: step.text("field"),
                        value: step.text("value"),
                    }
                }),
            })?;
            Ok(to_js(&known.checked(is_local())?))
        })
    }
}

/// Checks both the status and the JSON, so that an error is never mistaken for a card. The official library checks
/// only the JSON.
fn read_token(status: u16, answer: &JsValue) -> Result<ReadToken> {
    if !is_object(answer) {
        return Err(unreadable(status));
    }
    let broken = Cell::new(false);
    let answer = Answer {
        members: Members::of(answer),
        broken: &broken,
    };
    if !(200..300).contains(&status) || answer.value("error_code").is_some() {
        let error = ErrorBody {
            error_code: answer.text("error_code"),
            detailed_error_code: answer.text("detailed_error_code"),
            detailed_error_description: answer.text("detailed_error_description"),
        };
        return Err(if broken.get() {
            unreadable(status)
        } else {
            gp_api::read_error(status, &error)
        });
    }
    let (card, action) = (answer.object("card"), answer.object("action"));
    let of_card = |name| card.as_ref().and_then(|card| card.text(name));
    let masked = ["masked_number_last4", "number_last4"].map(of_card);
    let method = PaymentMethod {
        id: answer.text("id"),
        status: answer.text("status"),
        result_code: action.and_then(|action| action.text("result_code")),
        name: answer.text("name"),
        masked_number: masked.into_iter().flatten().next(),
        brand: of_card("brand"),
        expiry_month: of_card("expiry_month"),
        expiry_year: of_card("expiry_year"),
    };
    if broken.get() {
        return Err(unreadable(status));
    }
    let token = gp_api::read_payment_method(&method).map_err(|error| error.with_status(status))?;
    Ok(token.into())
}

/// An answer. If a member has another type than documented, the whole answer is malformed.
struct Answer<'a> {
    members: Members,
    broken: &'a Cell<bool>,
}

impl Answer<'_> {
    fn value(&self, name: &'static str) -> Option<JsValue> {
        self.members.value(name).ok().flatten()
    }

    fn text(&self, name: &'static str) -> Option<String> {
        let text = self.members.text(name);
        self.broken.set(self.broken.get() || text.is_err());
        text.ok().flatten()
    }

    fn object(&self, name: &'static str) -> Option<Self> {
        let value = self.value(name)?;
        self.broken.set(self.broken.get() || !is_object(&value));
        Some(Self {
            members: Members::of(&value),
            broken: self.broken,
        })
    }
}

impl From<CardToken> for ReadToken {
    fn from(token: CardToken) -> Self {
        Self {
            id: token.id,
            brand: token.brand,
            last4: token.last4,
            expiry: token.expiry.map(|(month, year)| ReadExpiry { month, year }),
            holder: token.holder,
            ..Self::default()
        }
    }
}
