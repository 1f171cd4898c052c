//! What can be wrong whatever the platform is: the configuration, and the page's way to the server.

use cardseal::platform::Platform;

use serde_json::Value;

use super::{Cause, Checks, Evidence, causes};
use crate::capture::Exchange;

causes! {
    CONFIG_MISTAKE = "config.mistake",
        "The configuration has a mistake.",
        "the configuration: --config",
        "Correct the setting; `cardseal-server check` reads the whole file.";
    ORIGIN_NOT_ALLOWED = "server.origin_not_allowed",
        "The page's origin is not in allowed_origins, so the browser keeps the server's answer from the page.",
        "the configuration and a request of the page with its Origin",
        "Add the origin to server.allowed_origins exactly as the browser sends it: scheme, host and port, no path and no slash at the end.";
}

pub(super) fn check(evidence: &Evidence, platform: Option<Platform>, checks: &mut Checks) {
    let Some(config) = &evidence.config else { return };
    let ours: Vec<_> = config
        .mistakes
        .iter()
        .filter(|mistake| {
            let of = |id: &str| mistake.key.starts_with(&format!("platforms.{id}"));
            platform
                .is_none_or(|platform| of(platform.id()) || !Platform::ALL.iter().any(|other| of(other.id())))
        })
        .collect();
    for mistake in &ours {
        checks.fail(&CONFIG_MISTAKE, format!("{} {}", mistake.key, mistake.message));
    }
    if ours.is_empty() {
        checks.pass(&[&CONFIG_MISTAKE], "the platform's settings can be read");
    }
    let origin = evidence.subject().and_then(|subject| subject.header("origin"));
    let (Some(origin), Some(allowed)) = (origin, config.allowed_origins()) else {
        return;
    };
    // A page that calls the platform itself does not need the server's permission.
    let path = evidence
        .subject()
        .map(|subject| subject.target().to_owned())
        .unwrap_or_default();
    if !path.contains("/v1/tokens") && !path.contains("/v1/payments") && !path.contains("/v1/sessions") {
        return;
    }
    let listed = allowed.iter().any(|allowed| allowed == origin);
    let near = allowed
        .iter()
        .any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin));
    checks.decide(
        &ORIGIN_NOT_ALLOWED,
        !listed,
        match (listed, near) {
            (true, _) => "the request's Origin is in allowed_origins",
            (false, true) => "allowed_origins has the request's Origin in another spelling",
            (false, false) => "the request's Origin is not in allowed_origins",
        },
    );
}

/// The access token of a request, or nothing.
pub(crate) fn bearer(subject: &Exchange) -> &str {
    subject
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default()
}

/// The earlier exchanges whose answers have an access token in this member, with these answers.
pub(crate) fn grants<'e>(evidence: &'e Evidence, member: &str) -> Vec<(&'e Exchange, Value)> {
    let answers = evidence.before().filter_map(|exchange| {
        let answer = exchange.answer.as_ref()?.json()?;
        answer.get(member)?.as_str()?;
        Some((exchange, answer))
    });
    answers.collect()
}

/// Says how old an access token was, if that is known.
pub(crate) fn lifetime(
    (grant, answer): (&Exchange, &Value),
    member: &str,
    subject: &Exchange,
    expired: &'static Cause,
    checks: &mut Checks,
) {
    let lifetime = answer.get(member).and_then(Value::as_i64);
    if let (Some(from), Some(at), Some(lifetime)) = (grant.at, subject.at, lifetime) {
        let age = (at - from).whole_seconds();
        checks.decide(
            expired,
            age >= lifetime,
            format!("the access token was {age} seconds old, of {lifetime}"),
        );
    } else {
        checks.unknown(
            &[expired],
            "when the access token was fetched and used is not known",
        );
    }
}

/// Which earlier exchange gave the access token of a request, and whether the token had run out. `mixed` is what cannot be
/// known without that exchange.
pub(crate) fn grant<'e>(
    evidence: &'e Evidence,
    subject: &Exchange,
    [unknown, expired, mixed]: [&'static Cause; 3],
    checks: &mut Checks,
) -> Option<&'e Exchange> {
    let bearer = bearer(subject);
    let grants = grants(evidence, "access_token");
    let own = grants.iter().find(|(_, answer)| {
        !bearer.is_empty() && answer.get("access_token").and_then(Value::as_str) == Some(bearer)
    });
    let Some((grant, answer)) = own else {
        if grants.is_empty() && !bearer.is_empty() {
            checks.unknown(
                &[unknown, expired, mixed],
                "how the access token was fetched is not known",
            );
        } else if !subject.headers.is_empty() {
            checks.fail(unknown, "no answer that is known gave this access token");
        }
        return None;
    };
    checks.pass(&[unknown], "the platform gave this access token");
    lifetime((grant, answer), "expires_in", subject, expired, checks);
    Some(*grant)
}
