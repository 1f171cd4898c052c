//! Sends what the outbox holds to the merchant's server, signed, and decides when it is sent again.
//!
//! An event counts as delivered when the answer's status is 2xx. Anything else is a failure: another status, a redirect,
//! no whole answer in time. It is sent again after growing pauses, for days, and then given up. Who receives events may
//! get one twice, and drops what it knows by its id.

use std::time::Duration;

use cardseal::http::Request;
use cardseal_gateways::Settings;
use cardseal_gateways::transport::{self, Timeouts, Transport, Unusable};
use cardseal_webhooks::{ID, Message, SIGNATURE, Secret, TIMESTAMP};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::store::{Attempted, LONGEST_EVENT_PAUSE_MS, StoredEvent};

/// `[events]`.
#[derive(Clone, Debug)]
pub struct Events {
    /// Where events are sent.
    pub url: String,
    /// What they are signed with: the newest secret first.
    pub secrets: Vec<Secret>,
    /// How long the merchant's server may take.
    pub timeout: Duration,
    /// How many are sent at once.
    pub concurrency: u32,
    /// How many may wait before new payments are refused.
    pub max_pending: u32,
    /// The pause after the first failure. Each is four times as long as the one before, up to six hours.
    pub first_pause: Duration,
    /// How long an event is sent again before it is given up.
    pub give_up: Duration,
}

impl Events {
    /// Reads the section, if there is one.
    pub(crate) fn read(table: &Settings<'_>) -> Option<Self> {
        if !table.exists() {
            return None;
        }
        let url = table.text("url");
        let url = match Url::parse(&url) {
            _ if url.is_empty() => None,
            Ok(parsed) if parsed.scheme() == "https" && !transport::TLS => {
                table.mistake("url", transport::NO_TLS);
                None
            }
            Ok(parsed) if is_safe(&parsed) => Some(url),
            Ok(_) | Err(_) => {
                table.mistake(
                    "url",
                    "must be an https address such as https://shop.example/events, or http on this machine",
                );
                None
            }
        };
        let several = table.list("secrets");
        let (name, texts) = if several.is_empty() {
            let text = table.secret("secret");
            let texts: Vec<SecretString> = text.expose_secret().split_whitespace().map(Into::into).collect();
            ("secret", texts)
        } else {
            if table.optional_secret("secret").is_some() {
                table.mistake("secrets", "cannot stand beside `secret`: put all of them here");
            }
            ("secrets", several.into_iter().map(Into::into).collect())
        };
        let secrets = texts.iter().filter_map(|text| {
            let secret = Secret::parse(text.expose_secret());
            if secret.is_err() {
                table.mistake(
                    name,
                    "must be whsec_ and 24 to 64 bytes as base64; `cardseal-server --generate-event-secret` prints one",
                );
            }
            secret.ok()
        });
        let secrets: Vec<Secret> = secrets.collect();
        let small =
            |key, default, range| u32::try_from(table.integer(key, default, &range)).unwrap_or(u32::MAX);
        let events = Self {
            timeout: Duration::from_millis(table.integer("timeout_ms", 10_000, &(100..=60_000))),
            concurrency: small("concurrency", 8, 1..=256),
            max_pending: small("max_pending", 100_000, 1..=10_000_000),
            first_pause: Duration::from_millis(table.integer("first_pause_ms", 5000, &(10..=600_000))),
            give_up: Duration::from_secs(table.integer("give_up_days", 3, &(1..=30)) * 24 * 60 * 60),
            secrets,
            url: url.unwrap_or_default(),
        };
        table.finish();
        Some(events)
    }

    /// How long an event that was taken is left alone, in case whoever took it has gone.
    pub(crate) fn lease(&self) -> Duration {
        self.timeout + Duration::from_secs(2)
    }

    /// The client that sends.
    pub(crate) fn transport(&self) -> Result<Transport, Unusable> {
        let timeouts = Timeouts {
            connect: self.timeout.min(Duration::from_secs(5)),
            request: self.timeout,
        };
        Transport::pooled(timeouts, usize::try_from(self.concurrency).unwrap_or(1))
    }

    /// Sends an event once. `now` is the wall clock, `steady` the steady one.
    pub(crate) async fn send(
        &self,
        transport: &Transport,
        event: &StoredEvent,
        now: i64,
        steady: i64,
    ) -> Attempted {
        let problem = match transport.send(self.request(event, now)).await {
            Ok(answer) if (200..300).contains(&answer.status) => return Attempted::Delivered,
            Ok(answer) => format!("status {}", answer.status),
            Err(failure) => failure.as_str().to_owned(),
        };
        match self.pause(event.attempts) {
            Some(pause) => Attempted::Postponed {
                at: steady.saturating_add(spread(pause)),
                problem,
            },
            None => Attempted::GivenUp { problem },
        }
    }

    fn request(&self, event: &StoredEvent, now: i64) -> Request {
        let timestamp = now.div_euclid(1000).to_string();
        let message = Message {
            id: event.id.as_str(),
            timestamp: &timestamp,
            body: event.body.as_bytes(),
        };
        let signature = cardseal_webhooks::sign(&self.secrets, &message);
        Request {
            method: "POST",
            url: self.url.clone(),
            headers: vec![
                ("content-type", "application/json".into()),
                (
                    "user-agent",
                    concat!("cardseal-server/", env!("CARGO_PKG_VERSION")).into(),
                ),
                (ID, event.id.to_string()),
                (SIGNATURE, signature),
                (TIMESTAMP, timestamp),
            ],
            body: event.body.clone(),
        }
    }

    /// The pause after so many attempts, in milliseconds. `None` when the pauses so far make up the whole time.
    fn pause(&self, attempts: u32) -> Option<i64> {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let (mut pause, mut sum) = (millis(self.first_pause), 0_i64);
        for _ in 1..attempts.max(1) {
            sum = sum.saturating_add(pause);
            pause = pause.saturating_mul(4).min(LONGEST_EVENT_PAUSE_MS);
        }
        (sum < millis(self.give_up)).then_some(pause)
    }
}

/// A little less than the pause, so that events that failed together do not come together again.
fn spread(pause: i64) -> i64 {
    let random = i64::try_from(uuid::Uuid::new_v4().as_u128() % 100).unwrap_or_default();
    pause - pause * random / 1000
}

/// Whether nobody on the way can read what is sent there.
fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && transport::is_loopback(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(first_pause: Duration, give_up: Duration) -> Events {
        Events {
            url: "https://shop.example/".into(),
            secrets: Vec::new(),
            timeout: Duration::from_secs(1),
            concurrency: 1,
            max_pending: 1,
            first_pause,
            give_up,
        }
    }

    #[test]
    fn pauses_grow_to_six_hours_and_end_after_the_days() {
        const DAY: i64 = 24 * 60 * 60_000;
        let events = events(Duration::from_secs(5), Duration::from_secs(3 * 24 * 60 * 60));
        let pauses: Vec<i64> = (1..).map_while(|attempts| events.pause(attempts)).collect();
        assert_eq!(pauses[..4], [5000, 20_000, 80_000, 320_000]);
        assert_eq!(pauses.iter().max(), Some(&LONGEST_EVENT_PAUSE_MS));
        assert!(pauses.is_sorted());
        let sum: i64 = pauses.iter().sum();
        assert!(
            (3 * DAY..3 * DAY + LONGEST_EVENT_PAUSE_MS).contains(&sum),
            "{sum}"
        );
        for pause in pauses {
            let spread = spread(pause);
            assert!(spread <= pause && spread * 10 >= pause * 9, "{pause} {spread}");
        }
    }

    #[test]
    fn events_leave_this_machine_encrypted_or_not_at_all() {
        for (url, safe) in [
            ("https://shop.example/events?source=cardseal", true),
            ("http://127.0.0.1:9/events", true),
            ("http://[::1]:9/", true),
            ("http://localhost/", true),
            ("http://shop.example/events", false),
            ("http://127.0.0.1.example/", false),
            ("ftp://shop.example/", false),
        ] {
            assert_eq!(is_safe(&Url::parse(url).unwrap()), safe, "{url}");
        }
    }
}
