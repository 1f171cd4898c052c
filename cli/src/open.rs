//! Opens what was packed, with a test key. Shows the card masked, unless it is told to reveal it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cardseal_gateways::sealing::{KeyRing, PrivateKey, SealedCard};
use cardseal_sandbox::greenpay::keys::KeyPair;
use cardseal_sandbox::online_payments::{jwe, keys};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::Result;
use crate::args;
use crate::capture::Exchange;
use crate::greenpay;
use crate::output::{Failure, Outcome};
use crate::read::{self, member};

/// Members that hold a number of a card, in all platforms' words.
const NUMBERS: [&str; 4] = ["cardNumber", "number", "cardNum", "pan"];
/// And a security code, or what replaces one.
const CODES: [&str; 5] = ["cvc", "cvv", "cvv2", "cryptogram", "securityCode"];
/// And a name, an expiry or something else of a person.
const PERSONAL: [&str; 6] = [
    "cardHolder",
    "cardholderName",
    "holder",
    "nameOnCard",
    "name",
    "nickname",
];

pub(crate) fn run(options: &args::Open) -> Result {
    let exchanges = read::requests(&options.request)?;
    let exchange = exchanges
        .last()
        .ok_or_else(|| Failure::usage("there is no request"))?;
    let key = options.private_key.as_deref().map(read::text).transpose()?;
    let opened = opened(
        exchange,
        key.as_deref().map(String::as_str),
        options.key_id.as_deref(),
    )?;
    let shown = if options.reveal {
        opened
    } else {
        masked(&opened, "")
    };
    let text = serde_json::to_string_pretty(&shown).unwrap_or_default();
    Ok(Outcome::new(0, &shown, text))
}

fn opened(exchange: &Exchange, key: Option<&str>, key_id: Option<&str>) -> Result<Value> {
    let body = exchange
        .json()
        .ok_or_else(|| Failure::usage("the request's body is no JSON object"))?;
    let needed = || {
        key.ok_or_else(|| {
            Failure::usage("the card is encrypted: --private-key is needed, which only test keys have")
        })
    };
    if let (Some(ld), Some(lk)) = (member(&body, "ld"), member(&body, "lk")) {
        return of_greenpay(needed()?, &ld, &lk);
    }
    if let Some(sealed) = member(&body, "sealed") {
        return of_acquiring(needed()?, key_id, &body, &sealed);
    }
    for name in ["encryptedCustomerInput", "encrypted_customer_input"] {
        if let Some(text) = member(&body, name) {
            return of_online_payments(needed()?, &text);
        }
    }
    if body.contains_key("card") || body.contains_key("paymentInfo") {
        // This platform has no encryption in the page.
        return Ok(Value::Object(body));
    }
    Err(Failure::usage(
        "the body holds no card in a form of the platforms: ld and lk, sealed, encryptedCustomerInput, card",
    ))
}

fn of_greenpay(key: &str, ld: &str, lk: &str) -> Result<Value> {
    let keys = KeyPair::parse(key.trim()).map_err(|error| Failure::usage(error.to_string()))?;
    match greenpay::open(&keys, ld, lk) {
        Ok(opened) => Ok(Value::Object(opened.object)),
        Err(greenpay::Failed::OtherKey) => Err(Failure::wrong(
            "the key does not fit: `lk` was encrypted with another key than this one's public half",
        )),
        Err(failed) => Err(Failure::wrong(format!(
            "the key fits, and the card cannot be opened ({failed:?}); `cardseal doctor` says what is wrong"
        ))),
    }
}

fn of_acquiring(key: &str, key_id: Option<&str>, body: &Map<String, Value>, sealed: &str) -> Result<Value> {
    let session = member(body, "session").unwrap_or_default();
    let named = sealed
        .split('.')
        .next()
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok())
        .and_then(|header| serde_json::from_slice::<Value>(&header).ok())
        .and_then(|header| header.get("kid")?.as_str().map(str::to_owned));
    let kid = key_id.map(str::to_owned).or(named).unwrap_or_default();
    let trimmed = key.trim();
    let private = if trimmed.starts_with('{') {
        PrivateKey::Jwk(trimmed)
    } else {
        PrivateKey::Pem(trimmed)
    };
    let ring = KeyRing::new(&[(&kid, private)])
        .map_err(|(_, mistake)| Failure::usage(format!("the key {mistake}")))?;
    #[expect(clippy::cast_possible_truncation, reason = "a time in this century")]
    let now = (crate::now_ms() / 1000.0) as i64;
    let card = ring
        .open(sealed, &session, now)
        .map_err(|refusal| Failure::wrong(refusal.to_string()))?;
    Ok(in_words(&card))
}

fn in_words(card: &SealedCard) -> Value {
    let text =
        |secret: Option<&secrecy::SecretString>| secret.map(|secret| secret.expose_secret().to_owned());
    json!({
        "number": card.number.expose_secret(),
        "expiry": { "month": card.month, "year": card.year },
        "cvc": text(card.cvc.as_ref()),
        "holder": text(card.holder.as_ref()),
    })
}

fn of_online_payments(key: &str, text: &str) -> Result<Value> {
    let named = text
        .split('.')
        .next()
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok())
        .and_then(|header| serde_json::from_slice::<Value>(&header).ok())
        .and_then(|header| header.get("kid")?.as_str().map(str::to_owned))
        .unwrap_or_default();
    let keys = keys::KeyPair::parse(key.trim(), &named)
        .ok_or_else(|| Failure::usage("the private key is no RSA key in PKCS #8 PEM"))?;
    match jwe::open(&keys, text) {
        Ok(opened) => Ok(opened.payload),
        Err(jwe::Failed::Key) => Err(Failure::wrong(
            "the key does not fit: the card was encrypted with another key",
        )),
        Err(failed) => Err(Failure::wrong(format!(
            "the encrypted card cannot be opened: {failed:?}"
        ))),
    }
}

/// The same with first six and last four digits of numbers, and nothing of codes and names.
fn masked(value: &Value, name: &str) -> Value {
    match value {
        Value::Object(members) => {
            // Online Payments has the names in one member and the values in another.
            let key = members.get("key").and_then(Value::as_str);
            Value::Object(
                members
                    .iter()
                    .map(|(own, value)| {
                        let name = key.filter(|_| own == "value").unwrap_or(own);
                        (own.clone(), masked(value, name))
                    })
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(|item| masked(item, name)).collect(),
        Value::String(text) if NUMBERS.contains(&name) => pan(text).into(),
        Value::Number(number) if NUMBERS.contains(&name) => pan(&number.to_string()).into(),
        Value::String(_) | Value::Number(_) if CODES.contains(&name) => "***".into(),
        Value::String(_) if PERSONAL.contains(&name) => "***".into(),
        Value::String(text) => cardseal::redact::card_digits(text).into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn pan(text: &str) -> String {
    let digits: Zeroizing<Vec<char>> = Zeroizing::new(text.chars().collect());
    if digits.len() < 13 || !digits.iter().all(char::is_ascii_digit) {
        return "*".repeat(digits.len().min(19));
    }
    let last = digits.len() - 4;
    digits
        .iter()
        .enumerate()
        .map(|(at, digit)| if at < 6 || at >= last { *digit } else { '*' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_every_platforms_card() {
        let pan = "4242424242424242";
        let values = json!({
            "card": { "cardNumber": pan, "cvc": "987", "cardHolder": "Ana Mora", "number": 4_242_424_242_424_242_u64 },
            "paymentValues": [{ "key": "cardNumber", "value": pan }, { "key": "cvv", "value": "987" }],
            "creditCardPaymentInfo": { "cardNum": pan, "cvv2": "987", "nameOnCard": "Ana Mora" },
            "note": "paid with 4242 4242 4242 4242",
        });
        let text = masked(&values, "").to_string();
        assert!(text.contains("424242******4242"));
        for secret in [pan, "987", "Ana", "4242 4242"] {
            assert!(!text.contains(secret), "{secret}");
        }
    }
}
