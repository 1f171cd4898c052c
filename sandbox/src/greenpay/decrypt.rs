//! Opens `ld` and `lk` as a Node server with aes-js does, including what differs between its versions.
//!
//! This is the only place of the workspace that decrypts a card of this platform. What it returns lives as long as one
//! call. The steps are public for tools that say which of them fails.

use aes::Aes128;
use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::keys::KeyPair;

/// How a numeric `s` becomes the counter block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CounterArithmetic {
    /// aes-js 3.1.0 and later: the value is divided by 256.
    #[default]
    New,
    /// aes-js up to 3.0.0: the value is shifted as a signed 32-bit number.
    Old,
}

/// How the plaintext's bytes become text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Utf8Decoder {
    /// As the standard says.
    #[default]
    #[serde(rename = "strict")]
    Strict,
    /// `utils.utf8.fromBytes` of aes-js 3: takes four-byte characters for three-byte ones and swallows what
    /// follows.
    #[serde(rename = "aes_js_3")]
    AesJs3,
}

/// Node's decoder does not insist on padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The object inside `ld`, or nothing if any step fails; the platform does not tell which one did.
#[must_use]
pub fn open(
    keys: &KeyPair,
    ld: &str,
    lk: &str,
    arithmetic: CounterArithmetic,
    decoder: Utf8Decoder,
) -> Option<Map<String, Value>> {
    let pair = unwrap(keys, lk)?;
    let key = key(pair.get("k")?)?;
    let block = counter_block(pair.get("s").unwrap_or(&Value::Null), arithmetic)?;
    let bytes = decrypt(&key, &block, ld)?;
    object(&text(&bytes, decoder)?)
}

/// The JSON object inside `lk`.
fn unwrap(keys: &KeyPair, lk: &str) -> Option<Map<String, Value>> {
    object(&String::from_utf8(keys.open(&wrapped(lk)?)?).ok()?)
}

/// The bytes of `lk`, in the forms of base64 that Node takes.
#[must_use]
pub fn wrapped(lk: &str) -> Option<Vec<u8>> {
    let compact: String = lk.split_ascii_whitespace().collect();
    BASE64
        .decode(&compact)
        .or_else(|_| general_purpose::URL_SAFE_NO_PAD.decode(&compact))
        .ok()
}

fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}

/// Sixteen integers of a byte each.
#[must_use]
pub fn key(k: &Value) -> Option<[u8; 16]> {
    sixteen(k.as_array()?)
}

fn sixteen(values: &[Value]) -> Option<[u8; 16]> {
    let bytes: Option<Vec<u8>> = values.iter().map(byte).collect();
    bytes?.try_into().ok()
}

/// JavaScript does not tell `5` and `5.0` apart.
fn byte(value: &Value) -> Option<u8> {
    let number = value.as_f64()?;
    (0_u8..=255).find(|byte| f64::from(*byte) == number)
}

/// The first counter block: one for an absent `s`, big-endian for an integer, the block itself for an array.
#[must_use]
pub fn counter_block(s: &Value, arithmetic: CounterArithmetic) -> Option<[u8; 16]> {
    match s {
        Value::Null => Some(1_u128.to_be_bytes()),
        Value::Number(number) => number_block(number.as_f64()?, arithmetic),
        Value::Array(values) => sixteen(values),
        Value::Bool(_) | Value::String(_) | Value::Object(_) => None,
    }
}

/// 2^53 - 1, above which JavaScript's integers are not exact.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;
/// From here on JavaScript prints numbers with an exponent, and `parseInt(value) != value` throws.
const FIRST_PRINTED_WITH_EXPONENT: f64 = 1e21;

fn number_block(value: f64, arithmetic: CounterArithmetic) -> Option<[u8; 16]> {
    if value.fract() != 0.0 || value.abs() >= FIRST_PRINTED_WITH_EXPONENT {
        return None;
    }
    match arithmetic {
        CounterArithmetic::New => {
            if value > MAX_SAFE_INTEGER {
                return None;
            }
            // `block[i] = value % 256; value = parseInt(value / 256)`, into a Uint8Array.
            let mut block = [0; 16];
            let mut rest = value;
            for byte in block.iter_mut().rev() {
                *byte = low_byte(rest);
                rest = (rest / 256.0).trunc();
            }
            Some(block)
        }
        CounterArithmetic::Old => {
            // `block[i] = value % 256; value = value >> 8`: the low 32 bits, sign-extended.
            let low = value.rem_euclid(4_294_967_296.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "within 32 bits by the remainder"
            )]
            let signed = (low as u32).cast_signed();
            Some(i128::from(signed).to_be_bytes())
        }
    }
}

/// What a Uint8Array keeps of an integer.
fn low_byte(value: f64) -> u8 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within a byte by the remainder"
    )]
    let byte = value.rem_euclid(256.0) as u8;
    byte
}

/// The plaintext under a key and the first counter block.
#[must_use]
pub fn decrypt(key: &[u8; 16], block: &[u8; 16], ld: &str) -> Option<Vec<u8>> {
    let mut bytes = hex::decode(ld).ok()?;
    Ctr128BE::<Aes128>::new(key.into(), block.into()).apply_keystream(&mut bytes);
    Some(bytes)
}

/// The plaintext as text, as a decoder reads it.
#[must_use]
pub fn text(bytes: &[u8], decoder: Utf8Decoder) -> Option<String> {
    match decoder {
        Utf8Decoder::Strict => String::from_utf8(bytes.to_vec()).ok(),
        Utf8Decoder::AesJs3 => Some(String::from_utf16_lossy(&aes_js_units(bytes))),
    }
}

/// `convertUtf8.fromBytes` of aes-js 3, unit by unit; what lies behind the end counts as zero.
fn aes_js_units(bytes: &[u8]) -> Vec<u16> {
    let at = |index: usize| u16::from(bytes.get(index).copied().unwrap_or(0));
    let mut units = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let first = at(index);
        if first < 128 {
            units.push(first);
            index += 1;
        } else if first > 191 && first < 224 {
            units.push(((first & 0x1f) << 6) | (at(index + 1) & 0x3f));
            index += 2;
        } else {
            units.push(((first & 0x0f) << 12) | ((at(index + 1) & 0x3f) << 6) | (at(index + 2) & 0x3f));
            index += 3;
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const VECTORS: &str = include_str!("../../../tests/vectors/greenpay.json");

    fn vectors() -> Value {
        serde_json::from_str(VECTORS).unwrap()
    }

    fn texts<'a>(value: &'a Value, field: &str) -> &'a str {
        value[field].as_str().unwrap()
    }

    fn opened(
        vector: &Value,
        ld: &str,
        arithmetic: CounterArithmetic,
        decoder: Utf8Decoder,
    ) -> Option<String> {
        let key = key(&vector["k"]).unwrap();
        let block = counter_block(&vector["s"], arithmetic).unwrap();
        text(&decrypt(&key, &block, ld).unwrap(), decoder)
    }

    #[test]
    fn opens_every_ld_vector_with_the_new_arithmetic() {
        let vectors = vectors();
        let all = vectors["aes_ctr"].as_array().unwrap();
        assert!(all.len() >= 17);
        for vector in all {
            let id = texts(vector, "id");
            let block = counter_block(&vector["s"], CounterArithmetic::New).unwrap();
            assert_eq!(
                hex::encode(block),
                texts(vector, "initial_counter_block_hex"),
                "{id}"
            );
            let text = opened(
                vector,
                texts(vector, "ld_hex"),
                CounterArithmetic::New,
                Utf8Decoder::Strict,
            );
            assert_eq!(text.as_deref(), Some(texts(vector, "plaintext")), "{id}");
        }
    }

    #[test]
    fn opens_every_ld_vector_with_the_old_arithmetic() {
        for vector in vectors()["aes_ctr"].as_array().unwrap() {
            let id = texts(vector, "id");
            let block = counter_block(&vector["s"], CounterArithmetic::Old).unwrap();
            let older = vector["disagreeing_aes_js"]
                .as_array()
                .unwrap()
                .first()
                .unwrap_or(vector);
            assert_eq!(
                hex::encode(block),
                texts(older, "initial_counter_block_hex"),
                "{id}"
            );
            let text = opened(
                vector,
                texts(older, "ld_hex"),
                CounterArithmetic::Old,
                Utf8Decoder::Strict,
            );
            assert_eq!(text.as_deref(), Some(texts(vector, "plaintext")), "{id}");
        }
    }

    #[test]
    fn the_two_arithmetics_part_above_31_bits() {
        let block = |s: Value, arithmetic| counter_block(&s, arithmetic).map(hex::encode);
        for (s, old, new) in [
            (
                json!(2_147_483_647),
                "0000000000000000000000007fffffff",
                "0000000000000000000000007fffffff",
            ),
            (
                json!(2_147_483_648_u64),
                "ffffffffffffffffffffffff80000000",
                "00000000000000000000000080000000",
            ),
            (
                json!(4_294_967_295_u64),
                "ffffffffffffffffffffffffffffffff",
                "000000000000000000000000ffffffff",
            ),
            (
                json!(4_294_967_296_u64),
                "00000000000000000000000000000000",
                "00000000000000000000000100000000",
            ),
            (
                json!(9_007_199_254_740_991_u64),
                "ffffffffffffffffffffffffffffffff",
                "0000000000000000001fffffffffffff",
            ),
            (
                json!(-1),
                "ffffffffffffffffffffffffffffffff",
                "000000000000000000000000000000ff",
            ),
            (
                json!(5.0),
                "00000000000000000000000000000005",
                "00000000000000000000000000000005",
            ),
            (
                Value::Null,
                "00000000000000000000000000000001",
                "00000000000000000000000000000001",
            ),
        ] {
            assert_eq!(
                block(s.clone(), CounterArithmetic::Old).as_deref(),
                Some(old),
                "old {s}"
            );
            assert_eq!(
                block(s.clone(), CounterArithmetic::New).as_deref(),
                Some(new),
                "new {s}"
            );
        }
        assert_eq!(
            block(json!(9_007_199_254_740_992_u64), CounterArithmetic::New),
            None
        );
        assert!(block(json!(9_007_199_254_740_992_u64), CounterArithmetic::Old).is_some());
    }

    #[test]
    fn refuses_counters_that_aes_js_throws_on() {
        for s in [
            json!(0.5),
            json!("5"),
            json!(true),
            json!({}),
            json!([]),
            json!([1, 2, 3]),
            json!(1e21),
        ] {
            for arithmetic in [CounterArithmetic::Old, CounterArithmetic::New] {
                assert_eq!(counter_block(&s, arithmetic), None, "{s}");
            }
        }
        let mut block = vec![json!(0); 16];
        assert!(counter_block(&json!(block), CounterArithmetic::New).is_some());
        block[3] = json!(256);
        assert_eq!(counter_block(&json!(block), CounterArithmetic::New), None);
        block[3] = json!(-1);
        assert_eq!(counter_block(&json!(block), CounterArithmetic::New), None);
    }

    #[test]
    fn opens_every_lk_vector() {
        let vectors = vectors();
        let all = vectors["lk"].as_array().unwrap();
        assert!(all.iter().any(|vector| vector["ciphertext_bytes"] == 127));
        for vector in all {
            let pem = texts(&vectors["rsa_keys"][texts(vector, "key")], "private_pkcs1_pem");
            let keys = KeyPair::parse(pem).unwrap();
            let expected: Map<String, Value> = serde_json::from_str(texts(vector, "decrypts_to")).unwrap();
            assert_eq!(
                unwrap(&keys, texts(vector, "lk_base64")),
                Some(expected),
                "{}",
                texts(vector, "id")
            );
        }
    }

    #[test]
    fn opens_the_forms_of_base64_that_node_takes() {
        let vectors = vectors();
        let vector = &vectors["lk"][0];
        let keys = KeyPair::parse(texts(&vectors["rsa_keys"]["t1024"], "private_pkcs8_pem")).unwrap();
        let lk = texts(vector, "lk_base64");
        assert!(unwrap(&keys, lk.trim_end_matches('=')).is_some());
        assert!(unwrap(&keys, &format!("{}\r\n{}", &lk[..76], &lk[76..])).is_some());
        assert!(unwrap(&keys, &lk.replace('+', "-").replace('/', "_").replace('=', "")).is_some());
        assert!(unwrap(&keys, &format!("{lk}{lk}")).is_none());
        assert!(unwrap(&keys, "false").is_none());
        assert!(unwrap(&keys, "").is_none());
    }

    #[test]
    fn refuses_a_key_of_another_length_or_type() {
        assert!(key(&json!([1, 2, 3])).is_none());
        assert!(key(&json!(vec![1; 24])).is_none());
        assert!(key(&json!("AAECAwQFBgcICQoLDA0ODw==")).is_none());
        assert!(key(&json!({"1": 1})).is_none());
        assert!(key(&json!(vec![-1; 16])).is_none());
        assert!(key(&json!(vec![255; 16])).is_some());
    }

    #[test]
    fn the_broken_decoder_breaks_exactly_the_vectors_that_are_marked() {
        for vector in vectors()["aes_ctr"].as_array().unwrap() {
            let text = opened(
                vector,
                texts(vector, "ld_hex"),
                CounterArithmetic::New,
                Utf8Decoder::AesJs3,
            )
            .unwrap();
            let survives = vector["decodes_with_aes_js_3_1_2_utf8_fromBytes"]
                .as_bool()
                .unwrap();
            assert_eq!(
                text == texts(vector, "plaintext"),
                survives,
                "{}",
                texts(vector, "id")
            );
        }
        // It swallows the two characters that follow: a name is mangled, and a quote is the end of the JSON.
        let read = |plain: &str| text(plain.as_bytes(), Utf8Decoder::AesJs3).unwrap();
        assert_eq!(
            read(r#"{"a":"Ana 😀 Mora"}"#),
            "{\"a\":\"Ana \u{7d8}\u{80d}ora\"}"
        );
        assert!(object(&read(r#"{"a":"x 😀"}"#)).is_none());
        assert!(object(&read(r#"{"a":"x \ud83d\ude00"}"#)).is_some());
    }

    #[test]
    fn the_broken_decoder_reads_past_the_end_as_zero() {
        assert_eq!(aes_js_units(&[0xc3]), [0x00c0]);
        assert_eq!(aes_js_units("é€".as_bytes()), [0xe9, 0x20ac]);
        assert_eq!(aes_js_units("😀\"".as_bytes()), [0x07d8, 0x0880]);
    }
}
