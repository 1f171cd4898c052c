//! Sealing a card with the merchant's key: compact JWE with direct ECDH-ES on P-256 and A256GCM (RFC 7516; RFC
//! 7518, 4.6 and 5.3).

use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};
use crypto_bigint::{U256, const_monty_params};
use zeroize::Zeroizing;

use super::encoding::{base64url, from_base64url};
#[cfg(target_arch = "wasm32")]
use super::jwe::compact;
#[cfg(target_arch = "wasm32")]
use super::subtle::{Parameters, Subtle};
use crate::error::{Code, Error, Result};
use crate::json;
#[cfg(target_arch = "wasm32")]
use crate::random::{Random, SystemRandom};

/// The merchant's public key, a point of P-256.
pub(crate) struct SealingKey {
    kid: String,
    x: [u8; 32],
    y: [u8; 32],
}

const_monty_params!(
    Field,
    U256,
    "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    "The field of P-256 (FIPS 186-5, SP 800-186)."
);

/// The `B` of the curve y² = x³ − 3x + B.
const B: U256 = U256::from_be_hex("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b");

/// A sealing key from a session, not checked yet. Members that are not strings are `None`.
#[derive(Clone, Default)]
pub(crate) struct KeyInput {
    pub(crate) kid: Option<String>,
    pub(crate) alg: Option<String>,
    pub(crate) enc: Option<String>,
    pub(crate) kty: Option<String>,
    pub(crate) crv: Option<String>,
    pub(crate) x: Option<String>,
    pub(crate) y: Option<String>,
}

impl SealingKey {
    /// Reads a key. Only one algorithm is accepted.
    ///
    /// # Errors
    /// `session_malformed` at `seal`.
    pub(crate) fn read(given: KeyInput) -> Result<Self> {
        let words = [&given.alg, &given.enc, &given.kty, &given.crv].map(Option::as_deref);
        let known = words == [Some("ECDH-ES"), Some("A256GCM"), Some("EC"), Some("P-256")];
        let coordinate = |text: &Option<String>| -> Option<[u8; 32]> {
            let text = text.as_deref().filter(|text| known && text.len() == 43)?;
            from_base64url(text)?.try_into().ok()
        };
        let (Some(x), Some(y), Some(kid)) = (coordinate(&given.x), coordinate(&given.y), given.kid) else {
            return Err(Error::new(Code::SessionMalformed).at("seal"));
        };
        Self::new(kid, x, y)
    }

    /// Checks that the point is on the curve, because WebKit does not.
    ///
    /// # Errors
    /// `session_malformed` at `seal`, because the key comes from the session.
    pub(crate) fn new(kid: String, x: [u8; 32], y: [u8; 32]) -> Result<Self> {
        if on_curve(&x, &y) {
            Ok(Self { kid, x, y })
        } else {
            Err(Error::new(Code::SessionMalformed).at("seal"))
        }
    }
}

fn on_curve(x: &[u8; 32], y: &[u8; 32]) -> bool {
    let element = |number: &U256| ConstMontyForm::<Field, { U256::LIMBS }>::new(number);
    let modulus = Field::PARAMS.modulus();
    let (x, y) = (U256::from_be_slice(x), U256::from_be_slice(y));
    if x >= *modulus.as_ref() || y >= *modulus.as_ref() {
        return false;
    }
    let (x, y) = (element(&x), element(&y));
    y * y == (x * x - element(&U256::from_u8(3))) * x + element(&B)
}

/// Seals `text` for the session `sid`, until `exp`, in seconds since 1970.
///
/// # Errors
/// `random_unavailable`; `encryption_failed` if the browser has no WebCrypto.
#[cfg(target_arch = "wasm32")]
pub(crate) async fn seal(key: &SealingKey, sid: &str, exp: i64, text: &[u8]) -> Result<String> {
    // Twice what the vector needs, so that a source that fills only half of it is detected.
    let mut iv = [0; 24];
    SystemRandom.fill(&mut iv)?;
    let (iv, _) = iv.split_at(12);

    let subtle = Subtle::find()?;
    let receiver = [&[4], &key.x[..], &key.y[..]].concat();
    let (ephemeral, agreed) = subtle.agree(&receiver).await?;
    let header = header(&key.kid, &ephemeral, sid, exp).ok_or(Code::EncryptionFailed)?;
    let content_key = subtle
        .sha256(&derivation("A256GCM", "", sid, 256, &agreed))
        .await?;
    let gcm = Parameters::of("AES-GCM")
        .public("iv", iv)
        .public("additionalData", header.as_bytes())
        .number("tagLength", 128);
    let sealed = subtle.encrypt("raw", &content_key, &gcm, text).await?;
    let end = sealed.len().checked_sub(16).ok_or(Code::EncryptionFailed)?;
    let (cipher, tag) = sealed.split_at(end);
    Ok(compact(&header, [&[], iv, cipher, tag]))
}

/// The protected header, encoded. `None` if `ephemeral` is not an uncompressed point.
fn header(kid: &str, ephemeral: &[u8], sid: &str, exp: i64) -> Option<String> {
    let [4, point @ ..] = ephemeral else { return None };
    let (x, y) = point.split_at_checked(32).filter(|(_, y)| y.len() == 32)?;
    let json = json::object(|header| {
        header
            .text("alg", "ECDH-ES")
            .text("enc", "A256GCM")
            .text("kid", kid)
            .object("epk", |key| {
                key.text("kty", "EC")
                    .text("crv", "P-256")
                    .text("x", &base64url(x))
                    .text("y", &base64url(y));
            })
            .text("apv", &base64url(sid.as_bytes()))
            .text("typ", "cardseal-card+jwe")
            .number("exp", u64::try_from(exp).unwrap_or_default())
            .text("sid", sid);
    });
    Some(base64url(json.as_bytes()))
}

/// The input of Concat KDF's only round (RFC 7518, 4.6.2): the round's number, the shared secret, the algorithm and
/// the two parties, each with its length, and the number of bits.
fn derivation(algorithm: &str, sender: &str, receiver: &str, bits: u32, agreed: &[u8]) -> Zeroizing<Vec<u8>> {
    let texts = [algorithm, sender, receiver];
    let length: usize = texts.iter().map(|text| 4 + text.len()).sum();
    let mut hashed = Zeroizing::new(Vec::with_capacity(4 + agreed.len() + length + 4));
    hashed.extend(1_u32.to_be_bytes());
    hashed.extend(agreed);
    for text in texts {
        #[expect(clippy::cast_possible_truncation, reason = "names of a few bytes")]
        hashed.extend((text.len() as u32).to_be_bytes());
        hashed.extend(text.as_bytes());
    }
    hashed.extend(bits.to_be_bytes());
    hashed
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::Value;
    use sha2::{Digest, Sha256};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../tests/vectors/sealing.json")).unwrap()
    }

    fn bytes(value: &Value) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
    }

    fn point(jwk: &Value) -> [[u8; 32]; 2] {
        ["x", "y"].map(|name| bytes(&jwk[name]).try_into().unwrap())
    }

    fn number(hex: &str) -> [u8; 32] {
        hex::decode(hex).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_key_is_derived_as_rfc_7518_shows_it() {
        let example = &vectors()["key_agreement"];
        let agreed: Vec<u8> = serde_json::from_value(example["z"].clone()).unwrap();
        let text = |name: &str| example[name].as_str().unwrap();
        let hash = Sha256::digest(&*derivation(text("enc"), text("apu"), text("apv"), 128, &agreed));
        assert_eq!(hash.get(..16), Some(&*bytes(&example["derived"])));
    }

    #[test]
    fn the_header_is_that_of_the_known_card() {
        let file = vectors();
        let vector = &file["sealed"][2];
        assert_eq!(vector["id"], "webcrypto-network-token");
        let (expected, _) = vector["jwe"].as_str().unwrap().split_once('.').unwrap();
        let json: Value = serde_json::from_slice(&bytes(&expected.into())).unwrap();
        let ephemeral = [vec![4], point(&json["epk"]).concat()].concat();
        let (sid, exp) = (
            vector["session"].as_str().unwrap(),
            vector["exp"].as_i64().unwrap(),
        );
        let header = header("vector-2026-11", &ephemeral, sid, exp);
        assert_eq!(header.as_deref(), Some(expected));
    }

    #[test]
    fn what_is_no_uncompressed_point_gives_no_header() {
        for ephemeral in [&[][..], &[4], &[4; 64], &[4; 66], &[3; 65]] {
            assert_eq!(header("k", ephemeral, "s", 1), None);
        }
        assert!(header("k", &[4; 65], "s", 1).is_some());
    }

    #[test]
    fn points_of_the_curve_are_taken() {
        let file = vectors();
        let agreement = &file["key_agreement"];
        for jwk in [&file["key"]["jwk"], &agreement["alice"], &agreement["bob"]] {
            let [x, y] = point(jwk);
            assert!(SealingKey::new("k".into(), x, y).is_ok(), "{jwk}");
        }
    }

    #[test]
    fn what_is_no_point_of_the_curve_is_refused() {
        let file = vectors();
        let [x, y] = point(&file["key"]["jwk"]);
        let zero = [0; 32];
        let mut wrong = vec![[y, x], [x, x], [x, zero], [zero, zero], [[0xff; 32], [0xff; 32]]];
        for at in 0..64 {
            let mut bent = [x, y];
            bent[at / 32][at % 32] ^= 1;
            wrong.push(bent);
        }
        for [x, y] in wrong {
            let error = SealingKey::new("k".into(), x, y).err().unwrap();
            assert_eq!(
                (error.code(), error.field()),
                (Code::SessionMalformed, Some("seal"))
            );
        }
    }

    #[test]
    fn a_coordinate_is_less_than_the_fields_modulus() {
        // One point with x = 0 and one with y = 5, and the same numbers with the modulus added.
        let root = number("66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4");
        let modulus = number("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
        assert!(on_curve(&[0; 32], &root));
        assert!(!on_curve(&modulus, &root));

        let x = number("d7325d7646cd60d80a92738ceb345f844cffaf35841022cab176f692de8de1d7");
        let mut five = [0; 32];
        five[31] = 5;
        let more = number("ffffffff00000001000000000000000000000001000000000000000000000004");
        assert!(on_curve(&x, &five));
        assert!(!on_curve(&x, &more));
    }

    #[cfg(not(target_arch = "wasm32"))]
    use p256::elliptic_curve::sec1::ToSec1Point;

    #[cfg(not(target_arch = "wasm32"))]
    proptest::proptest! {
        #[test]
        fn points_are_those_of_the_other_crate(
            scalar in proptest::array::uniform32(0_u8..), x: [u8; 32], y: [u8; 32], bent in 0..65_usize,
        ) {
            let theirs = |x: &[u8], y: &[u8]| p256::PublicKey::from_sec1_bytes(&[&[4], x, y].concat()).is_ok();
            proptest::prop_assert_eq!(on_curve(&x, &y), theirs(&x, &y));
            if let Ok(secret) = p256::SecretKey::from_slice(&scalar) {
                let mut point = secret.public_key().to_sec1_point(false).as_bytes()[1..].to_vec();
                if let Some(byte) = point.get_mut(bent) {
                    *byte ^= 1;
                }
                let (x, y) = point.split_at(32);
                let ours = on_curve(x.try_into().unwrap(), y.try_into().unwrap());
                proptest::prop_assert_eq!(ours, bent == 64);
                proptest::prop_assert_eq!(ours, theirs(x, y));
            }
        }
    }

    #[test]
    fn a_session_brings_a_point_of_the_curve_for_the_one_algorithm() {
        let file = vectors();
        let [x, y] = ["x", "y"].map(|name| Some(file["key"]["jwk"][name].as_str().unwrap().into()));
        let word = |text: &str| Some(String::from(text));
        let right = KeyInput {
            kid: word("k"),
            alg: word("ECDH-ES"),
            enc: word("A256GCM"),
            kty: word("EC"),
            crv: word("P-256"),
            x,
            y,
        };
        let read = |change: &dyn Fn(&mut KeyInput)| {
            let mut given = right.clone();
            change(&mut given);
            SealingKey::read(given)
                .map(|key| key.kid)
                .map_err(|error| (error.code(), error.field()))
        };
        assert_eq!(read(&|_| {}), Ok("k".into()));
        let changes: [&dyn Fn(&mut KeyInput); 13] = [
            &|given| given.kid = None,
            &|given| given.alg = word("ECDH-ES+A256KW"),
            &|given| given.alg = word("RSA-OAEP"),
            &|given| given.enc = word("A128GCM"),
            &|given| given.kty = word("OKP"),
            &|given| given.crv = word("P-384"),
            &|given| given.x = None,
            &|given| given.y = given.y.as_ref().map(|y| [y, "A"].concat()),
            &|given| given.y = given.y.as_ref().map(|y| [y, "="].concat()),
            &|given| given.x = Some(["A".repeat(42).as_str(), "+"].concat()),
            // Points that are not on the curve.
            &|given| std::mem::swap(&mut given.x, &mut given.y),
            &|given| (given.x, given.y) = (Some("A".repeat(43)), Some("A".repeat(43))),
            &|given| given.x = given.y.clone(),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            assert_eq!(
                read(change),
                Err((Code::SessionMalformed, Some("seal"))),
                "{index}"
            );
        }
    }
}
