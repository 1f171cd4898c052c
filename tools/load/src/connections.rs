//! Connections that make one request each and are then held.

use std::rc::Rc;

use crate::client::{self, Client, Plan};
use crate::job::ConnectionsJob;
use crate::process::usage;
use serde::Serialize;
use tokio::task::{JoinSet, LocalSet};

/// How many are opened at the same time.
const AT_ONCE: usize = 32;

/// What the connections cost.
#[derive(Serialize)]
pub(crate) struct ConnectionsResult {
    connections: usize,
    /// Resident memory of the server before the first.
    rss_before_bytes: u64,
    /// And while all of them are open.
    rss_bytes: u64,
}

/// Opens them all, has each make its request, and measures. They close at the end.
pub(crate) async fn hold(job: ConnectionsJob) -> Result<ConnectionsResult, String> {
    let plan = Rc::new(Plan::new(&[job.step], std::iter::empty())?);
    let before = usage(job.process)?;
    let run = client::new_run();
    let local = LocalSet::new();
    local
        .run_until(async {
            let mut clients = Vec::with_capacity(job.count);
            for begin in (0..job.count).step_by(AT_ONCE) {
                let mut opening = JoinSet::new();
                for n in begin..job.count.min(begin + AT_ONCE) {
                    let (plan, run) = (plan.clone(), run.clone());
                    opening.spawn_local(async move {
                        let mut values = plan.values(u64::try_from(n).unwrap_or(u64::MAX), &run, None);
                        let mut client = Client::new(plan, n);
                        client.take(0, &mut values).await.map(|()| client)
                    });
                }
                while let Some(opened) = opening.join_next().await {
                    clients.push(opened.map_err(|error| error.to_string())??);
                }
            }
            let after = usage(job.process)?;
            Ok(ConnectionsResult {
                connections: clients.iter().filter(|client| client.is_open()).count(),
                rss_before_bytes: before.rss_bytes,
                rss_bytes: after.rss_bytes,
            })
        })
        .await
}
