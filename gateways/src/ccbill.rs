//! CCBill's RESTful Transaction API, version 2 of its answers (version 1 is read as well).
//!
//! Two applications a merchant: the tokens of one go to pages, where they make payment tokens, those of the other stay
//! here and charge them ([`access`] keeps them apart by type). A decline is HTTP 200. The platform recognises no
//! repeat and finds no charge by a reference of ours: a charge whose answer was lost is unknown, and is never sent
//! again.

pub mod access;
mod config;
mod decline;
pub mod errors;
pub mod threeds;
pub mod wire;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_trait::async_trait;
use cardseal::ccbill::ACCEPT;
use cardseal::http::Request;
use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::amount::{Amount, Currency};
use crate::error::{Doubt, Error, Refusal, identifier, sentence};
use crate::gateway::{
    Approval, Capabilities, Capture, ChargeAsk, Decline, Gateway, Handed, OpenSession, Opened, Origin,
    Outcome, SessionAsk, StoredCard,
};
use crate::transport::access::ClientCredentials;
use crate::transport::{Response, Transport};

pub use access::{BackEnd, Bearer, Credentials, FrontEnd};
use decline::Meaning;
pub use errors::Fault;
use errors::{Problem, read};
pub use threeds::{Threeds, Verdict};
pub use wire::{ChargeAnswer, LongId, Recurring, Sale, TokenInfo, is_payment_token};
use wire::{ChargeBody, Named, ThreedsBody};

/// For how long a page's session is good. The page's access token may live longer; how long is the platform's choice.
const SESSION_SECONDS: u32 = 900;

/// What the platform takes.
const CURRENCIES: [Currency; 6] = [
    Currency::USD,
    Currency::EUR,
    Currency::GBP,
    Currency::CAD,
    Currency::AUD,
    Currency::JPY,
];

/// A charge of a payment token.
pub struct Charge<'a> {
    /// The payment token.
    pub token: &'a SecretString,
    /// The account that the token was made for.
    pub client_accnum: u32,
    /// The sub account that the token was made for.
    pub client_subacc: u32,
    /// How much.
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
    base_url: String,
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

/// The customer's address as the platform takes it. One of version 6 leads to a decline there, so it is refused here.
fn ipv4(address: Option<IpAddr>) -> Result<Ipv4Addr, Refusal> {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) if !address.is_unspecified() && !address.is_broadcast() => Ok(address),
        Some(IpAddr::V4(_) | IpAddr::V6(_)) | None => Err(Refusal::Invalid("customer_ip")),
    }
}

/// A merchant's account at CCBill.
pub struct CcBill {
    api: Api,
    front: Credentials<FrontEnd>,
    back: Credentials<BackEnd>,
    client_accnum: u32,
    client_subacc: u32,
    threeds_subacc: Option<u32>,
    initial_period: u32,
    sandbox: bool,
    access: ClientCredentials<Arc<Bearer<BackEnd>>, Error>,
}

/// What of a payment's session is needed again when the page has its payment token.
struct Kept {
    address: Ipv4Addr,
    amount: Amount,
}

impl Kept {
    fn to_text(&self) -> String {
        let (minor, currency) = (self.amount.minor(), self.amount.currency().code());
        format!("{} {minor} {currency}", self.address)
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let address = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        let amount = Amount::from_minor(minor, Currency::from_code(parts.next()?)?).ok()?;
        Some(Self { address, amount })
    }
}

/// What a page handed over: the platform's answer, alone or with a result of 3-D Secure beside it.
struct HandedOver {
    id: SecretString,
    account: (u32, u32),
    threeds: Option<Value>,
}

impl HandedOver {
    /// `{ "paymentTokenId", "clientAccnum", "clientSubacc", … }`, or, as the platform's script resolves to,
    /// `{ "paymentToken": {…}, "threedsInformation": {…} }`.
    fn read(handed: &Handed) -> Result<Self, Refusal> {
        let Handed::Answer(answer) = handed else {
            return Err(Refusal::NotOffered);
        };
        let invalid = Refusal::Invalid("answer");
        let (token, threeds) = match answer.get("paymentToken") {
            Some(token) => (token, answer.get("threedsInformation")),
            None => (answer, None),
        };
        let threeds = threeds.filter(|result| !result.is_null());
        if threeds.is_some_and(|result| !result.is_object()) {
            return Err(invalid);
        }
        let info = Some(token)
            .filter(|token| token.is_object())
            .and_then(|token| serde_json::from_value::<TokenInfo>(token.clone()).ok())
            .filter(|info| is_payment_token(&info.payment_token_id))
            .ok_or(invalid)?;
        Ok(Self {
            id: info.payment_token_id.into(),
            account: (info.client_accnum, info.client_subacc),
            threeds: threeds.cloned(),
        })
    }
}

impl CcBill {
    /// Calls with the back end's token.
    async fn call(
        &self,
        transport: &Transport,
        request: impl Fn(&Bearer<BackEnd>) -> Result<Request, Refusal> + Sync,
    ) -> Result<Response, Error> {
        let fetch = async || {
            let fetched = self.back.bearer(transport, &self.api.base_url).await;
            let bearer = fetched.map_err(Error::before_sending)?;
            let lifetime = bearer.lifetime();
            Ok((Arc::new(bearer), lifetime))
        };
        let send = async |bearer: Arc<Bearer<BackEnd>>| Ok(transport.send(request(&bearer)?).await?);
        self.access.send(fetch, send).await
    }

    /// What the platform says of a payment token.
    ///
    /// # Errors
    /// As its calls.
    pub async fn token_info(&self, transport: &Transport, token: &SecretString) -> Result<TokenInfo, Error> {
        let answer = self
            .call(transport, |bearer| {
                self.api.token_request(bearer, token.expose_secret())
            })
            .await?;
        let info: TokenInfo = read(&answer).map_err(Problem::into_error)?;
        if info.payment_token_id == token.expose_secret() {
            Ok(info)
        } else {
            Err(Error::Doubtful(Doubt::WrongReference))
        }
    }

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

    /// Charges a payment token, once: whatever is not an answer of the platform's is a doubt that nothing repairs.
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

    /// Where cards are charged: with 3-D Secure in the sub account for it, if there is one.
    fn sub_account(&self, threeds: bool) -> u32 {
        self.threeds_subacc
            .filter(|_| threeds)
            .unwrap_or(self.client_subacc)
    }
}

/// What the answer to a charge says. One that contradicts itself says nothing.
fn outcome(answer: &ChargeAnswer) -> Outcome {
    // An id of the decline says nothing more of one, and a code of none says nothing of a sale.
    let deciding: &[&str] = match answer.approved {
        true => &["declineCode", "denialId", "subscriptionId"],
        false => &["declineCode", "subscriptionId"],
    };
    if deciding.iter().any(|name| answer.is_unreadable(name)) {
        return Outcome::Unknown(Doubt::Undecodable);
    }
    if answer.approved {
        if answer.decline_code.is_some() || answer.denial_id.is_some() {
            return Outcome::Unknown(Doubt::Contradictory);
        }
        return Outcome::Approved(Approval {
            authorization: answer.payment_unique_id.as_deref().map(identifier),
            platform_id: answer.subscription_id.as_ref().map(|id| id.as_str().into()),
            ..Approval::default()
        });
    }
    if answer.subscription_id.is_some() {
        return Outcome::Unknown(Doubt::Contradictory);
    }
    match decline::meaning(answer.decline_code) {
        Meaning::Declined(word) => Outcome::Declined(Decline {
            code: answer.decline_code.map(|code| code.to_string()),
            reason: word.into(),
            message: answer.decline_text.as_deref().map(sentence),
        }),
        Meaning::Processing => Outcome::Unknown(Doubt::Pending),
        Meaning::Contradictory => Outcome::Unknown(Doubt::Contradictory),
    }
}

#[async_trait]
impl Gateway for CcBill {
    fn platform(&self) -> Platform {
        Platform::CcBill
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            default_mode: Mode::Direct,
            needs_customer_ip: true,
            charges_direct_answer: true,
            ..Capabilities::new(!self.sandbox)
        }
    }

    fn accepts(&self, currency: Currency) -> bool {
        CURRENCIES.contains(&currency)
    }

    fn browser_urls(&self) -> Vec<&str> {
        vec![&self.api.base_url]
    }

    fn public_settings(&self) -> Map<String, Value> {
        let currencies = CURRENCIES.map(|currency| currency.code());
        let facts = json!({
            "base_url": self.api.base_url,
            "currencies": currencies,
            "threeds": self.threeds_subacc.is_some(),
        });
        facts.as_object().cloned().unwrap_or_default()
    }

    fn check(&self, handed: &Handed) -> Result<(), Refusal> {
        let handed = HandedOver::read(handed)?;
        let ours = (self.client_accnum, self.sub_account(handed.threeds.is_some()));
        if handed.account == ours {
            Ok(())
        } else {
            Err(Refusal::Invalid("answer"))
        }
    }

    /// The platform knows no session of ours: `GET /payment-tokens/{id}` names the account and nothing else.
    fn claim(&self, handed: &Handed) -> Option<SecretString> {
        HandedOver::read(handed).ok().map(|handed| handed.id)
    }

    /// A token of the page's application, made for this session: it is not shared between customers.
    async fn open_session(&self, transport: &Transport, ask: &SessionAsk<'_>) -> Result<Opened, Error> {
        if ask.kind == Kind::Update || ask.mode != Mode::Direct {
            return Err(Refusal::NotOffered.into());
        }
        let customer_ip = ipv4(ask.customer_ip);
        let mut public = Map::new();
        if let Some(amount) = ask.amount {
            // It will be charged from this address; a page that only stores a card may be without one.
            customer_ip.clone()?;
            public.insert("currency_code".into(), amount.currency().numeric().into());
            public.insert("initial_period".into(), self.initial_period.into());
            // The shortest time and the fewest charges that serve: an hour, one.
            public.insert("time_to_live".into(), 1.into());
            public.insert("valid_number_of_use".into(), 1.into());
            if let Some(sub) = self.threeds_subacc {
                public.insert("client_subacc_3ds".into(), sub.into());
            }
        }
        let bearer = self.front.bearer(transport, &self.api.base_url).await?;
        public.insert("access_token".into(), bearer.for_page().into());
        public.insert("base_url".into(), self.api.base_url.as_str().into());
        public.insert("application_id".into(), self.front.application_id().into());
        public.insert("client_accnum".into(), self.client_accnum.into());
        public.insert("client_subacc".into(), self.client_subacc.into());
        if let Ok(address) = &customer_ip {
            public.insert("ip_address".into(), address.to_string().into());
        }
        let kept = match (customer_ip, ask.amount) {
            (Ok(address), Some(amount)) => Kept {
                address,
                amount: *amount,
            }
            .to_text(),
            (Ok(_) | Err(_), _) => String::new(),
        };
        let seconds = u32::try_from(bearer.lifetime().as_secs()).unwrap_or(SESSION_SECONDS);
        Ok(Opened {
            kept: kept.into(),
            public,
            seconds: seconds.min(SESSION_SECONDS),
        })
    }

    /// The platform confirms what the page handed over before it counts as a stored card.
    async fn tokenize(
        &self,
        transport: &Transport,
        _session: &OpenSession<'_>,
        handed: Handed,
    ) -> Result<StoredCard, Error> {
        let handed = HandedOver::read(&handed)?;
        if handed.threeds.is_some() {
            // A result is for one amount, and a stored card has none.
            return Err(Refusal::Invalid("answer").into());
        }
        self.read_token(transport, &handed.id).await
    }

    /// The platform has no call for it: the token is forgotten here, and there it ends by its time and its uses.
    async fn delete_token(&self, _transport: &Transport, _token: &SecretString) -> Result<(), Error> {
        Ok(())
    }

    async fn charge(&self, transport: &Transport, ask: &ChargeAsk<'_>) -> Result<Outcome, Refusal> {
        if ask.capture == Capture::Later || ask.network_token == Some(true) {
            return Err(Refusal::NotOffered);
        }
        let charge = Charge {
            token: ask.token,
            client_accnum: self.client_accnum,
            client_subacc: self.client_subacc,
            amount: ask.amount,
            initial_period: self.initial_period,
            recurring: None,
            create_new_payment_token: false,
            pass_through: &[("reference", ask.reference)],
            customer_ip: ipv4(ask.customer_ip)?,
            threeds: None,
        };
        self.charge_token(transport, &charge).await
    }

    async fn pay(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        handed: Handed,
        fraud_check: bool,
    ) -> Result<Outcome, Refusal> {
        if fraud_check {
            return Err(Refusal::NotOffered);
        }
        let handed = HandedOver::read(&handed)?;
        let kept = Kept::read(session.kept.expose_secret()).ok_or(Refusal::Invalid("session"))?;
        let amount = &kept.amount;
        let threeds = match &handed.threeds {
            None => None,
            Some(result) => match Threeds::read(result, amount)? {
                Verdict::Authenticated(threeds) => Some(threeds),
                Verdict::Failed => {
                    return Ok(Outcome::Declined(Decline {
                        code: None,
                        reason: "authentication_failed".into(),
                        message: None,
                    }));
                }
            },
        };
        let charge = Charge {
            token: &handed.id,
            client_accnum: self.client_accnum,
            client_subacc: self.sub_account(threeds.is_some()),
            amount,
            initial_period: self.initial_period,
            recurring: None,
            create_new_payment_token: false,
            pass_through: &[("reference", session.reference)],
            customer_ip: kept.address,
            threeds: threeds.as_deref(),
        };
        self.charge_token(transport, &charge).await
    }

    async fn read_token(&self, transport: &Transport, token: &SecretString) -> Result<StoredCard, Error> {
        let info = self.token_info(transport, token).await?;
        if (info.client_accnum, info.client_subacc) != (self.client_accnum, self.client_subacc) {
            return Err(Refusal::Invalid("answer").into());
        }
        Ok(StoredCard {
            token: token.clone(),
            // Of the card the platform tells nothing.
            brand: None,
            bin: None,
            last4: None,
            expiry: None,
            holder: None,
            nickname: None,
            origin: Origin::Named,
        })
    }
}

#[cfg(test)]
mod tests;
