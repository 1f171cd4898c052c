//! Stored cards.

use cardseal_sandbox::SandboxOptions;
use serde_json::{Value, json};

use super::shop::{DECLINED, Shop, VISA, by_token, payload};

async fn token_by_input(shop: &Shop, change: impl FnOnce(&mut Value)) -> super::shop::Answer {
    let session = shop.session(json!({})).await;
    let mut inside = payload(&session, &shop.unique(), VISA);
    inside.as_object_mut().unwrap().remove("tokenize");
    let values = inside["paymentValues"].as_array_mut().unwrap();
    values.push(json!({ "key": "paymentProductId", "value": 1 }));
    change(&mut inside);
    let input = shop.seal(&session, &inside).await;
    shop.post(
        "/tokens",
        &json!({ "paymentProductId": 1, "encryptedCustomerInput": input }),
    )
    .await
}

#[tokio::test]
async fn stores_reads_and_deletes() {
    let shop = Shop::open().await;
    let made = token_by_input(&shop, |_| {}).await.good(201);
    let token = made["token"].as_str().unwrap();
    assert_eq!(
        (&made["isNewToken"], &made["tokenStatus"]),
        (&json!(true), &json!("CREATED"))
    );
    assert_eq!(made["card"]["cardNumber"], "************7977");
    let linked = made["externalTokenLinked"].as_object().unwrap();
    for name in ["ComputedToken", "GTSComputedToken", "GeneratedToken"] {
        assert_eq!(linked[name].as_str().unwrap().len(), 32, "{name}");
    }
    let path = format!("/tokens/{token}");
    let read = shop.get(&path).await.good(200);
    assert_eq!(
        (&read["id"], &read["isTemporary"], &read["paymentProductId"]),
        (&json!(token), &json!(false), &json!(1))
    );
    assert_eq!(read["card"]["data"]["cardWithoutCvv"]["expiryDate"], "1230");
    shop.post("/payments", &by_token(1000, token)).await.good(201);
    shop.post("/payments", &by_token(1000, token)).await.good(201);
    let deleted = shop.delete(&path).await;
    assert_eq!((deleted.http, deleted.text.as_str()), (204, ""));
    for answer in [
        shop.get(&path).await,
        shop.delete(&path).await,
        shop.post("/payments", &by_token(1, token)).await,
    ] {
        assert_eq!(answer.refusal(), (404, "UNKNOWN_TOKEN_ID", "token"));
    }
    // Deleted is deleted: the same card is new again.
    let again = token_by_input(&shop, |_| {}).await.good(201);
    assert_eq!(again["tokenStatus"], "CREATED");
}

#[tokio::test]
async fn has_one_token_for_one_card() {
    let shop = Shop::open().await;
    let first = token_by_input(&shop, |_| {}).await.good(201);
    for (expiry, status) in [("1230", "UNCHANGED"), ("1231", "UPDATED"), ("1231", "UNCHANGED")] {
        let made = token_by_input(&shop, |inside| {
            inside["paymentValues"][2]["value"] = json!(expiry)
        })
        .await;
        let made = made.good(201);
        assert_eq!(
            (&made["token"], &made["tokenStatus"]),
            (&first["token"], &json!(status))
        );
        assert_eq!(made["isNewToken"], false);
    }
    shop.set(&json!({ "created_status": 200 }));
    token_by_input(&shop, |_| {}).await.good(200);
}

#[tokio::test]
async fn refuses_what_is_no_card() {
    let shop = Shop::open().await;
    // As a page sends fields that nobody filled in.
    let unset = token_by_input(&shop, |inside| {
        inside["paymentValues"][2] = json!({ "key": "expiryDate" });
    });
    assert_eq!(
        unset.await.refusal(),
        (400, "INVALID_VALUE", "encryptedCustomerInput")
    );
    // The code alone may be left out.
    let no_cvv = token_by_input(&shop, |inside| {
        inside["paymentValues"][3] = json!({ "key": "cvv" })
    });
    no_cvv.await.good(201);
    let card = |name: &str, value: &str| {
        let mut card =
            json!({ "cardNumber": VISA, "cardholderName": "Zoë Müller", "expiryDate": "1230", "cvv": "123" });
        card[name] = json!(value);
        json!({ "paymentProductId": 1, "card": { "data": { "card": card } } })
    };
    for (name, value) in [
        ("cardNumber", "1"),
        ("cardholderName", "x"),
        ("expiryDate", "0120"),
        ("cvv", "1"),
    ] {
        let answer = shop.post("/tokens", &card(name, value)).await;
        assert_eq!(
            answer.refusal(),
            (400, "INVALID_VALUE", &*format!("card.data.card.{name}"))
        );
    }
    for body in [json!({}), json!({ "paymentProductId": 1 })] {
        assert_eq!(
            shop.post("/tokens", &body).await.refusal().1,
            "PARAMETER_NOT_FOUND_IN_REQUEST"
        );
    }
}

#[tokio::test]
async fn charges_a_card_that_was_stored_before_a_restart() {
    let file = std::env::temp_dir().join(format!("cardseal-online-payments-{}.cards", std::process::id()));
    let options = || SandboxOptions {
        seed: Some([7; 32]),
        cards: Some(file.clone()),
        ..SandboxOptions::default()
    };
    let store = async |shop: &Shop, number: &str| {
        let card = json!({ "cardNumber": number, "cardholderName": "Zoë Müller", "expiryDate": "1230" });
        let body = json!({ "paymentProductId": 1, "card": { "data": { "card": card } } });
        let made = shop.post("/tokens", &body).await.good(201);
        made["token"].as_str().unwrap().to_owned()
    };
    let first = Shop::open_with(options()).await;
    let [good, declined] = [store(&first, VISA).await, store(&first, DECLINED).await];
    let told = first.get(&format!("/tokens/{good}")).await.good(200);
    drop(first);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(VISA) && !text.contains(DECLINED), "{text}");

    let again = Shop::open_with(options()).await;
    assert_eq!(again.get(&format!("/tokens/{good}")).await.good(200), told);
    again.post("/payments", &by_token(1000, &good)).await.good(201);
    let refused = again.post("/payments", &by_token(1000, &declined)).await;
    assert_eq!(refused.http, 402, "{}", refused.text);
    // No number is in the file, so the same one gets another token.
    assert_ne!(store(&again, VISA).await, good);
    drop(again);
    std::fs::remove_file(&file).unwrap();
}
