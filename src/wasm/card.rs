//! Reads cards, and exports the functions for forms.

use wasm_bindgen::prelude::*;

use super::client::clock;
use super::error::Thrown;
use super::read::{Members, is_object, not_offered, text, wrong_type};
use super::{run, to_js};
use crate::card::{Brand, CardInput, ProblemCode, Rules, Secret, check, format};
use crate::error::Result;
use crate::http::Request;
use crate::object::{IntoValue, Value, object};
use crate::platform::Platform;

/// Reads a card.
pub(crate) fn read(card: &JsValue) -> Result<CardInput> {
    if !is_object(card) {
        return Err(wrong_type("card"));
    }
    let members = Members::of(card);
    members.read(|card| CardInput {
        number: card.secret("number"),
        expiry: card.kept(expiry(&members)).unwrap_or_default(),
        cvc: card.secret("cvc"),
        holder: card.secret("holder"),
        nickname: card.text("nickname").map(Secret::new),
    })
}

/// Converts a request that contains a card, together with warnings about it.
pub(crate) fn card_request(request: &Request, warnings: &[ProblemCode]) -> JsValue {
    let mut value = request.into_value();
    if let Value::Object(members) = &mut value {
        warnings.put(members, "warnings");
    }
    to_js(value)
}

/// Reads a string, or an object with month and year, each a number or a string.
fn expiry(members: &Members) -> Result<Option<Secret>> {
    const FIELD: &str = "expiry";
    let Some(value) = members.value(FIELD)? else {
        return Ok(None);
    };
    if !is_object(&value) {
        return text(&value, FIELD).map(Secret::new).map(Some);
    }
    let parts = Members::of(&value);
    let part = |name, two_digits: bool| -> Result<Secret> {
        let Some(value) = parts.value(name)? else {
            return Ok(Secret::default());
        };
        let digits = match value.as_f64() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "within four digits"
            )]
            Some(number) if number.trunc() == number && (0.0..10_000.0).contains(&number) => {
                decimal(number as u16, two_digits)
            }
            // A number that is not a month or a year is a problem of the card, not a wrong call.
            Some(number) if number.is_finite() => "?".into(),
            _ => text(&value, FIELD)?,
        };
        Ok(Secret::new(digits))
    };
    let (month, year) = (part("month", false)?, part("year", true)?);
    if month.expose().is_empty() && year.expose().is_empty() {
        return Ok(None);
    }
    // With four digits, a year cannot be mistaken for a month.
    let century = if matches!(year.expose().len(), 1 | 2) {
        "20"
    } else {
        ""
    };
    Ok(Some(Secret::new(
        [month.expose(), "/", century, year.expose()].concat(),
    )))
}

/// Writes a number of up to four digits, on request with a leading zero.
fn decimal(number: u16, two_digits: bool) -> String {
    let mut text = String::with_capacity(4);
    for place in [1000, 100, 10, 1] {
        if number >= place || place == 1 || two_digits && place == 10 {
            text.extend(char::from_digit((number / place % 10).into(), 10));
        }
    }
    text
}

struct Validation {
    valid: bool,
    brands: Vec<Brand>,
    problems: Vec<ProblemCode>,
    warnings: &'static [ProblemCode],
}

object!(Validation, checked, {
    "valid" = checked.valid,
    "brands" = &checked.brands,
    "problems" = &checked.problems,
    "warnings" = checked.warnings,
});

/// Checks a card and reports every problem and every warning. Throws only for values of the wrong type.
#[wasm_bindgen(js_name = validateCard, unchecked_return_type = "Validation")]
pub fn validate_card(
    #[wasm_bindgen(unchecked_param_type = "Partial<CardInput>")] card: &JsValue,
    #[wasm_bindgen(unchecked_optional_param_type = "ValidateOptions")] options: &JsValue,
) -> Result<JsValue, Thrown> {
    run(None, || {
        let options = Members::of(options);
        let stored = [("tokenize", true), ("update", true), ("payment", false)];
        let stored = options.choice("kind", &stored)?;
        let mut rules = match options.text("platform")? {
            None => Rules::COMMON,
            Some(id) => {
                let platform = Platform::from_id(&id).ok_or_else(|| not_offered("platform"))?;
                crate::platform::rules(platform, stored)
            }
        };
        rules.cvc = !options.flag("cvcOptional")?.unwrap_or_default();
        rules.strict = options.flag("strict")?.unwrap_or_default();
        let now = clock(options.function("now")?.as_ref())?;
        let checked = check(&read(card)?, &rules, now);
        Ok(to_js(&Validation {
            valid: checked.card.is_some(),
            brands: checked.brands,
            problems: checked.problems,
            warnings: checked.warnings,
        }))
    })
}

/// Every brand that a number, or its beginning, may be, the most specific first. None for an empty text.
#[wasm_bindgen(js_name = candidateBrands, unchecked_return_type = "Brand[]")]
pub fn candidate_brands(
    #[wasm_bindgen(unchecked_param_type = "string")] number: &JsValue,
) -> Result<JsValue, Thrown> {
    run(None, || {
        let number = Secret::new(text(number, "number")?);
        let digits = crate::card::digits(number.expose());
        Ok(to_js(
            &digits
                .map(|digits| Brand::candidates(&digits))
                .unwrap_or_default(),
        ))
    })
}

/// The text for an input field.
struct Formatted<'a> {
    text: &'a str,
    caret: u32,
    brands: Option<Vec<Brand>>,
}

object!(Formatted<'_>, shown, {
    "text" = shown.text,
    "caret" = shown.caret,
    "brands" ? shown.brands.as_ref(),
});

impl<'a> Formatted<'a> {
    fn to_js(formatted: &'a format::Formatted, brands: Option<Vec<Brand>>) -> JsValue {
        to_js(&Self {
            text: formatted.text.expose(),
            caret: u32::try_from(formatted.caret).unwrap_or(u32::MAX),
            brands,
        })
    }
}

/// Reads the caret. A value that is not a position means the end.
fn place(caret: &JsValue) -> Option<usize> {
    let caret = caret
        .as_f64()
        .filter(|caret| *caret >= 0.0 && caret.trunc() == *caret)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number; beyond the text it is cut"
    )]
    Some(caret as usize)
}

/// Groups the digits as they stand on the card; the caret stays behind the same digit.
#[wasm_bindgen(js_name = formatCardNumber, unchecked_return_type = "Formatted & { brands: Brand[] }")]
pub fn format_card_number(
    #[wasm_bindgen(js_name = text, unchecked_param_type = "string")] typed: &JsValue,
    #[wasm_bindgen(unchecked_optional_param_type = "number")] caret: &JsValue,
) -> Result<JsValue, Thrown> {
    run(None, || {
        let typed = Secret::new(text(typed, "text")?);
        let (formatted, brands) = format::card_number(typed.expose(), place(caret));
        Ok(Formatted::to_js(&formatted, Some(brands)))
    })
}

/// `MM / YY`, from what was typed so far.
#[wasm_bindgen(js_name = formatExpiry, unchecked_return_type = "Formatted")]
pub fn format_expiry(
    #[wasm_bindgen(js_name = text, unchecked_param_type = "string")] typed: &JsValue,
    #[wasm_bindgen(unchecked_optional_param_type = "number")] caret: &JsValue,
) -> Result<JsValue, Thrown> {
    run(None, || {
        let typed = Secret::new(text(typed, "text")?);
        Ok(Formatted::to_js(
            &format::expiry(typed.expose(), place(caret)),
            None,
        ))
    })
}

/// Digits only, as many as the brands of `number` allow.
#[wasm_bindgen(js_name = formatSecurityCode, unchecked_return_type = "Formatted")]
pub fn format_security_code(
    #[wasm_bindgen(js_name = text, unchecked_param_type = "string")] typed: &JsValue,
    #[wasm_bindgen(unchecked_optional_param_type = "number")] caret: &JsValue,
    #[wasm_bindgen(unchecked_optional_param_type = "string")] number: &JsValue,
) -> Result<JsValue, Thrown> {
    run(None, || {
        let number = if number.is_null_or_undefined() {
            Secret::default()
        } else {
            Secret::new(text(number, "number")?)
        };
        let typed = Secret::new(text(typed, "text")?);
        let formatted = format::security_code(typed.expose(), place(caret), number.expose());
        Ok(Formatted::to_js(&formatted, None))
    })
}
