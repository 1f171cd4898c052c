//! `/settlement/transactions` and `/settlement/deposits`: what was captured, and the resulting money.
//!
//! Simple on purpose: everything captured is settled after the time in the settings, and the deposit of a day
//! contains everything settled on it in one currency. Fees, splits and the results of disputes are not
//! simulated. The shapes are those that the official clients read and have in their tests.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::book::{Status, Transaction};
use super::lists::{DEPOSIT_ORDERS, List, Page, TRANSACTION_ORDERS};
use super::refusal::Refusal;
use super::wire::Account;
use super::{Answer, Call, GpApi, Ledger, alphanumerics, timestamp};

/// The merchant in the acquirer's own system.
const MID: &str = "101023947262";
const HIERARCHY: &str = "055-70-024-011-019";
/// The bank account that is paid into.
const ACCOUNT_LAST4: &str = "9999";

/// A captured transaction, once it is settled.
struct Settled<'a> {
    transaction: &'a Transaction,
    at: OffsetDateTime,
    deposit: String,
}

impl Settled<'_> {
    fn amount(&self) -> u64 {
        if self.transaction.kind == "SALE" {
            self.transaction.captured
        } else {
            self.transaction.amount
        }
    }
}

/// What is paid out for one day and currency.
struct Deposit {
    id: String,
    at: OffsetDateTime,
    currency: String,
    sales: (usize, i128),
    refunds: (usize, i128),
}

impl Deposit {
    fn amount(&self) -> i128 {
        self.sales.1 + self.refunds.1
    }

    fn answer(&self) -> Value {
        let total = |(count, amount): (usize, i128)| {
            let text = if count == 0 {
                String::new()
            } else {
                amount.to_string()
            };
            json!({ "count": count, "amount": text })
        };
        let none = total((0, 0));
        json!({
            "id": self.id,
            "time_created": day(self.at),
            "status": "FUNDED",
            "funding_type": if self.amount() < 0 { "DEBIT" } else { "CREDIT" },
            "amount": self.amount().to_string(),
            "currency": self.currency,
            "aggregation_model": "H-By Date",
            "bank_transfer": {
                "masked_account_number_last4": format!("XXXXXX{ACCOUNT_LAST4}"),
                "bank": { "code": "XXXXX0001" },
            },
            "system": system(),
            "sales": total(self.sales),
            "refunds": total(self.refunds),
            "discounts": none,
            "tax": none,
            "disputes": { "chargebacks": none, "reversals": none },
            "fees": { "amount": "" },
        })
    }
}

/// `YYYY-MM-DD`.
fn day(at: OffsetDateTime) -> String {
    timestamp(at).chars().take(10).collect()
}

fn system() -> Value {
    json!({ "mid": MID, "hierarchy": HIERARCHY, "name": "XYZ LTD.", "dba": "XYZ Group" })
}

/// What an acquirer and a deposit are filtered by. A hierarchy has a form of its own.
fn system_fits(list: &List) -> Result<bool, Refusal> {
    if let Some(hierarchy) = list.filter("system.hierarchy") {
        let form = hierarchy
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-');
        if !form {
            return Err(Refusal::invalid_value("system.hierarchy"));
        }
    }
    Ok(list.matches("system.mid", MID) && list.matches("system.hierarchy", HIERARCHY))
}

/// 23 digits, always the same for a transaction.
fn arn(transaction: &Transaction) -> String {
    let digits = transaction.id.bytes().cycle().take(22);
    let digits: String = digits.map(|byte| char::from(b'0' + byte % 10)).collect();
    format!("2{digits}")
}

impl GpApi {
    fn settled<'a>(ledger: &'a Ledger, now: OffsetDateTime) -> Vec<Settled<'a>> {
        let wait = Duration::seconds(ledger.settings.settled_after_seconds.into());
        let all = ledger.book.transactions(None).into_iter();
        all.filter(|transaction| transaction.status == Status::Captured && !transaction.held)
            .filter_map(|transaction| {
                let at = transaction.created_at.checked_add(wait)?;
                (at <= now).then(|| Settled {
                    transaction,
                    at,
                    deposit: format!("DEP_{}{}", day(at).replace('-', ""), transaction.currency),
                })
            })
            .collect()
    }

    /// Whether the account that a query names is the one of the data.
    pub(crate) fn data_account(&self, list: &List) -> Result<&Account, Refusal> {
        let account = self
            .app
            .accounts
            .iter()
            .find(|account| account.id.starts_with("DAA_"));
        account
            .filter(|account| {
                list.filter("account_name")
                    .is_none_or(|name| name == account.name)
                    && list.filter("account_id").is_none_or(|id| id == account.id)
            })
            .ok_or_else(Refusal::wrong_account)
    }

    pub(crate) fn list_settled(&self, ledger: &Ledger, call: &Call<'_>) -> Answer {
        let list = List::read(&call.query()?, call.now, &TRANSACTION_ORDERS)?;
        let account = self.data_account(&list)?;
        let ours = system_fits(&list)?;
        let all = Self::settled(ledger, call.now);
        let mut kept: Vec<_> = all
            .iter()
            .filter(|settled| {
                let Settled {
                    transaction,
                    at,
                    deposit,
                } = settled;
                ours && list.covers(transaction.created_at)
                    && list.matches("reference", &transaction.reference)
                    && list.matches("status", "FUNDED")
                    && list.matches("number_first6", &transaction.card.first6)
                    && list.matches("number_last4", &transaction.card.last4)
                    && list.matches("brand", transaction.card.brand)
                    && list.matches("brand_reference", &transaction.brand_reference)
                    && list.matches("authcode", &transaction.authcode)
                    && list.matches("arn", &arn(transaction))
                    && list.matches("deposit_id", deposit)
                    && list.matches("deposit_status", "FUNDED")
                    && list.within("deposit_time_created", &timestamp(*at))
                    && list.within("batch_time_created", &timestamp(transaction.created_at))
            })
            .collect();
        list.sort(&mut kept, |settled, by| match by {
            "ID" => settled.transaction.id.clone(),
            "TYPE" => settled.transaction.kind.into(),
            "DEPOSIT_ID" => settled.deposit.clone(),
            _ => String::new(),
        });
        let Page { total, items } = list.page(&kept);
        let items = items.into_iter().map(|settled| self.settled_answer(settled));
        Ok(list.answer(
            &self.app,
            Some(account),
            total,
            "transactions",
            items.collect(),
            "SETTLEMENT_TRANSACTION_LIST",
        ))
    }

    fn settled_answer(&self, settled: &Settled<'_>) -> Value {
        let transaction = settled.transaction;
        let card = &transaction.card;
        let mut answer = self.read_back(transaction);
        let more = json!({
            "status": "FUNDED",
            "amount": settled.amount().to_string(),
            "deposit_id": settled.deposit,
            "deposit_time_created": timestamp(settled.at),
            "deposit_status": "FUNDED",
            "batch_time_created": timestamp(transaction.created_at),
            "system": system(),
        });
        if let (Some(fields), Value::Object(more)) = (answer.as_object_mut(), more) {
            fields.extend(more);
        }
        if let Some(fields) = answer
            .pointer_mut("/payment_method/card")
            .and_then(Value::as_object_mut)
        {
            fields.insert("arn".into(), arn(transaction).into());
            fields.insert("brand".into(), card.brand.into());
        }
        answer
    }

    /// By id, so in the order of their days.
    fn deposits(ledger: &Ledger, now: OffsetDateTime) -> Vec<Deposit> {
        let mut deposits: BTreeMap<String, Deposit> = BTreeMap::new();
        for settled in Self::settled(ledger, now) {
            let deposit = deposits
                .entry(settled.deposit.clone())
                .or_insert_with(|| Deposit {
                    id: settled.deposit.clone(),
                    at: settled.at,
                    currency: settled.transaction.currency.clone(),
                    sales: (0, 0),
                    refunds: (0, 0),
                });
            let amount = i128::from(settled.amount());
            if settled.transaction.kind == "SALE" {
                deposit.sales = (deposit.sales.0 + 1, deposit.sales.1 + amount);
            } else {
                deposit.refunds = (deposit.refunds.0 + 1, deposit.refunds.1 - amount);
            }
        }
        deposits.into_values().collect()
    }

    pub(crate) fn list_deposits(&self, ledger: &Ledger, call: &Call<'_>) -> Answer {
        let list = List::read(&call.query()?, call.now, &DEPOSIT_ORDERS)?;
        let account = self.data_account(&list)?;
        let ours = system_fits(&list)?;
        let all = Self::deposits(ledger, call.now);
        let mut kept: Vec<_> = all
            .iter()
            .filter(|deposit| {
                ours && list.covers(deposit.at)
                    && list.matches("id", &deposit.id)
                    && list.matches("status", "FUNDED")
                    && list.matches("masked_account_number_last4", ACCOUNT_LAST4)
                    && list.matches_amount(&deposit.amount().to_string())
            })
            .collect();
        list.sort(&mut kept, |deposit, by| match by {
            "TYPE" => (deposit.amount() >= 0).to_string(),
            _ => deposit.id.clone(),
        });
        let Page { total, items } = list.page(&kept);
        Ok(list.answer(
            &self.app,
            Some(account),
            total,
            "deposits",
            items.into_iter().map(Deposit::answer).collect(),
            "DEPOSIT_LIST",
        ))
    }

    pub(crate) fn read_deposit(&self, ledger: &Ledger, call: &Call<'_>) -> Answer {
        let all = Self::deposits(ledger, call.now);
        let found = all.iter().find(|deposit| deposit.id == call.id);
        let deposit =
            found.ok_or_else(|| Refusal::nothing_to_read("Deposits", "settlement/deposits", &call.id))?;
        let mut answer = deposit.answer();
        if let Some(fields) = answer.as_object_mut() {
            let id = format!("ACT_{}", alphanumerics(30));
            fields.insert(
                "action".into(),
                self.action(&id, "DEPOSIT_SINGLE", "SUCCESS", call),
            );
        }
        Ok(answer)
    }
}
