//! 3-D Secure 2: `/authentications`, and what a charge says of one.
//!
//! The members are those that the official PHP client (14.2.1) sends and reads. No money moves here: a lost answer costs
//! at most a new authentication.

use cardseal::gp_api::is_id;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroize;

use super::GpApi;
use super::access::CallError;
use super::answer::{Problem, deciding, text};
use super::payments::is_amount;
use super::wire::Call;
use crate::authentication::{
    Authentication, AuthenticationParams, AuthenticationStatus, BrowserData, BrowserStep, ChallengeWindow,
    MethodOutcome, Preference,
};
use crate::error::{Doubt, Error, Refusal, word};
use crate::transport::Transport;

/// Where the browser comes back to from the issuer's pages, and whom its customers may ask.
pub(super) struct Returns {
    pub(super) method: String,
    pub(super) challenge: String,
    pub(super) contact: String,
}

/// What is kept of an authentication. The value proves it, so it is wiped, and nothing shows it.
#[derive(Serialize, Deserialize)]
pub(super) struct Proof {
    id: String,
    version: Option<String>,
    eci: Option<String>,
    directory_reference: Option<String>,
    value: Option<String>,
}

impl Drop for Proof {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

impl Proof {
    fn read(state: &SecretString) -> Result<Self, Refusal> {
        serde_json::from_str(state.expose_secret()).map_err(|_| Refusal::Invalid("authentication"))
    }

    /// `payment_method.authentication` of a charge, as the official client writes it. Its `server_trans_ref` is the id
    /// of the authentication once more.
    pub(super) fn of_charge(state: &SecretString) -> Result<Value, Refusal> {
        let proof = Self::read(state)?;
        Ok(json!({
            "id": proof.id,
            "three_ds": {
                "message_version": proof.version,
                "eci": proof.eci,
                "server_trans_ref": proof.id,
                "ds_trans_ref": proof.directory_reference,
                "value": proof.value,
            },
        }))
    }
}

const fn preference(preference: Preference) -> &'static str {
    match preference {
        Preference::None => "NO_PREFERENCE",
        Preference::NoChallenge => "NO_CHALLENGE_REQUESTED",
        Preference::Challenge => "CHALLENGE_PREFERRED",
        Preference::ChallengeMandated => "CHALLENGE_MANDATED",
    }
}

/// The largest of the platform's words that is not above the browser's number.
const fn color_depth(bits: u8) -> &'static str {
    match bits {
        0..=1 => "ONE_BIT",
        2..=3 => "TWO_BITS",
        4..=7 => "FOUR_BITS",
        8..=14 => "EIGHT_BITS",
        15 => "FIFTEEN_BITS",
        16..=23 => "SIXTEEN_BITS",
        24..=31 => "TWENTY_FOUR_BITS",
        32..=47 => "THIRTY_TWO_BITS",
        48.. => "FORTY_EIGHT_BITS",
    }
}

const fn window(window: ChallengeWindow) -> &'static str {
    match window {
        ChallengeWindow::W250H400 => "WINDOWED_250X400",
        ChallengeWindow::W390H400 => "WINDOWED_390X400",
        ChallengeWindow::W500H600 => "WINDOWED_500X600",
        ChallengeWindow::W600H400 => "WINDOWED_600X400",
        ChallengeWindow::FullScreen => "FULL_SCREEN",
    }
}

/// An address that a page may send a browser to.
fn frame_url(answer: &Value, pointer: &str) -> Option<String> {
    let url = text(answer, pointer)?;
    let parsed = url::Url::parse(url).ok()?;
    let loopback = match parsed.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(domain)) => domain == "localhost",
        None => false,
    };
    let safe = parsed.scheme() == "https" || (parsed.scheme() == "http" && loopback);
    (safe && url.len() <= 2048).then(|| url.to_owned())
}

/// What the platform says of an authentication of ours.
fn read(
    answer: &Value,
    params: &AuthenticationParams<'_>,
    known: Option<&str>,
) -> Result<Authentication, Error> {
    let id = text(answer, "/id").filter(|id| is_id("AUT_", id));
    let Some(id) = id else {
        return Err(Error::Doubtful(Doubt::Undecodable));
    };
    if known.is_some_and(|known| known != id)
        || deciding(answer, "/reference").is_some_and(|own| own != params.reference)
    {
        return Err(Error::Doubtful(Doubt::WrongReference));
    }
    if !is_amount(answer, params.amount) {
        return Err(Error::Doubtful(Doubt::Contradictory));
    }
    let status = match text(answer, "/status").unwrap_or_default() {
        "NOT_ENROLLED" => AuthenticationStatus::NotEnrolled,
        "AVAILABLE" => AuthenticationStatus::Available,
        "CHALLENGE_REQUIRED" => AuthenticationStatus::Challenge,
        "SUCCESS_AUTHENTICATED" => AuthenticationStatus::Authenticated,
        "SUCCESS_ATTEMPT_MADE" => AuthenticationStatus::Attempted,
        "NOT_AUTHENTICATED" | "FAILED" => AuthenticationStatus::Failed,
        // A word of a later version must not pass for a yes or a no.
        _ => return Err(Error::Doubtful(Doubt::Undecodable)),
    };
    let succeeded = matches!(
        status,
        AuthenticationStatus::Authenticated | AuthenticationStatus::Attempted
    );
    let liability = deciding(answer, "/three_ds/liability_shift");
    let step = match status {
        AuthenticationStatus::Available => frame_url(answer, "/three_ds/method_url")
            .zip(text(answer, "/three_ds/method_data/encoded_method_data"))
            .map(|(url, data)| BrowserStep {
                url,
                field: "threeDSMethodData",
                value: data.into(),
            }),
        AuthenticationStatus::Challenge => frame_url(answer, "/three_ds/acs_challenge_request_url")
            .zip(text(answer, "/three_ds/challenge_value"))
            .map(|(url, request)| BrowserStep {
                url,
                field: "creq",
                value: request.into(),
            }),
        AuthenticationStatus::NotEnrolled
        | AuthenticationStatus::Authenticated
        | AuthenticationStatus::Attempted
        | AuthenticationStatus::Failed => None,
    };
    let told = |name: &str| text(answer, &format!("/three_ds/{name}"));
    let version = told("message_version").map(word);
    let eci = told("eci").map(word);
    let proof = Proof {
        id: id.into(),
        version: version.clone(),
        eci: eci.clone(),
        directory_reference: told("ds_trans_ref").map(Into::into),
        value: told("authentication_value").map(Into::into),
    };
    let state = serde_json::to_string(&proof).map_err(|_| Error::Doubtful(Doubt::Undecodable))?;
    Ok(Authentication {
        state: state.into(),
        status,
        step,
        eci,
        version,
        liability_shift: succeeded && liability == Some("YES"),
    })
}

impl GpApi {
    /// `POST /authentications`. A repeat finds the first by its key; what the issuer wants to look at is then lost, and
    /// it does without.
    pub(super) async fn check_enrolment(
        &self,
        transport: &Transport,
        params: &AuthenticationParams<'_>,
    ) -> Result<Authentication, Error> {
        let returns = self.returns.as_ref().ok_or(Refusal::NotOffered)?;
        let body = json!({
            "channel": "CNP",
            "country": self.country,
            "reference": params.reference,
            "amount": params.amount.minor().to_string(),
            "currency": params.amount.currency().code(),
            "preference": preference(params.preference),
            "source": "BROWSER",
            "payment_method": { "id": params.token.expose_secret() },
            "notifications": {
                "challenge_return_url": returns.challenge,
                "three_ds_method_return_url": returns.method,
            },
        });
        let call = Call {
            account: true,
            ..Call::post("/authentications".into(), params.attempt, body)
        };
        let mut asked = self.fetch(transport, &call).await;
        if let Err(CallError::Answer(Problem::Doubtful(_)) | CallError::Call(Error::Doubtful(_))) = &asked {
            asked = self.fetch(transport, &call).await;
        }
        match asked {
            Ok(answer) => read(&answer, params, None),
            Err(CallError::Answer(Problem::Duplicate(Some(id)))) if is_id("AUT_", &id) => {
                self.result(transport, params, &id).await
            }
            Err(asked) => Err(asked.into()),
        }
    }

    /// `POST /authentications/{id}/initiate`. After a lost answer the result is asked for: without a challenge it says
    /// all that the answer did. A challenge cannot be found again, and the doubt remains.
    pub(super) async fn initiate(
        &self,
        transport: &Transport,
        params: &AuthenticationParams<'_>,
        state: &SecretString,
        browser: &BrowserData,
    ) -> Result<Authentication, Error> {
        let returns = self.returns.as_ref().ok_or(Refusal::NotOffered)?;
        let proof = Proof::read(state)?;
        let body = json!({
            "three_ds": {
                "source": "BROWSER",
                "preference": preference(params.preference),
                "message_version": proof.version,
            },
            "method_url_completion_status": match browser.method {
                MethodOutcome::Completed => "YES",
                MethodOutcome::Failed => "NO",
                MethodOutcome::Unavailable => "UNAVAILABLE",
            },
            "merchant_contact_url": returns.contact,
            "order": {
                "amount": params.amount.minor().to_string(),
                "currency": params.amount.currency().code(),
                "reference": params.reference,
            },
            "payment_method": { "id": params.token.expose_secret() },
            "browser_data": {
                "accept_header": browser.accept_header,
                "color_depth": color_depth(browser.color_depth),
                "ip": browser.ip.to_string(),
                "java_enabled": browser.java_enabled.to_string(),
                "javascript_enabled": "true",
                "language": browser.language,
                "screen_height": browser.screen_height.to_string(),
                "screen_width": browser.screen_width.to_string(),
                "challenge_window_size": window(browser.window),
                "timezone": browser.timezone_offset.to_string(),
                "user_agent": browser.user_agent,
            },
        });
        let key = format!("{}-initiate", params.attempt);
        let call = Call::post(format!("/authentications/{}/initiate", proof.id), &key, body);
        let doubt = match self.fetch(transport, &call).await {
            Ok(answer) => return read(&answer, params, Some(&proof.id)),
            Err(CallError::Answer(Problem::Duplicate(_))) => Doubt::Contradictory,
            Err(CallError::Answer(Problem::Doubtful(doubt)) | CallError::Call(Error::Doubtful(doubt))) => {
                doubt
            }
            Err(asked) => return Err(asked.into()),
        };
        let found = self.result(transport, params, &proof.id).await?;
        match found.status {
            // It never arrived.
            AuthenticationStatus::Available => {
                let answer = self.fetch(transport, &call).await?;
                read(&answer, params, Some(&proof.id))
            }
            AuthenticationStatus::Challenge => Err(Error::Doubtful(doubt)),
            AuthenticationStatus::NotEnrolled
            | AuthenticationStatus::Authenticated
            | AuthenticationStatus::Attempted
            | AuthenticationStatus::Failed => Ok(found),
        }
    }

    /// What became of an authentication.
    pub(super) async fn authenticated(
        &self,
        transport: &Transport,
        params: &AuthenticationParams<'_>,
        state: &SecretString,
    ) -> Result<Authentication, Error> {
        let proof = Proof::read(state)?;
        self.result(transport, params, &proof.id).await
    }

    /// `POST /authentications/{id}/result`. It changes nothing, so it has no key, and may be sent again.
    async fn result(
        &self,
        transport: &Transport,
        params: &AuthenticationParams<'_>,
        id: &str,
    ) -> Result<Authentication, Error> {
        let call = Call {
            key: None,
            ..Call::post(format!("/authentications/{id}/result"), "", json!({}))
        };
        let mut asked = self.fetch(transport, &call).await;
        if let Err(CallError::Answer(Problem::Doubtful(_)) | CallError::Call(Error::Doubtful(_))) = &asked {
            asked = self.fetch(transport, &call).await;
        }
        read(&asked?, params, Some(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::Amount;
    use crate::variants::variants;

    fn amount() -> Amount {
        Amount::parse("19.99", "USD").unwrap()
    }

    fn params<'a>(token: &'a SecretString, amount: &'a Amount) -> AuthenticationParams<'a> {
        AuthenticationParams {
            token,
            amount,
            reference: "r-1",
            attempt: "aut_1",
            preference: Preference::None,
        }
    }

    fn authenticated() -> Value {
        json!({ "id": "AUT_1", "time_created": "t", "status": "SUCCESS_AUTHENTICATED", "channel": "CNP",
            "amount": "1999", "currency": "USD", "country": "US", "merchant_id": "MER_1", "account_id": "TRA_1",
            "reference": "r-1", "three_ds": { "enrolled_status": "ENROLLED", "message_version": "2.2.0", "eci": "05",
                "authentication_value": "proof-of-it", "ds_trans_ref": "ds", "acs_trans_ref": "acs",
                "server_trans_ref": "s", "liability_shift": "YES" } })
    }

    #[test]
    fn a_charge_says_what_the_official_client_says() {
        let (token, amount) = ("PMT_1".into(), amount());
        let read = read(&authenticated(), &params(&token, &amount), Some("AUT_1")).unwrap();
        assert_eq!(
            Proof::of_charge(&read.state).unwrap(),
            json!({ "id": "AUT_1", "three_ds": { "message_version": "2.2.0", "eci": "05", "server_trans_ref": "AUT_1",
                "ds_trans_ref": "ds", "value": "proof-of-it" } })
        );
        assert!(!format!("{:?}", read.state).contains("proof-of-it"));
        assert_eq!(
            Proof::of_charge(&"{}".into()),
            Err(Refusal::Invalid("authentication"))
        );
    }

    #[test]
    fn no_odd_member_makes_an_authentication() {
        let (token, amount) = ("PMT_1".into(), amount());
        let params = params(&token, &amount);
        let failed = {
            let mut failed = authenticated();
            failed["status"] = "NOT_AUTHENTICATED".into();
            failed["three_ds"]["liability_shift"] = "NO".into();
            failed
        };
        for variant in variants(&failed) {
            let said = format!("{} {:?}", variant.path, variant.odd);
            match read(&variant.body, &params, Some("AUT_1")) {
                Ok(read) => {
                    assert_eq!(read.status, AuthenticationStatus::Failed, "{said}");
                    assert!(!read.liability_shift, "{said}");
                }
                Err(error) => assert!(matches!(error, Error::Doubtful(_)), "{said}"),
            }
        }
        for variant in variants(&authenticated()) {
            let said = format!("{} {:?}", variant.path, variant.odd);
            let decides = ["/id", "/status", "/amount", "/currency"]
                .iter()
                .any(|member| variant.touches(member));
            match read(&variant.body, &params, Some("AUT_1")) {
                Ok(read) => {
                    let told = variant.touches("/three_ds/liability_shift");
                    assert!(
                        !told || !read.liability_shift || variant.body == authenticated(),
                        "{said}"
                    );
                }
                Err(_) => assert!(decides || variant.touches("/reference"), "{said}"),
            }
        }
    }

    #[test]
    fn another_amount_currency_reference_or_id_is_not_ours() {
        let (token, amount) = ("PMT_1".into(), amount());
        let params = params(&token, &amount);
        for (name, value, doubt) in [
            ("amount", "1998", Doubt::Contradictory),
            ("currency", "EUR", Doubt::Contradictory),
            ("reference", "r-2", Doubt::WrongReference),
            ("id", "AUT_2", Doubt::WrongReference),
            ("id", "TRN_1", Doubt::Undecodable),
            ("status", "SUCCESS_OF_A_KIND", Doubt::Undecodable),
        ] {
            let mut wrong = authenticated();
            wrong[name] = value.into();
            let read = read(&wrong, &params, Some("AUT_1")).map(|read| read.status);
            assert_eq!(read, Err(Error::Doubtful(doubt)), "{name} {value}");
        }
    }

    #[test]
    fn no_page_is_sent_where_it_should_not_go() {
        let of = |url: &str| frame_url(&json!({ "u": url }), "/u");
        for good in [
            "https://acs.example/x",
            "http://127.0.0.1:1/x",
            "http://localhost:1/",
        ] {
            assert_eq!(of(good).as_deref(), Some(good));
        }
        for bad in [
            "javascript:alert(1)",
            "http://acs.example/",
            "data:text/html,x",
            "",
            "/x",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
