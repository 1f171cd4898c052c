//! What takes its time: the browser's own cryptography gives promises.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use js_sys::Promise;
use js_sys::futures::future_to_promise;
use wasm_bindgen::prelude::*;

use super::error::Thrown;
use super::{apart, run, wipe_stack};
use crate::error::Result;
use crate::platform::Platform;

/// What is left to do. It owns all that it needs: the object whose method began it may be used again meanwhile, or freed.
pub(crate) type Rest = Pin<Box<dyn Future<Output = Result<JsValue>>>>;

/// Does `work` at once, and the rest of it later. Whatever fails, and whenever, rejects the promise.
pub(crate) fn promised(platform: Platform, work: impl FnOnce() -> Result<Rest>) -> Promise {
    match run(platform, work) {
        Ok(rest) => future_to_promise(Steps { rest, platform }),
        Err(thrown) => Promise::reject(&thrown.into()),
    }
}

/// Wipes the stack at the end of every step, as every call does.
struct Steps {
    rest: Rest,
    platform: Platform,
}

impl Future for Steps {
    type Output = Result<JsValue, JsValue>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let step = apart(|| self.rest.as_mut().poll(context));
        wipe_stack();
        step.map_err(|error| Thrown::new(error, Some(self.platform)).into())
    }
}
