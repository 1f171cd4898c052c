//! The time, and its text form. Tests can put the clock forward and back.

use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};

/// The system's clock, and one that never goes back, plus what a test added.
#[derive(Clone)]
pub struct Clock(Arc<Times>);

struct Times {
    /// The wall clock's time at the start.
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

    /// The same as the process started; from then on it counts what has passed, whatever the wall clock does.
    #[must_use]
    pub fn steady(&self) -> i64 {
        let passed = i64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.0
            .started_at
            .saturating_add(passed)
            .saturating_add(self.0.steady.load(Ordering::Relaxed))
    }

    /// Lets time pass, or, if negative, puts the wall clock back.
    pub fn advance(&self, seconds: i64) {
        let millis = seconds.saturating_mul(1000);
        self.0.wall.fetch_add(millis, Ordering::Relaxed);
        self.0.steady.fetch_add(millis.max(0), Ordering::Relaxed);
    }
}

/// RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn rfc3339(millis: i64) -> String {
    const MILLISECONDS: TimePrecision = TimePrecision::Second {
        decimal_digits: NonZeroU8::new(3),
    };
    const FORMAT: EncodedConfig = Config::DEFAULT.set_time_precision(MILLISECONDS).encode();
    // What lies beyond the year 9999 has no RFC 3339 form.
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
