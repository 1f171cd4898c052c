//! Random bytes. Everything else gets them from here, and tests replace the source.

use rsa::rand_core::{TryCryptoRng, TryRng};

use crate::error::{Code, Error, Result};

/// A source of random bytes. It fails rather than fall back to something weaker.
pub trait Random {
    /// Fills `bytes`, or fails.
    ///
    /// # Errors
    /// `random_unavailable` if the source is missing or failed.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()>;
}

/// A working source returns this many zero bytes in a row once in 2^64 draws.
const ZEROS: usize = 8;

/// The system's secure source: `crypto.getRandomValues` in a browser, the operating system elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        bytes.fill(0);
        getrandom::fill(bytes).map_err(|_| Code::RandomUnavailable)?;
        // Detects a replaced source that fills nothing, or only a part.
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

/// Adapts a source for the `rsa` crate.
///
/// The crate draws each padding byte until it is not zero. A broken source that returns only zeros would keep it busy
/// forever, so it fails here.
pub(crate) struct Source<'a> {
    random: &'a mut dyn Random,
    zeros: usize,
}

impl<'a> Source<'a> {
    pub(crate) const fn new(random: &'a mut dyn Random) -> Self {
        Self { random, zeros: 0 }
    }
}

/// A working source returns this many zero bytes in a row once in 2^128 draws.
const MOST_ZEROS: usize = 16;

impl TryRng for Source<'_> {
    type Error = Error;

    fn try_next_u32(&mut self) -> Result<u32> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.random.fill(bytes)?;
        self.zeros = match bytes {
            [0] => self.zeros + 1,
            _ => 0,
        };
        if self.zeros > MOST_ZEROS {
            return Err(Code::RandomUnavailable.into());
        }
        Ok(())
    }
}

impl TryCryptoRng for Source<'_> {}
