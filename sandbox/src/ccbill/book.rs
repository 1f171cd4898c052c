//! What the simulated CCBill remembers: access tokens, payment tokens, charges.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::access::Role;
use crate::host::access::AccessTokens;
use crate::host::clock;
use crate::host::keeping::Keep;

/// A payment token. Of the card only what is safe to show.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) subacc: u32,
    #[serde(with = "clock::as_text")]
    pub(crate) created_at: OffsetDateTime,
    pub(crate) time_to_live: u64,
    pub(crate) valid_number_of_use: u64,
    pub(crate) uses: u64,
    pub(crate) bin: String,
    pub(crate) last4: String,
    pub(crate) verified: bool,
    pub(crate) subscription_id: u64,
    pub(crate) ip_address: Option<String>,
}

/// A charge that reached the bank.
#[derive(Clone, Serialize)]
pub(crate) struct Sale {
    pub(crate) token: String,
    pub(crate) subacc: u32,
    pub(crate) cents: u64,
    pub(crate) currency: Option<u64>,
    pub(crate) threeds: bool,
    pub(crate) approved: bool,
    pub(crate) decline_code: Option<u32>,
    pub(crate) subscription_id: Option<String>,
    pub(crate) ip_address: Option<String>,
    pub(crate) recurring: Option<Recurring>,
    pub(crate) pass_through: Value,
}

/// Charges that are to follow.
#[derive(Clone, Serialize)]
pub(crate) struct Recurring {
    pub(crate) cents: u64,
    pub(crate) initial_period: u64,
    pub(crate) period: u64,
    pub(crate) rebills: u64,
}

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) access: AccessTokens<Role>,
    access_tokens_made: BTreeMap<&'static str, u64>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) sales: Vec<Sale>,
    /// The number in the last id.
    pub(crate) number: u64,
}

/// What outlasts the process.
#[derive(Serialize, Deserialize)]
struct Kept {
    tokens: BTreeMap<String, Token>,
    number: u64,
}

impl Keep for Book {
    fn cards(&self) -> Value {
        if self.tokens.is_empty() {
            return Value::Null;
        }
        json!({ "tokens": self.tokens, "number": self.number })
    }

    fn put_back(&mut self, cards: Value) -> Result<(), serde_json::Error> {
        if let Some(Kept { tokens, number }) = serde_json::from_value(cards)? {
            (self.tokens, self.number) = (tokens, number);
        }
        Ok(())
    }
}

impl Book {
    pub(crate) fn add_access(&mut self, token: String, role: Role, now: OffsetDateTime, seconds: u32) {
        self.access.add(token, role, now, seconds);
        *self.access_tokens_made.entry(role.scope()).or_default() += 1;
    }

    pub(crate) fn state(&self) -> Value {
        json!({
            "access_tokens_made": self.access_tokens_made,
            "payment_tokens": self.tokens.values().collect::<Vec<_>>(),
            "transactions": self.sales,
        })
    }
}
