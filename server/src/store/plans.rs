//! Tests of the statements' query plans.

use super::sql::Statement;
use super::{
    audit, authentications, changes, customers, events, health, idempotency, instances, keys, notifications,
    overview, payments, reseal, retention, sessions, subscriptions, tokens, upkeep,
};

/// Every statement by its module.
const MODULES: &[(&str, &[(&str, Statement)])] = &[
    ("store", super::STATEMENTS),
    ("audit", audit::STATEMENTS),
    ("authentications", authentications::STATEMENTS),
    ("changes", changes::STATEMENTS),
    ("customers", customers::STATEMENTS),
    ("events", events::STATEMENTS),
    ("health", health::STATEMENTS),
    ("idempotency", idempotency::STATEMENTS),
    ("instances", instances::STATEMENTS),
    ("keys", keys::STATEMENTS),
    ("notifications", notifications::STATEMENTS),
    ("overview", overview::STATEMENTS),
    ("payments", payments::STATEMENTS),
    ("reseal", reseal::STATEMENTS),
    ("retention", retention::STATEMENTS),
    ("sessions", sessions::STATEMENTS),
    ("subscriptions", subscriptions::STATEMENTS),
    ("tokens", tokens::STATEMENTS),
    ("upkeep", upkeep::STATEMENTS),
];

/// Every statement, with its module.
pub(super) fn all() -> impl Iterator<Item = (String, Statement)> {
    MODULES.iter().flat_map(|(module, statements)| {
        statements
            .iter()
            .map(move |(name, statement)| (format!("{module}::{name}"), *statement))
    })
}

/// Fails for a statement that is in none of the lists, so that no list can be forgotten.
pub(super) fn known(statement: Statement) {
    let mut all = MODULES.iter().flat_map(|(_, statements)| *statements);
    assert!(
        all.any(|(_, known)| known.text() == statement.text()),
        "this statement is in no list: {}",
        statement.text()
    );
}

/// Steps that no index can save, or need not: of a statement, or of any.
const ALLOWED: &[(&str, &str)] = &[
    ("", "SCAN CONSTANT ROW"),
    // As many as are counted at most.
    ("events::COUNT", "SCAN pending"),
    // Ids in a parameter.
    ("", "SCAN json_each VIRTUAL TABLE INDEX 1:"),
    // These indexes have only what is in flight.
    ("", "SCAN payments USING INDEX payments_in_flight"),
    ("", "SCAN changes USING INDEX changes_in_flight"),
    ("", "SCAN sessions USING INDEX sessions_busy"),
    // And this one only what is unknown.
    ("", "SCAN changes USING INDEX changes_unknown"),
    // As many rows as there are processes.
    (
        "instances::ELDEST",
        "SCAN instances USING INDEX sqlite_autoindex_instances_1",
    ),
    ("instances::HAS_ENDED", "SCAN instances"),
    ("instances::END", "SCAN instances"),
    // A number, not a table.
    ("overview::BYTES", "SCAN pragma_page_count VIRTUAL TABLE INDEX 0:"),
    ("overview::BYTES", "SCAN pragma_page_size VIRTUAL TABLE INDEX 0:"),
    // The changes of one payment, or the sessions of one reference.
    ("changes::UNKNOWN", "USE TEMP B-TREE FOR ORDER BY"),
    ("changes::UNKNOWN_OF_KIND", "USE TEMP B-TREE FOR ORDER BY"),
    ("sessions::OTHER", "USE TEMP B-TREE FOR ORDER BY"),
];

/// Each step of each statement's plan, with the statement's name.
async fn steps() -> (tempfile::TempDir, rusqlite::Connection, Vec<(String, String)>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sqlite");
    super::Store::open(&path).await.unwrap().close().await;
    let connection = rusqlite::Connection::open(&path).unwrap();
    let mut steps = Vec::new();
    for (module, statements) in MODULES {
        for (name, statement) in *statements {
            let explained = format!("EXPLAIN QUERY PLAN {}", statement.text());
            let mut plan = connection.prepare(&explained).unwrap();
            for step in plan.raw_query().mapped(|row| row.get("detail")) {
                steps.push((format!("{module}::{name}"), step.unwrap()));
            }
        }
    }
    (folder, connection, steps)
}

/// What reads a whole table is quick in every test and slow in every shop.
#[tokio::test]
async fn every_statement_uses_an_index() {
    let (_folder, _, mut costly) = steps().await;
    costly.retain(|(_, step)| step.starts_with("SCAN") || step.contains("TEMP B-TREE"));
    let allows = |(of, step): &(&str, &str), (name, found): &(String, String)| {
        (of.is_empty() || of == name) && step == found
    };
    let allowed = |step: &&(String, String)| ALLOWED.iter().any(|allowed| allows(allowed, step));
    let wrong: Vec<_> = costly.iter().filter(|step| !allowed(step)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let used = |allowed: &&(&str, &str)| costly.iter().any(|step| allows(allowed, step));
    let unused: Vec<_> = ALLOWED.iter().filter(|allowed| !used(allowed)).collect();
    assert!(unused.is_empty(), "{unused:#?}");
}

/// An index costs something at every write.
#[tokio::test]
async fn every_index_is_used_or_enforces_something() {
    let (_folder, connection, steps) = steps().await;
    let text = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql NOT LIKE 'CREATE UNIQUE%'";
    let mut indexes = connection.prepare(text).unwrap();
    let indexes = indexes.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let unused: Vec<_> = indexes
        .map(Result::unwrap)
        .filter(|name| {
            let mut words = steps.iter().flat_map(|(_, step)| step.split(' '));
            !words.any(|word| word == name)
        })
        .collect();
    assert_eq!(unused, [""; 0]);
}
