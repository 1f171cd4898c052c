//! Simulates Global Payments' GP API, below `/gp_api/ucp`.
//!
//! Shapes, codes, texts and test cards are the platform's as far as they are documented or were seen. The order
//! of checks, the use of 200 for everything that is created, and much around it is a choice made here; what
//! matters to clients and is unknown is a setting. Where a client could come to rely on a choice by mistake, a comment
//! says so.

mod access;
mod acs;
mod adjustments;
mod authentications;
mod book;
mod cards;
mod compression;
mod disputes;
mod fields;
mod issuer;
mod lists;
mod notifications;
mod payment_methods;
mod refusal;
mod settings;
mod settlement;
mod threeds;
mod transactions;
mod verifications;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use self::access::App;
use self::book::{Book, Resource, Token};
use self::fields::Fields;
use self::refusal::Refusal;
pub use self::settings::Settings;
use crate::host::cors::PageAccess;
use crate::host::faults::ActiveFault;
use crate::host::{Host, Mount, Platform, Reply, Request, Route, Table, Unrouted, clock, random, routes};
use crate::{SandboxOptions, StartError};

/// The version of the API that is played.
const VERSION: &str = "2021-03-22";
/// Header of the version.
const VERSION_HEADER: &str = "x-gp-version";
/// Header of the key that keeps an action from being done twice.
const IDEMPOTENCY: &str = "x-gp-idempotency";

/// What a client needs to use the simulated GP API.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Base URL.
    pub base_url: String,
    /// What the merchant's server authenticates with.
    pub credentials: Credentials,
    /// `MER_…`
    pub merchant_id: String,
    /// The accounts of the application.
    pub accounts: Vec<Account>,
}

/// Test credentials, generated at every start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credentials {
    /// The application.
    pub app_id: String,
    /// Its key.
    pub app_key: String,
}

/// An account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// `TRA_…` or `TKA_…`.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A call with a valid access token.
pub(crate) struct Call<'a> {
    /// The variable of the path.
    id: String,
    /// The second variable, in the few paths that have two.
    second_id: String,
    uri: &'a Uri,
    token: Token,
    /// Its idempotency key.
    key: Option<&'a str>,
    fields: Fields,
    fault: &'a ActiveFault,
    now: OffsetDateTime,
}

impl Call<'_> {
    fn query(&self) -> Result<Vec<(String, String)>, Refusal> {
        Query::try_from_uri(self.uri)
            .map(|Query(pairs)| pairs)
            .map_err(|_| Refusal::unexpected("query"))
    }
}

pub(crate) type Answer = Result<Value, Refusal>;
type Ledger = crate::host::Ledger<Book, Settings>;
type Handler = fn(&GpApi, &mut Ledger, &Call<'_>) -> Answer;

/// What a route does.
pub(crate) enum Operation {
    /// Makes an access token.
    Grant,
    Call {
        /// A token with one of them may call.
        permissions: &'static [&'static str],
        /// Of an action that an idempotency key keeps from being done twice.
        acts_on: Option<Resource>,
        handler: Handler,
    },
}

const fn read(permissions: &'static [&'static str], handler: Handler) -> Operation {
    Operation::Call {
        permissions,
        acts_on: None,
        handler,
    }
}

const fn act(resource: Resource, permissions: &'static [&'static str], handler: Handler) -> Operation {
    Operation::Call {
        permissions,
        acts_on: Some(resource),
        handler,
    }
}

/// As the platform's own hosted field does.
const PAGE_ROUTES: &[Route<Operation>] = routes! {
    POST "payment-methods" "/payment-methods" =>
        act(Resource::PaymentMethod, &["PMT_POST_Create_Single", "PMT_POST_Create"], GpApi::create_method);
    GET "payment-methods/list" "/payment-methods" => read(&["PMT_GET_List"], GpApi::list_methods);
};

const ROUTES: &[Route<Operation>] = routes! {
    POST "accesstoken" "/accesstoken" => Operation::Grant;
    POST "payment-methods/search" "/payment-methods/search" => read(&["PMT_POST_Search"], GpApi::search_methods);
    GET "payment-methods/get" "/payment-methods/{id}" => read(&["PMT_GET_Single"], GpApi::read_method);
    PATCH "payment-methods/edit" "/payment-methods/{id}" =>
        act(Resource::PaymentMethod, &["PMT_PATCH_Edit"], GpApi::edit_method);
    // No application has a permission for it: a setting says whether it may.
    DELETE "payment-methods/delete" "/payment-methods/{id}" =>
        act(Resource::PaymentMethod, &[], GpApi::delete_method);
    POST "verifications" "/verifications" => act(Resource::Verification, &["VER_POST_Verify"], GpApi::verify);
    // Reading a verification has no permission of its own in what was seen.
    GET "verifications/get" "/verifications/{id}" =>
        read(&["VER_POST_Verify"], |_, ledger, call| GpApi::read_verification(ledger, call));
    POST "authentications" "/authentications" =>
        act(Resource::Authentication, &["AUT_POST_Check_Availability"], GpApi::check_availability);
    POST "authentications/initiate" "/authentications/{id}/initiate" =>
        act(Resource::Authentication, &["AUT_POST_Initiate"], GpApi::initiate_authentication);
    POST "authentications/result" "/authentications/{id}/result" =>
        act(Resource::Authentication, &["AUT_POST_Results"], GpApi::authentication_result);
    POST "transactions" "/transactions" =>
        act(Resource::Transaction, &["TRN_POST_Authorize", "TRN_POST_Refund_Standalone"], GpApi::charge);
    GET "transactions/list" "/transactions" => read(&["TRN_GET_List"], GpApi::list_transactions);
    GET "transactions/get" "/transactions/{id}" => read(&["TRN_GET_Single"], GpApi::read_transaction);
    POST "transactions/capture" "/transactions/{id}/capture" =>
        act(Resource::Transaction, &["TRN_POST_Capture"], GpApi::capture);
    POST "transactions/refund" "/transactions/{id}/refund" =>
        act(Resource::Transaction, &["TRN_POST_Refund"], GpApi::refund);
    POST "transactions/reversal" "/transactions/{id}/reversal" =>
        act(Resource::Transaction, &["TRN_POST_Reverse"], GpApi::reverse);
    // Which permission these three need was not seen.
    POST "transactions/hold" "/transactions/{id}/hold" =>
        act(Resource::Transaction, &["TRN_POST_Authorize"], GpApi::hold);
    POST "transactions/release" "/transactions/{id}/release" =>
        act(Resource::Transaction, &["TRN_POST_Authorize"], GpApi::release);
    POST "transactions/incremental" "/transactions/{id}/incremental" =>
        act(Resource::Transaction, &["TRN_POST_Authorize"], GpApi::increment);
    POST "transactions/adjustment" "/transactions/{id}/adjustment" =>
        act(Resource::Transaction, &["TRN_POST_Adjust"], GpApi::adjust);
    POST "transactions/reauthorization" "/transactions/{id}/reauthorization" =>
        act(Resource::Transaction, &["TRN_POST_Reauthorize"], GpApi::reauthorize);
    GET "settlement/transactions" "/settlement/transactions" =>
        read(&["TRN_GET_List_Funded"], |platform, ledger, call| platform.list_settled(ledger, call));
    GET "settlement/deposits" "/settlement/deposits" =>
        read(&["DEP_GET_List"], |platform, ledger, call| platform.list_deposits(ledger, call));
    GET "settlement/deposits/get" "/settlement/deposits/{id}" =>
        read(&["DEP_GET_Single"], |platform, ledger, call| platform.read_deposit(ledger, call));
    GET "settlement/disputes" "/settlement/disputes" =>
        read(&["DIS_GET_List_Funded"], |platform, _, call| platform.list_settled_disputes(call));
    GET "settlement/disputes/get" "/settlement/disputes/{id}" =>
        read(&["DIS_GET_Single_Funded"], |platform, _, call| platform.read_settled_dispute(call));
    GET "disputes" "/disputes" => read(&["DIS_GET_List"], |platform, _, call| platform.list_disputes(call));
    GET "disputes/get" "/disputes/{id}" => read(&["DIS_GET_Single"], |platform, _, call| platform.read_dispute(call));
    GET "disputes/documents" "/disputes/{id}/documents/{document}" =>
        read(&["DIS_GET_Single"], |platform, _, call| platform.read_document(call));
    POST "disputes/acceptance" "/disputes/{id}/acceptance" =>
        act(Resource::Dispute, &["DIS_POST_Accept"], GpApi::accept_dispute);
    POST "disputes/challenge" "/disputes/{id}/challenge" =>
        act(Resource::Dispute, &["DIS_POST_Challenge"], GpApi::challenge_dispute);
};

/// The simulated GP API.
pub(crate) struct GpApi {
    host: Host<Book, Settings>,
    app: App,
    origin: String,
    base_url: String,
    card_salt: [u8; 32],
}

impl GpApi {
    /// Does the work of a call: all of it, or nothing.
    fn call(&self, request: &Request<Operation>, fault: &ActiveFault) -> Answer {
        // The answers to a missing and to another version are not documented.
        match request.header(VERSION_HEADER) {
            Some(VERSION) => {}
            Some(_) => return Err(Refusal::unexpected("X-GP-Version")),
            None => return Err(Refusal::missing("X-GP-Version")),
        }
        let now = self.host.now();
        let Operation::Call {
            permissions,
            acts_on,
            handler,
        } = request.route.operation
        else {
            let fields = Fields::parse(&request.body)?;
            return self.host.with(|ledger| self.make_token(ledger, &fields, now));
        };
        self.host.with(|ledger| {
            let token = request
                .bearer()
                .and_then(|bearer| ledger.book.token(bearer))
                .ok_or_else(Refusal::invalid_token)?;
            if now >= token.expires_at {
                return Err(Refusal::expired_token());
            }
            let permitted = if permissions.is_empty() {
                ledger.settings.delete_permission && !token.narrowed
            } else {
                permissions.iter().any(|name| token.may(name))
            };
            if !permitted {
                return Err(Refusal::not_permitted());
            }
            let has_body = request.method != Method::GET && request.method != Method::DELETE;
            let call = Call {
                id: request.param("id").to_owned(),
                second_id: request.param("document").to_owned(),
                uri: &request.uri,
                token: token.clone(),
                key: request.header(IDEMPOTENCY).filter(|key| !key.is_empty()),
                fields: Fields::parse(if has_body { &request.body } else { b"" })?,
                fault,
                now,
            };
            // Of a path that names the merchant, as those of partners do.
            let merchant = request.param("merchant");
            if !merchant.is_empty() && merchant != self.app.merchant_id {
                return Err(Refusal::wrong_account());
            }
            // Before anything that the body lacks, as the tests of the official clients have it.
            if let Some((resource, key)) = acts_on.zip(call.key)
                && let Some(id) = ledger.book.made_with(resource, key)
            {
                return Err(Refusal::seen_before(id));
            }
            handler(self, ledger, &call)
        })
    }
}

impl Platform for GpApi {
    const ID: &'static str = "gp_api";
    const MOUNTS: &'static [Mount<Operation>] = &[Mount::new(
        "/gp_api",
        &[
            Table::new("/ucp", PAGE_ROUTES).for_pages(),
            Table::new("/ucp", ROUTES),
            Table::new("/ucp/merchants/{merchant}", PAGE_ROUTES).for_pages(),
            Table::new("/ucp/merchants/{merchant}", ROUTES),
        ],
    )
    .lenient()];
    const PAGE_ACCESS: PageAccess = PageAccess {
        methods: "POST",
        headers: "accept, authorization, content-type, x-gp-library, x-gp-version",
        any_headers: false,
    };
    const NOTIFICATIONS: Option<&'static str> = Some("notifications");

    type Book = Book;
    type Settings = Settings;
    type Operation = Operation;
    type Info = Info;

    fn new(
        host: Host<Book, Settings>,
        _options: &SandboxOptions,
        origin: &str,
    ) -> Result<(Arc<Self>, Info), StartError> {
        let app = App::make(host.secrets)?;
        let account = |account: &wire::Account| Account {
            id: account.id.clone(),
            name: account.name.into(),
        };
        let info = Info {
            base_url: format!("{origin}/gp_api/ucp"),
            credentials: Credentials {
                app_id: app.id.clone(),
                app_key: app.key.clone(),
            },
            merchant_id: app.merchant_id.clone(),
            accounts: app.accounts.iter().map(account).collect(),
        };
        let platform = Self {
            host,
            app,
            origin: origin.into(),
            base_url: info.base_url.clone(),
            card_salt: random()?,
        };
        Ok((Arc::new(platform), info))
    }

    fn host(&self) -> &Host<Book, Settings> {
        &self.host
    }

    fn answer(self: &Arc<Self>, request: &Request<Operation>, fault: &ActiveFault) -> Reply {
        match self.call(request, fault) {
            Ok(body) => Reply::json(StatusCode::OK, &body),
            Err(refusal) => refusal.reply(),
        }
    }

    fn unrouted(&self, _request: &Unrouted) -> Reply {
        Refusal::no_route().reply()
    }

    fn bad_gateway(&self) -> Reply {
        Refusal::processing().reply()
    }

    async fn encode(&self, accepts: &HeaderMap, response: Response) -> Response {
        if self.host.with(|ledger| ledger.settings.gzip) && compression::accepts_gzip(accepts) {
            compression::compressed(response).await
        } else {
            response
        }
    }

    fn more_routes(self: Arc<Self>) -> Router {
        acs::routes().with_state(self)
    }

    fn server_settings(&self) -> Value {
        json!({
            "environment": "custom",
            "base_url": self.base_url,
            "app_id": self.app.id,
            "app_key": self.app.key,
            "webhook_path_secret": self.host.path_secret,
        })
    }

    fn state(&self) -> Value {
        let now = self.host.now();
        // Turned into JSON outside of the lock: it may be long.
        let snapshot = self.host.with(|ledger| ledger.book.snapshot(now));
        serde_json::to_value(snapshot).unwrap_or_default()
    }

    async fn command(self: Arc<Self>, name: String, body: Value) -> Option<Result<Value, String>> {
        match name.as_str() {
            "expire_tokens" => {
                let now = self.host.now();
                let expired = self.host.with(|ledger| ledger.book.expire_tokens(now));
                Some(Ok(json!({ "expired": expired })))
            }
            "notify" => Some(self.notify(&body).await),
            _ => None,
        }
    }
}

/// Random letters and digits, which the platform's ids consist of.
fn alphanumerics(count: usize) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    std::iter::repeat_with(|| {
        let mut bytes = Uuid::new_v4().into_bytes();
        // Two bytes of a UUID that are not random in every bit.
        bytes.swap(6, 14);
        bytes.swap(8, 15);
        bytes
    })
    .flat_map(|bytes| bytes.into_iter().take(14))
    .filter_map(|byte| ALPHABET.get(usize::from(byte) % ALPHABET.len()))
    .map(|letter| char::from(*letter))
    .take(count)
    .collect()
}

/// The instant with milliseconds, always three of them.
fn timestamp(instant: OffsetDateTime) -> String {
    format!("{}Z", clock::utc(instant, 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_decimals() {
        assert_eq!(timestamp(OffsetDateTime::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
        let later = OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(86_399_050);
        assert_eq!(timestamp(later), "1970-01-01T23:59:59.050Z");
    }

    #[test]
    fn ids_differ_and_have_the_requested_length() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| alphanumerics(30)).collect();
        assert_eq!(ids.len(), 1000);
        assert!(
            ids.iter()
                .all(|id| id.len() == 30 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        );
    }
}
