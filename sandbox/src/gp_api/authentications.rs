//! `/authentications`: 3-D Secure 2, from the question whether a card takes part to the result.
//!
//! The answers have the members that the official clients read. Which others there are is not documented, and `action`
//! is left out for that. The issuer's own pages are in [`super::acs`].

use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::book::{CardFacts, Resource};
use super::refusal::Refusal;
use super::threeds::{Enrolled, Verdict, Way};
use super::{Answer, Call, GpApi, Ledger, acs, timestamp};
use crate::host::clock;

const SOURCES: [&str; 4] = ["BROWSER", "MOBILE_SDK", "STORED_RECURRING", "MERCHANT_INITIATED"];
const PREFERENCES: [&str; 4] = [
    "NO_PREFERENCE",
    "NO_CHALLENGE_REQUESTED",
    "CHALLENGE_PREFERRED",
    "CHALLENGE_MANDATED",
];
const COLOR_DEPTHS: [&str; 9] = [
    "ONE_BIT",
    "TWO_BITS",
    "FOUR_BITS",
    "EIGHT_BITS",
    "FIFTEEN_BITS",
    "SIXTEEN_BITS",
    "TWENTY_FOUR_BITS",
    "THIRTY_TWO_BITS",
    "FORTY_EIGHT_BITS",
];
const WINDOWS: [&str; 5] = [
    "WINDOWED_250X400",
    "WINDOWED_390X400",
    "WINDOWED_500X600",
    "WINDOWED_600X400",
    "FULL_SCREEN",
];

/// How far an authentication is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    NotEnrolled,
    /// The card takes part; nothing is initiated yet.
    Available(Enrolled),
    /// The cardholder is on the issuer's page.
    Challenged,
    Done(Verdict),
}

impl Progress {
    const fn status(self) -> &'static str {
        match self {
            Self::NotEnrolled => "NOT_ENROLLED",
            Self::Available(_) => "AVAILABLE",
            Self::Challenged => "CHALLENGE_REQUIRED",
            Self::Done(verdict) => verdict.status(),
        }
    }
}

impl Serialize for Progress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.status())
    }
}

/// An authentication of a cardholder.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Authentication {
    pub(crate) id: String,
    pub(crate) reference: String,
    pub(crate) amount: String,
    pub(crate) currency: String,
    #[serde(rename = "status")]
    pub(crate) progress: Progress,
    /// Whether the issuer has looked at the browser.
    pub(crate) method_done: bool,
    /// How the merchant said that this went.
    pub(crate) method_told: Option<&'static str>,
    #[serde(with = "clock::as_text", rename = "time_created")]
    pub(crate) created_at: OffsetDateTime,
    #[serde(skip)]
    country: String,
    #[serde(skip)]
    card: CardFacts,
    /// The protocol's ids of the transaction: the platform's, the directory's and the issuer's. The first names it to
    /// everybody else.
    #[serde(skip)]
    pub(crate) server_reference: String,
    #[serde(skip)]
    directory_reference: String,
    #[serde(skip)]
    pub(crate) issuer_reference: String,
    #[serde(skip)]
    pub(crate) version: &'static str,
    /// The proof of it.
    #[serde(skip)]
    value: String,
    #[serde(skip)]
    pub(crate) challenge_return_url: String,
    #[serde(skip)]
    pub(crate) method_return_url: String,
    #[serde(skip)]
    window: &'static str,
}

impl Authentication {
    fn verdict(&self) -> Option<Verdict> {
        match self.progress {
            Progress::Done(verdict) => Some(verdict),
            Progress::NotEnrolled | Progress::Available(_) | Progress::Challenged => None,
        }
    }

    pub(crate) fn shifts_liability(&self) -> bool {
        self.verdict().is_some_and(Verdict::shifts_liability)
    }

    /// Whether it is of this card.
    pub(crate) fn is_of(&self, card: &CardFacts) -> bool {
        self.card.digest == card.digest
    }

    /// What the browser brings to the issuer before it decides.
    fn method_data(&self) -> String {
        encoded(&json!({
            "threeDSServerTransID": self.server_reference,
            "threeDSMethodNotificationURL": self.method_return_url,
        }))
    }

    /// The request that the browser brings to the issuer's page.
    fn challenge_request(&self) -> String {
        encoded(&json!({
            "threeDSServerTransID": self.server_reference,
            "acsTransID": self.issuer_reference,
            "challengeWindowSize": match self.window {
                "WINDOWED_250X400" => "01",
                "WINDOWED_390X400" => "02",
                "WINDOWED_500X600" => "03",
                "WINDOWED_600X400" => "04",
                _ => "05",
            },
            "messageType": "CReq",
            "messageVersion": self.version,
        }))
    }
}

/// As EMV 3-D Secure writes its messages in forms.
pub(crate) fn encoded(message: &Value) -> String {
    URL_SAFE_NO_PAD.encode(message.to_string())
}

fn new_value() -> String {
    let mut value = [0; 20];
    for (byte, random) in value.iter_mut().zip(
        Uuid::new_v4()
            .into_bytes()
            .into_iter()
            .chain(Uuid::new_v4().into_bytes()),
    ) {
        *byte = random;
    }
    STANDARD.encode(value)
}

impl GpApi {
    /// `POST /authentications`: whether the card takes part.
    pub(crate) fn check_availability(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let fields = &call.fields;
        let amount = fields
            .amount("amount")?
            .ok_or_else(|| Refusal::missing("amount"))?;
        let currency = fields.letters("currency", 3)?;
        let country = fields.letters("country", 2)?;
        let channel = fields.needed("channel")?;
        let reference = fields.needed("reference")?;
        fields.needed("source")?;
        fields.one_of("source", &SOURCES)?;
        fields.one_of("preference", &PREFERENCES)?;
        let url = |name: &str| -> Result<String, Refusal> {
            let path = format!("notifications.{name}");
            let url = fields.needed(&path)?;
            let parsed = url.parse::<Uri>().ok();
            // A browser goes there, nothing of the sandbox's own.
            parsed
                .filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")))
                .map(|_| url.to_owned())
                .ok_or_else(|| Refusal::unexpected(&path))
        };
        let challenge_return_url = url("challenge_return_url")?;
        let method_return_url = url("three_ds_method_return_url")?;
        let given = self.given(call)?;
        self.account(fields, &call.token, "TRA_")?
            .ok_or_else(|| Refusal::missing_one_of("account_id, account_name"))?;
        if channel != "CNP" {
            return Err(Refusal::not_configured(country, channel, currency));
        }
        let card = self.instrument(ledger, call, given)?.card;
        let server_reference = Uuid::new_v4().to_string();
        let authentication = Authentication {
            id: format!("AUT_{server_reference}"),
            reference: reference.into(),
            amount: amount.to_string(),
            currency: currency.into(),
            progress: card.enrolled.map_or(Progress::NotEnrolled, Progress::Available),
            method_done: false,
            method_told: None,
            created_at: call.now,
            country: country.into(),
            version: card.enrolled.map_or("", |enrolled| enrolled.version),
            card,
            server_reference,
            directory_reference: Uuid::new_v4().to_string(),
            issuer_reference: Uuid::new_v4().to_string(),
            value: new_value(),
            challenge_return_url,
            method_return_url,
            window: "FULL_SCREEN",
        };
        let mut answer = self.told(&authentication);
        if let Progress::Available(Enrolled { version, method, .. }) = authentication.progress {
            for (name, value) in [
                ("acs_protocol_version_start", version),
                ("acs_protocol_version_end", version),
                ("ds_protocol_version_start", "2.1.0"),
                ("ds_protocol_version_end", "2.2.0"),
            ] {
                answer["three_ds"][name] = value.into();
            }
            if method {
                answer["three_ds"]["method_url"] = format!("{}{}", self.origin, acs::METHOD).into();
                let data = authentication.method_data();
                answer["three_ds"]["method_data"] = json!({ "encoded_method_data": data });
            }
        }
        ledger
            .book
            .remember_key(Resource::Authentication, call.key, &authentication.id);
        ledger.book.authentications.push(authentication);
        Ok(answer)
    }

    /// `POST /authentications/{id}/initiate`: has the issuer decide, or ask the cardholder.
    pub(crate) fn initiate_authentication(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let fields = &call.fields;
        // An unknown one is not found, whatever else is wrong.
        let known = find(ledger, &call.id)?.clone();
        if !fields.has("payment_method.id") && !fields.has("payment_method.card.number") {
            return Err(Refusal::missing("number"));
        }
        fields.needed("three_ds.source")?;
        let source = fields.one_of("three_ds.source", &SOURCES)?;
        fields.one_of("three_ds.preference", &PREFERENCES)?;
        let version = fields.text("three_ds.message_version")?;
        fields.needed("order.amount")?;
        fields.amount("order.amount")?;
        fields.letters("order.currency", 3)?;
        let mut window = "FULL_SCREEN";
        let mut method_told = None;
        if source == Some("BROWSER") {
            if !fields.has("browser_data") {
                return Err(Refusal::required_element("browser_data"));
            }
            for name in [
                "accept_header",
                "color_depth",
                "ip",
                "java_enabled",
                "javascript_enabled",
                "language",
                "screen_height",
                "screen_width",
                "challenge_window_size",
                "timezone",
                "user_agent",
            ] {
                let path = format!("browser_data.{name}");
                if !fields.has(&path) {
                    return Err(Refusal::missing(&path));
                }
            }
            fields.one_of("browser_data.color_depth", &COLOR_DEPTHS)?;
            window = fields
                .one_of("browser_data.challenge_window_size", &WINDOWS)?
                .unwrap_or(window);
            fields.needed("method_url_completion_status")?;
            method_told = fields.one_of("method_url_completion_status", &["YES", "NO", "UNAVAILABLE"])?;
        } else if source == Some("MOBILE_SDK") && !fields.has("mobile_data") {
            return Err(Refusal::required_element("sdk_information"));
        }
        let given = self.given(call)?;
        let card = self.instrument(ledger, call, given)?.card;
        if !known.is_of(&card) {
            return Err(Refusal::unexpected("payment_method"));
        }
        // A second time, and of a card that does not take part: what the platform says then is not documented.
        let Progress::Available(enrolled) = known.progress else {
            return Err(Refusal::wrong_state("INITIATE", known.progress.status()));
        };
        if version.is_some_and(|version| version != enrolled.version) {
            return Err(Refusal::unexpected("three_ds.message_version"));
        }
        let authentication = find(ledger, &call.id)?;
        authentication.progress = match enrolled.way {
            Way::Frictionless(verdict) => Progress::Done(verdict),
            Way::Challenge => Progress::Challenged,
        };
        authentication.window = window;
        authentication.method_told = method_told;
        let authentication = authentication.clone();
        let mut answer = self.told(&authentication);
        if authentication.progress == Progress::Challenged {
            answer["three_ds"]["acs_challenge_request_url"] =
                format!("{}{}", self.origin, acs::CHALLENGE).into();
            answer["three_ds"]["challenge_value"] = authentication.challenge_request().into();
            answer["three_ds"]["challenge_status"] = "MANDATED".into();
            // The name of the form's field.
            answer["three_ds"]["message_type"] = "creq".into();
        }
        ledger
            .book
            .remember_key(Resource::Authentication, call.key, &authentication.id);
        Ok(answer)
    }

    /// `POST /authentications/{id}/result`. What the browser brought back may come along, and decides nothing: the
    /// issuer has told the platform.
    pub(crate) fn authentication_result(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        call.fields.text("three_ds.challenge_result_value")?;
        let authentication = find(ledger, &call.id)?.clone();
        ledger
            .book
            .remember_key(Resource::Authentication, call.key, &authentication.id);
        Ok(self.told(&authentication))
    }

    /// What each of the three calls tells.
    fn told(&self, authentication: &Authentication) -> Value {
        let account = self
            .app
            .accounts
            .iter()
            .find(|account| account.id.starts_with("TRA_"));
        let enrolled = authentication.progress != Progress::NotEnrolled;
        let mut three_ds = json!({
            "enrolled_status": if enrolled { "ENROLLED" } else { "NOT_ENROLLED" },
            "message_version": authentication.version,
            "server_trans_ref": authentication.server_reference,
            "liability_shift": if authentication.shifts_liability() { "YES" } else { "NO" },
        });
        if let Progress::Challenged | Progress::Done(_) = authentication.progress {
            three_ds["ds_trans_ref"] = authentication.directory_reference.as_str().into();
            three_ds["acs_trans_ref"] = authentication.issuer_reference.as_str().into();
        }
        if let Some(verdict) = authentication.verdict() {
            three_ds["eci"] = verdict.eci(authentication.card.brand).into();
            if verdict.shifts_liability() {
                three_ds["authentication_value"] = authentication.value.as_str().into();
            }
        }
        json!({
            "id": authentication.id,
            "time_created": timestamp(authentication.created_at),
            "status": authentication.progress.status(),
            "channel": "CNP",
            // As they were first asked for: what is initiated with others changes nothing.
            "amount": authentication.amount,
            "currency": authentication.currency,
            "country": authentication.country,
            "merchant_id": self.app.merchant_id,
            "merchant_name": self.app.merchant_name,
            "account_id": account.map(|account| &account.id),
            "account_name": account.map(|account| &account.name),
            "reference": authentication.reference,
            "three_ds": three_ds,
            "notifications": {
                "challenge_return_url": authentication.challenge_return_url,
                "three_ds_method_return_url": authentication.method_return_url,
            },
        })
    }
}

/// The official clients find one by its own id, and by the protocol's.
fn find<'a>(ledger: &'a mut Ledger, id: &str) -> Result<&'a mut Authentication, Refusal> {
    ledger
        .book
        .authentications
        .iter_mut()
        .find(|known| known.id == id || known.server_reference == id)
        .ok_or_else(|| Refusal::no_authentication(id))
}
