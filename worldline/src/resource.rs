//! Paths and queries of requests.
//!
//! Ids and query values that would need escaping are refused. So no id can change the path, and the text that is
//! signed is the text that is sent.

use crate::errors::Mistake;

/// A path with a query, and the same with secrets masked, for the log.
#[derive(Clone, PartialEq, Eq)]
pub struct Resource {
    text: String,
    shown: String,
    secrets: Vec<String>,
    query: bool,
}

/// The most characters of an id or a query value.
const MAX_LENGTH: usize = 128;

impl Resource {
    /// Starts with a fixed text.
    #[must_use]
    pub fn new(fixed: &'static str) -> Self {
        Self {
            text: fixed.into(),
            shown: fixed.into(),
            secrets: Vec::new(),
            query: false,
        }
    }

    /// Appends a fixed text.
    #[must_use]
    pub fn then(mut self, fixed: &'static str) -> Self {
        self.text.push_str(fixed);
        self.shown.push_str(fixed);
        self
    }

    /// Appends an id. `name` is used in the error.
    ///
    /// # Errors
    /// Fails if [`is_id`] is false.
    pub fn id(mut self, name: &'static str, id: &str) -> Result<Self, Mistake> {
        let id = checked(name, id)?;
        self.text.push_str(id);
        self.shown.push_str(id);
        Ok(self)
    }

    /// Appends an id that must not be logged, such as a token.
    ///
    /// # Errors
    /// As for [`Resource::id`].
    pub fn secret_id(mut self, name: &'static str, id: &str) -> Result<Self, Mistake> {
        let id = checked(name, id)?;
        self.text.push_str(id);
        self.shown.push_str("********");
        self.secrets.push(id.into());
        Ok(self)
    }

    /// Adds a query parameter.
    ///
    /// # Errors
    /// Fails if the value is empty, needs escaping, or has more than 128 characters.
    pub fn query(mut self, name: &'static str, value: &str) -> Result<Self, Mistake> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if value.is_empty() || value.len() > MAX_LENGTH || !value.bytes().all(plain) {
            return Err(Mistake::Value(name));
        }
        let part = format!("{}{name}={value}", if self.query { '&' } else { '?' });
        self.query = true;
        self.text.push_str(&part);
        self.shown.push_str(&part);
        Ok(self)
    }

    /// Returns the text that is sent and signed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the ids that must not be logged.
    #[must_use]
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Returns the text for the log.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

impl std::fmt::Debug for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

fn checked<'a>(name: &'static str, id: &'a str) -> Result<&'a str, Mistake> {
    if is_id(id) {
        Ok(id)
    } else {
        Err(Mistake::Value(name))
    }
}

/// Whether a text is usable as an id in a path: 1 to 128 letters, digits, `-` and `_`.
#[must_use]
pub fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_would_bend_a_path_or_a_query() {
        for bad in [
            "", ".", "..", "a/b", "a/../b", "a#frag", "a?x=1", "a%2fb", "a b", "é", "a\nb", "a&b", "a;b",
            "a\\b", "a@b", "a:b",
        ] {
            assert!(Resource::new("/v2/").id("id", bad).is_err(), "{bad:?}");
            assert!(Resource::new("/v2/").secret_id("id", bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "a&b=c", "a#", "a%20", "ü", "a=b", "a+b", "a/b"] {
            assert_eq!(
                Resource::new("/x").query("locale", bad),
                Err(Mistake::Value("locale")),
                "{bad:?}"
            );
        }
        assert!(Resource::new("/").id("id", &"a".repeat(129)).is_err());
    }

    #[test]
    fn keeps_secrets_out_of_what_is_shown() {
        let resource = Resource::new("/v2/")
            .id("merchantId", "MyPSPID")
            .unwrap()
            .then("/tokens/")
            .secret_id("token", "0123-abc")
            .unwrap()
            .query("hide", "fields")
            .unwrap()
            .query("hide", "accountsOnFile")
            .unwrap();
        assert_eq!(
            (resource.as_str(), resource.shown()),
            (
                "/v2/MyPSPID/tokens/0123-abc?hide=fields&hide=accountsOnFile",
                "/v2/MyPSPID/tokens/********?hide=fields&hide=accountsOnFile"
            )
        );
        assert!(!format!("{resource:?}").contains("0123-abc"));
    }

    proptest! {
        /// Whatever values a caller passes, the URL keeps its segments, and parsing does not change it.
        #[test]
        fn an_address_is_what_it_looks_like(id in ".{0,40}", value in ".{0,20}") {
            if let Ok(resource) = Resource::new("/v2/m/tokens/").id("token", &id)
                && let Ok(resource) = resource.query("locale", &value)
            {
                let url = url::Url::parse(&format!("https://host{}", resource.as_str())).unwrap();
                let segments: Vec<_> = url.path_segments().unwrap().collect();
                prop_assert_eq!(segments, vec!["v2", "m", "tokens", id.as_str()]);
                let pairs: Vec<_> = url.query_pairs().into_owned().collect();
                prop_assert_eq!(pairs, vec![("locale".to_owned(), value)]);
                prop_assert!(url.fragment().is_none());
                let sent = format!("{}?{}", url.path(), url.query().unwrap());
                prop_assert_eq!(sent, resource.as_str());
            }
        }
    }
}
