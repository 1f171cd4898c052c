//! TLS with callers: the certificate of the configuration, and what happens when it is renewed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rcgen::{CertificateParams, KeyPair};

use crate::crash::Program;
use crate::operations::{check, hang_up, logged, shop_in, write};
use crate::shop::API_KEY;

const DAY: i64 = 86_400;

/// A certificate for this machine and its key, both in PEM.
struct Pair {
    certificate: String,
    key: String,
}

/// One that is valid from and until so many days from now.
fn pair(from: i64, until: i64) -> Pair {
    let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let day = |days: i64| {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        time::OffsetDateTime::from_unix_timestamp(i64::try_from(now).unwrap() + days * DAY).unwrap()
    };
    (params.not_before, params.not_after) = (day(from), day(until));
    let key = KeyPair::generate().unwrap();
    Pair {
        certificate: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

struct Files {
    folder: tempfile::TempDir,
    config: PathBuf,
    log: PathBuf,
}

impl Files {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| folder.path().join(name);
        let (config, log) = (of("cardseal.toml"), of("log"));
        let table = format!(
            "[server.tls]\ncertificate_file = {:?}\nkey_file = {:?}\n[metrics]\nlisten = \"127.0.0.1:0\"\n",
            of("cert.pem"),
            of("key.pem")
        );
        write(&config, &shop_in(folder.path(), &table).await);
        Self { folder, config, log }
    }

    fn put(&self, certificate: &str, key: &str) {
        write(&self.folder.path().join("cert.pem"), certificate);
        write(&self.folder.path().join("key.pem"), key);
    }

    fn install(&self, pair: &Pair) {
        self.put(&pair.certificate, &pair.key);
    }

    fn start(&self) -> Program {
        Program::start_logging(&self.config, std::fs::File::create(&self.log).unwrap())
    }
}

/// A client that trusts this certificate alone.
fn trusting(pair: &Pair) -> reqwest::Client {
    let _ = crate::shop::client();
    let certificate = reqwest::Certificate::from_pem(pair.certificate.as_bytes()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([certificate])
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

/// Whether the server answers, over a new connection.
async fn answers(program: &Program, pair: &Pair) -> bool {
    let url = program.url.replace("http://", "https://");
    let answer = trusting(pair).get(format!("{url}/livez")).send().await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

async fn metric(program: &Program, name: &str) -> u64 {
    let text = crate::shop::client()
        .get(format!("http://{}/metrics", program.metrics.as_ref().unwrap()))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
    assert!(line.is_some(), "{name} is not in\n{text}");
    let value = line.and_then(|line| line.strip_prefix(name));
    value.unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_speaks_tls_with_the_certificate_of_its_files() {
    let files = Files::new().await;
    let own = pair(-1, 90);
    files.install(&own);
    let program = files.start();
    let url = program.url.replace("http://", "https://");
    let client = trusting(&own);
    let list = client
        .get(format!("{url}/v1/tokens"))
        .bearer_auth(API_KEY)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (list.status().as_u16(), list.version()),
        (200, reqwest::Version::HTTP_11)
    );
    // A body in several records.
    let long = client
        .post(format!("{url}/v1/sessions"))
        .bearer_auth(API_KEY)
        .json(&serde_json::json!({ "customer": "c".repeat(60_000) }))
        .send();
    assert_eq!(long.await.unwrap().status().as_u16(), 413);
    assert!(
        client.get(format!("{}/livez", program.url)).send().await.is_err(),
        "it speaks plain HTTP too"
    );
    assert!(
        !answers(&program, &pair(-1, 90)).await,
        "a stranger's certificate was accepted"
    );
    assert!(metric(&program, "cardseal_certificate_expiry_seconds").await > 1_700_000_000);
    // Connections that wait give up their buffers once there are many, and wake again.
    let clients: Vec<_> = (0..150).map(|_| trusting(&own)).collect();
    for round in 0..2 {
        for client in &clients {
            let answer = client.get(format!("{url}/livez")).send().await;
            assert_eq!(answer.unwrap().status().as_u16(), 200, "round {round}");
        }
    }
    assert!(metric(&program, "cardseal_connections").await >= 150);
    assert_eq!(
        tokio::task::spawn_blocking(move || program.terminate())
            .await
            .unwrap(),
        Some(0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_taken_and_a_wrong_one_leaves_the_old_in_use() {
    let files = Files::new().await;
    let (first, second, third) = (pair(-1, 90), pair(-1, 90), pair(-1, 90));
    files.install(&first);
    let program = files.start();
    assert!(answers(&program, &first).await);
    let waited = async |pair: &Pair| {
        let began = Instant::now();
        while !answers(&program, pair).await {
            assert!(began.elapsed() < Duration::from_secs(60));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    // By itself.
    files.install(&second);
    waited(&second).await;
    assert!(!answers(&program, &first).await);
    // Half of a renewal.
    files.put(&third.certificate, &second.key);
    let lines = logged(&files.log, "the one before stays in use", 1).await;
    assert!(
        lines.contains("server.tls.key is not the private key of the certificate"),
        "{lines}"
    );
    assert!(answers(&program, &second).await);
    assert_eq!(
        metric(&program, "cardseal_certificate_reload_failures_total").await,
        1
    );
    // A reload says so too, and changes nothing.
    hang_up(&program);
    let lines = logged(&files.log, "the server goes on with the one before", 1).await;
    assert!(lines.contains("setting=\"server.tls.key_file\""), "{lines}");
    assert!(answers(&program, &second).await);
    // At once with a reload.
    files.install(&third);
    hang_up(&program);
    logged(&files.log, "the configuration is in place", 1).await;
    assert!(answers(&program, &third).await);
    // One that is no longer valid.
    files.install(&pair(-90, -1));
    hang_up(&program);
    let lines = logged(&files.log, "the server goes on with the one before", 2).await;
    assert!(lines.contains("names a certificate that has expired"), "{lines}");
    assert!(answers(&program, &third).await);
}

#[tokio::test]
async fn a_check_names_what_is_wrong_with_a_certificate() {
    let files = Files::new().await;
    let folder: &Path = files.folder.path();
    let report = |code: i32, text: &str| {
        let output = check(folder, &["--config", "cardseal.toml"]);
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(out.contains(text), "{text} is not in\n{out}");
        assert_eq!(output.status.code(), Some(code), "{out}");
        assert!(!out.contains("PRIVATE"), "{out}");
    };
    let (own, other) = (pair(-1, 90), pair(-1, 90));
    let mut missing = "mistake: server.tls.certificate_file names a file that cannot be read";
    write(&folder.join("key.pem"), &own.key);
    report(2, missing);
    missing = "mistake: server.tls.key_file names a file that does not exist";
    std::fs::remove_file(folder.join("key.pem")).unwrap();
    report(2, missing);
    for (certificate, key, code, text) in [
        (&own.certificate, &own.key, 0, "0 mistake(s), 0 warning(s)"),
        (
            &own.certificate,
            &other.key,
            2,
            "server.tls.key_file is not the private key of the certificate",
        ),
        (
            &own.key,
            &own.key,
            2,
            "server.tls.certificate_file names a file that holds no certificate",
        ),
        (
            &own.certificate,
            &own.certificate,
            2,
            "server.tls.key_file holds no private key",
        ),
    ] {
        files.put(certificate, key);
        report(code, text);
    }
    for (from, until, code, text) in [
        (-90, -1, 2, "names a certificate that has expired"),
        (1, 90, 2, "names a certificate that is not valid yet"),
        (-80, 10, 1, "names a certificate that expires in "),
        (-1, 6, 0, "0 warning(s)"),
    ] {
        files.install(&pair(from, until));
        report(code, text);
    }
}
