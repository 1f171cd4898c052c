//! Payouts: money to the holder of a card.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::book::Book;
use super::cards::{CardFacts, Verdict};
use super::fields::Money;
use super::inputs::refusal_of;
use super::payments::{BY_ISSUER, declined};
use super::refusal::{self, Refusal};
use super::statuses::{self, REFUNDED, REJECTED};
use super::tokens::clear_card;
use super::{Answer, Call, Ledger, OnlinePayments, Reply, timestamp};
use crate::host::faults::Kind;

const SPECIFIC: &str = "cardPayoutMethodSpecificInput";

pub(crate) struct Payout {
    pub(crate) id: String,
    pub(crate) money: Money,
    reference: Option<String>,
    reason: Option<String>,
    pub(crate) card: CardFacts,
    at: OffsetDateTime,
    /// `errorCode` of one that was declined.
    error_code: Option<String>,
}

impl Payout {
    pub(crate) const fn status(&self) -> &'static str {
        if self.error_code.is_some() {
            "REJECTED_CREDIT"
        } else {
            "ACCOUNT_CREDITED"
        }
    }

    fn json(&self) -> Value {
        // The code of one that was declined is inferred.
        let code = if self.error_code.is_some() {
            REJECTED
        } else {
            REFUNDED
        };
        json!({
            "id": self.id,
            "status": self.status(),
            "statusOutput": {
                "isCancellable": false,
                "statusCategory": statuses::names(code).1,
                "statusCode": code,
            },
            "payoutOutput": {
                "amountOfMoney": { "amount": self.money.amount, "currencyCode": self.money.currency },
                "payoutReason": self.reason,
                "references": { "merchantReference": self.reference },
                "transactionDate": timestamp(self.at),
                "payoutCardPaymentMethodSpecificOutput": {
                    "paymentProductId": self.card.product,
                    "card": {
                        "bin": self.card.first6,
                        "cardNumber": self.card.masked(),
                        "countryCode": "99",
                        "expiryDate": self.card.expiry(),
                    },
                },
            },
        })
    }
}

impl Book {
    fn payout(&self, id: &str) -> Option<&Payout> {
        self.payouts.iter().find(|payout| payout.id == id)
    }
}

impl OnlinePayments {
    pub(crate) fn create_payout(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let fields = &call.fields;
        let at = |name: &str| format!("{SPECIFIC}.{name}");
        let money = fields
            .money("amountOfMoney")?
            .ok_or_else(|| Refusal::missing("amountOfMoney"))?;
        let product = fields.product(&at("paymentProductId"))?;
        let (card_path, token_path) = (at("card"), at("token"));
        let card = match fields.text(&token_path)? {
            Some(_) if fields.has(&card_path) => return Err(Refusal::invalid(card_path)),
            Some(token) => {
                let token = ledger
                    .book
                    .token(token, call.now)
                    .ok_or_else(Refusal::unknown_token)?;
                if product.is_some_and(|product| product != token.card.product) {
                    return Err(Refusal::product_mismatch());
                }
                token.card.clone()
            }
            None if fields.has(&card_path) => clear_card(call, &card_path, product, false)?
                .read(&ledger.settings, &self.card_salt, call.now)
                .map_err(|mistake| refusal_of(mistake, &card_path))?,
            None => return Err(Refusal::missing(SPECIFIC)),
        };
        let error_code = if call.fault.is(Kind::RespCode) {
            call.fault.value().map(Into::into)
        } else {
            (card.verdict == Verdict::Declines).then(|| BY_ISSUER.to_owned())
        };
        let payout = Payout {
            id: format!("{}_0", self.next_number()),
            money,
            reference: fields.reference("references.merchantReference")?,
            reason: fields.text(&at("payoutReason"))?.map(Into::into),
            card,
            at: call.now,
            error_code,
        };
        let json = payout.json();
        let errors = payout.error_code.as_deref().map(refusal::decline);
        ledger.book.payouts.push(payout);
        Ok(match errors {
            Some(errors) => declined(&errors, "payoutResult", json),
            None => Reply::created(json),
        })
    }

    pub(crate) fn read_payout(ledger: &Ledger, call: &Call<'_>) -> Answer {
        let payout = ledger.book.payout(call.id).ok_or_else(Refusal::unknown_payout)?;
        Ok(Reply::ok(payout.json()))
    }
}
