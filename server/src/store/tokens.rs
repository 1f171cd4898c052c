//! Stored cards.

use cardseal::platform::Platform;
use cardseal_gateways::gateway::{Origin, StoredCard};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::sync::Arc;

use super::seal::Index;
use super::sql::{Row, params};
use super::{Columns, Db, EventKind, Listed, Result, Store, TokenId, events, platform, readable, statements};

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

    fn read(text: &str) -> Option<Self> {
        [Self::Active, Self::Unconfirmed, Self::Deleted]
            .into_iter()
            .find(|status| status.as_str() == text)
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

/// The table.
pub(super) const TABLE: &str = "tokens";

/// The columns of a token, in the order in which [`values`] reads them.
macro_rules! columns {
    () => {
        "id, platform, COALESCE(platform_token_sealed, platform_token), brand, bin, last4, expiry_month, expiry_year,
            holder, nickname, status, COALESCE(customer_sealed, customer), created_at, updated_at"
    };
}

statements! {
    /// By its id, or by the id of a duplicate that it replaced.
    BY_ID = concat!("SELECT ", columns!(), " FROM tokens
        WHERE id = COALESCE((SELECT same_as FROM tokens WHERE id = ?1), ?1)");
    HOLDING = concat!("SELECT ", columns!(), " FROM tokens
        WHERE platform = ? AND platform_token = ? AND status = 'active'");
    BELONGS_ELSEWHERE = "SELECT 1 FROM tokens WHERE platform = ? AND platform_token = ? AND status = 'active'
        AND (customer IS NULL OR customer NOT IN (SELECT value FROM json_each(?)))";
    STORED = "SELECT 1 FROM tokens WHERE platform = ? AND platform_token = ? AND status = 'active'";
    DELETED = "SELECT 1 FROM tokens WHERE platform = ? AND digest = ? LIMIT 1";
    LIST = concat!("SELECT ", columns!(), ", seq FROM tokens
        WHERE seq < ? AND status <> 'deleted' ORDER BY seq DESC LIMIT ?");
    LIST_OF_CUSTOMER = concat!("SELECT ", columns!(), ", seq FROM tokens
        WHERE customer = ?3 AND seq < ?1 AND status <> 'deleted' ORDER BY seq DESC LIMIT ?2");
    LIST_ACTIVE = concat!("SELECT ", columns!(), ", seq FROM tokens
        WHERE platform = ? AND status = 'active' ORDER BY seq");
    SEQ = "SELECT seq FROM tokens WHERE id = ?";
    INSERT = "INSERT INTO tokens (id, platform, platform_token, platform_token_sealed, brand, bin, last4, expiry_month,
            expiry_year, holder, nickname, status, customer, customer_sealed, created_at, updated_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?15, ?15)";
    REPLACE = "UPDATE tokens SET platform_token = ?, platform_token_sealed = ?, brand = ?, bin = ?, last4 = ?, expiry_month = ?,
            expiry_year = ?, holder = ?, nickname = ?, status = ?, updated_at = ?
        WHERE id = ? AND status <> 'deleted'";
    DESCRIBE = "UPDATE tokens SET brand = COALESCE(?, brand), bin = COALESCE(?, bin), last4 = COALESCE(?, last4),
            expiry_month = COALESCE(?, expiry_month), expiry_year = COALESCE(?, expiry_year),
            holder = COALESCE(?, holder), nickname = COALESCE(?, nickname), updated_at = ?
        WHERE id = ? AND status = 'active' AND platform_token IN (SELECT value FROM json_each(?))";
    DELETE = "UPDATE tokens SET status = 'deleted', platform_token = NULL, platform_token_sealed = NULL,
            digest = ?, holder = NULL, nickname = NULL, updated_at = ? WHERE id = ? AND status <> 'deleted'";
}

pub(super) fn read(row: &Row<'_>) -> Result<Token> {
    readable(TABLE, row, values)
}

fn values(row: &mut Columns<'_>) -> Result<Token> {
    Ok(Token {
        id: row.next()?,
        platform: platform(row)?,
        platform_token: row.opened("platform_token")?.map(Into::into),
        brand: row.next()?,
        bin: row.next()?,
        last4: row.next()?,
        expiry: {
            let month: Option<i64> = row.next()?;
            month.zip(row.next()?)
        },
        holder: row.opened("holder")?,
        nickname: row.opened("nickname")?,
        status: row.word("status", TokenStatus::read)?,
        customer: row.opened("customer")?,
        created_at: row.next()?,
        updated_at: row.next()?,
    })
}

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
pub(super) fn holding(db: &Db<'_>, platform: Platform, token: &SecretString) -> Result<Option<Token>> {
    db.found(&db.forms(Index::PlatformToken, token.expose_secret())?, |form| {
        db.row(HOLDING, params![platform.id(), form], read)
    })
}

/// Whether a platform's token is stored for another customer, or either of the two is of no customer.
pub(super) fn belongs_elsewhere(
    db: &Db<'_>,
    platform: Platform,
    token: &SecretString,
    customer: Option<&str>,
) -> Result<bool> {
    let customers = customers(db, customer)?;
    let tokens = db.forms(Index::PlatformToken, token.expose_secret())?;
    let found = db.found(&tokens, |form| {
        db.row(
            BELONGS_ELSEWHERE,
            params![platform.id(), form, customers[..]],
            |_| Ok(()),
        )
    })?;
    Ok(found.is_some())
}

/// Every form in which rows may have a customer; none without one.
pub(super) fn customers(db: &Db<'_>, customer: Option<&str>) -> Result<Vec<String>> {
    customer.map_or_else(|| Ok(Vec::new()), |customer| db.forms(Index::Customer, customer))
}

/// Whether a platform's token was stored and has been deleted.
pub(super) fn was_deleted(db: &Db<'_>, platform: Platform, token: &SecretString) -> Result<bool> {
    db.exists(DELETED, params![platform.id(), digest(platform, token)])
}

pub(super) fn get(db: &Db<'_>, id: &TokenId) -> Result<Option<Token>> {
    db.row(BY_ID, params![id], read)
}

pub(super) fn insert(
    db: &Db<'_>,
    platform: Platform,
    customer: Option<&str>,
    card: &StoredCard,
    now: i64,
) -> Result<TokenId> {
    let id = TokenId::random();
    let seal = db.seal(TABLE, id.as_str());
    let token = seal.found(
        "platform_token",
        Index::PlatformToken,
        Some(card.token.expose_secret()),
    )?;
    let customer = seal.found("customer", Index::Customer, customer)?;
    db.execute(
        INSERT,
        params![
            id,
            platform.id(),
            token.by,
            token.sealed,
            card.brand,
            card.bin,
            card.last4,
            card.expiry.map(|(month, _)| month),
            card.expiry.map(|(_, year)| year),
            seal.optional("holder", card.holder.as_deref())?,
            seal.optional("nickname", card.nickname.as_deref())?,
            TokenStatus::of(card.origin).as_str(),
            customer.by,
            customer.sealed,
            now,
        ],
    )?;
    told(db, &id, EventKind::TokenStored, now)?;
    Ok(id)
}

/// Tells of a card that can be charged. One that only a browser has named is not told of.
fn told(db: &Db<'_>, id: &TokenId, kind: EventKind, now: i64) -> Result<()> {
    if db.has_outbox()
        && let Some(token) = get(db, id)?.filter(|token| token.status == TokenStatus::Active)
    {
        events::token(db, kind, &token, now)?;
    }
    Ok(())
}

/// Replaces the card of a token, unless the token has been deleted meanwhile.
pub(super) fn replace(db: &Db<'_>, id: &TokenId, card: &StoredCard, now: i64) -> Result<()> {
    overwrite(db, id, card, now)?;
    told(db, id, EventKind::TokenUpdated, now)
}

fn overwrite(db: &Db<'_>, id: &TokenId, card: &StoredCard, now: i64) -> Result<()> {
    let seal = db.seal(TABLE, id.as_str());
    let token = seal.found(
        "platform_token",
        Index::PlatformToken,
        Some(card.token.expose_secret()),
    )?;
    db.execute(
        REPLACE,
        params![
            token.by,
            token.sealed,
            card.brand,
            card.bin,
            card.last4,
            card.expiry.map(|(month, _)| month),
            card.expiry.map(|(_, year)| year),
            seal.optional("holder", card.holder.as_deref())?,
            seal.optional("nickname", card.nickname.as_deref())?,
            TokenStatus::of(card.origin).as_str(),
            now,
            id,
        ],
    )?;
    Ok(())
}

pub(super) fn confirm(db: &Db<'_>, id: &TokenId, card: &StoredCard, now: i64) -> Result<()> {
    // The platform's own description replaces the browser's.
    overwrite(db, id, card, now)?;
    told(db, id, EventKind::TokenStored, now)
}

/// Updates what the platform says about a card. What it does not say stays as it was.
pub(super) fn describe(db: &Db<'_>, id: &TokenId, card: &StoredCard, now: i64) -> Result<()> {
    let seal = db.seal(TABLE, id.as_str());
    let token = db.forms(Index::PlatformToken, card.token.expose_secret())?;
    let described = db.execute(
        DESCRIBE,
        params![
            card.brand,
            card.bin,
            card.last4,
            card.expiry.map(|(month, _)| month),
            card.expiry.map(|(_, year)| year),
            seal.optional("holder", card.holder.as_deref())?,
            seal.optional("nickname", card.nickname.as_deref())?,
            now,
            id,
            token[..],
        ],
    )?;
    if described > 0 {
        told(db, id, EventKind::TokenUpdated, now)?;
    }
    Ok(())
}

impl Store {
    /// Loads a token.
    pub async fn token(&self, id: &TokenId) -> Result<Option<Token>> {
        let id = id.clone();
        self.read(move |db| get(db, &id)).await
    }

    /// Whether a platform's token is or was stored.
    pub async fn knows_platform_token(&self, platform: Platform, token: &SecretString) -> Result<bool> {
        let token = token.clone();
        self.read(move |db| {
            let stored = db.found(&db.forms(Index::PlatformToken, token.expose_secret())?, |form| {
                db.row(STORED, params![platform.id(), form], |_| Ok(()))
            })?;
            Ok(stored.is_some() || was_deleted(db, platform, &token)?)
        })
        .await
    }

    /// Lists tokens that have not been deleted, newest first.
    pub async fn tokens(
        &self,
        customer: Option<&str>,
        after: Option<&TokenId>,
        limit: u32,
    ) -> Result<Vec<Token>> {
        let (customer, after) = (customer.map(ToOwned::to_owned), after.map(ToString::to_string));
        self.page(SEQ, after, limit, move |db, seq, limit| {
            let listed = |row: &Row<'_>| Ok((read(row), row.last()?));
            match &customer {
                None => db.rows(LIST, params![seq, limit], listed),
                Some(customer) => db.newest(&db.forms(Index::Customer, customer)?, limit, |form| {
                    db.rows(LIST_OF_CUSTOMER, params![seq, limit, form], listed)
                }),
            }
        })
        .await
    }

    /// Lists all tokens of a platform that can be charged, oldest first.
    pub async fn active_tokens(&self, platform: Platform) -> Result<Vec<Token>> {
        self.list(move |db| {
            let mut list = Listed::new(0, u32::MAX);
            list.add(db.rows(LIST_ACTIVE, params![platform.id()], |row| {
                Ok((read(row), row.last()?))
            })?)?;
            Ok(list.into_inner())
        })
        .await
    }

    /// Stores what the platform says about a card. What it does not say stays as it was. A token that has been
    /// deleted, or has another card by now, is not changed.
    pub async fn describe_token(&self, id: &TokenId, card: Arc<StoredCard>, now: i64) -> Result<()> {
        let (id, wiped) = (id.clone(), self.wipes());
        self.write(move |db| {
            wiped.note();
            describe(db, &id, &card, now)
        })
        .await
    }

    /// Marks a token as deleted and wipes its personal data. A digest of the platform's token stays, so that it is
    /// recognised later.
    pub async fn delete_token(&self, id: &TokenId, now: i64) -> Result<()> {
        let (id, wiped) = (id.clone(), self.wipes());
        self.write(move |db| {
            // A token of another customer that a browser named leaves no trace.
            let active = get(db, &id)?.filter(|token| token.status == TokenStatus::Active);
            let known = active
                .as_ref()
                .and_then(|token| Some(digest(token.platform, token.platform_token.as_ref()?)));
            wiped.note();
            let deleted = db.execute(DELETE, params![known, now, id])?;
            if deleted > 0
                && let Some(token) = active
            {
                let token = Token {
                    status: TokenStatus::Deleted,
                    updated_at: now,
                    ..token
                };
                events::token(db, EventKind::TokenRemoved, &token, now)?;
            }
            Ok(())
        })
        .await
    }
}
