//! CCBill's class.

use js_sys::{Array, JSON, JsString, RegExp};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::answer::ReadToken;
use super::card::card_request;
use super::client::Client;
use super::error::Thrown;
use super::read::{Environment, Members, Reader, is_local, is_object, not_offered, wrong_type};
use super::{requested, run, to_js};
use crate::card::{Card, ProblemCode, Rules, Secret};
use crate::ccbill::{
    self, AUTHENTICATION, AccountInput, AuthenticationInput, Customer, ENDLESS, LAST_ACCNUM, LAST_SUBACC,
    Limits, OrderInput, PaymentInput, PaymentToken, Place, RULES, Source, SubscriptionId, TokenInput,
};
use crate::error::{Code, Error, Result};
use crate::hosts::BaseUrl;
use crate::platform::Platform;
use crate::platform::lenient::{UNREADABLE, integral};
use crate::platform::unreadable;
use crate::session::{self, Kind};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("ccbill.ts");

/// CCBill's RESTful Transaction API. The platform has no encryption in the page: the request for a payment token
/// holds the card in clear and goes to the platform itself, with a token that may not charge.
#[wasm_bindgen]
pub struct CcBill {
    client: Client,
    chosen: Option<BaseUrl>,
}

const PLATFORM: Platform = Platform::CcBill;

/// Checks the customer's details and reports every problem. Throws only for values of the wrong type.
#[wasm_bindgen(js_name = checkCustomer, unchecked_return_type = "CustomerProblem[]")]
pub fn check_customer(
    #[wasm_bindgen(unchecked_param_type = "Partial<CcBillCustomer>")] customer: &JsValue,
) -> Result<JsValue, Thrown> {
    run(None, || Ok(to_js(&read_customer(customer)?.problems())))
}

#[wasm_bindgen]
impl CcBill {
    /// Reads the options. Throws where one of them cannot serve.
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_optional_param_type = "CcBillOptions")] options: &JsValue,
    ) -> Result<Self, Thrown> {
        run(PLATFORM, || {
            let options = Members::of(options);
            let chosen = match options.environment("base", &[("production", ())])? {
                None => None,
                Some(Environment::Named(())) => BaseUrl::parse(ccbill::BASE),
                Some(Environment::At(url)) => Some(url),
            };
            Ok(Self {
                client: Client::new(&options)?,
                chosen,
            })
        })
    }

    /// The request that makes a payment token of a card, or of an earlier sale.
    #[wasm_bindgen(js_name = createPaymentTokenRequest, unchecked_return_type = "CardRequest")]
    pub fn create_payment_token_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession | CcBillAccess")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "CardInput | null")] card: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "CcBillRequestOptions")] options: &JsValue,
    ) -> Result<JsValue, Thrown> {
        run(PLATFORM, || self.create(session, card, &Members::of(options)))
    }

    /// The request that asks whether a payment with this card needs 3-D Secure. The platform's format has the first
    /// six and the last four digits of the card in the address.
    #[wasm_bindgen(js_name = threeDsRequiredRequest, unchecked_return_type = "CardsealQuery")]
    pub fn three_ds_required_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession | CcBillAccess")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "CardInput")] card: &JsValue,
    ) -> Result<JsValue, Thrown> {
        requested(PLATFORM, || {
            const CURRENCY: &str = "currency_code";
            let now = self.client.now()?;
            let session = Members::of_session(session)?;
            let opened = order(&session)?.open(Kind::Payment, true, &self.place(), now)?;
            let currency = whole(&session, CURRENCY, 999, Code::SessionMalformed)?;
            let currency = currency.ok_or_else(|| session::malformed(CURRENCY))?;
            let card = self.client.card(card, Rules { cvc: false, ..RULES }, now)?;
            Ok(opened.three_ds_required_request(&card, currency))
        })
    }

    /// The request that hands a payment token to the Cardseal server, which asks the platform for it and stores it.
    #[wasm_bindgen(js_name = confirmTokenRequest, unchecked_return_type = "CardsealRequest")]
    pub fn confirm_token_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "Pick<CcBillToken, \"raw\">")] token: &JsValue,
    ) -> Result<JsValue, Thrown> {
        requested(PLATFORM, || {
            let token = payment_token(&Members::of(token).value("raw")?.unwrap_or_default())?;
            self.client
                .hand_over_json(Kind::Tokenize.server_path(), session, &token.to_json())
        })
    }

    /// The request that hands a payment token to the Cardseal server, which charges it, with what came of 3-D
    /// Secure. An authentication that failed is handed over, too: the server declines the payment and charges
    /// nothing.
    #[wasm_bindgen(js_name = confirmPaymentRequest, unchecked_return_type = "CardsealRequest")]
    pub fn confirm_payment_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "Pick<CcBillToken, \"raw\"> | CcBillAuthenticated")]
        token: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "CcBillConfirmOptions")] options: &JsValue,
    ) -> Result<JsValue, Thrown> {
        requested(PLATFORM, || {
            const RESULT: &str = "threedsInformation";
            // The result of the platform's script is accepted, too.
            let (given, options) = (Members::of(token), Members::of(options));
            let token = given.value("paymentToken")?.or(given.value("raw")?);
            let token = payment_token(&token.unwrap_or_default())?;
            let result = options.value(RESULT)?.or(given.value(RESULT)?);
            let members = Members::of(session);
            let payment = members.read(|reader| PaymentInput {
                account: account(&members, reader),
                amount: decimal(&members, "amount"),
                currency_code: decimal(&members, "currency_code"),
            })?;
            let answer = payment.answer(&token, result.as_ref().map(authentication).as_ref())?;
            let key = options.visible("idempotencyKey")?;
            let path = Kind::Payment.server_path();
            Ok(self
                .client
                .hand_over_json(path, session, &answer)?
                .idempotent(key))
        })
    }

    /// Reads the platform's answer to a request of [`Self::create_payment_token_request`]. Whole numbers of sixteen
    /// digits and more must be texts in it, as a number of JavaScript loses some of their digits.
    #[wasm_bindgen(js_name = readToken, unchecked_return_type = "ReadCcBillToken")]
    pub fn read_token(&self, status: u16, answer: &JsValue) -> Result<JsValue, Thrown> {
        run(PLATFORM, || {
            const SALE: &str = "subscriptionId";
            let members = Members::of(answer);
            let refused = !(200..300).contains(&status) || !matches!(members.value("errorCode"), Ok(None));
            if refused || !is_object(answer) {
                return Err(read_error(status, answer));
            }
            let token = payment_token(answer).map_err(|error| error.with_status(status))?;
            let sale = members.value(SALE).ok().flatten();
            let sale = sale.map(|sale| scalar(&sale).unwrap_or_default());
            let subscription_id = Some(ccbill::read_subscription(status, sale)?);
            Ok(to_js(&ReadToken {
                id: token.id,
                subscription_id,
                ..ReadToken::default()
            }))
        })
    }

    /// Reads the platform's answer to a request of [`Self::three_ds_required_request`].
    #[wasm_bindgen(js_name = readThreeDs)]
    pub fn read_three_ds(&self, status: u16, answer: &JsValue) -> Result<bool, Thrown> {
        run(PLATFORM, || {
            if status != 200 {
                return Err(read_error(status, answer));
            }
            // A boolean, or in older versions an object with one.
            let required = Members::of(answer).value("required").ok().flatten();
            let required = required.as_ref().unwrap_or(answer).as_bool();
            required.ok_or_else(|| unreadable(status))
        })
    }
}

impl CcBill {
    fn place(&self) -> Place {
        Place {
            chosen: self.chosen.clone(),
            local: is_local(),
        }
    }

    fn create(&self, session: &JsValue, card: &JsValue, options: &Members) -> Result<JsValue> {
        const SALE: &str = "subscriptionId";
        let now = self.client.now()?;
        let session = Members::of_session(session)?;
        let order = order(&session)?;
        let three_ds = options.flag("threeDs")?.unwrap_or_default();
        let opened = order.open(order.kind(), three_ds, &self.place(), now)?;
        let verify = options.flag("verify")?.unwrap_or(true);
        let limit = |name, session_name| {
            let own = whole(options, name, ENDLESS, Code::OptionInvalid)?;
            let other = || whole(&session, session_name, ENDLESS, Code::OptionInvalid);
            own.map_or_else(other, |own| Ok(Some(own)))
                .map_err(|_| not_offered(name))
        };
        let limits = Limits {
            time_to_live: limit("timeToLive", "time_to_live")?,
            number_of_use: limit("numberOfUse", "valid_number_of_use")?,
        };
        if let Some(id) = options.text(SALE)? {
            if !card.is_null_or_undefined() {
                return Err(not_offered(SALE));
            }
            let source = Source::Sale(SubscriptionId::parse(id)?);
            let request = opened.payment_token_request(&source, verify, limits);
            return Ok(card_request(&request, &[]));
        }
        let address = ccbill::session_address(session.text("ip_address")?)?;
        let customer = options.value("customer")?.unwrap_or_default();
        let customer = read_customer(&customer)?.checked()?;
        let rules = Rules { cvc: verify, ..RULES };
        let card = composed(self.client.card(card, rules, now)?)?;
        let source = Source::Card {
            card: &card,
            customer: &customer,
            address,
        };
        let request = opened.payment_token_request(&source, verify, limits);
        Ok(card_request(&request, card.warnings()))
    }
}

/// Normalizes the name on the card, if it has only letters of any language, spaces, dots, apostrophes and dashes.
/// The browser does both, because the tables would be too large for a page.
fn composed(mut card: Card) -> Result<Card> {
    let name = String::from(JsString::from(card.holder.expose()).normalize("NFC"));
    if !RegExp::new(r"^[\p{L} .'-]+$", "u").test(&name) {
        return Err(Error::card(vec![ProblemCode::HolderCharacters]));
    }
    card.holder = Secret::new(name);
    Ok(card)
}

fn order(session: &Members) -> Result<OrderInput> {
    session.read(|members| OrderInput {
        access: members.access(),
        common: members.session(),
        account: account(session, members),
    })
}

fn account(session: &Members, reader: &Reader<'_>) -> AccountInput {
    let number = |name, most| reader.kept(whole(session, name, most, Code::SessionMalformed));
    AccountInput {
        client_accnum: number("client_accnum", LAST_ACCNUM),
        client_subacc: number("client_subacc", LAST_SUBACC),
        client_subacc_3ds: number("client_subacc_3ds", LAST_SUBACC),
    }
}

fn read_customer(customer: &JsValue) -> Result<Customer> {
    if !is_object(customer) {
        return Err(wrong_type("customer"));
    }
    let members = Members::of(customer);
    Customer::read(|name| members.text(name))
}

fn payment_token(token: &JsValue) -> Result<PaymentToken> {
    let members = Members::of(token);
    let number = |name, most| whole(&members, name, most, Code::AnswerMalformed);
    TokenInput {
        id: members.text("paymentTokenId").ok().flatten(),
        client_accnum: number("clientAccnum", LAST_ACCNUM).ok().flatten(),
        client_subacc: number("clientSubacc", LAST_SUBACC).ok().flatten(),
    }
    .checked()
}

fn authentication(result: &JsValue) -> AuthenticationInput {
    let members = Members::of(result);
    let value = |name| members.value(name).ok().flatten();
    let text = |name| {
        let value: JsValue = value(name)?;
        Some(value.as_string().unwrap_or_else(|| UNREADABLE.into()))
    };
    let success = value("success");
    AuthenticationInput {
        status: text("status"),
        success: success.and_then(|success| match success.as_string().as_deref() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => success.as_bool(),
        }),
        error: value("error").is_some_and(|error| error.is_truthy()),
        texts: AUTHENTICATION.map(|(name, _)| text(name)),
        amount: decimal(&members, "amount"),
        currency: decimal(&members, "currency"),
    }
}

/// Reads a string, or a number as JavaScript prints it.
fn decimal(members: &Members, name: &'static str) -> Option<String> {
    let value = members.value(name).ok().flatten()?;
    if value.as_f64().is_some() {
        return JSON::stringify(&value).ok()?.as_string();
    }
    value.as_string()
}

/// Reads a whole number, including zero.
fn whole(members: &Members, name: &'static str, most: u32, code: Code) -> Result<Option<u32>> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within bounds"
    )]
    let integer = |number: f64| number as u32;
    let number = members.whole(name, 0.0, most.into(), code)?;
    Ok(number.map(integer))
}

/// Reads a string, or a whole number that JavaScript represents exactly.
fn scalar(value: &JsValue) -> Option<String> {
    let number = || integral(value.as_f64()?).map(|number| number.to_string());
    value.as_string().or_else(number)
}

fn read_error(status: u16, answer: &JsValue) -> Error {
    let members = Members::of(answer);
    let value = |name| members.value(name).ok().flatten();
    let code = value("errorCode").and_then(|code| scalar(&code));
    let mut words = String::new();
    let mut say = |members: &Members, name| {
        if let Ok(Some(text)) = members.text(name) {
            words.push_str(&text);
            words.push(' ');
        }
    };
    say(&members, "generalMessage");
    if let Some(errors) = value("errors").and_then(|errors| errors.dyn_into::<Array>().ok()) {
        for error in errors.iter() {
            let error = Members::of(&error);
            say(&error, "field");
            say(&error, "message");
        }
    }
    ccbill::read_error(status, code, &words)
}
