//! Simulates Worldline Online Payments (brand PAYONE E-Payment): the server API below `/v2`, the client API below
//! `/client`, and pages of its own below `/hostedcheckout` and `/hostedtokenization`. They stand at the root of
//! the host, because the platform's libraries take a host without a path, and sign the path.
//!
//! JSON is built and read here by hand, and on purpose not with the types that the merchant's half uses, so that both
//! do not share a misreading of the documentation. What is not documented is a choice made here. Where a client could
//! come to rely on it, it is a setting, or a comment says so.

mod access;
mod addresses;
mod book;
mod cards;
mod fields;
mod follow_ups;
mod hosted;
mod idempotence;
mod inputs;
pub mod jwe;
pub mod keys;
mod links;
mod mandates;
mod pages;
mod payment;
mod payments;
mod payouts;
mod products;
mod refusal;
mod services;
mod sessions;
mod settings;
mod signature;
mod state;
mod statuses;
mod tokens;
mod webhooks;

use std::io::Read;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::Router;
use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use uuid::Uuid;

use self::book::Book;
use self::fields::Fields;
use self::keys::KeyPair;
use self::refusal::Refusal;
pub use self::settings::Settings;
use crate::host::cors::PageAccess;
use crate::host::faults::ActiveFault;
use crate::host::{self, Host, MAX_BODY, Mount, Platform, Request, Route, Table, random, routes};
use crate::{SandboxOptions, StartError};

const CORRELATION_ID: HeaderName = HeaderName::from_static("correlation-id");
const API_AUTH: HeaderName = HeaderName::from_static("api_auth");

/// What a client needs to use the simulated Online Payments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Scheme, host and port; paths begin with `/v2`.
    pub base_url: String,
    /// The merchant's id, in every path.
    pub merchant_id: String,
    /// What requests are signed with.
    pub credentials: Credentials,
    /// What events are signed with: another pair.
    pub webhook_key: WebhookKey,
}

/// Test credentials, generated at every start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credentials {
    /// Names the key.
    pub api_key_id: String,
    /// Used as the text it is, although it looks like base64.
    pub secret_api_key: String,
}

/// The key that events are signed with, generated at every start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebhookKey {
    /// Names the key.
    pub key_id: String,
    /// The key.
    pub secret: String,
}

/// An authenticated call.
pub(crate) struct Call<'a> {
    /// The variable of the path.
    id: &'a str,
    query: Vec<(String, String)>,
    /// The session, in the client API.
    session: Option<&'a str>,
    fields: Fields,
    fault: &'a ActiveFault,
    now: OffsetDateTime,
}

impl Call<'_> {
    fn query(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.iter();
        pairs
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The answer to a call that succeeded or was declined.
pub(crate) struct Reply {
    status: StatusCode,
    body: Option<Value>,
}

impl Reply {
    fn new(status: StatusCode, body: Value) -> Self {
        Self {
            status,
            body: Some(without_nulls(body)),
        }
    }

    fn ok(body: Value) -> Self {
        Self::new(StatusCode::OK, body)
    }

    fn created(body: Value) -> Self {
        Self::new(StatusCode::CREATED, body)
    }

    const fn nothing() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
        }
    }
}

pub(crate) type Answer = Result<Reply, Refusal>;
type Ledger = host::Ledger<Book, Settings>;
type Handler = fn(&OnlinePayments, &mut Ledger, &Call<'_>) -> Answer;

/// What a route does.
pub(crate) struct Operation {
    handler: Handler,
    /// Whether a key keeps it from being done twice.
    is_idempotent: bool,
    /// Whether it belongs to the client API.
    is_page: bool,
}

const fn call(handler: Handler) -> Operation {
    Operation {
        handler,
        is_idempotent: false,
        is_page: false,
    }
}

const fn once(handler: Handler) -> Operation {
    Operation {
        is_idempotent: true,
        ..call(handler)
    }
}

const fn page(handler: Handler) -> Operation {
    Operation {
        is_page: true,
        ..call(handler)
    }
}

/// The server API.
const ROUTES: &[Route<Operation>] = routes! {
    POST "sessions" "/sessions" => call(OnlinePayments::create_session);
    POST "payments" "/payments" => once(OnlinePayments::create_payment);
    GET "payments/get" "/payments/{id}" => call(|_, ledger, call| OnlinePayments::read_payment(ledger, call));
    GET "payments/details" "/payments/{id}/details" =>
        call(|_, ledger, call| OnlinePayments::read_details(ledger, call));
    POST "payments/capture" "/payments/{id}/capture" => once(|_, ledger, call| OnlinePayments::capture(ledger, call));
    GET "payments/captures" "/payments/{id}/captures" =>
        call(|_, ledger, call| OnlinePayments::read_captures(ledger, call));
    POST "payments/refund" "/payments/{id}/refund" => once(|_, ledger, call| OnlinePayments::refund(ledger, call));
    GET "payments/refunds" "/payments/{id}/refunds" =>
        call(|_, ledger, call| OnlinePayments::read_refunds(ledger, call));
    POST "payments/cancel" "/payments/{id}/cancel" => once(|_, ledger, call| OnlinePayments::cancel(ledger, call));
    POST "payments/complete" "/payments/{id}/complete" =>
        once(|_, ledger, call| OnlinePayments::complete(ledger, call));
    POST "payments/subsequent" "/payments/{id}/subsequent" => once(OnlinePayments::subsequent);
    POST "payouts" "/payouts" => once(OnlinePayments::create_payout);
    GET "payouts/get" "/payouts/{id}" => call(|_, ledger, call| OnlinePayments::read_payout(ledger, call));
    POST "paymentlinks" "/paymentlinks" => call(OnlinePayments::create_link);
    GET "paymentlinks/get" "/paymentlinks/{id}" => call(|platform, ledger, call| platform.read_link(ledger, call));
    POST "paymentlinks/cancel" "/paymentlinks/{id}/cancel" =>
        call(|_, ledger, call| OnlinePayments::cancel_link(ledger, call));
    POST "mandates" "/mandates" => call(|_, ledger, call| OnlinePayments::create_mandate(ledger, call));
    GET "mandates/get" "/mandates/{id}" => call(|_, ledger, call| OnlinePayments::read_mandate(ledger, call));
    POST "mandates/block" "/mandates/{id}/block" =>
        call(|_, ledger, call| OnlinePayments::block_mandate(ledger, call));
    POST "mandates/unblock" "/mandates/{id}/unblock" =>
        call(|_, ledger, call| OnlinePayments::unblock_mandate(ledger, call));
    POST "mandates/revoke" "/mandates/{id}/revoke" =>
        call(|_, ledger, call| OnlinePayments::revoke_mandate(ledger, call));
    POST "tokens" "/tokens" => call(OnlinePayments::create_token);
    GET "tokens/get" "/tokens/{id}" => call(|_, ledger, call| OnlinePayments::read_token(ledger, call));
    DELETE "tokens/delete" "/tokens/{id}" => call(|_, ledger, call| OnlinePayments::delete_token(ledger, call));
    POST "hostedcheckouts" "/hostedcheckouts" => call(OnlinePayments::create_checkout);
    GET "hostedcheckouts/get" "/hostedcheckouts/{id}" =>
        call(|_, ledger, call| OnlinePayments::read_checkout(ledger, call));
    POST "hostedtokenizations" "/hostedtokenizations" => call(OnlinePayments::create_tokenization);
    GET "hostedtokenizations/get" "/hostedtokenizations/{id}" =>
        call(|_, ledger, call| OnlinePayments::read_tokenization(ledger, call));
    GET "products" "/products" => call(OnlinePayments::list_products);
    GET "products/get" "/products/{id}" => call(OnlinePayments::read_product);
    GET "products/networks" "/products/{id}/networks" =>
        call(|_, ledger, call| OnlinePayments::read_networks(ledger, call));
    GET "products/directory" "/products/{id}/directory" => call(|_, _, _| OnlinePayments::read_directory());
    POST "products/sessions" "/products/{id}/sessions" => call(|_, _, _| OnlinePayments::open_product_session());
    GET "productgroups" "/productgroups" => call(|platform, _, call| platform.list_groups(call));
    GET "productgroups/get" "/productgroups/{id}" => call(|platform, _, call| platform.read_group(call));
    GET "services/privacypolicy" "/services/privacypolicy" =>
        call(|_, ledger, call| OnlinePayments::read_privacy_policy(ledger, call));
    POST "services/dccrate" "/services/dccrate" =>
        call(|_, ledger, call| OnlinePayments::convert_currency(ledger, call));
    POST "services/surchargecalculation" "/services/surchargecalculation" =>
        call(|_, ledger, call| OnlinePayments::calculate_surcharge(ledger, call));
    GET "services/testconnection" "/services/testconnection" =>
        call(|_, _, _| Ok(Reply::ok(json!({ "result": "OK" }))));
    POST "services/getIINdetails" "/services/getIINdetails" =>
        call(|_, ledger, call| OnlinePayments::look_up_bin(ledger, call));
    POST "webhooks/validateCredentials" "/webhooks/validateCredentials" =>
        call(|platform, _, call| platform.validate_credentials(call));
    POST "webhooks/sendtest" "/webhooks/sendtest" => call(|_, ledger, call| OnlinePayments::send_test(ledger, call));
};

/// The client API.
const PAGE_ROUTES: &[Route<Operation>] = routes! {
    GET "client/publickey" "/crypto/publickey" => page(|platform, _, _| platform.public_key());
    GET "client/products" "/products" => page(OnlinePayments::list_products);
    GET "client/products/get" "/products/{id}" => page(OnlinePayments::read_product);
    GET "client/products/networks" "/products/{id}/networks" =>
        page(|_, ledger, call| OnlinePayments::read_networks(ledger, call));
    POST "client/surchargeCalculation" "/services/surchargeCalculation" =>
        page(|_, ledger, call| OnlinePayments::calculate_surcharge(ledger, call));
    POST "client/getIINdetails" "/services/getIINdetails" =>
        page(|_, ledger, call| OnlinePayments::look_up_bin(ledger, call));
};

/// The one call of a page that has a second version.
const PAGE_ROUTES_V2: &[Route<Operation>] = routes! {
    POST "client/dccrate" "/services/dccrate" =>
        page(|_, ledger, call| OnlinePayments::convert_currency(ledger, call));
};

/// The simulated Online Payments.
pub(crate) struct OnlinePayments {
    host: Host<Book, Settings>,
    info: Info,
    card_salt: [u8; 32],
    keys: OnceLock<Option<KeyPair>>,
    /// The last payment's number. It goes on after a reset, so that no id comes twice.
    counter: Mutex<u64>,
    events: mpsc::UnboundedSender<webhooks::Outgoing>,
}

impl OnlinePayments {
    fn next_number(&self) -> String {
        let mut counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
        *counter += 1;
        counter.to_string()
    }

    /// Generated on first use.
    fn keys(&self) -> Option<&KeyPair> {
        self.keys.get_or_init(KeyPair::make).as_ref()
    }

    /// Does the work of a call: all of it, or nothing.
    fn call(&self, request: &Request<Operation>, fault: &ActiveFault) -> Answer {
        let fields = if request.method == Method::POST {
            Fields::parse(&plain_body(request)?)?
        } else {
            Fields::parse(b"")?
        };
        let is_page = request.route.operation.is_page;
        let call = Call {
            id: request.param("id"),
            query: form_urlencoded::parse(request.query().as_bytes())
                .into_owned()
                .collect(),
            session: access::session(request).filter(|_| is_page),
            fields,
            fault,
            now: self.host.now(),
        };
        self.host.with(|ledger| {
            ledger.book.settle(call.now);
            (request.route.operation.handler)(self, ledger, &call)
        })
    }

    /// Below the host that the browser reached.
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.info.base_url)
    }
}

fn plain_body(request: &Request<Operation>) -> Result<Vec<u8>, Refusal> {
    let encoding = request.headers.get(CONTENT_ENCODING);
    if !encoding.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip")) {
        return Ok(request.body.to_vec());
    }
    let mut plain = Vec::new();
    let limit = u64::try_from(MAX_BODY).unwrap_or(u64::MAX);
    GzDecoder::new(&*request.body)
        .take(limit)
        .read_to_end(&mut plain)
        .map_err(|_| Refusal::invalid("body"))?;
    Ok(plain)
}

/// The platform leaves out members without a value.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

/// With the headers that were seen, the correlation id twice.
fn replied(status: StatusCode, body: Option<String>) -> host::Reply {
    let reply = match body {
        Some(body) => host::Reply::text(status, body),
        None => host::Reply::empty(status),
    };
    let id = Uuid::new_v4().to_string();
    let reply = reply.with(API_AUTH, HeaderValue::from_static("true"));
    with_id(with_id(reply, &id), &id)
}

fn with_id(reply: host::Reply, id: &str) -> host::Reply {
    match HeaderValue::from_str(id) {
        Ok(id) => reply.with(CORRELATION_ID, id),
        Err(_) => reply,
    }
}

impl Platform for OnlinePayments {
    const ID: &'static str = "online_payments";
    const MOUNTS: &'static [Mount<Operation>] = &[
        Mount::new("/v2", &[Table::new("/{merchant}", ROUTES)]),
        Mount::new(
            "/client",
            &[
                Table::new("/v1/{customer}", PAGE_ROUTES).for_pages(),
                Table::new("/v2/{customer}", PAGE_ROUTES_V2).for_pages(),
            ],
        )
        .for_pages(),
    ];
    /// By name, as `*` does not cover `Authorization`.
    const PAGE_ACCESS: PageAccess = PageAccess {
        methods: "GET, POST",
        headers: "authorization, content-type, x-gcs-clientmetainfo",
        any_headers: false,
    };
    const NOTIFICATIONS: Option<&'static str> = Some("webhooks");

    type Book = Book;
    type Settings = Settings;
    type Operation = Operation;
    type Info = Info;

    fn new(
        host: Host<Book, Settings>,
        _options: &SandboxOptions,
        origin: &str,
    ) -> Result<(Arc<Self>, Info), StartError> {
        let info = Info {
            base_url: origin.to_owned(),
            merchant_id: "CardsealSandbox".into(),
            credentials: Credentials {
                api_key_id: host.secrets.hex("API key id")?.to_uppercase(),
                secret_api_key: base64::Engine::encode(
                    &base64::engine::general_purpose::STANDARD,
                    host.secrets.bytes("API key")?,
                ),
            },
            webhook_key: WebhookKey {
                key_id: host.secrets.uuid("webhook key id")?.to_string(),
                secret: host.secrets.uuid("webhook key")?.to_string(),
            },
        };
        let (events, queue) = mpsc::unbounded_channel();
        let shared = host.shared.clone();
        let platform = Arc::new(Self {
            host,
            info: info.clone(),
            card_salt: random()?,
            keys: OnceLock::new(),
            // Ten digits, as they were seen.
            counter: Mutex::new(1_000_000_000 + u64::from(u32::from_ne_bytes(random()?))),
            events,
        });
        webhooks::deliver_in_order(Arc::downgrade(&platform), shared, queue);
        Ok((platform, info))
    }

    fn host(&self) -> &Host<Book, Settings> {
        &self.host
    }

    async fn serve(self: Arc<Self>, request: Request<Operation>, fault: ActiveFault) -> Response {
        self.serve_once(request, fault).await
    }

    fn answer(self: &Arc<Self>, request: &Request<Operation>, fault: &ActiveFault) -> host::Reply {
        let answer = self.call(request, fault);
        self.send_events(fault.webhook_after());
        match answer {
            Ok(Reply { status, body }) => replied(status, body.map(|body| body.to_string())),
            Err(refusal) => refusal.reply(),
        }
    }

    fn bad_gateway(&self) -> host::Reply {
        Refusal::bad_gateway().reply()
    }

    fn more_routes(self: Arc<Self>) -> Router {
        pages::routes().with_state(self)
    }

    fn server_settings(&self) -> Value {
        let Info {
            base_url,
            merchant_id,
            credentials,
            webhook_key,
        } = &self.info;
        json!({
            "environment": "custom",
            "base_url": base_url,
            "merchant_id": merchant_id,
            "api_key_id": credentials.api_key_id,
            "secret_api_key": credentials.secret_api_key,
            "webhook_path_secret": self.host.path_secret,
            "webhook_keys": [{ "id": webhook_key.key_id, "secret": webhook_key.secret }],
        })
    }

    fn state(&self) -> Value {
        let now = self.host.now();
        self.host.with(|ledger| {
            ledger.book.settle(now);
            ledger.book.state(now)
        })
    }

    async fn command(self: Arc<Self>, name: String, body: Value) -> Option<Result<Value, String>> {
        match name.as_str() {
            "expire_sessions" => {
                let now = self.host.now();
                let expired = self.host.with(|ledger| ledger.book.expire_sessions(now));
                Some(Ok(json!({ "expired": expired })))
            }
            "notify" => Some(self.notify(&body)),
            "verify_endpoint" => Some(self.verify_endpoint(&body).await),
            _ => None,
        }
    }
}

/// The instant with seven decimals and an offset, as events have been seen with.
fn timestamp(instant: OffsetDateTime) -> String {
    format!("{}+00:00", host::clock::utc(instant, 7))
}

/// 32 random hexadecimal digits.
fn hex_id() -> String {
    Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_seven_decimals() {
        let instant = OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(86_399_050);
        assert_eq!(timestamp(instant), "1970-01-01T23:59:59.0500000+00:00");
    }

    #[test]
    fn leaves_out_what_there_is_not() {
        let value = json!({ "a": null, "b": [{ "c": null, "d": 0 }], "e": {} });
        assert_eq!(without_nulls(value), json!({ "b": [{ "d": 0 }], "e": {} }));
    }
}
