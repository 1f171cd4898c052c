//! CCBill. Bad credentials are a bare 401, and what a front-end token may not do a bare 403.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cardseal::ccbill::{self, BASE, Customer};
use cardseal::http::Request;
use cardseal::platform::Platform;
use serde_json::Value;

use super::Entry;
use crate::Result;
use crate::capture::Exchange;
use crate::doctor::common::grant;
use crate::doctor::online::Asker;
use crate::doctor::{Checks, Evidence, causes};
use crate::now_ms;
use crate::output::Failure;
use crate::pack::{Packer, failure, written};
use crate::read::{self, member};

const ID: Platform = Platform::CcBill;

causes! {
    CREDENTIALS = "ccbill.credentials_differ",
        "The token request has other credentials than the configuration, or the platform does not take those.",
        "the token request with its headers and the configuration, or --online",
        "Copy application id and secret again, of the front-end or the back-end application, as a pair.";
    CREDENTIALS_MIXED = "ccbill.credentials_mixed",
        "The token request has the id of one application and the secret of the other.",
        "the token request with its headers and the configuration",
        "Front-end and back-end application have a secret each; keep the pairs together.";
    FRONTEND_TOKEN = "ccbill.frontend_token",
        "A call of the server was made with a front-end token, which can only make payment tokens.",
        "the token request among the requests",
        "Charge with a token of the back-end application.";
    TOKEN_EXPIRED = "ccbill.access_token_expired",
        "The access token has expired.",
        "the token request among the requests",
        "Fetch a new one before expires_in is over, and once after a 401.";
    TOKEN_UNKNOWN = "ccbill.access_token_unknown",
        "The access token is missing, or is none that the platform gave.",
        "the token request among the requests",
        "Send `Authorization: Bearer` and the access_token of the answer.";
    ACCOUNT = "ccbill.account_differs",
        "The request names another account than the configuration, or than the token is for.",
        "the request and the configuration",
        "Charge with the clientAccnum and clientSubacc that the payment token was made for.";
    ACCEPT_HEADER = "ccbill.accept_header",
        "The header Accept does not ask for the platform's own media type.",
        "the request with its headers",
        "Send Accept: application/vnd.mcn.transaction-service.api.v.2+json.";
    HOST = "ccbill.host_differs",
        "The request went to another host than the configuration's.",
        "the request's URL and the configuration",
        "The platform has one host, https://api.ccbill.com.";
}

/// What the command line has for this platform.
pub(crate) static ENTRY: Entry = Entry {
    causes: ALL,
    usual_environment: "production",
    recognises,
    check,
    ask: |asker, checks| Box::pin(ask(asker, checks)),
    pack,
    notified: None,
};

/// Whether a request is this platform's, by what it is.
fn recognises(exchange: &Exchange) -> bool {
    let names_account = exchange
        .json()
        .is_some_and(|body| body.contains_key("clientAccnum"));
    names_account || exchange.origin() == BASE
}

fn check(evidence: &Evidence, checks: &mut Checks) {
    let Some(subject) = evidence.subject() else { return };
    let grant = subject.target().contains("/oauth/token");
    meaning(subject, grant, checks);
    if let Some(config) = evidence.config.as_ref().filter(|_| !subject.url.is_empty()) {
        let base = match config.environment(ID).as_str() {
            "custom" => config.text(ID, "base_url").unwrap_or_default(),
            _ => BASE.to_owned(),
        };
        let wrong = subject.below(&base).is_none();
        checks.decide(
            &HOST,
            wrong,
            if wrong {
                "the request went to another host"
            } else {
                "the request went to the configuration's host"
            },
        );
    }
    if grant {
        credentials(evidence, subject, checks);
    } else {
        call(evidence, subject, checks);
    }
}

fn meaning(subject: &Exchange, grant: bool, checks: &mut Checks) {
    let Some(answer) = &subject.answer else { return };
    let code = answer.json().and_then(|body| body.get("errorCode")?.as_u64());
    match (answer.status, code) {
        (Some(401), _) if grant => {
            checks.means(
                "The credentials are wrong.",
                &[&CREDENTIALS, &CREDENTIALS_MIXED, &HOST],
            );
        }
        (Some(401), _) => checks.means(
            "The access token is missing, expired or unknown.",
            &[&TOKEN_EXPIRED, &TOKEN_UNKNOWN, &HOST],
        ),
        (Some(403), _) => checks.means(
            "The access token may not do this, or not for this account.",
            &[&FRONTEND_TOKEN, &ACCOUNT],
        ),
        (Some(400), Some(100_100)) => {
            checks.means("The payment token is not for this account.", &[&ACCOUNT]);
        }
        (Some(406), _) => checks.means("The platform serves only its own media types.", &[&ACCEPT_HEADER]),
        _ => {}
    }
}

fn credentials(evidence: &Evidence, subject: &Exchange, checks: &mut Checks) {
    let given = subject
        .header("authorization")
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|pair| STANDARD.decode(pair.trim()).ok())
        .and_then(|pair| String::from_utf8(pair).ok());
    let Some((id, secret)) = given.as_deref().and_then(|pair| pair.split_once(':')) else {
        checks.fail(
            &CREDENTIALS,
            "Authorization is not `Basic` and the base64 of an id, a colon and a secret",
        );
        return;
    };
    let Some(config) = &evidence.config else {
        checks.unknown(
            &[&CREDENTIALS, &CREDENTIALS_MIXED],
            "there is no configuration to compare with",
        );
        return;
    };
    let own = |key: &str| config.text(ID, key).unwrap_or_default();
    let pairs = [
        (own("frontend_application_id"), own("frontend_secret")),
        (own("backend_application_id"), own("backend_secret")),
    ];
    let whole = pairs.iter().any(|pair| pair.0 == id && pair.1 == secret);
    let known = |text: &str, first: bool| {
        pairs
            .iter()
            .any(|pair| text == if first { &pair.0 } else { &pair.1 })
    };
    let mixed = !whole && known(id, true) && known(secret, false);
    checks.decide(
        &CREDENTIALS_MIXED,
        mixed,
        if mixed {
            "id and secret are of different applications"
        } else {
            "id and secret are not those of two applications"
        },
    );
    if whole {
        checks.unknown(
            &[&CREDENTIALS],
            "the credentials are the configuration's; whether the platform takes them, --online asks",
        );
    } else if !mixed {
        let says = if known(id, true) {
            "the application id is the configuration's, and the secret is not"
        } else {
            "the application id is not the configuration's"
        };
        checks.fail(&CREDENTIALS, says);
    }
}

fn call(evidence: &Evidence, subject: &Exchange, checks: &mut Checks) {
    if !subject.headers.is_empty() {
        let accept = subject.header("accept").unwrap_or_default();
        let fine =
            accept.contains("application/vnd.mcn.transaction-service.api.v.") || accept.contains("*/*");
        checks.decide(
            &ACCEPT_HEADER,
            !fine,
            if fine {
                "Accept has the platform's media type"
            } else {
                "Accept does not have the platform's media type"
            },
        );
    }
    account(evidence, subject, checks);
    let causes = [&TOKEN_UNKNOWN, &TOKEN_EXPIRED, &FRONTEND_TOKEN];
    let Some(grant) = grant(evidence, subject, causes, checks) else {
        return;
    };
    let front = evidence.config.as_ref().and_then(|config| {
        let id = config.text(ID, "frontend_application_id")?;
        let given = grant.header("authorization")?.strip_prefix("Basic ")?;
        let given = String::from_utf8(STANDARD.decode(given.trim()).ok()?).ok()?;
        Some(given.split_once(':')?.0 == id)
    });
    let charges =
        !subject.target().contains("merchant-only") && !subject.target().contains("threeds-required");
    match front {
        Some(front) => checks.decide(
            &FRONTEND_TOKEN,
            front && charges,
            if front {
                "the front-end application fetched the access token"
            } else {
                "the back-end application fetched the access token"
            },
        ),
        None => checks.unknown(
            &[&FRONTEND_TOKEN],
            "which application fetched the access token is not known",
        ),
    }
}

fn account(evidence: &Evidence, subject: &Exchange, checks: &mut Checks) {
    let (Some(config), Some(body)) = (&evidence.config, subject.json()) else {
        return;
    };
    let sent = |name: &str| {
        body.get(name)
            .and_then(Value::as_u64)
            .map(|number| number.to_string())
    };
    let own = |name: &str| config.text(ID, name);
    let Some(number) = sent("clientAccnum") else {
        return;
    };
    let sub = sent("clientSubacc");
    let same = own("client_accnum") == Some(number)
        && (sub.is_none()
            || sub == own("client_subacc").or(Some("0".into()))
            || sub == own("client_subacc_3ds"));
    checks.decide(
        &ACCOUNT,
        !same,
        if same {
            "the account is the configuration's"
        } else {
            "the account is not the configuration's"
        },
    );
}

/// Asks the platform.
async fn ask(asker: &Asker<'_>, checks: &mut Checks) -> std::result::Result<(), String> {
    let base = asker.base("base_url", &[("production", BASE)])?;
    for (id, secret) in [
        ("frontend_application_id", "frontend_secret"),
        ("backend_application_id", "backend_secret"),
    ] {
        let pair = format!("{}:{}", asker.setting(id)?, asker.setting(secret)?);
        let pair = STANDARD.encode(pair);
        let request = Request {
            method: "POST",
            url: [&base, "/ccbill-auth/oauth/token"].concat(),
            headers: vec![
                ("accept", "application/json".into()),
                ("content-type", "application/x-www-form-urlencoded".into()),
                ("authorization", ["Basic ", &pair].concat()),
            ],
            body: "grant_type=client_credentials".into(),
        };
        match asker.send(request).await?.0.status {
            200 => checks.pass(
                &[&CREDENTIALS],
                format!("asked: the platform takes {id} and its secret"),
            ),
            401 => checks.fail(
                &CREDENTIALS,
                format!("asked: the platform does not take {id} and its secret"),
            ),
            _ => {}
        }
    }
    Ok(())
}

fn pack(packer: &Packer<'_>) -> Result<Value> {
    let number = |name: &str| {
        let number = packer.session.get(name).and_then(Value::as_u64);
        number.and_then(|number| u32::try_from(number).ok())
    };
    let order = ccbill::OrderInput {
        common: packer.common(),
        access: packer.access(),
        account: ccbill::AccountInput {
            client_accnum: number("client_accnum"),
            client_subacc: number("client_subacc"),
            client_subacc_3ds: number("client_subacc_3ds"),
        },
    };
    let file = packer
        .options
        .customer
        .as_deref()
        .ok_or_else(|| Failure::usage("CCBill needs the customer's details: --customer"))?;
    let details = read::object(file)?;
    let customer = Customer::read(|name| Ok(member(&details, name))).map_err(|error| failure(&error))?;
    let place = ccbill::Place {
        chosen: None,
        local: true,
    };
    let opened = order
        .open(order.kind(), false, &place, now_ms())
        .map_err(|error| failure(&error))?;
    let source = ccbill::Source::Card {
        card: &packer.card,
        customer: &customer,
        address: packer.member("ip_address"),
    };
    let request = opened.payment_token_request(&source, true, ccbill::Limits::default());
    Ok(written(&request))
}
