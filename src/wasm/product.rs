//! Reads a product's fields, as a page passes them in. Rules that cannot be read are left to the platform.

use js_sys::{Date, Function};
use wasm_bindgen::prelude::*;

use super::client::clock;
use super::error::Thrown;
use super::read::{Members, get, is_object, items, keys, text, wrong_type};
use super::{run, to_js};
use crate::error::{Code, Error, Result};
use crate::object::object;
use crate::online_payments::Values;
use crate::online_payments::product::{
    Language, Restrictions, Validator, card_field, masked, problem, short_year,
};

#[wasm_bindgen]
extern "C" {
    type RegExp;

    #[wasm_bindgen(catch, constructor)]
    fn new(pattern: &str) -> Result<RegExp, JsValue>;

    #[wasm_bindgen(catch, method)]
    fn test(this: &RegExp, text: &str) -> Result<bool, JsValue>;
}

/// JavaScript, with the page's clock.
pub(crate) struct Script<'a> {
    pub(crate) now: Option<&'a Function>,
}

impl Language for Script<'_> {
    fn matches(&self, pattern: &str, text: &str) -> bool {
        let found = RegExp::new(pattern).and_then(|pattern| pattern.test(text));
        // Otherwise `RegExp.input` would show the last match to every script.
        let forgotten = RegExp::new("").and_then(|pattern| pattern.test(""));
        forgotten.and(found).unwrap_or(true)
    }

    fn number(&self, text: &str) -> f64 {
        JsValue::from_str(text).unchecked_into_f64()
    }

    fn month(&self) -> Result<f64> {
        let now = Date::new(&clock(self.now)?.into());
        Ok(12.0 * f64::from(now.get_full_year()) + f64::from(now.get_month()))
    }
}

/// Reads one object of a field.
fn described(field: &JsValue, name: &'static str) -> Result<Members> {
    Ok(Members::of(&Members::of(field).value(name)?.unwrap_or_default()))
}

/// Does `work`. Its errors name the field.
fn in_field<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    work().map_err(|_| wrong_type("field"))
}

const PRODUCT: &str = "product";

/// Does `work`. Its errors name the product.
fn in_product<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    work().map_err(|_| wrong_type(PRODUCT))
}

fn word(members: &Members, name: &'static str) -> Result<Option<String>> {
    Ok(members.value(name)?.and_then(|value| value.as_string()))
}

fn mask(field: &JsValue) -> Result<Option<String>> {
    let hints = described(field, "displayHints")?;
    in_field(|| word(&hints, "mask"))
}

fn pattern(field: &JsValue) -> Result<Option<String>> {
    let validators = described(field, "dataRestrictions")?.value("validators")?;
    let pattern = described(&validators.unwrap_or_default(), "regularExpression")?;
    word(&pattern, "regularExpression")
}

fn restrictions(field: &JsValue) -> Result<Restrictions> {
    let about = described(field, "dataRestrictions")?;
    in_field(|| {
        let required = about.value("isRequired")?;
        let mut found = Restrictions {
            required: required.is_some_and(|required| required.is_truthy()),
            validators: Vec::new(),
        };
        let all = about.value("validators")?.unwrap_or_default();
        if is_object(&all) {
            for name in keys(&all)? {
                found.validators.extend(validator(&name, &all)?);
            }
        }
        Ok(found)
    })
}

fn validator(name: &str, all: &JsValue) -> Result<Option<Validator>> {
    let rule = get(all, name).map_err(|_| Code::TypeInvalid)?;
    if !rule.is_truthy() {
        return Ok(None);
    }
    let rule = Members::of(&rule);
    // Converted as in a JavaScript comparison.
    let bound = |name, none| -> Result<f64> {
        let Some(value) = rule.value(name)? else {
            return Ok(none);
        };
        let value = match value.as_bool() {
            Some(flag) => f64::from(u8::from(flag)),
            None if value.is_object() => f64::NAN,
            None => value
                .as_f64()
                .or_else(|| value.is_string().then(|| value.unchecked_into_f64()))
                .unwrap_or(f64::NAN),
        };
        Ok(value)
    };
    Ok(Some(match name {
        "luhn" => Validator::Luhn,
        "iban" => Validator::Iban,
        "expirationDate" => Validator::ExpirationDate,
        "length" => Validator::Length(bound("minLength", 0.0)?, bound("maxLength", f64::INFINITY)?),
        "range" => Validator::Range(
            bound("minValue", f64::NEG_INFINITY)?,
            bound("maxValue", f64::INFINITY)?,
        ),
        "regularExpression" => Validator::RegularExpression(word(&rule, "regularExpression")?),
        "emailAddress" => Validator::EmailAddress,
        "fixedList" => {
            let allowed = items(&rule.value("allowedValues")?.unwrap_or_default())?;
            Validator::FixedList(allowed.iter().filter_map(JsValue::as_string).collect())
        }
        "termsAndConditions" => Validator::TermsAndConditions,
        // Unknown rules are left to the platform.
        _ => return Ok(None),
    }))
}

/// The parts of a product that apply to cards.
pub(crate) struct Product {
    /// The id, of any type.
    pub(crate) id: Option<JsValue>,
    fields: Vec<JsValue>,
}

impl Product {
    /// Reads the option `product`.
    pub(crate) fn read(options: &Members) -> Result<Self> {
        let given = Members::of(&options.value(PRODUCT)?.unwrap_or_default());
        in_product(|| {
            let fields = given.value("fields")?.unwrap_or_default();
            let fields = if is_object(&fields) {
                vec![fields]
            } else {
                items(&fields)?
            };
            Ok(Self {
                id: given.value("id")?,
                fields: fields.into_iter().filter(is_object).collect(),
            })
        })
    }

    /// Whether the year of its expiry date has two digits.
    pub(crate) fn short_year(&self, script: &Script<'_>) -> Result<bool> {
        for (id, field) in self.named()? {
            if id == "expiryDate" {
                let (mask, pattern) = in_product(|| Ok((mask(field)?, pattern(field)?)))?;
                return Ok(short_year(mask.as_deref(), pattern.as_deref(), script));
            }
        }
        Ok(false)
    }

    /// Checks the values that would be sent by the rules of the fields.
    pub(crate) fn check(&self, values: &Values, script: &Script<'_>) -> Result<()> {
        let mut problems = Vec::new();
        for (id, field) in self.named()? {
            let Some(card_field) = card_field(&id) else {
                continue;
            };
            let failed = in_product(|| restrictions(field))?.failed(values.get(card_field), script)?;
            problems.extend(failed.into_iter().map(|failed| problem(card_field, failed)));
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Error::card(problems))
        }
    }

    fn named(&self) -> Result<Vec<(String, &JsValue)>> {
        let mut named = Vec::new();
        for field in &self.fields {
            if let Some(id) = in_product(|| word(&Members::of(field), "id"))? {
                named.push((id, field));
            }
        }
        Ok(named)
    }
}

/// Names of the validators that an unmasked value fails, or `required`.
#[wasm_bindgen(js_name = checkField, unchecked_return_type = "string[]")]
pub fn check_field(
    #[wasm_bindgen(unchecked_param_type = "ProductField")] field: &JsValue,
    #[wasm_bindgen(unchecked_optional_param_type = "string")] value: &JsValue,
    #[wasm_bindgen(unchecked_optional_param_type = "{ now?: () => number }")] options: &JsValue,
) -> Result<JsValue, Thrown> {
    run(None, || {
        let restrictions = restrictions(field)?;
        let value = if value.is_null_or_undefined() {
            String::new()
        } else {
            text(value, "value")?
        };
        let now = Members::of(options).function("now")?;
        let script = Script { now: now.as_ref() };
        Ok(to_js(&restrictions.failed(&value, &script)?))
    })
}

struct Shown {
    text: String,
    value: String,
    caret: f64,
}

object!(Shown, shown, { "text" = &shown.text, "value" = &shown.value, "caret" = shown.caret });

/// What the field's mask makes of a typed text; `value` is what is in it without decoration.
#[wasm_bindgen(js_name = maskField, unchecked_return_type = "Formatted & { value: string }")]
pub fn mask_field(
    #[wasm_bindgen(unchecked_param_type = "ProductField")] field: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "string")] typed: &JsValue,
    #[wasm_bindgen(unchecked_optional_param_type = "number")] caret: &JsValue,
) -> Result<JsValue, Thrown> {
    run(None, || {
        let mask = mask(field)?.filter(|mask| !mask.is_empty());
        let typed = text(typed, "text")?;
        let caret = caret.as_f64();
        let shown = match mask {
            Some(mask) => {
                let masked = masked(&mask, &typed, caret.unwrap_or(f64::INFINITY));
                Shown {
                    text: masked.text,
                    value: masked.value,
                    caret: masked.caret as f64,
                }
            }
            None => Shown {
                caret: caret.unwrap_or(typed.encode_utf16().count() as f64),
                value: typed.clone(),
                text: typed,
            },
        };
        Ok(to_js(&shown))
    })
}
