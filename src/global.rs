//! JavaScript's `globalThis`. `js_sys` would also look for its older names.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = globalThis)]
    type Global;

    // A getter, not a static: a static needs a lazily filled cell and its error message.
    #[wasm_bindgen(static_method_of = Global, js_class = globalThis, getter, js_name = globalThis)]
    fn this() -> JsValue;

    /// Reads a member of an object or of its prototypes.
    #[wasm_bindgen(catch, js_namespace = Reflect, js_name = get)]
    pub(crate) fn get(object: &JsValue, name: &str) -> Result<JsValue, JsValue>;
}

/// Returns `globalThis`.
pub(crate) fn global() -> JsValue {
    Global::this()
}
