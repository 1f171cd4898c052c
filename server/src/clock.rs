//! The clock and the text form of a time. Tests can move the clock.

use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};

/// A wall clock and a steady clock that never goes back, each with the offset that a test has set.
#[derive(Clone)]
pub struct Clock(Arc<Times>);

struct Times {
    /// The wall clock when the process started.
    started_at: i64,
    started: Instant,
    wall: AtomicI64,
    steady: AtomicI64,
}

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(Times {
            started_at: wall(),
            started: Instant::now(),
            wall: AtomicI64::new(0),
            steady: AtomicI64::new(0),
        }))
    }
}

fn wall() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

impl Clock {
    /// Milliseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        wall().saturating_add(self.0.wall.load(Ordering::Relaxed))
    }

    /// Milliseconds on a clock that equals the wall clock at the start and never goes back.
    #[must_use]
    pub fn steady(&self) -> i64 {
        let passed = i64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.0
            .started_at
            .saturating_add(passed)
            .saturating_add(self.0.steady.load(Ordering::Relaxed))
    }

    /// Moves both clocks forward. A negative number moves only the wall clock back.
    pub fn advance(&self, seconds: i64) {
        let millis = seconds.saturating_mul(1000);
        self.0.wall.fetch_add(millis, Ordering::Relaxed);
        self.0.steady.fetch_add(millis.max(0), Ordering::Relaxed);
    }
}

/// Formats milliseconds since 1970 as RFC 3339 in UTC.
#[must_use]
pub fn rfc3339(millis: i64) -> String {
    const MILLISECONDS: TimePrecision = TimePrecision::Second {
        decimal_digits: NonZeroU8::new(3),
    };
    const FORMAT: EncodedConfig = Config::DEFAULT.set_time_precision(MILLISECONDS).encode();
    // RFC 3339 ends with the year 9999.
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .ok()
        .and_then(|time| time.format(&Iso8601::<FORMAT>).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_rfc_3339() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(millis), text);
        }
    }

    #[test]
    fn can_be_put_forward() {
        let clock = Clock::default();
        let before = clock.now();
        clock.clone().advance(1801);
        assert!(clock.now() - before >= 1_801_000);
    }

    #[test]
    fn can_be_put_back_and_what_has_passed_stays() {
        let clock = Clock::default();
        let (before, steady) = (clock.now(), clock.steady());
        clock.advance(-86_400);
        assert!(clock.now() < before);
        assert!(clock.steady() >= steady);
    }
}
