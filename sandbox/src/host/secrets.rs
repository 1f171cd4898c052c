//! Where the credentials of the simulated platforms come from.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::{Builder, Uuid};

use super::random;
use crate::StartError;

/// Credentials of one platform: new at every start, or the same for the same seed. Never a source for anything else, such
/// as ids, which must not come twice.
#[derive(Clone, Copy)]
pub(crate) struct Secrets {
    platform: &'static str,
    seed: Option<[u8; 32]>,
}

impl Secrets {
    pub(crate) const fn new(platform: &'static str, seed: Option<[u8; 32]>) -> Self {
        Self { platform, seed }
    }

    /// 32 bytes for what is called `name`.
    pub(crate) fn bytes(&self, name: &str) -> Result<[u8; 32], StartError> {
        let Some(seed) = &self.seed else {
            return random();
        };
        let mut mac = Hmac::<Sha256>::new_from_slice(seed).map_err(|_| StartError::Random)?;
        mac.update(self.platform.as_bytes());
        mac.update(&[0]);
        mac.update(name.as_bytes());
        Ok(mac.finalize().into_bytes().into())
    }

    pub(crate) fn uuid(&self, name: &str) -> Result<Uuid, StartError> {
        let [first, _] = self.halves(name)?;
        Ok(Builder::from_random_bytes(first).into_uuid())
    }

    /// 32 hexadecimal digits.
    pub(crate) fn hex(&self, name: &str) -> Result<String, StartError> {
        let [first, _] = self.halves(name)?;
        Ok(hex::encode(first))
    }

    fn halves(&self, name: &str) -> Result<[[u8; 16]; 2], StartError> {
        let bytes = self.bytes(name)?;
        let (halves, _) = bytes.as_chunks::<16>();
        <[[u8; 16]; 2]>::try_from(halves).map_err(|_| StartError::Random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_each_platform_and_name_its_own_secret_every_time() {
        let of = |platform, seed, name| Secrets::new(platform, seed).bytes(name).unwrap();
        let seed = Some([7; 32]);
        assert_eq!(of("a", seed, "key"), of("a", seed, "key"));
        for other in [
            of("b", seed, "key"),
            of("a", seed, "other"),
            of("a", Some([8; 32]), "key"),
            of("a", None, "key"),
            // The border between platform and name counts.
            of("ak", seed, "ey"),
        ] {
            assert_ne!(other, of("a", seed, "key"));
        }
        assert_ne!(of("a", None, "key"), of("a", None, "key"));
    }
}
