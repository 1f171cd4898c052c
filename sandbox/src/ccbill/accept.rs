//! Which version of the answer a client asks for: `Accept` is a list with weights (RFC 9110, 12.5.1).

use super::VERSIONS;

/// The version to answer with; nothing if the client takes none. The highest weight wins, then the order in the
/// list. A range that names no version of its own (`*/*`, `application/*`, or no header at all) gets `default`.
pub(super) fn version<'a>(headers: impl Iterator<Item = &'a str>, default: u8) -> Option<u8> {
    let mut best: Option<(f32, u8)> = None;
    let mut empty = true;
    for item in headers
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        empty = false;
        let mut parts = item.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let named = |name: &str| range.eq_ignore_ascii_case(name);
        let version = match VERSIONS.iter().find(|(name, _)| named(name)) {
            Some((_, version)) => *version,
            None if named("*/*") || named("application/*") => default,
            None => continue,
        };
        let weight = parts
            .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
            .map_or(1.0, |text| text.trim().parse::<f32>().unwrap_or(0.0));
        if weight > best.map_or(0.0, |(other, _)| other) {
            best = Some((weight, version));
        }
    }
    if empty {
        return Some(default);
    }
    best.map(|(_, version)| version)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "application/vnd.mcn.transaction-service.api.v.1+json";
    const V2: &str = "application/vnd.mcn.transaction-service.api.v.2+json";

    #[test]
    fn reads_lists_and_weights() {
        for (header, expected) in [
            (String::new(), Some(1)),
            ("*/*".into(), Some(1)),
            (V2.into(), Some(2)),
            (V2.to_uppercase(), Some(2)),
            // What axios sends.
            ("application/json, text/plain, */*".into(), Some(1)),
            // And Java's HttpURLConnection.
            (
                "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2".into(),
                Some(1),
            ),
            (format!("{V2}, */*;q=0.8"), Some(2)),
            (format!("*/*;q=0.8,{V2}"), Some(2)),
            (format!("{V1};q=0.5, {V2};q=0.9"), Some(2)),
            (format!("{V2};q=0.5, application/*"), Some(1)),
            (format!("{V2};charset=utf-8;q=1"), Some(2)),
            (format!("{V2};q=0, {V1}"), Some(1)),
            (format!("{V2};q=0"), None),
            ("text/html".into(), None),
            ("*/*;q=0".into(), None),
        ] {
            assert_eq!(version([header.as_str()].into_iter(), 1), expected, "{header}");
        }
        assert_eq!(version(std::iter::empty(), 2), Some(2));
        assert_eq!(version(["text/html", V2].into_iter(), 1), Some(2));
    }
}
