//! Stored cards.

use axum::http::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::book::{Book, Token};
use super::cards::{CardFacts, CardInput};
use super::inputs::{MEMBER, refusal_of};
use super::refusal::Refusal;
use super::{Answer, Call, Ledger, OnlinePayments, Reply};

const CREATED: &str = "CREATED";

impl Book {
    /// Tokens that can be used, and the others.
    pub(crate) fn sort_tokens(
        &mut self,
        requested: Vec<String>,
        now: OffsetDateTime,
    ) -> (Vec<String>, Vec<String>) {
        requested
            .into_iter()
            .partition(|id| self.token(id, now).is_some_and(|token| token.until.is_none()))
    }

    /// Stores a card for good: its token, and how it came to be. One card has one token.
    pub(crate) fn store(&mut self, card: &CardFacts) -> (String, &'static str) {
        let known = self
            .tokens()
            .iter_mut()
            .find(|token| token.until.is_none() && !token.used && token.card.same_number(card));
        if let Some(token) = known {
            let status = if token.card.same_card(card) {
                "UNCHANGED"
            } else {
                "UPDATED"
            };
            token.card = card.clone();
            return (token.id.clone(), status);
        }
        (self.add_token(card, None), CREATED)
    }

    /// Stores a card for one use.
    pub(crate) fn store_for_once(&mut self, card: &CardFacts, until: OffsetDateTime) -> String {
        self.add_token(card, Some(until))
    }

    fn add_token(&mut self, card: &CardFacts, until: Option<OffsetDateTime>) -> String {
        let id = Uuid::new_v4().to_string();
        let last = self.tokens().iter().map(|token| token.account).max();
        let account = last.unwrap_or(1000) + 1;
        self.tokens().push(Token {
            id: id.clone(),
            card: card.clone(),
            until,
            used: false,
            account,
        });
        id
    }
}

/// A card that came in the clear below this path.
pub(crate) fn clear_card(
    call: &Call<'_>,
    path: &str,
    product: Option<u32>,
    cvv_needed: bool,
) -> Result<CardInput, Refusal> {
    let text = |name: &str| -> Result<Option<String>, Refusal> {
        let text = call.fields.text(&format!("{path}.{name}"))?;
        Ok(text.map(Into::into))
    };
    Ok(CardInput {
        product,
        number: text("cardNumber")?,
        holder: text("cardholderName")?,
        expiry: text("expiryDate")?,
        cvv: text("cvv")?,
        cvv_needed,
    })
}

impl OnlinePayments {
    pub(crate) fn create_token(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        const CARD: &str = "card.data.card";
        let fields = &call.fields;
        let product = fields
            .product("paymentProductId")?
            .ok_or_else(|| Refusal::missing("paymentProductId"))?;
        let card = match fields.text(MEMBER)? {
            Some(_) if fields.has(CARD) => return Err(Refusal::invalid(MEMBER)),
            Some(text) => self.use_input(ledger, call, text, Some(product), true)?.card,
            None if fields.has(CARD) => clear_card(call, CARD, Some(product), false)?
                .read(&ledger.settings, &self.card_salt, call.now)
                .map_err(|mistake| refusal_of(mistake, CARD))?,
            None => return Err(Refusal::missing(MEMBER)),
        };
        let (token, status) = ledger.book.store(&card);
        let created = ledger.settings.created_status;
        Ok(Reply::new(
            StatusCode::from_u16(created).unwrap_or(StatusCode::CREATED),
            json!({
                "token": token,
                "isNewToken": status == CREATED,
                "tokenStatus": status,
                "card": {
                    "cardNumber": card.masked(),
                    "cardholderName": card.holder,
                    "expiryDate": card.expiry(),
                },
                "externalTokenLinked": external(&card),
            }),
        ))
    }

    pub(crate) fn read_token(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let token = ledger
            .book
            .token(call.id, call.now)
            .ok_or_else(Refusal::unknown_token)?;
        Ok(Reply::ok(describe(token)))
    }

    pub(crate) fn delete_token(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        if ledger.book.token(call.id, call.now).is_none() {
            return Err(Refusal::unknown_token());
        }
        // Kept without a use, so that the numbers of the others stay theirs.
        for token in ledger.book.tokens() {
            if token.id == call.id {
                token.used = true;
            }
        }
        Ok(Reply::nothing())
    }
}

/// The same card at another vault. The form of these strings is not known; one card has the same ones each time.
fn external(card: &CardFacts) -> Value {
    let (computed, generated) = card.digest.split_at(16);
    let computed = hex::encode(computed);
    json!({
        "ComputedToken": computed,
        "GTSComputedToken": computed,
        "GeneratedToken": hex::encode(generated.get(..16).unwrap_or_default()),
    })
}

/// As `GET` tells it.
pub(crate) fn describe(token: &Token) -> Value {
    let card = &token.card;
    json!({
        "id": token.id,
        "isTemporary": token.until.is_some(),
        "paymentProductId": card.product,
        "card": {
            "alias": card.masked(),
            "data": {
                "cardWithoutCvv": {
                    "cardNumber": card.masked(),
                    "cardholderName": card.holder,
                    "expiryDate": card.expiry(),
                },
            },
        },
    })
}
