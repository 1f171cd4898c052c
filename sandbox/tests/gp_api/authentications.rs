//! `/authentications` and the issuer's pages: 3-D Secure as a merchant and a browser go through it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cardseal_sandbox::faults::Kind;
use serde_json::{Value, json};

use super::merchant::{Merchant, card, sale_by_card, sale_by_id, with};

const FRICTIONLESS: &str = "4222000006285344";
const CHALLENGED: &str = "4222000001227408";
const NOT_AUTHENTICATED: &str = "4222000002144131";
const NOT_ENROLLED: &str = "4111111111111111";

pub(crate) fn check(method: &Value) -> Value {
    json!({
        "account_name": "transaction_processing", "channel": "CNP", "country": "US", "currency": "USD",
        "amount": "1999", "reference": "aut-1", "preference": "NO_PREFERENCE", "source": "BROWSER",
        "payment_method": method,
        "notifications": {
            "challenge_return_url": "https://shop.example/challenge?a=1&b=2",
            "three_ds_method_return_url": "https://shop.example/method",
        },
    })
}

fn initiation(method: &Value) -> Value {
    json!({
        "three_ds": { "source": "BROWSER", "preference": "NO_PREFERENCE" },
        "method_url_completion_status": "YES",
        "merchant_contact_url": "https://shop.example/contact",
        "order": { "amount": "1999", "currency": "USD", "reference": "aut-1" },
        "payment_method": method,
        "browser_data": {
            "accept_header": "text/html", "color_depth": "TWENTY_FOUR_BITS", "ip": "203.0.113.7",
            "java_enabled": "false", "javascript_enabled": "true", "language": "en-US", "screen_height": "1080",
            "screen_width": "1920", "challenge_window_size": "WINDOWED_600X400", "timezone": "0",
            "user_agent": "Mozilla/5.0",
        },
    })
}

fn by_card(number: &str) -> Value {
    json!({ "card": card(number) })
}

/// An authentication after both calls, with the answer of the second.
async fn initiated(merchant: &Merchant, number: &str) -> (String, Value) {
    let checked = merchant
        .post("/authentications", &check(&by_card(number)))
        .await
        .good();
    let id = checked["id"].as_str().unwrap().to_owned();
    let path = format!("/authentications/{id}/initiate");
    let answer = merchant.post(&path, &initiation(&by_card(number))).await.good();
    (id, answer)
}

async fn result(merchant: &Merchant, id: &str) -> Value {
    let path = format!("/authentications/{id}/result");
    merchant.post(&path, &json!({})).await.good()
}

/// Sends a form as a browser does, and returns the status and the page.
async fn form(merchant: &Merchant, url: &str, field: &str, value: &str) -> (u16, String) {
    let body = form_body(field, value);
    let request = merchant.http.post(url).body(body);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn form_body(field: &str, value: &str) -> String {
    // Values of these tests need no escapes.
    assert!(
        value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    );
    format!("{field}={value}")
}

/// The target and the field of the form that a page sends by itself.
fn sent_back(page: &str, field: &str) -> (String, Value) {
    let between = |start: &str| {
        let (_, rest) = page.split_once(start).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let value = between(&format!("name=\"{field}\" value=\""));
    let message = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(value).unwrap()).unwrap();
    (between("action=\"").replace("&amp;", "&"), message)
}

#[tokio::test]
async fn each_test_card_comes_to_what_is_documented() {
    let merchant = Merchant::open().await;
    for (number, status, eci, liability, version) in [
        (FRICTIONLESS, "SUCCESS_AUTHENTICATED", "05", "YES", "2.2.0"),
        ("4222000009719489", "SUCCESS_AUTHENTICATED", "05", "YES", "2.2.0"),
        ("4222000005218627", "SUCCESS_ATTEMPT_MADE", "06", "YES", "2.2.0"),
        (NOT_AUTHENTICATED, "NOT_AUTHENTICATED", "07", "NO", "2.2.0"),
        ("4222000007275799", "FAILED", "07", "NO", "2.2.0"),
        ("4222000008880910", "FAILED", "07", "NO", "2.2.0"),
        ("4263970000005262", "SUCCESS_AUTHENTICATED", "05", "YES", "2.1.0"),
        ("4012001037167778", "SUCCESS_ATTEMPT_MADE", "06", "YES", "2.1.0"),
        ("4012001037461114", "NOT_AUTHENTICATED", "07", "NO", "2.1.0"),
        ("4012001038443335", "FAILED", "07", "NO", "2.1.0"),
        ("5354560000000004", "SUCCESS_AUTHENTICATED", "02", "YES", "2.2.0"),
        ("5580364874958322", "SUCCESS_ATTEMPT_MADE", "01", "YES", "2.2.0"),
        ("5540010585397800", "NOT_AUTHENTICATED", "00", "NO", "2.2.0"),
    ] {
        let (id, answer) = initiated(&merchant, number).await;
        for told in [&answer, &result(&merchant, &id).await] {
            assert_eq!(told["status"], status, "{number}");
            assert_eq!(told["three_ds"]["eci"], eci, "{number}");
            assert_eq!(told["three_ds"]["liability_shift"], liability, "{number}");
            assert_eq!(told["three_ds"]["message_version"], version, "{number}");
            let value = told["three_ds"]["authentication_value"].as_str();
            assert_eq!(
                value.map(str::len),
                (liability == "YES").then_some(28),
                "{number}"
            );
        }
        // The proof is one, however often it is told.
        assert_eq!(answer["three_ds"], result(&merchant, &id).await["three_ds"]);
    }
}

#[tokio::test]
async fn tells_who_takes_part_and_whether_the_browser_is_looked_at() {
    let merchant = Merchant::open().await;
    let checked = merchant
        .post("/authentications", &check(&by_card(FRICTIONLESS)))
        .await
        .good();
    assert!(checked["id"].as_str().unwrap().starts_with("AUT_"));
    for (name, value) in [
        ("status", "AVAILABLE"),
        ("amount", "1999"),
        ("currency", "USD"),
        ("reference", "aut-1"),
    ] {
        assert_eq!(checked[name], value);
    }
    let threeds = &checked["three_ds"];
    assert_eq!(threeds["enrolled_status"], "ENROLLED");
    let data = threeds["method_data"]["encoded_method_data"].as_str().unwrap();
    let (status, page) = form(
        &merchant,
        threeds["method_url"].as_str().unwrap(),
        "threeDSMethodData",
        data,
    )
    .await;
    assert_eq!(status, 200);
    let (back, message) = sent_back(&page, "threeDSMethodData");
    assert_eq!(back, "https://shop.example/method");
    assert_eq!(
        message,
        json!({ "threeDSServerTransID": threeds["server_trans_ref"] })
    );
    assert_eq!(merchant.state()["authentications"][0]["method_done"], true);

    let without = merchant
        .post("/authentications", &check(&by_card("4222000009719489")))
        .await
        .good();
    assert_eq!(without["three_ds"].get("method_url"), None);

    let nothing = merchant
        .post("/authentications", &check(&by_card(NOT_ENROLLED)))
        .await
        .good();
    assert_eq!(
        (&nothing["status"], &nothing["three_ds"]["enrolled_status"]),
        (&json!("NOT_ENROLLED"), &json!("NOT_ENROLLED"))
    );
    let path = format!("/authentications/{}/initiate", nothing["id"].as_str().unwrap());
    let refused = merchant.post(&path, &initiation(&by_card(NOT_ENROLLED))).await;
    assert_eq!(refused.http, 400);
}

#[tokio::test]
async fn a_challenge_is_decided_on_the_issuers_page_alone() {
    let merchant = Merchant::open().await;
    for (action, status, letter, eci) in [
        ("pass", "SUCCESS_AUTHENTICATED", "Y", "05"),
        ("fail", "NOT_AUTHENTICATED", "N", "07"),
    ] {
        let (id, answer) = initiated(&merchant, CHALLENGED).await;
        assert_eq!(answer["status"], "CHALLENGE_REQUIRED");
        let threeds = &answer["three_ds"];
        assert_eq!(threeds.get("eci"), None);
        assert_eq!(threeds["message_type"], "creq");
        // What a page says of it changes nothing.
        let path = format!("/authentications/{id}/result");
        let claimed = json!({ "three_ds": { "challenge_result_value": URL_SAFE_NO_PAD.encode("{\"transStatus\":\"Y\"}") } });
        let early = merchant.post(&path, &claimed).await.good();
        assert_eq!(early["status"], "CHALLENGE_REQUIRED");
        assert_eq!(early["three_ds"].get("authentication_value"), None);

        let url = threeds["acs_challenge_request_url"].as_str().unwrap();
        let request = threeds["challenge_value"].as_str().unwrap();
        let (http, page) = form(&merchant, url, "creq", request).await;
        assert_eq!(http, 200);
        let (_, rest) = page.split_once("action=\"").unwrap();
        let origin = url.strip_suffix("/gp_api/acs/challenge").unwrap();
        let decide = format!("{origin}{}", rest.split_once('"').unwrap().0);
        let (http, page) = form(&merchant, &decide, "action", action).await;
        assert_eq!(http, 200);
        let (back, message) = sent_back(&page, "cres");
        assert_eq!(back, "https://shop.example/challenge?a=1&b=2");
        assert_eq!(
            (&message["transStatus"], &message["messageType"]),
            (&json!(letter), &json!("CRes"))
        );
        // Once.
        assert_eq!(form(&merchant, &decide, "action", "pass").await.0, 404);
        assert_eq!(form(&merchant, url, "creq", request).await.0, 404);

        let told = result(&merchant, &id).await;
        assert_eq!(
            (&told["status"], &told["three_ds"]["eci"]),
            (&json!(status), &json!(eci))
        );
        // The protocol's own id finds it as well.
        let other = message["threeDSServerTransID"].as_str().unwrap();
        assert_eq!(result(&merchant, other).await["id"], id);
    }
}

#[tokio::test]
async fn a_stored_and_a_single_use_card_are_not_used_up() {
    let merchant = Merchant::open().await;
    for id in [
        merchant.stored(FRICTIONLESS).await,
        merchant.single(FRICTIONLESS).await,
    ] {
        let method = json!({ "id": id });
        let checked = merchant.post("/authentications", &check(&method)).await.good();
        let path = format!("/authentications/{}/initiate", checked["id"].as_str().unwrap());
        // Of another card.
        let other = merchant.post(&path, &initiation(&by_card(CHALLENGED))).await;
        assert_eq!(other.refusal(), (400, "INVALID_REQUEST_DATA", "40213"));
        let done = merchant.post(&path, &initiation(&method)).await.good();
        assert_eq!(done["status"], "SUCCESS_AUTHENTICATED");
        let sale = with(
            sale_by_id("authenticated", &id),
            "payment_method/authentication",
            json!({ "id": done["id"] }),
        );
        assert_eq!(
            merchant.post("/transactions", &sale).await.good()["status"],
            "CAPTURED"
        );
    }
}

#[tokio::test]
async fn an_account_may_demand_an_authentication() {
    let merchant = Merchant::open().await;
    let sale = |number: &str, id: Option<&str>| {
        with(
            sale_by_card("demanded", number),
            "payment_method/authentication",
            id.map_or(Value::Null, |id| json!({ "id": id, "three_ds": { "eci": "05" } })),
        )
    };
    let charged = async |number: &str, id: Option<&str>| {
        let answer = merchant.post("/transactions", &sale(number, id)).await.good();
        answer["payment_method"]["result"].as_str().unwrap().to_owned()
    };
    let (good, _) = initiated(&merchant, FRICTIONLESS).await;
    let (bad, _) = initiated(&merchant, NOT_AUTHENTICATED).await;
    // The platform's own sandbox takes one that failed.
    assert_eq!(charged(NOT_AUTHENTICATED, Some(&bad)).await, "00");
    merchant.set(&json!({ "authentication_required": true }));
    assert_eq!(charged(FRICTIONLESS, None).await, "111");
    assert_eq!(charged(NOT_AUTHENTICATED, Some(&bad)).await, "111");
    assert_eq!(charged(FRICTIONLESS, Some(&good)).await, "00");
    let transactions = merchant.transactions();
    assert_eq!(transactions.last().unwrap()["authentication"], good);
    // Nobody's, and another card's.
    for (number, id) in [(FRICTIONLESS, "AUT_x"), (CHALLENGED, good.as_str())] {
        let refused = merchant.post("/transactions", &sale(number, Some(id))).await;
        assert_eq!(refused.refusal(), (404, "RESOURCE_NOT_FOUND", "40118"), "{id}");
    }
}

#[tokio::test]
async fn refuses_what_lacks_something() {
    let merchant = Merchant::open().await;
    for (path, new, code) in [
        ("amount", Value::Null, "40005"),
        ("currency", Value::Null, "40005"),
        ("source", Value::Null, "40005"),
        ("source", json!("PIGEON"), "40213"),
        ("notifications/challenge_return_url", Value::Null, "40005"),
        (
            "notifications/three_ds_method_return_url",
            json!("javascript:alert(1)"),
            "40213",
        ),
        ("account_name", Value::Null, "40007"),
        ("payment_method", Value::Null, "40007"),
    ] {
        let body = with(check(&by_card(FRICTIONLESS)), path, new);
        let refused = merchant.post("/authentications", &body).await;
        assert_eq!(
            (refused.http, refused.text("detailed_error_code")),
            (400, code),
            "{path}"
        );
    }
    let checked = merchant
        .post("/authentications", &check(&by_card(FRICTIONLESS)))
        .await
        .good();
    let id = checked["id"].as_str().unwrap();
    let initiate = format!("/authentications/{id}/initiate");
    for (path, new, code) in [
        ("payment_method", Value::Null, "40005"),
        ("browser_data", Value::Null, "40233"),
        ("browser_data/user_agent", Value::Null, "40005"),
        ("browser_data/color_depth", json!("24"), "40213"),
        ("method_url_completion_status", Value::Null, "40005"),
        ("order/amount", json!("19.99"), "40213"),
        ("three_ds/message_version", json!("1.0.2"), "40213"),
    ] {
        let body = with(initiation(&by_card(FRICTIONLESS)), path, new);
        let refused = merchant.post(&initiate, &body).await;
        assert_eq!(
            (refused.http, refused.text("detailed_error_code")),
            (400, code),
            "{path}"
        );
    }
    for action in ["initiate", "result"] {
        let refused = merchant
            .post(
                &format!("/authentications/AUT_nobody/{action}"),
                &initiation(&by_card(FRICTIONLESS)),
            )
            .await;
        assert_eq!(refused.refusal(), (404, "RESOURCE_NOT_FOUND", "40118"));
        assert_eq!(
            refused.told(),
            "Authentication AUT_nobody not found at this location."
        );
    }
    // The amount of the first call stays.
    let body = with(initiation(&by_card(FRICTIONLESS)), "order/amount", json!("1"));
    assert_eq!(merchant.post(&initiate, &body).await.good()["amount"], "1999");
}

#[tokio::test]
async fn a_key_starts_one_authentication() {
    let merchant = Merchant::open().await;
    let body = check(&by_card(CHALLENGED));
    let checked = merchant
        .post_with_key("/authentications", &body, "k1")
        .await
        .good();
    let id = checked["id"].as_str().unwrap();
    let again = merchant.post_with_key("/authentications", &body, "k1").await;
    assert_eq!(again.refusal(), (409, "DUPLICATE_ACTION", "40039"));
    assert!(again.told().ends_with(&format!("id={id}")));

    // An answer that is lost, of something that was done.
    merchant.inject("authentications/initiate", Kind::BadGatewayAfterCommit);
    let path = format!("/authentications/{id}/initiate");
    let lost = merchant
        .post_with_key(&path, &initiation(&by_card(CHALLENGED)), "k2")
        .await;
    assert_eq!(lost.http, 502);
    let again = merchant
        .post_with_key(&path, &initiation(&by_card(CHALLENGED)), "k2")
        .await;
    assert_eq!(again.refusal(), (409, "DUPLICATE_ACTION", "40039"));
    assert_eq!(result(&merchant, id).await["status"], "CHALLENGE_REQUIRED");
}

#[tokio::test]
async fn a_narrowed_token_authenticates_only_as_far_as_it_may() {
    let merchant = Merchant::open().await;
    for (permission, may) in [
        ("AUT_POST_Check_Availability", "/authentications"),
        ("AUT_POST_Initiate", "/authentications/x/initiate"),
        ("AUT_POST_Results", "/authentications/x/result"),
    ] {
        let token = merchant.new_token(json!({ "permissions": [permission] })).await;
        for path in [
            "/authentications",
            "/authentications/x/initiate",
            "/authentications/x/result",
        ] {
            let request = merchant
                .request(reqwest::Method::POST, path, &token)
                .json(&json!({}));
            let refused = request.send().await.unwrap().status().as_u16();
            assert_eq!(refused == 403, path != may, "{permission} {path}");
        }
    }
}
