//! Cards as a page hands them over, by the rules of every platform, natively and in a real browser.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cardseal::Code;
use cardseal::card::{Brand, Card, CardInput, Checked, ProblemCode, Rules, Secret, Severity, check};
use cardseal::crypto::public_key::PublicKey;
use cardseal::greenpay::{Counter, GreenPay, Payload};
use cardseal::platform::Platform;
use cardseal::random::{Random, SystemRandom};
use serde_json::Value;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

const NOW: f64 = 1_795_219_200_000.0;

fn typed() -> CardInput {
    CardInput {
        number: "4242 4242 4242 4242".into(),
        expiry: "12/30".into(),
        cvc: "123".into(),
        holder: "Ana Mora".into(),
        nickname: Some("My Visa".into()),
    }
}

fn key(name: &str) -> String {
    let vectors: Value = serde_json::from_str(include_str!("vectors/greenpay.json")).unwrap();
    vectors["rsa_keys"][name]["public_spki_base64_one_line"]
        .as_str()
        .unwrap()
        .into()
}

fn greenpay() -> GreenPay {
    GreenPay::new(PublicKey::parse(&key("t1024")).unwrap())
}

fn card() -> Card {
    Card::parse(&typed(), &cardseal::rules(Platform::GreenPay, true), NOW).unwrap()
}

/// Whether it may be sent, and what is wrong with it.
fn judged(
    platform: Option<Platform>,
    stored: bool,
    input: &CardInput,
) -> (bool, Vec<(ProblemCode, Severity)>) {
    let rules = platform.map_or(Rules::COMMON, |platform| cardseal::rules(platform, stored));
    found(&check(input, &rules, NOW))
}

fn found(checked: &Checked) -> (bool, Vec<(ProblemCode, Severity)>) {
    let problems = checked.problems.iter().map(|code| (*code, Severity::Error));
    let warnings = checked.warnings.iter().map(|code| (*code, Severity::Warning));
    (checked.card.is_some(), problems.chain(warnings).collect())
}

fn refused(code: ProblemCode) -> (bool, Vec<(ProblemCode, Severity)>) {
    (false, vec![(code, Severity::Error)])
}

#[test]
fn a_key_is_told_by_its_numbers() {
    assert_eq!(PublicKey::parse(&key("t2048")).unwrap().bits(), 2048);
    for text in ["\u{100}", "0", "0x"] {
        assert_eq!(
            PublicKey::parse(text).unwrap_err().code(),
            Code::KeyMalformed,
            "{text}"
        );
    }
}

#[test]
fn packs_a_card() {
    let card = card();
    let pack = |payload| {
        greenpay()
            .pack(payload, Counter::Integer, &mut SystemRandom)
            .unwrap()
    };
    let paid = |tokenize, kount_session| Payload::Payment {
        card: &card,
        tokenize,
        kount_session,
    };
    for payload in [
        Payload::NewToken(&card),
        Payload::UpdateToken(&card, "tok-1"),
        paid(true, Some("k-1")),
        paid(false, None),
    ] {
        let packed = pack(payload);
        assert!(
            packed
                .ld
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        );
        assert_eq!(STANDARD.decode(packed.lk).unwrap().len(), 128);
    }
    let new = pack(Payload::NewToken(&card)).ld.len();
    let paid = pack(paid(true, Some("k-1"))).ld.len();
    assert_eq!(
        paid - new,
        2 * ",\"tokenize\":true,\"kountSession\":\"k-1\"".len()
    );
}

#[test]
fn the_long_counter_needs_a_longer_key() {
    let card = card();
    let packed = greenpay().pack(Payload::NewToken(&card), Counter::Block, &mut SystemRandom);
    assert_eq!(packed.err().unwrap().code(), Code::CounterDoesNotFit);
}

#[test]
fn a_card_is_checked_by_the_rules_of_its_platform() {
    let named = |platform, stored, nickname: Option<&str>| {
        let nickname = nickname.map(Secret::from);
        judged(platform, stored, &CardInput { nickname, ..typed() })
    };
    let fine = (true, vec![]);
    assert_eq!(named(Some(Platform::GreenPay), true, Some("My Visa")), fine);
    assert_eq!(named(Some(Platform::GreenPay), true, None), fine);
    assert_eq!(
        named(Some(Platform::GreenPay), true, Some("short")),
        refused(ProblemCode::NicknameTooShort)
    );
    assert_eq!(named(Some(Platform::GreenPay), false, None), fine);
    assert_eq!(named(None, true, None), fine);
    // CCBill takes letters, blanks, dots, apostrophes and dashes, of whatever language.
    let held = |holder: &str| {
        let holder = holder.into();
        judged(Some(Platform::CcBill), true, &CardInput { holder, ..typed() })
    };
    for name in ["Jean-Luc d'Été", "Dr. Ana Núñez", "李 小龍"] {
        assert_eq!(held(name), fine, "{name}");
    }
    for (name, code) in [
        ("Ana Mora 2", ProblemCode::HolderCharacters),
        ("Ana, Mora", ProblemCode::HolderCharacters),
        ("Ana \"Mora\"", ProblemCode::HolderCharacters),
        (&"a".repeat(46), ProblemCode::HolderTooLong),
        ("A", ProblemCode::HolderTooShort),
    ] {
        assert_eq!(held(name), refused(code), "{name}");
    }
}

/// Test cards that platforms publish, check digit or not.
#[test]
fn a_wrong_check_digit_only_warns_where_a_published_test_card_has_one() {
    let numbered = |platform, number: &str| {
        let number = number.into();
        judged(Some(platform), false, &CardInput { number, ..typed() })
    };
    for (platform, number) in [
        (Platform::GpApi, "5425 2334 2424 1200"),
        (Platform::GreenPay, "4556592228753727"),
    ] {
        let warned = (true, vec![(ProblemCode::NumberCheckDigit, Severity::Warning)]);
        assert_eq!(numbered(platform, number), warned, "{platform}");
    }
    for platform in [
        Platform::CcBill,
        Platform::WorldlineAcquiring,
        Platform::OnlinePayments,
    ] {
        let found = numbered(platform, "5425 2334 2424 1200");
        assert_eq!(found, refused(ProblemCode::NumberCheckDigit), "{platform}");
    }
}

/// Without its security code only where that is said; what is there is checked all the same.
#[test]
fn a_card_may_lack_its_security_code() {
    let coded = |needed: bool, stored: bool, cvc: &str| {
        let rules = Rules {
            cvc: needed,
            ..cardseal::rules(Platform::CcBill, stored)
        };
        let cvc = cvc.into();
        found(&check(&CardInput { cvc, ..typed() }, &rules, NOW))
    };
    for stored in [true, false] {
        assert_eq!(coded(true, stored, ""), refused(ProblemCode::CvcMissing));
        assert_eq!(coded(false, stored, ""), (true, vec![]));
        assert_eq!(coded(false, stored, "123"), (true, vec![]));
        assert_eq!(coded(false, stored, "12"), refused(ProblemCode::CvcLength));
    }
}

/// What could not be encoded is a problem of its field, and so is what may stand in no field.
#[test]
fn a_broken_field_is_a_problem_of_its_own() {
    for broken in ["\u{fffd}", "\u{1}x"] {
        let broken = || Secret::from(broken);
        for (input, code) in [
            (
                CardInput {
                    number: broken(),
                    ..typed()
                },
                ProblemCode::NumberNotDigits,
            ),
            (
                CardInput {
                    expiry: broken(),
                    ..typed()
                },
                ProblemCode::ExpiryMalformed,
            ),
            (
                CardInput {
                    cvc: broken(),
                    ..typed()
                },
                ProblemCode::CvcNotDigits,
            ),
            (
                CardInput {
                    holder: broken(),
                    ..typed()
                },
                ProblemCode::HolderCharacters,
            ),
            (
                CardInput {
                    nickname: Some(broken()),
                    ..typed()
                },
                ProblemCode::NicknameCharacters,
            ),
        ] {
            assert_eq!(judged(Some(Platform::GreenPay), true, &input), refused(code));
        }
    }
}

#[test]
fn brands_are_told_as_soon_as_digits_are_typed() {
    assert_eq!(Brand::candidates("4242"), [Brand::Visa]);
    assert_eq!(cardseal::card::digits("x").as_deref(), None);
}

#[test]
fn a_failing_random_source_is_an_error_and_nothing_is_packed() {
    struct Fails(usize);
    impl Random for Fails {
        fn fill(&mut self, bytes: &mut [u8]) -> cardseal::Result<()> {
            self.0 = self.0.checked_sub(1).ok_or(Code::RandomUnavailable)?;
            bytes.fill(7);
            Ok(())
        }
    }
    let card = card();
    let pack = |draws| greenpay().pack(Payload::NewToken(&card), Counter::Byte, &mut Fails(draws));
    // A key, a counter, and then the filler of the padding.
    for draws in 0..3 {
        assert_eq!(
            pack(draws).err().unwrap().code(),
            Code::RandomUnavailable,
            "{draws}"
        );
    }
    assert!(pack(3).is_ok());
}
