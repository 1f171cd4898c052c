//! What moves no money: verifications of cards, what is on a prepaid card, and rates of other currencies.

use serde_json::json;
use uuid::Uuid;

use super::book::{References, Verification, seconds};
use super::cards::CardFacts;
use super::fields::{Money, decimals};
use super::issuer::{self, Verdict};
use super::payments::{Call, inquiry, nothing};
use super::refusal::Refusal;
use super::{Answer, Ledger, Success};

/// Rates are made up: how much of each currency a thousand euros buy.
const RATES: [(&str, u64); 6] = [
    ("EUR", 1000),
    ("USD", 1080),
    ("GBP", 860),
    ("CHF", 950),
    ("JPY", 165_000),
    ("KWD", 330),
];
/// What is taken for the conversion, in thousandths.
const MARK_UP: u64 = 30;
/// The longest beginning of a card number that rates are asked for with.
const MAX_BIN: usize = 12;

impl Call<'_> {
    /// `POST /account-verifications`.
    pub(crate) fn verify(&self, ledger: &mut Ledger) -> Answer {
        self.fields.timestamp("transactionTimestamp")?;
        let card = CardFacts::read(self.fields, self.now)?;
        let verdict = self.verdict(Some(&card.verdict), None);
        let references = References::make(&card);
        let answer = inquiry(
            self,
            &verdict,
            json!({ "references": references.body(), "cardPaymentData": card.body() }),
        );
        ledger.book.verifications.push(Verification {
            operation: self.operation.clone(),
            approved: verdict == Verdict::Approved,
            card,
            references,
        });
        Ok(nothing(answer))
    }

    /// `POST /balance-inquiries`.
    pub(crate) fn balance(&self) -> Answer {
        self.fields.timestamp("transactionTimestamp")?;
        let card = CardFacts::read(self.fields, self.now)?;
        let verdict = self.verdict(Some(&card.verdict), None);
        let mut more = json!({ "references": References::make(&card).body() });
        if verdict == Verdict::Approved {
            let (amount, currency) = issuer::BALANCE;
            let available = Money {
                amount,
                currency: currency.into(),
                decimals: decimals(currency),
            };
            more["availableAmount"] = available.body();
        }
        Ok(nothing(inquiry(self, &verdict, more)))
    }

    /// `POST /dcc-rates`. The words of `result` are not known, so there is none.
    pub(crate) fn rate(&self) -> Answer {
        let fields = self.fields;
        let bin_path = "cardPaymentData.bin";
        if let Some(bin) = fields.text(bin_path)?
            && !((6..=MAX_BIN).contains(&bin.len()) && bin.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return Err(Refusal::invalid(bin_path));
        }
        let path = "transaction.amount";
        let original = fields.money(path)?.ok_or_else(|| Refusal::missing(path))?;
        fields.timestamp("transaction.transactionTimestamp")?;
        let rate_of = |currency: &str, path: &str| {
            let found = RATES.iter().find(|(known, _)| *known == currency);
            found.map(|(_, rate)| *rate).ok_or_else(|| Refusal::invalid(path))
        };
        let target = fields.needed("targetCurrency")?;
        let to = rate_of(target, "targetCurrency")?;
        let from = rate_of(&original.currency, "transaction.amount.currencyCode")?;
        let digits = decimals(target);
        let resulting = Money {
            amount: converted(original.amount, original.decimals, from, to, digits)
                .ok_or_else(|| Refusal::invalid(path))?,
            currency: target.into(),
            decimals: digits,
        };
        let quotient = |over: u64, under: u64| {
            let six = u128::from(over) * 1_000_000 * u128::from(1000 + MARK_UP) / 1000 / u128::from(under);
            u32::try_from(six).map_or(0.0, |millionths| f64::from(millionths) / 1e6)
        };
        let rate = quotient(to, from);
        let body = json!({
            "disclaimerReceipt": "Simulated rate.",
            "disclaimerDisplay": "Simulated rate.",
            "proposal": {
                "originalAmount": original.body(),
                "resultingAmount": resulting.body(),
                "rateReferenceId": Uuid::new_v4().to_string(),
                "rate": {
                    "exchangeRate": rate,
                    "invertedExchangeRate": if rate > 0.0 { 1.0 / rate } else { 0.0 },
                    "markUp": f64::from(u32::try_from(MARK_UP).unwrap_or_default()) / 10.0,
                    "quotationDateTime": seconds(self.now),
                },
            },
        });
        Ok(Success::ok(body))
    }
}

/// In minor units of the other currency, rounded half up.
fn converted(amount: u64, decimals: u64, from: u64, to: u64, digits: u64) -> Option<u64> {
    let power = |digits: u64| Some(10_u128.pow(u32::try_from(digits).ok()?));
    let over = u128::from(amount) * u128::from(to) * u128::from(1000 + MARK_UP) * power(digits)?;
    let under = u128::from(from) * 1000 * power(decimals)?;
    u64::try_from((over + under / 2) / under).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_between_currencies_of_other_decimals() {
        // 2.00 GBP are 2.3256 EUR before what is taken for it.
        assert_eq!(converted(200, 2, 860, 1000, 2), Some(240));
        // 10.00 EUR are 1650 JPY, and back.
        assert_eq!(converted(1000, 2, 1000, 165_000, 0), Some(1700));
        assert_eq!(converted(1650, 0, 165_000, 1000, 2), Some(1030));
        assert_eq!(converted(1000, 2, 1000, 330, 3), Some(3399));
    }
}
