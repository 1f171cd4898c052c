//! Worldline Acquiring's class.

use js_sys::Promise;
use wasm_bindgen::prelude::*;

use super::card::card_request;
use super::client::Client;
use super::error::Thrown;
use super::promise::{Rest, promised};
use super::read::{Members, not_offered};
use super::run;
use crate::card::ProblemCode;
use crate::crypto::seal::{KeyInput, SealingKey, seal};
use crate::error::Result;
use crate::platform::Platform;
use crate::session::{self, Kind};
use crate::worldline_acquiring::{self as acquiring, NetworkToken};
use zeroize::Zeroizing;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("worldline_acquiring.ts");

/// Worldline Acquiring. The platform has no key for pages, so WebCrypto seals the card with the merchant's own key,
/// for one session. It needs a page over `https`, or on this machine. **The merchant's server opens it and sees the
/// card in the clear.** `holder` may be empty, and `nickname` is not sent.
#[wasm_bindgen]
pub struct WorldlineAcquiring {
    client: Client,
}

/// A card that is ready for sealing.
struct Ready {
    key: SealingKey,
    session: String,
    expires_at: i64,
    text: Zeroizing<String>,
    warnings: &'static [ProblemCode],
}

impl Ready {
    async fn seal(&self) -> Result<String> {
        seal(&self.key, &self.session, self.expires_at, self.text.as_bytes()).await
    }
}

#[wasm_bindgen]
impl WorldlineAcquiring {
    /// Throws where an option cannot be used.
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_optional_param_type = "WorldlineAcquiringOptions")] options: &JsValue,
    ) -> Result<Self, Thrown> {
        run(Platform::WorldlineAcquiring, || {
            let client = Client::new(&Members::of(options))?;
            Ok(Self { client })
        })
    }

    /// The sealed card (JWE compact), for a request of your own. It can be used once, and must not be stored.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn seal(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "CardInput")] card: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "SealOptions")] options: &JsValue,
    ) -> Promise {
        promised(Platform::WorldlineAcquiring, || {
            let kind = Members::of(session).value("kind")?;
            let kind = match kind.and_then(|kind| kind.as_string()).as_deref() {
                Some("tokenize") => Kind::Tokenize,
                _ => Kind::Payment,
            };
            let ready = self.ready(kind, session, card, options)?;
            Ok(Box::pin(async move { ready.seal().await.map(JsValue::from) }))
        })
    }

    /// The request that has a card verified and stored.
    #[wasm_bindgen(js_name = tokenizeRequest, unchecked_return_type = "Promise<CardRequest>")]
    pub fn tokenize_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "CardInput")] card: &JsValue,
    ) -> Promise {
        promised(Platform::WorldlineAcquiring, || {
            self.request(Kind::Tokenize, session, card, &JsValue::UNDEFINED)
        })
    }

    /// The request that charges a card.
    #[wasm_bindgen(js_name = payRequest, unchecked_return_type = "Promise<CardRequest>")]
    pub fn pay_request(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ServerSession")] session: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "CardInput")] card: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "SealOptions & IdempotencyOptions")] options: &JsValue,
    ) -> Promise {
        promised(Platform::WorldlineAcquiring, || {
            self.request(Kind::Payment, session, card, options)
        })
    }
}

impl WorldlineAcquiring {
    fn ready(&self, kind: Kind, session: &JsValue, card: &JsValue, options: &JsValue) -> Result<Ready> {
        let now = self.client.now()?;
        let session = Members::of_session(session)?;
        let own = acquiring::session(&session.session()?, kind, now)?;
        let key = SealingKey::read(key(&session)?)?;
        let network_token = network_token(options)?;
        let card = self
            .client
            .card(card, acquiring::rules(network_token.as_ref()), now)?;
        // The server checks the time by its own clock.
        let expires_at = session.moment("server_expires_at")?.unwrap_or(own.expires_at);
        #[expect(clippy::cast_possible_truncation, reason = "a clock's seconds fit")]
        let expires_at = (expires_at / 1000.0).floor() as i64;
        Ok(Ready {
            key,
            session: own.id,
            expires_at,
            text: acquiring::plaintext(&card, network_token.as_ref()),
            warnings: card.warnings,
        })
    }

    fn request(&self, kind: Kind, session: &JsValue, card: &JsValue, options: &JsValue) -> Result<Rest> {
        let ready = self.ready(kind, session, card, options)?;
        let key = Members::of(options).visible("idempotencyKey")?;
        let server = self.client.server.clone();
        Ok(Box::pin(async move {
            let sealed = ready.seal().await?;
            let request = acquiring::request(&server, kind, &ready.session, &sealed);
            Ok(card_request(&request.idempotent(key), ready.warnings))
        }))
    }
}

/// Reads the member `seal` of a session.
fn key(session: &Members) -> Result<KeyInput> {
    let inner = |members: &Members, name| -> Result<Members> {
        Ok(Members::of(&members.value(name)?.unwrap_or_default()))
    };
    let read = || -> Result<KeyInput> {
        let seal = inner(session, "seal")?;
        let point = inner(&seal, "key")?;
        seal.read(|seal| {
            let point = seal.within(&point);
            KeyInput {
                kid: seal.text("kid"),
                alg: seal.text("alg"),
                enc: seal.text("enc"),
                kty: point.text("kty"),
                crv: point.text("crv"),
                x: point.text("x"),
                y: point.text("y"),
            }
        })
    };
    read().map_err(|_| session::malformed("seal"))
}

/// Reads what accompanies a network token.
fn network_token(options: &JsValue) -> Result<Option<NetworkToken>> {
    let Some(given) = Members::of(options).value("networkToken")? else {
        return Ok(None);
    };
    let given = Members::of(&given);
    let cryptogram = given.visible("cryptogram")?;
    let (eci, requestor_id) = (given.visible("eci")?, given.visible("requestorId")?);
    Ok(Some(NetworkToken {
        cryptogram: cryptogram.ok_or_else(|| not_offered("cryptogram"))?,
        eci,
        requestor_id,
    }))
}
