//! Filters, order and pages of lists.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::access::App;
use super::book::LIST_WINDOW;
use super::refusal::Refusal;
use super::wire::Account;
use super::{alphanumerics, timestamp};

/// What lists of each kind can be ordered by.
pub(crate) const TRANSACTION_ORDERS: [&str; 5] = ["TIME_CREATED", "ID", "STATUS", "TYPE", "DEPOSIT_ID"];
pub(crate) const METHOD_ORDERS: [&str; 5] = TRANSACTION_ORDERS;
pub(crate) const DEPOSIT_ORDERS: [&str; 4] = ["TIME_CREATED", "STATUS", "TYPE", "DEPOSIT_ID"];
pub(crate) const DISPUTE_ORDERS: [&str; 10] = [
    "id",
    "arn",
    "brand",
    "status",
    "stage",
    "from_stage_time_created",
    "to_stage_time_created",
    "adjustment_funding",
    "from_adjustment_time_created",
    "to_adjustment_time_created",
];

const DEFAULT_PAGE_SIZE: usize = 5;
const MAX_PAGE_SIZE: usize = 1000;

/// What a query asks for.
pub(crate) struct List {
    filters: Vec<(String, String)>,
    from: Option<String>,
    to: Option<String>,
    earliest: OffsetDateTime,
    page: usize,
    page_size: usize,
    descending: bool,
    order_by: String,
    now: OffsetDateTime,
}

/// A part of a list.
pub(crate) struct Page<'a, T> {
    pub(crate) total: usize,
    pub(crate) items: Vec<&'a T>,
}

impl List {
    pub(crate) fn read(
        query: &[(String, String)],
        now: OffsetDateTime,
        orders: &[&str],
    ) -> Result<Self, Refusal> {
        let mut list = Self {
            filters: Vec::new(),
            from: None,
            to: None,
            earliest: now - LIST_WINDOW,
            page: 1,
            page_size: DEFAULT_PAGE_SIZE,
            descending: false,
            order_by: orders.first().copied().unwrap_or_default().into(),
            now,
        };
        for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
            let unexpected = || Refusal::unexpected(name);
            let number = |most: usize| {
                value
                    .parse::<usize>()
                    .ok()
                    .filter(|number| (1..=most).contains(number))
                    .ok_or_else(unexpected)
            };
            match name.as_str() {
                "page" => list.page = number(1_000_000)?,
                "page_size" => list.page_size = number(MAX_PAGE_SIZE)?,
                "order" => match value.as_str() {
                    "ASC" => list.descending = false,
                    "DESC" => list.descending = true,
                    _ => return Err(unexpected()),
                },
                "order_by" if orders.contains(&value.as_str()) => list.order_by = value.clone(),
                "order_by" => return Err(unexpected()),
                "from_time_created" => list.from = Some(date(value).ok_or_else(unexpected)?),
                "to_time_created" => list.to = Some(date(value).ok_or_else(unexpected)?),
                name if name.starts_with("from_") || name.starts_with("to_") => {
                    let day = date(value).ok_or_else(unexpected)?;
                    list.filters.push((name.into(), day));
                }
                _ => list.filters.push((name.clone(), value.clone())),
            }
        }
        Ok(list)
    }

    /// Whether something made at this time belongs to the list: in the asked days, or in the last thirty.
    pub(crate) fn covers(&self, at: OffsetDateTime) -> bool {
        let text = timestamp(at);
        let day = text.get(..10).unwrap_or_default();
        let from = match &self.from {
            Some(from) => day >= from.as_str(),
            None => at >= self.earliest,
        };
        from && self.to.as_ref().is_none_or(|to| day <= to.as_str())
    }

    /// Whether a time is between the days of `from_…` and `to_…`, as far as they are given.
    pub(crate) fn within(&self, name: &str, time: &str) -> bool {
        let day = time.get(..10).unwrap_or_default();
        self.filter(&format!("from_{name}"))
            .is_none_or(|from| day >= from)
            && self.filter(&format!("to_{name}")).is_none_or(|to| day <= to)
    }

    /// Puts what was kept, which comes oldest first, into the order that was asked for.
    pub(crate) fn sort<T>(&self, kept: &mut [T], key: impl Fn(&T, &str) -> String) {
        kept.sort_by_cached_key(|item| key(item, &self.order_by));
    }

    pub(crate) fn filter(&self, name: &str) -> Option<&str> {
        let mut filters = self.filters.iter();
        filters
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a value matches in any case: the platform returns the reference in capitals.
    pub(crate) fn matches(&self, name: &str, value: &str) -> bool {
        self.filter(name)
            .is_none_or(|requested| requested.eq_ignore_ascii_case(value))
    }

    /// The asked page of what was kept, which comes oldest first.
    pub(crate) fn page<'a, T>(&self, kept: &[&'a T]) -> Page<'a, T> {
        let skipped = (self.page - 1).saturating_mul(self.page_size);
        let part = |items: &mut dyn Iterator<Item = &&'a T>| {
            items.skip(skipped).take(self.page_size).copied().collect()
        };
        Page {
            total: kept.len(),
            items: if self.descending {
                part(&mut kept.iter().rev())
            } else {
                part(&mut kept.iter())
            },
        }
    }

    /// Whether an amount is the one that was asked for. Clients send some with leading zeros.
    pub(crate) fn matches_amount(&self, amount: &str) -> bool {
        self.filter("amount")
            .is_none_or(|requested| requested.trim_start_matches('0') == amount)
    }

    pub(crate) fn answer(
        &self,
        app: &App,
        account: Option<&Account>,
        total: usize,
        name: &str,
        items: Vec<Value>,
        action: &str,
    ) -> Value {
        let filter: Map<String, Value> = self
            .filters
            .iter()
            .map(|(name, value)| {
                let value = if name == "reference" {
                    value.to_uppercase()
                } else {
                    value.clone()
                };
                (name.clone(), value.into())
            })
            .collect();
        let mut answer = json!({
            "total_record_count": total,
            "current_page_size": items.len(),
            "merchant_id": app.merchant_id,
            "merchant_name": app.merchant_name,
            "account_id": account.map(|account| &account.id),
            "account_name": account.map(|account| &account.name),
            "filter": filter,
            "paging": {
                "page_size": self.page_size,
                "page": self.page,
                "order": if self.descending { "DESC" } else { "ASC" },
                "order_by": self.order_by,
            },
            "action": {
                "id": format!("ACT_{}", alphanumerics(30)),
                "type": action,
                "time_created": timestamp(self.now),
                "result_code": "SUCCESS",
                "app_id": app.id,
                "app_name": app.name,
            },
        });
        if let Some(fields) = answer.as_object_mut() {
            fields.insert(name.into(), items.into());
        }
        answer
    }
}

/// `YYYY-MM-DD`, alone or before a time.
fn date(text: &str) -> Option<String> {
    let day = text.get(..10)?;
    let fits = day.bytes().enumerate().all(|(index, byte)| match index {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    fits.then(|| day.into())
}
