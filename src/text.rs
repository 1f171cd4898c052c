//! Searches short texts. The standard library's search would add three kilobytes to the module.

/// Returns the text before the first `end`, an ASCII byte, or the whole text.
pub(crate) fn before(text: &str, end: u8) -> &str {
    let at = text.bytes().position(|byte| byte == end);
    at.and_then(|at| text.get(..at)).unwrap_or(text)
}

/// Returns the position of the first `part`.
fn position(text: &str, part: &str) -> Option<usize> {
    let begins = |at: &usize| {
        text.as_bytes()
            .get(*at..)
            .is_some_and(|rest| rest.starts_with(part.as_bytes()))
    };
    (0..text.len()).find(begins)
}

/// Whether the text contains `part`.
pub(crate) fn contains(text: &str, part: &str) -> bool {
    position(text, part).is_some()
}

/// Splits a text at the first `mark`.
pub(crate) fn split_once<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let (before, rest) = text.split_at_checked(position(text, mark)?)?;
    Some((before, rest.strip_prefix(mark)?))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn finds_what_the_standard_library_finds() {
        for text in ["", "-", "a--b--c", "é--ü", "--", "a-b", "---", "日--本"] {
            for mark in ["-", "--", "b", "ü"] {
                assert_eq!(split_once(text, mark), text.split_once(mark), "{text} {mark}");
                assert_eq!(contains(text, mark), text.contains(mark), "{text} {mark}");
            }
            assert_eq!(Some(before(text, b'-')), text.split('-').next(), "{text}");
        }
    }
}
