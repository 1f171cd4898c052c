//! Loads a server and measures it. `cardseal-load` reads one job a line from standard input, as JSON, and prints one
//! result a line; `cardseal-load hello` serves the smallest possible answer, to compare with. `scripts/load.mjs` and
//! `scripts/growth.mjs` write the jobs.
//!
//! One thread does everything, because the processor time that this takes is missing to the server on a small machine.

mod client;
mod connections;
mod hello;
mod job;
mod process;
mod run;
mod seed;
mod template;
mod vary;

use std::process::ExitCode;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, stdin, stdout};

use job::Job;

#[expect(clippy::print_stderr, reason = "a command-line tool reports its failure")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [] => jobs(),
        ["hello"] => hello::serve(),
        _ => {
            eprintln!("usage: cardseal-load < jobs | cardseal-load hello");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cardseal-load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A job that fails has a result, too: `{"error": …}`. What the caller makes of it is the caller's business.
#[tokio::main(flavor = "current_thread")]
async fn jobs() -> std::io::Result<()> {
    let mut lines = BufReader::new(stdin()).lines();
    let mut output = stdout();
    while let Some(line) = lines.next_line().await? {
        let result = match serde_json::from_str::<Job>(&line) {
            Ok(Job::Run(job)) => run::run(job).await.map(|result| json!(result)),
            Ok(Job::Connections(job)) => connections::hold(job).await.map(|result| json!(result)),
            Ok(Job::Seed(job)) => seed::fill(&job)
                .await
                .map(|result| json!(result))
                .map_err(|error| error.to_string()),
            Ok(Job::Tables(job)) => seed::count(&job)
                .await
                .map(|result| json!(result))
                .map_err(|error| error.to_string()),
            Err(error) => Err(format!("not a job: {error}")),
        };
        let result = result.unwrap_or_else(|error| json!({ "error": error }));
        output.write_all(format!("{result}\n").as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}
