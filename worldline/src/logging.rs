//! Logs of requests, responses and failures. You can turn logging on and off at any time.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use crate::obfuscation;
use crate::resource::Resource;
use cardseal_transport::{Failure, Response};

/// Receives log messages, in which secrets are already masked.
pub trait CommunicatorLogger: Send + Sync {
    /// Logs a request or a response.
    fn log(&self, message: &str);

    /// Logs that a request got no response.
    fn log_failure(&self, message: &str) {
        self.log(message);
    }
}

/// Writes log messages to a [`Write`].
pub struct WriterLogger<W>(Mutex<W>);

impl<W: Write + Send> WriterLogger<W> {
    /// Creates a logger.
    pub const fn new(writer: W) -> Self {
        Self(Mutex::new(writer))
    }
}

/// Returns a logger that writes to standard output.
#[must_use]
pub fn standard_output() -> Arc<dyn CommunicatorLogger> {
    Arc::new(WriterLogger::new(std::io::stdout()))
}

impl<W: Write + Send> CommunicatorLogger for WriterLogger<W> {
    fn log(&self, message: &str) {
        // A failing log must not stop a payment.
        let _ = writeln!(self.0.lock().unwrap_or_else(PoisonError::into_inner), "{message}");
    }
}

/// The communicator's log, off until a logger is set.
#[derive(Default)]
pub struct Log(RwLock<Option<Arc<dyn CommunicatorLogger>>>);

impl Log {
    /// Turns logging on.
    pub fn enable(&self, logger: Arc<dyn CommunicatorLogger>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(logger);
    }

    /// Turns logging off.
    pub fn disable(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn logger(&self) -> Option<Arc<dyn CommunicatorLogger>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn request(
        &self,
        id: &str,
        method: &str,
        resource: &Resource,
        headers: &[(&'static str, String)],
        body: &str,
    ) {
        if let Some(logger) = self.logger() {
            let mut text = format!("request {id}: {method} {}", resource.shown());
            for (name, value) in headers {
                let _ = write!(text, "\n  {name}: {}", obfuscation::header(name, value));
            }
            let body = obfuscation::body(body.as_bytes());
            if !body.is_empty() {
                let _ = write!(text, "\n  {body}");
            }
            logger.log(&text);
        }
    }

    pub(crate) fn response(&self, id: &str, secrets: &[String], response: &Response, took: Duration) {
        if let Some(logger) = self.logger() {
            let mut text = format!("response {id}: {} after {} ms", response.status, took.as_millis());
            for (name, value) in &response.headers {
                let _ = write!(text, "\n  {name}: {}", obfuscation::header(name, value));
            }
            let body = obfuscation::body(&response.body);
            if !body.is_empty() {
                let _ = write!(text, "\n  {body}");
            }
            logger.log(&obfuscation::without(secrets, &text));
        }
    }

    pub(crate) fn failure(&self, id: &str, failure: Failure, took: Duration) {
        if let Some(logger) = self.logger() {
            let why = failure.as_str();
            logger.log_failure(&format!("no response {id}: {why} after {} ms", took.as_millis()));
        }
    }
}
