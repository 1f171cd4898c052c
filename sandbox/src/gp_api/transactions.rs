//! `/transactions`: charges, and what follows them.

use serde_json::{Value, json};
use time::Duration;

use super::book::{Resource, Status, Transaction};
use super::cards::{CardDescription, Instrument, Storage, wants_fingerprint};
use super::fields::Fields;
use super::issuer::{self, APPROVED};
use super::lists::{List, Page, TRANSACTION_ORDERS};
use super::payment_methods::USAGE_MODES;
use super::refusal::Refusal;
use super::{Answer, Call, GpApi, Ledger, alphanumerics, timestamp};

/// How a card can have been entered without the card there.
pub(crate) const ENTRY_MODES: [&str; 5] = ["ECOM", "IN_APP", "MOTO", "MAIL", "PHONE"];

/// How much of an authorization can be captured.
const CAPTURE_PERCENT: u64 = 115;

/// What an approval is known by at the issuer.
pub(crate) fn authcode(approved: bool) -> String {
    if approved {
        alphanumerics(6).to_uppercase()
    } else {
        String::new()
    }
}

/// What the card's brand knows it by.
pub(crate) fn brand_reference(approved: bool) -> String {
    if approved {
        alphanumerics(16)
    } else {
        String::new()
    }
}

/// A new id: random, and the end of the reference. `ACT_` with the same random part names the action.
pub(crate) fn new_ids(reference: &str) -> (String, String) {
    let random = alphanumerics(30);
    // The platform's ids hold nothing else; what it makes of other characters is not known.
    let plain: String = reference
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-')
        .collect();
    let suffix = plain.get(plain.len().saturating_sub(12)..).unwrap_or_default();
    (format!("TRN_{random}_{suffix}"), format!("ACT_{random}"))
}

/// A charge or a standalone refund whose members are valid.
struct Order<'a> {
    refund: bool,
    amount: u64,
    currency: &'a str,
    country: &'a str,
    channel: &'a str,
    reference: &'a str,
    capture_mode: &'static str,
    entry_mode: &'static str,
    usage_mode: Option<&'static str>,
    storage: Storage,
    fingerprint: bool,
}

/// What an order may say besides.
struct Texts {
    holder: Option<String>,
    description: Option<String>,
    order_reference: Option<String>,
    initiator: Option<String>,
    status_url: Option<String>,
    authentication: Option<String>,
}

impl Texts {
    fn read(fields: &Fields) -> Result<Self, Refusal> {
        let text = |path: &str| fields.text(path).map(|text| text.map(str::to_owned));
        Ok(Self {
            holder: text("payment_method.name")?,
            description: text("description")?,
            order_reference: text("order.reference")?,
            initiator: text("initiator")?,
            status_url: text("notifications.status_url")?,
            authentication: text("payment_method.authentication.id")?,
        })
    }
}

impl<'a> Order<'a> {
    fn read(call: &'a Call<'_>) -> Result<Self, Refusal> {
        let fields = &call.fields;
        let refund = fields.one_of("type", &["SALE", "REFUND"])? == Some("REFUND");
        let permission = if refund {
            "TRN_POST_Refund_Standalone"
        } else {
            "TRN_POST_Authorize"
        };
        if !call.token.may(permission) {
            return Err(Refusal::not_permitted());
        }
        Ok(Self {
            refund,
            amount: fields
                .amount("amount")?
                .ok_or_else(|| Refusal::missing("amount"))?,
            currency: fields.letters("currency", 3)?,
            country: fields.letters("country", 2)?,
            channel: fields.needed("channel")?,
            reference: fields.needed("reference")?,
            capture_mode: fields
                .one_of("capture_mode", &["AUTO", "LATER", "MULTIPLE"])?
                .unwrap_or("AUTO"),
            entry_mode: {
                fields.needed("payment_method.entry_mode")?;
                fields
                    .one_of("payment_method.entry_mode", &ENTRY_MODES)?
                    .unwrap_or_default()
            },
            usage_mode: fields.one_of("payment_method.usage_mode", &USAGE_MODES)?,
            storage: Storage::read(fields)?,
            fingerprint: wants_fingerprint(fields, "payment_method.fingerprint_mode")?,
        })
    }

    /// Captured by a call of its own.
    fn later(&self) -> bool {
        self.capture_mode != "AUTO" && !self.refund
    }

    fn transaction(
        &self,
        id: String,
        call: &Call<'_>,
        texts: Texts,
        instrument: &Instrument,
        result: String,
    ) -> Transaction {
        let approved = result == APPROVED;
        let status = match (approved, self.later()) {
            (false, _) => Status::Declined,
            (true, true) => Status::Preauthorized,
            (true, false) => Status::Captured,
        };
        let captured = status == Status::Captured && !self.refund;
        Transaction {
            id,
            reference: self.reference.into(),
            amount: self.amount,
            currency: self.currency.into(),
            status,
            kind: if self.refund { "REFUND" } else { "SALE" },
            idempotency_key: call.key.map(str::to_owned),
            captured: if captured { self.amount } else { 0 },
            refunded: 0,
            payment_method: instrument.method_id().map(str::to_owned),
            usage_mode: self.usage_mode,
            card: instrument.card.clone(),
            authentication: texts.authentication,
            parent: None,
            created_at: call.now,
            updated_at: call.now,
            country: self.country.into(),
            capture_mode: self.capture_mode,
            entry_mode: self.entry_mode,
            holder: texts.holder,
            description: texts.description,
            order_reference: texts.order_reference,
            initiator: texts.initiator,
            status_url: texts.status_url,
            authcode: authcode(approved),
            batch_id: batch(status),
            brand_reference: brand_reference(approved),
            held: false,
            fingerprint: self.fingerprint,
            result,
        }
    }
}

impl GpApi {
    pub(crate) fn charge(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let fields = &call.fields;
        let order = Order::read(call)?;
        let given = self.given(call)?;
        self.account(fields, &call.token, "TRA_")?
            .ok_or_else(|| Refusal::missing_one_of("account_id, account_name"))?;
        if order.channel != "CNP" {
            let Order {
                country,
                channel,
                currency,
                ..
            } = order;
            return Err(Refusal::not_configured(country, channel, currency));
        }
        if order.usage_mode == Some("USE_NETWORK_TOKEN") && !ledger.settings.network_tokens {
            return Err(Refusal::not_permitted());
        }
        let texts = Texts::read(fields)?;
        let instrument = self.instrument(ledger, call, given)?;
        let authenticated = Self::authenticated(ledger, &texts, &instrument)?;
        let mut result = Self::authorize(ledger, call, &instrument, order.currency)?;
        let demanded = ledger.settings.authentication_required && !order.refund;
        if result == APPROVED && demanded && !authenticated {
            result = issuer::AUTHENTICATION_REQUIRED.into();
        }
        let stored = Self::store(ledger, call, &instrument, order.storage, result == APPROVED);
        let (id, action_id) = new_ids(order.reference);
        let transaction = order.transaction(id, call, texts, &instrument, result);
        let action = match (order.refund, order.later()) {
            (true, _) => "REFUND",
            (false, true) => "PREAUTHORIZE",
            (false, false) => "AUTHORIZE",
        };
        let answer = self.made(&transaction, call, &action_id, action, stored.as_deref());
        ledger
            .book
            .remember_key(Resource::Transaction, call.key, &transaction.id);
        ledger.book.add_transaction(transaction);
        Ok(answer)
    }

    /// Whether a charge comes with an authentication for which the issuer is liable. One that failed, or that is of
    /// another amount, is taken all the same, as the platform's own sandbox does: it is the merchant's to refuse. What
    /// the platform says of an unknown id is not documented.
    fn authenticated(ledger: &Ledger, texts: &Texts, instrument: &Instrument) -> Result<bool, Refusal> {
        let Some(id) = &texts.authentication else {
            return Ok(false);
        };
        let mut known = ledger.book.authentications.iter();
        known
            .find(|known| known.id == *id && known.is_of(&instrument.card))
            .map(|known| known.shifts_liability())
            .ok_or_else(|| Refusal::no_authentication(id))
    }

    pub(crate) fn capture(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let requested = call.fields.amount("amount")?;
        let charge = Self::charged(ledger, call)?;
        if charge.held {
            return Err(Refusal::held());
        }
        let more = charge.capture_mode == "MULTIPLE" && charge.status == Status::Captured;
        if charge.kind != "SALE" || !(charge.status == Status::Preauthorized || more) {
            return Err(Refusal::wrong_state("CAPTURE", charge.status.as_str()));
        }
        let amount = requested.unwrap_or_else(|| charge.amount.saturating_sub(charge.captured));
        let total = charge.captured.saturating_add(amount);
        if total.saturating_mul(100) > charge.amount.saturating_mul(CAPTURE_PERCENT) {
            return Err(Refusal::capture_limit());
        }
        charge.captured = total;
        charge.status = Status::Captured;
        charge.updated_at = call.now;
        charge.batch_id = batch(Status::Captured);
        let mut view = charge.clone();
        view.amount = amount;
        Ok(self.followed(ledger, call, view, "CAPTURE"))
    }

    pub(crate) fn reverse(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let requested = call.fields.amount("amount")?;
        let charge = Self::charged(ledger, call)?;
        let open = matches!(charge.status, Status::Preauthorized | Status::Captured);
        // A refund has left with the charge it is of: how the platform sees that is not known.
        if !open || charge.refunded > 0 {
            return Err(Refusal::wrong_state("REVERSE", charge.status.as_str()));
        }
        let whole = if charge.captured > 0 {
            charge.captured
        } else {
            charge.amount
        };
        if requested.is_some_and(|requested| requested != whole && requested != charge.amount) {
            return Err(Refusal::partial_reversal());
        }
        charge.status = Status::Reversed;
        charge.updated_at = call.now;
        let view = charge.clone();
        Ok(self.followed(ledger, call, view, "REVERSE"))
    }

    pub(crate) fn refund(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let requested = call.fields.amount("amount")?;
        let reference = call.fields.text("reference")?.map(str::to_owned);
        let percent = u64::from(ledger.settings.refund_percent);
        let charge = Self::charged(ledger, call)?;
        if charge.kind != "SALE" || charge.status != Status::Captured {
            let status = charge.status.as_str();
            return Err(Refusal::refund_limit(format!(
                "You can't refund a {status} transaction"
            )));
        }
        let amount = requested.unwrap_or_else(|| charge.captured.saturating_sub(charge.refunded));
        let total = charge.refunded.saturating_add(amount);
        if amount == 0 || total.saturating_mul(100) > charge.captured.saturating_mul(percent) {
            // The blank at the end is the platform's.
            let text = format!("You may only refund up to {percent}% of the original amount ");
            return Err(Refusal::refund_limit(text));
        }
        charge.refunded = total;
        charge.updated_at = call.now;
        let charge = charge.clone();
        let reference = reference.unwrap_or_else(|| charge.reference.clone());
        let (id, action_id) = new_ids(&reference);
        let refund = Transaction {
            id,
            reference,
            amount,
            status: Status::Captured,
            kind: "REFUND",
            idempotency_key: call.key.map(str::to_owned),
            captured: 0,
            refunded: 0,
            parent: Some(charge.id.clone()),
            created_at: call.now,
            updated_at: call.now,
            capture_mode: "AUTO",
            authcode: String::new(),
            batch_id: batch(Status::Captured),
            brand_reference: brand_reference(true),
            ..charge
        };
        let answer = self.made(&refund, call, &action_id, "REFUND", None);
        ledger
            .book
            .remember_key(Resource::Transaction, call.key, &refund.id);
        ledger.book.add_transaction(refund);
        Ok(answer)
    }

    /// The charge that a follow-up is for, by its own id or by that of an earlier follow-up.
    pub(crate) fn charged<'a>(
        ledger: &'a mut Ledger,
        call: &Call<'_>,
    ) -> Result<&'a mut Transaction, Refusal> {
        ledger
            .book
            .transaction(&call.id)
            .ok_or_else(|| Refusal::no_transaction(&call.id))
    }

    /// Answers a capture or a reversal: with an id of its own, that leads to the charge.
    pub(crate) fn followed(
        &self,
        ledger: &mut Ledger,
        call: &Call<'_>,
        mut view: Transaction,
        action: &str,
    ) -> Value {
        let (id, action_id) = new_ids(&view.reference);
        ledger.book.add_alias(id.clone(), &view.id);
        ledger.book.remember_key(Resource::Transaction, call.key, &id);
        view.id = id;
        view.created_at = call.now;
        self.made(&view, call, &action_id, action, None)
    }

    pub(crate) fn read_transaction(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let wait = Duration::milliseconds(ledger.settings.readable_after_ms.into());
        let found = ledger
            .book
            .transaction(&call.id)
            .filter(|transaction| call.now - transaction.created_at >= wait)
            .ok_or_else(|| Refusal::nothing_to_read("Transactions", "transactions", &call.id))?;
        let mut answer = self.read_back(found);
        if let Some(fields) = answer.as_object_mut() {
            if found.id != call.id {
                fields.insert("parent_resource_id".into(), found.id.clone().into());
                fields.insert("id".into(), call.id.clone().into());
            }
            fields.insert(
                "action".into(),
                self.action(
                    &format!("ACT_{}", alphanumerics(30)),
                    "TRANSACTION_SINGLE",
                    "SUCCESS",
                    call,
                ),
            );
        }
        Ok(answer)
    }

    pub(crate) fn list_transactions(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let list = List::read(&call.query()?, call.now, &TRANSACTION_ORDERS)?;
        let by_token = list.filter("token_first6").or(list.filter("token_last4"));
        if by_token.is_some() && list.filter("payment_method").is_some() {
            return Err(Refusal::unexpected_fields("payment_method"));
        }
        let wait = Duration::milliseconds(ledger.settings.readable_after_ms.into());
        let account = self
            .app
            .accounts
            .iter()
            .find(|account| account.id.starts_with("TRA_"));
        let account_fits = account.is_some_and(|account| {
            list.filter("account_name")
                .is_none_or(|name| name == account.name)
                && list.filter("account_id").is_none_or(|id| id == account.id)
        });
        if !account_fits {
            return Err(Refusal::wrong_account());
        }
        let all = ledger.book.transactions(list.filter("reference"));
        let mut kept: Vec<_> = all
            .into_iter()
            .filter(|transaction| {
                call.now - transaction.created_at >= wait
                    && list.covers(transaction.created_at)
                    && list.matches("id", &transaction.id)
                    && list.matches("type", transaction.kind)
                    && list.matches("status", transaction.status.as_str())
                    && list.matches_amount(&transaction.amount.to_string())
                    && list.matches("currency", &transaction.currency)
                    && list.matches("country", &transaction.country)
                    && list.matches("channel", "CNP")
                    && list.matches("brand", transaction.card.brand)
                    && list.matches("number_first6", &transaction.card.first6)
                    && list.matches("number_last4", &transaction.card.last4)
                    && list.matches("authcode", &transaction.authcode)
                    && list.matches("entry_mode", transaction.entry_mode)
                    && list.matches("batch_id", &transaction.batch_id)
                    && list.matches("brand_reference", &transaction.brand_reference)
                    && list.matches("name", transaction.holder.as_deref().unwrap_or_default())
                    && list.matches("payment_method", "CARD")
                    // Tokens of wallets, which are not played.
                    && by_token.is_none()
            })
            .collect();
        list.sort(&mut kept, |transaction, by| match by {
            "ID" => transaction.id.clone(),
            "TYPE" => transaction.kind.into(),
            "STATUS" => transaction.status.as_str().into(),
            _ => String::new(),
        });
        let Page { total, items } = list.page(&kept);
        let items = items
            .into_iter()
            .map(|transaction| self.read_back(transaction))
            .collect();
        Ok(list.answer(
            &self.app,
            account,
            total,
            "transactions",
            items,
            "TRANSACTION_LIST",
        ))
    }

    /// A transaction as the answer of what made it.
    pub(crate) fn made(
        &self,
        transaction: &Transaction,
        call: &Call<'_>,
        action_id: &str,
        action: &str,
        stored: Option<&str>,
    ) -> Value {
        let mut answer = self.common(transaction);
        let result_code = if transaction.status == Status::Declined {
            "DECLINED"
        } else {
            "SUCCESS"
        };
        if let Some(fields) = answer.as_object_mut() {
            let payment_method = CardDescription {
                card: &transaction.card,
                result: &transaction.result,
                authcode: &transaction.authcode,
                brand_reference: &transaction.brand_reference,
                entry_mode: transaction.entry_mode,
                fingerprint: transaction.fingerprint,
                id: stored,
                name: transaction.holder.as_deref(),
            };
            fields.insert("payment_method".into(), payment_method.answer());
            fields.insert("action".into(), self.action(action_id, action, result_code, call));
        }
        answer
    }

    /// A transaction as it is read later: more fields, and the number masked in another way.
    pub(crate) fn read_back(&self, transaction: &Transaction) -> Value {
        let card = &transaction.card;
        let hidden = "X".repeat(card.digits.saturating_sub(10));
        let [cvv, address, postal_code] = card.checked().map(issuer::check_word);
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        let mut answer = self.common(transaction);
        let more = json!({
            "time_last_updated": timestamp(transaction.updated_at),
            "description": or_empty(&transaction.description),
            "order_reference": or_empty(&transaction.order_reference),
            "time_created_reference": "",
            "initiator": or_empty(&transaction.initiator),
            "language": "",
            "ip_address": "",
            "site_reference": "",
            "action_create_id": "",
            "parent_resource_id": or_empty(&transaction.parent),
            "payment_method": {
                "result": transaction.result,
                "message": issuer::message(&transaction.result),
                "entry_mode": transaction.entry_mode,
                "name": or_empty(&transaction.holder),
                "card": {
                    "funding": "CREDIT",
                    "brand": card.brand,
                    "masked_number_first6last4": format!("{}{hidden}{}", card.first6, card.last4),
                    "authcode": transaction.authcode,
                    "brand_reference": transaction.brand_reference,
                    "cvv_indicator": "",
                    "cvv_result": cvv,
                    "avs_address_result": address,
                    "avs_postal_code_result": postal_code,
                },
            },
        });
        if let (Some(fields), Value::Object(more)) = (answer.as_object_mut(), more) {
            fields.extend(more);
        }
        answer
    }

    fn common(&self, transaction: &Transaction) -> Value {
        let account = self
            .app
            .accounts
            .iter()
            .find(|account| account.id.starts_with("TRA_"));
        json!({
            "id": transaction.id,
            "time_created": timestamp(transaction.created_at),
            "type": transaction.kind,
            "status": transaction.status.as_str(),
            "channel": "CNP",
            "capture_mode": transaction.capture_mode,
            "amount": transaction.amount.to_string(),
            "currency": transaction.currency,
            "country": transaction.country,
            "merchant_id": self.app.merchant_id,
            "merchant_name": self.app.merchant_name,
            "account_id": account.map(|account| &account.id),
            "account_name": account.map(|account| &account.name),
            "reference": transaction.reference,
            "batch_id": transaction.batch_id,
        })
    }

    pub(crate) fn action(&self, id: &str, kind: &str, result_code: &str, call: &Call<'_>) -> Value {
        json!({
            "id": id,
            "type": kind,
            "time_created": timestamp(call.now),
            "result_code": result_code,
            "app_id": self.app.id,
            "app_name": self.app.name,
        })
    }

    /// What a notification tells of a transaction.
    pub(crate) fn notification(&self, ledger: &mut Ledger, id: &str) -> Option<(Value, Option<String>)> {
        let transaction = ledger.book.transaction(id)?;
        let mut told = self.common(transaction);
        if let Some(fields) = told.as_object_mut() {
            fields.insert(
                "payment_method".into(),
                json!({
                    "result": transaction.result,
                    "message": issuer::message(&transaction.result),
                    "entry_mode": transaction.entry_mode,
                }),
            );
            fields.insert("action".into(), json!({ "type": "STATUS_NOTIFICATION" }));
        }
        Some((told, transaction.status_url.clone()))
    }
}

pub(crate) fn batch(status: Status) -> String {
    match status {
        Status::Captured => "BAT_1000001".into(),
        Status::Preauthorized | Status::Declined | Status::Reversed => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_ends_like_its_reference() {
        for (reference, suffix) in [
            ("0b7a0d4c-5f0b-4b4e-9d52-1234567890ab", "1234567890ab"),
            ("r-1", "r-1"),
            ("Bestellung 12/7 für Ñ", "tellung127fr"),
            ("", ""),
        ] {
            let (id, action) = new_ids(reference);
            let (random, end) = id[4..].split_once('_').unwrap();
            assert_eq!(
                (random.len(), end),
                (30, &suffix[suffix.len().saturating_sub(12)..])
            );
            assert_eq!(action, format!("ACT_{random}"));
        }
    }
}
