//! The sandbox's clock: the system's, moved forward on request, so that nothing has to wait for an expiry.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// A clock that all parts of one sandbox share. Clones tell the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The time, to the millisecond.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        let ahead = time::Duration::milliseconds(self.ahead_ms.load(Ordering::SeqCst));
        let now = OffsetDateTime::now_utc()
            .checked_add(ahead)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        now.replace_millisecond(now.millisecond()).unwrap_or(now)
    }

    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let ahead = self
            .ahead_ms
            .load(Ordering::SeqCst)
            .saturating_add(by)
            .min(MAX_AHEAD_MS);
        self.ahead_ms.store(ahead, Ordering::SeqCst);
    }

    /// Returns to the system's time.
    pub fn reset(&self) {
        self.ahead_ms.store(0, Ordering::SeqCst);
    }
}

/// A century: far beyond every window, and far from the end of what a date can hold.
const MAX_AHEAD_MS: i64 = 100 * 366 * 24 * 60 * 60 * 1000;

/// The instant as RFC 3339 text in UTC.
pub(crate) fn text(instant: OffsetDateTime) -> String {
    instant
        .to_offset(UtcOffset::UTC)
        .format(&Rfc3339)
        .unwrap_or_default()
}

/// The instant in UTC without an offset, with so many decimals of its seconds.
pub(crate) fn utc(instant: OffsetDateTime, decimals: usize) -> String {
    let at = instant.to_offset(UtcOffset::UTC);
    let (date, (hour, minute, second, nanos)) = (at.date(), at.to_hms_nano());
    let fraction = format!(".{nanos:09}");
    let fraction = fraction.get(..=decimals).filter(|_| decimals > 0);
    format!(
        "{date}T{hour:02}:{minute:02}:{second:02}{}",
        fraction.unwrap_or_default()
    )
}

/// An RFC 3339 instant inside the JSON of the control API.
pub(crate) mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    pub(crate) fn serialize<S: Serializer>(
        instant: &OffsetDateTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::text(*instant))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<OffsetDateTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        OffsetDateTime::parse(&text, &Rfc3339).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advances_and_returns() {
        let clock = Clock::default();
        let before = clock.now();
        clock.clone().advance(Duration::from_secs(1801));
        let later = clock.now() - before;
        assert!(later >= time::Duration::seconds(1801) && later < time::Duration::seconds(1900));
        clock.advance(Duration::MAX);
        assert!(clock.now().year() < 2200);
        clock.reset();
        assert!(clock.now() - before < time::Duration::seconds(90));
        assert!(text(before).ends_with('Z'));
    }
}
