//! Sessions. Each is opened once and used once.

use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use cardseal_gateways::gateway::{Origin, StoredCard};
use secrecy::{ExposeSecret, SecretString};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use super::{
    Claimed, PaymentId, Result, SessionId, Store, StoreError, Token, TokenId, TokenStatus, platform,
    readable, tokens,
};

/// A session to be stored.
pub struct NewSession<'a> {
    /// The platform.
    pub platform: Platform,
    /// The kind of session.
    pub kind: Kind,
    /// Who sends the card.
    pub mode: Mode,
    /// Our reference, which the platform repeats.
    pub reference: &'a str,
    /// What the gateway needs when the card arrives.
    pub platform_state: &'a SecretString,
    /// The merchant's reference of the customer.
    pub customer: Option<&'a str>,
    /// The token to update. Only for updates.
    pub token_id: Option<&'a TokenId>,
    /// The amount in minor units and the currency. Only for payments.
    pub amount: Option<(i64, &'a str)>,
    /// What the customer reads. Only for payments.
    pub description: &'a str,
    /// Whether the payment is captured later. Only for payments.
    pub capture_later: bool,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970.
    pub expires_at: i64,
}

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Waiting for a card.
    Open,
    /// A card is on its way to the platform.
    Busy,
    /// The session has led to a token or a payment.
    Used,
}

/// The result of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionResult {
    /// A payment.
    Payment(PaymentId),
    /// A stored card.
    Token(TokenId),
}

impl SessionResult {
    fn stored(&self) -> &str {
        match self {
            Self::Payment(payment) => payment.as_str(),
            Self::Token(token) => token.as_str(),
        }
    }

    /// The payment's id, if the result is a payment.
    #[must_use]
    pub const fn payment(&self) -> Option<&PaymentId> {
        match self {
            Self::Payment(payment) => Some(payment),
            Self::Token(_) => None,
        }
    }

    /// The token's id, if the result is a stored card.
    #[must_use]
    pub const fn token(&self) -> Option<&TokenId> {
        match self {
            Self::Token(token) => Some(token),
            Self::Payment(_) => None,
        }
    }
}

/// A stored session.
#[derive(Clone)]
pub struct Session {
    /// The id.
    pub id: SessionId,
    /// The platform.
    pub platform: Platform,
    /// The kind of session.
    pub kind: Kind,
    /// Who sends the card.
    pub mode: Mode,
    /// Our reference, which the platform repeats.
    pub reference: String,
    /// What the gateway needs when the card arrives. Wiped after the session is used.
    pub platform_state: Option<SecretString>,
    /// The merchant's reference of the customer.
    pub customer: Option<String>,
    /// The token to update. Only for updates.
    pub token_id: Option<TokenId>,
    /// The amount in minor units and the currency. Only for payments.
    pub amount: Option<(i64, String)>,
    /// What the customer reads. Only for payments.
    pub description: String,
    /// Whether the payment is captured later. Only for payments.
    pub capture_later: bool,
    /// The state.
    pub state: SessionState,
    /// The hash of the card that was sent last.
    pub body_hash: Option<String>,
    /// How many different cards were sent.
    pub attempts: u32,
    /// The result.
    pub result: Option<SessionResult>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970.
    pub expires_at: i64,
}

/// How far the clock may be put back before a session from the future counts as expired.
const CLOCK_SKEW_MS: i64 = 60_000;

impl Session {
    /// Whether the session has expired more than `grace` milliseconds ago. One that was opened before the clock was
    /// put back has an unknown age and counts as expired.
    #[must_use]
    pub const fn is_expired(&self, now: i64, grace: i64) -> bool {
        self.expires_at.saturating_add(grace) <= now
            || self.created_at > now.saturating_add(grace).saturating_add(CLOCK_SKEW_MS)
    }
}

/// The result of claiming a session.
pub enum SessionClaim {
    /// The session is claimed, as long as the claim is held.
    Claimed(Session, Claimed),
    /// The session is not open. Nothing was changed.
    Taken(Session),
    /// The payload belongs to another session. Nothing was changed.
    BelongsElsewhere,
    /// The session has used up its cards.
    Exhausted,
    /// There is no such session.
    None,
}

/// The result of storing a session's card.
pub enum Storing {
    /// The card is stored as this token.
    Stored(Box<Token>),
    /// The session has led to another card.
    Conflict,
    /// The platform's token is stored for another customer.
    BelongsElsewhere,
    /// The platform's token was stored once, and has been deleted.
    Deleted,
}

fn kind(text: &str) -> Result<Kind> {
    match text {
        "tokenize" => Ok(Kind::Tokenize),
        "update" => Ok(Kind::Update),
        "payment" => Ok(Kind::Payment),
        _ => Err(StoreError::Unknown("kind")),
    }
}

const fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Tokenize => "tokenize",
        Kind::Update => "update",
        Kind::Payment => "payment",
    }
}

fn read(row: &SqliteRow) -> Result<Session> {
    readable("sessions", row, values)
}

fn values(row: &SqliteRow) -> Result<Session> {
    let kind = kind(row.try_get("kind")?)?;
    let result = if kind == Kind::Payment {
        row.try_get::<Option<PaymentId>, _>("result_id")?
            .map(SessionResult::Payment)
    } else {
        row.try_get::<Option<TokenId>, _>("result_id")?
            .map(SessionResult::Token)
    };
    let minor: Option<i64> = row.try_get("amount_minor")?;
    let currency: Option<String> = row.try_get("currency")?;
    Ok(Session {
        id: row.try_get("id")?,
        platform: platform(row)?,
        kind,
        mode: match row.try_get("mode")? {
            "direct" => Mode::Direct,
            "relay" => Mode::Relay,
            _ => return Err(StoreError::Unknown("mode")),
        },
        reference: row.try_get("reference")?,
        platform_state: row.try_get::<Option<String>, _>("kept")?.map(Into::into),
        customer: row.try_get("customer")?,
        token_id: row.try_get("token_id")?,
        amount: minor.zip(currency),
        description: row
            .try_get::<Option<String>, _>("description")?
            .unwrap_or_default(),
        capture_later: row.try_get("capture_later")?,
        state: match row.try_get("state")? {
            "open" => SessionState::Open,
            "busy" => SessionState::Busy,
            "used" => SessionState::Used,
            _ => return Err(StoreError::Unknown("state")),
        },
        body_hash: row.try_get("body_hash")?,
        attempts: row.try_get("attempts")?,
        result,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

pub(super) async fn get(tx: &mut Transaction<'_, Sqlite>, id: &SessionId) -> Result<Option<Session>> {
    let row = sqlx::query("SELECT * FROM sessions WHERE id = ?")
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn by_reference(
    tx: &mut Transaction<'_, Sqlite>,
    platform: Platform,
    reference: &str,
    payment: bool,
) -> Result<Option<Session>> {
    let row = sqlx::query(
        "SELECT * FROM sessions WHERE platform = ? AND reference = ? AND (kind = 'payment') = ?
            ORDER BY created_at DESC LIMIT 1",
    )
    .bind(platform.id())
    .bind(reference)
    .bind(payment)
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(read).transpose()
}

/// Who claims a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taker {
    /// A page that sends a card, with the number of different cards that are allowed.
    Card(u32),
    /// A report of what has happened at the platform. It does not count as an attempt.
    Platform,
}

/// What claims a session.
pub struct Attempt<'a> {
    /// The hash of what was sent.
    pub body_hash: &'a str,
    /// What identifies the card, where that is known before the platform is called.
    pub card: Option<&'a SecretString>,
    /// Who claims it.
    pub taker: Taker,
}

/// Claims an open session. The same payload sent again counts once. Returns false if the session has used up its
/// cards.
pub(super) async fn take(
    tx: &mut Transaction<'_, Sqlite>,
    session: &Session,
    attempt: &Attempt<'_>,
) -> Result<bool> {
    let body_hash = attempt.body_hash;
    let fresh = session.body_hash.as_deref() != Some(body_hash);
    let counted = match attempt.taker {
        Taker::Card(most) if fresh && session.attempts >= most => return Ok(false),
        Taker::Card(_) => fresh,
        Taker::Platform => false,
    };
    sqlx::query(
        "UPDATE sessions SET state = 'busy', body_hash = ?, attempts = attempts + ? WHERE id = ? AND state = 'open'",
    )
    .bind(body_hash)
    .bind(u32::from(counted))
    .bind(&session.id)
    .execute(&mut **tx)
    .await?;
    Ok(true)
}

/// Binds what identifies a card to the session that is being claimed. Returns false if it belongs to a session of
/// another customer, or of no customer.
pub(super) async fn bind(
    tx: &mut Transaction<'_, Sqlite>,
    session: &Session,
    claim: Option<&SecretString>,
) -> Result<bool> {
    let Some(claim) = claim else {
        return Ok(true);
    };
    let digest = tokens::digest(session.platform, claim);
    // The second query finds tokens that were stored before sessions had claims.
    let elsewhere = sqlx::query(
        "SELECT 1 FROM sessions WHERE platform = ?1 AND claim = ?2 AND id <> ?3 AND state <> 'open'
            AND (?4 IS NULL OR customer IS NOT ?4)
         UNION ALL
         SELECT 1 FROM tokens WHERE platform = ?1 AND platform_token = ?5 AND status = 'active'
            AND (?4 IS NULL OR customer IS NOT ?4) LIMIT 1",
    )
    .bind(session.platform.id())
    .bind(&digest)
    .bind(&session.id)
    .bind(&session.customer)
    .bind(claim.expose_secret())
    .fetch_optional(&mut **tx)
    .await?;
    if elsewhere.is_some() {
        return Ok(false);
    }
    sqlx::query("UPDATE sessions SET claim = ? WHERE id = ?")
        .bind(&digest)
        .bind(&session.id)
        .execute(&mut **tx)
        .await?;
    Ok(true)
}

/// Stores a session, unless there is already one that stores a card under the same reference.
async fn insert(tx: &mut Transaction<'_, Sqlite>, session: &NewSession<'_>) -> Result<Option<SessionId>> {
    let id = SessionId::random();
    let done = sqlx::query(
        "INSERT INTO sessions (id, platform, kind, mode, reference, kept, customer, token_id, amount_minor,
            currency, description, capture_later, state, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, ?)
         ON CONFLICT (platform, reference) WHERE kind = 'tokenize' DO NOTHING",
    )
    .bind(&id)
    .bind(session.platform.id())
    .bind(kind_text(session.kind))
    .bind(if session.mode == Mode::Direct {
        "direct"
    } else {
        "relay"
    })
    .bind(session.reference)
    .bind(session.platform_state.expose_secret())
    .bind(session.customer)
    .bind(session.token_id)
    .bind(session.amount.map(|(minor, _)| minor))
    .bind(session.amount.map(|(_, currency)| currency))
    .bind(session.description)
    .bind(session.capture_later)
    .bind(session.created_at)
    .bind(session.expires_at)
    .execute(&mut **tx)
    .await?;
    Ok((done.rows_affected() == 1).then_some(id))
}

/// Marks a session as used, with its result.
pub(super) async fn finish(
    tx: &mut Transaction<'_, Sqlite>,
    id: &SessionId,
    result: &SessionResult,
) -> Result<()> {
    sqlx::query("UPDATE sessions SET state = 'used', kept = NULL, result_id = ? WHERE id = ?")
        .bind(result.stored())
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Opens a session again that led to nothing.
pub(super) async fn reopen(tx: &mut Transaction<'_, Sqlite>, id: &SessionId) -> Result<()> {
    sqlx::query("UPDATE sessions SET state = 'open' WHERE id = ? AND state = 'busy'")
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

impl Store {
    /// Stores a session.
    pub async fn add_session(&self, session: &NewSession<'_>) -> Result<SessionId> {
        let mut tx = self.write().await?;
        let id = insert(&mut tx, session).await?;
        tx.commit().await?;
        id.ok_or(StoreError::Unknown("session with this reference"))
    }

    /// Stores a session that stores a card, or finds the one with the same reference. However many requests come at
    /// once, there is only one.
    pub async fn add_session_once(&self, session: &NewSession<'_>) -> Result<SessionId> {
        let mut tx = self.write().await?;
        let id = match insert(&mut tx, session).await? {
            Some(id) => id,
            None => by_reference(&mut tx, session.platform, session.reference, false)
                .await?
                .map(|session| session.id)
                .ok_or(StoreError::Unknown("session of a reference"))?,
        };
        tx.commit().await?;
        Ok(id)
    }

    /// Loads a session.
    pub async fn session(&self, id: &SessionId) -> Result<Option<Session>> {
        let row = self
            .row(sqlx::query("SELECT * FROM sessions WHERE id = ?").bind(id))
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Finds the newest session that stores a card under a reference.
    pub async fn session_of(&self, platform: Platform, reference: &str) -> Result<Option<SessionId>> {
        let row = self
            .row(
                sqlx::query(
                    "SELECT id FROM sessions WHERE platform = ? AND reference = ? AND kind = 'tokenize'
                ORDER BY created_at DESC LIMIT 1",
                )
                .bind(platform.id())
                .bind(reference),
            )
            .await?;
        Ok(row.map(|row| row.try_get("id")).transpose()?)
    }

    /// Claims an open session for a card, unless the session expired more than `grace` milliseconds ago.
    pub async fn claim_session(
        &self,
        id: &SessionId,
        attempt: &Attempt<'_>,
        now: i64,
        grace: i64,
    ) -> Result<SessionClaim> {
        let mut tx = self.write().await?;
        let Some(session) = get(&mut tx, id).await? else {
            return Ok(SessionClaim::None);
        };
        if session.state != SessionState::Open || session.is_expired(now, grace) {
            return Ok(SessionClaim::Taken(session));
        }
        if !bind(&mut tx, &session, attempt.card).await? {
            return Ok(SessionClaim::BelongsElsewhere);
        }
        if !take(&mut tx, &session, attempt).await? {
            return Ok(SessionClaim::Exhausted);
        }
        let claimed = self.under_way.enter(id.as_str());
        tx.commit().await?;
        Ok(SessionClaim::Claimed(session, claimed))
    }

    /// Opens a claimed session again.
    pub async fn reopen_session(&self, id: &SessionId) -> Result<()> {
        let mut tx = self.write().await?;
        reopen(&mut tx, id).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Stores the card of a session. If a notification has stored one already, it must be the same card.
    pub async fn store_card(&self, session_id: &SessionId, card: &StoredCard, now: i64) -> Result<Storing> {
        let mut tx = self.write().await?;
        let stored = store_card(&mut tx, session_id, card, now).await?;
        tx.commit().await?;
        self.note_wiped();
        Ok(stored)
    }
}

pub(super) async fn store_card(
    tx: &mut Transaction<'_, Sqlite>,
    session_id: &SessionId,
    card: &StoredCard,
    now: i64,
) -> Result<Storing> {
    let Some(session) = get(tx, session_id).await? else {
        return Ok(Storing::Conflict);
    };
    let active = TokenStatus::of(card.origin) == TokenStatus::Active;
    // A token that only a browser names gives no access, so its owner does not matter here.
    let holding = match active {
        true => tokens::holding(tx, session.platform, &card.token).await?,
        false => None,
    };
    if let Some(result) = &session.result {
        let token = match result {
            SessionResult::Token(token) => tokens::get(tx, token).await?,
            SessionResult::Payment(_) => None,
        };
        let same = |token: &Token| {
            token
                .platform_token
                .as_ref()
                .is_some_and(|own| own.expose_secret() == card.token.expose_secret())
        };
        // A browser never overrides the platform, which names the real card.
        let stronger = |token: &Token| token.status == TokenStatus::Unconfirmed && active;
        let Some(token) = token.filter(|token| same(token) || stronger(token)) else {
            return Ok(Storing::Conflict);
        };
        if stronger(&token) {
            if holding.is_some() {
                return Ok(Storing::BelongsElsewhere);
            }
            tokens::confirm(tx, &token.id, card, now).await?;
        }
        return stored(tx, &token.id).await;
    }
    if let Some(id) = &session.token_id
        && !active
    {
        // A token that only a browser names does not replace a working card. The session stays open for the
        // platform's notification.
        reopen(tx, session_id).await?;
        let token = tokens::get(tx, id).await?;
        return Ok(token.map_or(Storing::Conflict, |token| {
            Storing::Stored(Box::new(Token {
                status: TokenStatus::Unconfirmed,
                ..token
            }))
        }));
    }
    let id = match (&session.token_id, holding) {
        (Some(id), Some(other)) if other.id != *id => return Ok(Storing::BelongsElsewhere),
        (Some(id), _) => {
            tokens::replace(tx, id, card, now).await?;
            id.clone()
        }
        (None, Some(token)) => {
            // Without a customer the owner is unknown, unless only the cardholder can have got here.
            let ours = match (&token.customer, &session.customer) {
                (Some(one), Some(other)) => one == other,
                (None, None) => card.origin == Origin::Platform,
                (Some(_), None) | (None, Some(_)) => false,
            };
            if !ours {
                return Ok(Storing::BelongsElsewhere);
            }
            // A browser that names the token again adds nothing.
            if card.origin == Origin::Platform {
                tokens::describe(tx, &token.id, card, now).await?;
            }
            token.id
        }
        (None, None) => {
            // A deleted token that a browser names stays deleted. One that the platform has just created is new.
            if card.origin == Origin::Named && tokens::was_deleted(tx, session.platform, &card.token).await? {
                return Ok(Storing::Deleted);
            }
            tokens::insert(tx, session.platform, session.customer.as_deref(), card, now).await?
        }
    };
    finish(tx, session_id, &SessionResult::Token(id.clone())).await?;
    stored(tx, &id).await
}

async fn stored(tx: &mut Transaction<'_, Sqlite>, id: &TokenId) -> Result<Storing> {
    Ok(tokens::get(tx, id)
        .await?
        .map_or(Storing::Conflict, |token| Storing::Stored(Box::new(token))))
}
