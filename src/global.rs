//! The global object of JavaScript. That of `js_sys` also looks for it under its older names.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_name = globalThis)]
    static GLOBAL_THIS: JsValue;
}

/// What `globalThis` is.
pub(crate) fn global() -> JsValue {
    GLOBAL_THIS.with(Clone::clone)
}
