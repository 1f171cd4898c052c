//! Notifications: the raw body, signed with SHA-512 over body and application key.
//!
//! The signature has no time and no address in it, so a notification is only a hint: what it names is asked for
//! at the platform before anything changes.

use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

use cardseal::gp_api::is_id;

use super::access::Call;
use super::{GpApi, text};
use crate::error::{Doubt, Error};
use crate::gateway::{News, Notification, Outcome};
use crate::transport::Transport;

const SIGNATURE: &str = "x-gp-signature";

impl GpApi {
    pub(super) fn notification(&self, headers: &[(&str, &str)], body: &[u8]) -> Result<Notification, Error> {
        let mut signatures = headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(SIGNATURE));
        let (Some((_, signature)), None) = (signatures.next(), signatures.next()) else {
            return Err(Error::SignatureInvalid);
        };
        let given = hex::decode(signature.trim()).map_err(|_| Error::SignatureInvalid)?;
        let expected = Sha512::new()
            .chain_update(body)
            .chain_update(self.app_key.expose_secret())
            .finalize();
        if !bool::from(given.as_slice().ct_eq(expected.as_slice())) {
            return Err(Error::SignatureInvalid);
        }
        let body: Value = serde_json::from_slice(body)
            .ok()
            .filter(Value::is_object)
            .ok_or(Error::Doubtful(Doubt::Undecodable))?;
        let reference = text(&body, "/reference").unwrap_or_default().into();
        Ok(match text(&body, "/id").filter(|id| is_id("TRN_", id)) {
            Some(id) => Notification::Hint {
                reference,
                platform_id: id.into(),
            },
            None => Notification::Nothing { reference },
        })
    }

    pub(super) async fn confirmed(&self, transport: &Transport, id: &str) -> Result<Notification, Error> {
        let transaction = self
            .ask(transport, &Call::get(format!("/transactions/{id}")))
            .await?;
        if text(&transaction, "/id") != Some(id) {
            return Err(Error::Doubtful(Doubt::WrongReference));
        }
        let reference = text(&transaction, "/reference").unwrap_or_default().to_owned();
        // A refund is not news about the payment itself.
        if text(&transaction, "/type").is_some_and(|kind| kind != "SALE") {
            return Ok(Notification::Nothing { reference });
        }
        let news = match self.outcome(&transaction, None) {
            Outcome::Approved(approval) => News::Approved(approval),
            Outcome::Authorized(approval) => News::Authorized(approval),
            Outcome::Voided(approval) => News::Voided(approval),
            Outcome::Declined(decline) => News::Declined(decline),
            Outcome::Pending(_) | Outcome::Unknown(_) => return Ok(Notification::Nothing { reference }),
        };
        Ok(Notification::Payment { reference, news })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::{Mistakes, Settings};

    #[test]
    fn takes_the_vector_and_nothing_else() {
        let mistakes = Mistakes::default();
        let tree = json!({ "app_id": "a", "app_key": "exampleAppKey123" });
        let gateway = GpApi::from_settings(&Settings::root(tree.as_object().unwrap(), &mistakes)).unwrap();
        let body = br#"{"id":"TRN_abc","status":"CAPTURED","amount":"1999"}"#;
        // Computed with another implementation of SHA-512; the key is an example.
        let signature = "03ef302063828a1f645b7af729ab38878d2d1500709f272cabcc8ec6fe84b81b5e1da3f0244ac299e18bcd259ed6973b789d43606175e94ec7e2a129e4c1f8e8";
        let read = |headers: &[(&str, &str)], body: &[u8]| gateway.notification(headers, body);
        assert!(matches!(
            read(&[("x-gp-signature", signature)], body),
            Ok(Notification::Hint { platform_id, .. }) if platform_id == "TRN_abc"
        ));
        let mut wrong = signature.to_owned();
        wrong.replace_range(0..1, "1");
        let spaced = br#"{"id":"TRN_abc", "status":"CAPTURED","amount":"1999"}"#;
        for (headers, body) in [
            (vec![], &body[..]),
            (vec![("x-gp-signature", wrong.as_str())], body),
            (vec![("x-gp-signature", &signature[..126])], body),
            (vec![("x-gp-signature", "")], body),
            (vec![("x-gp-signature", signature)], spaced),
            (
                vec![("x-gp-signature", signature), ("x-gp-signature", signature)],
                body,
            ),
        ] {
            assert!(matches!(read(&headers, body), Err(Error::SignatureInvalid)));
        }
    }
}
