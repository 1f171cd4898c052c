//! `OnlinePayments` of `index.d.ts`, but for encrypting and sending.

use super::{ClientSession, Context, Payload, Purpose, Query, bin, items, read_error, request, success};
use crate::boundary::{
    Call, Client, base_url, card, id, optional_bool, optional_text, server_session, session_text, status,
    text,
};
use crate::card::Rules;
use crate::crypto::public_key::PublicKey;
use crate::error::{Code, Error};
use crate::json::{Json, Value};
use crate::platform::Platform;
use crate::prelude::*;
use crate::random::Random;
use crate::session::Kind;
use crate::wiped::Wiped;

/// Fewest bits of the platform's key; no key above 8192 is read at all.
const KEY_BITS: usize = 2048;

struct Core;

/// From the options object.
pub(crate) fn open(options: &Value) -> Result<(Box<dyn Client>, Json), Error> {
    let server = optional_text(options.get("server"), "server")?.unwrap_or_default();
    base_url(server, true, "server")?;
    Ok((Box::new(Core), raw("{}")))
}

fn raw(text: &str) -> Json {
    let mut json = Json::with_capacity(text.len());
    json.raw(text);
    json
}

impl Client for Core {
    fn call(&self, call: &Call<'_>, random: &mut dyn Random) -> Result<Json, Error> {
        match call.name {
            "payload" => payload(call, random),
            "readPublicKey" => read_public_key(call),
            "readIinDetails" => read_iin_details(call),
            // The page gets products as they are.
            "readProduct" => success(status(call.argument(0))?, call.argument(1)).map(|_| raw("null")),
            name => query(call, name),
        }
    }
}

/// `session, subject, options` to a call to the client API; `null` for a number that is too short.
/// `options` has `context` and `meta`.
fn query(call: &Call<'_>, name: &str) -> Result<Json, Error> {
    let subject = call.argument(1);
    let options = call.argument(2);
    let digits;
    let query = match name {
        "publicKeyRequest" => Query::PublicKey,
        "productsRequest" => Query::Products,
        "productRequest" => Query::Product(product(subject)?),
        "iinDetailsRequest" => {
            let number = text(subject, "number")?;
            digits = crate::card::digits(number).unwrap_or_default();
            match bin(&digits) {
                Some(bin) => Query::IinDetails(bin),
                None => return Ok(raw("null")),
            }
        }
        _ => return Err(Code::TypeInvalid.into()),
    };
    let session = client_session(call.argument(0))?;
    let context = context(options.get("context"))?;
    Ok(request(
        &session,
        &query,
        &context,
        optional_text(options.get("meta"), "meta")?.unwrap_or_default(),
    ))
}

/// Reads what the page says of its browser; the text has to be an object of JSON, because it is sent as it is.
fn device(options: &Value) -> Result<&str, Error> {
    let json = text(options.get("device"), "device")?;
    match Value::parse(json) {
        Some(Value::Object(_)) => Ok(json),
        _ => Err(Error::new(Code::TypeInvalid).at("device")),
    }
}

fn product(value: &Value) -> Result<i64, Error> {
    let product = value.as_integer().filter(|product| *product > 0);
    product.ok_or_else(|| Error::new(Code::OptionInvalid).at("paymentProductId"))
}

fn client_session(session: &Value) -> Result<ClientSession<'_>, Error> {
    if !session.is_object() {
        return Err(Code::SessionMalformed.into());
    }
    let own = id(session_text(session, "clientSessionId")?, "clientSessionId")?;
    let customer = id(session_text(session, "customerId")?, "customerId")?;
    let wrong = || Error::new(Code::SessionMalformed).at("clientApiUrl");
    let api = session_text(session, "clientApiUrl")?;
    let api = base_url(api, false, "clientApiUrl").map_err(|_| wrong())?;
    // It is written as it is.
    if api.contains('"') {
        return Err(wrong());
    }
    // The platform's own client takes no other path, and adds this one where there is none.
    let host = split_once(&api, "://").map_or("", |(_, rest)| rest);
    let path = match split_once(host, "/") {
        None => "/client/v1/",
        Some((_, "client")) => "/v1/",
        Some(_) => return Err(wrong()),
    };
    Ok(ClientSession {
        id: own,
        base: [&api, path, customer].concat(),
    })
}

fn context(value: &Value) -> Result<Context<'_>, Error> {
    let letters = |name, count| {
        let text = optional_text(value.get(name), name)?;
        let fits = |text: &str| text.len() == count && text.bytes().all(|byte| byte.is_ascii_uppercase());
        if text.is_none_or(fits) {
            Ok(text)
        } else {
            Err(Error::new(Code::OptionInvalid).at(name))
        }
    };
    let amount = value.get("amount");
    Ok(Context {
        country: letters("countryCode", 2)?,
        currency: letters("currencyCode", 3)?,
        amount: match amount.as_integer() {
            None if amount.is_null() => None,
            Some(minor @ 0..) => Some(minor),
            _ => return Err(Error::new(Code::OptionInvalid).at("amount")),
        },
        recurring: optional_bool(value.get("isRecurring"), "isRecurring")?.unwrap_or(false),
    })
}

/// `session, card, options` to the text that is to be encrypted. Without a product it is `null`: session and card are
/// fine, and the page has to ask for the product.
fn payload(call: &Call<'_>, random: &mut dyn Random) -> Result<Json, Error> {
    let (session, options) = (call.argument(0), call.argument(2));
    let kind = match optional_text(options.get("kind"), "kind")?.or(session.get("kind").as_text()) {
        Some("tokenize") => Kind::Tokenize,
        Some("payment") | None => Kind::Payment,
        Some(_) => return Err(Error::new(Code::OptionInvalid).at("kind")),
    };
    // A session of the caller's own backend is taken, too; its age is the platform's to judge.
    server_session(session, Platform::OnlinePayments, kind, call.now)?;
    let client = client_session(session)?;
    let tokenize = optional_bool(options.get("tokenize"), "tokenize")?.unwrap_or(false);
    let short_year = optional_bool(options.get("shortYear"), "shortYear")?.unwrap_or(false);
    let card = card(call.argument(1), &Rules::COMMON, call.now)?;
    if options.get("paymentProductId").is_null() {
        return Ok(raw("null"));
    }
    let product = product(options.get("paymentProductId"))?;
    let mut nonce = [0; 16];
    random.fill(&mut nonce)?;
    let payload = Payload {
        session: client.id,
        nonce,
        product,
        purpose: if kind == Kind::Payment {
            Purpose::Payment { tokenize }
        } else {
            Purpose::Token
        },
        short_year,
        device: device(options)?,
    };
    let plain = Wiped::new(payload.write(&card).into_string());
    let mut json = Json::with_capacity(2 * plain.len());
    json.text(&plain);
    Ok(json)
}

fn read_public_key(call: &Call<'_>) -> Result<Json, Error> {
    let status = status(call.argument(0))?;
    let answer = success(status, call.argument(1))?;
    let malformed = |field| Error::new(Code::AnswerMalformed).with_status(status).at(field);
    let text = |name| answer.get(name).as_text().ok_or_else(|| malformed(name));
    let key_id = id(text("keyId")?, "keyId").map_err(|_| malformed("keyId"))?;
    let public_key = text("publicKey")?;
    let key = PublicKey::parse(public_key).map_err(|_| malformed("publicKey"))?;
    if key.bits() < KEY_BITS {
        return Err(malformed("publicKey"));
    }
    let mut json = Json::with_capacity(public_key.len() + 128);
    json.raw("{\"keyId\":").text(key_id);
    json.raw(",\"publicKey\":").text(public_key).raw("}");
    Ok(json)
}

/// `IinDetails` of `index.d.ts`. Only that the card is not known is an answer; every other error is one.
fn read_iin_details(call: &Call<'_>) -> Result<Json, Error> {
    let status = status(call.argument(0))?;
    let answer = call.argument(1);
    let unknown = status == 404 && read_error(status, answer).code() == Code::PlatformRejected;
    let answer = if unknown {
        &Value::Null
    } else {
        success(status, answer)?
    };
    let product = answer.get("paymentProductId").as_integer();
    if !unknown && product.is_none() {
        return Err(Error::new(Code::AnswerMalformed)
            .with_status(status)
            .at("paymentProductId"));
    }
    let forbidden = |value: &Value| matches!(value.get("isAllowedInContext"), Value::Bool(false));
    let mut json = Json::with_capacity(256);
    let number = |json: &mut Json, value: Option<i64>| {
        match value {
            Some(value) => json.raw(&super::decimal(value)),
            None => json.raw("null"),
        };
    };
    json.raw("{\"status\":").text(if unknown {
        "unknown"
    } else if forbidden(answer) {
        "existing_but_not_allowed"
    } else {
        "supported"
    });
    json.raw(",\"paymentProductId\":");
    number(&mut json, product);
    json.raw(",\"countryCode\":")
        .optional(answer.get("countryCode").as_text());
    json.raw(",\"cardType\":")
        .optional(answer.get("cardType").as_text());
    json.raw(",\"coBrands\":");
    json.list(items(answer.get("coBrands")), |json, brand| {
        json.raw("{\"paymentProductId\":");
        number(json, brand.get("paymentProductId").as_integer());
        json.raw(if forbidden(brand) {
            ",\"isAllowedInContext\":false}"
        } else {
            ",\"isAllowedInContext\":true}"
        });
    });
    json.raw("}");
    Ok(json)
}
