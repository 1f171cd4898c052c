//! Online Payments' class.

use js_sys::Promise;
use wasm_bindgen::prelude::*;

use super::card::card_request;
use super::client::{Client, server_session};
use super::device::Device;
use super::error::Thrown;
use super::product::{Product, Script};
use super::promise::{Rest, promised};
use super::read::{Environment, Members, is_local, is_object, not_offered, text};
use super::{requested, run, to_js};
use crate::card::ProblemCode;
use crate::crypto::jwe;
use crate::crypto::public_key::Numbers;
use crate::error::{Code, Error, Result};
use crate::object::object;
use crate::online_payments::{
    self as payments, ClientSession, ClientSessionInput, Hosts, LEAST_KEY_BITS, Payload, Purchase, RULES,
    Use, Values,
};
use crate::platform::Platform;
use crate::session::{self, Kind};
use zeroize::Zeroizing;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("online_payments.ts");

/// Worldline Online Payments, the platform behind PAYONE E-Payment. WebCrypto encrypts the card with the key of the
/// platform's session. It needs a page over `https`, or on this machine.
#[wasm_bindgen]
pub struct OnlinePayments {
    client: Client,
    hosts: Hosts,
    device: Option<Device>,
}

/// JavaScript's `Number.MAX_SAFE_INTEGER`.
const MOST: f64 = 9_007_199_254_740_991.0;

const PRODUCT: &str = "paymentProductId";

const PLATFORM: Platform = Platform::OnlinePayments;

#[wasm_bindgen]
impl OnlinePayments {
    /// Throws where an option cannot be used.
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_optional_param_type = "OnlinePaymentsOptions")] options: &JsValue,
    ) -> Result<Self, Thrown> {
        run(PLATFORM, || {
            let options = Members::of(options);
            let client = Client::new(&options)?;
            let names = [("sandbox", false), ("production", true)];
            let hosts = match options.environment("base", &names)? {
                None => Hosts::Published,
                Some(Environment::Named(false)) => Hosts::Sandbox,
                Some(Environment::Named(true)) => Hosts::Production,
                Some(Environment::At(url)) => Hosts::Custom(url),
            };
            let device = options.value("device")?;
            Ok(Self {
                client,
                hosts,
                device: device.map(|device| Device::given(&device)).transpose()?,
            })
        })
    }

    /// The request for the key that cards are encrypted with.
    #[wasm_bindgen(js_name = publicKeyRequest, unchecked_return_type = "CardsealQuery")]
    pub fn public_key_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession | OnlinePaymentsSession")] session: &JsValue,
    ) -> Result<JsValue, Thrown> {
        requested(PLATFORM, || {
            Ok(self.open(session)?.public_key_request(&self.device().browser()))
        })
    }

    /// The request for the product that a card belongs to. `undefined` below six digits. Never holds more than the
    /// first eight.
    #[wasm_bindgen(js_name = iinDetailsRequest, unchecked_return_type = "CardsealRequest | undefined")]
    pub fn iin_details_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession | OnlinePaymentsSession")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "string")] number: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "PaymentContext")] context: &JsValue,
    ) -> Result<JsValue, Thrown> {
        run(PLATFORM, || {
            let number = Zeroizing::new(text(number, "number")?);
            let Some(digits) = payments::first_digits(&number) else {
                return Ok(JsValue::UNDEFINED);
            };
            self.iin_details(&self.open(session)?, &digits, context)
        })
    }

    /// The request for all products, without their fields.
    #[wasm_bindgen(js_name = productsRequest, unchecked_return_type = "CardsealQuery")]
    pub fn products_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession | OnlinePaymentsSession")] session: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "PaymentContext")] context: &JsValue,
    ) -> Result<JsValue, Thrown> {
        requested(PLATFORM, || {
            let session = self.open(session)?;
            Ok(session.products_request(&purchase(context)?, &self.device().browser()))
        })
    }

    /// The request for one product.
    #[wasm_bindgen(js_name = productRequest, unchecked_return_type = "CardsealQuery")]
    pub fn product_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession | OnlinePaymentsSession")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] id: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "PaymentContext")] context: &JsValue,
    ) -> Result<JsValue, Thrown> {
        requested(PLATFORM, || {
            let id = product_id(id)?;
            let session = self.open(session)?;
            Ok(session.product_request(id, &purchase(context)?, &self.device().browser()))
        })
    }

    /// Reads the platform's answer to a request of [`Self::public_key_request`] that is a success.
    #[wasm_bindgen(js_name = readPublicKey, unchecked_return_type = "OnlinePaymentsKey")]
    pub fn read_public_key(&self, status: u16, answer: &JsValue) -> Result<JsValue, Thrown> {
        run(PLATFORM, || {
            let (read, _) = key(answer).map_err(|error| error.with_status(status))?;
            Ok(to_js(&read))
        })
    }

    /// Checks all that can be wrong with a session and a card, and with a product if one is named, before the
    /// platform is asked for anything. `purpose` is the request that is to come; without it, [`Self::encrypt`] is.
    ///
    /// Where no product is named, it gives the request for it. Check again when its id is known.
    #[wasm_bindgen(js_name = checkPayload, unchecked_return_type = "CardsealRequest | undefined")]
    pub fn check_payload(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession | OnlinePaymentsSession")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "CardInput")] card: &JsValue,
        #[wasm_bindgen(
            unchecked_optional_param_type = "OnlinePaymentsEncryptOptions & IdempotencyOptions & { kind?: \"payment\" | \"tokenize\"; tokenize?: boolean }"
        )]
        options: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "\"tokenize\" | \"payment\"")] purpose: &JsValue,
    ) -> Result<JsValue, Thrown> {
        run(PLATFORM, || {
            let kind = match purpose.as_string() {
                Some(purpose) => {
                    server_session(session)?;
                    Some(own_kind(&purpose).ok_or_else(|| not_offered("purpose"))?)
                }
                None => None,
            };
            let Checked {
                client,
                card,
                product,
                ..
            } = self.checked(kind, session, card, options)?;
            let options = Members::of(options);
            if kind == Some(Kind::Payment) {
                options.visible("idempotencyKey")?;
            }
            match (product, payments::first_digits(card.number.expose())) {
                (None, Some(digits)) => {
                    let context = options.value("context")?.unwrap_or_default();
                    self.iin_details(&client, &digits, &context)
                }
                _ => Ok(JsValue::UNDEFINED),
            }
        })
    }

    /// `encryptedCustomerInput`, for a backend of your own: of a payment, or of a request for a token. It can be
    /// used once, and must not be stored. The options must name the product.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn encrypt(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession | OnlinePaymentsSession")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "CardInput")] card: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "OnlinePaymentsKey")] key: &JsValue,
        #[wasm_bindgen(
            unchecked_param_type = "OnlinePaymentsEncryptOptions & { kind?: \"payment\" | \"tokenize\"; tokenize?: boolean }"
        )]
        options: &JsValue,
    ) -> Promise {
        promised(PLATFORM, || {
            let ready = self.ready(None, session, card, key, options)?;
            Ok(Box::pin(async move { ready.encrypt().await.map(JsValue::from) }))
        })
    }

    /// The request that makes a token of a card. The options must name the product.
    #[wasm_bindgen(js_name = tokenizeRequest, unchecked_return_type = "Promise<CardRequest>")]
    pub fn tokenize_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "CardInput")] card: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "OnlinePaymentsKey")] key: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "OnlinePaymentsEncryptOptions")] options: &JsValue,
    ) -> Promise {
        promised(PLATFORM, || {
            self.hand_over(Kind::Tokenize, session, card, key, options)
        })
    }

    /// The request that charges a card. The options must name the product.
    #[wasm_bindgen(js_name = payRequest, unchecked_return_type = "Promise<CardRequest>")]
    pub fn pay_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "CardInput")] card: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "OnlinePaymentsKey")] key: &JsValue,
        #[wasm_bindgen(
            unchecked_param_type = "OnlinePaymentsEncryptOptions & IdempotencyOptions & { tokenize?: boolean }"
        )]
        options: &JsValue,
    ) -> Promise {
        promised(PLATFORM, || {
            self.hand_over(Kind::Payment, session, card, key, options)
        })
    }

    /// After the platform's form in a frame (`hostedTokenizationUrl`) has been sent: there is nothing to hand over,
    /// the server asks the platform.
    #[wasm_bindgen(js_name = confirmTokenRequest, unchecked_return_type = "CardsealRequest")]
    pub fn confirm_token_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession")] session: &JsValue,
    ) -> Result<JsValue, Thrown> {
        requested(PLATFORM, || {
            let session = server_session(session)?;
            Ok(payments::confirm_token(&self.client.server, &session))
        })
    }

    /// After the platform's checkout (`redirectUrl`). `RETURNMAC` is in the query of the customer's return.
    #[wasm_bindgen(js_name = confirmPaymentRequest, unchecked_return_type = "CardsealRequest")]
    pub fn confirm_payment_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Pick<ServerSession, \"id\">")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "{ RETURNMAC: string }")] returned: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "IdempotencyOptions")] options: &JsValue,
    ) -> Result<JsValue, Thrown> {
        requested(PLATFORM, || {
            const MAC: &str = "RETURNMAC";
            let mac = Members::of(returned).text(MAC)?.filter(|mac| !mac.is_empty());
            let mac = mac.ok_or_else(|| Error::new(Code::AnswerMalformed).at(MAC))?;
            let session = server_session(session)?;
            let key = Members::of(options).visible("idempotencyKey")?;
            Ok(payments::confirm_payment(&self.client.server, &session, &mac).idempotent(key))
        })
    }
}

/// A checked session and card.
struct Checked {
    client: ClientSession,
    purpose: Use,
    card: crate::card::Card,
    product: Option<CheckedProduct>,
}

/// A product whose rules the card follows.
struct CheckedProduct {
    id: u64,
    values: Values,
    device: Device,
}

/// A card that is ready to be encrypted.
struct Ready {
    key: Key,
    spki: Vec<u8>,
    text: Zeroizing<String>,
    product: u64,
    warnings: &'static [ProblemCode],
}

impl Ready {
    async fn encrypt(&self) -> Result<String> {
        jwe::encrypt(&self.key.key_id, &self.spki, self.text.as_bytes()).await
    }
}

impl OnlinePayments {
    fn device(&self) -> Device {
        self.device.clone().unwrap_or_else(Device::here)
    }

    fn open(&self, session: &JsValue) -> Result<ClientSession> {
        self.client_session(&Members::of_session(session)?)
    }

    fn client_session(&self, session: &Members) -> Result<ClientSession> {
        let given = session.read(|session| ClientSessionInput {
            client_session_id: session.text("clientSessionId"),
            customer_id: session.text("customerId"),
            client_api_url: session.text("clientApiUrl"),
        })?;
        given.open(&self.hosts, is_local())
    }

    fn iin_details(&self, client: &ClientSession, digits: &str, context: &JsValue) -> Result<JsValue> {
        let request = client.iin_details_request(digits, &purchase(context)?, &self.device().browser());
        Ok(to_js(&request))
    }

    /// Checks session and card. Without `kind`, the options or else the session decide what the card is for.
    fn checked(
        &self,
        kind: Option<Kind>,
        session: &JsValue,
        card: &JsValue,
        options: &JsValue,
    ) -> Result<Checked> {
        let now = self.client.now()?;
        let options = Members::of(options);
        let product = Product::read(&options)?;
        let session = Members::of_session(session)?;
        let kind = match kind {
            Some(kind) => kind,
            None => {
                let word = match options.text("kind")? {
                    Some(word) => Some(word),
                    None => session.value("kind")?.and_then(|kind| kind.as_string()),
                };
                word.map_or(Some(Kind::Payment), |word| own_kind(&word))
                    .ok_or_else(|| not_offered("kind"))?
            }
        };
        // The age of a session from the merchant's own back end is not known; the platform checks it.
        session
            .session()?
            .of_server(Platform::OnlinePayments, kind, now)?;
        let client = self.client_session(&session)?;
        let tokenize = options.flag("tokenize")?.unwrap_or_default();
        let purpose = match kind {
            Kind::Payment => Use::Payment { tokenize },
            Kind::Tokenize | Kind::Update => Use::Tokenize,
        };
        let card = self.client.card(card, RULES, now)?;
        let chosen = match options.value(PRODUCT)? {
            Some(chosen) => Some(chosen),
            None => product.id.clone(),
        };
        let chosen = match chosen {
            Some(chosen) => {
                let id = product_id(&chosen)?;
                let device = self.device();
                device.json()?;
                let script = Script {
                    now: self.client.now.as_ref(),
                };
                let values = Values::new(&card, product.short_year(&script)?);
                product.check(&values, &script)?;
                Some(CheckedProduct { id, values, device })
            }
            None => None,
        };
        Ok(Checked {
            client,
            purpose,
            card,
            product: chosen,
        })
    }

    fn ready(
        &self,
        kind: Option<Kind>,
        session: &JsValue,
        card: &JsValue,
        key: &JsValue,
        options: &JsValue,
    ) -> Result<Ready> {
        let checked = self.checked(kind, session, card, options)?;
        let product = checked.product.ok_or_else(|| not_offered(PRODUCT))?;
        let (key, spki) = self::key(key)?;
        let payload = Payload {
            client_session_id: &checked.client.id,
            product: product.id,
            purpose: checked.purpose,
            device: product.device.json()?,
            values: &product.values,
        };
        let nonce = payments::nonce(&mut crate::random::SystemRandom)?;
        Ok(Ready {
            key,
            spki,
            text: payload.plaintext(&nonce),
            product: product.id,
            warnings: checked.card.warnings,
        })
    }

    fn hand_over(
        &self,
        kind: Kind,
        session: &JsValue,
        card: &JsValue,
        key: &JsValue,
        options: &JsValue,
    ) -> Result<Rest> {
        let id = server_session(session)?;
        let ready = self.ready(Some(kind), session, card, key, options)?;
        let idempotency_key = match kind {
            Kind::Payment => Members::of(options).visible("idempotencyKey")?,
            Kind::Tokenize | Kind::Update => None,
        };
        let server = self.client.server.clone();
        Ok(Box::pin(async move {
            let encrypted = ready.encrypt().await?;
            let request = payments::hand_over(&server, kind, &id, &encrypted, ready.product);
            Ok(card_request(&request.idempotent(idempotency_key), ready.warnings))
        }))
    }
}

fn own_kind(word: &str) -> Option<Kind> {
    [Kind::Tokenize, Kind::Payment]
        .into_iter()
        .find(|kind| kind.as_str() == word)
}

fn product_id(value: &JsValue) -> Result<u64> {
    let whole = |number: &f64| number.trunc() == *number && (1.0..=MOST).contains(number);
    let id = value.as_f64().filter(whole).ok_or_else(|| not_offered(PRODUCT))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number above zero"
    )]
    Ok(id as u64)
}

/// Reads the purchase.
fn purchase(context: &JsValue) -> Result<Purchase> {
    let context = Members::of(context);
    let amount = context.whole("amount", 0.0, MOST, Code::OptionInvalid)?;
    let is_recurring = context.flag("isRecurring")?.unwrap_or_default();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number, and not below zero"
    )]
    let amount = amount.map(|amount| amount as u64);
    Purchase::new(
        context.text("countryCode")?,
        amount,
        context.text("currencyCode")?,
        is_recurring,
    )
}

/// The platform's key, as in its answer.
struct Key {
    key_id: String,
    public_key: String,
}

object!(Key, key, { "keyId" = &key.key_id, "publicKey" = &key.public_key });

/// Reads the key, also in the form for WebCrypto. The platform's keys have 2048 bits; keys above 8192 are refused.
fn key(answer: &JsValue) -> Result<(Key, Vec<u8>)> {
    if !is_object(answer) {
        return Err(Code::AnswerMalformed.into());
    }
    let answer = Members::of(answer);
    let word = |name| -> Result<String> {
        let malformed = || Error::new(Code::AnswerMalformed).at(name);
        answer.text(name).ok().flatten().ok_or_else(malformed)
    };
    let key_id = session::id(word("keyId")?, "keyId", Code::AnswerMalformed)?;
    let public_key = word("publicKey")?;
    let numbers = Numbers::parse_base64(&public_key).ok();
    let spki = numbers
        .filter(|numbers| numbers.bits() >= LEAST_KEY_BITS)
        .map(|numbers| numbers.to_spki())
        .ok_or_else(|| Error::new(Code::AnswerMalformed).at("publicKey"))?;
    Ok((Key { key_id, public_key }, spki))
}

/// Whether a URL begins with the origin of this machine, at any port.
#[wasm_bindgen(js_name = isLoopback)]
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    crate::hosts::is_loopback(url)
}
