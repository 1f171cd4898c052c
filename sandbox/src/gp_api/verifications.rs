//! `/verifications`: asks the issuer without taking money, and stores the card if told to.

use serde_json::json;

use super::book::Resource;
use super::cards::{CardDescription, Storage, wants_fingerprint};
use super::issuer::APPROVED;
use super::refusal::Refusal;
use super::transactions::{ENTRY_MODES, authcode, brand_reference};
use super::{Answer, Call, GpApi, Ledger, alphanumerics, timestamp};

impl GpApi {
    pub(crate) fn verify(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let fields = &call.fields;
        let currency = fields.letters("currency", 3)?;
        let country = fields.letters("country", 2)?;
        let channel = fields.needed("channel")?;
        let reference = fields.needed("reference")?;
        fields.needed("payment_method.entry_mode")?;
        let entry_mode = fields
            .one_of("payment_method.entry_mode", &ENTRY_MODES)?
            .unwrap_or_default();
        let storage = Storage::read(fields)?;
        let fingerprint = wants_fingerprint(fields, "payment_method.fingerprint_mode")?;
        let given = self.given(call)?;
        let account = self
            .account(fields, &call.token, "TRA_")?
            .ok_or_else(|| Refusal::missing_one_of("account_id, account_name"))?;
        if channel != "CNP" {
            return Err(Refusal::not_configured(country, channel, currency));
        }
        let instrument = self.instrument(ledger, call, given)?;
        let result = Self::authorize(ledger, call, &instrument, currency)?;
        let approved = result == APPROVED;
        let stored = if ledger.settings.verification_returns_id {
            Self::store(ledger, call, &instrument, storage, approved)
        } else {
            None
        };
        let random = alphanumerics(30);
        let id = format!("VER_{random}");
        let answer = json!({
            "id": id,
            "time_created": timestamp(call.now),
            "status": if approved { "VERIFIED" } else { "NOT_VERIFIED" },
            "channel": channel,
            "currency": currency,
            "country": country,
            "merchant_id": self.app.merchant_id,
            "merchant_name": self.app.merchant_name,
            "account_id": account.id,
            "account_name": account.name,
            "reference": reference,
            "payment_method": CardDescription {
                card: &instrument.card,
                result: &result,
                authcode: &authcode(approved),
                brand_reference: &brand_reference(approved),
                entry_mode,
                fingerprint,
                id: stored.as_deref(),
                name: fields.text("payment_method.name")?,
            }
            .answer(),
            "action": {
                "id": format!("ACT_{random}"),
                "type": "VERIFY",
                "time_created": timestamp(call.now),
                "result_code": if approved { "SUCCESS" } else { "NOT_VERIFIED" },
                "app_id": self.app.id,
                "app_name": self.app.name,
            },
        });
        ledger.book.remember_key(Resource::Verification, call.key, &id);
        ledger.book.add_verification(id, answer.clone());
        Ok(answer)
    }

    /// That a verification can be read again is a guess: without it an idempotency key that was seen before
    /// would lead nowhere.
    pub(crate) fn read_verification(ledger: &Ledger, call: &Call<'_>) -> Answer {
        ledger
            .book
            .verification(&call.id)
            .cloned()
            .ok_or_else(|| Refusal::nothing_to_read("Verifications", "verifications", &call.id))
    }
}
