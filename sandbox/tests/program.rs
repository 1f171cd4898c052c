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
        assert!(!log.contains("4242"));
    }
}

/// In a build of the whole workspace another crate gives reqwest its TLS, which needs a provider even for
/// plain HTTP.
fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}
