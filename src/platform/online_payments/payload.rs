//! The plaintext of `encryptedCustomerInput`.

use crate::card::{Card, Field, Secret};
use crate::error::Result;
use crate::json;
use crate::random::Random;
use zeroize::Zeroizing;

/// What a card is encrypted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To store it as a token.
    Tokenize,
    /// To charge it.
    Payment {
        /// Whether to store the card as well.
        tokenize: bool,
    },
}

/// A card's fields in the platform's format.
pub struct Values {
    number: Secret,
    holder: Secret,
    expiry: Secret,
    cvc: Secret,
}

impl Values {
    /// Formats a card. The product decides whether the year has two digits.
    #[must_use]
    pub fn new(card: &Card, short_year: bool) -> Self {
        let (month, year) = (u16::from(card.expiry.month()), card.expiry.year());
        let long = [month / 10, month, year / 1000, year / 100, year / 10, year];
        let mut expiry = String::with_capacity(long.len());
        for (at, digits) in long.iter().enumerate() {
            if !(short_year && matches!(at, 2 | 3)) {
                expiry.push(char::from(b'0' + (digits % 10) as u8));
            }
        }
        Self {
            number: card.number.clone(),
            holder: card.holder.clone(),
            expiry: Secret::new(expiry),
            cvc: card.cvc.clone(),
        }
    }

    /// Returns the value of a field.
    #[must_use]
    pub fn get(&self, field: Field) -> &str {
        match field {
            Field::Number => self.number.expose(),
            Field::Holder => self.holder.expose(),
            Field::Expiry => self.expiry.expose(),
            Field::Cvc => self.cvc.expose(),
            Field::Nickname => "",
        }
    }
}

/// The plaintext. Its members have the order of the platform's own client.
pub struct Payload<'a> {
    /// The platform's id of the session.
    pub client_session_id: &'a str,
    /// The product that the card belongs to.
    pub product: u64,
    /// The purpose.
    pub purpose: Use,
    /// The browser's data, as JSON.
    pub device: &'a str,
    /// The card.
    pub values: &'a Values,
}

enum Value<'a> {
    Text(&'a str),
    Number(u64),
}

impl Payload<'_> {
    /// Returns the JSON.
    #[must_use]
    pub fn plaintext(&self, nonce: &str) -> Zeroizing<String> {
        let text = |field| Value::Text(self.values.get(field));
        let values = [
            ("cardNumber", text(Field::Number)),
            ("cardholderName", text(Field::Holder)),
            ("expiryDate", text(Field::Expiry)),
            ("cvv", text(Field::Cvc)),
            ("paymentProductId", Value::Number(self.product)),
        ];
        let values = match self.purpose {
            Use::Tokenize => &values[..],
            // The product is among the values only in a token request.
            Use::Payment { .. } => values.split_last().map_or(&[][..], |(_, card)| card),
        };
        json::object(|object| {
            object
                .text("clientSessionId", self.client_session_id)
                .text("nonce", nonce)
                .number("paymentProductId", self.product);
            if let Use::Payment { tokenize } = self.purpose {
                object.flag("tokenize", tokenize);
            }
            object.raw("collectedDeviceInformation", self.device).objects(
                "paymentValues",
                values,
                |object, (key, value)| {
                    object.text("key", key);
                    match value {
                        Value::Text(text) => object.text("value", text),
                        Value::Number(number) => object.number("value", *number),
                    };
                },
            );
        })
    }
}

/// Returns a random nonce, which makes every payload unique.
///
/// # Errors
/// `random_unavailable`.
pub fn nonce(random: &mut dyn Random) -> Result<String> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::card::CardInput;

    const NOW: f64 = 1_795_219_200_000.0;

    fn card(number: &str, holder: &str, expiry: &str, cvc: &str) -> Card {
        let input = CardInput {
            number: number.into(),
            expiry: expiry.into(),
            cvc: cvc.into(),
            holder: holder.into(),
            nickname: None,
        };
        Card::parse(&input, &super::super::RULES, NOW).unwrap()
    }

    #[test]
    fn for_the_card_and_the_browser_of_a_vector_the_payload_is_the_vectors() {
        let vectors: Json =
            serde_json::from_str(include_str!("../../../tests/vectors/online-payments.json")).unwrap();
        let mut compared = 0;
        for vector in vectors["jwe"].as_array().unwrap() {
            let payload = &vector["plaintext_json"];
            let [Some(number), Some(holder), Some(expiry), Some(cvc)] =
                [0, 1, 2, 3].map(|at| payload["paymentValues"][at]["value"].as_str())
            else {
                continue;
            };
            let text = vector["plaintext_utf8"].as_str().unwrap();
            // As it stands there: a parsed copy has another order.
            let (_, device) = text.split_once("\"collectedDeviceInformation\":").unwrap();
            let (device, _) = device.split_once(",\"paymentValues\":").unwrap();
            let (month, year) = expiry.split_at(2);
            let values = Values::new(
                &card(number, holder, &[month, "/", year].concat(), cvc),
                year.len() == 2,
            );
            let payload = Payload {
                client_session_id: payload["clientSessionId"].as_str().unwrap(),
                product: payload["paymentProductId"].as_u64().unwrap(),
                purpose: payload["tokenize"]
                    .as_bool()
                    .map_or(Use::Tokenize, |tokenize| Use::Payment { tokenize }),
                device,
                values: &values,
            };
            let nonce = vector["plaintext_json"]["nonce"].as_str().unwrap();
            assert_eq!(*payload.plaintext(nonce), text, "{}", vector["id"]);
            compared += 1;
        }
        assert_eq!(compared, vectors["jwe"].as_array().unwrap().len() - 1);
    }

    #[test]
    fn a_token_names_its_product_among_the_values_and_a_payment_says_whether_a_token_is_wanted() {
        let values = Values::new(&card("4567 3500 0042 7977", " Zoë \"Z\" ", "3/30", "012"), false);
        let text = |purpose| {
            let payload = Payload {
                client_session_id: "c",
                product: 130,
                purpose,
                device: "{}",
                values: &values,
            };
            payload.plaintext("00").to_string()
        };
        let start = r#"{"clientSessionId":"c","nonce":"00","paymentProductId":130,"#;
        let values = r#""collectedDeviceInformation":{},"paymentValues":[{"key":"cardNumber","value":"4567350000427977"},{"key":"cardholderName","value":"Zoë \"Z\""},{"key":"expiryDate","value":"032030"},{"key":"cvv","value":"012"}"#;
        assert_eq!(
            text(Use::Tokenize),
            [start, values, r#",{"key":"paymentProductId","value":130}]}"#].concat()
        );
        assert_eq!(
            text(Use::Payment { tokenize: true }),
            [start, r#""tokenize":true,"#, values, "]}"].concat()
        );
        assert_eq!(
            text(Use::Payment { tokenize: false }),
            [start, r#""tokenize":false,"#, values, "]}"].concat()
        );
    }

    #[test]
    fn the_year_has_as_many_digits_as_the_product_says() {
        let card = card("4567350000427977", "Ana", "3/2030", "123");
        assert_eq!(Values::new(&card, true).get(Field::Expiry), "0330");
        assert_eq!(Values::new(&card, false).get(Field::Expiry), "032030");
    }

    #[test]
    fn a_nonce_is_drawn_anew() {
        let mut random = crate::random::SystemRandom;
        let [one, other] = [nonce(&mut random).unwrap(), nonce(&mut random).unwrap()];
        assert_ne!(one, other);
        assert!(one.len() == 32 && one.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    }
}
