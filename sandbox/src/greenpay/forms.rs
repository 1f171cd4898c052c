//! GreenPay's web forms: plain pages that take a card for an order with a `callback`, and send the customer back there
//! with the answer in the path. They look nothing like the platform's, and work without a script.
//!
//! What the real forms do with a card that cannot be taken is not known. Here such a card can be typed again, and a decline
//! goes back as an answer.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use axum::http::{HeaderValue, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::checkout::{Action, uuid};
use super::orders::Purpose;
use super::{GreenPay, Operation, Refusal};
use crate::host::faults::ActiveFault;
use crate::host::html::escaped;
use crate::host::{Reply, Request};

const STYLE: &str = "body{font:16px/1.4 system-ui,sans-serif;margin:1rem auto;max-width:26rem;color:#222}\
                     label{display:block;margin:.75rem 0}\
                     input{display:block;width:100%;box-sizing:border-box;padding:.5rem;font:inherit}\
                     button{padding:.6rem 1rem;font:inherit}.wrong{color:#a00}.note{color:#666}";

/// Which of the two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Payment,
    Token,
}

impl Form {
    /// What it does. To update a card, its token is the whole query.
    fn action(self, query: &str) -> Action {
        match self {
            Self::Payment => Action::Pay,
            Self::Token if query.is_empty() => Action::Tokenize,
            Self::Token => Action::Update,
        }
    }
}

/// An order that is open at its form.
struct Opened {
    session: Uuid,
    action: Action,
    callback: String,
    /// What the customer reads above the fields.
    words: String,
}

impl GreenPay {
    pub(crate) fn show_form(&self, form: Form, request: &Request<Operation>) -> Reply {
        match self.opened(form, request) {
            Ok(opened) => card_form(&opened, request, StatusCode::OK, ""),
            Err(refusal) => gone(refusal),
        }
    }

    pub(crate) fn submit_form(
        self: &Arc<Self>,
        form: Form,
        request: &Request<Operation>,
        fault: &ActiveFault,
    ) -> Reply {
        let opened = match self.opened(form, request) {
            Ok(opened) => opened,
            Err(refusal) => return gone(refusal),
        };
        let plain = plain(&request.body, request.query());
        let taken = self
            .host
            .with(|ledger| self.take_card(ledger, opened.session, opened.action, &plain, fault));
        let answer = match taken {
            Ok(answer) => answer,
            Err(Refusal(why)) => {
                return card_form(&opened, request, StatusCode::UNPROCESSABLE_ENTITY, why).refused(why);
            }
        };
        let mut body = self.finish(&answer, fault);
        if let Some(members) = body.as_object_mut() {
            members.insert("callback".into(), opened.callback.clone().into());
        }
        let answered = STANDARD.encode(body.to_string());
        let back = format!("{}/{answered}", opened.callback.trim_end_matches('/'));
        match HeaderValue::from_str(&back) {
            Ok(back) => Reply::empty(StatusCode::SEE_OTHER)
                .with(LOCATION, back)
                .with(REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            Err(_) => gone(Refusal("Invalid callback")),
        }
    }

    /// The order of a form, if it can still take a card.
    fn opened(&self, form: Form, request: &Request<Operation>) -> Result<Opened, Refusal> {
        let session = uuid(Some(request.param("session")))?;
        let action = form.action(request.query());
        self.host.with(|ledger| {
            let order = ledger.book.order(session).ok_or(Refusal::SESSION_NOT_FOUND)?;
            self.check_order(order, &ledger.settings, action)?;
            Ok(Opened {
                session,
                action,
                callback: order.callback.clone().ok_or(Refusal("Invalid callback"))?,
                words: match &order.purpose {
                    Purpose::Tokenize { .. } => "Your card is stored. Nothing is charged.".into(),
                    Purpose::Payment(purchase) => format!(
                        "Order {}: {} {}",
                        purchase.order_reference, purchase.amount, purchase.currency
                    ),
                },
            })
        })
    }
}

/// What was typed, as the checkout host would have decrypted it.
fn plain(body: &[u8], card_token: &str) -> Map<String, Value> {
    let mut typed: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
    let mut take = |name: &str| typed.remove(name).unwrap_or_default().trim().to_owned();
    let number = take("cardNumber").replace([' ', '-'], "");
    let expiry = take("expirationDate").replace([' ', '/'], "");
    let (month, year) = expiry.split_at_checked(2).unwrap_or_default();
    let mut card = json!({
        "cardHolder": take("cardHolder"),
        "expirationDate": { "month": month, "year": year },
        "cardNumber": number,
        "cvc": take("cvc"),
    });
    let nickname = take("nickname");
    if let Some(members) = card.as_object_mut().filter(|_| !nickname.is_empty()) {
        members.insert("nickname".into(), nickname.into());
    }
    let mut plain = Map::new();
    plain.insert("card".into(), card);
    if !card_token.is_empty() {
        plain.insert("token".into(), card_token.into());
    }
    plain
}

fn card_form(opened: &Opened, request: &Request<Operation>, status: StatusCode, wrong: &str) -> Reply {
    let mut fields = String::new();
    let asked = [
        ("cardNumber", "Card number", "cc-number", ""),
        ("cardHolder", "Name on the card", "cc-name", ""),
        ("expirationDate", "Expiry date", "cc-exp", "MM/YY"),
        ("cvc", "Security code", "cc-csc", ""),
        ("nickname", "Name for this card (6 to 49 characters)", "off", ""),
    ];
    let stores = opened.action != Action::Pay;
    for (name, label, autocomplete, hint) in asked {
        if stores || name != "nickname" {
            fields.push_str(&format!(
                "<label>{label}<input name=\"{name}\" autocomplete=\"{autocomplete}\" placeholder=\"{hint}\"></label>\n"
            ));
        }
    }
    let (title, button) = if stores {
        ("Your card", "Save")
    } else {
        ("Payment", "Pay")
    };
    page(
        status,
        title,
        &format!(
            "<p>{}</p>\n<form method=\"post\" action=\"{}\">\n{fields}<p class=\"wrong\" role=\"alert\">{}</p>\n\
             <button>{button}</button></form>",
            escaped(&opened.words),
            escaped(&request.uri.to_string()),
            escaped(wrong)
        ),
    )
}

fn gone(Refusal(why): Refusal) -> Reply {
    let words = "<p>This form is done with, has expired, or never was.</p>";
    page(StatusCode::NOT_FOUND, "Not available", words).refused(why)
}

/// A whole page. `body` is HTML.
fn page(status: StatusCode, title: &str, body: &str) -> Reply {
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>\n\
         {body}\n<p class=\"note\">Simulated page: test cards only.</p></main></body></html>\n"
    );
    Reply::text(status, html)
        .typed("text/html; charset=utf-8")
        .with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with(REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
}
