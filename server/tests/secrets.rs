//! What must never be written down: not in the log, not in the database, not in an answer.

use std::io::Write;

use cardseal_sandbox::faults::Kind;
use serde_json::json;

use crate::shop::{API_KEY, APPROVED, DECLINED_51, Shop, WEBHOOK_SECRET, logs};

struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        logs().lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Keeps everything that is logged from now on, also what the libraries say.
pub(crate) fn listen() {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(|| Sink)
        .finish();
    // An error means that another test listens already, for all of them.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

#[tokio::test]
async fn no_card_and_no_secret_is_written_anywhere() {
    listen();
    let shop = Shop::open().await;
    let mut sealed = Vec::new();
    for number in [APPROVED, DECLINED_51] {
        let session = shop.session().await;
        let body = shop.seal(&session, number);
        let token = shop.page("/v1/tokens", &body).await.is(201);
        sealed.push(body);
        let payment = shop.charge(&token, number.get(..8).unwrap()).await.is(201);
        shop.merchant(
            "POST",
            &format!("/v1/payments/{}/void", payment["id"].as_str().unwrap()),
            None,
        )
        .await;
        let session = shop.payment_session("2.00").await;
        let body = shop.seal(&session, number);
        shop.page("/v1/payments", &body).await;
        sealed.push(body);
    }
    // A page that does everything wrong.
    shop.page("/v1/tokens", &json!({ "number": APPROVED, "cvc": "987" }))
        .await
        .problem(422, "clear_card_data");
    shop.page("/v1/tokens", &json!({ APPROVED: 1 }))
        .await
        .problem(422, "clear_card_data");
    shop.get(&format!("/v1/tokens?customer={APPROVED}")).await;
    shop.get(&format!("/v1/tokens/{APPROVED}")).await;
    shop.get(&format!("/{APPROVED}")).await;
    shop.fault("merchant/tokenPayment", Kind::Html);
    let token = shop.token(APPROVED).await;
    shop.charge(&token, "html").await;
    shop.notify("/", &json!({ "status": 200, "orderId": APPROVED }))
        .await;

    let credentials = shop.sandbox.info().platforms.greenpay.credentials.clone();
    shop.app.stop().await;
    let mut places = vec![("log", logs().lock().unwrap().clone())];
    places.push(("database", shop.written().await));
    let log = String::from_utf8_lossy(&places[0].1).into_owned();
    assert!(
        log.contains("request served") && log.contains("/v1/payments/{id}/void"),
        "nothing was logged"
    );
    let mut secrets = vec![
        APPROVED.to_owned(),
        DECLINED_51.to_owned(),
        credentials.secret,
        API_KEY.to_owned(),
        WEBHOOK_SECRET.to_owned(),
    ];
    for body in &sealed {
        secrets.push(body["ld"].as_str().unwrap().to_owned());
        secrets.push(body["lk"].as_str().unwrap().to_owned());
    }
    for (place, bytes) in &places {
        for secret in &secrets {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "the {place} holds {}…", &secret[..6]);
        }
    }
}

/// A configuration whose process lets tests read its memory.
#[cfg(target_os = "linux")]
pub(crate) fn readable_memory(config: &str) -> String {
    config.replacen("[server]\n", "[server]\ncore_dumps = true\n", 1)
}

/// Every readable page of a process that it can write to.
#[cfg(target_os = "linux")]
pub(crate) fn memory(process: u32) -> Vec<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let mut memory = std::fs::File::open(format!("/proc/{process}/mem")).unwrap();
    let mut regions = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (start, end) = words.next().unwrap().split_once('-').unwrap();
        let address = |text| u64::from_str_radix(text, 16).unwrap();
        let (start, end) = (address(start), address(end));
        if !words.next().unwrap().starts_with("rw") {
            continue;
        }
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        memory.seek(SeekFrom::Start(start)).unwrap();
        // Pages that were reserved and never used cannot be read.
        if memory.read_exact(&mut bytes).is_ok() {
            regions.push(bytes);
        }
    }
    regions
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn no_card_is_in_the_memory_of_the_program() {
    use crate::crash::{Program, call};
    use crate::shop::{client, config_text, sandbox, seal};

    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    let text = config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", "");
    std::fs::write(&config, readable_memory(&text)).unwrap();
    let program = Program::start(&config);
    let url = program.url.clone();
    let key = cardseal::greenpay::GreenPay::new(
        cardseal::crypto::public_key::PublicKey::parse(&sandbox.info().platforms.greenpay.public_key)
            .unwrap(),
    );
    let client = client();
    let post = async |path: &str, body: serde_json::Value| {
        call(&client, "POST", format!("{url}{path}"), Some(&body), None)
            .await
            .unwrap()
    };
    for number in [APPROVED, DECLINED_51] {
        let (_, session) = post("/v1/sessions", json!({})).await;
        let (status, token) = post("/v1/tokens", seal(&key, &session, number)).await;
        assert_eq!(status, 201, "{token}");
        let (status, _) = post(
            "/v1/payments",
            json!({ "token": token["id"], "amount": "1.00", "currency": "USD" }),
        )
        .await;
        assert_eq!(status, 201);
        let (_, session) = post(
            "/v1/sessions",
            json!({ "kind": "payment", "amount": "1.00", "currency": "USD" }),
        )
        .await;
        assert_eq!(post("/v1/payments", seal(&key, &session, number)).await.0, 201);
    }
    let regions = memory(program.id());
    let holds = |text: &str| {
        regions
            .iter()
            .any(|region| region.windows(text.len()).any(|window| window == text.as_bytes()))
    };
    // That the search finds anything at all.
    assert!(holds(API_KEY));
    for secret in [APPROVED, DECLINED_51, "4242 4242 4242 4242"] {
        assert!(!holds(secret), "the memory holds {}…", &secret[..6]);
    }
}
