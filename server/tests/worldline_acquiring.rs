//! Worldline Acquiring: cards that a page sealed to the merchant's own key, from the session to the refund, with the simulated
//! platform over HTTP. The page's part is played by what is documented for it.

use std::time::Duration;

use cardseal_sandbox::faults::{Fault, Kind};
use cardseal_sandbox::{RunningSandbox, sealing};
use serde_json::{Value, json};

use crate::secrets::listen;
use crate::shop::{Answer, Shop, logs};

const ID: &str = "worldline_acquiring";
const PAN: &str = "4176669999000104";
const DECLINED: &str = "4176669999000203";
/// Three digits would be found everywhere by chance.
const CVC: &str = "8264";
const CRYPTOGRAM: &str = "AgAAAAAAAIR8CQrXcIhbQAAAAAA=";

async fn shop() -> Shop {
    Shop::beside(ID, &[]).await
}

/// What the server is told of the platform.
fn table(sandbox: &RunningSandbox) -> Value {
    sandbox.info().server_settings[ID].clone()
}

/// So many calls of a route are carried out, and no answer comes through; 0 for all.
fn lose(sandbox: &RunningSandbox, route: &str, times: u32) {
    let fault = Fault {
        times,
        ..Fault::new(ID, route, Kind::BadGatewayAfterCommit)
    };
    sandbox.inject(fault).unwrap();
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

    /// What the platform has booked.
    fn wa_state(&self) -> Value {
        self.sandbox.state()[ID].clone()
    }

    fn wa_charged(&self) -> usize {
        self.wa_state()["payments"].as_array().unwrap().len()
    }

    /// Asks for a payment until it has this status.
    async fn wa_becomes(&self, payment: &Value, status: &str) -> Value {
        let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
        let mut last = Value::Null;
        for _ in 0..1200 {
            last = self.get(&path).await.is(200);
            if last["status"] == status {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        unreachable!("the payment did not become {status}: {last}")
    }

    async fn wa_change(&self, payment: &Value, what: &str, body: &Value) -> Answer {
        let path = format!("/v1/payments/{}/{what}", payment["id"].as_str().unwrap());
        self.merchant("POST", &path, Some(body)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_card_is_held_captured_and_paid_back_in_part() {
    let shop = shop().await;
    let session = shop.wa_payment(&json!({ "capture": "later" })).await;
    assert_eq!(
        (&session["mode"], &session["expires_in"], &session["seal"]["kid"]),
        (
            &json!("relay"),
            &json!(900),
            &table(&shop.sandbox)["sealing_keys"][0]["kid"]
        )
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
    let booked = shop.wa_state()["payments"][0].clone();
    assert_eq!(
        (
            &booked["authorization_type"],
            &booked["captured"],
            &booked["refunded"],
            &booked["last4"]
        ),
        (
            &json!("FINAL_AUTHORIZATION"),
            &json!(1500),
            &json!(400),
            &json!("0104")
        )
    );
    assert!(booked["merchant_reference"].is_string());
    // No more than was captured.
    shop.wa_change(&payment, "refund", &json!({ "amount": "11.01" }))
        .await
        .problem(422, "amount_invalid");
    let payment = shop.wa_change(&payment, "refund", &json!({})).await.is(200);
    assert_eq!(payment["status"], "refunded");
    assert_eq!(shop.wa_state()["payments"][0]["refunded"], 1500);
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
    let statuses: Vec<Value> = shop.wa_state()["payments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|payment| payment["status"].clone())
        .collect();
    assert_eq!(statuses, ["PENDING_CAPTURE", "PENDING_CAPTURE", "REVERSED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_card_is_good_once_and_for_its_session_alone() {
    let shop = shop().await;
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
    assert_eq!(shop.wa_charged(), 1);
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
    assert_eq!(shop.wa_charged(), 1);
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
    let shop = shop().await;
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
    let state = shop.wa_state();
    let (verified, paid) = (&state["verifications"][0], &state["payments"][0]);
    assert_eq!(
        (
            &verified["card_on_file"]["initial"],
            &verified["card_on_file"]["future_use"]
        ),
        (&json!(true), &json!("CARDHOLDER_INITIATED"))
    );
    assert_eq!(
        paid["card_on_file"],
        json!({ "initial": false, "type": "UNSCHEDULED_CARD_ON_FILE", "initiator": "CARDHOLDER",
            "initial_scheme_transaction_id": verified["scheme_transaction_id"],
            "initial_scheme_transaction_link_id": null })
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
async fn merchants_charge_what_is_stored_in_their_own_name() {
    let settings = [
        (
            "CARDSEAL__PLATFORMS__WORLDLINE_ACQUIRING__STORED_CARD_INITIATOR",
            "merchant",
        ),
        (
            "CARDSEAL__PLATFORMS__WORLDLINE_ACQUIRING__STORED_CARD_USE",
            "recurring",
        ),
    ];
    let shop = Shop::beside(ID, &settings).await;
    // This network wants two of its ids again.
    let card = json!({ "number": "5555555555554444", "expiry": { "month": 12, "year": 2031 }, "cvc": CVC });
    let session = shop.wa_session(&json!({})).await;
    let token = shop
        .page("/v1/tokens", &sealed_card(&session, &card))
        .await
        .is(201);
    let session = shop.wa_payment(&json!({ "token": token["id"] })).await;
    let paid = shop
        .page("/v1/payments", &sealed_card(&session, &card))
        .await
        .is(201);
    assert_eq!(
        (&paid["status"], &paid["brand"]),
        (&json!("approved"), &json!("mastercard"))
    );
    let on_file = shop.wa_state()["payments"][0]["card_on_file"].clone();
    assert_eq!(
        (&on_file["type"], &on_file["initiator"]),
        (&json!("RECURRING"), &json!("MERCHANT"))
    );
    assert!(on_file["initial_scheme_transaction_link_id"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_network_goes_out_as_one() {
    let shop = shop().await;
    let session = shop.wa_payment(&json!({})).await;
    let card = json!({ "number": PAN, "expiry": { "month": 12, "year": 2031 },
        "network_token": { "cryptogram": CRYPTOGRAM, "eci": "05" } });
    let paid = shop
        .page("/v1/payments", &sealed_card(&session, &card))
        .await
        .is(201);
    assert_eq!(paid["status"], "approved");
    let booked = shop.wa_state()["payments"][0].clone();
    assert_eq!(
        (&booked["network_token"], &booked["security_code_result"]),
        (&json!(true), &json!("OMITTED"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decline_says_why_as_far_as_it_is_known() {
    let shop = shop().await;
    for (amount, number, reason) in [
        ("10.00", DECLINED, "declined"),
        ("10.05", PAN, "declined"),
        ("10.61", PAN, "card_details_outdated"),
        ("10.62", PAN, "try_again_later"),
        ("10.63", PAN, "do_not_try_again"),
    ] {
        let session = shop.wa_payment(&json!({ "amount": amount })).await;
        let card = json!({ "number": number, "expiry": { "month": 12, "year": 2031 }, "cvc": CVC });
        let payment = shop
            .page("/v1/payments", &sealed_card(&session, &card))
            .await
            .json;
        assert_eq!(
            (
                &payment["status"],
                &payment["decline"]["code"],
                &payment["decline"]["reason"]
            ),
            (&json!("declined"), &json!("5"), &json!(reason)),
            "{payment}"
        );
    }
    // A card that its bank does not take is not stored.
    let session = shop.wa_session(&json!({})).await;
    let card = json!({ "number": DECLINED, "expiry": { "month": 12, "year": 2031 }, "cvc": CVC });
    let refused = shop.page("/v1/tokens", &sealed_card(&session, &card)).await;
    assert!(refused.status.is_client_error(), "{}", refused.text);
    assert_eq!(shop.wa_state()["verifications"][0]["approved"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_whose_answer_is_lost_is_repeated_and_made_once() {
    let shop = shop().await;
    for kind in [
        Kind::DropAfterCommit,
        Kind::BadGatewayAfterCommit,
        Kind::TruncatedJson,
    ] {
        let before = shop.wa_state();
        shop.sandbox.inject(Fault::new(ID, "payments", kind)).unwrap();
        let session = shop.wa_payment(&json!({})).await;
        let payment = shop.page("/v1/payments", &sealed(&session)).await.is(201);
        assert_eq!(payment["status"], "approved", "{kind:?}");
        let after = shop.wa_state();
        let count = |state: &Value| state["payments"].as_array().unwrap().len();
        assert_eq!(count(&after), count(&before) + 1, "{kind:?}");
        assert_eq!(
            after["replays"].as_u64(),
            before["replays"].as_u64().map(|count| count + 1)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_whose_answer_stays_lost_is_undone_by_itself() {
    let shop = shop().await;
    let session = shop.wa_payment(&json!({})).await;
    lose(&shop.sandbox, "payments", 0);
    lose(&shop.sandbox, "operations/reverse", 0);
    let payment = shop.page("/v1/payments", &sealed(&session)).await.is(202);
    assert_eq!(payment["status"], "unknown");
    assert_eq!(shop.wa_charged(), 1);
    shop.sandbox.clear_faults();
    shop.wa_becomes(&payment, "voided").await;
    let state = shop.wa_state();
    assert_eq!(
        (
            &state["payments"][0]["status"],
            state["technical_reversals"].as_array().unwrap().len()
        ),
        (&json!("REVERSED"), 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_the_platform_tells_later_is_asked_for() {
    let shop = shop().await;
    let session = shop
        .wa_payment(&json!({ "amount": "20.68", "capture": "later" }))
        .await;
    let payment = shop.page("/v1/payments", &sealed(&session)).await.is(202);
    assert_eq!(payment["status"], "unknown");
    shop.sandbox.clock().advance(Duration::from_secs(61));
    shop.wa_becomes(&payment, "authorized").await;
    assert_eq!(shop.wa_charged(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_is_lost_ends_in_what_is_true() {
    let shop = shop().await;
    let session = shop.wa_payment(&json!({ "capture": "later" })).await;
    let payment = shop.page("/v1/payments", &sealed(&session)).await.is(201);
    // Lost once, and repeated; lost each time, and found among what was done to the payment.
    lose(&shop.sandbox, "payments/captures", 1);
    let payment = shop
        .wa_change(&payment, "capture", &json!({ "amount": "15.00" }))
        .await
        .is(200);
    assert_eq!(payment["captured"], "15.00");
    assert_eq!(shop.wa_state()["replays"], 1);
    lose(&shop.sandbox, "payments/refunds", 0);
    let payment = shop
        .wa_change(&payment, "refund", &json!({ "amount": "4.00" }))
        .await
        .is(200);
    assert_eq!(payment["refunded"], "4.00");
    let state = shop.wa_state();
    assert_eq!(
        (
            &state["payments"][0]["captured"],
            &state["payments"][0]["refunded"]
        ),
        (&json!(1500), &json!(400))
    );
    assert_eq!(state["refunds"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_that_ended_is_asked_for_again_once() {
    let shop = shop().await;
    let pay = async || {
        let session = shop.wa_payment(&json!({})).await;
        shop.page("/v1/payments", &sealed(&session)).await.is(201)
    };
    pay().await;
    pay().await;
    assert_eq!(shop.wa_state()["access_tokens_made"], 1);
    let expired = shop
        .sandbox
        .command(ID, "expire_tokens", &Value::Null)
        .await
        .unwrap();
    assert_eq!(expired["expired"], 1);
    assert_eq!(pay().await["status"], "approved");
    assert_eq!(
        (shop.wa_charged(), &shop.wa_state()["access_tokens_made"]),
        (3, &json!(2))
    );
}

/// Neither in the log nor in the database, also where everything goes wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_card_is_written_nowhere() {
    listen();
    // Also where the platform's calls are logged.
    let shop = Shop::beside(ID, &[("CARDSEAL__LOG__PLATFORM_CALLS", "true")]).await;
    let told = table(&shop.sandbox);
    let key: Value = serde_json::from_str(told["sealing_keys"][0]["jwk"].as_str().unwrap()).unwrap();
    let mut secrets = vec![
        PAN.to_owned(),
        CVC.to_owned(),
        told["client_secret"].as_str().unwrap().into(),
        key["d"].as_str().unwrap().into(),
    ];
    for (lost, kind) in [
        (false, "payments"),
        (true, "payments"),
        (false, "tokens"),
        (true, "tokens"),
    ] {
        shop.sandbox.clear_faults();
        if lost {
            lose(&shop.sandbox, "payments", 0);
            lose(&shop.sandbox, "account-verifications", 0);
        }
        let session = if kind == "payments" {
            shop.wa_payment(&json!({})).await
        } else {
            shop.wa_session(&json!({})).await
        };
        let body = sealed(&session);
        secrets.push(body["sealed"].as_str().unwrap().into());
        shop.page(&format!("/v1/{kind}"), &body).await;
    }
    shop.sandbox.clear_faults();
    let session = shop.wa_payment(&json!({})).await;
    let card = json!({ "number": DECLINED, "expiry": { "month": 12, "year": 2031 }, "cvc": CVC });
    shop.page("/v1/payments", &sealed_card(&session, &card)).await;
    secrets.push(DECLINED.into());
    let log = String::from_utf8_lossy(&logs().lock().unwrap()).into_owned();
    assert!(log.contains("full PCI DSS scope"), "the start says nothing");
    shop.app.stop().await;
    let written = shop.written().await;
    let places = [logs().lock().unwrap().clone(), written];
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
    use crate::secrets::{memory, readable_memory};
    use crate::shop::{API_KEY, client, config_text, sandbox};

    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    // JSON's texts and booleans are TOML's.
    let mut lines = format!("[platforms.{ID}]\n");
    for (name, value) in table(&sandbox).as_object().unwrap() {
        if !value.is_array() {
            lines += &format!("{name} = {value}\n");
        }
    }
    let key = table(&sandbox)["sealing_keys"][0].clone();
    lines += &format!(
        "[[platforms.{ID}.sealing_keys]]\nkid = {}\njwk = {}\n",
        key["kid"], key["jwk"]
    );
    let text = config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", &lines);
    std::fs::write(&config, readable_memory(&text)).unwrap();
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
    for (number, said) in [
        (PAN, "approved"),
        ("378282246310005", "approved"),
        ("4000000000000002", "approved"),
        (DECLINED, "declined"),
    ] {
        let (_, session) = post("/v1/sessions", ask.clone()).await;
        let (status, payment) = post("/v1/payments", sealed_card(&session, &card(number))).await;
        assert_eq!((status, &payment["status"]), (201, &json!(said)));
    }
    // One that cannot be sent.
    lose(&sandbox, "payments", 0);
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
        DECLINED,
        "\"8264\"",
        CRYPTOGRAM,
    ] {
        assert!(!holds(&regions, secret), "the memory holds {}…", &secret[..6]);
    }
}
