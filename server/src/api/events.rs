//! `/v1/events`: what the merchant was told, and is to be told.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::contract::refusals;
use super::{Page, PageQuery};
use crate::App;
use crate::access::Merchant;
use crate::clock::rfc3339;
use crate::error::{ApiError, Code};
use crate::store::{EventId, EventKind, EventState, StoredEvent};

refusals! {
    /// Errors of the list.
    ListRefused = MERCHANT | QUERY | STORE [];
    /// Errors of `GET /v1/events/{id}`.
    ShowRefused = MERCHANT | STORE [EventNotFound];
}

/// The event in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the contract")]
struct EventPath {
    /// The id of the event.
    #[param(example = "evt_5f0c1d2e")]
    id: String,
}

/// What a list of events can be narrowed to.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the contract")]
struct EventQuery {
    /// Only events of this payment, stored card or customer.
    #[param(min_length = 1, max_length = 255, value_type = String, required = false)]
    subject: Option<String>,
    /// Only events in this state.
    #[param(value_type = DeliveryState, required = false)]
    state: Option<String>,
}

/// An event, and how far it has come.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventResource {
    /// The id of the event, which is also its `webhook-id`.
    #[schema(example = "evt_5f0c1d2e")]
    id: String,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(value_type = EventType)]
    kind: &'static str,
    /// The payment, the stored card, or the SHA-256 of the customer's reference.
    #[schema(example = "pay_5f0c1d2e")]
    subject: String,
    #[schema(value_type = DeliveryState)]
    state: &'static str,
    /// How often it was sent since it became pending.
    attempts: u32,
    /// Why the last attempt failed.
    #[schema(required, example = "status 500")]
    problem: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was delivered or given up.
    #[schema(required, format = DateTime)]
    settled_at: Option<String>,
    /// The body, as it is sent.
    #[schema(value_type = Object)]
    body: Box<RawValue>,
}

/// `pending`: it is to be sent, or sent again. `delivered`: the merchant's server has taken it. `failed`: it was sent for
/// days in vain.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "the words of `EventState`, for the contract")]
enum DeliveryState {
    Pending,
    Delivered,
    Failed,
}

/// What happened.
struct EventType;

impl utoipa::PartialSchema for EventType {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let kinds = EventKind::ALL.iter().map(|kind| kind.as_str());
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("What happened."))
            .enum_values(Some(kinds))
            .into()
    }
}

impl ToSchema for EventType {}

/// A page of events.
#[derive(Serialize, ToSchema)]
pub(super) struct EventList {
    data: Vec<EventResource>,
    /// `after` for the next page; null on the last page.
    #[schema(required)]
    next: Option<String>,
}

impl TryFrom<StoredEvent> for EventResource {
    type Error = ApiError;

    fn try_from(event: StoredEvent) -> Result<Self, ApiError> {
        Ok(Self {
            id: event.id.to_string(),
            kind: event.kind.as_str(),
            subject: event.subject,
            state: event.state.as_str(),
            attempts: event.attempts,
            problem: event.problem,
            created_at: rfc3339(event.created_at),
            settled_at: event.settled_at.map(rfc3339),
            body: RawValue::from_string(event.body)
                .map_err(|_| ApiError::internal("the body of an event is not JSON"))?,
        })
    }
}

/// Lists events, newest first.
#[utoipa::path(get, operation_id = "listEvents", path = "/v1/events",
    tag = "events", security(("api_key" = ["read"])),
    params(PageQuery, EventQuery),
    responses((status = 200, body = EventList), ListRefused))]
pub(super) async fn list(
    State(app): State<App>,
    _: Merchant,
    RawQuery(query): RawQuery,
) -> Result<Json<EventList>, ApiError> {
    let page = Page::read(query.as_deref(), &["subject", "state"])?;
    let state = match page.filter("state") {
        None => None,
        Some(word) => Some(
            EventState::ALL
                .into_iter()
                .find(|state| state.as_str() == word)
                .ok_or_else(|| {
                    ApiError::field(Code::FieldInvalid, "state")
                        .detail("`state` must be `pending`, `delivered` or `failed`")
                })?,
        ),
    };
    let after = page.after.as_deref().map(EventId::from);
    let events = app
        .store
        .events(page.filter("subject"), state, after.as_ref(), page.limit + 1)
        .await?;
    let (events, next) = page.cut(events, |event| event.id.as_str());
    let data = events
        .into_iter()
        .map(EventResource::try_from)
        .collect::<Result<_, _>>()?;
    Ok(Json(EventList { data, next }))
}

/// Shows an event.
#[utoipa::path(get, operation_id = "showEvent", path = "/v1/events/{id}",
    tag = "events", security(("api_key" = ["read"])),
    params(EventPath),
    responses((status = 200, body = EventResource), ShowRefused))]
pub(super) async fn show(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<EventId>,
) -> Result<Json<EventResource>, ApiError> {
    let event = app.store.event(&id).await?.ok_or(Code::EventNotFound)?;
    EventResource::try_from(event).map(Json)
}

/// Sends an event again.
///
/// It keeps its id and its body. An event that is to be sent later is sent now; one that waits for an earlier event of
/// the same payment goes on waiting.
#[utoipa::path(post, operation_id = "replayEvent", path = "/v1/events/{id}/replay",
    tag = "events", security(("api_key" = ["admin"])),
    params(EventPath),
    responses((status = 202, body = EventResource, description = "It is on its way."), ShowRefused))]
pub(super) async fn replay(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<EventId>,
) -> Result<(axum::http::StatusCode, Json<EventResource>), ApiError> {
    let replayed = app.store.replay_event(&id, app.clock.steady()).await?;
    let event = replayed.ok_or(Code::EventNotFound)?;
    Ok((axum::http::StatusCode::ACCEPTED, Json(event.try_into()?)))
}
