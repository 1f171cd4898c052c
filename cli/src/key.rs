//! Says what a public key is, in which form it came, and what is wrong with it. Nothing of the text is shown: it may be a
//! private key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cardseal::Code;
use cardseal::crypto::public_key::Numbers;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::Result;
use crate::args;
use crate::output::{Outcome, WRONG, painted};
use crate::read;

/// What a text was found to be.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    tool: &'static str,
    /// Whether Cardseal and GreenPay can use it.
    usable: bool,
    /// `spki`, `pkcs1`, `jwk`, `certificate`, `private_key`, `ssh`, `unknown`.
    kind: &'static str,
    /// `pem`, `base64`, `base64url`, `hex`, `json`.
    encoding: &'static str,
    /// `rsa`, `ec`, `other`.
    algorithm: Option<&'static str>,
    bits: Option<usize>,
    exponent: Option<u64>,
    /// SHA-256 of the SPKI, to compare two keys by.
    fingerprint: Option<String>,
    /// The key as GreenPay hands it out and every reader takes it: SPKI in base64 on one line.
    spki: Option<String>,
    findings: Vec<Finding>,
}

/// Something to know about the key.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    code: &'static str,
    /// `error` or `note`.
    severity: &'static str,
    says: String,
    next: &'static str,
}

impl Report {
    fn error(&mut self, code: &'static str, says: impl Into<String>, next: &'static str) {
        self.add(code, "error", says.into(), next);
    }

    fn note(&mut self, code: &'static str, says: impl Into<String>, next: &'static str) {
        self.add(code, "note", says.into(), next);
    }

    fn add(&mut self, code: &'static str, severity: &'static str, says: String, next: &'static str) {
        self.findings.push(Finding {
            code,
            severity,
            says,
            next,
        });
    }
}

pub(crate) fn run(options: &args::Key) -> Result {
    let report = look(&read::text(&options.key)?);
    let code = if report.usable { 0 } else { WRONG };
    let text = told(&report);
    Ok(Outcome::new(code, &report, text))
}

fn told(report: &Report) -> String {
    let mut lines = vec![match (report.usable, report.bits) {
        (true, Some(bits)) => format!(
            "{} an RSA public key of {bits} bits, exponent {}: {} as {}",
            painted("usable:", 32),
            report.exponent.unwrap_or_default(),
            report.kind,
            report.encoding
        ),
        _ => format!(
            "{} {} as {}",
            painted("not usable:", 31),
            report.kind,
            report.encoding
        ),
    }];
    if let Some(fingerprint) = &report.fingerprint {
        lines.push(format!("  SHA-256 of its SPKI: {fingerprint}"));
    }
    for finding in &report.findings {
        lines.push(format!(
            "  {} {}: {}",
            finding.severity, finding.code, finding.says
        ));
        if !finding.next.is_empty() {
            lines.push(format!("    {}", finding.next));
        }
    }
    let about_form = |finding: &Finding| !matches!(finding.code, "short" | "exponent");
    if let Some(spki) = report
        .spki
        .as_ref()
        .filter(|_| report.findings.iter().any(about_form))
    {
        lines.push(format!(
            "  the same key in the form that every reader takes:\n{spki}"
        ));
    }
    lines.join("\n")
}

/// Looks at a text.
pub(crate) fn look(text: &str) -> Report {
    let mut report = Report {
        tool: "cardseal key",
        kind: "unknown",
        encoding: "unknown",
        ..Report::default()
    };
    let mut text = text.trim_start_matches('\u{feff}').trim().to_owned();
    if text.is_empty() {
        report.error(
            "key_missing",
            "there is no text",
            "Pass the key as a file or on standard input.",
        );
        return report;
    }
    if text.len() > 1 && (quoted(&text, '"') || quoted(&text, '\'')) {
        text = text.trim_matches(['"', '\'']).trim().to_owned();
        report.note(
            "quotes",
            "the text is in quotes",
            "Take the quotes away if they are part of the setting.",
        );
    }
    if text.starts_with('{') {
        json(&text, &mut report);
        return report;
    }
    if text.starts_with("ssh-") || text.starts_with("ecdsa-") {
        (report.kind, report.encoding) = ("ssh", "openssh");
        report.error(
            "key_is_ssh",
            "this is a key in OpenSSH's form",
            "Convert it: ssh-keygen -e -m PKCS8 -f FILE",
        );
        return report;
    }
    if text.contains("\\n") {
        report.note(
            "literal_newlines",
            "the lines end with a backslash and n, as a badly quoted setting has them",
            "Cardseal reads this; jsencrypt and OpenSSL do not. Use real line ends, or none.",
        );
    }
    // What is not read as it stands may be read with a small repair: then the repair is what is wrong.
    match Numbers::parse(&text) {
        Ok(numbers) => found(&text, &numbers, &mut report),
        Err(error) if error.code() == Code::KeyMalformed => repaired(&text, &mut report),
        Err(error) => refused(error.code(), &text, &mut report),
    }
    report
}

fn quoted(text: &str, quote: char) -> bool {
    text.starts_with(quote) && text.ends_with(quote)
}

/// A key that can be read.
fn found(text: &str, numbers: &Numbers, report: &mut Report) {
    let spki = numbers.to_spki();
    report.usable = true;
    report.algorithm = Some("rsa");
    report.bits = Some(numbers.bits());
    report.exponent = Some(numbers.exponent());
    report.fingerprint = Some(hex::encode(Sha256::digest(&spki)));
    report.spki = Some(STANDARD.encode(&spki));
    let der = der(text);
    report.encoding = encoding(text);
    report.kind = if der.as_deref().is_some_and(is_pkcs1) {
        "pkcs1"
    } else {
        "spki"
    };
    let label = label(text);
    if report.kind == "pkcs1" {
        report.note(
            "pkcs1",
            "the key is in the form of PKCS #1, without the algorithm's name",
            "Cardseal reads it; jsencrypt before 3.3.2 does not.",
        );
    }
    let wrong_label = matches!(
        (label.as_deref(), report.kind),
        (Some("RSA PUBLIC KEY"), "spki") | (Some("PUBLIC KEY"), "pkcs1")
    );
    if wrong_label {
        report.note(
            "label",
            "the header names another form than the content has",
            "Write BEGIN PUBLIC KEY for SPKI and BEGIN RSA PUBLIC KEY for PKCS #1; OpenSSL insists on it.",
        );
    }
    if numbers.bits() < 2048 {
        let says = if (1016..=1024).contains(&numbers.bits()) {
            format!(
                "{} bits are what GreenPay issues, and less than the 2048 that are recommended",
                numbers.bits()
            )
        } else {
            format!(
                "{} bits are less than the 2048 that are recommended",
                numbers.bits()
            )
        };
        report.note(
            "short",
            says,
            "Ask the platform for a longer key if it offers one.",
        );
    }
    if numbers.exponent() != 65_537 {
        report.note(
            "exponent",
            format!("the exponent is {}, not the usual 65537", numbers.exponent()),
            "",
        );
    }
}

/// A text that is recognised, and is no usable key.
fn refused(code: Code, text: &str, report: &mut Report) {
    report.encoding = encoding(text);
    let (kind, next) = if code == Code::KeyIsPrivate {
        (
            "private_key",
            "Do not put it anywhere near a page. If it was pasted into one, replace the pair. The public half: openssl pkey -pubout -in FILE",
        )
    } else if code == Code::KeyIsCertificate {
        (
            "certificate",
            "Take the key out of it: openssl x509 -pubkey -noout -in FILE",
        )
    } else if code == Code::KeyNotRsa {
        report.algorithm = Some("other");
        ("spki", "GreenPay and Online Payments need an RSA key.")
    } else if code == Code::KeyTooShort {
        report.algorithm = Some("rsa");
        (
            "rsa",
            "Keys below 1016 bits cannot wrap GreenPay's key; the text may also be cut off.",
        )
    } else if code == Code::KeyExponentInvalid || code == Code::KeyModulusInvalid {
        report.algorithm = Some("rsa");
        ("rsa", "The key was damaged on its way: copy it again.")
    } else {
        ("unknown", "Copy the key again.")
    };
    report.kind = kind;
    report.error(code.as_str(), code.message(), next);
}

/// A text that cannot be read as it stands.
fn repaired(text: &str, report: &mut Report) {
    report.encoding = encoding(text);
    let body = bare(text);
    let upper = text.to_ascii_uppercase();
    // By the label alone, broken as it may be: such a text is never treated as a public key.
    if upper.contains("PRIVATE KEY") {
        refused(Code::KeyIsPrivate, text, report);
        return;
    }
    if upper.contains("CERTIFICATE") {
        refused(Code::KeyIsCertificate, text, report);
        return;
    }
    let url_safe: String = body
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    let twice = STANDARD
        .decode(&body)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let (says, next, read) = if let Ok(numbers) = Numbers::parse(&body) {
        (
            "pem_header",
            "The lines BEGIN and END are broken: each has five dashes on both sides, and both name the same thing.",
            Some(numbers),
        )
    } else if let Ok(numbers) = Numbers::parse(&url_safe) {
        (
            "base64url",
            "The key is in the URL alphabet of base64; - must be + and _ must be /.",
            Some(numbers),
        )
    } else if let Some(Ok(numbers)) = twice.as_deref().map(|text| Numbers::parse(text.trim())) {
        (
            "base64_twice",
            "The key is base64 of base64: it was encoded once too often.",
            Some(numbers),
        )
    } else {
        ("", "", None)
    };
    if let Some(numbers) = read {
        found(&body, &numbers, report);
        report.usable = false;
        report.encoding = encoding(text);
        report.error(
            says,
            "the text is not a key as it stands, and one after a small repair",
            next,
        );
        return;
    }
    let code = Numbers::parse(&body).err().map(|error| error.code());
    if let Some(code) = code.filter(|code| *code != Code::KeyMalformed) {
        refused(code, &body, report);
        return;
    }
    match der(&body) {
        Some(der) => match cut_off(&der) {
            Some((has, says)) => report.error(
                "cut_off",
                format!("the text has {has} bytes, and says that it has {says}"),
                "Copy the whole key: a field, column or terminal has cut it off.",
            ),
            None => report.error(
                "key_malformed",
                Code::KeyMalformed.message(),
                "Copy the key again.",
            ),
        },
        None => report.error(
            "not_base64",
            "the text is neither base64 nor hex",
            "Look for letters that do not belong there; the platform hands the key out as base64.",
        ),
    }
}

fn label(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    Some(rest.split_once("-----")?.0.to_owned())
}

/// What is between the lines of PEM, however broken they are.
fn bare(text: &str) -> String {
    let text = text.replace("\\r", "\n").replace("\\n", "\n");
    let words = ["BEGIN", "END", "PUBLIC", "RSA", "KEY"];
    let line = |line: &&str| {
        let upper = line.to_ascii_uppercase();
        !(upper.contains("BEGIN") || upper.contains("END ") || upper.trim_matches('-').is_empty())
    };
    let several = text.lines().filter(line).collect::<String>();
    let whole = if several.trim().is_empty() {
        // All on one line: the words of the header are taken away one by one.
        text.split(|c: char| c.is_whitespace() || c == '-')
            .filter(|word| !words.contains(&word.to_ascii_uppercase().as_str()))
            .collect()
    } else {
        several
    };
    whole.split_whitespace().collect()
}

fn encoding(text: &str) -> &'static str {
    let compact: String = text.split_whitespace().collect();
    if text.contains("BEGIN") {
        "pem"
    } else if compact.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        "hex"
    } else if compact.contains(['-', '_']) {
        "base64url"
    } else {
        "base64"
    }
}

fn der(text: &str) -> Option<Vec<u8>> {
    let body = bare(text);
    hex::decode(&body).ok().or_else(|| {
        let body = body.trim_end_matches('=');
        base64::engine::general_purpose::STANDARD_NO_PAD.decode(body).ok()
    })
}

/// A sequence whose first element is a number: PKCS #1.
fn is_pkcs1(der: &[u8]) -> bool {
    let header = match der.get(1) {
        Some(0x81) => 3,
        Some(0x82) => 4,
        _ => 2,
    };
    der.get(header) == Some(&0x02)
}

/// The bytes that are there, and those that the outer element says.
fn cut_off(der: &[u8]) -> Option<(usize, usize)> {
    let (header, length) = match der {
        [0x30, 0x82, high, low, ..] => (4, usize::from(*high) << 8 | usize::from(*low)),
        [0x30, 0x81, length, ..] => (3, usize::from(*length)),
        [0x30, length @ 0..=0x7f, ..] => (2, usize::from(*length)),
        _ => return None,
    };
    (der.len() < header + length).then_some((der.len(), header + length))
}

/// A JWK, or a set of them.
fn json(text: &str, report: &mut Report) {
    (report.kind, report.encoding) = ("jwk", "json");
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        report.error(
            "key_malformed",
            "the text begins as JSON, and is none",
            "Copy the key again.",
        );
        return;
    };
    let jwk = value.pointer("/keys/0").unwrap_or(&value);
    if jwk.get("d").is_some() {
        refused(Code::KeyIsPrivate, text, report);
        report.encoding = "json";
        return;
    }
    let member = |name: &str| {
        let text = jwk.get(name).and_then(Value::as_str)?;
        base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .ok()
    };
    match (jwk.get("kty").and_then(Value::as_str), member("n"), member("e")) {
        (Some("RSA"), Some(modulus), Some(exponent)) => {
            match Numbers::parse(&STANDARD.encode(pkcs1(&modulus, &exponent))) {
                Ok(numbers) => {
                    found(&STANDARD.encode(numbers.to_spki()), &numbers, report);
                    (report.kind, report.encoding) = ("jwk", "json");
                    report.note(
                        "jwk",
                        "the key is a JWK, which neither GreenPay's libraries nor Cardseal's options read",
                        "Use the SPKI below.",
                    );
                }
                Err(error) => refused(error.code(), text, report),
            }
        }
        (Some("EC"), _, _) => {
            report.algorithm = Some("ec");
            report.error(
                "key_not_rsa",
                "this is a key of an elliptic curve, as Worldline Acquiring's cards are sealed to",
                "GreenPay and Online Payments need an RSA key.",
            );
        }
        _ => report.error(
            "key_malformed",
            "the JSON is no JWK of an RSA key: it needs kty, n and e",
            "Copy the key again.",
        ),
    }
}

/// `SEQUENCE { INTEGER modulus, INTEGER exponent }`.
fn pkcs1(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let numbers = [integer(modulus), integer(exponent)].concat();
    wrapped(0x30, &numbers)
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = bytes.get(start..).unwrap_or_default();
    let sign: &[u8] = if bytes.first().is_some_and(|byte| *byte >= 0x80) {
        &[0]
    } else {
        &[]
    };
    wrapped(0x02, &[sign, bytes].concat())
}

fn wrapped(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let start = length.iter().take_while(|byte| **byte == 0).count();
    let length = length.get(start..).unwrap_or_default();
    let head = match length {
        [] => vec![tag, 0],
        [short @ 0..=0x7f] => vec![tag, *short],
        long => {
            let count = u8::try_from(long.len()).unwrap_or_default();
            [&[tag, 0x80 | count], long].concat()
        }
    };
    [&*head, content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../tests/vectors/greenpay.json")).unwrap()
    }

    fn codes(text: &str) -> (bool, &'static str, Vec<&'static str>) {
        let report = look(text);
        let codes = report.findings.iter().map(|finding| finding.code).collect();
        (report.usable, report.kind, codes)
    }

    #[test]
    fn says_what_each_form_of_a_key_is() {
        let vectors = vectors();
        let key = &vectors["rsa_keys"]["t2048"];
        let line = key["public_spki_base64_one_line"].as_str().unwrap();
        let pem = key["public_spki_pem"].as_str().unwrap();
        let der = STANDARD.decode(line).unwrap();
        let numbers = Numbers::parse(line).unwrap();
        let pkcs1_der = pkcs1(numbers.modulus(), &[1, 0, 1]);
        let pkcs1_line = STANDARD.encode(&pkcs1_der);
        let url = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        let jwk = format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, url(numbers.modulus()));
        let one_line = pem.replace('\n', "\\n");
        let spaced = pem.replace('\n', " ");
        for (name, text, expected) in [
            ("spki line", line.to_owned(), (true, "spki", vec![])),
            ("spki pem", pem.to_owned(), (true, "spki", vec![])),
            ("crlf", pem.replace('\n', "\r\n"), (true, "spki", vec![])),
            ("hex", hex::encode(&der), (true, "spki", vec![])),
            ("quotes", format!("\"{line}\""), (true, "spki", vec!["quotes"])),
            ("literal", one_line, (true, "spki", vec!["literal_newlines"])),
            ("spaces", spaced, (true, "spki", vec![])),
            ("pkcs1", pkcs1_line.clone(), (true, "pkcs1", vec!["pkcs1"])),
            (
                "label",
                pem.replace("PUBLIC KEY", "RSA PUBLIC KEY"),
                (true, "spki", vec!["label"]),
            ),
            (
                "label of pkcs1",
                format!("-----BEGIN PUBLIC KEY-----\n{pkcs1_line}\n-----END PUBLIC KEY-----"),
                (true, "pkcs1", vec!["pkcs1", "label"]),
            ),
            ("jwk", jwk, (true, "jwk", vec!["jwk"])),
            ("url alphabet", url(&der), (false, "spki", vec!["base64url"])),
            (
                "twice",
                STANDARD.encode(pem),
                (false, "spki", vec!["base64_twice"]),
            ),
            (
                "dashes",
                pem.replace("-----BEGIN", "----BEGIN"),
                (false, "spki", vec!["pem_header"]),
            ),
            (
                "no end",
                pem.replace("-----END PUBLIC KEY-----", ""),
                (false, "spki", vec!["pem_header"]),
            ),
            (
                "cut",
                line[..line.len() - 40].to_owned(),
                (false, "unknown", vec!["cut_off"]),
            ),
            (
                "junk",
                "not a key!".into(),
                (false, "unknown", vec!["not_base64"]),
            ),
            ("empty", " \n".into(), (false, "unknown", vec!["key_missing"])),
            (
                "ssh",
                "ssh-rsa AAAA me".into(),
                (false, "ssh", vec!["key_is_ssh"]),
            ),
            (
                "certificate",
                pem.replace("PUBLIC KEY", "CERTIFICATE"),
                (false, "certificate", vec!["key_is_certificate"]),
            ),
            (
                "ec",
                r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#.into(),
                (false, "jwk", vec!["key_not_rsa"]),
            ),
        ] {
            assert_eq!(codes(&text), expected, "{name}");
        }
    }

    #[test]
    fn a_private_key_is_named_and_nothing_of_it_is_shown() {
        let vectors = vectors();
        let key = &vectors["rsa_keys"]["t1024"];
        for name in ["private_pkcs1_pem", "private_pkcs8_pem"] {
            let pem = key[name].as_str().unwrap();
            let bare: String = bare(pem);
            for text in [
                pem.to_owned(),
                bare,
                pem.replace("-----END", "---END"),
                pem.replace('\n', "\\n"),
                format!(
                    r#"{{"kty":"RSA","n":"AQ","e":"AQAB","d":"{}"}}"#,
                    &pem[40..80].replace('\n', "")
                ),
            ] {
                let report = look(&text);
                assert_eq!((report.usable, report.kind), (false, "private_key"), "{name}");
                let shown = format!("{}{}", told(&report), serde_json::to_string(&report).unwrap());
                let secret = pem.lines().nth(2).unwrap();
                assert!(!shown.contains(&secret[..16]), "{name}");
                assert!(report.spki.is_none());
            }
        }
    }

    #[test]
    fn numbers_that_cannot_be_a_key_are_told_apart() {
        let vectors = vectors();
        let line = vectors["rsa_keys"]["t2048"]["public_spki_base64_one_line"]
            .as_str()
            .unwrap();
        let numbers = Numbers::parse(line).unwrap();
        let mut even = numbers.modulus().to_vec();
        *even.last_mut().unwrap() -= 1;
        let of = |modulus: &[u8], exponent: &[u8]| codes(&STANDARD.encode(pkcs1(modulus, exponent))).2;
        assert_eq!(of(&even, &[1, 0, 1]), ["key_modulus_invalid"]);
        assert_eq!(of(numbers.modulus(), &[2]), ["key_exponent_invalid"]);
        assert_eq!(of(&numbers.modulus()[..64], &[1, 0, 1]), ["key_too_short"]);
        assert_eq!(of(numbers.modulus(), &[3]), ["pkcs1", "exponent"]);
    }
}
