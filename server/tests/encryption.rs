//! Encryption at rest: what the database does not say, and how keys are replaced while the shop is open.

use std::path::Path;
use std::process::Command;

use cardseal::platform::Platform;
use serde_json::json;

use crate::crash::{Program, SERVER, call};
use crate::database::{Database, encryption};
use crate::operations::{check, write};
use crate::shop::{APPROVED, Shop, client, config_text, sandbox};
use crate::storage::until;

const CUSTOMER: &str = "customer-4711 of Köln";
/// Each made with `--generate-encryption-key`.
const KEY_1: &str = "b1f5e2a07c94d83e6f1b2c7a9058d4e36a7f0c1d2b3e4958617a8b9c0d1e2f34";
const KEY_2: &str = "0c9d8e7fa6b5c4d3e2f1a0918273645546372819f0e1d2c3b4a5968778695a4b";

/// A shop with two platforms and events, whose database is sealed.
async fn sealed(more: &[(&str, &str)]) -> Shop {
    let settings = [
        ("CARDSEAL__ENCRYPTION__CURRENT", "one"),
        ("CARDSEAL__ENCRYPTION__KEYS__ONE__KEY", KEY_1),
        ("CARDSEAL__EVENTS__URL", "http://127.0.0.1:9/events"),
        (
            "CARDSEAL__EVENTS__SECRET",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ),
        ("CARDSEAL__COMPAT__GP_NETWORK_TOKENS", "true"),
    ];
    let all: Vec<_> = settings.into_iter().chain(more.iter().copied()).collect();
    Shop::gp_api(&all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_says_neither_whose_cards_it_has_nor_how_to_charge_them() {
    let shop = sealed(&[]).await;
    let ask = json!({ "customer": CUSTOMER });
    let session = shop.page("/v1/sessions", &ask).await.is(201);
    let token = shop
        .page("/v1/tokens", &shop.seal(&session, APPROVED))
        .await
        .is(201);
    let ask = json!({ "platform": "gp_api", "customer": CUSTOMER });
    let session = shop.page("/v1/sessions", &ask).await.is(201);
    let answer = shop.single(&session, crate::gp_api::APPROVED).await;
    let card = json!({ "session": session["id"], "answer": answer });
    let at_gp = shop.page("/v1/tokens", &card).await.is(201);
    let body = json!({ "token": token["id"], "amount": "12.34", "currency": "USD",
        "description": "Dinner of Ana", "customer": CUSTOMER, "order_reference": "order-7" });
    let key = [("idempotency-key", "key-7")];
    let payment = shop
        .merchant_with("POST", "/v1/payments", Some(&body), &key)
        .await
        .is(201);
    let path = format!("/v1/payments/{}/refund", payment["id"].as_str().unwrap());
    let refunded = shop.merchant_with("POST", &path, None, &key).await.is(200);
    let ask = json!({ "kind": "payment", "mode": "direct", "amount": "7.70", "currency": "USD",
        "customer": CUSTOMER, "description": "Dinner of Ana" });
    let checkout = shop.merchant("POST", "/v1/sessions", Some(&ask)).await.is(201);

    let state = shop.sandbox.state();
    let of_session = checkout["session"].as_str().unwrap();
    let greenpay = state["greenpay"]["card_tokens"][0]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let id = at_gp["id"].as_str().unwrap();
    let stored = shop.app.store.token(&id.into()).await.unwrap().unwrap();
    let gp = secrecy::ExposeSecret::expose_secret(stored.platform_token.as_ref().unwrap()).to_owned();
    assert!(gp.starts_with("PMT_"), "{gp}");
    // The answers and the events have these; the payment's row has its reference in clear.
    let in_answers = "\"amount\":\"12.34\"";
    assert!(payment.to_string().contains(in_answers), "{payment}");
    let secrets = [
        CUSTOMER,
        "4711",
        "Ana Núñez",
        "My Visa",
        "Dinner of Ana",
        of_session,
        &greenpay,
        &gp,
        in_answers,
        "payment.approved\",",
    ];
    for secret in secrets {
        assert!(!shop.has_written(secret).await, "{secret} is written down");
    }
    assert!(shop.has_written("order-7").await, "the search finds nothing");

    // Everything is found and read as ever.
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    let shown = shop.get(&path).await.is(200);
    assert_eq!(
        (&shown["holder"], &shown["nickname"], &shown["customer"]),
        (&json!("Ana Núñez"), &json!("My Visa"), &json!(CUSTOMER))
    );
    let customer = "customer-4711%20of%20K%C3%B6ln";
    for list in ["tokens", "payments"] {
        let page = shop.get(&format!("/v1/{list}?customer={customer}")).await.is(200);
        let count = page["data"].as_array().unwrap().len();
        assert_eq!(count, if list == "tokens" { 2 } else { 1 }, "{page}");
    }
    let again = shop
        .merchant_with("POST", "/v1/payments", Some(&body), &key)
        .await
        .is(201);
    assert_eq!(again, payment);
    let again = shop
        .merchant_with("POST", &path_of(&payment, "refund"), None, &key)
        .await;
    assert_eq!(again.is(200), refunded);
    let known = shop
        .app
        .store
        .knows_platform_token(Platform::GpApi, &gp.into())
        .await;
    assert!(known.unwrap());
    let events = shop.get("/v1/events").await.is(200);
    assert!(events.to_string().contains("order-7"), "{events}");
    let erased = shop
        .merchant("DELETE", &format!("/v1/customers/{customer}"), None)
        .await;
    assert!(erased.status == 200 || erased.status == 202, "{erased:?}");
    let page = shop
        .get(&format!("/v1/payments?customer={customer}"))
        .await
        .is(200);
    assert_eq!(page["data"], json!([]));
}

fn path_of(payment: &serde_json::Value, change: &str) -> String {
    format!("/v1/payments/{}/{change}", payment["id"].as_str().unwrap())
}

/// A table with keys, each from a file or from a command that prints it.
fn section(folder: &Path, current: &str, keys: &[(&str, &str)]) -> String {
    let mut text = format!("[encryption]\ncurrent = \"{current}\"\n");
    for (at, (name, key)) in keys.iter().enumerate() {
        let file = folder.join(format!("{name}.key"));
        write(&file, &format!("{key}\n"));
        text += &format!("[encryption.keys.{name}]\n");
        text += &match at % 2 {
            0 => format!("key_file = {file:?}\n"),
            _ => format!("key_command = [\"/bin/cat\", {file:?}]\n"),
        };
    }
    text
}

#[cfg(target_os = "linux")]
async fn metric(program: &Program, name: &str) -> i64 {
    let url = format!("http://{}/metrics", program.metrics.as_ref().unwrap());
    let text = client().get(url).send().await.unwrap().text().await.unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap().parse().unwrap()
}

/// Rows of a shop that has been open for a while, written before there was a key.
const OLD: &str = "
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 800)
    INSERT INTO tokens (id, platform, platform_token, holder, status, customer, created_at, updated_at)
        SELECT 'tok_old' || n, 'greenpay', 'clear-token-' || n, 'Clear Holder', 'active', 'clear-customer-' || n, n, n
        FROM n";
const SEALED: &str = "SELECT count(*) FROM tokens WHERE platform_token_sealed IS NOT NULL";

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_key_comes_is_replaced_and_goes_without_a_stop_and_a_kill_loses_nothing() {
    use crate::operations::{hang_up, logged};
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let (config, log) = (folder.path().join("cardseal.toml"), folder.path().join("log"));
    let database = folder.path().join("x.sqlite");
    let more = "[metrics]\nlisten = \"127.0.0.1:0\"\n";
    let plain = config_text(&sandbox, &database, "127.0.0.1:0", more).replace(encryption(), "");
    let with = |current: &str, keys: &[(&str, &str)]| plain.clone() + &section(folder.path(), current, keys);
    let start = || Program::start_logging(&config, std::fs::File::create(&log).unwrap());
    let client = client();
    let customer_of = async |program: &Program, token: &str| {
        let url = format!("{}/v1/tokens/{token}", program.url);
        let (status, token) = call(&client, "GET", url, None, None).await.unwrap();
        assert_eq!(status, 200, "{token}");
        token["customer"].as_str().unwrap().to_owned()
    };
    let rows = async |query: &str| {
        let mut database = Database::open(&database).await;
        let rows = database.number(query).await;
        database.close().await;
        rows
    };

    write(&config, &plain);
    let program = start();
    let mut beside = Database::open(&database).await;
    if let Database::Sqlite(_) = beside {
        // As every connection of the server has it.
        beside.run("PRAGMA secure_delete = ON").await;
    }
    beside.run(OLD).await;
    beside.close().await;
    assert_eq!(metric(&program, "cardseal_encryption_complete").await, 1);

    // Switched on while it runs, and killed when some rows are sealed and others not.
    write(&config, &with("one", &[("one", KEY_1)]));
    hang_up(&program);
    until("some rows are sealed", async || rows(SEALED).await > 0).await;
    assert_eq!(metric(&program, "cardseal_encryption_complete").await, 0);
    program.kill();
    let sealed = rows(SEALED).await;
    assert!((1..800).contains(&sealed), "{sealed}");

    // The key before is not there: nothing starts, and the message says what is missing.
    let refused = |text: &str, what: &str| {
        write(&config, text);
        let output = Command::new(SERVER)
            .arg("--config")
            .arg(&config)
            .current_dir(folder.path())
            .env_clear()
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(what), "{errors}");
        assert!(!errors.contains(KEY_1) && !errors.contains(KEY_2), "{errors}");
    };
    refused(
        &plain,
        &format!("{sealed} row(s) of the database are sealed with the encryption key `one`"),
    );
    refused(
        &with("one", &[("one", KEY_2)]),
        "the encryption key `one` is another key",
    );

    // The next process goes on where it was, already with the next key.
    write(&config, &with("two", &[("one", KEY_1), ("two", KEY_2)]));
    let program = start();
    assert_eq!(customer_of(&program, "tok_old17").await, "clear-customer-17");
    // Not before every row has it.
    write(&config, &with("two", &[("two", KEY_2)]));
    hang_up(&program);
    logged(&log, "the encryption keys could not be put in place", 1).await;
    until("all are sealed", async || {
        metric(&program, "cardseal_encryption_complete").await == 1
    })
    .await;
    assert_eq!(metric(&program, "cardseal_encryption_rows_left").await, 0);
    assert_eq!(rows(SEALED).await, 800);
    hang_up(&program);
    logged(&log, "the configuration is in place", 1).await;
    for token in ["tok_old1", "tok_old799"] {
        let customer = customer_of(&program, token).await;
        assert_eq!(customer, format!("clear-customer-{}", &token[7..]));
    }
    // Nothing of what was in clear is left, also in SQLite's free pages and its log.
    until("the log was emptied", async || {
        let written = crate::database::written(&database).await;
        let has = |text: &str| {
            written
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        !has("clear-token-") && !has("Clear Holder") && !has("clear-customer-")
    })
    .await;
    assert_eq!(program.terminate(), Some(0));
    let program = start();
    assert_eq!(customer_of(&program, "tok_old5").await, "clear-customer-5");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_is_wrong_with_a_key_and_not_what_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    let plain =
        config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", "").replace(encryption(), "");
    let examine = |section: &str| {
        write(&config, &format!("{plain}{section}"));
        let output = check(folder.path(), &["--json"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("hunter2") && !text.contains(KEY_1), "{text}");
        (output.status.code(), text)
    };
    let good = section(folder.path(), "one", &[("one", KEY_1), ("two", KEY_2)]);
    assert_eq!(examine(&good).0, Some(0), "{}", examine(&good).1);
    let file = folder.path().join("one.key");
    let of_file = format!("[encryption]\ncurrent = \"one\"\n[encryption.keys.one]\nkey_file = {file:?}\n");
    let command = |script: &str, more: &str| {
        format!(
            "[encryption]\ncurrent = \"one\"\n[encryption.keys.one]\nkey_command = [\"/bin/sh\", \"-c\", {script:?}]\n{more}"
        )
    };
    for (content, mode, key, message) in [
        ("hunter2", 0o600, "key_file", "is not a key"),
        (&KEY_1[..62], 0o600, "key_file", "another length than 32 bytes"),
        (&"ab".repeat(32), 0o600, "key_file", "is not random"),
        ("", 0o600, "key_file", "names an empty file"),
        (KEY_1, 0o606, "key_file", "names a file that every user"),
    ] {
        write(&file, content);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let (code, text) = examine(&of_file);
        assert_eq!(code, Some(2), "{text}");
        let key = format!("encryption.keys.one.{key}");
        assert!(
            text.contains(&key) && text.contains(message),
            "{message} is not in {text}"
        );
    }
    for (text, key, message) in [
        (
            "[encryption]\ncurrent = \"one\"\n".to_owned(),
            "encryption.keys",
            "is missing",
        ),
        (
            good.replace("current = \"one\"", "current = \"six\""),
            "encryption.current",
            "is not the name",
        ),
        (
            good.replace("current = \"one\"\n", ""),
            "encryption.current",
            "is missing",
        ),
        (
            good.replace("keys.two", "keys.Two"),
            "encryption.keys.Two",
            "must be called",
        ),
        (
            format!("{of_file}key_command = [\"true\"]\n"),
            "encryption.keys.one.key_command",
            "stands beside",
        ),
        (
            of_file.replace("key_file", "# key_file"),
            "encryption.keys.one.key_file",
            "is missing",
        ),
        (
            command("echo hunter2 >&2; exit 3", ""),
            "encryption.keys.one.key_command",
            "exit code 3",
        ),
        (
            command("echo hunter2", ""),
            "encryption.keys.one.key_command",
            "is not a key",
        ),
        (
            command("sleep 60", "command_timeout_ms = 100\n"),
            "encryption.keys.one.key_command",
            "did not end within 100 ms",
        ),
        (
            good.replace("\"/bin/cat\"", "\"/nowhere/kms\""),
            "encryption.keys.two.key_command",
            "cannot be started",
        ),
    ] {
        write(&file, KEY_1);
        let (code, found) = examine(&text);
        assert_eq!(code, Some(2), "{text}\n{found}");
        assert!(
            found.contains(key) && found.contains(message),
            "{message} is not in {found}"
        );
    }
    // What such a command gets of our variables, and prints as its errors.
    let shown = command(&format!("env | grep -q ^CARDSEAL_ && exit 9; echo {KEY_1}"), "");
    write(&config, &format!("{plain}{shown}"));
    let output = Command::new(SERVER)
        .arg("check")
        .arg("--config")
        .arg(&config)
        .env("CARDSEAL__LOG__LEVEL", "warn")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn prints_keys_that_the_configuration_takes() {
    let print = || {
        let output = Command::new(SERVER)
            .arg("--generate-encryption-key")
            .env_clear()
            .output()
            .unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
        String::from_utf8(output.stdout).unwrap()
    };
    let (first, second) = (print(), print());
    assert_ne!(first, second);
    let key = first.strip_suffix('\n').unwrap();
    assert!(
        key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{}",
        key.len()
    );
}
