//! Commands for people who run the server. They ask the server that is running, as its database belongs to it.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use cardseal::http::Request;
use cardseal::platform::Platform;
use cardseal_gateways::Transport;
use cardseal_gateways::transport::{Failure, Timeouts, Unusable, base_url};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::config::Config;

/// The statuses of payments whose outcome is unknown.
const UNKNOWN: [&str; 4] = ["unknown", "capture_unknown", "void_unknown", "refund_unknown"];
/// The most rows that a list has.
const PAGE: usize = 100;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The configuration does not say where the server is.
    #[error(
        "the configuration does not say where the server can be reached from here; give its address with --url"
    )]
    NoAddress,
    /// The address is none.
    #[error("--url {0}")]
    Address(&'static str),
    /// An argument is no id, platform or day.
    #[error("ids, platforms and days have letters, digits, hyphens and underscores only")]
    Argument,
    /// The HTTP client.
    #[error(transparent)]
    Client(#[from] Unusable),
    /// There is no answer.
    #[error("no answer from {url}: {failure}. Does the server run there?")]
    NoAnswer {
        /// The address.
        url: String,
        /// What happened.
        failure: Failure,
    },
    /// Something that is not this server answered.
    #[error("what answered at {url} is not this server")]
    Foreign {
        /// The address.
        url: String,
    },
    /// The server refused.
    #[error("the server refused: {code}: {detail}")]
    Refused {
        /// The code of the error.
        code: String,
        /// What the server says.
        detail: String,
    },
}

/// A running server.
pub struct Remote<'a> {
    config: &'a Config,
    url: String,
    transport: Transport,
}

impl<'a> Remote<'a> {
    /// The server of a configuration, at the address where it listens or at another one.
    ///
    /// # Errors
    /// If the address cannot be known, or is none.
    pub fn new(config: &'a Config, url: Option<&str>) -> Result<Self, RemoteError> {
        let url = match url {
            Some(url) => base_url(url).map_err(RemoteError::Address)?,
            None => own_address(config)?,
        };
        let timeouts = Timeouts {
            request: std::time::Duration::from_secs(300),
            ..Timeouts::default()
        };
        Ok(Self {
            config,
            url,
            transport: Transport::new(timeouts)?,
        })
    }

    async fn call(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, RemoteError> {
        let key = format!("Bearer {}", self.config.api_key.expose_secret());
        let mut headers = vec![("authorization", key)];
        if body.is_some() {
            headers.push(("content-type", "application/json".into()));
        }
        let request = Request {
            method,
            url: format!("{}{path}", self.url),
            headers,
            body: body.map(Value::to_string).unwrap_or_default(),
        };
        let answer = self
            .transport
            .send(request)
            .await
            .map_err(|failure| RemoteError::NoAnswer {
                url: self.url.clone(),
                failure,
            })?;
        let foreign = || RemoteError::Foreign {
            url: self.url.clone(),
        };
        let value: Value = serde_json::from_slice(&answer.body).map_err(|_| foreign())?;
        if answer.status < 400 {
            return Ok(value);
        }
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        Err(RemoteError::Refused {
            code: text("code").ok_or_else(foreign)?,
            detail: text("detail").or_else(|| text("title")).unwrap_or_default(),
        })
    }

    /// All payments whose outcome is unknown.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn unknown(&self) -> Result<Value, RemoteError> {
        let mut all = Vec::new();
        for status in UNKNOWN {
            let mut after = String::new();
            loop {
                let path = format!("/v1/payments?status={status}&limit={PAGE}{after}");
                let mut page = self.call("GET", &path, None).await?;
                if let Some(Value::Array(payments)) = page.get_mut("data").map(Value::take) {
                    all.extend(payments);
                }
                match page.get("next").and_then(Value::as_str) {
                    Some(next) => after = format!("&after={next}"),
                    None => break,
                }
            }
        }
        Ok(Value::Array(all))
    }

    /// Settles a payment by hand.
    ///
    /// # Errors
    /// If the server refuses, or cannot be asked.
    pub async fn resolve(
        &self,
        payment: &str,
        status: &str,
        authorization: Option<&str>,
    ) -> Result<Value, RemoteError> {
        let mut body = json!({ "status": status });
        if let Some(authorization) = authorization {
            body["authorization"] = authorization.into();
        }
        let path = format!("/v1/payments/{}/resolve", word(payment)?);
        self.call("POST", &path, Some(&body)).await
    }

    /// Compares a day with the platform's records. Without a day, yesterday in UTC.
    ///
    /// # Errors
    /// If the server or the platform cannot be asked.
    pub async fn reconcile(&self, platform: &str, day: Option<&str>) -> Result<Value, RemoteError> {
        let yesterday = || (OffsetDateTime::now_utc().date() - time::Duration::DAY).to_string();
        let day = day.map_or_else(yesterday, ToOwned::to_owned);
        let path = format!(
            "/v1/reconciliation?platform={}&day={}",
            word(platform)?,
            word(&day)?
        );
        self.call("GET", &path, None).await
    }

    /// Unknown payments as text: since when, what to look up, and what to do.
    #[must_use]
    pub fn describe_unknown(&self, payments: &Value) -> String {
        let payments = payments.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut text = format!("{} payment(s) with an unknown outcome\n", payments.len());
        for payment in payments {
            let _ = write!(text, "\n{}  {}\n", self.describe(payment), self.advice(payment));
        }
        text
    }

    /// A payment as text.
    #[must_use]
    pub fn describe(&self, payment: &Value) -> String {
        let of = |name: &str| field(payment, name);
        format!(
            "{} {} {}: {} {} since {}\n  reference {}, card {} {}\n",
            of("id"),
            of("platform"),
            of("status"),
            of("amount"),
            of("currency"),
            of("updated_at"),
            of("order_reference"),
            of("brand"),
            of("last4"),
        )
    }

    /// What to do about an unknown payment.
    fn advice(&self, payment: &Value) -> String {
        let platform = Platform::from_id(&field(payment, "platform"));
        let gateway = platform.and_then(|platform| self.config.platforms.get(&platform));
        if gateway.is_some_and(|account| account.gateway.capabilities().payment_lookup) {
            return "the server looks it up by itself".into();
        }
        let outcomes = match field(payment, "status").as_str() {
            "capture_unknown" => "approved|authorized",
            "void_unknown" => "voided|approved|authorized",
            "refund_unknown" => "refunded|approved",
            _ => "approved|failed",
        };
        let id = field(payment, "id");
        format!(
            "find the reference in the platform's own records, then: cardseal-server resolve {id} {outcomes}"
        )
    }
}

/// Where the server listens. One that listens at every address is reached at this machine's own.
fn own_address(config: &Config) -> Result<String, RemoteError> {
    let listen = config.listen;
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    // The key goes in clear: to this machine, and no further. A certificate is for another name.
    if config.tls.is_some() || listen.port() == 0 || !ip.is_loopback() {
        return Err(RemoteError::NoAddress);
    }
    let base = config.base_path.as_deref().unwrap_or_default();
    Ok(format!("http://{}{base}", SocketAddr::new(ip, listen.port())))
}

/// An id or a day, which needs no escape in a URL.
fn word(text: &str) -> Result<&str, RemoteError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let valid = !text.is_empty() && text.bytes().all(plain);
    valid.then_some(text).ok_or(RemoteError::Argument)
}

/// A member as text.
fn field(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".into(),
        Some(other) => other.to_string(),
    }
}

/// A comparison as text.
#[must_use]
pub fn describe_reconciliation(report: &Value) -> String {
    let of = field;
    let differences = report.get("differences").and_then(Value::as_array);
    let differences = differences.map(Vec::as_slice).unwrap_or_default();
    let mut text = format!(
        "{} on {}: {} payment(s) the same on both sides, {} difference(s)\n",
        of(report, "platform"),
        of(report, "day"),
        of(report, "matched"),
        differences.len(),
    );
    if report.get("source").and_then(Value::as_str) == Some("none") {
        text.push_str("The platform cannot be asked: compare the day with its portal.\n");
    }
    if report.get("complete") == Some(&Value::Bool(false)) {
        text.push_str("The day has more payments than one report compares: this is a part of it.\n");
    }
    for difference in differences {
        let none = Value::Null;
        let side = |name: &str| difference.get(name).unwrap_or(&none);
        let (here, there) = (side("payment"), side("platform"));
        let _ = write!(text, "\n{}\n", of(difference, "kind"));
        if !here.is_null() {
            let _ = writeln!(
                text,
                "  here:  {} {} {} {}, reference {}",
                of(here, "id"),
                of(here, "status"),
                of(here, "amount"),
                of(here, "currency"),
                of(here, "order_reference"),
            );
        }
        if !there.is_null() {
            let _ = writeln!(
                text,
                "  there: {} {} {} {} {}, reference {}",
                of(there, "id"),
                of(there, "kind"),
                of(there, "status"),
                of(there, "amount"),
                of(there, "currency"),
                of(there, "reference"),
            );
        }
    }
    text
}
