//! The JavaScript boundary, natively and in a real browser: every call, and what is no call.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use cardseal::Code;
use cardseal::boundary::Module;
use cardseal::card::ProblemCode;
use cardseal::random::SystemRandom;
use serde_json::Value;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

const NOW: &str = "1795219200000";
/// Clock, number, expiry, security code, holder, nickname.
const CARD: [&str; 6] = [
    NOW,
    "=4242 4242 4242 4242",
    "=12/30",
    "=123",
    "=Ana Mora",
    "=My Visa",
];

fn call(module: &mut Module, parts: &[&str]) -> Vec<String> {
    let output = module.call(&parts.join("\0"), &mut SystemRandom);
    output.split('\0').map(Into::into).collect()
}

/// The code, field and problems of an error.
fn failed(module: &mut Module, parts: &[&str]) -> (Code, String, Vec<ProblemCode>) {
    let output = call(module, parts);
    let place: usize = output[0].strip_prefix('\u{1}').unwrap().parse().unwrap();
    let problem = |place: &str| ProblemCode::ALL[place.trim_start_matches('~').parse::<usize>().unwrap()];
    (
        Code::ALL[place],
        output[1].clone(),
        output[2].split_terminator(',').map(problem).collect(),
    )
}

fn key(name: &str) -> String {
    use base64::Engine as _;
    let vectors: Value = serde_json::from_str(include_str!("vectors/greenpay.json")).unwrap();
    let text = vectors["rsa_keys"][name]["public_spki_base64_one_line"]
        .as_str()
        .unwrap();
    let der = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    der.into_iter().map(char::from).collect()
}

fn greenpay() -> Module {
    let mut module = Module::default();
    assert_eq!(call(&mut module, &["key", &key("t1024")])[0], "1024");
    module
}

fn pack(counter: &'static str, extras: [&'static str; 4]) -> Vec<&'static str> {
    [&["pack", counter][..], &extras, &CARD].concat()
}

#[test]
fn a_key_is_told_by_its_numbers() {
    let mut module = Module::default();
    let [bits, modulus, exponent] = call(&mut module, &["key", &key("t2048")]).try_into().unwrap();
    assert_eq!((&*bits, &*exponent, modulus.len()), ("2048", "010001", 512));
    // Characters that are no bytes, and bytes that are no key.
    for text in ["\u{100}", "0", ""] {
        assert_eq!(failed(&mut module, &["key", text]).0, Code::KeyMalformed);
    }
}

#[test]
fn packs_a_card() {
    for extras in [
        ["1", "", "", ""],
        ["1", "=tok-1", "", ""],
        ["1", "", "=1", "=k-1"],
        ["", "", "=0", ""],
    ] {
        let packed = call(&mut greenpay(), &pack("byte", extras));
        let (ld, lk) = packed.split_first().unwrap();
        assert!(ld.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        let lk = lk.join("\0");
        assert_eq!(lk.chars().count(), 128);
        assert!(lk.chars().all(|c| u8::try_from(c).is_ok()));
    }
    let new = call(&mut greenpay(), &pack("integer", ["1", "", "", ""]))[0].len();
    let paid = call(&mut greenpay(), &pack("integer", ["1", "", "=1", "=k-1"]))[0].len();
    assert_eq!(
        paid - new,
        2 * ",\"tokenize\":true,\"kountSession\":\"k-1\"".len()
    );
}

#[test]
fn an_encryptor_cannot_exist_without_a_key() {
    let parts = pack("byte", ["1", "", "", ""]);
    assert_eq!(failed(&mut Module::default(), &parts).0, Code::KeyMissing);
    let (code, field, _) = failed(&mut greenpay(), &pack("no", ["1", "", "", ""]));
    assert_eq!((code, &*field), (Code::OptionInvalid, "counter"));
    assert_eq!(
        failed(&mut greenpay(), &pack("block", ["1", "", "", ""])).0,
        Code::CounterDoesNotFit
    );
}

#[test]
fn a_card_is_checked_by_the_rules_of_its_platform() {
    let check = |platform: &str, stored: &str, nickname: &str| {
        let mut parts = [&["check", platform, stored][..], &CARD].concat();
        parts[8] = nickname;
        call(&mut Module::default(), &parts)
    };
    assert_eq!(
        check("=greenpay", "1", "=My Visa"),
        [
            "visa,",
            "",
            "4242424242424242",
            "12",
            "2030",
            "123",
            "Ana Mora",
            "My Visa"
        ]
    );
    // Only a stored card of GreenPay needs a nickname.
    assert_eq!(check("=greenpay", "1", "").len(), 2);
    assert_eq!(check("=greenpay", "", "").len(), 8);
    assert_eq!(check("", "1", "").len(), 8);
    // CCBill takes letters, blanks, dots, apostrophes and dashes, of whatever language.
    let named = |name: &str| {
        let mut parts = [&["check", "=ccbill", "1"][..], &CARD].concat();
        parts[7] = name;
        call(&mut Module::default(), &parts)
    };
    for name in ["=Jean-Luc d'Été", "=Dr. Ana Núñez", "=李 小龍"] {
        assert_eq!(named(name).len(), 8, "{name}");
    }
    let long = format!("={}", "a".repeat(46));
    for (name, code) in [
        ("=Ana Mora 2", ProblemCode::HolderCharacters),
        ("=Ana, Mora", ProblemCode::HolderCharacters),
        ("=Ana \"Mora\"", ProblemCode::HolderCharacters),
        (&long, ProblemCode::HolderTooLong),
        ("=A", ProblemCode::HolderTooShort),
    ] {
        assert_eq!(named(name)[1..], [format!("{},", code as usize)], "{name}");
    }
    let parts = [&["check", "=nobody", "1"][..], &CARD].concat();
    let (code, field, _) = failed(&mut Module::default(), &parts);
    assert_eq!((code, &*field), (Code::OptionInvalid, "platform"));
}

/// Test cards that platforms publish, check digit or not.
#[test]
fn a_wrong_check_digit_only_warns_where_a_published_test_card_has_one() {
    let check = |platform: &str, number: &str| {
        let mut parts = [&["check", platform, ""][..], &CARD].concat();
        parts[4] = number;
        call(&mut Module::default(), &parts)
    };
    let place = ProblemCode::NumberCheckDigit as usize;
    for (platform, number) in [
        ("=gp_api", "=5425 2334 2424 1200"),
        ("=greenpay", "=4556592228753727"),
    ] {
        let checked = check(platform, number);
        assert_eq!(
            (checked.len(), &*checked[1]),
            (8, &*format!("~{place},")),
            "{platform}"
        );
    }
    for platform in ["=ccbill", "=worldline_acquiring", "=online_payments"] {
        assert_eq!(
            check(platform, "=5425 2334 2424 1200")[1..],
            [format!("{place},")],
            "{platform}"
        );
    }
}

/// Without its security code only where that is said; what is there is checked all the same.
#[test]
fn a_card_may_lack_its_security_code() {
    let checked = |asked: &str, cvc: &str| {
        let mut parts = [&["check", "=ccbill", asked][..], &CARD].concat();
        parts[6] = cvc;
        call(&mut Module::default(), &parts)
    };
    let problem = |code: ProblemCode| format!("{},", code as usize);
    for asked in ["1", ""] {
        assert_eq!(checked(asked, "")[1..], [problem(ProblemCode::CvcMissing)]);
    }
    for asked in ["3", "2"] {
        assert_eq!(checked(asked, "")[5], "");
        assert_eq!(checked(asked, "=123")[5], "123");
        assert_eq!(checked(asked, "=12")[1..], [problem(ProblemCode::CvcLength)]);
    }
}

/// What could not be encoded is a problem of its field, and so is what may stand in no field.
#[test]
fn a_broken_field_is_a_problem_of_its_own() {
    for (place, code) in [
        (1, ProblemCode::NumberNotDigits),
        (2, ProblemCode::ExpiryMalformed),
        (3, ProblemCode::CvcNotDigits),
        (4, ProblemCode::HolderCharacters),
        (5, ProblemCode::NicknameCharacters),
    ] {
        for broken in ["!", "=\u{1}x"] {
            let mut parts = pack("byte", ["1", "", "", ""]);
            parts[6 + place] = broken;
            let (error, _, problems) = failed(&mut greenpay(), &parts);
            assert_eq!(
                (error, &*problems),
                (Code::CardInvalid, &[code][..]),
                "{broken:?}"
            );
        }
    }
}

#[test]
fn brands_are_told_as_soon_as_digits_are_typed() {
    let mut module = Module::default();
    assert_eq!(call(&mut module, &["brands", "4242"]), ["visa,"]);
    assert_eq!(call(&mut module, &["brands", "x"]), [""]);
}

#[test]
fn what_is_no_call_is_refused() {
    for text in ["", "x", "\0", "pack\0", "PACK", "\u{1}"] {
        let expected = if text == "pack\0" {
            Code::OptionInvalid
        } else {
            Code::TypeInvalid
        };
        assert_eq!(failed(&mut greenpay(), &[text]).0, expected, "{text:?}");
    }
}

#[test]
fn a_failing_random_source_is_an_error_and_nothing_is_packed() {
    struct Fails(usize);
    impl cardseal::random::Random for Fails {
        fn fill(&mut self, bytes: &mut [u8]) -> cardseal::Result<()> {
            self.0 = self.0.checked_sub(1).ok_or(Code::RandomUnavailable)?;
            bytes.fill(7);
            Ok(())
        }
    }
    let input = pack("byte", ["1", "", "", ""]).join("\0");
    for calls in 0..3 {
        let output = greenpay().call(&input, &mut Fails(calls));
        let place = Code::ALL
            .iter()
            .position(|code| *code == Code::RandomUnavailable)
            .unwrap();
        assert_eq!(output, format!("\u{1}{place}\0\0"), "{calls}");
    }
    assert!(!greenpay().call(&input, &mut Fails(3)).starts_with('\u{1}'));
}
