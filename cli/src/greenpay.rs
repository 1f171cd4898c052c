//! Opens GreenPay's `ld` and `lk` step by step with a test key, and says which step fails and what was done instead.
//!
//! The platform answers every failure here with the same words, "Session not exists or is wrong".

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt, KeyInit};
use cardseal_sandbox::greenpay::decrypt::{counter_block, decrypt, key, text, wrapped};
use cardseal_sandbox::greenpay::keys::KeyPair;
use cardseal_sandbox::greenpay::{CounterArithmetic, Utf8Decoder};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// How every card's plaintext that a client of this platform is known to write begins. Sixteen bytes, a block, are
/// enough to find the counter block that was used.
const BEGINNINGS: [&[u8; 16]; 5] = [
    br#"{"card":{"cardHo"#,
    br#"{"card":{"cardNu"#,
    br#"{"card":{"expira"#,
    br#"{"card":{"nickna"#,
    br#"{"kountSession":"#,
];

/// Above it, versions of aes-js make different counter blocks of a number.
pub(crate) const LAST_COMMON_COUNTER: u64 = 2_147_483_647;

/// Why nothing could be opened, from the first step to the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// `lk` is not base64.
    LkNotBase64,
    /// `lk` has more bytes than the key's modulus.
    LkLonger { bytes: usize, modulus: usize },
    /// `lk` is RSAES-OAEP instead of RSAES-PKCS1-v1_5.
    Oaep,
    /// `lk` does not open with this key.
    OtherKey,
    /// Inside `lk` is no JSON object: so many bytes of something else.
    LkNotJson { bytes: usize },
    /// `k` is not sixteen numbers of a byte.
    KeyForm(&'static str),
    /// `s` is nothing that the platform's library takes.
    CounterForm(&'static str),
    /// `ld` is not hex.
    LdNotHex,
    /// The text opens with another counter block than `s` gives.
    OtherCounter(Counter),
    /// The text opens in another mode of the cipher.
    OtherMode(&'static str),
    /// The text is JSON in Latin-1.
    Latin1,
    /// The text has a character of four bytes that the platform's library may not read.
    FourBytes,
    /// The text is the beginning of JSON.
    CutOff,
    /// The text is JSON in a JSON string.
    Twice,
    /// The text is JSON, but no object.
    NotObject,
    /// Nothing that is known opens the text.
    Unknown,
}

/// What the counter block was instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    /// `s` in each of the sixteen bytes.
    Repeated,
    /// `s` in the first bytes.
    First,
    /// All zeros, although `s` says otherwise.
    Zero,
    /// `s` is missing, which means one, and it was another.
    Absent,
    /// `s` is too large for all versions of the library to agree.
    TooLarge,
    /// Sixteen bytes of their own, of which `s` is at most one.
    Block,
    /// One more or less than `s` says.
    Off,
}

/// What was opened. It holds a card, so it has no `Debug`.
pub(crate) struct Opened {
    /// The plaintext.
    pub(crate) object: Map<String, Value>,
}

/// Opens a packed card.
pub(crate) fn open(keys: &KeyPair, ld: &str, lk: &str) -> Result<Opened, Failed> {
    let ciphertext = wrapped(lk)
        .filter(|bytes| !bytes.is_empty())
        .ok_or(Failed::LkNotBase64)?;
    let modulus = keys.bits().div_ceil(8);
    if ciphertext.len() > modulus {
        return Err(Failed::LkLonger {
            bytes: ciphertext.len(),
            modulus,
        });
    }
    // The library answers wrong padding with random bytes, so that nobody learns of it: what came out has to prove
    // itself.
    let pair = keys.open(&ciphertext).map(Zeroizing::new).unwrap_or_default();
    let Ok(pair) = serde_json::from_slice::<Map<String, Value>>(&pair) else {
        return Err(if keys.open_oaep(&ciphertext).is_some() {
            Failed::Oaep
        } else if is_something_else(&pair, ld) {
            Failed::LkNotJson { bytes: pair.len() }
        } else {
            Failed::OtherKey
        });
    };
    let key = Zeroizing::new(aes_key(pair.get("k"))?);
    let absent = Value::Null;
    let s = pair.get("s").unwrap_or(&absent);
    let block = counter_block(s, CounterArithmetic::New)
        .or_else(|| counter_block(s, CounterArithmetic::Old))
        .ok_or(Failed::CounterForm(counter_form(s)))?;
    let plain = Zeroizing::new(decrypt(&key, &block, ld).ok_or(Failed::LdNotHex)?);
    match object(&plain) {
        Ok(object) => {
            let too_large = s.as_u64().is_some_and(|s| s > LAST_COMMON_COUNTER);
            if too_large {
                return Err(Failed::OtherCounter(Counter::TooLarge));
            }
            // The platform's library may read such a text in another way, or not at all.
            let broken = text(&plain, Utf8Decoder::AesJs3)
                .is_none_or(|text| serde_json::from_str::<Map<String, Value>>(&text).is_err());
            if broken {
                return Err(Failed::FourBytes);
            }
            Ok(Opened { object })
        }
        Err(Some(failed)) => Err(failed),
        Err(None) => Err(instead(&key, &block, s, ld)),
    }
}

/// The object of a plaintext, or what a text that was decrypted rightly has instead. Nothing if it was not.
fn object(plain: &[u8]) -> Result<Map<String, Value>, Option<Failed>> {
    let text = match std::str::from_utf8(plain) {
        Ok(text) => Zeroizing::new(text.to_owned()),
        Err(_) => {
            let latin1: Zeroizing<String> = Zeroizing::new(plain.iter().copied().map(char::from).collect());
            let reads =
                latin1.starts_with('{') && serde_json::from_str::<Map<String, Value>>(&latin1).is_ok();
            return Err(reads.then_some(Failed::Latin1));
        }
    };
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(Value::String(inner)) if inner.starts_with('{') => Err(Some(Failed::Twice)),
        Ok(_) => Err(Some(Failed::NotObject)),
        Err(error) => {
            let begins = text.starts_with("{\"");
            Err((begins && error.is_eof()).then_some(Failed::CutOff))
        }
    }
}

/// Whether what came out of `lk` was put there: text, or the bare AES key, which then opens `ld`.
fn is_something_else(bytes: &[u8], ld: &str) -> bool {
    let printable = |byte: &u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    // Shorter, random bytes may be text by chance.
    if bytes.len() >= 12 && bytes.iter().all(printable) {
        return true;
    }
    <&[u8; 16]>::try_from(bytes).is_ok_and(|key| {
        let opens = |s: u128| {
            let plain = decrypt(key, &s.to_be_bytes(), ld).map(Zeroizing::new);
            plain.is_some_and(|plain| object(&plain).is_ok())
        };
        (0..=255).any(opens) || recovered(key, ld).is_some()
    })
}

fn aes_key(k: Option<&Value>) -> Result<[u8; 16], Failed> {
    let k = k.ok_or(Failed::KeyForm("is missing"))?;
    key(k).ok_or(Failed::KeyForm(match k {
        Value::String(_) => "is text instead of sixteen numbers",
        Value::Object(_) => "is an object instead of a list, as a list that starts at 1 becomes in PHP",
        Value::Array(items) if items.len() != 16 => "has not sixteen numbers",
        Value::Array(items)
            if items
                .iter()
                .any(|item| item.as_i64().is_some_and(|item| item < 0)) =>
        {
            "has negative numbers, as the bytes of Java have them"
        }
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {
            "is not sixteen numbers from 0 to 255"
        }
    }))
}

const fn counter_form(s: &Value) -> &'static str {
    match s {
        Value::String(_) => "is text; the platform's library throws on it",
        Value::Bool(_) => "is true or false; the platform's library throws on it",
        Value::Array(_) => "is a list, but not of sixteen bytes",
        Value::Number(_) => "is not a whole number that the platform's library takes",
        Value::Null | Value::Object(_) => "has a form that the platform's library does not take",
    }
}

/// What opens the text where the counter that `s` gives does not.
fn instead(key: &[u8; 16], block: &[u8; 16], s: &Value, ld: &str) -> Failed {
    let opens = |block: [u8; 16]| {
        let plain = decrypt(key, &block, ld).map(Zeroizing::new);
        plain.is_some_and(|plain| matches!(object(&plain), Ok(_) | Err(Some(_))))
    };
    if s.is_null() && (opens([0; 16]) || recovered(key, ld).is_some_and(opens)) {
        return Failed::OtherCounter(Counter::Absent);
    }
    if let Some(old) = counter_block(s, CounterArithmetic::Old)
        && opens(old)
    {
        return Failed::OtherCounter(Counter::TooLarge);
    }
    let low = block.last().copied().unwrap_or_default();
    let mut first = *block;
    first.reverse();
    let number = u128::from_be_bytes(*block);
    for (candidate, counter) in [
        ([low; 16], Counter::Repeated),
        (first, Counter::First),
        ([0; 16], Counter::Zero),
        (number.wrapping_add(1).to_be_bytes(), Counter::Off),
        (number.wrapping_sub(1).to_be_bytes(), Counter::Off),
    ] {
        if opens(candidate) {
            return Failed::OtherCounter(counter);
        }
    }
    if recovered(key, ld).is_some_and(opens) {
        return Failed::OtherCounter(Counter::Block);
    }
    other_mode(key, block, ld).map_or(Failed::Unknown, Failed::OtherMode)
}

/// The counter block under which the text begins as a card does: what is known of the plaintext gives the first block
/// of the key stream, and the cipher is undone.
fn recovered(key: &[u8; 16], ld: &str) -> Option<[u8; 16]> {
    let bytes = hex::decode(ld).ok()?;
    let first: &[u8; 16] = bytes.first_chunk()?;
    let cipher = Aes128::new(key.into());
    BEGINNINGS.iter().find_map(|beginning| {
        let mut block = [0; 16];
        for ((out, cipher), plain) in block.iter_mut().zip(first).zip(*beginning) {
            *out = cipher ^ plain;
        }
        let mut undone = block.into();
        cipher.decrypt_block(&mut undone);
        let candidate: [u8; 16] = undone.into();
        let plain = Zeroizing::new(decrypt(key, &candidate, ld)?);
        object(&plain).is_ok().then_some(candidate)
    })
}

/// The names of modes that work on whole blocks.
fn other_mode(key: &[u8; 16], block: &[u8; 16], ld: &str) -> Option<&'static str> {
    let bytes = hex::decode(ld).ok()?;
    if bytes.is_empty() || bytes.len() % 16 != 0 {
        return None;
    }
    let mut first = (*bytes.first_chunk::<16>()?).into();
    Aes128::new(key.into()).decrypt_block(&mut first);
    let first: [u8; 16] = first.into();
    if first.starts_with(b"{\"") {
        return Some("ECB");
    }
    let low = block.last().copied().unwrap_or_default();
    [*block, [low; 16], [0; 16], *key].iter().find_map(|iv| {
        let plain: Vec<u8> = first.iter().zip(iv).map(|(byte, iv)| byte ^ iv).collect();
        plain.starts_with(b"{\"").then_some("CBC")
    })
}
