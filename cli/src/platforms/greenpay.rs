//! GreenPay. Its answers name the symptom at best: whatever keeps a card from being opened is "Session not exists or is
//! wrong", and whatever is wrong with a session is "Session not found".

use cardseal::crypto::public_key::{Numbers, PublicKey};
use cardseal::greenpay::{
    self, GreenPay, Hosts, OrderInput, Payload, Place, SESSION_SECONDS, Verb, platform_code,
};
use cardseal::platform::Platform;
use cardseal::random::SystemRandom;
use cardseal::session::Kind;
use cardseal_sandbox::greenpay::decrypt::wrapped;
use serde_json::{Map, Value, json};

use super::Entry;
use crate::Result;
use crate::args::Counter as CounterForm;
use crate::capture::Exchange;
use crate::config::Config;
use crate::doctor::online::{Asker, nonce, post, test_card};
use crate::doctor::{Cause, Checks, Evidence, causes};
use crate::greenpay::{Counter, Failed, Opened, open};
use crate::now_ms;
use crate::output::Failure;
use crate::pack::{Packer, failure, written};
use crate::uuid::is_uuid;
use crate::verify::{setting, signed};

const ID: Platform = Platform::GreenPay;

causes! {
    KEY_WRONG = "greenpay.key_wrong",
        "The card is encrypted with another key than the one that the platform has for this merchant.",
        "the page's key (--public-key) with the configuration, or a test key (--private-key)",
        "Have the page take the key that GreenPay issued for this merchant and this environment; look at both with `cardseal key`.";
    KEY_OTHER_ENVIRONMENT = "greenpay.key_of_other_environment",
        "The card is encrypted with the key of the other environment.",
        "the other environment's configuration: a second --config",
        "Take the key that GreenPay issued for this environment: each has its own.";
    KEY_NEVER_SET = "greenpay.key_never_set",
        "The library encrypted with a key pair of its own: encrypt() was called before setPublicKey(), or the key was not understood.",
        "the page's key (--public-key) and a test key (--private-key)",
        "Call setPublicKey() first, and check its key: jsencrypt draws a new key pair silently when it has none.";
    LK_FALSE = "greenpay.lk_false",
        "`lk` is false: the RSA library refused, because its text is too long for the key or the key is not understood.",
        "the request: --request",
        "Send `s` as one number, not sixteen: sixteen do not fit a 1024-bit key. Check the key with `cardseal key`.";
    LK_PLUS_LOST = "greenpay.lk_plus_lost",
        "Every + of `lk` became a space: the body was sent or read as a form.",
        "the request: --request",
        "Send JSON with content-type: application/json, or percent-encode the value.";
    LK_PERCENT_ENCODED = "greenpay.lk_percent_encoded",
        "`lk` is percent-encoded inside JSON.",
        "the request: --request",
        "Send the base64 as it is; only forms and URLs are percent-encoded.";
    LK_HEX = "greenpay.lk_hex",
        "`lk` is hex where base64 belongs.",
        "the request: --request",
        "Encode `lk` as base64 and `ld` as hex.";
    LK_NOT_BASE64 = "greenpay.lk_not_base64",
        "`lk` is not base64.",
        "the request: --request",
        "Send the RSA ciphertext as base64 with the standard alphabet, on one line.";
    LK_LENGTH = "greenpay.lk_length",
        "`lk` does not have the length of the key: it was encrypted with a key of another size, or cut off.",
        "the request and the configuration's key",
        "Compare the sizes with `cardseal key`; a 1024-bit key gives 172 characters, a 2048-bit key 344.";
    LK_OAEP = "greenpay.lk_oaep",
        "`lk` is padded by OAEP; the platform opens PKCS #1 v1.5 only.",
        "a test key (--private-key)",
        "Use RSAES-PKCS1-v1_5. WebCrypto does not have it: use Cardseal's module.";
    LK_NOT_JSON = "greenpay.lk_not_json",
        "Inside `lk` is not the JSON object {\"k\":[…],\"s\":…}, but something else, such as the bare key.",
        "a test key (--private-key)",
        "Encrypt the text {\"k\":[16 numbers],\"s\":number}, not the bytes of the key.";
    K_FORM = "greenpay.k_form",
        "The AES key inside `lk` is not a list of sixteen numbers from 0 to 255.",
        "a test key (--private-key)",
        "Write `k` as [0,…,255]: unsigned numbers, a list, no base64.";
    COUNTER_FORM = "greenpay.counter_form",
        "The counter inside `lk` has a form that the platform's library refuses.",
        "a test key (--private-key)",
        "Write `s` as one whole number from 0 to 254, without quotes.";
    COUNTER_ABSENT = "greenpay.counter_absent",
        "There is no `s` inside `lk`, which means 1, and the text was encrypted with another counter.",
        "a test key (--private-key)",
        "Always write `s`, also if it is 0.";
    COUNTER_OTHER = "greenpay.counter_other",
        "The text is encrypted with another counter block than `s` says.",
        "a test key (--private-key)",
        "Build the block from `s` as a big-endian number in the last of sixteen bytes, the others being zero.";
    COUNTER_TOO_LARGE = "greenpay.counter_too_large",
        "`s` is above 2147483647, where the versions of the platform's library make different counter blocks.",
        "a test key (--private-key)",
        "Draw `s` from 0 to 254, as every known client does.";
    LD_BASE64 = "greenpay.ld_base64",
        "`ld` is base64 where hex belongs.",
        "the request: --request",
        "Encode `ld` as lower-case hex and `lk` as base64.";
    LD_CUT = "greenpay.ld_cut",
        "`ld` is cut off: a part of the text is missing.",
        "the request, and a test key (--private-key) if the rest is hex",
        "Look for a column, field or log that cuts long texts between the page and the platform.";
    LD_NOT_HEX = "greenpay.ld_not_hex",
        "`ld` is not hex.",
        "the request: --request",
        "Send the ciphertext as hex, two digits for each byte, without blanks or 0x.";
    LD_MODE = "greenpay.ld_mode",
        "`ld` is encrypted in another mode than CTR.",
        "a test key (--private-key)",
        "Use AES-128 in counter mode, without padding.";
    NOT_UTF8 = "greenpay.text_not_utf8",
        "The text inside `ld` is Latin-1, not UTF-8.",
        "a test key (--private-key)",
        "Encode the JSON as UTF-8 before encryption; names have letters outside ASCII.";
    FOUR_BYTES = "greenpay.four_byte_character",
        "The text has a character above U+FFFF, such as an emoji, which the platform's library reads wrongly.",
        "a test key (--private-key)",
        "Write such characters as JSON escapes (\\ud83d\\ude00), as Cardseal's module does.";
    JSON_TWICE = "greenpay.json_twice",
        "The text inside `ld` is JSON inside a JSON string: it was stringified twice.",
        "a test key (--private-key)",
        "Call JSON.stringify once.";
    NOT_OBJECT = "greenpay.text_not_object",
        "The text inside `ld` is JSON, but not the object with `card`.",
        "a test key (--private-key)",
        "Encrypt the object {\"card\":{…}} itself.";
    TOKEN_FOR_CARD = "greenpay.token_where_card_belongs",
        "`ld` holds a card token where a card belongs.",
        "a test key (--private-key), or the length of `ld`",
        "To charge a stored card, call /tokenPayment from the server; `ld` is for cards.";
    CARD_MISSING = "greenpay.card_missing",
        "The object inside `ld` has no `card`.",
        "a test key (--private-key)",
        "Put the card's members inside `card`: {\"card\":{\"cardHolder\":…}}.";
    UPDATE_WITHOUT_TOKEN = "greenpay.update_without_token",
        "An update names no card token: `token` belongs beside `card`, inside `ld`.",
        "a test key (--private-key)",
        "Add \"token\" at the top level of the encrypted object, or call /tokenize for a new card.";
    PAN_NOT_DIGITS = "greenpay.pan_not_digits",
        "`cardNumber` is not 12 to 19 digits: blanks or dashes were left in, or it is something else.",
        "a test key (--private-key)",
        "Remove blanks and dashes before encryption.";
    NICKNAME_LENGTH = "greenpay.nickname_length",
        "The nickname is missing, or has not 6 to 49 characters, which storing a card needs.",
        "a test key (--private-key)",
        "Send a nickname of 6 to 49 characters.";
    CARD_FIELD = "greenpay.card_field",
        "A member of the card is missing or has another form.",
        "a test key (--private-key)",
        "Send cardHolder, cvc as text of 3 or 4 digits, and expirationDate with month 1 to 12 and a year of two digits.";
    BODY_INCOMPLETE = "greenpay.body_incomplete",
        "The body is not JSON with `session`, `ld` and `lk` as text.",
        "the request: --request",
        "Send exactly these three members, as JSON; upper-case I and lower-case l are easily mistaken in `lk` and `ld`.";
    SESSION_EXPIRED = "greenpay.session_expired",
        "The session is older than thirty minutes.",
        "when the session was opened (its created_at in --session, or the order among the requests) and when the card was sent",
        "Open the session when the shopper pays, not when the page loads; open a new one after an expiry.";
    SESSION_USED = "greenpay.session_used",
        "The session was used already: it works once.",
        "the earlier requests: a HAR file, or --request several times",
        "Open a session for each attempt that succeeded; disable the button while a request is under way.";
    SESSION_KIND = "greenpay.session_wrong_kind",
        "The session was opened for something else: a tokenization's takes no payment, and the other way round.",
        "the order among the requests, or `kind` in --session",
        "POST /tokenize at the merchant host opens a session for /tokenize, POST / one for /kount and /.";
    SESSION_ENVIRONMENT = "greenpay.session_of_other_environment",
        "The card was sent to another environment than the session was opened in.",
        "the request's URL and the configuration, or the order among the requests",
        "Take merchant host, checkout host, key and credentials of one environment.";
    SESSION_UNKNOWN = "greenpay.session_unknown",
        "The platform did not give this session.",
        "the session as it was opened: --session, or the order among the requests",
        "Pass the session that the platform returned, unchanged.";
    SESSION_NOT_PLATFORMS = "greenpay.session_not_the_platforms",
        "`session` is not the platform's: it is no UUID. In relay mode a page has only the server's own id (ses_…).",
        "the request: --request",
        "Send relayed cards to the server, /v1/tokens or /v1/payments; only direct sessions go to the platform.";
    LISZT_MISSING = "greenpay.liszt_token_missing",
        "The header liszt-token is missing or no UUID.",
        "the request with its headers: --request",
        "Send the order's `token` as the header liszt-token.";
    LISZT_SWAPPED = "greenpay.liszt_token_swapped",
        "`session` and liszt-token are swapped, or the same.",
        "the session as it was opened: --session, or the order among the requests",
        "`session` goes into the body, `token` into the header liszt-token.";
    LISZT_OTHER = "greenpay.liszt_token_of_other_order",
        "The header liszt-token is not the token of this session's order.",
        "the session as it was opened: --session, or the order among the requests",
        "Keep `session` and `token` of an order together.";
    MERCHANT_ID = "greenpay.merchant_id_differs",
        "The request has another merchantId than the configuration.",
        "the request and the configuration",
        "Use the merchant id that GreenPay issued for this environment.";
    SECRET = "greenpay.secret_differs",
        "The request has another secret than the configuration, or the configuration's own is not accepted.",
        "the request and the configuration, or --online",
        "Copy the secret again, whole and without blanks at its ends, from what GreenPay issued for this environment.";
    TERMINAL = "greenpay.terminal_unknown",
        "The request names a terminal that the configuration does not have.",
        "the request and the configuration",
        "Use the terminal that GreenPay issued for this currency.";
    TERMINAL_CURRENCY = "greenpay.terminal_of_other_currency",
        "The terminal is that of another currency.",
        "the request and the configuration",
        "Each currency has its own terminal.";
}

/// What keeps the platform from opening a card.
static NOT_OPENED: &[&Cause] = &[
    &KEY_WRONG,
    &KEY_OTHER_ENVIRONMENT,
    &KEY_NEVER_SET,
    &LK_FALSE,
    &LK_PLUS_LOST,
    &LK_PERCENT_ENCODED,
    &LK_HEX,
    &LK_NOT_BASE64,
    &LK_LENGTH,
    &LK_OAEP,
    &LK_NOT_JSON,
    &K_FORM,
    &COUNTER_FORM,
    &COUNTER_ABSENT,
    &COUNTER_OTHER,
    &COUNTER_TOO_LARGE,
    &LD_BASE64,
    &LD_CUT,
    &LD_NOT_HEX,
    &LD_MODE,
    &NOT_UTF8,
    &FOUR_BYTES,
    &JSON_TWICE,
    &NOT_OBJECT,
];
/// What only a test key shows.
static INSIDE_LK: &[&Cause] = &[&LK_NOT_JSON, &K_FORM, &COUNTER_FORM, &COUNTER_ABSENT];
static INSIDE_LD: &[&Cause] = &[
    &COUNTER_OTHER,
    &COUNTER_TOO_LARGE,
    &LD_MODE,
    &NOT_UTF8,
    &FOUR_BYTES,
    &JSON_TWICE,
    &NOT_OBJECT,
];
static KEYS: &[&Cause] = &[&KEY_WRONG, &KEY_OTHER_ENVIRONMENT, &KEY_NEVER_SET, &LK_OAEP];
static SESSION: &[&Cause] = &[
    &SESSION_EXPIRED,
    &SESSION_USED,
    &SESSION_KIND,
    &SESSION_ENVIRONMENT,
    &SESSION_UNKNOWN,
];
static LISZT: &[&Cause] = &[&LISZT_SWAPPED, &LISZT_OTHER, &SESSION_EXPIRED];

/// The shortest JSON of a card with a number of twelve digits and a name of one letter.
const SHORTEST_CARD: usize =
    r#"{"card":{"cardHolder":"A","expirationDate":{"month":1,"year":1},"cardNumber":"123456789012","cvc":"123"}}"#
        .len();

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
    let body = exchange.json().unwrap_or_default();
    body.contains_key("ld")
        || body.contains_key("lk")
        || is_checkout(exchange)
        || exchange.origin().ends_with("greenpay.me")
}

fn check(evidence: &Evidence, checks: &mut Checks) {
    let Some(subject) = evidence.subject() else { return };
    meaning(subject, checks);
    let body = subject.json();
    let is_card = body
        .as_ref()
        .is_some_and(|body| body.contains_key("ld") || body.contains_key("lk"));
    if is_card || is_checkout(subject) {
        submission(evidence, subject, body.as_ref(), checks);
    } else if let Some(body) = &body {
        merchant_call(evidence, body, checks);
    }
}

fn is_checkout(exchange: &Exchange) -> bool {
    exchange.header("liszt-token").is_some()
}

/// What the answer says, and what it can mean.
fn meaning(subject: &Exchange, checks: &mut Checks) {
    let Some(answer) = &subject.answer else { return };
    let code = platform_code(&answer.body);
    let body = answer.json();
    let errors = body
        .as_ref()
        .and_then(|body| body.get("errors"))
        .map(Value::to_string);
    let says = |text: &str| {
        errors
            .as_deref()
            .is_some_and(|errors| errors.to_ascii_lowercase().contains(text))
    };
    match code {
        Some("not_decryptable") => checks.means(
            "The platform could not open the card, although the words are about the session. In which order it checks is \
             not documented, so the session is looked at too.",
            &[NOT_OPENED, SESSION].concat(),
        ),
        Some("session_not_found") => checks.means(
            "The session is unknown, expired, used up, or of another kind.",
            SESSION,
        ),
        Some("invalid_session_token") => checks.means(
            "The header liszt-token does not belong to the session, or both have expired.",
            LISZT,
        ),
        Some("invalid_uuid") => checks.means(
            "A value that must be a UUID is none: an error of the platform's database, passed on.",
            &[&SESSION_NOT_PLATFORMS, &LISZT_MISSING],
        ),
        Some("merchant_unknown") => checks.means("merchantId or secret is wrong.", &[&MERCHANT_ID, &SECRET]),
        Some("terminal_unknown") => checks.means(
            "The terminal is unknown, or of another currency.",
            &[&TERMINAL, &TERMINAL_CURRENCY],
        ),
        Some("invalid_pan") => checks.means(
            "The card was opened; its number is none.",
            &[&PAN_NOT_DIGITS, &TOKEN_FOR_CARD],
        ),
        Some("invalid_card_token") => checks.means(
            "The card was opened; the token beside it is missing or unknown.",
            &[&UPDATE_WITHOUT_TOKEN],
        ),
        _ if says("invalid currency") => {
            checks.means("The terminal is of another currency.", &[&TERMINAL_CURRENCY, &TERMINAL]);
        }
        _ if says("invalid nickname") => checks.means("The card was opened; its nickname is wrong.", &[&NICKNAME_LENGTH]),
        _ if says("invalid card holder") || says("invalid expiration") || says("invalid cvc") => {
            checks.means("The card was opened; a member of it is wrong.", &[&CARD_FIELD]);
        }
        _ if says("invalid card") => checks.means(
            "The text was opened, and holds no card.",
            &[&CARD_MISSING, &TOKEN_FOR_CARD],
        ),
        _ if says("invalid request body") => {
            checks.means("The body lacks a member.", &[&BODY_INCOMPLETE, &LK_FALSE]);
        }
        _ => {}
    }
}

fn submission(
    evidence: &Evidence,
    subject: &Exchange,
    body: Option<&Map<String, Value>>,
    checks: &mut Checks,
) {
    let text = |name: &str| body.and_then(|body| body.get(name)).and_then(Value::as_str);
    let lk_is_false = body.and_then(|body| body.get("lk")) == Some(&Value::Bool(false));
    checks.decide(
        &LK_FALSE,
        lk_is_false,
        if lk_is_false {
            "`lk` is the value false"
        } else {
            "`lk` is not false"
        },
    );
    let (Some(ld), Some(lk)) = (text("ld"), text("lk")) else {
        let missing: Vec<&str> = ["session", "ld", "lk"]
            .into_iter()
            .filter(|name| text(name).is_none() && !(lk_is_false && *name == "lk"))
            .collect();
        if !missing.is_empty() {
            checks.fail(
                &BODY_INCOMPLETE,
                format!("missing, or not text: {}", missing.join(", ")),
            );
        }
        session(evidence, subject, text("session"), checks);
        return;
    };
    checks.decide(
        &BODY_INCOMPLETE,
        text("session").is_none(),
        "`ld` and `lk` are text",
    );
    if forms(evidence, ld, lk, checks) {
        keys(evidence, checks);
        match &evidence.private_key {
            Some(keys) => opened(evidence, subject, open(keys, ld, lk), checks),
            None => closed(evidence, subject, ld, lk, checks),
        }
    }
    session(evidence, subject, text("session"), checks);
}

/// The text forms, which need no key. Whether anything can be opened at all.
fn forms(evidence: &Evidence, ld: &str, lk: &str, checks: &mut Checks) -> bool {
    let is_hex = |text: &str| text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let inner = lk.trim().contains(' ');
    let is_percent = |text: &str| {
        ["%2B", "%2F", "%3D", "%2b", "%2f", "%3d"]
            .iter()
            .any(|code| text.contains(code))
    };
    let bytes = wrapped(lk).filter(|bytes| !bytes.is_empty());
    let lk_wrong = if inner {
        checks.fail(&LK_PLUS_LOST, "`lk` has blanks inside, and base64 has none");
        true
    } else if is_percent(lk) {
        checks.fail(&LK_PERCENT_ENCODED, "`lk` has %2B, %2F or %3D in it");
        true
    } else if is_hex(lk) && lk.len() >= 254 {
        checks.fail(&LK_HEX, format!("`lk` is {} hex digits", lk.len()));
        true
    } else if bytes.is_none() {
        checks.fail(&LK_NOT_BASE64, "`lk` has other characters than base64, or none");
        true
    } else {
        checks.pass(
            &[&LK_PLUS_LOST, &LK_PERCENT_ENCODED, &LK_HEX, &LK_NOT_BASE64],
            "`lk` is base64",
        );
        false
    };
    let ld_wrong = if is_hex(ld) && ld.len().is_multiple_of(2) {
        checks.pass(&[&LD_BASE64, &LD_NOT_HEX], "`ld` is hex, whole bytes");
        false
    } else if is_hex(ld) {
        checks.fail(&LD_CUT, format!("`ld` has {} digits, an odd number", ld.len()));
        true
    } else if is_decorated_hex(ld) {
        checks.fail(
            &LD_NOT_HEX,
            "`ld` is hex with something before or between its digits",
        );
        true
    } else if wrapped(ld).is_some_and(|bytes| bytes.len() >= SHORTEST_CARD / 2) {
        checks.fail(&LD_BASE64, "`ld` is base64");
        true
    } else {
        checks.fail(&LD_NOT_HEX, "`ld` has other characters than hex digits, or none");
        true
    };
    if let Some((bytes, key)) = bytes.filter(|_| !lk_wrong).zip(known_key(evidence)) {
        let modulus = key.modulus();
        // Old libraries drop leading zeros; more than four are cut off rather than dropped.
        let fits = bytes.len() <= modulus.len() && bytes.len() + 4 >= modulus.len();
        checks.decide(
            &LK_LENGTH,
            !fits,
            format!("`lk` has {} bytes, the key {}", bytes.len(), modulus.len()),
        );
        return fits && !ld_wrong;
    }
    !lk_wrong && !ld_wrong
}

/// Hex with 0x, blanks or colons, which base64 of this length never looks like.
fn is_decorated_hex(text: &str) -> bool {
    let plain: String = text
        .trim_start_matches("0x")
        .chars()
        .filter(|c| !matches!(c, ' ' | ':' | '-' | '\n' | '\r'))
        .collect();
    plain.len() >= SHORTEST_CARD && plain.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The key that the platform is to open with: of the test key, or else of the configuration.
fn known_key(evidence: &Evidence) -> Option<Numbers> {
    let configured = || evidence.config.as_ref()?.text(ID, "public_key");
    let text = match &evidence.private_key {
        Some(keys) => keys.public().to_owned(),
        None => configured()?,
    };
    Numbers::parse(&text).ok()
}

fn parsed(text: Option<String>) -> Option<Numbers> {
    Numbers::parse(&text?).ok()
}

/// The key that the page packs with: as given, or as the configuration hands it out.
fn page_key(evidence: &Evidence) -> Option<Numbers> {
    parsed(evidence.page_key.clone()).or_else(|| parsed(evidence.config.as_ref()?.text(ID, "public_key")))
}

/// Compares the keys that are known with each other.
fn keys(evidence: &Evidence, checks: &mut Checks) {
    let configured = evidence
        .config
        .as_ref()
        .and_then(|config| parsed(config.text(ID, "public_key")));
    let page = page_key(evidence);
    let theirs = evidence
        .private_key
        .as_ref()
        .and_then(|keys| Numbers::parse(keys.public()).ok());
    let environment = evidence.config.as_ref().map(|config| config.environment(ID));
    for other in &evidence.others {
        let Some(foreign) = parsed(other.text(ID, "public_key")) else {
            continue;
        };
        let elsewhere = environment.as_ref() != Some(&other.environment(ID))
            || base(other) != evidence.config.as_ref().and_then(base);
        if !elsewhere {
            continue;
        }
        let same = page.as_ref() == Some(&foreign);
        // It may be that the other file is the one with the wrong key: a test key says whose it is.
        let theirs_too = theirs.as_ref() == Some(&foreign);
        let says = if same {
            format!("the page's key is that of {}", other.name)
        } else {
            format!("the page's key is not that of {}", other.name)
        };
        checks.decide(&KEY_OTHER_ENVIRONMENT, same && !theirs_too, says);
    }
    // Without a key of its own, the page packs with the one that the configuration hands out.
    if let (None, Some(configured), Some(theirs)) = (&evidence.page_key, &configured, &theirs)
        && configured != theirs
        && !checks.state_is_found(&KEY_OTHER_ENVIRONMENT)
    {
        checks.fail(
            &KEY_WRONG,
            "the configuration's key is not the public half of the test key",
        );
    }
    if let (Some(configured), Some(page)) = (&configured, parsed(evidence.page_key.clone())) {
        let right = theirs.as_ref().unwrap_or(configured);
        if page != *right && !checks.state_is_found(&KEY_OTHER_ENVIRONMENT) {
            checks.fail(
                &KEY_WRONG,
                "the page's key is not that of the configuration or the test key",
            );
        }
    }
}

fn base(config: &Config) -> Option<String> {
    Some(match config.environment(ID).as_str() {
        "sandbox" => Hosts::Sandbox.checkout().into(),
        "production" => Hosts::Production.checkout().into(),
        _ => config.text(ID, "checkout_url")?,
    })
}

/// What can be said without a test key.
fn closed(evidence: &Evidence, subject: &Exchange, ld: &str, lk: &str, checks: &mut Checks) {
    if let Some((bytes, key)) = wrapped(lk).zip(known_key(evidence)) {
        let modulus = key.modulus();
        // A ciphertext is a number below the modulus it was made with.
        let above = bytes.len() == modulus.len() && bytes.as_slice() >= modulus;
        if above && !checks.found() {
            checks.fail(
                &KEY_WRONG,
                "`lk` is a larger number than the key's modulus, so it was not made with this key",
            );
        }
    }
    let why = "only a test key opens `lk`: pack a test card against the sandbox, and give its key with --private-key";
    checks.unknown(KEYS, why);
    checks.unknown(INSIDE_LK, why);
    let bytes = ld.len() / 2;
    let short = bytes < SHORTEST_CARD;
    let update = subject.target().ends_with("/update");
    checks.decide(
        &TOKEN_FOR_CARD,
        short && !update,
        format!("`ld` has {bytes} bytes, and the shortest card {SHORTEST_CARD}"),
    );
    checks.unknown(
        INSIDE_LD,
        "what is inside `ld` is not known without the key inside `lk`",
    );
    checks.unknown(
        &[&LD_CUT],
        "`ld` is whole bytes; whether the text is whole is not known",
    );
}

/// What a test key shows.
fn opened(
    evidence: &Evidence,
    subject: &Exchange,
    result: std::result::Result<Opened, Failed>,
    checks: &mut Checks,
) {
    let inside = |checks: &mut Checks| {
        checks.pass(KEYS, "the test key opens `lk`");
    };
    let failed = match result {
        Ok(opened) => {
            inside(checks);
            checks.pass(INSIDE_LK, "inside `lk` is a key of sixteen numbers and a counter");
            checks.pass(INSIDE_LD, "`ld` opens to a JSON object");
            checks.pass(&[&LD_CUT], "the text inside `ld` is whole");
            content(subject, &opened, checks);
            return;
        }
        Err(failed) => failed,
    };
    match &failed {
        Failed::LkNotBase64 => checks.fail(&LK_NOT_BASE64, "`lk` is not base64"),
        Failed::LkLonger { bytes, modulus } => {
            checks.fail(&LK_LENGTH, format!("`lk` has {bytes} bytes, the key {modulus}"));
        }
        Failed::Oaep => {
            checks.fail(&LK_OAEP, "the test key opens `lk` with OAEP");
            checks.pass(&[&KEY_WRONG, &KEY_OTHER_ENVIRONMENT, &KEY_NEVER_SET], "it is this key");
        }
        Failed::OtherKey => other_key(evidence, checks),
        Failed::LkNotJson { bytes } => {
            checks.fail(&LK_NOT_JSON, format!("inside `lk` are {bytes} bytes, and no JSON object"));
        }
        Failed::KeyForm(form) => checks.fail(&K_FORM, format!("`k` {form}")),
        Failed::CounterForm(form) => checks.fail(&COUNTER_FORM, format!("`s` {form}")),
        Failed::LdNotHex => checks.fail(&LD_NOT_HEX, "`ld` is not hex"),
        Failed::OtherCounter(Counter::Absent) => {
            checks.fail(&COUNTER_ABSENT, "there is no `s`, and the text opens with another counter than 1");
        }
        Failed::OtherCounter(Counter::TooLarge) => {
            checks.fail(&COUNTER_TOO_LARGE, "`s` is above 2147483647");
        }
        Failed::OtherCounter(counter) => {
            let says = match counter {
                Counter::Repeated => "the text opens with `s` repeated in all sixteen bytes",
                Counter::First => "the text opens with `s` in the first bytes of the block (little-endian)",
                Counter::Zero => "the text opens with a counter of zero",
                Counter::Off => "the text opens with a counter that is one off",
                Counter::Block | Counter::Absent | Counter::TooLarge => {
                    "the text opens with a block of sixteen bytes of its own, of which `s` tells at most one"
                }
            };
            checks.fail(&COUNTER_OTHER, says);
        }
        Failed::OtherMode(mode) => checks.fail(&LD_MODE, format!("the text opens in {mode} mode")),
        Failed::Latin1 => checks.fail(&NOT_UTF8, "the text is no UTF-8, and JSON when read as Latin-1"),
        Failed::FourBytes => checks.fail(
            &FOUR_BYTES,
            "the text is JSON with a character of four bytes, which aes-js 3 decodes to something that is not JSON",
        ),
        Failed::CutOff => checks.fail(&LD_CUT, "the text begins as JSON and ends early"),
        Failed::Twice => checks.fail(&JSON_TWICE, "the text is a JSON string that holds JSON"),
        Failed::NotObject => checks.fail(&NOT_OBJECT, "the text is JSON, but no object"),
        Failed::Unknown => checks.unknown(
            INSIDE_LD,
            "`lk` opens, and `ld` opens with no counter, mode or encoding that is known",
        ),
    }
    // What comes before the step that failed is right.
    let key_is_right = !matches!(
        failed,
        Failed::LkNotBase64 | Failed::LkLonger { .. } | Failed::Oaep | Failed::OtherKey
    );
    if key_is_right {
        inside(checks);
        let lk_is_right = !matches!(
            failed,
            Failed::LkNotJson { .. }
                | Failed::KeyForm(_)
                | Failed::CounterForm(_)
                | Failed::OtherCounter(Counter::Absent)
        );
        if lk_is_right {
            checks.pass(INSIDE_LK, "inside `lk` is a key of sixteen numbers and a counter");
        }
    }
}

/// The test key does not open `lk`: whose key is it?
fn other_key(evidence: &Evidence, checks: &mut Checks) {
    if checks.state_is_found(&KEY_OTHER_ENVIRONMENT) || checks.state_is_found(&KEY_WRONG) {
        return;
    }
    let theirs = evidence
        .private_key
        .as_ref()
        .and_then(|keys| Numbers::parse(keys.public()).ok());
    let page = parsed(evidence.page_key.clone());
    if page.is_some() && page == theirs {
        checks.fail(
            &KEY_NEVER_SET,
            "the page has the right key, and `lk` was made with another one",
        );
    } else {
        checks.fail(&KEY_WRONG, "the test key does not open `lk`");
        checks.unknown(
            &[&KEY_NEVER_SET],
            "the page's key is not known, so it may be right and unused",
        );
    }
}

/// What a card needs, in what was opened.
fn content(subject: &Exchange, opened: &Opened, checks: &mut Checks) {
    let object = &opened.object;
    let update = subject.target().ends_with("/update");
    let tokenize = subject.target().contains("/tokenize");
    let token = object.get("token").and_then(Value::as_str);
    let Some(card) = object.get("card").and_then(Value::as_object) else {
        let bare_token = token.is_some();
        checks.decide(
            &TOKEN_FOR_CARD,
            bare_token,
            "what was opened has a token, and no card",
        );
        checks.decide(&CARD_MISSING, !bare_token, "what was opened has no member `card`");
        return;
    };
    let number = match card.get("cardNumber") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    checks.decide(
        &TOKEN_FOR_CARD,
        is_uuid(&number),
        if is_uuid(&number) {
            "`cardNumber` is a UUID, as card tokens are"
        } else {
            "what was opened has a card"
        },
    );
    checks.pass(&[&CARD_MISSING], "what was opened has a card");
    let digits = (12..=19).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    if !is_uuid(&number) {
        checks.decide(
            &PAN_NOT_DIGITS,
            !digits,
            if digits {
                "`cardNumber` is 12 to 19 digits"
            } else {
                "`cardNumber` is not 12 to 19 digits"
            },
        );
    }
    if update {
        let has = token.is_some_and(is_uuid);
        checks.decide(
            &UPDATE_WITHOUT_TOKEN,
            !has,
            if has {
                "there is a token beside the card"
            } else {
                "there is no UUID as `token` beside the card"
            },
        );
    }
    if tokenize {
        let length = card
            .get("nickname")
            .and_then(Value::as_str)
            .map_or(0, |name| name.encode_utf16().count());
        checks.decide(
            &NICKNAME_LENGTH,
            !(6..=49).contains(&length),
            format!("the nickname has {length} characters"),
        );
    }
    let wrong = wrong_fields(card);
    checks.decide(
        &CARD_FIELD,
        !wrong.is_empty(),
        if wrong.is_empty() {
            "the card's other members have their form".to_owned()
        } else {
            format!("missing, or of another form: {}", wrong.join(", "))
        },
    );
}

fn wrong_fields(card: &Map<String, Value>) -> Vec<&'static str> {
    let printed = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let date = card.get("expirationDate").and_then(Value::as_object);
    let month = printed(date.and_then(|date| date.get("month")));
    let year = printed(date.and_then(|date| date.get("year")));
    let cvc = printed(card.get("cvc"));
    let holder = card.get("cardHolder").and_then(Value::as_str).unwrap_or_default();
    let mut wrong = Vec::new();
    if holder.trim().is_empty() {
        wrong.push("cardHolder");
    }
    if !digits(&month) || !month.parse::<u8>().is_ok_and(|month| (1..=12).contains(&month)) {
        wrong.push("expirationDate.month");
    }
    if !digits(&year) || !matches!(year.len(), 1 | 2 | 4) {
        wrong.push("expirationDate.year");
    }
    if !digits(&cvc) || !matches!(cvc.len(), 3 | 4) {
        wrong.push("cvc");
    }
    wrong
}

/// An order, as far as it is known.
#[derive(Default)]
struct Order {
    session: Option<String>,
    token: Option<String>,
    /// Whether it is for a payment.
    payment: Option<bool>,
    created: Option<time::OffsetDateTime>,
    origin: Option<String>,
}

impl Order {
    /// From an answer of the merchant host to an order.
    fn of_exchange(exchange: &Exchange) -> Option<Self> {
        let answer = exchange.answer.as_ref()?.json()?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        let (session, token) = (text("session")?, text("token")?);
        let path = exchange.target();
        Some(Self {
            session: Some(session),
            token: Some(token),
            payment: Some(!path.ends_with("/tokenize")),
            created: exchange.at,
            origin: Some(exchange.origin()),
        })
    }

    fn of_session(session: &Map<String, Value>) -> Self {
        let text = |name: &str| session.get(name).and_then(Value::as_str).map(str::to_owned);
        let created = match session.get("created_at") {
            Some(Value::Number(ms)) => ms.as_i64().and_then(|ms| {
                time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok()
            }),
            Some(Value::String(text)) => {
                time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()
            }
            _ => None,
        };
        Self {
            session: text("session"),
            token: text("token"),
            payment: text("kind").map(|kind| kind == "payment"),
            created,
            origin: text("checkout_url").map(|url| {
                let exchange = Exchange {
                    url,
                    ..Exchange::default()
                };
                exchange.origin()
            }),
        }
    }
}

/// The order of the session, as far as the evidence has it, and what was done with the session before.
fn session(evidence: &Evidence, subject: &Exchange, session: Option<&str>, checks: &mut Checks) {
    let liszt = subject.header("liszt-token");
    let relayed = subject.target().contains("/v1/");
    if relayed {
        return;
    }
    if let Some(session) = session {
        checks.decide(
            &SESSION_NOT_PLATFORMS,
            !is_uuid(session),
            if is_uuid(session) {
                "`session` is a UUID"
            } else {
                "`session` is no UUID"
            },
        );
    }
    if !subject.headers.is_empty() {
        let fine = liszt.is_some_and(is_uuid);
        checks.decide(
            &LISZT_MISSING,
            !fine,
            match liszt {
                None => "there is no header liszt-token",
                Some(_) if fine => "liszt-token is a UUID",
                Some(_) => "liszt-token is no UUID",
            },
        );
    }
    environment(evidence, subject, checks);
    let orders: Vec<Order> = evidence
        .session
        .iter()
        .map(Order::of_session)
        .chain(evidence.before().filter_map(Order::of_exchange))
        .collect();
    let swapped = liszt.is_some()
        && orders.iter().any(|order| {
            order.session.as_deref() == liszt || (order.token.is_some() && order.token.as_deref() == session)
        });
    let same = session.is_some() && session == liszt;
    let own = orders
        .iter()
        .find(|order| order.session.is_some() && order.session.as_deref() == session);
    if swapped || same {
        checks.fail(
            &LISZT_SWAPPED,
            "`session` and liszt-token have each other's value, or the same",
        );
        return;
    }
    if orders.iter().all(|order| order.session.is_none()) {
        checks.unknown(
            &[&SESSION_UNKNOWN, &LISZT_OTHER, &LISZT_SWAPPED, &SESSION_KIND],
            "how the session was opened is not known",
        );
    } else if own.is_none() && session.is_some_and(is_uuid) {
        checks.fail(&SESSION_UNKNOWN, "no order that is known has this session");
    }
    let order = own.or_else(|| orders.first().filter(|_| evidence.session.is_some()));
    if let Some(own) = own {
        checks.pass(&[&SESSION_UNKNOWN], "an order that is known has this session");
        checks.pass(&[&LISZT_SWAPPED], "`session` is where it belongs");
        let fits = own.token.as_deref() == liszt;
        if liszt.is_some() && own.token.is_some() {
            checks.decide(
                &LISZT_OTHER,
                !fits,
                if fits {
                    "liszt-token is that of the order"
                } else {
                    "liszt-token is not that of the order"
                },
            );
        }
        kind(own, subject, checks);
        if let Some(origin) = own.origin.as_deref()
            && let Some(expected) = partner(origin)
        {
            checks.decide(
                &SESSION_ENVIRONMENT,
                subject.origin() != expected,
                format!("the order is of {origin}, the card went to {}", subject.origin()),
            );
        }
    }
    age(evidence, order, checks);
    let used = evidence.before().any(|earlier| {
        let answer = earlier.answer.as_ref();
        let body = answer.and_then(crate::capture::Answer::json);
        let succeeded = body
            .as_ref()
            .and_then(|body| body.get("status"))
            .and_then(Value::as_u64);
        let theirs = earlier.json();
        let theirs = theirs
            .as_ref()
            .and_then(|body| body.get("session"))
            .and_then(Value::as_str);
        theirs.is_some() && theirs == session && matches!(succeeded, Some(200 | 201)) && is_checkout(earlier)
    });
    if used {
        checks.fail(&SESSION_USED, "an earlier request with this session succeeded");
    } else {
        checks.unknown(
            &[&SESSION_USED],
            "no earlier use of the session is among the requests",
        );
    }
}

fn kind(order: &Order, subject: &Exchange, checks: &mut Checks) {
    let Some(payment) = order.payment.filter(|_| !subject.url.is_empty()) else {
        return;
    };
    let pays = !subject.target().contains("/tokenize");
    let word = |payment| if payment { "a payment" } else { "a tokenization" };
    checks.decide(
        &SESSION_KIND,
        payment != pays,
        format!(
            "the session was opened for {}, and used for {}",
            word(payment),
            word(pays)
        ),
    );
}

fn age(evidence: &Evidence, order: Option<&Order>, checks: &mut Checks) {
    let Some(created) = order.and_then(|order| order.created) else {
        checks.unknown(&[&SESSION_EXPIRED], "when the session was opened is not known");
        return;
    };
    let seconds = (evidence.sent_at() - created).whole_seconds();
    checks.decide(
        &SESSION_EXPIRED,
        seconds >= i64::from(SESSION_SECONDS),
        format!(
            "the card was sent {} minutes after the session was opened",
            seconds / 60
        ),
    );
}

/// The configuration's checkout host against where the card went.
fn environment(evidence: &Evidence, subject: &Exchange, checks: &mut Checks) {
    let Some(expected) = evidence
        .config
        .as_ref()
        .and_then(base)
        .filter(|_| !subject.url.is_empty())
    else {
        return;
    };
    let wrong = subject.below(&expected).is_none();
    let says = if wrong {
        format!(
            "the card went to {}, and the configuration has {expected}",
            subject.origin()
        )
    } else {
        "the card went to the configuration's checkout host".to_owned()
    };
    checks.decide(&SESSION_ENVIRONMENT, wrong, says);
}

/// The checkout host of the environment of a merchant host.
fn partner(origin: &str) -> Option<&'static str> {
    match origin {
        "https://sandbox-merchant.greenpay.me" => Some(Hosts::Sandbox.checkout()),
        "https://merchant.greenpay.me" => Some(Hosts::Production.checkout()),
        _ => None,
    }
}

/// A call of the merchant's server.
fn merchant_call(evidence: &Evidence, body: &Map<String, Value>, checks: &mut Checks) {
    let Some(config) = &evidence.config else {
        checks.unknown(
            &[&MERCHANT_ID, &SECRET, &TERMINAL, &TERMINAL_CURRENCY],
            "there is no configuration to compare with",
        );
        return;
    };
    let sent = |name: &str| body.get(name).and_then(Value::as_str);
    if let (Some(sent), Some(own)) = (sent("merchantId"), config.text(ID, "merchant_id")) {
        let same = sent == own;
        checks.decide(
            &MERCHANT_ID,
            !same,
            if same {
                "merchantId is the configuration's"
            } else {
                "merchantId is not the configuration's"
            },
        );
    }
    if let (Some(sent), Some(own)) = (sent("secret"), config.text(ID, "secret")) {
        if sent == own {
            checks.unknown(
                &[&SECRET],
                "the secret is the configuration's; whether the platform takes that one, --online asks",
            );
        } else {
            let blanks = sent.trim() == own.trim();
            checks.fail(
                &SECRET,
                if blanks {
                    "the secret is the configuration's but for blanks at its ends"
                } else {
                    "the secret is not the configuration's"
                },
            );
        }
    }
    let Some(terminal) = sent("terminal") else { return };
    let known = config.pairs(ID, "terminals", ["terminal", "currency"]);
    let own = known.iter().find(|[name, _]| name == terminal);
    checks.decide(
        &TERMINAL,
        own.is_none(),
        if own.is_some() {
            "the terminal is the configuration's"
        } else {
            "the configuration has no such terminal"
        },
    );
    if let (Some([_, currency]), Some(sent)) = (own, sent("currency")) {
        checks.decide(
            &TERMINAL_CURRENCY,
            currency != sent,
            if currency == sent {
                "the terminal's currency is that of the request"
            } else {
                "the configuration has the terminal for another currency"
            },
        );
    }
}

/// Asks the platform.
async fn ask(asker: &Asker<'_>, checks: &mut Checks) -> std::result::Result<(), String> {
    let merchant = asker.base(
        "merchant_url",
        &[
            ("sandbox", "https://sandbox-merchant.greenpay.me"),
            ("production", "https://merchant.greenpay.me"),
        ],
    )?;
    let order = json!({ "secret": asker.setting("secret")?, "merchantId": asker.setting("merchant_id")?,
        "requestId": format!("cardseal-doctor-{}", nonce()?) });
    let (answer, body) = asker
        .send(post(&[&merchant, "/tokenize"].concat(), &order))
        .await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let member = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let (Some(session), Some(token)) = (member("session"), member("token")) else {
        if platform_code(&text) == Some("merchant_unknown") {
            checks.fail(
                &SECRET,
                "asked: the platform does not take the configuration's merchant_id and secret",
            );
        }
        return Ok(());
    };
    checks.pass(
        &[&SECRET, &MERCHANT_ID],
        "asked: the platform takes the configuration's merchant_id and secret",
    );
    // No card goes to production, not even a test card.
    if asker.config.environment(asker.platform) == "production" {
        return Ok(());
    }
    let checkout = asker.base(
        "checkout_url",
        &[("sandbox", "https://sandbox-checkout.greenpay.me")],
    )?;
    let key = PublicKey::parse(&asker.setting("public_key")?).map_err(|error| error.to_string())?;
    let card = test_card()?;
    let packed = GreenPay::new(key)
        .pack(
            Payload::NewToken(&card),
            greenpay::Counter::Byte,
            &mut SystemRandom,
        )
        .map_err(|error| error.to_string())?;
    let body = json!({ "session": session, "ld": packed.ld, "lk": packed.lk });
    let request = post(&[&checkout, "/tokenize"].concat(), &body).header("liszt-token", token);
    let (answer, _) = asker.send(request).await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    match platform_code(&text) {
        Some("not_decryptable") => checks.fail(
            &KEY_WRONG,
            "asked: the platform cannot open a test card that is packed with the configuration's key",
        ),
        None if answer.status == 200 => checks.pass(
            &[&KEY_WRONG, &KEY_OTHER_ENVIRONMENT],
            "asked: the platform opens a test card that is packed with the configuration's key",
        ),
        _ => {}
    }
    Ok(())
}

/// The whole request with a session, or only `ld` and `lk` without one.
fn pack(packer: &Packer<'_>) -> Result<Value> {
    let key = PublicKey::parse(&packer.public_key()?)
        .map_err(|error| Failure::wrong(format!("{}; ask `cardseal key`", error.code().as_str())))?;
    let token = packer.member("card_token").unwrap_or_default();
    let kount = packer.member("kount_session");
    let payload = match packer.kind {
        Kind::Tokenize => Payload::NewToken(&packer.card),
        Kind::Update if token.is_empty() => {
            return Err(Failure::usage("an update needs card_token in the session"));
        }
        Kind::Update => Payload::UpdateToken(&packer.card, &token),
        Kind::Payment => Payload::Payment {
            card: &packer.card,
            tokenize: false,
            kount_session: kount.as_deref(),
        },
    };
    let counter = match packer.options.counter {
        CounterForm::Byte => greenpay::Counter::Byte,
        CounterForm::Integer => greenpay::Counter::Integer,
        CounterForm::Block => greenpay::Counter::Block,
    };
    let packed = GreenPay::new(key)
        .pack(payload, counter, &mut SystemRandom)
        .map_err(|error| failure(&error))?;
    if packer.session.is_empty() {
        return Ok(serde_json::to_value(&packed).unwrap_or_default());
    }
    let order = OrderInput {
        common: packer.common(),
        session: packer.member("session"),
        token: packer.member("token"),
        checkout_url: packer.member("checkout_url"),
        card_token: packer.member("card_token"),
    };
    let place = Place {
        hosts: &Hosts::Sandbox,
        server: &packer.server()?,
        local: true,
    };
    let target = order
        .target(packer.kind, None, &place, now_ms())
        .map_err(|error| failure(&error))?;
    let verb = match packer.kind {
        Kind::Tokenize => Verb::Tokenize,
        Kind::Update => Verb::UpdateToken,
        Kind::Payment => Verb::Pay {
            kount: kount.is_some(),
        },
    };
    Ok(written(&verb.request(&target, &packed)))
}

fn notified(request: &Exchange, config: &Config) -> Result<(bool, String)> {
    let body = request
        .json()
        .ok_or_else(|| Failure::usage("the body is no JSON object"))?;
    let key = setting(config, ID, "public_key")?;
    let key = PublicKey::parse(&key)
        .map_err(|error| Failure::usage(format!("{}; ask `cardseal key`", error.code().as_str())))?;
    Ok(signed(&body, &key))
}
