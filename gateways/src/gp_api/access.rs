//! Bearer tokens, and the one way to call with the server's own.

use std::sync::Arc;
use std::time::Duration;

use cardseal::gp_api::{VERSION, VERSION_HEADER};
use cardseal::http::Request;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sha2::{Digest, Sha512};

use super::GpApi;
use super::answer::{Problem, read};
use super::wire::{AccessToken, AccessTokenRequest, Call};
use crate::error::{Doubt, Error, Refusal, Rejection};
use crate::gateway::PlatformSession;
use crate::transport::access::is_token;
use crate::transport::{Response, Transport};

/// What a page may do.
const BROWSER_PERMISSION: &str = "PMT_POST_Create_Single";
const BROWSER_SECONDS: u32 = 600;
/// What of the server's own token a leak would give away lasts no longer.
const SERVER_SECONDS: u32 = 3600;

/// No token of the platform comes near.
const LONGEST_TOKEN: usize = 4096;

/// The server's own token.
pub(super) struct Access {
    bearer: SecretString,
    account_id: String,
}

/// The `secret` of an access-token request: lower-case hex of SHA-512 over nonce and key, nothing between.
pub(super) fn secret(nonce: &str, app_key: &str) -> String {
    hex::encode(Sha512::new().chain_update(nonce).chain_update(app_key).finalize())
}

fn headers() -> Vec<(&'static str, String)> {
    vec![
        ("accept", "application/json".into()),
        ("content-type", "application/json".into()),
        (VERSION_HEADER, VERSION.into()),
    ]
}

impl GpApi {
    async fn access_token(
        &self,
        transport: &Transport,
        seconds: u32,
        permission: Option<&str>,
    ) -> Result<AccessToken, Error> {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let params = AccessTokenRequest {
            app_id: &self.app_id,
            secret: &secret(&nonce, self.app_key.expose_secret()),
            nonce: &nonce,
            grant_type: "client_credentials",
            seconds_to_expire: seconds,
            permissions: permission.map(|permission| [permission]),
            restricted_token: permission.map(|_| "YES"),
        };
        let request = Request {
            method: "POST",
            url: format!("{}/accesstoken", self.base_url),
            headers: headers(),
            body: serde_json::to_string(&params).map_err(|_| Refusal::NotSent)?,
        };
        let answer = read(&transport.send(request).await?)?;
        AccessToken::read(&answer)
            .filter(|token| is_token(&token.token, LONGEST_TOKEN))
            .ok_or(Error::Doubtful(Doubt::Undecodable))
    }

    /// A session of a page: a token for one payment method.
    pub(super) async fn browser_access(
        &self,
        transport: &Transport,
        reference: &str,
    ) -> Result<PlatformSession, Error> {
        let token = self
            .access_token(transport, BROWSER_SECONDS, Some(BROWSER_PERMISSION))
            .await?;
        let more = token
            .accounts
            .iter()
            .flat_map(|account| &account.permissions)
            .any(|permission| permission != BROWSER_PERMISSION);
        if more {
            // It could do more than it was asked for: no page gets it.
            return Err(Error::Doubtful(Doubt::Contradictory));
        }
        Ok(PlatformSession {
            public: self.public(&token.token, reference),
            // The page may ask for its session again.
            state: token.token.into(),
            seconds: token.seconds_to_expire.min(BROWSER_SECONDS),
        })
    }

    /// What a page needs.
    pub(super) fn public(&self, access_token: &str, reference: &str) -> Map<String, Value> {
        let mut public = Map::new();
        public.insert("access_token".into(), access_token.into());
        public.insert("base_url".into(), self.base_url.as_str().into());
        public.insert("reference".into(), reference.into());
        if let Some(name) = &self.tokenization_account_name {
            public.insert("account_name".into(), name.as_str().into());
        }
        public
    }

    async fn access(&self, transport: &Transport) -> Result<(Arc<Access>, Duration), Error> {
        let token = self.access_token(transport, SERVER_SECONDS, None).await?;
        let lifetime = Duration::from_secs(token.seconds_to_expire.into());
        let access = Access {
            account_id: self.account(&token)?,
            bearer: token.token.into(),
        };
        Ok((Arc::new(access), lifetime))
    }

    /// The transaction account of a token. Names are case-sensitive; without a configured one, the usual name
    /// goes before the first account of the kind.
    fn account(&self, token: &AccessToken) -> Result<String, Error> {
        let accounts = || {
            token
                .accounts
                .iter()
                .filter(|account| account.id.starts_with("TRA_"))
        };
        let named = |name: &str| accounts().find(|account| account.name == name);
        let account = match &self.account_name {
            Some(name) => named(name),
            None => named("transaction_processing").or_else(|| accounts().next()),
        };
        account.map(|account| account.id.clone()).ok_or_else(|| {
            Refusal::Rejected(Rejection {
                code: Some("account_not_in_scope".into()),
                message: "the access token reaches no transaction account of the configured name".into(),
                ..Rejection::default()
            })
            .into()
        })
    }

    /// Calls with the server's own token, and with the same idempotency key if it is sent again.
    pub(super) async fn call(&self, transport: &Transport, call: &Call<'_>) -> Result<Response, Error> {
        let fetch = async || {
            let fetched = self.access(transport).await;
            fetched.map_err(|error| error.before_sending().into())
        };
        let send = async |access: Arc<Access>| Ok(transport.send(self.request(call, &access)).await?);
        self.access.send(fetch, send).await
    }

    fn request(&self, call: &Call<'_>, access: &Access) -> Request {
        let mut headers = headers();
        headers.push((
            "authorization",
            format!("Bearer {}", access.bearer.expose_secret()),
        ));
        if let Some(key) = call.key {
            headers.push(("x-gp-idempotency", key.into()));
        }
        let body = call.body.as_ref().map(|body| {
            let mut body = body.clone();
            if call.account
                && let Some(body) = body.as_object_mut()
            {
                body.insert("account_id".into(), access.account_id.as_str().into());
            }
            body.to_string()
        });
        Request {
            method: call.method,
            url: format!("{}{}", self.base_url, call.path),
            headers,
            body: body.unwrap_or_default(),
        }
    }

    /// Calls and reads.
    pub(super) async fn fetch(&self, transport: &Transport, call: &Call<'_>) -> Result<Value, CallError> {
        let answer = self.call(transport, call).await.map_err(CallError::Call)?;
        read(&answer).map_err(CallError::Answer)
    }
}

/// Why there is no usable answer.
pub(super) enum CallError {
    /// There is none.
    Call(Error),
    /// It says so.
    Answer(Problem),
}

impl From<CallError> for Error {
    fn from(asked: CallError) -> Self {
        match asked {
            CallError::Call(error) => error,
            CallError::Answer(problem) => problem.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::{Mistakes, Settings};

    #[test]
    fn chooses_the_account_by_kind_and_exact_name() {
        let account = |configured: Option<&str>, names: &[(&str, &str)]| {
            let mut tree = json!({ "app_id": "a", "app_key": "k" });
            if let Some(name) = configured {
                tree["account_name"] = name.into();
            }
            let mistakes = Mistakes::default();
            let gateway =
                GpApi::from_settings(&Settings::root(tree.as_object().unwrap(), &mistakes)).unwrap();
            let accounts: Vec<_> = names
                .iter()
                .map(|(id, name)| json!({ "id": id, "name": name, "permissions": [] }))
                .collect();
            let token = json!({ "token": "t", "seconds_to_expire": 600, "scope": { "accounts": accounts } });
            gateway.account(&AccessToken::read(&token).unwrap()).ok()
        };
        let all = [
            ("TKA_1", "tokenization"),
            ("TRA_1", "dcc"),
            ("TRA_2", "transaction_processing"),
        ];
        for (configured, names, expected) in [
            (None, &all[..], Some("TRA_2")),
            (None, &all[..2], Some("TRA_1")),
            (None, &all[..1], None),
            (Some("dcc"), &all[..], Some("TRA_1")),
            (Some("Dcc"), &all[..], None),
            // Of the right name, but another kind.
            (Some("tokenization"), &all[..], None),
        ] {
            assert_eq!(account(configured, names).as_deref(), expected, "{configured:?}");
        }
    }

    #[test]
    fn the_secret_is_the_vectors() {
        // Computed with another implementation of SHA-512; the key is an example.
        assert_eq!(
            secret("0123456789abcdef0123456789abcdef", "exampleAppKey123"),
            "a98bee34da9d0815d5a33c23971435df92199b9c191b2bb2c2964cdd3ff620ca3d94f2f81c90ee4f13b8f743477b38641b2e309ca26a4520f11a4e6255a0d169"
        );
        assert_eq!(
            secret("2026-01-02T03:04:05.678Z", "exampleAppKey123"),
            "93d93b9924dbf28565d62673d9908a8c6ec5cc815ae3d3a8767b7566a14da14b3307a8ed3cdbdb39791cb5009dbea70f3b4eb0445bb126657b6c8addb567f99f"
        );
    }
}
