//! A source for `getrandom`, where it is compiled with `--cfg getrandom_backend="custom"`: the page's `getRandomValues`,
//! which `random.js` calls. The source that `getrandom` has for browsers lets JavaScript's exceptions into the module;
//! for that, wasm-bindgen adds a table of objects and its bookkeeping, more than half a kilobyte of download. Here
//! JavaScript catches, and says whether the bytes were filled.
#![no_std]
#![cfg(all(target_arch = "wasm32", target_os = "unknown"))]

use getrandom::Error;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(raw_module = "./random.js")]
extern "C" {
    fn fill(bytes: &mut [u8]) -> bool;
}

/// # Safety
/// `getrandom` calls this with the place and the length of a buffer that is its own to write.
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(place: *mut u8, length: usize) -> Result<(), Error> {
    // SAFETY: the buffer may be written, and is written before it is taken for bytes.
    let bytes = unsafe {
        place.write_bytes(0, length);
        core::slice::from_raw_parts_mut(place, length)
    };
    if fill(bytes) {
        Ok(())
    } else {
        Err(Error::UNEXPECTED)
    }
}
