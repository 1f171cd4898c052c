//! GreenPay's JSON as the platform writes it, from its documentation only. What the merchant's half reads has types of its
//! own, so that both do not share a misreading.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A number or a string. An id is echoed with the JSON type it came with, and signed as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Value")]
pub(crate) enum Scalar {
    Integer(i64),
    Text(String),
}

impl TryFrom<Value> for Scalar {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::String(text) => Ok(Self::Text(text)),
            Value::Number(number) => {
                // JavaScript writes 1.0 as 1.
                let whole = number.as_f64().filter(|value| value.fract() == 0.0);
                let text = whole.map(|value| format!("{value:.0}"));
                let integer = number.as_i64().or_else(|| text?.parse().ok());
                integer.map(Self::Integer).ok_or("a fraction")
            }
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err("no number, no text"),
        }
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

/// Answer of an order.
#[derive(Serialize)]
pub(crate) struct OrderAnswer {
    pub(crate) session: String,
    pub(crate) token: String,
}

/// Answer of `/tokenize` and `/tokenize/update`, also posted to the webhook `/newCard`.
#[derive(Serialize)]
pub(crate) struct TokenAnswer {
    /// 201 inside an HTTP 200.
    pub(crate) status: u16,
    #[serde(rename = "requestId")]
    pub(crate) request_id: Scalar,
    pub(crate) result: TokenResult,
    /// `YYMM`.
    pub(crate) expiration_date: String,
    pub(crate) brand: &'static str,
    pub(crate) nickname: String,
    #[serde(rename = "cardHolder")]
    pub(crate) card_holder: String,
    pub(crate) errors: [&'static str; 0],
}

/// `result` of a tokenization.
#[derive(Serialize)]
pub(crate) struct TokenResult {
    pub(crate) token: String,
    pub(crate) last_digits: String,
    pub(crate) bin: String,
    /// In later versions of the platform only.
    pub(crate) khash: String,
}

/// Answer of a payment, also posted to the webhook `/`.
#[derive(Serialize)]
pub(crate) struct PaymentAnswer {
    /// 200 approved, 500 declined.
    pub(crate) status: u16,
    #[serde(rename = "orderId")]
    pub(crate) order_id: Scalar,
    /// Null in a decline.
    pub(crate) authorization: Option<String>,
    pub(crate) last4: String,
    pub(crate) brand: &'static str,
    pub(crate) result: PaymentResult,
    pub(crate) errors: Vec<&'static str>,
}

/// `result` of a payment: the bank's message.
#[derive(Serialize)]
pub(crate) struct PaymentResult {
    pub(crate) success: bool,
    /// `00` for approved, else the reason.
    pub(crate) resp_code: String,
    /// The bank's text in a decline, else null.
    pub(crate) reserved_private4: Option<&'static str>,
    pub(crate) retrieval_ref_num: String,
    /// Local time, `hhmmss`.
    pub(crate) time_local_tran: String,
    /// Local date, `MMDD`.
    pub(crate) date_local_tran: String,
    pub(crate) systems_trace_audit_number: String,
    pub(crate) proc_code: &'static str,
    pub(crate) network_international_id: &'static str,
    pub(crate) mti: &'static str,
    /// The merchant at the bank.
    pub(crate) merchant_id: u32,
    /// The terminal at the bank.
    pub(crate) card_acceptor_terminal_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authorization_id_resp: Option<String>,
}

/// Answer of `/deleteToken`.
#[derive(Serialize)]
pub(crate) struct DeleteAnswer {
    /// `DELETED`.
    pub(crate) status: &'static str,
    #[serde(rename = "requestId")]
    pub(crate) request_id: Scalar,
    pub(crate) errors: [&'static str; 0],
}

/// Answer of `/transactions/void` and `/transactions/refund`.
#[derive(Serialize)]
pub(crate) struct ReversalAnswer {
    pub(crate) code: u16,
    /// `SUCCESS`.
    pub(crate) status: &'static str,
    pub(crate) result: ReversalResult,
    pub(crate) errors: [&'static str; 0],
}

/// `result` of a void or a refund.
#[derive(Serialize)]
pub(crate) struct ReversalResult {
    #[serde(rename = "orderReference")]
    pub(crate) order_reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) void: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refund: Option<bool>,
}

/// Answer of `/subscriptions`.
#[derive(Serialize)]
pub(crate) struct CreatedSubscription {
    pub(crate) status: u16,
    #[serde(rename = "subscriptionId")]
    pub(crate) subscription_id: String,
    /// Empty without a first payment.
    pub(crate) result: Value,
    pub(crate) errors: Vec<&'static str>,
    /// `YYYY-MM-DD`.
    #[serde(rename = "nextPaymentDate")]
    pub(crate) next_payment_date: String,
}

/// `result.initialPayment` of a new subscription.
#[derive(Serialize)]
pub(crate) struct InitialPayment {
    #[serde(rename = "orderId")]
    pub(crate) order_id: String,
    pub(crate) authorization: Option<String>,
    pub(crate) errors: Vec<&'static str>,
}

/// `result` of the calls that change a subscription.
#[derive(Serialize)]
pub(crate) struct SubscriptionResult {
    pub(crate) id: String,
    /// A published client reads the id, the amount and the date by these names.
    #[serde(rename = "subscriptionId")]
    pub(crate) subscription_id: String,
    pub(crate) merchant_id: String,
    pub(crate) status: &'static str,
    pub(crate) user_id: String,
    pub(crate) user_type: &'static str,
    pub(crate) card_tokens: Vec<String>,
    pub(crate) amount: String,
    pub(crate) next_payment: String,
    /// With the merchant's secret in clear.
    pub(crate) purchase_order: Value,
}

/// Answer of `/subscriptions/pay`, also posted to the webhook `/subscription/payment/results`.
#[derive(Serialize)]
pub(crate) struct PaidSubscription {
    /// `SUCCESS` or `FAIL`.
    pub(crate) status: &'static str,
    pub(crate) code: u16,
    pub(crate) result: Value,
    pub(crate) errors: Vec<&'static str>,
}

/// `result.order` of a subscription's payment.
#[derive(Serialize)]
pub(crate) struct PaidOrder {
    pub(crate) order_reference: String,
    #[serde(rename = "subscriptionId")]
    pub(crate) subscription_id: String,
    pub(crate) user: String,
    pub(crate) amount: Value,
    pub(crate) currency: &'static str,
    /// Milliseconds since 1970.
    pub(crate) date: i64,
    pub(crate) authorization: Option<String>,
    pub(crate) details: Value,
    pub(crate) errors: Vec<&'static str>,
    pub(crate) reason: Option<&'static str>,
}

/// `result` of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entries<Entry> {
    pub(crate) entries: Vec<Entry>,
    pub(crate) page: usize,
    pub(crate) total_entries: usize,
    pub(crate) total_pages: usize,
}

/// A row of `/subscriptions/list`. All its values are texts.
#[derive(Serialize)]
pub(crate) struct ListedSubscription {
    pub(crate) id: String,
    pub(crate) status: &'static str,
    pub(crate) user_id: String,
    pub(crate) description: String,
    pub(crate) currency: &'static str,
    pub(crate) amount: String,
    pub(crate) startdate: String,
    pub(crate) enddate: Option<String>,
    /// Such as `EVERY 1 MONTH`.
    pub(crate) cadence: String,
    pub(crate) next_payment_date: String,
}

/// A row of `/subscriptions/list/payments`.
#[derive(Serialize)]
pub(crate) struct SubscriptionPayment {
    pub(crate) id: String,
    pub(crate) reference_number: String,
    pub(crate) payment_date: String,
    pub(crate) payment_result: Option<AttemptResult>,
    pub(crate) payment_retries: Vec<Attempt>,
}

/// An attempt that failed. The platform spells its members without the second T.
#[derive(Serialize)]
pub(crate) struct Attempt {
    pub(crate) attemp_date: i64,
    pub(crate) attemp_result: AttemptResult,
}

/// What came of an attempt.
#[derive(Serialize)]
pub(crate) struct AttemptResult {
    pub(crate) status: u16,
    #[serde(rename = "orderId")]
    pub(crate) order_id: String,
    pub(crate) authorization: Option<String>,
    pub(crate) amount: Value,
    pub(crate) currency: &'static str,
    pub(crate) errors: Vec<&'static str>,
}
