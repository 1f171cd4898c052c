//! API keys. Only their hashes are kept.

use secrecy::SecretString;
use subtle::ConstantTimeEq;

use super::sql::{Row, params};
use super::{Columns, KeyId, Result, Store, readable, statements};
use crate::api_key;
use crate::scope::Scopes;

/// How long after the last noted use of a key another one is noted.
const USE_NOTED_EVERY_MS: i64 = 60 * 60_000;

/// A stored API key.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// The id.
    pub id: KeyId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// When it expires.
    pub expires_at: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
    /// When it was last used, to the hour.
    pub used_at: Option<i64>,
}

/// Whether a key is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It is.
    Valid,
    /// It has expired.
    Expired,
    /// It was revoked.
    Revoked,
}

impl ApiKey {
    /// Whether it is valid at this time.
    #[must_use]
    pub fn validity(&self, now: i64) -> Validity {
        if self.revoked_at.is_some() {
            Validity::Revoked
        } else if self.expires_at.is_some_and(|at| at <= now) {
            Validity::Expired
        } else {
            Validity::Valid
        }
    }

    /// Whether its use is to be noted.
    #[must_use]
    pub fn use_is_news(&self, now: i64) -> bool {
        self.used_at
            .is_none_or(|at| !(at..at + USE_NOTED_EVERY_MS).contains(&now))
    }
}

/// The columns of a key, in the order in which [`values`] reads them.
macro_rules! columns {
    () => {
        "id, name, scopes, created_at, expires_at, revoked_at, used_at"
    };
}

statements! {
    BY_HASH = concat!("SELECT ", columns!(), ", hash FROM api_keys WHERE hash = ?");
    BY_ID = concat!("SELECT ", columns!(), " FROM api_keys WHERE id = ?");
    /// Ids begin with the time.
    LIST = concat!("SELECT ", columns!(), " FROM api_keys WHERE id > ? ORDER BY id LIMIT 1000");
    INSERT = "INSERT INTO api_keys (id, name, hash, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)";
    REVOKE = "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL";
    /// Never later than before.
    EXPIRE = "UPDATE api_keys SET expires_at = ?1 WHERE id = ?2 AND (expires_at IS NULL OR expires_at > ?1)";
    NOTE_USE = "UPDATE api_keys SET used_at = ? WHERE id = ?";
}

fn read(row: &Row<'_>) -> Result<ApiKey> {
    readable("api_keys", row, values)
}

fn values(row: &mut Columns<'_>) -> Result<ApiKey> {
    Ok(ApiKey {
        id: row.next()?,
        name: row.next()?,
        scopes: row.word("scopes", |text| text.parse().ok())?,
        created_at: row.next()?,
        expires_at: row.next()?,
        revoked_at: row.next()?,
        used_at: row.next()?,
    })
}

impl Store {
    /// Stores a key, and returns what it is known by.
    pub async fn add_api_key(
        &self,
        key: &SecretString,
        name: &str,
        scopes: Scopes,
        expires_at: Option<i64>,
        now: i64,
    ) -> Result<ApiKey> {
        let key_hash = api_key::hash(key);
        let stored = ApiKey {
            id: KeyId::random(),
            name: name.to_owned(),
            scopes,
            created_at: now,
            expires_at,
            revoked_at: None,
            used_at: None,
        };
        let key = stored.clone();
        self.write(move |db| {
            let scopes = key.scopes.to_string();
            db.execute(
                INSERT,
                params![key.id, key.name, key_hash, scopes, key.created_at, key.expires_at],
            )
        })
        .await?;
        Ok(stored)
    }

    /// Finds the key that a caller has sent.
    pub async fn find_api_key(&self, key: &SecretString) -> Result<Option<ApiKey>> {
        let hash = api_key::hash(key);
        self.read(move |db| {
            let found = db.row(BY_HASH, params![hash], |row| {
                Ok((read(row)?, row.last::<String>()?))
            })?;
            // The index has compared them byte by byte already; what that tells is a part of a hash.
            Ok(found.and_then(|(key, own)| bool::from(own.as_bytes().ct_eq(hash.as_bytes())).then_some(key)))
        })
        .await
    }

    /// Loads a key.
    pub async fn api_key(&self, id: &KeyId) -> Result<Option<ApiKey>> {
        let id = id.clone();
        self.read(move |db| db.row(BY_ID, params![id], read)).await
    }

    /// Lists all keys, oldest first.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>> {
        self.list(move |db| db.rows(LIST, params![""], read)).await
    }

    /// Revokes a key. Returns whether it was valid.
    pub async fn revoke_api_key(&self, id: &KeyId, now: i64) -> Result<bool> {
        let id = id.clone();
        let revoked = self.write(move |db| db.execute(REVOKE, params![now, id])).await?;
        Ok(revoked > 0)
    }

    /// Has a key expire, unless it expires before that anyway.
    pub async fn expire_api_key(&self, id: &KeyId, at: i64) -> Result<()> {
        let id = id.clone();
        self.write(move |db| db.execute(EXPIRE, params![at, id])).await?;
        Ok(())
    }

    /// Notes that a key was used.
    pub async fn note_api_key_use(&self, id: &KeyId, now: i64) -> Result<()> {
        let id = id.clone();
        self.write(move |db| db.execute(NOTE_USE, params![now, id]))
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::open;
    use super::*;
    use crate::scope::Scope;

    const NOW: i64 = 1_800_000_000_000;

    #[tokio::test]
    async fn a_key_is_found_by_itself_and_kept_as_a_hash() {
        let (_place, store) = open().await;
        let (key, other) = (
            api_key::generate_stored().unwrap(),
            api_key::generate_stored().unwrap(),
        );
        let scopes = "charge,read".parse().unwrap();
        let stored = store
            .add_api_key(&key, "shop", scopes, Some(NOW + 5), NOW)
            .await
            .unwrap();
        let found = store.find_api_key(&key).await.unwrap().unwrap();
        assert_eq!(
            (&found.id, found.scopes, found.name.as_str()),
            (&stored.id, scopes, "shop")
        );
        assert!(store.find_api_key(&other).await.unwrap().is_none());
        assert_eq!(found.validity(NOW + 4), Validity::Valid);
        assert_eq!(found.validity(NOW + 5), Validity::Expired);
        assert!(store.revoke_api_key(&stored.id, NOW).await.unwrap());
        assert!(!store.revoke_api_key(&stored.id, NOW).await.unwrap());
        let found = store.find_api_key(&key).await.unwrap().unwrap();
        assert_eq!(found.validity(NOW + 9), Validity::Revoked);
    }

    #[tokio::test]
    async fn a_key_expires_at_the_earlier_time() {
        let (_place, store) = open().await;
        let key = api_key::generate_stored().unwrap();
        let id = store
            .add_api_key(&key, "a", Scopes::of(Scope::Read), None, NOW)
            .await
            .unwrap()
            .id;
        for (at, expires) in [(NOW + 9, NOW + 9), (NOW + 10, NOW + 9), (NOW + 8, NOW + 8)] {
            store.expire_api_key(&id, at).await.unwrap();
            assert_eq!(
                store.api_key(&id).await.unwrap().unwrap().expires_at,
                Some(expires)
            );
        }
        assert_eq!(store.api_keys().await.unwrap().len(), 1);
    }

    #[test]
    fn a_use_is_noted_once_an_hour() {
        let mut key = ApiKey {
            id: "key_1".into(),
            name: "a".into(),
            scopes: Scopes::default(),
            created_at: NOW,
            expires_at: None,
            revoked_at: None,
            used_at: None,
        };
        assert!(key.use_is_news(NOW));
        key.used_at = Some(NOW);
        for (at, news) in [
            (NOW, false),
            (NOW + 3_599_999, false),
            (NOW + 3_600_000, true),
            (NOW - 1, true),
        ] {
            assert_eq!(key.use_is_news(at), news, "{at}");
        }
    }
}
