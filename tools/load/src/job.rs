//! What is asked for, one JSON object a line.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A job.
#[derive(Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub(crate) enum Job {
    /// Requests in a closed loop.
    Run(RunJob),
    /// Many connections that are held.
    Connections(ConnectionsJob),
    /// A large database.
    Seed(SeedJob),
    /// What a database holds.
    Tables(TablesJob),
}

/// Clients that each take the steps again and again, one request at a time.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunJob {
    /// How many clients.
    pub(crate) clients: usize,
    /// How long to measure. Either this or `count`.
    pub(crate) seconds: Option<f64>,
    /// How often to take the steps, over all clients.
    pub(crate) count: Option<u64>,
    /// How long the clients work before `seconds` begin.
    #[serde(default)]
    pub(crate) warm_up: f64,
    /// Processes to measure, by a name for each. Their children count, too.
    #[serde(default)]
    pub(crate) processes: BTreeMap<String, i32>,
    /// Values for `{{name}}`, a row for each time that the steps are taken; after the last comes the first.
    #[serde(default)]
    pub(crate) rows: Vec<BTreeMap<String, String>>,
    /// The requests, in order.
    pub(crate) steps: Vec<StepJob>,
}

/// A request, and what its answer has to be. In the URL, in header values and in the body `{{name}}` stands for a
/// value: of the row, or saved by an earlier step. `{{n}}` counts from 0, `{{run}}` is different in each job.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepJob {
    /// Its name in the result.
    pub(crate) name: String,
    /// The method.
    pub(crate) method: String,
    /// `http://host:port/path?query`. Of several hosts, `http://host:port,host:port/path`, each request takes the next.
    pub(crate) url: String,
    /// The headers.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default)]
    pub(crate) body: String,
    /// The status of a right answer.
    pub(crate) status: u16,
    /// JSON pointers that a right answer has, with a value other than null.
    #[serde(default)]
    pub(crate) has: Vec<String>,
    /// JSON pointers with the values of a right answer.
    #[serde(default)]
    pub(crate) equals: BTreeMap<String, Value>,
    /// Values of the answer for later steps, by name: a JSON pointer, which is empty for the whole answer. A text is
    /// saved as it is, anything else as JSON.
    #[serde(default)]
    pub(crate) save: BTreeMap<String, String>,
}

/// Connections that make one request each and stay open.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionsJob {
    /// How many.
    pub(crate) count: usize,
    /// The process whose memory is measured.
    pub(crate) process: i32,
    /// The request of each.
    pub(crate) step: StepJob,
}

/// Copies of every row that a database has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedJob {
    /// The SQLite file, which no other process has open, or the `postgres://` URL of a database that nobody uses.
    pub(crate) database: String,
    /// How many copies of each row to add.
    pub(crate) copies: u64,
    /// Times in the copies go back so far, evenly from the first copy to the last.
    pub(crate) spread_ms: i64,
    /// Texts that so many copies have in common.
    #[serde(default)]
    pub(crate) shared: BTreeMap<String, u64>,
    /// Tables that stay as they are.
    #[serde(default)]
    pub(crate) skip: Vec<String>,
    /// How many values of the columns below to return of each, evenly from the oldest to the newest row.
    #[serde(default)]
    pub(crate) samples: u64,
    /// `table.column` pairs to return values of.
    #[serde(default)]
    pub(crate) columns: Vec<(String, String)>,
    /// Whether to check the whole file at the end. PostgreSQL checks references and what is unique in any case.
    #[serde(default)]
    pub(crate) check: bool,
}

/// Counts the rows of a database that may be in use.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TablesJob {
    /// The SQLite file, or the `postgres://` URL.
    pub(crate) database: String,
}
