//! 3-D Secure: whether a charge needs it, what a charge has to say about it, and a stub for the platform's
//! script.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::fields::{FieldErrors, Fields, REQUIRED, VALUES};
use super::request::{Answer, Call};
use super::{Ledger, Refusal};

/// Currencies for which this simulation needs 3-D Secure: the euro and the pound.
const THREEDS_CURRENCIES: [u64; 2] = [978, 826];

impl Call<'_> {
    /// `GET /payment-tokens/threeds-required`.
    pub(crate) fn threeds_required(&self) -> Answer {
        let query = self.query();
        let fields = Fields::of(&query, "");
        let mut errors = FieldErrors::default();
        let account = self.account(&fields, &mut errors);
        fields.needed_number("bin", 99_999_999, &mut errors);
        fields.needed("last4", 4, &mut errors);
        let currency = fields.needed_number("currencyCode", 999, &mut errors);
        if !errors.is_empty() {
            return Err(Refusal::validation(errors));
        }
        account.ok_or_else(Refusal::forbidden)??;
        Ok(currency
            .is_some_and(|code| THREEDS_CURRENCIES.contains(&code))
            .into())
    }

    /// `GET /payment-tokens/{id}/threeds-required`.
    pub(crate) fn token_threeds_required(&self, ledger: &Ledger) -> Answer {
        self.token(ledger)?;
        let query = self.query();
        let mut errors = FieldErrors::default();
        let currency = Fields::of(&query, "").needed_number("currencyCode", 999, &mut errors);
        if !errors.is_empty() {
            return Err(Refusal::validation(errors));
        }
        Ok(currency
            .is_some_and(|code| THREEDS_CURRENCIES.contains(&code))
            .into())
    }

    /// Stands in for the platform's script, which nobody outside knows: what a customer's authentication resolves to.
    /// `outcome` chooses: Y, A, N.
    pub(crate) fn authenticate(&self) -> Answer {
        let body = self.body()?;
        let fields = Fields::of(&body, "");
        let mut errors = FieldErrors::default();
        let account = self.account(&fields, &mut errors);
        let amount = fields.needed("amount", 16, &mut errors);
        let cents = fields.cents("amount", &mut errors);
        let currency = fields.needed_number("currencyCode", 999, &mut errors);
        let outcome = fields.text("outcome", 1, &mut errors).unwrap_or("Y");
        if cents.is_none() || !["Y", "A", "N"].contains(&outcome) {
            errors.add(Some("outcome"), VALUES);
        }
        if !errors.is_empty() {
            return Err(Refusal::validation(errors));
        }
        account.ok_or_else(Refusal::forbidden)??;
        let passed = outcome != "N";
        let mut value = [0; 20];
        value[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        value[16..].copy_from_slice(&Uuid::new_v4().as_bytes()[..4]);
        Ok(json!({
            "eci": match outcome { "Y" => "05", "A" => "06", _ => "07" },
            "status": outcome,
            "success": passed,
            "protocolVersion": "2.1.0",
            "amount": amount,
            "currency": currency.map(|code| format!("{code:03}")),
            "clientTransactionId": format!("id-{}", &Uuid::new_v4().simple().to_string()[..11]),
            "sdkTransId": null,
            "acsTransId": Uuid::new_v4().to_string(),
            "dsTransId": Uuid::new_v4().to_string(),
            "authenticationType": "01",
            "authenticationValue": passed.then(|| STANDARD.encode(value)),
        }))
    }
}

pub(crate) fn check_threeds(fields: &Fields<'_>, price: Option<u64>, errors: &mut FieldErrors) {
    let given = |name: &str| fields.at(name).is_some();
    if given("threedsError") {
        return;
    }
    if !given("threedsStatus") || !given("threedsEci") || !given("threedsVersion") {
        let text = "Threeds request parameters need to contain either 3DS verification parameters or error parameters to be valid";
        errors.add(Some("threedsError"), text);
        return;
    }
    for (name, most) in [
        ("threedsEci", 2),
        ("threedsStatus", 1),
        ("threedsVersion", 20),
        ("threedsClientTransactionId", 36),
        ("threedsCardToken", 16),
        ("threedsSdkTransId", 36),
        ("threedsAuthenticationType", 36),
    ] {
        fields.text(name, most, errors);
    }
    for name in ["threedsClientTransactionId", "threedsSuccess"] {
        if !given(name) {
            errors.add(Some(name), REQUIRED);
        }
    }
    if price.is_none() || fields.cents("threedsAmount", errors) != price {
        errors.add(
            Some("threedsAmount"),
            "Threeds amount is not equal to initialPrice",
        );
    }
    let first = fields
        .at("threedsVersion")
        .and_then(Value::as_str)
        .is_some_and(|version| version.starts_with("1."));
    if !first {
        // Without it nobody was authenticated. The platform's text for this field is not known.
        fields.needed("threedsAuthenticationValue", 36, errors);
    }
    let wanted: &[(&str, &str)] = if first {
        &[
            ("threedsXid", "Invalid 3DS Xid"),
            ("threedsCavv", "Invalid 3DS Cavv"),
            ("threedsCavvAlgorithm", "Invalid 3DS Cavv Algorithm"),
        ]
    } else {
        &[
            ("threedsDsTransId", "Invalid 3DS Ds Trans Id"),
            ("threedsAcsTransId", "Invalid 3DS Acs Trans Id"),
        ]
    };
    for (name, text) in wanted {
        let most = match *name {
            "threedsCavv" => 1024,
            "threedsXid" => 50,
            "threedsCavvAlgorithm" => 28,
            _ => 36,
        };
        let fits = fields
            .at(name)
            .and_then(Value::as_str)
            .is_some_and(|value| value.len() <= most);
        if !fits {
            errors.add(Some(name), text);
        }
    }
}
