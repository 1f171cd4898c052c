//! Subscriptions, on the merchant host.
//!
//! Paths and members are documented, and so is the signature's place in the answer to a new subscription. What the
//! platform signs there is known by analogy only, and no other of these answers has a signature. Nothing says how a
//! manual payment that the bank declines is answered: `FAIL` with the word `declined`, as inferred, is a decline, and any
//! other failure is in doubt unless its text is documented. The lists decide what is in doubt.

use cardseal::greenpay::signature::{self, Candidate};
use cardseal::greenpay::{Scalar, platform_code};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::{decode, object, rejection, undecodable};
use super::payments::invalid_value;
use super::wire::{echo, errors, opaque, status};
use super::{GreenPay, SignaturePolicy};
use crate::amount::{Amount, Currency};
use crate::error::{Doubt, Error, Refusal, Rejection, sentence};
use crate::gateway::{Approval, Change, Decline, Outcome};
use crate::lenient::{deciding_text, text};
use crate::subscription::{
    ListedSubscription, NewSubscription, Subscribed, Subscribing, SubscriptionChange, SubscriptionPaid,
    SubscriptionPayment, SubscriptionPayments, SubscriptionRef, SubscriptionStatus,
};
use crate::transport::{Response, Transport};

/// The documented bound of `pageSize`.
const PAGE_SIZE: u32 = 100;
/// More pages than any merchant has subscriptions for. Only a list that ignores its filter has more than one.
const MOST_PAGES: u64 = 10_000;

/// What every body has.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Credentials<'a> {
    secret: &'a str,
    merchant_id: &'a str,
}

/// `POST /subscriptions`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Create<'a> {
    #[serde(flatten)]
    credentials: Credentials<'a>,
    terminal: &'a str,
    user_id: &'a str,
    description: &'a str,
    currency: &'static str,
    tokens: [&'a str; 1],
    subscription: [Plan; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    initial_payment: Option<InitialPayment<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    amount: Box<RawValue>,
    cadence: Cadence,
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date: Option<i64>,
}

/// Nothing else than every so many months is documented.
#[derive(Serialize)]
struct Cadence {
    mode: &'static str,
    unit: &'static str,
    every: u8,
}

#[derive(Serialize)]
struct InitialPayment<'a> {
    amount: Box<RawValue>,
    description: &'a str,
}

/// `POST /subscriptions/cancel`, `/update` and `/update/card_token`: each with its own member.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Modify<'a> {
    #[serde(flatten)]
    credentials: Credentials<'a>,
    subscription_id: &'a str,
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// `POST /subscriptions/pay`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pay<'a> {
    #[serde(flatten)]
    credentials: Credentials<'a>,
    subscription_id: &'a str,
}

/// `POST /subscriptions/list` and `/subscriptions/list/payments`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    #[serde(flatten)]
    credentials: Credentials<'a>,
    page: u32,
    page_size: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    filters: Option<Filters<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Filters<'a> {
    user: &'a str,
}

/// The documented words. One documented sample has one L.
fn known_status(word: &str) -> Option<SubscriptionStatus> {
    Some(match word {
        "ACTIVE" => SubscriptionStatus::Active,
        "NOT_PAID" => SubscriptionStatus::NotPaid,
        "ON_HOLD" => SubscriptionStatus::OnHold,
        "PENDING" => SubscriptionStatus::Pending,
        "CANCELLED" | "CANCELED" => SubscriptionStatus::Cancelled,
        _ => return None,
    })
}

/// An amount in major units, as a JSON number that no double has rounded.
fn number(amount: &Amount) -> Result<Box<RawValue>, Refusal> {
    RawValue::from_string(amount.to_decimal_text()).map_err(|_| Refusal::Invalid("amount"))
}

/// An amount of an answer: decimal text, or a number, whose shortest text is what was written.
fn amount(answer: &Value, pointer: &str, currency: &str) -> Option<Amount> {
    let text = match answer.pointer(pointer)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    // A number such as 12.0 is twelve, also in a currency without decimals.
    let text = text.strip_suffix(".0").unwrap_or(&text);
    Amount::parse(text, currency).ok()
}

/// A day such as `2026-12-31`.
fn day(answer: &Value, pointer: &str) -> Option<String> {
    text(answer, pointer).filter(|text| {
        let mut places = text.bytes().enumerate();
        text.len() == 10
            && places.all(|(at, byte)| {
                if at == 4 || at == 7 {
                    byte == b'-'
                } else {
                    byte.is_ascii_digit()
                }
            })
    })
}

/// The entries of a page, and whether another page follows.
struct Entries<'a> {
    entries: &'a [Value],
    more: bool,
}

fn entries(answer: &Value, page: u32) -> Option<Entries<'_>> {
    let entries = answer.pointer("/result/entries")?.as_array()?;
    let pages = text(answer, "/result/totalPages").and_then(|text| text.parse::<u64>().ok());
    let more = match pages {
        Some(pages) => u64::from(page) < pages.min(MOST_PAGES),
        // Without a number, a full page may not be the last one.
        None => u32::try_from(entries.len()).is_ok_and(|len| len >= PAGE_SIZE),
    };
    Some(Entries {
        entries,
        more: more && !entries.is_empty(),
    })
}

/// A refusal whose text is documented or blames a value, of an answer without the trace of a success.
fn refused(body: &Value, http_status: u16) -> Option<Rejection> {
    let code = status(body, "code")
        .integer()
        .or_else(|| status(body, "status").integer());
    let code = code.and_then(|code| u16::try_from(code).ok());
    let mut rejection = rejection(code.or(Some(http_status)), &errors(body))?;
    let blames = matches!(code, Some(400..=499)) || invalid_value(&rejection.message);
    if blames && rejection.code.is_none() {
        rejection.code = Some("invalid_request".into());
    }
    (blames || rejection.code.is_some()).then_some(rejection)
}

/// Whether an answer in the envelope of `code` and `status` says that it worked.
fn succeeded(body: &Value, http_status: u16) -> bool {
    (200..300).contains(&http_status)
        && status(body, "status").text() == "SUCCESS"
        && status(body, "code").integer() == Some(200)
        && errors(body).is_empty()
}

/// An authorization that is there. What cannot be read is there as well.
fn authorization(answer: &Value, pointer: &str) -> Option<String> {
    deciding_text(answer, pointer).filter(|text| !text.is_empty())
}

fn declined(texts: &str) -> Outcome {
    Outcome::Declined(Decline {
        code: None,
        reason: platform_code(texts).unwrap_or("declined").into(),
        message: Some(sentence(texts)).filter(|text| !text.is_empty()),
    })
}

fn approved(authorization: &str, reference: &str) -> Outcome {
    Outcome::Approved(Approval {
        authorization: Some(authorization.to_owned()).filter(|text| opaque(text)),
        platform_id: Some(reference.to_owned()),
        brand: None,
        last4: None,
        unverified: false,
    })
}

impl GreenPay {
    fn credentials(&self) -> Credentials<'_> {
        Credentials {
            secret: self.secret.expose_secret(),
            merchant_id: &self.merchant_id,
        }
    }

    /// "Create subscription".
    pub(super) async fn create_subscription(
        &self,
        transport: &Transport,
        new: &NewSubscription<'_>,
    ) -> Result<Subscribing, Refusal> {
        let initial_payment = match &new.first {
            Some(first) if first.amount.currency() != new.amount.currency() => {
                return Err(Refusal::Invalid("amount"));
            }
            Some(first) => Some(InitialPayment {
                amount: number(first.amount)?,
                description: first.description,
            }),
            None => None,
        };
        let body = Create {
            credentials: self.credentials(),
            terminal: self.terminal(new.amount.currency())?,
            user_id: new.reference,
            description: new.description,
            currency: new.amount.currency().code(),
            tokens: [new.token.expose_secret()],
            subscription: [Plan {
                amount: number(new.amount)?,
                cadence: Cadence {
                    mode: "EVERY",
                    unit: "MONTH",
                    every: new.months,
                },
                start_date: new.starts_at,
                end_date: new.ends_at,
            }],
            initial_payment,
        };
        match self.post(transport, "/subscriptions", &body).await {
            Ok(answer) => self.created(&answer),
            Err(error) => error.into_doubt().map(Subscribing::Unknown),
        }
    }

    fn created(&self, answer: &Response) -> Result<Subscribing, Refusal> {
        if answer.status == 504 {
            return Ok(Subscribing::Unknown(Doubt::NoAnswerBehindProxy));
        }
        let Some(body) = object(&answer.body) else {
            return Ok(Subscribing::Unknown(undecodable(answer.status)));
        };
        let said = status(&body, "status");
        let id = echo(&body, "subscriptionId");
        let Some(platform_id) = id.as_ref().map(Scalar::text).filter(|id| opaque(id)) else {
            // An id that cannot be read is still one.
            let none = body.get("subscriptionId").is_none_or(Value::is_null);
            return match refused(&body, answer.status) {
                Some(rejection) if none && said.integer() != Some(200) => Err(Refusal::Rejected(rejection)),
                Some(_) | None => Ok(Subscribing::Unknown(undecodable(answer.status))),
            };
        };
        let ok =
            (200..300).contains(&answer.status) && said.integer() == Some(200) && errors(&body).is_empty();
        if !ok {
            // There is one, and something about it failed. The list says what it is now.
            return Ok(Subscribing::Unknown(Doubt::Contradictory));
        }
        let verified = id.zip(text(&body, "/_signature")).is_some_and(|(id, signature)| {
            signature::verify(&self.key, Candidate::SUBSCRIPTION, &said, &id, &signature).is_some()
        });
        if !verified && self.payment_policy == SignaturePolicy::Required {
            return Ok(Subscribing::Unknown(Doubt::SignatureInvalid));
        }
        Ok(Subscribing::Done(Subscribed {
            platform_id,
            status: SubscriptionStatus::Active,
            next_payment: day(&body, "/nextPaymentDate"),
            unverified: !verified,
        }))
    }

    /// "Cancel subscription", "Update amount", "Update payment method".
    pub(super) async fn modify_subscription(
        &self,
        transport: &Transport,
        of: &SubscriptionRef<'_>,
        change: &SubscriptionChange<'_>,
    ) -> Result<Change, Refusal> {
        let (mut amount, mut token, mut reason) = (None, None, None);
        let path = match change {
            SubscriptionChange::Amount(new) if new.currency() != of.amount.currency() => {
                return Err(Refusal::Invalid("amount"));
            }
            SubscriptionChange::Amount(new) => {
                amount = Some(number(new)?);
                "/subscriptions/update"
            }
            SubscriptionChange::Token(new) => {
                token = Some(new.expose_secret());
                "/subscriptions/update/card_token"
            }
            SubscriptionChange::Cancel { reason: words } => {
                reason = Some(*words);
                "/subscriptions/cancel"
            }
        };
        let body = Modify {
            credentials: self.credentials(),
            subscription_id: of.platform_id,
            user: of.reference,
            amount,
            token,
            reason,
        };
        match self.post(transport, path, &body).await {
            Ok(answer) => modified(&answer, of, change),
            Err(error) => error.into_doubt().map(Change::Unknown),
        }
    }

    /// "Manual payment".
    pub(super) async fn pay_subscription_now(
        &self,
        transport: &Transport,
        of: &SubscriptionRef<'_>,
    ) -> Result<SubscriptionPaid, Refusal> {
        let body = Pay {
            credentials: self.credentials(),
            subscription_id: of.platform_id,
        };
        match self.post(transport, "/subscriptions/pay", &body).await {
            Ok(answer) => paid(&answer, of),
            Err(error) => error.into_doubt().map(unknown),
        }
    }

    /// "List subscriptions", with our reference as the filter. A list that ignores the filter is read to its end.
    pub(super) async fn listed_subscription(
        &self,
        transport: &Transport,
        reference: &str,
    ) -> Result<Option<ListedSubscription>, Error> {
        let mut page = 1;
        loop {
            let body = List {
                credentials: self.credentials(),
                page,
                page_size: PAGE_SIZE,
                filters: Some(Filters { user: reference }),
                subscription_id: None,
            };
            let answer = self.post(transport, "/subscriptions/list", &body).await?;
            let body = listed(&answer)?;
            let found = entries(&body, page).ok_or(Error::Doubtful(Doubt::Undecodable))?;
            let ours = |entry: &&Value| text(entry, "/user_id").is_some_and(|user| user == reference);
            if let Some(entry) = found.entries.iter().find(ours) {
                return read_subscription(entry).map(Some);
            }
            if !found.more {
                return Ok(None);
            }
            page += 1;
        }
    }

    /// "List payment subscriptions".
    pub(super) async fn payments_of_subscription(
        &self,
        transport: &Transport,
        of: &SubscriptionRef<'_>,
        page: u32,
    ) -> Result<SubscriptionPayments, Error> {
        let body = List {
            credentials: self.credentials(),
            page,
            page_size: PAGE_SIZE,
            filters: None,
            subscription_id: Some(of.platform_id),
        };
        let answer = self
            .post(transport, "/subscriptions/list/payments", &body)
            .await?;
        let body = listed(&answer)?;
        let found = entries(&body, page).ok_or(Error::Doubtful(Doubt::Undecodable))?;
        Ok(SubscriptionPayments {
            // One without a reference is nobody's.
            items: found
                .entries
                .iter()
                .filter_map(|entry| read_payment(entry, of))
                .collect(),
            more: found.more,
        })
    }
}

fn unknown(doubt: Doubt) -> SubscriptionPaid {
    SubscriptionPaid {
        reference: None,
        outcome: Outcome::Unknown(doubt),
    }
}

fn modified(
    answer: &Response,
    of: &SubscriptionRef<'_>,
    change: &SubscriptionChange<'_>,
) -> Result<Change, Refusal> {
    if answer.status == 504 {
        return Ok(Change::Unknown(Doubt::NoAnswerBehindProxy));
    }
    let Some(body) = object(&answer.body) else {
        return Ok(Change::Unknown(undecodable(answer.status)));
    };
    if !succeeded(&body, answer.status) {
        return match refused(&body, answer.status) {
            Some(rejection) if status(&body, "status").text() != "SUCCESS" => {
                Err(Refusal::Rejected(rejection))
            }
            Some(_) | None => Ok(Change::Unknown(undecodable(answer.status))),
        };
    }
    if deciding_text(&body, "/result/id").is_some_and(|id| id != of.platform_id) {
        return Ok(Change::Unknown(Doubt::WrongReference));
    }
    let now = deciding_text(&body, "/result/status");
    let cancelled = now.as_deref().and_then(known_status) == Some(SubscriptionStatus::Cancelled);
    Ok(match change {
        SubscriptionChange::Cancel { .. } if !cancelled => Change::Unknown(Doubt::Contradictory),
        SubscriptionChange::Amount(_) | SubscriptionChange::Token(_) if cancelled => {
            Change::Unknown(Doubt::Contradictory)
        }
        SubscriptionChange::Cancel { .. } | SubscriptionChange::Amount(_) | SubscriptionChange::Token(_) => {
            Change::Done
        }
    })
}

fn paid(answer: &Response, of: &SubscriptionRef<'_>) -> Result<SubscriptionPaid, Refusal> {
    if answer.status == 504 {
        return Ok(unknown(Doubt::NoAnswerBehindProxy));
    }
    let Some(body) = object(&answer.body) else {
        return Ok(unknown(undecodable(answer.status)));
    };
    let authorization = authorization(&body, "/result/order/authorization");
    let word = deciding_text(&body, "/result/status");
    let ours = deciding_text(&body, "/result/order/subscriptionId").is_some_and(|id| id == of.platform_id);
    let reference = text(&body, "/result/order/order_reference").filter(|text| opaque(text));
    let texts = [
        errors(&body),
        body.pointer("/result/order").map(errors).unwrap_or_default(),
    ];
    let [texts, of_order] = &texts;
    let said = if texts.is_empty() { of_order } else { texts };
    let outcome = match (word.as_deref(), &authorization, reference.as_deref()) {
        (Some("approved"), Some(authorization), Some(reference))
            if succeeded(&body, answer.status) && of_order.is_empty() =>
        {
            let currency = text(&body, "/result/order/currency").unwrap_or_default();
            if !ours {
                Outcome::Unknown(Doubt::WrongReference)
            } else if amount(&body, "/result/order/amount", &currency).as_ref() != Some(of.amount) {
                Outcome::Unknown(Doubt::Contradictory)
            } else {
                approved(authorization, reference)
            }
        }
        (Some("declined"), None, _) if status(&body, "status").text() == "FAIL" && !said.is_empty() => {
            if ours {
                declined(said)
            } else {
                Outcome::Unknown(Doubt::WrongReference)
            }
        }
        (None, None, None) if status(&body, "status").text() != "SUCCESS" => {
            return match refused(&body, answer.status) {
                Some(rejection) => Err(Refusal::Rejected(rejection)),
                None => Ok(unknown(undecodable(answer.status))),
            };
        }
        _ => Outcome::Unknown(Doubt::Contradictory),
    };
    let known = !matches!(outcome, Outcome::Unknown(_));
    Ok(SubscriptionPaid {
        reference: reference.filter(|_| known),
        outcome,
    })
}

/// The body of a list. A list moves nothing, so whatever it refuses with is a refusal.
fn listed(answer: &Response) -> Result<Value, Error> {
    let body = decode(answer)?;
    if succeeded(&body, answer.status) || body.pointer("/result/entries").is_some() {
        return Ok(body);
    }
    let code = status(&body, "code")
        .integer()
        .and_then(|code| u16::try_from(code).ok());
    Err(match rejection(code.or(Some(answer.status)), &errors(&body)) {
        Some(rejection) => Refusal::Rejected(rejection).into(),
        None => Error::Doubtful(undecodable(answer.status)),
    })
}

fn read_subscription(entry: &Value) -> Result<ListedSubscription, Error> {
    let platform_id = text(entry, "/id").filter(|id| opaque(id));
    let currency = text(entry, "/currency").unwrap_or_default();
    Ok(ListedSubscription {
        platform_id: platform_id.ok_or(Error::Doubtful(Doubt::Undecodable))?,
        status: text(entry, "/status").as_deref().and_then(known_status),
        amount: amount(entry, "/amount", &currency),
        next_payment: day(entry, "/next_payment_date"),
    })
}

/// A row of the list of payments. `payment_result` of a payment that was made is documented by its name only; it is
/// taken to have the members that `attemp_result` of a declined one has.
fn read_payment(entry: &Value, of: &SubscriptionRef<'_>) -> Option<SubscriptionPayment> {
    let reference = text(entry, "/reference_number").filter(|text| opaque(text))?;
    let retries = entry.get("payment_retries").and_then(Value::as_array);
    let retries = retries.map(Vec::as_slice).unwrap_or_default();
    let last = retries.last().and_then(|retry| retry.get("attemp_result"));
    let result = entry.get("payment_result").filter(|result| !result.is_null());
    let outcome = match (result, last) {
        (Some(result), _) => outcome_of(result, &reference),
        (None, Some(last)) => match outcome_of(last, &reference) {
            // What is listed as a failed attempt took no money.
            Outcome::Approved(_) => Outcome::Unknown(Doubt::Contradictory),
            other @ (Outcome::Authorized(_)
            | Outcome::Voided(_)
            | Outcome::Declined(_)
            | Outcome::Pending(_)
            | Outcome::Unknown(_)) => other,
        },
        (None, None) => Outcome::Unknown(Doubt::Pending),
    };
    let shown = result.or(last).unwrap_or(&Value::Null);
    let own = of.amount.currency();
    let currency = text(shown, "/currency")
        .and_then(|code| Currency::from_code(&code))
        .unwrap_or(own);
    Some(SubscriptionPayment {
        amount: amount(shown, "/amount", currency.code()),
        reference,
        outcome,
        declines: u32::try_from(retries.len()).unwrap_or(u32::MAX),
    })
}

fn outcome_of(result: &Value, reference: &str) -> Outcome {
    if deciding_text(result, "/orderId").is_some_and(|order| order != reference) {
        return Outcome::Unknown(Doubt::WrongReference);
    }
    let said = errors(result);
    match (
        status(result, "status").integer(),
        authorization(result, "/authorization"),
    ) {
        (Some(200), Some(authorization)) if said.is_empty() => approved(&authorization, reference),
        (Some(status), None) if status != 200 && !said.is_empty() => declined(&said),
        _ => Outcome::Unknown(Doubt::Contradictory),
    }
}

#[cfg(test)]
#[path = "subscriptions/tests.rs"]
mod tests;
