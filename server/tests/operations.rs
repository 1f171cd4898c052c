//! What operators do with the real program: check a configuration, and look at the process that runs with it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::crash::{Program, SERVER};
use crate::shop::{config_text, sandbox};

/// The configuration of a shop whose files only the owner may open.
async fn shop_in(folder: &Path, more: &str) -> String {
    config_text(&sandbox().await, &folder.join("x.sqlite"), "127.0.0.1:0", more)
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn check(folder: &Path, arguments: &[&str]) -> Output {
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
    let output = check(folder.path(), &["--colour"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("Usage: "));
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
