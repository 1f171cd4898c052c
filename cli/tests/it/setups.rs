//! Broken set-ups, each in a real flow against the sandbox or in a real configuration, and the cause that doctor has to
//! name for each. One thing is wrong in each of them.

use std::pin::Pin;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cardseal::http::Request;
use cardseal_sandbox::sealing::Sealer;
use cardseal_worldline::communicator::ToSign;
use cardseal_worldline::online_payments::signature::{V1HmacAuthenticator, string_to_hash};
use getrandom::SysRng;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use time::format_description::well_known::Rfc2822;

use super::shop::*;

type Work<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A set-up: what is wrong with it, on which platform, the cause's id, and how it is made.
struct Setup {
    wrong: &'static str,
    platform: &'static str,
    cause: &'static str,
    make: for<'a> fn(&'a mut Shop) -> Work<'a>,
}

const NOT_OPENED: &str = "Session not exists or is wrong";

/// A row of the table.
macro_rules! setups {
    ($($platform:literal, $cause:literal, $wrong:literal, |$shop:ident| $body:block)+) => {
        vec![$(Setup {
            wrong: $wrong, platform: $platform, cause: $cause,
            make: |$shop| Box::pin(async move $body),
        },)+]
    };
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn setups() -> Vec<Setup> {
    setups! {
        "greenpay", "greenpay.key_wrong", "the page packs with another merchant's key", |shop| {
            shop.tokenize(packed_with(FOREIGN, &card_text()), NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.key_wrong", "the page's key is given, and is not the configuration's", |shop| {
            shop.tokenize(packed_with(FOREIGN, &card_text()), NOT_OPENED).await;
            shop.argument("--public-key", "page.pem", &key(FOREIGN, "public_spki_pem"));
        }
        "greenpay", "greenpay.key_wrong", "the configuration's key is an older one than the platform's", |shop| {
            shop.set("greenpay", "public_key", public(FOREIGN));
            shop.tokenize(packed_with(FOREIGN, &card_text()), NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.key_of_other_environment", "the configuration has the key of the other environment", |shop| {
            shop.set("greenpay", "public_key", public(FOREIGN));
            let mut other = shop.settings["greenpay"].clone();
            other["environment"] = "production".into();
            other.as_object_mut().unwrap().retain(|name, _| !name.ends_with("_url"));
            let other = toml::to_string(&json!({ "platforms": { "greenpay": other } })).unwrap();
            shop.argument("--config", "production.toml", &other);
            shop.tokenize(packed_with(FOREIGN, &card_text()), NOT_OPENED).await;
        }
        "greenpay", "greenpay.key_never_set", "the library was never given the page's key, and drew one", |shop| {
            shop.tokenize(packed_with(FOREIGN, &card_text()), NOT_OPENED).await;
            shop.argument("--public-key", "page.pem", &key(OURS, "public_spki_pem"));
            shop.with_private_key();
        }
        "greenpay", "greenpay.lk_false", "sixteen counter bytes do not fit the key, and the library says false", |shop| {
            let [ld, _] = packed(&card_text());
            let order = shop.order().await;
            let (_, body) = shop.submit("/tokenize", &order, &json!({ "ld": ld, "lk": false })).await;
            assert_ne!(body["status"], 201);
        }
        "greenpay", "greenpay.lk_plus_lost", "each + of lk became a blank on its way through a form", |shop| {
            let [ld, lk] = loop {
                let [ld, lk] = packed(&card_text());
                if lk.matches('+').count() > 1 && !lk.starts_with('+') && !lk.ends_with('+') {
                    break [ld, lk];
                }
            };
            shop.tokenize([ld, lk.replace('+', " ")], NOT_OPENED).await;
        }
        "greenpay", "greenpay.lk_percent_encoded", "lk is percent-encoded inside JSON", |shop| {
            let [ld, lk] = packed(&card_text());
            let lk = lk.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
            shop.tokenize([ld, lk], NOT_OPENED).await;
        }
        "greenpay", "greenpay.lk_hex", "lk is hex", |shop| {
            let [ld, lk] = packed(&card_text());
            shop.tokenize([ld, hex::encode(STANDARD.decode(lk).unwrap())], NOT_OPENED).await;
        }
        "greenpay", "greenpay.lk_not_base64", "lk has a prefix that says what it is", |shop| {
            let [ld, lk] = packed(&card_text());
            shop.tokenize([ld, format!("base64:{lk}")], NOT_OPENED).await;
        }
        "greenpay", "greenpay.lk_length", "the page's key is of another size", |shop| {
            shop.tokenize(packed_with(LONG, &card_text()), NOT_OPENED).await;
        }
        "greenpay", "greenpay.lk_length", "lk is cut off in a column of a database", |shop| {
            let [ld, lk] = packed(&card_text());
            shop.tokenize([ld, lk[..128].to_owned()], NOT_OPENED).await;
        }
        "greenpay", "greenpay.lk_oaep", "the key is wrapped with OAEP", |shop| {
            // A key of 2048 bits, because the text does not fit one of 1024 with OAEP's padding.
            let text = r#"{"k":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15],"s":200}"#;
            let wrapped = rsa_key(OURS).oaep_encrypt_with_rng::<Sha1, _>(&mut SysRng, text.as_bytes()).unwrap();
            let [ld, _] = packed(&card_text());
            shop.tokenize([ld, STANDARD.encode(wrapped)], NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.lk_not_json", "the AES key is wrapped as text of its own", |shop| {
            let [ld, _] = packed(&card_text());
            shop.tokenize([ld, wrap(OURS, "ABCDEFGHIJKLMNOP")], NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.lk_not_json", "the bare bytes of the AES key are wrapped", |shop| {
            let [ld, _] = packed(&card_text());
            let wrapped = rsa_key(OURS).pkcs1v15_encrypt_with_rng(&mut SysRng, &AES).unwrap();
            shop.tokenize([ld, STANDARD.encode(wrapped)], NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.k_form", "the AES key is base64 instead of numbers", |shop| {
            let [ld, _] = packed(&card_text());
            let lk = wrap(OURS, &format!(r#"{{"k":"{}","s":200}}"#, STANDARD.encode(AES)));
            shop.tokenize([ld, lk], NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.k_form", "the AES key has Java's signed bytes", |shop| {
            let [ld, _] = packed(&card_text());
            let lk = wrap(OURS, r#"{"k":[-1,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15],"s":200}"#);
            shop.tokenize([ld, lk], NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.k_form", "the AES key is a list of PHP that starts at 1", |shop| {
            let [ld, _] = packed(&card_text());
            let lk = wrap(OURS, r#"{"k":{"1":0,"2":1,"3":2,"4":3,"5":4},"s":200}"#);
            shop.tokenize([ld, lk], NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.counter_form", "the counter is text", |shop| {
            let [ld, _] = packed(&card_text());
            shop.tokenize([ld, wrap(OURS, &pair(r#""200""#))], NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.counter_absent", "the counter was 0 and is left out", |shop| {
            let ld = hex::encode(ctr(card_text().as_bytes(), [0; 16]));
            let lk = wrap(OURS, r#"{"k":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]}"#);
            shop.tokenize([ld, lk], NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.counter_other", "the counter is repeated in all sixteen bytes", |shop| {
            let ld = hex::encode(ctr(card_text().as_bytes(), [200; 16]));
            shop.tokenize([ld, wrap(OURS, &pair("200"))], NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.counter_other", "the counter is in the first byte", |shop| {
            let ld = hex::encode(ctr(card_text().as_bytes(), (200_u128 << 120).to_be_bytes()));
            shop.tokenize([ld, wrap(OURS, &pair("200"))], NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.counter_other", "a random block is used, and one of its bytes is sent", |shop| {
            let block = [17, 250, 3, 99, 200, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
            let ld = hex::encode(ctr(card_text().as_bytes(), block));
            shop.tokenize([ld, wrap(OURS, &pair("17"))], NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.counter_too_large", "the counter has 32 bits, and the receiver's library is an old one", |shop| {
            shop.switch("greenpay", &json!({ "counter_arithmetic": "old" }));
            let ld = hex::encode(ctr(card_text().as_bytes(), 4_000_000_000_u128.to_be_bytes()));
            shop.tokenize([ld, wrap(OURS, &pair("4000000000"))], NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.ld_base64", "ld is base64", |shop| {
            let [ld, lk] = packed(&card_text());
            shop.tokenize([STANDARD.encode(hex::decode(ld).unwrap()), lk], NOT_OPENED).await;
        }
        "greenpay", "greenpay.ld_not_hex", "ld has 0x before it", |shop| {
            let [ld, lk] = packed(&card_text());
            shop.tokenize([format!("0x{ld}"), lk], NOT_OPENED).await;
        }
        "greenpay", "greenpay.ld_cut", "ld is cut off in the middle of a byte", |shop| {
            let [ld, lk] = packed(&card_text());
            shop.tokenize([ld[..255].to_owned(), lk], NOT_OPENED).await;
        }
        "greenpay", "greenpay.ld_cut", "ld is cut off between bytes", |shop| {
            let [ld, lk] = packed(&card_text());
            shop.tokenize([ld[..220].to_owned(), lk], NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.ld_mode", "ld is encrypted in CBC mode", |shop| {
            use cbc::cipher::block_padding::Pkcs7;
            use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
            let iv = 200_u128.to_be_bytes();
            let cipher = cbc::Encryptor::<aes::Aes128>::new(&AES.into(), &iv.into())
                .encrypt_padded_vec::<Pkcs7>(card_text().as_bytes());
            shop.tokenize([hex::encode(cipher), wrap(OURS, &pair("200"))], NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.text_not_utf8", "the text is encoded as Latin-1", |shop| {
            let text: Vec<u8> = card_text().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
            let ld = hex::encode(ctr(&text, 200_u128.to_be_bytes()));
            shop.tokenize([ld, wrap(OURS, &pair("200"))], NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.four_byte_character", "an emoji ends the nickname", |shop| {
            shop.switch("greenpay", &json!({ "utf8_decoder": "aes_js_3" }));
            let text = card_text().replace("Tarjeta Ana", "Tarjeta 😀");
            shop.tokenize(packed(&text), NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.json_twice", "the JSON is stringified twice", |shop| {
            let text = serde_json::to_string(&card_text()).unwrap();
            shop.tokenize(packed(&text), NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.text_not_object", "the card is in a list", |shop| {
            shop.tokenize(packed(&format!("[{}]", card_text())), NOT_OPENED).await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.token_where_card_belongs", "a card token is packed where a card belongs", |shop| {
            let text = r#"{"token":"1c3a0f89-2d6b-4f8e-9b1a-0d3c5e7f9a1b"}"#;
            shop.tokenize(packed(text), "Invalid card").await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.token_where_card_belongs", "the same, seen by its length without a test key", |shop| {
            let text = r#"{"token":"1c3a0f89-2d6b-4f8e-9b1a-0d3c5e7f9a1b"}"#;
            shop.tokenize(packed(text), "Invalid card").await;
        }
        "greenpay", "greenpay.token_where_card_belongs", "a card token stands in cardNumber", |shop| {
            let text = card_text().replace(PAN, "1c3a0f89-2d6b-4f8e-9b1a-0d3c5e7f9a1b");
            shop.tokenize(packed(&text), "Invalid_pan").await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.card_missing", "the card's members are not inside `card`", |shop| {
            shop.tokenize(packed(&card()["card"].to_string()), "Invalid card").await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.pan_not_digits", "blanks are left in the card number", |shop| {
            let text = card_text().replace(PAN, "4242 4242 4242 4242");
            shop.tokenize(packed(&text), "Invalid_pan").await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.nickname_length", "the nickname has four letters", |shop| {
            let text = card_text().replace("Tarjeta Ana", "Visa");
            shop.tokenize(packed(&text), "Invalid nickname").await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.card_field", "the expiry is one text", |shop| {
            let mut card = card();
            card["card"]["expirationDate"] = "09/31".into();
            shop.tokenize(packed(&card.to_string()), "Invalid expiration date").await;
            shop.with_private_key();
        }
        "greenpay", "greenpay.update_without_token", "an update names no token", |shop| {
            let order = shop.order().await;
            let [ld, lk] = packed(&card_text());
            let (_, body) = shop.submit("/tokenize/update", &order, &json!({ "ld": ld, "lk": lk })).await;
            assert_eq!(body["errors"][0], "Invalid card token");
            shop.with_private_key();
        }
        "greenpay", "greenpay.body_incomplete", "Id is sent instead of ld", |shop| {
            let order = shop.order().await;
            let [ld, lk] = packed(&card_text());
            let (_, body) = shop.submit("/tokenize", &order, &json!({ "Id": ld, "lk": lk })).await;
            assert_ne!(body["status"], 201);
        }
        "greenpay", "greenpay.session_expired", "the session was opened when the page was loaded", |shop| {
            let order = shop.order().await;
            shop.wait(31);
            let [ld, lk] = packed(&card_text());
            let (_, body) = shop.submit("/tokenize", &order, &json!({ "ld": ld, "lk": lk })).await;
            assert_eq!(body["errors"][0], "Session not found");
        }
        "greenpay", "greenpay.session_used", "the shopper clicks twice", |shop| {
            let order = shop.order().await;
            for says in [Value::Null, "Session not found".into()] {
                let [ld, lk] = packed(&card_text());
                let (_, body) = shop.submit("/tokenize", &order, &json!({ "ld": ld, "lk": lk })).await;
                assert_eq!(body["errors"][0], says);
            }
        }
        "greenpay", "greenpay.session_wrong_kind", "a tokenization's session takes a payment", |shop| {
            let order = shop.order().await;
            let [ld, lk] = packed(&card_text());
            let (_, body) = shop.submit("/kount", &order, &json!({ "ld": ld, "lk": lk })).await;
            assert_eq!(body["errors"][0], "Session not found");
        }
        "greenpay", "greenpay.session_of_other_environment", "the card goes to another environment's checkout host", |shop| {
            let order = shop.order().await;
            let other = Shop::open().await;
            let [ld, lk] = packed(&card_text());
            let url = other.checkout("/tokenize");
            let body = json!({ "session": order.session, "ld": ld, "lk": lk });
            let (_, body) = shop.post(url, &[("liszt-token", &order.token)], &body).await;
            assert_eq!(body["errors"][0], "Session not found");
        }
        "greenpay", "greenpay.session_unknown", "the session is the page's own invention", |shop| {
            let order = shop.order().await;
            let own = Order { session: "7d3ff3c1-5a0e-4b6e-9d52-3f7a51c2b001".into(), token: order.token };
            let [ld, lk] = packed(&card_text());
            let (_, body) = shop.submit("/tokenize", &own, &json!({ "ld": ld, "lk": lk })).await;
            assert_eq!(body["errors"][0], "Session not found");
        }
        "greenpay", "greenpay.session_not_the_platforms", "the server's own session id goes to the platform", |shop| {
            let order = shop.order().await;
            let own = Order { session: "ses_0190f2b1c1".into(), token: order.token };
            let [ld, lk] = packed(&card_text());
            let (_, body) = shop.submit("/tokenize", &own, &json!({ "ld": ld, "lk": lk })).await;
            assert_eq!(body["errors"][0], "Invalid input syntax for uuid");
        }
        "greenpay", "greenpay.liszt_token_missing", "the header liszt-token is left out", |shop| {
            let order = shop.order().await;
            let own = Order { session: order.session, token: String::new() };
            let [ld, lk] = packed(&card_text());
            let (_, body) = shop.submit("/tokenize", &own, &json!({ "ld": ld, "lk": lk })).await;
            assert_eq!(body["errors"][0], "Invalid input syntax for uuid");
        }
        "greenpay", "greenpay.liszt_token_swapped", "the session stands in liszt-token too", |shop| {
            let order = shop.order().await;
            let own = Order { session: order.session.clone(), token: order.session };
            let [ld, lk] = packed(&card_text());
            let (_, body) = shop.submit("/tokenize", &own, &json!({ "ld": ld, "lk": lk })).await;
            assert_eq!(body["errors"][0], "Invalid token");
        }
        "greenpay", "greenpay.liszt_token_of_other_order", "two orders are mixed up", |shop| {
            let (first, second) = (shop.order().await, shop.order().await);
            let own = Order { session: first.session, token: second.token };
            let [ld, lk] = packed(&card_text());
            let (_, body) = shop.submit("/tokenize", &own, &json!({ "ld": ld, "lk": lk })).await;
            assert_eq!(body["errors"][0], "Invalid token");
        }
        "greenpay", "greenpay.merchant_id_differs", "the merchant id is another's", |shop| {
            let more = json!({ "requestId": "r-1", "merchantId": "7d3ff3c1-5a0e-4b6e-9d52-3f7a51c2b001" });
            let (_, body) = shop.order_with("/tokenize", &more).await;
            assert_eq!(body["errors"][0], "Merchant doesn't exist");
        }
        "greenpay", "greenpay.secret_differs", "the secret has a blank at its end", |shop| {
            let secret = format!("{} ", shop.setting("greenpay", "secret"));
            let (_, body) = shop.order_with("/tokenize", &json!({ "requestId": "r-1", "secret": secret })).await;
            assert_eq!(body["errors"][0], "Merchant doesn't exist");
        }
        "greenpay", "greenpay.secret_differs", "the configuration's secret is an old one, and the platform is asked", |shop| {
            shop.set("greenpay", "secret", "an-old-secret-of-the-merchant");
            shop.flag(&["--online", "--platform", "greenpay"]);
        }
        "greenpay", "greenpay.key_wrong", "the configuration's key is another's, and the platform is asked", |shop| {
            shop.set("greenpay", "public_key", public(FOREIGN));
            shop.flag(&["--online", "--platform", "greenpay"]);
        }
        "greenpay", "greenpay.terminal_unknown", "the terminal is none of the merchant's", |shop| {
            let more = json!({ "terminal": "other-0002-BNCR-USD", "amount": 12.34, "currency": "USD", "description": "Coffee",
                "orderReference": "o-1" });
            let (_, body) = shop.order_with("/", &more).await;
            assert_eq!(body["errors"][0], "Bank entity doesn't exist");
        }
        "greenpay", "greenpay.terminal_of_other_currency", "the terminal is that of another currency", |shop| {
            let more = json!({ "terminal": "sandbox-0001-BNCR-CRC", "amount": 12.34, "currency": "USD",
                "description": "Coffee", "orderReference": "o-1" });
            let (_, body) = shop.order_with("/", &more).await;
            assert_ne!(body["status"], 200);
        }
        "gp_api", "gp_api.app_id_differs", "app_id is another application's", |shop| {
            let (status, _) = gp_grant(shop, |body| body["app_id"] = "AnotherApplicationOfSomebody1234".into()).await;
            assert_eq!(status, 403);
        }
        "gp_api", "gp_api.app_key_wrong", "app_key is another application's", |shop| {
            let (status, _) = gp_grant(shop, |body| body["secret"] = sha512("0123456789abcdef", "anotherKey123456").into()).await;
            assert_eq!(status, 403);
        }
        "gp_api", "gp_api.secret_form", "the key stands before the nonce", |shop| {
            let app_key = shop.setting("gp_api", "app_key");
            let (status, _) = gp_grant(shop, move |body| body["secret"] = sha512(&app_key, "0123456789abcdef").into()).await;
            assert_eq!(status, 403);
        }
        "gp_api", "gp_api.app_key_wrong", "the configuration's app_key is an old one, and the platform is asked", |shop| {
            shop.set("gp_api", "app_key", "anOldKey12345678");
            shop.flag(&["--online", "--platform", "gp_api"]);
        }
        "gp_api", "gp_api.access_token_expired", "the access token is kept for too long", |shop| {
            let (_, token) = gp_grant(shop, |body| body["seconds_to_expire"] = 60.into()).await;
            shop.wait(2);
            let (status, _) = gp_sale(shop, &token, "transaction_processing").await;
            assert_eq!(status, 401);
        }
        "gp_api", "gp_api.access_token_unknown", "the access token is cut off", |shop| {
            let (_, token) = gp_grant(shop, |_| {}).await;
            let (status, _) = gp_sale(shop, &token[..20], "transaction_processing").await;
            assert_eq!(status, 401);
        }
        "gp_api", "gp_api.permission_missing", "the page's access token charges", |shop| {
            let (_, token) = gp_grant(shop, |body| body["permissions"] = json!(["PMT_POST_Create_Single"])).await;
            let (status, body) = gp_sale(shop, &token, "transaction_processing").await;
            assert_eq!((status, &body["detailed_error_code"]), (403, &json!("40212")));
        }
        "gp_api", "gp_api.account_name_case", "the account's name has its old capitals", |shop| {
            let (_, token) = gp_grant(shop, |_| {}).await;
            let (status, body) = gp_sale(shop, &token, "Transaction_Processing").await;
            assert_eq!((status, &body["detailed_error_code"]), (403, &json!("40003")));
        }
        "gp_api", "gp_api.account_unknown", "the account is another merchant's", |shop| {
            let (_, token) = gp_grant(shop, |_| {}).await;
            let (status, body) = gp_sale(shop, &token, "transaction_processing_3").await;
            assert_eq!((status, &body["detailed_error_code"]), (403, &json!("40003")));
        }
        "online_payments", "online_payments.secret_wrong", "the secret is another key's", |shop| {
            op_signed(shop, |call| call.secret = "YW5vdGhlci1zZWNyZXQtb2YtdGhlLW1lcmNoYW50".into()).await;
        }
        "online_payments", "online_payments.secret_decoded", "the secret is base64-decoded first", |shop| {
            op_signed(shop, |call| {
                let decoded = STANDARD.decode(&call.secret).unwrap();
                call.signature = Some(hmac(&decoded, &call.text()));
            }).await;
        }
        "online_payments", "online_payments.api_key_differs", "the key id is another's", |shop| {
            op_signed(shop, |call| call.key_id = "ANOTHERKEY0001".into()).await;
        }
        "online_payments", "online_payments.merchant_id_differs", "the PSPID in the path is another's", |shop| {
            op_signed(shop, |call| call.path = "/v2/AnotherMerchant/services/testconnection".into()).await;
        }
        "online_payments", "online_payments.signed_content_type", "a content type is signed that is not sent", |shop| {
            op_signed(shop, |call| {
                let text = call.text().replacen("GET\n\n", "GET\napplication/json\n", 1);
                call.signature = Some(hmac(call.secret.as_bytes(), &text));
            }).await;
        }
        "online_payments", "online_payments.signed_path", "the query is not signed", |shop| {
            op_signed(shop, |call| {
                let text = call.text();
                call.path.push_str("?locale=en_GB");
                call.signature = Some(hmac(call.secret.as_bytes(), &text));
            }).await;
        }
        "online_payments", "online_payments.signed_line_end", "the last line end is not signed", |shop| {
            op_signed(shop, |call| {
                call.signature = Some(hmac(call.secret.as_bytes(), call.text().trim_end()));
            }).await;
        }
        "online_payments", "online_payments.signed_date", "the date is made twice, two seconds apart", |shop| {
            op_signed(shop, |call| {
                let text = call.text().replace(&call.date, &http_date(-2));
                call.signature = Some(hmac(call.secret.as_bytes(), &text));
            }).await;
        }
        "online_payments", "online_payments.clock", "the server's clock is an hour fast", |shop| {
            op_signed(shop, |call| call.date = http_date(3600)).await;
        }
        "online_payments", "online_payments.signature_form", "the signature is hex", |shop| {
            op_signed(shop, |call| {
                let signature = STANDARD.decode(hmac(call.secret.as_bytes(), &call.text())).unwrap();
                call.signature = Some(hex::encode(signature));
            }).await;
        }
        "online_payments", "online_payments.secret_wrong", "the configuration's secret is an old one, and the platform is asked", |shop| {
            shop.set("online_payments", "secret_api_key", "YW5vdGhlci1zZWNyZXQtb2YtdGhlLW1lcmNoYW50");
            shop.flag(&["--online", "--platform", "online_payments"]);
        }
        "online_payments", "online_payments.client_session_missing", "a page calls with the server's kind of authorization", |shop| {
            let session = op_session(shop).await;
            let (status, _) = op_page(shop, &session, "GCS v1HMAC:KEY:c2lnbmF0dXJl").await;
            assert_eq!(status, 403);
        }
        "online_payments", "online_payments.client_session_expired", "the page's session is hours old", |shop| {
            let session = op_session(shop).await;
            shop.wait(61);
            let own = format!("GCS v1Client:{}", session["clientSessionId"].as_str().unwrap());
            let (status, _) = op_page(shop, &session, &own).await;
            assert_eq!(status, 403);
        }
        "ccbill", "ccbill.credentials_mixed", "the id of one application comes with the secret of the other", |shop| {
            let pair = (shop.setting("ccbill", "frontend_application_id"), shop.setting("ccbill", "backend_secret"));
            assert_eq!(ccbill_grant(shop, &pair).await.0, 401);
        }
        "ccbill", "ccbill.credentials_differ", "the secret is an old one", |shop| {
            let pair = (shop.setting("ccbill", "backend_application_id"), "an-old-secret".to_owned());
            assert_eq!(ccbill_grant(shop, &pair).await.0, 401);
        }
        "ccbill", "ccbill.credentials_differ", "the configuration's secret is an old one, and the platform is asked", |shop| {
            shop.set("ccbill", "backend_secret", "an-old-secret-of-the-merchant");
            shop.flag(&["--online", "--platform", "ccbill"]);
        }
        "ccbill", "ccbill.frontend_token", "a front-end token charges", |shop| {
            let pair = (shop.setting("ccbill", "frontend_application_id"), shop.setting("ccbill", "frontend_secret"));
            let (_, token) = ccbill_grant(shop, &pair).await;
            assert_eq!(ccbill_charge(shop, &token, CCBILL_ACCEPT).await, 403);
        }
        "ccbill", "ccbill.access_token_expired", "the access token is two hours old", |shop| {
            let pair = (shop.setting("ccbill", "backend_application_id"), shop.setting("ccbill", "backend_secret"));
            let (_, token) = ccbill_grant(shop, &pair).await;
            shop.wait(120);
            assert_eq!(ccbill_charge(shop, &token, CCBILL_ACCEPT).await, 401);
        }
        "ccbill", "ccbill.accept_header", "the call accepts plain JSON only", |shop| {
            let pair = (shop.setting("ccbill", "backend_application_id"), shop.setting("ccbill", "backend_secret"));
            let (_, token) = ccbill_grant(shop, &pair).await;
            assert_eq!(ccbill_charge(shop, &token, "application/json").await, 406);
        }
        "worldline_acquiring", "worldline_acquiring.client_differs", "the client's secret is an old one", |shop| {
            let (status, _) = wl_grant(shop, "an-old-secret", "processing_payment").await;
            assert_eq!(status, 401);
        }
        "worldline_acquiring", "worldline_acquiring.client_differs", "the configuration's secret is an old one, and the platform is asked", |shop| {
            shop.set("worldline_acquiring", "client_secret", "an-old-secret-of-the-merchant");
            shop.flag(&["--online", "--platform", "worldline_acquiring"]);
        }
        "worldline_acquiring", "worldline_acquiring.scope_missing", "the access token is for pings only", |shop| {
            let secret = shop.setting("worldline_acquiring", "client_secret");
            let (_, token) = wl_grant(shop, &secret, "services_ping").await;
            assert_eq!(wl_pay(shop, &token).await, 403);
        }
        "worldline_acquiring", "worldline_acquiring.access_token_expired", "the access token is kept for a day", |shop| {
            let secret = shop.setting("worldline_acquiring", "client_secret");
            let (_, token) = wl_grant(shop, &secret, "processing_payment").await;
            shop.wait(24 * 60);
            assert_eq!(wl_pay(shop, &token).await, 401);
        }
        "worldline_acquiring", "worldline_acquiring.sealed_for_other_session", "the page seals for an older session", |shop| {
            wl_sealed(shop, "ses_old", "ses_new", 600, |text| text);
        }
        "worldline_acquiring", "worldline_acquiring.sealed_expired", "the page is left open overnight", |shop| {
            wl_sealed(shop, "ses_1", "ses_1", -600, |text| text);
        }
        "worldline_acquiring", "worldline_acquiring.sealed_changed", "the sealed card is cut off", |shop| {
            wl_sealed(shop, "ses_1", "ses_1", 600, |text| text[..text.len() - 8].to_owned());
        }
        "worldline_acquiring", "worldline_acquiring.sealed_to_other_key", "the old sealing key was removed too early", |shop| {
            wl_sealed(shop, "ses_1", "ses_1", 600, |text| text);
            let other = Shop::open().await;
            let mut keys = other.settings["worldline_acquiring"]["sealing_keys"].clone();
            let mut jwk: Value = serde_json::from_str(keys[0]["jwk"].as_str().unwrap()).unwrap();
            jwk["kid"] = "next".into();
            keys[0] = json!({ "kid": "next", "jwk": jwk.to_string() });
            shop.set("worldline_acquiring", "sealing_keys", keys);
        }
        "greenpay", "config.mistake", "the private key stands where the public one belongs", |shop| {
            let private = key(OURS, "private_pkcs8_pem");
            shop.secrets.push(private.lines().nth(2).unwrap().to_owned());
            shop.set("greenpay", "public_key", private);
        }
        "greenpay", "config.mistake", "a certificate stands where the key belongs", |shop| {
            let key = key(OURS, "public_spki_pem").replace("PUBLIC KEY", "CERTIFICATE");
            shop.set("greenpay", "public_key", key);
        }
        "greenpay", "config.mistake", "a setting is misspelt", |shop| {
            shop.set("greenpay", "merchantid", "x");
        }
        "greenpay", "server.origin_not_allowed", "the allowed origin ends with a slash", |shop| {
            shop.server.insert("allowed_origins".into(), json!(["https://shop.example/"]));
            let request = json!({ "method": "POST", "url": "https://pay.shop.example/v1/tokens",
                "headers": { "origin": "https://shop.example", "content-type": "application/json" }, "body": "{}" });
            shop.argument("--request", "page.json", &request.to_string());
        }
    }
}

fn sha512(first: &str, second: &str) -> String {
    hex::encode(Sha512::digest([first, second].concat()))
}

/// A request for an access token of GP API, with a change. The token is empty if it is refused.
async fn gp_grant(shop: &mut Shop, change: impl FnOnce(&mut Value)) -> (u16, String) {
    let (app_id, app_key) = (
        shop.setting("gp_api", "app_id"),
        shop.setting("gp_api", "app_key"),
    );
    let nonce = "0123456789abcdef";
    let mut body = json!({ "app_id": app_id, "nonce": nonce, "secret": sha512(nonce, &app_key),
        "grant_type": "client_credentials" });
    change(&mut body);
    let url = format!("{}/accesstoken", shop.setting("gp_api", "base_url"));
    let (status, answer) = shop.post(url, &[("x-gp-version", "2021-03-22")], &body).await;
    (status, answer["token"].as_str().unwrap_or_default().to_owned())
}

async fn gp_sale(shop: &mut Shop, token: &str, account: &str) -> (u16, Value) {
    let body = json!({ "account_name": account, "channel": "CNP", "country": "US", "currency": "USD", "amount": "1999",
        "reference": "o-1", "payment_method": { "entry_mode": "ECOM",
        "card": { "number": "4263970000005262", "cvv": "123", "expiry_month": "05", "expiry_year": "31" } } });
    let url = format!("{}/transactions", shop.setting("gp_api", "base_url"));
    let bearer = format!("Bearer {token}");
    shop.secrets.push("4263970000005262".into());
    shop.post(
        url,
        &[("x-gp-version", "2021-03-22"), ("authorization", &bearer)],
        &body,
    )
    .await
}

fn hmac(key: &[u8], text: &str) -> String {
    STANDARD.encode(
        Hmac::<Sha256>::new_from_slice(key)
            .unwrap()
            .chain_update(text)
            .finalize()
            .into_bytes(),
    )
}

/// A call of Online Payments that is to be signed.
struct Call {
    key_id: String,
    secret: String,
    path: String,
    date: String,
    /// Instead of the right one.
    signature: Option<String>,
}

/// The time now and so many seconds, as HTTP writes it.
fn http_date(seconds: i64) -> String {
    let at = time::OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
    at.format(&Rfc2822).unwrap().replace("+0000", "GMT")
}

impl Call {
    fn text(&self) -> String {
        let headers = [("date", self.date.clone())];
        string_to_hash(&ToSign {
            method: "GET",
            resource: &self.path,
            headers: &headers,
        })
    }
}

/// A signed call with a change. It has to be refused.
async fn op_signed(shop: &mut Shop, change: impl FnOnce(&mut Call)) {
    let mut call = op_call(shop);
    change(&mut call);
    let (status, body) = op_send(shop, &call).await;
    assert_eq!((status, &body["errors"][0]["code"]), (403, &json!("9007")));
}

fn op_call(shop: &Shop) -> Call {
    Call {
        key_id: shop.setting("online_payments", "api_key_id"),
        secret: shop.setting("online_payments", "secret_api_key"),
        path: format!(
            "/v2/{}/services/testconnection",
            shop.setting("online_payments", "merchant_id")
        ),
        date: http_date(0),
        signature: None,
    }
}

async fn op_send(shop: &mut Shop, call: &Call) -> (u16, Value) {
    let signature = call
        .signature
        .clone()
        .unwrap_or_else(|| hmac(call.secret.as_bytes(), &call.text()));
    let request = Request {
        method: "GET",
        url: format!("{}{}", shop.setting("online_payments", "base_url"), call.path),
        headers: vec![
            ("date", call.date.clone()),
            ("authorization", format!("GCS v1HMAC:{}:{signature}", call.key_id)),
        ],
        body: String::new(),
    };
    shop.send(request).await
}

async fn op_session(shop: &mut Shop) -> Value {
    let path = format!("/v2/{}/sessions", shop.setting("online_payments", "merchant_id"));
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("date", http_date(0)),
    ];
    let signer = V1HmacAuthenticator::new(
        shop.setting("online_payments", "api_key_id"),
        shop.setting("online_payments", "secret_api_key").into(),
    );
    let signature = signer.sign(&ToSign {
        method: "POST",
        resource: &path,
        headers: &headers,
    });
    let mut request = Request {
        method: "POST",
        url: format!("{}{path}", shop.setting("online_payments", "base_url")),
        headers,
        body: "{}".into(),
    };
    request
        .headers
        .push(("authorization", signature.expose_secret().to_owned()));
    let (status, session) = shop.send(request).await;
    assert!(status < 300, "{session}");
    session
}

async fn op_page(shop: &mut Shop, session: &Value, authorization: &str) -> (u16, Value) {
    let text = |name: &str| session[name].as_str().unwrap();
    let url = format!(
        "{}/v1/{}/crypto/publickey",
        text("clientApiUrl"),
        text("customerId")
    );
    let request = Request::get(url).header("authorization", authorization);
    shop.send(request).await
}

const CCBILL_ACCEPT: &str = "application/vnd.mcn.transaction-service.api.v.2+json";

async fn ccbill_grant(shop: &mut Shop, (id, secret): &(String, String)) -> (u16, String) {
    let request = Request {
        method: "POST",
        url: format!("{}/ccbill-auth/oauth/token", shop.setting("ccbill", "base_url")),
        headers: vec![
            ("content-type", "application/x-www-form-urlencoded".into()),
            (
                "authorization",
                format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))),
            ),
        ],
        body: "grant_type=client_credentials".into(),
    };
    let (status, answer) = shop.send(request).await;
    (
        status,
        answer["access_token"].as_str().unwrap_or_default().to_owned(),
    )
}

async fn ccbill_charge(shop: &mut Shop, token: &str, accept: &str) -> u16 {
    let body = json!({ "clientAccnum": shop.settings["ccbill"]["client_accnum"],
        "clientSubacc": shop.settings["ccbill"]["client_subacc"], "initialPrice": 9.99, "initialPeriod": 30,
        "currencyCode": 840 });
    let url = format!(
        "{}/transactions/payment-tokens/abcdefabcdef",
        shop.setting("ccbill", "base_url")
    );
    let bearer = format!("Bearer {token}");
    shop.post(url, &[("accept", accept), ("authorization", &bearer)], &body)
        .await
        .0
}

async fn wl_grant(shop: &mut Shop, secret: &str, scope: &str) -> (u16, String) {
    let request = Request {
        method: "POST",
        url: shop.setting("worldline_acquiring", "token_uri"),
        headers: vec![("content-type", "application/x-www-form-urlencoded".into())],
        body: format!(
            "grant_type=client_credentials&client_id={}&client_secret={secret}&scope={scope}",
            shop.setting("worldline_acquiring", "client_id")
        ),
    };
    let (status, answer) = shop.send(request).await;
    (
        status,
        answer["access_token"].as_str().unwrap_or_default().to_owned(),
    )
}

async fn wl_pay(shop: &mut Shop, token: &str) -> u16 {
    let text = |name: &str| shop.setting("worldline_acquiring", name);
    let url = format!(
        "{}/processing/v1/{}/{}/payments",
        text("base_url"),
        text("acquirer_id"),
        text("merchant_id")
    );
    let bearer = format!("Bearer {token}");
    shop.post(
        url,
        &[("authorization", &bearer)],
        &json!({ "operationId": "o-1" }),
    )
    .await
    .0
}

/// A page's request to the server with a sealed card.
fn wl_sealed(shop: &mut Shop, sealed_for: &str, submitted: &str, seconds: i64, change: fn(String) -> String) {
    let key = &shop.settings["worldline_acquiring"]["sealing_keys"][0];
    let jwk: Value = serde_json::from_str(key["jwk"].as_str().unwrap()).unwrap();
    let seal = json!({ "kid": key["kid"], "alg": "ECDH-ES", "enc": "A256GCM", "key": jwk });
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let card = json!({ "number": "4176669999000104", "expiry": { "month": 12, "year": 2031 }, "cvc": "012" });
    let sealer = Sealer::new(&seal, sealed_for, now + seconds).unwrap();
    let sealed = change(sealer.seal(card.to_string().as_bytes()).unwrap());
    let request = json!({ "method": "POST", "url": "https://pay.shop.example/v1/tokens", "headers": {},
        "body": { "session": submitted, "sealed": sealed } });
    shop.secrets.push("4176669999000104".into());
    shop.argument("--request", "page.json", &request.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_the_cause_in_every_broken_set_up() {
    let all = setups();
    assert!(all.len() >= 25);
    let mut wrong = Vec::new();
    for setup in &all {
        let mut shop = Shop::open().await;
        (setup.make)(&mut shop).await;
        let report = shop.doctor(setup.platform);
        let found = report.found();
        let explained = report.json["causes"][0]["explains_answer"] == true;
        if found.first() != Some(&setup.cause) || report.code != 1 || !explained {
            wrong.push(format!(
                "{}: {} and not {found:?} ({})",
                setup.wrong, setup.cause, report.code
            ));
        } else if found.len() > 1 {
            wrong.push(format!(
                "{}: {} alone, and not {found:?}",
                setup.wrong, setup.cause
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        all.len(),
        wrong.join("\n")
    );
}

/// The same flows with nothing broken.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_nothing_where_nothing_is_wrong() {
    let mut shop = Shop::open().await;
    shop.tokenize(packed(&card_text()), "").await;
    shop.with_private_key();
    shop.flag(&["--online"]);
    check_sound(&mut shop, "greenpay");

    let mut shop = Shop::open().await;
    let (_, token) = gp_grant(&mut shop, |_| {}).await;
    assert_eq!(gp_sale(&mut shop, &token, "transaction_processing").await.0, 200);
    shop.flag(&["--online"]);
    check_sound(&mut shop, "gp_api");

    let mut shop = Shop::open().await;
    let session = op_session(&mut shop).await;
    let own = format!("GCS v1Client:{}", session["clientSessionId"].as_str().unwrap());
    assert_eq!(op_page(&mut shop, &session, &own).await.0, 200);
    shop.flag(&["--online"]);
    check_sound(&mut shop, "online_payments");

    let mut shop = Shop::open().await;
    let call = op_call(&shop);
    assert_eq!(op_send(&mut shop, &call).await.0, 200);
    check_sound(&mut shop, "online_payments");

    let mut shop = Shop::open().await;
    let pair = (
        shop.setting("ccbill", "backend_application_id"),
        shop.setting("ccbill", "backend_secret"),
    );
    let (_, token) = ccbill_grant(&mut shop, &pair).await;
    // There is no such payment token; who calls is right.
    assert_eq!(ccbill_charge(&mut shop, &token, CCBILL_ACCEPT).await, 404);
    shop.flag(&["--online"]);
    check_sound(&mut shop, "ccbill");

    let mut shop = Shop::open().await;
    wl_sealed(&mut shop, "ses_1", "ses_1", 600, |text| text);
    shop.flag(&["--online"]);
    check_sound(&mut shop, "worldline_acquiring");
}

fn check_sound(shop: &mut Shop, platform: &str) {
    let report = shop.doctor(platform);
    assert!(report.found().is_empty(), "{platform}: {:?}", report.found());
    assert_ne!(report.code, 1);
}

/// Without a test key much stays open, and is said to be.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_does_not_guess() {
    let mut shop = Shop::open().await;
    let ld = hex::encode(ctr(card_text().as_bytes(), [200; 16]));
    shop.tokenize([ld, wrap(OURS, &pair("200"))], NOT_OPENED).await;
    let report = shop.doctor("greenpay");
    assert_eq!(
        (report.code, report.json["verdict"].as_str()),
        (3, Some("undecided"))
    );
    let state = |id: &str| {
        let causes = report.json["causes"].as_array().unwrap();
        let cause = causes.iter().find(|cause| cause["id"] == id).unwrap();
        assert_eq!(cause["decided_by"].is_string(), cause["state"] == "open", "{id}");
        cause["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state("greenpay.counter_other"), "open");
    assert_eq!(state("greenpay.key_wrong"), "open");
    assert_eq!(state("greenpay.ld_base64"), "excluded");
    assert_eq!(state("greenpay.lk_false"), "excluded");
}

/// The table in the documentation is this one.
#[test]
fn the_documentation_has_every_set_up_and_every_cause() {
    let docs = include_str!("../../../docs/cli.md");
    let mut missing = Vec::new();
    for setup in setups() {
        let row = format!("| {} | `{}` |", setup.wrong, setup.cause);
        if !docs.contains(&row) {
            missing.push(row);
        }
    }
    assert!(missing.is_empty(), "docs/cli.md lacks:\n{}", missing.join("\n"));
    for cause in cardseal_cli::doctor::causes_known() {
        assert!(docs.contains(&format!("`{}`", cause.id)), "{}", cause.id);
    }
}

/// Of what is encrypted for Online Payments only the header can be seen.
#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_card_is_looked_at_from_outside() {
    let mut shop = Shop::open().await;
    let session = op_session(&mut shop).await;
    let own = format!("GCS v1Client:{}", session["clientSessionId"].as_str().unwrap());
    let (_, key) = op_page(&mut shop, &session, &own).await;
    for (kid, expected) in [(key["keyId"].as_str().unwrap(), 0), ("another", 1)] {
        let header = json!({ "alg": "RSA-OAEP", "enc": "A256CBC-HS512", "kid": kid });
        let text = format!("{}.AA.AA.AA.AA", URL_SAFE_NO_PAD.encode(header.to_string()));
        let request = json!({ "method": "POST", "url": "https://pay.shop.example/v1/tokens", "headers": {},
            "body": { "session": "ses_1", "encrypted_customer_input": text } });
        let mut with = Shop::open().await;
        with.set(
            "online_payments",
            "base_url",
            shop.setting("online_payments", "base_url"),
        );
        let har = json!([
            { "method": "GET", "url": "https://x.example/client/v1/c/crypto/publickey", "headers": {},
              "answer": { "status": 200, "body": key } },
            request,
        ]);
        with.argument("--request", "both.json", &har.to_string());
        let report = with.doctor("online_payments");
        let named = report
            .found()
            .iter()
            .filter(|id| **id == "online_payments.input_of_other_session")
            .count();
        assert_eq!(named, expected, "{kid}");
    }
}
