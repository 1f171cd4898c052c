//! The sandbox's own pages: a plain card form for hosted checkout and hosted tokenization, and the page on which a
//! cardholder authenticates. They look nothing like the platform's, and work without a script.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::addresses::{
    AUTHENTICATION, CHECKOUT, DONE, LINK, TOKENIZATION, TOKENIZER_PATH, TOKENIZER_SCRIPT,
};
use super::cards::CardMistake;
use super::hosted::{CardForm, Next, Progress, TokenizationResult, offered};
use super::{OnlinePayments, products};
use crate::host::Reply;
use crate::host::html::escaped;

const FRAME_SCRIPT: &str = include_str!("pages/frame.js");
const STYLE: &str = include_str!("pages/style.css");

type Platform = State<Arc<OnlinePayments>>;

pub(crate) fn routes() -> Router<Arc<OnlinePayments>> {
    let page = |path: &str| format!("{path}/{{page}}");
    Router::new()
        .route(&page(CHECKOUT), get(show_checkout).post(pay_checkout))
        .route(&page(TOKENIZATION), get(show_tokenization).post(tokenize))
        .route(&page(LINK), get(follow_link))
        .route(&page(AUTHENTICATION), get(show_authentication).post(authenticate))
        .route(DONE, get(done))
        .route(TOKENIZER_PATH, get(async || script(TOKENIZER_SCRIPT)))
        .route(
            "/online_payments/assets/frame.js",
            get(async || script(FRAME_SCRIPT)),
        )
        .route("/online_payments/assets/style.css", get(style))
        .route("/online_payments/assets/products/{file}", get(logo))
}

/// With the header that lets a page check the script's digest.
fn script(text: &'static str) -> Response {
    let javascript = HeaderValue::from_static("text/javascript; charset=utf-8");
    let mut response = text.into_response();
    response.headers_mut().insert(CONTENT_TYPE, javascript);
    response
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

async fn logo(Path(file): Path<String>) -> Response {
    let id = file.strip_suffix(".svg").and_then(|id| id.parse().ok());
    match id.and_then(products::by_id) {
        Some(product) => ([(CONTENT_TYPE, "image/svg+xml")], product.logo()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A whole page. `body` is HTML.
fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><link rel=\"stylesheet\" \
         href=\"/online_payments/assets/style.css\"></head><body><main><h1>{title}</h1>\n{body}\n\
         <p class=\"note\">Simulated page: test cards only.</p></main></body></html>\n"
    );
    let headers: [(HeaderName, &str); 4] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, html).into_response()
}

fn gone() -> Response {
    page(
        StatusCode::NOT_FOUND,
        "Not available",
        "<p>This page is done with, has expired, or never was.</p>",
    )
}

fn go(url: &str) -> Response {
    match HeaderValue::from_str(url) {
        Ok(url) => (StatusCode::SEE_OTHER, [(LOCATION, url)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What a card form asks for besides the card.
struct Asks<'a> {
    action: &'a str,
    button: &'a str,
    /// Tokens of stored cards and how they look.
    stored: &'a [(String, String)],
    /// Whether the card may be kept.
    consent: bool,
    can_cancel: bool,
}

fn card_form(asks: &Asks<'_>, wrong: &str) -> String {
    let field = |name: &str, label: &str, autocomplete: &str, hint: &str| {
        format!(
            "<label>{label}<input name=\"{name}\" autocomplete=\"{autocomplete}\" placeholder=\"{hint}\"></label>\n"
        )
    };
    let mut form = format!("<form method=\"post\" action=\"{}\">\n", escaped(asks.action));
    if !asks.stored.is_empty() {
        form.push_str("<label>Card<select name=\"storedCard\"><option value=\"\">another card</option>");
        for (token, masked) in asks.stored {
            form.push_str(&format!(
                "<option value=\"{}\">{}</option>",
                escaped(token),
                escaped(masked)
            ));
        }
        form.push_str("</select></label>\n");
    }
    form.push_str(&field("cardNumber", "Card number", "cc-number", ""));
    form.push_str(&field("cardholderName", "Cardholder name", "cc-name", ""));
    form.push_str(&field("expiryDate", "Expiry date", "cc-exp", "MM/YY"));
    form.push_str(&field("cvv", "Card verification value", "cc-csc", ""));
    if asks.consent {
        form.push_str(
            "<label><input type=\"checkbox\" name=\"storePermanently\" value=\"true\"> Keep this card</label>\n",
        );
    }
    form.push_str(&format!(
        "<p class=\"wrong\" role=\"alert\">{}</p>\n<button name=\"action\" value=\"pay\">{}</button>",
        escaped(wrong),
        escaped(asks.button)
    ));
    if asks.can_cancel {
        form.push_str("<button name=\"action\" value=\"cancel\">Cancel</button>");
    }
    form.push_str("</form>");
    form
}

/// A form as it was sent.
fn form(body: &Bytes) -> HashMap<String, String> {
    form_urlencoded::parse(body).into_owned().collect()
}

fn typed(form: &mut HashMap<String, String>) -> CardForm {
    let mut take = |name: &str| form.remove(name).unwrap_or_default();
    CardForm {
        number: take("cardNumber"),
        holder: take("cardholderName"),
        expiry: take("expiryDate"),
        cvv: take("cvv"),
        stored: take("storedCard"),
        store: take("storePermanently") == "true",
    }
}

const fn told(mistake: CardMistake) -> &'static str {
    match mistake {
        CardMistake::Number => "The card number is not valid",
        CardMistake::Holder => "The cardholder name is missing or not valid",
        CardMistake::Expiry => "The expiry date is not valid",
        CardMistake::Cvv => "The card verification value is not valid",
        CardMistake::Product | CardMistake::Mismatch => "Cards of this brand are not taken",
    }
}

fn checkout_form(platform: &OnlinePayments, id: &str, status: StatusCode, wrong: &str) -> Response {
    let now = platform.host.now();
    let shown = platform.host.with(|ledger| {
        let mut checkouts = ledger.book.checkouts.iter();
        let checkout = checkouts.find(|checkout| checkout.page == id)?;
        if checkout.progress != Progress::Open || now >= checkout.expires_at {
            return Some(Err(checkout.progress == Progress::Paid));
        }
        let (money, reference) = (checkout.money.clone(), checkout.reference.clone());
        let (tokens, consent) = (checkout.tokens.clone(), !checkout.tokenize);
        Some(Ok((money, reference, offered(ledger, &tokens, now), consent)))
    });
    let (money, reference, stored, consent) = match shown {
        Some(Ok(shown)) => shown,
        Some(Err(true)) => {
            return page(
                StatusCode::OK,
                "Thank you",
                "<p>This order has been dealt with.</p>",
            );
        }
        Some(Err(false)) | None => return gone(),
    };
    let asks = Asks {
        action: &format!("{CHECKOUT}/{id}"),
        button: "Pay",
        stored: &stored,
        consent,
        can_cancel: true,
    };
    let body = format!(
        "<p>Order {}: {} {} (in minor units)</p>\n{}",
        escaped(reference.as_deref().unwrap_or("without a name")),
        money.amount,
        escaped(&money.currency),
        card_form(&asks, wrong)
    );
    page(status, "Payment", &body)
}

async fn show_checkout(State(platform): Platform, Path(id): Path<String>) -> Response {
    checkout_form(&platform, &id, StatusCode::OK, "")
}

async fn pay_checkout(State(platform): Platform, Path(id): Path<String>, body: Bytes) -> Response {
    let mut form = form(&body);
    let cancels = form.get("action").is_some_and(|action| action == "cancel");
    let now = platform.host.now();
    let next = platform.host.with(|ledger| {
        if cancels {
            OnlinePayments::cancel_checkout(ledger, &id, now)
        } else {
            platform.pay_checkout(ledger, &id, &typed(&mut form), now)
        }
    });
    platform.send_events(std::time::Duration::ZERO);
    tracing::info!(gone = next == Next::Gone, "online_payments checkout page");
    match next {
        Next::Go(url) => go(&url),
        Next::Result { paid, url } => {
            let title = if paid { "Paid" } else { "Not paid" };
            let link = url.map(|url| {
                format!(
                    "<p><a id=\"continue\" href=\"{}\">Continue</a></p>",
                    escaped(&url)
                )
            });
            page(StatusCode::OK, title, &link.unwrap_or_default())
        }
        Next::Wrong(mistake) => {
            checkout_form(&platform, &id, StatusCode::UNPROCESSABLE_ENTITY, told(mistake))
        }
        Next::Declined => checkout_form(
            &platform,
            &id,
            StatusCode::PAYMENT_REQUIRED,
            "The card was declined",
        ),
        Next::Gone => gone(),
    }
}

async fn done() -> Response {
    page(StatusCode::OK, "Thank you", "")
}

/// Every visit of a payment link starts a checkout of its own.
async fn follow_link(State(platform): Platform, Path(id): Path<String>) -> Response {
    let now = platform.host.now();
    let url = platform.host.with(|ledger| platform.visit(ledger, &id, now));
    url.map_or_else(gone, |url| go(&url))
}

fn tokenization_form(platform: &OnlinePayments, id: &str, status: StatusCode, wrong: &str) -> Response {
    let now = platform.host.now();
    let shown = platform.host.with(|ledger| {
        let mut all = ledger.book.tokenizations.iter();
        let hosted = all.find(|hosted| hosted.page == id && now < hosted.expires_at)?;
        let (tokens, consent) = (hosted.tokens.clone(), hosted.asks_consent);
        Some((offered(ledger, &tokens, now), consent))
    });
    let Some((stored, consent)) = shown else {
        return gone();
    };
    let asks = Asks {
        action: &format!("{TOKENIZATION}/{id}"),
        button: "Continue",
        stored: &stored,
        consent,
        can_cancel: false,
    };
    let script = "<script src=\"/online_payments/assets/frame.js\"></script>";
    page(status, "Card", &format!("{}{script}", card_form(&asks, wrong)))
}

async fn show_tokenization(State(platform): Platform, Path(id): Path<String>) -> Response {
    tokenization_form(&platform, &id, StatusCode::OK, "")
}

async fn tokenize(
    State(platform): Platform,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let typed = typed(&mut form(&body));
    let now = platform.host.now();
    let tokenized = platform
        .host
        .with(|ledger| platform.tokenize(ledger, &id, &typed, now));
    let as_json = headers
        .get(ACCEPT)
        .is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"));
    let failed = |status: StatusCode, message: &str| {
        let body = json!({ "success": false, "error": { "message": message } });
        Reply::json(status, &body).into_response()
    };
    match tokenized {
        TokenizationResult::Done(id) if as_json => {
            let body = json!({ "success": true, "hostedTokenizationId": id });
            Reply::json(StatusCode::OK, &body).into_response()
        }
        TokenizationResult::Done(_) => page(StatusCode::OK, "Card taken", "<p>The card was taken.</p>"),
        TokenizationResult::Wrong(mistake) if as_json => {
            failed(StatusCode::UNPROCESSABLE_ENTITY, told(mistake))
        }
        TokenizationResult::Wrong(mistake) => {
            tokenization_form(&platform, &id, StatusCode::UNPROCESSABLE_ENTITY, told(mistake))
        }
        TokenizationResult::Gone if as_json => {
            failed(StatusCode::NOT_FOUND, "This form is no longer available")
        }
        TokenizationResult::Gone => gone(),
    }
}

async fn show_authentication(State(platform): Platform, Path(id): Path<String>) -> Response {
    let waits = platform.host.with(|ledger| {
        ledger.book.payments.iter().any(|payment| {
            let challenge = payment.challenge.as_ref();
            payment.first_code() == super::statuses::REDIRECTED
                && challenge.is_some_and(|challenge| challenge.page == id)
        })
    });
    if !waits {
        return gone();
    }
    let form = format!(
        "<form method=\"post\" action=\"{AUTHENTICATION}/{}\"><button name=\"action\" value=\"pass\">It is me</button>\
         <button name=\"action\" value=\"fail\">It is not</button></form>",
        escaped(&id)
    );
    page(StatusCode::OK, "Authentication", &form)
}

async fn authenticate(State(platform): Platform, Path(id): Path<String>, body: Bytes) -> Response {
    let passed = form(&body).get("action").is_some_and(|action| action == "pass");
    let now = platform.host.now();
    let back = platform
        .host
        .with(|ledger| OnlinePayments::end_challenge(ledger, &id, passed, now));
    platform.send_events(std::time::Duration::ZERO);
    back.map_or_else(gone, |url| go(&url))
}
