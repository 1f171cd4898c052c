//! Notifications: the raw body, or the raw query, signed with SHA-512 over it and the application key.
//!
//! The signature has no time and no address in it, so a notification is only a hint: what it names is asked for
//! at the platform before anything changes.

use cardseal::gp_api::is_id;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

use super::GpApi;
use super::answer::{deciding, text};
use super::wire::Call;
use crate::error::{Doubt, Error};
use crate::gateway::{Notification, Outcome, PaymentEvent};
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
        self.verify(body, signature.trim())?;
        let body: Value = serde_json::from_slice(body)
            .ok()
            .filter(Value::is_object)
            .ok_or(Error::Doubtful(Doubt::Undecodable))?;
        Ok(hint(text(&body, "/id"), text(&body, "/reference")))
    }

    /// One that came in the query. The signature is one of its parameters, and is made over the others as they
    /// stand there.
    pub(super) fn query_notification(&self, query: &str) -> Result<Notification, Error> {
        let is_signature = |parameter: &&str| {
            let (name, _) = parameter.split_once('=').unwrap_or((parameter, ""));
            name.eq_ignore_ascii_case(SIGNATURE)
        };
        let (signatures, payload): (Vec<&str>, Vec<&str>) = query.split('&').partition(is_signature);
        let [signature] = signatures.as_slice() else {
            return Err(Error::SignatureInvalid);
        };
        let (_, signature) = signature.split_once('=').ok_or(Error::SignatureInvalid)?;
        let payload = payload.join("&");
        self.verify(payload.as_bytes(), signature)?;
        let mut pairs = Map::new();
        for (name, value) in url::form_urlencoded::parse(payload.as_bytes()) {
            // Of two that say different things neither is believed.
            if pairs.insert(name.into_owned(), value.into()).is_some() {
                return Err(Error::Doubtful(Doubt::Undecodable));
            }
        }
        let pairs = Value::Object(pairs);
        Ok(hint(text(&pairs, "/id"), text(&pairs, "/reference")))
    }

    /// SHA-512 over payload and application key, compared in constant time.
    fn verify(&self, payload: &[u8], signature: &str) -> Result<(), Error> {
        let given = hex::decode(signature).map_err(|_| Error::SignatureInvalid)?;
        let expected = Sha512::new()
            .chain_update(payload)
            .chain_update(self.app_key.expose_secret())
            .finalize();
        if bool::from(given.as_slice().ct_eq(expected.as_slice())) {
            Ok(())
        } else {
            Err(Error::SignatureInvalid)
        }
    }

    pub(super) async fn confirmed(&self, transport: &Transport, id: &str) -> Result<Notification, Error> {
        let transaction = self
            .fetch(transport, &Call::get(format!("/transactions/{id}")))
            .await?;
        if text(&transaction, "/id") != Some(id) {
            return Err(Error::Doubtful(Doubt::WrongReference));
        }
        let reference = text(&transaction, "/reference").unwrap_or_default().to_owned();
        // A refund is not news about the payment itself.
        if deciding(&transaction, "/type").is_some_and(|kind| kind != "SALE") {
            return Ok(Notification::Nothing { reference });
        }
        let news = match self.outcome(&transaction, None) {
            Outcome::Approved(approval) => PaymentEvent::Approved(approval),
            Outcome::Authorized(approval) => PaymentEvent::Authorized(approval),
            Outcome::Voided(approval) => PaymentEvent::Voided(approval),
            Outcome::Declined(decline) => PaymentEvent::Declined(decline),
            Outcome::Pending(_) | Outcome::Unknown(_) => return Ok(Notification::Nothing { reference }),
        };
        Ok(Notification::Payment { reference, news })
    }
}

fn hint(id: Option<&str>, reference: Option<&str>) -> Notification {
    let reference = reference.unwrap_or_default().into();
    match id.filter(|id| is_id("TRN_", id)) {
        Some(id) => Notification::Hint {
            reference,
            platform_id: id.into(),
        },
        None => Notification::Nothing { reference },
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

    #[test]
    fn takes_the_query_vector_wherever_the_signature_stands_and_nothing_else() {
        let mistakes = Mistakes::default();
        let tree = json!({ "app_id": "a", "app_key": "exampleAppKey123" });
        let gateway = GpApi::from_settings(&Settings::root(tree.as_object().unwrap(), &mistakes)).unwrap();
        // Computed with another implementation of SHA-512; the key is an example.
        let signature = "c45bb59b0f2234d4d9751f88a1c283b81f6697e7dadb1bce1c12a3acb0b674751df72ba5056d653428132ec2f70e2d6f4317799e74588ddbbab65de9514eb995";
        for good in [
            format!("X-GP-Signature={signature}&id=TRN_abc&status=CAPTURED"),
            format!("id=TRN_abc&x-gp-signature={signature}&status=CAPTURED"),
            format!("id=TRN_abc&status=CAPTURED&X-GP-Signature={signature}"),
        ] {
            assert!(
                matches!(
                    gateway.query_notification(&good),
                    Ok(Notification::Hint { platform_id, .. }) if platform_id == "TRN_abc"
                ),
                "{good}"
            );
        }
        for wrong in [
            String::new(),
            "id=TRN_abc&status=CAPTURED".into(),
            "X-GP-Signature&id=TRN_abc&status=CAPTURED".into(),
            "X-GP-Signature=&id=TRN_abc&status=CAPTURED".into(),
            format!("X-GP-Signature={}&id=TRN_abc&status=CAPTURED", &signature[..126]),
            format!("X-GP-Signature={signature}&status=CAPTURED&id=TRN_abc"),
            format!("X-GP-Signature={signature}&id=TRN%5Fabc&status=CAPTURED"),
            format!("X-GP-Signature={signature}&id=TRN_abc&status=CAPTURED&more=1"),
            format!("X-GP-Signature={signature}&X-GP-Signature={signature}&id=TRN_abc&status=CAPTURED"),
        ] {
            assert!(
                matches!(gateway.query_notification(&wrong), Err(Error::SignatureInvalid)),
                "{wrong}"
            );
        }
    }
}
