//! The JSON inside of a sealed card, read strictly: an object where one is documented, with each of its members
//! once and no other.

use std::fmt;
use std::marker::PhantomData;

use cardseal::card::luhn;
use cardseal::redact::typed_card_number;
use secrecy::{ExposeSecret, SecretString};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::{NetworkToken, Refusal, SealedCard};

/// Of a name.
const MAX_HOLDER_CHARS: usize = 100;
/// Of a cryptogram: those of the networks are 28.
const MAX_CRYPTOGRAM: usize = 128;
const MAX_REQUESTOR: usize = 32;

/// A JSON object. What serde derives for a struct would take an array as well.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

/// The protected header. `crit`, `zip`, `apu` and all else that RFC 7516 knows is unknown here.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) enc: String,
    pub(super) kid: String,
    pub(super) epk: Object<PublicJwk>,
    pub(super) apv: String,
    pub(super) typ: String,
    /// Seconds since 1970.
    pub(super) exp: u64,
    /// The session.
    pub(super) sid: String,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublicJwk {
    pub(super) kty: String,
    pub(super) crv: String,
    pub(super) x: String,
    pub(super) y: String,
}

impl Header {
    pub(super) fn read(text: &[u8]) -> Result<Self, Refusal> {
        let Object(header) = serde_json::from_slice(text).map_err(|_| Refusal::Malformed)?;
        Ok(header)
    }
}

/// Borrows from the decrypted text, which is wiped. Digits need no escapes; a text with one cannot be borrowed, as
/// serde would write it into memory that nobody wipes, and is refused. A name may have them.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload<'a> {
    number: &'a str,
    expiry: Object<Expiry>,
    #[serde(default, borrow)]
    cvc: Option<&'a str>,
    #[serde(default)]
    holder: Option<Name>,
    #[serde(default, borrow)]
    network_token: Option<Object<Token<'a>>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Expiry {
    month: u8,
    year: u16,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Token<'a> {
    cryptogram: &'a str,
    #[serde(default, borrow)]
    eci: Option<&'a str>,
    #[serde(default, borrow)]
    requestor_id: Option<&'a str>,
}

/// Copied straight into memory that is wiped.
struct Name(SecretString);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Name, E> {
                Ok(Name(text.into()))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// The card that a decrypted text is.
pub(super) fn card(text: &[u8]) -> Result<SealedCard, Refusal> {
    // The error would quote the text.
    let Object(payload) =
        serde_json::from_slice::<Object<Payload<'_>>>(text).map_err(|_| Refusal::NotACard)?;
    let Expiry { month, year } = payload.expiry.0;
    let number_fits = digits(payload.number, 12, 19)
        && luhn(
            payload
                .number
                .bytes()
                .map(|digit| u32::from(digit.wrapping_sub(b'0'))),
        );
    let cvc_fits = payload.cvc.is_none_or(|cvc| digits(cvc, 3, 4));
    let holder = payload.holder.map(|Name(holder)| holder);
    // A number in the place of the name would be kept where a number is not.
    let holder_fits = holder.as_ref().is_none_or(|holder| {
        let holder = holder.expose_secret();
        let chars = holder.chars().count();
        (1..=MAX_HOLDER_CHARS).contains(&chars)
            && !holder.chars().any(char::is_control)
            && !typed_card_number(holder)
    });
    let date_fits = (1..=12).contains(&month) && (2000..=2099).contains(&year);
    if !(number_fits && cvc_fits && holder_fits && date_fits) {
        return Err(Refusal::NotACard);
    }
    let network_token = payload.network_token.map(|token| network_token(&token.0));
    Ok(SealedCard {
        number: payload.number.into(),
        month,
        year,
        cvc: payload.cvc.map(SecretString::from),
        holder,
        network_token: network_token.transpose()?,
    })
}

fn network_token(token: &Token<'_>) -> Result<NetworkToken, Refusal> {
    let visible = |text: &str, longest: usize| {
        (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let fits = visible(token.cryptogram, MAX_CRYPTOGRAM)
        && token.eci.is_none_or(|eci| digits(eci, 1, 2))
        && token.requestor_id.is_none_or(|id| visible(id, MAX_REQUESTOR));
    if !fits {
        return Err(Refusal::NotACard);
    }
    Ok(NetworkToken {
        cryptogram: token.cryptogram.into(),
        eci: token.eci.map(Into::into),
        requestor_id: token.requestor_id.map(Into::into),
    })
}

fn digits(text: &str, fewest: usize, most: usize) -> bool {
    (fewest..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}
