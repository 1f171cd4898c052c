//! The file of `--state`: what the keys and credentials are made of.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use cardseal_sandbox::{SandboxOptions, greenpay};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    /// 32 bytes in hexadecimal digits.
    seed: String,
    /// In PEM.
    greenpay_private_key: String,
}

/// Sets what the file says, or makes the file.
pub(crate) fn read_or_make(file: &Path, options: &mut SandboxOptions) -> Result<(), String> {
    let about = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let saved: Saved = match fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| about(&error))?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let saved = make(options.key_bits)?;
            write(file, &saved).map_err(|error| about(&error))?;
            saved
        }
        Err(error) => return Err(about(&error)),
    };
    let mut seed = [0; 32];
    hex::decode_to_slice(&saved.seed, &mut seed)
        .map_err(|_| about(&"`seed` is not 64 hexadecimal digits"))?;
    options.seed = Some(seed);
    options.private_key = Some(saved.greenpay_private_key);
    Ok(())
}

fn make(key_bits: usize) -> Result<Saved, String> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| "the system's random source failed")?;
    Ok(Saved {
        seed: hex::encode(seed),
        greenpay_private_key: greenpay::new_private_key(key_bits).map_err(|error| error.to_string())?,
    })
}

/// Only its owner may read it: secrets that people copy elsewhere deserve a good example.
fn write(file: &Path, saved: &Saved) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(&serde_json::to_vec_pretty(saved)?)
}
