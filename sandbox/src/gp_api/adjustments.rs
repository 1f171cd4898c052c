//! What changes a charge between its authorization and its settlement: holding, releasing, increments, edits,
//! and repeating a reversed one. In their simple forms, as the tests of the official clients call them.

use serde_json::{Value, json};

use super::book::{Resource, Status, Transaction};
use super::refusal::Refusal;
use super::transactions::{authcode, batch, brand_reference, new_ids};
use super::{Answer, Call, GpApi, Ledger};

const REASONS: [&str; 6] = [
    "FRAUD",
    "FALSE_POSITIVE",
    "OUT_OF_STOCK",
    "IN_STOCK",
    "OTHER",
    "NOT_GIVEN",
];

impl GpApi {
    /// `POST /transactions/{id}/hold`: no capture until it is released.
    pub(crate) fn hold(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        call.fields.one_of("reason_code", &REASONS)?;
        let charge = Self::charged(ledger, call)?;
        let open = matches!(charge.status, Status::Preauthorized | Status::Captured);
        if charge.kind != "SALE" || !open {
            return Err(Refusal::wrong_state("HOLD", charge.status.as_str()));
        }
        if charge.held {
            return Err(Refusal::held());
        }
        charge.held = true;
        charge.updated_at = call.now;
        let view = charge.clone();
        Ok(self.assessed(ledger, call, view, "HOLD", "HOLD_SUCCESSFUL"))
    }

    /// `POST /transactions/{id}/release`.
    pub(crate) fn release(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        call.fields.one_of("reason_code", &REASONS)?;
        let charge = Self::charged(ledger, call)?;
        if !charge.held {
            return Err(Refusal::not_held());
        }
        charge.held = false;
        charge.updated_at = call.now;
        let view = charge.clone();
        Ok(self.assessed(ledger, call, view, "RELEASE", "RELEASE_SUCCESSFUL"))
    }

    fn assessed(
        &self,
        ledger: &mut Ledger,
        call: &Call<'_>,
        view: Transaction,
        action: &str,
        result: &str,
    ) -> Value {
        let mut answer = self.followed(ledger, call, view, action);
        if let Some(fields) = answer.as_object_mut() {
            fields.insert(
                "risk_assessment".into(),
                json!([{ "mode": "ACTIVE", "result": result }]),
            );
        }
        answer
    }

    /// `POST /transactions/{id}/incremental`: more of what was authorized. The amount is added.
    pub(crate) fn increment(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let requested = call.fields.amount_or_zero("amount")?;
        let charge = Self::charged(ledger, call)?;
        let more = requested.ok_or_else(|| Refusal::missing("[amount]"))?;
        if charge.kind != "SALE" || charge.status != Status::Preauthorized {
            return Err(Refusal::not_preauthorized());
        }
        charge.amount = charge.amount.saturating_add(more);
        charge.updated_at = call.now;
        let view = charge.clone();
        Ok(self.followed(ledger, call, view, "INCREMENTAL"))
    }

    /// `POST /transactions/{id}/adjustment`: another amount, a gratuity, or the tags of a chip. The amount
    /// replaces the old one; the gratuity is taken to be a part of it.
    pub(crate) fn adjust(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let amount = call.fields.amount_or_zero("amount")?;
        let gratuity = call.fields.amount_or_zero("gratuity_amount")?;
        let tag = call.fields.text("payment_method.card.tag")?;
        let charge = Self::charged(ledger, call)?;
        if amount.is_none() && gratuity.is_none() && tag.is_none() {
            return Err(Refusal::missing("[amount or tag or gratuityAmount]"));
        }
        let open = matches!(charge.status, Status::Preauthorized | Status::Captured);
        // What left again cannot become less than that.
        let enough = amount.is_none_or(|amount| amount >= charge.refunded);
        if charge.kind != "SALE" || !open || !enough {
            return Err(Refusal::wrong_state("ADJUST", charge.status.as_str()));
        }
        if let Some(amount) = amount {
            charge.amount = amount;
            if charge.status == Status::Captured {
                charge.captured = amount;
            }
        }
        charge.updated_at = call.now;
        let view = charge.clone();
        Ok(self.followed(ledger, call, view, "ADJUST"))
    }

    /// `POST /transactions/{id}/reauthorization`: a reversed charge once more, as a charge of its own.
    pub(crate) fn reauthorize(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let requested = call.fields.amount("amount")?;
        let old = Self::charged(ledger, call)?.clone();
        if old.kind != "SALE" {
            return Err(Refusal::unexpected("type"));
        }
        if old.status != Status::Reversed {
            return Err(Refusal::not_reversed());
        }
        let status = if old.captured > 0 {
            Status::Captured
        } else {
            Status::Preauthorized
        };
        let amount = requested.unwrap_or(old.amount);
        let (id, action_id) = new_ids(&old.reference);
        let charge = Transaction {
            id,
            amount,
            status,
            captured: if status == Status::Captured { amount } else { 0 },
            refunded: 0,
            idempotency_key: call.key.map(str::to_owned),
            parent: Some(old.id.clone()),
            created_at: call.now,
            updated_at: call.now,
            authcode: authcode(true),
            brand_reference: brand_reference(true),
            batch_id: batch(status),
            held: false,
            ..old
        };
        let answer = self.made(&charge, call, &action_id, "REAUTHORIZE", None);
        ledger
            .book
            .remember_key(Resource::Transaction, call.key, &charge.id);
        ledger.book.add_transaction(charge);
        Ok(answer)
    }
}
