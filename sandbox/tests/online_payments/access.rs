//! The signature of requests, and what comes around the JSON.

use std::io::Write;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use serde_json::json;

use super::shop::{Answer, Shop, VISA, by_card, hmac_sha256};

const TEST: &str = "/services/testconnection";

/// A test of the connection, signed by hand.
struct Hand {
    path: String,
    /// What is hashed instead of the path.
    hashed: Option<String>,
    content_type: Option<&'static str>,
    signs_content_type: bool,
    key_id: String,
    secret: String,
    date: String,
}

impl Hand {
    fn of(shop: &Shop) -> Self {
        let info = shop.info();
        Self {
            path: format!("/v2/{}{TEST}", info.merchant_id),
            hashed: None,
            content_type: None,
            signs_content_type: false,
            key_id: info.credentials.api_key_id.clone(),
            secret: info.credentials.secret_api_key.clone(),
            date: httpdate::fmt_http_date(SystemTime::now()),
        }
    }

    async fn send(self, shop: &Shop) -> Answer {
        let line = self
            .content_type
            .filter(|_| self.signs_content_type)
            .unwrap_or_default();
        let hashed = self.hashed.as_ref().unwrap_or(&self.path);
        let text = format!("GET\n{line}\n{}\n{hashed}\n", self.date);
        let signature = hmac_sha256(&self.secret, text.as_bytes());
        let mut request = shop
            .http
            .get(format!("{}{}", shop.info().base_url, self.path))
            .header("Date", self.date)
            .header("Authorization", format!("GCS v1HMAC:{}:{signature}", self.key_id));
        if let Some(content_type) = self.content_type {
            request = request.header("Content-Type", content_type);
        }
        Answer::of(request.send().await.unwrap()).await
    }
}

#[tokio::test]
async fn lets_in_who_signs_as_an_official_library_does() {
    let shop = Shop::open().await;
    let answer = shop.get(TEST).await;
    assert_eq!(answer.body, json!({ "result": "OK" }));
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(answer.header("api_auth"), Some("true"));
    assert_eq!(answer.headers.get_all("correlation-id").iter().count(), 2);
    let query = |text: &str| {
        let path = Hand::of(&shop).path;
        format!("{path}?locale={text}")
    };
    // The plain form; Node's, whose Content-Type is not signed; Java's and .NET's, which decode.
    let plain = || Hand::of(&shop);
    let node = || Hand {
        content_type: Some("application/json"),
        ..plain()
    };
    let signed_type = || Hand {
        content_type: Some("application/json; charset=utf-8"),
        signs_content_type: true,
        ..plain()
    };
    let as_sent = || Hand {
        path: query("a%20b"),
        ..plain()
    };
    let decoded = || Hand {
        path: query("a%20b%2B"),
        hashed: Some(query("a b+")),
        ..plain()
    };
    for hand in [plain(), node(), signed_type(), as_sent(), decoded()] {
        assert_eq!(hand.send(&shop).await.http, 200);
    }
    shop.set(&json!({ "strict_signature": true }));
    for (hand, status) in [
        (plain(), 200),
        (node(), 403),
        (signed_type(), 200),
        (as_sent(), 200),
        (decoded(), 403),
    ] {
        assert_eq!(hand.send(&shop).await.http, status);
    }
}

#[tokio::test]
async fn gives_every_mistake_the_recorded_answer() {
    let shop = Shop::open().await;
    let hand = || Hand::of(&shop);
    let date = |ago: u64| httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(ago));
    let unsigned = shop.http.get(format!("{}{}", shop.info().base_url, hand().path));
    let mut answers = vec![Answer::of(unsigned.send().await.unwrap()).await];
    for wrong in [
        Hand {
            secret: "another".into(),
            ..hand()
        },
        Hand {
            key_id: "another".into(),
            ..hand()
        },
        // A good key for another merchant, and another spelling of this one.
        Hand {
            path: format!("/v2/another{TEST}"),
            ..hand()
        },
        Hand {
            path: hand().path.replace(&shop.info().merchant_id, "cardsealsandbox"),
            ..hand()
        },
        Hand {
            content_type: Some("text/plain"),
            hashed: Some("/".into()),
            ..hand()
        },
        Hand {
            date: date(400),
            ..hand()
        },
        Hand {
            date: "yesterday".into(),
            ..hand()
        },
    ] {
        answers.push(wrong.send(&shop).await);
    }
    for answer in answers {
        let correlation = answer.header("correlation-id").unwrap();
        assert_eq!(answer.http, 403);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.body["errorId"], correlation);
        assert_eq!(answer.body["errors"][0]["code"], "9007");
        assert_eq!(answer.body["errors"][0]["id"], "ACCESS_TO_MERCHANT_NOT_ALLOWED");
        assert_eq!(answer.body["errors"][0].get("errorCode"), None);
        assert!(answer.text.starts_with("{\r\n"), "{:?}", answer.text);
    }
    shop.set(&json!({ "date_tolerance_seconds": null }));
    let old = Hand {
        date: date(400_000),
        ..hand()
    };
    assert_eq!(old.send(&shop).await.http, 200);
}

#[tokio::test]
async fn measures_dates_by_the_machines_clock() {
    let shop = Shop::open().await;
    shop.advance(86_400);
    shop.get(TEST).await.good(200);
}

#[tokio::test]
async fn knows_no_path_that_it_does_not_know() {
    let shop = Shop::open().await;
    for path in [
        "/nothing",
        "/payments/1_0/void",
        "/payments/",
        "/tokens",
        "/crypto/publickey",
        "",
    ] {
        let answer = shop.get(path).await;
        assert_eq!((answer.http, answer.text.as_str()), (404, ""), "{path}");
    }
    let answer = shop.delete("/payments/1_0").await;
    assert_eq!((answer.http, answer.text.as_str()), (404, ""));
}

#[tokio::test]
async fn reads_compressed_bodies() {
    let shop = Shop::open().await;
    let body = by_card(1000, "SALE", VISA);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body.to_string().as_bytes()).unwrap();
    let request = shop.signed(Method::POST, "/payments", Some(&body), &[]);
    let request = request
        .header("Content-Encoding", "gzip")
        .body(encoder.finish().unwrap());
    Answer::of(request.send().await.unwrap()).await.good(201);
    for wrong in ["", "[]", "{", "amount=1"] {
        let request = shop.signed(Method::POST, "/payments", Some(&body), &[]);
        let answer = Answer::of(request.body(wrong).send().await.unwrap()).await;
        let (status, id, _) = answer.refusal();
        let wanted = if wrong.is_empty() {
            "PARAMETER_NOT_FOUND_IN_REQUEST"
        } else {
            "INVALID_VALUE"
        };
        assert_eq!((status, id), (400, wanted), "{wrong}");
    }
}
