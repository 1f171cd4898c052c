//! Sessions for pages, and the client API that they open.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::book::{Book, Session};
use super::cards::is_co_branded;
use super::fields::is_locale;
use super::products::{self, CARTES_BANCAIRES};
use super::refusal::Refusal;
use super::{Answer, Call, Ledger, OnlinePayments, Reply, hex_id};

/// More stored cards are refused.
const MAX_TOKENS: usize = 10;
/// First digits that can be asked for. A page that sends more is about to leak the number: refused here, though
/// the real platform may not mind.
const BIN_DIGITS: core::ops::RangeInclusive<usize> = 6..=8;

impl Book {
    /// Ends all sessions: how many.
    pub(crate) fn expire_sessions(&mut self, now: OffsetDateTime) -> usize {
        let live = self
            .sessions
            .values_mut()
            .filter(|session| now < session.expires_at);
        live.map(|session| session.expires_at = now).count()
    }
}

impl OnlinePayments {
    pub(crate) fn create_session(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let requested = call.fields.list("tokens")?;
        if requested.len() > MAX_TOKENS {
            return Err(Refusal::invalid("tokens"));
        }
        let (tokens, invalid) = ledger.book.sort_tokens(requested, call.now);
        let id = hex_id();
        let customer_id = format!("9991-{}", hex_id());
        let lasts = time::Duration::minutes(ledger.settings.session_minutes.into());
        let mut answer = json!({
            "clientSessionId": id,
            "customerId": customer_id,
            "clientApiUrl": self.url("/client"),
            "assetUrl": self.url("/online_payments/assets"),
        });
        if let Some(fields) = answer.as_object_mut().filter(|_| !invalid.is_empty()) {
            fields.insert("invalidTokens".into(), invalid.into());
        }
        let session = Session {
            customer_id,
            expires_at: call.now + lasts,
            tokens,
        };
        ledger.book.sessions.insert(id, session);
        Ok(Reply::created(answer))
    }

    pub(crate) fn public_key(&self) -> Answer {
        let keys = self.keys().ok_or_else(Refusal::bad_gateway)?;
        Ok(Reply::ok(
            json!({ "keyId": keys.id(), "publicKey": keys.public() }),
        ))
    }

    pub(crate) fn list_products(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        check_context(call)?;
        let amount = call.query("amount").and_then(|text| text.parse::<i64>().ok());
        // The platform's own client finds no product for an amount that cannot be paid.
        let ids = if amount.is_some_and(|amount| amount < 0) {
            Vec::new()
        } else {
            ledger.settings.products.clone()
        };
        let products: Vec<Value> = ids
            .iter()
            .enumerate()
            .filter_map(|(position, id)| self.describe(ledger, call, *id, position))
            .collect();
        Ok(Reply::ok(json!({ "paymentProducts": products })))
    }

    pub(crate) fn read_product(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let id: u32 = call.id.parse().map_err(|_| Refusal::unknown_product())?;
        let position = ledger.settings.products.iter().position(|allowed| *allowed == id);
        let position = position.ok_or_else(Refusal::unknown_product)?;
        check_context(call)?;
        let product = self
            .describe(ledger, call, id, position)
            .ok_or_else(Refusal::unknown_product)?;
        Ok(Reply::ok(product))
    }

    fn describe(&self, ledger: &mut Ledger, call: &Call<'_>, id: u32, position: usize) -> Option<Value> {
        let hidden = |name: &str| {
            let mut pairs = call.query.iter();
            pairs.any(|(given, value)| given == "hide" && value == name)
        };
        let offered = call
            .session
            .and_then(|session| ledger.book.sessions.get(session))
            .filter(|_| !hidden("accountsOnFile"))
            .map(|session| session.tokens.clone())
            .unwrap_or_default();
        let accounts: Vec<Value> = ledger
            .book
            .tokens()
            .iter()
            .filter(|token| {
                token.card.product == id && token.is_good(call.now) && offered.contains(&token.id)
            })
            .map(|token| {
                let mut attributes = vec![
                    json!({ "key": "alias", "value": token.card.alias(), "status": "READ_ONLY" }),
                    // The platform's own client writes it in its tests.
                    json!({ "key": "cardNumber", "value": token.card.alias(), "status": "CAN_WRITE" }),
                    json!({ "key": "expiryDate", "value": token.card.expiry(), "status": "CAN_WRITE" }),
                ];
                if let Some(holder) = &token.card.holder {
                    attributes.push(json!({ "key": "cardholderName", "value": holder, "status": "CAN_WRITE" }));
                }
                json!({
                    "id": token.account,
                    "paymentProductId": id,
                    "displayHints": {
                        "labelTemplate": [{ "attributeKey": "alias", "mask": "{{9999}} {{9999}} {{9999}} {{9999}}" }],
                    },
                    "attributes": attributes,
                })
            })
            .collect();
        Some(products::by_id(id)?.json(
            position,
            &self.url("/online_payments/assets"),
            !hidden("fields"),
            ledger.settings.cardholder_name_required,
            &accounts,
        ))
    }

    pub(crate) fn look_up_bin(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let bin = call.fields.needed("bin")?;
        if !BIN_DIGITS.contains(&bin.len()) || !bin.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refusal::invalid("bin"));
        }
        let brand = products::by_digits(bin).ok_or_else(Refusal::unknown_product)?;
        let is_allowed = |id: u32| ledger.settings.products.contains(&id);
        let mut details = json!({
            "paymentProductId": brand.id,
            "countryCode": "99",
            "isAllowedInContext": is_allowed(brand.id),
            "cardType": "Credit",
            "cardScheme": brand.scheme,
        });
        if let Some(fields) = details.as_object_mut()
            && is_co_branded(&ledger.settings, bin)
        {
            let both = [brand.id, CARTES_BANCAIRES]
                .map(|id| json!({ "paymentProductId": id, "isAllowedInContext": is_allowed(id) }));
            fields.insert("coBrands".into(), both.to_vec().into());
        }
        // Without a context the platform cannot tell what is allowed in it.
        if let Some(fields) = details
            .as_object_mut()
            .filter(|_| !call.fields.has("paymentContext"))
        {
            fields.remove("isAllowedInContext");
        }
        Ok(Reply::ok(details))
    }
}

/// Country and currency are taken to be needed; which the real platform insists on is not known.
pub(crate) fn check_context(call: &Call<'_>) -> Result<(), Refusal> {
    if call.query("locale").is_some_and(|locale| !is_locale(locale)) {
        return Err(Refusal::invalid("locale"));
    }
    for (name, letters) in [("countryCode", 2), ("currencyCode", 3)] {
        let text = call.query(name).ok_or_else(|| Refusal::missing(name))?;
        if text.len() != letters || !text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(Refusal::invalid(name));
        }
    }
    Ok(())
}
