//! Charges and sales: the calls of the back end.

use std::net::Ipv4Addr;

use cardseal::ccbill::ACCEPT;
use cardseal::http::Request;
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::access::{BackEnd, Bearer};
use super::answer::{Problem, outcome, read};
use super::threeds::Threeds;
use super::wire::{ChargeAnswer, ChargeBody, Named, Recurring, Sale, ThreedsBody, is_payment_token};
use super::{CURRENCIES, CcBill};
use crate::amount::{Amount, Currency};
use crate::error::{Error, Refusal};
use crate::gateway::Outcome;
use crate::transport::Transport;

/// A charge of a payment token.
pub struct Charge<'a> {
    /// The payment token.
    pub token: &'a SecretString,
    /// The account that the token was made for.
    pub client_accnum: u32,
    /// The sub account that the token was made for.
    pub client_subacc: u32,
    /// The amount.
    pub amount: &'a Amount,
    /// Days that are paid for; 0 for a single sale.
    pub initial_period: u32,
    /// Charges that follow.
    pub recurring: Option<&'a Recurring>,
    /// Whether a token for later charges is wanted.
    pub create_new_payment_token: bool,
    /// What comes back in the platform's webhooks.
    pub pass_through: &'a [(&'a str, &'a str)],
    /// The customer's address. The platform knows no other than of version 4.
    pub customer_ip: Ipv4Addr,
    /// The result of 3-D Secure.
    pub threeds: Option<&'a Threeds>,
}

/// The calls of the back end, as plain requests. Only the token of the back-end application makes them.
pub struct Api {
    pub(super) base_url: String,
}

impl Api {
    /// At this address.
    #[must_use]
    pub const fn new(base_url: String) -> Self {
        Self { base_url }
    }

    fn request(&self, method: &'static str, path: &str, bearer: &Bearer<BackEnd>) -> Request {
        Request {
            method,
            url: format!("{}{path}", self.base_url),
            headers: vec![
                bearer.header(),
                ("accept", ACCEPT.into()),
                ("cache-control", "no-cache".into()),
            ],
            body: String::new(),
        }
    }

    /// `GET /payment-tokens/{id}`.
    ///
    /// # Errors
    /// `Invalid` if the id has not the documented form.
    pub fn token_request(&self, bearer: &Bearer<BackEnd>, id: &str) -> Result<Request, Refusal> {
        let id = checked(id)?;
        Ok(self.request("GET", &format!("/payment-tokens/{id}"), bearer))
    }

    /// `GET /transactions/payment-tokens/{id}`: the sales that were made with a token.
    ///
    /// # Errors
    /// `Invalid` if the id has not the documented form.
    pub fn sales_request(
        &self,
        bearer: &Bearer<BackEnd>,
        id: &str,
        client_accnum: u32,
        client_subacc: u32,
    ) -> Result<Request, Refusal> {
        let id = checked(id)?;
        let path = format!(
            "/transactions/payment-tokens/{id}?clientAccnum={client_accnum}&clientSubacc={client_subacc}"
        );
        Ok(self.request("GET", &path, bearer))
    }

    /// `POST /transactions/payment-tokens/{id}`, or `…/threeds/{id}` with a result of 3-D Secure.
    ///
    /// # Errors
    /// `Invalid` if the id has not the documented form, `CurrencyNotSupported` for currencies that it does not take.
    pub fn charge_request(&self, bearer: &Bearer<BackEnd>, charge: &Charge<'_>) -> Result<Request, Refusal> {
        let id = checked(charge.token.expose_secret())?;
        let currency = charge.amount.currency();
        if !CURRENCIES.contains(&currency) {
            return Err(Refusal::CurrencyNotSupported);
        }
        if charge
            .recurring
            .is_some_and(|recurring| recurring.price.currency() != currency)
        {
            return Err(Refusal::Invalid("recurring"));
        }
        let body = ChargeBody {
            client_accnum: charge.client_accnum,
            client_subacc: charge.client_subacc,
            initial_price: decimal(charge.amount)?,
            initial_period: charge.initial_period,
            recurring_price: charge
                .recurring
                .map(|recurring| decimal(&recurring.price))
                .transpose()?,
            recurring_period: charge.recurring.map(|recurring| recurring.period),
            rebills: charge.recurring.map(|recurring| recurring.rebills),
            currency_code: currency.numeric(),
            create_new_payment_token: charge.create_new_payment_token,
            pass_through_info: charge
                .pass_through
                .iter()
                .map(|(name, value)| Named { name, value })
                .collect(),
            threeds: charge
                .threeds
                .map(|result| {
                    Ok::<_, Refusal>(ThreedsBody {
                        result,
                        threeds_amount: decimal(charge.amount)?,
                        threeds_currency: format!("{:03}", currency.numeric()),
                    })
                })
                .transpose()?,
        };
        let path = match charge.threeds {
            Some(_) => format!("/transactions/payment-tokens/threeds/{id}"),
            None => format!("/transactions/payment-tokens/{id}"),
        };
        let mut request = self.request("POST", &path, bearer);
        request.headers.push(("content-type", "application/json".into()));
        request
            .headers
            .push(("x-origin-ip", charge.customer_ip.to_string()));
        request.body = serde_json::to_string(&body).map_err(|_| Refusal::Invalid("amount"))?;
        Ok(request)
    }
}

fn checked(id: &str) -> Result<&str, Refusal> {
    if is_payment_token(id) {
        Ok(id)
    } else {
        Err(Refusal::Invalid("token"))
    }
}

/// The amount as a JSON number, digit by digit.
fn decimal(amount: &Amount) -> Result<Box<RawValue>, Refusal> {
    RawValue::from_string(amount.to_decimal_text()).map_err(|_| Refusal::Invalid("amount"))
}

/// What the server stores of a payment's session.
pub(super) struct SessionState {
    pub(super) address: Ipv4Addr,
    pub(super) amount: Amount,
}

impl SessionState {
    pub(super) fn to_text(&self) -> String {
        let (minor, currency) = (self.amount.minor(), self.amount.currency().code());
        format!("{} {minor} {currency}", self.address)
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.lines().next()?.split(' ');
        let address = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        let amount = Amount::from_minor(minor, Currency::from_code(parts.next()?)?).ok()?;
        Some(Self { address, amount })
    }
}

/// What the server stores of a session: what a payment is charged with, and on a line of its own what the page got.
pub(super) fn with_page(payment: &str, page: &Map<String, Value>) -> Option<String> {
    let page = serde_json::to_string(page).ok()?;
    Some(format!("{payment}\n{page}"))
}

/// What the page got.
pub(super) fn page(state: &SecretString) -> Option<Map<String, Value>> {
    let (_, page) = state.expose_secret().split_once('\n')?;
    serde_json::from_str(page).ok()
}

impl CcBill {
    /// The sales that were made with a payment token, for a person who has to find out what became of a charge. They
    /// have no reference and no amount: which sale is of which charge they do not say.
    ///
    /// # Errors
    /// As its calls.
    pub async fn sales(&self, transport: &Transport, token: &SecretString) -> Result<Vec<Sale>, Error> {
        let info = self.token_info(transport, token).await?;
        let answer = self
            .call(transport, |bearer| {
                let (account, sub) = (info.client_accnum, info.client_subacc);
                self.api
                    .sales_request(bearer, token.expose_secret(), account, sub)
            })
            .await?;
        read(&answer).map_err(Problem::into_error)
    }

    /// Charges a payment token once. Without an answer from the platform, the outcome stays unknown.
    ///
    /// # Errors
    /// Where it is certain that nothing was charged.
    pub async fn charge_token(&self, transport: &Transport, charge: &Charge<'_>) -> Result<Outcome, Refusal> {
        let sent = self
            .call(transport, |bearer| self.api.charge_request(bearer, charge))
            .await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => return error.into_doubt().map(Outcome::Unknown),
        };
        match read::<ChargeAnswer>(&answer) {
            Ok(answer) => Ok(outcome(&answer)),
            Err(problem) => problem.into_error().into_doubt().map(Outcome::Unknown),
        }
    }
}
