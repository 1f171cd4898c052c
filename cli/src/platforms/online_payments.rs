//! Online Payments. A wrong secret, a wrong signature and a wrong merchant are all 403 ACCESS_TO_MERCHANT_NOT_ALLOWED.

use aes::Aes256;
use aes::cipher::KeyIvInit;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cardseal::http::Request;
use cardseal::online_payments::{self, Payload, Use, Values};
use cardseal::platform::Platform;
use cardseal::random::{Random, SystemRandom};
use cardseal::session::Kind;
use cardseal_worldline::communicator::ToSign;
use cardseal_worldline::online_payments::signature::{V1HmacAuthenticator, string_to_hash};
use cardseal_worldline::online_payments::webhooks::{InMemorySecretKeyStore, WebhooksHelper};
use cbc::Encryptor;
use cbc::cipher::BlockModeEncrypt;
use cbc::cipher::block_padding::Pkcs7;
use getrandom::SysRng;
use hmac::{Hmac, KeyInit, Mac};
use rsa::BoxedUint;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use zeroize::Zeroizing;

use super::Entry;
use crate::Result;
use crate::capture::Exchange;
use crate::config::Config;
use crate::doctor::online::Asker;
use crate::doctor::{Cause, Checks, Evidence, causes};
use crate::output::Failure;
use crate::pack::{Packer, failure, written};

const ID: Platform = Platform::OnlinePayments;
/// A third party's figure; the platform documents none.
const TOLERANCE_MINUTES: i64 = 5;

causes! {
    KEY_ID = "online_payments.api_key_differs",
        "The request is signed with another API key id than the configuration's.",
        "the request with its headers and the configuration",
        "Use the key id and the secret of one pair, from the portal of the environment that is called.";
    SECRET = "online_payments.secret_wrong",
        "The signature was made with another secret than the configuration's, or the platform does not take that one.",
        "the request with its headers and the configuration, or --online",
        "Copy the secret API key again, as text: it looks like base64 and is not decoded.";
    SECRET_DECODED = "online_payments.secret_decoded",
        "The secret was base64-decoded before it was used as the key.",
        "the request with its headers and the configuration",
        "Use the secret as text; it only looks like base64.";
    MERCHANT = "online_payments.merchant_id_differs",
        "The path names another merchant id (PSPID) than the configuration.",
        "the request's URL and the configuration",
        "Use the PSPID that the API key belongs to.";
    CONTENT_TYPE = "online_payments.signed_content_type",
        "The Content-Type that was signed is not the one that was sent.",
        "the request with its headers and the configuration",
        "Sign the header's exact value, and an empty line where none is sent.";
    DATE = "online_payments.signed_date",
        "The Date that was signed is not the one that was sent, or there is none.",
        "the request with its headers and the configuration",
        "Make the date once, and use the same text for the header and the signature.";
    PATH = "online_payments.signed_path",
        "The path that was signed is not the one that was sent: the host or the query is wrong in it.",
        "the request with its headers and the configuration",
        "Sign the path with its query as they are sent, from the slash after the host.";
    LINE_END = "online_payments.signed_line_end",
        "The last line of the signed text has no line feed.",
        "the request with its headers and the configuration",
        "End every line of the signed text with a line feed, the last one too.";
    SIGNATURE_FORM = "online_payments.signature_form",
        "The header Authorization does not have the form `GCS v1HMAC:<key id>:<base64>`.",
        "the request with its headers",
        "Write `GCS v1HMAC:`, the key id, a colon, and the signature in base64, not hex.";
    CLOCK = "online_payments.clock",
        "The request's Date is minutes away from the time at which it was sent.",
        "the request with its headers and its time",
        "Set the machine's clock by NTP.";
    HOST = "online_payments.host_of_other_environment",
        "The request went to another environment than the configuration's.",
        "the request's URL and the configuration",
        "Test and live environments have their own hosts, merchants and keys.";
    CLIENT_SESSION = "online_payments.client_session_missing",
        "The call of the client API has no session: Authorization is not `GCS v1Client:<clientSessionId>`.",
        "the request with its headers",
        "Pass the session that the server opened; a server's signature is not for the client API.";
    CLIENT_EXPIRED = "online_payments.client_session_expired",
        "The client session has expired, or belongs to another customer than the URL names.",
        "the session as it was opened: --session, or its opening among the requests",
        "Open a session when the shopper pays, and use its own customerId.";
    INPUT_SESSION = "online_payments.input_of_other_session",
        "The encrypted card names another key or session than the request's.",
        "the request, and the session as it was opened",
        "Encrypt for the session that is submitted, and submit once: each encrypted card works once.";
}

static SIGNED: &[&Cause] = &[&SECRET_DECODED, &CONTENT_TYPE, &DATE, &PATH, &LINE_END];

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
    let signed = exchange
        .header("authorization")
        .is_some_and(|value| value.starts_with("GCS "));
    signed || sealed(exchange).is_some() || exchange.origin().contains("//payment.")
}

fn check(evidence: &Evidence, checks: &mut Checks) {
    let Some(subject) = evidence.subject() else { return };
    meaning(subject, checks);
    host(evidence, subject, checks);
    let client_api = subject.target().starts_with("/client/") || subject.target().contains("/client/v1/");
    if client_api {
        client(evidence, subject, checks);
    } else if let Some(authorization) = subject.header("authorization") {
        signature(evidence, subject, authorization, checks);
    }
    if let Some(text) = sealed(subject) {
        input(evidence, &text, checks);
    }
}

fn meaning(subject: &Exchange, checks: &mut Checks) {
    let Some(answer) = subject.answer.as_ref() else {
        return;
    };
    let body = answer.json().unwrap_or_default();
    let code = body
        .pointer("/errors/0/code")
        .map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned));
    match code.as_deref() {
        Some("9007") => {
            let mut candidates = vec![&KEY_ID, &SECRET, &MERCHANT, &SIGNATURE_FORM, &CLOCK, &HOST];
            candidates.extend(SIGNED);
            checks.means(
                "The key, the signature or the merchant is wrong: the platform says the same of all three.",
                &candidates,
            );
        }
        Some("9002") => checks.means("A page called without a session.", &[&CLIENT_SESSION]),
        Some("9008") => checks.means(
            "The page's session has expired, or is another customer's.",
            &[&CLIENT_EXPIRED],
        ),
        _ => {
            let about = body.pointer("/errors/0/propertyName").and_then(Value::as_str);
            if about.is_some_and(|name| name.contains("encryptedCustomerInput")) {
                checks.means("The encrypted card could not be used.", &[&INPUT_SESSION]);
            }
        }
    }
}

fn host(evidence: &Evidence, subject: &Exchange, checks: &mut Checks) {
    let Some(config) = evidence.config.as_ref().filter(|_| !subject.url.is_empty()) else {
        return;
    };
    // PAYONE's and Worldline's names for the same environment.
    let known: Vec<String> = match config.environment(ID).as_str() {
        "production" => [
            "https://payment.payone.com",
            "https://payment.direct.worldline-solutions.com",
        ]
        .map(Into::into)
        .into(),
        "custom" => [config.text(ID, "base_url"), config.text(ID, "client_api_url")]
            .into_iter()
            .flatten()
            .collect(),
        _ => [
            "https://payment.preprod.payone.com",
            "https://payment.preprod.direct.worldline-solutions.com",
        ]
        .map(Into::into)
        .into(),
    };
    let wrong = !known.iter().any(|base| subject.below(base).is_some());
    checks.decide(
        &HOST,
        wrong,
        if wrong {
            format!(
                "the request went to {}, which is not of the configuration's environment",
                subject.origin()
            )
        } else {
            "the request went to a host of the configuration's environment".to_owned()
        },
    );
}

/// Header names that are signed. A request with another one cannot be checked here.
const SIGNED_HEADERS: [&str; 6] = [
    "content-type",
    "date",
    "x-gcs-servermetainfo",
    "x-gcs-idempotence-key",
    "x-gcs-clientmetainfo",
    "x-gcs-date",
];

fn mac(secret: &[u8], text: &str) -> Option<[u8; 32]> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    Some(mac.chain_update(text).finalize().into_bytes().into())
}

fn signature(evidence: &Evidence, subject: &Exchange, authorization: &str, checks: &mut Checks) {
    let parts: Vec<&str> = authorization
        .strip_prefix("GCS v1HMAC:")
        .map(|rest| rest.splitn(2, ':').collect())
        .unwrap_or_default();
    let [key_id, given] = parts.as_slice() else {
        checks.fail(
            &SIGNATURE_FORM,
            "Authorization does not begin with `GCS v1HMAC:` and a key id",
        );
        return;
    };
    let Some(given) = STANDARD.decode(given).ok().filter(|bytes| bytes.len() == 32) else {
        checks.fail(&SIGNATURE_FORM, "the signature is not the base64 of 32 bytes");
        return;
    };
    checks.pass(&[&SIGNATURE_FORM], "Authorization has its form");
    clock(subject, checks);
    let Some(config) = &evidence.config else {
        checks.unknown(SIGNED, "there is no configuration to compare with");
        checks.unknown(
            &[&KEY_ID, &SECRET, &MERCHANT],
            "there is no configuration to compare with",
        );
        return;
    };
    merchant(config, subject, checks);
    let own = config.text(ID, "api_key_id").unwrap_or_default();
    checks.decide(
        &KEY_ID,
        own != *key_id,
        if own == *key_id {
            "the API key id is the configuration's"
        } else {
            "the API key id is not the configuration's"
        },
    );
    if own != *key_id {
        return;
    }
    let secret = config.text(ID, "secret_api_key").unwrap_or_default();
    compare(subject, &secret, &given, checks);
}

fn compare(subject: &Exchange, secret: &str, given: &[u8], checks: &mut Checks) {
    let mut headers: Vec<(&'static str, String)> = Vec::new();
    for (name, value) in &subject.headers {
        let lower = name.to_ascii_lowercase();
        match SIGNED_HEADERS.iter().find(|known| **known == lower) {
            Some(known) => headers.push((known, value.clone())),
            None if lower.starts_with("x-gcs") => {
                checks.unknown(SIGNED, "the request has an X-GCS header that is not documented");
                return;
            }
            None => {}
        }
    }
    let target = subject.target();
    let text = |headers: &[(&'static str, String)], resource: &str| {
        string_to_hash(&ToSign {
            method: &subject.method,
            resource,
            headers,
        })
    };
    let plain = text(&headers, target);
    let fits = |key: &[u8], text: &str| mac(key, text).is_some_and(|mac| mac.as_slice() == given);
    let key = secret.as_bytes();
    if fits(key, &plain) {
        checks.pass(
            SIGNED,
            "the signature is that of the request and the configuration's secret",
        );
        checks.unknown(
            &[&SECRET],
            "whether the platform takes the configuration's secret, --online asks",
        );
        return;
    }
    let with = |name: &'static str, value: &str| {
        let mut changed: Vec<_> = headers.iter().filter(|(own, _)| *own != name).cloned().collect();
        if !value.is_empty() {
            changed.push((name, value.to_owned()));
        }
        changed
    };
    let types = [
        "",
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=utf-8",
        "application/x-www-form-urlencoded",
    ];
    let decoded = STANDARD.decode(secret).ok();
    let path = target.split('?').next().unwrap_or_default();
    let targets = [
        path.to_owned(),
        subject.url.clone(),
        target.trim_start_matches('/').to_owned(),
        target.strip_prefix("/v2").unwrap_or_default().to_owned(),
    ];
    let found = if types
        .iter()
        .any(|value| fits(key, &text(&with("content-type", value), target)))
    {
        Some((
            &CONTENT_TYPE,
            "the signature fits with another Content-Type than the one that was sent",
        ))
    } else if fits(key, plain.trim_end_matches('\n')) {
        Some((&LINE_END, "the signature fits without the last line feed"))
    } else if targets
        .iter()
        .any(|resource| fits(key, &text(&headers, resource)))
    {
        Some((
            &PATH,
            "the signature fits with another path than the one that was sent",
        ))
    } else if decoded.is_some_and(|decoded| fits(&decoded, &plain)) {
        Some((&SECRET_DECODED, "the signature fits with the decoded secret"))
    } else if subject.header("date").is_none() {
        Some((&DATE, "there is no header Date"))
    } else if dates(subject)
        .iter()
        .any(|date| fits(key, &text(&with("date", date), target)))
    {
        Some((
            &DATE,
            "the signature fits with another Date than the one that was sent",
        ))
    } else {
        None
    };
    if let Some((cause, says)) = found {
        checks.fail(cause, says);
        let others: Vec<&'static Cause> = SIGNED.iter().copied().filter(|other| *other != cause).collect();
        checks.pass(&others, "the signature fits but for something else");
        if *cause != SECRET_DECODED {
            checks.pass(
                &[&SECRET],
                "the signature is made with the configuration's secret",
            );
        }
    } else {
        checks.fail(
            &SECRET,
            "the signature fits with no known way of signing and the configuration's secret",
        );
        checks.unknown(
            &[&DATE, &PATH],
            "a date or path that is not known may have been signed",
        );
    }
}

/// The dates around the one that was sent, in its form: a second date that was made for the signature.
fn dates(subject: &Exchange) -> Vec<String> {
    let Some(date) = subject.header("date").and_then(parsed) else {
        return Vec::new();
    };
    let around = (-90..=90).map(|seconds| date + time::Duration::seconds(seconds));
    let mut dates: Vec<String> = around.filter_map(imf).collect();
    dates.push(String::new());
    dates
}

fn parsed(date: &str) -> Option<OffsetDateTime> {
    let date = date.replace("GMT", "+0000");
    OffsetDateTime::parse(&date, &Rfc2822).ok()
}

/// `Sat, 21 Nov 2026 08:30:00 GMT`.
fn imf(date: OffsetDateTime) -> Option<String> {
    Some(date.format(&Rfc2822).ok()?.replace("+0000", "GMT"))
}

fn clock(subject: &Exchange, checks: &mut Checks) {
    let date = subject.header("date").and_then(parsed);
    let (Some(date), Some(at)) = (date, subject.at) else {
        checks.unknown(
            &[&CLOCK],
            "the Date of the request or the time at which it was sent is not known",
        );
        return;
    };
    // The platform's own clock, where it told it.
    let answered = subject
        .answer
        .as_ref()
        .and_then(|answer| answer.header("date"))
        .and_then(parsed);
    let minutes = (date - answered.unwrap_or(at)).whole_minutes();
    checks.decide(
        &CLOCK,
        minutes.abs() >= TOLERANCE_MINUTES,
        format!("the request's Date is {minutes} minutes from the time at which it was sent"),
    );
}

fn merchant(config: &Config, subject: &Exchange, checks: &mut Checks) {
    let own = config.text(ID, "merchant_id").unwrap_or_default();
    let Some((_, rest)) = subject.target().split_once("/v2/") else {
        checks.fail(&PATH, "the path does not begin with /v2/ and a merchant id");
        return;
    };
    let named = rest.split(['/', '?']).next().unwrap_or_default();
    checks.decide(
        &MERCHANT,
        named != own,
        if named == own {
            "the path names the configuration's merchant"
        } else {
            "the path does not name the configuration's merchant"
        },
    );
}

/// A session of the client API.
fn opened(evidence: &Evidence) -> Vec<(Option<OffsetDateTime>, Value)> {
    let given = evidence
        .session
        .clone()
        .map(|session| (None, Value::Object(session)));
    let answers = evidence.before().filter_map(|exchange| {
        let answer = exchange.answer.as_ref()?.json()?;
        answer.get("clientSessionId")?;
        Some((exchange.at, answer))
    });
    given.into_iter().chain(answers).collect()
}

fn client(evidence: &Evidence, subject: &Exchange, checks: &mut Checks) {
    let session = subject
        .header("authorization")
        .and_then(|value| value.strip_prefix("GCS v1Client:"));
    let Some(session) = session else {
        checks.fail(
            &CLIENT_SESSION,
            "Authorization is not `GCS v1Client:` and a session",
        );
        return;
    };
    let known = opened(evidence);
    let own = known
        .iter()
        .find(|(_, answer)| answer.get("clientSessionId").and_then(Value::as_str) == Some(session));
    let Some((at, answer)) = own else {
        checks.decide(
            &CLIENT_SESSION,
            !known.is_empty(),
            if known.is_empty() {
                "Authorization names a session"
            } else {
                "no session that is known has this id"
            },
        );
        checks.unknown(&[&CLIENT_EXPIRED], "how the session was opened is not known");
        return;
    };
    checks.pass(&[&CLIENT_SESSION], "Authorization names a session that is known");
    let customer = answer
        .get("customerId")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !subject.target().contains(&format!("/{customer}/")) {
        checks.fail(
            &CLIENT_EXPIRED,
            "the URL names another customerId than the session's",
        );
        return;
    }
    let age = at.zip(subject.at).map_or_else(String::new, |(opened, sent)| {
        format!(
            ", {} minutes after it was opened",
            (sent - opened).whole_minutes()
        )
    });
    // How long sessions last is not documented, but this answer has only two meanings.
    let refused = subject
        .answer
        .as_ref()
        .is_some_and(|answer| answer.body.contains("ACCESS_TO_CONSUMER_ID_NOT_ALLOWED"));
    checks.decide(
        &CLIENT_EXPIRED,
        refused,
        if refused {
            format!(
                "the URL names the session's own customer, and the platform refused it{age}: it has expired"
            )
        } else {
            "the URL names the session's own customer, and the platform did not refuse it".to_owned()
        },
    );
}

/// The encrypted card of a request.
fn sealed(subject: &Exchange) -> Option<String> {
    let body = subject.json()?;
    let text = ["encryptedCustomerInput", "encrypted_customer_input"]
        .iter()
        .find_map(|name| body.get(*name)?.as_str());
    text.map(str::to_owned)
}

/// What can be seen of an encrypted card from outside: its header.
fn input(evidence: &Evidence, text: &str, checks: &mut Checks) {
    let header: Option<Value> = text
        .split('.')
        .next()
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok())
        .and_then(|header| serde_json::from_slice(&header).ok());
    let Some(header) = header.filter(|_| text.split('.').count() == 5) else {
        checks.fail(
            &INPUT_SESSION,
            "the encrypted card is not five parts of base64url",
        );
        return;
    };
    let earlier = evidence
        .before()
        .any(|exchange| sealed(exchange).as_deref() == Some(text));
    if earlier {
        checks.fail(&INPUT_SESSION, "the same encrypted card was submitted before");
        return;
    }
    let keys: Vec<Value> = evidence
        .before()
        .filter_map(|exchange| {
            let answer = exchange.answer.as_ref()?.json()?;
            answer.get("publicKey")?;
            answer.get("keyId").cloned()
        })
        .collect();
    if keys.is_empty() {
        checks.unknown(
            &[&INPUT_SESSION],
            "the key that the platform gave is not among the requests",
        );
    } else {
        let known = header.get("kid").is_some_and(|kid| keys.contains(kid));
        checks.decide(
            &INPUT_SESSION,
            !known,
            if known {
                "the encrypted card names the key that the platform gave"
            } else {
                "the encrypted card names another key than the platform gave"
            },
        );
    }
}

/// Asks the platform.
async fn ask(asker: &Asker<'_>, checks: &mut Checks) -> std::result::Result<(), String> {
    let base = asker.base(
        "base_url",
        &[
            ("sandbox", "https://payment.preprod.payone.com"),
            ("production", "https://payment.payone.com"),
        ],
    )?;
    let path = format!("/v2/{}/services/testconnection", asker.setting("merchant_id")?);
    let date = OffsetDateTime::now_utc()
        .format(&Rfc2822)
        .map_err(|error| error.to_string())?
        .replace("+0000", "GMT");
    let headers = [("date", date.clone())];
    let signer = V1HmacAuthenticator::new(
        asker.setting("api_key_id")?,
        asker.setting("secret_api_key")?.into(),
    );
    let signature = signer.sign(&ToSign {
        method: "GET",
        resource: &path,
        headers: &headers,
    });
    // Signed is what is sent: no content-type without a body.
    let request = Request {
        method: "GET",
        url: [&base, &*path].concat(),
        headers: vec![
            ("accept", "application/json".into()),
            ("date", date),
            ("authorization", signature.expose_secret().to_owned()),
        ],
        body: String::new(),
    };
    let (answer, _) = asker.send(request).await?;
    let asked = [&SECRET, &KEY_ID, &MERCHANT];
    match answer.status {
        200 => checks.pass(
            &asked,
            "asked: the platform takes the configuration's merchant, key and secret",
        ),
        403 => checks.fail(
            &SECRET,
            "asked: the platform does not take the configuration's merchant, key and secret together",
        ),
        _ => {}
    }
    Ok(())
}

/// The encrypted card, and the whole request if the session is the server's.
fn pack(packer: &Packer<'_>) -> Result<Value> {
    let session = packer.needed("clientSessionId")?;
    let values = Values::new(&packer.card, false);
    let payload = Payload {
        client_session_id: &session,
        product: packer.options.product,
        purpose: match packer.kind {
            Kind::Tokenize | Kind::Update => Use::Tokenize,
            Kind::Payment => Use::Payment { tokenize: false },
        },
        device: "{}",
        values: &values,
    };
    let nonce = online_payments::nonce(&mut SystemRandom).map_err(|error| failure(&error))?;
    let kid = packer
        .options
        .key_id
        .clone()
        .ok_or_else(|| Failure::usage("Online Payments' key has an id: --key-id is needed"))?;
    let encrypted = encrypted(&packer.public_key()?, &kid, payload.plaintext(&nonce).as_bytes())?;
    match packer.member("id") {
        Some(id) => {
            let request = online_payments::hand_over(
                &packer.server()?,
                packer.kind,
                &id,
                &encrypted,
                packer.options.product,
            );
            Ok(written(&request))
        }
        None => Ok(json!({ "encryptedCustomerInput": encrypted })),
    }
}

/// JWE compact with RSA-OAEP and A256CBC-HS512, which in a page the browser encrypts.
fn encrypted(key: &str, kid: &str, text: &[u8]) -> Result<String> {
    let failed = || Failure::wrong("the card could not be encrypted");
    let numbers = cardseal::crypto::public_key::Numbers::parse(key).map_err(|error| failure(&error))?;
    let modulus = BoxedUint::from_be_slice_vartime(numbers.modulus());
    let key = rsa::PublicKey::new(modulus, numbers.exponent().into()).map_err(|_| failed())?;
    let mut content_key = Zeroizing::new([0; 64]);
    let mut iv = [0; 16];
    SystemRandom
        .fill(&mut *content_key)
        .map_err(|error| failure(&error))?;
    SystemRandom.fill(&mut iv).map_err(|error| failure(&error))?;
    let wrapped = key
        .oaep_encrypt_with_rng::<Sha1, _>(&mut SysRng, &*content_key)
        .map_err(|_| failed())?;
    let (mac_key, cipher_key) = content_key.split_at(32);
    let header = json!({ "alg": "RSA-OAEP", "enc": "A256CBC-HS512", "kid": kid });
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let cipher = Encryptor::<Aes256>::new_from_slices(cipher_key, &iv)
        .map_err(|_| failed())?
        .encrypt_padded_vec::<Pkcs7>(text);
    let bits = 8 * u64::try_from(header.len()).unwrap_or_default();
    let tag = Hmac::<Sha512>::new_from_slice(mac_key)
        .map_err(|_| failed())?
        .chain_update(&header)
        .chain_update(iv)
        .chain_update(&cipher)
        .chain_update(bits.to_be_bytes())
        .finalize()
        .into_bytes();
    let tag = tag.get(..32).ok_or_else(failed)?;
    let [wrapped, iv, cipher, tag] = [&*wrapped, &iv, &*cipher, tag].map(|part| URL_SAFE_NO_PAD.encode(part));
    Ok(format!("{header}.{wrapped}.{iv}.{cipher}.{tag}"))
}

fn notified(request: &Exchange, config: &Config) -> Result<(bool, String)> {
    let keys = config.pairs(ID, "webhook_keys", ["id", "secret"]);
    Ok(verified(request, &keys, config.text(ID, "secret_api_key")))
}

fn verified(request: &Exchange, keys: &[[String; 2]], api_secret: Option<String>) -> (bool, String) {
    let headers: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let named = request.header("x-gcs-keyid").unwrap_or_default();
    let fits = |id: &str, secret: &str| {
        let store = InMemorySecretKeyStore::default();
        store.store_secret_key(id, secret.to_owned().into());
        WebhooksHelper::new(std::sync::Arc::new(store))
            .verify(request.body.as_bytes(), &headers)
            .is_ok()
    };
    if keys.iter().any(|[id, secret]| fits(id, secret)) {
        return (
            true,
            "the signature covers the body; it has no time, so remember the event's id".into(),
        );
    }
    let says = if request.header("x-gcs-signature").is_none() || named.is_empty() {
        "the headers X-GCS-Signature and X-GCS-KeyId are needed, once each"
    } else if api_secret.is_some_and(|secret| fits(named, &secret)) {
        "the signature fits the secret of the API key: the webhook's key pair is another"
    } else if !keys.iter().any(|[id, _]| id == named) {
        "the configuration's webhook_keys do not have the key id that the notification names"
    } else {
        "the signature does not fit the body and the secret: another secret, or the body was changed or written again"
    };
    (false, says.into())
}
