//! The request that turns a card into a payment method. It contains the card in clear text and goes to the platform
//! itself.

use super::{Hosts, VERSION, VERSION_HEADER};
use crate::card::Card;
use crate::error::Result;
use crate::hosts::BaseUrl;
use crate::http::Request;
use crate::platform::Platform;
use crate::random::Random;
use crate::session::{self, Access, Kind, SessionInput};

/// The value of the official library. The platform documents no other.
const LIBRARY: &str = "javascript;version=5.0.1";

/// Every host that a session may name. The official libraries also know the last one, where the platform has
/// another name; it is not one of our environments.
const PUBLISHED: [&str; 5] = [
    Hosts::SANDBOX,
    Hosts::PRODUCTION,
    Hosts::SANDBOX_EU,
    Hosts::PRODUCTION_EU,
    "https://apis.sandbox.boipagateway.com/ucp",
];

/// A session, as the page passes it in. It comes from the Cardseal server or from the merchant's own back end.
#[derive(Clone, Default)]
pub struct AccessInput {
    /// The members that every session has.
    pub common: SessionInput,
    /// The base URL and the access token.
    pub access: session::AccessInput,
    /// The merchant's reference for the payment method.
    pub reference: Option<String>,
    /// The merchant's account.
    pub account_name: Option<String>,
}

/// The page's options for the request.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Replaces the session's reference.
    pub reference: Option<String>,
    /// Whether to ask for a network token instead of a single-use token.
    pub network_token: bool,
}

/// Where requests may go.
#[derive(Clone, Debug)]
pub struct Place {
    /// The base URL from the page's options. It takes precedence over the session.
    pub chosen: Option<BaseUrl>,
    /// Whether the page is from this machine.
    pub local: bool,
}

/// The request without the card.
#[derive(Clone)]
pub struct Tokenize {
    access: Access,
    reference: String,
    account_name: Option<String>,
    network_token: bool,
}

impl AccessInput {
    /// Checks the session, first its age. The age of a token from the merchant's own back end is not known; the
    /// platform checks it. A missing reference becomes a random one, as in the official library.
    ///
    /// # Errors
    /// Those of a session, `option_invalid` and `random_unavailable`.
    pub fn open(
        self,
        options: Options,
        place: &Place,
        now_ms: f64,
        random: &mut dyn Random,
    ) -> Result<Tokenize> {
        self.common.of_server(Platform::GpApi, Kind::Tokenize, now_ms)?;
        let access = self.access.open(place.chosen.as_ref(), &PUBLISHED, place.local)?;
        let reference = match options.reference.or(self.reference) {
            Some(reference) => reference,
            None => random_uuid(random)?,
        };
        Ok(Tokenize {
            access,
            reference,
            account_name: self.account_name,
            network_token: options.network_token,
        })
    }
}

impl Tokenize {
    /// `POST /payment-methods` with a card.
    #[must_use]
    pub fn request(&self, card: &Card) -> Request {
        let usage = if self.network_token {
            "USE_NETWORK_TOKEN"
        } else {
            "SINGLE"
        };
        let holder = Some(card.holder.expose()).filter(|holder| !holder.is_empty());
        let request = Request::post(self.access.base.join("/payment-methods"), |body| {
            body.text("reference", &self.reference)
                .text("usage_mode", usage)
                .optional("account_name", self.account_name.as_deref())
                .object("card", |body| {
                    body.text("number", card.number.expose())
                        .text("cvv", card.cvc.expose())
                        .text("expiry_month", &card.expiry.month_digits())
                        .text("expiry_year", &card.expiry.short_year_digits());
                })
                .optional("name", holder);
        });
        request
            .header("authorization", self.access.authorization.clone())
            .header(VERSION_HEADER, VERSION)
            .header("x-gp-library", LIBRARY)
    }
}

/// A random UUID, version 4.
fn random_uuid(random: &mut dyn Random) -> Result<String> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes)?;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let high = match index {
            6 => 4,
            8 => 8,
            _ => byte >> 4,
        };
        for digit in [high, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::card::{CardInput, Secret};
    use crate::error::Code;
    use crate::gp_api::RULES;

    const NOW: f64 = 1_795_219_200_000.0;

    struct Counting;
    impl Random for Counting {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
            for (index, byte) in (0..).zip(bytes) {
                *byte = 0xf0 + index;
            }
            Ok(())
        }
    }
    struct Broken;
    impl Random for Broken {
        fn fill(&mut self, _: &mut [u8]) -> Result<()> {
            Err(Code::RandomUnavailable.into())
        }
    }

    fn card(holder: &str) -> Card {
        let input = CardInput {
            number: "4242 4242 4242 4242".into(),
            expiry: "5/2030".into(),
            cvc: Secret::from("123"),
            holder: holder.into(),
            ..CardInput::default()
        };
        Card::parse(&input, &RULES, NOW).unwrap()
    }

    fn access() -> AccessInput {
        AccessInput {
            access: session::AccessInput {
                base_url: Some("https://apis.sandbox.globalpay.com/ucp".into()),
                access_token: Some("t0".into()),
            },
            reference: Some("r-1".into()),
            ..AccessInput::default()
        }
    }

    const PLACE: Place = Place {
        chosen: None,
        local: false,
    };

    fn open(given: AccessInput, options: Options) -> Tokenize {
        given.open(options, &PLACE, NOW, &mut Broken).unwrap()
    }

    #[test]
    fn the_request_is_the_official_librarys_byte_for_byte() {
        let request = open(access(), Options::default()).request(&card("Ana Mora"));
        assert_eq!(request.method, "POST");
        assert_eq!(
            request.url,
            "https://apis.sandbox.globalpay.com/ucp/payment-methods"
        );
        let headers: Vec<_> = request
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        assert_eq!(
            headers,
            [
                ("accept", "application/json"),
                ("content-type", "application/json"),
                ("authorization", "Bearer t0"),
                ("x-gp-version", "2021-03-22"),
                ("x-gp-library", "javascript;version=5.0.1"),
            ]
        );
        assert_eq!(
            request.body,
            r#"{"reference":"r-1","usage_mode":"SINGLE","card":{"number":"4242424242424242","cvv":"123","expiry_month":"05","expiry_year":"30"},"name":"Ana Mora"}"#
        );
    }

    #[test]
    fn an_option_goes_before_the_session_and_a_missing_name_is_left_out() {
        let given = AccessInput {
            account_name: Some("a".into()),
            ..access()
        };
        let options = Options {
            reference: Some("mine".into()),
            network_token: true,
        };
        assert_eq!(
            open(given, options).request(&card("")).body,
            r#"{"reference":"mine","usage_mode":"USE_NETWORK_TOKEN","account_name":"a","card":{"number":"4242424242424242","cvv":"123","expiry_month":"05","expiry_year":"30"}}"#
        );
    }

    #[test]
    fn without_a_reference_a_random_one_is_made_and_nothing_weaker() {
        let given = AccessInput {
            reference: None,
            ..access()
        };
        let made = given
            .clone()
            .open(Options::default(), &PLACE, NOW, &mut Counting)
            .unwrap();
        assert_eq!(made.reference, "f0f1f2f3-f4f5-46f7-88f9-fafbfcfdfeff");
        let refused = given
            .open(Options::default(), &PLACE, NOW, &mut Broken)
            .map(|_| ());
        assert_eq!(refused, Err(Code::RandomUnavailable.into()));
    }

    #[test]
    fn a_session_of_the_server_is_checked_first() {
        let open = |change: fn(&mut AccessInput)| {
            let mut given = AccessInput {
                common: SessionInput {
                    id: Some("ses_1".into()),
                    platform: Some("gp_api".into()),
                    kind: Some("tokenize".into()),
                    mode: Some("direct".into()),
                    created_at: Some(NOW),
                    expires_at: Some(NOW + 1000.0),
                },
                ..access()
            };
            change(&mut given);
            given
                .open(Options::default(), &PLACE, NOW, &mut Broken)
                .map(|opened| opened.access.base.as_str().to_owned())
                .map_err(|error| (error.code(), error.field()))
        };
        assert!(open(|_| {}).is_ok());
        assert_eq!(
            open(|given| {
                given.common.expires_at = Some(NOW);
                given.access = session::AccessInput::default();
            }),
            Err((Code::SessionExpired, None))
        );
        assert_eq!(
            open(|given| given.common.kind = Some("payment".into())),
            Err((Code::SessionWrongKind, None))
        );
        assert_eq!(
            open(|given| given.access.base_url = Some("https://evil.example".into())),
            Err((Code::SessionHostRefused, Some("base_url")))
        );
        assert_eq!(
            open(|given| given.access.base_url = Some("https://apis.sandbox.boipagateway.com/ucp".into()))
                .unwrap(),
            "https://apis.sandbox.boipagateway.com/ucp"
        );
    }
}
