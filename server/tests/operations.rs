//! What operators do with the real program: check a configuration, and look at the process that runs with it.

use std::path::Path;
use std::process::{Command, Output};

use cardseal::crypto::public_key::PublicKey;
use cardseal::greenpay::GreenPay;
use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};

use crate::crash::{Program, SERVER, call};
use crate::shop::{APPROVED, config_text, sandbox, seal};

/// The configuration of a shop whose files only the owner may open.
pub(crate) async fn shop_in(folder: &Path, more: &str) -> String {
    config_text(&sandbox().await, &folder.join("x.sqlite"), "127.0.0.1:0", more)
}

pub(crate) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

pub(crate) fn check(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(SERVER)
        .arg("check")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap()
}

#[tokio::test]
async fn a_check_reports_all_mistakes_and_warnings_and_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    let sound = shop_in(folder.path(), "").await;
    let report = |text: &str| {
        write(&config, text);
        let output = check(folder.path(), &["--json"]);
        assert_eq!(output.stderr, b"");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), json)
    };
    let empty = json!([]);
    assert_eq!(
        report(&sound),
        (0, json!({ "valid": true, "mistakes": empty, "warnings": empty }))
    );
    let exposed = sound.replace("127.0.0.1:0", "0.0.0.0:0");
    let (code, json) = report(&exposed);
    assert_eq!(
        (code, &json["valid"], &json["mistakes"]),
        (1, &json!(true), &empty)
    );
    assert_eq!(json["warnings"][0]["key"], "server.listen", "{json}");
    // Warnings are not lost beside mistakes.
    let wrong = exposed
        .replace("merchant_id", "merchant")
        .replace("[server]\n", "[server]\nbase_path = \"hunter2\"\n");
    let (code, json) = report(&wrong);
    let keys = |list: &str| -> Vec<_> {
        let items = json[list].as_array().unwrap().iter();
        items
            .map(|item| item["key"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!((code, &json["valid"]), (2, &json!(false)));
    assert_eq!(
        keys("mistakes"),
        [
            "server.base_path",
            "platforms.greenpay.merchant_id",
            "platforms.greenpay.merchant"
        ]
    );
    assert_eq!(keys("warnings"), ["server.listen"]);
    assert!(!json.to_string().contains("hunter2"), "{json}");

    let other = folder.path().join("other.toml");
    write(&other, &exposed);
    let output = check(folder.path(), &["--config", "other.toml"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.starts_with("warning: server.listen is not a loopback address"),
        "{text}"
    );
    assert!(text.ends_with("0 mistake(s), 1 warning(s)\n"), "{text}");
    let output = check(folder.path(), &["--config", "nowhere.toml", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(json["mistakes"][0]["key"], "nowhere.toml");
    // No database, no lock, no log.
    let files = std::fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["cardseal.toml", "other.toml"]);
}

#[test]
fn a_check_with_wrong_arguments_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, message) in [
        (&["--colour"][..], "'--colour'"),
        (&["--config"], "missing argument for option '--config'"),
        (&["--compact"], "one command at a time"),
        // What stands alone or behind an equals sign may be a secret.
        (&["9d41c7e05b8f2a66"], "this command takes other arguments"),
        (&["--json=9d41c7e05b8f2a66"], "--json takes no value"),
    ] {
        let output = check(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("Usage: ") && text.contains(message), "{text}");
        assert!(!text.contains("9d41c7e05b8f2a66"), "{text}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_process_cannot_be_dumped_and_locks_its_memory_where_it_opens_cards() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    let sandbox = sandbox().await;
    let plain = config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", "");
    write(&config, &plain);
    let of = |program: &Program, file: &str| {
        std::fs::read_to_string(format!("/proc/{}/{file}", program.id())).unwrap()
    };
    let locked = |program: &Program| {
        let status = of(program, "status");
        let line = status.lines().find(|line| line.starts_with("VmLck:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let cores = |program: &Program| {
        let limits = of(program, "limits");
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .unwrap();
        line.split_whitespace()
            .skip(4)
            .take(2)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let program = Program::start(&config);
    assert_eq!(cores(&program), "0 0");
    assert_eq!(locked(&program), 0);
    program.kill();

    let table = &sandbox.info().server_settings["worldline_acquiring"];
    let mut more = "[platforms.worldline_acquiring]\n".to_owned();
    for (name, value) in table.as_object().unwrap() {
        if !value.is_array() {
            more += &format!("{name} = {value}\n");
        }
    }
    let key = &table["sealing_keys"][0];
    more += &format!(
        "[[platforms.worldline_acquiring.sealing_keys]]\nkid = {}\njwk = {}\n",
        key["kid"], key["jwk"]
    );
    write(&config, &format!("{plain}{more}"));
    let log = folder.path().join("log");
    let program = Program::start_logging(&config, std::fs::File::create(&log).unwrap());
    let pages = locked(&program);
    program.kill();
    let log = std::fs::read_to_string(log).unwrap();
    // A limit of locked memory would make later allocations fail, so with one nothing is locked, and the log says so.
    assert_eq!(pages > 0, log.contains("memory is locked"), "{pages} {log}");
    assert_ne!(pages > 0, log.contains("memory is not locked"), "{pages} {log}");
}

/// A process that may be dumped lets its own user read its memory; one that may not lets only root.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn only_a_setting_lets_the_process_be_dumped() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    let text = shop_in(folder.path(), "").await;
    let core = |text: &str| {
        write(&config, text);
        // Where the limit allows it, the shell permits dumps first.
        let mut command = Command::new("/bin/sh");
        command.args([
            "-c",
            "ulimit -c unlimited 2>/dev/null; exec \"$0\" \"$@\"",
            SERVER,
        ]);
        let program = Program::start_by(command, &config);
        let folder = format!("/proc/{}", program.id());
        let limits = std::fs::read_to_string(format!("{folder}/limits")).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .unwrap();
        (line.contains(" 0 "), std::fs::metadata(folder).unwrap().uid())
    };
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    assert_eq!(core(&text), (true, 0));
    let (_, user) = core(&crate::secrets::readable_memory(&text));
    assert_eq!(user, own);
}

/// Waits until the log has so many lines with a text.
#[cfg(target_os = "linux")]
pub(crate) async fn logged(log: &Path, text: &str, times: usize) -> String {
    let began = std::time::Instant::now();
    loop {
        let lines = std::fs::read_to_string(log).unwrap();
        if lines.matches(text).count() >= times {
            return lines;
        }
        assert!(began.elapsed().as_secs() < 60, "{text} is not in\n{lines}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[cfg(target_os = "linux")]
pub(crate) fn hang_up(program: &Program) {
    let kill = Command::new("/bin/sh")
        .args(["-c", &format!("kill -HUP {}", program.id())])
        .status();
    assert!(kill.unwrap().success());
}

#[cfg(target_os = "linux")]
const IN_PLACE: &str = "the configuration is in place";

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reloads_the_configuration_and_a_faulty_one_changes_nothing() {
    use crate::shop::{API_KEY, ORIGIN, client, file_config_text};
    const NEW_KEY: &str = "71f0c2d94b6e8a35f2d7906b1c4e8a53";
    const NEW_ORIGIN: &str = "https://other.example";
    let folder = tempfile::tempdir().unwrap();
    let (config, log) = (folder.path().join("cardseal.toml"), folder.path().join("log"));
    let sandbox = sandbox().await;
    let database = folder.path().join("x.sqlite");
    let first = file_config_text(&sandbox, &database, "127.0.0.1:0", "[log]\nlevel = \"error\"\n");
    write(&config, &first);
    let program = Program::start_logging(&config, std::fs::File::create(&log).unwrap());
    let client = client();
    let list = async |key: &str| {
        let url = format!("{}/v1/tokens", program.url);
        client
            .get(url)
            .bearer_auth(key)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    let session = async |origin: &str| {
        let request = client
            .post(format!("{}/v1/sessions", program.url))
            .header("origin", origin);
        request.json(&json!({})).send().await.unwrap().status().as_u16()
    };
    assert_eq!((list(API_KEY).await, list(NEW_KEY).await), (200, 401));
    assert_eq!((session(ORIGIN).await, session(NEW_ORIGIN).await), (201, 403));

    // What can change does, at once and for keep-alive connections too; the rest is named and stays.
    let changed = first
        .replace(API_KEY, NEW_KEY)
        .replace(ORIGIN, NEW_ORIGIN)
        .replace("127.0.0.1:0", "127.0.0.1:9")
        .replace("x.sqlite", "y.sqlite")
        .replace("level = \"error\"", "level = \"info\"")
        + "[limits]\nbody_bytes = 1024\n[connections]\nmax = 17\n";
    write(&config, &changed);
    hang_up(&program);
    let lines = logged(&log, IN_PLACE, 1).await;
    for setting in ["server.listen", "database", "connections"] {
        let line = lines
            .lines()
            .find(|line| line.contains(&format!("setting=\"{setting}\"")));
        assert!(
            line.is_some_and(|line| line.contains("needs a restart")),
            "{setting} is not in\n{lines}"
        );
    }
    assert!(!lines.contains("request served"), "{lines}");
    assert_eq!((list(API_KEY).await, list(NEW_KEY).await), (401, 200));
    assert_eq!((session(ORIGIN).await, session(NEW_ORIGIN).await), (403, 201));
    assert!(!folder.path().join("y.sqlite").exists());
    let long = json!({ "customer": "c".repeat(2000) });
    let request = client
        .post(format!("{}/v1/sessions", program.url))
        .bearer_auth(NEW_KEY);
    assert_eq!(request.json(&long).send().await.unwrap().status().as_u16(), 413);
    logged(&log, "request served", 1).await;

    // All mistakes are named, no value is, and nothing changes.
    let faulty = changed
        .replace(NEW_KEY, "hunter2")
        .replace(NEW_ORIGIN, "hunter2/path");
    write(&config, &faulty);
    hang_up(&program);
    let lines = logged(&log, "the server goes on with the one before", 1).await;
    for setting in ["server.api_key", "server.allowed_origins"] {
        assert!(
            lines.contains(&format!("setting=\"{setting}\"")),
            "{setting} is not in\n{lines}"
        );
    }
    assert!(!lines.contains("hunter2"), "{lines}");
    assert_eq!((list(NEW_KEY).await, session(NEW_ORIGIN).await), (200, 201));

    write(&config, &first);
    hang_up(&program);
    let began = std::time::Instant::now();
    while list(API_KEY).await != 200 {
        assert!(began.elapsed().as_secs() < 60);
    }
    assert_eq!(
        tokio::task::spawn_blocking(move || program.terminate())
            .await
            .unwrap(),
        Some(0)
    );
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_under_way_finishes_with_the_configuration_that_it_began_with() {
    use crate::crash::call;
    use crate::shop::{APPROVED, client, seal};
    use cardseal_sandbox::faults::{Fault, Kind};
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let (config, log) = (folder.path().join("cardseal.toml"), folder.path().join("log"));
    let text = config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", "");
    write(&config, &text);
    let program = Program::start_logging(&config, std::fs::File::create(&log).unwrap());
    let (client, url) = (client(), program.url.clone());
    let (_, session) = call(
        &client,
        "POST",
        format!("{url}/v1/sessions"),
        Some(&json!({})),
        None,
    )
    .await
    .unwrap();
    let info = &sandbox.info().platforms.greenpay;
    let key = GreenPay::new(PublicKey::parse(&info.public_key).unwrap());
    let card = seal(&key, &session, APPROVED);
    let (status, token) = call(&client, "POST", format!("{url}/v1/tokens"), Some(&card), None)
        .await
        .unwrap();
    assert_eq!(status, 201, "{token}");
    let pay = |key: &'static str| {
        let body = json!({ "token": token["id"], "amount": "1.00", "currency": "USD" });
        let (client, url) = (client.clone(), format!("{url}/v1/payments"));
        tokio::spawn(async move { call(&client, "POST", url, Some(&body), Some(key)).await.unwrap() })
    };
    let mut slow = Fault::new("greenpay", "merchant/tokenPayment", Kind::DelayAfterCommit);
    slow.ms = 3000;
    sandbox.inject(slow).unwrap();
    let first = pay("first");
    while sandbox.state()["greenpay"]["transactions"]
        .as_array()
        .unwrap()
        .is_empty()
    {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // The platform has moved to where nothing answers.
    write(
        &config,
        &text.replace(info.merchant_url.as_str(), "http://127.0.0.1:9"),
    );
    hang_up(&program);
    logged(&log, IN_PLACE, 1).await;
    assert!(!first.is_finished());
    let (_, second) = pay("second").await.unwrap();
    assert_eq!(second["code"], "platform_unavailable", "{second}");
    let (status, first) = first.await.unwrap();
    assert_eq!((status, &first["status"]), (201, &json!("approved")));
    assert_eq!(
        sandbox.state()["greenpay"]["transactions"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

/// From the list of what is unknown to a day without differences, with the commands that each step names.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_finds_and_settles_an_unknown_payment_from_the_command_line() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    let more = "[http]\nrequest_timeout_ms = 500\n";
    write(
        &config,
        &config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", more),
    );
    let program = Program::start(&config);
    let client = crate::shop::client();
    let ask = |arguments: &[&str]| {
        let output = Command::new(SERVER)
            .args(arguments)
            .args(["--config", config.to_str().unwrap(), "--url", &program.url])
            .current_dir(folder.path())
            .env_clear()
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, text, _) = ask(&["unknown"]);
    assert_eq!(
        (code, text.as_str()),
        (0, "0 payment(s) with an unknown outcome\n")
    );

    let post = async |path: &str, body: Value| {
        let url = format!("{}{path}", program.url);
        call(&client, "POST", url, Some(&body), None).await.unwrap()
    };
    let (_, session) = post("/v1/sessions", json!({})).await;
    let key = PublicKey::parse(session["public_key"].as_str().unwrap()).unwrap();
    let card = seal(&GreenPay::new(key), &session, APPROVED);
    let (status, token) = post("/v1/tokens", card).await;
    assert_eq!(status, 201, "{token}");
    let lost = Fault::new("greenpay", "merchant/tokenPayment", Kind::DropAfterCommit);
    sandbox.inject(lost).unwrap();
    let charge =
        json!({ "token": token["id"], "amount": "12.34", "currency": "USD", "order_reference": "order-7" });
    let (status, payment) = post("/v1/payments", charge).await;
    assert_eq!(status, 202, "{payment}");
    let id = payment["id"].as_str().unwrap();

    let (code, text, _) = ask(&["unknown"]);
    assert_eq!(code, 0);
    for part in [
        "1 payment(s) with an unknown outcome",
        "greenpay unknown: 12.34 USD since 20",
        "reference order-7, card visa 4242",
        &format!("cardseal-server resolve {id} approved|failed"),
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let day = payment["created_at"].as_str().unwrap()[..10].to_owned();
    let (code, text, _) = ask(&["reconcile", "greenpay", &day]);
    assert_eq!(code, 1);
    assert!(text.contains("1 difference(s)") && text.contains(id), "{text}");

    let (code, _, error) = ask(&["resolve", id, "paid"]);
    assert_eq!(code, 1);
    assert!(error.contains("field_invalid"), "{error}");
    let (code, text, _) = ask(&["resolve", id, "approved", "--authorization", "063874"]);
    assert_eq!(code, 0);
    assert!(text.contains("greenpay approved: 12.34 USD"), "{text}");
    let (code, text, _) = ask(&["reconcile", "greenpay", &day, "--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["differences"]), (0, &json!([])));

    for (arguments, message) in [
        (&["resolve", id][..], "other arguments"),
        (&["reconcile", "../x"], "letters, digits"),
        (&["reconcile", "nowhere"], "field_invalid"),
        (&["unknown", "--authorization", "1"], "belongs to `resolve`"),
    ] {
        let (code, _, error) = ask(arguments);
        assert_eq!(code, 1, "{arguments:?}");
        assert!(error.contains(message), "{error}");
    }
    let url = program.url.clone();
    program.kill();
    let gone = Command::new(SERVER)
        .args(["unknown", "--config", config.to_str().unwrap(), "--url", &url])
        .env_clear()
        .output()
        .unwrap();
    let error = String::from_utf8(gone.stderr).unwrap();
    assert!(
        error.contains("no answer from") && error.contains(&url),
        "{error}"
    );
}
