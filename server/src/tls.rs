//! The certificate of the TLS listener: read with the configuration, and again whenever its files change.
#![cfg_attr(
    not(feature = "tls"),
    expect(dead_code, reason = "the table is still read, and refused")
)]

use std::fmt;
use std::path::PathBuf;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cardseal_gateways::Settings;
use secrecy::ExposeSecret;

#[cfg(feature = "tls")]
pub use listener::Identity;
#[cfg(feature = "tls")]
pub(crate) use listener::Listener;

/// How often the files are compared with what is in use.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A certificate is said to expire soon in its last fifth, at most this long before its end.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// `[server.tls]`.
#[derive(Clone)]
pub struct Tls {
    /// The file with the certificate and its chain.
    certificate: PathBuf,
    /// The file with the private key, unless the key itself is given.
    key: Option<PathBuf>,
    /// What was read.
    #[cfg(feature = "tls")]
    identity: Arc<Identity>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({})", self.certificate.display())
    }
}

/// From when until when a certificate is valid, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its first second.
    pub not_before: u64,
    /// Its last second.
    pub not_after: u64,
}

impl Validity {
    fn wrong(self, now: u64) -> Option<&'static str> {
        if now > self.not_after {
            Some("has expired")
        } else if now < self.not_before {
            Some("is not valid yet; is this machine's clock right?")
        } else {
            None
        }
    }

    /// Whether it should have been renewed by now.
    #[must_use]
    pub fn expires_soon(self, now: u64) -> bool {
        let last = SOON
            .as_secs()
            .min((self.not_after - self.not_before.min(self.not_after)) / 5);
        now + last >= self.not_after
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

impl Tls {
    /// Reads the table, if there is one, with the files that it names.
    pub(crate) fn from_settings(table: &Settings<'_>) -> Option<Self> {
        if !table.exists() {
            return None;
        }
        let certificate = table.text("certificate_file");
        let secret = table.secret("key");
        let key = table.optional("key_file").map(PathBuf::from);
        table.finish();
        if certificate.is_empty() || secret.expose_secret().is_empty() {
            return None;
        }
        let certificate = PathBuf::from(certificate);
        Self::read(table, certificate, key, secret.expose_secret())
    }

    #[cfg(not(feature = "tls"))]
    fn read(table: &Settings<'_>, _: PathBuf, _: Option<PathBuf>, _: &str) -> Option<Self> {
        table.mistake(
            "certificate_file",
            "needs a server that was built with the feature `tls`: `cargo build -p cardseal-server --features tls`",
        );
        None
    }

    #[cfg(feature = "tls")]
    fn read(table: &Settings<'_>, certificate: PathBuf, key: Option<PathBuf>, secret: &str) -> Option<Self> {
        let wrong = |(key, message): (&str, &str)| table.mistake(key, message);
        let chain =
            std::fs::read(&certificate).map_err(|_| ("certificate_file", "names a file that cannot be read"));
        let identity = chain.and_then(|chain| Identity::read(&chain, secret.as_bytes()));
        let identity = identity.map_err(wrong).ok()?;
        if let Some(message) = identity.validity().wrong(now()) {
            wrong(("certificate_file", &format!("names a certificate that {message}")));
            return None;
        }
        if identity.validity().expires_soon(now()) {
            let days = (identity.validity().not_after - now()) / 86_400;
            table.warning(
                "certificate_file",
                format!("names a certificate that expires in {days} days; renew it"),
            );
        }
        Some(Self {
            certificate,
            key,
            identity: Arc::new(identity),
        })
    }
}

#[cfg(feature = "tls")]
mod listener {
    use std::io;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{PoisonError, RwLock};

    use sha2::{Digest, Sha256};
    use tokio::net::TcpStream;
    use tokio_rustls::rustls::crypto::ring::default_provider;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
    use tokio_rustls::rustls::sign::CertifiedKey;
    use tokio_rustls::rustls::{self, ServerConfig};
    use tokio_rustls::server::TlsStream;
    use tokio_rustls::{Accept, TlsAcceptor};
    use x509_cert::der::Decode;

    use super::*;

    /// A certificate with its chain and its key.
    pub struct Identity {
        key: Arc<CertifiedKey>,
        validity: Validity,
        digest: [u8; 32],
    }

    fn digest(chain: &[u8], key: &[u8]) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(Sha256::digest(chain));
        // Editors end a file with a line end.
        digest.update(Sha256::digest(key.trim_ascii_end()));
        digest.finalize().into()
    }

    impl Identity {
        /// Reads PEM. What is wrong comes with the setting that it is about.
        pub(super) fn read(chain: &[u8], key: &[u8]) -> Result<Self, (&'static str, &'static str)> {
            const NOT_A_CERTIFICATE: (&str, &str) = (
                "certificate_file",
                "names a file that holds no certificate in PEM",
            );
            let certificates: Result<Vec<CertificateDer<'static>>, _> =
                CertificateDer::pem_slice_iter(chain).collect();
            let certificates = certificates.map_err(|_| NOT_A_CERTIFICATE)?;
            let first = certificates.first().ok_or(NOT_A_CERTIFICATE)?;
            let read = x509_cert::Certificate::from_der(first).map_err(|_| NOT_A_CERTIFICATE)?;
            let validity = read.tbs_certificate().validity();
            let validity = Validity {
                not_before: validity.not_before.to_unix_duration().as_secs(),
                not_after: validity.not_after.to_unix_duration().as_secs(),
            };
            let digest = digest(chain, key);
            let key =
                PrivateKeyDer::from_pem_slice(key).map_err(|_| ("key", "holds no private key in PEM"))?;
            let key = default_provider()
                .key_provider
                .load_private_key(key)
                .map_err(|_| ("key", "holds a private key of a kind that TLS does not use"))?;
            let certified = CertifiedKey::new(certificates, key);
            match certified.keys_match() {
                Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                    Ok(Self {
                        key: Arc::new(certified),
                        validity,
                        digest,
                    })
                }
                Err(_) => Err(("key", "is not the private key of the certificate")),
            }
        }

        /// When it is valid.
        #[must_use]
        pub const fn validity(&self) -> Validity {
            self.validity
        }
    }

    /// Gives each handshake the certificate of that moment.
    struct Current(RwLock<Arc<Identity>>);

    impl Current {
        fn get(&self) -> Arc<Identity> {
            Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
        }
    }

    impl fmt::Debug for Current {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Current")
        }
    }

    impl ResolvesServerCert for Current {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.get().key))
        }
    }

    /// What speaks TLS with new connections.
    pub(crate) struct Listener {
        current: Arc<Current>,
        acceptor: TlsAcceptor,
        failed: AtomicU64,
    }

    impl Listener {
        /// With the certificate that was read.
        pub(crate) fn new(tls: &Tls) -> Result<Arc<Self>, rustls::Error> {
            let current = Arc::new(Current(RwLock::new(Arc::clone(&tls.identity))));
            let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Ok(Arc::new(Self {
                current,
                acceptor: TlsAcceptor::from(Arc::new(config)),
                failed: AtomicU64::new(0),
            }))
        }

        pub(crate) fn accept(&self, stream: TcpStream) -> Accept<TcpStream> {
            self.acceptor.accept(stream)
        }

        /// Takes what was read with a configuration.
        pub(crate) fn install(&self, tls: &Tls) {
            self.put(Arc::clone(&tls.identity));
        }

        fn put(&self, identity: Arc<Identity>) {
            let mut current = self.current.0.write().unwrap_or_else(PoisonError::into_inner);
            *current = identity;
        }

        /// When the certificate in use is valid.
        pub(crate) fn validity(&self) -> Validity {
            self.current.get().validity
        }

        /// How often changed files could not be used.
        pub(crate) fn failed(&self) -> u64 {
            self.failed.load(Ordering::Relaxed)
        }

        /// Reads the files again, if their content changed. Returns what came of it: nothing, a new certificate, or what
        /// is wrong with the digest of the content.
        fn look(&self, tls: &Tls) -> Result<Option<Validity>, ([u8; 32], String)> {
            let Some(key) = &tls.key else {
                return Ok(None);
            };
            let unread = |_: io::Error| ([0; 32], "a file cannot be read".to_owned());
            let chain = std::fs::read(&tls.certificate).map_err(unread)?;
            let key = std::fs::read(key).map_err(unread)?;
            let content = digest(&chain, &key);
            if content == self.current.get().digest {
                return Ok(None);
            }
            let identity = Identity::read(&chain, &key)
                .map_err(|(setting, message)| (content, format!("server.tls.{setting} {message}")))?;
            if let Some(message) = identity.validity.wrong(now()) {
                return Err((content, format!("the certificate {message}")));
            }
            let validity = identity.validity;
            self.put(Arc::new(identity));
            Ok(Some(validity))
        }

        /// Watches the files for a configuration's sake. Their two halves may be written one after the other, so what is
        /// wrong is said if it is still there at the next look.
        pub(crate) async fn watch(&self, tls: impl Fn() -> Option<Tls>) {
            let mut wrong: Option<([u8; 32], bool)> = None;
            let mut warned = 0;
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let Some(tls) = tls() else { continue };
                match self.look(&tls) {
                    Ok(Some(validity)) => {
                        wrong = None;
                        warned = 0;
                        tracing::info!(not_after = validity.not_after, "a new certificate is in use");
                    }
                    Ok(None) => wrong = None,
                    Err((content, reason)) => match wrong {
                        Some((before, said)) if before == content => {
                            if !said {
                                self.failed.fetch_add(1, Ordering::Relaxed);
                                tracing::error!(
                                    reason,
                                    "the new certificate cannot be used; the one before stays in use"
                                );
                            }
                            wrong = Some((content, true));
                        }
                        Some(_) | None => wrong = Some((content, false)),
                    },
                }
                let (validity, today) = (self.validity(), now() / 86_400);
                if warned != today && validity.expires_soon(now()) {
                    warned = today;
                    tracing::warn!(
                        not_after = validity.not_after,
                        "the certificate expires soon; renew it"
                    );
                }
            }
        }
    }

    /// Whether decrypted bytes wait in a connection, or its end.
    pub(crate) fn has_bytes(stream: &TlsStream<TcpStream>) -> bool {
        !stream.get_ref().1.wants_read()
    }
}

#[cfg(feature = "tls")]
pub(crate) use listener::has_bytes;
