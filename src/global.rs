//! The global object of JavaScript. That of `js_sys` also looks for it under its older names.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = globalThis)]
    type Global;

    // Its own member of that name, and no static: a static is kept in a cell that is filled at the first use, and with
    // it what the cell says when that fails.
    #[wasm_bindgen(static_method_of = Global, js_class = globalThis, getter, js_name = globalThis)]
    fn this() -> JsValue;

    /// A member of an object, its own or a prototype's.
    #[wasm_bindgen(catch, js_namespace = Reflect, js_name = get)]
    pub(crate) fn get(object: &JsValue, name: &str) -> Result<JsValue, JsValue>;
}

/// What `globalThis` is.
pub(crate) fn global() -> JsValue {
    Global::this()
}
