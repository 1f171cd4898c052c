//! The work of each call.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use cardseal::card::luhn;
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::fields::{Fields, REQUIRED, SIZE, VALUES, Wrong};
use super::{Info, Ledger, Refusal, Sale, Token};
use crate::faults::{Applied, Kind};

/// What time and uses default to.
const ENDLESS: u64 = 2_147_483_647;
/// Currencies of the platform. 36, the Australian dollar, is written without its leading zero.
const CURRENCIES: [u64; 6] = [840, 978, 826, 124, 36, 392];
/// Currencies in which this simulation wants 3-D Secure: the euro and the pound.
const THREEDS_CURRENCIES: [u64; 2] = [978, 826];

pub(super) struct Call<'a> {
    pub(super) ours: &'a Info,
    pub(super) ip_header: Option<&'a str>,
    pub(super) query: &'a str,
    pub(super) id: &'a str,
    pub(super) applied: &'a Applied,
    pub(super) now: OffsetDateTime,
    pub(super) version: u8,
}

type Answer = Result<Value, Refusal>;

/// Whether a text has the documented form of a payment token.
pub(super) fn is_token_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// An object inside another.
fn object<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a Map<String, Value>> {
    fields.at(name)?.as_object()
}

impl Call<'_> {
    /// An id, in the form of the version.
    fn long_id(&self, id: u64) -> Value {
        if self.version == 1 {
            id.into()
        } else {
            id.to_string().into()
        }
    }

    /// Eighteen digits: nine, the year, the day, and a number.
    fn next_id(&self, ledger: &mut Ledger) -> u64 {
        ledger.book.number += 1;
        let year = u64::try_from(self.now.year().rem_euclid(100)).unwrap_or_default();
        let day = u64::from(self.now.ordinal());
        (900_000 + year * 1000 + day) * 1_000_000_000_000 + 501_000_000_000 + ledger.book.number
    }

    /// The account and sub account of a call, which have to be this merchant's.
    fn account(&self, fields: &Fields<'_>, wrong: &mut Wrong) -> Option<Result<u32, Refusal>> {
        let account = fields.needed_number("clientAccnum", 999_999, wrong)?;
        let sub = fields.needed_number("clientSubacc", 9999, wrong)?;
        let ours = [self.ours.client_subacc, self.ours.client_subacc_3ds];
        let sub = u32::try_from(sub).ok().filter(|sub| ours.contains(sub));
        Some(match sub {
            Some(sub) if account == u64::from(self.ours.client_accnum) => Ok(sub),
            _ => Err(Refusal::forbidden()),
        })
    }

    /// The customer's address, from the header or the body; only one of version 4 will do.
    fn customer_ip(
        &self,
        fields: Option<&Fields<'_>>,
        name: &str,
        ledger: &Ledger,
        wrong: &mut Wrong,
    ) -> Option<String> {
        let given = self
            .ip_header
            .or_else(|| fields.and_then(|fields| fields.at("ipAddress")?.as_str()))?;
        match given.parse() {
            Ok(IpAddr::V4(address)) if !(ledger.settings.refuse_loopback && address.is_loopback()) => {
                Some(given.into())
            }
            _ => {
                wrong.note(Some(name), VALUES);
                None
            }
        }
    }

    /// `POST /payment-tokens/merchant-only` and `-verify`.
    pub(super) fn create(&self, ledger: &mut Ledger, body: &Value, verify: bool) -> Answer {
        let empty = Map::new();
        let fields = Fields::of(body.as_object().unwrap_or(&empty), "");
        let mut wrong = Wrong::default();
        let account = self.account(&fields, &mut wrong);
        let subscription = fields.needed_number("subscriptionId", u64::MAX, &mut wrong);
        let time_to_live = fields.number("timeToLive", &mut wrong).unwrap_or(ENDLESS);
        let uses = fields.number("validNumberOfUse", &mut wrong).unwrap_or(ENDLESS);
        for (name, value) in [("timeToLive", time_to_live), ("validNumberOfUse", uses)] {
            if value > ENDLESS {
                wrong.note(Some(name), SIZE);
            }
        }
        let (mut bin, mut last4) = (String::new(), String::new());
        let mut ip_address = None;
        if subscription == Some(0) {
            let customer = object(&fields, "customerInfo");
            let payment = object(&fields, "paymentInfo");
            if customer.is_none() || payment.is_none() {
                let text = "Customer and Payment Information required for zero Subscription ID";
                wrong.note(None, text);
            }
            if let Some(customer) = customer {
                let customer = Fields::of(customer, "customerInfo.");
                ip_address = self.customer_ip(Some(&customer), "customerInfo.ipAddress", ledger, &mut wrong);
                check_customer(&customer, &mut wrong);
            }
            if let Some(payment) = payment {
                let payment = Fields::of(payment, "paymentInfo.");
                match object(&payment, "creditCardPaymentInfo") {
                    None => wrong.note(Some("paymentInfo.creditCardPaymentInfo"), REQUIRED),
                    Some(card) => (bin, last4) = self.check_card(card, verify, &mut wrong),
                }
            }
        } else if let Some(id) = subscription {
            let known = ledger
                .book
                .sales
                .iter()
                .find(|sale| sale.subscription_id.as_deref() == Some(&id.to_string()));
            match known.and_then(|sale| ledger.book.tokens.get(&sale.token)) {
                Some(token) => (bin, last4) = (token.bin.clone(), token.last4.clone()),
                None => wrong.note(Some("subscriptionId"), "Invalid Subscription ID"),
            }
        }
        if !wrong.is_empty() {
            return Err(Refusal::validation(wrong));
        }
        let subacc = account.ok_or_else(Refusal::forbidden)??;
        let token = Token {
            id: format!("01{}", &Uuid::new_v4().simple().to_string()[2..]),
            subacc,
            created_at: self.now,
            time_to_live,
            valid_number_of_use: uses,
            uses: 0,
            bin,
            last4,
            verified: verify,
            subscription_id: match subscription {
                Some(0) | None => self.next_id(ledger),
                Some(id) => id,
            },
            ip_address,
        };
        let answer = self.described(&token);
        ledger.book.tokens.insert(token.id.clone(), token);
        Ok(answer)
    }

    fn described(&self, token: &Token) -> Value {
        let at = token.created_at;
        let created = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        );
        json!({
            "paymentTokenId": token.id,
            "programParticipationId": null,
            "originalPaymentTokenId": null,
            "clientAccnum": self.ours.client_accnum,
            "clientSubacc": token.subacc,
            "createdDatetime": created,
            "timeToLive": token.time_to_live,
            "validNumberOfUse": token.valid_number_of_use,
            "subscriptionId": self.long_id(token.subscription_id),
            "paymentInfoId": null,
        })
    }

    fn check_card(&self, card: &Map<String, Value>, verify: bool, wrong: &mut Wrong) -> (String, String) {
        let card = Fields::of(card, "paymentInfo.creditCardPaymentInfo.");
        let note = |wrong: &mut Wrong, field: &str, text: &str| wrong.note(Some(&card.name(field)), text);
        let number = card.needed("cardNum", 19, wrong).unwrap_or_default();
        let digits = number.len() >= 12 && number.bytes().all(|byte| byte.is_ascii_digit());
        let fits = digits && luhn(number.bytes().map(|byte| u32::from(byte - b'0')));
        if !number.is_empty() && !fits {
            note(wrong, "cardNum", "Invalid credit card number");
        }
        let month = card.needed("expMonth", 2, wrong);
        let month_number: Option<u8> = month
            .filter(|month| month.len() == 2)
            .and_then(|month| month.parse().ok())
            .filter(|month| (1..=12).contains(month));
        if month.is_some() && month_number.is_none() {
            note(wrong, "expMonth", VALUES);
        }
        if let Some(year) = card.needed("expYear", 4, wrong) {
            match year.parse::<i32>() {
                Ok(number) if year.len() == 4 => {
                    let past =
                        (number, month_number.unwrap_or(12)) < (self.now.year(), self.now.month().into());
                    if past || number > 2100 {
                        note(wrong, "expYear", "Invalid expiration year");
                    }
                }
                _ => note(wrong, "expYear", VALUES),
            }
        }
        if let Some(name) = card.needed("nameOnCard", 45, wrong) {
            let plain = |c: char| c.is_alphabetic() || " .'-".contains(c);
            if name.chars().count() < 2 || !name.chars().all(plain) {
                note(wrong, "nameOnCard", VALUES);
            }
        }
        let code = if verify {
            card.needed("cvv2", 4, wrong)
        } else {
            card.text("cvv2", 4, wrong)
        };
        if code.is_some_and(|code| code.len() < 3 || !code.bytes().all(|byte| byte.is_ascii_digit())) {
            note(wrong, "cvv2", VALUES);
        }
        let last = number.len().saturating_sub(4);
        (
            number.get(..6).unwrap_or_default().into(),
            number.get(last..).unwrap_or_default().into(),
        )
    }

    fn token<'b>(&self, ledger: &'b Ledger) -> Result<&'b Token, Refusal> {
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

    /// `GET /payment-tokens/{id}`.
    pub(super) fn read_token(&self, ledger: &Ledger) -> Answer {
        self.token(ledger).map(|token| self.described(token))
    }

    fn query(&self) -> Map<String, Value> {
        form_urlencoded::parse(self.query.as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
            .collect()
    }

    /// `GET /payment-tokens/threeds-required`.
    pub(super) fn threeds_required(&self) -> Answer {
        let query = self.query();
        let fields = Fields::of(&query, "");
        let mut wrong = Wrong::default();
        let account = self.account(&fields, &mut wrong);
        fields.needed_number("bin", 99_999_999, &mut wrong);
        fields.needed("last4", 4, &mut wrong);
        let currency = fields.needed_number("currencyCode", 999, &mut wrong);
        if !wrong.is_empty() {
            return Err(Refusal::validation(wrong));
        }
        account.ok_or_else(Refusal::forbidden)??;
        Ok(currency
            .is_some_and(|code| THREEDS_CURRENCIES.contains(&code))
            .into())
    }

    /// `GET /payment-tokens/{id}/threeds-required`.
    pub(super) fn token_threeds_required(&self, ledger: &Ledger) -> Answer {
        self.token(ledger)?;
        let query = self.query();
        let mut wrong = Wrong::default();
        let currency = Fields::of(&query, "").needed_number("currencyCode", 999, &mut wrong);
        if !wrong.is_empty() {
            return Err(Refusal::validation(wrong));
        }
        Ok(currency
            .is_some_and(|code| THREEDS_CURRENCIES.contains(&code))
            .into())
    }

    /// `GET /transactions/payment-tokens/{id}`.
    pub(super) fn sales(&self, ledger: &Ledger) -> Answer {
        self.token(ledger)?;
        let query = self.query();
        let mut wrong = Wrong::default();
        let account = self.account(&Fields::of(&query, ""), &mut wrong);
        if !wrong.is_empty() {
            return Err(Refusal::validation(wrong));
        }
        let sub = account.ok_or_else(Refusal::forbidden)??;
        let sales = ledger.book.sales.iter();
        Ok(sales
            .filter(|sale| sale.approved && sale.token == self.id && sale.subacc == sub)
            .map(|sale| {
                json!({ "clientAccnum": self.ours.client_accnum, "clientSubacc": sale.subacc,
                    "subscriptionId": sale.subscription_id })
            })
            .collect())
    }

    /// `POST /transactions/payment-tokens/{id}` and `…/threeds/{id}`.
    pub(super) fn charge(&self, ledger: &mut Ledger, body: &Value, threeds: bool) -> Answer {
        let empty = Map::new();
        let fields = Fields::of(body.as_object().unwrap_or(&empty), "");
        let mut wrong = Wrong::default();
        let account = self.account(&fields, &mut wrong);
        let price = fields.cents("initialPrice", &mut wrong);
        for name in ["initialPrice", "initialPeriod"] {
            if fields.at(name).is_none() {
                wrong.note(Some(name), REQUIRED);
            }
        }
        fields.number("initialPeriod", &mut wrong);
        let mut currency = fields.number("currencyCode", &mut wrong);
        if currency.is_some_and(|code| !CURRENCIES.contains(&code)) {
            wrong.note(Some("currencyCode"), VALUES);
        }
        if threeds && currency.is_none() {
            // The platform's own sample names the currency of the authentication alone.
            currency = fields
                .number("threedsCurrency", &mut Wrong::default())
                .filter(|code| CURRENCIES.contains(code));
        }
        let ip = self.customer_ip(Some(&fields), "ipAddress", ledger, &mut wrong);
        let token = ledger.book.tokens.get(self.id);
        let ip_address = ip.or_else(|| token.and_then(|token| token.ip_address.clone()));
        let given = self.ip_header.is_some() || fields.at("ipAddress").is_some();
        if ledger.settings.charge_needs_ip_address && token.is_some() && !given && ip_address.is_none() {
            wrong.note(Some("ipAddress"), REQUIRED);
        }
        if threeds {
            check_threeds(&fields, price, &mut wrong);
        }
        if !wrong.is_empty() {
            return Err(Refusal::validation(wrong));
        }
        let subacc = account.ok_or_else(Refusal::forbidden)??;
        let cents = price.unwrap_or_default();
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
        match cents {
            100_006 => {
                return Err(Refusal::new(
                    500,
                    100_106,
                    "An error occurred, please try again later.",
                ));
            }
            100_010 => {
                return Err(Refusal::new(
                    500,
                    100_110,
                    "An error occurred, please try again later.",
                ));
            }
            _ => {}
        }
        let code = if self.applied.is(Kind::RespCode) {
            self.applied.value().and_then(|code| code.parse().ok())
        } else {
            match cents % 100 {
                5 => Some(24),
                code @ (15 | 22 | 29 | 31) => u32::try_from(code).ok(),
                _ => None,
            }
        };
        let sale_id = code.is_none().then(|| self.next_id(ledger));
        let denial_id = code.is_some().then(|| self.next_id(ledger));
        let again = sale_id.is_some() && fields.truth("createNewPaymentToken") == Some(true);
        let mut new_token = None;
        if let Some(token) = ledger.book.tokens.get_mut(self.id) {
            token.uses += 1;
            if again {
                new_token = Some(Token {
                    id: Uuid::new_v4().simple().to_string(),
                    created_at: self.now,
                    uses: 0,
                    valid_number_of_use: ENDLESS,
                    time_to_live: ENDLESS,
                    ..token.clone()
                });
            }
        }
        let new_id = new_token.as_ref().map(|token| token.id.clone());
        if let Some(token) = new_token {
            ledger.book.tokens.insert(token.id.clone(), token);
        }
        ledger.book.sales.push(Sale {
            token: self.id.into(),
            subacc,
            cents,
            currency,
            threeds,
            approved: code.is_none(),
            decline_code: code,
            subscription_id: sale_id.map(|id| id.to_string()),
            ip_address,
            pass_through: fields.at("passThroughInfo").cloned().unwrap_or_default(),
        });
        Ok(json!({
            "declineCode": code,
            "declineText": code.map(decline_text),
            "denialId": denial_id,
            "approved": code.is_none(),
            "paymentUniqueId": code.is_none().then(|| STANDARD_NO_PAD.encode(Uuid::new_v4().as_bytes())),
            "sessionId": null,
            "subscriptionId": sale_id.map(|id| self.long_id(id)),
            "newPaymentTokenId": new_id,
        }))
    }

    /// Stands in for the platform's script, which nobody outside knows: what a customer's authentication resolves to.
    /// `outcome` chooses: Y, A, N.
    pub(super) fn authenticate(&self, body: &Value) -> Answer {
        let empty = Map::new();
        let fields = Fields::of(body.as_object().unwrap_or(&empty), "");
        let mut wrong = Wrong::default();
        let account = self.account(&fields, &mut wrong);
        let amount = fields.needed("amount", 16, &mut wrong);
        let cents = fields.cents("amount", &mut wrong);
        let currency = fields.needed_number("currencyCode", 999, &mut wrong);
        let outcome = fields.text("outcome", 1, &mut wrong).unwrap_or("Y");
        if cents.is_none() || !["Y", "A", "N"].contains(&outcome) {
            wrong.note(Some("outcome"), VALUES);
        }
        if !wrong.is_empty() {
            return Err(Refusal::validation(wrong));
        }
        account.ok_or_else(Refusal::forbidden)??;
        let passed = outcome != "N";
        let mut value = [0; 20];
        value[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        value[16..].copy_from_slice(&Uuid::new_v4().as_bytes()[..4]);
        Ok(json!({
            "eci": match outcome { "Y" => "05", "A" => "06", _ => "07" },
            "status": outcome,
            "success": passed,
            "protocolVersion": "2.1.0",
            "amount": amount,
            "currency": currency.map(|code| format!("{code:03}")),
            "clientTransactionId": format!("id-{}", &Uuid::new_v4().simple().to_string()[..11]),
            "sdkTransId": null,
            "acsTransId": Uuid::new_v4().to_string(),
            "dsTransId": Uuid::new_v4().to_string(),
            "authenticationType": "01",
            "authenticationValue": passed.then(|| STANDARD.encode(value)),
        }))
    }
}

fn check_customer(customer: &Fields<'_>, wrong: &mut Wrong) {
    for (name, most) in [("customerFname", 50), ("customerLname", 50)] {
        customer.needed(name, most, wrong);
    }
    if let Some(email) = customer.needed("email", 254, wrong) {
        let (name, host) = email.split_once('@').unwrap_or_default();
        if name.is_empty() || !host.contains('.') || email.contains(' ') {
            wrong.note(Some(&customer.name("email")), "Invalid email address");
        }
    }
    if let Some(country) = customer.needed("country", 2, wrong)
        && !(country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphabetic()))
    {
        wrong.note(Some(&customer.name("country")), "Invalid postal code");
    }
    if let Some(code) = customer.needed("zipcode", 16, wrong) {
        let american = customer.at("country").and_then(Value::as_str) == Some("US");
        let five = code.len() >= 5 && code.bytes().take(5).all(|byte| byte.is_ascii_digit());
        if american && !five {
            wrong.note(Some(&customer.name("zipcode")), "Invalid postal code");
        }
    }
    for (name, most) in [("address1", 50), ("address2", 50), ("city", 50), ("state", 3)] {
        customer.text(name, most, wrong);
    }
    let texts = customer.map.values().filter_map(Value::as_str);
    if !texts.into_iter().all(str::is_ascii) {
        wrong.note(None, "Unsupported characters");
    }
}

fn check_threeds(fields: &Fields<'_>, price: Option<u64>, wrong: &mut Wrong) {
    let given = |name: &str| fields.at(name).is_some();
    if given("threedsError") {
        return;
    }
    if !given("threedsStatus") || !given("threedsEci") || !given("threedsVersion") {
        let text = "Threeds request parameters need to contain either 3DS verification parameters or error parameters to be valid";
        wrong.note(Some("threedsError"), text);
        return;
    }
    for (name, most) in [
        ("threedsEci", 2),
        ("threedsStatus", 1),
        ("threedsVersion", 20),
        ("threedsClientTransactionId", 36),
        ("threedsCardToken", 16),
        ("threedsSdkTransId", 36),
        ("threedsAuthenticationType", 36),
    ] {
        fields.text(name, most, wrong);
    }
    for name in ["threedsClientTransactionId", "threedsSuccess"] {
        if !given(name) {
            wrong.note(Some(name), REQUIRED);
        }
    }
    if price.is_none() || fields.cents("threedsAmount", wrong) != price {
        wrong.note(
            Some("threedsAmount"),
            "Threeds amount is not equal to initialPrice",
        );
    }
    let first = fields
        .at("threedsVersion")
        .and_then(Value::as_str)
        .is_some_and(|version| version.starts_with("1."));
    if !first {
        // Without it nobody was authenticated. The platform's text for this field is not known.
        fields.needed("threedsAuthenticationValue", 36, wrong);
    }
    let wanted: &[(&str, &str)] = if first {
        &[
            ("threedsXid", "Invalid 3DS Xid"),
            ("threedsCavv", "Invalid 3DS Cavv"),
            ("threedsCavvAlgorithm", "Invalid 3DS Cavv Algorithm"),
        ]
    } else {
        &[
            ("threedsDsTransId", "Invalid 3DS Ds Trans Id"),
            ("threedsAcsTransId", "Invalid 3DS Acs Trans Id"),
        ]
    };
    for (name, text) in wanted {
        let most = match *name {
            "threedsCavv" => 1024,
            "threedsXid" => 50,
            "threedsCavvAlgorithm" => 28,
            _ => 36,
        };
        let fits = fields
            .at(name)
            .and_then(Value::as_str)
            .is_some_and(|value| value.len() <= most);
        if !fits {
            wrong.note(Some(name), text);
        }
    }
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
