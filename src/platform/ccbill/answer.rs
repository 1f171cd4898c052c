//! The platform's answers to the page.

use crate::card::digits::digit;
use crate::error::{Code, Error, Result};
use crate::platform::unreadable;
use crate::redact;

/// Reads the earlier sale that a payment token belongs to, if there is one.
///
/// # Errors
/// `answer_malformed` if the id is not made of digits.
pub fn read_subscription(status: u16, id: Option<String>) -> Result<Option<String>> {
    let is_id = |id: &String| (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    if id.as_ref().is_none_or(is_id) {
        Ok(id)
    } else {
        Err(Error::new(Code::AnswerMalformed)
            .at("subscriptionId")
            .with_status(status))
    }
}

/// Reads the error in an answer. The error's code includes the status, because the same number has other meanings
/// with 400 and with 500.
#[must_use]
pub fn read_error(status: u16, code: Option<String>, words: &str) -> Error {
    if status == 401 {
        return Error::new(Code::SessionExpired).with_status(status);
    }
    let is_code =
        |code: &String| (1..=9).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
    let Some(number) = code.filter(is_code) else {
        return unreadable(status);
    };
    // Errors that a repeat does not resolve: a forbidden address or account, failed logins, too many calls.
    let refused = status < 500
        || matches!(
            number.as_str(),
            "100107" | "100108" | "100109" | "100110" | "100111"
        );
    let code = if refused {
        Code::PlatformRejected
    } else {
        Code::PlatformUnavailable
    };
    Error::new(code)
        .with_status(status)
        .with_platform(Some(number), &without_numbers(words.trim_end()))
}

/// Longer messages of the platform are cut off.
const MOST: usize = 500;

/// Removes numbers of three or more digits, which could be part of a card number.
fn without_numbers(text: &str) -> String {
    let end = text.char_indices().nth(MOST).map_or(text.len(), |(at, _)| at);
    let masked = redact::card_digits(text.get(..end).unwrap_or_default());
    let mut out = String::with_capacity(masked.len());
    let (mut number, mut digits) = (String::new(), 0);
    // The additional character ends the last number.
    for c in masked.chars().chain(['\0']) {
        if digit(c).is_some() {
            number.push(c);
            digits += 1;
            continue;
        }
        out.push_str(if digits >= 3 { "***" } else { &number });
        number.clear();
        digits = 0;
        out.push(c);
    }
    out.pop();
    out
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn an_error_keeps_the_platforms_number_and_status() {
        for (status, number, code) in [
            (400, "100102", Code::PlatformRejected),
            (403, "100020", Code::PlatformRejected),
            (406, "100015", Code::PlatformRejected),
            // The same number with another status is another error.
            (400, "100106", Code::PlatformRejected),
            (500, "100106", Code::PlatformUnavailable),
            (500, "100100", Code::PlatformUnavailable),
            (503, "100112", Code::PlatformUnavailable),
            (500, "100107", Code::PlatformRejected),
            (500, "100109", Code::PlatformRejected),
            (500, "100111", Code::PlatformRejected),
        ] {
            let error = read_error(status, Some(number.into()), "Forbidden");
            assert_eq!(
                (
                    error.code(),
                    error.status(),
                    error.platform_code(),
                    error.platform_message()
                ),
                (code, Some(status), Some(number), Some("Forbidden")),
                "{status} {number}"
            );
        }
        for (status, number, code) in [
            (401, None, Code::SessionExpired),
            (401, Some("100020"), Code::SessionExpired),
            (403, None, Code::AnswerMalformed),
            (400, Some("x"), Code::AnswerMalformed),
            (400, Some("4473707989493598"), Code::AnswerMalformed),
            (500, None, Code::AnswerMalformed),
            (502, None, Code::PlatformUnavailable),
        ] {
            let error = read_error(status, number.map(Into::into), "");
            assert_eq!((error.code(), error.status()), (code, Some(status)), "{status}");
        }
    }

    #[test]
    fn what_the_platform_says_keeps_nothing_of_the_card() {
        let said = |words: &[&str]| {
            let error = read_error(400, Some("200000".into()), &words.join(" "));
            error.platform_message().unwrap().to_owned()
        };
        assert_eq!(
            said(&[
                "Forbidden",
                "cvv2",
                "rejected value [739] of 4473 7079 8949 3598, 44737079, 4473-7079"
            ]),
            "Forbidden cvv2 rejected value [***] of ****************, ***, ***-***"
        );
        assert_eq!(
            said(&["12 of 12", "\u{ff17}\u{ff13}\u{ff19}", "739"]),
            "12 of 12 *** ***"
        );
        assert_eq!(said(&[&"\u{e9}".repeat(600)]), "\u{e9}".repeat(500));
        assert_eq!(said(&[]), "");
    }

    #[test]
    fn a_sale_has_an_id_of_digits_or_there_is_none() {
        let read = |id: &str| read_subscription(200, Some(id.into())).is_ok();
        assert_eq!(read_subscription(200, None), Ok(None));
        assert!(read("924313501000000101") && read("0") && read("18446744073709551615"));
        for id in ["", "-1", "1.5", "x", "123456789012345678901"] {
            assert!(!read(id), "{id}");
        }
    }
}
