//! The client, with the calls of the official server SDKs.
//!
//! ```no_run
//! use cardseal_worldline::online_payments::client::{CallContext, Client};
//! use cardseal_worldline::online_payments::domain::CapturePaymentRequest;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::from_file("payments_sdk.prp", "api key id", "api secret".to_owned().into())?;
//! let merchant = client.merchant("merchant id")?;
//! let context = CallContext::with_idempotence_key("order-1-capture")?;
//! let capture = CapturePaymentRequest { amount: Some(1000), is_final: Some(true), ..Default::default() };
//! let answer = merchant.payments().capture("3254564310_0", &capture, Some(&context)).await?;
//! println!("{:?}, first sent at {:?}", answer.status, context.idempotence_request_timestamp());
//! # Ok(())
//! # }
//! ```

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use cardseal_transport::{Response, Unusable};
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::domain::{
    CancelPaymentRequest, CancelPaymentResponse, CapturePaymentRequest, CapturesResponse,
    CreateHostedCheckoutRequest, CreateHostedCheckoutResponse, CreateHostedTokenizationRequest,
    CreateHostedTokenizationResponse, CreatePaymentRequest, CreatePaymentResponse, CreateTokenRequest,
    CreatedTokenResponse, GetHostedCheckoutResponse, GetHostedTokenizationResponse, GetIinDetailsRequest,
    GetIinDetailsResponse, GetPaymentProductsResponse, OperationResponse, Payment, PaymentDetails,
    PaymentProduct, RefundRequest, RefundsResponse, SendTestRequest, SessionRequest, SessionResponse,
    TestConnection, TokenResponse, ValidateCredentialsRequest, ValidateCredentialsResponse,
};
use super::errors::{Communication, Error, Mistake, read, request_timestamp};
use super::signature::{V1_HMAC, V1HmacAuthenticator};
use crate::communicator::{Builder, Call, Communicator, SharedConnection};
use crate::connection::PooledConnection;
use crate::logging::CommunicatorLogger;
use crate::metadata::{ServerMetaInfo, ShoppingCartExtension};
use crate::properties::{Endpoint, Properties, PropertiesError, PropertyMistake, checked_base};
use crate::resource::Resource;

const SECTION: &str = "OnlinePaymentsSDK";
const PREFIX: &str = "onlinepayments.api";
const IDEMPOTENCE_KEY: &str = "x-gcs-idempotence-key";
const CLIENT_META_INFO: &str = "x-gcs-clientmetainfo";
const SERVER_META_INFO: &str = "x-gcs-servermetainfo";
/// The platform accepts no more.
const MOST_SESSION_TOKENS: usize = 10;

/// The platform's address, the connection settings and the API key.
#[derive(Clone)]
pub struct Configuration {
    /// Address, timeouts, pool and proxy.
    pub endpoint: Endpoint,
    /// The id of the API key, from the merchant portal.
    pub api_key_id: String,
    /// The secret of the API key, from the merchant portal.
    pub secret_api_key: SecretString,
    /// The shop software that uses this client, if any.
    pub shopping_cart_extension: Option<ShoppingCartExtension>,
}

impl Configuration {
    /// Creates a configuration with the default timeouts and pool size.
    ///
    /// `base` is the platform's address without a path, such as `https://payment.preprod.payone.com`. `integrator`
    /// names the company that built the shop.
    ///
    /// # Errors
    /// Lists every mistake: a wrong address, or an empty integrator or key.
    pub fn new(
        base: &str,
        integrator: &str,
        api_key_id: &str,
        secret_api_key: SecretString,
    ) -> Result<Self, PropertiesError> {
        let mut mistakes = Vec::new();
        let mut mistake = |key: &str, message: String| {
            mistakes.push(PropertyMistake {
                key: key.into(),
                message,
            });
        };
        let base = checked_base(base).unwrap_or_else(|message| {
            mistake("base", message.into());
            String::new()
        });
        if integrator.trim().is_empty() {
            mistake("integrator", "is missing".into());
        }
        check_key(api_key_id, &mut mistake);
        if mistakes.is_empty() {
            Ok(Self {
                endpoint: Endpoint::new(base, integrator),
                api_key_id: api_key_id.into(),
                secret_api_key,
                shopping_cart_extension: None,
            })
        } else {
            Err(PropertiesError(mistakes))
        }
    }

    /// Reads a configuration file of the official SDKs: a properties file for Python, Java or Ruby, or JSON for Node.
    ///
    /// # Errors
    /// Lists every mistake in it.
    pub fn from_file(
        path: impl AsRef<Path>,
        api_key_id: &str,
        secret_api_key: SecretString,
    ) -> Result<Self, PropertiesError> {
        let properties = Properties::from_file(path.as_ref(), SECTION, PREFIX)?;
        Self::from_properties(properties, api_key_id, secret_api_key)
    }

    /// Reads the text of such a file.
    ///
    /// # Errors
    /// Lists every mistake in it.
    pub fn from_text(
        text: &str,
        api_key_id: &str,
        secret_api_key: SecretString,
    ) -> Result<Self, PropertiesError> {
        Self::from_properties(
            Properties::parse(text, SECTION, PREFIX),
            api_key_id,
            secret_api_key,
        )
    }

    /// Reads the JSON configuration of the official SDK for Node, including `apiKeyId` and `secretApiKey`.
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
        api_key_id: &str,
        secret_api_key: SecretString,
    ) -> Result<Self, PropertiesError> {
        let endpoint = Endpoint::from_properties(&mut properties);
        properties.check_authorization(V1_HMAC, false);
        let shopping_cart_extension = properties.shopping_cart_extension();
        check_key(api_key_id, &mut |key, message| properties.mistake(key, &message));
        properties.finish()?;
        Ok(Self {
            endpoint,
            api_key_id: api_key_id.into(),
            secret_api_key,
            shopping_cart_extension,
        })
    }

    /// Starts to build a communicator. Replace parts of it, or call [`Builder::build`] at once.
    ///
    /// # Errors
    /// Fails only if the system's TLS setup or the proxy is unusable.
    pub fn communicator(&self) -> Result<Builder, Unusable> {
        let connection: SharedConnection = Arc::new(PooledConnection::new(&self.endpoint)?);
        Ok(self.communicator_over(connection))
    }

    /// Starts to build a communicator with your own connection, or with `()` if each call brings its own
    /// ([`MerchantClient::over`]).
    pub fn communicator_over<C>(&self, connection: C) -> Builder<C> {
        Builder::new(
            &self.endpoint.base,
            connection,
            Arc::new(V1HmacAuthenticator::new(
                self.api_key_id.clone(),
                self.secret_api_key.clone(),
            )),
            Arc::new(ServerMetaInfo::new(
                SERVER_META_INFO,
                &self.endpoint.integrator,
                self.shopping_cart_extension.as_ref(),
            )),
        )
    }
}

/// Checks the id of the API key. It is sent in a header, followed by a colon.
fn check_key(api_key_id: &str, mistake: &mut dyn FnMut(&str, String)) {
    if api_key_id.is_empty()
        || !api_key_id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b':')
    {
        mistake(
            "api_key_id",
            "must be visible ASCII characters without a colon".into(),
        );
    }
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

/// Options of one call, and what the platform says about its idempotence.
#[derive(Debug, Default)]
pub struct CallContext {
    key: Option<String>,
    timestamp: Mutex<Option<u64>>,
}

impl CallContext {
    /// Makes the call idempotent: a repeat with the same key returns the first outcome, even if its body differs. The
    /// platform keeps a key for at least 24 hours.
    ///
    /// # Errors
    /// Fails unless the key has 1 to 40 visible ASCII characters.
    pub fn with_idempotence_key(key: &str) -> Result<Self, Mistake> {
        if !(1..=40).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Mistake::Value("idempotence_key"));
        }
        Ok(Self {
            key: Some(key.into()),
            timestamp: Mutex::default(),
        })
    }

    /// When the platform received the first request with this key, in milliseconds since 1970. `None` if this call was
    /// the first.
    #[must_use]
    pub fn idempotence_request_timestamp(&self) -> Option<u64> {
        *self.timestamp.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, answer: &Response) {
        *self.timestamp.lock().unwrap_or_else(PoisonError::into_inner) = request_timestamp(answer);
    }
}

/// Calls the platform. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct Client<C = SharedConnection> {
    communicator: Communicator<C>,
    client_meta_info: Option<String>,
}

impl Client {
    /// Creates a client with its own connection pool.
    ///
    /// # Errors
    /// Fails only if the system's TLS setup or the proxy is unusable.
    pub fn from_configuration(configuration: &Configuration) -> Result<Self, SetupError> {
        Ok(Self::new(configuration.communicator()?.build()))
    }

    /// Creates a client from a properties file, with its own connection pool.
    pub fn from_file(
        path: impl AsRef<Path>,
        api_key_id: &str,
        secret_api_key: SecretString,
    ) -> Result<Self, SetupError> {
        Self::from_configuration(&Configuration::from_file(path, api_key_id, secret_api_key)?)
    }
}

impl<C: Clone> Client<C> {
    /// Creates a client. Clients with the same communicator share its connection pool.
    #[must_use]
    pub const fn new(communicator: Communicator<C>) -> Self {
        Self {
            communicator,
            client_meta_info: None,
        }
    }

    /// Sends `encodedClientMetaInfo` of the official client SDKs with each call, or any other JSON in base64.
    ///
    /// # Errors
    /// Fails if it is not base64.
    pub fn with_client_meta_info(&self, encoded: &str) -> Result<Self, Mistake> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
        if !(1..=8192).contains(&encoded.len()) || !encoded.bytes().all(fits) {
            return Err(Mistake::Value("client_meta_info"));
        }
        Ok(Self {
            communicator: self.communicator.clone(),
            client_meta_info: Some(encoded.into()),
        })
    }

    /// Returns a client for one merchant (PSPID).
    ///
    /// # Errors
    /// Fails if the id contains anything but letters, digits, `-` and `_`.
    pub fn merchant(&self, merchant_id: &str) -> Result<MerchantClient<C>, Error> {
        let base = Resource::new("/v2/").id("merchant_id", merchant_id)?;
        Ok(MerchantClient {
            client: self.clone(),
            base,
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

/// Calls the platform for one merchant.
#[derive(Clone)]
pub struct MerchantClient<C = SharedConnection> {
    client: Client<C>,
    base: Resource,
}

impl<C> MerchantClient<C> {
    /// Returns the same client over another connection.
    #[must_use]
    pub fn over(&self, connection: SharedConnection) -> MerchantClient {
        MerchantClient {
            client: Client {
                communicator: self.client.communicator.over(connection),
                client_meta_info: self.client.client_meta_info.clone(),
            },
            base: self.base.clone(),
        }
    }
}

macro_rules! groups {
    ($($(#[doc = $doc:literal])+ $method:ident, $name:ident;)+) => {
        impl MerchantClient {
            $($(#[doc = $doc])+
            #[must_use]
            pub const fn $method(&self) -> $name<'_> {
                $name(self)
            })+
        }
        $($(#[doc = $doc])+
        pub struct $name<'a>(&'a MerchantClient);)+
    };
}

groups! {
    /// Sessions for the client API.
    sessions, Sessions;
    /// Payments on a page of the platform.
    hosted_checkout, HostedCheckout;
    /// The platform's card form, in a frame.
    hosted_tokenization, HostedTokenization;
    /// Payments and their captures, refunds and cancellations.
    payments, Payments;
    /// Stored cards.
    tokens, Tokens;
    /// Payment products.
    products, Products;
    /// Connection test, BIN lookup and other services.
    services, Services;
    /// Tests of webhook keys and URLs.
    webhooks, WebhookTools;
}

/// The body of a request that has none.
const NOTHING: Option<&()> = None;

impl MerchantClient {
    fn at(&self, path: &'static str) -> Resource {
        self.base.clone().then(path)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        resource: Resource,
        body: Option<&(impl Serialize + Sync)>,
        context: Option<&CallContext>,
    ) -> Result<T, Error> {
        let value = self.ask(method, &resource, body, context).await?;
        // A response without a body is read as an object without members.
        let value = if value.is_null() {
            Value::Object(serde_json::Map::new())
        } else {
            value
        };
        serde_json::from_value(value).map_err(|_| Error::Communication(Communication::NotJson(200)))
    }

    async fn ask(
        &self,
        method: &'static str,
        resource: &Resource,
        body: Option<&(impl Serialize + Sync)>,
        context: Option<&CallContext>,
    ) -> Result<Value, Error> {
        let body = body
            .map(serde_json::to_value)
            .transpose()
            .map_err(|_| Mistake::Value("body"))?;
        let mut headers = Vec::new();
        let key = context.and_then(|context| context.key.as_deref());
        if let Some(key) = key {
            headers.push((IDEMPOTENCE_KEY, key.to_owned()));
        }
        if let Some(info) = &self.client.client_meta_info {
            headers.push((CLIENT_META_INFO, info.clone()));
        }
        let call = Call {
            method,
            resource,
            headers,
            body,
        };
        let communicator = &self.client.communicator;
        let secrets = call.secrets();
        let answer = communicator.send::<Error>(call).await?;
        if let Some(context) = context {
            context.note(&answer);
        }
        read(&answer, key, &secrets, |bytes| communicator.unmarshal(bytes).ok())
    }
}

impl Sessions<'_> {
    /// Creates a session, with which a page can call the client API.
    pub async fn create(&self, request: &SessionRequest) -> Result<SessionResponse, Error> {
        if request
            .tokens
            .as_ref()
            .is_some_and(|tokens| tokens.len() > MOST_SESSION_TOKENS)
        {
            return Err(Mistake::Value("tokens").into());
        }
        self.0
            .call("POST", self.0.at("/sessions"), Some(request), None)
            .await
    }
}

impl HostedCheckout<'_> {
    /// Creates a hosted checkout. Redirect the shopper to the `redirect_url` of the response.
    pub async fn create(
        &self,
        request: &CreateHostedCheckoutRequest,
    ) -> Result<CreateHostedCheckoutResponse, Error> {
        self.0
            .call("POST", self.0.at("/hostedcheckouts"), Some(request), None)
            .await
    }

    /// Gets the status of a hosted checkout, and its payment.
    pub async fn get(&self, hosted_checkout_id: &str) -> Result<GetHostedCheckoutResponse, Error> {
        let resource = self
            .0
            .at("/hostedcheckouts/")
            .secret_id("hosted_checkout_id", hosted_checkout_id)?;
        self.0.call("GET", resource, NOTHING, None).await
    }
}

impl HostedTokenization<'_> {
    /// Creates a card form for one shopper.
    pub async fn create(
        &self,
        request: &CreateHostedTokenizationRequest,
    ) -> Result<CreateHostedTokenizationResponse, Error> {
        self.0
            .call("POST", self.0.at("/hostedtokenizations"), Some(request), None)
            .await
    }

    /// Gets the token of the card that the shopper entered.
    pub async fn get(&self, hosted_tokenization_id: &str) -> Result<GetHostedTokenizationResponse, Error> {
        let resource = self
            .0
            .at("/hostedtokenizations/")
            .secret_id("hosted_tokenization_id", hosted_tokenization_id)?;
        self.0.call("GET", resource, NOTHING, None).await
    }
}

impl Payments<'_> {
    fn of(&self, payment_id: &str, what: &'static str) -> Result<Resource, Error> {
        Ok(self.0.at("/payments/").id("payment_id", payment_id)?.then(what))
    }

    /// Makes a payment, by token, hosted tokenization, hosted fields, or encrypted input. Pass an idempotence key:
    /// without one, a repeated call charges again.
    pub async fn create(
        &self,
        request: &CreatePaymentRequest,
        context: Option<&CallContext>,
    ) -> Result<CreatePaymentResponse, Error> {
        self.0
            .call("POST", self.0.at("/payments"), Some(request), context)
            .await
    }

    /// Gets a payment.
    pub async fn get(&self, payment_id: &str) -> Result<Payment, Error> {
        self.0.call("GET", self.of(payment_id, "")?, NOTHING, None).await
    }

    /// Gets a payment with its operations.
    pub async fn details(&self, payment_id: &str) -> Result<PaymentDetails, Error> {
        self.0
            .call("GET", self.of(payment_id, "/details")?, NOTHING, None)
            .await
    }

    /// Captures an authorized payment, whole or in part.
    pub async fn capture(
        &self,
        payment_id: &str,
        request: &CapturePaymentRequest,
        context: Option<&CallContext>,
    ) -> Result<OperationResponse, Error> {
        self.0
            .call("POST", self.of(payment_id, "/capture")?, Some(request), context)
            .await
    }

    /// Refunds a captured payment, whole or in part.
    pub async fn refund(
        &self,
        payment_id: &str,
        request: &RefundRequest,
        context: Option<&CallContext>,
    ) -> Result<OperationResponse, Error> {
        self.0
            .call("POST", self.of(payment_id, "/refund")?, Some(request), context)
            .await
    }

    /// Cancels an authorization. Without a request, all of it.
    pub async fn cancel(
        &self,
        payment_id: &str,
        request: Option<&CancelPaymentRequest>,
        context: Option<&CallContext>,
    ) -> Result<CancelPaymentResponse, Error> {
        self.0
            .call("POST", self.of(payment_id, "/cancel")?, request, context)
            .await
    }

    /// Lists the captures of a payment.
    pub async fn captures(&self, payment_id: &str) -> Result<CapturesResponse, Error> {
        self.0
            .call("GET", self.of(payment_id, "/captures")?, NOTHING, None)
            .await
    }

    /// Lists the refunds of a payment.
    pub async fn refunds(&self, payment_id: &str) -> Result<RefundsResponse, Error> {
        self.0
            .call("GET", self.of(payment_id, "/refunds")?, NOTHING, None)
            .await
    }
}

impl Tokens<'_> {
    fn of(&self, token: &str) -> Result<Resource, Error> {
        Ok(self.0.at("/tokens/").secret_id("token", token)?)
    }

    /// Stores a card that the page encrypted.
    pub async fn create(&self, request: &CreateTokenRequest) -> Result<CreatedTokenResponse, Error> {
        self.0
            .call("POST", self.0.at("/tokens"), Some(request), None)
            .await
    }

    /// Gets a stored card.
    pub async fn get(&self, token: &str) -> Result<TokenResponse, Error> {
        self.0.call("GET", self.of(token)?, NOTHING, None).await
    }

    /// Deletes a stored card.
    pub async fn delete(&self, token: &str) -> Result<(), Error> {
        self.0
            .ask("DELETE", &self.of(token)?, NOTHING, None)
            .await
            .map(|_| ())
    }
}

/// Filters payment products. Fields that are `None` do not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductsQuery {
    /// The shopper's country, ISO 3166, two letters.
    pub country_code: Option<String>,
    /// ISO 4217, three letters.
    pub currency_code: Option<String>,
    /// For example `en_GB`.
    pub locale: Option<String>,
    /// In minor units.
    pub amount: Option<u64>,
    /// Whether further payments will follow.
    pub is_recurring: Option<bool>,
    /// What to leave out of the response: `fields`, `accountsOnFile`, `translations`, `productsWithoutFields`,
    /// `productsWithoutInstructions` or `productsWithRedirects`.
    pub hide: Vec<String>,
    /// `Authorization`, `Pre-authorization`, `Sale` or `Payout`.
    pub operation_type: Option<String>,
}

impl ProductsQuery {
    /// Adds the filters to a query, in the order of the official SDKs.
    fn apply_to(&self, mut resource: Resource) -> Result<Resource, Error> {
        let amount = self.amount.map(|amount| amount.to_string());
        let recurring = self.is_recurring.map(|recurring| recurring.to_string());
        let ahead = [
            ("countryCode", &self.country_code),
            ("currencyCode", &self.currency_code),
            ("locale", &self.locale),
            ("amount", &amount),
            ("isRecurring", &recurring),
        ];
        for (name, value) in ahead {
            if let Some(value) = value {
                resource = resource.query(name, value)?;
            }
        }
        for value in &self.hide {
            resource = resource.query("hide", value)?;
        }
        if let Some(value) = &self.operation_type {
            resource = resource.query("operationType", value)?;
        }
        Ok(resource)
    }
}

impl Products<'_> {
    /// Lists the payment products that match.
    pub async fn list(&self, query: &ProductsQuery) -> Result<GetPaymentProductsResponse, Error> {
        let resource = query.apply_to(self.0.at("/products"))?;
        self.0.call("GET", resource, NOTHING, None).await
    }

    /// Gets one payment product.
    pub async fn get(&self, product: u32, query: &ProductsQuery) -> Result<PaymentProduct, Error> {
        let resource = self.0.at("/products/").id("product", &product.to_string())?;
        self.0.call("GET", query.apply_to(resource)?, NOTHING, None).await
    }
}

impl Services<'_> {
    /// Checks that the API key may call the platform for this merchant.
    pub async fn test_connection(&self) -> Result<TestConnection, Error> {
        self.0
            .call("GET", self.0.at("/services/testconnection"), NOTHING, None)
            .await
    }

    /// Looks up the brand of a card by its first digits. It needs six, and sends at most eight.
    pub async fn iin_details(&self, request: &GetIinDetailsRequest) -> Result<GetIinDetailsResponse, Error> {
        let fits =
            |bin: &String| (6..=8).contains(&bin.len()) && bin.bytes().all(|byte| byte.is_ascii_digit());
        if !request.bin.as_ref().is_some_and(fits) {
            return Err(Mistake::Value("bin").into());
        }
        self.0
            .call("POST", self.0.at("/services/getIINdetails"), Some(request), None)
            .await
    }

    /// Gets the platform's privacy policy, as HTML in JSON.
    pub async fn privacy_policy(&self, locale: Option<&str>) -> Result<Value, Error> {
        let mut resource = self.0.at("/services/privacypolicy");
        if let Some(locale) = locale {
            resource = resource.query("locale", locale)?;
        }
        self.0.ask("GET", &resource, NOTHING, None).await
    }

    /// Gets an offer to pay in another currency (DCC). Both bodies are the platform's JSON as it is.
    pub async fn dcc_rate(&self, request: &Value) -> Result<Value, Error> {
        self.0
            .ask("POST", &self.0.at("/services/dccrate"), Some(request), None)
            .await
    }

    /// Calculates the surcharge for a card. Both bodies are the platform's JSON as it is.
    pub async fn surcharge_calculation(&self, request: &Value) -> Result<Value, Error> {
        self.0
            .ask(
                "POST",
                &self.0.at("/services/surchargecalculation"),
                Some(request),
                None,
            )
            .await
    }
}

impl WebhookTools<'_> {
    /// Checks a webhook key and its secret. The secret itself is not sent.
    pub async fn validate_credentials(
        &self,
        request: &ValidateCredentialsRequest,
    ) -> Result<ValidateCredentialsResponse, Error> {
        self.0
            .call(
                "POST",
                self.0.at("/webhooks/validateCredentials"),
                Some(request),
                None,
            )
            .await
    }

    /// Asks the platform to send a test event to a URL.
    pub async fn send_test(&self, request: &SendTestRequest) -> Result<(), Error> {
        self.0
            .ask("POST", &self.0.at("/webhooks/sendtest"), Some(request), None)
            .await
            .map(|_| ())
    }
}

/// The functions of the official SDKs' factory.
#[derive(Clone, Copy, Debug)]
pub struct Factory;

impl Factory {
    /// The same as [`Configuration::from_file`].
    ///
    /// # Errors
    /// Lists every mistake in the file.
    pub fn create_configuration(
        path: impl AsRef<Path>,
        api_key_id: &str,
        secret_api_key: SecretString,
    ) -> Result<Configuration, PropertiesError> {
        Configuration::from_file(path, api_key_id, secret_api_key)
    }

    /// Creates a communicator that clients can share.
    pub fn create_communicator_from_file(
        path: impl AsRef<Path>,
        api_key_id: &str,
        secret_api_key: SecretString,
    ) -> Result<Communicator, SetupError> {
        let configuration = Configuration::from_file(path, api_key_id, secret_api_key)?;
        Self::create_communicator_from_configuration(&configuration)
    }

    /// Creates a communicator that clients can share.
    ///
    /// # Errors
    /// Fails only if the system's TLS setup or the proxy is unusable.
    pub fn create_communicator_from_configuration(
        configuration: &Configuration,
    ) -> Result<Communicator, SetupError> {
        Ok(configuration.communicator()?.build())
    }

    /// The same as [`Client::from_file`].
    pub fn create_client_from_file(
        path: impl AsRef<Path>,
        api_key_id: &str,
        secret_api_key: SecretString,
    ) -> Result<Client, SetupError> {
        Client::from_file(path, api_key_id, secret_api_key)
    }

    /// The same as [`Client::from_configuration`].
    ///
    /// # Errors
    /// Fails only if the system's TLS setup or the proxy is unusable.
    pub fn create_client_from_configuration(configuration: &Configuration) -> Result<Client, SetupError> {
        Client::from_configuration(configuration)
    }

    /// The same as [`Client::new`].
    #[must_use]
    pub fn create_client_from_communicator(communicator: &Communicator) -> Client {
        Client::new(communicator.clone())
    }
}
