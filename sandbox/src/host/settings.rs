//! Settings of a platform that change field by field.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The settings of a platform. Their defaults are what a simulation starts with.
pub(crate) trait Settings: Clone + Default + Serialize + DeserializeOwned + Send {
    /// Checks what the types do not.
    fn check(&self) -> Result<(), String>;

    /// Origins whose pages may call; `loopback` for all of this machine, `*` for all.
    fn cors_origins(&self) -> &[String] {
        &[]
    }

    /// Sets where notifications go, if the platform sends any.
    fn notify(&mut self, _url: Option<String>) {}
}

/// The settings with the given fields replaced.
pub(crate) fn changed<S: Settings>(settings: &S, change: &Value) -> Result<S, String> {
    let change = change.as_object().ok_or("settings are an object")?;
    let mut all = serde_json::to_value(settings).map_err(|error| error.to_string())?;
    if let Some(fields) = all.as_object_mut() {
        fields.extend(change.clone());
    }
    let changed: S = serde_json::from_value(all).map_err(|error| error.to_string())?;
    changed.check()?;
    Ok(changed)
}
