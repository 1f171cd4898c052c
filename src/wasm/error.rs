//! Converts errors to JavaScript exceptions.

use wasm_bindgen::prelude::*;

use super::to_js;
use crate::ccbill::CustomerProblem;
use crate::error::Error;
use crate::object::object;
use crate::platform::Platform;

#[wasm_bindgen(module = "/src/ts/error.js")]
extern "C" {
    #[wasm_bindgen(js_name = CardsealError)]
    type CardsealError;

    #[wasm_bindgen(constructor, js_class = CardsealError)]
    fn new(details: &JsValue) -> CardsealError;
}

/// An error, and the platform of the failed call.
pub struct Thrown {
    error: Error,
    platform: Option<Platform>,
}

impl Thrown {
    pub(crate) const fn new(error: Error, platform: Option<Platform>) -> Self {
        Self { error, platform }
    }
}

struct Details<'a> {
    error: &'a Error,
    platform: Option<Platform>,
}

object!(Details<'_>, details, {
    "code" = details.error.code().as_str(),
    "message" = details.error.message(),
    "field" ? details.error.field(),
    "platform" ? details.platform.map(Platform::id),
    "status" ? details.error.status(),
    "platformCode" ? details.error.platform_code(),
    "platformMessage" ? details.error.platform_message(),
    "problems" ? Some(details.error.problems()).filter(|problems| !problems.is_empty()),
    "customerProblems" ? customer_problems(details.error),
});

/// Problems with a customer's details, which only CCBill needs.
fn customer_problems(error: &Error) -> Option<&[CustomerProblem]> {
    Some(error.customer_problems()).filter(|problems| cfg!(feature = "ccbill") && !problems.is_empty())
}

impl From<Thrown> for JsValue {
    #[inline(never)]
    fn from(Thrown { error, platform }: Thrown) -> Self {
        let details = Details {
            error: &error,
            platform,
        };
        CardsealError::new(&to_js(&details)).into()
    }
}
