//! The other commands, and what all of them have in common.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::shop::{LONG, OURS, PAN, cardseal, key};

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }
}

/// Exit code, standard output and standard error.
fn run(arguments: &[&str], input: &str) -> (i32, String, String) {
    let output = cardseal(arguments, input);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn json_of(arguments: &[&str], input: &str) -> (i32, Value) {
    let (code, text, errors) = run(arguments, input);
    let value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{arguments:?}: {text}{errors}"));
    (code, value)
}

fn in_an_hour() -> Value {
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    json!({ "created_at": now * 1000, "expires_at": (now + 3600) * 1000 })
}

fn session(more: &Value) -> String {
    let mut session = in_an_hour();
    for (name, value) in more.as_object().unwrap() {
        session[name] = value.clone();
    }
    session.to_string()
}

#[test]
fn a_card_number_in_an_argument_is_refused_and_not_repeated() {
    for arguments in [
        &["pack", "--platform", "greenpay", PAN][..],
        &["pack", "--key-id", "4242 4242 4242 4242"],
        &["key", "4242-4242-4242-4242"],
        &["nothing", PAN],
    ] {
        let (code, out, errors) = run(arguments, "");
        assert_eq!(code, 2, "{arguments:?}");
        assert!(
            errors.contains("card number") && errors.contains("--test-card"),
            "{errors}"
        );
        assert!(!out.contains("4242") && !errors.contains("4242"));
    }
}

#[test]
fn what_is_packed_for_greenpay_opens_with_its_key_and_no_other() {
    let files = Files::new();
    let public = files.put("key.pem", key(OURS, "public_spki_pem"));
    let private = files.put("private.pem", key(OURS, "private_pkcs8_pem"));
    let other = files.put("other.pem", key(LONG, "private_pkcs1_pem"));
    let order = files.put(
        "order.json",
        session(&json!({ "session": "7d3ff3c1-5a0e-4b6e-9d52-3f7a51c2b001", "token": "7d3ff3c1-5a0e-4b6e-9d52-3f7a51c2b002" })),
    );
    let card = json!({ "number": PAN, "expiry": "12/31", "cvc": "987", "holder": "Ana Mora", "nickname": "My Visa" });
    let arguments = [
        "pack",
        "--platform",
        "greenpay",
        "--public-key",
        &public,
        "--session",
        &order,
    ];
    let (code, request) = json_of(&arguments, &card.to_string());
    assert_eq!(code, 0, "{request}");
    assert_eq!(request["url"], "https://sandbox-checkout.greenpay.me/tokenize");
    assert_eq!(
        request["headers"]["liszt-token"],
        "7d3ff3c1-5a0e-4b6e-9d52-3f7a51c2b002"
    );
    let packed = request.to_string();
    assert!(!packed.contains(PAN));

    let (code, shown) = json_of(&["open", "--private-key", &private], &packed);
    assert_eq!(
        (code, &shown["card"]["cardNumber"]),
        (0, &json!("424242******4242"))
    );
    for secret in [PAN, "987", "Ana", "My Visa"] {
        assert!(!shown.to_string().contains(secret), "{secret}");
    }
    let (_, revealed) = json_of(&["open", "--private-key", &private, "--reveal"], &packed);
    assert_eq!(revealed["card"]["cardNumber"], PAN);
    assert_eq!(revealed["card"]["cvc"], "987");

    let (code, _, errors) = run(&["open", "--private-key", &other], &packed);
    assert_eq!(code, 1);
    assert!(errors.contains("the key does not fit"), "{errors}");
    let (code, _, errors) = run(&["open"], &packed);
    assert_eq!(code, 2);
    assert!(errors.contains("--private-key"), "{errors}");
}

#[test]
fn an_invalid_card_is_refused_without_a_digit_of_it() {
    let files = Files::new();
    let public = files.put("key.pem", key(OURS, "public_spki_pem"));
    let arguments = ["pack", "--platform", "greenpay", "--public-key", &public];
    let (code, _, errors) = run(&arguments, r#"{"number":"42424242","expiry":"1/20","cvc":"12"}"#);
    assert_eq!(code, 1);
    for problem in ["number_too_short", "expiry_past", "cvc_length", "holder_missing"] {
        assert!(errors.contains(problem), "{errors}");
    }
    assert!(!errors.contains("4242"));
    let (code, _, errors) = run(&arguments, &format!("card {PAN}"));
    assert_eq!(code, 2);
    assert!(errors.contains("not JSON") && !errors.contains("4242"));
}

#[test]
fn packs_for_the_other_platforms() {
    let files = Files::new();
    let access = json!({ "base_url": "http://127.0.0.1:9/ucp", "access_token": "t0", "reference": "r-1" });
    let file = files.put("gp.json", session(&access));
    let (code, request) = json_of(
        &[
            "pack",
            "--platform",
            "gp-api",
            "--test-card",
            "visa",
            "--session",
            &file,
        ],
        "",
    );
    assert_eq!(
        (code, &request["url"]),
        (0, &json!("http://127.0.0.1:9/ucp/payment-methods"))
    );
    let (_, opened) = json_of(&["open"], &request.to_string());
    assert_eq!(opened["card"]["number"], "424242******4242");

    let account = json!({ "base_url": "http://127.0.0.1:9", "access_token": "t0", "client_accnum": 900_684, "client_subacc": 0 });
    let file = files.put("ccbill.json", session(&account));
    let customer = files.put(
        "customer.json",
        r#"{"firstName":"Ana","lastName":"Mora","email":"ana@shop.example","postalCode":"10101","country":"CR"}"#,
    );
    let arguments = [
        "pack",
        "--platform",
        "ccbill",
        "--test-card",
        "mastercard",
        "--session",
        &file,
        "--customer",
        &customer,
    ];
    let (code, request) = json_of(&arguments, "");
    assert_eq!(code, 0, "{request}");
    assert_eq!(request["headers"]["authorization"], "Bearer t0");

    let public = files.put("key.pem", key(LONG, "public_spki_pem"));
    let private = files.put("private.pem", key(LONG, "private_pkcs8_pem"));
    let file = files.put("op.json", r#"{"clientSessionId":"c-1"}"#);
    let arguments = [
        "pack",
        "--platform",
        "online_payments",
        "--test-card",
        "visa",
        "--session",
        &file,
        "--public-key",
        &public,
        "--key-id",
        "k-1",
        "--kind",
        "payment",
    ];
    let (code, request) = json_of(&arguments, "");
    assert_eq!(code, 0, "{request}");
    let (_, opened) = json_of(&["open", "--private-key", &private], &request.to_string());
    assert_eq!(opened["clientSessionId"], "c-1");
    assert_eq!(opened["paymentValues"][0]["value"], "424242******4242");
    let wrong = files.put("wrong.pem", key(OURS, "private_pkcs8_pem"));
    let (code, _, errors) = run(&["open", "--private-key", &wrong], &request.to_string());
    assert_eq!(code, 1);
    assert!(errors.contains("the key does not fit"), "{errors}");
}

#[test]
fn what_is_sealed_for_worldline_acquiring_opens_with_the_merchants_key() {
    let files = Files::new();
    let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/sealing.json")).unwrap();
    let key = &vectors["key"];
    let mut public = key["jwk"].clone();
    public.as_object_mut().unwrap().remove("d");
    let own = json!({ "id": "ses_1", "platform": "worldline_acquiring", "kind": "tokenize", "mode": "relay",
        "seal": { "kid": key["kid"], "alg": "ECDH-ES", "enc": "A256GCM", "key": public } });
    let file = files.put("session.json", session(&own));
    let card = json!({ "number": "4176669999000104", "expiry": "12/31", "cvc": "012", "holder": "Ana Mora" });
    let arguments = [
        "pack",
        "--platform",
        "worldline_acquiring",
        "--session",
        &file,
        "--server",
        "https://shop.example/pay",
    ];
    let (code, request) = json_of(&arguments, &card.to_string());
    assert_eq!(code, 0, "{request}");
    assert_eq!(request["url"], "https://shop.example/pay/v1/tokens");
    let private = files.put("key.pem", key["pkcs8_pem"].as_str().unwrap());
    let (code, opened) = json_of(&["open", "--private-key", &private], &request.to_string());
    assert_eq!((code, &opened["number"]), (0, &json!("417666******0104")));
}

#[test]
fn says_what_a_key_is() {
    let (code, report) = json_of(&["key", "--json"], &key(OURS, "public_spki_pem"));
    assert_eq!(
        (code, &report["bits"], &report["usable"]),
        (0, &json!(1024), &json!(true))
    );
    let (code, report) = json_of(&["key", "--json"], &key(OURS, "private_pkcs1_pem"));
    assert_eq!((code, &report["kind"]), (1, &json!("private_key")));
}

#[test]
fn verifies_events_and_notifications() {
    let files = Files::new();
    let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/webhooks.json")).unwrap();
    let vector = &vectors["messages"][0];
    let secret = files.put("secret", vector["secret"].as_str().unwrap());
    let seconds: i64 = vector["timestamp"].as_str().unwrap().parse().unwrap();
    let at = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    let at = at.format(&time::format_description::well_known::Rfc3339).unwrap();
    let request = |body: &str| {
        json!({ "method": "POST", "url": "https://shop.example/events", "body": body, "headers": { "webhook-id": vector["id"],
            "webhook-timestamp": vector["timestamp"], "webhook-signature": vector["signature"] } })
        .to_string()
    };
    let body = vector["body"].as_str().unwrap();
    let verify = |text: &str, at: &str| {
        json_of(
            &["verify", "event", "--secret", &secret, "--at", at, "--json"],
            text,
        )
    };
    assert_eq!(verify(&request(body), &at).1["valid"], true);
    let (code, report) = verify(&request(&format!("{body} ")), &at);
    assert_eq!((code, &report["valid"]), (1, &json!(false)));
    let (_, report) = verify(&request(body), "2001-01-01T00:00:00Z");
    assert!(report["says"].as_str().unwrap().contains("future"), "{report}");

    let config = files.put(
        "cardseal.toml",
        "[platforms.online_payments]\nmerchant_id = \"m\"\napi_key_id = \"k\"\nsecret_api_key = \"api-secret\"\n\
         webhook_keys = [{ id = \"wk\", secret = \"webhook-secret\" }]\n",
    );
    let notification = |secret: &str, body: &str| {
        use base64::Engine;
        use hmac::{Hmac, KeyInit, Mac};
        let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        let signature = mac.chain_update(r#"{"apiVersion":"v1"}"#).finalize().into_bytes();
        let signature = base64::engine::general_purpose::STANDARD.encode(signature);
        json!({ "url": "https://shop.example/n", "headers": { "X-GCS-KeyId": "wk", "X-GCS-Signature": signature },
            "body": body })
        .to_string()
    };
    let arguments = [
        "verify",
        "notification",
        "--platform",
        "online_payments",
        "--config",
        &config,
        "--json",
    ];
    let (code, report) = json_of(
        &arguments,
        &notification("webhook-secret", r#"{"apiVersion":"v1"}"#),
    );
    assert_eq!((code, &report["valid"]), (0, &json!(true)));
    for (secret, body, says) in [
        (
            "api-secret",
            r#"{"apiVersion":"v1"}"#,
            "the secret of the API key",
        ),
        (
            "webhook-secret",
            r#"{ "apiVersion": "v1" }"#,
            "does not fit the body",
        ),
    ] {
        let (code, report) = json_of(&arguments, &notification(secret, body));
        assert_eq!(code, 1);
        assert!(report["says"].as_str().unwrap().contains(says), "{report}");
        assert!(!report.to_string().contains("webhook-secret"));
    }
}

#[test]
fn verifies_a_copy_of_the_package() {
    use base64::Engine;
    use sha2::Digest;
    let files = Files::new();
    let sri = |text: &str| {
        let digest = sha2::Sha384::digest(text);
        format!(
            "sha384-{}",
            base64::engine::general_purpose::STANDARD.encode(digest)
        )
    };
    let manifest = json!({ "files": { "README.md": { "integrity": sri("r") }, "pkg/a.js": { "integrity": sri("a") },
        "pkg/deep/b.js": { "integrity": sri("b") } } });
    let manifest = files.put("manifest.json", manifest.to_string());
    files.put("copy/a.js", "a");
    files.put("copy/deep/b.js", "b");
    let copy = files.0.path().join("copy").display().to_string();
    let arguments = ["verify", "package", &copy, "--manifest", &manifest, "--json"];
    assert_eq!(json_of(&arguments, "").1["valid"], true);
    files.put("copy/deep/b.js", "changed");
    std::fs::remove_file(files.0.path().join("copy/a.js")).unwrap();
    let (code, report) = json_of(&arguments, "");
    assert_eq!(
        (code, &report["files"]),
        (1, &json!({ "a.js": "missing", "deep/b.js": "changed" }))
    );
}

#[test]
fn the_same_definition_gives_help_completions_and_the_man_page() {
    let (code, help, _) = run(&["--help"], "");
    assert_eq!(code, 0);
    let (code, man, _) = run(&["man"], "");
    assert_eq!(code, 0);
    assert!(man.starts_with(".ie"), "{man}");
    for command in [
        "pack",
        "open",
        "key",
        "verify",
        "doctor",
        "sandbox",
        "completions",
    ] {
        assert!(help.contains(command));
        assert!(
            man.contains(&format!("CARDSEAL {}", command.to_uppercase())),
            "{command}"
        );
    }
    for shell in ["bash", "zsh", "fish"] {
        let (code, completions, _) = run(&["completions", shell], "");
        assert_eq!(code, 0);
        assert!(
            completions.contains("doctor") && completions.contains("private-key"),
            "{shell}"
        );
    }
    let (code, _, errors) = run(&["docter"], "");
    assert_eq!(code, 2);
    assert!(errors.contains("doctor"), "{errors}");
}

#[test]
fn nothing_is_coloured_that_is_no_terminal() {
    for arguments in [
        &["key"][..],
        &["--help"],
        &["doctor", "--list"],
        &["doctor"],
        &["open"],
    ] {
        let (_, out, errors) = run(arguments, "junk");
        assert!(
            !out.contains('\u{1b}') && !errors.contains('\u{1b}'),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_not_shown() {
    let files = Files::new();
    let broken = files.put(
        "cardseal.toml",
        "[platforms.greenpay]\nsecret = \"very-secret\nx = 1\n",
    );
    for (arguments, says) in [
        (&["doctor", "--config", &broken][..], "is not TOML near line 2"),
        (
            &["doctor", "--config", "/nowhere.toml"],
            "/nowhere.toml cannot be read",
        ),
        (&["doctor", "--request", &broken], "neither JSON nor a HAR file"),
        (&["doctor"], "nothing to look at"),
    ] {
        let (code, out, errors) = run(arguments, "");
        assert_eq!(code, 2, "{arguments:?}");
        assert!(errors.contains(says), "{errors}");
        assert!(!errors.contains("very-secret") && !out.contains("very-secret"));
    }
}

#[test]
fn starts_the_simulated_platforms() {
    let files = Files::new();
    let private = files.put("private.pem", key(OURS, "private_pkcs8_pem"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_cardseal"))
        .args(["sandbox", "--private-key", &private])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let info: Value = serde_json::from_str(&line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(info["ready"], true);
    assert_eq!(
        info["platforms"]["greenpay"]["public_key"],
        key(OURS, "public_spki_base64_one_line")
    );
    let (code, _, errors) = run(&["sandbox", "--listen", "0.0.0.0:0"], "");
    assert_eq!(code, 2);
    assert!(errors.contains("loopback"), "{errors}");
}
