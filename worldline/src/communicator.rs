//! Turns a call into a signed request and an answer into JSON. Its parts can be replaced: the connection, the
//! authenticator, the metadata provider and the marshaller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use cardseal::http::Request;
use cardseal::redact::holds_card_number;
use cardseal_transport::Response;
use cardseal_transport::access::once_more_after_401;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

use crate::connection::Connection;
use crate::errors::{CallError, Communication, Mistake, OAuth2Error};
use crate::logging::{CommunicatorLogger, Log};
use crate::metadata::MetadataProvider;
use crate::obfuscation;
use crate::resource::Resource;

/// Headers that are the communicator's own.
const OWN_HEADERS: &[&str] = &["authorization", "content-type", "date", "host", "content-length"];

/// A request that lacks only its authorization.
pub struct ToSign<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// Path and query, as they are sent.
    pub resource: &'a str,
    /// All headers but the authorization.
    pub headers: &'a [(&'static str, String)],
}

impl ToSign<'_> {
    /// A header's value, or nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }
}

/// Makes the value of the header `Authorization`.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// The value for this request. The connection serves platforms that need an access token first; if there is none,
    /// the error says why.
    async fn authorization(
        &self,
        request: &ToSign<'_>,
        connection: &dyn Connection,
    ) -> Result<SecretString, OAuth2Error>;

    /// The platform answered 401 to this value. If another value is available, the same request is sent once more with
    /// it: the first one did nothing.
    async fn refused(&self, _authorization: &SecretString) -> bool {
        false
    }
}

/// A body could not be written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not JSON")]
pub struct NotJson;

/// Turns values into text and back.
pub trait Marshaller: Send + Sync {
    /// Writes a value.
    ///
    /// # Errors
    /// If it cannot be written.
    fn marshal(&self, value: &Value) -> Result<String, NotJson>;

    /// Reads a value.
    ///
    /// # Errors
    /// If it cannot be read.
    fn unmarshal(&self, bytes: &[u8]) -> Result<Value, NotJson>;
}

/// Compact JSON.
pub struct JsonMarshaller;

impl Marshaller for JsonMarshaller {
    fn marshal(&self, value: &Value) -> Result<String, NotJson> {
        serde_json::to_string(value).map_err(|_| NotJson)
    }

    fn unmarshal(&self, bytes: &[u8]) -> Result<Value, NotJson> {
        serde_json::from_slice(bytes).map_err(|_| NotJson)
    }
}

/// A call.
pub struct Call<'a> {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// Where.
    pub resource: &'a Resource,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body. Its texts are wiped once they are written.
    pub body: Option<Value>,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(body) = &mut self.body {
            wipe(body);
        }
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
    }
}

impl Call<'_> {
    /// The secrets in it that the answer may repeat.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.resource.secrets().to_vec();
        secrets.extend(self.body.iter().flat_map(obfuscation::secrets));
        secrets
    }
}

/// How requests leave, shared by the clients of a communicator.
pub type SharedConnection = Arc<dyn Connection>;

/// The parts of a communicator, each of which can be replaced. Without a connection (`Builder<()>`), the communicator
/// gets one for each call: [`Communicator::over`].
pub struct Builder<C = SharedConnection> {
    base: String,
    connection: C,
    authenticator: Arc<dyn Authenticator>,
    metadata: Arc<dyn MetadataProvider>,
    marshaller: Arc<dyn Marshaller>,
    clear_card_data: bool,
}

impl<C> Builder<C> {
    /// Starts with what every communicator needs.
    pub fn new(
        base: &str,
        connection: C,
        authenticator: Arc<dyn Authenticator>,
        metadata: Arc<dyn MetadataProvider>,
    ) -> Self {
        Self {
            base: base.into(),
            connection,
            authenticator,
            metadata,
            marshaller: Arc::new(JsonMarshaller),
            clear_card_data: false,
        }
    }

    /// Replaces the connection.
    #[must_use]
    pub fn connection(self, connection: SharedConnection) -> Builder {
        Builder {
            base: self.base,
            connection,
            authenticator: self.authenticator,
            metadata: self.metadata,
            marshaller: self.marshaller,
            clear_card_data: self.clear_card_data,
        }
    }

    /// Replaces the authenticator.
    #[must_use]
    pub fn authenticator(mut self, authenticator: Arc<dyn Authenticator>) -> Self {
        self.authenticator = authenticator;
        self
    }

    /// Replaces the metadata provider.
    #[must_use]
    pub fn metadata(mut self, metadata: Arc<dyn MetadataProvider>) -> Self {
        self.metadata = metadata;
        self
    }

    /// Replaces the marshaller.
    #[must_use]
    pub fn marshaller(mut self, marshaller: Arc<dyn Marshaller>) -> Self {
        self.marshaller = marshaller;
        self
    }

    /// Lets cards in clear be sent, in the members that are made for them. For merchants whose systems are assessed for
    /// them (PCI DSS, SAQ D) alone; without it, a request that holds one is refused before it is sent.
    #[must_use]
    pub fn allow_clear_card_data(mut self) -> Self {
        self.clear_card_data = true;
        self
    }

    /// Builds the communicator.
    #[must_use]
    pub fn build(self) -> Communicator<C> {
        Communicator {
            connection: self.connection,
            parts: Arc::new(Parts {
                base: self.base,
                authenticator: self.authenticator,
                metadata: self.metadata,
                marshaller: self.marshaller,
                clear_card_data: self.clear_card_data,
                log: Log::default(),
                closed: AtomicBool::new(false),
            }),
        }
    }
}

struct Parts {
    base: String,
    authenticator: Arc<dyn Authenticator>,
    metadata: Arc<dyn MetadataProvider>,
    marshaller: Arc<dyn Marshaller>,
    clear_card_data: bool,
    log: Log,
    closed: AtomicBool,
}

/// Signs, sends and reads. Cheap to clone; clones share the connection and the log.
#[derive(Clone)]
pub struct Communicator<C = SharedConnection> {
    connection: C,
    parts: Arc<Parts>,
}

impl<C> Communicator<C> {
    /// The same with another connection.
    #[must_use]
    pub fn over(&self, connection: SharedConnection) -> Communicator {
        Communicator {
            connection,
            parts: Arc::clone(&self.parts),
        }
    }

    /// Starts logging.
    pub fn enable_logging(&self, logger: Arc<dyn CommunicatorLogger>) {
        self.parts.log.enable(logger);
    }

    /// Stops logging.
    pub fn disable_logging(&self) {
        self.parts.log.disable();
    }
}

impl Communicator {
    /// Closes connections that have been idle for this long, if the connection has a pool.
    pub fn close_idle_connections(&self, idle: Duration) {
        self.connection.close_idle_connections(idle);
    }

    /// Closes connections that the platform may have closed by now, if the connection has a pool.
    pub fn close_expired_connections(&self) {
        self.connection.close_expired_connections();
    }

    /// Refuses further calls of every client that shares this communicator. Calls under way finish.
    pub fn close(&self) {
        self.parts.closed.store(true, Ordering::SeqCst);
        self.connection.close_idle_connections(Duration::ZERO);
    }

    /// Reads a body.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn unmarshal(&self, bytes: &[u8]) -> Result<Value, NotJson> {
        self.parts.marshaller.unmarshal(bytes)
    }

    /// Signs and sends. No HTTP status is an error here.
    ///
    /// # Errors
    /// [`Mistake`], or what the authenticator or the connection says, as the product's own error.
    pub async fn send<E: CallError>(&self, mut call: Call<'_>) -> Result<Response, E> {
        let parts = &*self.parts;
        if parts.closed.load(Ordering::SeqCst) {
            return Err(Mistake::Closed.into());
        }
        let secrets = call.secrets();
        let body = Zeroizing::new(self.written(&call)?);
        let headers = self.headers(&mut call)?;
        let to_sign = ToSign {
            method: call.method,
            resource: call.resource.as_str(),
            headers: &headers,
        };
        once_more_after_401(
            async || {
                Ok(parts
                    .authenticator
                    .authorization(&to_sign, &*self.connection)
                    .await?)
            },
            async |authorization: SecretString| {
                let mut signed = headers.clone();
                signed.push(("authorization", authorization.expose_secret().into()));
                let id = uuid::Uuid::new_v4().simple().to_string();
                parts.log.request(&id, call.method, call.resource, &signed, &body);
                let request = Request {
                    method: call.method,
                    url: format!("{}{}", parts.base, call.resource.as_str()),
                    headers: signed,
                    body: body.as_str().into(),
                };
                let started = Instant::now();
                let result = self.connection.send(request).await;
                match &result {
                    Ok(response) => parts.log.response(&id, &secrets, response, started.elapsed()),
                    Err(failure) => parts.log.failure(&id, *failure, started.elapsed()),
                }
                result.map_err(|failure| Communication::Failure(failure).into())
            },
            async |authorization: SecretString| parts.authenticator.refused(&authorization).await,
        )
        .await
    }

    fn written(&self, call: &Call<'_>) -> Result<String, Mistake> {
        let Some(body) = &call.body else {
            return Ok(String::new());
        };
        if holds_card(body, self.parts.clear_card_data) {
            return Err(Mistake::ClearCardData);
        }
        let written = self.parts.marshaller.marshal(body);
        written.map_err(|NotJson| Mistake::Value("body"))
    }

    /// All headers but the authorization.
    fn headers(&self, call: &mut Call<'_>) -> Result<Vec<(&'static str, String)>, Mistake> {
        let mut headers = vec![("date", httpdate::fmt_http_date(SystemTime::now()))];
        if call.body.is_some() {
            headers.push(("content-type", "application/json".into()));
        }
        let metadata = self.parts.metadata.headers().into_iter();
        for (name, value) in metadata.chain(std::mem::take(&mut call.headers)) {
            let again = headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
            // A control character could begin another header, and what is folded is not what is signed.
            let fits = !value.is_empty() && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            if again || !fits || OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                return Err(Mistake::Value(name));
            }
            headers.push((name, value));
        }
        Ok(headers)
    }
}

/// Members whose text is opaque, in which digits follow one another by chance.
const OPAQUE: &[&str] = &[
    "encryptedCustomerInput",
    "token",
    "tokens",
    "hostedTokenizationId",
    "hostedFieldsSessionId",
    "secret",
    "initialSchemeTransactionId",
    "initialSchemeTransactionLinkId",
];

/// Members that are made for a card in clear.
const OF_CARDS: &[&str] = &["cardnumber", "cvv", "cardsecuritycode", "track2data"];

/// Whether a body holds a card in clear where it may not.
fn holds_card(body: &Value, allowed: bool) -> bool {
    match body {
        Value::Null | Value::Bool(_) => false,
        Value::Number(number) => holds_card_number(&number.to_string()),
        Value::String(text) => holds_card_number(text),
        Value::Array(items) => items.iter().any(|item| holds_card(item, allowed)),
        Value::Object(members) => members.iter().any(|(name, value)| {
            if OF_CARDS.contains(&name.to_ascii_lowercase().as_str()) && !value.is_null() {
                return !(allowed && value.is_string());
            }
            !OPAQUE.contains(&name.as_str()) && (holds_card_number(name) || holds_card(value, allowed))
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_a_card_in_clear() {
        for body in [
            json!({ "cardPaymentMethodSpecificInput": { "card": { "cardNumber": "1" } } }),
            json!({ "card": { "cvv": "123" } }),
            json!({ "order": { "references": { "merchantReference": "4567350000427977" } } }),
            json!([{ "x": 4_567_350_000_427_977_u64 }]),
        ] {
            assert!(holds_card(&body, false), "{body}");
            // Where cards may be, they may be where they are made for alone.
            let where_made_for = ["cardPaymentMethodSpecificInput", "card"];
            let fits = where_made_for.iter().any(|name| body.get(name).is_some());
            assert_eq!(holds_card(&body, true), !fits, "{body}");
        }
        for body in [
            json!({ "token": "4567350000427977", "encryptedCustomerInput": "4567350000427977" }),
            json!({ "order": { "amountOfMoney": { "amount": 1000, "currencyCode": "EUR" } } }),
            json!({ "creditCardSpecificInput": { "ValidationRules": { "cvvMandatoryForNewToken": true } } }),
            // A network names its transactions by fifteen digits.
            json!({ "subsequentCardOnFileData": { "initialSchemeTransactionId": "378282246310005",
                "initialSchemeTransactionLinkId": "378282246310005" } }),
        ] {
            assert!(!holds_card(&body, false), "{body}");
        }
    }
}
