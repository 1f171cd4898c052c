//! Checks the signature of a request, `GCS v1HMAC`, in each of the forms that official libraries send.
//!
//! They agree on the lines but not on their content: some hash the path and the query as they are sent, some
//! percent-decoded, and one sends a `Content-Type` with `GET` that it does not sign. It is not known which forms
//! the real platform accepts. None of them signs the body.

use axum::http::header::{CONTENT_TYPE, DATE};
use axum::http::{HeaderMap, Method};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::percent_decode;
use sha2::Sha256;

/// What is signed of the headers besides `Content-Type` and `Date`.
const SIGNED_PREFIX: &str = "x-gcs";

/// What of the request's target was hashed percent-decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    Nothing,
    Query,
    Path,
    Both,
}

/// The form that fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) decoded: Decoded,
    /// The `Content-Type` was sent but left out.
    pub(crate) without_content_type: bool,
}

/// As it came: what a client is best advised to send.
const PLAIN: Form = Form {
    decoded: Decoded::Nothing,
    without_content_type: false,
};

/// The parts of a request that its signature covers.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a Method,
    /// Path and query as on the wire.
    pub(crate) target: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

impl Signed<'_> {
    /// The form under which the signature fits, or nothing. `strict` takes only the plain one.
    pub(crate) fn check(&self, secret: &str, signature: &str, strict: bool) -> Option<Form> {
        let signature = STANDARD.decode(signature).ok()?;
        self.forms(strict).into_iter().find(|form| {
            mac(secret, &self.text(*form)).is_some_and(|mac| mac.verify_slice(&signature).is_ok())
        })
    }

    fn forms(&self, strict: bool) -> Vec<Form> {
        let mut forms = vec![PLAIN];
        if strict {
            return forms;
        }
        forms.extend([Decoded::Query, Decoded::Path, Decoded::Both].map(|decoded| Form { decoded, ..PLAIN }));
        if *self.method == Method::GET && self.headers.contains_key(CONTENT_TYPE) {
            let left_out = forms.clone().into_iter().map(|form| Form {
                without_content_type: true,
                ..form
            });
            forms.extend(left_out);
        }
        forms
    }

    /// The text that is hashed.
    fn text(&self, form: Form) -> Vec<u8> {
        let header = |name| self.headers.get(name).map_or(&b""[..], |value| value.as_bytes());
        let content_type = if form.without_content_type {
            b""
        } else {
            header(CONTENT_TYPE)
        };
        let mut lines = vec![
            self.method.as_str().as_bytes().to_vec(),
            content_type.to_vec(),
            header(DATE).to_vec(),
        ];
        // The names are in lower case already.
        let mut signed: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| name.as_str().starts_with(SIGNED_PREFIX))
            .collect();
        signed.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in signed {
            let mut line = name.as_str().as_bytes().to_vec();
            line.push(b':');
            line.extend(canonical(value.as_bytes()));
            lines.push(line);
        }
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.target, None),
        };
        let part = |text: &str, decode: bool| {
            if decode {
                percent_decode(text.as_bytes()).collect()
            } else {
                text.as_bytes().to_vec()
            }
        };
        let mut resource = part(path, matches!(form.decoded, Decoded::Path | Decoded::Both));
        if let Some(query) = query {
            resource.push(b'?');
            resource.extend(part(
                query,
                matches!(form.decoded, Decoded::Query | Decoded::Both),
            ));
        }
        lines.push(resource);
        lines
            .into_iter()
            .flat_map(|mut line| {
                line.push(b'\n');
                line
            })
            .collect()
    }
}

/// A line break and the spaces after it become one space; the ends are trimmed; other spaces stay.
fn canonical(value: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len());
    let mut rest = value.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        let breaks = byte == b'\n' || (byte == b'\r' && rest.next_if_eq(&b'\n').is_some());
        if breaks {
            while rest.next_if(u8::is_ascii_whitespace).is_some() {}
            text.push(b' ');
        } else {
            text.push(byte);
        }
    }
    text.trim_ascii().to_vec()
}

/// HMAC-SHA-256. The key is the secret's text as it is printed: it looks like base64 but is not decoded.
fn mac(secret: &str, text: &[u8]) -> Option<Hmac<Sha256>> {
    Hmac::new_from_slice(secret.as_bytes())
        .ok()
        .map(|mac: Hmac<Sha256>| mac.chain_update(text))
}

/// In base64, as in the headers of requests and events.
pub(crate) fn sign(secret: &str, text: &[u8]) -> String {
    mac(secret, text).map_or_else(String::new, |mac| STANDARD.encode(mac.finalize().into_bytes()))
}

/// Key id and signature of an `Authorization` header.
pub(crate) fn parse(authorization: &str) -> Option<(&str, &str)> {
    authorization.strip_prefix("GCS v1HMAC:")?.split_once(':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};
    use serde_json::Value;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../tests/vectors/online-payments.json")).unwrap()
    }

    fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
        vector[name].as_str().unwrap()
    }

    #[test]
    fn takes_what_every_official_library_sends() {
        let vectors = vectors();
        let mut seen = Vec::new();
        for vector in vectors["hmac"].as_array().unwrap() {
            let id = text(vector, "id");
            let (key_id, signature) = parse(text(vector, "authorization")).unwrap();
            assert_eq!(key_id, vector["api_key_id"], "{id}");
            // Every one by its text, those with a request also by that.
            assert_eq!(
                sign(
                    text(vector, "secret_api_key"),
                    text(vector, "string_to_hash").as_bytes()
                ),
                signature,
                "{id}"
            );
            let Some(sent) = vector["sent_headers"].as_array() else {
                continue;
            };
            let mut headers = HeaderMap::new();
            for header in sent {
                // No HTTP library takes the folded value; its form is looked at below.
                let Ok(value) = HeaderValue::from_str(text(header, "value")) else {
                    continue;
                };
                let name = HeaderName::from_bytes(text(header, "name").as_bytes()).unwrap();
                headers.append(name, value);
            }
            if headers.len() < sent.len() {
                continue;
            }
            let method = text(vector, "method").parse().unwrap();
            let signed = Signed {
                method: &method,
                target: text(vector, "wire_request_target"),
                headers: &headers,
            };
            let secret = text(vector, "secret_api_key");
            let form = signed.check(secret, signature, false);
            assert!(form.is_some(), "{id}");
            assert_eq!(
                signed.check(secret, signature, true).is_some(),
                form == Some(PLAIN),
                "{id}"
            );
            assert_eq!(signed.check("another", signature, false), None);
            assert_eq!(signed.check(secret, "", false), None);
            seen.push((id.to_owned(), form.unwrap()));
        }
        let form = |prefix: &str| seen.iter().find(|(id, _)| id.starts_with(prefix)).unwrap().1;
        assert_eq!(form("hmac-01"), PLAIN);
        assert_eq!(form("hmac-04a"), PLAIN);
        assert_ne!(form("hmac-04b").decoded, Decoded::Nothing);
        assert!(form("hmac-09").without_content_type);
        assert_eq!(form("hmac-11").decoded, Decoded::Path);
        assert!(seen.len() >= 8, "{}", seen.len());
    }

    #[test]
    fn unfolds_header_values() {
        for (value, wanted) in [
            ("  aap\r\n   noot  mies  ", "aap noot  mies"),
            ("a\n\tb", "a b"),
            ("a\rb", "a\rb"),
            ("", ""),
        ] {
            assert_eq!(canonical(value.as_bytes()), wanted.as_bytes());
        }
    }

    #[test]
    fn signs_events_as_the_platform_does() {
        let vectors = vectors();
        let all = vectors["webhooks"].as_array().unwrap();
        assert!(all.len() >= 4);
        for vector in all {
            let body = STANDARD.decode(text(vector, "body_base64")).unwrap();
            assert_eq!(sign(text(vector, "secret"), &body), text(vector, "signature"));
        }
    }

    #[test]
    fn reads_only_its_own_scheme() {
        assert_eq!(parse("GCS v1HMAC:a:b="), Some(("a", "b=")));
        for wrong in ["GCS v1HMAC:a", "gcs v1hmac:a:b", "Bearer a:b", ""] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
