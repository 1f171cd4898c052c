//! `/v1/customers`: erases what refers to a customer.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cardseal::platform::Platform;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::contract::refusals;
use super::fields::platform;
use crate::App;
use crate::access::Merchant;
use crate::customers::{self, Erasure, Item, Left};
use crate::error::{ApiError, Code};

refusals! {
    /// Errors of `DELETE /v1/customers/{customer}`.
    EraseRefused = MERCHANT | STORE [FieldInvalid];
}

/// The customer in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the contract")]
struct CustomerPath {
    /// The merchant's reference of the customer, percent-encoded.
    #[param(
        min_length = 1,
        max_length = 255,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*$",
        example = "customer-17"
    )]
    customer: String,
}

/// What was erased, and what could not be.
#[derive(Serialize, ToSchema)]
#[schema(as = Erasure)]
pub(super) struct ErasureResource {
    /// Whether nothing is left.
    complete: bool,
    erased: Erased,
    /// What still refers to the customer, and why. Send the request again later.
    left: Vec<LeftResource>,
}

/// How much this request erased.
#[derive(Serialize, ToSchema)]
struct Erased {
    /// Stored cards that were deleted, at their platform and here.
    tokens: usize,
    /// Sessions that no longer refer to the customer, or are gone.
    sessions: usize,
    /// Payments that no longer refer to the customer.
    payments: usize,
    /// Subscriptions that were cancelled, at their platform and here.
    subscriptions: usize,
}

/// Something that still refers to the customer: a token, a session or a subscription.
#[derive(Serialize, ToSchema)]
#[schema(as = Left)]
struct LeftResource {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "tok_5f0c1d2e")]
    token: Option<String>,
    /// The session that is storing a card.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "ses_5f0c1d2e")]
    session: Option<String>,
    /// The subscription that could not be cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "sub_5f0c1d2e")]
    subscription: Option<String>,
    #[schema(schema_with = platform)]
    platform: Platform,
    /// The code of the error, as in a problem.
    #[schema(example = "platform_unavailable")]
    code: &'static str,
    /// What happened.
    detail: String,
}

impl From<Left> for LeftResource {
    fn from(left: Left) -> Self {
        let error = ApiError::from(left.reason);
        let (mut token, mut session, mut subscription) = (None, None, None);
        match left.item {
            Item::Token(id) => token = Some(id.to_string()),
            Item::Session(id) => session = Some(id.to_string()),
            Item::Subscription(id) => subscription = Some(id.to_string()),
        }
        Self {
            token,
            session,
            subscription,
            platform: left.platform,
            code: error.code().as_str(),
            detail: error.detail_text().into(),
        }
    }
}

impl From<Erasure> for ErasureResource {
    fn from(erasure: Erasure) -> Self {
        Self {
            complete: erasure.left.is_empty(),
            erased: Erased {
                tokens: erasure.tokens,
                sessions: erasure.sessions,
                payments: erasure.payments,
                subscriptions: erasure.subscriptions,
            },
            left: erasure.left.into_iter().map(LeftResource::from).collect(),
        }
    }
}

/// Erases a customer.
///
/// Cancels the customer's subscriptions and deletes the stored cards, at their platforms and here, and removes the
/// customer from sessions, payments and subscriptions. Payments and subscriptions stay, without the customer and the
/// description. What its platform refuses to delete or cancel, or whose platform is away, is left. Repeat the request
/// until the answer is 200. A customer who is not known is erased already.
#[utoipa::path(delete, operation_id = "eraseCustomer", path = "/v1/customers/{customer}",
    tag = "customers", security(("api_key" = ["tokens"])),
    params(CustomerPath),
    responses(
        (status = 200, body = ErasureResource, description = "Nothing refers to the customer any more."),
        (status = 202, body = ErasureResource, description = "Something is left. Send the request again later."),
        EraseRefused,
    ),
)]
pub(super) async fn erase(
    State(app): State<App>,
    _: Merchant,
    customer: Result<Path<String>, PathRejection>,
) -> Result<(StatusCode, Json<ErasureResource>), ApiError> {
    let valid = |customer: &String| {
        (1..=255).contains(&customer.chars().count()) && !customer.chars().any(char::is_control)
    };
    let customer = customer.ok().map(|Path(customer)| customer).filter(valid);
    let customer = customer.ok_or_else(|| {
        ApiError::field(Code::FieldInvalid, "customer").detail(
            "`customer` in the path must be 1 to 255 characters without control characters, percent-encoded as UTF-8",
        )
    })?;
    let erasure = customers::erase(&app, customer).await?;
    let status = if erasure.left.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok((status, Json(ErasureResource::from(erasure))))
}
