//! The boundary to JavaScript as a function of text: [`Module::call`] takes a call as JSON and gives its result as JSON.
//!
//! One function instead of one export a method, and text instead of objects, because every export and every kind of
//! value that crosses costs the page bytes of glue; JavaScript reads and writes JSON anyway. It also makes the whole
//! boundary run, and be tested and fuzzed, without a browser. Everything here takes whatever a page may hand over.

use crate::wiped::Wiped;

use crate::card::{Brand, Card, CardInput, Field, Problem, Rules, Secret, Severity, check, format};
use crate::error::{Code, Error};
use crate::http::Request;
use crate::json::{Json, Value, push_decimal};
use crate::platform::Platform;
use crate::prelude::*;
use crate::random::Random;
use crate::session::{Kind, Mode};

/// The module, as one object of the page sees it: nothing, or a client of one platform.
#[derive(Default)]
pub struct Module {
    client: Option<Box<dyn Client>>,
}

/// The browser half of a platform, opened with its options.
pub(crate) trait Client {
    /// Does what `call.name` says.
    fn call(&self, call: &Call<'_>, random: &mut dyn Random) -> Result<Json, Error>;
}

/// A call, taken apart.
pub(crate) struct Call<'a> {
    /// What is to be done.
    pub(crate) name: &'a str,
    /// The page's clock, in milliseconds since 1970.
    pub(crate) now: f64,
    arguments: &'a [Value],
}

impl Call<'_> {
    /// An argument; `Null` if it was not given.
    pub(crate) fn argument(&self, index: usize) -> &Value {
        self.arguments.get(index).unwrap_or(&Value::Null)
    }
}

impl Module {
    /// Does what `input` says, `[name, now, …arguments]`, and returns `[result]`, or an object that describes the error.
    ///
    /// `open` makes this the module of one platform, `[platform, options]`; what else there is are that platform's own
    /// calls and those of every module: `validateCard`, `candidateBrands`, `formatCardNumber`, `formatExpiry`,
    /// `formatSecurityCode`.
    #[must_use]
    pub fn call(&mut self, input: &str, random: &mut dyn Random) -> String {
        let mut json = Json::with_capacity(256);
        match self.result(input, random) {
            Ok(result) => {
                let result = Wiped::new(result.into_string());
                json = Json::with_capacity(result.len() + 2);
                json.raw("[").raw(&result).raw("]");
            }
            Err(error) => {
                write_error(&mut json, &error);
            }
        }
        json.into_string()
    }

    fn result(&mut self, input: &str, random: &mut dyn Random) -> Result<Json, Error> {
        let malformed = || Error::from(Code::TypeInvalid);
        let input = Value::parse(input).ok_or_else(malformed)?;
        let Value::List(items) = &input else {
            return Err(malformed());
        };
        let [name, now, arguments @ ..] = &**items else {
            return Err(malformed());
        };
        #[expect(clippy::cast_precision_loss, reason = "within 2^53")]
        let now = now.as_integer().ok_or_else(|| malformed().at("now"))? as f64;
        let call = Call {
            name: name.as_text().unwrap_or_default(),
            now,
            arguments,
        };
        if call.name == "open" {
            return self.open(&call);
        }
        if let Some(done) = common(&call) {
            return done;
        }
        match &self.client {
            Some(client) => client.call(&call, random),
            None => Err(malformed()),
        }
    }

    fn open(&mut self, call: &Call<'_>) -> Result<Json, Error> {
        let platform = call.argument(0).as_text().and_then(Platform::from_id);
        let platform = platform.ok_or_else(|| Error::new(Code::OptionInvalid).at("platform"))?;
        let (client, facts) = crate::platforms::open(platform, call.argument(1))?;
        self.client = Some(client);
        Ok(facts)
    }
}

fn write_error(json: &mut Json, error: &Error) {
    json.raw("{\"code\":").text(error.code().as_str());
    json.raw(",\"message\":").text(error.code().message());
    let mut text = |name, value: Option<&str>| {
        if let Some(value) = value {
            json.raw(name).text(value);
        }
    };
    text(",\"field\":", error.field());
    text(",\"platformCode\":", error.platform_code());
    text(",\"platformMessage\":", error.platform_message());
    if let Some(status) = error.status() {
        json.raw(",\"status\":").integer(status.into());
    }
    if !error.problems().is_empty() {
        json.raw(",\"problems\":");
        write_problems(json, error.problems());
    }
    json.raw("}");
}

fn write_problems(json: &mut Json, problems: &[Problem]) {
    json.list(problems, |json, problem| {
        json.raw("{\"field\":").text(problem.code.field().as_str());
        json.raw(",\"code\":").text(problem.code.as_str());
        json.raw(",\"severity\":").text(match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        });
        json.raw(",\"message\":").text(problem.code.message());
        json.raw("}");
    });
}

fn write_brands(json: &mut Json, brands: &[Brand]) {
    json.list(brands, |json, brand| {
        json.text(brand.id());
    });
}

/// `CardsealRequest` of `index.d.ts`.
pub(crate) fn write_request(request: &Request) -> Json {
    let headers = request
        .headers
        .iter()
        .map(|(_, value)| value.len() + 64)
        .sum::<usize>();
    let mut json = Json::with_capacity(128 + request.url.len() + headers + 2 * request.body.len());
    json.raw("{\"method\":")
        .text(request.method)
        .raw(",\"url\":")
        .text(&request.url);
    json.raw(",\"headers\":{");
    for (index, (name, value)) in request.headers.iter().enumerate() {
        json.raw(if index == 0 { "" } else { "," })
            .text(name)
            .raw(":")
            .text(value);
    }
    json.raw("},\"body\":").text(&request.body).raw("}");
    json
}

/// `CardToken` of `index.d.ts`, but for `raw`.
#[derive(Default)]
pub(crate) struct Token<'a> {
    pub(crate) id: &'a str,
    pub(crate) brand: Option<&'a str>,
    pub(crate) bin: Option<&'a str>,
    pub(crate) last4: Option<&'a str>,
    pub(crate) expiry: Option<(u8, u16)>,
    pub(crate) holder: Option<&'a str>,
    pub(crate) nickname: Option<&'a str>,
}

impl Token<'_> {
    /// Without the closing bracket: what a signature says is the platform's own.
    pub(crate) fn write(&self, platform: Platform) -> Json {
        let mut json = Json::with_capacity(512);
        json.raw("{\"id\":").text(self.id);
        json.raw(",\"platform\":").text(platform.id());
        json.raw(",\"brand\":").optional(self.brand);
        json.raw(",\"bin\":").optional(self.bin);
        json.raw(",\"last4\":").optional(self.last4);
        json.raw(",\"expiry\":");
        match self.expiry {
            Some((month, year)) => json
                .raw("{\"month\":")
                .integer(month.into())
                .raw(",\"year\":")
                .integer(year.into())
                .raw("}"),
            None => json.raw("null"),
        };
        json.raw(",\"holder\":").optional(self.holder);
        json.raw(",\"nickname\":").optional(self.nickname);
        // Whatever came through a browser can be made more only by the server.
        json.raw(",\"status\":\"unconfirmed\",\"signature\":");
        json
    }
}

/// The calls that belong to no platform.
fn common(call: &Call<'_>) -> Option<Result<Json, Error>> {
    Some(match call.name {
        "validateCard" => validate(call),
        "candidateBrands" => text(call.argument(0), "number").map(|number| {
            let mut json = Json::with_capacity(64);
            let digits = crate::card::digits(number);
            write_brands(
                &mut json,
                &digits
                    .map(|digits| Brand::candidates(&digits))
                    .unwrap_or_default(),
            );
            json
        }),
        "formatCardNumber" => text(call.argument(0), "text").map(|text| {
            let (shown, brands) = format::number(text, caret(call));
            write_shown(&shown, Some(&brands))
        }),
        "formatExpiry" => {
            text(call.argument(0), "text").map(|text| write_shown(&format::expiry(text, caret(call)), None))
        }
        "formatSecurityCode" => text(call.argument(0), "text").and_then(|typed| {
            let number = optional_text(call.argument(2), "number")?.unwrap_or_default();
            Ok(write_shown(
                &format::security_code(typed, caret(call), number),
                None,
            ))
        }),
        _ => return None,
    })
}

/// Without a caret it stands at the end.
fn caret(call: &Call<'_>) -> usize {
    let caret = call.argument(1).as_integer();
    caret
        .and_then(|caret| usize::try_from(caret).ok())
        .unwrap_or(usize::MAX)
}

fn write_shown(shown: &format::Formatted, brands: Option<&[Brand]>) -> Json {
    let mut json = Json::with_capacity(128);
    json.raw("{\"text\":").text(&shown.text);
    json.raw(",\"caret\":")
        .integer(u32::try_from(shown.caret).unwrap_or_default());
    if let Some(brands) = brands {
        json.raw(",\"brands\":");
        write_brands(&mut json, brands);
    }
    json.raw("}");
    json
}

fn validate(call: &Call<'_>) -> Result<Json, Error> {
    let options = call.argument(1);
    let stored = match optional_text(options.get("kind"), "kind")? {
        None | Some("tokenize" | "update") => true,
        Some("payment") => false,
        Some(_) => return Err(Error::new(Code::OptionInvalid).at("kind")),
    };
    let rules = match optional_text(options.get("platform"), "platform")? {
        None => Rules::COMMON,
        Some(id) => {
            let platform =
                Platform::from_id(id).ok_or_else(|| Error::new(Code::OptionInvalid).at("platform"))?;
            crate::platforms::rules(platform, stored)
        }
    };
    let checked = check(&card_input(call.argument(0))?, &rules, call.now);
    let mut json = Json::with_capacity(512);
    json.raw(if checked.card.is_some() {
        "{\"valid\":true"
    } else {
        "{\"valid\":false"
    });
    json.raw(",\"brands\":");
    write_brands(&mut json, &checked.brands);
    json.raw(",\"problems\":");
    write_problems(&mut json, &checked.problems);
    json.raw("}");
    Ok(json)
}

fn wrong_type(field: &'static str) -> Error {
    Error::new(Code::TypeInvalid).at(field)
}

/// A text that must be there.
pub(crate) fn text<'a>(value: &'a Value, field: &'static str) -> Result<&'a str, Error> {
    value.as_text().ok_or_else(|| wrong_type(field))
}

/// A text that may be missing.
pub(crate) fn optional_text<'a>(value: &'a Value, field: &'static str) -> Result<Option<&'a str>, Error> {
    if value.is_null() {
        return Ok(None);
    }
    text(value, field).map(Some)
}

/// A yes or no that may be missing.
pub(crate) fn optional_bool(value: &Value, field: &'static str) -> Result<Option<bool>, Error> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(value) => Ok(Some(*value)),
        Value::Integer(_)
        | Value::Number
        | Value::Text(_)
        | Value::Broken
        | Value::List(_)
        | Value::Object(_) => Err(wrong_type(field)),
    }
}

/// An option of 1 to 255 visible ASCII characters.
pub(crate) fn visible<'a>(options: &'a Value, name: &'static str) -> Result<Option<&'a str>, Error> {
    let text = optional_text(options.get(name), name)?;
    let fits =
        |text: &str| (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_none_or(fits) {
        Ok(text)
    } else {
        Err(Error::new(Code::OptionInvalid).at(name))
    }
}

/// Checks a card. A value of the wrong type is an error that names the field; a missing one is left empty, so that
/// the check reports it among the other problems.
pub(crate) fn card(card: &Value, rules: &Rules, now: f64) -> Result<Card, Error> {
    Card::parse(&card_input(card)?, rules, now)
}

fn card_input(card: &Value) -> Result<CardInput, Error> {
    if !card.is_object() {
        return Err(wrong_type("card"));
    }
    let mut input = CardInput::default();
    let mut read = |field: Field| -> Result<Option<Secret>, Error> {
        let value = card.get(field.as_str());
        if matches!(value, Value::Broken) {
            input.broken.push(field);
            return Ok(Some(Secret::from("\u{fffd}")));
        }
        Ok(optional_text(value, field.as_str())?.map(Secret::from))
    };
    let number = read(Field::Number)?;
    let cvc = read(Field::Cvc)?;
    let holder = read(Field::Holder)?;
    let expiry = match card.get("expiry") {
        Value::Object(_) => Some(expiry(card.get("expiry"))?),
        Value::Null
        | Value::Bool(_)
        | Value::Integer(_)
        | Value::Number
        | Value::Text(_)
        | Value::Broken
        | Value::List(_) => read(Field::Expiry)?,
    };
    input.nickname = read(Field::Nickname)?;
    input.number = number.unwrap_or_default();
    input.cvc = cvc.unwrap_or_default();
    input.holder = holder.unwrap_or_default();
    input.expiry = expiry.unwrap_or_default();
    Ok(input)
}

/// Month and year of an object, as text; numbers are written the same way.
fn expiry(expiry: &Value) -> Result<Secret, Error> {
    let part = |name, width: usize| -> Result<Wiped<String>, Error> {
        let mut text = Wiped::new(String::with_capacity(8));
        match expiry.get(name) {
            Value::Null => {}
            Value::Text(given) => text.push_str(given.get(..given.len().min(8)).unwrap_or("?")),
            Value::Integer(number @ 0..10_000) => {
                text.push_str(if width == 2 && *number < 10 { "0" } else { "" });
                push_decimal(&mut text, *number);
            }
            Value::Integer(_) | Value::Number => text.push('?'),
            Value::Bool(_) | Value::Broken | Value::List(_) | Value::Object(_) => {
                return Err(wrong_type("expiry"));
            }
        }
        Ok(text)
    };
    let (month, year) = (part("month", 1)?, part("year", 2)?);
    if month.is_empty() && year.is_empty() {
        return Ok(Secret::default());
    }
    let mut text = String::with_capacity(17);
    text.extend([&**month, "/", &**year]);
    Ok(Secret::new(text))
}

/// What is common to every session of our own server.
pub(crate) struct Own<'a> {
    pub(crate) id: &'a str,
    pub(crate) mode: Mode,
}

/// The session of our own server, its platform, kind and age checked; `None` if the object is something else.
pub(crate) fn server_session<'a>(
    session: &'a Value,
    platform: Platform,
    kind: Kind,
    now: f64,
) -> Result<Option<Own<'a>>, Error> {
    let malformed = |field| Error::new(Code::SessionMalformed).at(field);
    if !session.is_object() {
        return Err(Code::SessionMalformed.into());
    }
    let mode = session.get("mode");
    if mode.is_null() {
        return Ok(None);
    }
    let mode = match mode.as_text() {
        Some("relay") => Mode::Relay,
        Some("direct") => Mode::Direct,
        _ => return Err(malformed("mode")),
    };
    if session
        .get("platform")
        .as_text()
        .is_some_and(|id| id != platform.id())
    {
        return Err(Code::SessionWrongPlatform.into());
    }
    if session.get("kind").as_text().ok_or_else(|| malformed("kind"))? != kind.as_str() {
        return Err(Code::SessionWrongKind.into());
    }
    moment(session, "created_at")?.ok_or_else(|| malformed("created_at"))?;
    fresh(
        moment(session, "expires_at")?.ok_or_else(|| malformed("expires_at"))?,
        now,
    )?;
    Ok(Some(Own {
        id: session_text(session, "id")?,
        mode,
    }))
}

/// A member that a session must have.
pub(crate) fn session_text<'a>(session: &'a Value, name: &'static str) -> Result<&'a str, Error> {
    optional_text(session.get(name), name)?.ok_or_else(|| Error::new(Code::SessionMalformed).at(name))
}

/// A moment in milliseconds since 1970: JavaScript has read its text already.
pub(crate) fn moment(session: &Value, name: &'static str) -> Result<Option<f64>, Error> {
    match session.get(name) {
        Value::Null => Ok(None),
        #[expect(clippy::cast_precision_loss, reason = "within 2^53")]
        Value::Integer(moment) => Ok(Some(*moment as f64)),
        Value::Bool(_)
        | Value::Number
        | Value::Text(_)
        | Value::Broken
        | Value::List(_)
        | Value::Object(_) => Err(Error::new(Code::SessionMalformed).at(name)),
    }
}

pub(crate) fn fresh(expires: f64, now: f64) -> Result<(), Error> {
    if now < expires {
        Ok(())
    } else {
        Err(Code::SessionExpired.into())
    }
}

/// The HTTP status of an answer.
pub(crate) fn status(value: &Value) -> Result<u16, Error> {
    value
        .as_integer()
        .and_then(|status| u16::try_from(status).ok())
        .ok_or_else(|| wrong_type("status"))
}

/// An answer that could not be read.
pub(crate) fn unreadable(status: u16) -> Error {
    let code = if matches!(status, 502..=504) {
        Code::PlatformUnavailable
    } else {
        Code::AnswerMalformed
    };
    Error::new(code).with_status(status)
}

/// An id that is safe in a header, a path and a log.
pub(crate) fn id<'a>(text: &'a str, field: &'static str) -> Result<&'a str, Error> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=80).contains(&text.len()) && text.bytes().all(safe) {
        Ok(text)
    } else {
        Err(Error::new(Code::SessionMalformed).at(field))
    }
}

/// A base URL: `https`, or `http` to this machine, without query or fragment; relative ones where allowed.
pub(crate) fn base_url(text: &str, relative: bool, field: &'static str) -> Result<String, Error> {
    let plain = |rest: &str| {
        !rest.is_empty()
            && !rest
                .bytes()
                .any(|b| b <= b' ' || matches!(b, b'?' | b'#' | b'@' | b'\\'))
    };
    let local = |rest: &str| {
        let host = rest.split('/').next().unwrap_or_default();
        ["127.0.0.1", "localhost", "[::1]"]
            .iter()
            .filter_map(|here| host.strip_prefix(here))
            .any(|port| port.is_empty() || port.starts_with(':'))
    };
    let fine = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => plain(rest),
        (None, Some(rest)) => plain(rest) && local(rest),
        (None, None) => {
            relative && (text.is_empty() || text.starts_with('/') && !text.starts_with("//") && plain(text))
        }
    };
    if fine {
        Ok(text.trim_end_matches('/').into())
    } else {
        Err(Error::new(Code::OptionInvalid).at(field))
    }
}
