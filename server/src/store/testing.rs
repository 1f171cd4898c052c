//! Stores for tests: SQLite's, and PostgreSQL's in the runs that have a server (`npm test -- postgres`).

#[cfg(feature = "postgres")]
use std::time::Duration;

use cardseal::platform::Platform;
use cardseal_gateways::Amount;
#[cfg(feature = "postgres")]
use secrecy::SecretString;
use sha2::{Digest, Sha256};
#[cfg(feature = "postgres")]
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _};

#[cfg(feature = "postgres")]
use super::Postgres;
use super::{BUSY_TIMEOUT, EncryptionKey, EncryptionKeys, Location, NewPayment, Store};

/// Names the server, with a user who may create schemas.
#[cfg(feature = "postgres")]
const SERVER: &str = "CARDSEAL_TEST_POSTGRES";

/// Has what the stores keep sealed.
const ENCRYPTION: &str = "CARDSEAL_TEST_ENCRYPTION";

/// Keys of these names, the same at every call.
pub(crate) fn encryption_keys(current: &str, names: &[&str]) -> EncryptionKeys {
    let key = |name: &&str| EncryptionKey {
        name: (*name).into(),
        bytes: secrecy::SecretBox::new(Box::new(Sha256::digest(name).into())),
    };
    EncryptionKeys {
        current: (!current.is_empty()).then(|| current.into()),
        keys: names.iter().map(key).collect(),
    }
}

/// A payment of 1.00 at GreenPay, without a card or a session.
pub(crate) fn new_payment(reference: &str) -> NewPayment {
    NewPayment {
        platform: Platform::GreenPay,
        amount: Amount::parse("1.00", "USD").unwrap(),
        token_id: None,
        session_id: None,
        subscription_id: None,
        order_reference: reference.into(),
        description: "x".into(),
        customer: None,
        brand: None,
        bin: None,
        last4: None,
        capture_later: false,
        network_token: None,
        authentication_id: None,
    }
}

/// Where a test has its database.
pub(crate) struct Place {
    pub(crate) location: Location,
    _folder: tempfile::TempDir,
}

impl Place {
    /// A new, empty one.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        #[cfg(feature = "postgres")]
        if let Ok(server) = std::env::var(SERVER) {
            return Self {
                location: Location::Postgres(Box::new(schema(&server, 4).await)),
                _folder: folder,
            };
        }
        let location = Location::Sqlite {
            path: folder.path().join("x.sqlite"),
            busy_timeout: BUSY_TIMEOUT,
        };
        Self {
            location,
            _folder: folder,
        }
    }

    /// Opens it. In runs with `CARDSEAL_TEST_ENCRYPTION`, what it keeps is sealed.
    pub(crate) async fn open(&self) -> Store {
        let store = Store::open_at(&self.location).await.unwrap();
        if std::env::var_os(ENCRYPTION).is_some() {
            store.use_keys(&encryption_keys("test", &["test"])).await.unwrap();
        }
        store
    }
}

/// A store with nothing in it.
pub(crate) async fn open() -> (Place, Store) {
    let place = Place::new().await;
    let store = place.open().await;
    (place, store)
}

/// The server of this run.
#[cfg(feature = "postgres")]
pub(super) fn server() -> String {
    std::env::var(SERVER).unwrap_or_else(|_| panic!("{SERVER} has to name a PostgreSQL server"))
}

/// A schema of its own in the server's database.
#[cfg(feature = "postgres")]
pub(super) async fn schema(server: &str, writers: usize) -> Postgres {
    let name = format!("t_{}", uuid::Uuid::new_v4().simple());
    let plain = Postgres::parse(&SecretString::from(server), None, writers, BUSY_TIMEOUT).unwrap();
    let mut connection = plain.options().connect().await.unwrap();
    let create = AssertSqlSafe(format!("CREATE SCHEMA {name}"));
    sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let url = format!("{server}&options=-csearch_path%3D{name}");
    Postgres::parse(&SecretString::from(url), None, writers, BUSY_TIMEOUT).unwrap()
}

/// Runs statements that the store itself does not have.
pub(crate) async fn sql(store: &Store, text: &str) -> super::Result<()> {
    let text = text.to_owned();
    store.write(move |db| db.any(&text)).await
}

/// The number that such a statement returns.
pub(crate) async fn number(store: &Store, text: &'static str) -> i64 {
    store.read(move |db| db.any_number(text)).await.unwrap()
}

/// A short pause, for what is done in the background.
#[cfg(feature = "postgres")]
pub(super) async fn moment() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
