//! The platform's JSON, as it is sent and read; the payload of a page; and what the server stores for an order.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cardseal::greenpay::{Packed, PaymentAnswer, Scalar, TokenAnswer};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Refusal;
use crate::gateway::PagePayload;
use crate::lenient::{approving_flag, deciding_text, integral, text};

/// A card of this platform is a few hundred bytes of hex; more would only be a burden to the platform.
const MAX_LD: usize = 8192;
/// The wrapped key of an 8192-bit key is 1368 characters.
const MAX_LK: usize = 2048;

/// What the server stores for a session: the platform's order.
#[derive(Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) session: String,
    pub(super) token: String,
    /// Where the platform's web form sends the customer, if the card is entered there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) callback: Option<String>,
}

impl Order {
    pub(super) fn read(state: &SecretString) -> Result<Self, Refusal> {
        serde_json::from_str(state.expose_secret()).map_err(|_| Refusal::Invalid("session"))
    }
}

/// The shape of what the browser sealed, before anything is sent.
pub(super) fn check_sealed(ld: &str, lk: &str) -> Result<(), Refusal> {
    let hex = !ld.is_empty() && ld.len().is_multiple_of(2) && ld.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hex || ld.len() > MAX_LD {
        return Err(Refusal::Invalid("ld"));
    }
    let base64 = STANDARD.decode(lk).is_ok_and(|bytes| !bytes.is_empty());
    if !base64 || lk.len() > MAX_LK {
        return Err(Refusal::Invalid("lk"));
    }
    Ok(())
}

pub(super) fn packed(payload: PagePayload) -> Result<Packed, Refusal> {
    let PagePayload::Sealed {
        data: ld,
        key: Some(lk),
        ..
    } = payload
    else {
        return Err(Refusal::Invalid("ld"));
    };
    check_sealed(&ld, &lk)?;
    Ok(Packed { ld, lk })
}

/// Whether a text can be a header value and a part of a body: the platform hands out UUIDs.
pub(super) fn opaque(text: &str) -> bool {
    (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Merchant host, `POST /tokenize`: creates a tokenization order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenizeOrder<'a> {
    pub(super) secret: &'a str,
    pub(super) merchant_id: &'a str,
    /// Comes back in the answer, with its JSON type.
    pub(super) request_id: &'a str,
    /// Only for the web form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback: Option<&'a str>,
}

/// Merchant host, `POST /`: creates a payment order. `POST /tokenPayment`: the same with `token`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentOrder<'a> {
    pub(super) secret: &'a str,
    pub(super) merchant_id: &'a str,
    /// One per currency.
    pub(super) terminal: &'a str,
    /// Major units. The decimal text is a JSON number as it stands; a double would round it.
    pub(super) amount: Box<RawValue>,
    pub(super) currency: &'a str,
    pub(super) description: &'a str,
    /// Comes back as `orderId`.
    pub(super) order_reference: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<&'a str>,
    /// Only for the web form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback: Option<&'a str>,
}

/// Merchant host, `POST /deleteToken`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeleteToken<'a> {
    pub(super) secret: &'a str,
    pub(super) merchant_id: &'a str,
    pub(super) token: &'a str,
    pub(super) request_id: &'a str,
}

/// Merchant host, `POST /transactions/void` and `/transactions/refund`: whole transactions only.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reversal<'a> {
    pub(super) secret: &'a str,
    pub(super) merchant_id: &'a str,
    /// The first six digits of the card.
    pub(super) bin: &'a str,
    pub(super) last4: &'a str,
    pub(super) authorization: &'a str,
    pub(super) order_reference: &'a str,
}

/// The answer to a void or a refund. It has no signature.
pub(super) struct ReversalAnswer {
    /// 200, 404 or 500.
    pub(super) code: Scalar,
    /// `SUCCESS` or `FAIL`.
    pub(super) status: Scalar,
    pub(super) order_reference: Option<String>,
    pub(super) void: Option<bool>,
    pub(super) refund: Option<bool>,
    pub(super) errors: String,
}

pub(super) fn reversal_answer(answer: &Value) -> ReversalAnswer {
    ReversalAnswer {
        code: status(answer, "code"),
        status: status(answer, "status"),
        order_reference: deciding_text(answer, "/result/orderReference"),
        void: approving_flag(answer, "/result/void"),
        refund: approving_flag(answer, "/result/refund"),
        errors: errors(answer),
    }
}

pub(super) fn token_answer(answer: &Value) -> TokenAnswer {
    TokenAnswer {
        status: status(answer, "status"),
        request_id: echo(answer, "requestId"),
        token: text(answer, "/result/token"),
        bin: text(answer, "/result/bin"),
        last4: text(answer, "/result/last_digits"),
        expiry: text(answer, "/expiration_date"),
        brand: text(answer, "/brand"),
        nickname: text(answer, "/nickname"),
        holder: text(answer, "/cardHolder"),
        errors: errors(answer),
        signature: text(answer, "/_signature"),
    }
}

pub(super) fn payment_answer(answer: &Value) -> PaymentAnswer {
    PaymentAnswer {
        status: status(answer, "status"),
        order_id: echo(answer, "orderId"),
        authorization: deciding_text(answer, "/authorization"),
        last4: text(answer, "/last4"),
        brand: text(answer, "/brand"),
        success: approving_flag(answer, "/result/success"),
        bank_code: deciding_text(answer, "/result/resp_code"),
        bank_text: text(answer, "/result/reserved_private4"),
        errors: errors(answer),
        signature: text(answer, "/_signature"),
    }
}

/// A status or a code. One that cannot be read is the empty text.
pub(super) fn status(answer: &Value, name: &str) -> Scalar {
    echo(answer, name).unwrap_or_else(|| Scalar::Text(String::new()))
}

/// The echo of a reference.
pub(super) fn echo(answer: &Value, name: &str) -> Option<Scalar> {
    match answer.get(name)? {
        Value::String(text) => Some(Scalar::Text(text.clone())),
        Value::Number(number) if number.is_f64() => integral(number.as_f64()?).map(Scalar::Integer),
        Value::Number(number) => number.as_i64().map(Scalar::Integer),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The texts of `errors`, joined with `; `. The platform sends a list; one entry alone is read as well.
pub(super) fn errors(answer: &Value) -> String {
    match answer.get("errors") {
        Some(Value::Array(entries)) => entries.iter().map(words).collect::<Vec<_>>().join("; "),
        Some(entry @ (Value::String(_) | Value::Object(_))) => words(entry),
        Some(Value::Null | Value::Bool(_) | Value::Number(_)) | None => String::new(),
    }
}

/// An entry of `errors`. Of a nested one, which only answers to voids and refunds have, the texts inside.
fn words(entry: &Value) -> String {
    let joined = |texts: &mut dyn Iterator<Item = &Value>| {
        let texts = texts.map(words).filter(|text| !text.is_empty());
        texts.collect::<Vec<_>>().join(" ")
    };
    match entry {
        Value::String(text) => text.clone(),
        Value::Number(number) if !number.is_f64() => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
        Value::Array(entries) => joined(&mut entries.iter()),
        Value::Object(members) => joined(&mut members.values()),
    }
}

#[cfg(test)]
mod tests {
    use cardseal::greenpay::{Outcome, read_payment, read_token};
    use serde_json::json;

    use super::super::payments::tests::gateway;
    use super::*;

    #[test]
    fn odd_types_do_not_make_an_answer_unreadable() {
        let key = gateway().key;
        let answer = json!({"status": 200, "orderId": 7, "authorization": 533793, "last4": [], "brand": {"a": 1},
            "result": {"success": true, "resp_code": "00", "merchant_id": "485", "mti": 1.5, "proc_code": null},
            "errors": "none", "callback": {}, "later": true});
        let payment = read_payment(&key, 200, &payment_answer(&answer)).unwrap();
        assert_eq!(payment.outcome, Outcome::Approved);
        let token = json!({"status": 201, "requestId": 1, "result": {"token": "t", "bin": 424242, "last_digits": 4242},
            "expiration_date": 3012, "nickname": false, "errors": {"code": "x"}});
        let token = read_token(&key, 200, &token_answer(&token)).unwrap();
        assert_eq!(
            (token.bin.as_deref(), token.last4.as_deref(), token.expiry),
            (Some("424242"), Some("4242"), Some((12, 2030)))
        );
    }

    #[test]
    fn the_texts_of_a_nested_refusal_are_read() {
        for (given, text) in [
            (json!(["a", "b"]), "a; b"),
            (
                json!([{ "code": 400, "errors": [["transaction", "not ready"]] }]),
                "400 transaction not ready",
            ),
            (json!("alone"), "alone"),
            (json!({ "code": "x", "flag": true }), "x"),
            (json!([null, 1.5, false]), "; ; "),
            (json!(7), ""),
            (json!(null), ""),
        ] {
            assert_eq!(errors(&json!({ "errors": given })), text, "{given}");
        }
    }
}
