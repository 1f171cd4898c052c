//! Clients in a closed loop.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::client::{self, Client, Plan};
use crate::job::RunJob;
use crate::process::usage;
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::task::LocalSet;

/// Latencies have three significant digits.
const DIGITS: u8 = 3;

/// What a run showed.
#[derive(Serialize)]
pub(crate) struct RunResult {
    /// How often all the steps were taken while it was measured.
    requests: u64,
    /// The same a second.
    requests_per_second: f64,
    /// How long was measured.
    seconds: f64,
    /// Latencies of all steps together.
    #[serde(flatten)]
    whole: Latencies,
    /// Latencies of each step, if there are several.
    steps: BTreeMap<String, Latencies>,
    /// Processor time by process, in microseconds for all the steps once.
    cpu_us: BTreeMap<String, f64>,
    /// Resident memory by process at the end.
    rss_bytes: BTreeMap<String, u64>,
}

/// Latencies in microseconds.
#[derive(Serialize)]
pub(crate) struct Latencies {
    p50_us: u64,
    p99_us: u64,
    max_us: u64,
}

impl From<&Histogram<u64>> for Latencies {
    fn from(histogram: &Histogram<u64>) -> Self {
        Self {
            p50_us: histogram.value_at_quantile(0.5),
            p99_us: histogram.value_at_quantile(0.99),
            max_us: histogram.max(),
        }
    }
}

/// What the clients share.
struct Shared {
    plan: Rc<Plan>,
    run: String,
    rows: Vec<BTreeMap<String, String>>,
    next: Cell<u64>,
    count: u64,
    measuring: Cell<bool>,
    stopped: Cell<bool>,
    taken: Cell<u64>,
    whole: RefCell<Histogram<u64>>,
    steps: Vec<RefCell<Histogram<u64>>>,
}

fn histogram() -> Result<Histogram<u64>, String> {
    Histogram::new(DIGITS).map_err(|error| error.to_string())
}

/// Runs a job. The first answer that is not right ends it.
pub(crate) async fn run(job: RunJob) -> Result<RunResult, String> {
    let first = job.rows.first();
    if let Some(first) = first
        && job.rows.iter().any(|row| !row.keys().eq(first.keys()))
    {
        return Err("all rows have the same columns".into());
    }
    let plan = Rc::new(Plan::new(&job.steps, first.into_iter().flat_map(BTreeMap::keys))?);
    let steps = plan.steps().map(|_| Ok(RefCell::new(histogram()?)));
    let shared = Rc::new(Shared {
        steps: steps.collect::<Result<_, String>>()?,
        plan,
        run: client::new_run(),
        rows: job.rows,
        next: Cell::new(0),
        count: job.count.unwrap_or(u64::MAX),
        measuring: Cell::new(false),
        stopped: Cell::new(false),
        taken: Cell::new(0),
        whole: RefCell::new(histogram()?),
    });
    if job.seconds.is_some() == job.count.is_some() || job.clients == 0 {
        return Err("a run has clients, and either seconds or a count".into());
    }
    let local = LocalSet::new();
    let (processes, clients) = (job.processes, job.clients);
    let measured = local
        .run_until(measure(
            shared.clone(),
            clients,
            job.warm_up,
            job.seconds,
            &processes,
        ))
        .await?;
    let requests = shared.taken.get();
    let per_request = |sum: f64| {
        if requests == 0 {
            0.0
        } else {
            sum / as_float(requests)
        }
    };
    let names = shared.plan.steps().map(str::to_owned);
    let steps = names.zip(shared.steps.iter().map(|step| Latencies::from(&*step.borrow())));
    Ok(RunResult {
        requests,
        requests_per_second: as_float(requests) / measured.seconds,
        seconds: measured.seconds,
        whole: Latencies::from(&*shared.whole.borrow()),
        steps: steps.filter(|_| shared.steps.len() > 1).collect(),
        cpu_us: measured
            .cpu_us
            .into_iter()
            .map(|(name, sum)| (name, per_request(sum)))
            .collect(),
        rss_bytes: measured.rss_bytes,
    })
}

#[expect(clippy::cast_precision_loss, reason = "no run makes so many requests")]
const fn as_float(count: u64) -> f64 {
    count as f64
}

struct Measured {
    seconds: f64,
    cpu_us: BTreeMap<String, f64>,
    rss_bytes: BTreeMap<String, u64>,
}

async fn measure(
    shared: Rc<Shared>,
    clients: usize,
    warm_up: f64,
    seconds: Option<f64>,
    processes: &BTreeMap<String, i32>,
) -> Result<Measured, String> {
    let mut tasks = tokio::task::JoinSet::new();
    let cpu = || -> Result<BTreeMap<_, _>, String> {
        let all = processes.iter();
        all.map(|(name, pid)| Ok((name.clone(), usage(*pid)?))).collect()
    };
    if warm_up == 0.0 {
        shared.measuring.set(true);
    }
    let mut before = cpu()?;
    let mut began = Instant::now();
    for number in 0..clients {
        tasks.spawn_local(work(shared.clone(), number));
    }
    // Ends early only if something is wrong.
    let pause = async |tasks: &mut tokio::task::JoinSet<Result<(), String>>, seconds: f64| {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs_f64(seconds)) => Ok(()),
            Some(ended) = tasks.join_next() => match ended {
                Ok(Err(error)) => Err(error),
                Ok(Ok(())) => Err("a client ended early".into()),
                Err(error) => Err(error.to_string()),
            },
        }
    };
    if warm_up > 0.0 {
        pause(&mut tasks, warm_up).await?;
        before = cpu()?;
        began = Instant::now();
        shared.measuring.set(true);
    }
    if let Some(seconds) = seconds {
        pause(&mut tasks, seconds).await?;
    } else {
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|error| error.to_string())??;
        }
    }
    shared.measuring.set(false);
    shared.stopped.set(true);
    let measured = began.elapsed().as_secs_f64();
    let after = cpu()?;
    // What is under way is answered, so that the next run begins with a server at rest.
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| error.to_string())??;
    }
    let used = |(name, after): (&String, &crate::process::Usage)| {
        let before = before.get(name).copied().unwrap_or_default();
        (name.clone(), after.cpu_us - before.cpu_us)
    };
    Ok(Measured {
        seconds: measured,
        cpu_us: after.iter().map(used).collect(),
        rss_bytes: after
            .into_iter()
            .map(|(name, usage)| (name, usage.rss_bytes))
            .collect(),
    })
}

async fn work(shared: Rc<Shared>, number: usize) -> Result<(), String> {
    let mut client = Client::new(shared.plan.clone(), number);
    loop {
        let n = shared.next.get();
        if n >= shared.count || shared.stopped.get() {
            return Ok(());
        }
        shared.next.set(n + 1);
        let row = usize::try_from(n).ok().and_then(|n| {
            let index = n.checked_rem(shared.rows.len())?;
            shared.rows.get(index)
        });
        let mut values = shared.plan.values(n, &shared.run, row);
        let began = Instant::now();
        let mut step_began = began;
        for (index, latencies) in shared.steps.iter().enumerate() {
            client.take(index, &mut values).await?;
            let ended = Instant::now();
            if shared.measuring.get() {
                record(latencies, ended - step_began);
            }
            step_began = ended;
        }
        if shared.measuring.get() {
            record(&shared.whole, began.elapsed());
            shared.taken.set(shared.taken.get() + 1);
        }
    }
}

fn record(histogram: &RefCell<Histogram<u64>>, latency: Duration) {
    let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    // It grows by itself.
    let _never = histogram.borrow_mut().record(us);
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::extract::Path;
    use axum::http::StatusCode;
    use axum::routing::{get, post};
    use serde_json::{Value, json};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::job::Job;

    /// A server that remembers what it was sent. It fails to show the thirteenth thing.
    async fn server(seen: Arc<Mutex<Vec<String>>>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let remember = seen.clone();
        let app = Router::new()
            .route(
                "/things",
                post(async move |body: String| {
                    let mut seen = remember.lock().unwrap();
                    seen.push(body);
                    let id = format!("thing-{}", seen.len());
                    (StatusCode::CREATED, json!({ "id": id }).to_string())
                }),
            )
            .route(
                "/things/{id}",
                get(async move |Path(id): Path<String>| {
                    let status = if id == "thing-13" { 503 } else { 200 };
                    (
                        StatusCode::from_u16(status).unwrap(),
                        json!({ "id": id }).to_string(),
                    )
                }),
            );
        tokio::spawn(async { axum::serve(listener, app).await });
        url
    }

    async fn result(job: &Value) -> Result<Value, String> {
        let Ok(Job::Run(job)) = serde_json::from_value(job.clone()) else {
            panic!("not a run");
        };
        run(job).await.map(|result| json!(result))
    }

    fn job(url: &str, count: u64) -> Value {
        json!({
            "job": "run",
            "clients": 3,
            "count": count,
            "rows": [{ "color": "red" }, { "color": "blue" }],
            "steps": [
                { "name": "make", "method": "POST", "url": format!("{url}/things"), "body": "{{n}} {{color}} {{run}}",
                  "status": 201, "save": { "thing": "/id" } },
                { "name": "show", "method": "GET", "url": format!("{url}/things/{{{{thing}}}}"), "status": 200,
                  "has": ["/id"] },
            ],
        })
    }

    #[tokio::test]
    async fn every_request_is_made_once_with_its_own_values() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let url = server(seen.clone()).await;
        let result = result(&job(&url, 12)).await.unwrap();
        assert_eq!(result["requests"], 12);
        assert!(result["steps"]["make"]["p99_us"].as_u64().unwrap() > 0);
        assert!(result["p50_us"].as_u64() >= result["steps"]["show"]["p50_us"].as_u64());
        let mut bodies = seen.lock().unwrap().clone();
        bodies.sort_by_key(|body| body.split(' ').next().and_then(|n| n.parse::<u32>().ok()));
        let words: Vec<Vec<&str>> = bodies.iter().map(|body| body.split(' ').collect()).collect();
        assert_eq!(words.len(), 12);
        for (n, word) in words.iter().enumerate() {
            assert_eq!(word[0], n.to_string());
            assert_eq!(word[1], ["red", "blue"][n % 2]);
            assert_eq!(word[2], words[0][2]);
        }
    }

    #[tokio::test]
    async fn a_wrong_answer_fails_the_run() {
        let url = server(Arc::default()).await;
        let error = result(&job(&url, 30)).await.unwrap_err();
        assert!(error.starts_with("show: not 200: 503"), "{error}");
    }

    #[tokio::test]
    async fn a_run_of_some_seconds_counts_what_was_answered_in_them() {
        let url = server(Arc::default()).await;
        let mut timed = job(&url, 1);
        timed["count"] = Value::Null;
        timed["seconds"] = json!(0.2);
        timed["warm_up"] = json!(0.05);
        timed["steps"] = json!([timed["steps"][0]]);
        let result = result(&timed).await.unwrap();
        let (requests, seconds) = (
            result["requests"].as_f64().unwrap(),
            result["seconds"].as_f64().unwrap(),
        );
        assert!(requests > 0.0);
        assert!((result["requests_per_second"].as_f64().unwrap() * seconds - requests).abs() < 0.01);
        assert_eq!(result["steps"], json!({}));
    }
}
