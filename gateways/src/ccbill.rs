//! CCBill's RESTful Transaction API, version 2 of its answers (version 1 is read as well).
//!
//! A merchant has two applications. Pages use the access tokens of one to make payment tokens; the server uses those of
//! the other to charge them ([`access`] keeps them apart by type). A decline is HTTP 200. The platform does not recognize
//! a repeated charge and cannot find a charge by our reference, so a charge whose answer was lost stays unknown and is
//! never sent again.

pub mod access;
pub mod answer;
mod cards;
mod config;
mod decline;
mod payments;
pub mod threeds;
pub mod wire;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_trait::async_trait;
use cardseal::http::Request;
use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::amount::Currency;
use crate::error::{Error, Refusal};
use crate::gateway::{
    Capabilities, Capture, ChargeParams, Decline, Gateway, OpenSession, Origin, Outcome, PagePayload,
    PageSession, PlatformSession, SessionParams, StoredCard,
};
use crate::transport::access::ClientCredentials;
use crate::transport::{Response, Transport};

pub use access::{BackEnd, Bearer, Credentials, FrontEnd};
pub use answer::Fault;
use cards::PageAnswer;
pub use payments::{Api, Charge};
use payments::{SessionState, page, with_page};
pub use threeds::{Threeds, Verdict};
pub use wire::{ChargeAnswer, LongId, Recurring, Sale, TokenInfo, is_payment_token};

/// How long a page's session is valid. The page's access token may live longer; the platform decides how long.
const SESSION_SECONDS: u32 = 900;

/// As a number of rebills: until they are cancelled.
const FOR_EVER: u32 = 99;

/// What the platform takes.
const CURRENCIES: [Currency; 6] = [
    Currency::USD,
    Currency::EUR,
    Currency::GBP,
    Currency::CAD,
    Currency::AUD,
    Currency::JPY,
];

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
    live: bool,
    access: ClientCredentials<Arc<Bearer<BackEnd>>, Error>,
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

    /// Where cards are charged: with 3-D Secure in the sub account for it, if there is one.
    fn sub_account(&self, threeds: bool) -> u32 {
        self.threeds_subacc
            .filter(|_| threeds)
            .unwrap_or(self.client_subacc)
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
            recurring_charges: true,
            ..Capabilities::new(self.live)
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

    fn check(&self, payload: &PagePayload) -> Result<(), Refusal> {
        let payload = PageAnswer::read(payload)?;
        let ours = (self.client_accnum, self.sub_account(payload.threeds.is_some()));
        if payload.account == ours {
            Ok(())
        } else {
            Err(Refusal::Invalid("answer"))
        }
    }

    /// The platform knows no session of ours: `GET /payment-tokens/{id}` names the account and nothing else.
    fn claim(&self, payload: &PagePayload) -> Option<SecretString> {
        PageAnswer::read(payload).ok().map(|payload| payload.id)
    }

    /// A token of the page's application, made for this session: it is not shared between customers.
    async fn open_session(
        &self,
        transport: &Transport,
        params: &SessionParams<'_>,
    ) -> Result<PlatformSession, Error> {
        if params.kind == Kind::Update || params.mode != Mode::Direct {
            return Err(Refusal::NotOffered.into());
        }
        let customer_ip = ipv4(params.customer_ip);
        let mut public = Map::new();
        if let Some(amount) = params.amount {
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
        let payment = match (customer_ip, params.amount) {
            (Ok(address), Some(amount)) => SessionState {
                address,
                amount: *amount,
            }
            .to_text(),
            (Ok(_) | Err(_), _) => String::new(),
        };
        let state = with_page(&payment, &public).ok_or(Refusal::NotSent)?;
        let seconds = u32::try_from(bearer.lifetime().as_secs()).unwrap_or(SESSION_SECONDS);
        Ok(PlatformSession {
            state: state.into(),
            public,
            seconds: seconds.min(SESSION_SECONDS),
        })
    }

    fn page(&self, session: &PageSession<'_>) -> Option<Map<String, Value>> {
        page(session.state)
    }

    /// The platform confirms the page's token before it counts as a stored card.
    async fn tokenize(
        &self,
        transport: &Transport,
        _session: &OpenSession<'_>,
        payload: PagePayload,
    ) -> Result<StoredCard, Error> {
        let payload = PageAnswer::read(&payload)?;
        if payload.threeds.is_some() {
            // A result is for one amount, and a stored card has none.
            return Err(Refusal::Invalid("answer").into());
        }
        self.read_token(transport, &payload.id).await
    }

    /// The platform has no call for this. The token is deleted here, and expires there by its time and its uses.
    async fn delete_token(&self, _transport: &Transport, _token: &SecretString) -> Result<(), Error> {
        Ok(())
    }

    async fn charge(&self, transport: &Transport, params: &ChargeParams<'_>) -> Result<Outcome, Refusal> {
        if params.capture == Capture::Later || params.network_token == Some(true) {
            return Err(Refusal::NotOffered);
        }
        let recurring = params.recurring.map(|recurring| Recurring {
            price: recurring.amount,
            period: recurring.period_days,
            rebills: recurring.times.unwrap_or(FOR_EVER),
        });
        let charge = Charge {
            token: params.token,
            client_accnum: self.client_accnum,
            client_subacc: self.client_subacc,
            amount: params.amount,
            initial_period: params
                .recurring
                .map_or(self.initial_period, |recurring| recurring.initial_period_days),
            recurring: recurring.as_ref(),
            create_new_payment_token: false,
            pass_through: &[("reference", params.reference)],
            customer_ip: ipv4(params.customer_ip)?,
            threeds: None,
        };
        self.charge_token(transport, &charge).await
    }

    async fn pay(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        payload: PagePayload,
        fraud_check: bool,
    ) -> Result<Outcome, Refusal> {
        if fraud_check {
            return Err(Refusal::NotOffered);
        }
        let payload = PageAnswer::read(&payload)?;
        let state = SessionState::read(session.state.expose_secret()).ok_or(Refusal::Invalid("session"))?;
        let amount = &state.amount;
        let threeds = match &payload.threeds {
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
            token: &payload.id,
            client_accnum: self.client_accnum,
            client_subacc: self.sub_account(threeds.is_some()),
            amount,
            initial_period: self.initial_period,
            recurring: None,
            create_new_payment_token: false,
            pass_through: &[("reference", session.reference)],
            customer_ip: state.address,
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
