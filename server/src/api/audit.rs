//! `/v1/audit`: who did what.

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::contract::refusals;
use super::{Page, PageQuery};
use crate::App;
use crate::access::Merchant;
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::store::{AuditEntry, AuditId};

refusals! {
    /// Errors of the list.
    ListRefused = MERCHANT | QUERY | STORE [];
}

/// What the audit log can be narrowed to.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the contract")]
struct AuditQuery {
    /// Only what this API key has done, or `configuration` or `command`.
    #[param(min_length = 1, max_length = 255, value_type = String, required = false)]
    actor: Option<String>,
    /// Only what was done to this.
    #[param(min_length = 1, max_length = 255, value_type = String, required = false)]
    object: Option<String>,
}

/// Who did what, and how it ended.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(super) struct AuditResource {
    /// The id of the entry.
    #[schema(example = "aud_5f0c1d2e")]
    id: String,
    #[schema(format = DateTime)]
    at: String,
    /// The id of an API key, `configuration` for the key of the configuration, or `command`.
    #[schema(example = "key_5f0c1d2e")]
    actor: String,
    /// The operation's name in this contract, or the command.
    #[schema(example = "refundPayment")]
    operation: String,
    /// The id of what it was done to, or the SHA-256 of a customer's reference.
    #[schema(required, example = "pay_5f0c1d2e")]
    object: Option<String>,
    /// `done`, or the code of the refusal.
    #[schema(example = "done")]
    outcome: String,
    /// The HTTP status.
    #[schema(required)]
    status: Option<u16>,
    /// The `request_id` of the answer and of the server's log.
    #[schema(required)]
    request_id: Option<String>,
}

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditList {
    data: Vec<AuditResource>,
    /// `after` for the next page; null on the last page.
    #[schema(required)]
    next: Option<String>,
}

fn resource((id, entry): (AuditId, AuditEntry)) -> AuditResource {
    AuditResource {
        id: id.to_string(),
        at: rfc3339(entry.at),
        actor: entry.actor,
        operation: entry.operation,
        object: entry.object,
        outcome: entry.outcome,
        status: entry.status,
        request_id: entry.request_id,
    }
}

/// Lists who did what, newest first: each call with an API key that changed something or was refused, and each command.
#[utoipa::path(get, operation_id = "listAudit", path = "/v1/audit",
    tag = "audit", security(("api_key" = ["admin"])),
    params(PageQuery, AuditQuery),
    responses((status = 200, body = AuditList), ListRefused))]
pub(super) async fn list(
    State(app): State<App>,
    _: Merchant,
    RawQuery(query): RawQuery,
) -> Result<Json<AuditList>, ApiError> {
    let page = Page::read(query.as_deref(), &["actor", "object"])?;
    let after = page.after.as_deref().map(AuditId::from);
    let (actor, object) = (page.filter("actor"), page.filter("object"));
    let entries = app
        .store
        .audit_entries(actor, object, after.as_ref(), page.limit + 1)
        .await?;
    let (entries, next) = page.cut(entries, |(id, _)| id.as_str());
    Ok(Json(AuditList {
        data: entries.into_iter().map(resource).collect(),
        next,
    }))
}
