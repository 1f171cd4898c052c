//! Worldline Acquiring: access tokens, and cards that pages seal with the merchant's own key.

use cardseal::http::Request;
use cardseal::platform::Platform;
use cardseal::worldline_acquiring;
use cardseal_gateways::sealing::{KeyRing, Refusal};
use cardseal_gateways::settings::{Mistakes, Settings};
use cardseal_sandbox::sealing::Sealer;
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

const ID: Platform = Platform::WorldlineAcquiring;

causes! {
    CLIENT = "worldline_acquiring.client_differs",
        "The token request has other credentials than the configuration, or the platform does not take those.",
        "the token request and the configuration, or --online",
        "Copy client_id and client_secret again, of the environment that is called.";
    SCOPE = "worldline_acquiring.scope_missing",
        "The access token was requested without the scope of the operation.",
        "the token request among the requests",
        "Request the scope: processing_payment, processing_refund, processing_operation_reverse or processing_accountverification.";
    TOKEN_EXPIRED = "worldline_acquiring.access_token_expired",
        "The access token has expired.",
        "the token request among the requests",
        "Fetch a new one and send the operation once more with the same operationId: the official libraries do not.";
    TOKEN_UNKNOWN = "worldline_acquiring.access_token_unknown",
        "The access token is missing, or is none that the platform gave.",
        "the token request among the requests",
        "Send `Authorization: Bearer` and the access_token of the answer.";
    SEALED_KEY = "worldline_acquiring.sealed_to_other_key",
        "The card is sealed to a key that is not in the configuration.",
        "the request and the configuration's sealing_keys",
        "Keep an old key in sealing_keys until the sessions that named it are over.";
    SEALED_SESSION = "worldline_acquiring.sealed_for_other_session",
        "The card is sealed for another session than the request names.",
        "the request and the configuration's sealing_keys",
        "Seal for the session that is submitted; a page that opens a new session seals again.";
    SEALED_EXPIRED = "worldline_acquiring.sealed_expired",
        "The sealed card has expired.",
        "the request, its time, and the configuration's sealing_keys",
        "Submit at once after sealing, or open a new session.";
    SEALED_CHANGED = "worldline_acquiring.sealed_changed",
        "The sealed card was changed or cut off on its way, or is no sealed card.",
        "the request and the configuration's sealing_keys",
        "Pass the text on unchanged: five parts of base64url with dots between.";
}

/// What the command line has for this platform.
pub(crate) static ENTRY: Entry = Entry {
    causes: ALL,
    usual_environment: "sandbox",
    recognises,
    check,
    ask: |asker, checks| Box::pin(ask(asker, checks)),
    pack,
    notified: None,
};

/// Whether a request is this platform's, by what it is.
fn recognises(exchange: &Exchange) -> bool {
    let sealed = exchange.json().is_some_and(|body| body.contains_key("sealed"));
    sealed || exchange.origin().ends_with("acquiring.worldline-solutions.com")
}

fn check(evidence: &Evidence, checks: &mut Checks) {
    let Some(subject) = evidence.subject() else { return };
    let body = subject.json();
    let text = |name: &str| {
        body.as_ref()
            .and_then(|body| body.get(name))
            .and_then(Value::as_str)
    };
    if let (Some(sealed), Some(session)) = (text("sealed"), text("session")) {
        opened(evidence, sealed, session, checks);
        return;
    }
    let grant = subject.target().contains("/connect/token");
    meaning(subject, grant, checks);
    if grant {
        client(evidence, subject, checks);
    } else {
        call(evidence, subject, checks);
    }
}

fn meaning(subject: &Exchange, grant: bool, checks: &mut Checks) {
    let status = subject.answer.as_ref().and_then(|answer| answer.status);
    let said = subject.answer.as_ref().and_then(crate::capture::Answer::json);
    let error = said
        .as_ref()
        .and_then(|said| said.get("error"))
        .and_then(Value::as_str);
    match (status, error) {
        (_, Some("unauthorized_client" | "invalid_client")) if grant => {
            checks.means("The credentials are wrong.", &[&CLIENT]);
        }
        (_, Some("invalid_scope")) if grant => {
            checks.means("A scope is unknown, or there is none.", &[&SCOPE])
        }
        (Some(401), _) => checks.means(
            "The access token is missing, expired or unknown.",
            &[&TOKEN_EXPIRED, &TOKEN_UNKNOWN],
        ),
        (Some(403), _) => checks.means("The access token may not do this.", &[&SCOPE]),
        _ => {}
    }
}

/// A card that the server opens itself: its own keys decide.
fn opened(evidence: &Evidence, sealed: &str, session: &str, checks: &mut Checks) {
    let mistakes = Mistakes::default();
    let table = evidence.config.as_ref().and_then(|config| config.settings(ID));
    let ring = table.and_then(|table| KeyRing::from_settings(&Settings::root(table, &mistakes)));
    let all = [&SEALED_KEY, &SEALED_SESSION, &SEALED_EXPIRED, &SEALED_CHANGED];
    let Some(ring) = ring else {
        checks.unknown(&all, "the configuration has no sealing_keys to open it with");
        return;
    };
    let now = evidence.sent_at().unix_timestamp();
    match ring.open(sealed, session, now) {
        Ok(_card) => checks.pass(
            &all,
            "the configuration's key opens the sealed card for this session",
        ),
        Err(refusal) => {
            let cause = match refusal {
                Refusal::UnknownKey => &SEALED_KEY,
                Refusal::WrongSession => &SEALED_SESSION,
                Refusal::Expired => &SEALED_EXPIRED,
                Refusal::Oversized
                | Refusal::Malformed
                | Refusal::Algorithm
                | Refusal::EphemeralKey
                | Refusal::Changed
                | Refusal::NotACard => &SEALED_CHANGED,
            };
            checks.fail(cause, refusal.to_string());
        }
    }
}

fn form(subject: &Exchange, name: &str) -> Vec<String> {
    // Official libraries encode nothing, others everything: both readings of a value are kept.
    let raw = subject.body.split('&').filter_map(|pair| pair.split_once('='));
    raw.filter(|(key, _)| *key == name)
        .flat_map(|(_, value)| [value.to_owned(), percent_decoded(value)])
        .collect()
}

fn percent_decoded(text: &str) -> String {
    let pair = ["x=", text].concat();
    let mut pairs = form_urlencoded::parse(pair.as_bytes());
    pairs
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn client(evidence: &Evidence, subject: &Exchange, checks: &mut Checks) {
    let Some(config) = &evidence.config else {
        checks.unknown(&[&CLIENT], "there is no configuration to compare with");
        return;
    };
    let same = |sent: &str, own: &str| {
        config
            .text(ID, own)
            .is_some_and(|own| form(subject, sent).contains(&own))
    };
    match (
        same("client_id", "client_id"),
        same("client_secret", "client_secret"),
    ) {
        (true, true) => checks.unknown(
            &[&CLIENT],
            "the credentials are the configuration's; whether the platform takes them, --online asks",
        ),
        (true, false) => checks.fail(
            &CLIENT,
            "client_id is the configuration's, and client_secret is not",
        ),
        (false, _) => checks.fail(&CLIENT, "client_id is not the configuration's"),
    }
}

fn call(evidence: &Evidence, subject: &Exchange, checks: &mut Checks) {
    let causes = [&TOKEN_UNKNOWN, &TOKEN_EXPIRED, &SCOPE];
    let Some(grant) = grant(evidence, subject, causes, checks) else {
        return;
    };
    let scopes = form(grant, "scope").join(" ").replace('+', " ");
    let path = subject.target();
    let wanted = if path.contains("/refunds") {
        "processing_refund"
    } else if path.contains("/account-verifications") {
        "processing_accountverification"
    } else if path.contains("reversal") {
        "processing_operation_reverse"
    } else if path.contains("/payments") {
        "processing_payment"
    } else {
        return;
    };
    let has = scopes.split(' ').any(|scope| scope == wanted);
    checks.decide(
        &SCOPE,
        !has,
        if has {
            format!("the access token has {wanted}")
        } else {
            format!("the access token was requested without {wanted}")
        },
    );
}

/// Asks the platform.
async fn ask(asker: &Asker<'_>, checks: &mut Checks) -> std::result::Result<(), String> {
    let url = asker.base(
        "token_uri",
        &[
            (
                "sandbox",
                "https://auth-test-eu-west-1.aws.bambora.com/connect/token",
            ),
            (
                "production",
                "https://auth-eu-west-1.aws.bambora.com/connect/token",
            ),
        ],
    )?;
    let (id, secret) = (asker.setting("client_id")?, asker.setting("client_secret")?);
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &id)
        .append_pair("client_secret", &secret)
        .append_pair("scope", "services_ping")
        .finish();
    let request = Request {
        method: "POST",
        url,
        headers: vec![
            ("accept", "application/json".into()),
            ("content-type", "application/x-www-form-urlencoded".into()),
        ],
        body: form,
    };
    let (answer, body) = asker.send(request).await?;
    let error = body.get("error").and_then(Value::as_str);
    if answer.status == 200 {
        checks.pass(
            &[&CLIENT],
            "asked: the platform takes the configuration's client_id and client_secret",
        );
    } else if matches!(error, Some("unauthorized_client" | "invalid_client")) {
        checks.fail(
            &CLIENT,
            "asked: the platform does not take the configuration's client_id and client_secret",
        );
    }
    Ok(())
}

fn pack(packer: &Packer<'_>) -> Result<Value> {
    let own = worldline_acquiring::session(&packer.common(), packer.kind, now_ms())
        .map_err(|error| failure(&error))?;
    let seal = packer.session.get("seal").unwrap_or(&Value::Null);
    #[expect(clippy::cast_possible_truncation, reason = "a time in this century")]
    let expires = (own.expires_at / 1000.0) as i64;
    let text = worldline_acquiring::plaintext(&packer.card, None);
    let sealed = Sealer::new(seal, &own.id, expires)
        .and_then(|sealer| sealer.seal(text.as_bytes()))
        .ok_or_else(|| Failure::wrong("the session's `seal` has no usable key"))?;
    let request = worldline_acquiring::request(&packer.server()?, packer.kind, &own.id, &sealed);
    Ok(written(&request))
}
