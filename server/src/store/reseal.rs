//! The keys of a database: which ones its rows need, and how rows get the current one, a few at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::idempotency::row_id;
use super::seal::{EncryptionKeys, Index, Ring, RowSeal, key_of};
use super::sql::{Row, Statement, Value, params};
use super::{
    Db, Result, Store, StoreError, authentications, changes, events, idempotency, notifications, payments,
    retention, sessions, statements, subscriptions, tokens,
};

/// How many rows are read at once to find those that need a key.
const EXAMINED: u32 = 500;

statements! {
    /// In the order of their names; no database has that many.
    KEYS = "SELECT name, check_value FROM encryption_keys WHERE name > '' ORDER BY name LIMIT 1000";
    ADD_KEY = "INSERT INTO encryption_keys (name, check_value) VALUES (?, ?)
        ON CONFLICT (name) DO NOTHING";
    REMOVE_KEY = "DELETE FROM encryption_keys WHERE name = ?";
    TOKENS = "SELECT id, COALESCE(platform_token_sealed, platform_token), COALESCE(customer_sealed, customer), holder,
        nickname FROM tokens WHERE id > ? ORDER BY id LIMIT ?";
    TOKEN = "SELECT id, COALESCE(platform_token_sealed, platform_token), COALESCE(customer_sealed, customer), holder,
        nickname FROM tokens WHERE id = ?";
    SEAL_TOKEN = "UPDATE tokens SET platform_token = ?, platform_token_sealed = ?, customer = ?, customer_sealed = ?,
        holder = ?, nickname = ? WHERE id = ?";
    SESSIONS = "SELECT id, COALESCE(reference_sealed, reference), COALESCE(customer_sealed, customer), kept, description
        FROM sessions WHERE id > ? ORDER BY id LIMIT ?";
    SESSION = "SELECT id, COALESCE(reference_sealed, reference), COALESCE(customer_sealed, customer), kept, description
        FROM sessions WHERE id = ?";
    SEAL_SESSION = "UPDATE sessions SET reference = ?, reference_sealed = ?, customer = ?, customer_sealed = ?,
        kept = ?, description = ? WHERE id = ?";
    PAYMENTS = "SELECT id, COALESCE(customer_sealed, customer), description, redirect_url
        FROM payments WHERE id > ? ORDER BY id LIMIT ?";
    PAYMENT = "SELECT id, COALESCE(customer_sealed, customer), description, redirect_url FROM payments WHERE id = ?";
    SEAL_PAYMENT = "UPDATE payments SET customer = ?, customer_sealed = ?, description = ?, redirect_url = ?
        WHERE id = ?";
    SUBSCRIPTIONS = "SELECT id, COALESCE(customer_sealed, customer), description, answer_body
        FROM subscriptions WHERE id > ? ORDER BY id LIMIT ?";
    SUBSCRIPTION = "SELECT id, COALESCE(customer_sealed, customer), description, answer_body
        FROM subscriptions WHERE id = ?";
    SEAL_SUBSCRIPTION = "UPDATE subscriptions SET customer = ?, customer_sealed = ?, description = ?, answer_body = ?
        WHERE id = ?";
    IDEMPOTENCY_KEYS = "SELECT scope, key, fingerprint, answer_body FROM idempotency_keys
        WHERE (scope, key) > (?, ?) ORDER BY scope, key LIMIT ?";
    IDEMPOTENCY_KEY = "SELECT scope, key, fingerprint, answer_body FROM idempotency_keys WHERE scope = ? AND key = ?";
    SEAL_IDEMPOTENCY_KEY = "UPDATE idempotency_keys SET fingerprint = ?, answer_body = ? WHERE scope = ? AND key = ?";
    CHANGES = "SELECT id, answer_body FROM changes WHERE id > ? ORDER BY id LIMIT ?";
    CHANGE = "SELECT id, answer_body FROM changes WHERE id = ?";
    SEAL_CHANGE = "UPDATE changes SET answer_body = ? WHERE id = ?";
    AUTHENTICATIONS = "SELECT id, kept, step, fingerprint FROM authentications WHERE id > ? ORDER BY id LIMIT ?";
    AUTHENTICATION = "SELECT id, kept, step, fingerprint FROM authentications WHERE id = ?";
    SEAL_AUTHENTICATION = "UPDATE authentications SET kept = ?, step = ?, fingerprint = ? WHERE id = ?";
    NOTIFICATIONS = "SELECT digest, reference FROM notifications WHERE digest > ? ORDER BY digest LIMIT ?";
    NOTIFICATION = "SELECT digest, reference FROM notifications WHERE digest = ?";
    SEAL_NOTIFICATION = "UPDATE notifications SET reference = ? WHERE digest = ?";
    CLAIMS = "SELECT lower(hex(digest)), COALESCE(customer_sealed, customer) FROM claims
            WHERE digest > unhex(?) ORDER BY digest LIMIT ?",
        "SELECT encode(digest, 'hex'), COALESCE(customer_sealed, customer) FROM claims
            WHERE digest > decode($1, 'hex') ORDER BY digest LIMIT $2";
    CLAIM = "SELECT lower(hex(digest)), COALESCE(customer_sealed, customer) FROM claims WHERE digest = unhex(?)",
        "SELECT encode(digest, 'hex'), COALESCE(customer_sealed, customer) FROM claims WHERE digest = decode($1, 'hex')";
    SEAL_CLAIM = "UPDATE claims SET customer = ?, customer_sealed = ? WHERE digest = unhex(?)";
    EVENTS = "SELECT id, body FROM events WHERE id > ? ORDER BY id LIMIT ?";
    EVENT = "SELECT id, body FROM events WHERE id = ?";
    SEAL_EVENT = "UPDATE events SET body = ? WHERE id = ?";
}

/// A column with sealed values: its name, and the index if rows are found by it.
type SealedColumn = (&'static str, Option<Index>);

/// A table with sealed values. Its statements have the columns in this order, after those that name a row.
struct Table {
    name: &'static str,
    /// How many columns name a row.
    names: usize,
    columns: &'static [SealedColumn],
    /// The rows after one.
    rows: Statement,
    row: Statement,
    /// Columns that rows are found by take two parameters: what they are found by, and the sealed value.
    seal: Statement,
}

const TABLES: [Table; 10] = [
    Table {
        name: tokens::TABLE,
        names: 1,
        columns: &[
            ("platform_token", Some(Index::PlatformToken)),
            ("customer", Some(Index::Customer)),
            ("holder", None),
            ("nickname", None),
        ],
        rows: TOKENS,
        row: TOKEN,
        seal: SEAL_TOKEN,
    },
    Table {
        name: sessions::TABLE,
        names: 1,
        columns: &[
            ("reference", Some(Index::SessionReference)),
            ("customer", Some(Index::Customer)),
            ("kept", None),
            ("description", None),
        ],
        rows: SESSIONS,
        row: SESSION,
        seal: SEAL_SESSION,
    },
    Table {
        name: payments::TABLE,
        names: 1,
        columns: &[
            ("customer", Some(Index::Customer)),
            ("description", None),
            ("redirect_url", None),
        ],
        rows: PAYMENTS,
        row: PAYMENT,
        seal: SEAL_PAYMENT,
    },
    Table {
        name: subscriptions::TABLE,
        names: 1,
        columns: &[
            ("customer", Some(Index::Customer)),
            ("description", None),
            ("answer_body", None),
        ],
        rows: SUBSCRIPTIONS,
        row: SUBSCRIPTION,
        seal: SEAL_SUBSCRIPTION,
    },
    Table {
        name: idempotency::TABLE,
        names: 2,
        columns: &[("fingerprint", None), ("answer_body", None)],
        rows: IDEMPOTENCY_KEYS,
        row: IDEMPOTENCY_KEY,
        seal: SEAL_IDEMPOTENCY_KEY,
    },
    Table {
        name: changes::TABLE,
        names: 1,
        columns: &[("answer_body", None)],
        rows: CHANGES,
        row: CHANGE,
        seal: SEAL_CHANGE,
    },
    Table {
        name: authentications::TABLE,
        names: 1,
        columns: &[("kept", None), ("step", None), ("fingerprint", None)],
        rows: AUTHENTICATIONS,
        row: AUTHENTICATION,
        seal: SEAL_AUTHENTICATION,
    },
    Table {
        name: notifications::TABLE,
        names: 1,
        columns: &[("reference", None)],
        rows: NOTIFICATIONS,
        row: NOTIFICATION,
        seal: SEAL_NOTIFICATION,
    },
    Table {
        name: retention::CLAIMS,
        names: 1,
        columns: &[("customer", Some(Index::Customer))],
        rows: CLAIMS,
        row: CLAIM,
        seal: SEAL_CLAIM,
    },
    Table {
        name: events::TABLE,
        names: 1,
        columns: &[("body", None)],
        rows: EVENTS,
        row: EVENT,
        seal: SEAL_EVENT,
    },
];

/// How far a pass over all rows has come.
#[derive(Clone)]
pub struct SealPlace {
    /// The keys with which it began.
    ring: Arc<Ring>,
    table: usize,
    /// What names the last row that was examined.
    names: Vec<String>,
}

/// A step of a pass.
pub struct SealStep {
    /// How many rows are not sealed as new ones are, or were sealed so by this step.
    pub rows: u64,
    /// How many rows could not be sealed, because they cannot be opened.
    pub failed: u64,
    /// Where the next step goes on; none after the last.
    pub next: Option<SealPlace>,
}

/// How far the database has come with the current key.
#[derive(Default)]
pub(super) struct Progress {
    /// How many rows are not sealed with it, as far as they have been counted.
    left: AtomicU64,
    complete: AtomicBool,
}

/// A stored key.
struct Stored {
    name: String,
    check: String,
}

fn stored_keys(db: &Db<'_>) -> Result<Vec<Stored>> {
    db.rows(KEYS, params![], |row| {
        Ok(Stored {
            name: row.get(0)?,
            check: row.get(1)?,
        })
    })
}

/// What names a row, and the stored texts of its columns.
struct Found {
    names: Vec<String>,
    texts: Vec<Option<String>>,
}

impl Table {
    fn read(&self, row: &Row<'_>) -> Result<Found> {
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        let names = (0..self.names).map(|at| Ok(owned(row.stored(at)?).unwrap_or_default()));
        let texts = (0..self.columns.len()).map(|at| Ok(owned(row.stored(self.names + at)?)));
        Ok(Found {
            names: names.collect::<Result<_>>()?,
            texts: texts.collect::<Result<_>>()?,
        })
    }

    /// The rows after one.
    fn rows(&self, db: &Db<'_>, after: &[String], limit: u32) -> Result<Vec<Found>> {
        let first = vec![String::new(); self.names];
        let after = if after.is_empty() { &first } else { after };
        let mut params: Vec<Value<'_>> = after.iter().map(|name| Value::Text(Some(name))).collect();
        params.push(Value::Int(Some(limit.into())));
        db.rows(self.rows, &params, |row| self.read(row))
    }

    /// Seals a row as new ones are. Returns whether it had to be.
    fn reseal(&self, db: &Db<'_>, names: &[String]) -> Result<bool> {
        let named: Vec<Value<'_>> = names.iter().map(|name| Value::Text(Some(name))).collect();
        let id = match names {
            [scope, key] => row_id(scope, key),
            _ => names.concat(),
        };
        let found = db.row(self.row, &named, |row| {
            let found = self.read(row)?;
            if found.is_settled(db.ring()) {
                return Ok(None);
            }
            let mut opener = row.opener(self.name);
            let columns = self.columns.iter().zip(&found.texts);
            let opened = columns.map(|((column, _), text)| {
                let text = text.as_deref();
                text.map(|text| opener.open(column, &id, text)).transpose()
            });
            opened.collect::<Result<Vec<_>>>().map(Some)
        })?;
        let Some(opened) = found.flatten() else {
            return Ok(false);
        };
        let written = self.written(&db.seal(self.name, &id), &opened)?;
        let written = written.iter().map(|text| Value::Text(text.as_deref()));
        let params: Vec<Value<'_>> = written.chain(named.iter().copied()).collect();
        db.execute(self.seal, &params)?;
        Ok(true)
    }

    /// What the columns are set to.
    fn written<'t>(
        &self,
        seal: &RowSeal<'_>,
        opened: &'t [Option<String>],
    ) -> Result<Vec<Option<std::borrow::Cow<'t, str>>>> {
        let mut written = Vec::new();
        for ((column, index), text) in self.columns.iter().zip(opened) {
            let text = text.as_deref();
            match index {
                None => written.push(seal.optional(column, text)?),
                Some(index) => {
                    let found = seal.found(column, *index, text)?;
                    written.extend([found.by, found.sealed]);
                }
            }
        }
        Ok(written)
    }
}

impl Found {
    /// Whether every text is as it would be written now.
    fn is_settled(&self, ring: &Ring) -> bool {
        self.texts.iter().flatten().all(|text| ring.is_settled(text))
    }

    /// Which of these keys it needs.
    fn needs(&self, names: &[String]) -> Option<usize> {
        let mut keys = self.texts.iter().flatten().filter_map(|text| key_of(text));
        keys.find_map(|key| names.iter().position(|name| name == key))
    }
}

/// The place after a step over a table.
fn after(place: &SealPlace, rows: &[Found], limit: u32) -> Option<SealPlace> {
    let full = rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    match rows.last() {
        Some(last) if full => Some(SealPlace {
            ring: Arc::clone(&place.ring),
            table: place.table,
            names: last.names.clone(),
        }),
        Some(_) | None => (place.table + 1 < TABLES.len()).then(|| SealPlace {
            ring: Arc::clone(&place.ring),
            table: place.table + 1,
            names: Vec::new(),
        }),
    }
}

impl Store {
    /// Takes other keys from now on. Rows that an earlier key sealed stay as they are, and open with it; a job seals them
    /// anew.
    ///
    /// # Errors
    /// If a key is not the one of its name, if rows need a key that is not there, or if the database cannot be used. The
    /// keys are then those of before.
    pub async fn use_keys(&self, keys: &EncryptionKeys) -> Result<()> {
        let ring = Ring::new(keys)?;
        let stored = self.list(stored_keys).await?;
        for (name, check) in ring.checks() {
            let other = |stored: &&Stored| stored.name == name && stored.check != check;
            if stored.iter().any(|key| other(&key)) {
                return Err(StoreError::WrongKey(name.into()));
            }
        }
        let is_known = |name: &str| ring.checks().any(|(known, _)| known == name);
        let names = stored.iter().map(|key| key.name.clone());
        let missing: Vec<String> = names.filter(|name| !is_known(name)).collect();
        if !missing.is_empty() {
            let rows = self.rows_that_need(&missing).await?;
            let needed = missing.iter().zip(rows).find(|(_, rows)| *rows > 0);
            if let Some((key, rows)) = needed {
                let key = key.clone();
                return Err(StoreError::MissingKey { key, rows });
            }
        }
        let new: Vec<(String, String)> = ring
            .checks()
            .filter(|(name, _)| !stored.iter().any(|key| key.name == *name))
            .map(|(name, check)| (name.to_owned(), check.to_owned()))
            .collect();
        if !(new.is_empty() && missing.is_empty()) {
            self.write(move |db| {
                for name in &missing {
                    db.execute(REMOVE_KEY, params![name])?;
                }
                for (name, check) in &new {
                    db.execute(ADD_KEY, params![name, check])?;
                }
                Ok(())
            })
            .await?;
        }
        // Without any key there is nothing to do, and nothing to look for. With one, other processes may have written what
        // they should not since somebody looked.
        let is_complete = ring.checks().next().is_none();
        self.keys.set(ring);
        self.sealing.left.store(0, Ordering::Release);
        self.sealing.complete.store(is_complete, Ordering::Release);
        Ok(())
    }

    /// How many rows need each of these keys.
    async fn rows_that_need(&self, names: &[String]) -> Result<Vec<u64>> {
        let mut counts = vec![0; names.len()];
        let mut place = Some(self.first_row());
        while let Some(at) = place {
            let (rows, next) = self.examine(at, EXAMINED).await?;
            for row in rows {
                if let Some(count) = row.needs(names).and_then(|name| counts.get_mut(name)) {
                    *count += 1;
                }
            }
            place = next;
        }
        Ok(counts)
    }

    /// Where a pass over all rows begins.
    pub fn first_row(&self) -> SealPlace {
        SealPlace {
            ring: self.keys.ring(),
            table: 0,
            names: Vec::new(),
        }
    }

    async fn examine(&self, place: SealPlace, limit: u32) -> Result<(Vec<Found>, Option<SealPlace>)> {
        self.list(move |db| {
            let Some(table) = TABLES.get(place.table) else {
                return Ok((Vec::new(), None));
            };
            let rows = table.rows(db, &place.names, limit)?;
            let next = after(&place, &rows, limit);
            Ok((rows, next))
        })
        .await
    }

    /// Counts rows that are not sealed with the current key, among the next `limit`.
    pub async fn count_unsealed(&self, place: SealPlace, limit: u32) -> Result<SealStep> {
        let (rows, next) = self.examine(place, limit).await?;
        let ring = self.keys.ring();
        let unsealed = rows.iter().filter(|row| !row.is_settled(&ring)).count();
        Ok(SealStep {
            rows: u64::try_from(unsealed).unwrap_or(u64::MAX),
            failed: 0,
            next,
        })
    }

    /// Seals those rows with the current key. A row that cannot be opened stays as it is.
    pub async fn seal_anew(&self, place: SealPlace, limit: u32) -> Result<SealStep> {
        let table = place.table;
        let (rows, next) = self.examine(place, limit).await?;
        let ring = self.keys.ring();
        let unsealed: Vec<Vec<String>> = rows
            .into_iter()
            .filter(|row| !row.is_settled(&ring))
            .map(|row| row.names)
            .collect();
        if unsealed.is_empty() {
            let (rows, failed) = (0, 0);
            return Ok(SealStep { rows, failed, next });
        }
        let wipes = self.wipes();
        let (rows, failed) = self
            .write(move |db| {
                // What was in clear is still in the log.
                wipes.note();
                let (mut sealed, mut failed) = (0, 0);
                let Some(table) = TABLES.get(table) else {
                    return Ok((sealed, failed));
                };
                for names in &unsealed {
                    match table.reseal(db, names) {
                        Ok(done) => sealed += u64::from(done),
                        Err(cause @ StoreError::Sealed { .. }) => {
                            failed += 1;
                            tracing::error!(table = table.name, %cause, "a row cannot be sealed anew");
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok((sealed, failed))
            })
            .await?;
        Ok(SealStep { rows, failed, next })
    }

    /// Notes how many rows are not sealed with the current key, as far as is known.
    pub(crate) fn note_unsealed(&self, rows: u64) {
        self.sealing.left.store(rows, Ordering::Release);
    }

    /// Notes that the pass that ended here found every row sealed with the current key. Returns whether the keys still are
    /// those with which it began.
    pub(crate) fn note_all_sealed(&self, place: &SealPlace) -> bool {
        let is_current = self.keys.has(&place.ring);
        if is_current {
            self.sealing.left.store(0, Ordering::Release);
            self.sealing.complete.store(true, Ordering::Release);
        }
        is_current
    }

    /// How many rows are not sealed with the current key, as far as they have been counted, and whether it is certain
    /// that there are no more.
    pub fn unsealed(&self) -> (u64, bool) {
        let left = self.sealing.left.load(Ordering::Acquire);
        (left, self.sealing.complete.load(Ordering::Acquire))
    }

    /// The name of the key that seals.
    pub fn current_key(&self) -> Option<String> {
        self.keys.ring().current_name().map(ToOwned::to_owned)
    }
}

#[cfg(test)]
mod tests;
