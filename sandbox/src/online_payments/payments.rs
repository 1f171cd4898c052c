//! New payments: by one of four ways to name the card, on the page of another product, or after an earlier one.

use axum::http::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::cards::{CardFacts, Verdict};
use super::fields::{Fields, Money};
use super::inputs::{MEMBER, refusal_of};
use super::payment::{Challenge, Kind as OperationKind, Operation, Payment};
use super::refusal::{self, Refusal};
use super::settings::Settings;
use super::statuses::{self, AUTHORIZATION_WAITS, AUTHORIZED, CAPTURED, REDIRECTED, REJECTED};
use super::tokens::clear_card;
use super::{Answer, Call, Ledger, OnlinePayments, Reply, addresses, hex_id};
use crate::host::delivery;
use crate::host::faults::{ActiveFault, Kind};

const SPECIFIC: &str = "cardPaymentMethodSpecificInput";
const REDIRECT: &str = "redirectPaymentMethodSpecificInput";
const SUBSEQUENT: &str = "subsequentcardPaymentMethodSpecificInput";
/// PayPal: the one product besides cards that is played.
const PAYPAL: u32 = 840;
/// The longest that the platform takes.
const MAX_RETURN_URL: usize = 200;

/// Amount of a payment that the issuer declines.
const DECLINED_AMOUNT: i64 = 1302;

pub(crate) const BY_ISSUER: &str = "30041001";
const NOT_AUTHENTICATED: &str = "40001134";

/// The means of payment.
pub(crate) struct Instrument {
    pub(crate) product: u32,
    /// Nothing if the shopper pays on the product's own page.
    pub(crate) card: Option<CardFacts>,
    pub(crate) token: Option<String>,
    pub(crate) tokenize: bool,
}

/// A payment to be booked.
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) money: Money,
    pub(crate) reference: Option<String>,
    pub(crate) sale: bool,
    pub(crate) instrument: Instrument,
    /// Where the shopper goes after authenticating; nothing if none is to be asked to.
    pub(crate) back: Option<Back>,
    pub(crate) event_urls: Vec<String>,
}

/// The way back to the merchant.
pub(crate) struct Back {
    pub(crate) url: String,
    pub(crate) mac: String,
}

/// Where a shopper is sent back to: with a MAC that tells the merchant that it is not made up.
pub(crate) fn back(url: &str, mac: &str, id: (&str, &str)) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("RETURNMAC", mac)
        .append_pair(id.0, id.1)
        .finish();
    let (rest, fragment) = match url.split_once('#') {
        Some((rest, fragment)) => (rest, format!("#{fragment}")),
        None => (url, String::new()),
    };
    let joint = if rest.contains('?') { '&' } else { '?' };
    format!("{rest}{joint}{query}{fragment}")
}

/// A page of the merchant's.
pub(crate) fn return_url(fields: &Fields, path: &str) -> Result<Option<String>, Refusal> {
    match fields.text(path)? {
        Some(url)
            if url.len() > MAX_RETURN_URL
                || !(url.starts_with("https://") || url.starts_with("http://"))
                || url.chars().any(|char| char.is_whitespace() || char.is_control()) =>
        {
            Err(Refusal::invalid(path))
        }
        url => Ok(url.map(Into::into)),
    }
}

/// Where events of one request go. The sandbox talks to this machine only.
pub(crate) fn event_urls(fields: &Fields) -> Result<Vec<String>, Refusal> {
    let mut urls = fields.list("feedbacks.webhooksUrls")?;
    if let Some(url) = fields.text("feedbacks.webhookUrl")?.filter(|_| urls.is_empty()) {
        urls.push(url.into());
    }
    if urls.iter().all(|url| delivery::check(url).is_ok()) {
        Ok(urls)
    } else {
        Err(Refusal::invalid("feedbacks.webhooksUrls"))
    }
}

/// What every order says.
pub(crate) fn order_of(fields: &Fields) -> Result<(Money, Option<String>), Refusal> {
    let money = fields
        .money("order.amountOfMoney")?
        .ok_or_else(|| Refusal::missing("order.amountOfMoney"))?;
    Ok((money, fields.reference("order.references.merchantReference")?))
}

/// Whether it is captured with the authorization. A mode that is not given is taken for a final authorization.
pub(crate) fn is_sale(fields: &Fields, path: &str) -> Result<bool, Refusal> {
    match fields.text(path)? {
        None | Some("FINAL_AUTHORIZATION" | "PRE_AUTHORIZATION") => Ok(false),
        Some("SALE") => Ok(true),
        Some(_) => Err(Refusal::invalid(path)),
    }
}

impl OnlinePayments {
    pub(crate) fn create_payment(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let fields = &call.fields;
        let specific = |name: &str| format!("{SPECIFIC}.{name}");
        let (money, reference) = order_of(fields)?;
        let sale = is_sale(fields, &specific("authorizationMode"))?;
        let event_urls = event_urls(fields)?;
        if fields.has(REDIRECT) {
            return self.create_redirected(ledger, call, money, reference, event_urls);
        }
        let url = match return_url(fields, &specific("threeDSecure.redirectionData.returnUrl"))? {
            Some(url) => Some(url),
            None => return_url(fields, &specific("returnUrl"))?,
        };
        let cit = fields.text(&specific("unscheduledCardOnFileRequestor"))? != Some("merchantInitiated")
            && !matches!(
                fields.text(&specific("transactionChannel"))?,
                Some("MAIL" | "TELEPHONE" | "MOTO")
            )
            && fields.flag(&specific("threeDSecure.skipAuthentication"))? != Some(true);
        let instrument = self.instrument(ledger, call)?;
        let challenges = instrument
            .card
            .as_ref()
            .is_some_and(|card| card.verdict == Verdict::Challenges);
        if challenges && cit && url.is_none() {
            return Err(Refusal::missing(&specific(
                "threeDSecure.redirectionData.returnUrl",
            )));
        }
        let order = Order {
            id: self.next_number(),
            money,
            reference: reference.clone(),
            sale,
            instrument,
            back: url.filter(|_| cit).map(|url| Back {
                url,
                mac: Uuid::new_v4().to_string(),
            }),
            event_urls,
        };
        let payment = book_order(ledger, order, "paymentId", call.fault, call.now)?;
        Ok(self.created(payment, reference.as_deref()))
    }

    /// A payment on the page of another product. Without an address of the merchant's the shopper comes back to a
    /// page of the sandbox's.
    fn create_redirected(
        &self,
        ledger: &mut Ledger,
        call: &Call<'_>,
        money: Money,
        reference: Option<String>,
        event_urls: Vec<String>,
    ) -> Answer {
        let fields = &call.fields;
        let at = |name: &str| format!("{REDIRECT}.{name}");
        let product = fields
            .product(&at("paymentProductId"))?
            .ok_or_else(|| Refusal::missing(&at("paymentProductId")))?;
        if product != PAYPAL {
            return Err(Refusal::unknown_product());
        }
        if let Some(other) = [MEMBER, SPECIFIC].into_iter().find(|path| fields.has(path)) {
            return Err(Refusal::invalid(other));
        }
        let url = return_url(fields, &at("redirectionData.returnUrl"))?;
        let order = Order {
            id: self.next_number(),
            money,
            reference,
            // Captured unless the merchant says otherwise.
            sale: fields.flag(&at("requiresApproval"))? != Some(true),
            instrument: Instrument {
                product,
                card: None,
                token: None,
                tokenize: false,
            },
            back: Some(Back {
                url: url.unwrap_or_else(|| self.url(addresses::DONE)),
                mac: Uuid::new_v4().to_string(),
            }),
            event_urls,
        };
        let payment = book_order(ledger, order, "paymentId", call.fault, call.now)?;
        Ok(self.created(payment, payment.reference.as_deref()))
    }

    /// One more payment with the card of an earlier one, without its holder.
    pub(crate) fn subsequent(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let fields = &call.fields;
        let (first, _) = found(ledger, call)?;
        let (card, product, token) = (first.card.clone(), first.product, first.token.clone());
        let succeeded = !is_declined(first) && first.first_code() != REDIRECTED;
        let (first_money, first_reference) = (first.money.clone(), first.reference.clone());
        let money = fields.money("order.amountOfMoney")?.unwrap_or(first_money);
        let reference = fields.reference("order.references.merchantReference")?;
        let sale = is_sale(fields, &format!("{SUBSEQUENT}.authorizationMode"))?;
        if card.is_none() || !succeeded {
            return Err(Refusal::not_allowed_now());
        }
        let order = Order {
            id: self.next_number(),
            money,
            reference: reference.or(first_reference),
            sale,
            instrument: Instrument {
                product,
                card,
                token,
                tokenize: false,
            },
            back: None,
            event_urls: Vec::new(),
        };
        let payment = book_order(ledger, order, "paymentId", call.fault, call.now)?;
        if payment.first_code() == REJECTED {
            return Ok(self.created(payment, None));
        }
        Ok(Reply::created(json!({ "payment": payment.json() })))
    }

    /// No payment here ever waits for its completion; what the platform then says was recorded by its own tests.
    pub(crate) fn complete(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        found(ledger, call)?;
        order_of(&call.fields)?;
        Err(Refusal::server_error())
    }

    /// The answer to a new payment: 201, or 402 if it was declined.
    fn created(&self, payment: &Payment, reference: Option<&str>) -> Reply {
        let stored = payment.tokenize && payment.token.is_some();
        let mut creation = json!({
            "externalReference": reference,
            "isNewToken": stored,
            "tokenizationSucceeded": stored,
        });
        if let Some(fields) = creation.as_object_mut()
            && let Some(token) = payment.token.as_deref().filter(|_| stored)
        {
            fields.insert("token".into(), token.into());
        }
        let mut result = json!({ "creationOutput": creation, "payment": payment.json() });
        let code = payment.first_code();
        if code == REJECTED {
            let errors = refusal::decline(
                payment
                    .operations
                    .first()
                    .and_then(|first| first.error_code.as_deref())
                    .unwrap_or(BY_ISSUER),
            );
            return declined(&errors, "paymentResult", result);
        }
        if let (Some(challenge), Some(fields)) = (&payment.challenge, result.as_object_mut()) {
            fields.insert(
                "merchantAction".into(),
                json!({
                    "actionType": "REDIRECT",
                    "redirectData": {
                        "RETURNMAC": challenge.mac,
                        "redirectURL": self.challenge_url(challenge),
                    },
                }),
            );
        }
        Reply::created(result)
    }

    pub(crate) fn challenge_url(&self, challenge: &Challenge) -> String {
        self.url(&format!("/online_payments/authentication/{}", challenge.page))
    }

    /// The card of a request: named in exactly one way.
    fn instrument(&self, ledger: &mut Ledger, call: &Call<'_>) -> Result<Instrument, Refusal> {
        let fields = &call.fields;
        let (token_path, card_path) = (format!("{SPECIFIC}.token"), format!("{SPECIFIC}.card"));
        let ways = [MEMBER, "hostedTokenizationId", &token_path, &card_path];
        let mut given = ways.into_iter().filter(|path| fields.has(path));
        let way = given.next().ok_or_else(|| Refusal::missing(SPECIFIC))?;
        // What the platform does with two of them is not known.
        if let Some(second) = given.next() {
            return Err(Refusal::invalid(second));
        }
        let product = fields.product(&format!("{SPECIFIC}.paymentProductId"))?;
        let tokenize = fields.flag(&format!("{SPECIFIC}.tokenize"))?.unwrap_or(false);
        if way == MEMBER {
            let input = self.use_input(ledger, call, fields.needed(MEMBER)?, product, false)?;
            return Ok(Instrument {
                product: input.card.product,
                card: Some(input.card),
                tokenize: (input.tokenize || tokenize) && input.token.is_none(),
                token: input.token,
            });
        }
        if way == card_path {
            let card = clear_card(call, &card_path, product, false)?
                .read(&ledger.settings, &self.card_salt, call.now)
                .map_err(|mistake| refusal_of(mistake, &card_path))?;
            return Ok(Instrument {
                product: card.product,
                card: Some(card),
                token: None,
                tokenize,
            });
        }
        let text = fields.needed(way)?;
        let token = if way == token_path {
            text.to_owned()
        } else {
            let filled = ledger.book.tokenizations.iter().find(|hosted| hosted.id == text);
            filled
                .and_then(|hosted| hosted.result.as_ref())
                .map(|(token, _)| token.clone())
                .ok_or_else(|| Refusal::invalid(way))?
        };
        let token = ledger
            .book
            .token(&token, call.now)
            .ok_or_else(Refusal::unknown_token)?;
        if product.is_some_and(|product| product != token.card.product) {
            return Err(Refusal::product_mismatch());
        }
        token.used = token.until.is_some();
        let card = token.card.clone();
        let lasting = token.until.is_none().then(|| token.id.clone());
        Ok(Instrument {
            product: card.product,
            card: Some(card),
            tokenize: tokenize && lasting.is_none(),
            token: lasting,
        })
    }

    /// The holder has authenticated, or not: where to go now.
    pub(crate) fn end_challenge(
        ledger: &mut Ledger,
        page: &str,
        passed: bool,
        now: OffsetDateTime,
    ) -> Option<String> {
        let settings = ledger.settings.clone();
        let payment = ledger.book.payments.iter_mut().find(|payment| {
            let challenge = payment.challenge.as_ref();
            payment.first_code() == REDIRECTED && challenge.is_some_and(|challenge| challenge.page == page)
        })?;
        let (id, back) = (payment.id.clone(), payment.challenge.as_ref()?.back.clone());
        let sale = payment.sale;
        let first = payment.operations.first_mut()?;
        if passed {
            (first.code, first.becomes) = authorized(&settings, sale, now);
        } else {
            first.code = REJECTED;
            first.error_code = Some(NOT_AUTHENTICATED.into());
        }
        if let Some(card) = payment.card.clone().filter(|_| passed && payment.tokenize) {
            let (token, _) = ledger.book.store(&card);
            ledger.book.payment(&id)?.token = Some(token);
        }
        ledger.book.emit_operation(&id, 0, now);
        Some(back)
    }
}

pub(crate) fn found<'a>(
    ledger: &'a mut Ledger,
    call: &Call<'_>,
) -> Result<(&'a mut Payment, usize), Refusal> {
    ledger
        .book
        .operation(call.id)
        .ok_or_else(Refusal::unknown_payment)
}

/// `errorCode` of an order that the issuer declines.
fn decline_code(order: &Order, fault: &ActiveFault, now: OffsetDateTime) -> Option<String> {
    if fault.is(Kind::RespCode) && fault.value().is_some() {
        return fault.value().map(Into::into);
    }
    let card = order.instrument.card.as_ref();
    let declines = card.is_some_and(|card| card.verdict == Verdict::Declines)
        || order.money.amount == DECLINED_AMOUNT
        // A stored card can expire.
        || card.is_some_and(|card| card.is_expired(now));
    declines.then(|| BY_ISSUER.to_owned())
}

/// The authentication that an order waits for, if its card or its product needs one.
fn challenge(order: &Order, name_of_id: &str) -> Option<Challenge> {
    let card = order.instrument.card.as_ref();
    if card.is_some_and(|card| card.verdict != Verdict::Challenges) {
        return None;
    }
    let way = order.back.as_ref()?;
    let id = if name_of_id == "paymentId" {
        format!("{}_0", order.id)
    } else {
        order.id.clone()
    };
    Some(Challenge {
        page: hex_id(),
        mac: way.mac.clone(),
        back: back(&way.url, &way.mac, (name_of_id, &id)),
    })
}

/// Asks the issuer, and books the payment with its answer.
pub(crate) fn book_order<'a>(
    ledger: &'a mut Ledger,
    order: Order,
    name_of_id: &str,
    fault: &ActiveFault,
    now: OffsetDateTime,
) -> Result<&'a Payment, Refusal> {
    let declined = decline_code(&order, fault, now);
    let challenge = challenge(&order, name_of_id).filter(|_| declined.is_none());
    let (code, becomes) = match (&declined, &challenge) {
        (Some(_), _) => (REJECTED, None),
        (None, Some(_)) => (REDIRECTED, None),
        (None, None) => authorized(&ledger.settings, order.sale, now),
    };
    let mut payment = Payment {
        id: order.id.clone(),
        operations: vec![Operation {
            kind: OperationKind::Payment,
            amount: order.money.amount,
            code,
            becomes,
            at: now,
            error_code: declined,
        }],
        money: order.money,
        reference: order.reference,
        product: order.instrument.product,
        card: order.instrument.card,
        token: order.instrument.token,
        sale: order.sale,
        tokenize: order.instrument.tokenize,
        challenge,
        closed: false,
        event_urls: order.event_urls,
    };
    if let Some(card) = &payment.card
        && payment.tokenize
        && !matches!(code, REJECTED | REDIRECTED)
    {
        payment.token = Some(ledger.book.store(card).0);
    }
    let created = payment.operation_json(0, "paymentOutput");
    let urls = payment.event_urls.clone();
    // The attempts of a hosted checkout have one number; the last one counts.
    ledger.book.payments.retain(|other| other.id != payment.id);
    ledger.book.payments.push(payment);
    ledger
        .book
        .emit("payment.created", Some(("payment", created)), urls, now);
    ledger.book.emit_operation(&order.id, 0, now);
    let booked = ledger.book.payments.last();
    booked.ok_or_else(Refusal::unknown_payment)
}

/// What the issuer declined: 402, with errors and the result beside each other.
pub(crate) fn declined(errors: &Value, name: &str, result: Value) -> Reply {
    let status = StatusCode::PAYMENT_REQUIRED;
    let mut body = json!({
        "errorId": Uuid::new_v4().to_string(),
        "errors": errors,
        "status": status.as_u16(),
    });
    if let Some(fields) = body.as_object_mut() {
        fields.insert(name.into(), result);
    }
    Reply::new(status, body)
}

/// The code of an authorization that the issuer gave, and what it becomes.
fn authorized(settings: &Settings, sale: bool, now: OffsetDateTime) -> (u16, Option<(u16, OffsetDateTime)>) {
    let end = if sale { CAPTURED } else { AUTHORIZED };
    if settings.waiting_authorizations {
        (AUTHORIZATION_WAITS, Some((end, settled_at(settings, now))))
    } else {
        (end, None)
    }
}

pub(crate) fn settled_at(settings: &Settings, now: OffsetDateTime) -> OffsetDateTime {
    now + time::Duration::milliseconds(settings.settle_after_ms.into())
}

/// Whether a hosted checkout is done with this payment.
pub(crate) fn is_declined(payment: &Payment) -> bool {
    statuses::category(payment.first_code()) == "REJECTED"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_shoppers_back_with_their_query() {
        for (url, wanted) in [
            ("https://a/b", "https://a/b?RETURNMAC=m&hostedCheckoutId=1"),
            (
                "https://a/b?c=d",
                "https://a/b?c=d&RETURNMAC=m&hostedCheckoutId=1",
            ),
            ("https://a/b#f", "https://a/b?RETURNMAC=m&hostedCheckoutId=1#f"),
        ] {
            assert_eq!(back(url, "m", ("hostedCheckoutId", "1")), wanted);
        }
    }

    #[test]
    fn takes_web_pages_to_return_to_and_nothing_else() {
        let read = |url: &str| {
            let body = json!({ "u": url }).to_string();
            return_url(&Fields::parse(body.as_bytes()).unwrap(), "u").is_ok()
        };
        assert!(read("https://shop.example/return?x=1"));
        assert!(read(&format!("https://{}", "a".repeat(192))));
        for wrong in [
            &format!("https://{}", "a".repeat(193)),
            "javascript:alert(1)",
            "/return",
            "https://a b",
            "",
        ] {
            assert!(!read(wrong), "{wrong}");
        }
    }
}
