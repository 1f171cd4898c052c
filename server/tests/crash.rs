//! The real program, killed without warning while money moves.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cardseal::crypto::public_key::PublicKey;
use cardseal::greenpay::GreenPay;
use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::shop::{API_KEY, APPROVED, ORIGIN, config_text, sandbox, seal};

/// Where it is.
pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_cardseal-server");

/// The program; killed when dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) url: String,
    /// Where its metrics are.
    #[cfg(target_os = "linux")]
    pub(crate) metrics: Option<String>,
}

impl Program {
    pub(crate) fn start(config: &Path) -> Self {
        Self::start_by(Command::new(SERVER), config)
    }

    /// By another program that ends in the server's.
    pub(crate) fn start_by(command: Command, config: &Path) -> Self {
        Self::spawn(command, config, Stdio::null())
    }

    /// With a limit of open files; what it logs goes to a file.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_with_files(config: &Path, files: u32, log: &Path) -> Self {
        let mut shell = Command::new("/bin/sh");
        let line = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
        shell.args(["-c", &line, SERVER]);
        Self::spawn(shell, config, std::fs::File::create(log).unwrap().into())
    }

    /// What it logs goes to a file, or to a pipe that nobody reads.
    #[cfg(unix)]
    pub(crate) fn start_logging(config: &Path, log: impl Into<Stdio>) -> Self {
        Self::spawn(Command::new(SERVER), config, log.into())
    }

    fn spawn(mut command: Command, config: &Path, log: Stdio) -> Self {
        let mut child = command
            .arg("--config")
            .arg(config)
            .current_dir(config.parent().unwrap())
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        Self {
            child,
            url: format!("http://{}", ready["listen"].as_str().unwrap()),
            #[cfg(target_os = "linux")]
            metrics: ready["metrics"].as_str().map(ToOwned::to_owned),
        }
    }

    #[cfg(unix)]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: nothing gets a chance to be tidied up.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself.
    #[cfg(unix)]
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    #[cfg(unix)]
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) async fn call(
    client: &reqwest::Client,
    method: &str,
    url: String,
    body: Option<&Value>,
    key: Option<&str>,
) -> Option<(u16, Value)> {
    let mut request = client
        .request(method.parse().unwrap(), url)
        .header("authorization", format!("Bearer {API_KEY}"))
        .header("origin", ORIGIN);
    if let Some(body) = body {
        request = request.json(body);
    }
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.json().await.ok()?))
}

/// What callers were told.
#[derive(Default)]
struct Told {
    tokens: Vec<String>,
    payments: BTreeMap<String, (u16, Value)>,
    asked: Vec<(String, Value)>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_loses_nothing_that_was_told_and_charges_nothing_twice() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    let more = "[limits]\nbrowser_requests_per_minute = 100000\nbrowser_burst = 100000\nattempts_per_minute = 100000\n\
        sessions_per_minute = 100000\n[log]\nlevel = \"error\"\n";
    std::fs::write(
        &config,
        config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", more),
    )
    .unwrap();
    let mut slow = Fault::new("greenpay", "*", Kind::Delay);
    (slow.times, slow.ms) = (0, 5);
    sandbox.inject(slow).unwrap();
    let key = Arc::new(GreenPay::new(
        PublicKey::parse(&sandbox.info().platforms.greenpay.public_key).unwrap(),
    ));
    let client = crate::shop::client();
    let told = Arc::new(Mutex::new(Told::default()));
    let counter = Arc::new(AtomicU32::new(0));

    for round in 0..4_u64 {
        let program = Program::start(&config);
        let over = Arc::new(AtomicBool::new(false));
        let mut workers = Vec::new();
        for _ in 0..6 {
            let (client, told, key, url) = (client.clone(), told.clone(), key.clone(), program.url.clone());
            let (counter, over) = (counter.clone(), over.clone());
            workers.push(tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    work(&client, &told, &key, &url, &counter).await;
                }
            }));
        }
        tokio::time::sleep(Duration::from_millis(700 + 170 * round)).await;
        program.kill();
        over.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.await.unwrap();
        }
    }

    sandbox.clear_faults();
    let program = Program::start(&config);
    let told = told.lock().await;
    assert!(
        told.tokens.len() > 10 && told.payments.len() > 10,
        "too little happened: {}",
        told.payments.len()
    );
    for token in &told.tokens {
        let (status, body) = call(
            &client,
            "GET",
            format!("{}/v1/tokens/{token}", program.url),
            None,
            None,
        )
        .await
        .unwrap();
        assert_eq!((status, &body["status"]), (200, &json!("active")), "{token}");
    }
    for (status, payment) in told.payments.values() {
        let url = format!("{}/v1/payments/{}", program.url, payment["id"].as_str().unwrap());
        let (found, body) = call(&client, "GET", url, None, None).await.unwrap();
        assert_eq!(found, 200);
        assert!(*status == 202 || body == *payment, "{body} is not {payment}");
    }
    // Every charge that was ever asked for is asked for again with its key.
    let mut unknown = 0;
    for (key, body) in &told.asked {
        let url = format!("{}/v1/payments", program.url);
        let (status, payment) = call(&client, "POST", url, Some(body), Some(key)).await.unwrap();
        assert!(status == 201 || status == 202, "{payment}");
        unknown += u32::from(status == 202);
        if let Some((told_status, told_payment)) = told.payments.get(key) {
            assert_eq!((status, &payment), (*told_status, told_payment));
        }
    }
    let mut booked: BTreeMap<String, u32> = BTreeMap::new();
    for transaction in sandbox.state()["greenpay"]["transactions"].as_array().unwrap() {
        *booked
            .entry(transaction["order_reference"].as_str().unwrap().into())
            .or_default() += 1;
    }
    assert!(
        booked.values().all(|count| *count == 1),
        "a reference was charged twice"
    );
    // One reference a key: the body names it.
    assert!(booked.len() <= told.asked.len());
    println!(
        "{} tokens, {} charges, {unknown} unknown",
        told.tokens.len(),
        told.asked.len()
    );
}

/// What is stored together is answered together: a kill between the two may not take back what somebody was told.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_many_share_a_commit_loses_nothing_that_was_told() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    let more = "[limits]\nbrowser_requests_per_minute = 1000000\nbrowser_burst = 100000\n\
        attempts_per_minute = 1000000\nsessions_per_minute = 1000000\n[log]\nlevel = \"error\"\n";
    let text = config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", more);
    std::fs::write(&config, text).unwrap();
    let client = crate::shop::client();
    let told = Arc::new(Mutex::new(Vec::new()));
    for round in 1..=3_usize {
        let program = Program::start(&config);
        let over = Arc::new(AtomicBool::new(false));
        let mut callers = Vec::new();
        for _ in 0..48 {
            let (client, told, over) = (client.clone(), Arc::clone(&told), Arc::clone(&over));
            let url = format!("{}/v1/sessions", program.url);
            callers.push(tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let session = call(&client, "POST", url.clone(), Some(&json!({})), None).await;
                    if let Some((201, session)) = session {
                        told.lock().await.push(session["id"].as_str().unwrap().to_owned());
                    }
                }
            }));
        }
        let patience = Instant::now() + Duration::from_secs(60);
        while told.lock().await.len() < 200 * round {
            assert!(Instant::now() < patience, "too little happens");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        program.kill();
        over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.unwrap();
        }
    }
    let program = Program::start(&config);
    for id in told.lock().await.iter() {
        let url = format!("{}/v1/sessions/{id}", program.url);
        let (status, session) = call(&client, "GET", url, None, None).await.unwrap();
        assert_eq!((status, &session["id"]), (200, &json!(id)));
    }
}

/// A customer: a new card, then two charges of it.
async fn work(client: &reqwest::Client, told: &Mutex<Told>, key: &GreenPay, url: &str, counter: &AtomicU32) {
    let Some((201, session)) = call(
        client,
        "POST",
        format!("{url}/v1/sessions"),
        Some(&json!({})),
        None,
    )
    .await
    else {
        return;
    };
    let sealed = seal(key, &session, APPROVED);
    let Some((201, token)) = call(client, "POST", format!("{url}/v1/tokens"), Some(&sealed), None).await
    else {
        return;
    };
    told.lock()
        .await
        .tokens
        .push(token["id"].as_str().unwrap().into());
    for _ in 0..2 {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        let key = format!("key-{number}");
        let body = json!({
            "token": token["id"], "amount": "1.00", "currency": "USD", "order_reference": format!("order-{number}"),
        });
        told.lock().await.asked.push((key.clone(), body.clone()));
        if let Some((status, payment)) = call(
            client,
            "POST",
            format!("{url}/v1/payments"),
            Some(&body),
            Some(&key),
        )
        .await
        {
            assert!(status == 201 || status == 202, "{payment}");
            told.lock().await.payments.insert(key, (status, payment));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_cut_short_is_unknown_at_the_next_start_and_never_made_again() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    std::fs::write(
        &config,
        config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", ""),
    )
    .unwrap();
    let key = GreenPay::new(PublicKey::parse(&sandbox.info().platforms.greenpay.public_key).unwrap());
    let client = crate::shop::client();

    let program = Program::start(&config);
    let url = program.url.clone();
    let (_, session) = call(
        &client,
        "POST",
        format!("{url}/v1/sessions"),
        Some(&json!({})),
        None,
    )
    .await
    .unwrap();
    let sealed = seal(&key, &session, APPROVED);
    let (_, token) = call(&client, "POST", format!("{url}/v1/tokens"), Some(&sealed), None)
        .await
        .unwrap();
    let mut slow = Fault::new("greenpay", "merchant/tokenPayment", Kind::DelayAfterCommit);
    slow.ms = 10_000;
    sandbox.inject(slow).unwrap();
    let body = json!({ "token": token["id"], "amount": "5.00", "currency": "USD" });
    let charge = {
        let (client, url, body) = (client.clone(), format!("{url}/v1/payments"), body.clone());
        tokio::spawn(async move { call(&client, "POST", url, Some(&body), Some("k")).await })
    };
    let booked = || {
        sandbox.state()["greenpay"]["transactions"]
            .as_array()
            .unwrap()
            .len()
    };
    let patience = Instant::now() + Duration::from_secs(5);
    while booked() == 0 && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    program.kill();
    assert_eq!(charge.await.unwrap(), None);

    let program = Program::start(&config);
    let url = format!("{}/v1/payments", program.url);
    let (status, payment) = call(&client, "POST", url.clone(), Some(&body), Some("k"))
        .await
        .unwrap();
    assert_eq!((status, &payment["status"]), (202, &json!("unknown")));
    let again = call(&client, "POST", url.clone(), Some(&body), Some("k"))
        .await
        .unwrap();
    assert_eq!(again, (202, payment.clone()));
    assert_eq!(booked(), 1);
    let resolve = format!("{url}/{}/resolve", payment["id"].as_str().unwrap());
    let (status, _) = call(
        &client,
        "POST",
        resolve,
        Some(&json!({ "status": "approved" })),
        None,
    )
    .await
    .unwrap();
    assert_eq!(status, 200);
    #[cfg(unix)]
    assert_eq!(program.terminate(), Some(0));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_polite_stop_lets_money_settle() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    std::fs::write(
        &config,
        config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", ""),
    )
    .unwrap();
    let key = GreenPay::new(PublicKey::parse(&sandbox.info().platforms.greenpay.public_key).unwrap());
    let client = crate::shop::client();
    let program = Program::start(&config);
    let url = program.url.clone();
    let (_, session) = call(
        &client,
        "POST",
        format!("{url}/v1/sessions"),
        Some(&json!({})),
        None,
    )
    .await
    .unwrap();
    let sealed = seal(&key, &session, APPROVED);
    let (_, token) = call(&client, "POST", format!("{url}/v1/tokens"), Some(&sealed), None)
        .await
        .unwrap();
    let mut slow = Fault::new("greenpay", "merchant/tokenPayment", Kind::Delay);
    slow.ms = 800;
    sandbox.inject(slow).unwrap();
    let body = json!({ "token": token["id"], "amount": "5.00", "currency": "USD" });
    let charge = tokio::spawn(async move {
        call(
            &client,
            "POST",
            format!("{url}/v1/payments"),
            Some(&body),
            Some("k"),
        )
        .await
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let code = tokio::task::spawn_blocking(move || program.terminate())
        .await
        .unwrap();
    assert_eq!(code, Some(0));
    let (status, payment) = charge.await.unwrap().unwrap();
    assert_eq!((status, &payment["status"]), (201, &json!("approved")));
}

#[test]
fn a_wrong_configuration_is_explained_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    std::fs::write(&config, "[server]\nlisten = \"x\"\napi_key = \"hunter2\"\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_cardseal-server"))
        .arg("--config")
        .arg(&config)
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("server.listen") && text.contains("server.api_key") && text.contains("platforms"),
        "{text}"
    );
    assert!(!text.contains("hunter2"));
    assert_eq!(output.stdout, b"");
}

#[test]
fn prints_keys_that_the_configuration_takes() {
    let print = || {
        let output = Command::new(env!("CARGO_BIN_EXE_cardseal-server"))
            .arg("--generate-api-key")
            .env_clear()
            .output()
            .unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
        String::from_utf8(output.stdout).unwrap()
    };
    let (first, second) = (print(), print());
    let key = first.strip_suffix('\n').unwrap();
    assert_eq!(cardseal_server::api_key::weakness(key), None, "{key}");
    assert_ne!(first, second);
}

#[test]
fn help_lists_every_option_and_a_wrong_argument_shows_it() {
    let run = |argument: &str| {
        let output = Command::new(SERVER).arg(argument).env_clear().output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, help, errors) = run("--help");
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    for option in [
        "--config FILE",
        "check",
        "--json",
        "--compact",
        "--generate-api-key",
        "--generate-encryption-key",
        "--openapi",
        "--version",
        "--help",
    ] {
        assert!(
            help.contains(&format!("\n  {option} ")),
            "{option} is not in\n{help}"
        );
    }
    let version = concat!("cardseal-server ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run("--version"), (Some(0), version.into(), String::new()));
    let (code, out, errors) = run("--confg");
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(errors.contains(&help), "{errors}");
}
