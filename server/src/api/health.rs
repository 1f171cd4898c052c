//! `GET /livez`, `/readyz` and `/healthz`: whether the process runs, and whether it can do its work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::App;
use crate::error::{ApiError, Code};

/// The process answers.
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The database can be read and written.
pub(super) async fn show(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    if app.store.health(app.clock.now()).await.is_ready() {
        Ok(live().await)
    } else {
        Err(Code::StorageUnavailable.into())
    }
}

/// Each part of the database by itself, which decides, and how the platforms answered last, which does not: a platform
/// that is down is no reason to take this server out of service.
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let health = app.store.health(app.clock.now()).await;
    let word = |well: bool| if well { "ok" } else { "failing" };
    let platforms: Map<String, Value> = app
        .config
        .platforms()
        .into_iter()
        .map(|(id, _)| (id.into(), app.reachability(id).as_str().into()))
        .collect();
    let (status, text) = if health.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    let body = json!({
        "status": text,
        "checks": {
            "reader": word(health.reader),
            "writer": word(health.writer),
            "migrations": word(health.migrations),
        },
        "platforms": platforms,
    });
    (status, Json(body))
}
