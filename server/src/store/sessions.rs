//! Sessions. Each is opened once and used once.

use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use cardseal_gateways::gateway::{Origin, StoredCard};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

use super::instances::Right;
use super::seal::Index;
use super::sql::{Row, params};
use super::{
    Claimed, Columns, Db, PaymentId, Result, SessionId, Store, StoreError, Token, TokenId, TokenStatus,
    platform, readable, retention, statements, tokens,
};

/// A session to be stored.
pub struct NewSession {
    /// The platform.
    pub platform: Platform,
    /// The kind of session.
    pub kind: Kind,
    /// Who sends the card.
    pub mode: Mode,
    /// Our reference, which the platform repeats.
    pub reference: String,
    /// What the gateway needs when the card arrives.
    pub platform_state: SecretString,
    /// The merchant's reference of the customer.
    pub customer: Option<String>,
    /// The token to update. Only for updates.
    pub token_id: Option<TokenId>,
    /// The amount in minor units and the currency. Only for payments.
    pub amount: Option<(i64, &'static str)>,
    /// What the customer reads. Only for payments.
    pub description: String,
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

/// The table.
pub(super) const TABLE: &str = "sessions";

/// The columns of a session, in the order in which [`values`] reads them.
macro_rules! columns {
    () => {
        "id, platform, kind, mode, COALESCE(reference_sealed, reference), kept, COALESCE(customer_sealed, customer),
            token_id, amount_minor, currency, description, capture_later, state, body_hash, attempts, result_id, created_at, expires_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM sessions WHERE id = ?");
    // The first condition on the kind is the index's, word for word.
    OTHER = concat!("SELECT ", columns!(), " FROM sessions
        WHERE platform = ? AND reference = ? AND kind <> 'tokenize' AND kind = ? ORDER BY created_at DESC LIMIT 1");
    /// There is at most one.
    TOKENIZING = concat!("SELECT ", columns!(), " FROM sessions
        WHERE platform = ? AND reference = ? AND kind = 'tokenize'");
    TOKENIZING_ID = "SELECT id FROM sessions WHERE platform = ? AND reference = ? AND kind = 'tokenize'";
    /// Of two sessions that store a card under one reference, the first stays.
    INSERT = "INSERT INTO sessions (id, platform, kind, mode, reference, reference_sealed, kept, customer, customer_sealed,
            token_id, amount_minor, currency, description, capture_later, state, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, ?)
         ON CONFLICT (platform, reference) WHERE kind = 'tokenize' DO NOTHING";
    TAKE = "UPDATE sessions SET state = 'busy', body_hash = ?, attempts = attempts + ?, claim = COALESCE(?, claim),
            instance = ?
        WHERE id = ? AND state = 'open'";
    CLAIMED_ELSEWHERE = "SELECT 1 FROM sessions WHERE platform = ? AND claim = ? AND id <> ? AND state <> 'open'
        AND (customer IS NULL OR customer NOT IN (SELECT value FROM json_each(?))) LIMIT 1";
    FINISH = "UPDATE sessions SET state = 'used', kept = NULL, result_id = ? WHERE id = ?";
    NAME_CARD = "UPDATE sessions SET names_card = TRUE WHERE id = ?";
    REOPEN = "UPDATE sessions SET state = 'open' WHERE id = ? AND state = 'busy'";
}

pub(super) const fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Tokenize => "tokenize",
        Kind::Update => "update",
        Kind::Payment => "payment",
    }
}

/// Every sort of session: those of one sort may be submitted equally long after their end.
pub(super) fn sorts() -> impl Iterator<Item = (Platform, Kind, Mode)> {
    Platform::ALL.iter().flat_map(|platform| {
        [Kind::Tokenize, Kind::Update, Kind::Payment]
            .into_iter()
            .flat_map(|kind| [Mode::Relay, Mode::Direct].map(|mode| (*platform, kind, mode)))
    })
}

fn read_kind(text: &str) -> Option<Kind> {
    [Kind::Tokenize, Kind::Update, Kind::Payment]
        .into_iter()
        .find(|kind| kind_text(*kind) == text)
}

pub(super) const fn mode_text(mode: Mode) -> &'static str {
    match mode {
        Mode::Relay => "relay",
        Mode::Direct => "direct",
    }
}

fn read_mode(text: &str) -> Option<Mode> {
    [Mode::Relay, Mode::Direct]
        .into_iter()
        .find(|mode| mode_text(*mode) == text)
}

fn read_state(text: &str) -> Option<SessionState> {
    match text {
        "open" => Some(SessionState::Open),
        "busy" => Some(SessionState::Busy),
        "used" => Some(SessionState::Used),
        _ => None,
    }
}

fn read(row: &Row<'_>) -> Result<Session> {
    readable(TABLE, row, values)
}

fn values(row: &mut Columns<'_>) -> Result<Session> {
    let id = row.next()?;
    let platform = platform(row)?;
    let kind = row.word("kind", read_kind)?;
    Ok(Session {
        id,
        platform,
        kind,
        mode: row.word("mode", read_mode)?,
        reference: row.opened_text("reference")?,
        platform_state: row.opened("kept")?.map(Into::into),
        customer: row.opened("customer")?,
        token_id: row.next()?,
        amount: {
            let minor: Option<i64> = row.next()?;
            minor.zip(row.next()?)
        },
        description: row.opened("description")?.unwrap_or_default(),
        capture_later: row.next()?,
        state: row.word("state", read_state)?,
        body_hash: row.next()?,
        attempts: row.next()?,
        result: if kind == Kind::Payment {
            row.next::<Option<PaymentId>>()?.map(SessionResult::Payment)
        } else {
            row.next::<Option<TokenId>>()?.map(SessionResult::Token)
        },
        created_at: row.next()?,
        expires_at: row.next()?,
    })
}

pub(super) fn get(db: &Db<'_>, id: &SessionId) -> Result<Option<Session>> {
    db.row(BY_ID, params![id], read)
}

/// Finds the newest session under a reference: one that pays, or one that stores a card.
pub(super) fn by_reference(
    db: &Db<'_>,
    platform: Platform,
    reference: &str,
    payment: bool,
) -> Result<Option<Session>> {
    let forms = db.forms(Index::SessionReference, reference)?;
    let other = |kind| {
        db.found(&forms, |form| {
            db.row(OTHER, params![platform.id(), form, kind_text(kind)], read)
        })
    };
    if payment {
        return other(Kind::Payment);
    }
    let tokenizing = db.found(&forms, |form| {
        db.row(TOKENIZING, params![platform.id(), form], read)
    })?;
    let updating = other(Kind::Update)?;
    Ok(match (tokenizing, updating) {
        (Some(one), Some(two)) if two.created_at > one.created_at => Some(two),
        (one, two) => one.or(two),
    })
}

/// The session that stores a card under a reference.
fn tokenizing_id(db: &Db<'_>, platform: Platform, reference: &str) -> Result<Option<SessionId>> {
    db.found(&db.forms(Index::SessionReference, reference)?, |form| {
        db.value(TOKENIZING_ID, params![platform.id(), form])
    })
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
pub struct Attempt {
    /// The hash of what was sent.
    pub body_hash: String,
    /// What identifies the card, where that is known before the platform is called.
    pub card: Option<SecretString>,
    /// Who claims it.
    pub taker: Taker,
}

/// An attempt that may claim its session.
pub(super) struct Admitted<'a> {
    body_hash: &'a str,
    counts: bool,
    claim: Option<String>,
}

/// Why an attempt may not.
pub(super) enum Refused {
    /// The card belongs to a session of another customer, or of no customer.
    BelongsElsewhere,
    /// The session has used up its cards.
    Exhausted,
}

/// Checks whether an attempt may claim an open session. The same payload sent again counts once.
pub(super) fn admit<'a>(
    db: &Db<'_>,
    session: &Session,
    attempt: &'a Attempt,
) -> Result<Result<Admitted<'a>, Refused>> {
    let mut claim = None;
    if let Some(card) = &attempt.card {
        let digest = tokens::digest(session.platform, card);
        let (platform, customer) = (session.platform.id(), session.customer.as_deref());
        let customers = tokens::customers(db, customer)?;
        // The second finds tokens that were stored before sessions had claims, the third what was submitted in
        // sessions that are gone.
        if db.exists(
            CLAIMED_ELSEWHERE,
            params![platform, digest, session.id, customers[..]],
        )? || tokens::belongs_elsewhere(db, session.platform, card, customer)?
            || retention::claimed_before(db, &digest, &customers)?
        {
            return Ok(Err(Refused::BelongsElsewhere));
        }
        claim = Some(digest);
    }
    let fresh = session.body_hash.as_deref() != Some(&attempt.body_hash);
    let counts = match attempt.taker {
        Taker::Card(most) if fresh && session.attempts >= most => return Ok(Err(Refused::Exhausted)),
        Taker::Card(_) => fresh,
        Taker::Platform => false,
    };
    Ok(Ok(Admitted {
        body_hash: &attempt.body_hash,
        counts,
        claim,
    }))
}

/// Claims an open session, and binds what identifies the card to it.
pub(super) fn take(db: &Db<'_>, id: &SessionId, admitted: &Admitted<'_>) -> Result<()> {
    let Admitted {
        body_hash,
        counts,
        claim,
    } = admitted;
    db.execute(
        TAKE,
        params![body_hash, u32::from(*counts), claim, db.instance(), id],
    )?;
    Ok(())
}

/// Stores a session, unless there is already one that stores a card under the same reference.
fn insert(db: &Db<'_>, session: &NewSession) -> Result<Option<SessionId>> {
    let id = SessionId::random();
    let seal = db.seal(TABLE, id.as_str());
    let reference = seal.found("reference", Index::SessionReference, Some(&session.reference))?;
    let customer = seal.found("customer", Index::Customer, session.customer.as_deref())?;
    let inserted = db.execute(
        INSERT,
        params![
            id,
            session.platform.id(),
            kind_text(session.kind),
            mode_text(session.mode),
            reference.by,
            reference.sealed,
            seal.value("kept", session.platform_state.expose_secret())?,
            customer.by,
            customer.sealed,
            session.token_id,
            session.amount.map(|(minor, _)| minor),
            session.amount.map(|(_, currency)| currency),
            seal.value("description", &session.description)?,
            session.capture_later,
            session.created_at,
            session.expires_at,
        ],
    )?;
    Ok((inserted == 1).then_some(id))
}

/// Marks a session as used, with its result.
pub(super) fn finish(db: &Db<'_>, id: &SessionId, result: &SessionResult) -> Result<()> {
    db.execute(FINISH, params![result.stored(), id])?;
    Ok(())
}

/// Opens a session again that led to nothing.
pub(super) fn reopen(db: &Db<'_>, id: &SessionId) -> Result<()> {
    db.execute(REOPEN, params![id])?;
    Ok(())
}

impl Store {
    /// Stores a session.
    pub async fn add_session(&self, session: NewSession) -> Result<SessionId> {
        self.write(move |db| insert(db, &session)?.ok_or(StoreError::Unknown("session with this reference")))
            .await
    }

    /// Stores a session that stores a card, or finds the one with the same reference. However many requests come at
    /// once, there is only one.
    pub async fn add_session_once(&self, session: NewSession) -> Result<SessionId> {
        self.write(move |db| {
            // The unique index sees only the form that is written now.
            if let Some(id) = tokenizing_id(db, session.platform, &session.reference)? {
                return Ok(id);
            }
            insert(db, &session)?.ok_or(StoreError::Unknown("session of a reference"))
        })
        .await
    }

    /// Loads a session.
    pub async fn session(&self, id: &SessionId) -> Result<Option<Session>> {
        let id = id.clone();
        self.read(move |db| get(db, &id)).await
    }

    /// Finds the session that stores a card under a reference.
    pub async fn session_of(&self, platform: Platform, reference: &str) -> Result<Option<SessionId>> {
        let reference = reference.to_owned();
        self.read(move |db| tokenizing_id(db, platform, &reference)).await
    }

    /// Claims an open session for a card, unless the session expired more than `grace` milliseconds ago.
    pub async fn claim_session(
        &self,
        id: &SessionId,
        attempt: Attempt,
        now: i64,
        grace: i64,
    ) -> Result<SessionClaim> {
        let (id, under_way) = (id.clone(), self.under_way.clone());
        self.write_as(Right::ToBegin, move |db| {
            let Some(session) = get(db, &id)? else {
                return Ok(SessionClaim::None);
            };
            if session.state != SessionState::Open || session.is_expired(now, grace) {
                return Ok(SessionClaim::Taken(session));
            }
            match admit(db, &session, &attempt)? {
                Ok(admitted) => take(db, &id, &admitted)?,
                Err(Refused::BelongsElsewhere) => return Ok(SessionClaim::BelongsElsewhere),
                Err(Refused::Exhausted) => return Ok(SessionClaim::Exhausted),
            }
            Ok(SessionClaim::Claimed(session, under_way.enter(id.as_str())))
        })
        .await
    }

    /// Opens a claimed session again.
    pub async fn reopen_session(&self, id: &SessionId) -> Result<()> {
        let id = id.clone();
        self.write_as(Right::ToFinish, move |db| reopen(db, &id)).await
    }

    /// Stores the card of a session. If a notification has stored one already, it must be the same card.
    pub async fn store_card(
        &self,
        session_id: &SessionId,
        card: Arc<StoredCard>,
        now: i64,
    ) -> Result<Storing> {
        let (id, wiped) = (session_id.clone(), self.wipes());
        self.write_as(Right::ToFinish, move |db| {
            wiped.note();
            store_card(db, &id, &card, now)
        })
        .await
    }
}

pub(super) fn store_card(
    db: &Db<'_>,
    session_id: &SessionId,
    card: &StoredCard,
    now: i64,
) -> Result<Storing> {
    let Some(session) = get(db, session_id)? else {
        return Ok(Storing::Conflict);
    };
    let active = TokenStatus::of(card.origin) == TokenStatus::Active;
    // A token that only a browser names gives no access, so its owner does not matter here.
    let holding = match active {
        true => tokens::holding(db, session.platform, &card.token)?,
        false => None,
    };
    if let Some(result) = &session.result {
        let token = match result {
            SessionResult::Token(token) => tokens::get(db, token)?,
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
            tokens::confirm(db, &token.id, card, now)?;
            name_card(db, &session, card)?;
        }
        return stored(db, &token.id);
    }
    if let Some(id) = &session.token_id
        && !active
    {
        // A token that only a browser names does not replace a working card. The session stays open for the
        // platform's notification.
        reopen(db, session_id)?;
        let token = tokens::get(db, id)?;
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
            tokens::replace(db, id, card, now)?;
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
                tokens::describe(db, &token.id, card, now)?;
            }
            token.id
        }
        (None, None) => {
            // A deleted token that a browser names stays deleted. One that the platform has just created is new.
            if card.origin == Origin::Named && tokens::was_deleted(db, session.platform, &card.token)? {
                return Ok(Storing::Deleted);
            }
            tokens::insert(db, session.platform, session.customer.as_deref(), card, now)?
        }
    };
    finish(db, session_id, &SessionResult::Token(id.clone()))?;
    name_card(db, &session, card)?;
    stored(db, &id)
}

/// Notes that the session's reference is the platform's token, by which a page may come back for it.
fn name_card(db: &Db<'_>, session: &Session, card: &StoredCard) -> Result<()> {
    if session.reference == card.token.expose_secret() {
        db.execute(NAME_CARD, params![session.id])?;
    }
    Ok(())
}

fn stored(db: &Db<'_>, id: &TokenId) -> Result<Storing> {
    Ok(tokens::get(db, id)?.map_or(Storing::Conflict, |token| Storing::Stored(Box::new(token))))
}
