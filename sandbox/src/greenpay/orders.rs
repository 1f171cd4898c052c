//! What the simulated GreenPay remembers: orders, card tokens, transactions. Of a card number only the first
//! six and the last four digits are kept, and with which code the bank would decline it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::bank;
use super::subscriptions::Subscription;
use super::webhooks::Delivered;
use super::wire::Scalar;
use crate::host::clock;
use crate::host::keeping::{self, Keep, one_of};

/// An order is good for thirty minutes.
const ORDER_LIFE: Duration = Duration::minutes(30);

/// What is bought.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Purchase {
    pub(crate) order_reference: Scalar,
    /// Exactly as the merchant wrote it.
    pub(crate) amount: String,
    pub(crate) currency: String,
}

/// What an order was made for.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// A new card token, or another one for a known card.
    Tokenize {
        /// The merchant's id of the request.
        request_id: Scalar,
    },
    /// A payment with a card.
    Payment(Purchase),
}

/// An order.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Order {
    pub(crate) session: Uuid,
    pub(crate) token: Uuid,
    #[serde(flatten)]
    pub(crate) purpose: Purpose,
    pub(crate) callback: Option<String>,
    #[serde(with = "clock::as_text")]
    pub(crate) created_at: OffsetDateTime,
    pub(crate) used: bool,
}

impl Order {
    pub(crate) fn expired(&self, now: OffsetDateTime) -> bool {
        now - self.created_at >= ORDER_LIFE
    }
}

/// What is known of a card while it is being charged and after.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CardFacts {
    pub(crate) bin: String,
    pub(crate) last4: String,
    #[serde(skip)]
    pub(crate) brand: &'static str,
    /// The code with which the bank declines it.
    #[serde(skip)]
    pub(crate) decline: Option<&'static str>,
}

/// A stored card.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CardToken {
    pub(crate) token: Uuid,
    #[serde(flatten)]
    pub(crate) card: CardFacts,
    /// `YYMM`.
    pub(crate) expiry: String,
    #[serde(serialize_with = "redacted")]
    pub(crate) holder: String,
    #[serde(serialize_with = "redacted")]
    pub(crate) nickname: String,
    pub(crate) deleted: bool,
}

/// People type card numbers into the strangest fields.
fn redacted<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&cardseal::redact::card_digits(text))
}

/// The state of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Approved,
    Declined,
    Voided,
    Refunded,
    /// Taken back by the platform itself after the bank did not answer.
    Reversed,
}

/// A charge, approved or not.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Transaction {
    #[serde(flatten)]
    pub(crate) purchase: Purchase,
    pub(crate) approved: bool,
    pub(crate) resp_code: String,
    pub(crate) authorization: Option<String>,
    #[serde(skip)]
    pub(crate) bin: String,
    pub(crate) last4: String,
    pub(crate) state: State,
    #[serde(with = "clock::as_text")]
    pub(crate) at: OffsetDateTime,
}

/// Everything, in the order in which it came.
#[derive(Debug, Default)]
pub(crate) struct Book {
    orders: Vec<Order>,
    order_index: HashMap<Uuid, usize>,
    card_tokens: Vec<CardToken>,
    card_token_index: HashMap<Uuid, usize>,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) webhooks_sent: Vec<Delivered>,
}

/// A stored card as it is kept over a restart.
#[derive(Serialize, Deserialize)]
struct Kept {
    token: Uuid,
    bin: String,
    last4: String,
    brand: Value,
    decline: Value,
    expiry: String,
    #[serde(serialize_with = "redacted")]
    holder: String,
    #[serde(serialize_with = "redacted")]
    nickname: String,
}

impl Keep for Book {
    fn cards(&self) -> Value {
        let stored = self.card_tokens.iter().filter(|stored| !stored.deleted);
        let kept = stored
            .map(|stored| Kept {
                token: stored.token,
                bin: stored.card.bin.clone(),
                last4: stored.card.last4.clone(),
                brand: stored.card.brand.into(),
                decline: stored.card.decline.into(),
                expiry: stored.expiry.clone(),
                holder: stored.holder.clone(),
                nickname: stored.nickname.clone(),
            })
            .collect();
        keeping::written(kept)
    }

    fn put_back(&mut self, cards: Value) -> Result<(), serde_json::Error> {
        for kept in keeping::read::<Kept>(cards)? {
            self.add_card_token(CardToken {
                token: kept.token,
                card: CardFacts {
                    bin: kept.bin,
                    last4: kept.last4,
                    brand: one_of(bank::BRANDS, &kept.brand)?,
                    decline: one_of(bank::declines(), &kept.decline)?,
                },
                expiry: kept.expiry,
                holder: kept.holder,
                nickname: kept.nickname,
                deleted: false,
            });
        }
        Ok(())
    }
}

impl Book {
    pub(crate) fn add_order(&mut self, order: Order) {
        self.order_index.insert(order.session, self.orders.len());
        self.orders.push(order);
    }

    pub(crate) fn order(&self, session: Uuid) -> Option<&Order> {
        self.order_index
            .get(&session)
            .and_then(|index| self.orders.get(*index))
    }

    pub(crate) fn use_up(&mut self, session: Uuid) {
        if let Some(order) = self
            .order_index
            .get(&session)
            .and_then(|index| self.orders.get_mut(*index))
        {
            order.used = true;
        }
    }

    pub(crate) fn add_card_token(&mut self, card_token: CardToken) {
        self.card_token_index
            .insert(card_token.token, self.card_tokens.len());
        self.card_tokens.push(card_token);
    }

    /// A card token that was not deleted.
    pub(crate) fn card_token(&mut self, token: Uuid) -> Option<&mut CardToken> {
        let card_token = self
            .card_token_index
            .get(&token)
            .and_then(|index| self.card_tokens.get_mut(*index));
        card_token.filter(|card_token| !card_token.deleted)
    }

    /// Takes a subscription out, so that its payments can be booked here; whoever took it puts it back.
    pub(crate) fn take_subscription(&mut self, id: &str) -> Option<Subscription> {
        let index = self.subscriptions.iter().position(|each| each.id() == id)?;
        Some(self.subscriptions.remove(index))
    }

    pub(crate) fn state(&self) -> Value {
        serde_json::json!({
            "orders": self.orders,
            "card_tokens": self.card_tokens,
            "transactions": self.transactions,
            "subscriptions": self.subscriptions,
            "webhooks_sent": self.webhooks_sent,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_lives_thirty_minutes() {
        let created_at = OffsetDateTime::UNIX_EPOCH;
        let order = Order {
            session: Uuid::nil(),
            token: Uuid::nil(),
            purpose: Purpose::Tokenize {
                request_id: "xwr-1".into(),
            },
            callback: None,
            created_at,
            used: false,
        };
        assert!(!order.expired(created_at + ORDER_LIFE - Duration::MILLISECOND));
        assert!(order.expired(created_at + ORDER_LIFE));
    }
}
