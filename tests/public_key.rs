//! Every form of key that people paste, and everything that must be refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cardseal::Code;
use cardseal::crypto::public_key::PublicKey;
use rsa::pkcs8::SubjectPublicKeyInfoRef;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

fn vectors() -> serde_json::Value {
    serde_json::from_str(include_str!("vectors/greenpay.json")).unwrap()
}

fn code(text: &str) -> Option<Code> {
    PublicKey::parse(text).err().map(|error| error.code())
}

#[test]
fn accepts_every_form_of_the_same_key() {
    for (name, bits) in [("t1024", 1024), ("t1023", 1023), ("t2048", 2048)] {
        let vectors = vectors();
        let key = &vectors["rsa_keys"][name];
        let pem = key["public_spki_pem"].as_str().unwrap();
        let bare = key["public_spki_base64_one_line"].as_str().unwrap();
        let parsed = PublicKey::parse(pem).unwrap();
        assert_eq!(parsed.bits(), bits);
        assert_eq!(parsed.is_short(), bits < 2048);
        let spki = STANDARD.decode(bare).unwrap();
        let info = SubjectPublicKeyInfoRef::try_from(&*spki).unwrap();
        let pkcs1_bare = STANDARD.encode(info.subject_public_key.as_bytes().unwrap());
        let pkcs1 = format!("-----BEGIN RSA PUBLIC KEY-----\n{pkcs1_bare}\n-----END RSA PUBLIC KEY-----\n");
        let body: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
        for form in [
            pem.replace('\n', "\r\n"),
            pem.replace('\n', ""),
            pem.replace('\n', " "),
            pem.replace('\n', "\\n"),
            pem.replace('\n', "\\r\\n"),
            format!("\n  {}  \n", body.join("\n   ")),
            body.join("\\n"),
            bare.to_owned(),
            format!("\t{bare}\n"),
            bare.trim_end_matches('=').to_owned(),
            hex::encode(&spki),
            hex::encode_upper(&spki),
            pkcs1.clone(),
            pkcs1.replace('\n', "\\n"),
            pkcs1_bare,
        ] {
            assert_eq!(PublicKey::parse(&form).as_ref(), Ok(&parsed), "{form}");
            assert_eq!(parsed.to_spki_base64(), *bare);
        }
    }
}

#[test]
fn refuses_private_keys_however_they_come() {
    let vectors = vectors();
    for name in ["t1024", "t2048"] {
        for form in ["private_pkcs1_pem", "private_pkcs8_pem"] {
            let pem = vectors["rsa_keys"][name][form].as_str().unwrap();
            let bare: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            assert_eq!(code(pem), Some(Code::KeyIsPrivate));
            assert_eq!(code(&pem.replace('\n', "\\n")), Some(Code::KeyIsPrivate));
            assert_eq!(code(&bare), Some(Code::KeyIsPrivate), "{name} {form}");
        }
    }
    assert_eq!(
        code("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----"),
        Some(Code::KeyIsPrivate)
    );
}

#[test]
fn tells_apart_what_is_not_a_key_for_us() {
    // SubjectPublicKeyInfo of P-256 and of Ed25519, all-zero points.
    let ec = format!(
        "3059301306072a8648ce3d020106082a8648ce3d030107034200{}",
        "04".repeat(65)
    );
    let ed = format!("302a300506032b6570032100{}", "00".repeat(32));
    assert_eq!(code(&ec), Some(Code::KeyNotRsa));
    assert_eq!(code(&ed), Some(Code::KeyNotRsa));
    assert_eq!(code(""), Some(Code::KeyMissing));
    assert_eq!(code(" \\n \n"), Some(Code::KeyMissing));
    assert_eq!(
        code("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"),
        Some(Code::KeyIsCertificate)
    );
    for junk in [
        "junk",
        "MIGf",
        "false",
        "-----BEGIN PUBLIC KEY-----",
        "{\"k\":1}",
        "3003",
        "\u{1f600}",
        "30820122",
    ] {
        assert_eq!(code(junk), Some(Code::KeyMalformed), "{junk}");
    }
    let vectors = vectors();
    let pem = vectors["rsa_keys"]["t1024"]["public_spki_pem"].as_str().unwrap();
    assert_eq!(
        code(&pem.replace("END PUBLIC", "END RSA PUBLIC")),
        Some(Code::KeyMalformed)
    );
    assert_eq!(code(pem.get(..100).unwrap()), Some(Code::KeyMalformed));
}

/// PKCS #1 of an arbitrary modulus and exponent.
fn pkcs1(modulus: &[u8], exponent: &[u8]) -> String {
    fn integer(bytes: &[u8]) -> Vec<u8> {
        let mut content = bytes.to_vec();
        if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
            content.insert(0, 0);
        }
        [tagged(0x02, &content)].concat()
    }
    fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let header = match content.len() {
            0..0x80 => vec![tag, length[1]],
            0x80..0x100 => vec![tag, 0x81, length[1]],
            _ => vec![tag, 0x82, length[0], length[1]],
        };
        [header, content.to_vec()].concat()
    }
    hex::encode(tagged(0x30, &[integer(modulus), integer(exponent)].concat()))
}

#[test]
fn refuses_weak_and_impossible_numbers_each_by_its_own_code() {
    let modulus = |bits: usize| {
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        bytes[0] = 0xff >> (8 * bits.div_ceil(8) - bits);
        bytes
    };
    let f4 = [1, 0, 1];
    assert_eq!(
        PublicKey::parse(&pkcs1(&modulus(1016), &f4)).unwrap().bits(),
        1016
    );
    assert_eq!(code(&pkcs1(&modulus(1015), &f4)), Some(Code::KeyTooShort));
    assert_eq!(code(&pkcs1(&modulus(512), &f4)), Some(Code::KeyTooShort));
    assert_eq!(code(&pkcs1(&modulus(8192), &f4)), None);
    assert_eq!(code(&pkcs1(&modulus(8193), &f4)), Some(Code::KeyModulusInvalid));
    let mut even = modulus(1024);
    even[127] = 0xfe;
    assert_eq!(code(&pkcs1(&even, &f4)), Some(Code::KeyModulusInvalid));
    for exponent in [&[0_u8][..], &[1], &[2], &[1, 0], &[2, 0, 0, 0, 1]] {
        assert_eq!(
            code(&pkcs1(&modulus(1024), exponent)),
            Some(Code::KeyExponentInvalid),
            "{exponent:?}"
        );
    }
    assert_eq!(code(&pkcs1(&modulus(1024), &[3])), None);
}
