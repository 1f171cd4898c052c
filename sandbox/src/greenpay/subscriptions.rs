//! Subscriptions, on the merchant host: a stored card that is charged every so many months, at midnight in Costa Rica.
//!
//! Paths, members and statuses are documented. These choices are ours, because no document makes them: the first payment
//! without a `startDate` is due one period after the subscription was created; a first payment that the bank declines
//! leaves the subscription `NOT_PAID`; a declined payment is tried again on the next day; a declined manual payment
//! answers in the family of failures of a void.

use serde::Serialize;
use serde_json::{Value, json};
use time::{Date, Duration, OffsetDateTime};
use uuid::Uuid;

use super::answers::{Answer, Echo};
use super::body::Body;
use super::checkout::{COSTA_RICA, Charge, Settled, uuid};
use super::merchant::TERMINALS;
use super::orders::Purchase;
use super::webhooks::Webhook;
use super::wire::{
    Attempt, AttemptResult, CreatedSubscription, Entries, InitialPayment, ListedSubscription, PaidOrder,
    PaidSubscription, SubscriptionPayment, SubscriptionResult,
};
use super::{Call, GreenPay, Ledger, Refusal};
use crate::host::clock;
use crate::host::faults::ActiveFault;

/// After so many declined attempts, the platform stops charging.
const ATTEMPTS: usize = 3;
/// The documented bounds of `pageSize`.
const PAGE_SIZES: core::ops::RangeInclusive<usize> = 1..=100;
/// No subscription is paid less often.
const MONTHS: core::ops::RangeInclusive<u8> = 1..=120;

/// The documented states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    /// The first payment was declined.
    NotPaid,
    Active,
    /// Three attempts were declined.
    OnHold,
    Cancelled,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::NotPaid => "NOT_PAID",
            Self::Active => "ACTIVE",
            Self::OnHold => "ON_HOLD",
            Self::Cancelled => "CANCELLED",
        }
    }
}

/// A subscription.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Subscription {
    id: String,
    status: Status,
    user: String,
    description: String,
    terminal: &'static str,
    currency: &'static str,
    /// Exactly as the merchant wrote it.
    amount: String,
    /// Months between two payments.
    every: u8,
    /// Milliseconds since 1970.
    start: i64,
    end: Option<i64>,
    tokens: Vec<Uuid>,
    #[serde(serialize_with = "as_day")]
    next_payment: Date,
    payments: Vec<Payment>,
    #[serde(with = "clock::as_text")]
    created_at: OffsetDateTime,
}

/// One payment that is due, with its attempts.
#[derive(Clone, Debug, Serialize)]
struct Payment {
    id: Uuid,
    reference: String,
    approved: bool,
    #[serde(with = "clock::as_text")]
    at: OffsetDateTime,
    attempts: Vec<AttemptMade>,
}

#[derive(Clone, Debug, Serialize)]
struct AttemptMade {
    #[serde(with = "clock::as_text")]
    at: OffsetDateTime,
    authorization: Option<String>,
    amount: String,
    error: Option<&'static str>,
}

impl Subscription {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The number of the next payment; 0 is the first one of all.
    fn next_reference(&self) -> String {
        let regular = self
            .payments
            .iter()
            .filter(|payment| !payment.reference.ends_with("_0"));
        format!("{}_{}", self.id, regular.count() + 1)
    }

    fn due(&self, now: OffsetDateTime) -> bool {
        let over = self.end.is_some_and(|end| milliseconds(now) > end);
        self.status == Status::Active && !over && self.next_payment <= now.to_offset(COSTA_RICA).date()
    }

    /// The open payment of a period, which earlier attempts did not settle.
    fn record(&mut self, reference: &str, attempt: AttemptMade) {
        let (approved, at) = (attempt.error.is_none(), attempt.at);
        match self
            .payments
            .iter_mut()
            .find(|payment| payment.reference == reference)
        {
            Some(payment) => {
                payment.approved = approved;
                payment.at = at;
                payment.attempts.push(attempt);
            }
            None => self.payments.push(Payment {
                id: Uuid::new_v4(),
                reference: reference.to_owned(),
                approved,
                at,
                attempts: vec![attempt],
            }),
        }
    }

    /// The reference under which the next attempt goes: that of a declined payment which is still open.
    fn open_reference(&self) -> (String, usize) {
        match self.payments.last() {
            Some(last) if !last.approved && !last.reference.ends_with("_0") => {
                (last.reference.clone(), last.attempts.len())
            }
            _ => (self.next_reference(), 0),
        }
    }

    /// As `result` of the calls that change a subscription. The real platform answers with the order that the merchant
    /// made, its secret included; so does this one, because whoever logs such an answer has to be found out.
    fn result(&self, secret: &str, merchant_id: &str) -> SubscriptionResult {
        SubscriptionResult {
            id: self.id.clone(),
            subscription_id: self.id.clone(),
            merchant_id: merchant_id.into(),
            status: self.status.name(),
            user_id: self.user.clone(),
            user_type: "CLIENT",
            card_tokens: self.tokens.iter().map(Uuid::to_string).collect(),
            amount: self.amount.clone(),
            next_payment: day(self.next_payment),
            purchase_order: json!({
                "secret": secret,
                "merchantId": merchant_id,
                "terminal": self.terminal,
                "description": self.description,
                "currency": self.currency,
                "amount": number(&self.amount),
            }),
        }
    }

    fn listed(&self) -> ListedSubscription {
        ListedSubscription {
            id: self.id.clone(),
            status: self.status.name(),
            user_id: self.user.clone(),
            description: self.description.clone(),
            currency: self.currency,
            amount: self.amount.clone(),
            startdate: self.start.to_string(),
            enddate: self.end.map(|end| end.to_string()),
            cadence: format!("EVERY {} MONTH", self.every),
            next_payment_date: day(self.next_payment),
        }
    }
}

impl GreenPay {
    /// `POST /subscriptions`.
    pub(crate) fn subscribe(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        self.authenticated(&call.body)
            .and_then(|()| self.create_subscription(ledger, call))
            .unwrap_or_else(|refusal| Answer::refusal(refusal, None))
    }

    fn create_subscription(&self, ledger: &mut Ledger, call: &Call<'_>) -> Result<Answer, Refusal> {
        let body = &call.body;
        let now = self.host.now();
        let mut subscription = read(body, now)?;
        for token in &subscription.tokens {
            ledger
                .book
                .card_token(*token)
                .ok_or(Refusal::INVALID_CARD_TOKEN)?;
        }
        let first = match body.object("initialPayment") {
            Some(first) => Some(first.amount("amount").ok_or(Refusal("Invalid amount"))?),
            None => None,
        };
        let initial = first.map(|amount| {
            let reference = format!("{}_0", subscription.id);
            let settled = self.attempt(ledger, &mut subscription, &reference, Some(amount), call.fault);
            if settled.authorization.is_none() {
                subscription.status = Status::NotPaid;
            }
            InitialPayment {
                order_id: reference,
                authorization: settled.authorization,
                errors: settled.error.into_iter().collect(),
            }
        });
        let paid = subscription.status == Status::Active;
        let answer = CreatedSubscription {
            status: if paid { 200 } else { 500 },
            subscription_id: subscription.id.clone(),
            errors: initial
                .iter()
                .flat_map(|initial| initial.errors.clone())
                .collect(),
            result: match initial {
                Some(initial) => json!({ "success": paid, "initialPayment": initial }),
                None => json!({}),
            },
            next_payment_date: day(subscription.next_payment),
        };
        let echo = Echo::subscription_id(subscription.id.as_str().into());
        ledger.book.subscriptions.push(subscription);
        Ok(Answer::of(&answer).failing(!paid).signed_by(echo))
    }

    /// `POST /subscriptions/cancel`.
    pub(crate) fn cancel_subscription(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        self.change_subscription(ledger, call, |subscription, _| {
            subscription.status = Status::Cancelled;
            Ok(())
        })
    }

    /// `POST /subscriptions/update`: another amount.
    pub(crate) fn update_subscription(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        self.change_subscription(ledger, call, |subscription, body| {
            subscription.amount = body.amount("amount").ok_or(Refusal("Invalid amount"))?;
            Ok(())
        })
    }

    /// `POST /subscriptions/update/card_token`: another card.
    pub(crate) fn update_subscription_card(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let token = match uuid(call.body.printed("token").as_deref()) {
            Ok(token) => token,
            Err(refusal) => return failure(500, refusal),
        };
        if ledger.book.card_token(token).is_none() {
            return failure(500, Refusal::INVALID_CARD_TOKEN);
        }
        self.change_subscription(ledger, call, |subscription, _| {
            subscription.tokens = vec![token];
            Ok(())
        })
    }

    fn change_subscription(
        &self,
        ledger: &mut Ledger,
        call: &Call<'_>,
        change: impl FnOnce(&mut Subscription, &Body) -> Result<(), Refusal>,
    ) -> Answer {
        if let Err(refusal) = self.authenticated(&call.body) {
            return failure(500, refusal);
        }
        let known = &self.info.credentials;
        let id = call.body.printed("subscriptionId").unwrap_or_default();
        let found = ledger.book.subscriptions.iter_mut().find(|each| each.id == id);
        let Some(subscription) = found else {
            return failure(404, Refusal("Subscription not found"));
        };
        if call
            .body
            .printed("user")
            .is_none_or(|user| user != subscription.user)
        {
            return failure(500, Refusal("Invalid user"));
        }
        if subscription.status == Status::Cancelled {
            return failure(500, Refusal("Subscription is cancelled"));
        }
        match change(subscription, &call.body) {
            Ok(()) => success(&subscription.result(&known.secret, &known.merchant_id)),
            Err(refusal) => failure(500, refusal),
        }
    }

    /// `POST /subscriptions/pay`: a payment now, whenever the next one is due.
    pub(crate) fn pay_subscription(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        if let Err(refusal) = self.authenticated(&call.body) {
            return failure(500, refusal);
        }
        let id = call.body.printed("subscriptionId").unwrap_or_default();
        let Some(mut subscription) = ledger.book.take_subscription(&id) else {
            return failure(404, Refusal("Subscription not found"));
        };
        if subscription.status == Status::Cancelled {
            ledger.book.subscriptions.push(subscription);
            return failure(500, Refusal("Subscription is cancelled"));
        }
        let answer = self.pay_now(ledger, &mut subscription, call.fault);
        ledger.book.subscriptions.push(subscription);
        answer
    }

    /// Charges what is due by now, and posts the results. The real platform does it every midnight.
    pub(crate) fn charge_subscriptions(&self, ledger: &mut Ledger) -> Vec<Answer> {
        let now = self.host.now();
        let due: Vec<String> = ledger
            .book
            .subscriptions
            .iter()
            .filter(|subscription| subscription.due(now))
            .map(|subscription| subscription.id.clone())
            .collect();
        let mut answers = Vec::new();
        for id in due {
            let Some(mut subscription) = ledger.book.take_subscription(&id) else {
                continue;
            };
            // A clock that was put forward by months finds several periods.
            while subscription.due(now) {
                answers.push(self.pay_now(ledger, &mut subscription, &ActiveFault::default()));
            }
            ledger.book.subscriptions.push(subscription);
        }
        answers
    }

    fn pay_now(&self, ledger: &mut Ledger, subscription: &mut Subscription, fault: &ActiveFault) -> Answer {
        let (reference, earlier) = subscription.open_reference();
        let settled = self.attempt(ledger, subscription, &reference, None, fault);
        let paid = settled.authorization.is_some();
        if paid {
            subscription.status = Status::Active;
            subscription.next_payment = later(subscription.next_payment, subscription.every);
        } else if earlier + 1 >= ATTEMPTS {
            subscription.status = Status::OnHold;
        } else {
            subscription.next_payment = subscription.next_payment.saturating_add(Duration::DAY);
        }
        let errors: Vec<&'static str> = settled.error.into_iter().collect();
        let answer = PaidSubscription {
            status: if paid { "SUCCESS" } else { "FAIL" },
            code: if paid { 200 } else { 500 },
            result: json!({
                "status": if paid { "approved" } else { "declined" },
                "orderStatus": subscription.status.name(),
                "merchantId": self.info.credentials.merchant_id,
                "order": PaidOrder {
                    order_reference: reference,
                    subscription_id: subscription.id.clone(),
                    user: subscription.user.clone(),
                    amount: number(&subscription.amount),
                    currency: subscription.currency,
                    date: milliseconds(self.host.now()),
                    authorization: settled.authorization,
                    details: json!({}),
                    errors: errors.clone(),
                    reason: settled.error,
                },
            }),
            errors,
        };
        Answer::of(&answer).failing(!paid).with_webhook(Webhook {
            route: "/subscription/payment/results",
            callback: None,
        })
    }

    /// Charges the first of the cards that the bank takes, and writes the attempt down.
    fn attempt(
        &self,
        ledger: &mut Ledger,
        subscription: &mut Subscription,
        reference: &str,
        amount: Option<String>,
        fault: &ActiveFault,
    ) -> Settled {
        let amount = amount.unwrap_or_else(|| subscription.amount.clone());
        let mut settled = Settled {
            authorization: None,
            error: Some("Error: Invalid card token"),
        };
        for token in &subscription.tokens {
            let Some(card) = ledger.book.card_token(*token).map(|card| card.card.clone()) else {
                continue;
            };
            let charge = Charge {
                purchase: Purchase {
                    order_reference: reference.into(),
                    amount: amount.clone(),
                    currency: subscription.currency.into(),
                },
                card,
                callback: None,
            };
            settled = self.settle(ledger, &charge, fault, None).1;
            if settled.authorization.is_some() {
                break;
            }
        }
        subscription.record(
            reference,
            AttemptMade {
                at: self.host.now(),
                authorization: settled.authorization.clone(),
                amount,
                error: settled.error,
            },
        );
        settled
    }

    /// `POST /subscriptions/list`. The filters are in `filters`; `filter`, which a published client sends, is unknown.
    pub(crate) fn list_subscriptions(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let body = &call.body;
        if let Err(refusal) = self.authenticated(body) {
            return failure(500, refusal);
        }
        let filters = body.object("filters");
        let filter = |name: &str| filters.as_ref().and_then(|filters| filters.printed(name));
        let statuses = filters.as_ref().and_then(|filters| filters.texts("status"));
        let number = |name: &str| filter(name).and_then(|text| text.parse::<f64>().ok());
        let (least, most) = (number("minAmount"), number("maxAmount"));
        let (user, from) = (filter("user"), number("subsDate"));
        let matching = ledger.book.subscriptions.iter().filter(|subscription| {
            let amount = subscription.amount.parse::<f64>().unwrap_or_default();
            statuses.as_ref().is_none_or(|statuses| {
                // One documented sample has one L.
                let is =
                    |status: &String| status.replace("CANCELED", "CANCELLED") == subscription.status.name();
                statuses.iter().any(is)
            }) && user.as_ref().is_none_or(|user| *user == subscription.user)
                && least.is_none_or(|least| amount >= least)
                && most.is_none_or(|most| amount <= most)
                && from.is_none_or(|from| milliseconds(subscription.created_at) as f64 >= from)
        });
        page(body, matching.map(Subscription::listed).collect())
    }

    /// `POST /subscriptions/list/payments`.
    pub(crate) fn list_subscription_payments(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let body = &call.body;
        if let Err(refusal) = self.authenticated(body) {
            return failure(500, refusal);
        }
        let id = body.printed("subscriptionId").unwrap_or_default();
        let Some(subscription) = ledger.book.subscriptions.iter().find(|each| each.id == id) else {
            return failure(404, Refusal("Subscription not found"));
        };
        let result = |payment: &Payment, attempt: &AttemptMade| AttemptResult {
            status: if attempt.error.is_none() { 200 } else { 500 },
            order_id: payment.reference.clone(),
            authorization: attempt.authorization.clone(),
            amount: number(&attempt.amount),
            currency: subscription.currency,
            errors: attempt.error.into_iter().collect(),
        };
        let listed = subscription.payments.iter().map(|payment| SubscriptionPayment {
            id: payment.id.to_string(),
            reference_number: payment.reference.clone(),
            payment_date: day(payment.at.to_offset(COSTA_RICA).date()),
            payment_result: payment
                .attempts
                .last()
                .filter(|_| payment.approved)
                .map(|attempt| result(payment, attempt)),
            // The attempts that failed, spelled as the platform spells them.
            payment_retries: payment
                .attempts
                .iter()
                .filter(|attempt| attempt.error.is_some())
                .map(|attempt| Attempt {
                    attemp_date: milliseconds(attempt.at),
                    attemp_result: result(payment, attempt),
                })
                .collect(),
        });
        page(body, listed.collect())
    }
}

/// What a merchant subscribes a customer to.
fn read(body: &Body, now: OffsetDateTime) -> Result<Subscription, Refusal> {
    let terminal = body.text("terminal").unwrap_or_default();
    let (terminal, currency) = TERMINALS
        .iter()
        .find(|(name, _)| *name == terminal)
        .ok_or(Refusal("Bank entity doesn't exist"))?;
    if body.text("currency").as_deref() != Some(*currency) {
        return Err(Refusal("Invalid currency for the terminal"));
    }
    let tokens = body.texts("tokens").unwrap_or_default();
    let tokens: Vec<Uuid> = tokens
        .iter()
        .map(|token| uuid(Some(token)))
        .collect::<Result<_, _>>()?;
    let plans = body.objects("subscription").unwrap_or_default();
    let ([plan], false) = (plans.as_slice(), tokens.is_empty()) else {
        return Err(Refusal("Invalid subscription"));
    };
    let cadence = plan.object("cadence").ok_or(Refusal("Invalid cadence"))?;
    let is = |name: &str, value: &str| cadence.text(name).as_deref() == Some(value);
    let every = cadence.printed("every").and_then(|every| every.parse().ok());
    let every = every.filter(|every| MONTHS.contains(every) && is("mode", "EVERY") && is("unit", "MONTH"));
    let every = every.ok_or(Refusal("Invalid cadence"))?;
    let instant = |name: &str| plan.printed(name).and_then(|text| text.parse::<i64>().ok());
    let today = now.to_offset(COSTA_RICA).date();
    let start = instant("startDate");
    let next_payment = match start {
        Some(start) => OffsetDateTime::from_unix_timestamp(start.div_euclid(1000))
            .map_err(|_| Refusal("Invalid startDate"))?
            .to_offset(COSTA_RICA)
            .date()
            .max(today),
        None => later(today, every),
    };
    Ok(Subscription {
        id: Uuid::new_v4().simple().to_string(),
        status: Status::Active,
        user: body.printed("userId").ok_or(Refusal("Invalid userId"))?,
        description: body.text("description").ok_or(Refusal("Invalid description"))?,
        terminal,
        currency,
        amount: plan.amount("amount").ok_or(Refusal("Invalid amount"))?,
        every,
        start: start.unwrap_or_else(|| milliseconds(now)),
        end: instant("endDate"),
        tokens,
        next_payment,
        payments: Vec::new(),
        created_at: now,
    })
}

/// So many months later, on the same day or on the last one of a shorter month.
fn later(date: Date, months: u8) -> Date {
    let mut month = date.month();
    let mut year = date.year();
    for _ in 0..months {
        month = month.next();
        year += i32::from(month == time::Month::January);
    }
    let last = month.length(year);
    Date::from_calendar_date(year, month, date.day().min(last)).unwrap_or(Date::MAX)
}

fn page<Entry: Serialize>(body: &Body, entries: Vec<Entry>) -> Answer {
    let bounded = |name: &str| body.printed(name).and_then(|text| text.parse::<usize>().ok());
    let (Some(number), Some(size)) = (
        bounded("page").filter(|page| *page > 0),
        bounded("pageSize").filter(|size| PAGE_SIZES.contains(size)),
    ) else {
        return failure(500, Refusal("Invalid page"));
    };
    let total = entries.len();
    success(&Entries {
        entries: entries
            .into_iter()
            .skip((number - 1).saturating_mul(size))
            .take(size)
            .collect(),
        page: number,
        total_entries: total,
        total_pages: total.div_ceil(size),
    })
}

fn success(result: &impl Serialize) -> Answer {
    Answer::of(&json!({ "code": 200, "status": "SUCCESS", "result": result, "errors": [] }))
}

fn failure(code: u16, Refusal(text): Refusal) -> Answer {
    Answer::reversal_refusal(code, &json!([format!("Error: {text}")]))
}

/// A JSON number as the merchant wrote it.
fn number(amount: &str) -> Value {
    serde_json::from_str(amount).unwrap_or_else(|_| amount.into())
}

fn day(date: Date) -> String {
    format!(
        "{:04}-{:02}-{:02}",
        date.year(),
        u8::from(date.month()),
        date.day()
    )
}

fn as_day<S: serde::Serializer>(date: &Date, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&day(*date))
}

fn milliseconds(instant: OffsetDateTime) -> i64 {
    instant.unix_timestamp().saturating_mul(1000) + i64::from(instant.millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Month;

    #[test]
    fn a_month_later_is_the_same_day_or_the_last_one() {
        let date = |year, month, day| Date::from_calendar_date(year, month, day).unwrap();
        for (from, months, to) in [
            (date(2026, Month::January, 31), 1, date(2026, Month::February, 28)),
            (date(2028, Month::January, 31), 1, date(2028, Month::February, 29)),
            (date(2026, Month::December, 15), 1, date(2027, Month::January, 15)),
            (date(2026, Month::March, 31), 12, date(2027, Month::March, 31)),
            (
                date(2026, Month::November, 30),
                3,
                date(2027, Month::February, 28),
            ),
        ] {
            assert_eq!(later(from, months), to);
        }
    }
}
