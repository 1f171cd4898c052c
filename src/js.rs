//! The JavaScript boundary: conversions only. Sending is the business of the few lines in `src/js/api.js`,
//! because `fetch`, abort signals and timers are JavaScript's own and an executor here would only add bytes.
//!
//! Every export that touches a card runs inside [`sealed`], which wipes what the call left on the stack; the
//! allocator wipes every heap block as it is freed. Together they leave no card and no key in linear memory.

pub(crate) mod value;

use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::HtmlInputElement;

use crate::card::{Brand, CardInput, Field, Problem, Rules, Severity, check, format};
use crate::error::{Code, Error};
use crate::platform::Platform;
use crate::session::{Kind, Session};
use value::{get, moment, optional_text, text};

/// Wipes every block as it is freed, whoever allocated it: our code, a library, or the glue that brings
/// strings in.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// More than the deepest call needs; the memory scan in the tests would find the rest.
const STACK_TO_WIPE: usize = 48 * 1024;

/// Runs `call`, then overwrites the part of the stack that it used.
pub(crate) fn sealed<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, JsValue> {
    #[inline(never)]
    fn run<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        call()
    }
    let result = run(call);
    wipe_stack();
    result.map_err(|error| thrown(&error))
}

#[inline(never)]
fn wipe_stack() {
    let mut area = [0_u8; STACK_TO_WIPE];
    // Keeps the optimiser from seeing that nobody reads it.
    core::hint::black_box(&mut area);
}

/// What `api.js` makes a `CardsealError` of.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Thrown<'a> {
    code: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    field: &'static str,
    code: &'static str,
    severity: Severity,
    message: &'static str,
}

fn shown(problems: &[Problem]) -> Vec<Shown> {
    let show = |problem: &Problem| Shown {
        field: problem.code.field().as_str(),
        code: problem.code.as_str(),
        severity: problem.severity,
        message: problem.code.message(),
    };
    problems.iter().map(show).collect()
}

fn thrown(error: &Error) -> JsValue {
    value::object(&Thrown {
        code: error.code().as_str(),
        message: error.code().message(),
        field: error.field(),
        status: error.status(),
        platform_code: error.platform_code(),
        platform_message: error.platform_message(),
        problems: shown(error.problems()),
    })
}

/// Reads a card. A value of the wrong type is an error that names the field; a missing one is left empty, so
/// that the check reports it among the other problems.
pub(crate) fn card_input(card: &JsValue) -> Result<CardInput, Error> {
    if !card.is_object() {
        return Err(Error::new(Code::TypeInvalid).at("card"));
    }
    let mut input = CardInput::default();
    let mut read = |field: Field| -> Result<Option<crate::card::Secret>, Error> {
        let (text, whole) = value::card_text(card, field)?;
        if !whole {
            input.broken.push(field);
        }
        Ok(text)
    };
    let number = read(Field::Number)?;
    let cvc = read(Field::Cvc)?;
    let holder = read(Field::Holder)?;
    input.nickname = read(Field::Nickname)?;
    input.number = number.unwrap_or_default();
    input.cvc = cvc.unwrap_or_default();
    input.holder = holder.unwrap_or_default();
    input.expiry = value::expiry(card)?;
    Ok(input)
}

fn rules(platform: Option<&str>, kind: Option<&str>) -> Result<Rules, Error> {
    let stored = match kind {
        None | Some("tokenize" | "update") => true,
        Some("payment") => false,
        Some(_) => return Err(Error::new(Code::OptionInvalid).at("kind")),
    };
    let Some(platform) = platform else {
        return Ok(Rules::COMMON);
    };
    let platform =
        Platform::from_id(platform).ok_or_else(|| Error::new(Code::OptionInvalid).at("platform"))?;
    Ok(crate::platforms::rules(platform, stored))
}

#[derive(Serialize)]
struct Validation {
    valid: bool,
    brands: Vec<Brand>,
    problems: Vec<Shown>,
}

/// See `validateCard` in `index.d.ts`.
#[wasm_bindgen(js_name = validateCard)]
pub fn validate_card(card: &JsValue, options: &JsValue, now: f64) -> Result<JsValue, JsValue> {
    sealed(|| {
        let platform = optional_text(options, "platform")?;
        let kind = optional_text(options, "kind")?;
        let rules = rules(platform.as_deref(), kind.as_deref())?;
        let checked = check(&card_input(card)?, &rules, now);
        Ok(value::object(&Validation {
            valid: checked.card.is_some(),
            brands: checked.brands,
            problems: shown(&checked.problems),
        }))
    })
}

/// See `candidateBrands` in `index.d.ts`.
#[wasm_bindgen(js_name = candidateBrands)]
pub fn candidate_brands(number: &JsValue) -> Result<JsValue, JsValue> {
    sealed(|| {
        let number = text(number, "number")?;
        Ok(value::object(
            &crate::card::digits(number.expose())
                .map(|digits| Brand::candidates(&digits))
                .unwrap_or_default(),
        ))
    })
}

#[derive(Serialize)]
struct Formatted<'a> {
    text: &'a str,
    caret: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    brands: Option<Vec<Brand>>,
}

fn formatted(formatted: &format::Formatted, brands: Option<Vec<Brand>>) -> JsValue {
    value::object(&Formatted {
        text: &formatted.text,
        caret: formatted.caret,
        brands,
    })
}

/// See `formatCardNumber` in `index.d.ts`.
#[wasm_bindgen(js_name = formatCardNumber)]
pub fn format_card_number(text_: &JsValue, caret: Option<u32>) -> Result<JsValue, JsValue> {
    sealed(|| {
        let text = text(text_, "text")?;
        let (result, brands) = format::number(text.expose(), caret_in(caret));
        Ok(formatted(&result, Some(brands)))
    })
}

/// See `formatExpiry` in `index.d.ts`.
#[wasm_bindgen(js_name = formatExpiry)]
pub fn format_expiry(text_: &JsValue, caret: Option<u32>) -> Result<JsValue, JsValue> {
    sealed(|| {
        Ok(formatted(
            &format::expiry(text(text_, "text")?.expose(), caret_in(caret)),
            None,
        ))
    })
}

/// See `formatSecurityCode` in `index.d.ts`.
#[wasm_bindgen(js_name = formatSecurityCode)]
pub fn format_security_code(
    text_: &JsValue,
    caret: Option<u32>,
    number: &JsValue,
) -> Result<JsValue, JsValue> {
    sealed(|| {
        let number = if number.is_undefined() {
            crate::card::Secret::default()
        } else {
            text(number, "number")?
        };
        Ok(formatted(
            &format::security_code(text(text_, "text")?.expose(), caret_in(caret), number.expose()),
            None,
        ))
    })
}

/// Without a caret it stands at the end.
fn caret_in(caret: Option<u32>) -> usize {
    caret.map_or(usize::MAX, |caret| usize::try_from(caret).unwrap_or(usize::MAX))
}

/// Formats an input's value in place. The value is set only if it changes, so that the browser's undo keeps
/// its steps.
fn format_input<T>(
    input: &JsValue,
    with: impl FnOnce(&str, usize) -> (format::Formatted, T),
) -> Result<T, Error> {
    let input: &HtmlInputElement = input
        .dyn_ref()
        .ok_or_else(|| Error::new(Code::TypeInvalid).at("input"))?;
    let value = crate::card::Secret::new(input.value());
    let caret = input.selection_start().ok().flatten();
    let (result, extra) = with(value.expose(), caret_in(caret));
    if *result.text != value.expose() {
        input.set_value(&result.text);
        if let (Some(_), Ok(caret)) = (caret, u32::try_from(result.caret)) {
            // An input whose type has no selection keeps its own caret.
            let _ = input.set_selection_range(caret, caret);
        }
    }
    Ok(extra)
}

/// See `formatCardNumberInput` in `index.d.ts`.
#[wasm_bindgen(js_name = formatCardNumberInput)]
pub fn format_card_number_input(input: &JsValue) -> Result<JsValue, JsValue> {
    sealed(|| Ok(value::object(&format_input(input, format::number)?)))
}

/// See `formatExpiryInput` in `index.d.ts`.
#[wasm_bindgen(js_name = formatExpiryInput)]
pub fn format_expiry_input(input: &JsValue) -> Result<(), JsValue> {
    sealed(|| format_input(input, |text, caret| (format::expiry(text, caret), ())))
}

/// See `formatSecurityCodeInput` in `index.d.ts`.
#[wasm_bindgen(js_name = formatSecurityCodeInput)]
pub fn format_security_code_input(input: &JsValue, number: &JsValue) -> Result<(), JsValue> {
    sealed(|| {
        let number = if number.is_undefined() {
            crate::card::Secret::default()
        } else {
            text(number, "number")?
        };
        format_input(input, |text, caret| {
            (format::security_code(text, caret, number.expose()), ())
        })
    })
}

/// The session of our own server, its platform, kind and age checked; `None` if the object is something else.
pub(crate) fn server_session(
    session: &JsValue,
    platform: Platform,
    kind: Kind,
    now: f64,
) -> Result<Option<Session>, Error> {
    if !session.is_object() {
        return Err(Code::SessionMalformed.into());
    }
    if get(session, "mode").is_undefined() {
        return Ok(None);
    }
    if optional_text(session, "platform")?.is_some_and(|id| id != platform.id()) {
        return Err(Code::SessionWrongPlatform.into());
    }
    let own: Session = serde_wasm_bindgen::from_value(session.clone()).map_err(|_| Code::SessionMalformed)?;
    if own.kind != kind {
        return Err(Code::SessionWrongKind.into());
    }
    let at =
        |text: &str, field| moment(&text.into()).ok_or_else(|| Error::new(Code::SessionMalformed).at(field));
    at(&own.created_at, "created_at")?;
    fresh(at(&own.expires_at, "expires_at")?, now)?;
    Ok(Some(own))
}

/// A member that a session must have.
pub(crate) fn session_text(session: &JsValue, name: &'static str) -> Result<String, Error> {
    optional_text(session, name)?.ok_or_else(|| Error::new(Code::SessionMalformed).at(name))
}

pub(crate) fn fresh(expires: f64, now: f64) -> Result<(), Error> {
    if now < expires {
        Ok(())
    } else {
        Err(Code::SessionExpired.into())
    }
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

/// `CardToken` of `index.d.ts`, but for `raw`. What a signature says is the platform's own shape.
#[derive(Serialize)]
pub(crate) struct Token<Signature> {
    pub(crate) id: String,
    pub(crate) platform: Platform,
    pub(crate) brand: Option<String>,
    pub(crate) bin: Option<String>,
    pub(crate) last4: Option<String>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) holder: Option<String>,
    pub(crate) nickname: Option<String>,
    pub(crate) status: &'static str,
    pub(crate) signature: Signature,
}

/// The expiry of a card, in an answer.
#[derive(Serialize)]
pub(crate) struct Expiry {
    month: u8,
    year: u16,
}

impl From<(u8, u16)> for Expiry {
    fn from((month, year): (u8, u16)) -> Self {
        Self { month, year }
    }
}
