//! `encryptedCustomerInput`: opened, checked, and used up.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::cards::{self, CardFacts, CardInput, CardMistake};
use super::refusal::Refusal;
use super::{Call, Ledger, OnlinePayments, jwe, products};

/// Name of the member in requests and in refusals.
pub(crate) const MEMBER: &str = "encryptedCustomerInput";

/// What a page sent.
pub(crate) struct Input {
    pub(crate) card: CardFacts,
    /// The stored card that it chose.
    pub(crate) token: Option<String>,
    /// To be stored.
    pub(crate) tokenize: bool,
}

impl OnlinePayments {
    /// Opens an input and uses it up. The real platform's error for a bad one is not known: here all have the
    /// same, and the state of the sandbox tells which check it was.
    pub(crate) fn use_input(
        &self,
        ledger: &mut Ledger,
        call: &Call<'_>,
        text: &str,
        product: Option<u32>,
        for_token: bool,
    ) -> Result<Input, Refusal> {
        self.check_input(ledger, call, text, product, for_token)
            .map_err(|(reason, refusal)| {
                tracing::debug!(reason, "online_payments input");
                ledger.book.refused_inputs.push(reason);
                refusal
            })
    }

    /// Decrypts an input, checks it, and keeps it from being used again. With a refusal comes its reason, which no
    /// answer has.
    fn check_input(
        &self,
        ledger: &mut Ledger,
        call: &Call<'_>,
        text: &str,
        product: Option<u32>,
        for_token: bool,
    ) -> Result<Input, Refused> {
        let keys = self.keys().ok_or_else(|| wrong("no key pair"))?;
        let opened = jwe::open(keys, text).map_err(|step| wrong(&format!("not opened: {step:?}")))?;
        if opened.latin1 {
            tracing::warn!("an encrypted input is not UTF-8");
        }
        let payload = &opened.payload;
        let session = payload["clientSessionId"]
            .as_str()
            .and_then(|id| ledger.book.sessions.get(id))
            .filter(|session| call.now < session.expires_at)
            .ok_or_else(|| wrong("no such session"))?;
        let nonce = payload["nonce"]
            .as_str()
            .filter(|nonce| !nonce.is_empty())
            .ok_or_else(|| wrong("no nonce"))?;
        let digest: [u8; 32] = Sha256::digest(text).into();
        if ledger.book.nonces.contains(nonce) || ledger.book.inputs.contains(&digest) {
            return Err(wrong("used before"));
        }
        let inside = payload["paymentProductId"]
            .as_u64()
            .and_then(|id| u32::try_from(id).ok())
            .ok_or_else(|| wrong("no product"))?;
        if product.is_some_and(|product| product != inside) {
            return Err(("another product outside".into(), Refusal::product_mismatch()));
        }
        let (card, token) = match payload.get("accountOnFileId").and_then(Value::as_u64) {
            Some(account) => {
                let tokens = session.tokens.clone();
                stored_card(ledger, call, payload, account, &tokens)?
            }
            None => {
                let given = CardInput {
                    product: Some(inside),
                    number: value(payload, "cardNumber"),
                    holder: value(payload, "cardholderName"),
                    expiry: value(payload, "expiryDate"),
                    cvv: value(payload, "cvv"),
                    cvv_needed: !for_token,
                };
                let card = given
                    .read(&ledger.settings, &self.card_salt, call.now)
                    .map_err(|mistake| (format!("card: {mistake:?}"), refusal_of(mistake, MEMBER)))?;
                (card, None)
            }
        };
        ledger.book.nonces.insert(nonce.to_owned());
        ledger.book.inputs.insert(digest);
        Ok(Input {
            card,
            token,
            tokenize: payload["tokenize"] == true,
        })
    }
}

/// Why an input was refused, and what is answered.
type Refused = (String, Refusal);

fn wrong(reason: &str) -> Refused {
    (reason.to_owned(), Refusal::invalid(MEMBER))
}

fn value(payload: &Value, key: &str) -> Option<String> {
    let mut values = payload["paymentValues"].as_array().into_iter().flatten();
    let pair = values.find(|pair| pair["key"] == key)?;
    pair["value"].as_str().map(str::to_owned)
}

/// A stored card that the session may offer, and its token.
fn stored_card(
    ledger: &mut Ledger,
    call: &Call<'_>,
    payload: &Value,
    account: u64,
    offered: &[String],
) -> Result<(CardFacts, Option<String>), Refused> {
    let mut tokens = ledger.book.tokens().iter();
    let stored = tokens
        .find(|token| {
            u64::from(token.account) == account && offered.contains(&token.id) && token.is_good(call.now)
        })
        .ok_or_else(|| wrong("no such account on file"))?;
    let brand = products::by_id(stored.card.product).ok_or_else(|| wrong("no such product"))?;
    cards::check_cvv(value(payload, "cvv").as_deref(), brand, true).map_err(|_| wrong("cvv"))?;
    Ok((stored.card.clone(), Some(stored.id.clone())))
}

/// Names the wrong member only for cards that came in the clear.
pub(crate) fn refusal_of(mistake: CardMistake, path: &str) -> Refusal {
    let member = |name: &str| {
        if path == MEMBER {
            Refusal::invalid(MEMBER)
        } else {
            Refusal::invalid(format!("{path}.{name}"))
        }
    };
    match mistake {
        CardMistake::Number => member("cardNumber"),
        CardMistake::Holder => member("cardholderName"),
        CardMistake::Expiry => member("expiryDate"),
        CardMistake::Cvv => member("cvv"),
        CardMistake::Product => Refusal::product_not_available(),
        CardMistake::Mismatch => Refusal::product_mismatch(),
    }
}
