//! UUIDs in a form that a database reads.

/// Whether a text is a UUID, with or without dashes.
pub(crate) fn is_uuid(text: &str) -> bool {
    let digits = text.bytes().filter(|byte| *byte != b'-').count();
    let dashes_right = text.len() == 32
        || text.len() == 36
            && [8, 13, 18, 23]
                .iter()
                .all(|at| text.as_bytes().get(*at) == Some(&b'-'));
    digits == 32 && dashes_right && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}
