//! Mandates for direct debits: made, read, blocked, unblocked and revoked. Neither debits nor the
//! customer's signatures are simulated. The platform's words for what goes wrong here are not known.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::book::Book;
use super::refusal::Refusal;
use super::{Answer, Call, Ledger, OnlinePayments, Reply, hex_id};

const REFERENCE: &str = "uniqueMandateReference";
const MAX_REFERENCE: usize = 35;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    Blocked,
    Revoked,
}

impl Status {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Blocked => "BLOCKED",
            Self::Revoked => "REVOKED",
        }
    }
}

pub(crate) struct Mandate {
    pub(crate) reference: String,
    pub(crate) status: Status,
    alias: Option<String>,
    /// As it was given.
    customer: Value,
    customer_reference: String,
    recurrence: String,
}

impl Mandate {
    fn reply(&self) -> Value {
        json!({
            "mandate": {
                "uniqueMandateReference": self.reference,
                "status": self.status.name(),
                "alias": self.alias,
                "customer": self.customer,
                "customerReference": self.customer_reference,
                "recurrenceType": self.recurrence,
            },
        })
    }
}

impl Book {
    fn mandate(&mut self, reference: &str) -> Option<&mut Mandate> {
        self.mandates
            .iter_mut()
            .find(|mandate| mandate.reference == reference)
    }
}

fn unknown() -> Refusal {
    Refusal::unnamed(StatusCode::NOT_FOUND, REFERENCE)
}

fn not_now() -> Refusal {
    Refusal::unnamed(StatusCode::BAD_REQUEST, REFERENCE)
}

impl OnlinePayments {
    pub(crate) fn create_mandate(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        const IBAN: &str = "customer.bankAccountIban.iban";
        let fields = &call.fields;
        let one_of = |path: &str, words: &[&str]| -> Result<String, Refusal> {
            let word = fields.needed(path)?;
            if words.contains(&word) {
                Ok(word.to_owned())
            } else {
                Err(Refusal::invalid(path))
            }
        };
        if !is_iban(fields.needed(IBAN)?) {
            return Err(Refusal::invalid(IBAN));
        }
        // Others ask the customer for a signature first.
        one_of("signatureType", &["UNSIGNED"])?;
        let reference = match fields.text(REFERENCE)? {
            Some(given) => given.to_owned(),
            None => hex_id(),
        };
        let fits = (1..=MAX_REFERENCE).contains(&reference.len())
            && reference.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !fits || ledger.book.mandate(&reference).is_some() {
            return Err(Refusal::invalid(REFERENCE));
        }
        let mandate = Mandate {
            reference,
            status: Status::Active,
            alias: fields.text("alias")?.map(Into::into),
            customer: fields.at("customer").cloned().unwrap_or_default(),
            customer_reference: fields.needed("customerReference")?.into(),
            recurrence: one_of("recurrenceType", &["UNIQUE", "RECURRING"])?,
        };
        let reply = mandate.reply();
        ledger.book.mandates.push(mandate);
        Ok(Reply::created(reply))
    }

    pub(crate) fn read_mandate(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let mandate = ledger.book.mandate(call.id).ok_or_else(unknown)?;
        Ok(Reply::ok(mandate.reply()))
    }

    pub(crate) fn block_mandate(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let mandate = ledger.book.mandate(call.id).ok_or_else(unknown)?;
        turn(mandate, &[Status::Active], Status::Blocked)
    }

    pub(crate) fn unblock_mandate(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let mandate = ledger.book.mandate(call.id).ok_or_else(unknown)?;
        turn(mandate, &[Status::Blocked], Status::Active)
    }

    /// One that is not there is 400 here, as in the platform's own tests.
    pub(crate) fn revoke_mandate(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let mandate = ledger.book.mandate(call.id).ok_or_else(not_now)?;
        turn(mandate, &[Status::Active, Status::Blocked], Status::Revoked)
    }
}

fn turn(mandate: &mut Mandate, from: &[Status], to: Status) -> Answer {
    if !from.contains(&mandate.status) {
        return Err(not_now());
    }
    mandate.status = to;
    Ok(Reply::ok(mandate.reply()))
}

/// ISO 13616: country, check digits, account; the rest of a division by 97 is 1.
fn is_iban(text: &str) -> bool {
    let Some((head, account)) = text.split_at_checked(4) else {
        return false;
    };
    let letters = head.bytes().take(2).all(|byte| byte.is_ascii_uppercase());
    let digits = head.bytes().skip(2).all(|byte| byte.is_ascii_digit());
    if !letters || !digits || !(15..=34).contains(&text.len()) {
        return false;
    }
    let rest = account.chars().chain(head.chars()).try_fold(0, |rest, char| {
        let value = char
            .to_digit(36)
            .filter(|_| char.is_ascii_digit() || char.is_ascii_uppercase())?;
        Some((rest * if value < 10 { 10 } else { 100 } + value) % 97)
    });
    rest == Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_account_numbers() {
        for (text, wanted) in [
            ("BE45000253450589", true),
            ("DE89370400440532013000", true),
            ("GB82WEST12345698765432", true),
            ("BE45000253450588", false),
            ("be45000253450589", false),
            ("INVALID", false),
            ("", false),
            ("BEé5000253450589", false),
        ] {
            assert_eq!(is_iban(text), wanted, "{text}");
        }
    }
}
