//! The checkout host: takes the encrypted card for a session. The order of the checks is the documented
//! pipeline; a call that fails leaves the session usable, as does a decline.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use time::UtcOffset;
use uuid::Uuid;

use super::answers::{Answer, Echo};
use super::keys::KeyPair;
use super::orders::{CardFacts, CardToken, Order, Purchase, Purpose, State, Transaction};
use super::settings::Settings;
use super::webhooks::Webhook;
use super::wire::{PaymentAnswer, PaymentResult, Scalar, TokenAnswer, TokenResult};
use super::{Call, GreenPay, Ledger, Refusal, bank, decrypt};
use crate::host::faults::{ActiveFault, Kind};

/// Lengths of a nickname in UTF-16 units: longer than five, shorter than fifty.
const NICKNAME: core::ops::RangeInclusive<usize> = 6..=49;
/// Digits of a card number.
const NUMBER: core::ops::RangeInclusive<usize> = 12..=19;
/// Digits of a security code.
const CVC: core::ops::RangeInclusive<usize> = 3..=4;

/// What a call of the checkout host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Tokenize,
    Update,
    PayWithKount,
    Pay,
}

/// A purchase and the card it is to be charged to.
pub(crate) struct Charge {
    pub(crate) purchase: Purchase,
    pub(crate) card: CardFacts,
    pub(crate) callback: Option<String>,
}

/// What the bank said to a charge: an authorization, or why not.
pub(crate) struct Settled {
    pub(crate) authorization: Option<String>,
    pub(crate) error: Option<&'static str>,
}

/// The card as it was typed. It lives as long as one call and has no `Debug`.
struct Card {
    number: String,
    /// `YYMM`.
    expiry: String,
    holder: String,
    nickname: Option<String>,
}

impl GreenPay {
    pub(crate) fn checkout(&self, ledger: &mut Ledger, call: &Call<'_>, action: Action) -> Answer {
        let mut echo = None;
        self.check_out(ledger, call, action, &mut echo)
            .unwrap_or_else(|refusal| Answer::refusal(refusal, echo))
    }

    fn check_out(
        &self,
        ledger: &mut Ledger,
        call: &Call<'_>,
        action: Action,
        echo: &mut Option<Echo>,
    ) -> Result<Answer, Refusal> {
        let body = &call.body;
        let (Some(session), Some(ld), Some(lk)) = (body.text("session"), body.text("ld"), body.text("lk"))
        else {
            return Err(Refusal::INVALID_BODY);
        };
        let session = uuid(Some(&session))?;
        let liszt_token = uuid(call.liszt_token)?;

        let order = ledger.book.order(session).ok_or(Refusal::SESSION_NOT_FOUND)?;
        self.check_order(order, &ledger.settings, action)?;
        if order.token != liszt_token {
            return Err(Refusal("Invalid token"));
        }
        *echo = Some(match &order.purpose {
            Purpose::Tokenize { request_id } => Echo::request_id(request_id.clone()),
            Purpose::Payment(purchase) => Echo::order_id(purchase.order_reference.clone()),
        });

        let keys = if call.fault.is(Kind::WrongKeyDecrypt) {
            self.other_keys()
        } else {
            Some(&self.keys)
        };
        let settings = &ledger.settings;
        let open = |keys: &KeyPair| {
            decrypt::open(keys, &ld, &lk, settings.counter_arithmetic, settings.utf8_decoder)
        };
        let plain = keys
            .and_then(open)
            .ok_or(Refusal("Session not exists or is wrong"))?;

        self.take_card(ledger, session, action, &plain, call.fault)
    }

    /// Stores or charges the card of an order that was checked.
    pub(super) fn take_card(
        &self,
        ledger: &mut Ledger,
        session: Uuid,
        action: Action,
        plain: &Map<String, Value>,
        fault: &ActiveFault,
    ) -> Result<Answer, Refusal> {
        let order = ledger.book.order(session).ok_or(Refusal::SESSION_NOT_FOUND)?;
        let (purpose, callback) = (order.purpose.clone(), order.callback.clone());
        let answer = match purpose {
            Purpose::Tokenize { request_id } => {
                let (card_token, khash) = self.tokenize(ledger, action, plain)?;
                let webhook = Webhook {
                    route: "/newCard",
                    callback,
                };
                token_answer(&card_token, &khash, request_id).with_webhook(webhook)
            }
            Purpose::Payment(purchase) => {
                let card = paying_card(ledger, plain)?;
                let unscreened = action == Action::PayWithKount
                    && ledger.settings.require_kount_session
                    && plain
                        .get("kountSession")
                        .and_then(Value::as_str)
                        .is_none_or(str::is_empty);
                let decline = unscreened.then_some(bank::REJECTED_BY_KOUNT);
                let charge = Charge {
                    purchase,
                    card,
                    callback,
                };
                self.charge(ledger, charge, fault, decline)
            }
        };
        if !answer.failed {
            ledger.book.use_up(session);
        }
        Ok(answer)
    }

    /// Refuses an order whose time is over, that was used, or that was made for something else.
    pub(super) fn check_order(
        &self,
        order: &Order,
        settings: &Settings,
        action: Action,
    ) -> Result<(), Refusal> {
        let used = order.used && !settings.session_reuse;
        let for_verb = match order.purpose {
            Purpose::Tokenize { .. } => matches!(action, Action::Tokenize | Action::Update),
            Purpose::Payment(_) => matches!(action, Action::PayWithKount | Action::Pay),
        };
        if order.expired(self.host.now()) || used || !for_verb {
            return Err(Refusal::SESSION_NOT_FOUND);
        }
        Ok(())
    }

    fn tokenize(
        &self,
        ledger: &mut Ledger,
        action: Action,
        plain: &Map<String, Value>,
    ) -> Result<(CardToken, String), Refusal> {
        let card = Card::read(plain)?;
        let nickname = card.nickname.clone().unwrap_or_default();
        if !NICKNAME.contains(&nickname.encode_utf16().count()) {
            return Err(Refusal("Invalid nickname"));
        }
        let facts = card.facts()?;
        let khash = khash(&self.khash_salt, &card.number);
        let mut card_token = CardToken {
            token: Uuid::new_v4(),
            card: facts,
            expiry: card.expiry,
            holder: card.holder,
            nickname,
            deleted: false,
        };
        if action == Action::Update {
            let known = plain
                .get("token")
                .and_then(Value::as_str)
                .ok_or(Refusal::INVALID_CARD_TOKEN)?;
            let keeps_token = ledger.settings.update_keeps_token;
            let old = ledger
                .book
                .card_token(uuid(Some(known))?)
                .ok_or(Refusal::INVALID_CARD_TOKEN)?;
            if keeps_token {
                card_token.token = old.token;
                *old = card_token.clone();
                return Ok((card_token, khash));
            }
            old.deleted = true;
        }
        ledger.book.add_card_token(card_token.clone());
        Ok((card_token, khash))
    }

    /// Authorizes the charge at the bank, and books the result. Gives the bank's code as well.
    pub(crate) fn settle(
        &self,
        ledger: &mut Ledger,
        charge: &Charge,
        fault: &ActiveFault,
        decline: Option<&str>,
    ) -> (String, Settled) {
        let Charge { purchase, card, .. } = charge;
        let told = fault.is(Kind::RespCode).then(|| fault.value().unwrap_or("05"));
        let code = told
            .or(decline)
            .or(card.decline)
            .unwrap_or(bank::APPROVED)
            .to_owned();
        let approved = code == bank::APPROVED;
        let settled = Settled {
            authorization: approved.then(|| digits::<6>(Uuid::new_v4())),
            error: (!approved).then(|| bank::text(&code)),
        };
        ledger.book.transactions.push(Transaction {
            purchase: purchase.clone(),
            approved,
            resp_code: code.clone(),
            authorization: settled.authorization.clone(),
            bin: card.bin.clone(),
            last4: card.last4.clone(),
            state: if approved {
                State::Approved
            } else if code == bank::REVERSED {
                State::Reversed
            } else {
                State::Declined
            },
            at: self.host.now(),
        });
        (code, settled)
    }

    /// A charge, and the platform's answer to it.
    pub(crate) fn charge(
        &self,
        ledger: &mut Ledger,
        charge: Charge,
        fault: &ActiveFault,
        decline: Option<&str>,
    ) -> Answer {
        let (code, settled) = self.settle(ledger, &charge, fault, decline);
        let Charge {
            purchase,
            card,
            callback,
        } = charge;
        let Settled {
            authorization,
            error: decline_text,
        } = settled;
        let approved = authorization.is_some();
        let local = self.host.now().to_offset(COSTA_RICA);
        let (hour, minute, second) = local.to_hms();
        let answer = Answer::of(&PaymentAnswer {
            status: if approved { 200 } else { 500 },
            order_id: purchase.order_reference.clone(),
            authorization: authorization.clone(),
            last4: card.last4,
            brand: card.brand,
            result: PaymentResult {
                success: approved,
                resp_code: code,
                reserved_private4: decline_text,
                retrieval_ref_num: digits::<12>(Uuid::new_v4()),
                time_local_tran: format!("{hour:02}{minute:02}{second:02}"),
                date_local_tran: format!("{:02}{:02}", u8::from(local.month()), local.day()),
                systems_trace_audit_number: format!("{:06}", ledger.book.transactions.len() % 1_000_000),
                proc_code: "000000",
                network_international_id: "0003",
                mti: "0210",
                merchant_id: 485,
                card_acceptor_terminal_id: "00112478",
                authorization_id_resp: authorization,
            },
            errors: decline_text.into_iter().collect(),
        });
        answer
            .failing(!approved)
            .signed_by(Echo::order_id(purchase.order_reference))
            .with_webhook(Webhook { route: "/", callback })
    }
}

/// The bank's clock has no summer time.
pub(crate) const COSTA_RICA: UtcOffset = match UtcOffset::from_hms(-6, 0, 0) {
    Ok(offset) => offset,
    Err(_) => UtcOffset::UTC,
};

/// A UUID in a form that PostgreSQL reads.
pub(crate) fn uuid(text: Option<&str>) -> Result<Uuid, Refusal> {
    text.and_then(|text| Uuid::parse_str(text).ok())
        .ok_or(Refusal("Invalid input syntax for uuid"))
}

/// Random decimal digits out of a random UUID.
fn digits<const COUNT: usize>(source: Uuid) -> String {
    let mut text = format!("{:040}", source.as_u128());
    text.split_off(40 - COUNT)
}

/// The later versions' hash of a card number; salted anew at every start, so that no number can be found from it.
fn khash(salt: &[u8], number: &str) -> String {
    let digest = Sha256::new().chain_update(salt).chain_update(number).finalize();
    let mut text = hex::encode(digest);
    text.truncate(14);
    text
}

fn token_answer(card_token: &CardToken, khash: &str, request_id: Scalar) -> Answer {
    let card = &card_token.card;
    let answer = Answer::of(&TokenAnswer {
        status: 201,
        request_id: request_id.clone(),
        result: TokenResult {
            token: card_token.token.to_string(),
            last_digits: card.last4.clone(),
            bin: card.bin.clone(),
            khash: format!("{}{khash}", card.bin),
        },
        expiration_date: card_token.expiry.clone(),
        brand: card.brand,
        nickname: card_token.nickname.clone(),
        card_holder: card_token.holder.clone(),
        errors: [],
    });
    answer.signed_by(Echo::request_id(request_id))
}

/// The card of a payment: typed in, or a stored one named by its token (which the platform's Spanish article
/// mentions without showing it).
fn paying_card(ledger: &mut Ledger, plain: &Map<String, Value>) -> Result<CardFacts, Refusal> {
    if plain.contains_key("card") {
        return Card::read(plain)?.facts();
    }
    let token = plain
        .get("token")
        .and_then(Value::as_str)
        .ok_or(Refusal("Invalid card"))?;
    let card_token = ledger
        .book
        .card_token(uuid(Some(token))?)
        .ok_or(Refusal::INVALID_CARD_TOKEN)?;
    Ok(card_token.card.clone())
}

impl Card {
    /// Checks everything but the number and the nickname.
    fn read(plain: &Map<String, Value>) -> Result<Self, Refusal> {
        let card = plain
            .get("card")
            .and_then(Value::as_object)
            .ok_or(Refusal("Invalid card"))?;
        let holder = card.get("cardHolder").and_then(Value::as_str).unwrap_or_default();
        if holder.trim().is_empty() {
            return Err(Refusal("Invalid card holder"));
        }
        let expiry = expiry(card.get("expirationDate")).ok_or(Refusal("Invalid expiration date"))?;
        let cvc = printed(card.get("cvc")).unwrap_or_default();
        if !all_digits(&cvc) || !CVC.contains(&cvc.len()) {
            return Err(Refusal("Invalid cvc"));
        }
        Ok(Self {
            number: printed(card.get("cardNumber")).unwrap_or_default(),
            expiry,
            holder: holder.to_owned(),
            nickname: card.get("nickname").and_then(Value::as_str).map(str::to_owned),
        })
    }

    /// Checks the number. The Luhn digit does not count: documented test cards fail it.
    fn facts(&self) -> Result<CardFacts, Refusal> {
        let number = &self.number;
        if !all_digits(number) || !NUMBER.contains(&number.len()) {
            return Err(Refusal("Invalid_pan"));
        }
        Ok(CardFacts {
            bin: number.chars().take(6).collect(),
            last4: number.chars().skip(number.len() - 4).collect(),
            brand: bank::brand(number),
            decline: bank::decline(number),
        })
    }
}

/// A string, or a number as text.
fn printed(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `YYMM` of a month 1 to 12 and a year of two or four digits, as numbers or strings.
fn expiry(value: Option<&Value>) -> Option<String> {
    let fields = value?.as_object()?;
    let month = printed(fields.get("month"))
        .filter(|text| all_digits(text))?
        .parse::<u8>()
        .ok()?;
    let year =
        printed(fields.get("year")).filter(|text| all_digits(text) && matches!(text.len(), 1 | 2 | 4))?;
    let year = year.parse::<u16>().ok()? % 100;
    (1..=12).contains(&month).then(|| format!("{year:02}{month:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_an_expiry_in_every_form_of_the_field() {
        for (month, year, expected) in [
            (json!(12), json!(23), Some("2312")),
            (json!("6"), json!("25"), Some("2506")),
            (json!("06"), json!("2028"), Some("2806")),
            (json!(7), json!(2028), Some("2807")),
            (json!(1), json!(5), Some("0501")),
            (json!(0), json!(25), None),
            (json!(13), json!(25), None),
            (json!(1.5), json!(25), None),
            (json!(1), json!(123), None),
            (json!(1), json!("20 25"), None),
            (json!(1), json!(-25), None),
            (json!(null), json!(25), None),
        ] {
            let date = json!({ "month": month, "year": year });
            assert_eq!(expiry(Some(&date)).as_deref(), expected, "{date}");
        }
        assert_eq!(expiry(Some(&json!("12/25"))), None);
        assert_eq!(expiry(None), None);
    }

    #[test]
    fn reads_uuids_as_postgresql_does() {
        for good in [
            "2b1f0c52-6f0c-4d7c-8b0e-9a1d3a5c7e90",
            "2B1F0C526F0C4D7C8B0E9A1D3A5C7E90",
        ] {
            assert!(uuid(Some(good)).is_ok(), "{good}");
        }
        for bad in [
            None,
            Some(""),
            Some("session"),
            Some("2b1f0c52-6f0c-4d7c-8b0e-9a1d3a5c7e9"),
        ] {
            assert_eq!(uuid(bad).unwrap_err(), Refusal("Invalid input syntax for uuid"));
        }
    }

    #[test]
    fn makes_digits() {
        assert_eq!(digits::<6>(Uuid::nil()), "000000");
        assert_eq!(digits::<12>(Uuid::max()).len(), 12);
        assert_ne!(digits::<12>(Uuid::new_v4()), digits::<12>(Uuid::new_v4()));
    }
}
