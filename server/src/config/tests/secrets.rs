//! Secrets from files, at an account on every platform.

use super::*;

/// An account on every platform, with all secrets.
fn every_platform() -> Value {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../../tests/vectors/greenpay.json")).unwrap();
    let sealing: Value =
        serde_json::from_str(include_str!("../../../../tests/vectors/sealing.json")).unwrap();
    let webhook = "k3-Wq9_zR7pLx2VbN8tY";
    serde_json::json!({
        "server": { "api_key": "5f3a9c1e7b2d4068af91c3e5d7b80246" },
        "events": {
            "url": "https://shop.example/events", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        },
        "platforms": {
            "greenpay": {
                "secret": "s", "merchant_id": "m", "public_key": find_key(&vectors).unwrap(),
                "webhook_path_secret": webhook, "terminals": [{ "terminal": "a", "currency": "CRC" }],
            },
            "gp_api": { "app_id": "a", "app_key": "k", "webhook_path_secret": webhook },
            "online_payments": {
                "merchant_id": "m", "api_key_id": "a", "secret_api_key": "s", "webhook_path_secret": webhook,
                "return_url": "https://shop.example/return", "webhook_keys": [{ "id": "w", "secret": "s" }],
            },
            "worldline_acquiring": {
                "client_id": "c", "client_secret": "s", "acquirer_id": "1", "merchant_id": "2",
                "sealing": true,
                "sealing_keys": [{ "kid": sealing["key"]["kid"], "jwk": sealing["key"]["jwk"].to_string() },
                    { "kid": "b", "pem": sealing["key"]["pkcs8_pem"] }],
            },
            "ccbill": {
                "client_accnum": 900_000, "client_subacc": 0,
                "frontend_application_id": "f", "frontend_secret": "s",
                "backend_application_id": "b", "backend_secret": "s",
            },
        },
    })
}

/// The places of all texts in a tree, as a JSON pointer to the table and the key in it.
fn texts(value: &Value, place: &str, found: &mut Vec<(String, String)>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(table) => table.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, item)| (i.to_string(), item))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (key, value) in inner {
        if value.is_string() {
            found.push((place.to_owned(), key));
        } else {
            texts(value, &format!("{place}/{key}"), found);
        }
    }
}

fn examine_tree(tree: &Value) -> Examined {
    Config::examine_parts(&toml::to_string(tree).unwrap(), &BTreeMap::new())
}

#[test]
fn every_secret_can_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let tree = every_platform();
    let whole = examine_tree(&tree);
    assert!(whole.config.is_ok(), "{:?}", whole.config.err());
    let mut places = Vec::new();
    texts(&tree, "", &mut places);
    let mut secrets = Vec::new();
    for (table, key) in places {
        let put = |content: Option<&[u8]>, both: bool| {
            let path = folder.path().join("secret");
            let _ = std::fs::remove_file(&path);
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let mut tree = tree.clone();
            let entries = tree.pointer_mut(&table).unwrap().as_object_mut().unwrap();
            if !both {
                entries.remove(&key);
            }
            entries.insert(format!("{key}_file"), path.to_str().unwrap().into());
            (examine_tree(&tree), path)
        };
        let text = tree.pointer(&table).unwrap()[&key].as_str().unwrap();
        let line = format!("{text}\r\n");
        let (read, _) = put(Some(line.as_bytes()), false);
        let is_secret = read.config.is_ok();
        let named = key.contains("secret") || key.ends_with("_key") || matches!(key.as_str(), "pem" | "jwk");
        assert_eq!(
            is_secret,
            named && key != "public_key",
            "{table}/{key}: {:?}",
            read.config.err()
        );
        if !is_secret {
            continue;
        }
        let mut name = String::new();
        for part in table.split('/').skip(1) {
            name += &match part.parse::<usize>() {
                Ok(index) => format!("[{index}]"),
                Err(_) if name.is_empty() => part.to_owned(),
                Err(_) => format!(".{part}"),
            };
        }
        let name = format!("{name}.{key}");
        let wrong: [(Option<&[u8]>, bool, String); 6] = [
            (
                None,
                false,
                format!("{name}_file: names a file that does not exist"),
            ),
            (Some(b""), false, format!("{name}_file: names an empty file")),
            (Some(b" \n\n"), false, format!("{name}_file: names an empty file")),
            (
                Some(b"hunter2\xff"),
                false,
                format!("{name}_file: names a file that is not text"),
            ),
            (
                Some(b"from hunter2"),
                false,
                format!("{name}_file: names a file that has the text of the example"),
            ),
            (
                Some(b"hunter2"),
                true,
                format!("{name}: is given twice, as `{key}` and as `{key}_file`"),
            ),
        ];
        for (content, both, message) in wrong {
            let error = put(content, both).0.config.err().unwrap().to_string();
            assert!(error.contains(&message), "{message} is not in\n{error}");
            assert!(!error.contains("hunter2"), "{error}");
            // A secret in a table of several may be named by its table as well.
            assert!(error.contains(" 1 mistake(s)") || name.contains('['), "{error}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            for (mode, warnings, mistakes) in [(0o600, 0, 0), (0o440, 0, 0), (0o644, 1, 0), (0o606, 0, 1)] {
                let (_, path) = put(Some(line.as_bytes()), false);
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
                let mut tree = tree.clone();
                let entries = tree.pointer_mut(&table).unwrap().as_object_mut().unwrap();
                entries.remove(&key);
                entries.insert(format!("{key}_file"), path.to_str().unwrap().into());
                let read = examine_tree(&tree);
                let wanted = format!("{name}_file");
                let about = read.warnings.iter().filter(|warning| warning.key == wanted);
                assert_eq!(about.count(), warnings, "{name} {mode:o}: {:?}", read.warnings);
                let error = read
                    .config
                    .err()
                    .map(|error| error.to_string())
                    .unwrap_or_default();
                let refused = error.contains(&format!("{wanted}: names a file that every user"));
                assert_eq!(usize::from(refused), mistakes, "{name} {mode:o}: {error}");
            }
        }
        secrets.push(name);
    }
    for name in [
        "server.api_key",
        "platforms.greenpay.secret",
        "platforms.greenpay.webhook_path_secret",
        "platforms.gp_api.app_key",
        "platforms.online_payments.secret_api_key",
        "platforms.online_payments.webhook_keys[0].secret",
        "platforms.worldline_acquiring.client_secret",
        "platforms.worldline_acquiring.sealing_keys[0].jwk",
        "platforms.worldline_acquiring.sealing_keys[1].pem",
        "platforms.ccbill.frontend_secret",
        "platforms.ccbill.backend_secret",
    ] {
        assert!(
            secrets.iter().any(|secret| secret == name),
            "{name} is not in {secrets:?}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_secret_is_read_from_files_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = every_platform();
    let server = tree["server"].as_object_mut().unwrap();
    server.remove("api_key");
    server.insert("api_key_file".into(), folder.path().to_str().unwrap().into());
    let error = examine_tree(&tree).config.err().unwrap().to_string();
    assert!(
        error.contains("server.api_key_file: names something that is not a file"),
        "{error}"
    );
    let large = folder.path().join("large");
    std::fs::write(&large, vec![b'a'; 70_000]).unwrap();
    tree["server"]["api_key_file"] = large.to_str().unwrap().into();
    let error = examine_tree(&tree).config.err().unwrap().to_string();
    assert!(
        error.contains("server.api_key_file: names a file that is too large"),
        "{error}"
    );
}

#[test]
fn plain_http_that_leaves_the_machine_is_a_warning() {
    for (listen, proxy, warnings) in [
        ("127.0.0.1:1", false, 0),
        ("[::1]:1", false, 0),
        ("0.0.0.0:1", false, 1),
        ("192.0.2.1:1", false, 1),
        ("0.0.0.0:1", true, 0),
    ] {
        let mut tree = every_platform();
        tree["server"]["listen"] = listen.into();
        tree["server"]["trust_forwarded_for"] = proxy.into();
        let found = examine_tree(&tree).warnings;
        let about = found.iter().filter(|warning| warning.key == "server.listen");
        assert_eq!(about.count(), warnings, "{listen} {proxy}: {found:?}");
    }
}
