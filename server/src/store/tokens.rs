//! Stored cards.

use cardseal::platform::Platform;
use cardseal_gateways::gateway::{Origin, StoredCard};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use super::{Readable, Result, Store, StoreError, TokenId, platform, readable};

/// The status of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    /// It can be charged.
    Active,
    /// Only a browser has named it. It cannot be charged yet.
    Unconfirmed,
    /// It was deleted.
    Deleted,
}

impl TokenStatus {
    /// The name in JSON and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Unconfirmed => "unconfirmed",
            Self::Deleted => "deleted",
        }
    }

    fn read(text: &str) -> Result<Self> {
        [Self::Active, Self::Unconfirmed, Self::Deleted]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(StoreError::Unknown("status"))
    }

    pub(super) const fn of(origin: Origin) -> Self {
        match origin {
            Origin::Platform | Origin::Named => Self::Active,
            Origin::Browser => Self::Unconfirmed,
        }
    }
}

/// A stored card.
pub struct Token {
    /// The id.
    pub id: TokenId,
    /// The platform.
    pub platform: Platform,
    /// The platform's token. `None` after deletion.
    pub platform_token: Option<SecretString>,
    /// The brand of the card.
    pub brand: Option<String>,
    /// The first digits of the card.
    pub bin: Option<String>,
    /// The last four digits of the card.
    pub last4: Option<String>,
    /// The month and year of expiry.
    pub expiry: Option<(i64, i64)>,
    /// The name on the card.
    pub holder: Option<String>,
    /// The nickname.
    pub nickname: Option<String>,
    /// The status.
    pub status: TokenStatus,
    /// The merchant's reference of the customer.
    pub customer: Option<String>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970.
    pub updated_at: i64,
}

pub(super) fn read(row: &SqliteRow) -> Result<Token> {
    readable("tokens", row, values)
}

fn values(row: &SqliteRow) -> Result<Token> {
    let month: Option<i64> = row.try_get("expiry_month")?;
    let year: Option<i64> = row.try_get("expiry_year")?;
    Ok(Token {
        id: row.try_get("id")?,
        platform: platform(row)?,
        platform_token: row
            .try_get::<Option<String>, _>("platform_token")?
            .map(Into::into),
        brand: row.try_get("brand")?,
        bin: row.try_get("bin")?,
        last4: row.try_get("last4")?,
        expiry: month.zip(year),
        holder: row.try_get("holder")?,
        nickname: row.try_get("nickname")?,
        status: TokenStatus::read(row.try_get("status")?)?,
        customer: row.try_get("customer")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

/// Finds a token by its id, or by the id of a duplicate that it replaced.
const BY_ID: &str =
    "SELECT * FROM tokens WHERE id = COALESCE((SELECT same_as FROM tokens WHERE id = ?1), ?1)";

/// The digest by which a platform's token is recognised after it was wiped. These tokens are long and random, so a
/// plain digest reveals nothing.
pub(super) fn digest(platform: Platform, token: &SecretString) -> String {
    let digest = Sha256::new()
        .chain_update(platform.id())
        .chain_update([0])
        .chain_update(token.expose_secret());
    hex::encode(digest.finalize())
}

/// Finds the active token for a platform's token.
pub(super) async fn holding(
    tx: &mut Transaction<'_, Sqlite>,
    platform: Platform,
    token: &SecretString,
) -> Result<Option<Token>> {
    let row =
        sqlx::query("SELECT * FROM tokens WHERE platform = ? AND platform_token = ? AND status = 'active'")
            .bind(platform.id())
            .bind(token.expose_secret())
            .fetch_optional(&mut **tx)
            .await?;
    row.as_ref().map(read).transpose()
}

/// Whether a platform's token was stored and has been deleted.
pub(super) async fn was_deleted(
    tx: &mut Transaction<'_, Sqlite>,
    platform: Platform,
    token: &SecretString,
) -> Result<bool> {
    let found = sqlx::query("SELECT 1 FROM tokens WHERE platform = ? AND digest = ?")
        .bind(platform.id())
        .bind(digest(platform, token))
        .fetch_optional(&mut **tx)
        .await?;
    Ok(found.is_some())
}

pub(super) async fn get(tx: &mut Transaction<'_, Sqlite>, id: &TokenId) -> Result<Option<Token>> {
    let row = sqlx::query(BY_ID).bind(id).fetch_optional(&mut **tx).await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn insert(
    tx: &mut Transaction<'_, Sqlite>,
    platform: Platform,
    customer: Option<&str>,
    card: &StoredCard,
    now: i64,
) -> Result<TokenId> {
    let id = TokenId::random();
    sqlx::query(
        "INSERT INTO tokens (id, platform, platform_token, brand, bin, last4, expiry_month, expiry_year, holder,
            nickname, status, customer, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&id)
    .bind(platform.id())
    .bind(card.token.expose_secret())
    .bind(&card.brand)
    .bind(&card.bin)
    .bind(&card.last4)
    .bind(card.expiry.map(|(month, _)| i64::from(month)))
    .bind(card.expiry.map(|(_, year)| i64::from(year)))
    .bind(&card.holder)
    .bind(&card.nickname)
    .bind(TokenStatus::of(card.origin).as_str())
    .bind(customer)
    .bind(now)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(id)
}

/// Replaces the card of a token, unless the token has been deleted meanwhile.
pub(super) async fn replace(
    tx: &mut Transaction<'_, Sqlite>,
    id: &TokenId,
    card: &StoredCard,
    now: i64,
) -> Result<()> {
    sqlx::query(
        "UPDATE tokens SET platform_token = ?, brand = ?, bin = ?, last4 = ?, expiry_month = ?, expiry_year = ?,
            holder = ?, nickname = ?, status = ?, updated_at = ? WHERE id = ? AND status <> 'deleted'",
    )
    .bind(card.token.expose_secret())
    .bind(&card.brand)
    .bind(&card.bin)
    .bind(&card.last4)
    .bind(card.expiry.map(|(month, _)| i64::from(month)))
    .bind(card.expiry.map(|(_, year)| i64::from(year)))
    .bind(&card.holder)
    .bind(&card.nickname)
    .bind(TokenStatus::of(card.origin).as_str())
    .bind(now)
    .bind(id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn confirm(
    tx: &mut Transaction<'_, Sqlite>,
    id: &TokenId,
    card: &StoredCard,
    now: i64,
) -> Result<()> {
    // The platform's own description replaces the browser's.
    replace(tx, id, card, now).await
}

/// Updates what the platform says about a card. What it does not say stays as it was.
pub(super) async fn describe(
    tx: &mut Transaction<'_, Sqlite>,
    id: &TokenId,
    card: &StoredCard,
    now: i64,
) -> Result<()> {
    sqlx::query(
        "UPDATE tokens SET brand = COALESCE(?, brand), bin = COALESCE(?, bin), last4 = COALESCE(?, last4),
            expiry_month = COALESCE(?, expiry_month), expiry_year = COALESCE(?, expiry_year),
            holder = COALESCE(?, holder), nickname = COALESCE(?, nickname), updated_at = ?
            WHERE id = ? AND status = 'active' AND platform_token = ?",
    )
    .bind(&card.brand)
    .bind(&card.bin)
    .bind(&card.last4)
    .bind(card.expiry.map(|(month, _)| i64::from(month)))
    .bind(card.expiry.map(|(_, year)| i64::from(year)))
    .bind(&card.holder)
    .bind(&card.nickname)
    .bind(now)
    .bind(id)
    .bind(card.token.expose_secret())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Store {
    /// Loads a token.
    pub async fn token(&self, id: &TokenId) -> Result<Option<Token>> {
        let row = self.row(sqlx::query(BY_ID).bind(id)).await?;
        row.as_ref().map(read).transpose()
    }

    /// Whether a platform's token is or was stored.
    pub async fn knows_platform_token(&self, platform: Platform, token: &SecretString) -> Result<bool> {
        let query = sqlx::query(
            "SELECT 1 FROM tokens WHERE platform = ?1 AND platform_token = ?2 AND status = 'active'
             UNION ALL SELECT 1 FROM tokens WHERE platform = ?1 AND digest = ?3 LIMIT 1",
        );
        let query = query
            .bind(platform.id())
            .bind(token.expose_secret())
            .bind(digest(platform, token));
        Ok(self.row(query).await?.is_some())
    }

    /// Lists tokens that have not been deleted, newest first.
    pub async fn tokens(
        &self,
        customer: Option<&str>,
        after: Option<&TokenId>,
        limit: u32,
    ) -> Result<Vec<Token>> {
        let mut list = Readable::new(after.map(TokenId::as_str), limit);
        while let Some((after, limit)) = list.wanted() {
            let query = sqlx::query(
                "SELECT * FROM tokens WHERE status <> 'deleted' AND (?1 IS NULL OR customer = ?1)
                    AND (?2 IS NULL OR seq < (SELECT seq FROM tokens WHERE id = ?2)) ORDER BY seq DESC LIMIT ?3",
            );
            list.add(
                &self.rows(query.bind(customer).bind(after).bind(limit)).await?,
                read,
            )?;
        }
        Ok(list.into_inner())
    }

    /// Lists all tokens of a platform that can be charged, oldest first.
    pub async fn active_tokens(&self, platform: Platform) -> Result<Vec<Token>> {
        let query = sqlx::query("SELECT * FROM tokens WHERE platform = ? AND status = 'active' ORDER BY seq");
        let rows = self.rows(query.bind(platform.id())).await?;
        let mut list = Readable::new(None, u32::MAX);
        list.add(&rows, read)?;
        Ok(list.into_inner())
    }

    /// Stores what the platform says about a card. What it does not say stays as it was. A token that has been
    /// deleted, or has another card by now, is not changed.
    pub async fn describe_token(&self, id: &TokenId, card: &StoredCard, now: i64) -> Result<()> {
        let mut tx = self.write().await?;
        describe(&mut tx, id, card, now).await?;
        tx.commit().await?;
        self.note_wiped();
        Ok(())
    }

    /// Marks a token as deleted and wipes its personal data. A digest of the platform's token stays, so that it is
    /// recognised later.
    pub async fn delete_token(&self, id: &TokenId, now: i64) -> Result<()> {
        let mut tx = self.write().await?;
        // A token of another customer that a browser named leaves no trace.
        let active = get(&mut tx, id)
            .await?
            .filter(|token| token.status == TokenStatus::Active);
        let known = active.and_then(|token| Some(digest(token.platform, token.platform_token.as_ref()?)));
        sqlx::query(
            "UPDATE tokens SET status = 'deleted', platform_token = NULL, digest = ?, holder = NULL,
                nickname = NULL, updated_at = ? WHERE id = ? AND status <> 'deleted'",
        )
        .bind(known)
        .bind(now)
        .bind(id)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.note_wiped();
        Ok(())
    }
}
