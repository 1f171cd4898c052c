//! The control API below `/_sandbox`: shows what was recorded, moves the clock, and sets up faults.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::faults::Fault;
use super::{Mounted, Shared, clock};
use crate::Info;

/// What the control API works on.
pub(crate) struct Control {
    pub(crate) info: Info,
    pub(crate) shared: Shared,
    pub(crate) platforms: Vec<Arc<dyn Mounted>>,
}

/// A request that the control API refuses.
pub(crate) struct ControlError(StatusCode, String);

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl ControlError {
    fn unprocessable(text: impl Into<String>) -> Self {
        Self(StatusCode::UNPROCESSABLE_ENTITY, text.into())
    }

    /// What is wrong.
    pub(crate) fn text(self) -> String {
        self.1
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    #[serde(default)]
    advance_seconds: Option<f64>,
    #[serde(default)]
    reset: bool,
}

impl Control {
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route(
                "/_sandbox",
                get(async |State(control): State<Arc<Self>>| Json(control.info.clone())),
            )
            .route(
                "/_sandbox/state",
                get(async |State(control): State<Arc<Self>>| Json(control.state())),
            )
            .route("/_sandbox/clock", post(change_clock))
            .route("/_sandbox/faults", post(add_fault).delete(clear_faults))
            .route("/_sandbox/reset", post(reset))
            .route(
                "/_sandbox/{platform}/settings",
                get(settings).post(change_settings),
            )
            .route("/_sandbox/{platform}/{command}", post(command))
            .with_state(self)
    }

    pub(crate) fn state(&self) -> Value {
        let state: Map<_, _> = self
            .platforms
            .iter()
            .map(|platform| (platform.id().to_owned(), platform.state()))
            .collect();
        state.into()
    }

    pub(crate) fn add_fault(&self, fault: Fault) -> Result<(), ControlError> {
        let platform = self.platform(&fault.platform)?;
        if fault.route != "*" && !platform.fault_routes().contains(&fault.route.as_str()) {
            let routes = platform.fault_routes().join(", ");
            return Err(ControlError::unprocessable(format!(
                "unknown route; there are: *, {routes}"
            )));
        }
        if fault.every == 0 {
            return Err(ControlError::unprocessable("every is a number from 1 on"));
        }
        self.shared.faults.add(fault);
        Ok(())
    }

    pub(crate) fn change_settings(&self, platform: &str, change: &Value) -> Result<(), ControlError> {
        self.platform(platform)?
            .change_settings(change)
            .map_err(ControlError::unprocessable)
    }

    pub(crate) async fn command(
        &self,
        platform: &str,
        name: &str,
        body: &Value,
    ) -> Result<Value, ControlError> {
        let unknown = || ControlError(StatusCode::NOT_FOUND, "unknown command".into());
        let platform = self.platform(platform)?.clone();
        let result = platform.command(name, body).await.ok_or_else(unknown)?;
        result.map_err(ControlError::unprocessable)
    }

    pub(crate) fn reset(&self) {
        self.shared.faults.clear();
        self.shared.clock.reset();
        for platform in &self.platforms {
            platform.reset();
        }
    }

    fn platform(&self, id: &str) -> Result<&Arc<dyn Mounted>, ControlError> {
        let found = self.platforms.iter().find(|platform| platform.id() == id);
        found.ok_or_else(|| ControlError(StatusCode::NOT_FOUND, "unknown platform".into()))
    }
}

/// Reads JSON of any content type, so that `curl -d` works as it is.
fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, ControlError> {
    serde_json::from_slice(body).map_err(|error| ControlError(StatusCode::BAD_REQUEST, error.to_string()))
}

async fn change_clock(State(control): State<Arc<Control>>, body: Bytes) -> Result<Json<Value>, ControlError> {
    let change: ClockChange = read(&body)?;
    if change.reset {
        control.shared.clock.reset();
    }
    if let Some(seconds) = change.advance_seconds {
        let by = Duration::try_from_secs_f64(seconds)
            .map_err(|_| ControlError::unprocessable("advance_seconds is a number of seconds from 0 on"))?;
        control.shared.clock.advance(by);
    }
    Ok(Json(json!({ "now": clock::text(control.shared.clock.now()) })))
}

async fn add_fault(State(control): State<Arc<Control>>, body: Bytes) -> Result<StatusCode, ControlError> {
    control.add_fault(read(&body)?)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_faults(State(control): State<Arc<Control>>) -> StatusCode {
    control.shared.faults.clear();
    StatusCode::NO_CONTENT
}

async fn reset(State(control): State<Arc<Control>>) -> StatusCode {
    control.reset();
    StatusCode::NO_CONTENT
}

async fn settings(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ControlError> {
    Ok(Json(control.platform(&id)?.settings()))
}

async fn change_settings(
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    control.change_settings(&id, &read(&body)?)?;
    Ok(Json(control.platform(&id)?.settings()))
}

async fn command(
    State(control): State<Arc<Control>>,
    Path((platform, name)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let body = if body.is_empty() { json!({}) } else { read(&body)? };
    Ok(Json(control.command(&platform, &name, &body).await?))
}
