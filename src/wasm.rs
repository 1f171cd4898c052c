//! The exports to JavaScript: a class for each platform, and functions for forms. They only convert values; the
//! logic is in the modules that all targets share.
//!
//! Every call overwrites the stack that it used, and the allocator overwrites every heap block when it is freed. So
//! no card and no key stays in the module's memory.

#![allow(unreachable_pub, reason = "wasm-bindgen exports what is public")]
#![cfg_attr(
    not(feature = "default"),
    allow(dead_code, reason = "what only the left-out platforms call")
)]

mod answer;
mod card;
mod client;
mod error;
mod read;

#[cfg(feature = "ccbill")]
mod ccbill;
#[cfg(feature = "online-payments")]
mod device;
#[cfg(feature = "gp-api")]
mod gp_api;
#[cfg(feature = "greenpay")]
mod greenpay;
#[cfg(feature = "online-payments")]
mod online_payments;
#[cfg(feature = "online-payments")]
mod product;
#[cfg(any(feature = "online-payments", feature = "worldline-acquiring"))]
mod promise;
#[cfg(feature = "worldline-acquiring")]
mod worldline_acquiring;

use serde::Serialize;
use talc::wasm::{WasmDynamicTalc, new_wasm_dynamic_allocator};
use wasm_bindgen::prelude::*;

use crate::error::Result;
use crate::http::Request;
use crate::object::{IntoValue, Value};
use crate::platform::Platform;
use error::Thrown;

/// Wipes every block when it is freed, also those of libraries and of the glue. The allocator below it is small and
/// merges free blocks, so memory does not grow with the number of calls.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<WasmDynamicTalc> =
    zeroizing_alloc::ZeroAlloc(new_wasm_dynamic_allocator());

/// The types of arguments and results, in addition to the generated classes and functions.
#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("wasm/types.ts");

#[wasm_bindgen(typescript_custom_section)]
const ERROR_CODES: &str = crate::error::Code::TYPESCRIPT;

#[wasm_bindgen(typescript_custom_section)]
const PLATFORMS: &str = Platform::TYPESCRIPT;

#[wasm_bindgen(typescript_custom_section)]
const PROBLEM_CODES: &str = crate::card::ProblemCode::TYPESCRIPT;

#[wasm_bindgen(typescript_custom_section)]
const BRANDS: &str = crate::card::Brand::TYPESCRIPT;

/// More than the deepest call needs. A test scans the memory for anything left.
const STACK_TO_WIPE: usize = 48 * 1024;

/// Does `work` and wipes the stack that it used. The platform, if there is one, is named in errors.
fn run<T>(platform: impl Into<Option<Platform>>, work: impl FnOnce() -> Result<T>) -> Result<T, Thrown> {
    let result = apart(work);
    wipe_stack();
    result.map_err(|error| Thrown::new(error, platform.into()))
}

/// Does the same for a request, and returns it as a plain object.
fn requested(platform: Platform, work: impl FnOnce() -> Result<Request>) -> Result<JsValue, Thrown> {
    run(platform, || work().map(|request| to_js(&request)))
}

#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn wipe_stack() {
    let mut area = [0_u8; STACK_TO_WIPE];
    // Keeps the optimiser from removing the writes.
    std::hint::black_box(&mut area);
}

/// Converts a value to a plain JavaScript object.
fn to_js<'a>(value: impl IntoValue<'a>) -> JsValue {
    written(&value.into_value())
}

#[inline(never)]
fn written(value: &Value<'_>) -> JsValue {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    // This cannot fail for the values of this crate.
    value.serialize(&serializer).unwrap_or_default()
}

/// Masks everything that could be a card number, for answers that TypeScript reads.
#[cfg(feature = "online-payments")]
#[wasm_bindgen]
#[must_use]
pub fn mask(#[wasm_bindgen(unchecked_param_type = "string | undefined")] text: &JsValue) -> String {
    crate::redact::card_digits(&text.as_string().unwrap_or_default())
}
