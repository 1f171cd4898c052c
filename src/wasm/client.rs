//! What the classes of all platforms have in common: a clock, and the merchant's server.

use js_sys::{Date, Function, JSON};
use wasm_bindgen::prelude::*;

use super::card;
use super::read::{Members, not_offered, wrong_type};
use crate::card::{Card, Rules};
use crate::error::Result;
use crate::hosts::BaseUrl;
use crate::http::Request;

pub(crate) struct Client {
    pub(crate) now: Option<Function>,
    pub(crate) server: BaseUrl,
    strict: bool,
}

impl Client {
    /// Reads the options `now`, `server` and `strict`.
    pub(crate) fn new(options: &Members) -> Result<Self> {
        let now = options.function("now")?;
        let server = options.text("server")?.unwrap_or_default();
        Ok(Self {
            now,
            server: BaseUrl::parse_server(&server).ok_or_else(|| not_offered("server"))?,
            strict: options.flag("strict")?.unwrap_or_default(),
        })
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> Result<f64> {
        clock(self.now.as_ref())
    }

    /// Reads a card and checks it by these rules.
    pub(crate) fn card(&self, card: &JsValue, rules: Rules, now_ms: f64) -> Result<Card> {
        let strict = self.strict;
        Card::parse(&card::read(card)?, &Rules { strict, ..rules }, now_ms)
    }

    /// The request that submits the platform's answer to the merchant's server.
    pub(crate) fn hand_over(
        &self,
        path: &str,
        session: &JsValue,
        answer: Option<&JsValue>,
    ) -> Result<Request> {
        let id = server_session(session)?;
        let answer = answer
            .ok_or_else(|| wrong_type("raw").with_message("pass what the call to the platform returned"))?;
        let answer = JSON::stringify(answer).ok().and_then(|text| text.as_string());
        let answer = answer.ok_or_else(|| wrong_type("raw"))?;
        Ok(self.handed_over(path, &id, &answer))
    }

    /// The same, with the answer as JSON.
    pub(crate) fn hand_over_json(&self, path: &str, session: &JsValue, answer: &str) -> Result<Request> {
        Ok(self.handed_over(path, &server_session(session)?, answer))
    }

    fn handed_over(&self, path: &str, session: &str, answer: &str) -> Request {
        Request::post(self.server.join(path), |body| {
            body.text("session", session).raw("answer", answer);
        })
    }
}

/// Returns the id of a session, which must be one of the Cardseal server.
pub(crate) fn server_session(session: &JsValue) -> Result<String> {
    let id = Members::of(session).value("id")?;
    id.and_then(|id| id.as_string()).ok_or_else(|| {
        wrong_type("session").with_message("only a session of the Cardseal server can confirm an answer")
    })
}

/// Returns the time of the page's own clock, or of the browser's.
pub(crate) fn clock(now: Option<&Function>) -> Result<f64> {
    let time = match now {
        Some(now) => now.call0(&JsValue::UNDEFINED).ok().and_then(|time| time.as_f64()),
        None => Some(Date::now()),
    };
    time.filter(|time| time.is_finite())
        .map(|time| time.floor().max(0.0))
        .ok_or_else(|| wrong_type("now"))
}
