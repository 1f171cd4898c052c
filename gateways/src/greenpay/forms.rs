//! The platform's web forms, where the customer enters the card: "Tokenization form process", "Update token using webform"
//! and the Spanish article on the payment form.
//!
//! 1. An order is created with `callback`.
//! 2. The customer goes to `{form}/{session}`; to update a card, to `{form}/{session}?{card token}`.
//! 3. The form sends the customer to `{callback}/{answer}`: the answer's JSON in base64. It comes from a browser, so it
//!    counts as any answer of the direct way does; the platform's notification says the rest.

use cardseal::hosts::BaseUrl;
use cardseal::session::{Kind, Mode};

use super::GreenPay;
use super::wire::{Order, opaque};
use crate::error::Refusal;
use crate::gateway::SessionParams;

/// As other platforms allow. The answer follows in the same address.
const LONGEST_CALLBACK: usize = 200;

impl GreenPay {
    /// Where the web form sends the customer back, if the session is for it. The platform appends a path, so there can be
    /// no query.
    pub(super) fn callback(&self, params: &SessionParams<'_>) -> Result<Option<String>, Refusal> {
        let Some(url) = params.page.return_url else {
            return Ok(None);
        };
        if params.mode != Mode::Direct || self.form(params.kind).is_none() {
            return Err(Refusal::NotOffered);
        }
        let url = BaseUrl::parse(url).filter(|_| url.len() <= LONGEST_CALLBACK);
        let url = url.ok_or(Refusal::Invalid("return_url"))?;
        Ok(Some(url.as_str().to_owned()))
    }

    /// The address of the web form for an order. `card` is the platform's token, for an update.
    pub(super) fn form_url(&self, kind: Kind, order: &Order, card: Option<&str>) -> Option<String> {
        let form = self.form(kind)?;
        let plain = |text: &str| {
            opaque(text)
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if !plain(&order.session) {
            return None;
        }
        match (kind, card) {
            (Kind::Update, Some(card)) if plain(card) => Some(format!("{form}/{}?{card}", order.session)),
            (Kind::Update, _) => None,
            (Kind::Tokenize | Kind::Payment, _) => Some(format!("{form}/{}", order.session)),
        }
    }

    fn form(&self, kind: Kind) -> Option<&str> {
        match kind {
            Kind::Tokenize | Kind::Update => self.token_form.as_deref(),
            Kind::Payment => self.payment_form.as_deref(),
        }
    }
}
