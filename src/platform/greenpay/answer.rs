//! Reads the checkout host's answers. The HTTP status and the status in the body both count.

use super::signature::{self, Candidate};
use crate::crypto::public_key::PublicKey;
use crate::error::{Code, Error, Result};
use crate::object::object;
use crate::platform::lenient::UNREADABLE;
use crate::redact;
use crate::text::contains;

/// A number or a string in an answer.
///
/// GreenPay returns a `requestId` with the JSON type of the request. `status` is a number in most answers, and a word
/// (`DELETED`, `SUCCESS`, `FAIL`) in others. The signed string contains both as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// An integer. The platform sends no other numbers here.
    Integer(i64),
    /// A text.
    Text(String),
}

impl Scalar {
    /// The value as an integer, if it is one.
    #[must_use]
    pub const fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::Text(_) => None,
        }
    }

    /// The value as it is in the answer.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Integer(value) => value.to_string(),
            Self::Text(value) => value.clone(),
        }
    }
}

/// The members of an answer of `/tokenize` or `/tokenize/update`, and of the webhook `/newCard`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenAnswer {
    /// 201 on success, inside an HTTP 200.
    pub status: Scalar,
    /// The order's `requestId`.
    pub request_id: Option<Scalar>,
    /// `result.token`, a UUID. Store it, also after an update.
    pub token: Option<String>,
    /// `result.bin`: the first six digits.
    pub bin: Option<String>,
    /// `result.last_digits`: the last four.
    pub last4: Option<String>,
    /// `expiration_date`, as `YYMM`.
    pub expiry: Option<String>,
    /// `Visa`, `Mastercard`, or `nd` if it is not known.
    pub brand: Option<String>,
    /// The nickname that was sent with the card.
    pub nickname: Option<String>,
    /// `cardHolder`, in later versions of the platform only.
    pub holder: Option<String>,
    /// The error messages, joined with `; `.
    pub errors: String,
    /// `_signature`, which covers only `status` and `requestId`.
    pub signature: Option<String>,
}

/// The members of an answer of `/kount`, `/` or `/tokenPayment`, and of the webhook `/`.
///
/// If a member that decides the outcome has the wrong type, it is [`UNREADABLE`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentAnswer {
    /// 200 for approved, 500 for declined or refused.
    pub status: Scalar,
    /// The order's `orderReference`.
    pub order_id: Option<Scalar>,
    /// The authorization, needed to void or refund.
    pub authorization: Option<String>,
    /// The last four digits.
    pub last4: Option<String>,
    /// The brand.
    pub brand: Option<String>,
    /// `result.success`: whether the bank approved.
    pub success: Option<bool>,
    /// `result.resp_code`: `00` for approved, otherwise the bank's reason.
    pub bank_code: Option<String>,
    /// `result.reserved_private4`: the bank's message about a decline.
    pub bank_text: Option<String>,
    /// The error messages, joined with `; `.
    pub errors: String,
    /// `_signature`. It probably covers `status` and `orderId`, by analogy with tokenization.
    pub signature: Option<String>,
}

/// The result of checking an answer's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whether the signature matches.
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

/// A stored card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardToken {
    /// The platform's token. Store it, also after an update.
    pub token: String,
    /// The platform's name of the brand, in lower case. `None` if the platform does not know it.
    pub brand: Option<String>,
    /// First six digits.
    pub bin: Option<String>,
    /// Last four digits.
    pub last4: Option<String>,
    /// Month and four-digit year.
    pub expiry: Option<(u8, u16)>,
    /// The name on the card, if the platform returns it.
    pub holder: Option<String>,
    /// The nickname.
    pub nickname: Option<String>,
    /// The order's `requestId`, as it is in the answer.
    pub request_id: Option<String>,
    /// The signature check. The signature does not cover the token.
    pub signature: Verified,
}

/// Reads the answer of `/tokenize` or `/tokenize/update`.
///
/// # Errors
/// `platform_rejected`, with our code if the message is a known one; `answer_malformed`. A wrong or missing
/// signature is not an error here: check [`CardToken::signature`].
pub fn read_token(key: &PublicKey, http_status: u16, answer: &TokenAnswer) -> Result<CardToken> {
    // No money moves, so a string with these digits is accepted, too.
    let stored = matches!(answer.status.text().as_str(), "200" | "201");
    let success = (200..300).contains(&http_status) && stored;
    let token = answer.token.as_deref().filter(|token| !token.is_empty());
    let (true, Some(token)) = (success, token) else {
        return Err(refusal(http_status, &answer.status, &answer.errors));
    };
    let signed = answer.signature.as_deref().zip(answer.request_id.as_ref());
    let by = signed
        .and_then(|(signature, id)| signature::verify(key, Candidate::TOKEN, &answer.status, id, signature));
    Ok(CardToken {
        token: token.into(),
        brand: answer.brand.as_deref().and_then(brand),
        bin: digits(answer.bin.as_deref(), 6..=8),
        last4: digits(answer.last4.as_deref(), 4..=4),
        expiry: answer.expiry.as_deref().and_then(expiry),
        holder: answer.holder.as_deref().map(redact::card_digits),
        nickname: answer.nickname.as_deref().map(redact::card_digits),
        request_id: answer.request_id.as_ref().map(Scalar::text),
        signature: Verified::by(by),
    })
}

/// The outcome of a payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The bank approved.
    Approved,
    /// The bank or the platform declined; nothing was charged.
    Declined,
    #[default]
    /// The answer does not say. Wait for the platform's notification; another charge could be a second one.
    Unknown,
}

impl Outcome {
    /// The value in JSON.
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
    /// Our stable code for it.
    pub reason: &'static str,
    /// The bank's message, with card numbers masked.
    pub message: String,
}

object!(Decline, decline, {
    "code" = &decline.code,
    "reason" = decline.reason,
    "message" = &decline.message,
});

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The outcome.
    pub outcome: Outcome,
    /// The merchant's reference, from `orderId`.
    pub order_reference: Option<String>,
    /// The authorization, needed to void or refund.
    pub authorization: Option<String>,
    /// The brand, in lower case.
    pub brand: Option<String>,
    /// Last four digits.
    pub last4: Option<String>,
    /// Why it was declined.
    pub decline: Option<Decline>,
    /// The signature check. For payments, the platform does not document what the signature covers.
    pub signature: Verified,
}

/// Reads the answer of `/kount`, `/` or `/tokenPayment`.
///
/// # Errors
/// `platform_rejected` if the platform refused the request before it asked a bank (unknown session, wrong token,
/// decryption failed, …). A decline is not an error, and neither is an answer that does not say the outcome.
pub fn read_payment(key: &PublicKey, http_status: u16, answer: &PaymentAnswer) -> Result<Payment> {
    let signed = answer.signature.as_deref().zip(answer.order_id.as_ref());
    let by = signed.and_then(|(signature, id)| {
        signature::verify(key, Candidate::PAYMENT, &answer.status, id, signature)
    });
    let said = answer.bank_code.as_deref();
    // A bank's answer that cannot be read is neither an approval nor a decline.
    let unreadable = said == Some(UNREADABLE);
    let bank_code = said.filter(|code| !code.is_empty() && !unreadable);
    let body_ok = answer.status.integer() == Some(200);
    let http_ok = (200..300).contains(&http_status);
    let bank_ok = !unreadable && answer.success != Some(false) && bank_code.is_none_or(|code| code == "00");
    // After "declined" or "refused", the shopper pays again. So both need an answer without any sign of an
    // approval: from the bank, in the body's status, or as an authorization.
    let approval = unreadable
        || answer.success == Some(true)
        || bank_code == Some("00")
        || answer
            .authorization
            .as_deref()
            .is_some_and(|text| !text.is_empty());
    let outcome = match (http_ok, body_ok, bank_ok) {
        (true, true, true) => Outcome::Approved,
        (_, false, _) if !approval && bank_code.is_some() => Outcome::Declined,
        (_, false, _) if !approval && platform_code(&answer.errors).is_some() => {
            return Err(refusal(http_status, &answer.status, &answer.errors));
        }
        // Contradictory answers: an approval inside a failure, a decline inside a success, a failure without a reason.
        _ => Outcome::Unknown,
    };
    let decline = (outcome == Outcome::Declined).then(|| Decline {
        code: bank_code.filter(|code| code.len() <= 8).map(redact::card_digits),
        reason: decline_reason(bank_code.unwrap_or_default()),
        message: redact::card_digits(answer.bank_text.as_deref().unwrap_or(&answer.errors)),
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

/// Parts of the platform's documented error messages, in lower case, with our codes for them.
const TEXTS: &[(&str, &str)] = &[
    ("bank entity doesn't exist", "terminal_unknown"),
    ("merchant doesn't exist", "merchant_unknown"),
    ("invalid_pan", "invalid_pan"),
    // The platform's message for a card that it could not decrypt.
    ("session not exists or is wrong", "not_decryptable"),
    ("session not found", "session_not_found"),
    ("invalid card token", "invalid_card_token"),
    ("invalid token", "invalid_session_token"),
    ("invalid input syntax for uuid", "invalid_uuid"),
    ("transaction not found", "transaction_not_found"),
    ("not ready for reversion", "too_late"),
];

/// Our code for one of the platform's error messages.
#[must_use]
pub fn platform_code(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    TEXTS
        .iter()
        .find(|(part, _)| contains(&text, part))
        .map(|(_, code)| *code)
}

/// Our code for a bank's response code.
#[must_use]
fn decline_reason(code: &str) -> &'static str {
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

fn refusal(http_status: u16, body_status: &Scalar, text: &str) -> Error {
    let code = platform_code(text);
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
        .with_platform(code, text)
}

fn brand(text: &str) -> Option<String> {
    let word = |c: char| c.is_ascii_alphabetic() || matches!(c, ' ' | '-');
    let known = (1..=32).contains(&text.len()) && text.chars().all(word) && !text.eq_ignore_ascii_case("nd");
    known.then(|| text.to_ascii_lowercase())
}

/// Returns digits only if they have the expected length, so that a whole card number is never passed on.
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
    use serde_json::Value;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn key() -> PublicKey {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/greenpay.json")).unwrap();
        PublicKey::parse(vectors["rsa_keys"]["t1024"]["public_spki_pem"].as_str().unwrap()).unwrap()
    }

    fn answer(status: i64) -> PaymentAnswer {
        PaymentAnswer {
            status: Scalar::Integer(status),
            order_id: Some(Scalar::Text("o".into())),
            authorization: None,
            last4: None,
            brand: None,
            success: None,
            bank_code: None,
            bank_text: None,
            errors: String::new(),
            signature: None,
        }
    }

    /// Tries every combination of the members that can say whether a payment was approved.
    #[test]
    fn no_contradiction_is_read_as_a_decline_or_a_refusal() {
        for http in [200, 500, 502] {
            for body in [200, 500] {
                for success in [Some(true), Some(false), None] {
                    for code in [Some("00"), Some("51"), None] {
                        for authorization in [Some("533793"), None] {
                            for text in ["Invalid token", "Error: other"] {
                                let answer = PaymentAnswer {
                                    authorization: authorization.map(Into::into),
                                    success,
                                    bank_code: code.map(Into::into),
                                    errors: text.into(),
                                    ..answer(body)
                                };
                                let speaks_for =
                                    success == Some(true) || code == Some("00") || authorization.is_some();
                                let speaks_against = success == Some(false) || code == Some("51");
                                let outcome =
                                    read_payment(&key(), http, &answer).map(|payment| payment.outcome);
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
                                    "{http} {answer:?}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_that_looks_like_a_card_number_is_passed_on() {
        let pan = "4242424242424242";
        let answer = PaymentAnswer {
            authorization: Some(String::new()),
            last4: Some(pan.into()),
            brand: Some(pan.into()),
            success: Some(false),
            bank_code: Some(pan.into()),
            bank_text: Some(pan.into()),
            errors: pan.into(),
            ..answer(500)
        };
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
