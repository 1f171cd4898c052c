//! The audit log. Rows are added and expire; nothing changes one.

use super::sql::{Row, params};
use super::{AuditId, Columns, Result, Store, readable, statements};

/// Who did what, and how it ended.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// The id of an API key, `configuration` or `command`.
    pub actor: String,
    /// The operation's name in the contract, or the command.
    pub operation: String,
    /// What it was done to.
    pub object: Option<String>,
    /// `done`, or the code of the refusal.
    pub outcome: String,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// Milliseconds since 1970.
    pub at: i64,
}

/// The columns of an entry, in the order in which [`values`] reads them.
macro_rules! columns {
    () => {
        "id, actor, operation, object, outcome, status, request_id, at, seq"
    };
}

statements! {
    INSERT = "INSERT INTO audit (id, actor, operation, object, outcome, status, request_id, at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    SEQ = "SELECT seq FROM audit WHERE id = ?";
    LIST = concat!("SELECT ", columns!(), " FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT ?");
    LIST_OF_ACTOR = concat!("SELECT ", columns!(), " FROM audit
        WHERE actor = ?3 AND seq < ?1 ORDER BY seq DESC LIMIT ?2");
    LIST_OF_OBJECT = concat!("SELECT ", columns!(), " FROM audit
        WHERE object = ?3 AND seq < ?1 AND (?4 IS NULL OR actor = ?4) ORDER BY seq DESC LIMIT ?2");
}

fn read(row: &Row<'_>) -> Result<(AuditId, AuditEntry)> {
    readable("audit", row, values)
}

fn values(row: &mut Columns<'_>) -> Result<(AuditId, AuditEntry)> {
    Ok((
        row.next()?,
        AuditEntry {
            actor: row.next()?,
            operation: row.next()?,
            object: row.next()?,
            outcome: row.next()?,
            status: row.next()?,
            request_id: row.next()?,
            at: row.next()?,
        },
    ))
}

impl Store {
    /// Adds an entry.
    pub async fn add_audit_entry(&self, entry: AuditEntry) -> Result<()> {
        let id = AuditId::random();
        self.write(move |db| {
            db.execute(
                INSERT,
                params![
                    id,
                    entry.actor,
                    entry.operation,
                    entry.object,
                    entry.outcome,
                    entry.status,
                    entry.request_id,
                    entry.at,
                ],
            )
        })
        .await?;
        Ok(())
    }

    /// Lists entries, newest first.
    pub async fn audit_entries(
        &self,
        actor: Option<&str>,
        object: Option<&str>,
        after: Option<&AuditId>,
        limit: u32,
    ) -> Result<Vec<(AuditId, AuditEntry)>> {
        let (actor, object) = (actor.map(ToOwned::to_owned), object.map(ToOwned::to_owned));
        let after = after.map(ToString::to_string);
        self.page(SEQ, after, limit, move |db, seq, limit| {
            let listed = |row: &Row<'_>| Ok((read(row), row.last()?));
            match (&object, &actor) {
                (Some(object), actor) => db.rows(LIST_OF_OBJECT, params![seq, limit, object, actor], listed),
                (None, Some(actor)) => db.rows(LIST_OF_ACTOR, params![seq, limit, actor], listed),
                (None, None) => db.rows(LIST, params![seq, limit], listed),
            }
        })
        .await
    }
}
