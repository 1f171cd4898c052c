//! The only place that asks for random bytes, and the seam at which tests give their own.

use crate::error::{Code, Result};

/// A source of random bytes. It fails, and never falls back to something weaker.
pub trait Random {
    /// Fills `bytes`, or fails.
    ///
    /// # Errors
    /// `random_unavailable` if the source is missing or failed.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()>;
}

/// The system's secure source: `crypto.getRandomValues` in a browser, the operating system elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        getrandom::fill(bytes).map_err(|_| Code::RandomUnavailable.into())
    }
}
