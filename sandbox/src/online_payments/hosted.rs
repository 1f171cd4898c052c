//! Hosted checkout and hosted tokenization: what the merchant's server asks for, and what their pages do.

use axum::http::StatusCode;
use serde_json::json;
use sha2::{Digest, Sha384};
use time::OffsetDateTime;
use uuid::Uuid;

use super::cards::{self, CardFacts, CardInput, CardMistake};
use super::fields::{Fields, Money};
use super::payments::{
    Back, Instrument, Order, back, book_order, event_urls, is_declined, is_sale, order_of, return_url,
};
use super::refusal::Refusal;
use super::settings::Settings;
use super::statuses;
use super::{Answer, Call, Ledger, OnlinePayments, Reply, addresses, hex_id, products, tokens};
use crate::host::faults::ActiveFault;

const CHECKOUT: &str = "hostedCheckoutSpecificInput";
const CARD: &str = "cardPaymentMethodSpecificInput";

/// Without a word from the merchant.
const DEFAULT_MINUTES: i64 = 180;
const DEFAULT_ATTEMPTS: i64 = 10;

/// What became of a hosted checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Open,
    Paid,
    Cancelled,
}

#[derive(Clone)]
pub(crate) struct Checkout {
    pub(crate) id: String,
    pub(crate) mac: String,
    /// Last part of the page's path.
    pub(crate) page: String,
    pub(crate) money: Money,
    pub(crate) reference: Option<String>,
    pub(crate) return_url: Option<String>,
    pub(crate) shows_result: bool,
    pub(crate) attempts_left: u32,
    pub(crate) sale: bool,
    pub(crate) tokenize: bool,
    pub(crate) tokens: Vec<String>,
    /// Empty for all.
    pub(crate) products: Vec<u32>,
    pub(crate) expires_at: OffsetDateTime,
    pub(crate) event_urls: Vec<String>,
    pub(crate) progress: Progress,
}

pub(crate) struct Tokenization {
    pub(crate) id: String,
    pub(crate) page: String,
    pub(crate) tokens: Vec<String>,
    pub(crate) products: Vec<u32>,
    pub(crate) asks_consent: bool,
    /// Whether the code of a stored card has to be given.
    pub(crate) cvv_for_stored: bool,
    pub(crate) expires_at: OffsetDateTime,
    /// The token and how it came to be.
    pub(crate) result: Option<(String, &'static str)>,
}

/// The form of a hosted page, as the shopper filled it in.
#[derive(Default)]
pub(crate) struct CardForm {
    pub(crate) number: String,
    pub(crate) holder: String,
    pub(crate) expiry: String,
    pub(crate) cvv: String,
    /// A stored card that was chosen instead.
    pub(crate) stored: String,
    /// To be stored for good.
    pub(crate) store: bool,
}

/// Where a hosted page leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// To an address.
    Go(String),
    /// A page that says how it went, with the way on.
    Result { paid: bool, url: Option<String> },
    /// The card was not taken: try again.
    Wrong(CardMistake),
    /// The issuer declined: try again.
    Declined,
    /// There is nothing to fill in here.
    Gone,
}

/// The result of sending a hosted tokenization.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TokenizationResult {
    Done(String),
    Wrong(CardMistake),
    Gone,
}

impl CardForm {
    /// Pages let people type spaces, hyphens and a slash.
    fn given(&self) -> CardInput {
        let digits = |text: &str, dropped: &[char]| text.replace(dropped, "");
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        CardInput {
            product: None,
            number: text(digits(&self.number, &[' ', '-'])),
            holder: text(self.holder.trim().to_owned()),
            expiry: text(digits(&self.expiry, &[' ', '/'])),
            cvv: text(self.cvv.trim().to_owned()),
            cvv_needed: true,
        }
    }
}

/// Products by a filter; nothing for all.
fn restricted(fields: &Fields, path: &str, settings: &Settings) -> Result<Vec<u32>, Refusal> {
    let ids = |name: &str| -> Result<Option<Vec<u32>>, Refusal> {
        let path = format!("{path}.{name}.products");
        let Some(list) = fields.at(&path) else {
            return Ok(None);
        };
        let ids: Option<Vec<u32>> = list.as_array().and_then(|ids| {
            ids.iter()
                .map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok()))
                .collect()
        });
        ids.map(Some).ok_or_else(|| Refusal::invalid(path))
    };
    let (only, not) = (ids("restrictTo")?, ids("exclude")?.unwrap_or_default());
    if only.is_none() && not.is_empty() {
        return Ok(Vec::new());
    }
    let of = only.unwrap_or_else(|| settings.products.clone());
    let left: Vec<u32> = of.into_iter().filter(|id| !not.contains(id)).collect();
    if left.is_empty() {
        Err(Refusal::product_not_available())
    } else {
        Ok(left)
    }
}

impl OnlinePayments {
    /// The checkout that a request describes, and the tokens in it that cannot be used.
    pub(crate) fn checkout_of(
        &self,
        ledger: &mut Ledger,
        call: &Call<'_>,
    ) -> Result<(Checkout, Vec<String>), Refusal> {
        let fields = &call.fields;
        let at = |name: &str| format!("{CHECKOUT}.{name}");
        let (money, reference) = order_of(fields)?;
        fields.locale(&at("locale"))?;
        let within = |name: &str, usual: i64, most: i64| -> Result<i64, Refusal> {
            let given = fields.integer(&at(name))?.unwrap_or(usual);
            if (1..=most).contains(&given) {
                Ok(given)
            } else {
                Err(Refusal::invalid(at(name)))
            }
        };
        let minutes = within("sessionTimeout", DEFAULT_MINUTES, i64::from(u16::MAX))?;
        let attempts = within(
            "allowedNumberOfPaymentAttempts",
            DEFAULT_ATTEMPTS,
            DEFAULT_ATTEMPTS,
        )?;
        let (tokens, invalid) = ledger.book.sort_tokens(fields.list(&at("tokens"))?, call.now);
        let checkout = Checkout {
            id: self.next_number(),
            mac: Uuid::new_v4().to_string(),
            page: hex_id(),
            money,
            reference,
            return_url: return_url(fields, &at("returnUrl"))?,
            shows_result: fields.flag(&at("showResultPage"))?.unwrap_or(true),
            attempts_left: u32::try_from(attempts).unwrap_or(1),
            sale: is_sale(fields, &format!("{CARD}.authorizationMode"))?,
            tokenize: fields.flag(&format!("{CARD}.tokenize"))?.unwrap_or(false),
            tokens,
            products: restricted(fields, &at("paymentProductFilters"), &ledger.settings)?,
            expires_at: call.now + time::Duration::minutes(minutes),
            event_urls: event_urls(fields)?,
            progress: Progress::Open,
        };
        Ok((checkout, invalid))
    }

    pub(crate) fn create_checkout(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let (checkout, invalid) = self.checkout_of(ledger, call)?;
        let url = self.url(&format!("{}/{}", addresses::CHECKOUT, checkout.page));
        let mut answer = json!({
            "RETURNMAC": checkout.mac,
            "hostedCheckoutId": checkout.id,
            "merchantReference": checkout.reference,
            "partialRedirectUrl": without_scheme(&url),
            "redirectUrl": url,
        });
        if let Some(fields) = answer.as_object_mut().filter(|_| !invalid.is_empty()) {
            fields.insert("invalidTokens".into(), invalid.into());
        }
        ledger.book.checkouts.push(checkout);
        Ok(Reply::ok(answer))
    }

    /// What becomes of one that is never filled in is not known: it stays in progress.
    pub(crate) fn read_checkout(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let checkouts = &ledger.book.checkouts;
        let checkout = checkouts
            .iter()
            .find(|checkout| checkout.id == call.id)
            .ok_or_else(Refusal::unknown_hosted)?;
        let progress = checkout.progress;
        Ok(Reply::ok(match progress {
            // The platform's own tests find the output here too; what is in it before there is a payment is inferred.
            Progress::Open => json!({
                "status": "IN_PROGRESS",
                "createdPaymentOutput": { "paymentStatusCategory": "STATUS_UNKNOWN" },
            }),
            Progress::Cancelled => json!({ "status": "CANCELLED_BY_CONSUMER" }),
            Progress::Paid => {
                let payment = ledger.book.payment(call.id).ok_or_else(Refusal::unknown_hosted)?;
                json!({
                    "status": "PAYMENT_CREATED",
                    "createdPaymentOutput": {
                        "payment": payment.json(),
                        "paymentStatusCategory": statuses::category(payment.code()),
                    },
                })
            }
        }))
    }

    pub(crate) fn create_tokenization(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let fields = &call.fields;
        fields.locale("locale")?;
        let requested = fields.list("tokens")?;
        let (expired, requested): (Vec<String>, Vec<String>) = requested.into_iter().partition(|id| {
            let token = ledger.book.token(id, call.now);
            token.is_some_and(|token| token.card.is_expired(call.now))
        });
        let (tokens, invalid) = ledger.book.sort_tokens(requested, call.now);
        // Really with a capital V.
        let rules = "creditCardSpecificInput.ValidationRules";
        let stored = format!("{rules}.cvvMandatoryForExistingToken");
        let lasts = time::Duration::minutes(ledger.settings.hosted_tokenization_minutes.into());
        let tokenization = Tokenization {
            id: Uuid::new_v4().to_string(),
            page: hex_id(),
            tokens,
            products: restricted(fields, "paymentProductFilters", &ledger.settings)?,
            asks_consent: fields.flag("askConsumerConsent")?.unwrap_or(false),
            cvv_for_stored: fields.flag(&stored)?.unwrap_or(true),
            expires_at: call.now + lasts,
            result: None,
        };
        let url = self.url(&format!("{}/{}", addresses::TOKENIZATION, tokenization.page));
        let answer = json!({
            "hostedTokenizationId": tokenization.id,
            "hostedTokenizationUrl": url,
            "partialRedirectUrl": without_scheme(&url),
            "invalidTokens": invalid,
            "expiredCardTokens": expired,
            "sri": sri(),
        });
        ledger.book.tokenizations.push(tokenization);
        let created = ledger.settings.created_status;
        Ok(Reply::new(
            StatusCode::from_u16(created).unwrap_or(StatusCode::CREATED),
            answer,
        ))
    }

    /// One that is not filled in yet is found, as in the platform's own tests; that nothing is in it is inferred.
    pub(crate) fn read_tokenization(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let found = ledger
            .book
            .tokenizations
            .iter()
            .find(|hosted| hosted.id == call.id)
            .ok_or_else(Refusal::unknown_hosted)?;
        let Some((token, status)) = found.result.clone() else {
            return if call.now < found.expires_at {
                Ok(Reply::ok(json!({})))
            } else {
                Err(Refusal::unknown_hosted())
            };
        };
        let token = ledger
            .book
            .token(&token, call.now)
            .ok_or_else(Refusal::unknown_hosted)?;
        Ok(Reply::ok(
            json!({ "token": tokens::describe(token), "tokenStatus": status }),
        ))
    }

    /// The page of a checkout was sent.
    pub(crate) fn pay_checkout(
        &self,
        ledger: &mut Ledger,
        page: &str,
        typed: &CardForm,
        now: OffsetDateTime,
    ) -> Next {
        let Some(index) = open_checkout(ledger, page, now) else {
            return Next::Gone;
        };
        let Some(checkout) = ledger.book.checkouts.get_mut(index) else {
            return Next::Gone;
        };
        let (id, attempts) = (checkout.id.clone(), checkout.attempts_left);
        let (tokens, products, tokenize) = (
            checkout.tokens.clone(),
            checkout.products.clone(),
            checkout.tokenize || typed.store,
        );
        let (money, reference, sale) = (checkout.money.clone(), checkout.reference.clone(), checkout.sale);
        let (urls, mac, back_url) = (
            checkout.event_urls.clone(),
            checkout.mac.clone(),
            checkout.return_url.clone(),
        );
        let (card, token) = match self.card_of_page(ledger, typed, &tokens, &products, true, now) {
            Ok(found) => found,
            Err(mistake) => return Next::Wrong(mistake),
        };
        let order = Order {
            id,
            money,
            reference,
            sale,
            instrument: Instrument {
                product: card.product,
                card: Some(card),
                tokenize: tokenize && token.is_none(),
                token,
            },
            // Without a page of the merchant's to go back to, the result is shown on one of ours.
            back: Some(Back {
                url: back_url.unwrap_or_else(|| self.url(&format!("{}/{page}", addresses::CHECKOUT))),
                mac,
            }),
            event_urls: urls,
        };
        let payment = book_order(ledger, order, "hostedCheckoutId", &ActiveFault::default(), now);
        let (declined, challenge) = payment.map_or((true, None), |payment| {
            (is_declined(payment), payment.challenge.clone())
        });
        let Some(checkout) = ledger.book.checkouts.get_mut(index) else {
            return Next::Gone;
        };
        checkout.attempts_left = attempts.saturating_sub(1);
        if declined && checkout.attempts_left > 0 {
            return Next::Declined;
        }
        checkout.progress = Progress::Paid;
        match challenge {
            Some(challenge) => Next::Go(self.challenge_url(&challenge)),
            None => way_on(checkout, !declined),
        }
    }

    pub(crate) fn cancel_checkout(ledger: &mut Ledger, page: &str, now: OffsetDateTime) -> Next {
        let found = open_checkout(ledger, page, now);
        match found.and_then(|index| ledger.book.checkouts.get_mut(index)) {
            Some(checkout) => {
                checkout.progress = Progress::Cancelled;
                way_on(checkout, false)
            }
            None => Next::Gone,
        }
    }

    /// The page of a tokenization was sent. Until the token is used it can be sent again.
    pub(crate) fn tokenize(
        &self,
        ledger: &mut Ledger,
        page: &str,
        typed: &CardForm,
        now: OffsetDateTime,
    ) -> TokenizationResult {
        let mut hosted = ledger.book.tokenizations.iter();
        let Some(index) = hosted.position(|hosted| hosted.page == page && now < hosted.expires_at) else {
            return TokenizationResult::Gone;
        };
        let Some(hosted) = ledger.book.tokenizations.get(index) else {
            return TokenizationResult::Gone;
        };
        let (id, tokens, products) = (hosted.id.clone(), hosted.tokens.clone(), hosted.products.clone());
        let cvv_for_stored = hosted.cvv_for_stored;
        let (card, token) = match self.card_of_page(ledger, typed, &tokens, &products, cvv_for_stored, now) {
            Ok(found) => found,
            Err(mistake) => return TokenizationResult::Wrong(mistake),
        };
        let result = match token {
            Some(token) => (token, "UNCHANGED"),
            None if typed.store => ledger.book.store(&card),
            None => {
                let lasts = time::Duration::minutes(ledger.settings.temporary_token_minutes.into());
                (ledger.book.store_for_once(&card, now + lasts), "CREATED")
            }
        };
        if let Some(hosted) = ledger.book.tokenizations.get_mut(index) {
            hosted.result = Some(result);
        }
        TokenizationResult::Done(id)
    }

    /// What was typed, or the stored card that was chosen.
    fn card_of_page(
        &self,
        ledger: &mut Ledger,
        typed: &CardForm,
        tokens: &[String],
        allowed: &[u32],
        cvv_for_stored: bool,
        now: OffsetDateTime,
    ) -> Result<(CardFacts, Option<String>), CardMistake> {
        let (card, token) = if typed.stored.is_empty() {
            let card = typed.given().read(&ledger.settings, &self.card_salt, now)?;
            (card, None)
        } else {
            let stored = ledger.book.token(&typed.stored, now);
            let stored = stored.filter(|token| tokens.contains(&token.id));
            let stored = stored.ok_or(CardMistake::Number)?;
            let product = products::by_id(stored.card.product).ok_or(CardMistake::Product)?;
            cards::check_cvv(Some(typed.cvv.trim()), product, cvv_for_stored)?;
            (stored.card.clone(), Some(stored.id.clone()))
        };
        if allowed.is_empty() || allowed.contains(&card.product) {
            Ok((card, token))
        } else {
            Err(CardMistake::Product)
        }
    }
}

fn open_checkout(ledger: &Ledger, page: &str, now: OffsetDateTime) -> Option<usize> {
    ledger.book.checkouts.iter().position(|checkout| {
        checkout.page == page && checkout.progress == Progress::Open && now < checkout.expires_at
    })
}

/// To the merchant at once, or by way of a page that says how it went.
fn way_on(checkout: &Checkout, paid: bool) -> Next {
    let url = checkout
        .return_url
        .as_ref()
        .map(|url| back(url, &checkout.mac, ("hostedCheckoutId", &checkout.id)));
    match url {
        Some(url) if !checkout.shows_result => Next::Go(url),
        url => Next::Result { paid, url },
    }
}

/// On the real platform it lacks `https://payment.`; here it lacks the scheme, as there is no such host.
fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// What a page may insist on when it loads the script.
fn sri() -> String {
    let digest = Sha384::digest(addresses::TOKENIZER_SCRIPT);
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest);
    format!("sha384-{text}")
}

/// Stored cards that a page offers: their tokens and how they look.
pub(crate) fn offered(ledger: &mut Ledger, tokens: &[String], now: OffsetDateTime) -> Vec<(String, String)> {
    tokens
        .iter()
        .filter_map(|id| {
            let token = ledger.book.token(id, now)?;
            Some((id.clone(), token.card.masked()))
        })
        .collect()
}
