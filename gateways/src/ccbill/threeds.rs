//! The result of 3-D Secure that a page sends, and the fields of a charge that are made from it.
//!
//! The result comes out of the platform's own script in the page, by names without a prefix; a charge has them with
//! `threeds` before each. What is handed over is a browser's word: its form is checked here, its amount and currency
//! against the order, and whether it is genuine by the platform when it is charged.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::amount::{Amount, parse_minor};
use crate::error::Refusal;

/// The longest that a charge takes; more is an error there. The page's own value may be longer.
const CARD_TOKEN: usize = 16;

/// A customer who proved to be the owner of the card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Threeds {
    #[serde(rename = "threedsEci")]
    eci: String,
    #[serde(rename = "threedsStatus")]
    status: String,
    #[serde(rename = "threedsSuccess")]
    success: bool,
    #[serde(rename = "threedsVersion")]
    version: String,
    #[serde(rename = "threedsClientTransactionId")]
    client_transaction_id: String,
    #[serde(rename = "threedsCardToken", skip_serializing_if = "Option::is_none")]
    card_token: Option<String>,
    #[serde(rename = "threedsDsTransId", skip_serializing_if = "Option::is_none")]
    ds_trans_id: Option<String>,
    #[serde(rename = "threedsAcsTransId", skip_serializing_if = "Option::is_none")]
    acs_trans_id: Option<String>,
    #[serde(rename = "threedsSdkTransId", skip_serializing_if = "Option::is_none")]
    sdk_trans_id: Option<String>,
    #[serde(rename = "threedsAuthenticationType", skip_serializing_if = "Option::is_none")]
    authentication_type: Option<String>,
    #[serde(
        rename = "threedsAuthenticationValue",
        skip_serializing_if = "Option::is_none"
    )]
    authentication_value: Option<String>,
    #[serde(rename = "threedsXid", skip_serializing_if = "Option::is_none")]
    xid: Option<String>,
    #[serde(rename = "threedsCavv", skip_serializing_if = "Option::is_none")]
    cavv: Option<String>,
    #[serde(rename = "threedsCavvAlgorithm", skip_serializing_if = "Option::is_none")]
    cavv_algorithm: Option<String>,
}

/// What 3-D Secure came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be charged.
    Authenticated(Box<Threeds>),
    /// The customer is not the owner, or gave up: nothing is to be charged.
    Failed,
}

/// A text of visible characters, if it is there. Absent values may be null or empty.
fn text(result: &Map<String, Value>, name: &str, most: usize) -> Result<Option<String>, Refusal> {
    match result.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text))
            if text.len() <= most && text.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Ok(Some(text.clone()))
        }
        Some(_) => Err(INVALID),
    }
}

const INVALID: Refusal = Refusal::Invalid("answer");

/// The script's samples have yes and no as words, too.
fn truth(value: Option<&Value>) -> Result<bool, Refusal> {
    match value {
        Some(Value::Bool(truth)) => Ok(*truth),
        Some(Value::String(text)) if text == "true" || text == "false" => Ok(text == "true"),
        None
        | Some(Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            Err(INVALID)
        }
    }
}

/// Minor units of `10`, `"10"`, `50.0`, `"9.99"`: the samples have every form. Zeros beyond the currency's decimals
/// say nothing.
fn minor(value: Option<&Value>, amount: &Amount) -> Result<u64, Refusal> {
    let text = match value {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(INVALID);
        }
    };
    let plain = match text.split_once('.') {
        Some((whole, fraction)) => match fraction.trim_end_matches('0') {
            "" if !fraction.is_empty() => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        },
        None => text,
    };
    parse_minor(&plain, amount.currency()).map_err(|_| INVALID)
}

/// The number of a currency: `978`, `"978"`, `"036"`.
fn currency(value: Option<&Value>) -> Result<u16, Refusal> {
    match value {
        Some(Value::Number(number)) => number.as_u64().and_then(|number| number.try_into().ok()),
        Some(Value::String(text)) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        None | Some(Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            None
        }
    }
    .ok_or(INVALID)
}

impl Threeds {
    /// Reads the page's result, for a charge of this amount.
    ///
    /// # Errors
    /// `Invalid` if it has not the documented form, or is about another amount or currency.
    pub fn read(result: &Value, amount: &Amount) -> Result<Verdict, Refusal> {
        let result = result.as_object().ok_or(INVALID)?;
        let needed = |name, most| text(result, name, most)?.ok_or(INVALID);
        let status = needed("status", 1)?;
        let success = truth(result.get("success"))?;
        if text(result, "error", 1024)?.is_some() || !success || !matches!(status.as_str(), "Y" | "A") {
            return Ok(Verdict::Failed);
        }
        if minor(result.get("amount"), amount)? != amount.minor()
            || currency(result.get("currency"))? != amount.currency().numeric()
        {
            return Err(INVALID);
        }
        let mut card_token = text(result, "cardToken", 256)?;
        if let Some(token) = &mut card_token {
            token.truncate(CARD_TOKEN);
        }
        let threeds = Self {
            eci: needed("eci", 2)?,
            status,
            success,
            version: needed("protocolVersion", 20)?,
            client_transaction_id: needed("clientTransactionId", 36)?,
            card_token,
            ds_trans_id: text(result, "dsTransId", 36)?,
            acs_trans_id: text(result, "acsTransId", 36)?,
            sdk_trans_id: text(result, "sdkTransId", 36)?,
            authentication_type: text(result, "authenticationType", 36)?,
            authentication_value: text(result, "authenticationValue", 36)?,
            xid: text(result, "xid", 50)?,
            cavv: text(result, "cavv", 1024)?,
            cavv_algorithm: text(result, "cavvAlgorithm", 28)?,
        };
        let complete = if threeds.version.starts_with("1.") {
            threeds.xid.is_some() && threeds.cavv.is_some() && threeds.cavv_algorithm.is_some()
        } else {
            threeds.ds_trans_id.is_some()
                && threeds.acs_trans_id.is_some()
                && threeds.authentication_value.is_some()
        };
        if complete {
            Ok(Verdict::Authenticated(Box::new(threeds)))
        } else {
            Err(INVALID)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn euros(text: &str) -> Amount {
        Amount::parse(text, "EUR").unwrap()
    }

    fn result() -> Value {
        json!({
            "eci": "05", "status": "Y", "success": "true", "protocolVersion": "2.1.0", "amount": "10",
            "clientTransactionId": "mcn-id-h76oy394utw", "currency": "978", "sdkTransId": null,
            "acsTransId": "d6f15aae-2c9d-4333-a920-954be07c0c76",
            "dsTransId": "d65e93c3-35ab-41ba-b307-767bfc19eae3",
            "cardToken": "01ae5d142g7efb4b-and-more", "xid": "", "cavv": "", "authenticationType": "01",
            "authenticationValue": "5VdhGOTXBJw9+kEBOTtaJiLUAr8=",
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut result = result();
        result[name] = value;
        result
    }

    #[test]
    fn makes_the_fields_of_a_charge() {
        let Ok(Verdict::Authenticated(threeds)) = Threeds::read(&result(), &euros("10.00")) else {
            panic!("not authenticated");
        };
        assert_eq!(
            serde_json::to_value(&threeds).unwrap(),
            json!({
                "threedsEci": "05", "threedsStatus": "Y", "threedsSuccess": true, "threedsVersion": "2.1.0",
                "threedsClientTransactionId": "mcn-id-h76oy394utw", "threedsCardToken": "01ae5d142g7efb4b",
                "threedsAcsTransId": "d6f15aae-2c9d-4333-a920-954be07c0c76",
                "threedsDsTransId": "d65e93c3-35ab-41ba-b307-767bfc19eae3",
                "threedsAuthenticationType": "01",
                "threedsAuthenticationValue": "5VdhGOTXBJw9+kEBOTtaJiLUAr8=",
            })
        );
    }

    #[test]
    fn an_older_version_needs_other_fields() {
        let mut old = with("protocolVersion", "1.0.2".into());
        assert_eq!(Threeds::read(&old, &euros("10.00")), Err(INVALID));
        old["xid"] = "Nmp3VFdWMlEwZ05pWGN3SGo4TDA=".into();
        old["cavv"] = "AAABBEg0VhI0VniQEjRWAAAAAAA=".into();
        old["cavvAlgorithm"] = "2".into();
        assert!(matches!(
            Threeds::read(&old, &euros("10.00")),
            Ok(Verdict::Authenticated(_))
        ));
    }

    #[test]
    fn who_is_not_authenticated_is_not_charged() {
        for (name, value) in [
            ("status", json!("N")),
            ("status", json!("U")),
            ("status", json!("R")),
            ("status", json!("C")),
            ("success", json!("false")),
            ("success", json!(false)),
            ("error", json!("AUTHENTICATION_FAILED")),
        ] {
            assert_eq!(
                Threeds::read(&with(name, value), &euros("10.00")),
                Ok(Verdict::Failed),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_about_another_order_or_malformed_is_refused() {
        for (name, value) in [
            ("amount", json!("10.01")),
            ("amount", json!(1)),
            ("amount", json!(null)),
            ("amount", json!("1e1")),
            ("amount", json!("-10")),
            ("currency", json!("840")),
            ("currency", json!("EUR")),
            ("currency", json!(null)),
            ("eci", json!("055")),
            ("eci", json!(null)),
            ("success", json!(1)),
            ("protocolVersion", json!("")),
            ("clientTransactionId", json!("x".repeat(37))),
            ("dsTransId", json!(null)),
            ("acsTransId", json!("a\nb")),
            ("authenticationValue", json!("x".repeat(37))),
            ("status", json!("YY")),
            ("status", json!(null)),
        ] {
            assert_eq!(
                Threeds::read(&with(name, value.clone()), &euros("10.00")),
                Err(INVALID),
                "{name} {value}"
            );
        }
        assert_eq!(Threeds::read(&json!("Y"), &euros("10.00")), Err(INVALID));
    }

    #[test]
    fn amounts_are_compared_as_numbers() {
        for value in [
            json!("10"),
            json!("10.0"),
            json!("10.000"),
            json!(10),
            json!(10.0),
        ] {
            assert!(Threeds::read(&with("amount", value), &euros("10.00")).is_ok());
        }
        for value in [json!("0.29"), json!(0.29), json!("0.290")] {
            assert!(Threeds::read(&with("amount", value), &euros("0.29")).is_ok());
        }
        // A leading zero is no number, but a text may have it.
        let yen = Amount::parse("36", "AUD").unwrap();
        let mut result = with("currency", "036".into());
        result["amount"] = 36.into();
        assert!(Threeds::read(&result, &yen).is_ok());
    }

    proptest! {
        #[test]
        fn only_the_very_amount_passes(cents in 1..1_000_000_u64, other in 1..1_000_000_u64) {
            let amount = Amount::from_minor(cents, crate::Currency::EUR).unwrap();
            let text = format!("{}.{:02}", other / 100, other % 100);
            let read = Threeds::read(&with("amount", text.into()), &amount);
            prop_assert_eq!(read.is_ok(), cents == other);
        }
    }
}
