//! Signs requests and sends them. You can replace its connection, authenticator, metadata provider and marshaller.

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

/// Headers that only the communicator sets.
const OWN_HEADERS: &[&str] = &["authorization", "content-type", "date", "host", "content-length"];

/// A request that is complete except for its authorization.
pub struct ToSign<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// Path and query, exactly as they are sent.
    pub resource: &'a str,
    /// All headers but the authorization.
    pub headers: &'a [(&'static str, String)],
}

impl ToSign<'_> {
    /// Returns the value of a header, or an empty string.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }
}

/// Authorizes requests, by a signature or an access token.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// Returns the value of `Authorization` for this request. `connection` can be used to fetch an access token.
    async fn authorization(
        &self,
        request: &ToSign<'_>,
        connection: &dyn Connection,
    ) -> Result<SecretString, OAuth2Error>;

    /// Called if the platform rejected this value with a 401. Return true if another value is available: the same
    /// request is then sent once more, which is safe because the first one had no effect.
    async fn refused(&self, _authorization: &SecretString) -> bool {
        false
    }
}

/// A body could not be serialized or parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not JSON")]
pub struct NotJson;

/// Serializes and parses bodies.
pub trait Marshaller: Send + Sync {
    /// Serializes a value.
    ///
    /// # Errors
    /// Fails if the value cannot be serialized.
    fn marshal(&self, value: &Value) -> Result<String, NotJson>;

    /// Parses a value.
    ///
    /// # Errors
    /// Fails if the bytes are not a valid body.
    fn unmarshal(&self, bytes: &[u8]) -> Result<Value, NotJson>;
}

/// Writes compact JSON.
pub struct JsonMarshaller;

impl Marshaller for JsonMarshaller {
    fn marshal(&self, value: &Value) -> Result<String, NotJson> {
        serde_json::to_string(value).map_err(|_| NotJson)
    }

    fn unmarshal(&self, bytes: &[u8]) -> Result<Value, NotJson> {
        serde_json::from_slice(bytes).map_err(|_| NotJson)
    }
}

/// A call to the platform, before it is signed.
pub struct Call<'a> {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// Path and query.
    pub resource: &'a Resource,
    /// Additional headers, with names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body. Its strings are wiped after they have been serialized.
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
    /// Returns the secrets of the call, which the response could repeat.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.resource.secrets().to_vec();
        secrets.extend(self.body.iter().flat_map(obfuscation::secrets));
        secrets
    }
}

/// The connection that the clients of a communicator share.
pub type SharedConnection = Arc<dyn Connection>;

/// Builds a [`Communicator`]. `Builder<()>` has no connection; [`Communicator::over`] then adds one for each call.
pub struct Builder<C = SharedConnection> {
    base: String,
    connection: C,
    authenticator: Arc<dyn Authenticator>,
    metadata: Arc<dyn MetadataProvider>,
    marshaller: Arc<dyn Marshaller>,
    clear_card_data: bool,
}

impl<C> Builder<C> {
    /// Starts with the parts that every communicator needs.
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

    /// Allows card numbers in clear text, in the members meant for them. Use it only if your systems are assessed
    /// for card data (PCI DSS, SAQ D). Without it, a request that contains a card number is refused before it is
    /// sent.
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

/// Signs requests and sends them. Cheap to clone; clones share the connection and the log.
#[derive(Clone)]
pub struct Communicator<C = SharedConnection> {
    connection: C,
    parts: Arc<Parts>,
}

impl<C> Communicator<C> {
    /// Returns the same communicator with another connection.
    #[must_use]
    pub fn over(&self, connection: SharedConnection) -> Communicator {
        Communicator {
            connection,
            parts: Arc::clone(&self.parts),
        }
    }

    /// Turns logging on.
    pub fn enable_logging(&self, logger: Arc<dyn CommunicatorLogger>) {
        self.parts.log.enable(logger);
    }

    /// Turns logging off.
    pub fn disable_logging(&self) {
        self.parts.log.disable();
    }
}

impl Communicator {
    /// Closes pooled connections that have been idle for at least this long.
    pub fn close_idle_connections(&self, idle: Duration) {
        self.connection.close_idle_connections(idle);
    }

    /// Closes pooled connections that the platform may have closed in the meantime.
    pub fn close_expired_connections(&self) {
        self.connection.close_expired_connections();
    }

    /// Makes all further calls fail, of every client that shares this communicator. Running calls finish.
    pub fn close(&self) {
        self.parts.closed.store(true, Ordering::SeqCst);
        self.connection.close_idle_connections(Duration::ZERO);
    }

    /// Parses a body with the communicator's marshaller.
    ///
    /// # Errors
    /// Fails if the bytes are not a valid body.
    pub fn unmarshal(&self, bytes: &[u8]) -> Result<Value, NotJson> {
        self.parts.marshaller.unmarshal(bytes)
    }

    /// Signs a call, sends it, and returns the response, whatever its HTTP status.
    ///
    /// # Errors
    /// Fails if the call is wrong ([`Mistake`]), or cannot be authorized, or gets no response.
    pub async fn send<E: CallError>(&self, mut call: Call<'_>) -> Result<Response, E> {
        let parts = &*self.parts;
        if parts.closed.load(Ordering::SeqCst) {
            return Err(Mistake::Closed.into());
        }
        let secrets = call.secrets();
        let body = Zeroizing::new(self.serialized_body(&call)?);
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

    fn serialized_body(&self, call: &Call<'_>) -> Result<String, Mistake> {
        let Some(body) = &call.body else {
            return Ok(String::new());
        };
        if holds_card(body, self.parts.clear_card_data) {
            return Err(Mistake::ClearCardData);
        }
        let written = self.parts.marshaller.marshal(body);
        written.map_err(|NotJson| Mistake::Value("body"))
    }

    /// Returns all headers but the authorization.
    fn headers(&self, call: &mut Call<'_>) -> Result<Vec<(&'static str, String)>, Mistake> {
        let mut headers = vec![("date", httpdate::fmt_http_date(SystemTime::now()))];
        if call.body.is_some() {
            headers.push(("content-type", "application/json".into()));
        }
        let metadata = self.parts.metadata.headers().into_iter();
        for (name, value) in metadata.chain(std::mem::take(&mut call.headers)) {
            let again = headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
            // A line feed could start another header, and a folded header would be signed in another form.
            let fits = !value.is_empty() && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            if again || !fits || OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                return Err(Mistake::Value(name));
            }
            headers.push((name, value));
        }
        Ok(headers)
    }
}

/// Members with opaque values, which can contain the digits of a valid card number by chance.
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

/// Members that are meant for card data in clear text.
const OF_CARDS: &[&str] = &["cardnumber", "cvv", "cardsecuritycode", "track2data"];

/// Whether a body contains card data in clear text that is not allowed there.
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
            // Even if card numbers are allowed, they are allowed only in the members meant for them.
            let where_made_for = ["cardPaymentMethodSpecificInput", "card"];
            let fits = where_made_for.iter().any(|name| body.get(name).is_some());
            assert_eq!(holds_card(&body, true), !fits, "{body}");
        }
        for body in [
            json!({ "token": "4567350000427977", "encryptedCustomerInput": "4567350000427977" }),
            json!({ "order": { "amountOfMoney": { "amount": 1000, "currencyCode": "EUR" } } }),
            json!({ "creditCardSpecificInput": { "ValidationRules": { "cvvMandatoryForNewToken": true } } }),
            // A scheme's transaction id has fifteen digits, like a card number.
            json!({ "subsequentCardOnFileData": { "initialSchemeTransactionId": "378282246310005",
                "initialSchemeTransactionLinkId": "378282246310005" } }),
        ] {
            assert!(!holds_card(&body, false), "{body}");
        }
    }
}
