//! What the checkout host answered, as typed results. HTTP status and body status both count.

use serde::Serialize;

use super::signature::{self, Candidate};
use super::wire::{ErrorEntry, PaymentAnswer, Scalar, TokenAnswer};
use crate::crypto::public_key::PublicKey;
use crate::error::{Code, Error, Result};
use crate::object::object;
use crate::platforms::lenient::UNREADABLE;
use crate::redact;
use crate::text::contains;

/// What the signature of an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whether it fits the key.
    pub verified: bool,
    /// The only fields that it covers.
    pub signed_fields: Vec<&'static str>,
}

object!(Verified, signature, {
    "verified" = signature.verified,
    "signedFields" = &signature.signed_fields,
});

impl Verified {
    fn by(candidate: Option<Candidate>) -> Self {
        Self {
            verified: candidate.is_some(),
            signed_fields: candidate.map(|by| vec!["status", by.field()]).unwrap_or_default(),
        }
    }
}

/// A stored card, as the platform describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CardToken {
    /// The platform's token: the one to keep, also after an update.
    pub token: String,
    /// As the platform prints it, in lower case; nothing for "not determined".
    pub brand: Option<String>,
    /// First six digits.
    pub bin: Option<String>,
    /// Last four digits.
    pub last4: Option<String>,
    /// Month and four-digit year.
    pub expiry: Option<(u8, u16)>,
    /// The name on the card, where the platform returns it.
    pub holder: Option<String>,
    /// The nickname.
    pub nickname: Option<String>,
    /// The echo of the order's `requestId`, as printed.
    pub request_id: Option<String>,
    /// The signature's word, which does not cover the token.
    pub signature: Verified,
}

/// Reads the answer of `/tokenize` or `/tokenize/update`.
///
/// # Errors
/// `platform_rejected` with the platform's code where it is a known one; `answer_malformed`.
/// A wrong or missing signature is no error here: see [`CardToken::signature`].
pub fn read_token(key: &PublicKey, http_status: u16, answer: &TokenAnswer) -> Result<CardToken> {
    // It moves no money: the same digits as a text are the same status.
    let stored = matches!(answer.status.text().as_str(), "200" | "201");
    let success = (200..300).contains(&http_status) && stored;
    let result = answer.result.as_ref();
    let token = result
        .and_then(|result| result.token.as_deref())
        .filter(|token| !token.is_empty());
    let (true, Some(token)) = (success, token) else {
        return Err(refusal(http_status, &answer.status, answer.errors.as_deref()));
    };
    let signed = answer.signature.as_deref().zip(answer.request_id.as_ref());
    let by = signed
        .and_then(|(signature, id)| signature::verify(key, Candidate::TOKEN, &answer.status, id, signature));
    Ok(CardToken {
        token: token.into(),
        brand: answer.brand.as_deref().and_then(brand),
        bin: result.and_then(|result| digits(result.bin.as_deref(), 6..=8)),
        last4: result.and_then(|result| digits(result.last_digits.as_deref(), 4..=4)),
        expiry: answer.expiration_date.as_deref().and_then(expiry),
        holder: answer.card_holder.as_deref().map(redact::card_digits),
        nickname: answer.nickname.as_deref().map(redact::card_digits),
        request_id: answer.request_id.as_ref().map(Scalar::text),
        signature: Verified::by(by),
    })
}

/// What became of a payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The bank approved.
    Approved,
    /// The bank or the platform declined; nothing was charged.
    Declined,
    #[default]
    /// The answer does not say. The platform's notification will; charging again could charge twice.
    Unknown,
}

impl Outcome {
    /// The word for it in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a payment was declined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decline {
    /// The bank's code.
    pub code: Option<String>,
    /// Our stable word for it.
    pub reason: &'static str,
    /// The bank's text, masked.
    pub message: String,
}

object!(Decline, decline, {
    "code" = &decline.code,
    "reason" = decline.reason,
    "message" = &decline.message,
});

/// The answer to a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Payment {
    /// What became of it.
    pub outcome: Outcome,
    /// The merchant's reference, as printed in `orderId`.
    pub order_reference: Option<String>,
    /// The authorization, needed to void or refund.
    pub authorization: Option<String>,
    /// Brand, in lower case.
    pub brand: Option<String>,
    /// Last four digits.
    pub last4: Option<String>,
    /// Of a decline.
    pub decline: Option<Decline>,
    /// The signature's word; what it covers is inferred for payments.
    pub signature: Verified,
}

/// Reads the answer of `/kount`, `/` or `/tokenPayment`.
///
/// # Errors
/// `platform_rejected` where the platform refused the request before any bank saw it (unknown session, wrong
/// token, not decryptable, …). A decline is no error, and neither is an answer that says nothing.
pub fn read_payment(key: &PublicKey, http_status: u16, answer: &PaymentAnswer) -> Result<Payment> {
    let signed = answer.signature.as_deref().zip(answer.order_id.as_ref());
    let by = signed.and_then(|(signature, id)| {
        signature::verify(key, Candidate::PAYMENT, &answer.status, id, signature)
    });
    let result = answer.result.as_ref();
    let said = result.and_then(|result| result.resp_code.as_deref());
    // What the bank said and nobody can read is neither its approval nor its decline.
    let unreadable = said == Some(UNREADABLE);
    let bank_code = said.filter(|code| !code.is_empty() && !unreadable);
    let body_ok = answer.status.integer() == Some(200);
    let http_ok = (200..300).contains(&http_status);
    let bank_ok = !unreadable
        && result.is_none_or(|result| result.success != Some(false))
        && bank_code.is_none_or(|code| code == "00");
    let message = || {
        let bank = result.and_then(|result| result.reserved_private4.as_deref());
        redact::card_digits(bank.unwrap_or(&texts(answer.errors.as_deref())))
    };
    // Whoever reads "declined" or "refused" charges again, so both are said only where nothing speaks for an
    // approval: not the bank, not the body's status, not an authorization.
    let approval = unreadable
        || result.is_some_and(|result| result.success == Some(true))
        || bank_code == Some("00")
        || answer
            .authorization
            .as_deref()
            .is_some_and(|text| !text.is_empty());
    let outcome = match (http_ok, body_ok, bank_ok) {
        (true, true, true) => Outcome::Approved,
        (_, false, _) if !approval && bank_code.is_some() => Outcome::Declined,
        (_, false, _) if !approval && platform_code(&texts(answer.errors.as_deref())).is_some() => {
            return Err(refusal(http_status, &answer.status, answer.errors.as_deref()));
        }
        // Contradictions: an approval inside a failure, a decline inside a success, a failure without a reason.
        _ => Outcome::Unknown,
    };
    let decline = (outcome == Outcome::Declined).then(|| Decline {
        code: bank_code.filter(|code| code.len() <= 8).map(redact::card_digits),
        reason: decline_reason(bank_code.unwrap_or_default()),
        message: message(),
    });
    Ok(Payment {
        outcome,
        order_reference: answer.order_id.as_ref().map(Scalar::text),
        authorization: answer
            .authorization
            .as_deref()
            .filter(|text| !text.is_empty() && *text != UNREADABLE)
            .map(redact::card_digits),
        brand: answer.brand.as_deref().and_then(brand),
        last4: digits(answer.last4.as_deref(), 4..=4),
        decline,
        signature: Verified::by(by),
    })
}

/// The platform's documented error texts, by a part of each in lower case, and our stable codes for them.
const TEXTS: &[(&str, &str)] = &[
    ("bank entity doesn't exist", "terminal_unknown"),
    ("merchant doesn't exist", "merchant_unknown"),
    ("invalid_pan", "invalid_pan"),
    // The platform's own wording for a card that it could not decrypt.
    ("session not exists or is wrong", "not_decryptable"),
    ("session not found", "session_not_found"),
    ("invalid card token", "invalid_card_token"),
    ("invalid token", "invalid_session_token"),
    ("invalid input syntax for uuid", "invalid_uuid"),
    ("transaction not found", "transaction_not_found"),
    ("not ready for reversion", "too_late"),
];

/// Our stable code for one of the platform's error texts.
#[must_use]
pub fn platform_code(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    TEXTS
        .iter()
        .find(|(part, _)| contains(&text, part))
        .map(|(_, code)| *code)
}

/// Our stable word for a bank's response code.
#[must_use]
pub fn decline_reason(code: &str) -> &'static str {
    match code {
        "01" | "201" => "refer_to_issuer",
        "03" | "203" => "invalid_merchant",
        "04" | "41" | "43" | "241" => "card_lost_or_stolen",
        "05" | "205" => "do_not_honor",
        "12" | "212" | "30" | "19" => "invalid_transaction",
        "13" => "invalid_amount",
        "14" => "invalid_card",
        "31" => "bank_not_supported",
        "51" | "251" => "insufficient_funds",
        "54" => "expired_card",
        "55" | "255" => "wrong_pin",
        "58" | "62" | "63" | "65" | "78" | "278" => "not_permitted",
        "89" => "invalid_terminal",
        "91" => "issuer_unavailable",
        "96" | "296" => "system_error",
        "899" => "timed_out_and_reversed",
        "996" => "fraud_suspected",
        _ => "declined",
    }
}

fn refusal(http_status: u16, body_status: &Scalar, errors: Option<&[ErrorEntry]>) -> Error {
    let text = texts(errors);
    let code = platform_code(&text);
    let status = body_status
        .integer()
        .and_then(|status| u16::try_from(status).ok());
    let kind = match (code, http_status) {
        (None, 502..=504) => Code::PlatformUnavailable,
        _ if text.is_empty() && (200..300).contains(&http_status) => Code::AnswerMalformed,
        _ => Code::PlatformRejected,
    };
    Error::new(kind)
        .with_status(status.unwrap_or(http_status))
        .with_platform(code, &text)
}

fn texts(errors: Option<&[ErrorEntry]>) -> String {
    let mut text = String::new();
    for (index, entry) in errors.unwrap_or_default().iter().enumerate() {
        text.push_str(if index > 0 { "; " } else { "" });
        text.push_str(&entry.0);
    }
    text
}

fn brand(text: &str) -> Option<String> {
    let word = |c: char| c.is_ascii_alphabetic() || matches!(c, ' ' | '-');
    let known = (1..=32).contains(&text.len()) && text.chars().all(word) && !text.eq_ignore_ascii_case("nd");
    known.then(|| text.to_ascii_lowercase())
}

/// Digits of the expected length only, so that nothing longer is ever passed on.
fn digits(text: Option<&str>, length: std::ops::RangeInclusive<usize>) -> Option<String> {
    let text = text?;
    (length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.into())
}

/// `YYMM`.
fn expiry(text: &str) -> Option<(u8, u16)> {
    let year: u16 = text.get(..2)?.parse().ok()?;
    let month: u8 = text.get(2..)?.parse().ok()?;
    (text.len() == 4 && (1..=12).contains(&month)).then_some((month, 2000 + year))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn key() -> PublicKey {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/greenpay.json")).unwrap();
        PublicKey::parse(vectors["rsa_keys"]["t1024"]["public_spki_pem"].as_str().unwrap()).unwrap()
    }

    fn paid(http_status: u16, answer: Value) -> Result<Outcome> {
        let answer: PaymentAnswer = serde_json::from_value(answer).unwrap();
        read_payment(&key(), http_status, &answer).map(|payment| payment.outcome)
    }

    /// Every combination of what an answer can say of an approval: only those without a contradiction are one.
    #[test]
    fn no_contradiction_is_read_as_a_decline_or_a_refusal() {
        for http in [200, 500, 502] {
            for body in [200, 500] {
                for success in [Some(true), Some(false), None] {
                    for code in [Some("00"), Some("51"), None] {
                        for authorization in [Some("533793"), None] {
                            for text in ["Invalid token", "Error: other"] {
                                let answer = json!({"status": body, "orderId": "o", "authorization": authorization,
                                    "result": {"success": success, "resp_code": code}, "errors": [text]});
                                let speaks_for =
                                    success == Some(true) || code == Some("00") || authorization.is_some();
                                let speaks_against = success == Some(false) || code == Some("51");
                                let outcome = paid(http, answer.clone());
                                let expected = if http == 200 && body == 200 && !speaks_against {
                                    Ok(Outcome::Approved)
                                } else if body == 500 && code == Some("51") && !speaks_for {
                                    Ok(Outcome::Declined)
                                } else if body == 500
                                    && code.is_none()
                                    && !speaks_for
                                    && text == "Invalid token"
                                {
                                    Err(Code::PlatformRejected)
                                } else {
                                    Ok(Outcome::Unknown)
                                };
                                assert_eq!(
                                    outcome.map_err(|error| error.code()),
                                    expected,
                                    "{http} {answer}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn odd_types_do_not_make_an_answer_unreadable() {
        let answer = json!({"status": 200, "orderId": 7, "authorization": 533793, "last4": [], "brand": {"a": 1},
            "result": {"success": true, "resp_code": "00", "merchant_id": "485", "mti": 1.5, "proc_code": null},
            "errors": "none", "callback": {}, "later": true});
        assert_eq!(paid(200, answer), Ok(Outcome::Approved));
        let token = json!({"status": 201, "requestId": 1, "result": {"token": "t", "bin": 424242, "last_digits": 4242},
            "expiration_date": 3012, "nickname": false, "errors": {"code": "x"}});
        let token: TokenAnswer = serde_json::from_value(token).unwrap();
        let token = read_token(&key(), 200, &token).unwrap();
        assert_eq!(
            (token.bin.as_deref(), token.last4.as_deref(), token.expiry),
            (Some("424242"), Some("4242"), Some((12, 2030)))
        );
    }

    #[test]
    fn nothing_that_looks_like_a_card_number_is_passed_on() {
        let pan = "4242424242424242";
        let answer = json!({"status": 500, "orderId": "o", "authorization": "", "last4": pan, "brand": pan,
            "result": {"success": false, "resp_code": pan, "reserved_private4": pan}, "errors": [pan]});
        let answer: PaymentAnswer = serde_json::from_value(answer).unwrap();
        let payment = read_payment(&key(), 500, &answer).unwrap();
        assert!(
            !format!(
                "{:?} {:?} {:?}",
                payment.decline, payment.last4, payment.authorization
            )
            .contains("4242")
        );
    }
}
