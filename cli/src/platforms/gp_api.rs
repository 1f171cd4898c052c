//! GP API. Wrong credentials, a wrong account and a missing permission are all 403 ACTION_NOT_AUTHORIZED.

use cardseal::gp_api::{AccessInput, Hosts, Options, Place, VERSION_HEADER};
use cardseal::platform::Platform;
use cardseal::random::SystemRandom;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use super::Entry;
use crate::Result;
use crate::capture::Exchange;
use crate::config::Config;
use crate::doctor::common::{bearer, grants, lifetime};
use crate::doctor::online::{Asker, nonce, post};
use crate::doctor::{Checks, Evidence, causes};
use crate::now_ms;
use crate::pack::{Packer, failure, written};
use crate::verify::setting;

const ID: Platform = Platform::GpApi;

causes! {
    APP_ID = "gp_api.app_id_differs",
        "The request for an access token names another app_id than the configuration.",
        "the token request and the configuration",
        "Copy app_id from the developer portal, from the environment that the requests go to.";
    APP_KEY = "gp_api.app_key_wrong",
        "The secret of the token request was made with another app_key.",
        "the token request and the configuration, or --online",
        "Copy app_key from the developer portal, from the environment that the requests go to.";
    SECRET_FORM = "gp_api.secret_form",
        "The secret of the token request is built in another way: it is lower-case hex of SHA-512 over nonce and app_key, in this order, nothing between.",
        "the token request and the configuration",
        "Compute sha512(nonce + app_key) and write it in lower-case hex.";
    TOKEN_EXPIRED = "gp_api.access_token_expired",
        "The access token has expired.",
        "the token request among the requests",
        "Fetch a new one a minute before seconds_to_expire, and once after a 401; a page gets a new session.";
    TOKEN_UNKNOWN = "gp_api.access_token_unknown",
        "The access token is none of this environment, or not whole.",
        "the token request among the requests",
        "Send `Authorization: Bearer` and the `token` of the answer, to the host that gave it.";
    PERMISSION = "gp_api.permission_missing",
        "The access token was made with fewer permissions than the call needs, as those for pages are.",
        "the token request among the requests",
        "Make calls of the server with a token of its own, fetched without `permissions`.";
    ACCOUNT_CASE = "gp_api.account_name_case",
        "The account's name is written with other capitals than the platform has.",
        "the token request among the requests, whose answer lists the accounts",
        "Write the name exactly as in scope.accounts: today transaction_processing and tokenization.";
    ACCOUNT = "gp_api.account_unknown",
        "The access token reaches no account of this name or id.",
        "the token request among the requests, whose answer lists the accounts",
        "Name an account of scope.accounts, or leave account_name away.";
    VERSION = "gp_api.version_missing",
        "The header X-GP-Version is missing.",
        "the request with its headers",
        "Send X-GP-Version: 2021-03-22.";
    HOST = "gp_api.host_of_other_environment",
        "The request went to another environment than the configuration's.",
        "the request's URL and the configuration",
        "Sandbox and production have their own hosts, applications and tokens.";
}

/// What the command line has for this platform.
pub(crate) static ENTRY: Entry = Entry {
    causes: ALL,
    usual_environment: "sandbox",
    recognises,
    check,
    ask: |asker, checks| Box::pin(ask(asker, checks)),
    pack,
    notified: Some(notified),
};

/// Whether a request is this platform's, by what it is.
fn recognises(exchange: &Exchange) -> bool {
    exchange.header(VERSION_HEADER).is_some() || exchange.origin().ends_with("globalpay.com")
}

fn check(evidence: &Evidence, checks: &mut Checks) {
    let Some(subject) = evidence.subject() else { return };
    meaning(subject, checks);
    if !subject.headers.is_empty() {
        let has = subject.header(VERSION_HEADER).is_some();
        checks.decide(
            &VERSION,
            !has,
            if has {
                "there is a header X-GP-Version"
            } else {
                "there is no header X-GP-Version"
            },
        );
    }
    host(evidence, subject, checks);
    if subject
        .target()
        .split('?')
        .next()
        .is_some_and(|path| path.ends_with("/accesstoken"))
    {
        if let Some(body) = subject.json() {
            grant(evidence.config.as_ref(), &body, checks);
        }
        return;
    }
    call(evidence, subject, checks);
}

fn meaning(subject: &Exchange, checks: &mut Checks) {
    let answer = subject.answer.as_ref().and_then(crate::capture::Answer::json);
    let detail = answer
        .as_ref()
        .and_then(|answer| answer.get("detailed_error_code"))
        .and_then(Value::as_str);
    match detail {
        Some("40001") => checks.means(
            "The platform does not know the access token, or no longer.",
            &[&TOKEN_UNKNOWN, &TOKEN_EXPIRED, &HOST],
        ),
        Some("40002") => checks.means("The access token has expired.", &[&TOKEN_EXPIRED]),
        Some("40003") => checks.means(
            "The access token does not reach the account. Names of accounts are case-sensitive.",
            &[&ACCOUNT_CASE, &ACCOUNT],
        ),
        Some("40004") => checks.means(
            "app_id or secret is wrong; the platform tells them apart only by the text.",
            &[&APP_ID, &APP_KEY, &SECRET_FORM, &HOST],
        ),
        Some("40212" | "40022") => checks.means("The access token may not do this.", &[&PERMISSION]),
        _ => {}
    }
}

fn host(evidence: &Evidence, subject: &Exchange, checks: &mut Checks) {
    let Some(config) = evidence.config.as_ref().filter(|_| !subject.url.is_empty()) else {
        return;
    };
    let base = match config.environment(ID).as_str() {
        "production" => Hosts::Production.base().to_owned(),
        "sandbox_eu" => Hosts::SandboxEu.base().to_owned(),
        "production_eu" => Hosts::ProductionEu.base().to_owned(),
        "custom" => config.text(ID, "base_url").unwrap_or_default(),
        _ => Hosts::Sandbox.base().to_owned(),
    };
    let wrong = subject.below(&base).is_none();
    checks.decide(
        &HOST,
        wrong,
        if wrong {
            format!(
                "the request went to {}, and the configuration has {base}",
                subject.origin()
            )
        } else {
            "the request went to the configuration's host".to_owned()
        },
    );
}

fn sha512(parts: [&str; 2]) -> String {
    let [first, second] = parts;
    hex::encode(Sha512::new().chain_update(first).chain_update(second).finalize())
}

/// A request for an access token.
fn grant(config: Option<&Config>, body: &Map<String, Value>, checks: &mut Checks) {
    let sent = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let own = |name: &str| config.and_then(|config| config.text(ID, name));
    let (Some(app_id), Some(app_key)) = (own("app_id"), own("app_key")) else {
        checks.unknown(
            &[&APP_ID, &APP_KEY, &SECRET_FORM],
            "there is no configuration to compare with",
        );
        return;
    };
    let same = sent("app_id") == app_id;
    checks.decide(
        &APP_ID,
        !same,
        if same {
            "app_id is the configuration's"
        } else {
            "app_id is not the configuration's"
        },
    );
    let (nonce, secret) = (sent("nonce"), sent("secret"));
    if secret == sha512([nonce, &app_key]) {
        checks.pass(
            &[&SECRET_FORM],
            "the secret is built rightly of the nonce and the configuration's app_key",
        );
        checks.unknown(
            &[&APP_KEY],
            "whether the platform takes the configuration's app_key, --online asks",
        );
        return;
    }
    let ways = [
        ("with app_key before the nonce", sha512([&app_key, nonce])),
        ("in upper case", sha512([nonce, &app_key]).to_ascii_uppercase()),
        ("with a colon between", sha512([nonce, &format!(":{app_key}")])),
        ("of app_key alone", sha512(["", &app_key])),
        ("as app_key itself", app_key.clone()),
        (
            "with blanks or a line end around app_key",
            sha512([nonce, &format!("{app_key}\n")]),
        ),
    ];
    if let Some((way, _)) = ways.iter().find(|(_, made)| made == secret) {
        checks.fail(&SECRET_FORM, format!("the secret is made {way}"));
        checks.pass(&[&APP_KEY], "it is made with the configuration's app_key");
    } else if secret.len() != 128 || !secret.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        checks.fail(&SECRET_FORM, "the secret is not 128 hex digits");
    } else {
        checks.fail(
            &APP_KEY,
            "the secret is not made with the configuration's app_key",
        );
        checks.pass(
            &[&SECRET_FORM],
            "the secret is 128 hex digits, and in no other order of nonce and app_key",
        );
    }
}

/// A call with an access token.
fn call(evidence: &Evidence, subject: &Exchange, checks: &mut Checks) {
    let bearer = bearer(subject);
    let grants = grants(evidence, "token");
    if bearer.is_empty() && !subject.headers.is_empty() {
        checks.fail(&TOKEN_UNKNOWN, "there is no `Authorization: Bearer`");
        return;
    }
    let own = grants
        .iter()
        .find(|(_, answer)| answer.get("token").and_then(Value::as_str) == Some(bearer));
    let Some((grant, answer)) = own else {
        if grants.is_empty() {
            checks.unknown(
                &[
                    &TOKEN_UNKNOWN,
                    &TOKEN_EXPIRED,
                    &PERMISSION,
                    &ACCOUNT,
                    &ACCOUNT_CASE,
                ],
                "how the access token was fetched is not known",
            );
        } else {
            checks.fail(&TOKEN_UNKNOWN, "no answer that is known gave this access token");
        }
        return;
    };
    let elsewhere = grant.origin() != subject.origin();
    checks.decide(
        &TOKEN_UNKNOWN,
        elsewhere,
        if elsewhere {
            "the access token is of another host"
        } else {
            "this host gave the access token"
        },
    );
    lifetime(
        (grant, answer),
        "seconds_to_expire",
        subject,
        &TOKEN_EXPIRED,
        checks,
    );
    account(subject, grant, answer, checks);
}

fn account(subject: &Exchange, grant: &Exchange, answer: &Value, checks: &mut Checks) {
    let narrowed = grant.json().is_some_and(|body| body.contains_key("permissions"));
    let accounts = answer.pointer("/scope/accounts").and_then(Value::as_array);
    let listed: Vec<&Value> = accounts.into_iter().flatten().collect();
    let permitted: Vec<&str> = listed
        .iter()
        .filter_map(|account| account.get("permissions")?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let area = area(subject);
    let reaches = permitted.iter().any(|permission| permission.starts_with(area));
    if permitted.is_empty() || area.is_empty() {
        checks.unknown(&[&PERMISSION], "what the access token permits is not known");
    } else {
        checks.decide(
            &PERMISSION,
            narrowed && !reaches,
            if reaches {
                format!("the access token permits some of {area}…")
            } else {
                format!("the access token permits nothing of {area}…: it was asked for with `permissions`")
            },
        );
    }
    let body = subject.json().unwrap_or_default();
    let (name, id) = (
        body.get("account_name").and_then(Value::as_str),
        body.get("account_id").and_then(Value::as_str),
    );
    if name.is_none() && id.is_none() {
        checks.pass(&[&ACCOUNT, &ACCOUNT_CASE], "the call names no account");
        return;
    }
    let text = |account: &Value, member: &str| account.get(member).and_then(Value::as_str).map(str::to_owned);
    let fits = listed.iter().any(|account| {
        name.is_none_or(|name| text(account, "name").as_deref() == Some(name))
            && id.is_none_or(|id| text(account, "id").as_deref() == Some(id))
    });
    let near = name.is_some_and(|name| {
        listed.iter().any(|account| {
            text(account, "name").is_some_and(|own| own != name && own.eq_ignore_ascii_case(name))
        })
    });
    if near && !fits {
        checks.fail(
            &ACCOUNT_CASE,
            "an account of the token has this name in other capitals",
        );
        checks.pass(&[&ACCOUNT], "the account is reached under its own name");
    } else {
        checks.pass(&[&ACCOUNT_CASE], "no account has this name in other capitals");
        if narrowed && !fits {
            let says = "the answer lists only the accounts that the token's `permissions` are for";
            checks.unknown(&[&ACCOUNT], says);
            return;
        }
        checks.decide(
            &ACCOUNT,
            !fits,
            if fits {
                "the token reaches the account"
            } else {
                "the token's accounts do not have it"
            },
        );
    }
}

/// How the permissions for a path begin.
fn area(subject: &Exchange) -> &'static str {
    let path = subject.target();
    for (part, area) in [
        ("/payment-methods", "PMT_"),
        ("/transactions", "TRN_"),
        ("/verifications", "VER_"),
        ("/authentications", "AUT_"),
    ] {
        if path.contains(part) {
            return area;
        }
    }
    ""
}

/// Asks the platform.
async fn ask(asker: &Asker<'_>, checks: &mut Checks) -> std::result::Result<(), String> {
    let base = asker.base(
        "base_url",
        &[
            ("sandbox", Hosts::Sandbox.base()),
            ("production", Hosts::Production.base()),
            ("sandbox_eu", Hosts::SandboxEu.base()),
            ("production_eu", Hosts::ProductionEu.base()),
        ],
    )?;
    let nonce = nonce()?;
    let secret = Sha512::new()
        .chain_update(&nonce)
        .chain_update(asker.setting("app_key")?)
        .finalize();
    let body = json!({ "app_id": asker.setting("app_id")?, "nonce": nonce, "secret": hex::encode(secret),
        "grant_type": "client_credentials", "seconds_to_expire": 60 });
    let request =
        post(&[&base, "/accesstoken"].concat(), &body).header(VERSION_HEADER, cardseal::gp_api::VERSION);
    let (answer, body) = asker.send(request).await?;
    let says = body
        .get("detailed_error_description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if answer.status == 200 {
        checks.pass(
            &[&APP_ID, &APP_KEY],
            "asked: the platform takes the configuration's app_id and app_key",
        );
    } else if says.starts_with("App credentials") {
        checks.fail(
            &APP_ID,
            "asked: the platform does not know the configuration's app_id",
        );
    } else if answer.status == 403 {
        checks.fail(
            &APP_KEY,
            "asked: the platform does not take the configuration's app_key",
        );
    }
    Ok(())
}

fn pack(packer: &Packer<'_>) -> Result<Value> {
    let input = AccessInput {
        common: packer.common(),
        access: packer.access(),
        reference: packer.member("reference"),
        account_name: packer.member("account_name"),
    };
    let place = Place {
        chosen: None,
        local: true,
    };
    let opened = input
        .open(Options::default(), &place, now_ms(), &mut SystemRandom)
        .map_err(|error| failure(&error))?;
    Ok(written(&opened.request(&packer.card)))
}

fn notified(request: &Exchange, config: &Config) -> Result<(bool, String)> {
    Ok(verified(request, &setting(config, ID, "app_key")?))
}

/// SHA-512 over the body and the application key.
fn verified(request: &Exchange, app_key: &str) -> (bool, String) {
    let Some(given) = request.header("x-gp-signature") else {
        return (false, "the header X-GP-Signature is missing".into());
    };
    let fits = |body: &str| {
        let made = hex::encode(Sha512::new().chain_update(body).chain_update(app_key).finalize());
        given.trim().eq_ignore_ascii_case(&made)
    };
    if fits(&request.body) {
        return (
            true,
            "the signature covers the body; it has no time, so a repeat looks the same".into(),
        );
    }
    let compact = serde_json::from_str::<Value>(&request.body).map(|value| value.to_string());
    if compact.is_ok_and(|compact| fits(&compact)) {
        let says = "the signature fits the body in another spelling: it was parsed and written again before it was verified";
        return (false, says.into());
    }
    (false, "the signature does not fit the body and app_key".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gp_notification_is_told_from_one_that_was_written_again() {
        // Computed with another implementation of SHA-512; the key is an example.
        let signature = "03ef302063828a1f645b7af729ab38878d2d1500709f272cabcc8ec6fe84b81b5e1da3f0244ac299e18bcd259ed6973b789d43606175e94ec7e2a129e4c1f8e8";
        let request = |body: &str| Exchange {
            headers: vec![("X-GP-Signature".into(), signature.into())],
            body: body.into(),
            ..Exchange::default()
        };
        let body = r#"{"id":"TRN_abc","status":"CAPTURED","amount":"1999"}"#;
        assert!(verified(&request(body), "exampleAppKey123").0);
        let (valid, says) = verified(&request(body), "another");
        assert!(!valid && says.contains("app_key"));
        assert!(!verified(&Exchange::default(), "exampleAppKey123").0);
    }
}
