//! Services beside payments: product groups, networks, surcharges, currency conversion, the privacy policy. Rates
//! and texts are the sandbox's own.

use serde_json::{Value, json};

use super::fields::Money;
use super::products::{self, Product};
use super::refusal::Refusal;
use super::sessions::check_context;
use super::{Answer, Call, Ledger, OnlinePayments, Reply, hex_id};
use crate::host::clock;

/// Products that pay with a card of another network: Apple Pay and Google Pay.
const WALLETS: [u32; 2] = [302, 320];
/// The one group of the products that are played.
const CARDS: &str = "Cards";

/// Of a surcharge: tenths of a percent, and minor units.
const AD_VALOREM_PER_MILLE: i64 = 33;
const SPECIFIC: i64 = 333;

/// The currency of holders that may pay in their own, and how much of it one unit is worth.
const HOLDERS_CURRENCY: &str = "USD";
const RATE: f64 = 1.25;
const INVERTED_RATE: f64 = 0.8;
const MARK_UP_PER_CENT: f64 = 2.0;

/// A card that is asked about.
struct Source {
    /// The first digits, or all of them.
    digits: String,
    product: &'static Product,
}

/// The card of a `cardSource`: by its first digits or all of them, or by a token.
fn source(ledger: &mut Ledger, call: &Call<'_>) -> Result<Source, Refusal> {
    let fields = &call.fields;
    let (number, token, hosted) = (
        "cardSource.card.cardNumber",
        "cardSource.token",
        "cardSource.hostedTokenizationId",
    );
    let token = match (fields.text(token)?, fields.text(hosted)?) {
        (Some(token), _) => Some(token.to_owned()),
        (None, Some(id)) => {
            let mut all = ledger.book.tokenizations.iter();
            let result = all
                .find(|tokenization| tokenization.id == id)
                .and_then(|tokenization| tokenization.result.as_ref())
                .ok_or_else(|| Refusal::invalid(hosted))?;
            Some(result.0.clone())
        }
        (None, None) => None,
    };
    if let Some(token) = token {
        let token = ledger
            .book
            .token(&token, call.now)
            .ok_or_else(Refusal::unknown_token)?;
        return Ok(Source {
            digits: token.card.first6.clone(),
            product: products::by_id(token.card.product).ok_or_else(Refusal::unknown_product)?,
        });
    }
    let digits = fields.needed(number)?;
    if !(6..=19).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::invalid(number));
    }
    let product = products::by_digits(digits).ok_or_else(Refusal::unknown_product)?;
    match fields.product("cardSource.card.paymentProductId")? {
        Some(id) if id != product.id => Err(Refusal::product_mismatch()),
        _ => Ok(Source {
            digits: digits.into(),
            product,
        }),
    }
}

fn begins(digits: &str, bins: &[String]) -> bool {
    bins.iter().any(|bin| digits.starts_with(bin.as_str()))
}

fn of(amount: i64, money: &Money) -> Value {
    json!({ "amount": amount, "currencyCode": money.currency })
}

impl OnlinePayments {
    pub(crate) fn calculate_surcharge(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let money = call
            .fields
            .money("amountOfMoney")?
            .ok_or_else(|| Refusal::missing("amountOfMoney"))?;
        let source = source(ledger, call)?;
        let costs = begins(&source.digits, &ledger.settings.surcharged_bins);
        let more = if costs {
            // Half a minor unit is rounded up.
            (money.amount * AD_VALOREM_PER_MILLE + 500) / 1000 + SPECIFIC
        } else {
            0
        };
        let mut surcharge = json!({
            "paymentProductId": source.product.id,
            "result": if costs { "OK" } else { "NO_SURCHARGE" },
            "netAmount": of(money.amount, &money),
            "surchargeAmount": of(more, &money),
            "totalAmount": of(money.amount + more, &money),
        });
        if let Some(fields) = surcharge.as_object_mut().filter(|_| costs) {
            fields.insert(
                "surchargeRate".into(),
                json!({
                    "surchargeProductTypeId": format!("SANDBOX_{}", source.product.id),
                    "surchargeProductTypeVersion": "1",
                    "adValoremRate": 3.3,
                    "specificRate": SPECIFIC,
                }),
            );
        }
        Ok(Reply::ok(json!({ "surcharges": [surcharge] })))
    }

    pub(crate) fn convert_currency(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let money = call
            .fields
            .money("transaction.amount")?
            .ok_or_else(|| Refusal::missing("transaction.amount"))?;
        let source = source(ledger, call)?;
        if !begins(&source.digits, &ledger.settings.converted_bins) {
            return Err(Refusal::no_conversion());
        }
        let id = hex_id();
        if money.currency == HOLDERS_CURRENCY {
            return Ok(Reply::ok(json!({
                "dccSessionId": id,
                "result": {
                    "result": "NotAvailable",
                    "resultReason": "The amount is in the currency of the card",
                },
            })));
        }
        // Five quarters, rounded half up.
        let target = (money.amount * 5 + 2) / 4;
        Ok(Reply::ok(json!({
            "dccSessionId": id,
            "result": { "result": "Allowed" },
            "proposal": {
                "baseAmount": of(money.amount, &money),
                "targetAmount": { "amount": target, "currencyCode": HOLDERS_CURRENCY },
                "rate": {
                    "exchangeRate": RATE,
                    "invertedExchangeRate": INVERTED_RATE,
                    "markUpRate": MARK_UP_PER_CENT,
                    "quotationDateTime": clock::text(call.now),
                    "source": "Cardseal sandbox",
                },
                "disclaimerDisplay": "This is a simulated rate.",
                "disclaimerReceipt": "This is a simulated rate.",
            },
        })))
    }

    pub(crate) fn read_networks(ledger: &Ledger, call: &Call<'_>) -> Answer {
        let id: u32 = call.id.parse().map_err(|_| Refusal::unknown_product())?;
        let allowed = &ledger.settings.products;
        if allowed.contains(&id) {
            return Err(Refusal::no_networks());
        }
        if !WALLETS.contains(&id) {
            return Err(Refusal::unknown_product());
        }
        check_context(call)?;
        let mut networks: Vec<String> = allowed
            .iter()
            .filter_map(|id| Some(products::by_id(*id)?.scheme.to_ascii_uppercase()))
            .collect();
        networks.dedup();
        Ok(Reply::ok(json!({ "networks": networks })))
    }

    /// None of the products that are played has a directory.
    pub(crate) fn read_directory() -> Answer {
        Err(Refusal::unknown_product())
    }

    /// None of the products that are played has a session of its own.
    pub(crate) fn open_product_session() -> Answer {
        Err(Refusal::invalid("paymentProductId"))
    }

    pub(crate) fn list_groups(&self, call: &Call<'_>) -> Answer {
        check_context(call)?;
        Ok(Reply::ok(json!({ "paymentProductGroups": [self.group()] })))
    }

    pub(crate) fn read_group(&self, call: &Call<'_>) -> Answer {
        if !call.id.eq_ignore_ascii_case(CARDS) {
            return Err(Refusal::unknown_product_group());
        }
        check_context(call)?;
        Ok(Reply::ok(self.group()))
    }

    fn group(&self) -> Value {
        json!({
            "id": CARDS,
            "displayHints": {
                "displayOrder": 0,
                "label": CARDS,
                "logo": self.url("/online_payments/assets/products/1.svg"),
            },
        })
    }

    pub(crate) fn read_privacy_policy(ledger: &Ledger, call: &Call<'_>) -> Answer {
        let locale = call.query("locale").unwrap_or("en_GB");
        if !super::fields::is_locale(locale) {
            return Err(Refusal::invalid("locale"));
        }
        if let Some(id) = call.query("paymentProductId") {
            let known = id
                .parse()
                .is_ok_and(|id| ledger.settings.products.contains(&id) || WALLETS.contains(&id));
            if !known {
                return Err(Refusal::unknown_product());
            }
        }
        let html = format!(
            "<p lang=\"{}\">A simulated privacy policy.</p>",
            locale.replace('_', "-")
        );
        Ok(Reply::ok(json!({ "htmlContent": html })))
    }
}
