use cardseal_sandbox::sealing::{Sealer, seal};
use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::Settings;
use crate::settings::Mistakes;

const SESSION: &str = "0b0c6d1e-5f0a-4c56-9d59-2f6f6a2f3c11";
const NOW: i64 = 1_795_258_800;
const END: i64 = NOW + 900;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/sealing.json")).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// The ring of the vectors: one key.
fn ring() -> KeyRing {
    let vectors = vectors();
    let jwk = vectors["key"]["jwk"].to_string();
    KeyRing::new(&[(text(&vectors["key"], "kid"), PrivateKey::Jwk(&jwk))]).unwrap()
}

/// Another key, whose private number is the given.
fn other(kid: &str, number: u8) -> KeyRing {
    let mut bytes = [0; 32];
    bytes[31] = number;
    let secret = SecretKey::from_slice(&bytes).unwrap();
    KeyRing {
        keys: vec![SealingKey {
            kid: kid.into(),
            secret,
        }],
    }
}

fn card() -> Value {
    json!({ "number": "4176669999000104", "expiry": { "month": 12, "year": 2031 }, "cvc": "012" })
}

fn refusal(ring: &KeyRing, jwe: &str) -> Option<Refusal> {
    ring.open(jwe, SESSION, NOW).err()
}

#[test]
fn agrees_on_the_key_of_the_standard() {
    let vectors = vectors();
    let rfc = &vectors["key_agreement"];
    let private = |name: &str| {
        let d = exactly::<32>(text(&rfc[name], "d")).unwrap();
        SecretKey::from_slice(&d).unwrap()
    };
    let public = |name: &str| point(text(&rfc[name], "x"), text(&rfc[name], "y")).unwrap();
    for (ours, theirs) in [("alice", "bob"), ("bob", "alice")] {
        let (secret, public) = (private(ours), public(theirs));
        let agreed = ecdh::diffie_hellman(secret.to_nonzero_scalar(), public.as_affine());
        assert_eq!(json!(agreed.raw_secret_bytes().to_vec()), rfc["z"]);
        let key = derive(agreed.raw_secret_bytes(), text(rfc, "enc"), b"Alice", b"Bob", 128);
        assert_eq!(URL_SAFE_NO_PAD.encode(&key[..16]), rfc["derived"]);
    }
}

#[test]
fn opens_what_others_sealed() {
    let vectors = vectors();
    let all = vectors["sealed"].as_array().unwrap();
    assert_eq!(all.len(), 3);
    for vector in all {
        let (jwe, session) = (text(vector, "jwe"), text(vector, "session"));
        let opened = ring()
            .open(jwe, session, vector["exp"].as_i64().unwrap() - 1)
            .unwrap();
        let card = &vector["card"];
        let maybe = |text: &Option<SecretString>| json!(text.as_ref().map(ExposeSecret::expose_secret));
        assert_eq!(opened.number.expose_secret(), text(card, "number"));
        assert_eq!(
            json!({ "month": opened.month, "year": opened.year }),
            card["expiry"]
        );
        assert_eq!(maybe(&opened.cvc), card["cvc"]);
        assert_eq!(maybe(&opened.holder), card["holder"]);
        let token = opened.network_token.as_ref();
        let token = token.map(|token| {
            json!({
                "cryptogram": token.cryptogram.expose_secret(),
                "eci": token.eci,
                "requestor_id": token.requestor_id,
            })
        });
        assert_eq!(json!(token), card["network_token"]);
    }
}

#[test]
fn reads_one_key_in_every_form() {
    let vectors = vectors();
    let key = &vectors["key"];
    let jwk = key["jwk"].to_string();
    for form in [
        PrivateKey::Jwk(&jwk),
        PrivateKey::Pem(text(key, "pkcs8_pem")),
        PrivateKey::Pem(text(key, "sec1_pem")),
    ] {
        let ring = KeyRing::new(&[(text(key, "kid"), form)]).unwrap();
        let public = ring.public();
        assert_eq!(public["key"]["x"], key["jwk"]["x"]);
        assert_eq!(public["key"]["y"], key["jwk"]["y"]);
        assert_eq!(public["kid"], key["kid"]);
        assert_eq!(
            (&public["alg"], &public["enc"]),
            (&json!("ECDH-ES"), &json!("A256GCM"))
        );
        assert_eq!(public["key"].get("d"), None);
    }
}

#[test]
fn refuses_what_is_no_key_for_this() {
    let vectors = vectors();
    let good = &vectors["key"]["jwk"];
    let changed = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        jwk.to_string()
    };
    let kid = text(good, "kid");
    let bob = &vectors["key_agreement"]["bob"];
    for (jwk, mistake) in [
        (changed("kty", json!("OKP")), KeyMistake::Jwk),
        (changed("crv", json!("P-384")), KeyMistake::Jwk),
        (changed("d", json!("AAAA")), KeyMistake::Jwk),
        (
            changed("d", json!(URL_SAFE_NO_PAD.encode([0; 32]))),
            KeyMistake::Jwk,
        ),
        (
            changed("d", json!(URL_SAFE_NO_PAD.encode([0xff; 32]))),
            KeyMistake::Jwk,
        ),
        (changed("d", bob["d"].clone()), KeyMistake::Jwk),
        (changed("x", bob["x"].clone()), KeyMistake::Jwk),
        (changed("use", json!("sig")), KeyMistake::Use),
        (changed("alg", json!("ES256")), KeyMistake::Use),
        (changed("kid", json!("other")), KeyMistake::Use),
        ("[]".into(), KeyMistake::Jwk),
        (String::new(), KeyMistake::Jwk),
    ] {
        let made = KeyRing::new(&[(kid, PrivateKey::Jwk(&jwk))]);
        assert_eq!(made.err(), Some((0, mistake)));
    }
    let jwk = good.to_string();
    let mut nameless = good.clone();
    nameless.as_object_mut().unwrap().remove("kid");
    let nameless = nameless.to_string();
    for wrong in ["", "a b", "é", &"k".repeat(65)] {
        let made = KeyRing::new(&[(wrong, PrivateKey::Jwk(&nameless))]);
        assert_eq!(made.err(), Some((0, KeyMistake::Id)), "{wrong}");
    }
    let twice = [(kid, PrivateKey::Jwk(&jwk)), (kid, PrivateKey::Jwk(&jwk))];
    assert_eq!(KeyRing::new(&twice).err(), Some((1, KeyMistake::Twice)));
    assert_eq!(KeyRing::new(&[]).err(), Some((0, KeyMistake::None)));
    let public = text(&vectors["key"], "pkcs8_pem").replace("PRIVATE", "PUBLIC");
    for pem in [
        "",
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
        &public,
    ] {
        let made = KeyRing::new(&[("k", PrivateKey::Pem(pem))]);
        assert_eq!(made.err(), Some((0, KeyMistake::Pem)));
    }
}

#[test]
fn the_first_key_seals_and_all_of_them_open() {
    let old = other("2026-10", 7);
    let before = seal(&old.public(), SESSION, END, &card()).unwrap();
    let mut rotated = other("2026-11", 8);
    assert_eq!(refusal(&rotated, &before), Some(Refusal::UnknownKey));
    rotated.keys.extend(old.keys);
    assert_eq!(rotated.ids(), ["2026-11", "2026-10"]);
    assert_eq!(rotated.public()["kid"], "2026-11");
    let after = seal(&rotated.public(), SESSION, END, &card()).unwrap();
    for jwe in [before, after] {
        assert_eq!(refusal(&rotated, &jwe), None);
    }
}

#[test]
fn opens_for_its_session_and_in_its_time_only() {
    let ring = ring();
    let jwe = seal(&ring.public(), SESSION, END, &card()).unwrap();
    assert!(ring.open(&jwe, SESSION, END - 1).is_ok());
    assert_eq!(ring.open(&jwe, SESSION, END).err(), Some(Refusal::Expired));
    for session in ["", "0b0c6d1e-5f0a-4c56-9d59-2f6f6a2f3c12"] {
        assert_eq!(ring.open(&jwe, session, NOW).err(), Some(Refusal::WrongSession));
    }
    // The party of the derivation is the session that is asked for, not the one that the header tells.
    let mut sealer = Sealer::new(&ring.public(), "another", END).unwrap();
    sealer.header["sid"] = SESSION.into();
    let jwe = sealer.seal(card().to_string().as_bytes()).unwrap();
    assert_eq!(refusal(&ring, &jwe), Some(Refusal::WrongSession));
    let mut header = sealer.header.clone();
    header["apv"] = URL_SAFE_NO_PAD.encode(SESSION).into();
    let jwe = sealer
        .seal_as(&header.to_string(), card().to_string().as_bytes())
        .unwrap();
    assert_eq!(refusal(&ring, &jwe), Some(Refusal::Changed));
}

#[test]
fn takes_no_other_header() {
    let ring = ring();
    let sealer = Sealer::new(&ring.public(), SESSION, END).unwrap();
    let plain = card().to_string();
    let refused = |header: &str| refusal(&ring, &sealer.seal_as(header, plain.as_bytes()).unwrap());
    assert_eq!(refused(&sealer.header.to_string()), None);
    let with = |name: &str, value: Value| {
        let mut header = sealer.header.clone();
        header[name] = value;
        header.to_string()
    };
    for (name, value, wanted) in [
        ("alg", json!("dir"), Refusal::Algorithm),
        ("alg", json!("ECDH-ES+A256KW"), Refusal::Algorithm),
        ("alg", json!("RSA-OAEP-256"), Refusal::Algorithm),
        ("alg", json!("none"), Refusal::Algorithm),
        ("enc", json!("A128GCM"), Refusal::Algorithm),
        ("enc", json!("A256CBC-HS512"), Refusal::Algorithm),
        ("typ", json!("JWE"), Refusal::Algorithm),
        ("typ", json!("Cardseal-Card+JWE"), Refusal::Algorithm),
        ("alg", json!(["ECDH-ES"]), Refusal::Malformed),
        ("kid", json!("unknown"), Refusal::UnknownKey),
        ("kid", json!(null), Refusal::Malformed),
        ("exp", json!(END.to_string()), Refusal::Malformed),
        ("exp", json!(-1), Refusal::Malformed),
        ("exp", json!(1e30), Refusal::Malformed),
        ("exp", json!(NOW), Refusal::Expired),
        ("apu", json!("QWxpY2U"), Refusal::Malformed),
        ("crit", json!(["exp"]), Refusal::Malformed),
        ("zip", json!("DEF"), Refusal::Malformed),
        ("jwk", json!({}), Refusal::Malformed),
        ("x", json!(null), Refusal::Malformed),
        ("apv", json!("=="), Refusal::Malformed),
        ("sid", json!("another"), Refusal::WrongSession),
        ("epk", json!([]), Refusal::Malformed),
        ("epk", json!(["EC", "P-256", "", ""]), Refusal::Malformed),
        ("epk", json!({ "kty": "EC" }), Refusal::Malformed),
    ] {
        assert_eq!(
            refused(&with(name, value.clone())),
            Some(wanted),
            "{name} {value}"
        );
    }
    for name in ["alg", "enc", "kid", "epk", "apv", "typ", "exp", "sid"] {
        let mut header = sealer.header.clone();
        header.as_object_mut().unwrap().remove(name);
        assert_eq!(refused(&header.to_string()), Some(Refusal::Malformed), "{name}");
        let value = &sealer.header[name];
        let twice = sealer
            .header
            .to_string()
            .replacen('{', &format!("{{\"{name}\":{value},"), 1);
        assert_eq!(refused(&twice), Some(Refusal::Malformed), "{name} twice");
    }
    let list = json!(sealer.header.as_object().unwrap().values().collect::<Vec<_>>());
    for text in [
        "",
        "{",
        "null",
        "{}",
        &list.to_string(),
        &format!("{} x", sealer.header),
    ] {
        assert_eq!(refused(text), Some(Refusal::Malformed), "{text}");
    }
}

#[test]
fn takes_no_ephemeral_key_off_the_curve() {
    let ring = ring();
    let sealer = Sealer::new(&ring.public(), SESSION, END).unwrap();
    let epk = sealer.header["epk"].clone();
    let field = hex::decode("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff").unwrap();
    for (name, value) in [
        ("x", json!(epk["y"])),
        ("y", json!(epk["x"])),
        ("x", json!("")),
        ("x", json!(format!("AA{}", text(&epk, "x")))),
        ("x", json!(URL_SAFE_NO_PAD.encode([0; 32]))),
        ("x", json!(URL_SAFE_NO_PAD.encode(&field))),
        ("x", json!(URL_SAFE_NO_PAD.encode([0xff; 32]))),
        ("x", json!("not base64url!")),
        ("kty", json!("OKP")),
        ("crv", json!("P-521")),
        ("crv", json!("secp256k1")),
    ] {
        let mut header = sealer.header.clone();
        header["epk"][name] = value.clone();
        let jwe = sealer
            .seal_as(&header.to_string(), card().to_string().as_bytes())
            .unwrap();
        assert_eq!(
            refusal(&ring, &jwe),
            Some(Refusal::EphemeralKey),
            "{name} {value}"
        );
    }
    // Both coordinates nothing: what some take for the point at infinity.
    let mut header = sealer.header.clone();
    let nothing = URL_SAFE_NO_PAD.encode([0; 32]);
    header["epk"] = json!({ "kty": "EC", "crv": "P-256", "x": nothing, "y": nothing });
    let jwe = sealer.seal_as(&header.to_string(), b"{}").unwrap();
    assert_eq!(refusal(&ring, &jwe), Some(Refusal::EphemeralKey));
}

#[test]
fn takes_no_other_card() {
    let ring = ring();
    let sealer = Sealer::new(&ring.public(), SESSION, END).unwrap();
    let refused = |plain: &str| refusal(&ring, &sealer.seal(plain.as_bytes()).unwrap());
    let with = |name: &str, value: Value| {
        let mut card = card();
        card[name] = value;
        card.to_string()
    };
    for (name, value) in [
        ("cvc", json!(null)),
        ("cvc", json!("1234")),
        ("holder", json!("Zoë \"Z\" \u{1f600}")),
        ("expiry", json!({ "year": 2000, "month": 1 })),
        ("number", json!("501800000009")),
        ("network_token", json!({ "cryptogram": "AgAAAA==" })),
    ] {
        assert_eq!(refused(&with(name, value.clone())), None, "{name} {value}");
    }
    for (name, value) in [
        ("number", json!("4176669999000105")),
        ("number", json!("4176 6699 9900 0104")),
        ("number", json!(4_176_669_999_000_104_u64)),
        ("number", json!("")),
        ("number", json!("00000000000")),
        ("number", json!("00000000000000000000")),
        ("number", json!(null)),
        ("expiry", json!("12/31")),
        ("expiry", json!([12, 2031])),
        ("expiry", json!({ "month": 13, "year": 2031 })),
        ("expiry", json!({ "month": 0, "year": 2031 })),
        ("expiry", json!({ "month": 12, "year": 31 })),
        ("expiry", json!({ "month": 12, "year": 2031, "day": 1 })),
        ("expiry", json!({ "month": 12.5, "year": 2031 })),
        ("cvc", json!("12")),
        ("cvc", json!("12345")),
        ("cvc", json!("12a")),
        ("cvc", json!("")),
        ("holder", json!("")),
        ("holder", json!("a\u{0}b")),
        ("holder", json!("x".repeat(101))),
        ("holder", json!("4176 6699 9900 0104")),
        ("network_token", json!({})),
        ("network_token", json!({ "cryptogram": "" })),
        ("network_token", json!({ "cryptogram": "a b" })),
        ("network_token", json!({ "cryptogram": "x".repeat(129) })),
        ("network_token", json!({ "cryptogram": "AA==", "eci": "x" })),
        (
            "network_token",
            json!({ "cryptogram": "AA==", "requestor_id": "a b" }),
        ),
        ("network_token", json!({ "cryptogram": "AA==", "more": 1 })),
        ("amount", json!(1)),
    ] {
        assert_eq!(
            refused(&with(name, value.clone())),
            Some(Refusal::NotACard),
            "{name} {value}"
        );
    }
    let escaped = card().to_string().replace("4176", "\\u0034176");
    let twice = card().to_string().replace("\"cvc\"", "\"cvc\":\"999\",\"cvc\"");
    for plain in [&escaped, &twice, "", "null", "[]", "{}", &format!("{}x", card())] {
        assert_eq!(refused(plain), Some(Refusal::NotACard), "{plain}");
    }
    let broken = sealer.seal(b"{\"number\":\"\xff\"}").unwrap();
    assert_eq!(refusal(&ring, &broken), Some(Refusal::NotACard));
}

#[test]
fn notices_every_flipped_bit() {
    let ring = ring();
    let jwe = seal(&ring.public(), SESSION, END, &card()).unwrap();
    assert_eq!(refusal(&ring, &jwe), None);
    let mut tried = 0;
    for index in 0..jwe.len() {
        for bit in 0..8 {
            let mut bytes = jwe.clone().into_bytes();
            bytes[index] ^= 1 << bit;
            // What is not UTF-8 does not get here.
            let Ok(flipped) = String::from_utf8(bytes) else {
                continue;
            };
            assert!(refusal(&ring, &flipped).is_some(), "byte {index}, bit {bit}");
            tried += 1;
        }
    }
    assert!(tried >= jwe.len() * 7);
}

#[test]
fn notices_parts_that_are_too_few_too_many_or_of_another_length() {
    let ring = ring();
    let jwe = seal(&ring.public(), SESSION, END, &card()).unwrap();
    let parts: Vec<&str> = jwe.split('.').collect();
    let put = |index: usize, part: &str| {
        let mut parts = parts.clone();
        parts[index] = part;
        parts.join(".")
    };
    for wrong in [
        String::new(),
        "....".into(),
        parts[..4].join("."),
        format!("{jwe}."),
        format!(" {jwe}"),
        format!("{jwe}\n"),
        put(1, "AAAA"),
        put(2, &URL_SAFE_NO_PAD.encode([0; 13])),
        put(2, ""),
        put(4, &URL_SAFE_NO_PAD.encode([0; 12])),
        put(4, ""),
        put(4, &format!("{}==", parts[4])),
    ] {
        assert_eq!(refusal(&ring, &wrong), Some(Refusal::Malformed), "{wrong}");
    }
    for wrong in [put(3, ""), put(4, &URL_SAFE_NO_PAD.encode([0; 16]))] {
        assert_eq!(refusal(&ring, &wrong), Some(Refusal::Changed));
    }
    // Sealed to another key under this one's name.
    let mut foreign = other("x", 9).public();
    foreign["kid"] = ring.public()["kid"].clone();
    let jwe = seal(&foreign, SESSION, END, &card()).unwrap();
    assert_eq!(refusal(&ring, &jwe), Some(Refusal::Changed));
}

#[test]
fn looks_at_no_more_than_eight_kibibytes() {
    let ring = ring();
    let sealer = Sealer::new(&ring.public(), SESSION, END).unwrap();
    let padded = |blanks: usize| {
        let jwe = sealer.seal(format!("{}{}", card(), " ".repeat(blanks)).as_bytes());
        jwe.unwrap()
    };
    let base = padded(0).len();
    let fits = padded((MAX_BYTES - base) / 4 * 3 - 3);
    assert!(fits.len() <= MAX_BYTES);
    assert_eq!(refusal(&ring, &fits), None);
    let long = padded((MAX_BYTES - base) / 4 * 3 + 3);
    assert!(long.len() > MAX_BYTES);
    assert_eq!(refusal(&ring, &long), Some(Refusal::Oversized));
    assert_eq!(
        refusal(&ring, &"x".repeat(MAX_BYTES + 1)),
        Some(Refusal::Oversized)
    );
}

#[test]
fn shows_nothing_of_a_card_or_a_key() {
    let vectors = vectors();
    let ring = ring();
    let whole = &vectors["sealed"][2];
    let opened = ring
        .open(text(whole, "jwe"), text(whole, "session"), NOW)
        .unwrap();
    let shown = format!("{opened:?} {:?} {ring:?}", opened.network_token);
    assert_eq!(
        shown,
        "SealedCard([redacted]) Some(NetworkToken([redacted])) [\"vector-2026-11\"]"
    );
    let codes: std::collections::BTreeSet<_> = Refusal::ALL.iter().map(|refusal| refusal.code()).collect();
    assert_eq!(codes.len(), Refusal::ALL.len());
}

#[test]
fn reads_keys_from_settings_and_names_every_mistake() {
    let vectors = vectors();
    let key = &vectors["key"];
    let jwk = key["jwk"].to_string();
    let read = |tree: Value| {
        let mistakes = Mistakes::default();
        let settings = Settings::root(tree.as_object().unwrap(), &mistakes);
        let ring = KeyRing::from_settings(&settings);
        settings.finish();
        let keys: Vec<_> = mistakes
            .borrow()
            .iter()
            .map(|mistake| mistake.key.clone())
            .collect();
        let texts = format!("{:?}", mistakes.borrow());
        for secret in [text(&key["jwk"], "d"), "MIGHAgEAMBMGByqGSM49"] {
            assert!(!texts.contains(secret));
        }
        (ring.map(|ring| ring.ids().join(",")), keys)
    };
    let good = json!({ "kid": key["kid"], "jwk": jwk });
    let pem = json!({ "kid": "second", "pem": key["pkcs8_pem"] });
    let ids = format!("{},second", text(key, "kid"));
    assert_eq!(read(json!({})), (None, vec![]));
    assert_eq!(
        read(json!({ "sealing": false, "sealing_keys": [good] })),
        (None, vec![])
    );
    assert_eq!(
        read(json!({ "sealing": true, "sealing_keys": [good, pem] })),
        (Some(ids.clone()), vec![])
    );
    // As it comes from environment variables.
    let environment = json!({ "sealing": "true", "sealing_keys": { "0": good, "1": pem } });
    assert_eq!(read(environment), (Some(ids), vec![]));
    for (tree, wrong) in [
        (json!({ "sealing": true }), "sealing_keys"),
        (json!({ "sealing": true, "sealing_keys": [] }), "sealing_keys"),
        (
            json!({ "sealing": false, "sealing_keys": [{ "kid": "k", "pem": "x" }] }),
            "sealing_keys[0].pem",
        ),
        (
            json!({ "sealing": true, "sealing_keys": [good, { "kid": "k" }] }),
            "sealing_keys[1].pem",
        ),
        (
            json!({ "sealing": true, "sealing_keys": [{ "kid": "k", "pem": key["pkcs8_pem"], "jwk": jwk }] }),
            "sealing_keys[0].pem",
        ),
        (
            json!({ "sealing": true, "sealing_keys": [good, good] }),
            "sealing_keys[1].kid",
        ),
        (
            json!({ "sealing": true, "sealing_keys": [{ "pem": key["pkcs8_pem"] }] }),
            "sealing_keys[0].kid",
        ),
        (
            json!({ "sealing": true, "sealing_keys": [{ "kid": "a b", "pem": key["pkcs8_pem"] }] }),
            "sealing_keys[0].kid",
        ),
        (
            json!({ "sealing": true, "sealing_keys": [{ "kid": "other", "jwk": jwk }] }),
            "sealing_keys[0].jwk",
        ),
    ] {
        assert_eq!(read(tree), (None, vec![wrong.to_owned()]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_opens(
        digits in proptest::collection::vec(0_u8..10, 11..=18),
        month in 1_u8..=12,
        year in 2000_u16..=2099,
        cvc in proptest::option::of("[0-9]{3,4}"),
        holder in proptest::option::of("[\\p{L}'\" .-]{1,100}"),
        cryptogram in proptest::option::of("[A-Za-z0-9+/=]{1,128}"),
        session in "\\PC{1,64}",
        seconds in 1_i64..1_000_000_000,
        key in 1_u8..,
    ) {
        let luhn = |number: &str| {
            cardseal::card::luhn(number.chars().map(|digit| digit.to_digit(10).unwrap()))
        };
        let digits: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let number = (0..10).map(|check| format!("{digits}{check}")).find(|number| luhn(number)).unwrap();
        let mut card = json!({ "number": number, "expiry": { "month": month, "year": year } });
        if let Some(cvc) = &cvc {
            card["cvc"] = json!(cvc);
        }
        if let Some(holder) = &holder {
            card["holder"] = json!(holder);
        }
        if let Some(cryptogram) = &cryptogram {
            card["network_token"] = json!({ "cryptogram": cryptogram });
        }
        let ring = other("k", key);
        let jwe = seal(&ring.public(), &session, NOW + seconds, &card).unwrap();
        let opened = ring.open(&jwe, &session, NOW).unwrap();
        let plain = |text: &Option<SecretString>| text.as_ref().map(|text| text.expose_secret().to_owned());
        prop_assert_eq!(opened.number.expose_secret(), number);
        prop_assert_eq!((opened.month, opened.year), (month, year));
        prop_assert_eq!(plain(&opened.cvc), cvc);
        prop_assert_eq!(plain(&opened.holder), holder);
        let token = opened.network_token.as_ref();
        prop_assert_eq!(token.map(|token| token.cryptogram.expose_secret().to_owned()), cryptogram);
        prop_assert_eq!(ring.open(&jwe, &session, NOW + seconds).err(), Some(Refusal::Expired));
        let wrong = format!("{session}x");
        prop_assert_eq!(ring.open(&jwe, &wrong, NOW).err(), Some(Refusal::WrongSession));
    }

    #[test]
    fn arbitrary_plaintext_never_panics(plain in proptest::collection::vec(any::<u8>(), 0..300)) {
        let ring = other("k", 3);
        let jwe = Sealer::new(&ring.public(), SESSION, END).unwrap().seal(&plain).unwrap();
        prop_assert_eq!(refusal(&ring, &jwe), Some(Refusal::NotACard));
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,300}", header in "[\\PC\"{}:,]{0,200}") {
        let ring = other("k", 3);
        prop_assert!(refusal(&ring, &text).is_some());
        let header = URL_SAFE_NO_PAD.encode(header);
        let (iv, tag) = (URL_SAFE_NO_PAD.encode([0; 12]), URL_SAFE_NO_PAD.encode([0; 16]));
        prop_assert_eq!(refusal(&ring, &format!("{header}..{iv}..{tag}")), Some(Refusal::Malformed));
    }
}
