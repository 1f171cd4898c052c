//! Errors on their way to JavaScript.

use serde::Serialize;
use wasm_bindgen::prelude::*;

use super::to_js;
use crate::card::{Problem, Severity};
use crate::ccbill::CustomerProblem;
use crate::error::{Code, Error};
use crate::platform::Platform;

#[wasm_bindgen(module = "/src/wasm/error.js")]
extern "C" {
    #[wasm_bindgen(js_name = CardsealError)]
    type CardsealError;

    #[wasm_bindgen(constructor, js_class = CardsealError)]
    fn new(details: &JsValue) -> CardsealError;
}

/// An error, and the platform whose call it ended.
pub struct Thrown {
    error: Error,
    platform: Option<Platform>,
}

impl Thrown {
    pub(crate) const fn new(error: Error, platform: Option<Platform>) -> Self {
        Self { error, platform }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<CardProblem>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_problems: Option<&'a [CustomerProblem]>,
}

/// A problem of a card, as a page shows it.
#[derive(Serialize)]
pub(crate) struct CardProblem {
    field: &'static str,
    code: &'static str,
    severity: Severity,
    message: &'static str,
}

impl From<&Problem> for CardProblem {
    fn from(problem: &Problem) -> Self {
        Self {
            field: problem.code.field().as_str(),
            code: problem.code.as_str(),
            severity: problem.severity,
            message: problem.code.message(),
        }
    }
}

impl From<Thrown> for JsValue {
    #[inline(never)]
    fn from(Thrown { error, platform }: Thrown) -> Self {
        let problems: Vec<_> = error.problems().iter().map(CardProblem::from).collect();
        let details = Details {
            code: error.code().as_str(),
            message: error.message(),
            field: error.field(),
            platform: platform.map(Platform::id),
            status: error.status(),
            platform_code: error.platform_code(),
            platform_message: error.platform_message(),
            problems: (error.code() == Code::CardInvalid).then_some(problems),
            customer_problems: (error.code() == Code::CustomerInvalid).then(|| error.customer_problems()),
        };
        CardsealError::new(&to_js(&details)).into()
    }
}
