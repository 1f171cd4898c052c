//! The metadata header, which tells the platform about the caller's software: a small JSON object in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// Adds headers to every request.
pub trait MetadataProvider: Send + Sync {
    /// Returns the headers, with names in lower case. `date`, `content-type`, `authorization`, `host` and
    /// `content-length` are refused, because the communicator sets them.
    fn headers(&self) -> Vec<(&'static str, String)>;
}

/// The shop software that uses the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShoppingCartExtension {
    /// Its vendor.
    pub creator: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The id that the platform assigned to it, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MetaInfo<'a> {
    platform_identifier: String,
    sdk_identifier: &'static str,
    sdk_creator: &'static str,
    integrator: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    shopping_cart_extension: Option<&'a ShoppingCartExtension>,
}

/// The metadata header of the official SDKs, with this client's name in it.
pub struct ServerMetaInfo {
    header: &'static str,
    value: String,
}

impl ServerMetaInfo {
    /// Creates the provider. `header` is the header's name in lower case.
    #[must_use]
    pub fn new(header: &'static str, integrator: &str, extension: Option<&ShoppingCartExtension>) -> Self {
        let info = MetaInfo {
            platform_identifier: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
            sdk_identifier: concat!("Cardseal/v", env!("CARGO_PKG_VERSION")),
            sdk_creator: "Cardseal",
            integrator,
            shopping_cart_extension: extension,
        };
        Self {
            header,
            // Serializing strings cannot fail.
            value: STANDARD.encode(serde_json::to_vec(&info).unwrap_or_default()),
        }
    }
}

impl MetadataProvider for ServerMetaInfo {
    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![(self.header, self.value.clone())]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn says_who_calls_with_what() {
        let extension = ShoppingCartExtension {
            creator: "Maker".into(),
            name: "Cart".into(),
            version: "1".into(),
            extension_id: None,
        };
        let headers = ServerMetaInfo::new("x-gcs-servermetainfo", "Shop é", Some(&extension)).headers();
        assert_eq!(headers[0].0, "x-gcs-servermetainfo");
        let info: Value = serde_json::from_slice(&STANDARD.decode(&headers[0].1).unwrap()).unwrap();
        assert_eq!(info["integrator"], "Shop é");
        assert_eq!(
            info["sdkIdentifier"],
            concat!("Cardseal/v", env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(
            info["shoppingCartExtension"],
            json!({ "creator": "Maker", "name": "Cart", "version": "1" })
        );
        assert!(
            info["platformIdentifier"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
}
