//! 3-D Secure 2 in the page: what it tells the Cardseal server of the browser, and what the server has it do.
//!
//! The server begins an authentication for the merchant; its id is the page's permission to go on. Nothing here touches a
//! card, and nothing that the page says decides anything: the platform alone says what became of it.

use crate::error::{Code, Error, Result};
use crate::hosts::{self, BaseUrl};
use crate::http::Request;
use crate::object::object;
use crate::session;
use crate::text;

/// What the bank learns of the browser, not checked yet. What no browser says is brought within the limits of the protocol: it
/// only helps the bank to decide whether to ask.
#[derive(Clone, Debug, Default)]
pub struct BrowserInput {
    /// `navigator.language`.
    pub language: String,
    /// `screen.colorDepth`.
    pub color_depth: f64,
    /// `screen.width`.
    pub screen_width: f64,
    /// `screen.height`.
    pub screen_height: f64,
    /// `new Date().getTimezoneOffset()`, as text.
    pub timezone_offset: String,
    /// Whether it runs Java.
    pub java_enabled: bool,
    /// One of [`WINDOWS`]; empty for the whole screen.
    pub window: String,
    /// One of [`METHODS`]; empty if there was no such frame.
    pub method: String,
}

/// The sizes of the bank's page in EMV 3-D Secure, in pixels.
pub const WINDOWS: [&str; 5] = ["250x400", "390x400", "500x600", "600x400", "full_screen"];

/// What became of the frame in which the bank looks at the browser.
pub const METHODS: [&str; 3] = ["completed", "failed", "unavailable"];

impl BrowserInput {
    /// `POST /v1/authentications/{id}/initiate`: the bank decides, or wants to ask the customer.
    ///
    /// # Errors
    /// `option_invalid`, with the member at fault.
    pub fn request(&self, server: &BaseUrl, id: String) -> Result<Request> {
        let window = word("window", &self.window, &WINDOWS, "full_screen")?;
        let method = word("method", &self.method, &METHODS, "unavailable")?;
        let is_tag = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_offset = |byte: u8| byte.is_ascii_digit() || byte == b'-';
        let language = within(&self.language, 35, is_tag, "en");
        let offset = within(&self.timezone_offset, 5, is_offset, "0");
        Ok(Request::post(path(server, id, "initiate")?, |body| {
            body.text("language", language)
                .number("color_depth", whole(self.color_depth, 1.0, 99.0))
                .number("screen_width", whole(self.screen_width, 0.0, 999_999.0))
                .number("screen_height", whole(self.screen_height, 0.0, 999_999.0))
                .text("timezone_offset", offset)
                .flag("java_enabled", self.java_enabled)
                .text("window", window)
                .text("method", method);
        }))
    }
}

/// `POST /v1/authentications/{id}/result`: asks for the result, after the bank's page has sent the customer back.
///
/// # Errors
/// `option_invalid` at `id`.
pub fn result_request(server: &BaseUrl, id: String) -> Result<Request> {
    Ok(Request::post(path(server, id, "result")?, |_| {}))
}

fn path(server: &BaseUrl, id: String, what: &str) -> Result<String> {
    let id = session::id(id, "id", Code::OptionInvalid)?;
    Ok(server.join(&["/v1/authentications/", &id, "/", what].concat()))
}

fn word<'a>(field: &'static str, given: &'a str, words: &[&str], usual: &'a str) -> Result<&'a str> {
    if given.is_empty() {
        Ok(usual)
    } else if words.contains(&given) {
        Ok(given)
    } else {
        Err(Error::new(Code::OptionInvalid).at(field))
    }
}

/// The text, if it is one of such characters.
fn within<'a>(text: &'a str, longest: usize, fits: impl Fn(u8) -> bool, usual: &'a str) -> &'a str {
    if (1..=longest).contains(&text.len()) && text.bytes().all(fits) {
        text
    } else {
        usual
    }
}

/// The whole number within the limits that is nearest. What is no number is the least of them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the limits are far within"
)]
fn whole(number: f64, least: f64, most: f64) -> u64 {
    // The least also for a number that is none: `max` and `min` take the other one then.
    number.max(least).min(most) as u64
}

/// How far an authentication is, by the server's words.
pub const STATUSES: [&str; 7] = [
    "started",
    "not_enrolled",
    "available",
    "challenge",
    "authenticated",
    "attempted",
    "failed",
];

/// What the server says of an authentication, not checked yet.
#[derive(Clone, Debug, Default)]
pub struct AuthenticationInput {
    /// The server's id.
    pub id: Option<String>,
    /// One of [`STATUSES`].
    pub status: Option<String>,
    /// What the page has to do next.
    pub step: Option<StepInput>,
}

/// A step, not checked yet.
#[derive(Clone, Debug, Default)]
pub struct StepInput {
    /// `method` or `challenge`.
    pub kind: Option<String>,
    /// Where the form goes.
    pub url: Option<String>,
    /// The name of its only field.
    pub field: Option<String>,
    /// The value of it.
    pub value: Option<String>,
}

/// How far an authentication is, and what the page has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// The server's id.
    pub id: String,
    /// One of [`STATUSES`].
    pub status: String,
    /// A form that the page sends into a frame.
    pub step: Option<Step>,
}

/// A form that the page sends into a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `method`, in a frame that nobody sees, or `challenge`.
    pub kind: String,
    /// Where the form goes.
    pub url: String,
    /// The name of its only field.
    pub field: String,
    /// The value of it.
    pub value: String,
}

object!(Authentication, known, {
    "id" = &known.id,
    "status" = &known.status,
    "step" = &known.step,
});

object!(Step, step, {
    "kind" = &step.kind,
    "url" = &step.url,
    "field" = &step.field,
    "value" = &step.value,
});

impl AuthenticationInput {
    /// Checks the answer. The form of a step goes to an encrypted address, or to this machine if `local` says that the page
    /// is from it; never to a script.
    ///
    /// # Errors
    /// `answer_malformed`, with the member at fault.
    pub fn checked(self, local: bool) -> Result<Authentication> {
        let id = said(self.id, "id", &is_id)?;
        let status = said(self.status, "status", &|text| STATUSES.contains(&text))?;
        let step = match self.step {
            None => None,
            Some(step) => Some(Step {
                kind: said(step.kind, "kind", &|text| matches!(text, "method" | "challenge"))?,
                url: said(step.url, "url", &|text| leads_on(text, local))?,
                field: said(step.field, "field", &is_id)?,
                value: said(step.value, "value", &|text| is_visible(text, 65_536))?,
            }),
        };
        Ok(Authentication { id, status, step })
    }
}

// One function for all members, to keep the module small.
#[inline(never)]
fn said(text: Option<String>, field: &'static str, fits: &dyn Fn(&str) -> bool) -> Result<String> {
    text.filter(|text| fits(text))
        .ok_or_else(|| Error::new(Code::AnswerMalformed).at(field))
}

fn is_id(text: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=80).contains(&text.len()) && text.bytes().all(safe)
}

fn is_visible(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a form may be sent there. The bank's address may have a query, which a base URL has not.
fn leads_on(url: &str, local: bool) -> bool {
    let base = text::before(url, b'?');
    is_visible(url, 2048) && BaseUrl::parse(base).is_some() && (local || !hosts::is_loopback(base))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn server() -> BaseUrl {
        BaseUrl::parse_server("https://pay.shop.example").unwrap()
    }

    fn browser() -> BrowserInput {
        BrowserInput {
            language: "de-AT".into(),
            color_depth: 24.0,
            screen_width: 1920.0,
            screen_height: 1080.0,
            timezone_offset: "-60".into(),
            java_enabled: false,
            window: "500x600".into(),
            method: "completed".into(),
        }
    }

    fn body(of: &BrowserInput) -> Result<String> {
        of.request(&server(), "aut_1".into()).map(|request| request.body)
    }

    #[test]
    fn the_browser_is_described_in_the_servers_words() {
        let request = browser().request(&server(), "aut_1".into()).unwrap();
        assert_eq!(
            (request.method, request.url.as_str()),
            (
                "POST",
                "https://pay.shop.example/v1/authentications/aut_1/initiate"
            )
        );
        assert_eq!(
            request.body,
            concat!(
                r#"{"language":"de-AT","color_depth":24,"screen_width":1920,"screen_height":1080,"#,
                r#""timezone_offset":"-60","java_enabled":false,"window":"500x600","method":"completed"}"#
            )
        );
        let request = result_request(&server(), "aut_1".into()).unwrap();
        assert_eq!(
            (request.url.as_str(), request.body.as_str()),
            ("https://pay.shop.example/v1/authentications/aut_1/result", "{}")
        );
    }

    #[test]
    fn what_a_browser_cannot_say_is_brought_within_the_limits() {
        let odd = BrowserInput {
            language: "<script>".into(),
            color_depth: f64::NAN,
            screen_width: 1e9,
            screen_height: -3.5,
            timezone_offset: "Infinity".into(),
            java_enabled: true,
            ..BrowserInput::default()
        };
        assert_eq!(
            body(&odd).unwrap(),
            concat!(
                r#"{"language":"en","color_depth":1,"screen_width":999999,"screen_height":0,"#,
                r#""timezone_offset":"0","java_enabled":true,"window":"full_screen","method":"unavailable"}"#
            )
        );
    }

    #[test]
    fn words_that_the_server_does_not_know_are_refused() {
        let wrong = |browser: BrowserInput| {
            let error = body(&browser).unwrap_err();
            (error.code(), error.field())
        };
        let window = BrowserInput {
            window: "1x1".into(),
            ..browser()
        };
        assert_eq!(wrong(window), (Code::OptionInvalid, Some("window")));
        let method = BrowserInput {
            method: "done".into(),
            ..browser()
        };
        assert_eq!(wrong(method), (Code::OptionInvalid, Some("method")));
        for id in ["", "aut_1/../../v1/tokens", "aut 1"] {
            let error = browser().request(&server(), id.into()).err().unwrap();
            assert_eq!((error.code(), error.field()), (Code::OptionInvalid, Some("id")));
            assert!(result_request(&server(), id.into()).is_err());
        }
    }

    fn step(url: &str) -> StepInput {
        StepInput {
            kind: Some("challenge".into()),
            url: Some(url.into()),
            field: Some("creq".into()),
            value: Some("eyJ9".into()),
        }
    }

    fn read(step: Option<StepInput>, local: bool) -> Result<Authentication, Option<&'static str>> {
        let input = AuthenticationInput {
            id: Some("aut_1".into()),
            status: Some("challenge".into()),
            step,
        };
        input.checked(local).map_err(|error| {
            assert_eq!(error.code(), Code::AnswerMalformed);
            error.field()
        })
    }

    #[test]
    fn a_step_leads_to_an_encrypted_address_and_never_to_a_script() {
        let bank = "https://acs.bank.example/challenge?session=1";
        let known = read(Some(step(bank)), false).unwrap();
        assert_eq!(known.step.unwrap().url, bank);
        assert_eq!(read(None, false).unwrap().step, None);
        for url in [
            "",
            "javascript:alert(1)",
            "JavaScript://x.example/%0aalert(1)",
            "data:text/html,x",
            "//acs.bank.example",
            "/v1/tokens",
            "http://acs.bank.example/challenge",
            "https://",
            "https://a.example/x y",
            "https://user@a.example/x",
            "http://127.0.0.1:8080/acs",
            "https://localhost/acs",
        ] {
            assert_eq!(read(Some(step(url)), false), Err(Some("url")), "{url}");
        }
        // A page on this machine meets the sandbox.
        assert!(read(Some(step("http://127.0.0.1:8080/acs?a=b")), true).is_ok());
        assert_eq!(
            read(Some(step("http://acs.bank.example/x")), true),
            Err(Some("url"))
        );
    }

    #[test]
    fn an_answer_that_is_none_is_refused_with_the_member_at_fault() {
        let bank = "https://acs.bank.example/challenge";
        let change = |change: fn(&mut StepInput)| {
            let mut given = step(bank);
            change(&mut given);
            read(Some(given), false).unwrap_err()
        };
        assert_eq!(change(|step| step.kind = Some("page".into())), Some("kind"));
        assert_eq!(change(|step| step.field = Some("a b".into())), Some("field"));
        assert_eq!(change(|step| step.field = None), Some("field"));
        assert_eq!(change(|step| step.value = Some("a\nb".into())), Some("value"));
        assert_eq!(
            change(|step| step.value = Some("a".repeat(65_537))),
            Some("value")
        );
        for (id, status, field) in [
            (None, Some("failed"), "id"),
            (Some("aut 1"), Some("failed"), "id"),
            (Some("aut_1"), None, "status"),
            (Some("aut_1"), Some("approved"), "status"),
        ] {
            let input = AuthenticationInput {
                id: id.map(Into::into),
                status: status.map(Into::into),
                step: None,
            };
            assert_eq!(input.checked(false).unwrap_err().field(), Some(field));
        }
    }
}
