//! Simulates CCBill's RESTful Transaction API, below `/ccbill`.
//!
//! Two applications, whose access tokens do different things; payment tokens with a time to live and a number of
//! uses; charges that the bank declines by the cents of the price. Shapes, codes and texts are the platform's as far
//! as they are documented. The order of checks, what a price causes, and that a token of the wrong application
//! is refused are choices made here. Nothing is known about the platform's own 3-D Secure: a stub, at an address that
//! the real platform does not have, replaces its script.

mod accept;
mod access;
mod book;
mod charges;
mod fields;
mod refusal;
mod request;
mod settings;
mod threeds;
mod tokens;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::access::Role;
use self::book::Book;
use self::refusal::Refusal;
use self::request::{Answer, Call};
pub use self::settings::Settings;
use crate::host::cors::PageAccess;
use crate::host::faults::ActiveFault;
use crate::host::{Host, Mount, Platform, Reply, Request, Route, Table, Unrouted, routes};
use crate::{SandboxOptions, StartError};

const VERSIONS: [(&str, u8); 2] = [
    ("application/vnd.mcn.transaction-service.api.v.1+json", 1),
    ("application/vnd.mcn.transaction-service.api.v.2+json", 2),
];

/// What a client needs to use the simulated CCBill.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Base URL.
    pub base_url: String,
    /// Where the stub of 3-D Secure is. The real platform has none.
    pub threeds_stub_url: String,
    /// The account.
    pub client_accnum: u32,
    /// For sales without 3-D Secure.
    pub client_subacc: u32,
    /// For sales with it.
    pub client_subacc_3ds: u32,
    /// The application whose tokens pages hold.
    pub frontend: Credentials,
    /// The application that charges.
    pub backend: Credentials,
}

/// Test credentials, generated at every start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credentials {
    /// The application.
    pub application_id: String,
    /// Its secret.
    pub secret: String,
}

/// What a route does.
pub(crate) enum Operation {
    /// Makes an access token.
    Grant,
    /// For holders of an access token of one of the applications.
    Call(Role, Handler),
}

type Handler = fn(&Call<'_>, &mut Ledger) -> Answer;
type Ledger = crate::host::Ledger<Book, Settings>;

const fn frontend(handler: Handler) -> Operation {
    Operation::Call(Role::FrontEnd, handler)
}

const fn backend(handler: Handler) -> Operation {
    Operation::Call(Role::BackEnd, handler)
}

/// The platform says that pages cannot get access tokens.
const OAUTH: &[Route<Operation>] = routes! {
    POST "oauth" "/ccbill-auth/oauth/token" => Operation::Grant;
};

const FRONTEND: &[Route<Operation>] = routes! {
    POST "payment-tokens" "/payment-tokens/merchant-only" =>
        frontend(|call, ledger| call.create_token(ledger, false));
    POST "payment-tokens/verify" "/payment-tokens/merchant-only-verify" =>
        frontend(|call, ledger| call.create_token(ledger, true));
    GET "payment-tokens/threeds-required" "/payment-tokens/threeds-required" =>
        frontend(|call, _| call.threeds_required());
    GET "payment-tokens/token-threeds-required" "/payment-tokens/{id}/threeds-required" =>
        frontend(|call, ledger| call.token_threeds_required(ledger));
    // Not of the platform's.
    POST "stub/authenticate" "/_stub/authenticate-customer" => frontend(|call, _| call.authenticate());
};

const BACKEND: &[Route<Operation>] = routes! {
    GET "payment-tokens/get" "/payment-tokens/{id}" => backend(|call, ledger| call.read_token(ledger));
    POST "transactions/threeds" "/transactions/payment-tokens/threeds/{id}" =>
        backend(|call, ledger| call.charge(ledger, true));
    POST "transactions" "/transactions/payment-tokens/{id}" => backend(|call, ledger| call.charge(ledger, false));
    GET "transactions/sales" "/transactions/payment-tokens/{id}" => backend(|call, ledger| call.sales(ledger));
};

/// The simulated CCBill.
pub(crate) struct CcBill {
    host: Host<Book, Settings>,
    info: Info,
}

impl CcBill {
    /// Does the work of a call, and says with which version its result is written.
    fn call(
        &self,
        request: &Request<Operation>,
        fault: &ActiveFault,
        role: Role,
        handler: Handler,
    ) -> Result<(Value, u8), Refusal> {
        let now = self.host.now();
        self.host.with(|ledger| {
            let access = ledger.book.access.get(request.bearer(), now);
            if *access.ok_or_else(Refusal::unauthorized)? != role {
                return Err(Refusal::forbidden());
            }
            let lists = request.headers.get_all(ACCEPT).into_iter();
            let lists = lists.filter_map(|list| list.to_str().ok());
            let version = accept::version(lists, ledger.settings.default_version)
                .ok_or_else(|| Refusal::new(406, 100_015, "Not Acceptable"))?;
            let content_type = request.header(CONTENT_TYPE.as_str());
            let content_type = content_type.and_then(|kind| kind.split(';').next());
            let call = Call {
                info: &self.info,
                ip_header: request.header("x-origin-ip"),
                query: request.query(),
                id: request.param("id"),
                is_json: content_type
                    .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")),
                body: &request.body,
                fault,
                now,
                version,
            };
            Ok((handler(&call, ledger)?, version))
        })
    }
}

impl Platform for CcBill {
    const ID: &'static str = "ccbill";
    const MOUNTS: &'static [Mount<Operation>] = &[Mount::new(
        "/ccbill",
        &[
            Table::new("", OAUTH),
            Table::new("", FRONTEND).for_pages(),
            Table::new("", BACKEND),
        ],
    )
    .lenient()];
    const PAGE_ACCESS: PageAccess = PageAccess {
        methods: "GET, POST",
        headers: "authorization, content-type, widget-version",
        any_headers: false,
    };

    type Book = Book;
    type Settings = Settings;
    type Operation = Operation;
    type Info = Info;

    fn new(
        host: Host<Book, Settings>,
        _options: &SandboxOptions,
        origin: &str,
    ) -> Result<(Arc<Self>, Info), StartError> {
        let credentials = |prefix: &str| -> Result<Credentials, StartError> {
            Ok(Credentials {
                application_id: format!("{prefix}{}", host.secrets.hex(prefix)?),
                secret: host.secrets.hex(&format!("secret of {prefix}"))?,
            })
        };
        let base_url = format!("{origin}/ccbill");
        let info = Info {
            threeds_stub_url: format!("{base_url}/_stub/authenticate-customer"),
            base_url,
            client_accnum: 900_684,
            client_subacc: 0,
            client_subacc_3ds: 1,
            frontend: credentials("fe")?,
            backend: credentials("be")?,
        };
        let platform = Self {
            host,
            info: info.clone(),
        };
        Ok((Arc::new(platform), info))
    }

    fn host(&self) -> &Host<Book, Settings> {
        &self.host
    }

    fn answer(self: &Arc<Self>, request: &Request<Operation>, fault: &ActiveFault) -> Reply {
        let Operation::Call(role, handler) = request.route.operation else {
            return self.grant(request);
        };
        match self.call(request, fault, role, handler) {
            Ok((body, version)) => {
                let reply = Reply::json(StatusCode::OK, &body);
                match VERSIONS.iter().find(|(_, of)| *of == version) {
                    Some((content_type, _)) => reply.typed(content_type),
                    None => reply,
                }
            }
            Err(refusal) => refusal.reply(&request.uri, self.host.now()),
        }
    }

    /// `POST /payment-tokens/target-client` is a route that is not played, no wrong method on a token of that name.
    fn unrouted(&self, request: &Unrouted) -> Reply {
        let known = request.known_path.as_ref();
        let refusal = if known.is_some_and(|ids| ids.iter().all(|id| request::is_token_id(id))) {
            Refusal::new(405, 130_000, "Method Not Allowed")
        } else {
            Refusal::not_found()
        };
        refusal.reply(&request.uri, self.host.now())
    }

    fn server_settings(&self) -> Value {
        json!({
            "environment": "custom",
            "base_url": self.info.base_url,
            "client_accnum": self.info.client_accnum,
            "client_subacc": self.info.client_subacc,
            "client_subacc_3ds": self.info.client_subacc_3ds,
            "frontend_application_id": self.info.frontend.application_id,
            "frontend_secret": self.info.frontend.secret,
            "backend_application_id": self.info.backend.application_id,
            "backend_secret": self.info.backend.secret,
        })
    }

    fn state(&self) -> Value {
        self.host.with(|ledger| ledger.book.state())
    }

    async fn command(self: Arc<Self>, name: String, _body: Value) -> Option<Result<Value, String>> {
        (name == "expire_tokens").then(|| {
            let expired = self.host.with(|ledger| ledger.book.access.expire());
            Ok(json!({ "expired": expired }))
        })
    }
}
