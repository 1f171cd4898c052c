//! `GET /livez`, `/readyz` and `/healthz`: whether the process runs, and whether it is ready for requests.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::contract::refusals;
use crate::App;
use crate::error::{ApiError, Code};

refusals! {
    /// Errors of `GET /healthz`.
    Unhealthy = [StorageUnavailable];
}

/// The server is healthy.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    status: HealthStatus,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum HealthStatus {
    Ok,
}

/// Whether the server is ready for requests.
#[derive(Serialize, ToSchema)]
pub(super) struct Readiness {
    status: ReadinessStatus,
    checks: Checks,
    /// How the last call to each platform ended. This does not affect readiness.
    #[schema(value_type = BTreeMap<String, PlatformReach>)]
    platforms: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ReadinessStatus {
    Ready,
    NotReady,
}

/// The parts of the database.
#[derive(Serialize, ToSchema)]
struct Checks {
    reader: Check,
    writer: Check,
    migrations: Check,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Check {
    Ok,
    Failing,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "the words of `Reachability`, for the contract")]
enum PlatformReach {
    Reachable,
    Unreachable,
    Unknown,
}

/// Whether the process runs.
#[utoipa::path(get, operation_id = "live", path = "/livez",
    tag = "health", responses((status = 200, body = Health)))]
pub(super) async fn live() -> Json<Health> {
    Json(Health {
        status: HealthStatus::Ok,
    })
}

/// Whether the database can be read and written.
#[utoipa::path(get, operation_id = "health", path = "/healthz",
    tag = "health", responses((status = 200, body = Health), Unhealthy))]
pub(super) async fn show(State(app): State<App>) -> Result<Json<Health>, ApiError> {
    if app.store.health(app.clock.now()).await.is_ready() {
        Ok(live().await)
    } else {
        Err(Code::StorageUnavailable.into())
    }
}

/// Whether the server is ready for requests, and why if it is not.
///
/// The checks of the database decide. How the last call to each platform ended does not: a platform that is down is
/// no reason to take this server out of service.
#[utoipa::path(get, operation_id = "ready", path = "/readyz",
    tag = "health", responses(
    (status = 200, body = Readiness),
    (status = 503, body = Readiness, description = "The database cannot be read or written."),
))]
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let health = app.store.health(app.clock.now()).await;
    let word = |well: bool| if well { Check::Ok } else { Check::Failing };
    let platforms = app.config.platforms().into_iter();
    let (code, status) = if health.is_ready() {
        (StatusCode::OK, ReadinessStatus::Ready)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, ReadinessStatus::NotReady)
    };
    let readiness = Readiness {
        status,
        checks: Checks {
            reader: word(health.reader),
            writer: word(health.writer),
            migrations: word(health.migrations),
        },
        platforms: platforms
            .map(|(id, _)| (id.id(), app.reachability(id).as_str()))
            .collect(),
    };
    (code, Json(readiness))
}
