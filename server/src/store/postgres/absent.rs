//! In place of PostgreSQL, in a build without its driver. Nothing here can be made, so what would use it compiles to
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::instances::Instance;
use super::sql::{Cell, Value};
use super::worker::Threads;
use super::{Result, StoreError};
use crate::hints::Hints;

/// How to reach a PostgreSQL database.
#[derive(Clone, Copy, Debug)]
pub enum Postgres {}

impl Postgres {
    /// Whether a URL is one of PostgreSQL's.
    #[must_use]
    pub fn is_url(url: &str) -> bool {
        url.starts_with("postgres://") || url.starts_with("postgresql://")
    }

    /// Refuses every URL.
    ///
    /// # Errors
    /// Always.
    pub fn parse(
        url: &SecretString,
        _password: Option<&SecretString>,
        _writers: usize,
        _lock_timeout: Duration,
    ) -> Result<Self, &'static str> {
        Err(if Self::is_url(url.expose_secret()) {
            "names a PostgreSQL database, and this program was built without the feature `postgres`"
        } else {
            "must begin with sqlite:"
        })
    }

    /// With another lease.
    #[must_use]
    pub const fn with_lease(self, _: Duration) -> Self {
        self
    }

    /// Whether somebody between this server and the database could read the connection.
    #[must_use]
    pub const fn is_exposed(&self) -> bool {
        match *self {}
    }
}

pub(super) enum Messengers {}

impl Messengers {
    pub(super) async fn close(&self) {
        match *self {}
    }
}

pub(super) enum Keeper {}

impl Keeper {
    pub(super) async fn close(&self) {
        match *self {}
    }
}

pub(super) struct Opened {
    pub(super) instance: Arc<Instance>,
    pub(super) keeper: Option<Keeper>,
    pub(super) messengers: Option<(Messengers, Hints)>,
    pub(super) writers: Threads,
    pub(super) readers: Threads,
    pub(super) lists: Threads,
}

pub(super) async fn open(settings: &Postgres) -> Result<Opened> {
    match *settings {}
}

pub(super) async fn open_beside(settings: &Postgres) -> Result<Option<Opened>> {
    match *settings {}
}

pub(super) enum Connection {}

impl Connection {
    pub(super) const fn batch(&self, _: &str) -> Result<()> {
        match *self {}
    }

    pub(super) const fn execute(&self, _: &str, _: &[Value<'_>]) -> Result<usize> {
        match *self {}
    }

    pub(super) const fn row(&self, _: &str, _: &[Value<'_>]) -> Result<Option<Row>> {
        match *self {}
    }

    pub(super) const fn rows(&self, _: &str, _: &[Value<'_>]) -> Result<Vec<Row>> {
        match *self {}
    }

    #[cfg(test)]
    pub(super) const fn any(&self, _: &str) -> Result<()> {
        match *self {}
    }

    #[cfg(test)]
    pub(super) const fn any_rows(&self, _: &str) -> Result<Vec<Row>> {
        match *self {}
    }
}

pub(super) enum Row {}

pub(super) const fn cell(row: &Row, _: usize) -> Result<Cell<'_>> {
    match *row {}
}

pub(super) const fn columns(row: &Row) -> usize {
    match *row {}
}

pub(super) const fn refused(error: sqlx::Error) -> Result<StoreError, sqlx::Error> {
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_postgresql_is_refused_by_its_own_message() {
        let parse = |url: &str| Postgres::parse(&url.into(), None, 8, Duration::ZERO).unwrap_err();
        assert!(parse("postgres://u:hunter2@h/d").contains("feature `postgres`"));
        assert!(parse("mysql://u:hunter2@h/d").contains("sqlite:"));
    }
}
