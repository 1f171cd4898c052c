//! The client, with the calls of the official SDK.
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

/// The platform's address, the connection settings and the credentials.
#[derive(Clone)]
pub struct Configuration {
    /// Address, timeouts, pool and proxy.
    pub endpoint: Endpoint,
    /// The URL of the authorization server's token endpoint.
    pub token_uri: String,
    /// The scopes to request, separated by spaces.
    pub scopes: String,
    /// The OAuth 2 client id.
    pub client_id: String,
    /// The OAuth 2 client secret.
    pub client_secret: SecretString,
    /// The shop software that uses this client, if any.
    pub shopping_cart_extension: Option<ShoppingCartExtension>,
}

impl Configuration {
    /// Creates a configuration with the default timeouts and pool size.
    ///
    /// `base` is the platform's address without a path, such as
    /// `https://api.preprod.acquiring.worldline-solutions.com`. `integrator` names the company that built the shop.
    ///
    /// # Errors
    /// Lists every mistake.
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

    /// Reads a configuration file of the official SDKs: a properties file for Python, Java or Ruby, or JSON for Node.
    ///
    /// # Errors
    /// Lists every mistake in it.
    pub fn from_file(
        path: impl AsRef<Path>,
        client_id: &str,
        client_secret: SecretString,
    ) -> Result<Self, PropertiesError> {
        let properties = Properties::from_file(path.as_ref(), SECTION, PREFIX)?;
        Self::from_properties(properties, client_id, client_secret)
    }

    /// Reads the text of such a file.
    ///
    /// # Errors
    /// Lists every mistake in it.
    pub fn from_text(
        text: &str,
        client_id: &str,
        client_secret: SecretString,
    ) -> Result<Self, PropertiesError> {
        Self::from_properties(Properties::parse(text, SECTION, PREFIX), client_id, client_secret)
    }

    /// Reads the JSON configuration of the official SDK for Node, including `oauth2ClientId` and `oauth2ClientSecret`.
    ///
    /// # Errors
    /// Lists every mistake in it.
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

    /// Starts to build a communicator. Replace parts of it, or call [`Builder::build`] at once.
    ///
    /// # Errors
    /// Fails only if the system's TLS setup or the proxy is unusable.
    pub fn communicator(&self) -> Result<Builder, Unusable> {
        let connection = PooledConnection::with_temporary_connections(&self.endpoint)?;
        let connection: SharedConnection = Arc::new(connection);
        Ok(self.communicator_over(connection))
    }

    /// Starts to build a communicator with your own connection, or with `()` if each call brings its own
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
        // The platform accepts cards only in clear text.
        .allow_clear_card_data()
    }
}

/// Checks the URL of the token endpoint. It may have a path; plain HTTP is allowed only on this machine.
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

/// Why a client could not be created.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The configuration is wrong.
    #[error(transparent)]
    Configuration(#[from] PropertiesError),
    /// The connection could not be set up.
    #[error(transparent)]
    Connection(#[from] Unusable),
}

/// Calls the platform. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct Client<C = SharedConnection> {
    communicator: Communicator<C>,
}

/// The body of a request that has none.
const NOTHING: Option<&()> = None;

impl<C: Clone> Client<C> {
    /// Creates a client. Clients with the same communicator share its connection pool.
    #[must_use]
    pub const fn new(communicator: Communicator<C>) -> Self {
        Self { communicator }
    }

    /// Returns a client for one merchant of one acquirer.
    ///
    /// # Errors
    /// Fails if an id contains anything but letters, digits, `-` and `_`.
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

    /// Starts to log requests, responses and failures, with secrets masked.
    pub fn enable_logging(&self, logger: Arc<dyn CommunicatorLogger>) {
        self.communicator.enable_logging(logger);
    }

    /// Stops logging.
    pub fn disable_logging(&self) {
        self.communicator.disable_logging();
    }
}

impl Client {
    /// Checks the connection and the credentials: `GET /services/v1/ping`.
    pub async fn ping(&self) -> Result<(), Error> {
        self.ask("GET", &Resource::new("/services/v1/ping"), NOTHING)
            .await
            .map(drop)
    }

    /// Closes pooled connections that have been idle for at least this long.
    pub fn close_idle_connections(&self, idle: Duration) {
        self.communicator.close_idle_connections(idle);
    }

    /// Closes pooled connections that the platform may have closed in the meantime.
    pub fn close_expired_connections(&self) {
        self.communicator.close_expired_connections();
    }

    /// Makes all further calls fail, also those of clients that share the communicator. Running calls finish.
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

/// Calls the platform for one merchant.
#[derive(Clone)]
pub struct MerchantClient<C = SharedConnection> {
    client: Client<C>,
    processing: Resource,
    services: Resource,
}

impl<C> MerchantClient<C> {
    /// Returns the same client over another connection.
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
    /// Payments and their captures, increments, reversals and refunds.
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
        // A response without a body is read as an object without members.
        let value = if value.is_null() {
            Value::Object(serde_json::Map::new())
        } else {
            value
        };
        serde_json::from_value(value).map_err(|_| Error::Communication(Communication::NotJson(200)))
    }

    /// Checks a card without charging it: `POST …/account-verifications`.
    pub async fn verify_account(
        &self,
        request: &ApiAccountVerificationRequest,
    ) -> Result<ApiAccountVerificationResponse, Error> {
        let resource = self.processing.clone().then("/account-verifications");
        self.call("POST", resource, Some(request)).await
    }

    /// Asks for the balance of a prepaid card: `POST …/balance-inquiries`.
    pub async fn inquire_balance(
        &self,
        request: &ApiBalanceInquiryRequest,
    ) -> Result<ApiBalanceInquiryResponse, Error> {
        let resource = self.processing.clone().then("/balance-inquiries");
        self.call("POST", resource, Some(request)).await
    }

    /// Undoes an operation that got no response: `POST …/operations/{id}/reverse`.
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

    /// Gets an offer to pay in the card's own currency: `POST …/dcc-rates`.
    pub async fn dcc_rates(&self, request: &GetDccRateRequest) -> Result<GetDccRateResponse, Error> {
        let resource = self.services.clone().then("/dcc-rates");
        self.call("POST", resource, Some(request)).await
    }
}

/// Payments and their captures, increments, reversals and refunds.
pub struct CardPayments<'a>(&'a MerchantClient);

impl CardPayments<'_> {
    fn of(&self, payment_id: &str, what: &'static str) -> Result<Resource, Error> {
        let payments = self.0.processing.clone().then("/payments/");
        Ok(payments.id("payment_id", payment_id)?.then(what))
    }

    /// Makes a payment: `POST …/payments`. A declined payment is `Ok`; look at `response_code_category`.
    pub async fn process_payment(&self, request: &ApiPaymentRequest) -> Result<ApiPaymentResponse, Error> {
        let resource = self.0.processing.clone().then("/payments");
        self.0.call("POST", resource, Some(request)).await
    }

    /// Gets a payment, on request with its operations: `GET …/payments/{id}`.
    pub async fn get(&self, payment_id: &str, operations: bool) -> Result<ApiPaymentResource, Error> {
        let said = if operations { "true" } else { "false" };
        let resource = self.of(payment_id, "")?.query("returnOperations", said)?;
        self.0.call("GET", resource, NOTHING).await
    }

    /// Captures an authorized payment, whole or in part: `POST …/captures`.
    pub async fn capture(
        &self,
        payment_id: &str,
        request: &ApiCaptureRequest,
    ) -> Result<ApiActionResponse, Error> {
        self.0
            .call("POST", self.of(payment_id, "/captures")?, Some(request))
            .await
    }

    /// Raises the authorized amount: `POST …/increments`.
    pub async fn increment(
        &self,
        payment_id: &str,
        request: &ApiIncrementRequest,
    ) -> Result<ApiActionResponse, Error> {
        self.0
            .call("POST", self.of(payment_id, "/increments")?, Some(request))
            .await
    }

    /// Releases an authorization, whole or in part: `POST …/authorization-reversals`.
    pub async fn reverse(
        &self,
        payment_id: &str,
        request: &ApiPaymentReversalRequest,
    ) -> Result<ApiActionResponse, Error> {
        let resource = self.of(payment_id, "/authorization-reversals")?;
        self.0.call("POST", resource, Some(request)).await
    }

    /// Refunds a captured payment, whole or in part: `POST …/refunds`.
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

/// The functions of the official SDK's factory.
#[derive(Clone, Copy, Debug)]
pub struct Factory;

impl Factory {
    /// Creates a communicator that clients can share.
    pub fn create_communicator_from_file(
        path: impl AsRef<Path>,
        client_id: &str,
        client_secret: SecretString,
    ) -> Result<Communicator, SetupError> {
        let configuration = Configuration::from_file(path, client_id, client_secret)?;
        Self::create_communicator_from_configuration(&configuration)
    }

    /// The same, from a configuration made in code.
    ///
    /// # Errors
    /// Fails only if the system's TLS setup or the proxy is unusable.
    pub fn create_communicator_from_configuration(
        configuration: &Configuration,
    ) -> Result<Communicator, SetupError> {
        Ok(configuration.communicator()?.build())
    }

    /// Creates a client with its own connection pool.
    pub fn create_client_from_file(
        path: impl AsRef<Path>,
        client_id: &str,
        client_secret: SecretString,
    ) -> Result<Client, SetupError> {
        Self::create_communicator_from_file(path, client_id, client_secret).map(Client::new)
    }

    /// The same, from a configuration made in code.
    ///
    /// # Errors
    /// Fails only if the system's TLS setup or the proxy is unusable.
    pub fn create_client_from_configuration(configuration: &Configuration) -> Result<Client, SetupError> {
        Self::create_communicator_from_configuration(configuration).map(Client::new)
    }

    /// The same as [`Client::new`].
    #[must_use]
    pub fn create_client_from_communicator(communicator: &Communicator) -> Client {
        Client::new(communicator.clone())
    }
}
