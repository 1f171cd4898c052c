//! Finds and erases what refers to a customer.

use cardseal::platform::Platform;

use super::seal::{Index, NAMELESS};
use super::sql::{Column, Statement, params};
use super::{Columns, Result, SessionId, Store, SubscriptionId, TokenId, events, platform, statements};

/// How many rows were erased, and whether there are more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErasedRows {
    /// Sessions.
    pub sessions: usize,
    /// Payments.
    pub payments: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Whether one of the statements reached its limit.
    pub more: bool,
}

statements! {
    TOKENS = "SELECT id, platform FROM tokens WHERE customer = ? AND status <> 'deleted' ORDER BY seq";
    /// Sessions whose card is on its way to become a token.
    STORING = "SELECT id, platform FROM sessions WHERE customer = ? AND state = 'busy' AND kind <> 'payment'";
    /// A session that is gone stores no card.
    CLOSE_SESSIONS = "DELETE FROM sessions WHERE id IN
        (SELECT id FROM sessions WHERE customer = ? AND state = 'open' AND kind <> 'payment' LIMIT ?)";
    ERASE_SESSIONS = "UPDATE sessions SET customer = NULL, customer_sealed = NULL,
            description = CASE WHEN kind = 'payment' THEN ?3 ELSE description END
        WHERE id IN (SELECT id FROM sessions WHERE customer = ?1 AND (state <> 'busy' OR kind = 'payment') LIMIT ?2)";
    ERASE_PAYMENTS = "UPDATE payments SET customer = NULL, customer_sealed = NULL, description = ?3
        WHERE seq IN (SELECT seq FROM payments WHERE customer = ?1 LIMIT ?2)";
    /// Those that the platform still charges, or may charge.
    SUBSCRIPTIONS = "SELECT id, platform FROM subscriptions
        WHERE customer = ? AND status NOT IN ('cancelled', 'failed') ORDER BY seq";
    /// Those that are over.
    ERASE_SUBSCRIPTIONS = "UPDATE subscriptions SET customer = NULL, customer_sealed = NULL, description = ?3
        WHERE seq IN (SELECT seq FROM subscriptions
            WHERE customer = ?1 AND status IN ('cancelled', 'failed') LIMIT ?2)";
    ERASE_TOKENS = "UPDATE tokens SET customer = NULL, customer_sealed = NULL, holder = NULL, nickname = NULL, expiry_month = NULL,
            expiry_year = NULL
        WHERE seq IN (SELECT seq FROM tokens WHERE customer = ? AND status = 'deleted' LIMIT ?)";
    ERASE_CLAIMS = "UPDATE claims SET customer = NULL, customer_sealed = NULL
        WHERE digest IN (SELECT digest FROM claims WHERE customer = ? LIMIT ?)";
}

impl Store {
    /// The stored cards of a customer that have not been deleted, oldest first.
    pub async fn tokens_of_customer(&self, customer: &str) -> Result<Vec<(TokenId, Platform)>> {
        self.of_customer(TOKENS, customer).await
    }

    /// The sessions of a customer whose card is being stored.
    pub async fn storing_sessions_of_customer(&self, customer: &str) -> Result<Vec<(SessionId, Platform)>> {
        self.of_customer(STORING, customer).await
    }

    /// The subscriptions of a customer that are not over, oldest first.
    pub async fn subscriptions_of_customer(&self, customer: &str) -> Result<Vec<(SubscriptionId, Platform)>> {
        self.of_customer(SUBSCRIPTIONS, customer).await
    }

    async fn of_customer<T: Column + Send + 'static>(
        &self,
        statement: Statement,
        customer: &str,
    ) -> Result<Vec<(T, Platform)>> {
        let customer = customer.to_owned();
        self.list(move |db| {
            let mut all = Vec::new();
            for form in db.forms(Index::Customer, &customer)? {
                all.extend(db.rows(statement, params![form], |row| {
                    let mut columns = Columns::of("", row);
                    Ok((columns.next()?, platform(&mut columns)?))
                })?);
            }
            Ok(all)
        })
        .await
    }

    /// Removes a customer's sessions that could still store a card, up to `limit`. One whose card is on its way to the
    /// platform stays, and so do those for a payment.
    pub async fn close_sessions_of_customer(&self, customer: &str, limit: u32) -> Result<ErasedRows> {
        let (customer, wipes) = (customer.to_owned(), self.wipes());
        self.write(move |db| {
            wipes.note();
            let forms = db.forms(Index::Customer, &customer)?;
            let sessions = each(&forms, |form| db.execute(CLOSE_SESSIONS, params![form, limit]))?;
            Ok(ErasedRows {
                sessions,
                payments: 0,
                subscriptions: 0,
                more: is_full(sessions, limit),
            })
        })
        .await
    }

    /// Removes the customer from sessions, payments and deleted tokens, up to `limit` of each. Amounts, states and the
    /// platforms' references stay.
    pub async fn erase_customer(&self, customer: &str, limit: u32, now: i64) -> Result<ErasedRows> {
        let (customer, wipes) = (customer.to_owned(), self.wipes());
        self.write(move |db| {
            wipes.note();
            let forms = db.forms(Index::Customer, &customer)?;
            let nameless = |statement| {
                each(&forms, |form| {
                    db.execute(statement, params![form, limit, NAMELESS])
                })
            };
            let plain = |statement| each(&forms, |form| db.execute(statement, params![form, limit]));
            let (sessions, payments) = (nameless(ERASE_SESSIONS)?, nameless(ERASE_PAYMENTS)?);
            let subscriptions = nameless(ERASE_SUBSCRIPTIONS)?;
            let erased = [
                sessions,
                payments,
                subscriptions,
                plain(ERASE_TOKENS)?,
                plain(ERASE_CLAIMS)?,
            ];
            let more = erased.iter().any(|erased| is_full(*erased, limit));
            let is_left = |statement| {
                let found = db.found(&forms, |form| db.row(statement, params![form], |_| Ok(())));
                found.map(|found| found.is_some())
            };
            let left = is_left(TOKENS)? || is_left(STORING)? || is_left(SUBSCRIPTIONS)?;
            if !more && !left {
                events::customer(db, &customer, now)?;
            }
            Ok(ErasedRows {
                sessions,
                payments,
                subscriptions,
                more,
            })
        })
        .await
    }
}

/// Runs a statement for each form of a customer's reference, and returns how many rows it changed.
fn each(forms: &[String], run: impl Fn(&str) -> Result<usize>) -> Result<usize> {
    forms.iter().map(|form| run(form)).sum()
}

/// Whether a statement has changed as many rows as it may.
fn is_full(changed: usize, limit: u32) -> bool {
    changed >= usize::try_from(limit).unwrap_or(usize::MAX)
}
