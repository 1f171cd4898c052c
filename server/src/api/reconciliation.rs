//! `/v1/reconciliation`: the payments of a day beside the platform's own records.

use axum::Json;
use axum::extract::{RawQuery, State};
use cardseal::platform::Platform;
use cardseal_gateways::gateway::{Listed, ListedKind, Outcome};
use serde::Serialize;
use time::{Date, Month};
use utoipa::{IntoParams, ToSchema};

use super::contract::refusals;
use super::fields::platform;
use super::payments::PaymentResource;
use crate::App;
use crate::access::Merchant;
use crate::error::{ApiError, Code};
use crate::payments::{self, Difference, DifferenceKind, Source};

refusals! {
    /// Errors of `GET /v1/reconciliation`.
    ReconcileRefused = MERCHANT | QUERY | STORE | PLATFORM [FieldMissing];
}

/// Which payments to compare.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the contract")]
struct DayQuery {
    #[param(schema_with = platform)]
    platform: String,
    /// The day in UTC.
    #[param(example = "2026-11-30", format = Date)]
    day: String,
}

/// The payments of a day beside the platform's own records.
#[derive(Serialize, ToSchema)]
#[schema(as = Reconciliation)]
pub(super) struct ReconciliationResource {
    #[schema(schema_with = platform)]
    platform: Platform,
    /// The day in UTC.
    #[schema(format = Date, example = "2026-11-30")]
    day: String,
    #[schema(inline)]
    source: SourceResource,
    /// How many payments are the same on both sides.
    matched: usize,
    /// Whether everything was compared. If not, the day has more payments than one report compares.
    complete: bool,
    /// What is not the same on both sides.
    differences: Vec<DifferenceResource>,
}

/// How the report came about: from the platform's list of the day, by asking the platform about each payment, or not at
/// all, because the platform cannot be asked. Then the report says what is unknown here.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SourceResource {
    List,
    Lookups,
    None,
}

/// Something that is not the same on both sides.
#[derive(Serialize, ToSchema)]
#[schema(as = Difference)]
struct DifferenceResource {
    #[schema(inline)]
    kind: KindResource,
    /// The payment here.
    #[schema(required)]
    payment: Option<PaymentResource>,
    /// What the platform says.
    #[schema(required)]
    platform: Option<PlatformRecord>,
}

/// What differs.
///
/// `unknown`: the outcome is not known here. `missing_here`: the platform has a charge or a refund that is not known
/// here. `missing_there`: the platform does not know a payment that went through here. `charged_twice`: the platform
/// charged one reference more than once. `unchecked`: the payment was settled by hand, and there is no id to look it up
/// by. `status`, `amount`: the two sides do not say the same.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum KindResource {
    Unknown,
    MissingHere,
    MissingThere,
    ChargedTwice,
    Unchecked,
    Status,
    Amount,
}

/// A charge or a refund, as the platform has it.
#[derive(Serialize, ToSchema)]
struct PlatformRecord {
    /// The platform's id.
    id: String,
    #[schema(inline)]
    kind: RecordKind,
    /// The merchant's reference.
    #[schema(required)]
    reference: Option<String>,
    /// Decimal text in major units; null if the platform's cannot be read.
    #[schema(required, example = "12.34")]
    amount: Option<String>,
    #[schema(required, example = "USD")]
    currency: Option<&'static str>,
    #[schema(inline)]
    status: RecordStatus,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RecordKind {
    Charge,
    Refund,
}

/// The platform's word for the outcome, in this server's words. `unknown` if it has not decided.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RecordStatus {
    Approved,
    Authorized,
    Voided,
    Declined,
    Unknown,
}

impl From<Difference> for DifferenceResource {
    fn from(difference: Difference) -> Self {
        Self {
            kind: match difference.kind {
                DifferenceKind::Unknown => KindResource::Unknown,
                DifferenceKind::MissingHere => KindResource::MissingHere,
                DifferenceKind::MissingThere => KindResource::MissingThere,
                DifferenceKind::ChargedTwice => KindResource::ChargedTwice,
                DifferenceKind::Unchecked => KindResource::Unchecked,
                DifferenceKind::Status => KindResource::Status,
                DifferenceKind::Amount => KindResource::Amount,
            },
            payment: difference.payment.as_ref().map(PaymentResource::from),
            platform: difference.platform.map(PlatformRecord::from),
        }
    }
}

impl From<Listed> for PlatformRecord {
    fn from(listed: Listed) -> Self {
        Self {
            id: listed.platform_id,
            kind: match listed.kind {
                ListedKind::Charge => RecordKind::Charge,
                ListedKind::Refund => RecordKind::Refund,
            },
            reference: listed.reference,
            amount: listed.amount.map(|amount| amount.to_decimal_text()),
            currency: listed.amount.map(|amount| amount.currency().code()),
            status: match listed.outcome {
                Outcome::Approved(_) => RecordStatus::Approved,
                Outcome::Authorized(_) => RecordStatus::Authorized,
                Outcome::Voided(_) => RecordStatus::Voided,
                Outcome::Declined(_) => RecordStatus::Declined,
                Outcome::Pending(_) | Outcome::Unknown(_) => RecordStatus::Unknown,
            },
        }
    }
}

/// Compares the payments of a day with the platform's own records.
///
/// Changes nothing, here or there. A platform that lists payments is read page by page, which takes seconds on a busy
/// day; at the others each payment is looked up, or nothing can be asked (`source`).
#[utoipa::path(get, operation_id = "reconcile", path = "/v1/reconciliation",
    tag = "payments", security(("api_key" = ["read"])),
    params(DayQuery),
    responses((status = 200, body = ReconciliationResource), ReconcileRefused))]
pub(super) async fn show(
    State(app): State<App>,
    _: Merchant,
    RawQuery(query): RawQuery,
) -> Result<Json<ReconciliationResource>, ApiError> {
    let mut pairs = super::pairs(query.as_deref(), &["platform", "day"])?;
    let mut take = |name: &str| {
        let at = pairs.iter().position(|(other, _)| *other == name);
        at.map(|at| pairs.swap_remove(at).1)
            .ok_or_else(|| ApiError::field(Code::FieldMissing, name))
    };
    let platform = Platform::from_id(&take("platform")?).ok_or_else(|| app.unknown_platform())?;
    let day = read_day(&take("day")?)?;
    let report = payments::compare(&app, platform, day).await?;
    Ok(Json(ReconciliationResource {
        platform,
        day: day.to_string(),
        source: match report.source {
            Source::List => SourceResource::List,
            Source::Lookups => SourceResource::Lookups,
            Source::None => SourceResource::None,
        },
        matched: report.matched,
        complete: report.complete,
        differences: report
            .differences
            .into_iter()
            .map(DifferenceResource::from)
            .collect(),
    }))
}

/// Reads `2026-11-30`.
fn read_day(text: &str) -> Result<Date, ApiError> {
    let digits = text.bytes().enumerate().all(|(at, byte)| {
        if matches!(at, 4 | 7) {
            byte == b'-'
        } else {
            byte.is_ascii_digit()
        }
    });
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<u16>().ok();
    let read = || {
        let year = i32::from(part(0..4)?);
        let month = Month::try_from(u8::try_from(part(5..7)?).ok()?).ok()?;
        Date::from_calendar_date(year, month, u8::try_from(part(8..10)?).ok()?).ok()
    };
    (text.len() == 10 && digits).then(read).flatten().ok_or_else(|| {
        ApiError::field(Code::FieldInvalid, "day").detail("`day` must be a day such as 2026-11-30, in UTC")
    })
}
