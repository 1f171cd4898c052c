//! What the simulated GP API remembers. Of a card number only the first six and the last four digits are kept,
//! what its issuer would say, and a salted digest to find it again.

use std::collections::HashMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use time::{Duration, OffsetDateTime};

use super::authentications::Authentication;
use super::issuer::{self, Verdict};
use super::payment_methods::USAGE_MODES;
use super::threeds::{self, Enrolled};
use super::wire::Account;
use crate::host::clock;
use crate::host::keeping::{self, Keep, one_of, redacted};

/// An access token.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The accounts in its scope, each with what this token may do with it.
    pub(crate) accounts: Vec<Account>,
    /// Whether it was asked for with a list of permissions.
    pub(crate) narrowed: bool,
    /// Whether answers mask account, merchant and application.
    pub(crate) restricted: bool,
    pub(crate) expires_at: OffsetDateTime,
}

impl Token {
    pub(crate) fn may(&self, permission: &str) -> bool {
        self.accounts
            .iter()
            .any(|account| account.permissions.contains(&permission))
    }
}

/// What is known of a card.
#[derive(Clone, Debug)]
pub(crate) struct CardFacts {
    pub(crate) first6: String,
    pub(crate) last4: String,
    pub(crate) digits: usize,
    pub(crate) brand: &'static str,
    pub(crate) digest: [u8; 64],
    pub(crate) verdict: Verdict,
    /// For 3-D Secure.
    pub(crate) enrolled: Option<Enrolled>,
    /// Security code, address, postal code, if they are sent.
    pub(crate) checks: [char; 3],
    /// Whether a security code was sent. It does not outlive a single use.
    pub(crate) code_sent: bool,
    pub(crate) expiry_month: String,
    pub(crate) expiry_year: String,
}

/// Whether a payment method can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum MethodState {
    Active,
    /// Used up or too old.
    Inactive,
    Deleted,
}

/// A stored card.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PaymentMethod {
    pub(crate) id: String,
    #[serde(rename = "last4", serialize_with = "last4")]
    pub(crate) card: CardFacts,
    #[serde(skip)]
    pub(crate) name: Option<String>,
    pub(crate) reference: String,
    pub(crate) usage_mode: &'static str,
    pub(crate) status: MethodState,
    /// Until when it can be used, if it can be used only once.
    #[serde(skip)]
    pub(crate) until: Option<OffsetDateTime>,
    #[serde(with = "clock::as_text", rename = "time_created")]
    pub(crate) created_at: OffsetDateTime,
    #[serde(skip)]
    pub(crate) updated_at: OffsetDateTime,
}

fn last4<S: Serializer>(card: &CardFacts, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&card.last4)
}

impl PaymentMethod {
    pub(crate) fn state(&self, now: OffsetDateTime) -> MethodState {
        match self.until {
            Some(until) if self.status == MethodState::Active && now >= until => MethodState::Inactive,
            _ => self.status,
        }
    }
}

/// The state of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Preauthorized,
    Captured,
    Declined,
    Reversed,
}

impl Status {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Preauthorized => "PREAUTHORIZED",
            Self::Captured => "CAPTURED",
            Self::Declined => "DECLINED",
            Self::Reversed => "REVERSED",
        }
    }
}

/// A charge or a refund.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Transaction {
    pub(crate) id: String,
    pub(crate) reference: String,
    #[serde(serialize_with = "minor_units")]
    pub(crate) amount: u64,
    pub(crate) currency: String,
    pub(crate) status: Status,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) idempotency_key: Option<String>,
    #[serde(serialize_with = "minor_units")]
    pub(crate) captured: u64,
    #[serde(serialize_with = "minor_units")]
    pub(crate) refunded: u64,
    /// `payment_method.result`.
    pub(crate) result: String,
    /// Id of the stored card that was charged.
    pub(crate) payment_method: Option<String>,
    pub(crate) usage_mode: Option<&'static str>,
    #[serde(rename = "last4", serialize_with = "last4")]
    pub(crate) card: CardFacts,
    /// Id of the authentication that it was made with.
    pub(crate) authentication: Option<String>,
    /// The charge, of a refund.
    pub(crate) parent: Option<String>,
    #[serde(with = "clock::as_text", rename = "time_created")]
    pub(crate) created_at: OffsetDateTime,
    #[serde(skip)]
    pub(crate) updated_at: OffsetDateTime,
    #[serde(skip)]
    pub(crate) country: String,
    #[serde(skip)]
    pub(crate) capture_mode: &'static str,
    #[serde(skip)]
    pub(crate) entry_mode: &'static str,
    #[serde(skip)]
    pub(crate) holder: Option<String>,
    #[serde(skip)]
    pub(crate) description: Option<String>,
    #[serde(skip)]
    pub(crate) order_reference: Option<String>,
    #[serde(skip)]
    pub(crate) initiator: Option<String>,
    #[serde(skip)]
    pub(crate) status_url: Option<String>,
    #[serde(skip)]
    pub(crate) authcode: String,
    #[serde(skip)]
    pub(crate) batch_id: String,
    /// What the card's brand knows the transaction by.
    #[serde(skip)]
    pub(crate) brand_reference: String,
    /// Whether it must not be captured until it is released.
    #[serde(skip)]
    pub(crate) held: bool,
    /// Whether the card's fingerprint was asked for.
    #[serde(skip)]
    pub(crate) fingerprint: bool,
}

/// What idempotency keys are told apart by: the tests of the official clients use one key twice, to change a payment
/// method and to verify it, but never for two actions on transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Resource {
    PaymentMethod,
    Verification,
    Transaction,
    Authentication,
    Dispute,
}

fn minor_units<S: Serializer>(amount: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// A notification that was delivered or given up.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Delivered {
    pub(crate) transaction: String,
    #[serde(with = "clock::as_text")]
    pub(crate) at: OffsetDateTime,
    pub(crate) attempts: u32,
    /// The merchant's HTTP status; `None` if there was no answer.
    pub(crate) status: Option<u16>,
}

/// Everything, in the order in which it came.
#[derive(Debug, Default)]
pub(crate) struct Book {
    tokens: HashMap<String, Token>,
    access_tokens_made: u64,
    payment_methods: Vec<PaymentMethod>,
    payment_method_index: HashMap<String, usize>,
    transactions: Vec<Transaction>,
    /// Captures and reversals have ids of their own, and lead to their charge.
    transaction_index: HashMap<String, usize>,
    /// In capitals.
    reference_index: HashMap<String, Vec<usize>>,
    /// Answers of verifications by id.
    verifications: HashMap<String, Value>,
    pub(crate) authentications: Vec<Authentication>,
    /// What was made with an idempotency key.
    keys: HashMap<(Resource, String), String>,
    pub(crate) notifications_sent: Vec<Delivered>,
}

/// A stored card as it is kept over a restart.
#[derive(Serialize, Deserialize)]
struct Kept {
    id: String,
    first6: String,
    last4: String,
    digits: usize,
    brand: Value,
    verdict: Value,
    enrolled: Value,
    checks: [char; 3],
    expiry_month: String,
    expiry_year: String,
    #[serde(serialize_with = "redacted")]
    name: Option<String>,
    reference: String,
    usage_mode: Value,
    #[serde(with = "clock::as_text")]
    created_at: OffsetDateTime,
    #[serde(with = "clock::as_text")]
    updated_at: OffsetDateTime,
}

impl From<&PaymentMethod> for Kept {
    fn from(method: &PaymentMethod) -> Self {
        let card = &method.card;
        Self {
            id: method.id.clone(),
            first6: card.first6.clone(),
            last4: card.last4.clone(),
            digits: card.digits,
            brand: card.brand.into(),
            verdict: json!(card.verdict),
            enrolled: json!(card.enrolled),
            checks: card.checks,
            expiry_month: card.expiry_month.clone(),
            expiry_year: card.expiry_year.clone(),
            name: method.name.clone(),
            reference: method.reference.clone(),
            usage_mode: method.usage_mode.into(),
            created_at: method.created_at,
            updated_at: method.updated_at,
        }
    }
}

impl Kept {
    fn method(self) -> Result<PaymentMethod, serde_json::Error> {
        Ok(PaymentMethod {
            card: CardFacts {
                first6: self.first6,
                last4: self.last4,
                digits: self.digits,
                brand: one_of(issuer::BRANDS, &self.brand)?,
                // That of the number is not written, as the number could be found from it. So the card counts as another
                // one when it is typed again.
                digest: Sha512::digest(&self.id).into(),
                verdict: one_of(issuer::verdicts(), &self.verdict)?,
                enrolled: one_of(threeds::enrolments(), &self.enrolled)?,
                checks: self.checks,
                code_sent: false,
                expiry_month: self.expiry_month,
                expiry_year: self.expiry_year,
            },
            id: self.id,
            name: self.name,
            reference: self.reference,
            usage_mode: one_of(USAGE_MODES, &self.usage_mode)?,
            status: MethodState::Active,
            until: None,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

impl Keep for Book {
    fn cards(&self) -> Value {
        let lasting = self
            .payment_methods
            .iter()
            .filter(|method| method.until.is_none() && method.status == MethodState::Active);
        keeping::written(lasting.map(Kept::from).collect())
    }

    fn put_back(&mut self, cards: Value) -> Result<(), serde_json::Error> {
        for kept in keeping::read::<Kept>(cards)? {
            self.add_payment_method(kept.method()?);
        }
        Ok(())
    }
}

impl Book {
    pub(crate) fn add_token(&mut self, text: String, token: Token) {
        self.access_tokens_made += 1;
        self.tokens.insert(text, token);
    }

    pub(crate) fn token(&self, text: &str) -> Option<&Token> {
        self.tokens.get(text)
    }

    /// Makes every token that was given out too old.
    pub(crate) fn expire_tokens(&mut self, now: OffsetDateTime) -> usize {
        let good = self.tokens.values_mut().filter(|token| token.expires_at > now);
        good.map(|token| token.expires_at = now).count()
    }

    pub(crate) fn add_payment_method(&mut self, method: PaymentMethod) {
        self.payment_method_index
            .insert(method.id.clone(), self.payment_methods.len());
        self.payment_methods.push(method);
    }

    pub(crate) fn payment_method(&mut self, id: &str) -> Option<&mut PaymentMethod> {
        let index = self.payment_method_index.get(id)?;
        self.payment_methods.get_mut(*index)
    }

    pub(crate) fn payment_methods(&self) -> &[PaymentMethod] {
        &self.payment_methods
    }

    pub(crate) fn add_transaction(&mut self, transaction: Transaction) {
        let index = self.transactions.len();
        self.transaction_index.insert(transaction.id.clone(), index);
        self.reference_index
            .entry(transaction.reference.to_uppercase())
            .or_default()
            .push(index);
        self.transactions.push(transaction);
    }

    /// Lets another id lead to a transaction.
    pub(crate) fn add_alias(&mut self, alias: String, id: &str) {
        if let Some(index) = self.transaction_index.get(id) {
            self.transaction_index.insert(alias, *index);
        }
    }

    pub(crate) fn transaction(&mut self, id: &str) -> Option<&mut Transaction> {
        let index = self.transaction_index.get(id)?;
        self.transactions.get_mut(*index)
    }

    /// All of them, or those with a reference, whatever its case.
    pub(crate) fn transactions(&self, reference: Option<&str>) -> Vec<&Transaction> {
        match reference {
            None => self.transactions.iter().collect(),
            Some(reference) => self
                .reference_index
                .get(&reference.to_uppercase())
                .into_iter()
                .flatten()
                .filter_map(|index| self.transactions.get(*index))
                .collect(),
        }
    }

    pub(crate) fn add_verification(&mut self, id: String, answer: Value) {
        self.verifications.insert(id, answer);
    }

    pub(crate) fn verification(&self, id: &str) -> Option<&Value> {
        self.verifications.get(id)
    }

    pub(crate) fn remember_key(&mut self, resource: Resource, key: Option<&str>, id: &str) {
        if let Some(key) = key {
            self.keys.insert((resource, key.into()), id.into());
        }
    }

    pub(crate) fn made_with(&self, resource: Resource, key: &str) -> Option<&str> {
        self.keys.get(&(resource, key.into())).map(String::as_str)
    }

    pub(crate) fn snapshot(&self, now: OffsetDateTime) -> Snapshot {
        let mut payment_methods = self.payment_methods.clone();
        for method in &mut payment_methods {
            method.status = method.state(now);
        }
        Snapshot {
            access_tokens_made: self.access_tokens_made,
            payment_methods,
            verifications_made: self.verifications.len(),
            authentications: self.authentications.clone(),
            transactions: self.transactions.clone(),
            notifications_sent: self.notifications_sent.clone(),
            idempotency_keys: self
                .keys
                .iter()
                .map(|((_, key), id)| (key.clone(), id.clone()))
                .collect(),
        }
    }
}

/// What the control API tells.
#[derive(Serialize)]
pub(crate) struct Snapshot {
    access_tokens_made: u64,
    payment_methods: Vec<PaymentMethod>,
    verifications_made: usize,
    authentications: Vec<Authentication>,
    transactions: Vec<Transaction>,
    notifications_sent: Vec<Delivered>,
    /// And what each made.
    idempotency_keys: HashMap<String, String>,
}

/// How long lists look back if not told otherwise.
pub(crate) const LIST_WINDOW: Duration = Duration::days(30);
