//! Sessions of pages, stored cards, and the platform's own pages.
//!
//! A page that encrypts the card itself gets a client session and hands the ciphertext over. A page that leaves the form
//! to the platform gets the address of a hosted tokenization or a hosted checkout, and what came of it is asked for
//! here: nothing that such a page says is believed.

use cardseal::session::{Kind, Mode};
use cardseal_worldline::online_payments::domain::{
    CardPaymentMethodSpecificInput, CreateHostedCheckoutRequest, CreateHostedTokenizationRequest,
    CreateTokenRequest, HostedCheckoutSpecificInput, SessionRequest, TokenResponse,
};
use cardseal_worldline::online_payments::errors;
use cardseal_worldline::resource::is_id;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use super::OnlinePayments;
use super::payments::Expected;
use super::wire::{SessionState, brand, check_sealed, expiry, last4, merchant_reference};
use crate::error::{Doubt, Error, Refusal, sentence};
use crate::gateway::{
    OpenSession, Origin, PagePayload, PageState, PlatformSession, SessionParams, StoredCard,
};
use crate::transport::Transport;

const UNUSABLE: Error = Error::Doubtful(Doubt::Undecodable);

impl OnlinePayments {
    pub(super) async fn open(
        &self,
        transport: &Transport,
        params: &SessionParams<'_>,
    ) -> Result<PlatformSession, Error> {
        if params.kind == Kind::Payment {
            merchant_reference(params.reference)?;
            params.amount.ok_or(Refusal::Invalid("amount"))?;
        }
        match (params.kind, params.mode) {
            (Kind::Update, _) => Err(Refusal::NotOffered.into()),
            (Kind::Tokenize | Kind::Payment, Mode::Relay) => self.client_session(transport, params).await,
            (Kind::Tokenize, Mode::Direct) => self.open_tokenization(transport, params).await,
            (Kind::Payment, Mode::Direct) => self.open_checkout(transport, params).await,
        }
    }

    /// `POST /sessions`: the page calls the client API with it. It is not ours to use.
    async fn client_session(
        &self,
        transport: &Transport,
        params: &SessionParams<'_>,
    ) -> Result<PlatformSession, Error> {
        let session = self
            .over(transport)
            .sessions()
            .create(&SessionRequest::default())
            .await?;
        let (Some(id), Some(customer), Some(api)) = (
            session.client_session_id,
            session.customer_id,
            session.client_api_url,
        ) else {
            return Err(UNUSABLE);
        };
        // Where the page will send what it must not send elsewhere.
        if !is_id(&id) || !is_id(&customer) {
            return Err(UNUSABLE);
        }
        let api = self.page_url(&api).ok_or(UNUSABLE)?;
        let assets = session.asset_url.and_then(|url| self.page_url(&url));
        let mut public = Map::new();
        public.insert("clientSessionId".into(), id.into());
        public.insert("customerId".into(), customer.into());
        public.insert("clientApiUrl".into(), api.into());
        public.insert("assetUrl".into(), assets.into());
        public.insert(
            "invalidTokens".into(),
            session.invalid_tokens.unwrap_or_default().into(),
        );
        SessionState::of(params.amount).opened(public, self.session_seconds)
    }

    async fn open_tokenization(
        &self,
        transport: &Transport,
        params: &SessionParams<'_>,
    ) -> Result<PlatformSession, Error> {
        let request = CreateHostedTokenizationRequest {
            variant: params
                .page
                .variant
                .map(Into::into)
                .or_else(|| self.variant.clone()),
            locale: params.page.locale.map(Into::into).or_else(|| self.locale.clone()),
            ..Default::default()
        };
        let answer = self
            .over(transport)
            .hosted_tokenization()
            .create(&request)
            .await?;
        let id = answer
            .hosted_tokenization_id
            .filter(|id| is_id(id))
            .ok_or(UNUSABLE)?;
        let url = match (answer.hosted_tokenization_url, answer.partial_redirect_url) {
            (Some(url), _) => self.page_url(&url),
            (None, partial) => self.whole(partial.as_deref()),
        };
        let mut public = Map::new();
        public.insert("hostedTokenizationUrl".into(), url.ok_or(UNUSABLE)?.into());
        public.insert("sri".into(), answer.sri.into());
        let state = SessionState {
            hosted_tokenization_id: Some(id),
            ..SessionState::default()
        };
        state.opened(public, self.session_seconds)
    }

    async fn open_checkout(
        &self,
        transport: &Transport,
        params: &SessionParams<'_>,
    ) -> Result<PlatformSession, Error> {
        let amount = params.amount.ok_or(Refusal::Invalid("amount"))?;
        let return_url = params.page.return_url.or(self.return_url.as_deref());
        if return_url.is_some_and(|url| url.len() > 200 || self.page_url(url).is_none()) {
            return Err(Refusal::Invalid("return_url").into());
        }
        let request = CreateHostedCheckoutRequest {
            order: Some(Self::order(amount, params.reference)?),
            hosted_checkout_specific_input: Some(HostedCheckoutSpecificInput {
                return_url: return_url.map(Into::into),
                locale: params.page.locale.map(Into::into).or_else(|| self.locale.clone()),
                variant: params
                    .page
                    .variant
                    .map(Into::into)
                    .or_else(|| self.variant.clone()),
                // Minutes; the page must not outlive what the server knows of it.
                session_timeout: Some((self.session_seconds / 60).max(1)),
                ..Default::default()
            }),
            card_payment_method_specific_input: Some(CardPaymentMethodSpecificInput {
                authorization_mode: Some("SALE".into()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = self.over(transport).hosted_checkout().create(&request).await?;
        let id = answer.hosted_checkout_id.filter(|id| is_id(id)).ok_or(UNUSABLE)?;
        let url = match (answer.redirect_url, answer.partial_redirect_url) {
            (Some(url), _) => self.page_url(&url),
            (None, partial) => self.whole(partial.as_deref()),
        };
        let state = SessionState {
            hosted_checkout_id: Some(id),
            return_mac: Some(answer.returnmac.filter(|mac| !mac.is_empty()).ok_or(UNUSABLE)?),
            ..SessionState::of(Some(amount))
        };
        let mut public = Map::new();
        public.insert("redirectUrl".into(), url.ok_or(UNUSABLE)?.into());
        state.opened(public, self.session_seconds)
    }

    /// "Concatenate the base URL `https://payment.` with `partialRedirectUrl`."
    fn whole(&self, partial: Option<&str>) -> Option<String> {
        self.page_url(&format!("https://payment.{}", partial?))
    }

    /// What came of a hosted checkout. The page's word is not needed; if it is given, its return code has to fit.
    pub(super) async fn hosted_checkout(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        answer: Option<&Value>,
    ) -> Result<PageState, Error> {
        let state = SessionState::read(session.state);
        let (Some(id), Some(mac)) = (&state.hosted_checkout_id, &state.return_mac) else {
            return Err(Refusal::NotOffered.into());
        };
        if let Some(answer) = answer {
            let given = answer
                .get("RETURNMAC")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if !bool::from(given.as_bytes().ct_eq(mac.as_bytes())) {
                return Err(Refusal::Invalid("answer").into());
            }
        }
        let checkout = self.over(transport).hosted_checkout().get(id).await?;
        match checkout.status.as_deref() {
            Some("CANCELLED_BY_CONSUMER") => Ok(PageState::Cancelled),
            Some("PAYMENT_CREATED") => {
                let amount = state.amount()?;
                let expected = Expected {
                    amount: &amount,
                    reference: session.reference,
                };
                let payment = checkout.created_payment_output.and_then(|output| output.payment);
                Ok(PageState::Paid(self.outcome(
                    payment.as_ref(),
                    None,
                    Some(&expected),
                )))
            }
            // A word of a later version is no end.
            _ => Ok(PageState::Open),
        }
    }

    /// `POST /tokens` with what the page encrypted, or what came of a hosted tokenization.
    pub(super) async fn store_card(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        payload: PagePayload,
    ) -> Result<StoredCard, Error> {
        let merchant = self.over(transport);
        match payload {
            PagePayload::Sealed { data, product, .. } => {
                check_sealed(&data)?;
                let request = CreateTokenRequest {
                    payment_product_id: product,
                    encrypted_customer_input: Some(data),
                    ..Default::default()
                };
                let answer = merchant.tokens().create(&request).await?;
                let token = answer.token.filter(|token| is_id(token)).ok_or(UNUSABLE)?;
                // The product that the page named is its own word. If the platform cannot be asked now, the card is
                // stored all the same: it is there.
                if let Ok(card) = self.stored_card(transport, &token.as_str().into()).await
                    && card.token.expose_secret() == token
                {
                    return Ok(card);
                }
                let card = answer.card.unwrap_or_default();
                Ok(StoredCard {
                    token: token.into(),
                    brand: None,
                    bin: None,
                    last4: card.card_number.as_deref().and_then(last4),
                    expiry: card.expiry_date.as_deref().and_then(expiry),
                    holder: card.cardholder_name.as_deref().map(holder),
                    nickname: None,
                    origin: Origin::Platform,
                })
            }
            PagePayload::Answer(_) => {
                let state = SessionState::read(session.state);
                let id = state.hosted_tokenization_id.ok_or(Refusal::NotOffered)?;
                match merchant.hosted_tokenization().get(&id).await {
                    Ok(answer) => {
                        let token = answer.token.as_ref();
                        // There is a card then, and nobody can read which.
                        if answer.is_unreadable("token")
                            || token.is_some_and(|token| token.is_unreadable("id"))
                        {
                            return Err(UNUSABLE);
                        }
                        match answer.token.filter(|token| token.id.is_some()) {
                            Some(token) => described(token),
                            None => Err(Refusal::PageOpen.into()),
                        }
                    }
                    // The id is the platform's own, and all there is in the request. What the platform answers before
                    // anybody has filled in the form is not documented: an answer without a token, or such a refusal.
                    Err(errors::Error::Validation(fault) | errors::Error::Reference(fault))
                        if !fault.errors.is_empty() =>
                    {
                        Err(Refusal::PageOpen.into())
                    }
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    /// `GET /tokens/{token}`.
    pub(super) async fn stored_card(
        &self,
        transport: &Transport,
        token: &SecretString,
    ) -> Result<StoredCard, Error> {
        described(self.over(transport).tokens().get(token.expose_secret()).await?)
    }

    /// `DELETE /tokens/{token}`.
    pub(super) async fn forget_card(&self, transport: &Transport, token: &SecretString) -> Result<(), Error> {
        match self.over(transport).tokens().delete(token.expose_secret()).await {
            Ok(()) => Ok(()),
            // Not known there: there is nothing left to forget. Only in the platform's own words.
            Err(errors::Error::Reference(fault)) if fault.status == 404 && !fault.errors.is_empty() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn holder(name: &str) -> String {
    sentence(name)
}

fn described(answer: TokenResponse) -> Result<StoredCard, Error> {
    let token = answer.id.filter(|token| is_id(token)).ok_or(UNUSABLE)?;
    let card = answer.card.unwrap_or_default();
    let shown = card
        .data
        .and_then(|data| data.card_without_cvv)
        .unwrap_or_default();
    Ok(StoredCard {
        token: token.into(),
        brand: brand(answer.payment_product_id),
        bin: None,
        last4: shown.card_number.or(card.alias).as_deref().and_then(last4),
        expiry: shown.expiry_date.as_deref().and_then(expiry),
        holder: shown.cardholder_name.as_deref().map(holder),
        nickname: None,
        origin: Origin::Platform,
    })
}
