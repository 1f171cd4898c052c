//! GreenPay's answers: their bodies, their signature, and what the faults do to both.

use serde::Serialize;
use serde_json::{Value, json};

use super::Refusal;
use super::keys::KeyPair;
use super::webhooks::Webhook;
use super::wire::Scalar;
use crate::host::faults::{ActiveFault, Kind};

const REQUEST_ID: &str = "requestId";
const ORDER_ID: &str = "orderId";
const SUBSCRIPTION_ID: &str = "subscriptionId";

/// The id that an answer echoes, and that its signature covers.
#[derive(Clone, Debug)]
pub(crate) struct Echo {
    field: &'static str,
    id: Scalar,
}

impl Echo {
    pub(crate) const fn request_id(id: Scalar) -> Self {
        Self {
            field: REQUEST_ID,
            id,
        }
    }

    pub(crate) const fn order_id(id: Scalar) -> Self {
        Self { field: ORDER_ID, id }
    }

    pub(crate) const fn subscription_id(id: Scalar) -> Self {
        Self {
            field: SUBSCRIPTION_ID,
            id,
        }
    }
}

/// An answer before it is signed.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Whether the HTTP status tells a failure.
    pub(crate) failed: bool,
    pub(crate) body: Value,
    /// Nothing for answers that carry no signature.
    pub(crate) echo: Option<Echo>,
    /// The webhook that repeats it.
    pub(crate) webhook: Option<Webhook>,
}

impl Answer {
    pub(crate) fn of(body: &impl Serialize) -> Self {
        Self {
            failed: false,
            body: serde_json::to_value(body).unwrap_or_default(),
            echo: None,
            webhook: None,
        }
    }

    /// The body of a refusal, with the id if the request got as far as to have one.
    pub(crate) fn refusal(Refusal(text): Refusal, echo: Option<Echo>) -> Self {
        let mut body = json!({ "status": 500, "errors": [text] });
        if let (Some(echo), Some(fields)) = (&echo, body.as_object_mut()) {
            fields.insert(echo.field.into(), json!(echo.id));
        }
        Self {
            failed: true,
            body,
            echo,
            webhook: None,
        }
    }

    /// The body of a refused void or refund.
    pub(crate) fn reversal_refusal(code: u16, errors: &Value) -> Self {
        let mut body = json!({ "code": code, "status": "FAIL", "errors": errors });
        if let Some(fields) = body.as_object_mut().filter(|_| code != 404) {
            fields.insert("result".into(), json!({}));
        }
        Self {
            failed: true,
            body,
            echo: None,
            webhook: None,
        }
    }

    pub(crate) fn signed_by(mut self, echo: Echo) -> Self {
        self.echo = Some(echo);
        self
    }

    pub(crate) const fn failing(mut self, failed: bool) -> Self {
        self.failed = failed;
        self
    }

    pub(crate) fn with_webhook(mut self, webhook: Webhook) -> Self {
        self.webhook = Some(webhook);
        self
    }

    /// The body with the signature in its place.
    pub(crate) fn signed(&self, keys: &KeyPair) -> Value {
        let mut body = self.body.clone();
        if let (Some(signature), Some(fields)) = (self.signature(keys), body.as_object_mut()) {
            fields.insert("_signature".into(), signature.into());
        }
        body
    }

    fn signature(&self, keys: &KeyPair) -> Option<String> {
        let echo = self.echo.as_ref()?;
        let status: Scalar = serde_json::from_value(self.body.get("status")?.clone()).ok()?;
        keys.sign(&format!("status:{status},{}:{}", echo.field, echo.id))
    }
}

/// Spoils a signed body. False if the fault found nothing to spoil.
pub(crate) fn spoil(body: &mut Value, fault: &ActiveFault) -> bool {
    let Some(fields) = body.as_object_mut() else {
        return true;
    };
    match fault.kind() {
        Some(Kind::ResultNull) => {
            fields.insert("result".into(), Value::Null);
        }
        Some(Kind::RequestIdType) => {
            for name in [REQUEST_ID, ORDER_ID, SUBSCRIPTION_ID] {
                if let Some(id) = fields.get_mut(name) {
                    *id = retyped(id);
                }
            }
        }
        Some(Kind::MissingSignature) => {
            fields.remove("_signature");
        }
        Some(kind @ (Kind::BadSignature | Kind::StrippedZeroSignature)) => {
            let Some(Value::String(signature)) = fields.get_mut("_signature") else {
                return true;
            };
            if kind == Kind::BadSignature {
                let last = if signature.ends_with('0') { "1" } else { "0" };
                signature.truncate(signature.len().saturating_sub(1));
                signature.push_str(last);
            } else if signature.starts_with('0') {
                *signature = signature.trim_start_matches('0').to_owned();
            } else {
                return false;
            }
        }
        _ => {}
    }
    true
}

/// The same id with another JSON type: numbers become strings, numeric strings numbers, other strings a list of one,
/// which JavaScript prints like the string.
fn retyped(id: &Value) -> Value {
    match id {
        Value::String(text) => match text.parse::<i64>() {
            Ok(number) if number.to_string() == *text => number.into(),
            _ => json!([text]),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            id.to_string().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::faults::{Fault, Faults};

    fn fault(kind: Kind) -> ActiveFault {
        let faults = Faults::default();
        faults.add(Fault::new("greenpay", "*", kind));
        faults.take("greenpay", "merchant/")
    }

    #[test]
    fn signs_every_vector_as_its_maker_did() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/greenpay.json")).unwrap();
        let all = vectors["signatures"].as_array().unwrap();
        assert!(all.len() >= 6);
        for vector in all {
            let key = vector["key"].as_str().unwrap();
            let pem = vectors["rsa_keys"][key]["private_pkcs1_pem"].as_str().unwrap();
            let signature = KeyPair::parse(pem)
                .unwrap()
                .sign(vector["signed_string"].as_str().unwrap());
            let same = signature.as_deref() == vector["signature_hex"].as_str();
            assert_eq!(
                same,
                vector["expect_valid"].as_bool().unwrap_or(true),
                "{}",
                vector["id"]
            );
            if let Some(stripped) = vector["signature_hex_stripped"].as_str() {
                let mut body = json!({ "_signature": signature });
                assert!(spoil(&mut body, &fault(Kind::StrippedZeroSignature)));
                assert_eq!(body["_signature"], stripped);
            }
        }
    }

    #[test]
    fn signs_the_two_fields_as_printed() {
        let keys = KeyPair::make(1024).unwrap();
        for (answer, text) in [
            (
                Answer::refusal(Refusal("x"), Some(Echo::request_id(Scalar::Integer(1)))),
                "status:500,requestId:1",
            ),
            (
                Answer::refusal(Refusal("x"), Some(Echo::order_id("a-1".into()))),
                "status:500,orderId:a-1",
            ),
            (
                Answer::of(&json!({ "status": "DELETED" })).signed_by(Echo::request_id("mg500".into())),
                "status:DELETED,requestId:mg500",
            ),
        ] {
            assert_eq!(
                answer.signed(&keys)["_signature"].as_str(),
                keys.sign(text).as_deref()
            );
        }
    }

    #[test]
    fn changes_the_type_of_an_id() {
        assert_eq!(retyped(&json!(7)), json!("7"));
        assert_eq!(retyped(&json!("7")), json!(7));
        assert_eq!(retyped(&json!("007")), json!(["007"]));
        assert_eq!(retyped(&json!("xwr-1")), json!(["xwr-1"]));
    }
}
