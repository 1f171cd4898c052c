//! Verifies signatures from files, and a copy of the package against its list of hashes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cardseal::crypto::public_key::PublicKey;
use cardseal::greenpay::Scalar;
use cardseal::greenpay::signature::{self, Candidate};
use cardseal::platform::Platform;
use cardseal_webhooks::{ID, Message, SIGNATURE, Secret, TIMESTAMP};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha384};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Result;
use crate::args::Verified;
use crate::capture::Exchange;
use crate::config::Config;
use crate::output::{Failure, Outcome, WRONG, painted};
use crate::{platforms, read};

/// The result of a verification.
#[derive(Serialize)]
struct Report {
    tool: &'static str,
    valid: bool,
    /// What was verified, or why it is not valid.
    says: String,
    /// For a package, the files that differ.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<String, &'static str>,
}

pub(crate) fn run(what: &Verified) -> Result {
    let (valid, says, files) = match what {
        Verified::Answer { answer, public_key } => flat(answered(answer, public_key)?),
        Verified::Notification {
            request,
            platform,
            config,
        } => {
            let text = read::text(config)?;
            let config = Config::read(&config.display().to_string(), &text).map_err(Failure::usage)?;
            let verify = platforms::of(platform.0).notified.ok_or_else(|| {
                Failure::usage(format!(
                    "{} documents no signature of its notifications",
                    platform.0.id()
                ))
            })?;
            flat(verify(&last(request)?, &config)?)
        }
        Verified::Event { request, secret, at } => flat(event(&last(request)?, secret, at.as_deref())?),
        Verified::Package { folder, manifest } => package(folder, manifest)?,
    };
    let mut text = format!(
        "{} {says}",
        if valid {
            painted("valid:", 32)
        } else {
            painted("not valid:", 31)
        }
    );
    for (name, status) in &files {
        text.push_str(&format!("\n  {status:<10} {name}"));
    }
    let report = Report {
        tool: "cardseal verify",
        valid,
        says,
        files,
    };
    Ok(Outcome::new(if valid { 0 } else { WRONG }, &report, text))
}

type Files = BTreeMap<String, &'static str>;

fn flat((valid, says): (bool, String)) -> (bool, String, Files) {
    (valid, says, Files::new())
}

fn last(path: &Path) -> Result<Exchange> {
    read::requests(path)?
        .pop()
        .ok_or_else(|| Failure::usage("there is no request"))
}

/// GreenPay's `_signature`, as each of the strings that it may be made of.
fn answered(answer: &Path, key: &Path) -> Result<(bool, String)> {
    let body = read::object(answer)?;
    let key = PublicKey::parse(&read::text(key)?)
        .map_err(|error| Failure::usage(format!("{}; ask `cardseal key`", error.code().as_str())))?;
    Ok(signed(&body, &key))
}

fn scalar(body: &Map<String, Value>, name: &str) -> Option<Scalar> {
    match body.get(name)? {
        Value::Number(number) => number.as_i64().map(Scalar::Integer),
        Value::String(text) => Some(Scalar::Text(text.clone())),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

pub(crate) fn signed(body: &Map<String, Value>, key: &PublicKey) -> (bool, String) {
    let Some(given) = body.get("_signature").and_then(Value::as_str) else {
        return (false, "the answer has no _signature".into());
    };
    let Some(status) = scalar(body, "status") else {
        return (
            false,
            "the answer has no status, which is part of what is signed".into(),
        );
    };
    let candidates: [(&str, &[Candidate]); 4] = [
        ("requestId", Candidate::TOKEN),
        ("orderId", Candidate::PAYMENT),
        ("orderReference", Candidate::PAYMENT),
        ("subscriptionId", Candidate::SUBSCRIPTION),
    ];
    for (name, candidates) in candidates {
        let Some(id) = scalar(body, name) else { continue };
        if let Some(candidate) = signature::verify(key, candidates, &status, &id, given) {
            let says = format!(
                "the signature covers status and {}, and nothing else of the answer: not the token, not the amount",
                candidate.field()
            );
            return (true, says);
        }
    }
    let says = if given.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        "the signature fits none of the strings that the platform signs: another key, or status and id were changed"
    } else {
        "the signature is not hex"
    };
    (false, says.into())
}

/// A setting that a verification needs.
pub(crate) fn setting(config: &Config, platform: Platform, key: &str) -> Result<String> {
    config.text(platform, key).ok_or_else(|| {
        Failure::usage(format!(
            "the configuration has no platforms.{}.{key}",
            platform.id()
        ))
    })
}

/// An event of Cardseal's own server.
fn event(request: &Exchange, secret: &Path, at: Option<&str>) -> Result<(bool, String)> {
    let secret =
        Secret::parse(read::text(secret)?.trim()).map_err(|error| Failure::usage(error.to_string()))?;
    let at = at
        .map(|text| {
            OffsetDateTime::parse(text, &Rfc3339)
                .map_err(|_| Failure::usage("--at is no time such as 2026-11-30T12:00:00Z"))
        })
        .transpose()?
        .or(request.at);
    let now = at.map_or_else(SystemTime::now, |at| {
        UNIX_EPOCH + Duration::from_secs(u64::try_from(at.unix_timestamp()).unwrap_or_default())
    });
    let header = |name: &str| request.header(name).unwrap_or_default();
    let message = Message {
        id: header(ID),
        timestamp: header(TIMESTAMP),
        body: request.body.as_bytes(),
    };
    Ok(
        match cardseal_webhooks::verify(&[secret], &message, header(SIGNATURE), now) {
            Ok(()) => (true, "the signature covers id, time and body".into()),
            Err(refused) => (false, refused.to_string()),
        },
    )
}

/// Compares every file with the list. The list is that of an installed package, never the copy's own.
fn package(folder: &Path, manifest: &Path) -> Result<(bool, String, Files)> {
    let list = read::object(manifest)?;
    let Some(files) = list.get("files").and_then(Value::as_object) else {
        return Err(Failure::usage(format!(
            "{} is not a list of files",
            manifest.display()
        )));
    };
    if !folder.is_dir() {
        return Err(Failure::usage(format!(
            "{} is no folder; for an address, use `npx cardseal verify URL`",
            folder.display()
        )));
    }
    // A copy is of the folder pkg, a package has it below.
    let whole = folder.join("pkg").is_dir();
    let mut differing = Files::new();
    let mut same = 0;
    for (name, file) in files {
        let Some(name) = (if whole {
            Some(name.as_str())
        } else {
            name.strip_prefix("pkg/")
        }) else {
            continue;
        };
        let expected = file.get("integrity").and_then(Value::as_str).unwrap_or_default();
        match std::fs::read(folder.join(name)) {
            Ok(bytes) if format!("sha384-{}", STANDARD.encode(Sha384::digest(&bytes))) == expected => {
                same += 1
            }
            Ok(_) => {
                differing.insert(name.into(), "changed");
            }
            Err(_) => {
                differing.insert(name.into(), "missing");
            }
        }
    }
    let says = format!("{same} of {} files match", same + differing.len());
    Ok((differing.is_empty() && same > 0, says, differing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_signature_of_greenpay_covers_two_members() {
        let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/greenpay.json")).unwrap();
        let public = vectors["rsa_keys"]["t1024"]["public_spki_pem"].as_str().unwrap();
        let key = PublicKey::parse(public).unwrap();
        let vector = &vectors["signatures"][0];
        assert_eq!(vector["signed_string"], "status:201,requestId:1");
        let hex = &vector["signature_hex"];
        let valid = |body: Value| signed(body.as_object().unwrap(), &key).0;
        assert!(valid(
            json!({ "status": 201, "requestId": 1, "_signature": hex, "result": {} })
        ));
        for body in [
            json!({}),
            json!({ "_signature": hex }),
            json!({ "status": 201, "requestId": 2, "_signature": hex }),
            json!({ "status": 200, "requestId": 1, "_signature": hex }),
            json!({ "status": 201, "orderId": 1, "_signature": hex }),
            json!({ "status": 201, "requestId": 1, "_signature": "no hex" }),
        ] {
            assert!(!valid(body.clone()), "{body}");
        }
    }
}
