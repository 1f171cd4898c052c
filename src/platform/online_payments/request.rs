//! Requests to the client API, and to the merchant's server.

use crate::card;
use crate::crypto::encoding::base64;
use crate::error::{Code, Error, Result};
use crate::hosts::BaseUrl;
use crate::http::Request;
use crate::json;
use crate::session::{self, Kind};

/// The hosts that a session may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hosts {
    /// All published hosts.
    #[default]
    Published,
    /// The hosts of the sandbox.
    Sandbox,
    /// The hosts of the live platform.
    Production,
    /// Another base URL.
    Custom(BaseUrl),
}

/// The hosts of PAYONE and of Worldline for the same platform: two for the sandbox, then two for the live platform.
const PUBLISHED: [&str; 4] = [
    "https://payment.preprod.payone.com",
    "https://payment.preprod.direct.worldline-solutions.com",
    "https://payment.payone.com",
    "https://payment.direct.worldline-solutions.com",
];

impl Hosts {
    fn known(&self) -> Vec<&str> {
        let [sandbox @ .., live, live_worldline] = PUBLISHED;
        match self {
            Self::Published => PUBLISHED.into(),
            Self::Sandbox => sandbox.into(),
            Self::Production => vec![live, live_worldline],
            Self::Custom(url) => vec![url.as_str()],
        }
    }
}

/// A session of the client API, not checked yet.
#[derive(Clone, Debug, Default)]
pub struct ClientSessionInput {
    /// The platform's id of the session.
    pub client_session_id: Option<String>,
    /// The platform's id of the customer.
    pub customer_id: Option<String>,
    /// The URL of the client API.
    pub client_api_url: Option<String>,
}

/// A checked session of the client API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSession {
    /// The platform's id.
    pub id: String,
    /// The start of every URL.
    base: String,
}

impl ClientSessionInput {
    /// Checks the session. Its host must be one of `hosts`, or this machine if `local` says that the page is from this
    /// machine.
    ///
    /// # Errors
    /// `session_malformed`, with the member at fault; `session_host_refused`.
    pub fn open(&self, hosts: &Hosts, local: bool) -> Result<ClientSession> {
        let id = |value: &Option<String>, name| {
            let value = value.clone().ok_or_else(|| session::malformed(name))?;
            session::id(value, name, Code::SessionMalformed)
        };
        let own = id(&self.client_session_id, "clientSessionId")?;
        let customer = id(&self.customer_id, "customerId")?;
        const URL: &str = "clientApiUrl";
        let url = self
            .client_api_url
            .as_deref()
            .ok_or_else(|| session::malformed(URL))?;
        let url = BaseUrl::of_session(url, URL, &hosts.known(), local, Code::SessionMalformed)?;
        // Like the platform's own client: no other path is allowed, and a missing one is added.
        let path = match url.path() {
            "" => "/client/v1/",
            "/client" => "/v1/",
            _ => return Err(session::malformed(URL)),
        };
        Ok(ClientSession {
            id: own,
            base: [url.as_str(), path, &customer].concat(),
        })
    }
}

/// The purchase, as far as it decides which products the platform offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purchase {
    country_code: Option<String>,
    amount: Option<u64>,
    currency_code: Option<String>,
    is_recurring: bool,
}

impl Purchase {
    /// Checks a purchase. The country has two, the currency three capital letters; the amount is in minor units.
    ///
    /// # Errors
    /// `option_invalid`, with the member at fault.
    pub fn new(
        country_code: Option<String>,
        amount: Option<u64>,
        currency_code: Option<String>,
        is_recurring: bool,
    ) -> Result<Self> {
        let letters = |text: Option<String>, length, name| match text {
            Some(text) if text.len() != length || !text.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                Err(Error::new(Code::OptionInvalid).at(name))
            }
            text => Ok(text),
        };
        Ok(Self {
            country_code: letters(country_code, 2, "countryCode")?,
            amount,
            currency_code: letters(currency_code, 3, "currencyCode")?,
            is_recurring,
        })
    }

    /// Returns the query. It has only letters and digits, so nothing needs encoding.
    fn query(&self) -> String {
        let mut query = String::from("isRecurring=");
        query.push_str(if self.is_recurring { "true" } else { "false" });
        let amount = self.amount.map(|amount| amount.to_string());
        for (name, value) in [
            ("&countryCode=", &self.country_code),
            ("&amount=", &amount),
            ("&currencyCode=", &self.currency_code),
        ] {
            if let Some(value) = value {
                query.push_str(name);
                query.push_str(value);
            }
        }
        query
    }
}

/// The browser's data, which every call contains.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    /// Inner width and height, for example `1400x900`.
    pub screen_size: Option<String>,
    /// The `User-Agent`.
    pub user_agent: Option<String>,
}

impl Browser {
    /// Returns the value of the header `x-gcs-clientmetainfo`.
    fn meta(&self) -> String {
        let json = json::object(|meta| {
            meta.optional("screenSize", self.screen_size.as_deref())
                .optional("platformIdentifier", self.user_agent.as_deref())
                .text("sdkIdentifier", "Cardseal")
                .text("sdkCreator", "Cardseal");
        });
        base64(json.as_bytes())
    }
}

impl ClientSession {
    /// Asks for the key to encrypt cards with.
    #[must_use]
    pub fn public_key_request(&self, browser: &Browser) -> Request {
        self.request(Request::get(self.at("/crypto/publickey")), browser)
    }

    /// Asks for all products, without their fields.
    #[must_use]
    pub fn products_request(&self, purchase: &Purchase, browser: &Browser) -> Request {
        let url = [&self.at("/products?hide=fields&"), &*purchase.query()].concat();
        self.request(Request::get(url), browser)
    }

    /// Asks for one product.
    #[must_use]
    pub fn product_request(&self, product: u64, purchase: &Purchase, browser: &Browser) -> Request {
        let url = [
            &self.at("/products/"),
            &*product.to_string(),
            "?",
            &purchase.query(),
        ];
        self.request(Request::get(url.concat()), browser)
    }

    /// Asks for the product of a card, by its [`first_digits`].
    #[must_use]
    pub fn iin_details_request(&self, first_digits: &str, purchase: &Purchase, browser: &Browser) -> Request {
        let request = Request::post(self.at("/services/getIINdetails"), |body| {
            body.text("bin", first_digits);
            let Some(country) = &purchase.country_code else {
                return;
            };
            body.object("paymentContext", |context| {
                context.text("countryCode", country);
                if let (Some(amount), Some(currency)) = (purchase.amount, &purchase.currency_code) {
                    context.object("amountOfMoney", |money| {
                        money.number("amount", amount).text("currencyCode", currency);
                    });
                }
                context.flag("isRecurring", purchase.is_recurring);
            });
        });
        self.request(request, browser)
    }

    fn at(&self, path: &str) -> String {
        [&self.base, path].concat()
    }

    fn request(&self, request: Request, browser: &Browser) -> Request {
        request
            .header("authorization", ["GCS v1Client:", &self.id].concat())
            .header("x-gcs-clientmetainfo", browser.meta())
    }
}

/// Returns the digits of a card number that the platform needs for a lookup; only these leave the page. `None` with
/// fewer than six digits.
#[must_use]
pub fn first_digits(number: &str) -> Option<String> {
    let digits = card::digits(number)?;
    let length = if digits.len() < 8 { 6 } else { 8 };
    digits.get(..length).map(Into::into)
}

/// The request that submits an encrypted card to the merchant's server.
#[must_use]
pub fn hand_over(server: &BaseUrl, kind: Kind, session: &str, encrypted: &str, product: u64) -> Request {
    Request::post(server.join(kind.server_path()), |body| {
        body.text("session", session)
            .text("encrypted_customer_input", encrypted)
            .number("payment_product_id", product);
    })
}

/// The request for the token of a card in the platform's form. The server asks the platform.
#[must_use]
pub fn confirm_token(server: &BaseUrl, session: &str) -> Request {
    Request::post(server.join(Kind::Tokenize.server_path()), |body| {
        body.text("session", session).object("answer", |_| {});
    })
}

/// The request for the outcome of a payment on the platform's page. The customer came back with `return_mac`.
#[must_use]
pub fn confirm_payment(server: &BaseUrl, session: &str, return_mac: &str) -> Request {
    Request::post(server.join(Kind::Payment.server_path()), |body| {
        body.text("session", session).object("answer", |answer| {
            answer.text("RETURNMAC", return_mac);
        });
    })
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn given(url: &str) -> ClientSessionInput {
        ClientSessionInput {
            client_session_id: Some("0123".into()),
            customer_id: Some("9991-0".into()),
            client_api_url: Some(url.into()),
        }
    }

    fn custom() -> Hosts {
        Hosts::Custom(BaseUrl::parse("https://x.example").unwrap())
    }

    fn client() -> ClientSession {
        given("https://x.example/client").open(&custom(), false).unwrap()
    }

    #[test]
    fn takes_no_other_client_api_than_the_session_says() {
        let url = |url: &str| {
            let session = given(url).open(&custom(), true);
            session
                .map(|session| session.public_key_request(&Browser::default()).url)
                .map_err(|error| error.code())
        };
        for (named, base) in [
            ("https://x.example", "https://x.example"),
            ("https://x.example/client/", "https://x.example"),
            ("http://127.0.0.1:8", "http://127.0.0.1:8"),
        ] {
            assert_eq!(
                url(named),
                Ok([base, "/client/v1/9991-0/crypto/publickey"].concat())
            );
        }
        for named in [
            "",
            "http://x.example",
            "https://",
            "https://x.example/v1",
            "https://x.example/client/x",
            "https://x\"y.example",
            "https://a@x.example",
            "https://x.example?x",
            "javascript:alert(1)",
            "//x.example",
        ] {
            assert_eq!(url(named), Err(Code::SessionMalformed), "{named}");
        }
        type Change = fn(&mut ClientSessionInput);
        let without = |change: Change| {
            let mut session = given("https://x.example");
            change(&mut session);
            let error = session.open(&custom(), false).unwrap_err();
            (error.code(), error.field())
        };
        let malformed = |field| (Code::SessionMalformed, Some(field));
        let cases: [(Change, &str); 6] = [
            (
                |session| session.client_session_id = Some("a b".into()),
                "clientSessionId",
            ),
            (|session| session.client_session_id = None, "clientSessionId"),
            (|session| session.customer_id = Some("../x".into()), "customerId"),
            (|session| session.customer_id = None, "customerId"),
            (|session| session.client_api_url = None, "clientApiUrl"),
            (
                |session| session.client_api_url = Some("x".into()),
                "clientApiUrl",
            ),
        ];
        for (change, field) in cases {
            assert_eq!(without(change), malformed(field));
        }
    }

    #[test]
    fn a_session_names_a_published_host_of_the_environment() {
        let open = |hosts: &Hosts, url: &str| given(url).open(hosts, false).map_err(|error| error.code());
        for (index, host) in PUBLISHED.into_iter().enumerate() {
            let url = [host, "/client"].concat();
            assert!(open(&Hosts::Published, &url).is_ok());
            assert_eq!(open(&Hosts::Sandbox, &url).is_ok(), index < 2, "{host}");
            assert_eq!(open(&Hosts::Production, &url).is_ok(), index >= 2, "{host}");
            assert_eq!(open(&custom(), &url), Err(Code::SessionHostRefused));
        }
        for url in [
            "https://evil.example/client",
            "https://payment.payone.com.evil.example",
            "https://payment.payone.com:8443",
            "https://payment.payone.com.",
            "http://127.0.0.1",
        ] {
            assert_eq!(
                open(&Hosts::Published, url),
                Err(Code::SessionHostRefused),
                "{url}"
            );
        }
    }

    #[test]
    fn asks_for_what_is_bought_in_checked_words_alone() {
        let text = |text: &str| Some(String::from(text));
        for (country, currency, field) in [
            (text("de"), None, "countryCode"),
            (text("DE&x=1"), None, "countryCode"),
            (text(""), None, "countryCode"),
            (None, text("EU"), "currencyCode"),
            (None, text("EUR\n"), "currencyCode"),
        ] {
            let error = Purchase::new(country, None, currency, false).unwrap_err();
            assert_eq!((error.code(), error.field()), (Code::OptionInvalid, Some(field)));
        }
        let bought = Purchase::new(text("DE"), Some(1000), text("EUR"), true).unwrap();
        let nothing = Purchase::default();
        let (client, browser) = (client(), Browser::default());
        assert_eq!(
            client.products_request(&bought, &browser).url,
            "https://x.example/client/v1/9991-0/products?hide=fields&isRecurring=true&countryCode=DE&amount=1000&currencyCode=EUR"
        );
        assert_eq!(
            client.product_request(1, &nothing, &browser).url,
            "https://x.example/client/v1/9991-0/products/1?isRecurring=false"
        );
        let body = |purchase| client.iin_details_request("42424242", purchase, &browser).body;
        assert_eq!(
            body(&bought),
            r#"{"bin":"42424242","paymentContext":{"countryCode":"DE","amountOfMoney":{"amount":1000,"currencyCode":"EUR"},"isRecurring":true}}"#
        );
        assert_eq!(body(&nothing), r#"{"bin":"42424242"}"#);
        let elsewhere = Purchase::new(text("DE"), Some(0), None, false).unwrap();
        assert_eq!(
            body(&elsewhere),
            r#"{"bin":"42424242","paymentContext":{"countryCode":"DE","isRecurring":false}}"#
        );
        let sold = Purchase::new(None, Some(0), text("EUR"), false).unwrap();
        assert_eq!(body(&sold), r#"{"bin":"42424242"}"#);
    }

    #[test]
    fn every_call_names_the_session_and_tells_of_the_browser() {
        let browser = Browser {
            screen_size: Some("1400x900".into()),
            user_agent: Some("Mozilla/5.0 (Test) é".into()),
        };
        let request = client().public_key_request(&browser);
        let meta = r#"{"screenSize":"1400x900","platformIdentifier":"Mozilla/5.0 (Test) é","sdkIdentifier":"Cardseal","sdkCreator":"Cardseal"}"#;
        assert_eq!((request.method, &*request.body), ("GET", ""));
        assert_eq!(
            request.headers,
            [
                ("accept", "application/json".into()),
                ("content-type", "application/json".into()),
                ("authorization", "GCS v1Client:0123".into()),
                ("x-gcs-clientmetainfo", STANDARD.encode(meta.as_bytes())),
            ]
        );
        let request = client().iin_details_request("424242", &Purchase::default(), &Browser::default());
        assert_eq!(request.method, "POST");
        let meta = r#"{"sdkIdentifier":"Cardseal","sdkCreator":"Cardseal"}"#;
        assert_eq!(
            request.headers.last().unwrap().1,
            STANDARD.encode(meta.as_bytes())
        );
    }

    #[test]
    fn no_more_than_the_first_eight_digits_leave_the_page() {
        for (number, digits) in [
            ("4242 4", None),
            ("", None),
            ("4242x42", None),
            ("4242-42", Some("424242")),
            ("4242427", Some("424242")),
            ("42424242", Some("42424242")),
            ("4242 4242 4242 4242", Some("42424242")),
            ("４２４２\u{200b}４２", Some("424242")),
        ] {
            assert_eq!(first_digits(number).as_deref(), digits, "{number}");
        }
    }

    #[test]
    fn the_merchants_server_gets_the_session_the_encrypted_card_and_its_product() {
        let server = BaseUrl::parse_server("/pay/").unwrap();
        let request = hand_over(&server, Kind::Payment, "ses_1", "a.b.c.d.e", 1);
        assert_eq!(
            (request.method, &*request.url, &*request.body),
            (
                "POST",
                "/pay/v1/payments",
                r#"{"session":"ses_1","encrypted_customer_input":"a.b.c.d.e","payment_product_id":1}"#
            )
        );
        assert_eq!(
            hand_over(&server, Kind::Tokenize, "ses_1", "x", 1).url,
            "/pay/v1/tokens"
        );
        let form = confirm_token(&server, "ses_1");
        assert_eq!(
            (&*form.url, &*form.body),
            ("/pay/v1/tokens", r#"{"session":"ses_1","answer":{}}"#)
        );
        let page = confirm_payment(&server, "ses_1", "m-\"1");
        assert_eq!(
            (&*page.url, &*page.body),
            (
                "/pay/v1/payments",
                r#"{"session":"ses_1","answer":{"RETURNMAC":"m-\"1"}}"#
            )
        );
    }
}
