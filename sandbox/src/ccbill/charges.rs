//! Charges of a payment token. The bank declines by the cents of the price.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Map, Value, json};
use time::Duration;
use uuid::Uuid;

use super::book::{Recurring, Sale, Token};
use super::fields::{FieldErrors, Fields, REQUIRED, VALUES};
use super::request::{Answer, Call};
use super::threeds::check_threeds;
use super::tokens::ENDLESS;
use super::{Ledger, Refusal};
use crate::host::faults::Kind;

/// Currencies of the platform. 36, the Australian dollar, is written without its leading zero.
const CURRENCIES: [u64; 6] = [840, 978, 826, 124, 36, 392];

/// A charge whose members are valid.
struct Charge {
    subacc: u32,
    cents: u64,
    currency: Option<u64>,
    ip_address: Option<String>,
    /// Whether another payment token is wanted if it is approved.
    new_token: bool,
    recurring: Option<Recurring>,
    pass_through: Value,
}

impl Call<'_> {
    /// `GET /transactions/payment-tokens/{id}`.
    pub(crate) fn sales(&self, ledger: &Ledger) -> Answer {
        self.token(ledger)?;
        let query = self.query();
        let mut errors = FieldErrors::default();
        let account = self.account(&Fields::of(&query, ""), &mut errors);
        if !errors.is_empty() {
            return Err(Refusal::validation(errors));
        }
        let sub = account.ok_or_else(Refusal::forbidden)??;
        let sales = ledger.book.sales.iter();
        Ok(sales
            .filter(|sale| sale.approved && sale.token == self.id && sale.subacc == sub)
            .map(|sale| {
                json!({ "clientAccnum": self.info.client_accnum, "clientSubacc": sale.subacc,
                    "subscriptionId": sale.subscription_id })
            })
            .collect())
    }

    /// `POST /transactions/payment-tokens/{id}` and `…/threeds/{id}`.
    pub(crate) fn charge(&self, ledger: &mut Ledger, threeds: bool) -> Answer {
        let charge = self.check_charge(ledger, &self.body()?, threeds)?;
        self.check_token(ledger, charge.subacc)?;
        if let 100_006 | 100_010 = charge.cents {
            let code = if charge.cents == 100_006 { 100_106 } else { 100_110 };
            return Err(Refusal::new(
                500,
                code,
                "An error occurred, please try again later.",
            ));
        }
        let code = self.decline_code(charge.cents);
        let sale_id = code.is_none().then(|| self.next_id(ledger));
        let denial_id = code.is_some().then(|| self.next_id(ledger));
        let new_token = self.use_token(ledger, sale_id.is_some() && charge.new_token);
        ledger.book.sales.push(Sale {
            token: self.id.into(),
            subacc: charge.subacc,
            cents: charge.cents,
            currency: charge.currency,
            threeds,
            approved: code.is_none(),
            decline_code: code,
            subscription_id: sale_id.map(|id| id.to_string()),
            ip_address: charge.ip_address,
            recurring: charge.recurring,
            pass_through: charge.pass_through,
        });
        Ok(json!({
            "declineCode": code,
            "declineText": code.map(decline_text),
            "denialId": denial_id,
            "approved": code.is_none(),
            "paymentUniqueId": code.is_none().then(|| STANDARD_NO_PAD.encode(Uuid::new_v4().as_bytes())),
            "sessionId": null,
            "subscriptionId": sale_id.map(|id| self.long_id(id)),
            "newPaymentTokenId": new_token,
        }))
    }

    fn check_charge(
        &self,
        ledger: &Ledger,
        body: &Map<String, Value>,
        threeds: bool,
    ) -> Result<Charge, Refusal> {
        let fields = Fields::of(body, "");
        let mut errors = FieldErrors::default();
        let account = self.account(&fields, &mut errors);
        let price = fields.cents("initialPrice", &mut errors);
        for name in ["initialPrice", "initialPeriod"] {
            if fields.at(name).is_none() {
                errors.add(Some(name), REQUIRED);
            }
        }
        let initial_period = fields.number("initialPeriod", &mut errors).unwrap_or_default();
        let recurring = recurring(&fields, initial_period, &mut errors);
        let mut currency = fields.number("currencyCode", &mut errors);
        if currency.is_some_and(|code| !CURRENCIES.contains(&code)) {
            errors.add(Some("currencyCode"), VALUES);
        }
        if threeds && currency.is_none() {
            // The platform's own sample names the currency of the authentication alone.
            currency = fields
                .number("threedsCurrency", &mut FieldErrors::default())
                .filter(|code| CURRENCIES.contains(code));
        }
        let ip = self.customer_ip(Some(&fields), "ipAddress", ledger, &mut errors);
        let token = ledger.book.tokens.get(self.id);
        let ip_address = ip.or_else(|| token.and_then(|token| token.ip_address.clone()));
        let given = self.ip_header.is_some() || fields.at("ipAddress").is_some();
        if ledger.settings.charge_needs_ip_address && token.is_some() && !given && ip_address.is_none() {
            errors.add(Some("ipAddress"), REQUIRED);
        }
        if threeds {
            check_threeds(&fields, price, &mut errors);
        }
        if !errors.is_empty() {
            return Err(Refusal::validation(errors));
        }
        let subacc = account.ok_or_else(Refusal::forbidden)??;
        Ok(Charge {
            subacc,
            cents: price.unwrap_or_default(),
            currency,
            ip_address,
            new_token: fields.truth("createNewPaymentToken") == Some(true),
            recurring,
            pass_through: fields.at("passThroughInfo").cloned().unwrap_or_default(),
        })
    }

    /// Refuses a payment token of another sub account, and one whose time or uses are over.
    fn check_token(&self, ledger: &Ledger, subacc: u32) -> Result<(), Refusal> {
        let token = self.token(ledger)?;
        if token.subacc != subacc {
            return Err(Refusal::new(400, 100_100, "Invalid client account"));
        }
        let hours = i64::try_from(token.time_to_live).unwrap_or(i64::MAX);
        let too_old = token
            .created_at
            .checked_add(Duration::hours(hours))
            .is_some_and(|end| self.now >= end);
        if too_old || token.uses >= token.valid_number_of_use {
            return Err(Refusal::new(400, 100_102, "Expired payment token"));
        }
        Ok(())
    }

    /// The code with which the bank declines a charge, if it does.
    fn decline_code(&self, cents: u64) -> Option<u32> {
        if self.fault.is(Kind::RespCode) {
            return self.fault.value().and_then(|code| code.parse().ok());
        }
        match cents % 100 {
            5 => Some(24),
            code @ (15 | 22 | 29 | 31) => u32::try_from(code).ok(),
            _ => None,
        }
    }

    /// Counts the use of the payment token; if another one is wanted, its id.
    fn use_token(&self, ledger: &mut Ledger, new_token: bool) -> Option<String> {
        let token = ledger.book.tokens.get_mut(self.id)?;
        token.uses += 1;
        if !new_token {
            return None;
        }
        let id = Uuid::new_v4().simple().to_string();
        let token = Token {
            id: id.clone(),
            created_at: self.now,
            uses: 0,
            valid_number_of_use: ENDLESS,
            time_to_live: ENDLESS,
            ..token.clone()
        };
        ledger.book.tokens.insert(id.clone(), token);
        Some(id)
    }
}

/// What follows the first charge. That its three members go together is inferred.
fn recurring(fields: &Fields<'_>, initial_period: u64, errors: &mut FieldErrors) -> Option<Recurring> {
    const NAMES: [&str; 3] = ["recurringPrice", "recurringPeriod", "rebills"];
    if NAMES.iter().all(|name| fields.at(name).is_none()) {
        return None;
    }
    for name in NAMES {
        if fields.at(name).is_none() {
            errors.add(Some(name), REQUIRED);
        }
    }
    let cents = fields.cents("recurringPrice", errors);
    let period = fields.number("recurringPeriod", errors);
    let rebills = fields.number("rebills", errors);
    Some(Recurring {
        cents: cents?,
        initial_period,
        period: period?,
        rebills: rebills?,
    })
}

fn decline_text(code: u32) -> &'static str {
    match code {
        15 => "The transaction is still being processed",
        22 => "Error contacting the bank",
        24 => "Denied by the bank",
        27 => "System Error, Please Try Again",
        29 => "The card has expired",
        31 => "Insufficient funds",
        _ => "Declined",
    }
}
