//! An authorised request: its account, its customer, the payment token of its path.

use std::net::IpAddr;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::book::Token;
use super::fields::{FieldErrors, Fields, VALUES};
use super::{Info, Ledger, Refusal};
use crate::host::faults::ActiveFault;

pub(crate) struct Call<'a> {
    pub(crate) info: &'a Info,
    pub(crate) ip_header: Option<&'a str>,
    pub(crate) query: &'a str,
    /// In the path.
    pub(crate) id: &'a str,
    pub(crate) is_json: bool,
    pub(crate) body: &'a [u8],
    pub(crate) fault: &'a ActiveFault,
    pub(crate) now: OffsetDateTime,
    pub(crate) version: u8,
}

pub(crate) type Answer = Result<Value, Refusal>;

/// Whether a text has the documented form of a payment token.
pub(crate) fn is_token_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl Call<'_> {
    /// The members of the body, which has to be a JSON object.
    pub(crate) fn body(&self) -> Result<Map<String, Value>, Refusal> {
        if !self.is_json {
            return Err(Refusal::new(415, 100_004, "Unsupported Media Type"));
        }
        serde_json::from_slice(self.body).map_err(|_| {
            let mut errors = FieldErrors::default();
            errors.add(None, "Unreadable body");
            Refusal::validation(errors)
        })
    }

    pub(crate) fn query(&self) -> Map<String, Value> {
        form_urlencoded::parse(self.query.as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
            .collect()
    }

    /// An id, in the form of the version.
    pub(crate) fn long_id(&self, id: u64) -> Value {
        if self.version == 1 {
            id.into()
        } else {
            id.to_string().into()
        }
    }

    /// Eighteen digits: nine, the year, the day, and a number.
    pub(crate) fn next_id(&self, ledger: &mut Ledger) -> u64 {
        ledger.book.number += 1;
        let year = u64::try_from(self.now.year().rem_euclid(100)).unwrap_or_default();
        let day = u64::from(self.now.ordinal());
        (900_000 + year * 1000 + day) * 1_000_000_000_000 + 501_000_000_000 + ledger.book.number
    }

    /// The account and sub account of a call, which have to be this merchant's.
    pub(crate) fn account(
        &self,
        fields: &Fields<'_>,
        errors: &mut FieldErrors,
    ) -> Option<Result<u32, Refusal>> {
        let account = fields.needed_number("clientAccnum", 999_999, errors)?;
        let sub = fields.needed_number("clientSubacc", 9999, errors)?;
        let ours = [self.info.client_subacc, self.info.client_subacc_3ds];
        let sub = u32::try_from(sub).ok().filter(|sub| ours.contains(sub));
        Some(match sub {
            Some(sub) if account == u64::from(self.info.client_accnum) => Ok(sub),
            _ => Err(Refusal::forbidden()),
        })
    }

    /// The customer's address, from the header or the body; only one of version 4 will do.
    pub(crate) fn customer_ip(
        &self,
        fields: Option<&Fields<'_>>,
        name: &str,
        ledger: &Ledger,
        errors: &mut FieldErrors,
    ) -> Option<String> {
        let given = self
            .ip_header
            .or_else(|| fields.and_then(|fields| fields.at("ipAddress")?.as_str()))?;
        match given.parse() {
            Ok(IpAddr::V4(address)) if !(ledger.settings.refuse_loopback && address.is_loopback()) => {
                Some(given.into())
            }
            _ => {
                errors.add(Some(name), VALUES);
                None
            }
        }
    }

    pub(crate) fn token<'b>(&self, ledger: &'b Ledger) -> Result<&'b Token, Refusal> {
        let code = ledger.settings.unknown_token_code;
        let text = if code == 130_000 {
            "Not Found"
        } else {
            "Invalid payment token"
        };
        ledger
            .book
            .tokens
            .get(self.id)
            .ok_or_else(|| Refusal::new(404, code, text))
    }
}
