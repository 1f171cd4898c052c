//! Cards in requests: as numbers, or as payment methods that stand for them.

use cardseal::card::luhn;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use time::OffsetDateTime;
use uuid::Uuid;

use super::book::{CardFacts, MethodState, PaymentMethod};
use super::fields::Fields;
use super::issuer::{self, APPROVED, BY_BANK, Verdict};
use super::refusal::Refusal;
use super::{Call, GpApi, Ledger, threeds};
use crate::host::faults::Kind;

/// What a request pays with.
pub(crate) enum CardSource {
    Id(String),
    Card(Box<CardFacts>),
}

/// What a charge or a verification works on.
pub(crate) struct Instrument {
    pub(crate) card: CardFacts,
    /// The payment method's id, and whether it lasts.
    method: Option<(String, bool)>,
}

impl Instrument {
    pub(crate) fn method_id(&self) -> Option<&str> {
        self.method.as_ref().map(|(id, _)| id.as_str())
    }

    /// The id of a payment method that can be used again.
    fn lasting_id(&self) -> Option<&str> {
        self.method
            .as_ref()
            .filter(|(_, lasts)| *lasts)
            .map(|(id, _)| id.as_str())
    }
}

/// When a card is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    No,
    OnSuccess,
    Always,
}

impl Storage {
    /// `PROMPT` asks the payer, which only the hosted pages can.
    pub(crate) fn read(fields: &Fields) -> Result<Self, Refusal> {
        let words = ["ON_SUCCESS", "ALWAYS"];
        Ok(match fields.one_of("payment_method.storage_mode", &words)? {
            Some("ALWAYS") => Self::Always,
            Some(_) => Self::OnSuccess,
            None => Self::No,
        })
    }
}

/// Whether a text is `PMT_` and a UUID.
pub(crate) fn is_method_id(id: &str) -> bool {
    id.strip_prefix("PMT_")
        .is_some_and(|rest| rest.len() == 36 && Uuid::try_parse(rest).is_ok())
}

impl GpApi {
    /// A digest that tells whether two numbers are the same.
    pub(crate) fn digest(&self, number: &str) -> [u8; 64] {
        Sha512::new()
            .chain_update(self.card_salt)
            .chain_update(number)
            .finalize()
            .into()
    }

    /// A whole card at a path. A number that cannot be one is refused; what the platform does is not known.
    pub(crate) fn read_card(
        &self,
        fields: &Fields,
        path: &str,
        now: OffsetDateTime,
    ) -> Result<CardFacts, Refusal> {
        let field = |name: &str| format!("{path}.{name}");
        let number = fields
            .text(&field("number"))?
            .ok_or_else(|| Refusal::missing(": number"))?;
        let (month, year) = (field("expiry_month"), field("expiry_year"));
        let mut card = self.facts(number, fields.needed(&month)?, fields.needed(&year)?)?;
        check_expiry(&card, now)?;
        check_cvv(fields, &field("cvv"), card.brand)?;
        card.code_sent = fields.at(&field("cvv")).is_some();
        Ok(card)
    }

    pub(crate) fn facts(&self, number: &str, month: &str, year: &str) -> Result<CardFacts, Refusal> {
        // The number itself stays out of the text.
        let wrong_number = || Refusal::unexpected("card.number");
        let digits: Option<Vec<u32>> = number.chars().map(|digit| digit.to_digit(10)).collect();
        let plausible = digits.is_some_and(|digits| {
            (12..=19).contains(&digits.len())
                && (luhn(digits.into_iter()) || number == issuer::WRONG_CHECK_DIGIT)
        });
        let (first6, last4) = number
            .get(..6)
            .zip(number.get(number.len().saturating_sub(4)..))
            .filter(|_| plausible)
            .ok_or_else(wrong_number)?;
        for (name, text) in [("card.expiry_month", month), ("card.expiry_year", year)] {
            if text.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Refusal::unexpected(name));
            }
        }
        Ok(CardFacts {
            first6: first6.into(),
            last4: last4.into(),
            digits: number.len(),
            brand: issuer::brand(number),
            digest: self.digest(number),
            verdict: issuer::verdict(number),
            enrolled: threeds::enrolled(number),
            checks: issuer::checks(number),
            code_sent: false,
            expiry_month: month.into(),
            expiry_year: year.into(),
        })
    }

    /// What a request pays with: an id or a card.
    pub(crate) fn given(&self, call: &Call<'_>) -> Result<CardSource, Refusal> {
        let fields = &call.fields;
        let number = fields.at("payment_method.card.number");
        match fields.text("payment_method.id")? {
            Some(_) if number.is_some() => Err(Refusal::too_much("payment_method.card.number")),
            Some(id) => Ok(CardSource::Id(id.into())),
            None if number.is_none() => Err(Refusal::missing_one_of("number,expiry_month,expiry_year")),
            None => {
                let card = self.read_card(fields, "payment_method.card", call.now)?;
                Ok(CardSource::Card(card.into()))
            }
        }
    }

    /// Finds the payment method of an id. It is not used up yet.
    pub(crate) fn instrument(
        &self,
        ledger: &mut Ledger,
        call: &Call<'_>,
        given: CardSource,
    ) -> Result<Instrument, Refusal> {
        let id = match given {
            CardSource::Card(card) => {
                return Ok(Instrument {
                    card: *card,
                    method: None,
                });
            }
            CardSource::Id(id) => id,
        };
        if !is_method_id(&id) {
            return Err(Refusal::unexpected(&format!("payment_method.id: {id}")));
        }
        let method = ledger
            .book
            .payment_method(&id)
            .filter(|method| method.state(call.now) == MethodState::Active)
            .ok_or_else(|| Refusal::no_payment_method(&id))?;
        check_cvv(&call.fields, "payment_method.card.cvv", method.card.brand)?;
        let mut card = method.card.clone();
        card.code_sent |= call.fields.at("payment_method.card.cvv").is_some();
        Ok(Instrument {
            card,
            method: Some((id, method.until.is_none())),
        })
    }

    /// Asks the issuer, and returns the result. From here on a single-use payment method is used up, whatever it is.
    pub(crate) fn authorize(
        ledger: &mut Ledger,
        call: &Call<'_>,
        instrument: &Instrument,
        currency: &str,
    ) -> Result<String, Refusal> {
        if let Some((id, false)) = &instrument.method
            && let Some(method) = ledger.book.payment_method(id)
        {
            method.status = MethodState::Inactive;
        }
        if currency == "XXX" {
            return Err(Refusal::currency_and_card());
        }
        if let Some(result) = call.fault.value().filter(|_| call.fault.is(Kind::RespCode)) {
            return Ok(result.into());
        }
        match instrument.card.verdict {
            Verdict::Failed => Err(Refusal::processing()),
            Verdict::TimedOut => Err(Refusal::timed_out()),
            Verdict::Unsupported => Err(Refusal::unsupported()),
            Verdict::Declined(result) => Ok(result.into()),
            // A stored card can expire meanwhile.
            Verdict::Approved if check_expiry(&instrument.card, call.now).is_err() => Ok(BY_BANK.into()),
            Verdict::Approved => Ok(APPROVED.into()),
        }
    }

    /// Stores the card if it is to be: the id of the payment method that can be used from now on.
    pub(crate) fn store(
        ledger: &mut Ledger,
        call: &Call<'_>,
        instrument: &Instrument,
        storage: Storage,
        approved: bool,
    ) -> Option<String> {
        if let Some(id) = instrument.lasting_id() {
            return Some(id.into());
        }
        let stores = storage == Storage::Always || (storage == Storage::OnSuccess && approved);
        if !stores {
            return None;
        }
        let single = instrument
            .method_id()
            .and_then(|id| ledger.book.payment_method(id).cloned());
        if let Some(single) = single.as_ref().filter(|_| ledger.settings.verification_keeps_id) {
            let kept = ledger.book.payment_method(&single.id)?;
            kept.status = MethodState::Active;
            kept.usage_mode = "MULTIPLE";
            kept.until = None;
            kept.card.code_sent = false;
            kept.updated_at = call.now;
            return Some(single.id.clone());
        }
        let given_name = call.fields.text("payment_method.name").ok().flatten();
        let stored = PaymentMethod {
            id: new_method_id(),
            card: CardFacts {
                code_sent: false,
                ..instrument.card.clone()
            },
            name: given_name
                .map(str::to_owned)
                .or_else(|| single.as_ref().and_then(|single| single.name.clone())),
            reference: call
                .fields
                .text("reference")
                .ok()
                .flatten()
                .unwrap_or_default()
                .into(),
            usage_mode: "MULTIPLE",
            status: MethodState::Active,
            until: None,
            created_at: call.now,
            updated_at: call.now,
        };
        let id = stored.id.clone();
        ledger.book.add_payment_method(stored);
        Some(id)
    }
}

pub(crate) fn new_method_id() -> String {
    format!("PMT_{}", Uuid::new_v4())
}

/// A card is good until the end of its month.
pub(crate) fn check_expiry(card: &CardFacts, now: OffsetDateTime) -> Result<(), Refusal> {
    let invalid = || Refusal::card_data("Expiry date invalid");
    let month: u8 = card.expiry_month.parse().map_err(|_| invalid())?;
    let year: i32 = card.expiry_year.parse().map_err(|_| invalid())?;
    let this_month = (now.year(), u8::from(now.month()));
    if (1..=12).contains(&month) && (2000 + year, month) >= this_month {
        Ok(())
    } else {
        Err(invalid())
    }
}

fn check_cvv(fields: &Fields, path: &str, brand: &str) -> Result<(), Refusal> {
    let Some(cvv) = fields.text(path)? else {
        return Ok(());
    };
    if !cvv.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::schema());
    }
    let length = if brand == "AMEX" { 4 } else { 3 };
    if cvv.len() == length {
        Ok(())
    } else {
        let text = format!("Security Code/CVV2/CVC must be {length} digits");
        Err(Refusal::card_data(text))
    }
}

/// As in the answers of `POST`: all but the last four digits hidden.
pub(crate) fn masked(card: &CardFacts) -> String {
    format!("{}{}", "X".repeat(card.digits.saturating_sub(4)), card.last4)
}

/// What tells that two payment methods are of one card, if the client asked for it.
pub(crate) fn wants_fingerprint(fields: &Fields, path: &str) -> Result<bool, Refusal> {
    // The platform names the field without its path.
    let mode = fields.one_of(path, &["ALWAYS", "ON_SUCCESS"]);
    mode.map(|mode| mode.is_some())
        .map_err(|_| Refusal::unexpected("fingerprint_mode"))
}

pub(crate) fn fingerprint(card: &CardFacts) -> String {
    hex::encode(card.digest.get(..16).unwrap_or_default())
}

/// The values of `fingerprint_presence_indicator` are not known; the official clients need it to be there.
pub(crate) const FINGERPRINT_PRESENCE: &str = "EXISTS";

impl CardFacts {
    /// What the issuer found, in the provider's letters.
    pub(crate) fn checked(&self) -> [char; 3] {
        let [code, address, postal_code] = self.checks;
        let code = if self.code_sent { code } else { issuer::NO_CODE };
        [code, address, postal_code]
    }
}

/// What a charge and a verification tell of what they were made with.
pub(crate) struct CardDescription<'a> {
    pub(crate) card: &'a CardFacts,
    pub(crate) result: &'a str,
    pub(crate) authcode: &'a str,
    pub(crate) brand_reference: &'a str,
    pub(crate) entry_mode: &'a str,
    pub(crate) fingerprint: bool,
    pub(crate) id: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
}

impl CardDescription<'_> {
    /// `payment_method` in the answers of a charge and a verification.
    pub(crate) fn answer(&self) -> Value {
        let card = self.card;
        let [cvv, address, postal_code] = card.checked();
        let (print, presence) = if self.fingerprint {
            (fingerprint(card), FINGERPRINT_PRESENCE)
        } else {
            (String::new(), "")
        };
        let mut described = json!({
            "result": self.result,
            "message": issuer::message(self.result),
            "entry_mode": self.entry_mode,
            "fingerprint": print,
            "fingerprint_presence_indicator": presence,
            "card": {
                "funding": "CREDIT",
                "brand": card.brand,
                "masked_number_last4": masked(card),
                "authcode": self.authcode,
                "brand_reference": self.brand_reference,
                "brand_time_created": "",
                "tag_response": "",
                "cvv_result": issuer::check_word(cvv),
                "avs_address_result": issuer::check_word(address),
                "avs_postal_code_result": issuer::check_word(postal_code),
                "avs_action": "",
                "provider": {
                    "result": self.result,
                    "cvv_result": cvv,
                    "avs_address_result": address,
                    "avs_postal_code_result": postal_code,
                },
            },
        });
        if let Some(fields) = described.as_object_mut() {
            for (field, text) in [("id", self.id), ("name", self.name)] {
                if let Some(text) = text {
                    fields.insert(field.into(), text.into());
                }
            }
        }
        described
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_ids_from_other_texts() {
        assert!(is_method_id("PMT_fdbdcb02-1f84-4f6f-8fda-9b34d3e8a6ea"));
        for wrong in ["PMT_x", "TRN_fdbdcb02-1f84-4f6f-8fda-9b34d3e8a6ea", "PMT_", ""] {
            assert!(!is_method_id(wrong), "{wrong}");
        }
        assert!(is_method_id(&new_method_id()));
    }
}
