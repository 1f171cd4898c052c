//! The client: what the official SDK gives its users.
//!
//! Every call fails with [`Error`]: what the platform refused, or why there is no usable answer.
//!
//! ```no_run
//! use cardseal_worldline::acquiring::client::Factory;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Factory::create_client_from_file("acquiring.ini", "client id", "client secret".to_owned().into())?;
//! client.ping().await?;
//! let payment = client.merchant("100812", "520000214")?.payments().get("payment-id", true).await?;
//! println!("{:?}", payment.status);
//! client.close();
//! # Ok(())
//! # }
//! ```

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cardseal_transport::Unusable;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::domain::{
    ApiAccountVerificationRequest, ApiAccountVerificationResponse, ApiActionResponse,
    ApiBalanceInquiryRequest, ApiBalanceInquiryResponse, ApiCaptureRequest, ApiIncrementRequest,
    ApiPaymentRefundRequest, ApiPaymentRequest, ApiPaymentResource, ApiPaymentResponse,
    ApiPaymentReversalRequest, ApiTechnicalReversalRequest, ApiTechnicalReversalResponse, GetDccRateRequest,
    GetDccRateResponse,
};
use super::errors::{Communication, Error, Mistake, read};
use super::oauth2::{OAUTH2, OAuth2Authenticator, SCOPES};
use crate::communicator::{Builder, Call, Communicator, SharedConnection};
use crate::connection::PooledConnection;
use crate::logging::CommunicatorLogger;
use crate::metadata::{ServerMetaInfo, ShoppingCartExtension};
use crate::properties::{Endpoint, Properties, PropertiesError, PropertyMistake, checked_base};
use crate::resource::Resource;

const SECTION: &str = "AcquiringSDK";
const PREFIX: &str = "acquiring.api";
const SERVER_META_INFO: &str = "x-wl-servermetainfo";
const TRACE_ID: &str = "trace-id";

/// Where the platform is, how it is connected to, and the credentials.
#[derive(Clone)]
pub struct Configuration {
    /// Address, time-outs, pool, proxy.
    pub endpoint: Endpoint,
    /// Where access tokens come from.
    pub token_uri: String,
    /// The requested scopes, joined by spaces.
    pub scopes: String,
    /// From the platform.
    pub client_id: String,
    /// From the platform.
    pub client_secret: SecretString,
    /// The shop software that this is a part of.
    pub shopping_cart_extension: Option<ShoppingCartExtension>,
}

impl Configuration {
    /// From code, with the defaults of the properties file. The base is a host's address without a path.
    ///
    /// # Errors
    /// Every mistake.
    pub fn new(
        base: &str,
        integrator: &str,
        token_uri: &str,
        client_id: &str,
        client_secret: SecretString,
    ) -> Result<Self, PropertiesError> {
        let mut mistakes = Vec::new();
        let mut mistake = |key: &str, message: &str| {
            mistakes.push(PropertyMistake {
                key: key.into(),
                message: message.into(),
            });
        };
        let base = checked_base(base).unwrap_or_else(|message| {
            mistake("base", message);
            String::new()
        });
        if integrator.trim().is_empty() {
            mistake("integrator", "is missing");
        }
        if let Err(message) = checked_token_uri(token_uri) {
            mistake("token_uri", message);
        }
        if client_id.is_empty() {
            mistake("client_id", "is missing");
        }
        if client_secret.expose_secret().is_empty() {
            mistake("client_secret", "is missing");
        }
        if !mistakes.is_empty() {
            return Err(PropertiesError(mistakes));
        }
        Ok(Self {
            endpoint: Endpoint::new(base, integrator),
            token_uri: token_uri.into(),
            scopes: SCOPES.join(" "),
            client_id: client_id.into(),
            client_secret,
            shopping_cart_extension: None,
        })
    }

    /// From a configuration file of the official SDKs: Python's, Java's, Ruby's, or the JSON for Node.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn from_file(
        path: impl AsRef<Path>,
        client_id: &str,
        client_secret: SecretString,
    ) -> Result<Self, PropertiesError> {
        let properties = Properties::from_file(path.as_ref(), SECTION, PREFIX)?;
        Self::from_properties(properties, client_id, client_secret)
    }

    /// From the text of such a file.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn from_text(
        text: &str,
        client_id: &str,
        client_secret: SecretString,
    ) -> Result<Self, PropertiesError> {
        Self::from_properties(Properties::parse(text, SECTION, PREFIX), client_id, client_secret)
    }

    /// From the JSON that the official SDK for Node is configured with, `oauth2ClientId` and `oauth2ClientSecret` in it.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn from_json(text: &str) -> Result<Self, PropertiesError> {
        let properties = Properties::parse(text, SECTION, PREFIX);
        let (id, secret) = properties.credentials();
        Self::from_properties(properties, &id.unwrap_or_default(), secret.unwrap_or_default())
    }

    fn from_properties(
        mut properties: Properties,
        client_id: &str,
        client_secret: SecretString,
    ) -> Result<Self, PropertiesError> {
        let endpoint = Endpoint::from_properties(&mut properties);
        properties.check_authorization(OAUTH2, true);
        let token_uri = properties.text("oauth2.tokenUri");
        if !token_uri.is_empty()
            && let Err(message) = checked_token_uri(&token_uri)
        {
            properties.mistake("oauth2.tokenUri", message);
        }
        let scopes = properties
            .get("oauth2.scopes")
            .unwrap_or_else(|| SCOPES.join(" "));
        let shopping_cart_extension = properties.shopping_cart_extension();
        if client_id.is_empty() {
            properties.mistake("client id", "is missing");
        }
        if client_secret.expose_secret().is_empty() {
            properties.mistake("client secret", "is missing");
        }
        properties.finish()?;
        Ok(Self {
            endpoint,
            token_uri,
            scopes,
            client_id: client_id.into(),
            client_secret,
            shopping_cart_extension,
        })
    }

    /// The parts of a communicator, to be replaced or built as they are. Clients of one communicator share its pool.
    ///
    /// # Errors
    /// Only if the system's TLS set-up, or the proxy, is unusable.
    pub fn communicator(&self) -> Result<Builder, Unusable> {
        let connection = PooledConnection::with_temporary_connections(&self.endpoint)?;
        let connection: SharedConnection = Arc::new(connection);
        Ok(self.communicator_over(connection))
    }

    /// The same over a connection of the caller's; `()` for one that is handed over with each call
    /// ([`MerchantClient::over`]).
    pub fn communicator_over<C>(&self, connection: C) -> Builder<C> {
        Builder::new(
            &self.endpoint.base,
            connection,
            Arc::new(OAuth2Authenticator::new(
                &self.token_uri,
                &self.client_id,
                self.client_secret.clone(),
                &self.scopes,
            )),
            Arc::new(ServerMetaInfo::new(
                SERVER_META_INFO,
                &self.endpoint.integrator,
                self.shopping_cart_extension.as_ref(),
            )),
        )
        // The platform has no other way.
        .allow_clear_card_data()
    }
}

/// An address with a path; in clear on this machine only. Its host is checked like the platform's.
pub(super) fn checked_token_uri(text: &str) -> Result<(), &'static str> {
    const WRONG: &str = "must be an https address, or http on this machine";
    let url = Url::parse(text).map_err(|_| WRONG)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(WRONG);
    }
    let mut host = url;
    host.set_path("");
    checked_base(host.as_str()).map(drop).map_err(|_| WRONG)
}

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The configuration.
    #[error(transparent)]
    Configuration(#[from] PropertiesError),
    /// The connection.
    #[error(transparent)]
    Connection(#[from] Unusable),
}

/// The client. Cheap to clone.
#[derive(Clone)]
pub struct Client<C = SharedConnection> {
    communicator: Communicator<C>,
}

/// No body.
const NOTHING: Option<&()> = None;

impl<C: Clone> Client<C> {
    /// With a communicator that other clients may share.
    #[must_use]
    pub const fn new(communicator: Communicator<C>) -> Self {
        Self { communicator }
    }

    /// The calls of a merchant of an acquirer.
    ///
    /// # Errors
    /// If an id cannot stand in an address.
    pub fn merchant(&self, acquirer_id: &str, merchant_id: &str) -> Result<MerchantClient<C>, Error> {
        let at = |base: &'static str| {
            Resource::new(base)
                .id("acquirer_id", acquirer_id)?
                .then("/")
                .id("merchant_id", merchant_id)
        };
        Ok(MerchantClient {
            processing: at("/processing/v1/")?,
            services: at("/services/v1/")?,
            client: self.clone(),
        })
    }

    /// Logs requests, answers and failures from now on, without what is secret in them.
    pub fn enable_logging(&self, logger: Arc<dyn CommunicatorLogger>) {
        self.communicator.enable_logging(logger);
    }

    /// Stops logging.
    pub fn disable_logging(&self) {
        self.communicator.disable_logging();
    }
}

impl Client {
    /// `GET /services/v1/ping`.
    pub async fn ping(&self) -> Result<(), Error> {
        self.ask("GET", &Resource::new("/services/v1/ping"), NOTHING)
            .await
            .map(drop)
    }

    /// Closes connections that have been idle for this long, if the connection has a pool.
    pub fn close_idle_connections(&self, idle: Duration) {
        self.communicator.close_idle_connections(idle);
    }

    /// Closes connections that the platform may have closed by now, if the connection has a pool.
    pub fn close_expired_connections(&self) {
        self.communicator.close_expired_connections();
    }

    /// Closes the communicator, for all clients that share it.
    pub fn close(&self) {
        self.communicator.close();
    }

    async fn ask(
        &self,
        method: &'static str,
        resource: &Resource,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Value, Error> {
        let body = body
            .map(serde_json::to_value)
            .transpose()
            .map_err(|_| Mistake::Value("body"))?;
        let call = Call {
            method,
            resource,
            headers: vec![(TRACE_ID, uuid::Uuid::new_v4().to_string())],
            body,
        };
        let secrets = call.secrets();
        let answer = self.communicator.send::<Error>(call).await?;
        read(&answer, &secrets, |bytes| self.communicator.unmarshal(bytes).ok())
    }
}

/// The calls of a merchant.
#[derive(Clone)]
pub struct MerchantClient<C = SharedConnection> {
    client: Client<C>,
    processing: Resource,
    services: Resource,
}

impl<C> MerchantClient<C> {
    /// The same over another connection.
    #[must_use]
    pub fn over(&self, connection: SharedConnection) -> MerchantClient {
        MerchantClient {
            client: Client {
                communicator: self.client.communicator.over(connection),
            },
            processing: self.processing.clone(),
            services: self.services.clone(),
        }
    }
}

impl MerchantClient {
    /// Payments and what is done to them.
    #[must_use]
    pub const fn payments(&self) -> CardPayments<'_> {
        CardPayments(self)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        resource: Resource,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, Error> {
        let value = self.client.ask(method, &resource, body).await?;
        // An answer without a body has no members.
        let value = if value.is_null() {
            Value::Object(serde_json::Map::new())
        } else {
            value
        };
        serde_json::from_value(value).map_err(|_| Error::Communication(Communication::NotJson(200)))
    }

    /// `POST …/account-verifications`: whether the card is good, without money.
    pub async fn verify_account(
        &self,
        request: &ApiAccountVerificationRequest,
    ) -> Result<ApiAccountVerificationResponse, Error> {
        let resource = self.processing.clone().then("/account-verifications");
        self.call("POST", resource, Some(request)).await
    }

    /// `POST …/balance-inquiries`: what is on a prepaid card.
    pub async fn inquire_balance(
        &self,
        request: &ApiBalanceInquiryRequest,
    ) -> Result<ApiBalanceInquiryResponse, Error> {
        let resource = self.processing.clone().then("/balance-inquiries");
        self.call("POST", resource, Some(request)).await
    }

    /// `POST …/operations/{id}/reverse`: undoes whatever became of an operation whose answer was lost.
    pub async fn technical_reversal(
        &self,
        operation_id: &str,
        request: &ApiTechnicalReversalRequest,
    ) -> Result<ApiTechnicalReversalResponse, Error> {
        let resource = self
            .processing
            .clone()
            .then("/operations/")
            .id("operation_id", operation_id)?
            .then("/reverse");
        self.call("POST", resource, Some(request)).await
    }

    /// `POST …/dcc-rates`: what the customer would pay in the currency of the card.
    pub async fn dcc_rates(&self, request: &GetDccRateRequest) -> Result<GetDccRateResponse, Error> {
        let resource = self.services.clone().then("/dcc-rates");
        self.call("POST", resource, Some(request)).await
    }
}

/// Payments and what is done to them.
pub struct CardPayments<'a>(&'a MerchantClient);

impl CardPayments<'_> {
    fn of(&self, payment_id: &str, what: &'static str) -> Result<Resource, Error> {
        let payments = self.0.processing.clone().then("/payments/");
        Ok(payments.id("payment_id", payment_id)?.then(what))
    }

    /// `POST …/payments`. A declined payment is an answer, not an error.
    pub async fn process_payment(&self, request: &ApiPaymentRequest) -> Result<ApiPaymentResponse, Error> {
        let resource = self.0.processing.clone().then("/payments");
        self.0.call("POST", resource, Some(request)).await
    }

    /// `GET …/payments/{id}`.
    pub async fn get(&self, payment_id: &str, operations: bool) -> Result<ApiPaymentResource, Error> {
        let said = if operations { "true" } else { "false" };
        let resource = self.of(payment_id, "")?.query("returnOperations", said)?;
        self.0.call("GET", resource, NOTHING).await
    }

    /// `POST …/captures`.
    pub async fn capture(
        &self,
        payment_id: &str,
        request: &ApiCaptureRequest,
    ) -> Result<ApiActionResponse, Error> {
        self.0
            .call("POST", self.of(payment_id, "/captures")?, Some(request))
            .await
    }

    /// `POST …/increments`: holds more.
    pub async fn increment(
        &self,
        payment_id: &str,
        request: &ApiIncrementRequest,
    ) -> Result<ApiActionResponse, Error> {
        self.0
            .call("POST", self.of(payment_id, "/increments")?, Some(request))
            .await
    }

    /// `POST …/authorization-reversals`: lets go what is held, or a part of it.
    pub async fn reverse(
        &self,
        payment_id: &str,
        request: &ApiPaymentReversalRequest,
    ) -> Result<ApiActionResponse, Error> {
        let resource = self.of(payment_id, "/authorization-reversals")?;
        self.0.call("POST", resource, Some(request)).await
    }

    /// `POST …/refunds`.
    pub async fn refund(
        &self,
        payment_id: &str,
        request: &ApiPaymentRefundRequest,
    ) -> Result<ApiActionResponse, Error> {
        self.0
            .call("POST", self.of(payment_id, "/refunds")?, Some(request))
            .await
    }
}

/// The names of the official SDK's factory.
#[derive(Clone, Copy, Debug)]
pub struct Factory;

impl Factory {
    /// A communicator that clients can share. To replace parts of it, see [`Configuration::communicator`].
    pub fn create_communicator_from_file(
        path: impl AsRef<Path>,
        client_id: &str,
        client_secret: SecretString,
    ) -> Result<Communicator, SetupError> {
        let configuration = Configuration::from_file(path, client_id, client_secret)?;
        Self::create_communicator_from_configuration(&configuration)
    }

    /// The same from code.
    ///
    /// # Errors
    /// Only if the system's TLS set-up, or the proxy, is unusable.
    pub fn create_communicator_from_configuration(
        configuration: &Configuration,
    ) -> Result<Communicator, SetupError> {
        Ok(configuration.communicator()?.build())
    }

    /// A client with a pool of its own.
    pub fn create_client_from_file(
        path: impl AsRef<Path>,
        client_id: &str,
        client_secret: SecretString,
    ) -> Result<Client, SetupError> {
        Self::create_communicator_from_file(path, client_id, client_secret).map(Client::new)
    }

    /// The same from code.
    ///
    /// # Errors
    /// Only if the system's TLS set-up, or the proxy, is unusable.
    pub fn create_client_from_configuration(configuration: &Configuration) -> Result<Client, SetupError> {
        Self::create_communicator_from_configuration(configuration).map(Client::new)
    }

    /// [`Client::new`].
    #[must_use]
    pub fn create_client_from_communicator(communicator: &Communicator) -> Client {
        Client::new(communicator.clone())
    }
}
