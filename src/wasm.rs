//! What JavaScript calls: one class a platform, and free functions for forms. Conversions only; what they do is in the
//! modules that every target shares.
//!
//! Every call ends by overwriting the stack that it used, and the allocator overwrites every heap block as it is freed.
//! Together they leave no card and no key in linear memory.

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

/// Wipes every block as it is freed, whoever allocated it: our code, a library, or the glue that brings texts in. The
/// allocator under it is small, and joins what is freed, so that thousands of calls need no more memory than the first.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<WasmDynamicTalc> =
    zeroizing_alloc::ZeroAlloc(new_wasm_dynamic_allocator());

/// The types that a page hands in and gets, beside the generated classes and functions.
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

/// More than the deepest call needs; the memory scan in the tests would find the rest.
const STACK_TO_WIPE: usize = 48 * 1024;

/// Does `work`, for a platform if there is one, and wipes the stack that it used.
fn run<T>(platform: impl Into<Option<Platform>>, work: impl FnOnce() -> Result<T>) -> Result<T, Thrown> {
    let result = apart(work);
    wipe_stack();
    result.map_err(|error| Thrown::new(error, platform.into()))
}

/// The same for a request, as the plain object that a page sends.
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
    // Keeps the optimiser from seeing that nobody reads it.
    std::hint::black_box(&mut area);
}

/// A value as a plain object of JavaScript.
fn to_js<'a>(value: impl IntoValue<'a>) -> JsValue {
    written(&value.into_value())
}

#[inline(never)]
fn written(value: &Value<'_>) -> JsValue {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    // No value of this crate has what it refuses.
    value.serialize(&serializer).unwrap_or_default()
}

/// A text with every run of digits that could be a card number masked: of a platform that TypeScript reads the answers of.
#[cfg(feature = "online-payments")]
#[wasm_bindgen]
#[must_use]
pub fn mask(#[wasm_bindgen(unchecked_param_type = "string | undefined")] text: &JsValue) -> String {
    crate::redact::card_digits(&text.as_string().unwrap_or_default())
}
