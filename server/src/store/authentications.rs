//! Authentications of customers by 3-D Secure. Each is bound to a card, an amount and a currency, and is used by one charge.

use cardseal::platform::Platform;
use cardseal_gateways::Amount;
use cardseal_gateways::authentication::{
    Authentication as Told, AuthenticationStatus, BrowserStep, Preference,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::instances::Right;
use super::payments::{amount, minor};
use super::sql::{Row, params};
use super::{
    AuthenticationId, Columns, Db, Fingerprint, IdempotencyKey, NewPayment, PaymentId, Result, Store,
    StoreError, TokenId, platform, readable, statements,
};

/// How far an authentication is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationState {
    /// The platform is asked for the first time.
    Started,
    /// As the platform says.
    Told(AuthenticationStatus),
}

impl AuthenticationState {
    /// Every state, in the order in which they follow each other.
    pub const ALL: [Self; 7] = [
        Self::Started,
        Self::Told(AuthenticationStatus::NotEnrolled),
        Self::Told(AuthenticationStatus::Available),
        Self::Told(AuthenticationStatus::Challenge),
        Self::Told(AuthenticationStatus::Authenticated),
        Self::Told(AuthenticationStatus::Attempted),
        Self::Told(AuthenticationStatus::Failed),
    ];

    /// The name in JSON and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Told(AuthenticationStatus::NotEnrolled) => "not_enrolled",
            Self::Told(AuthenticationStatus::Available) => "available",
            Self::Told(AuthenticationStatus::Challenge) => "challenge",
            Self::Told(AuthenticationStatus::Authenticated) => "authenticated",
            Self::Told(AuthenticationStatus::Attempted) => "attempted",
            Self::Told(AuthenticationStatus::Failed) => "failed",
        }
    }

    fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether the customer may be charged with it.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(
            self,
            Self::Told(AuthenticationStatus::Authenticated | AuthenticationStatus::Attempted)
        )
    }

    /// Whether it stays as it is.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Started | Self::Told(AuthenticationStatus::Available | AuthenticationStatus::Challenge) => {
                false
            }
            Self::Told(
                AuthenticationStatus::NotEnrolled
                | AuthenticationStatus::Authenticated
                | AuthenticationStatus::Attempted
                | AuthenticationStatus::Failed,
            ) => true,
        }
    }

    /// Whether another state may follow. A late answer of an earlier call takes nothing back.
    fn precedes(self, other: Self) -> bool {
        let place = |state| Self::ALL.iter().position(|known| *known == state);
        !self.is_final() && place(self) <= place(other)
    }
}

const PREFERENCES: [(Preference, &str); 4] = [
    (Preference::None, "none"),
    (Preference::NoChallenge, "no_challenge"),
    (Preference::Challenge, "challenge"),
    (Preference::ChallengeMandated, "challenge_mandated"),
];

/// The name of a preference in JSON and in the database.
#[must_use]
pub const fn preference_text(preference: Preference) -> &'static str {
    match preference {
        Preference::None => PREFERENCES[0].1,
        Preference::NoChallenge => PREFERENCES[1].1,
        Preference::Challenge => PREFERENCES[2].1,
        Preference::ChallengeMandated => PREFERENCES[3].1,
    }
}

fn read_preference(text: &str) -> Option<Preference> {
    let mut all = PREFERENCES.into_iter();
    all.find(|(_, name)| *name == text)
        .map(|(preference, _)| preference)
}

/// An authentication to be stored.
pub struct NewAuthentication {
    /// The platform.
    pub platform: Platform,
    /// The card.
    pub token_id: TokenId,
    /// The amount.
    pub amount: Amount,
    /// What the merchant prefers.
    pub preference: Preference,
    /// Our reference, which the platform repeats.
    pub reference: String,
    /// The caller's key.
    pub key: Option<IdempotencyKey>,
    /// The fingerprint of the request.
    pub fingerprint: Fingerprint,
    /// Milliseconds since 1970.
    pub expires_at: i64,
}

/// A stored authentication.
pub struct Authentication {
    /// The id. It is the idempotency key at the platform, too.
    pub id: AuthenticationId,
    /// The platform.
    pub platform: Platform,
    /// The card.
    pub token_id: TokenId,
    /// The amount.
    pub amount: Amount,
    /// What the merchant prefers.
    pub preference: Preference,
    /// Our reference, which the platform repeats.
    pub reference: String,
    /// How far it is.
    pub state: AuthenticationState,
    /// What the gateway needs.
    pub kept: Option<SecretString>,
    /// What the page has to do next.
    pub step: Option<BrowserStep>,
    /// The brand's number for the result.
    pub eci: Option<String>,
    /// The version of the protocol.
    pub version: Option<String>,
    /// Whether the issuer answers for a charge that its customer denies.
    pub liability_shift: bool,
    /// The charge that used it.
    pub payment_id: Option<PaymentId>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970.
    pub expires_at: i64,
}

/// The result of storing an authentication.
pub enum Begun {
    /// It is stored, or was by an earlier request with the same key.
    Stored(Box<Authentication>),
    /// The key belongs to another request.
    Reused,
}

/// Why a charge cannot use an authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// There is none with this id.
    Unknown,
    /// It is of another card.
    OtherToken,
    /// It is of another amount or currency.
    OtherAmount,
    /// Another charge has used it.
    Used,
    /// It has expired.
    Expired,
    /// The customer is not authenticated.
    State(AuthenticationState),
}

/// A step as it is kept.
#[derive(Serialize, Deserialize)]
struct KeptStep {
    url: String,
    field: String,
    value: String,
}

/// The names of the forms' fields in EMV 3-D Secure.
const FIELDS: [&str; 2] = ["threeDSMethodData", "creq"];

fn read_step(text: &str) -> Option<BrowserStep> {
    let kept: KeptStep = serde_json::from_str(text).ok()?;
    let field = FIELDS.into_iter().find(|field| *field == kept.field)?;
    Some(BrowserStep {
        url: kept.url,
        field,
        value: kept.value,
    })
}

fn step_text(step: &BrowserStep) -> Result<String> {
    let kept = KeptStep {
        url: step.url.clone(),
        field: step.field.into(),
        value: step.value.clone(),
    };
    serde_json::to_string(&kept).map_err(|_| StoreError::Unknown("step"))
}

/// The table.
pub(super) const TABLE: &str = "authentications";

/// The columns of an authentication, in the order in which [`values`] reads them.
macro_rules! columns {
    () => {
        "id, platform, token_id, amount_minor, currency, preference, reference, status, kept, step, eci, version,
            liability_shift, payment_id, created_at, expires_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM authentications WHERE id = ?");
    OF_PAYMENT = concat!("SELECT ", columns!(), " FROM authentications WHERE payment_id = ?");
    BY_KEY = "SELECT id, fingerprint FROM authentications WHERE caller_key = ?";
    INSERT = "INSERT INTO authentications (id, platform, token_id, amount_minor, currency, preference, reference, status,
            caller_key, fingerprint, created_at, updated_at, expires_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, 'started', ?, ?, ?10, ?10, ?)";
    UPDATE = "UPDATE authentications SET status = ?, kept = ?, step = ?, eci = ?, version = ?, liability_shift = ?,
            updated_at = ? WHERE id = ?";
    USE = "UPDATE authentications SET payment_id = ? WHERE id = ? AND payment_id IS NULL";
    RELEASE = "UPDATE authentications SET payment_id = NULL WHERE payment_id = ?";
}

fn read(row: &Row<'_>) -> Result<Authentication> {
    readable(TABLE, row, values)
}

fn values(row: &mut Columns<'_>) -> Result<Authentication> {
    let id = row.next()?;
    let platform = platform(row)?;
    let token_id = row.next()?;
    Ok(Authentication {
        id,
        platform,
        token_id,
        amount: amount(row)?,
        preference: row.word("preference", read_preference)?,
        reference: row.next()?,
        state: row.word("status", AuthenticationState::read)?,
        kept: row.opened("kept")?.map(Into::into),
        step: {
            let step = row.opened("step")?;
            let read = |text: String| read_step(&text).ok_or(StoreError::Unknown("step"));
            step.map(read).transpose()?
        },
        eci: row.next()?,
        version: row.next()?,
        liability_shift: row.next()?,
        payment_id: row.next()?,
        created_at: row.next()?,
        expires_at: row.next()?,
    })
}

fn get(db: &Db<'_>, id: &AuthenticationId) -> Result<Option<Authentication>> {
    db.row(BY_ID, params![id], read)
}

/// Whether a new charge may use the authentication that it names.
pub(super) fn check(db: &Db<'_>, new: &NewPayment, now: i64) -> Result<Option<Unusable>> {
    let Some(id) = &new.authentication_id else {
        return Ok(None);
    };
    let Some(authentication) = get(db, id)? else {
        return Ok(Some(Unusable::Unknown));
    };
    Ok(if new.token_id.as_ref() != Some(&authentication.token_id) {
        Some(Unusable::OtherToken)
    } else if new.amount != authentication.amount {
        Some(Unusable::OtherAmount)
    } else if authentication.payment_id.is_some() {
        Some(Unusable::Used)
    } else if !authentication.state.is_good() {
        Some(Unusable::State(authentication.state))
    } else if authentication.expires_at <= now {
        Some(Unusable::Expired)
    } else {
        None
    })
}

/// Binds an authentication to its charge.
pub(super) fn take(db: &Db<'_>, id: &AuthenticationId, payment: &PaymentId) -> Result<()> {
    match db.execute(USE, params![payment, id])? {
        1 => Ok(()),
        _ => Err(StoreError::Unknown("authentication of a charge")),
    }
}

/// Frees the authentication of a charge that was certainly not made.
pub(super) fn release(db: &Db<'_>, payment: &PaymentId) -> Result<()> {
    db.execute(RELEASE, params![payment]).map(|_| ())
}

impl Store {
    /// Loads an authentication.
    pub async fn authentication(&self, id: &AuthenticationId) -> Result<Option<Authentication>> {
        let id = id.clone();
        self.read(move |db| get(db, &id)).await
    }

    /// What the gateway needs of the authentication that a charge was made with.
    pub async fn authentication_of(&self, payment: &PaymentId) -> Result<Option<SecretString>> {
        let payment = payment.clone();
        let found = self
            .read(move |db| db.row(OF_PAYMENT, params![payment], read))
            .await?;
        Ok(found.and_then(|authentication| authentication.kept))
    }

    /// Stores an authentication before the platform is asked. A repeated request gets the first.
    pub async fn begin_authentication(&self, new: NewAuthentication, now: i64) -> Result<Begun> {
        self.write_as(Right::ToBegin, move |db| {
            if let Some(key) = &new.key {
                let known = db.row(BY_KEY, params![key], |row| {
                    let id: String = row.get(0)?;
                    let fingerprint = row.stored(1)?.unwrap_or_default();
                    let fingerprint = row.opener(TABLE).open("fingerprint", &id, fingerprint)?;
                    Ok((AuthenticationId::from(id), Fingerprint::from(fingerprint)))
                })?;
                if let Some((id, fingerprint)) = known {
                    if fingerprint != new.fingerprint {
                        return Ok(Begun::Reused);
                    }
                    let known = get(db, &id)?.ok_or(StoreError::Unknown("authentication of a key"))?;
                    return Ok(Begun::Stored(Box::new(known)));
                }
            }
            let id = AuthenticationId::random();
            let seal = db.seal(TABLE, id.as_str());
            db.execute(
                INSERT,
                params![
                    id,
                    new.platform.id(),
                    new.token_id,
                    minor(new.amount.minor())?,
                    new.amount.currency().code(),
                    preference_text(new.preference),
                    new.reference,
                    new.key,
                    seal.value("fingerprint", new.fingerprint.as_str())?,
                    now,
                    new.expires_at,
                ],
            )?;
            let stored = get(db, &id)?.ok_or(StoreError::Unknown("authentication"))?;
            Ok(Begun::Stored(Box::new(stored)))
        })
        .await
    }

    /// Stores what the platform says, unless more is known already, and returns what is known then.
    pub async fn update_authentication(
        &self,
        id: &AuthenticationId,
        told: Told,
        now: i64,
    ) -> Result<Authentication> {
        let id = id.clone();
        self.write_as(Right::ToFinish, move |db| {
            let known = get(db, &id)?.ok_or(StoreError::Unknown("authentication"))?;
            let next = AuthenticationState::Told(told.status);
            if known.state.precedes(next) {
                let seal = db.seal(TABLE, id.as_str());
                // What the page has to do is told once by the platform, and stays until the next status.
                let kept = known.step.as_ref().filter(|_| known.state == next);
                let step = told.step.as_ref().or(kept).map(step_text).transpose()?;
                db.execute(
                    UPDATE,
                    params![
                        next.as_str(),
                        seal.value("kept", told.state.expose_secret())?,
                        seal.optional("step", step.as_deref())?,
                        told.eci,
                        told.version,
                        told.liability_shift,
                        now,
                        id,
                    ],
                )?;
            }
            get(db, &id)?.ok_or(StoreError::Unknown("authentication"))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{new_payment, open, sql};
    use super::super::{Attempt, Claim, Taker};
    use super::*;

    const TOKEN: &str = "INSERT INTO tokens (id, platform, platform_token, status, created_at, updated_at)
        VALUES ('tok_1', 'gp_api', 'PMT_1', 'active', 1, 1), ('tok_2', 'gp_api', 'PMT_2', 'active', 1, 1)";

    fn new(key: Option<&str>, fingerprint: &str) -> NewAuthentication {
        NewAuthentication {
            platform: Platform::GpApi,
            token_id: "tok_1".into(),
            amount: Amount::parse("12.34", "USD").unwrap(),
            preference: Preference::Challenge,
            reference: "r-1".into(),
            key: key.map(Into::into),
            fingerprint: fingerprint.into(),
            expires_at: 1000,
        }
    }

    fn told(status: AuthenticationStatus, step: bool) -> Told {
        Told {
            state: "proof".into(),
            status,
            step: step.then(|| BrowserStep {
                url: "https://acs.example".into(),
                field: "creq",
                value: "v".into(),
            }),
            eci: Some("05".into()),
            version: Some("2.2.0".into()),
            liability_shift: true,
        }
    }

    async fn begun(store: &Store, key: Option<&str>) -> Authentication {
        match store.begin_authentication(new(key, "f"), 1).await.unwrap() {
            Begun::Stored(authentication) => *authentication,
            Begun::Reused => panic!("reused"),
        }
    }

    #[tokio::test]
    async fn a_key_begins_one_and_a_late_answer_takes_nothing_back() {
        let (_place, store) = open().await;
        let first = begun(&store, Some("k")).await;
        assert_eq!(begun(&store, Some("k")).await.id, first.id);
        assert_ne!(begun(&store, None).await.id, first.id);
        let other = store
            .begin_authentication(new(Some("k"), "other"), 1)
            .await
            .unwrap();
        assert!(matches!(other, Begun::Reused));
        use AuthenticationStatus as Status;
        for (status, step, state, shown) in [
            (Status::Available, true, "available", true),
            (Status::Challenge, true, "challenge", true),
            // Of a lookup, which does not tell the page again.
            (Status::Challenge, false, "challenge", true),
            (Status::Available, true, "challenge", true),
            (Status::Authenticated, false, "authenticated", false),
            (Status::Failed, false, "authenticated", false),
        ] {
            let known = store
                .update_authentication(&first.id, told(status, step), 2)
                .await
                .unwrap();
            assert_eq!(
                (known.state.as_str(), known.step.is_some()),
                (state, shown),
                "{status:?}"
            );
            assert_eq!(known.kept.unwrap().expose_secret(), "proof");
        }
    }

    #[tokio::test]
    async fn a_charge_uses_one_of_its_card_and_amount_once() {
        let (_place, store) = open().await;
        sql(&store, TOKEN).await.unwrap();
        let id = begun(&store, None).await.id;
        let claim = async |token: &str, amount: &str, currency: &str, now: i64, reference: &str| {
            let payment = NewPayment {
                platform: Platform::GpApi,
                token_id: Some(token.into()),
                amount: Amount::parse(amount, currency).unwrap(),
                authentication_id: Some(id.clone()),
                ..new_payment(reference)
            };
            let attempt = Attempt {
                body_hash: "h".into(),
                card: None,
                taker: Taker::Platform,
            };
            store.claim_payment(None, payment, attempt, 0, now).await.unwrap()
        };
        let refused = |claim: Claim| {
            if let Claim::AuthenticationUnusable(why) = claim {
                Some(why)
            } else {
                None
            }
        };
        let early = claim("tok_1", "12.34", "USD", 2, "a").await;
        assert_eq!(
            refused(early),
            Some(Unusable::State(AuthenticationState::Started))
        );
        store
            .update_authentication(&id, told(AuthenticationStatus::Authenticated, false), 2)
            .await
            .unwrap();
        for (token, amount, currency, now, why) in [
            ("tok_2", "12.34", "USD", 2, Unusable::OtherToken),
            ("tok_1", "12.35", "USD", 2, Unusable::OtherAmount),
            ("tok_1", "12.34", "EUR", 2, Unusable::OtherAmount),
            ("tok_1", "12.34", "USD", 1000, Unusable::Expired),
        ] {
            assert_eq!(refused(claim(token, amount, currency, now, "a").await), Some(why));
        }
        let Claim::New(payment, _claimed) = claim("tok_1", "12.34", "USD", 2, "a").await else {
            panic!("not claimed");
        };
        let proof = store.authentication_of(&payment.id).await.unwrap().unwrap();
        assert_eq!(proof.expose_secret(), "proof");
        assert_eq!(
            refused(claim("tok_1", "12.34", "USD", 2, "b").await),
            Some(Unusable::Used)
        );
        // Once it is certain that nothing was charged, it is free again.
        let failed = |payment: &super::super::Payment| {
            Some(super::super::PaymentUpdate {
                status: super::super::Status::Failed,
                approval: cardseal_gateways::gateway::Approval::default(),
                decline: None,
                redirect: None,
                captured: payment.captured,
                event: None,
            })
        };
        store.update_payment(&payment.id, failed, 3).await.unwrap();
        assert!(matches!(
            claim("tok_1", "12.34", "USD", 2, "b").await,
            Claim::New(..)
        ));
    }
}
