//! GreenPay, generation 1 (`ld`/`lk`): the browser's half.
//!
//! Encryption, from the platform's article "Update card token":
//! 1. the card as compact JSON, UTF-8;
//! 2. a new 16-byte AES key and an initial counter `s`;
//! 3. `ld` = hex of AES-128-CTR over 1;
//! 4. `lk` = base64 of RSAES-PKCS1-v1_5 over `{"k":[…16 numbers…],"s":…}`.
//!
//! Nothing authenticates `ld` or binds it to the session. Only TLS, and that a session works only once, protect it.

mod answer;
mod request;
pub mod signature;

use zeroize::Zeroizing;

use crate::card::{Card, NameRule, Rules, Secret, Severity};
use crate::crypto::encoding::base64;
use crate::crypto::public_key::PublicKey;
use crate::crypto::{aes_ctr, rsa_wrap};
use crate::error::{Code, Result};
use crate::json;
use crate::object::object;
use crate::random::Random;

pub use answer::{
    CardToken, Decline, Outcome, Payment, PaymentAnswer, Scalar, TokenAnswer, Verified, platform_code,
    read_payment, read_token,
};
pub use request::{Hosts, OrderInput, Place, Target, Verb};

/// How long a session is valid after its order was created. The platform: "The session is valid for thirty minutes".
pub const SESSION_SECONDS: u32 = 30 * 60;

/// The rules for a card that is stored. A wrong check digit is only a warning, because two of the platform's own
/// test cards have one.
pub const TOKEN_RULES: Rules = Rules {
    luhn: Severity::Warning,
    holder: NameRule {
        required: true,
        shortest: 5,
        ..NameRule::OPTIONAL
    },
    nickname: NameRule {
        required: true,
        shortest: 6,
        longest: 49,
        letters: false,
    },
    ..Rules::COMMON
};

/// The rules for a card that is charged and not stored.
pub const PAYMENT_RULES: Rules = Rules {
    nickname: NameRule::OPTIONAL,
    ..TOKEN_RULES
};

/// The plaintext, by its purpose.
#[derive(Clone, Copy)]
pub enum Payload<'a> {
    /// A card to be stored.
    NewToken(&'a Card),
    /// A card that replaces the card of a token.
    UpdateToken(&'a Card, &'a str),
    /// A card to be charged.
    Payment {
        /// The card.
        card: &'a Card,
        /// Whether to store the card as well.
        tokenize: bool,
        /// The session id of the Kount collector.
        kount_session: Option<&'a str>,
    },
}

/// The form of the initial counter `s`.
///
/// The platform's text describes sixteen bytes, but its sample code and every public client send one small number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counter {
    /// One integer from 0 to 254, as every known client sends it.
    #[default]
    Byte,
    /// One integer from 0 to 2147483647. All known receivers accept this range.
    Integer,
    /// Sixteen bytes. A 1024-bit key is too small to wrap them.
    Block,
}

/// The encrypted card and the wrapped key.
#[derive(Clone, PartialEq, Eq)]
pub struct Packed {
    /// Lower-case hex.
    pub ld: String,
    /// Standard base64 with padding.
    pub lk: String,
}

object!(Packed, packed, { "ld" = &packed.ld, "lk" = &packed.lk });

/// Encrypts cards with the merchant's key.
pub struct GreenPay {
    key: PublicKey,
}

impl GreenPay {
    /// Creates an encryptor with the merchant's public key.
    #[must_use]
    pub const fn new(key: PublicKey) -> Self {
        Self { key }
    }

    /// The key that wraps `lk` and verifies `_signature`.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Encrypts a card.
    ///
    /// # Errors
    /// `counter_does_not_fit`, `random_unavailable`.
    pub fn pack(&self, payload: Payload<'_>, counter: Counter, random: &mut dyn Random) -> Result<Packed> {
        let (ld, lk) = self.sealed(payload, counter, random)?;
        Ok(Packed { ld, lk: base64(&lk) })
    }

    /// Encrypts a card, and returns the bytes of `lk`, because browsers can encode base64 themselves.
    pub(crate) fn sealed(
        &self,
        payload: Payload<'_>,
        counter: Counter,
        random: &mut dyn Random,
    ) -> Result<(String, Vec<u8>)> {
        self.seal(
            Zeroizing::new(std::mem::take(&mut *plaintext(payload)).into_bytes()),
            counter,
            random,
        )
    }

    fn seal(
        &self,
        mut text: Zeroizing<Vec<u8>>,
        counter: Counter,
        random: &mut dyn Random,
    ) -> Result<(String, Vec<u8>)> {
        if counter == Counter::Block && LONGEST_BLOCK_WRAP > rsa_wrap::capacity(&self.key) {
            return Err(Code::CounterDoesNotFit.into());
        }
        let pair = Pair::draw(counter, random)?;
        let lk = rsa_wrap::encrypt(&self.key, pair.to_json().as_bytes(), random)?;
        aes_ctr::apply(&pair.key, &pair.start.block(), &mut text);
        Ok((hex::encode(&*text), lk))
    }
}

/// The length of `{"k":[`, `],"s":[` and `]}` with 32 numbers of three digits and 30 commas.
const LONGEST_BLOCK_WRAP: usize = 15 + 32 * 3 + 30;

/// The text that is encrypted, with the platform's names. The year has two digits.
fn plaintext(payload: Payload<'_>) -> Zeroizing<String> {
    let (card, token, tokenize, kount) = match payload {
        Payload::NewToken(card) => (card, None, None, None),
        Payload::UpdateToken(card, token) => (card, Some(token), None, None),
        Payload::Payment {
            card,
            tokenize,
            kount_session,
        } => {
            let tokenize = (tokenize || kount_session.is_some()).then_some(tokenize);
            (card, None, tokenize, kount_session)
        }
    };
    json::object(|object| {
        object.object("card", |object| {
            object
                .text("cardHolder", card.holder.expose())
                .object("expirationDate", |object| {
                    object
                        .number("month", card.expiry.month().into())
                        .number("year", card.expiry.short_year().into());
                })
                .text("cardNumber", card.number.expose())
                .text("cvc", card.cvc.expose())
                .optional("nickname", card.nickname.as_ref().map(Secret::expose));
        });
        object.optional("token", token);
        if let Some(tokenize) = tokenize {
            object.flag("tokenize", tokenize);
        }
        object.optional("kountSession", kount);
    })
}

/// The AES key and the initial counter, new for every message.
struct Pair {
    key: Zeroizing<[u8; 16]>,
    start: Start,
}

enum Start {
    Integer(u32),
    Block([u8; 16]),
}

impl Start {
    /// The counter as a block. An integer is in the low bytes, big-endian.
    fn block(&self) -> [u8; 16] {
        match self {
            Self::Integer(value) => u128::from(*value).to_be_bytes(),
            Self::Block(block) => *block,
        }
    }
}

impl Pair {
    fn draw(counter: Counter, random: &mut dyn Random) -> Result<Self> {
        let mut key = Zeroizing::new([0; 16]);
        random.fill(&mut *key)?;
        let start = match counter {
            Counter::Byte => {
                let mut byte = [u8::MAX];
                // Known clients never send 255. Drawing again keeps the other values equally likely.
                while byte == [u8::MAX] {
                    random.fill(&mut byte)?;
                }
                Start::Integer(byte[0].into())
            }
            Counter::Integer => {
                let mut bytes = [0; 4];
                random.fill(&mut bytes)?;
                Start::Integer(u32::from_be_bytes(bytes) >> 1)
            }
            Counter::Block => {
                let mut block = [0; 16];
                random.fill(&mut block)?;
                Start::Block(block)
            }
        };
        Ok(Self { key, start })
    }

    fn to_json(&self) -> Zeroizing<String> {
        json::object(|object| {
            object.bytes("k", &*self.key);
            match &self.start {
                Start::Integer(value) => object.number("s", (*value).into()),
                Start::Block(block) => object.bytes("s", block),
            };
        })
    }
}

#[cfg(test)]
mod vectors;
