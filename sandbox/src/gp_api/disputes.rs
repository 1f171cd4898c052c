//! `/disputes` and `/settlement/disputes`: the disputes that the platform's own sandbox shows to everybody.
//!
//! They are always the same, except for their dates, and do not change when they are accepted or challenged, because
//! the tests of the official clients do both to one of them again and again. Ids, stages and most values are from
//! those tests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::book::Resource;
use super::lists::{DISPUTE_ORDERS, List, Page};
use super::refusal::Refusal;
use super::{Answer, Call, GpApi, Ledger, alphanumerics, timestamp};

const MID: &str = "627384967";
const HIERARCHY: &str = "111-23-099-001-001";
/// The deposit that holds the settled disputes.
const DEPOSIT: &str = "DEP_2342423443";

/// What is empty as long as no money was moved.
const EMPTY: [&str; 7] = [
    "last_adjustment_amount",
    "last_adjustment_currency",
    "last_adjustment_funding",
    "last_adjustment_time_created",
    "net_financial_amount",
    "net_financial_currency",
    "net_financial_funding",
];

struct Dispute {
    id: &'static str,
    stage: &'static str,
    status: &'static str,
    brand: &'static str,
    number: &'static str,
    arn: &'static str,
    result: &'static str,
    document: Option<&'static str>,
}

const DISPUTES: [Dispute; 4] = [
    Dispute {
        id: "DIS_SAND_abcd1234",
        stage: "RETRIEVAL",
        status: "WITH_MERCHANT",
        brand: "VISA",
        number: "424242xxxxxx4242",
        arn: "834523482349123",
        result: "PENDING",
        document: None,
    },
    Dispute {
        id: "DIS_SAND_abcd1235",
        stage: "RETRIEVAL",
        status: "CLOSED",
        brand: "VISA",
        number: "424242xxxxxx4242",
        arn: "135091790340196",
        result: "FULFILLED",
        document: Some("DOC_MyEvidence_234234AVCDE-1"),
    },
    Dispute {
        id: "DIS_SAND_abcd1241",
        stage: "CHARGEBACK",
        status: "WITH_MERCHANT",
        brand: "MASTERCARD",
        number: "543458xxxxxx7652",
        arn: "135091790340197",
        result: "PENDING",
        document: None,
    },
    Dispute {
        id: "DIS_SAND_abcd1245",
        stage: "CHARGEBACK",
        status: "UNDER_REVIEW",
        brand: "VISA",
        number: "424242xxxxxx4242",
        arn: "135091790340198",
        result: "PENDING",
        document: None,
    },
];

/// The one that moved money.
const SETTLED: Dispute = Dispute {
    id: "DIS_810",
    stage: "CHARGEBACK",
    status: "FUNDED",
    brand: "VISA",
    number: "424242xxxxxx4242",
    arn: "71400011129688701392096",
    result: "LOST",
    document: None,
};

impl Dispute {
    fn find(id: &str) -> Option<&'static Self> {
        DISPUTES.iter().find(|dispute| dispute.id == id)
    }

    /// When it came to its stage.
    fn staged_at(now: OffsetDateTime) -> OffsetDateTime {
        now - Duration::days(7)
    }

    fn answer(&self, app: &super::App, now: OffsetDateTime) -> Value {
        let account = app.accounts.iter().find(|account| account.id.starts_with("DIA_"));
        let ago = |days: i64| timestamp(now - Duration::days(days));
        let documents: Vec<Value> = self.document.iter().map(|id| json!({ "id": id })).collect();
        let mut answer = json!({
            "id": self.id,
            "time_created": ago(12),
            "merchant_id": app.merchant_id,
            "merchant_name": app.merchant_name,
            "account_id": account.map(|account| &account.id),
            "account_name": account.map(|account| &account.name),
            "status": self.status,
            "status_time_created": ago(10),
            "stage": self.stage,
            "stage_time_created": timestamp(Self::staged_at(now)),
            "amount": "1000",
            "currency": "USD",
            "payer_amount": "1000",
            "payer_currency": "USD",
            "merchant_amount": "1000",
            "merchant_currency": "USD",
            "reason_code": "104",
            "reason_description": "Other Fraud-Card Absent Environment",
            "time_to_respond_by": ago(-7),
            "result": self.result,
            "investigator_comment": "",
            "system": { "mid": MID, "hierarchy": HIERARCHY, "name": "ABC INC." },
            "payment_method_provider": [{
                "comment": "issuer comments 34523",
                "reference": "issuer-reference-0001",
                "documents": documents,
            }],
            "transaction": self.transaction(&ago(50)),
            "documents": documents,
        });
        if let Some(fields) = answer.as_object_mut() {
            for name in EMPTY {
                fields.insert(name.into(), "".into());
            }
        }
        answer
    }

    /// What the customer disputes.
    fn transaction(&self, made: &str) -> Value {
        json!({
            "time_created": made,
            "type": "SALE",
            "amount": "1000",
            "currency": "USD",
            "reference": "my-trans-AAA1",
            "remarks": "my-trans-AAA1",
            "payment_method": { "card": {
                "number": self.number,
                "arn": self.arn,
                "brand": self.brand,
                "authcode": "234AB",
                "brand_reference": "23423421342323A",
            } },
        })
    }

    fn fits(&self, list: &List, now: OffsetDateTime) -> bool {
        list.matches("status", self.status)
            && list.matches("stage", self.stage)
            && list.matches("brand", self.brand)
            && list.matches("arn", self.arn)
            && list.matches("system.mid", MID)
            && list.matches("system.hierarchy", HIERARCHY)
            && list.within("stage_time_created", &timestamp(Self::staged_at(now)))
    }

    fn key(&self, by: &str) -> &'static str {
        match by {
            "id" => self.id,
            "arn" => self.arn,
            "brand" => self.brand,
            "status" => self.status,
            "stage" => self.stage,
            _ => "",
        }
    }
}

impl GpApi {
    fn with_action(&self, mut answer: Value, call: &Call<'_>, kind: &str) -> Value {
        if let Some(fields) = answer.as_object_mut() {
            let id = format!("ACT_{}", alphanumerics(30));
            fields.insert("action".into(), self.action(&id, kind, "SUCCESS", call));
        }
        answer
    }

    pub(crate) fn list_disputes(&self, call: &Call<'_>) -> Answer {
        let list = List::read(&call.query()?, call.now, &DISPUTE_ORDERS)?;
        let mut kept: Vec<_> = DISPUTES
            .iter()
            .filter(|dispute| dispute.fits(&list, call.now))
            .collect();
        if kept.is_empty() && list.filter("arn").is_some() {
            return Err(Refusal::no_dispute_of_arn());
        }
        list.sort(&mut kept, |dispute, by| dispute.key(by).into());
        let Page { total, items } = list.page(&kept);
        let account = self
            .app
            .accounts
            .iter()
            .find(|account| account.id.starts_with("DIA_"));
        let items = items
            .into_iter()
            .map(|dispute| dispute.answer(&self.app, call.now));
        Ok(list.answer(
            &self.app,
            account,
            total,
            "disputes",
            items.collect(),
            "DISPUTE_LIST",
        ))
    }

    pub(crate) fn read_dispute(&self, call: &Call<'_>) -> Answer {
        let dispute = Dispute::find(&call.id).ok_or_else(Refusal::no_dispute)?;
        Ok(self.with_action(dispute.answer(&self.app, call.now), call, "DISPUTE_SINGLE"))
    }

    /// `GET /disputes/{id}/documents/{document}`.
    pub(crate) fn read_document(&self, call: &Call<'_>) -> Answer {
        let dispute = Dispute::find(&call.id).ok_or_else(Refusal::no_dispute)?;
        let id = dispute
            .document
            .filter(|id| *id == call.second_id)
            .ok_or_else(Refusal::no_document)?;
        let content = STANDARD.encode("evidence of the merchant");
        Ok(self.with_action(
            json!({ "id": id, "b64_content": content }),
            call,
            "DISPUTE_DOCUMENT_SINGLE",
        ))
    }

    /// `POST /disputes/{id}/acceptance`.
    pub(crate) fn accept_dispute(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let dispute = Dispute::find(&call.id).ok_or_else(Refusal::cannot_accept)?;
        let mut answer = dispute.answer(&self.app, call.now);
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("status".into(), "CLOSED".into());
            fields.insert("result".into(), "LOST".into());
        }
        ledger.book.remember_key(Resource::Dispute, call.key, dispute.id);
        Ok(self.with_action(answer, call, "ACCEPT"))
    }

    /// `POST /disputes/{id}/challenge`, with documents.
    pub(crate) fn challenge_dispute(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let dispute = Dispute::find(&call.id).ok_or_else(Refusal::cannot_challenge)?;
        let documents = call.fields.at("documents").and_then(Value::as_array);
        let contents = |document: &Value| document.get("b64_content").is_some_and(Value::is_string);
        let count = documents.map_or(0, |documents| {
            documents.iter().filter(|document| contents(document)).count()
        });
        if count == 0 {
            return Err(Refusal::challenge_without_document());
        }
        if count > 1 && dispute.stage == "RETRIEVAL" {
            return Err(Refusal::single_document_only());
        }
        let mut answer = dispute.answer(&self.app, call.now);
        let stored: Vec<Value> = (0..count)
            .map(|_| json!({ "id": format!("DOC_{}", alphanumerics(24)) }))
            .collect();
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("status".into(), "UNDER_REVIEW".into());
            fields.insert("documents".into(), stored.into());
        }
        ledger.book.remember_key(Resource::Dispute, call.key, dispute.id);
        Ok(self.with_action(answer, call, "CHALLENGE"))
    }

    pub(crate) fn list_settled_disputes(&self, call: &Call<'_>) -> Answer {
        let list = List::read(&call.query()?, call.now, &DISPUTE_ORDERS)?;
        let account = self.data_account(&list)?;
        let fits = SETTLED.fits(&list, call.now)
            && list.matches("deposit_id", DEPOSIT)
            && list.within("deposit_time_created", &timestamp(Dispute::staged_at(call.now)));
        let kept: Vec<_> = fits.then_some(&SETTLED).into_iter().collect();
        let Page { total, items } = list.page(&kept);
        let items = items.into_iter().map(|_| self.settled_dispute(call.now));
        Ok(list.answer(
            &self.app,
            Some(account),
            total,
            "disputes",
            items.collect(),
            "SETTLEMENT_DISPUTE_LIST",
        ))
    }

    pub(crate) fn read_settled_dispute(&self, call: &Call<'_>) -> Answer {
        if call.id != SETTLED.id {
            return Err(Refusal::nothing_to_read(
                "Disputes",
                "settlement/disputes",
                &call.id,
            ));
        }
        Ok(self.with_action(self.settled_dispute(call.now), call, "SETTLEMENT_DISPUTE_SINGLE"))
    }

    fn settled_dispute(&self, now: OffsetDateTime) -> Value {
        let mut answer = SETTLED.answer(&self.app, now);
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("deposit_id".into(), DEPOSIT.into());
            let at = timestamp(Dispute::staged_at(now));
            fields.insert("deposit_time_created".into(), at.into());
            fields.insert("last_adjustment_amount".into(), "1000".into());
            fields.insert("last_adjustment_currency".into(), "USD".into());
            fields.insert("last_adjustment_funding".into(), "DEBIT".into());
        }
        answer
    }
}
