//! The binary: its one line, its options, its ends.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cardseal_sandbox::Info;

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cardseal-sandbox"));
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn ready(child: &mut Child) -> (Info, BufReader<std::process::ChildStdout>) {
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.ends_with('\n'));
    (serde_json::from_str(&line).unwrap(), stdout)
}

fn exit_code(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    panic!("still running");
}

#[tokio::test]
async fn prints_one_line_and_serves() {
    let mut child = program(&["--listen", "127.0.0.1:0", "--key-bits=1024"])
        .spawn()
        .unwrap();
    let (info, mut stdout) = ready(&mut child);
    let state = client()
        .get(format!("{}/state", info.control_url))
        .send()
        .await
        .unwrap();
    assert_eq!(state.status(), 200);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

/// The server's tables, with what is different at every start replaced: the port.
fn tables(arguments: &[&str]) -> String {
    let mut child = program(arguments).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    // The last table is Worldline Acquiring's, whose key is its end.
    while !text.contains("jwk = ") || !text.ends_with("\n") {
        assert_ne!(stdout.read_line(&mut text).unwrap(), 0, "{text}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let port = text
        .split("127.0.0.1:")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    text.replace(&port, "PORT")
}

#[test]
fn keeps_its_keys_and_credentials_in_a_file() {
    let folder = std::env::temp_dir().join(format!("cardseal-sandbox-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("sandbox.json");
    let state = ["--toml", "--state", file.to_str().unwrap()];
    let first = tables(&state);
    assert_eq!(tables(&state), first);
    assert_ne!(tables(&["--toml"]), first);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    // They are the tables that the line of JSON has.
    let read: toml::Table = first.parse().unwrap();
    let mut child = program(&["--state", file.to_str().unwrap()]).spawn().unwrap();
    let (info, _stdout) = ready(&mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let greenpay = &read["platforms"]["greenpay"];
    assert_eq!(
        greenpay["secret"].as_str(),
        Some(info.platforms.greenpay.credentials.secret.as_str())
    );
    assert_eq!(
        greenpay["public_key"].as_str(),
        Some(info.platforms.greenpay.public_key.as_str())
    );
    let ids: Vec<_> = info.server_settings.keys().collect();
    assert_eq!(
        read["platforms"].as_table().unwrap().keys().collect::<Vec<_>>(),
        ids
    );

    std::fs::write(&file, "{}").unwrap();
    let output = program(&state).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("sandbox.json: missing field"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn tells_the_settings_of_some_platforms_alone() {
    let mut child = program(&["--platform", "greenpay", "--platform=ccbill"])
        .spawn()
        .unwrap();
    let (info, _stdout) = ready(&mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut ids: Vec<_> = info.server_settings.keys().map(String::as_str).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["ccbill", "greenpay"]);

    let mut child = program(&["--toml", "--platform", "greenpay"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    // Its last table ends with the path secret.
    while !text.contains("webhook_path_secret = ") {
        assert_ne!(stdout.read_line(&mut text).unwrap(), 0, "{text}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let read: toml::Table = (text + &rest).parse().unwrap();
    let platforms = read["platforms"].as_table().unwrap();
    assert_eq!(platforms.keys().collect::<Vec<_>>(), ["greenpay"]);
}

#[test]
fn ends_with_its_standard_input_if_told_to() {
    let mut child = program(&["--exit-with-stdin", "--server-url", "http://127.0.0.1:9"])
        .spawn()
        .unwrap();
    let _stdout = ready(&mut child);
    assert_eq!(child.try_wait().unwrap(), None);
    drop(child.stdin.take());
    assert_eq!(exit_code(&mut child), Some(0));
}

#[cfg(unix)]
#[test]
fn ends_cleanly_when_asked_to() {
    for signal in ["-TERM", "-INT"] {
        let mut child = program(&[]).spawn().unwrap();
        let _stdout = ready(&mut child);
        let sent = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        assert_eq!(exit_code(&mut child), Some(0), "{signal}");
    }
}

#[test]
fn refuses_what_it_cannot_do() {
    for (arguments, code, text) in [
        (&["--listen", "0.0.0.0:0"][..], 1, "loopback"),
        (&["--key-bits", "100"], 1, "bits"),
        (&["--server-url", "https://example.com"], 1, "loopback"),
        (&["--listen"], 2, "needs a value"),
        (&["--listen", "here"], 2, "address"),
        (
            &["--platform", "another"],
            1,
            "there is no platform another; there are ",
        ),
        (&["--verbose"], 2, "unknown option"),
    ] {
        let output = program(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(output.stdout.is_empty());
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(text),
            "{arguments:?}"
        );
    }
    let help = program(&["--help"]).output().unwrap();
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--exit-with-stdin"));
    let version = program(&["--version"]).output().unwrap();
    assert!(version.status.success());
    assert_eq!(
        version.stdout,
        concat!("cardseal-sandbox ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()
    );
}

#[tokio::test]
async fn logs_calls_only_when_asked_to() {
    for (arguments, logged) in [(&["--log-calls"][..], true), (&[], false)] {
        let mut child = program(arguments).spawn().unwrap();
        let (info, _stdout) = ready(&mut child);
        let url = info.platforms.greenpay.checkout_url;
        let body = r#"{"session":"4242424242424242"}"#;
        client().post(url).body(body).send().await.unwrap();
        child.kill().unwrap();
        let log = child.wait_with_output().unwrap().stderr;
        let log = String::from_utf8(log).unwrap();
        assert_eq!(log.contains("checkout/"), logged, "{log}");
        assert!(!log.contains("42424242"));
    }
}

/// Its cards come in clear, in bodies, and a careless client may put one into a path.
#[tokio::test]
async fn logs_no_card_of_worldline_acquiring() {
    const NUMBER: &str = "4176669999000104";
    let mut child = program(&["--log-calls"]).spawn().unwrap();
    let (info, _stdout) = ready(&mut child);
    let platform = info.platforms.worldline_acquiring;
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope=processing_payment",
        platform.credentials.client_id, platform.credentials.client_secret
    );
    let grant = client()
        .post(&platform.token_uri)
        .body(form)
        .send()
        .await
        .unwrap();
    let token = grant.json::<serde_json::Value>().await.unwrap()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let paid = serde_json::json!({ "operationId": NUMBER, "transactionTimestamp": "2026-11-21T10:00:00Z",
        "amount": { "amount": 200, "currencyCode": "GBP", "numberOfDecimals": 2 },
        "cardPaymentData": { "cardData": { "cardNumber": NUMBER, "expiryDate": "122031" } } });
    let captured = serde_json::json!({ "operationId": "1", "transactionTimestamp": "2026-11-21T10:00:00Z" });
    for (path, body, status) in [
        ("payments".to_owned(), paid, 201),
        (format!("payments/{NUMBER}/captures"), captured, 404),
    ] {
        let url = format!("{}/processing/v1/100812/520000214/{path}", platform.base_url);
        let answer = client()
            .post(url)
            .bearer_auth(&token)
            // `{"integrator":"Tests"}`
            .header("X-WL-ServerMetaInfo", "eyJpbnRlZ3JhdG9yIjoiVGVzdHMifQ==")
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status);
    }
    child.kill().unwrap();
    let log = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(log.contains("payments/captures"), "{log}");
    for secret in [
        NUMBER,
        token.as_str(),
        platform.credentials.client_secret.as_str(),
    ] {
        assert!(!log.contains(secret), "{log}");
    }
}

/// In a build of the whole workspace another crate gives reqwest its TLS, which needs a provider even for
/// plain HTTP.
fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}
