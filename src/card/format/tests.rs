//! Tests of formatting. `|` marks the caret, before and after.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn shown(formatted: &Formatted) -> String {
    let (before, after) = formatted.text.expose().split_at(formatted.caret);
    format!("{before}|{after}")
}

/// Returns a text without `|`, and where it was, in UTF-16 units.
fn marked(text: &str) -> (String, Option<usize>) {
    let (before, after) = text.split_once('|').unwrap();
    (format!("{before}{after}"), Some(before.encode_utf16().count()))
}

fn shown_number(text: &str) -> String {
    let (text, caret) = marked(text);
    shown(&card_number(&text, caret).0)
}

fn shown_expiry(text: &str) -> String {
    let (text, caret) = marked(text);
    shown(&expiry(&text, caret))
}

#[test]
fn a_number_is_grouped_and_the_caret_stays_behind_its_digit() {
    for (typed, expected) in [
        ("|", "|"),
        ("4242|", "4242|"),
        ("42425|", "4242 5|"),
        ("4242 |", "4242|"),
        ("4242 9|424 2", "4242 9|424 2"),
        ("42942|42", "4294 2|42"),
        ("|4242 4242", "|4242 4242"),
        ("3782822463|10005", "3782 822463| 10005"),
        ("4242-4242x\u{1f600}|4242", "4242 4242| 4242"),
        ("42424242424242424242424242|", "4242 4242 4242 4242 424|"),
        ("30569309025904|", "3056 930902 5904|"),
        ("305693090259041|", "3056 9309 0259 041|"),
    ] {
        assert_eq!(shown_number(typed), expected, "{typed}");
    }
    let (formatted, brands) = card_number("42424", None);
    assert_eq!(
        (shown(&formatted).as_str(), brands.as_slice()),
        ("4242 4|", &[Brand::Visa][..])
    );
    for caret in [5, 6, 99, usize::MAX] {
        assert_eq!(card_number("42424", Some(caret)).0.caret, 6, "{caret}");
    }
}

#[test]
fn digits_of_other_scripts_become_ascii() {
    for (typed, expected) in [
        ("\u{664}4242|", "4424 2|"),
        ("４２４２５|", "4242 5|"),
        ("４２４２|５", "4242| 5"),
        // Two UTF-16 units each.
        ("𝟒𝟐𝟒|𝟐𝟓", "424|2 5"),
        ("\u{202d}4242\u{200b}5|\u{202c}", "4242 5|"),
    ] {
        assert_eq!(shown_number(typed), expected, "{typed}");
    }
    // A caret inside a character is not after it.
    assert_eq!(card_number("𝟒𝟐", Some(3)).0.caret, 1);
    for (typed, expected) in [
        ("１２３|", "12 / 3|"),
        ("٠٣/٢|٩", "03 / 2|9"),
        ("５|", "05|"),
        ("１／|", "01|"),
        ("1月|", "01|"),
    ] {
        assert_eq!(shown_expiry(typed), expected, "{typed}");
    }
    assert_eq!(shown(&security_code("１２３４", None, "４２４２")), "123|");
    assert_eq!(shown(&security_code("१२३४", None, "３７８２")), "1234|");
}

#[test]
fn an_expiry_is_a_month_and_a_year() {
    for (typed, expected) in [
        ("|", "|"),
        ("1|", "1|"),
        ("5|", "05|"),
        ("12|", "12|"),
        ("123|", "12 / 3|"),
        ("12 / |", "12|"),
        ("1/|", "01|"),
        ("1/30|", "01 / 30|"),
        ("12/30|", "12 / 30|"),
        ("12/2030|", "12 / 2030|"),
        ("12 / 305|", "12 / 30|"),
        ("1|2 / 30", "1|2 / 30"),
        ("052030|", "05 / 2030|"),
        ("1 / 30|", "01 / 30|"),
        ("1 / 2030|", "01 / 2030|"),
        ("1| / 30", "01| / 30"),
        ("|1 / 30", "|01 / 30"),
        ("5205020|", "05 / 2050|"),
        ("1 x/ 3|", "13|"),
        ("12 / 203|", "12 / 203|"),
        ("0/|", "0|"),
    ] {
        assert_eq!(shown_expiry(typed), expected, "{typed}");
    }
}

#[test]
fn a_whole_date_in_another_form_becomes_month_and_year() {
    for (text, expected) in [
        ("2029-03|", "03 / 29|"),
        ("|2029-03", "03 / 29|"),
        ("2029/3|", "03 / 29|"),
        ("202903|", "03 / 29|"),
        ("2029-03-31|", "03 / 29|"),
        ("2029 03|", "03 / 29|"),
        ("2029年3月|", "03 / 29|"),
        ("29/03|", "03 / 29|"),
        ("1 2030|", "01 / 30|"),
        ("12 2030|", "12 / 2030|"),
        ("1 30|", "01 / 30|"),
        ("01 30|", "01 / 30|"),
        // Not a date, or not yet.
        ("2029-|", "02 / 02|"),
        ("2029-13|", "02 / 02|"),
    ] {
        assert_eq!(shown_expiry(text), expected, "{text}");
    }
    for (month, year) in (1..=12).flat_map(|month| (2014..2100).map(move |year| (month, year))) {
        let read = |text: String| {
            let formatted = expiry(&text, None);
            assert_eq!(
                Expiry::parse(formatted.text.expose()),
                Expiry::new(month, year),
                "{text}"
            );
            assert_eq!(formatted.caret, formatted.text.expose().len(), "{text}");
        };
        let short = year % 100;
        for text in [
            format!("{month}/{short}"),
            format!("{month:02} - {short}"),
            format!("{month}.{year}"),
            format!("{month} {year}"),
            format!("{month:02}{short}"),
            format!("{month:02}{year}"),
            format!("{year}{month:02}"),
            format!("{year}-{month:02}"),
            format!("{year}/{month}"),
            format!("{year}-{month:02}-28"),
            format!("{year} {month}"),
            format!("{year}年{month}月"),
        ] {
            read(text);
        }
        // 13 to 19 could also be the start of typed digits.
        if short > 19 {
            read(format!("{short}/{month:02}"));
        }
    }
}

#[test]
fn a_security_code_is_as_long_as_its_brand_has_it() {
    for (number, expected) in [
        ("4242", "123|"),
        ("3782", "1234|"),
        ("3", "1234|"),
        ("", "1234|"),
        ("37 82", "1234|"),
        ("7", "1234|"),
    ] {
        assert_eq!(
            shown(&security_code("1 2345", Some(6), number)),
            expected,
            "{number}"
        );
    }
    assert_eq!(shown(&security_code("1 2345", Some(2), "4242")), "1|23");
}

#[test]
fn typing_a_date_shows_it_digit_by_digit() {
    for (keys, shows) in [
        ("1230", &["1", "12", "12 / 3", "12 / 30"][..]),
        (
            "122030",
            &["1", "12", "12 / 2", "12 / 20", "12 / 203", "12 / 2030"],
        ),
        ("530", &["05", "05 / 3", "05 / 30"]),
        ("1/30", &["1", "01", "01 / 3", "01 / 30"]),
        (
            "01/2030",
            &["0", "01", "01", "01 / 2", "01 / 20", "01 / 203", "01 / 2030"],
        ),
        ("12 / 30", &["1", "12", "12", "12", "12", "12 / 3", "12 / 30"]),
    ] {
        let mut text = String::new();
        for (key, show) in keys.chars().zip(shows) {
            text.push(key);
            let formatted = expiry(&text, Some(text.len()));
            assert_eq!(shown(&formatted), format!("{show}|"), "{keys} {key}");
            text = formatted.text.expose().into();
        }
    }
}

/// Everything that can be in an expiry field after typing digits, separators and backspaces anywhere.
fn reachable() -> Vec<(String, usize)> {
    let mut states = vec![(String::new(), 0)];
    let mut seen: std::collections::HashSet<_> = states.iter().cloned().collect();
    let mut at = 0;
    while let Some((text, caret)) = states.get(at).cloned() {
        at += 1;
        // The caret can be anywhere.
        let mut next: Vec<_> = (0..=text.len()).map(|caret| (text.clone(), caret)).collect();
        for (text, caret) in keystrokes(&text, caret) {
            let formatted = expiry(&text, Some(caret));
            next.push((formatted.text.expose().into(), formatted.caret));
        }
        states.extend(next.into_iter().filter(|state| seen.insert(state.clone())));
    }
    states
}

/// The text after one key: a digit, a separator, backspace or delete.
fn keystrokes(text: &str, caret: usize) -> Vec<(String, usize)> {
    let (before, after) = text.split_at(caret);
    let mut texts: Vec<_> = "0123/ -"
        .chars()
        .map(|key| (format!("{before}{key}{after}"), caret + 1))
        .collect();
    if caret > 0 {
        texts.push((format!("{}{after}", &before[..caret - 1]), caret - 1));
    }
    if !after.is_empty() {
        texts.push((format!("{before}{}", &after[1..]), caret));
    }
    texts
}

#[test]
fn no_single_key_turns_a_date_round() {
    let states = reachable();
    assert!(states.len() > 2_000, "{}", states.len());
    for (text, caret) in &states {
        for (text, caret) in keystrokes(text, *caret) {
            assert_eq!(
                expiry(&text, Some(caret)),
                expiry_as_typed(&text, Some(caret)),
                "{text} {caret}"
            );
        }
    }
}

#[test]
fn backspace_always_gets_to_the_beginning() {
    for (start, at) in reachable() {
        let (mut text, mut caret, mut presses) = (start.clone(), at, 0);
        while caret > 0 {
            text.remove(caret - 1);
            let formatted = expiry(&text, Some(caret - 1));
            (text, caret) = (formatted.text.expose().into(), formatted.caret);
            presses += 1;
            assert!(presses <= 12, "{start} {at}");
        }
        assert!(at < start.len() || text.is_empty(), "{start}: {text}");
    }
    let number = "4242 4242 4242 4242 424";
    for at in 0..=number.len() {
        let (mut text, mut caret) = (number.to_owned(), at);
        while caret > 0 {
            text.remove(caret - 1);
            let formatted = card_number(&text, Some(caret - 1)).0;
            assert!(formatted.caret < caret, "{text}");
            (text, caret) = (formatted.text.expose().into(), formatted.caret);
        }
    }
}

#[test]
fn nothing_formatted_can_be_printed() {
    assert!(!format!("{:?}", card_number("4242424242424242", None)).contains("4242"));
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    fn digits(text: &str) -> String {
        text.chars().filter_map(ascii_digit).collect()
    }

    /// The digits before a caret.
    fn before(text: &str, caret: usize) -> usize {
        let mut at = 0;
        let is_before = |c: &char| {
            at += c.len_utf16();
            at <= caret
        };
        text.chars().take_while(is_before).filter_map(ascii_digit).count()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_number_keeps_its_digits_and_stays_once_formatted(
            text in "[0-9 x\\-\u{ff10}-\u{ff19}\u{660}-\u{669}\u{1d7ce}-\u{1d7ff}\u{200b}\u{1f600}]{0,30}|\\PC*", caret in 0..40_usize,
        ) {
            let (once, brands) = card_number(&text, Some(caret));
            let kept: String = digits(&text).chars().take(MOST_DIGITS).collect();
            prop_assert_eq!(digits(once.text.expose()), kept.as_str());
            prop_assert!(once.caret <= once.text.expose().len());
            prop_assert_eq!(before(once.text.expose(), once.caret), before(&text, caret).min(MOST_DIGITS));
            prop_assert_eq!(&brands, &Brand::candidates(&kept));
            prop_assert_eq!(card_number(once.text.expose(), Some(once.caret)), (once, brands));
        }

        #[test]
        fn an_expiry_stays_once_formatted(
            text in "[0-9/ .年月\u{ff10}-\u{ff19}\u{1d7ce}-\u{1d7ff}\\-]{0,12}|\\PC*", caret in 0..14_usize,
        ) {
            let once = expiry(&text, Some(caret));
            prop_assert!(once.caret <= once.text.expose().len());
            prop_assert!(once.text.expose().is_ascii());
            if once == expiry_as_typed(&text, Some(caret)) {
                // Except for a zero before the month, and digits beyond the year.
                let (shown, typed) = (digits(once.text.expose()), digits(&text));
                let unpadded = shown.strip_prefix('0').unwrap_or_default();
                let padded = !typed.starts_with(&shown);
                prop_assert!(!padded || !unpadded.is_empty() && typed.starts_with(unpadded));
                let behind = before(&text, caret);
                let expected = (behind + usize::from(padded && behind > 0)).min(shown.len());
                prop_assert_eq!(before(once.text.expose(), once.caret), expected);
            }
            prop_assert_eq!(expiry(once.text.expose(), Some(once.caret)), once);
        }

        #[test]
        fn a_security_code_keeps_its_digits(text in "[0-9 \u{ff10}-\u{ff19}]{0,8}|\\PC*", caret in 0..9_usize, number in "[0-9]{0,4}") {
            let once = security_code(&text, Some(caret), &number);
            let kept: String = digits(&text).chars().take(once.text.expose().len()).collect();
            prop_assert_eq!(once.text.expose(), kept.as_str());
            prop_assert_eq!(once.caret, before(&text, caret).min(kept.len()));
            prop_assert_eq!(security_code(once.text.expose(), Some(once.caret), &number), once);
        }
    }
}
