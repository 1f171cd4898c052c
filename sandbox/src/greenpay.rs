//! Simulates GreenPay's merchant and checkout hosts, below `/greenpay/merchant` and `/greenpay/checkout`, and its web
//! forms, below `/greenpay/forms`.
//!
//! The texts of refusals, the shapes of answers, the test cards and the signature are GreenPay's as far as
//! they are documented. What is not documented, such as the order of checks, the HTTP status of a failure, the
//! single use of a session, or CORS on the checkout host, is a choice made here, and most of it is a setting.

mod answers;
mod bank;
mod body;
mod checkout;
pub mod decrypt;
mod forms;
pub mod keys;
mod merchant;
mod orders;
mod settings;
mod subscriptions;
mod webhooks;
mod wire;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::answers::Answer;
use self::body::Body;
use self::checkout::Action;
pub use self::decrypt::{CounterArithmetic, Utf8Decoder};
use self::forms::Form;
use self::keys::KeyPair;
pub use self::keys::{KeyError, new_private_key};
use self::merchant::{Reversal, TERMINALS};
use self::orders::Book;
pub use self::settings::Settings;
use crate::host::cors::PageAccess;
use crate::host::faults::{ActiveFault, Kind};
use crate::host::{Host, Mount, Platform, Reply, Request, Route, Table, Unrouted, random, routes};
use crate::{SandboxOptions, StartError};

/// Header of a page's calls, with the token of its session.
const LISZT_TOKEN: &str = "liszt-token";

/// What a client needs to use the simulated GreenPay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Base URL of the merchant host.
    pub merchant_url: String,
    /// Base URL of the checkout host.
    pub checkout_url: String,
    /// Base URL of the web form for payments.
    pub payment_form_url: String,
    /// Base URL of the web form for card tokens.
    pub token_form_url: String,
    /// What the merchant's server authenticates with.
    pub credentials: Credentials,
    /// SPKI in base64, on one line.
    pub public_key: String,
}

/// Test credentials.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credentials {
    /// The secret.
    pub secret: String,
    /// The merchant's id, a UUID.
    pub merchant_id: String,
    /// One per currency.
    pub terminals: Vec<Terminal>,
}

/// A terminal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Terminal {
    /// Its name on the wire.
    pub terminal: String,
    /// The only currency it takes.
    pub currency: String,
}

/// A documented text, or one of ours where none is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(&'static str);

impl Refusal {
    const INVALID_BODY: Self = Self("Invalid request body");
    const SESSION_NOT_FOUND: Self = Self("Session not found");
    const INVALID_CARD_TOKEN: Self = Self("Invalid card token");
}

/// A call with a body that is JSON.
pub(crate) struct Call<'a> {
    body: Body,
    liszt_token: Option<&'a str>,
    fault: &'a ActiveFault,
}

/// What a route does.
pub(crate) enum Operation {
    /// Answers JSON with JSON.
    Api(fn(&GreenPay, &mut Ledger, &Call<'_>) -> Answer),
    /// Shows a web form.
    Show(Form),
    /// Takes what was typed into one.
    Submit(Form),
}

use Operation::{Api, Show, Submit};

type Ledger = crate::host::Ledger<Book, Settings>;

const MERCHANT: &[Route<Operation>] = routes! {
    POST "merchant/tokenize" "/tokenize" => Api(GreenPay::order_token);
    POST "merchant/" "" => Api(GreenPay::order_payment);
    POST "merchant/tokenPayment" "/tokenPayment" => Api(GreenPay::pay_with_token);
    POST "merchant/deleteToken" "/deleteToken" => Api(GreenPay::delete_token);
    POST "merchant/transactions/void" "/transactions/void" =>
        Api(|platform, ledger, call| platform.reverse(ledger, call, Reversal::Void));
    POST "merchant/transactions/refund" "/transactions/refund" =>
        Api(|platform, ledger, call| platform.reverse(ledger, call, Reversal::Refund));
    POST "merchant/subscriptions" "/subscriptions" => Api(GreenPay::subscribe);
    POST "merchant/subscriptions/cancel" "/subscriptions/cancel" => Api(GreenPay::cancel_subscription);
    POST "merchant/subscriptions/update" "/subscriptions/update" => Api(GreenPay::update_subscription);
    POST "merchant/subscriptions/update/card_token" "/subscriptions/update/card_token" => Api(GreenPay::update_subscription_card);
    POST "merchant/subscriptions/pay" "/subscriptions/pay" => Api(GreenPay::pay_subscription);
    POST "merchant/subscriptions/list" "/subscriptions/list" => Api(GreenPay::list_subscriptions);
    POST "merchant/subscriptions/list/payments" "/subscriptions/list/payments" => Api(GreenPay::list_subscription_payments);
};

const CHECKOUT: &[Route<Operation>] = routes! {
    POST "checkout/tokenize" "/tokenize" =>
        Api(|platform, ledger, call| platform.checkout(ledger, call, Action::Tokenize));
    POST "checkout/tokenize/update" "/tokenize/update" =>
        Api(|platform, ledger, call| platform.checkout(ledger, call, Action::Update));
    POST "checkout/kount" "/kount" =>
        Api(|platform, ledger, call| platform.checkout(ledger, call, Action::PayWithKount));
    POST "checkout/" "" =>
        Api(|platform, ledger, call| platform.checkout(ledger, call, Action::Pay));
};

const FORMS: &[Route<Operation>] = routes! {
    GET "forms/payment/show" "/payment/{session}" => Show(Form::Payment);
    POST "forms/payment" "/payment/{session}" => Submit(Form::Payment);
    GET "forms/token/show" "/token/{session}" => Show(Form::Token);
    POST "forms/token" "/token/{session}" => Submit(Form::Token);
};

/// The simulated GreenPay.
pub(crate) struct GreenPay {
    host: Host<Book, Settings>,
    keys: KeyPair,
    other_keys: OnceLock<Option<KeyPair>>,
    khash_salt: [u8; 32],
    info: Info,
}

impl GreenPay {
    /// A key pair that the merchant does not have, for faults.
    fn other_keys(&self) -> Option<&KeyPair> {
        self.other_keys
            .get_or_init(|| KeyPair::make(self.keys.bits().clamp(1024, 4096)).ok())
            .as_ref()
    }

    /// Signs, posts the webhook, spoils.
    fn finish(self: &Arc<Self>, answer: &Answer, fault: &ActiveFault) -> Value {
        let sign = self.host.with(|ledger| ledger.settings.sign);
        let sign = |keys: &KeyPair| {
            if sign {
                answer.signed(keys)
            } else {
                answer.body.clone()
            }
        };
        let good = sign(&self.keys);
        self.post_webhook(answer, good.clone(), fault.webhook_after());
        let mut body = match self.other_keys_for(fault) {
            Some(keys) => sign(keys),
            None => good,
        };
        if !answers::spoil(&mut body, fault) {
            self.host.shared.faults.give_back(fault);
        }
        body
    }

    fn reply(self: &Arc<Self>, answer: &Answer, fault: &ActiveFault) -> Reply {
        let body = self.finish(answer, fault);
        let status = if answer.failed {
            self.host.with(|ledger| ledger.settings.failure_http_status)
        } else {
            200
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let reply = Reply::json(status, &body);
        if answer.failed {
            reply.refused("failed")
        } else {
            reply
        }
    }

    fn post_webhook(self: &Arc<Self>, answer: &Answer, body: Value, after: Duration) {
        let base = self.host.with(|ledger| ledger.settings.webhook_url.clone());
        if let (Some(webhook), Some(base)) = (&answer.webhook, base) {
            webhooks::send_later(self.clone(), base, webhook.clone(), body, after);
        }
    }

    fn other_keys_for(&self, fault: &ActiveFault) -> Option<&KeyPair> {
        if fault.is(Kind::WrongKeySignature) {
            self.other_keys()
        } else {
            None
        }
    }
}

impl Platform for GreenPay {
    const ID: &'static str = "greenpay";
    const MOUNTS: &'static [Mount<Operation>] = &[Mount::new(
        "/greenpay",
        &[
            Table::new("/merchant", MERCHANT),
            Table::new("/checkout", CHECKOUT).for_pages(),
            Table::new("/forms", FORMS),
        ],
    )
    .lenient()];
    const PAGE_ACCESS: PageAccess = PageAccess {
        methods: "POST",
        headers: "accept, content-type, liszt-token",
        any_headers: true,
    };

    type Book = Book;
    type Settings = Settings;
    type Operation = Operation;
    type Info = Info;

    fn new(
        host: Host<Book, Settings>,
        options: &SandboxOptions,
        origin: &str,
    ) -> Result<(Arc<Self>, Info), StartError> {
        let keys = match &options.private_key {
            Some(pem) => KeyPair::parse(pem)?,
            None => KeyPair::make(options.key_bits)?,
        };
        let terminal = |(terminal, currency): &(&str, &str)| Terminal {
            terminal: (*terminal).into(),
            currency: (*currency).into(),
        };
        let info = Info {
            merchant_url: format!("{origin}/greenpay/merchant"),
            checkout_url: format!("{origin}/greenpay/checkout"),
            payment_form_url: format!("{origin}/greenpay/forms/payment"),
            token_form_url: format!("{origin}/greenpay/forms/token"),
            credentials: Credentials {
                // The published sample of a secret has this form.
                secret: STANDARD.encode(hex::encode_upper(
                    [
                        host.secrets.bytes("secret")?,
                        host.secrets.bytes("secret, second half")?,
                    ]
                    .concat(),
                )),
                merchant_id: host.secrets.uuid("merchant")?.to_string(),
                terminals: TERMINALS.iter().map(terminal).collect(),
            },
            public_key: keys.public().to_owned(),
        };
        let platform = Self {
            host,
            keys,
            other_keys: OnceLock::new(),
            khash_salt: random()?,
            info: info.clone(),
        };
        Ok((Arc::new(platform), info))
    }

    fn host(&self) -> &Host<Book, Settings> {
        &self.host
    }

    fn answer(self: &Arc<Self>, request: &Request<Operation>, fault: &ActiveFault) -> Reply {
        let operation = match request.route.operation {
            Api(operation) => operation,
            Show(form) => return self.show_form(form, request),
            Submit(form) => return self.submit_form(form, request, fault),
        };
        let answer = match Body::parse(&request.body) {
            None => Answer::refusal(Refusal::INVALID_BODY, None),
            Some(body) => {
                let liszt_token = request.header(LISZT_TOKEN);
                let call = Call {
                    body,
                    liszt_token,
                    fault,
                };
                self.host.with(|ledger| operation(self, ledger, &call))
            }
        };
        self.reply(&answer, fault)
    }

    fn unrouted(&self, _request: &Unrouted) -> Reply {
        let body = json!({ "status": 404, "errors": ["Not found"] });
        Reply::json(StatusCode::NOT_FOUND, &body)
    }

    fn too_large(&self) -> Reply {
        let answer = Answer::refusal(Refusal("Request too large"), None);
        Reply::json(StatusCode::PAYLOAD_TOO_LARGE, &answer.body)
    }

    fn server_settings(&self) -> Value {
        let Info {
            merchant_url,
            checkout_url,
            payment_form_url,
            token_form_url,
            credentials,
            public_key,
        } = &self.info;
        json!({
            "environment": "custom",
            "merchant_url": merchant_url,
            "checkout_url": checkout_url,
            "payment_form_url": payment_form_url,
            "token_form_url": token_form_url,
            "secret": credentials.secret,
            "merchant_id": credentials.merchant_id,
            "public_key": public_key,
            "webhook_path_secret": self.host.path_secret,
            "terminals": credentials.terminals,
        })
    }

    fn state(&self) -> Value {
        self.host.with(|ledger| ledger.book.state())
    }

    /// `charge_subscriptions`: what the real platform does at midnight.
    async fn command(self: Arc<Self>, name: String, _body: Value) -> Option<Result<Value, String>> {
        (name == "charge_subscriptions").then(|| {
            let answers = self.host.with(|ledger| self.charge_subscriptions(ledger));
            for answer in &answers {
                self.post_webhook(answer, answer.body.clone(), Duration::ZERO);
            }
            Ok(json!({ "charged": answers.len() }))
        })
    }
}
