//! Simulates Worldline's Acquiring API at the root of the sandbox, as its libraries take a host without a path:
//! `/processing/v1`, `/services/v1`. Access tokens are at `/worldline_acquiring/connect/token`; the platform's come from
//! another host.
//!
//! Paths, members and words are the platform's as far as they are published. The answers to a step out of order, to
//! repeats and to undone operations, and most refusals, are choices made here. `issuer` says what causes a decline,
//! and `settings` what can be set. Disputes are not simulated.
//!
//! Cards arrive in the clear. They are read, judged and dropped; only their last four digits are kept.

mod access;
mod book;
mod cards;
mod fields;
mod inquiries;
mod issuer;
mod payments;
mod refunds;
mod refusal;
mod reversals;
mod settings;

use std::sync::Arc;

use axum::http::header::ALLOW;
use axum::http::{HeaderValue, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::access::Client;
use self::book::{Book, Known, Target};
use self::fields::Fields;
use self::payments::{Call, On};
use self::refusal::Refusal;
pub use self::settings::{Repeats, Settings, WrongClient};
use crate::host::faults::ActiveFault;
use crate::host::{Host, Mount, Platform, Reply, Request, Route, Table, Unrouted, random, routes};
use crate::{SandboxOptions, StartError, sealing};

const TOKEN_MOUNT: &str = "/worldline_acquiring";
const TOKEN_PATH: &str = "/worldline_acquiring/connect/token";
const METADATA: &str = "X-WL-ServerMetaInfo";

/// What a client needs to use the simulated platform.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// The API: a host without a path.
    pub base_url: String,
    /// Where access tokens are.
    pub token_uri: String,
    /// The acquirer.
    pub acquirer_id: String,
    /// The merchant.
    pub merchant_id: String,
    /// The merchant's application.
    pub credentials: Credentials,
}

/// Test credentials, generated at every start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credentials {
    /// The application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

/// What a route does.
pub(crate) enum Operation {
    /// Makes an access token.
    Grant,
    /// For holders of an access token with this scope.
    Call {
        scope: &'static str,
        reads: bool,
        handler: Handler,
    },
}

type Handler = fn(&Call<'_>, &mut Ledger) -> Answer;
type Ledger = crate::host::Ledger<Book, Settings>;
pub(crate) type Answer = Result<Success, Refusal>;

/// What a call led to.
pub(crate) struct Success {
    status: StatusCode,
    body: Option<Value>,
    /// What the operation worked on.
    target: Target,
}

impl Success {
    const fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body: Some(body),
            target: Target::Nothing,
        }
    }

    const fn created(body: Value, target: Target) -> Self {
        Self {
            status: StatusCode::CREATED,
            body: Some(body),
            target,
        }
    }

    /// With any body the platform's own Python library fails.
    const fn pong() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
            target: Target::Nothing,
        }
    }
}

const fn read(scope: &'static str, handler: Handler) -> Operation {
    Operation::Call {
        scope,
        reads: true,
        handler,
    }
}

const fn write(scope: &'static str, handler: Handler) -> Operation {
    Operation::Call {
        scope,
        reads: false,
        handler,
    }
}

const PROCESSING: &[Route<Operation>] = routes! {
    POST "payments" "/payments" => write(access::PAYMENT, |call, ledger| call.pay(ledger));
    GET "payments/get" "/payments/{id}" => read(access::PAYMENT, |call, ledger| call.read(ledger, On::Payment));
    POST "payments/captures" "/payments/{id}/captures" =>
        write(access::PAYMENT, |call, ledger| call.capture(ledger, On::Payment));
    POST "payments/increments" "/payments/{id}/increments" =>
        write(access::PAYMENT, |call, ledger| call.increment(ledger));
    POST "payments/authorization-reversals" "/payments/{id}/authorization-reversals" =>
        write(access::PAYMENT, |call, ledger| call.reverse(ledger));
    // By the platform's own table, although its path is below those of payments.
    POST "payments/refunds" "/payments/{id}/refunds" => write(access::REFUND, |call, ledger| call.refund(ledger));
    POST "refunds" "/refunds" => write(access::REFUND, |call, ledger| call.refund_alone(ledger));
    GET "refunds/get" "/refunds/{id}" => read(access::REFUND, |call, ledger| call.read(ledger, On::Refund));
    POST "refunds/captures" "/refunds/{id}/captures" =>
        write(access::REFUND, |call, ledger| call.capture(ledger, On::Refund));
    POST "refunds/authorization-reversals" "/refunds/{id}/authorization-reversals" =>
        write(access::REFUND, |call, ledger| call.reverse_refund(ledger));
    POST "account-verifications" "/account-verifications" =>
        write(access::VERIFICATION, |call, ledger| call.verify(ledger));
    POST "balance-inquiries" "/balance-inquiries" => write(access::BALANCE, |call, _| call.balance());
    POST "operations/reverse" "/operations/{id}/reverse" => write(access::REVERSE, |call, ledger| call.undo(ledger));
};

const SERVICES: &[Route<Operation>] = routes! {
    POST "dcc-rates" "/dcc-rates" => write(access::DCC, |call, _| call.rate());
};

/// Of no merchant.
const PING: &[Route<Operation>] = routes! {
    GET "ping" "/ping" => read(access::PING, |_, _| Ok(Success::pong()));
};

const OAUTH: &[Route<Operation>] = routes! {
    POST "oauth" "/connect/token" => Operation::Grant;
};

/// The simulated platform.
pub(crate) struct WorldlineAcquiring {
    host: Host<Book, Settings>,
    info: Info,
    client: Client,
    /// The key pair that pages seal cards to, as the server reads it. The platform has nothing to do with it.
    sealing_key: SealingKey,
    salt: [u8; 32],
}

struct SealingKey {
    kid: String,
    jwk: String,
}

impl WorldlineAcquiring {
    /// Does the work of a call: all of it, or nothing.
    fn call(
        &self,
        request: &Request<Operation>,
        fault: &ActiveFault,
        scope: &'static str,
        reads: bool,
        handler: Handler,
    ) -> Answer {
        let now = self.host.now();
        self.host.with(|ledger| {
            let scopes = ledger.book.tokens.get(request.bearer(), now);
            if !scopes.ok_or_else(Refusal::unauthenticated)?.contains(&scope) {
                return Err(Refusal::scope(scope));
            }
            let account = (request.param("acquirer"), request.param("merchant"));
            if account != ("", "") && account != (&self.info.acquirer_id, &self.info.merchant_id) {
                return Err(Refusal::account());
            }
            if ledger.settings.metadata_required && !is_metadata(request.header(METADATA)) {
                return Err(Refusal::invalid(METADATA));
            }
            let fields = if reads {
                Fields::none()
            } else {
                Fields::parse(&request.body)?
            };
            let mut call = Call {
                fields: &fields,
                operation: String::new(),
                id: request.param("id"),
                query: request.query(),
                fault,
                now,
            };
            if reads {
                return handler(&call, ledger);
            }
            call.operation = fields.operation()?;
            self.once(request, &call, ledger, handler)
        })
    }

    /// Does an operation, or answers with what the same one led to before.
    fn once(
        &self,
        request: &Request<Operation>,
        call: &Call<'_>,
        ledger: &mut Ledger,
        handler: Handler,
    ) -> Answer {
        let digest = self.digest(request, call.fields);
        if let Some(known) = ledger.book.known.get(&call.operation) {
            let same = known.digest == digest && ledger.settings.repeats == Repeats::Replay;
            if known.undone || !same {
                return Err(Refusal::duplicate());
            }
            ledger.book.replays += 1;
            return Ok(Success {
                status: known.status,
                body: known.answer.clone(),
                target: Target::Nothing,
            });
        }
        let success = handler(call, ledger)?;
        let known = Known {
            digest,
            status: success.status,
            answer: success.body.clone(),
            target: success.target.clone(),
            undone: false,
        };
        ledger.book.known.insert(call.operation.clone(), known);
        Ok(success)
    }

    /// A digest of the request tells another use of the same id without keeping the card.
    fn digest(&self, request: &Request<Operation>, fields: &Fields) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.salt)
            .chain_update(request.route.name)
            .chain_update([0])
            .chain_update(request.param("id"))
            .chain_update([0])
            .chain_update(fields.canonical())
            .finalize()
            .into()
    }
}

/// Whether a header is base64 of a JSON object that names an integrator. Whether the platform looks is not known.
fn is_metadata(header: Option<&str>) -> bool {
    header
        .and_then(|text| STANDARD.decode(text).ok())
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
        .is_some_and(|data| {
            data["integrator"]
                .as_str()
                .is_some_and(|name| !name.trim().is_empty())
        })
}

impl Platform for WorldlineAcquiring {
    const ID: &'static str = "worldline_acquiring";
    const MOUNTS: &'static [Mount<Operation>] = &[
        Mount::new(
            "/processing",
            &[Table::new("/v1/{acquirer}/{merchant}", PROCESSING)],
        ),
        Mount::new(
            "/services",
            &[
                Table::new("/v1/{acquirer}/{merchant}", SERVICES),
                Table::new("/v1", PING),
            ],
        ),
        Mount::new("/dispute-management", &[]),
        Mount::new(TOKEN_MOUNT, &[Table::new("", OAUTH)]),
    ];

    type Book = Book;
    type Settings = Settings;
    type Operation = Operation;
    type Info = Info;

    fn new(
        host: Host<Book, Settings>,
        _options: &SandboxOptions,
        origin: &str,
    ) -> Result<(Arc<Self>, Info), StartError> {
        let client = Client::make(host.secrets)?;
        let info = Info {
            base_url: origin.to_owned(),
            token_uri: format!("{origin}{TOKEN_PATH}"),
            acquirer_id: "100812".into(),
            merchant_id: "520000214".into(),
            credentials: Credentials {
                client_id: client.id.clone(),
                client_secret: client.secret.clone(),
            },
        };
        let secrets = host.secrets;
        let kid = format!("sandbox-{}", secrets.hex("kid")?);
        let platform = Self {
            host,
            info: info.clone(),
            client,
            sealing_key: SealingKey {
                jwk: sealing::private_jwk(&kid, &secrets.bytes("sealing key")?)
                    .ok_or(StartError::Random)?
                    .to_string(),
                kid,
            },
            salt: random()?,
        };
        Ok((Arc::new(platform), info))
    }

    fn host(&self) -> &Host<Book, Settings> {
        &self.host
    }

    fn answer(self: &Arc<Self>, request: &Request<Operation>, fault: &ActiveFault) -> Reply {
        let answer = match request.route.operation {
            Operation::Grant => return self.grant(&request.body),
            Operation::Call {
                scope,
                reads,
                handler,
            } => self.call(request, fault, scope, reads, handler),
        };
        match answer {
            Ok(Success {
                status,
                body: Some(body),
                ..
            }) => Reply::json(status, &body),
            Ok(Success { status, .. }) => Reply::empty(status),
            Err(refusal) => refusal.reply(),
        }
    }

    /// What an unknown path leads to is not known; like every refusal here it is a problem that clients can read. The
    /// host of access tokens is another one.
    fn unrouted(&self, request: &Unrouted) -> Reply {
        if !request.uri.path().starts_with(TOKEN_MOUNT) {
            Refusal::unknown("path").reply()
        } else if request.known_path.is_some() {
            Reply::empty(StatusCode::METHOD_NOT_ALLOWED).with(ALLOW, HeaderValue::from_static("POST"))
        } else {
            Reply::empty(StatusCode::NOT_FOUND)
        }
    }

    fn too_large(&self) -> Reply {
        Refusal::too_large().reply()
    }

    fn server_settings(&self) -> Value {
        json!({
            "environment": "custom",
            "base_url": self.info.base_url,
            "token_uri": self.info.token_uri,
            "client_id": self.client.id,
            "client_secret": self.client.secret,
            "acquirer_id": self.info.acquirer_id,
            "merchant_id": self.info.merchant_id,
            "sealing": true,
            "sealing_keys": [{ "kid": self.sealing_key.kid, "jwk": self.sealing_key.jwk }],
        })
    }

    fn state(&self) -> Value {
        let now = self.host.now();
        self.host.with(|ledger| ledger.book.state(&ledger.settings, now))
    }

    async fn command(self: Arc<Self>, name: String, _body: Value) -> Option<Result<Value, String>> {
        (name == "expire_tokens").then(|| {
            let expired = self.host.with(|ledger| ledger.book.tokens.expire());
            Ok(json!({ "expired": expired }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_sound_metadata() {
        let of = |text: &str| is_metadata(Some(&STANDARD.encode(text)));
        assert!(of(r#"{ "integrator": "Cardseal" }"#));
        for wrong in [r#"{"integrator":" "}"#, r#"{"integrator":1}"#, "[]", "{}", "x"] {
            assert!(!of(wrong), "{wrong}");
        }
        assert!(!is_metadata(None) && !is_metadata(Some("%%")));
    }
}
