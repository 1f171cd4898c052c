//! The checkout host: every documented text, the order of the checks, single use, expiry, declines, CORS.

use std::time::Duration;

use serde_json::{Value, json};

use super::shop::{Answer, GOOD_CARD, Order, Sealed, Shop, card, with};

const NO_UUID: &str = "Invalid input syntax for uuid";
const NO_SESSION: &str = "Session not found";
const WRONG_PAIR: &str = "Session not exists or is wrong";

#[tokio::test]
async fn turns_a_card_into_a_token() {
    let shop = Shop::open().await;
    let order = shop
        .order(
            "/tokenize",
            json!({ "requestId": 7, "callback": "http://127.0.0.1/x" }),
        )
        .await;
    let answer = shop
        .check_out("/tokenize", &order, &card("5555555555554444"))
        .await;
    assert_eq!(answer.http, 200);
    assert_eq!(shop.verified(&answer.body), Some("requestId"));
    for (pointer, value) in [
        ("/status", json!(201)),
        ("/requestId", json!(7)),
        ("/expiration_date", json!("3009")),
        ("/brand", json!("Mastercard")),
        ("/nickname", json!("Tarjeta Ñandú")),
        ("/errors", json!([])),
        ("/result/bin", json!("555555")),
        ("/result/last_digits", json!("4444")),
    ] {
        assert_eq!(answer.body.pointer(pointer), Some(&value), "{pointer}");
    }
    assert_eq!(answer.body["result"]["khash"].as_str().unwrap().len(), 20);
    let state = shop.state();
    assert_eq!(state["card_tokens"][0]["token"], answer.body["result"]["token"]);
    assert_eq!(state["card_tokens"][0]["expiry"], "3009");
    assert_eq!(state["orders"][0]["used"], true);
    assert_eq!(state["orders"][0]["kind"], "tokenize");
    assert!(!shop.sandbox.state().to_string().contains("5555555555554444"));
}

#[tokio::test]
async fn charges_a_card() {
    let shop = Shop::open().await;
    for (path, plain) in [
        (
            "/kount",
            with(
                with(card(GOOD_CARD), "kountSession", json!("a1b2")),
                "tokenize",
                json!(false),
            ),
        ),
        ("/", with(card(GOOD_CARD), "card/nickname", Value::Null)),
        ("", card(GOOD_CARD)),
    ] {
        let order = shop.payment_order("order-1").await;
        let answer = shop.check_out(path, &order, &plain).await;
        assert_eq!(answer.http, 200, "{answer:?}");
        assert_eq!(shop.verified(&answer.body), Some("orderId"));
        let authorization = answer.body["authorization"].as_str().unwrap();
        assert_eq!(authorization.len(), 6);
        for (pointer, value) in [
            ("/status", json!(200)),
            ("/orderId", json!("order-1")),
            ("/last4", json!("4242")),
            ("/result/success", json!(true)),
            ("/result/resp_code", json!("00")),
            ("/result/reserved_private4", Value::Null),
            ("/result/authorization_id_resp", json!(authorization)),
        ] {
            assert_eq!(answer.body.pointer(pointer), Some(&value), "{pointer}");
        }
    }
    let transactions = shop.state()["transactions"].clone();
    assert_eq!(transactions.as_array().unwrap().len(), 3);
    assert_eq!(transactions[0]["amount"], "12.34");
    assert_eq!(transactions[0]["state"], "approved");
}

#[tokio::test]
async fn refuses_what_is_no_body() {
    let shop = Shop::open().await;
    let order = shop.token_order().await;
    let bodies = [
        String::new(),
        "[]".into(),
        "{".into(),
        "session=x".into(),
        json!({ "session": order.session, "ld": "00" }).to_string(),
        // What jsencrypt's refusal to encrypt becomes.
        json!({ "session": order.session, "ld": "00", "lk": false }).to_string(),
        json!({ "session": 1, "ld": "00", "lk": "00" }).to_string(),
    ];
    for body in bodies {
        let request = shop
            .http
            .post(shop.checkout_url("/tokenize"))
            .header("liszt-token", &order.token);
        let answer = Answer::of(request.body(body.clone()).send().await.unwrap()).await;
        assert_eq!(
            (answer.http, answer.error()),
            (500, "Invalid request body"),
            "{body}"
        );
        assert_eq!(answer.body["status"], 500);
        assert!(answer.body.get("_signature").is_none());
    }
    let long = shop
        .http
        .post(shop.checkout_url("/tokenize"))
        .body(" ".repeat(300 * 1024));
    assert_eq!(long.send().await.unwrap().status(), 413);
}

#[tokio::test]
async fn takes_any_header_and_any_path_that_clients_send() {
    let shop = Shop::open().await;
    for (path, kind) in [
        ("/tokenize", Some("application/json")),
        ("/tokenize/", Some("application/json; charset=utf-8")),
        ("//tokenize", Some("text/plain")),
        ("/tokenize?x=1", Some("application/x-www-form-urlencoded")),
        ("/tokenize", Some("nonsense")),
        ("/tokenize", None),
    ] {
        let order = shop.token_order().await;
        let sealed = shop.seal(&card(GOOD_CARD));
        let body = json!({ "session": order.session, "ld": sealed.ld.to_uppercase(), "lk": sealed.lk, "extra": [1] });
        let mut request = shop
            .http
            .post(shop.checkout_url(path))
            .header("Liszt-Token", order.token.to_uppercase());
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let answer = Answer::of(request.body(body.to_string()).send().await.unwrap()).await;
        assert_eq!(answer.http, 200, "{path} {kind:?} {answer:?}");
    }
}

#[tokio::test]
async fn answers_404_to_what_is_not_there() {
    let shop = Shop::open().await;
    for url in [
        shop.checkout_url("/nothing"),
        shop.merchant("/kount"),
        shop.merchant("/subscription"),
    ] {
        assert_eq!(shop.post(&url, &json!({})).await.http, 404, "{url}");
    }
    // In the form of the platform's other refusals.
    let checkout = shop.checkout_url("");
    let above = checkout.trim_end_matches("/checkout");
    for url in [
        above.to_owned(),
        format!("{above}/"),
        format!("{above}/nothing"),
        shop.merchant("/kount"),
    ] {
        let answer = shop.post(&url, &json!({})).await;
        assert_eq!(answer.http, 404, "{url}");
        assert_eq!(
            answer.body,
            json!({ "status": 404, "errors": ["Not found"] }),
            "{url}"
        );
    }
    assert_eq!(
        shop.http
            .get(shop.checkout_url("/tokenize"))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
}

/// Every documented refusal, each request wrong in all later checks as well: so the order is right too.
#[tokio::test]
async fn checks_in_the_documented_order() {
    let shop = Shop::open().await;
    let order = shop.token_order().await;
    let uuid = uuid::Uuid::new_v4().to_string();
    let junk = || Sealed {
        ld: "zz".into(),
        lk: "??".into(),
    };
    let sent = async |session: &str, token: &str, sealed: Sealed| {
        let order = Order {
            session: session.into(),
            token: token.into(),
        };
        Answer::of(shop.send("/tokenize/update", &order, &sealed).await.unwrap())
            .await
            .error()
            .to_owned()
    };
    let all_wrong = || {
        with(
            with(card("1"), "card/nickname", json!("x")),
            "token",
            json!("no uuid"),
        )
    };

    assert_eq!(sent("no-uuid", &uuid, junk()).await, NO_UUID);
    assert_eq!(sent(&order.session, "no-uuid", junk()).await, NO_UUID);
    assert_eq!(sent(&uuid, &uuid, junk()).await, NO_SESSION);
    assert_eq!(sent(&order.session, &uuid, junk()).await, "Invalid token");
    assert_eq!(sent(&order.session, &order.token, junk()).await, WRONG_PAIR);
    let update = async |plain: Value| sent(&order.session, &order.token, shop.seal(&plain)).await;
    assert_eq!(update(all_wrong()).await, "Invalid nickname");
    assert_eq!(
        update(with(all_wrong(), "card/nickname", json!("nickname"))).await,
        "Invalid_pan"
    );
    assert_eq!(
        update(with(card(GOOD_CARD), "token", json!("no uuid"))).await,
        NO_UUID
    );
    assert_eq!(
        update(with(card(GOOD_CARD), "token", json!(uuid))).await,
        "Invalid card token"
    );
    assert_eq!(update(card(GOOD_CARD)).await, "Invalid card token");

    // None of this has used the session up.
    let token = shop.stored(GOOD_CARD).await;
    assert_eq!(update(with(card(GOOD_CARD), "token", json!(token))).await, "");
    assert_eq!(
        update(with(card(GOOD_CARD), "token", json!(token))).await,
        NO_SESSION
    );
}

#[tokio::test]
async fn refuses_a_request_without_the_header() {
    let shop = Shop::open().await;
    let order = shop.token_order().await;
    let sealed = shop.seal(&card(GOOD_CARD));
    let body = json!({ "session": order.session, "ld": sealed.ld, "lk": sealed.lk });
    assert_eq!(
        shop.post(&shop.checkout_url("/tokenize"), &body).await.error(),
        NO_UUID
    );
}

#[tokio::test]
async fn refuses_a_session_of_the_other_kind() {
    let shop = Shop::open().await;
    for path in ["/tokenize", "/tokenize/update"] {
        let order = shop.payment_order("a").await;
        assert_eq!(
            shop.check_out(path, &order, &card(GOOD_CARD)).await.error(),
            NO_SESSION
        );
    }
    for path in ["/kount", "/"] {
        let order = shop.token_order().await;
        assert_eq!(
            shop.check_out(path, &order, &card(GOOD_CARD)).await.error(),
            NO_SESSION
        );
    }
}

#[tokio::test]
async fn refuses_what_does_not_open() {
    let shop = Shop::open().await;
    let other = Shop::open().await;
    let order = shop.token_order().await;
    let good = shop.seal(&card(GOOD_CARD));
    let pair = |lk: &str| {
        let text = card(GOOD_CARD).to_string();
        super::shop::seal(&shop.info().public_key, text.as_bytes(), [1; 16], 5, lk)
    };
    let ones = "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1";
    for (name, sealed) in [
        ("another key", other.seal(&card(GOOD_CARD))),
        (
            "no hex",
            Sealed {
                ld: format!("{}x", good.ld),
                lk: good.lk.clone(),
            },
        ),
        (
            "empty ld",
            Sealed {
                ld: String::new(),
                lk: good.lk.clone(),
            },
        ),
        (
            "empty lk",
            Sealed {
                ld: good.ld.clone(),
                lk: String::new(),
            },
        ),
        (
            "cut ld",
            Sealed {
                ld: good.ld[..good.ld.len() - 2].into(),
                lk: good.lk.clone(),
            },
        ),
        ("wrong counter", pair(&format!(r#"{{"k":[{ones},1],"s":6}}"#))),
        ("short key", pair(&format!(r#"{{"k":[{ones}],"s":5}}"#))),
        ("text counter", pair(&format!(r#"{{"k":[{ones},1],"s":"5"}}"#))),
        ("a list", shop.seal(&json!([1, 2]))),
    ] {
        let answer = Answer::of(shop.send("/tokenize", &order, &sealed).await.unwrap()).await;
        assert_eq!(answer.error(), WRONG_PAIR, "{name}");
        assert_eq!(shop.verified(&answer.body), Some("requestId"), "{name}");
    }
    let spaced = pair(&format!(r#"{{ "k": [{ones}, 1.0], "s": 5 }}"#));
    let answer = Answer::of(shop.send("/tokenize", &order, &spaced).await.unwrap()).await;
    assert_eq!(answer.http, 200, "{answer:?}");
}

#[tokio::test]
async fn checks_the_fields() {
    let shop = Shop::open().await;
    let order = shop.token_order().await;
    for (path, value, error) in [
        ("card", json!("4242"), "Invalid card"),
        ("card", Value::Null, "Invalid card"),
        ("card/cardHolder", json!(" "), "Invalid card holder"),
        ("card/cardHolder", Value::Null, "Invalid card holder"),
        ("card/expirationDate", json!("12/30"), "Invalid expiration date"),
        ("card/expirationDate/month", json!(13), "Invalid expiration date"),
        ("card/expirationDate/year", json!("x"), "Invalid expiration date"),
        ("card/cvc", json!("12"), "Invalid cvc"),
        ("card/cvc", json!("12a"), "Invalid cvc"),
        ("card/cvc", json!(12345), "Invalid cvc"),
        ("card/nickname", json!("short"), "Invalid nickname"),
        ("card/nickname", json!("x".repeat(50)), "Invalid nickname"),
        ("card/nickname", Value::Null, "Invalid nickname"),
        ("card/cardNumber", json!("42424242424"), "Invalid_pan"),
        ("card/cardNumber", json!("4242 4242 4242 4242"), "Invalid_pan"),
        ("card/cardNumber", json!("42424242424242424242"), "Invalid_pan"),
        ("card/cardNumber", Value::Null, "Invalid_pan"),
    ] {
        let answer = shop
            .check_out("/tokenize", &order, &with(card(GOOD_CARD), path, value.clone()))
            .await;
        assert_eq!((answer.http, answer.error()), (500, error), "{path} {value}");
        assert_eq!(shop.verified(&answer.body), Some("requestId"));
    }
    for (path, value) in [
        ("card/cardNumber", json!(4_242_424_242_424_242_u64)),
        ("card/cardNumber", json!("4777777777777777")),
        ("card/cvc", json!(123)),
        ("card/cvc", json!("1234")),
        ("card/nickname", json!("sixsix")),
        ("card/nickname", json!("x".repeat(49))),
        ("card/expirationDate", json!({ "month": "09", "year": "2030" })),
    ] {
        let order = shop.token_order().await;
        let answer = shop
            .check_out("/tokenize", &order, &with(card(GOOD_CARD), path, value.clone()))
            .await;
        assert_eq!((answer.http, answer.error()), (200, ""), "{path} {value}");
    }
}

#[tokio::test]
async fn a_session_lives_thirty_minutes() {
    let shop = Shop::open().await;
    let (young, old) = (shop.token_order().await, shop.token_order().await);
    shop.sandbox.clock().advance(Duration::from_secs(29 * 60 + 50));
    assert_eq!(
        shop.check_out("/tokenize", &young, &card(GOOD_CARD)).await.http,
        200
    );
    shop.sandbox.clock().advance(Duration::from_secs(11));
    let answer = shop.check_out("/tokenize", &old, &card(GOOD_CARD)).await;
    assert_eq!((answer.http, answer.error()), (500, NO_SESSION));
}

#[tokio::test]
async fn a_session_succeeds_once() {
    let shop = Shop::open().await;
    let order = shop.token_order().await;
    assert_eq!(
        shop.check_out("/tokenize", &order, &card(GOOD_CARD)).await.http,
        200
    );
    assert_eq!(
        shop.check_out("/tokenize", &order, &card(GOOD_CARD))
            .await
            .error(),
        NO_SESSION
    );
    shop.set(&json!({ "session_reuse": true }));
    assert_eq!(
        shop.check_out("/tokenize", &order, &card(GOOD_CARD)).await.http,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_posts_of_one_session_one_wins() {
    let shop = Shop::open().await;
    let order = shop.payment_order("race").await;
    let sealed = shop.seal(&card(GOOD_CARD));
    let body = json!({ "session": order.session, "ld": sealed.ld, "lk": sealed.lk }).to_string();
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let request = shop
            .http
            .post(shop.checkout_url("/"))
            .header("liszt-token", &order.token)
            .body(body.clone());
        posts.spawn(async move { Answer::of(request.send().await.unwrap()).await });
    }
    let answers = posts.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.http == 200).count(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer.http == 200 || answer.error() == NO_SESSION)
    );
    assert_eq!(shop.state()["transactions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn declines_the_documented_cards() {
    let shop = Shop::open().await;
    for (number, code) in [
        ("4485970366452449", "05"),
        ("4094394314664828", "51"),
        ("4556592228753727", "58"),
        ("4929518506489375", "262"),
        ("4916869335186964", "96"),
    ] {
        let order = shop.payment_order("declined").await;
        let answer = shop.check_out("/", &order, &card(number)).await;
        assert_eq!(answer.http, 500);
        assert_eq!(shop.verified(&answer.body), Some("orderId"));
        let body = &answer.body;
        assert_eq!(
            (&body["status"], &body["authorization"]),
            (&json!(500), &Value::Null)
        );
        let result = &body["result"];
        assert_eq!(
            (&result["success"], &result["resp_code"]),
            (&json!(false), &json!(code))
        );
        assert_eq!(body["errors"][0], result["reserved_private4"]);
        assert!(result["reserved_private4"].is_string());
        // Storing such a card is fine, and a decline leaves the session to another card.
        assert_eq!(shop.stored(number).await.len(), 36);
        assert_eq!(shop.check_out("/", &order, &card(GOOD_CARD)).await.http, 200);
    }
    let states: Vec<_> = shop.state()["transactions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|transaction| transaction["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["declined", "approved"].repeat(5));
}

#[tokio::test]
async fn updates_a_token() {
    let shop = Shop::open().await;
    let old = shop.stored(GOOD_CARD).await;
    let plain = with(card("5555555555554444"), "token", json!(old));
    let answer = shop
        .check_out("/tokenize/update", &shop.token_order().await, &plain)
        .await;
    let new = answer.body["result"]["token"].as_str().unwrap().to_owned();
    assert_eq!(answer.body["result"]["last_digits"], "4444");
    assert_ne!(new, old);
    let again = shop
        .check_out("/tokenize/update", &shop.token_order().await, &plain)
        .await;
    assert_eq!(again.error(), "Invalid card token");

    shop.set(&json!({ "update_keeps_token": true }));
    let plain = with(card(GOOD_CARD), "token", json!(new));
    for _ in 0..2 {
        let answer = shop
            .check_out("/tokenize/update", &shop.token_order().await, &plain)
            .await;
        assert_eq!(answer.body["result"]["token"], json!(new));
    }
    let state = shop.state();
    assert_eq!(state["card_tokens"][0]["deleted"], true);
    assert_eq!(state["card_tokens"][1]["last4"], "4242");
}

#[tokio::test]
async fn charges_a_stored_card_named_inside_the_encryption() {
    let shop = Shop::open().await;
    let token = shop.stored(GOOD_CARD).await;
    let order = shop.payment_order("by-token").await;
    let answer = shop
        .check_out("/kount", &order, &json!({ "token": token, "kountSession": "a1" }))
        .await;
    assert_eq!((answer.http, &answer.body["last4"]), (200, &json!("4242")));
}

#[tokio::test]
async fn kount_rejects_what_it_has_not_seen_if_told_to() {
    let shop = Shop::open().await;
    let order = shop.payment_order("kount").await;
    shop.set(&json!({ "require_kount_session": true }));
    let answer = shop.check_out("/kount", &order, &card(GOOD_CARD)).await;
    assert_eq!(
        (answer.http, &answer.body["result"]["resp_code"]),
        (500, &json!("996"))
    );
    let seen = with(card(GOOD_CARD), "kountSession", json!("a1b2"));
    assert_eq!(shop.check_out("/kount", &order, &seen).await.http, 200);
}

#[tokio::test]
async fn fails_with_http_200_if_told_to() {
    let shop = Shop::open().await;
    shop.set(&json!({ "failure_http_status": 200 }));
    let order = shop.payment_order("soft").await;
    let answer = shop.check_out("/", &order, &card("4485970366452449")).await;
    assert_eq!((answer.http, &answer.body["status"]), (200, &json!(500)));
    let answer = shop.check_out("/", &order, &card("1")).await;
    assert_eq!((answer.http, answer.error()), (200, "Invalid_pan"));
    assert_eq!(answer.body["orderId"], "soft");
    shop.set(&json!({ "sign": false }));
    let answer = shop.check_out("/", &order, &card(GOOD_CARD)).await;
    assert!(answer.body.get("_signature").is_none());
}

#[tokio::test]
async fn answers_preflights_of_allowed_origins_on_the_checkout_host_only() {
    let shop = Shop::open().await;
    let ask = async |url: String, origin: &str| {
        let request = shop
            .http
            .request(reqwest::Method::OPTIONS, url)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,liszt-token");
        request.send().await.unwrap()
    };
    let answer = ask(shop.checkout_url("/tokenize"), "http://127.0.0.1:8080").await;
    assert_eq!(answer.status(), 204);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("access-control-allow-origin"), "http://127.0.0.1:8080");
    assert_eq!(header("access-control-allow-headers"), "content-type,liszt-token");
    assert_eq!(header("access-control-allow-methods"), "POST");
    for (url, origin) in [
        (shop.checkout_url("/tokenize"), "https://shop.example"),
        (shop.merchant("/tokenize"), "http://127.0.0.1:8080"),
    ] {
        let answer = ask(url, origin).await;
        assert_eq!(answer.status(), 404);
        assert!(answer.headers().get("access-control-allow-origin").is_none());
    }
    shop.set(&json!({ "cors_origins": ["https://shop.example"] }));
    let answer = ask(shop.checkout_url("/kount"), "https://shop.example").await;
    assert_eq!(
        answer.headers()["access-control-allow-origin"],
        "https://shop.example"
    );
    // Failures are readable too.
    let request = shop
        .http
        .post(shop.checkout_url("/"))
        .header("origin", "https://shop.example");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 500);
    assert_eq!(
        answer.headers()["access-control-allow-origin"],
        "https://shop.example"
    );
}

#[tokio::test]
async fn keeps_no_card_number_that_was_typed_into_another_field() {
    let shop = Shop::open().await;
    let plain = with(card(GOOD_CARD), "card/nickname", json!("4242 4242 4242 4242"));
    let plain = with(plain, "card/cardHolder", json!("4242-4242-4242-4242"));
    let answer = shop
        .check_out("/tokenize", &shop.token_order().await, &plain)
        .await;
    assert_eq!(answer.http, 200);
    let state = shop.sandbox.state().to_string();
    for form in ["4242 4242 4242 4242", "4242-4242", GOOD_CARD] {
        assert!(!state.contains(form), "{form}");
    }
}
