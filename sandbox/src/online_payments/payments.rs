//! Payments: made by one of four ways to name the card, then captured, refunded, cancelled.

use axum::http::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::book::{Challenge, Kind as OperationKind, Operation, Payment};
use super::cards::{CardFacts, Verdict};
use super::fields::{Fields, Money};
use super::inputs::{MEMBER, refusal_of};
use super::refusal::{self, Refusal};
use super::settings::Settings;
use super::statuses::{
    self, AUTHORIZATION_WAITS, AUTHORIZED, CANCEL_WAITS, CANCELLED, CAPTURE_REFUSED, CAPTURE_UNCERTAIN,
    CAPTURE_WAITS, CAPTURED, REDIRECTED, REFUND_REFUSED, REFUND_UNCERTAIN, REFUND_WAITS, REFUNDED, REJECTED,
};
use super::tokens::clear_card;
use super::{Answer, Call, Ledger, OnlinePayments, Reply, hex_id, pages};
use crate::host::delivery;
use crate::host::faults::{Applied, Kind};

const SPECIFIC: &str = "cardPaymentMethodSpecificInput";
const REDIRECT: &str = "redirectPaymentMethodSpecificInput";
const SUBSEQUENT: &str = "subsequentcardPaymentMethodSpecificInput";
/// PayPal: the one product besides cards that is played.
const PAYPAL: u32 = 840;
/// The longest that the platform takes.
const MAX_RETURN_URL: usize = 200;

/// Amount of a payment that the issuer declines.
const DECLINED_AMOUNT: i64 = 1302;
/// Amounts of captures and refunds that fail in the end.
const REFUSED_AMOUNTS: [i64; 2] = [1303, 1309];
/// Amounts of captures and refunds whose end is not known.
const UNCERTAIN_AMOUNTS: [i64; 2] = [1203, 1209];

pub(crate) const BY_ISSUER: &str = "30041001";
const NOT_AUTHENTICATED: &str = "40001134";

/// What is paid with.
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
        let id = order.id.clone();
        self.book_order(ledger, order, "paymentId", call.fault, call.now);
        let payment = ledger.book.payment(&id).ok_or_else(Refusal::unknown_payment)?;
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
                url: url.unwrap_or_else(|| self.url(pages::DONE)),
                mac: Uuid::new_v4().to_string(),
            }),
            event_urls,
        };
        let id = order.id.clone();
        self.book_order(ledger, order, "paymentId", call.fault, call.now);
        let payment = ledger.book.payment(&id).ok_or_else(Refusal::unknown_payment)?;
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
        let id = order.id.clone();
        self.book_order(ledger, order, "paymentId", call.fault, call.now);
        let payment = ledger.book.payment(&id).ok_or_else(Refusal::unknown_payment)?;
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

    /// Asks the issuer and books what it says.
    pub(crate) fn book_order(
        &self,
        ledger: &mut Ledger,
        order: Order,
        name_of_id: &str,
        fault: &Applied,
        now: OffsetDateTime,
    ) {
        let card = order.instrument.card.as_ref();
        let is = |verdict: Verdict| card.is_some_and(|card| card.verdict == verdict);
        let declined = if let Some(code) = fault.value().filter(|_| fault.is(Kind::RespCode)) {
            Some(code.to_owned())
        } else {
            let declines = is(Verdict::Declines)
                || order.money.amount == DECLINED_AMOUNT
                // A stored card gets too old while nobody looks.
                || card.is_some_and(|card| card.is_expired(now));
            declines.then(|| BY_ISSUER.to_owned())
        };
        let challenged = declined.is_none() && (card.is_none() || is(Verdict::Challenges));
        let challenge = order.back.as_ref().filter(|_| challenged).map(|way| {
            let id = if name_of_id == "paymentId" {
                format!("{}_0", order.id)
            } else {
                order.id.clone()
            };
            Challenge {
                page: hex_id(),
                mac: way.mac.clone(),
                back: back(&way.url, &way.mac, (name_of_id, &id)),
            }
        });
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
            .tell("payment.created", Some(("payment", created)), urls, now);
        ledger.book.tell_operation(&order.id, 0, now);
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
        ledger.book.tell_operation(&id, 0, now);
        Some(back)
    }

    pub(crate) fn read_payment(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let (payment, index) = found(ledger, call)?;
        Ok(Reply::ok(read(payment, index)))
    }

    pub(crate) fn read_details(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let (payment, index) = found(ledger, call)?;
        let mut details = read(payment, index);
        if let Some(fields) = details.as_object_mut() {
            // With a capital letter.
            fields.insert("Operations".into(), payment.operations_json().into());
        }
        Ok(Reply::ok(details))
    }

    pub(crate) fn read_captures(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        list(ledger, call, OperationKind::Capture, "captures", "captureOutput")
    }

    pub(crate) fn read_refunds(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        list(ledger, call, OperationKind::Refund, "refunds", "refundOutput")
    }

    pub(crate) fn capture(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let amount = call.fields.amount("amount")?;
        let is_final = call.fields.flag("isFinal")?.unwrap_or(false);
        let (payment, _) = found(ledger, call)?;
        let left = payment.capturable();
        if left == 0 {
            return Err(Refusal::not_allowed_now());
        }
        let amount = amount.unwrap_or(left);
        if amount == 0 || amount > left {
            return Err(Refusal::invalid("amount"));
        }
        payment.closed = is_final;
        let end = ending(amount, CAPTURED, CAPTURE_REFUSED, CAPTURE_UNCERTAIN);
        let (id, index) = operate(ledger, call, OperationKind::Capture, amount, CAPTURE_WAITS, end)?;
        let payment = ledger.book.payment(&id).ok_or_else(Refusal::unknown_payment)?;
        Ok(Reply::created(payment.operation_json(index, "captureOutput")))
    }

    pub(crate) fn refund(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let money = call.fields.money("amountOfMoney")?;
        let (payment, _) = found(ledger, call)?;
        let left = payment.refundable();
        let exceeds = money
            .as_ref()
            .is_some_and(|money| money.currency == payment.money.currency && money.amount > left);
        if left == 0 || exceeds {
            return Err(Refusal::not_allowed_now());
        }
        let amount = partial(money, payment, left)?;
        if let Some(code) = refund_decline(ledger, call, amount) {
            return decline_refund(ledger, call, amount, code);
        }
        let end = ending(amount, REFUNDED, REFUND_REFUSED, REFUND_UNCERTAIN);
        let (id, index) = operate(ledger, call, OperationKind::Refund, amount, REFUND_WAITS, end)?;
        let payment = ledger.book.payment(&id).ok_or_else(Refusal::unknown_payment)?;
        Ok(Reply::created(payment.operation_json(index, "refundOutput")))
    }

    pub(crate) fn cancel(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let money = call.fields.money("amountOfMoney")?;
        let (payment, _) = found(ledger, call)?;
        let left = payment.cancellable();
        if left == 0 {
            return Err(Refusal::not_allowed_now());
        }
        let amount = partial(money, payment, left)?;
        let end = Some(CANCELLED);
        let (id, index) = operate(ledger, call, OperationKind::Cancel, amount, CANCEL_WAITS, end)?;
        let payment = ledger.book.payment(&id).ok_or_else(Refusal::unknown_payment)?;
        Ok(Reply::ok(
            json!({ "payment": payment.operation_json(index, "paymentOutput") }),
        ))
    }
}

fn found<'a>(ledger: &'a mut Ledger, call: &Call<'_>) -> Result<(&'a mut Payment, usize), Refusal> {
    ledger
        .book
        .operation(call.id)
        .ok_or_else(Refusal::unknown_payment)
}

/// `errorCode` of a refund that the issuer declines at once.
fn refund_decline(ledger: &Ledger, call: &Call<'_>, amount: i64) -> Option<String> {
    if call.fault.is(Kind::RespCode) {
        return call.fault.value().map(Into::into);
    }
    let declined = ledger.settings.declined_refund_amounts.contains(&amount);
    declined.then(|| BY_ISSUER.to_owned())
}

/// Books a refund that was declined. Its HTTP status is taken to be that of a declined payment.
fn decline_refund(ledger: &mut Ledger, call: &Call<'_>, amount: i64, code: String) -> Answer {
    let errors = refusal::decline(&code);
    let (payment, _) = found(ledger, call)?;
    let index = payment.operations.len();
    payment.operations.push(Operation {
        kind: OperationKind::Refund,
        amount,
        code: REFUND_REFUSED,
        becomes: None,
        at: call.now,
        error_code: Some(code),
    });
    let result = payment.operation_json(index, "refundOutput");
    Ok(declined(&errors, "refundResult", result))
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

/// The payment, or one of its operations if the id names one.
fn read(payment: &Payment, index: usize) -> Value {
    if index == 0 {
        payment.json()
    } else {
        payment.operation_json(index, "paymentOutput")
    }
}

/// The names of the lists are those of the libraries' models.
fn list(ledger: &mut Ledger, call: &Call<'_>, kind: OperationKind, name: &str, output: &str) -> Answer {
    let (payment, _) = found(ledger, call)?;
    let all = payment.operations.iter().enumerate();
    let these: Vec<Value> = all
        .filter(|(_, operation)| operation.kind == kind)
        .map(|(index, _)| payment.operation_json(index, output))
        .collect();
    Ok(Reply::ok(json!({ name: these })))
}

/// An amount that is not more than what is left, in the payment's currency. All of it if none is given.
fn partial(money: Option<Money>, payment: &Payment, left: i64) -> Result<i64, Refusal> {
    match money {
        None => Ok(left),
        Some(money) if money.currency != payment.money.currency => {
            Err(Refusal::invalid("amountOfMoney.currencyCode"))
        }
        Some(money) if money.amount == 0 || money.amount > left => {
            Err(Refusal::invalid("amountOfMoney.amount"))
        }
        Some(money) => Ok(money.amount),
    }
}

/// How an operation ends, by its amount.
fn ending(amount: i64, good: u16, refused: u16, uncertain: u16) -> Option<u16> {
    Some(if REFUSED_AMOUNTS.contains(&amount) {
        refused
    } else if UNCERTAIN_AMOUNTS.contains(&amount) {
        uncertain
    } else {
        good
    })
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

fn settled_at(settings: &Settings, now: OffsetDateTime) -> OffsetDateTime {
    now + time::Duration::milliseconds(settings.settle_after_ms.into())
}

/// Books an operation: the payment's id, and its own number.
fn operate(
    ledger: &mut Ledger,
    call: &Call<'_>,
    kind: OperationKind,
    amount: i64,
    code: u16,
    end: Option<u16>,
) -> Result<(String, usize), Refusal> {
    let at = settled_at(&ledger.settings, call.now);
    let (payment, _) = found(ledger, call)?;
    let (id, index) = (payment.id.clone(), payment.operations.len());
    payment.operations.push(Operation {
        kind,
        amount,
        code,
        becomes: end.map(|end| (end, at)),
        at: call.now,
        error_code: None,
    });
    ledger.book.tell_operation(&id, index, call.now);
    Ok((id, index))
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
