//! The issuer's half of 3-D Secure, as a browser meets it in frames: the page that looks at the browser, and the page
//! that asks the cardholder. They answer with forms that go to the merchant by themselves, or by a button where there
//! is no script.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::GpApi;
use super::authentications::{Progress, encoded};
use super::threeds::Verdict;
use crate::host::html::escaped;

/// Where the browser is looked at.
pub(crate) const METHOD: &str = "/gp_api/acs/method";
/// Where the cardholder is asked.
pub(crate) const CHALLENGE: &str = "/gp_api/acs/challenge";

type Platform = State<Arc<GpApi>>;

pub(crate) fn routes() -> Router<Arc<GpApi>> {
    Router::new()
        .route(METHOD, post(look))
        .route(CHALLENGE, post(ask))
        .route(&format!("{CHALLENGE}/{{transaction}}"), post(decide))
}

/// A message in a field of a form.
fn message(body: &Bytes, field: &str) -> Option<Value> {
    let (_, text) = form_urlencoded::parse(body).find(|(name, _)| name == field)?;
    let json = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&json).ok()
}

fn member<'a>(message: &'a Value, name: &str) -> &'a str {
    message[name].as_str().unwrap_or_default()
}

async fn look(State(platform): Platform, body: Bytes) -> Response {
    let Some(data) = message(&body, "threeDSMethodData") else {
        return gone();
    };
    let transaction = member(&data, "threeDSServerTransID");
    let back = platform.host.with(|ledger| {
        let authentications = &mut ledger.book.authentications;
        let mut known = authentications.iter_mut();
        let authentication = known.find(|known| known.server_reference == transaction)?;
        authentication.method_done = true;
        Some(authentication.method_return_url.clone())
    });
    let Some(back) = back else {
        return gone();
    };
    let data = encoded(&json!({ "threeDSServerTransID": transaction }));
    send_back(&back, "threeDSMethodData", &data)
}

async fn ask(State(platform): Platform, body: Bytes) -> Response {
    let Some(request) = message(&body, "creq") else {
        return gone();
    };
    let transaction = member(&request, "threeDSServerTransID");
    let waits = platform.host.with(|ledger| {
        ledger.book.authentications.iter().any(|known| {
            known.server_reference == transaction
                && known.issuer_reference == member(&request, "acsTransID")
                && known.progress == Progress::Challenged
        })
    });
    if !waits {
        return gone();
    }
    let form = format!(
        "<form method=\"post\" action=\"{CHALLENGE}/{}\"><button name=\"action\" value=\"pass\">It is me</button> \
         <button name=\"action\" value=\"fail\">It is not</button></form>",
        escaped(transaction)
    );
    page(StatusCode::OK, "Your bank asks", &form)
}

async fn decide(State(platform): Platform, Path(transaction): Path<String>, body: Bytes) -> Response {
    let passed = form_urlencoded::parse(&body).any(|(name, value)| name == "action" && value == "pass");
    let decided = platform.host.with(|ledger| {
        let authentications = &mut ledger.book.authentications;
        let mut known = authentications.iter_mut();
        let authentication = known
            .find(|known| known.server_reference == transaction && known.progress == Progress::Challenged)?;
        let verdict = if passed {
            Verdict::Authenticated
        } else {
            Verdict::NotAuthenticated
        };
        authentication.progress = Progress::Done(verdict);
        let result = encoded(&json!({
            "threeDSServerTransID": transaction,
            "acsTransID": authentication.issuer_reference,
            "challengeCompletionInd": "Y",
            "messageType": "CRes",
            "messageVersion": authentication.version,
            "transStatus": verdict.letter(),
        }));
        Some((authentication.challenge_return_url.clone(), result))
    });
    decided.map_or_else(gone, |(back, result)| send_back(&back, "cres", &result))
}

fn gone() -> Response {
    page(
        StatusCode::NOT_FOUND,
        "Not available",
        "<p>This authentication is done with, or never was.</p>",
    )
}

/// A form that the browser sends to the merchant.
fn send_back(url: &str, field: &str, value: &str) -> Response {
    let form = format!(
        "<form method=\"post\" action=\"{}\"><input type=\"hidden\" name=\"{field}\" value=\"{}\">\
         <button>Continue</button></form><script>document.forms[0].submit()</script>",
        escaped(url),
        escaped(value)
    );
    page(StatusCode::OK, "Back to the shop", &form)
}

/// A whole page. `body` is HTML.
fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title></head><body><main><h1>{title}</h1>\n{body}\n\
         <p>Simulated page: test cards only.</p></main></body></html>\n"
    );
    let headers: [(HeaderName, &str); 4] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, html).into_response()
}
