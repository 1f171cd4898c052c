//! Tests of the statements' query plans.

use super::sql::Statement;
use super::{
    changes, customers, health, idempotency, notifications, payments, retention, sessions, tokens, upkeep,
};

/// Every statement by its module.
const MODULES: &[(&str, &[(&str, Statement)])] = &[
    ("store", super::STATEMENTS),
    ("changes", changes::STATEMENTS),
    ("customers", customers::STATEMENTS),
    ("health", health::STATEMENTS),
    ("idempotency", idempotency::STATEMENTS),
    ("notifications", notifications::STATEMENTS),
    ("payments", payments::STATEMENTS),
    ("retention", retention::STATEMENTS),
    ("sessions", sessions::STATEMENTS),
    ("tokens", tokens::STATEMENTS),
    ("upkeep", upkeep::STATEMENTS),
];

/// Fails for a statement that is in none of the lists, so that no list can be forgotten.
pub(super) fn known(statement: Statement) {
    let mut all = MODULES.iter().flat_map(|(_, statements)| *statements);
    assert!(
        all.any(|(_, known)| known.text() == statement.text()),
        "this statement is in no list: {}",
        statement.text()
    );
}
