//! Worldline Acquiring: cards that a page sealed to the merchant's own key, from the session to the refund. The platform
//! is played here, in a few lines; the page's part by what is documented for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cardseal_sandbox::sealing;
use serde_json::{Value, json};

use crate::secrets::listen;
use crate::shop::{Answer, Shop, logs};

const PAN: &str = "4176669999000104";
/// Three digits would be found everywhere by chance.
const CVC: &str = "8264";

#[derive(Default)]
struct Acquirer {
    /// Everything is carried out, and no answer comes through.
    mute: AtomicBool,
    charged: AtomicU32,
    reversed: AtomicU32,
    known: Mutex<BTreeMap<String, Value>>,
    payments: Mutex<Vec<Value>>,
    operations: Mutex<Vec<Value>>,
}

impl Acquirer {
    async fn start() -> (Arc<Self>, String) {
        let platform = Arc::new(Self::default());
        let router = Router::new().fallback(serve).with_state(Arc::clone(&platform));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (platform, base)
    }

    fn carry_out(&self, get: bool, path: &str, body: &Value) -> (u16, Value) {
        let tail = path.split('?').next().unwrap_or_default();
        let tail = tail.trim_start_matches("/processing/v1/100812/520000214");
        if get {
            let operations = self.operations.lock().unwrap().clone();
            return (
                200,
                json!({ "paymentId": "p-1", "status": "AUTHORIZED", "operations": operations }),
            );
        }
        let id = body["operationId"].as_str().unwrap().to_owned();
        if let Some(answer) = self.known.lock().unwrap().get(&id) {
            return (201, answer.clone());
        }
        let mut answer = json!({ "operationId": id, "responseCode": "0", "responseCodeCategory": "APPROVED",
            "references": { "schemeTransactionId": "st-1" } });
        match tail.rsplit('/').next().unwrap_or_default() {
            "payments" => {
                self.charged.fetch_add(1, Ordering::SeqCst);
                let now = body["cardPaymentData"]["captureImmediately"] == true;
                answer["paymentId"] = "p-1".into();
                answer["status"] = if now { "PENDING_CAPTURE" } else { "AUTHORIZED" }.into();
                answer["totalAuthorizedAmount"] = body["amount"].clone();
                // What is kept of it here must not be found in the memory of the server's tests either.
                let mut seen = body.clone();
                seen["cardPaymentData"]["cardData"] = Value::Null;
                self.payments.lock().unwrap().push(seen);
            }
            "reverse" => {
                let of = tail.split('/').nth(2).unwrap_or_default();
                if !self.known.lock().unwrap().contains_key(of) {
                    return (404, json!({ "title": "not found" }));
                }
                self.reversed.fetch_add(1, Ordering::SeqCst);
            }
            kind @ ("captures" | "refunds" | "authorization-reversals") => {
                let name = match kind {
                    "captures" => "CAPTURE",
                    "refunds" => "REFUND",
                    _ => "AUTHORIZATION_REVERSAL",
                };
                self.operations
                    .lock()
                    .unwrap()
                    .push(json!({ "operationType": name, "operationId": id,
                    "responseCodeCategory": "APPROVED", "amount": body["amount"] }));
            }
            "account-verifications" => {}
            _ => return (404, json!({ "title": "no such resource" })),
        }
        self.known.lock().unwrap().insert(id, answer.clone());
        (201, answer)
    }
}

async fn serve(State(platform): State<Arc<Acquirer>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if path == "/connect/token" {
        return axum::Json(json!({ "access_token": "access-token", "expires_in": 300 })).into_response();
    }
    let get = request.method() == "GET";
    let bytes = axum::body::to_bytes(request.into_body(), 65_536).await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    let (status, answer) = platform.carry_out(get, &path, &body);
    if platform.mute.load(Ordering::SeqCst) {
        return (StatusCode::BAD_GATEWAY, "<html>").into_response();
    }
    (StatusCode::from_u16(status).unwrap(), axum::Json(answer)).into_response()
}

/// The published test key of the vectors.
fn private_key() -> String {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/sealing.json")).unwrap();
    vectors["key"]["jwk"].to_string()
}

fn kid() -> String {
    let key: Value = serde_json::from_str(&private_key()).unwrap();
    key["kid"].as_str().unwrap().into()
}

async fn shop(base: &str) -> Shop {
    shop_with(base, &[]).await
}

async fn shop_with(base: &str, more: &[(&str, &str)]) -> Shop {
    const TABLE: &str = "CARDSEAL__PLATFORMS__WORLDLINE_ACQUIRING__";
    let settings: Vec<(String, String)> = [
        ("ENVIRONMENT", "custom".to_owned()),
        ("BASE_URL", base.to_owned()),
        ("TOKEN_URI", format!("{base}/connect/token")),
        ("CLIENT_ID", "me".into()),
        ("CLIENT_SECRET", "client-secret".into()),
        ("ACQUIRER_ID", "100812".into()),
        ("MERCHANT_ID", "520000214".into()),
        ("SEALING", "true".into()),
        ("SEALING_KEYS__0__KID", kid()),
        ("SEALING_KEYS__0__JWK", private_key()),
    ]
    .into_iter()
    .map(|(key, value)| (format!("{TABLE}{key}"), value))
    .chain(
        more.iter()
            .map(|(key, value)| (format!("{TABLE}{key}"), (*value).to_owned())),
    )
    .collect();
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    Shop::with(&settings).await
}

/// What a page sends for a session.
fn sealed(session: &Value) -> Value {
    sealed_card(
        session,
        &json!({ "number": PAN, "expiry": { "month": 12, "year": 2031 }, "cvc": CVC, "holder": "Zoë Müller" }),
    )
}

fn sealed_card(session: &Value, card: &Value) -> Value {
    let id = session["id"].as_str().unwrap();
    let end = i64::MAX / 2;
    json!({ "session": id, "sealed": sealing::seal(&session["seal"], id, end, card).unwrap() })
}

impl Shop {
    async fn wa_session(&self, more: &Value) -> Value {
        let mut ask = json!({ "platform": "worldline_acquiring" });
        ask.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.merchant("POST", "/v1/sessions", Some(&ask)).await.is(201)
    }

    async fn wa_payment(&self, more: &Value) -> Value {
        let mut ask = json!({ "kind": "payment", "amount": "20.00", "currency": "EUR" });
        ask.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.wa_session(&ask).await
    }

    async fn wa_change(&self, payment: &Value, what: &str, body: &Value) -> Answer {
        let path = format!("/v1/payments/{}/{what}", payment["id"].as_str().unwrap());
        self.merchant("POST", &path, Some(body)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_card_is_held_captured_and_paid_back_in_part() {
    let (platform, base) = Acquirer::start().await;
    let shop = shop(&base).await;
    let session = shop.wa_payment(&json!({ "capture": "later" })).await;
    assert_eq!(
        (&session["mode"], &session["expires_in"], &session["seal"]["kid"]),
        (&json!("relay"), &json!(900), &json!(kid()))
    );
    let key = &session["seal"]["key"];
    assert_eq!(
        (&key["kty"], &key["crv"], key.get("d")),
        (&json!("EC"), &json!("P-256"), None)
    );
    let payment = shop.page("/v1/payments", &sealed(&session)).await.is(201);
    assert_eq!(
        (&payment["status"], &payment["last4"], &payment["amount"]),
        (&json!("authorized"), &json!("0104"), &json!("20.00"))
    );
    let payment = shop
        .wa_change(&payment, "capture", &json!({ "amount": "15.00" }))
        .await
        .is(200);
    assert_eq!(
        (&payment["status"], &payment["captured"]),
        (&json!("approved"), &json!("15.00"))
    );
    let payment = shop
        .wa_change(&payment, "refund", &json!({ "amount": "4.00" }))
        .await
        .is(200);
    assert_eq!(
        (&payment["status"], &payment["refunded"]),
        (&json!("partially_refunded"), &json!("4.00"))
    );
    let done = platform.operations.lock().unwrap().clone();
    let done: Vec<_> = done
        .iter()
        .map(|operation| {
            (
                operation["operationType"].clone(),
                operation["amount"]["amount"].clone(),
            )
        })
        .collect();
    assert_eq!(
        done,
        [(json!("CAPTURE"), json!(1500)), (json!("REFUND"), json!(400))]
    );
    // At once; or held and let go.
    let session = shop.wa_payment(&json!({})).await;
    let payment = shop.page("/v1/payments", &sealed(&session)).await.is(201);
    assert_eq!(payment["status"], "approved");
    let session = shop.wa_payment(&json!({ "capture": "later" })).await;
    let payment = shop.page("/v1/payments", &sealed(&session)).await.is(201);
    assert_eq!(
        shop.wa_change(&payment, "void", &json!({})).await.is(200)["status"],
        "voided"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_card_is_good_once_and_for_its_session_alone() {
    let (platform, base) = Acquirer::start().await;
    let shop = shop(&base).await;
    let (first, second) = (
        shop.wa_payment(&json!({})).await,
        shop.wa_payment(&json!({})).await,
    );
    let body = sealed(&first);
    let mut elsewhere = body.clone();
    elsewhere["session"] = second["id"].clone();
    shop.page("/v1/payments", &elsewhere)
        .await
        .problem(409, "sealed_wrong_session");
    let payment = shop.page("/v1/payments", &body).await.is(201);
    // The same again is told the same, and charges nothing.
    let again = shop.page("/v1/payments", &body).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.is(201), payment);
    shop.page("/v1/payments", &sealed(&first))
        .await
        .problem(409, "session_used");
    shop.page("/v1/payments", &elsewhere)
        .await
        .problem(409, "sealed_wrong_session");
    assert_eq!(platform.charged.load(Ordering::SeqCst), 1);
    // Each mistake has its code, and the session stays open for a card that is sealed right.
    let bent = |change: &dyn Fn(&mut sealing::Sealer)| {
        let id = second["id"].as_str().unwrap();
        let mut sealer = sealing::Sealer::new(&second["seal"], id, i64::MAX / 2).unwrap();
        change(&mut sealer);
        json!({ "session": id, "sealed": sealer.seal(b"{}").unwrap() })
    };
    let set = |name: &'static str, value: Value| {
        bent(&move |sealer| {
            sealer.header[name] = value.clone();
        })
    };
    let mut changed = sealed(&second);
    let text = changed["sealed"].as_str().unwrap();
    let (head, tail) = text.rsplit_once('.').unwrap();
    let other = if tail.starts_with('A') { "B" } else { "A" };
    changed["sealed"] = format!("{head}.{other}{}", &tail[1..]).into();
    let long = json!({ "session": second["id"], "sealed": "x".repeat(9000) });
    for (body, status, code) in [
        (set("alg", "RSA-OAEP".into()), 422, "sealed_algorithm"),
        (set("enc", "A128GCM".into()), 422, "sealed_algorithm"),
        (set("kid", "another".into()), 422, "sealed_key_unknown"),
        (set("exp", 1.into()), 410, "sealed_expired"),
        (set("crit", json!(["x"])), 422, "sealed_malformed"),
        (
            bent(&|sealer| sealer.header["epk"]["y"] = sealer.header["epk"]["x"].clone()),
            422,
            "sealed_ephemeral_key",
        ),
        (bent(&|_| {}), 422, "sealed_not_a_card"),
        (changed, 422, "sealed_changed"),
        (long, 422, "sealed_oversized"),
        (
            json!({ "session": second["id"], "sealed": "x" }),
            422,
            "sealed_malformed",
        ),
        (json!({ "session": second["id"], "sealed": 5 }), 422, "field_type"),
        (
            json!({ "session": second["id"], "sealed": "x", "number": PAN }),
            422,
            "clear_card_data",
        ),
    ] {
        let answer = shop.page("/v1/payments", &body).await;
        assert!(!answer.text.contains(PAN));
        answer.problem(status, code);
    }
    assert_eq!(platform.charged.load(Ordering::SeqCst), 1);
    shop.page("/v1/payments", &sealed(&second)).await.is(201);
    // What the platform has no use for.
    for (ask, field) in [
        (json!({ "kind": "update", "token": "tok_1" }), None),
        (json!({ "mode": "direct" }), None),
        (json!({ "capture": "later" }), Some("capture")),
    ] {
        let mut ask = ask;
        ask["platform"] = "worldline_acquiring".into();
        let answer = shop.merchant("POST", "/v1/sessions", Some(&ask)).await;
        assert!(answer.status.is_client_error(), "{}", answer.text);
        if let Some(field) = field {
            assert_eq!(answer.json["field"], field);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_card_is_stored_without_its_number_and_referred_to() {
    let (platform, base) = Acquirer::start().await;
    let shop = shop(&base).await;
    let session = shop.wa_session(&json!({ "customer": "c-1" })).await;
    let token = shop.page("/v1/tokens", &sealed(&session)).await.is(201);
    assert_eq!(
        (
            &token["status"],
            &token["brand"],
            &token["last4"],
            &token["bin"],
            &token["expiry"]["year"]
        ),
        (
            &json!("active"),
            &json!("visa"),
            &json!("0104"),
            &Value::Null,
            &json!(2031)
        )
    );
    // Without the card there is no charge.
    let ask = json!({ "token": token["id"], "amount": "5.00", "currency": "EUR" });
    shop.merchant("POST", "/v1/payments", Some(&ask))
        .await
        .problem(422, "not_offered");
    let session = shop.wa_payment(&json!({ "token": token["id"] })).await;
    shop.page("/v1/payments", &sealed(&session)).await.is(201);
    let paid = platform.payments.lock().unwrap()[0].clone();
    assert_eq!(
        paid["cardPaymentData"]["cardOnFileData"]["subsequentCardOnFileData"],
        json!({ "transactionType": "UNSCHEDULED_CARD_ON_FILE", "cardOnFileInitiator": "CARDHOLDER",
            "initialSchemeTransactionId": "st-1" })
    );
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    shop.merchant("DELETE", &path, None).await.is(200);
    let ask = json!({ "platform": "worldline_acquiring", "kind": "payment", "amount": "5.00", "currency": "EUR",
        "token": token["id"] });
    shop.merchant("POST", "/v1/sessions", Some(&ask))
        .await
        .problem(409, "token_deleted");
    // Of another platform it is not a payment's business.
    let token = shop.token(crate::shop::APPROVED).await;
    let ask = json!({ "kind": "payment", "amount": "5.00", "currency": "USD", "token": token["id"] });
    shop.merchant("POST", "/v1/sessions", Some(&ask))
        .await
        .problem(422, "not_offered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_whose_answer_stays_lost_is_undone_by_itself() {
    let (platform, base) = Acquirer::start().await;
    let shop = shop(&base).await;
    let session = shop.wa_payment(&json!({})).await;
    platform.mute.store(true, Ordering::SeqCst);
    let payment = shop.page("/v1/payments", &sealed(&session)).await.is(202);
    assert_eq!(payment["status"], "unknown");
    assert_eq!(platform.charged.load(Ordering::SeqCst), 1);
    platform.mute.store(false, Ordering::SeqCst);
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    let mut last = Value::Null;
    for _ in 0..400 {
        last = shop.get(&path).await.is(200);
        if last["status"] == "voided" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(last["status"], "voided", "{last}");
    assert_eq!(
        (
            platform.charged.load(Ordering::SeqCst),
            platform.reversed.load(Ordering::SeqCst)
        ),
        (1, 1)
    );
}

/// Neither in the log nor in the database, also where everything goes wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_card_is_written_nowhere() {
    listen();
    let (platform, base) = Acquirer::start().await;
    let shop = shop(&base).await;
    let mut secrets = vec![
        PAN.to_owned(),
        CVC.to_owned(),
        "client-secret".into(),
        "access-token".into(),
    ];
    for (mute, kind) in [
        (false, "payments"),
        (true, "payments"),
        (false, "tokens"),
        (true, "tokens"),
    ] {
        platform.mute.store(mute, Ordering::SeqCst);
        let session = if kind == "payments" {
            shop.wa_payment(&json!({})).await
        } else {
            shop.wa_session(&json!({})).await
        };
        let body = sealed(&session);
        secrets.push(body["sealed"].as_str().unwrap().into());
        shop.page(&format!("/v1/{kind}"), &body).await;
    }
    shop.app.stop().await;
    let mut places = vec![logs().lock().unwrap().clone()];
    for suffix in ["", "-wal", "-shm"] {
        let mut path = shop.database().into_os_string();
        path.push(suffix);
        places.extend(std::fs::read(path));
    }
    for secret in &secrets {
        // Four digits stand in any database by chance.
        let text = if secret == CVC {
            format!("\"{CVC}\"")
        } else {
            secret.clone()
        };
        for place in &places {
            let found = place.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!found, "{}… is written down", &text[..4]);
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn no_opened_card_stays_in_the_memory_of_the_program() {
    use crate::crash::{Program, call};
    use crate::secrets::memory;
    use crate::shop::{API_KEY, client, config_text, sandbox};

    // In which three-digit codes and parts of numbers are not looked for by chance.
    const CRYPTOGRAM: &str = "AgAAAAAAAIR8CQrXcIhbQAAAAAA=";
    let (platform, base) = Acquirer::start().await;
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    let table = format!(
        "[platforms.worldline_acquiring]\nenvironment = \"custom\"\nbase_url = \"{base}\"\n\
        token_uri = \"{base}/connect/token\"\nclient_id = \"me\"\nclient_secret = \"client-secret\"\n\
        acquirer_id = \"100812\"\nmerchant_id = \"520000214\"\nsealing = true\n\
        [[platforms.worldline_acquiring.sealing_keys]]\nkid = \"{}\"\njwk = '{}'\n",
        kid(),
        private_key()
    );
    let text = config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", &table);
    std::fs::write(&config, text).unwrap();
    let program = Program::start(&config);
    let url = program.url.clone();
    let client = client();
    let post = async |path: &str, body: Value| {
        call(&client, "POST", format!("{url}{path}"), Some(&body), None)
            .await
            .unwrap()
    };
    let card = |number: &str| {
        json!({ "number": number, "expiry": { "month": 12, "year": 2031 }, "cvc": CVC,
            "network_token": { "cryptogram": CRYPTOGRAM } })
    };
    let ask = json!({ "platform": "worldline_acquiring" });
    let (_, session) = post("/v1/sessions", ask.clone()).await;
    let (status, token) = post("/v1/tokens", sealed_card(&session, &card("5555555555554444"))).await;
    assert_eq!(status, 201, "{token}");
    let mut ask = ask;
    for (name, value) in [("kind", "payment"), ("amount", "1.00"), ("currency", "EUR")] {
        ask[name] = value.into();
    }
    for number in [PAN, "378282246310005", "4000000000000002"] {
        let (_, session) = post("/v1/sessions", ask.clone()).await;
        let (status, payment) = post("/v1/payments", sealed_card(&session, &card(number))).await;
        assert_eq!((status, &payment["status"]), (201, &json!("approved")));
    }
    // One that cannot be sent.
    platform.mute.store(true, Ordering::SeqCst);
    let (_, session) = post("/v1/sessions", ask.clone()).await;
    assert_eq!(
        post("/v1/payments", sealed_card(&session, &card("6011111111111117")))
            .await
            .0,
        202
    );
    let holds = |regions: &[Vec<u8>], text: &str| {
        regions
            .iter()
            .any(|region| region.windows(text.len()).any(|window| window == text.as_bytes()))
    };
    let regions = memory(program.id());
    // That the search finds anything at all.
    assert!(holds(&regions, API_KEY));
    for secret in [
        PAN,
        "378282246310005",
        "4000000000000002",
        "5555555555554444",
        "6011111111111117",
        "\"8264\"",
        CRYPTOGRAM,
    ] {
        assert!(!holds(&regions, secret), "the memory holds {}…", &secret[..6]);
    }
}
