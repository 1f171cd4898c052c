//! Settings of a platform that change field by field.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The settings with the given fields replaced.
pub(crate) fn changed<T: Serialize + DeserializeOwned>(settings: &T, change: &Value) -> Result<T, String> {
    let change = change.as_object().ok_or("settings are an object")?;
    let mut all = serde_json::to_value(settings).map_err(|error| error.to_string())?;
    if let Some(fields) = all.as_object_mut() {
        fields.extend(change.clone());
    }
    serde_json::from_value(all).map_err(|error| error.to_string())
}
