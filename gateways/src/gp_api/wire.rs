//! Calls as plain values, and the platform's JSON that more than one of them needs.

use cardseal::gp_api::PaymentMethod;
use serde::Serialize;
use serde_json::Value;

use crate::lenient::{UNREADABLE, Unreadable, deciding_text, member, text};

/// A call with the server's own token.
pub(super) struct Call<'a> {
    pub(super) method: &'static str,
    pub(super) path: String,
    /// The idempotency key: the same for every try of one action.
    pub(super) key: Option<&'a str>,
    pub(super) body: Option<Value>,
    /// Whether the body names the account.
    pub(super) account: bool,
}

impl<'a> Call<'a> {
    pub(super) const fn get(path: String) -> Self {
        Self {
            method: "GET",
            path,
            key: None,
            body: None,
            account: false,
        }
    }

    pub(super) const fn post(path: String, key: &'a str, body: Value) -> Self {
        Self {
            method: "POST",
            path,
            key: Some(key),
            body: Some(body),
            account: false,
        }
    }
}

/// A path with a query.
pub(super) fn query(path: &str, pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{path}?{query}")
}

/// `POST /accesstoken`.
#[derive(Serialize)]
pub(super) struct AccessTokenRequest<'a> {
    pub(super) app_id: &'a str,
    /// Any text, new for every request.
    pub(super) nonce: &'a str,
    /// Made by [`super::access::secret`].
    pub(super) secret: &'a str,
    pub(super) grant_type: &'static str,
    /// 60 to 604800.
    pub(super) seconds_to_expire: u32,
    /// What the token may do; without it, everything that the application may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) permissions: Option<[&'a str; 1]>,
    /// `YES` masks details of account and merchant in answers; for tokens that reach a browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restricted_token: Option<&'static str>,
}

/// The answer of `POST /accesstoken`.
pub(super) struct AccessToken {
    /// The bearer token.
    pub(super) token: String,
    pub(super) accounts: Vec<Account>,
    /// Seconds from when it was made.
    pub(super) seconds_to_expire: u32,
}

/// An account that a token reaches.
pub(super) struct Account {
    /// `TRA_…` for transactions, `TKA_…` for tokenization, and others.
    pub(super) id: String,
    /// Case matters.
    pub(super) name: String,
    /// What the token may do with it. What cannot be read is a permission like any other.
    pub(super) permissions: Vec<String>,
}

impl AccessToken {
    /// Nothing, if the answer has no token, no scope or no lifetime.
    pub(super) fn read(answer: &Value) -> Option<Self> {
        let token = answer.get("token")?.as_str()?.to_owned();
        let seconds_to_expire = text(answer, "/seconds_to_expire")?.parse().ok()?;
        answer.get("scope").filter(|scope| scope.is_object())?;
        let accounts = list(answer, "/scope/accounts", |account| match account {
            Some(account) if account.is_object() => Account {
                id: text(account, "/id").unwrap_or_default(),
                name: text(account, "/name").unwrap_or_default(),
                permissions: list(account, "/permissions", |permission| {
                    let permission = permission.and_then(|permission| deciding_text(permission, ""));
                    permission.unwrap_or_else(|| UNREADABLE.into())
                }),
            },
            // It may be of any kind and allow anything.
            _ => Account {
                id: String::new(),
                name: String::new(),
                permissions: vec![UNREADABLE.into()],
            },
        });
        Some(Self {
            token,
            accounts,
            seconds_to_expire,
        })
    }
}

/// A list. `read` gets each item, or `None` for a value that is not a list.
fn list<T>(answer: &Value, pointer: &str, read: impl Fn(Option<&Value>) -> T) -> Vec<T> {
    match member(answer, pointer) {
        Ok(None) => Vec::new(),
        Ok(Some(Value::Array(items))) => items.iter().map(|item| read(Some(item))).collect(),
        Ok(Some(_)) | Err(Unreadable) => vec![read(None)],
    }
}

/// The answer of `POST /payment-methods` and `GET /payment-methods/{id}`.
pub(super) fn payment_method(answer: &Value) -> PaymentMethod {
    PaymentMethod {
        id: text(answer, "/id"),
        status: deciding_text(answer, "/status"),
        result_code: deciding_text(answer, "/action/result_code"),
        name: text(answer, "/name"),
        masked_number: text(answer, "/card/masked_number_last4")
            .or_else(|| text(answer, "/card/number_last4")),
        brand: text(answer, "/card/brand"),
        expiry_month: text(answer, "/card/expiry_month"),
        expiry_year: text(answer, "/card/expiry_year"),
    }
}
