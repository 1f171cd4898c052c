//! Charges, captures, reversals and refunds.
//!
//! Every one has its own idempotency key, which stays the same for every try. After a lost answer the platform is
//! asked by reference before anything is sent again; a repeated key is answered with the id of the original,
//! which is then read. What is refused after a lost answer proves nothing about the first try.

use cardseal::gp_api::is_id;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::access::CallError;
use super::answer::{Problem, deciding, text};
use super::threeds::Proof;
use super::wire::{Call, query};
use super::{GpApi, PAUSES};
use crate::amount::{Amount, Currency};
use crate::error::{Doubt, Error, Refusal, Rejection, identifier, sentence, word};
use crate::gateway::{
    Approval, Capture, Change, ChargeParams, Decline, Listed, ListedKind, Listing, Outcome, PaymentRef,
    Pending,
};
use crate::transport::Transport;

/// How many transactions are read at once when a day is listed.
const LIST_PAGE: usize = 100;

/// What is done to a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Takes the money that is held.
    Capture,
    /// Pays back.
    Refund,
    /// Undoes.
    Reversal,
}

impl Verb {
    const fn path(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Refund => "refund",
            Self::Reversal => "reversal",
        }
    }
}

/// How far a transaction is, by its status and result together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Captured,
    Authorized,
    Reversed,
    Declined(Option<&'static str>),
    Pending,
    Foreign,
    Contradictory,
}

fn state(transaction: &Value) -> State {
    let result = deciding(transaction, "/action/result_code");
    let by_status = match text(transaction, "/status").unwrap_or_default() {
        "CAPTURED" | "BATCHED" | "FUNDED" => State::Captured,
        "PREAUTHORIZED" => State::Authorized,
        "REVERSED" => State::Reversed,
        "DECLINED" => State::Declined(None),
        "REJECTED" => State::Declined(Some("rejected_in_funding")),
        "FAILED" => State::Declined(Some("failed")),
        "INITIATED" | "PENDING" | "FOR_REVIEW" | "AUTHENTICATED" => State::Pending,
        // A word of a later version must not pass for a yes or a no.
        _ => State::Foreign,
    };
    match (by_status, result) {
        (State::Captured | State::Authorized | State::Reversed, Some(result)) if result != "SUCCESS" => {
            State::Contradictory
        }
        (state, _) => state,
    }
}

/// Our word for a bank's result.
fn reason(result: &str) -> &'static str {
    match result {
        "102" => "refer_to_issuer",
        "103" | "41" | "43" => "card_lost_or_stolen",
        "111" | "65" | "1A" => "authentication_required",
        "108" => "wallet_error",
        "05" => "do_not_honor",
        "14" => "invalid_card",
        "51" => "insufficient_funds",
        "54" => "expired_card",
        _ => "declined",
    }
}

fn decline(transaction: &Value, known: Option<&'static str>) -> Decline {
    let result = text(transaction, "/payment_method/result");
    Decline {
        code: result.map(word),
        reason: known.unwrap_or_else(|| reason(result.unwrap_or_default())).into(),
        message: text(transaction, "/payment_method/message").map(sentence),
    }
}

fn approval(transaction: &Value) -> Approval {
    let card = |name: &str| text(transaction, &format!("/payment_method/card/{name}"));
    let masked = card("masked_number_last4").or_else(|| card("masked_number_first6last4"));
    Approval {
        authorization: card("authcode").map(word),
        platform_id: text(transaction, "/id").map(Into::into),
        brand: card("brand").map(|brand| word(&brand.to_lowercase())),
        last4: masked
            .and_then(|masked| masked.get(masked.len().checked_sub(4)?..))
            .filter(|last4| last4.bytes().all(|byte| byte.is_ascii_digit()))
            .map(Into::into),
        unverified: false,
    }
}

/// The amount in a transaction.
fn amount(transaction: &Value) -> Option<Amount> {
    let minor = text(transaction, "/amount")?.parse().ok()?;
    let currency = Currency::from_code(text(transaction, "/currency")?)?;
    Amount::from_minor(minor, currency).ok()
}

/// Whether a text of minor units is this amount. Some libraries send a zero in front.
pub(super) fn is_amount(transaction: &Value, amount: &Amount) -> bool {
    let minor = text(transaction, "/amount").and_then(|text| text.parse::<u64>().ok());
    minor == Some(amount.minor()) && text(transaction, "/currency") == Some(amount.currency().code())
}

impl GpApi {
    fn sale<'a>(&self, params: &ChargeParams<'a>) -> Result<Call<'a>, Refusal> {
        let mut method = Map::new();
        method.insert("entry_mode".into(), "ECOM".into());
        method.insert("id".into(), params.token.expose_secret().into());
        if params.network_token.unwrap_or(self.use_network_token) {
            method.insert("usage_mode".into(), "USE_NETWORK_TOKEN".into());
        }
        if let Some(authentication) = params.authentication {
            method.insert("authentication".into(), Proof::of_charge(authentication)?);
        }
        let body = json!({
            "type": "SALE",
            "channel": "CNP",
            "capture_mode": match params.capture { Capture::Auto => "AUTO", Capture::Later => "LATER" },
            "amount": params.amount.minor().to_string(),
            "currency": params.amount.currency().code(),
            "country": self.country,
            "reference": params.reference,
            "description": params.description,
            "payment_method": method,
        });
        Ok(Call {
            account: true,
            ..Call::post("/transactions".into(), params.attempt, body)
        })
    }

    /// The outcome in a transaction, if it is the one that was looked up.
    pub(super) fn outcome(&self, transaction: &Value, asked: Option<(&Amount, &str)>) -> Outcome {
        if !text(transaction, "/id").is_some_and(|id| is_id("TRN_", id)) {
            return Outcome::Unknown(Doubt::Undecodable);
        }
        if let Some((amount, reference)) = asked {
            if deciding(transaction, "/reference").is_some_and(|own| own != reference) {
                return Outcome::Unknown(Doubt::WrongReference);
            }
            if !is_amount(transaction, amount) {
                return Outcome::Unknown(Doubt::Contradictory);
            }
        }
        match state(transaction) {
            State::Captured => Outcome::Approved(approval(transaction)),
            State::Authorized => Outcome::Authorized(approval(transaction)),
            State::Reversed => Outcome::Voided(approval(transaction)),
            State::Declined(word) => Outcome::Declined(decline(transaction, word)),
            State::Pending => Outcome::Unknown(Doubt::Pending),
            State::Foreign => Outcome::Unknown(Doubt::Undecodable),
            State::Contradictory => Outcome::Unknown(Doubt::Contradictory),
        }
    }

    pub(super) async fn charge_token(
        &self,
        transport: &Transport,
        params: &ChargeParams<'_>,
    ) -> Result<Outcome, Refusal> {
        let doubt = match self.fetch(transport, &self.sale(params)?).await {
            Ok(transaction) => match self.outcome(&transaction, Some((params.amount, params.reference))) {
                Outcome::Unknown(doubt) | Outcome::Pending(Pending { doubt, .. }) => doubt,
                known @ (Outcome::Approved(_)
                | Outcome::Authorized(_)
                | Outcome::Voided(_)
                | Outcome::Declined(_)) => return Ok(known),
            },
            Err(CallError::Answer(Problem::Rejected(rejection))) => return Err(Refusal::Rejected(rejection)),
            Err(CallError::Answer(Problem::Duplicate(Some(id)))) => {
                return Ok(self.original_sale(transport, params, &id).await);
            }
            Err(CallError::Answer(Problem::Duplicate(None))) => Doubt::Contradictory,
            Err(CallError::Answer(Problem::Doubtful(doubt))) => doubt,
            Err(CallError::Call(error)) => error.into_doubt()?,
        };
        if doubt == Doubt::Pending {
            return Ok(Outcome::Unknown(doubt));
        }
        self.lookup_charge(transport, params, true, doubt).await
    }

    /// After a lost answer: by reference, then with the same key.
    pub(super) async fn lookup_charge(
        &self,
        transport: &Transport,
        params: &ChargeParams<'_>,
        repeat: bool,
        mut doubt: Doubt,
    ) -> Result<Outcome, Refusal> {
        let mut readable = false;
        for pause in [None, Some(PAUSES[0]), Some(PAUSES[1])] {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            match self.by_reference(transport, params.reference).await {
                Ok(Some(transaction)) => {
                    return Ok(self.outcome(&transaction, Some((params.amount, params.reference))));
                }
                Ok(None) => readable = true,
                Err(Error::Doubtful(why)) => doubt = why,
                Err(Error::Refused(_) | Error::SignatureInvalid | Error::Incomplete(_)) => {}
            }
        }
        // Only where the platform itself said that it knows of nothing.
        if !repeat || !readable {
            return Ok(Outcome::Unknown(doubt));
        }
        // What cannot be sent again says nothing about the first try either.
        let Ok(sale) = self.sale(params) else {
            return Ok(Outcome::Unknown(doubt));
        };
        match self.fetch(transport, &sale).await {
            Ok(transaction) => Ok(self.outcome(&transaction, Some((params.amount, params.reference)))),
            Err(CallError::Answer(Problem::Duplicate(Some(id)))) => {
                Ok(self.original_sale(transport, params, &id).await)
            }
            // Also a refusal: it says nothing about the first try.
            Err(CallError::Answer(Problem::Doubtful(doubt)) | CallError::Call(Error::Doubtful(doubt))) => {
                match self.by_reference(transport, params.reference).await {
                    Ok(Some(transaction)) => {
                        Ok(self.outcome(&transaction, Some((params.amount, params.reference))))
                    }
                    Ok(None) | Err(_) => Ok(Outcome::Unknown(doubt)),
                }
            }
            Err(_) => Ok(Outcome::Unknown(doubt)),
        }
    }

    async fn original_sale(&self, transport: &Transport, params: &ChargeParams<'_>, id: &str) -> Outcome {
        match self.original(transport, id).await {
            Some(transaction) => self.outcome(&transaction, Some((params.amount, params.reference))),
            None => Outcome::Unknown(Doubt::Undecodable),
        }
    }

    /// A transaction that the platform named, which may not be readable yet.
    async fn original(&self, transport: &Transport, id: &str) -> Option<Value> {
        if !is_id("TRN_", id) {
            return None;
        }
        for pause in [None, Some(PAUSES[0]), Some(PAUSES[1]), Some(PAUSES[2])] {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            let call = Call::get(format!("/transactions/{id}"));
            if let Ok(transaction) = self.fetch(transport, &call).await
                && text(&transaction, "/id") == Some(id)
            {
                return Some(transaction);
            }
        }
        None
    }

    /// The sale of a reference: of several transactions, which its captures and refunds may be, the first.
    async fn by_reference(&self, transport: &Transport, reference: &str) -> Result<Option<Value>, Error> {
        let path = query(
            "/transactions",
            &[
                ("page", "1"),
                ("page_size", "100"),
                ("order", "ASC"),
                ("order_by", "TIME_CREATED"),
                ("reference", reference),
            ],
        );
        let mut list = self.fetch(transport, &Call::get(path)).await?;
        let Some(Value::Array(transactions)) = list.get_mut("transactions").map(Value::take) else {
            return Err(Error::Doubtful(Doubt::Undecodable));
        };
        let ours = transactions.into_iter().filter(|transaction| {
            text(transaction, "/reference") == Some(reference)
                && deciding(transaction, "/type").is_none_or(|kind| kind == "SALE")
        });
        // Times are texts of one form, so that they compare as texts; the list is in that order already.
        Ok(ours.min_by(|a, b| text(a, "/time_created").cmp(&text(b, "/time_created"))))
    }

    /// Sales and refunds of a day. Captures and reversals are the state of their sale.
    pub(super) async fn list_day(
        &self,
        transport: &Transport,
        day: &str,
        page: u32,
    ) -> Result<Listing, Error> {
        let (number, size) = (page.to_string(), LIST_PAGE.to_string());
        let path = query(
            "/transactions",
            &[
                ("page", &number),
                ("page_size", &size),
                ("order", "ASC"),
                ("order_by", "TIME_CREATED"),
                ("from_time_created", day),
                ("to_time_created", day),
            ],
        );
        let list = self.fetch(transport, &Call::get(path)).await?;
        let Some(Value::Array(transactions)) = list.get("transactions") else {
            return Err(Error::Doubtful(Doubt::Undecodable));
        };
        let mut items = Vec::new();
        for transaction in transactions {
            let kind = match deciding(transaction, "/type") {
                Some("SALE") => ListedKind::Charge,
                Some("REFUND") => ListedKind::Refund,
                _ => continue,
            };
            items.push(Listed {
                kind,
                platform_id: text(transaction, "/id").map(identifier).unwrap_or_default(),
                reference: text(transaction, "/reference")
                    .filter(|reference| !reference.is_empty())
                    .map(Into::into),
                amount: amount(transaction),
                outcome: self.outcome(transaction, None),
            });
        }
        Ok(Listing {
            items,
            more: transactions.len() >= LIST_PAGE,
        })
    }

    /// Captures, undoes or pays back.
    pub(super) async fn change(
        &self,
        transport: &Transport,
        payment: &PaymentRef<'_>,
        verb: Verb,
        amount: Option<&Amount>,
    ) -> Result<Change, Refusal> {
        let id = match payment.platform_id {
            Some(id) => id.to_owned(),
            // A payment that the merchant resolved by hand.
            None => match self.by_reference(transport, payment.reference).await {
                Ok(found) => found
                    .and_then(|transaction| text(&transaction, "/id").map(Into::into))
                    .ok_or(Refusal::Invalid("platform_id"))?,
                Err(error) => return Err(error.before_sending()),
            },
        };
        if !is_id("TRN_", &id) {
            return Err(Refusal::Invalid("platform_id"));
        }
        let body = match amount {
            Some(amount) => json!({ "amount": amount.minor().to_string() }),
            None => json!({}),
        };
        let call = Call::post(
            format!("/transactions/{id}/{}", verb.path()),
            payment.attempt,
            body,
        );
        let mut lost = payment.again.then_some(Doubt::Interrupted);
        for pause in [None, Some(PAUSES[0]), Some(PAUSES[1])] {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            match self.fetch(transport, &call).await {
                Ok(transaction) => return changed(&transaction, verb),
                Err(CallError::Answer(Problem::Duplicate(Some(id)))) => {
                    return match self.original(transport, &id).await {
                        Some(transaction) => changed(&transaction, verb),
                        None => Ok(Change::Unknown(Doubt::Undecodable)),
                    };
                }
                Err(CallError::Answer(Problem::Rejected(rejection))) => {
                    return match lost {
                        None => Err(Refusal::Rejected(rejection)),
                        Some(doubt) => self.after_refusal(transport, &id, verb, rejection, doubt).await,
                    };
                }
                Err(CallError::Answer(Problem::Duplicate(None))) => lost = Some(Doubt::Contradictory),
                Err(
                    CallError::Answer(Problem::Doubtful(doubt)) | CallError::Call(Error::Doubtful(doubt)),
                ) => {
                    lost = Some(doubt);
                }
                Err(CallError::Call(error)) => {
                    return match (lost, error.into_doubt()) {
                        (Some(doubt), _) | (None, Ok(doubt)) => Ok(Change::Unknown(doubt)),
                        (None, Err(refusal)) => Err(refusal),
                    };
                }
            }
        }
        Ok(Change::Unknown(lost.unwrap_or(Doubt::Interrupted)))
    }

    /// The second try was refused: the transaction itself says whether the first one worked. Of a refund it does
    /// not.
    async fn after_refusal(
        &self,
        transport: &Transport,
        id: &str,
        verb: Verb,
        rejection: Rejection,
        doubt: Doubt,
    ) -> Result<Change, Refusal> {
        let Some(transaction) = self.original(transport, id).await else {
            return Ok(Change::Unknown(doubt));
        };
        match (verb, state(&transaction)) {
            (Verb::Reversal, State::Reversed) | (Verb::Capture, State::Captured) => Ok(Change::Done),
            (Verb::Reversal, State::Captured | State::Authorized) | (Verb::Capture, State::Authorized) => {
                Err(Refusal::Rejected(rejection))
            }
            (
                Verb::Refund | Verb::Reversal | Verb::Capture,
                State::Captured
                | State::Authorized
                | State::Reversed
                | State::Declined(_)
                | State::Pending
                | State::Foreign
                | State::Contradictory,
            ) => Ok(Change::Unknown(doubt)),
        }
    }
}

/// What the answer of a change says.
fn changed(transaction: &Value, verb: Verb) -> Result<Change, Refusal> {
    if !text(transaction, "/id").is_some_and(|id| is_id("TRN_", id)) {
        return Ok(Change::Unknown(Doubt::Undecodable));
    }
    match (state(transaction), verb) {
        (State::Captured, Verb::Capture | Verb::Refund) | (State::Reversed, Verb::Reversal) => {
            Ok(Change::Done)
        }
        (State::Declined(word), _) => {
            let decline = decline(transaction, word);
            Err(Refusal::Rejected(Rejection {
                code: decline.code,
                name: Some("DECLINED".into()),
                message: decline.message.unwrap_or(decline.reason),
                status: None,
            }))
        }
        (State::Pending, _) => Ok(Change::Unknown(Doubt::Pending)),
        (State::Foreign, _) => Ok(Change::Unknown(Doubt::Undecodable)),
        (State::Captured | State::Authorized | State::Reversed | State::Contradictory, _) => {
            Ok(Change::Unknown(Doubt::Contradictory))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(status: &str, result: &str) -> Value {
        json!({ "id": "TRN_1", "status": status, "amount": "1999", "currency": "USD", "reference": "r",
            "action": { "result_code": result }, "payment_method": { "result": "51", "message": "no" } })
    }

    #[test]
    fn judges_by_status_and_result_together() {
        for (status, result, expected) in [
            ("CAPTURED", "SUCCESS", State::Captured),
            ("BATCHED", "SUCCESS", State::Captured),
            ("FUNDED", "SUCCESS", State::Captured),
            ("CAPTURED", "DECLINED", State::Contradictory),
            ("PREAUTHORIZED", "SUCCESS", State::Authorized),
            ("PREAUTHORIZED", "DECLINED", State::Contradictory),
            ("REVERSED", "SUCCESS", State::Reversed),
            ("DECLINED", "DECLINED", State::Declined(None)),
            // Reading a declined transaction is itself a success.
            ("DECLINED", "SUCCESS", State::Declined(None)),
            (
                "REJECTED",
                "SUCCESS",
                State::Declined(Some("rejected_in_funding")),
            ),
            ("FAILED", "", State::Declined(Some("failed"))),
            ("INITIATED", "SUCCESS", State::Pending),
            ("PENDING", "SUCCESS", State::Pending),
            ("FOR_REVIEW", "SUCCESS", State::Pending),
            ("AUTHENTICATED", "SUCCESS", State::Pending),
            ("SETTLED_SOMEHOW", "SUCCESS", State::Foreign),
            ("", "SUCCESS", State::Foreign),
        ] {
            assert_eq!(state(&transaction(status, result)), expected, "{status} {result}");
        }
    }

    #[test]
    fn another_amount_currency_or_reference_is_not_our_payment() {
        let mistakes = crate::settings::Mistakes::default();
        let tree = json!({ "app_id": "a", "app_key": "k" });
        let gateway =
            GpApi::from_settings(&crate::Settings::root(tree.as_object().unwrap(), &mistakes)).unwrap();
        let amount = Amount::parse("19.99", "USD").unwrap();
        let outcome = |transaction: &Value| gateway.outcome(transaction, Some((&amount, "r")));
        let good = transaction("CAPTURED", "SUCCESS");
        assert!(matches!(outcome(&good), Outcome::Approved(_)));
        for (name, value, doubt) in [
            ("amount", "1998", Doubt::Contradictory),
            ("amount", "19.99", Doubt::Contradictory),
            ("currency", "EUR", Doubt::Contradictory),
            ("reference", "other", Doubt::WrongReference),
            ("id", "TRN_../x", Doubt::Undecodable),
        ] {
            let mut wrong = good.clone();
            wrong[name] = value.into();
            assert_eq!(outcome(&wrong), Outcome::Unknown(doubt), "{name}");
        }
        let Outcome::Declined(decline) = outcome(&transaction("DECLINED", "DECLINED")) else {
            panic!("not declined");
        };
        assert_eq!(
            (decline.code.as_deref(), decline.reason.as_str()),
            (Some("51"), "insufficient_funds")
        );
    }
}
