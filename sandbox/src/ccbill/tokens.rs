//! Payment tokens: a card, its customer, and what may be done with them.

use cardseal::card::luhn;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::book::Token;
use super::fields::{FieldErrors, Fields, REQUIRED, SIZE, VALUES};
use super::request::{Answer, Call};
use super::{Ledger, Refusal};
use crate::host::clock;

/// What time and uses default to.
pub(crate) const ENDLESS: u64 = 2_147_483_647;

/// An object inside another.
fn object<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a Map<String, Value>> {
    fields.at(name)?.as_object()
}

impl Call<'_> {
    /// `POST /payment-tokens/merchant-only` and `-verify`.
    pub(crate) fn create_token(&self, ledger: &mut Ledger, verify: bool) -> Answer {
        let body = self.body()?;
        let fields = Fields::of(&body, "");
        let mut errors = FieldErrors::default();
        let account = self.account(&fields, &mut errors);
        let subscription = fields.needed_number("subscriptionId", u64::MAX, &mut errors);
        let time_to_live = fields.number("timeToLive", &mut errors).unwrap_or(ENDLESS);
        let uses = fields.number("validNumberOfUse", &mut errors).unwrap_or(ENDLESS);
        for (name, value) in [("timeToLive", time_to_live), ("validNumberOfUse", uses)] {
            if value > ENDLESS {
                errors.add(Some(name), SIZE);
            }
        }
        let (mut bin, mut last4) = (String::new(), String::new());
        let mut ip_address = None;
        if subscription == Some(0) {
            let customer = object(&fields, "customerInfo");
            let payment = object(&fields, "paymentInfo");
            if customer.is_none() || payment.is_none() {
                let text = "Customer and Payment Information required for zero Subscription ID";
                errors.add(None, text);
            }
            if let Some(customer) = customer {
                let customer = Fields::of(customer, "customerInfo.");
                ip_address = self.customer_ip(Some(&customer), "customerInfo.ipAddress", ledger, &mut errors);
                check_customer(&customer, &mut errors);
            }
            if let Some(payment) = payment {
                let payment = Fields::of(payment, "paymentInfo.");
                match object(&payment, "creditCardPaymentInfo") {
                    None => errors.add(Some("paymentInfo.creditCardPaymentInfo"), REQUIRED),
                    Some(card) => (bin, last4) = self.check_card(card, verify, &mut errors),
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
                None => errors.add(Some("subscriptionId"), "Invalid Subscription ID"),
            }
        }
        if !errors.is_empty() {
            return Err(Refusal::validation(errors));
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

    /// `GET /payment-tokens/{id}`.
    pub(crate) fn read_token(&self, ledger: &Ledger) -> Answer {
        self.token(ledger).map(|token| self.described(token))
    }

    fn described(&self, token: &Token) -> Value {
        json!({
            "paymentTokenId": token.id,
            "programParticipationId": null,
            "originalPaymentTokenId": null,
            "clientAccnum": self.info.client_accnum,
            "clientSubacc": token.subacc,
            "createdDatetime": clock::utc(token.created_at, 0),
            "timeToLive": token.time_to_live,
            "validNumberOfUse": token.valid_number_of_use,
            "subscriptionId": self.long_id(token.subscription_id),
            "paymentInfoId": null,
        })
    }

    fn check_card(
        &self,
        card: &Map<String, Value>,
        verify: bool,
        errors: &mut FieldErrors,
    ) -> (String, String) {
        let card = Fields::of(card, "paymentInfo.creditCardPaymentInfo.");
        let note =
            |errors: &mut FieldErrors, field: &str, text: &str| errors.add(Some(&card.name(field)), text);
        let number = card.needed("cardNum", 19, errors).unwrap_or_default();
        let digits = number.len() >= 12 && number.bytes().all(|byte| byte.is_ascii_digit());
        let fits = digits && luhn(number.bytes().map(|byte| u32::from(byte - b'0')));
        if !number.is_empty() && !fits {
            note(errors, "cardNum", "Invalid credit card number");
        }
        let month = card.needed("expMonth", 2, errors);
        let month_number: Option<u8> = month
            .filter(|month| month.len() == 2)
            .and_then(|month| month.parse().ok())
            .filter(|month| (1..=12).contains(month));
        if month.is_some() && month_number.is_none() {
            note(errors, "expMonth", VALUES);
        }
        if let Some(year) = card.needed("expYear", 4, errors) {
            match year.parse::<i32>() {
                Ok(number) if year.len() == 4 => {
                    let past =
                        (number, month_number.unwrap_or(12)) < (self.now.year(), self.now.month().into());
                    if past || number > 2100 {
                        note(errors, "expYear", "Invalid expiration year");
                    }
                }
                _ => note(errors, "expYear", VALUES),
            }
        }
        if let Some(name) = card.needed("nameOnCard", 45, errors) {
            let plain = |c: char| c.is_alphabetic() || " .'-".contains(c);
            if name.chars().count() < 2 || !name.chars().all(plain) {
                note(errors, "nameOnCard", VALUES);
            }
        }
        let code = if verify {
            card.needed("cvv2", 4, errors)
        } else {
            card.text("cvv2", 4, errors)
        };
        if code.is_some_and(|code| code.len() < 3 || !code.bytes().all(|byte| byte.is_ascii_digit())) {
            note(errors, "cvv2", VALUES);
        }
        let last = number.len().saturating_sub(4);
        (
            number.get(..6).unwrap_or_default().into(),
            number.get(last..).unwrap_or_default().into(),
        )
    }
}

fn check_customer(customer: &Fields<'_>, errors: &mut FieldErrors) {
    for (name, most) in [("customerFname", 50), ("customerLname", 50)] {
        customer.needed(name, most, errors);
    }
    if let Some(email) = customer.needed("email", 254, errors) {
        let (name, host) = email.split_once('@').unwrap_or_default();
        if name.is_empty() || !host.contains('.') || email.contains(' ') {
            errors.add(Some(&customer.name("email")), "Invalid email address");
        }
    }
    if let Some(country) = customer.needed("country", 2, errors)
        && !(country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphabetic()))
    {
        errors.add(Some(&customer.name("country")), "Invalid postal code");
    }
    if let Some(code) = customer.needed("zipcode", 16, errors) {
        let american = customer.at("country").and_then(Value::as_str) == Some("US");
        let five = code.len() >= 5 && code.bytes().take(5).all(|byte| byte.is_ascii_digit());
        if american && !five {
            errors.add(Some(&customer.name("zipcode")), "Invalid postal code");
        }
    }
    for (name, most) in [("address1", 50), ("address2", 50), ("city", 50), ("state", 3)] {
        customer.text(name, most, errors);
    }
    let texts = customer.map.values().filter_map(Value::as_str);
    if !texts.into_iter().all(str::is_ascii) {
        errors.add(None, "Unsupported characters");
    }
}
