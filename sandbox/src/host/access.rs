//! Access tokens that a platform has issued.

use std::collections::HashMap;

use time::{Duration, OffsetDateTime};

/// Tokens by their text, each with what it may do until it expires.
pub(crate) struct AccessTokens<T>(HashMap<String, (T, OffsetDateTime)>);

impl<T> Default for AccessTokens<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> AccessTokens<T> {
    pub(crate) fn add(&mut self, token: String, access: T, now: OffsetDateTime, seconds: u32) {
        let expires_at = now + Duration::seconds(seconds.into());
        self.0.insert(token, (access, expires_at));
    }

    /// What a token may do. `None` if it is unknown or has expired.
    pub(crate) fn get(&self, token: Option<&str>, now: OffsetDateTime) -> Option<&T> {
        let (access, expires_at) = self.0.get(token?)?;
        (now < *expires_at).then_some(access)
    }

    /// Expires all tokens, and returns how many there were.
    pub(crate) fn expire(&mut self) -> usize {
        std::mem::take(&mut self.0).len()
    }
}
