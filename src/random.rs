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

/// So many zeros in a row are no chance: of a true source they would be seen never.
const ZEROS: usize = 8;

/// The system's secure source: `crypto.getRandomValues` in a browser, the operating system elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        bytes.fill(0);
        getrandom::fill(bytes).map_err(|_| Code::RandomUnavailable)?;
        // A source that was replaced by something that fills nothing, or not all.
        let mut zeros = 0;
        for byte in bytes {
            zeros = if *byte == 0 { zeros + 1 } else { 0 };
            if zeros == ZEROS {
                return Err(Code::RandomUnavailable.into());
            }
        }
        Ok(())
    }
}
