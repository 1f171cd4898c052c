//! Worldline Online Payments, the platform behind PAYONE E-Payment: the browser's half.
//!
//! The page asks the platform's client API, with a session that the merchant's server opened, for a public key and for
//! the product that a card belongs to, and encrypts the card into one text, `encryptedCustomerInput`: compact JWE with
//! RSA-OAEP and A256CBC-HS512. The text goes to the merchant's server, which hands it to the platform. What is encrypted
//! is written here; the encryption itself is the browser's own (`src/js/jwe.js`).

#[cfg(feature = "online_payments")]
pub(crate) mod boundary;

use crate::card::Card;
use crate::error::{Code, Error, Result};
use crate::http::json_headers;
use crate::json::{Json, Value, push_decimal};
use crate::prelude::*;
use crate::redact;

/// Fewest first digits of a card that the platform can look up.
const SHORT_BIN: usize = 6;
/// Most of them that leave the page.
const LONG_BIN: usize = 8;

/// A session at the platform's client API.
pub(crate) struct ClientSession<'a> {
    /// `clientSessionId`.
    pub(crate) id: &'a str,
    /// `{clientApiUrl}/v1/{customerId}`.
    pub(crate) base: String,
}

/// What is bought, as far as it decides which products are offered.
#[derive(Default)]
pub(crate) struct Context<'a> {
    /// ISO 3166, two letters.
    pub(crate) country: Option<&'a str>,
    /// ISO 4217, three letters.
    pub(crate) currency: Option<&'a str>,
    /// Minor units.
    pub(crate) amount: Option<i64>,
    pub(crate) recurring: bool,
}

/// What is asked of the client API.
pub(crate) enum Query<'a> {
    PublicKey,
    /// First digits, six to eight.
    IinDetails(&'a str),
    Products,
    Product(i64),
}

/// What may leave the page of a number as it is typed; nothing if there is too little.
pub(crate) fn bin(digits: &str) -> Option<&str> {
    digits.get(..LONG_BIN).or_else(|| digits.get(..SHORT_BIN))
}

fn decimal(value: i64) -> String {
    let mut text = String::new();
    push_decimal(&mut text, value);
    text
}

/// A call to the client API, as `CardsealQuery` or `CardsealRequest` of `index.d.ts`: a `GET` must have no body. `meta`
/// is how the platform knows its callers.
pub(crate) fn request(
    session: &ClientSession<'_>,
    query: &Query<'_>,
    context: &Context<'_>,
    meta: &str,
) -> Json {
    let recurring = if context.recurring { "true" } else { "false" };
    let amount = context.amount.map(decimal);
    let mut json = Json::with_capacity(1024 + meta.len());
    json.raw("{\"headers\":{");
    for (name, value) in json_headers() {
        json.text(name).raw(":").text(&value).raw(",");
    }
    json.raw("\"authorization\":\"GCS v1Client:")
        .raw(session.id)
        .raw("\",\"x-gcs-clientmetainfo\":")
        .text(meta);
    // Nothing in an address needs to be escaped: it was checked, or is letters and digits alone.
    json.raw("},\"url\":\"").raw(&session.base).raw(match query {
        Query::PublicKey => "/crypto/publickey",
        Query::IinDetails(_) => "/services/getIINdetails",
        Query::Products => "/products?hide=fields&isRecurring=",
        Query::Product(_) => "/products/",
    });
    match query {
        Query::PublicKey => {}
        Query::Products => {
            json.raw(recurring);
        }
        Query::Product(id) => {
            json.raw(&decimal(*id)).raw("?isRecurring=").raw(recurring);
        }
        Query::IinDetails(bin) => {
            let mut body = Json::with_capacity(256);
            body.raw("{\"bin\":").text(bin);
            if let Some(country) = context.country {
                body.raw(",\"paymentContext\":{\"countryCode\":").text(country);
                if let (Some(amount), Some(currency)) = (&amount, context.currency) {
                    body.raw(",\"amountOfMoney\":{\"amount\":")
                        .raw(amount)
                        .raw(",\"currencyCode\":")
                        .text(currency)
                        .raw("}");
                }
                body.raw(",\"isRecurring\":").raw(recurring).raw("}");
            }
            body.raw("}");
            json.raw("\",\"method\":\"POST\",\"body\":")
                .text(&body.into_string())
                .raw("}");
            return json;
        }
    }
    if let Query::Products | Query::Product(_) = query {
        for (name, value) in [
            ("&countryCode=", context.country),
            ("&amount=", amount.as_deref()),
            ("&currencyCode=", context.currency),
        ] {
            if let Some(value) = value {
                json.raw(name).raw(value);
            }
        }
    }
    json.raw("\",\"method\":\"GET\"}");
    json
}

/// What a card is encrypted for.
pub(crate) struct Payload<'a> {
    pub(crate) session: &'a str,
    /// 16 random bytes.
    pub(crate) nonce: [u8; 16],
    pub(crate) product: i64,
    pub(crate) purpose: Purpose,
    /// Whether the product has the year of the expiry date with two digits.
    pub(crate) short_year: bool,
    pub(crate) device: &'a str,
}

/// Whether a card is charged or stored.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Payment {
        /// Whether it is to be stored, too.
        tokenize: bool,
    },
    Token,
}

impl Payload<'_> {
    /// The text that is encrypted, in the order of the platform's own client. **It holds the card in clear.**
    pub(crate) fn write(&self, card: &Card) -> Json {
        let holder = card.holder.expose();
        let product = decimal(self.product);
        let mut json = Json::with_capacity(640 + self.device.len() + 6 * holder.len());
        json.raw("{\"clientSessionId\":").text(self.session);
        json.raw(",\"nonce\":").text(&hex::encode(self.nonce));
        json.raw(",\"paymentProductId\":").raw(&product);
        if let Purpose::Payment { tokenize } = self.purpose {
            json.raw(if tokenize {
                ",\"tokenize\":true"
            } else {
                ",\"tokenize\":false"
            });
        }
        json.raw(",\"collectedDeviceInformation\":").raw(self.device);
        json.raw(",\"paymentValues\":[{\"key\":\"cardNumber\",\"value\":")
            .text(card.number.expose());
        json.raw("},{\"key\":\"cardholderName\",\"value\":").text(holder);
        json.raw("},{\"key\":\"expiryDate\",\"value\":\"")
            .two_digits(card.expiry.month().into());
        if !self.short_year {
            json.two_digits((card.expiry.year() / 100).into());
        }
        json.two_digits(card.expiry.short_year().into());
        json.raw("\"},{\"key\":\"cvv\",\"value\":")
            .text(card.cvc.expose());
        if let Purpose::Token = self.purpose {
            json.raw("},{\"key\":\"paymentProductId\",\"value\":")
                .raw(&product);
        }
        json.raw("}]}");
        json
    }
}

/// The items of a list; of anything else none.
pub(crate) fn items(value: &Value) -> &[Value] {
    match value {
        Value::List(items) => items,
        Value::Null
        | Value::Bool(_)
        | Value::Integer(_)
        | Value::Number
        | Value::Text(_)
        | Value::Broken
        | Value::Object(_) => &[],
    }
}

/// An answer of the client API that is no success, or one that cannot be read.
pub(crate) fn read_error(status: u16, answer: &Value) -> Error {
    let error = items(answer.get("errors")).first().unwrap_or(&Value::Null);
    // `code` is the older of the two; some errors have it alone.
    let old = error.get("code").as_text();
    let known = error.get("errorCode").as_text().or(old);
    let code = match status {
        500.. => Code::PlatformUnavailable,
        403 if old == Some("9008") => Code::SessionExpired,
        400.. if known.is_some() || error.get("id").as_text().is_some() => Code::PlatformRejected,
        _ => Code::AnswerMalformed,
    };
    let plain = known.or(error.get("id").as_text()).filter(|code| {
        code.len() <= 60
            && code
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    Error::new(code).with_status(status).with_platform(
        plain.map(redact::card_digits),
        error.get("message").as_text().unwrap_or_default(),
    )
}

/// The answer, if it is a success.
pub(crate) fn success(status: u16, answer: &Value) -> Result<&Value> {
    if (200..300).contains(&status) && answer.is_object() {
        Ok(answer)
    } else {
        Err(read_error(status, answer))
    }
}

#[cfg(test)]
mod tests;
