//! One client: its connections, and its requests one after the other.

use std::collections::BTreeMap;
use std::rc::Rc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri, Version};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::job::StepJob;
use crate::template::Template;

/// The platforms' references are short.
const RUN: usize = 12;
/// How much of a wrong answer is shown.
const SHOWN: usize = 600;

/// The value of `{{run}}`. It begins with a letter: digits alone may look like a card number, which the server refuses.
pub(crate) fn new_run() -> String {
    let mut run = format!("r{}", Uuid::new_v4().simple());
    run.truncate(RUN);
    run
}

/// The steps of a job, read once for all clients.
pub(crate) struct Plan {
    steps: Vec<Step>,
    hosts: Vec<String>,
    /// What a template can name: `n`, `run`, the columns of a row, and then what the steps save.
    names: Vec<String>,
}

/// A step that is ready to be sent.
struct Step {
    name: String,
    method: Method,
    /// Indexes into the hosts. Each request takes the next.
    hosts: Vec<usize>,
    path: Template,
    headers: Vec<(HeaderName, Template)>,
    body: Template,
    status: u16,
    has: Vec<String>,
    equals: BTreeMap<String, Value>,
    /// Where each value goes, and its JSON pointer.
    save: Vec<(usize, String)>,
}

impl Plan {
    pub(crate) fn new<'a>(
        steps: &[StepJob],
        columns: impl Iterator<Item = &'a String>,
    ) -> Result<Self, String> {
        let mut names: Vec<String> = ["n", "run"].map(String::from).into();
        names.extend(columns.cloned());
        let mut hosts = Vec::new();
        let mut read = Vec::new();
        for step in steps {
            let (host, path) = step
                .url
                .strip_prefix("http://")
                .and_then(|rest| rest.find('/').map(|slash| rest.split_at(slash)))
                .ok_or_else(|| format!("{} is not http://host:port/path", step.url))?;
            let of_step = host.split(',').map(|host| index_of(&mut hosts, host));
            let of_step = of_step.collect();
            let headers = step.headers.iter().map(|(name, value)| {
                let name = HeaderName::try_from(name).map_err(|error| format!("{name}: {error}"))?;
                Ok((name, Template::parse(value, &names)?))
            });
            let headers: Vec<_> = headers.collect::<Result<_, String>>()?;
            let (path, body) = (
                Template::parse(path, &names)?,
                Template::parse(&step.body, &names)?,
            );
            let save = step.save.iter();
            let save = save.map(|(name, pointer)| (index_of(&mut names, name), pointer.clone()));
            read.push(Step {
                name: step.name.clone(),
                method: step
                    .method
                    .parse()
                    .map_err(|_| format!("{}: no method", step.method))?,
                hosts: of_step,
                path,
                headers,
                body,
                status: step.status,
                has: step.has.clone(),
                equals: step.equals.clone(),
                save: save.collect(),
            });
        }
        if read.is_empty() {
            return Err("a job has at least one step".into());
        }
        Ok(Self {
            steps: read,
            hosts,
            names,
        })
    }

    /// The names of the steps.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|step| step.name.as_str())
    }

    /// The values of a client before its first step.
    pub(crate) fn values(&self, n: u64, run: &str, row: Option<&BTreeMap<String, String>>) -> Vec<String> {
        let mut values = vec![n.to_string(), run.to_owned()];
        values.extend(row.into_iter().flat_map(|row| row.values().cloned()));
        values.resize(self.names.len(), String::new());
        values
    }
}

fn index_of(all: &mut Vec<String>, one: &str) -> usize {
    all.iter().position(|known| known == one).unwrap_or_else(|| {
        all.push(one.to_owned());
        all.len() - 1
    })
}

/// A client with its connections, one for each host.
pub(crate) struct Client {
    plan: Rc<Plan>,
    connections: Vec<Option<SendRequest<Full<Bytes>>>>,
    /// Of several hosts, the one whose turn it is.
    turn: usize,
}

impl Client {
    /// `number` is which of the clients it is: each begins with another host.
    pub(crate) fn new(plan: Rc<Plan>, number: usize) -> Self {
        Self {
            connections: plan.hosts.iter().map(|_| None).collect(),
            plan,
            turn: number,
        }
    }

    /// Whether all of its connections are still open.
    pub(crate) fn is_open(&self) -> bool {
        let open = |connection: &SendRequest<Full<Bytes>>| !connection.is_closed();
        self.connections
            .iter()
            .all(|connection| connection.as_ref().is_some_and(open))
    }

    /// Takes one step. An answer that is not right is an error that says what it was.
    pub(crate) async fn take(&mut self, step: usize, values: &mut [String]) -> Result<(), String> {
        let plan = self.plan.clone();
        let step = plan.steps.get(step).ok_or("no such step")?;
        let failed = |what: &dyn std::fmt::Display| format!("{}: {what}", step.name);
        let turn = self.turn.checked_rem(step.hosts.len());
        let place = turn.and_then(|turn| step.hosts.get(turn)).ok_or("no such host")?;
        self.turn = self.turn.wrapping_add(1);
        let host = plan.hosts.get(*place).ok_or("no such host")?;
        let connection = self.connections.get_mut(*place).ok_or("no such host")?;
        let mut sender = match connection.take() {
            Some(open) => open,
            None => connect(host).await.map_err(|error| failed(&error))?,
        };
        let request = step.request(host, values).map_err(|error| failed(&error))?;
        let sending = async {
            sender.ready().await?;
            let (parts, body) = sender.send_request(request).await?.into_parts();
            Ok::<_, hyper::Error>((parts, body.collect().await?.to_bytes()))
        };
        let (parts, body) = sending.await.map_err(|error| failed(&chain(&error)))?;
        let closes = parts.version != Version::HTTP_11
            || parts
                .headers
                .get(CONNECTION)
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        if !closes {
            *connection = Some(sender);
        }
        step.check(parts.status.as_u16(), &body, values).map_err(|what| {
            let text = String::from_utf8_lossy(&body);
            let shown: String = text.chars().take(SHOWN).collect();
            failed(&format_args!("{what}: {} {shown}", parts.status))
        })
    }
}

/// An error of hyper keeps its reason to itself.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

async fn connect(host: &str) -> std::io::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(std::io::Error::other)?;
    // It ends with the sender; what goes wrong is told to the request.
    tokio::spawn(async move {
        let _end = connection.await;
    });
    Ok(sender)
}

impl Step {
    fn request(&self, host: &str, values: &[String]) -> Result<Request<Full<Bytes>>, String> {
        let body = Full::new(Bytes::from(self.body.write(values)));
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        let path = self.path.write(values);
        *request.uri_mut() = Uri::try_from(path).map_err(|error| error.to_string())?;
        let headers = request.headers_mut();
        let value = |text: String| HeaderValue::try_from(text).map_err(|error| error.to_string());
        headers.insert(HOST, value(host.to_owned())?);
        for (name, template) in &self.headers {
            headers.insert(name, value(template.write(values))?);
        }
        Ok(request)
    }

    fn check(&self, status: u16, body: &[u8], values: &mut [String]) -> Result<(), String> {
        if status != self.status {
            return Err(format!("not {}", self.status));
        }
        if self.has.is_empty() && self.equals.is_empty() && self.save.is_empty() {
            return Ok(());
        }
        let answer: Value = serde_json::from_slice(body).map_err(|error| format!("not JSON, {error}"))?;
        let missing = |pointer: &String| answer.pointer(pointer).is_none_or(Value::is_null);
        if let Some(pointer) = self.has.iter().find(|pointer| missing(pointer)) {
            return Err(format!("no {pointer}"));
        }
        let other = |(pointer, wanted): &(&String, &Value)| answer.pointer(pointer) != Some(wanted);
        if let Some((pointer, wanted)) = self.equals.iter().find(other) {
            return Err(format!("{pointer} is not {wanted}"));
        }
        for (index, pointer) in &self.save {
            let found = answer.pointer(pointer).filter(|found| !found.is_null());
            let found = found.ok_or_else(|| format!("no {pointer}"))?;
            let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            if let Some(value) = values.get_mut(*index) {
                *value = text;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

    use super::*;

    fn step(url: &str, body: &str) -> StepJob {
        StepJob {
            name: "step".into(),
            method: "POST".into(),
            url: url.into(),
            headers: BTreeMap::new(),
            body: body.into(),
            status: 201,
            has: vec!["/id".into()],
            equals: [("/status".to_owned(), Value::from("open"))].into(),
            save: [
                ("session".to_owned(), "/id".to_owned()),
                ("whole".to_owned(), String::new()),
            ]
            .into(),
        }
    }

    #[test]
    fn a_step_can_name_only_what_an_earlier_one_saved() {
        let first = step("http://127.0.0.1:1/a", "");
        let later = step("http://127.0.0.1:1/b/{{session}}", "{{session}} {{column}}");
        let columns = ["column".to_owned()];
        assert!(Plan::new(&[first.clone(), later.clone()], columns.iter()).is_ok());
        let refused = Plan::new(&[later, first], columns.iter()).err().unwrap();
        assert!(refused.contains("{{session}}"), "{refused}");
    }

    #[test]
    fn answers_of_another_kind_are_wrong() {
        let plan = Plan::new(&[step("http://127.0.0.1:1/", "")], std::iter::empty()).unwrap();
        let mut values = plan.values(0, "run", None);
        let step = &plan.steps[0];
        step.check(201, br#"{"id":"ses_1","status":"open"}"#, &mut values)
            .unwrap();
        assert_eq!(values[2..], ["ses_1", r#"{"id":"ses_1","status":"open"}"#]);
        for (status, body, why) in [
            (200, r#"{"id":"ses_1","status":"open"}"#, "not 201"),
            (201, r#"{"id":null,"status":"open"}"#, "no /id"),
            (201, r#"{"id":"ses_1","status":"used"}"#, "/status is not"),
            (201, "<html>", "not JSON"),
        ] {
            let error = step.check(status, body.as_bytes(), &mut values).unwrap_err();
            assert!(error.starts_with(why), "{error}");
        }
    }

    /// A server that counts its requests and keeps its connections.
    fn counting(requests: Rc<std::cell::Cell<usize>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let requests = requests.clone();
                tokio::task::spawn_local(async move {
                    let mut lines = tokio::io::BufReader::new(stream);
                    let mut line = String::new();
                    while lines.read_line(&mut line).await.is_ok_and(|length| length > 0) {
                        if std::mem::take(&mut line).trim().is_empty() {
                            requests.set(requests.get() + 1);
                            let body = r#"{"id":"ses_1","status":"open"}"#;
                            let head =
                                format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n", body.len());
                            lines.get_mut().write_all((head + body).as_bytes()).await.unwrap();
                        }
                    }
                });
            }
        });
        host
    }

    #[tokio::test]
    async fn of_several_hosts_each_request_takes_the_next() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let counts: Vec<Rc<std::cell::Cell<usize>>> = (0..3).map(|_| Rc::default()).collect();
                let hosts: Vec<String> = counts.iter().map(|count| counting(count.clone())).collect();
                let all = step(&format!("http://{}/", hosts.join(",")), "");
                let one = step(&format!("http://{}/", hosts[0]), "");
                let plan = Rc::new(Plan::new(&[all, one], std::iter::empty()).unwrap());
                for number in 0..2 {
                    let mut client = Client::new(plan.clone(), number);
                    for n in 0..6 {
                        client.take(0, &mut plan.values(n, "run", None)).await.unwrap();
                    }
                    client.take(1, &mut plan.values(9, "run", None)).await.unwrap();
                }
                let counted: Vec<usize> = counts.iter().map(|count| count.get()).collect();
                assert_eq!(counted, [6, 4, 4]);
            })
            .await;
    }

    /// A server that answers one request on each connection, and says or does not say that it closes it.
    #[tokio::test]
    async fn a_connection_that_the_server_closes_is_opened_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
                let body = r#"{"id":"ses_1","status":"open"}"#;
                write!(
                    stream,
                    "HTTP/1.1 201 Created\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            }
        });
        let plan = Rc::new(Plan::new(&[step(&url, "")], std::iter::empty()).unwrap());
        let mut client = Client::new(plan.clone(), 0);
        for n in 0..3 {
            client.take(0, &mut plan.values(n, "run", None)).await.unwrap();
        }
    }
}
