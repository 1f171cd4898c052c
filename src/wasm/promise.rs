//! Asynchronous calls, because WebCrypto returns promises.

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

/// The asynchronous part of a call. It owns everything it needs, because the object may be used or freed meanwhile.
pub(crate) type Rest = Pin<Box<dyn Future<Output = Result<JsValue>>>>;

/// Does `work` at once and the rest later. Any error rejects the promise.
pub(crate) fn promised(platform: Platform, work: impl FnOnce() -> Result<Rest>) -> Promise {
    match run(platform, work) {
        Ok(rest) => future_to_promise(Steps { rest, platform }),
        Err(thrown) => Promise::reject(&thrown.into()),
    }
}

/// Wipes the stack after every step, as every call does.
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
