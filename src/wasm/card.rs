//! Cards on their way in, and what a form needs while they are typed.

use js_sys::Function;
use serde::Serialize;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::client::clock;
use super::error::{CardProblem, Thrown};
use super::read::{Members, is_object, not_offered, text, wrong_type};
use super::{run_free, to_js};
use crate::card::{Brand, Card, CardInput, Rules, Secret, check};
use crate::error::Result;
use crate::platform::Platform;

/// What a person typed.
pub(crate) fn read(card: &JsValue) -> Result<CardInput> {
    if !is_object(card) {
        return Err(wrong_type("card"));
    }
    let members = Members::of(card);
    let nickname = members.text("nickname")?.map(Secret::new);
    Ok(CardInput {
        number: members.secret("number")?,
        expiry: expiry(&members)?,
        cvc: members.secret("cvc")?,
        holder: members.secret("holder")?,
        nickname,
    })
}

/// A card that may be sent by these rules.
pub(crate) fn parse(card: &JsValue, rules: &Rules, now_ms: f64) -> Result<Card> {
    Card::parse(&read(card)?, rules, now_ms)
}

/// A text, or an object with month and year, each a number or a text.
fn expiry(members: &Members) -> Result<Secret> {
    const FIELD: &str = "expiry";
    let Some(value) = members.value(FIELD)? else {
        return Ok(Secret::default());
    };
    if !is_object(&value) {
        return text(&value, FIELD).map(Secret::new);
    }
    let parts = Members::of(&value);
    let part = |name, width: usize| -> Result<Secret> {
        let Some(value) = parts.value(name).map_err(|_| wrong_type(FIELD))? else {
            return Ok(Secret::default());
        };
        let digits = match value.as_f64() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "within four digits"
            )]
            Some(number) if number.trunc() == number && (0.0..10_000.0).contains(&number) => {
                let digits = (number as u16).to_string();
                ["0".repeat(width.saturating_sub(digits.len())), digits].concat()
            }
            // No month and no year, but a number: the card is wrong, and not the call.
            Some(number) if number.is_finite() => "?".into(),
            _ => text(&value, FIELD)?,
        };
        Ok(Secret::new(digits))
    };
    let (month, year) = (part("month", 1)?, part("year", 2)?);
    if month.expose().is_empty() && year.expose().is_empty() {
        return Ok(Secret::default());
    }
    Ok(Secret::new([month.expose(), "/", year.expose()].concat()))
}

#[derive(Serialize)]
struct Validation {
    valid: bool,
    brands: Vec<Brand>,
    problems: Vec<CardProblem>,
}

/// Checks a card and reports every problem. Throws only for values of the wrong type.
#[wasm_bindgen(js_name = validateCard, unchecked_return_type = "Validation")]
pub fn validate_card(
    #[wasm_bindgen(unchecked_param_type = "Partial<CardInput>")] card: &JsValue,
    #[wasm_bindgen(unchecked_optional_param_type = "ValidateOptions")] options: &JsValue,
) -> Result<JsValue, Thrown> {
    run_free(|| {
        let options = Members::of(options);
        let stored = [("tokenize", true), ("update", true), ("payment", false)];
        let stored = options.choice("kind", &stored)?;
        let mut rules = match options.text("platform")? {
            None => Rules::COMMON,
            Some(id) => {
                let platform = Platform::from_id(&id).ok_or_else(|| not_offered("platform"))?;
                crate::platforms::rules(platform, stored)
            }
        };
        rules.cvc = !options.flag("cvcOptional")?.unwrap_or_default();
        let now = options.value("now")?.map(|now| now.dyn_into::<Function>());
        let now = clock(now.transpose().map_err(|_| wrong_type("now"))?.as_ref())?;
        let checked = check(&read(card)?, &rules, now);
        Ok(to_js(&Validation {
            valid: checked.card.is_some(),
            brands: checked.brands,
            problems: checked.problems.iter().map(CardProblem::from).collect(),
        }))
    })
}

/// Every brand that a number, or its beginning, may be, the most specific first. None for an empty text.
#[wasm_bindgen(js_name = candidateBrands, unchecked_return_type = "Brand[]")]
pub fn candidate_brands(
    #[wasm_bindgen(unchecked_param_type = "string")] number: &JsValue,
) -> Result<JsValue, Thrown> {
    run_free(|| {
        let number = Secret::new(text(number, "number")?);
        let digits = crate::card::digits(number.expose());
        Ok(to_js(
            &digits
                .map(|digits| Brand::candidates(&digits))
                .unwrap_or_default(),
        ))
    })
}
