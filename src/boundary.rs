//! The boundary to JavaScript as a function of text: [`Module::call`] takes a call and gives its result.
//!
//! Only what touches a card or a key is here. Sessions, requests and answers are JSON, which JavaScript reads and writes by
//! itself: the same in the module was more than half of its bytes. A call is a text of parts with U+0000 between them, so
//! that nothing has to be parsed and every export costs the page no glue; it also makes the whole boundary run, and be
//! tested and fuzzed, without a browser. Everything here takes whatever a page may hand over.

use crate::card::{Brand, Card, CardInput, Checked, Problem, Rules, Secret, Severity, check};
use crate::crypto::public_key::PublicKey;
use crate::error::{Code, Error, Result};
use crate::greenpay::{Counter, GreenPay, Payload};
use crate::platform::Platform;
use crate::random::Random;
use crate::wiped::Wiped;

/// Stands between the parts of a call and of a result. JavaScript never sends it inside one.
const BETWEEN: char = '\0';
/// Before the description of an error; nothing else that is returned begins with it.
const FAILED: char = '\u{1}';

/// The module: with the key that was read last, or without.
#[derive(Default)]
pub struct Module {
    greenpay: Option<GreenPay>,
}

impl Module {
    /// A module without a key.
    #[must_use]
    pub const fn new() -> Self {
        Self { greenpay: None }
    }
}

/// The parts of a call that have not been taken yet. What is missing is empty.
struct Parts<'a>(&'a str);

impl<'a> Parts<'a> {
    fn next(&mut self) -> &'a str {
        // By bytes, which is less code than a search for a character.
        let end = self.0.bytes().position(|byte| byte == 0);
        let (part, rest) = self
            .0
            .split_at_checked(end.unwrap_or(self.0.len()))
            .unwrap_or_default();
        self.0 = rest.get(1..).unwrap_or_default();
        part
    }

    /// A text that may be missing: what is there begins with `=`.
    fn optional(&mut self) -> Option<&'a str> {
        self.next().strip_prefix('=')
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.next();
        let value = |sum: u64, byte: u8| {
            let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
            sum.checked_mul(10)?.checked_add(digit.into())
        };
        digits.bytes().try_fold(0, value)
    }

    /// The clock in milliseconds since 1970, and the fields of a card. Before each stands `=`, or `!` where JavaScript
    /// found half a surrogate pair in it, which no encoding can carry.
    fn card(&mut self) -> (f64, CardInput) {
        #[expect(clippy::cast_precision_loss, reason = "within 2^53")]
        let now = self.number().unwrap_or_default() as f64;
        let mut input = CardInput::default();
        let mut field = || {
            let part = self.next();
            if part.starts_with('!') {
                return Some(Secret::from("\u{fffd}"));
            }
            part.strip_prefix('=').map(Secret::from)
        };
        input.number = field().unwrap_or_default();
        input.expiry = field().unwrap_or_default();
        input.cvc = field().unwrap_or_default();
        input.holder = field().unwrap_or_default();
        input.nickname = field();
        (now, input)
    }
}

/// A result, wiped when dropped.
struct Output(Wiped<String>);

impl Output {
    fn new(bytes: usize) -> Self {
        Self(Wiped::new(String::with_capacity(bytes)))
    }

    fn raw(&mut self, text: &str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    fn part(&mut self, text: &str) -> &mut Self {
        self.0.push(BETWEEN);
        self.raw(text)
    }

    fn number(&mut self, value: usize) -> &mut Self {
        self.0.push_str(&value.to_string());
        self
    }

    /// With commas behind them.
    fn brands(&mut self, brands: &[Brand]) -> &mut Self {
        for brand in brands {
            self.raw(brand.id()).raw(",");
        }
        self
    }

    /// Their places in the table, with commas behind them; before one that is only a warning stands `~`.
    fn problems(&mut self, problems: &[Problem]) -> &mut Self {
        self.0.push(BETWEEN);
        for problem in problems {
            let warning = matches!(problem.severity, Severity::Warning);
            self.raw(if warning { "~" } else { "" })
                .number(problem.code as usize)
                .raw(",");
        }
        self
    }
}

impl Module {
    /// Does what the first part of `input` says with the others:
    ///
    /// | call | parts | result |
    /// | --- | --- | --- |
    /// | `key` | the bytes of a public key in DER, a character each | bits, and modulus and exponent in hex; kept for `pack` |
    /// | `pack` | form of the counter, `1` if the card is to be stored, token, `tokenize`, Kount session, card | `ld`; and the bytes of `lk`, a character each, which may be U+0000, too |
    /// | `check` | platform, 1 if the card is to be stored, and 2 more if it may lack its security code, card | brands, problems; of a card that may be sent also number, month, year, security code, holder, nickname |
    /// | `brands` | number | brands |
    ///
    /// Where something can be missing, what is there begins with `=`. A card is the clock, number, expiry, security code,
    /// holder and nickname. An error is U+0001 and the place of its code in the table, the field or option, the problems.
    #[must_use]
    pub fn call(&mut self, input: &str, random: &mut dyn Random) -> String {
        let mut output = self.result(Parts(input), random).unwrap_or_else(|error| {
            let mut output = Output::new(128);
            output.0.push(FAILED);
            output
                .number(error.code() as usize)
                .part(error.field().unwrap_or_default())
                .problems(error.problems());
            output
        });
        std::mem::take(&mut *output.0)
    }

    fn result(&mut self, mut parts: Parts<'_>, random: &mut dyn Random) -> Result<Output> {
        let mut output = Output::new(256);
        match parts.next() {
            "key" => {
                let byte = |c: char| u8::try_from(u32::from(c)).map_err(|_| Code::KeyMalformed);
                let der: Vec<u8> = parts.0.chars().map(byte).collect::<std::result::Result<_, _>>()?;
                let key = PublicKey::from_der(&der)?;
                output = Output::new(16 + 2 * der.len());
                output
                    .number(key.bits())
                    .part(&hex::encode(key.modulus()))
                    .part(&hex::encode(key.exponent()));
                self.greenpay = Some(GreenPay::new(key));
            }
            "pack" => return self.pack(&mut parts, random),
            "check" => return checked(&mut parts),
            "brands" => {
                let digits = crate::card::digits(parts.next());
                let brands = digits.map(|digits| Brand::candidates(&digits));
                output.brands(&brands.unwrap_or_default());
            }
            _ => return Err(Code::TypeInvalid.into()),
        }
        Ok(output)
    }

    fn pack(&self, parts: &mut Parts<'_>, random: &mut dyn Random) -> Result<Output> {
        let greenpay = self.greenpay.as_ref().ok_or(Code::KeyMissing)?;
        let counter = match parts.next() {
            "byte" => Counter::Byte,
            "integer" => Counter::Integer,
            "block" => Counter::Block,
            _ => return Err(Error::new(Code::OptionInvalid).at("counter")),
        };
        let rules = crate::platforms::rules(Platform::GreenPay, parts.next() == "1");
        let (token, tokenize, kount_session) = (parts.optional(), parts.optional(), parts.optional());
        let (now, input) = parts.card();
        let card = Card::parse(&input, &rules, now)?;
        let payload = match (token, tokenize) {
            (Some(token), _) => Payload::UpdateToken(&card, token),
            (None, Some(tokenize)) => Payload::Payment {
                card: &card,
                tokenize: tokenize == "1",
                kount_session,
            },
            (None, None) => Payload::NewToken(&card),
        };
        let (ld, lk) = greenpay.sealed(payload, counter, random)?;
        let mut output = Output::new(ld.len() + 2 * lk.len() + 1);
        output.raw(&ld).part("");
        output.0.extend(lk.into_iter().map(char::from));
        Ok(output)
    }
}

fn checked(parts: &mut Parts<'_>) -> Result<Output> {
    let (platform, asked) = (parts.optional(), parts.number().unwrap_or_default());
    let mut rules = match platform {
        None => Rules::COMMON,
        Some(id) => {
            let platform =
                Platform::from_id(id).ok_or_else(|| Error::new(Code::OptionInvalid).at("platform"))?;
            crate::platforms::rules(platform, asked & 1 == 1)
        }
    };
    rules.cvc = asked & 2 == 0;
    let (now, input) = parts.card();
    let Checked {
        card,
        brands,
        problems,
    } = check(&input, &rules, now);
    let texts = [&input.number, &input.holder, &input.cvc].map(|text| text.expose().len());
    let nickname = input.nickname.as_ref().map_or(0, |text| text.expose().len());
    let mut output = Output::new(256 + texts.iter().sum::<usize>() + nickname);
    output.brands(&brands).problems(&problems);
    if let Some(card) = card {
        output
            .part(card.number.expose())
            .part("")
            .number(card.expiry.month().into())
            .part("")
            .number(card.expiry.year().into())
            .part(card.cvc.expose())
            .part(card.holder.expose())
            .part(card.nickname.as_ref().map_or("", |name| name.expose()));
    }
    Ok(output)
}
