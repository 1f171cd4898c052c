//! Requests to the platform: for a payment token, and whether a payment needs 3-D Secure.

use super::customer::is_ipv4;
use super::{ACCEPT, BASE, Customer};
use crate::card::Card;
use crate::error::{Code, Error, Result};
use crate::hosts::BaseUrl;
use crate::http::Request;
use crate::json;
use crate::platform::Platform;
use crate::session::{self, Access, AccessInput, Kind, SessionInput};

/// The account of a session. Its numbers are within the platform's ranges.
#[derive(Clone, Debug, Default)]
pub struct AccountInput {
    /// The account, up to [`LAST_ACCNUM`](super::LAST_ACCNUM).
    pub client_accnum: Option<u32>,
    /// The sub account, up to [`LAST_SUBACC`](super::LAST_SUBACC).
    pub client_subacc: Option<u32>,
    /// The sub account for payments with 3-D Secure, if there is one.
    pub client_subacc_3ds: Option<u32>,
}

impl AccountInput {
    pub(super) fn subacc(&self, three_ds: bool) -> Option<u32> {
        self.client_subacc_3ds.filter(|_| three_ds).or(self.client_subacc)
    }
}

/// A session, as the page passes it in. It comes from the Cardseal server or from the merchant's own back end.
#[derive(Clone, Default)]
pub struct OrderInput {
    /// The members that every session has.
    pub common: SessionInput,
    /// The base URL and the access token.
    pub access: AccessInput,
    /// The account and its sub accounts.
    pub account: AccountInput,
}

/// Where requests may go.
#[derive(Clone, Debug)]
pub struct Place {
    /// The base URL from the page's options. It takes precedence over the session.
    pub chosen: Option<BaseUrl>,
    /// Whether the page is from this machine.
    pub local: bool,
}

/// A checked session.
#[derive(Clone)]
pub struct CheckedSession {
    access: Access,
    client_accnum: u32,
    client_subacc: u32,
}

impl OrderInput {
    /// The kind of the session: `payment`, or otherwise a session for storing a card.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.common.kind.as_deref() {
            Some("payment") => Kind::Payment,
            _ => Kind::Tokenize,
        }
    }

    /// Checks the session, first its age. The age of a token from the merchant's own back end is not known; the
    /// platform checks it.
    ///
    /// # Errors
    /// Those of a session, and `option_invalid`.
    pub fn open(&self, kind: Kind, three_ds: bool, place: &Place, now_ms: f64) -> Result<CheckedSession> {
        self.common.of_server(Platform::CcBill, kind, now_ms)?;
        let access = self.access.open(place.chosen.as_ref(), &[BASE], place.local)?;
        let number = |number: Option<u32>, name| number.ok_or_else(|| session::malformed(name));
        Ok(CheckedSession {
            access,
            client_accnum: number(self.account.client_accnum, "client_accnum")?,
            client_subacc: number(self.account.subacc(three_ds), "client_subacc")?,
        })
    }
}

/// The id of an earlier sale: digits without a leading zero, so that they are also a JSON number.
#[derive(Clone, Debug)]
pub struct SubscriptionId(String);

impl SubscriptionId {
    /// Checks an id.
    ///
    /// # Errors
    /// `option_invalid`.
    pub fn parse(text: String) -> Result<Self> {
        let is_number = text.len() <= 18
            && text.starts_with(|c| matches!(c, '1'..='9'))
            && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number {
            Ok(Self(text))
        } else {
            Err(Error::new(Code::OptionInvalid).at("subscriptionId"))
        }
    }
}

/// What a payment token is for.
pub enum Source<'a> {
    /// A new card.
    Card {
        /// The card.
        card: &'a Card,
        /// The cardholder.
        customer: &'a Customer,
        /// The customer's IP address, unless the page gives another.
        address: Option<String>,
    },
    /// The card of an earlier sale.
    Sale(SubscriptionId),
}

/// Checks the customer's IP address in a session, if there is one.
///
/// # Errors
/// `session_malformed` if it is not an IPv4 address. The platform accepts no others.
pub fn session_address(address: Option<String>) -> Result<Option<String>> {
    if address.as_deref().is_none_or(is_ipv4) {
        Ok(address)
    } else {
        Err(session::malformed("ip_address"))
    }
}

/// How long a payment token is valid.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// In hours.
    pub time_to_live: Option<u32>,
    /// In charges.
    pub number_of_use: Option<u32>,
}

impl CheckedSession {
    /// `POST /payment-tokens/merchant-only`. With `verify`, the bank checks the security code; without it, the code
    /// is not sent.
    #[must_use]
    pub fn payment_token_request(&self, source: &Source<'_>, verify: bool, limits: Limits) -> Request {
        let path = if verify {
            "/payment-tokens/merchant-only-verify"
        } else {
            "/payment-tokens/merchant-only"
        };
        let body = json::text(|body| {
            body.number("clientAccnum", self.client_accnum.into())
                .number("clientSubacc", self.client_subacc.into());
            match source {
                // Written as digits, because JavaScript cannot represent all these numbers.
                Source::Sale(SubscriptionId(id)) => {
                    body.raw("subscriptionId", id);
                }
                Source::Card {
                    card,
                    customer,
                    address,
                } => {
                    body.number("subscriptionId", 0)
                        .object("customerInfo", |body| customer.write(body, address.as_deref()))
                        .object("paymentInfo", |body| {
                            body.object("creditCardPaymentInfo", |body| {
                                body.text("cardNum", card.number.expose())
                                    .text("nameOnCard", card.holder.expose())
                                    .text("expMonth", &card.expiry.month_digits())
                                    .text("expYear", &card.expiry.year_digits())
                                    .optional("cvv2", verify.then(|| card.cvc.expose()));
                            });
                        });
                }
            }
            for (name, limit) in [
                ("timeToLive", limits.time_to_live),
                ("validNumberOfUse", limits.number_of_use),
            ] {
                if let Some(limit) = limit {
                    body.number(name, limit.into());
                }
            }
        });
        Request {
            method: "POST",
            url: self.access.base.join(path),
            headers: vec![
                ("accept", ACCEPT.into()),
                ("content-type", "application/json".into()),
                ("authorization", self.access.authorization.clone()),
            ],
            body,
        }
    }

    /// `GET /payment-tokens/threeds-required`. The platform requires the card's first six and last four digits in
    /// the URL.
    #[must_use]
    pub fn three_ds_required_request(&self, card: &Card, currency_code: u32) -> Request {
        let number = card.number.expose();
        let last = number.len().saturating_sub(4);
        let numbers =
            [self.client_accnum, self.client_subacc, currency_code].map(|number| number.to_string());
        let [accnum, subacc, currency] = &numbers;
        let query = [
            "/payment-tokens/threeds-required?bin=",
            number.get(..6).unwrap_or_default(),
            "&last4=",
            number.get(last..).unwrap_or_default(),
            "&clientAccnum=",
            accnum,
            "&clientSubacc=",
            subacc,
            "&currencyCode=",
            currency,
        ];
        Request {
            method: "GET",
            url: self.access.base.join(&query.concat()),
            headers: vec![
                ("accept", ACCEPT.into()),
                ("authorization", self.access.authorization.clone()),
            ],
            body: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::card::{CardInput, Rules, Secret};
    use crate::ccbill::RULES;

    const NOW: f64 = 1_795_219_200_000.0;
    const PLACE: Place = Place {
        chosen: None,
        local: false,
    };

    fn card(cvc: &str) -> Card {
        let input = CardInput {
            number: "4473 7079 8949 3598".into(),
            expiry: "4/30".into(),
            cvc: Secret::from(cvc),
            holder: "Tyler Thomas".into(),
            ..CardInput::default()
        };
        let rules = Rules { cvc: false, ..RULES };
        Card::parse(&input, &rules, NOW).unwrap()
    }

    fn customer() -> Customer {
        Customer::read(|name| {
            let value = match name {
                "firstName" => "Tyler",
                "lastName" => "Thomas",
                "email" => "tthomas@xyz.example",
                "postalCode" => "85281",
                "country" => "US",
                _ => return Ok(None),
            };
            Ok(Some(value.into()))
        })
        .unwrap()
    }

    fn order() -> OrderInput {
        OrderInput {
            common: SessionInput::default(),
            access: AccessInput {
                base_url: Some("https://api.ccbill.com".into()),
                access_token: Some("t0".into()),
            },
            account: AccountInput {
                client_accnum: Some(900_684),
                client_subacc: Some(0),
                client_subacc_3ds: Some(1),
            },
        }
    }

    fn own(kind: &str) -> OrderInput {
        OrderInput {
            common: SessionInput {
                id: Some("ses_1".into()),
                platform: Some("ccbill".into()),
                kind: Some(kind.into()),
                mode: Some("direct".into()),
                created_at: Some(NOW),
                expires_at: Some(NOW + 60_000.0),
            },
            ..order()
        }
    }

    fn open(order: &OrderInput, three_ds: bool) -> CheckedSession {
        order.open(order.kind(), three_ds, &PLACE, NOW).unwrap()
    }

    fn headers(request: &Request) -> Vec<(&str, &str)> {
        let headers = request.headers.iter();
        headers.map(|(name, value)| (*name, value.as_str())).collect()
    }

    #[test]
    fn a_payment_token_is_asked_for_byte_by_byte_as_documented() {
        let (card, customer) = (card("739"), customer());
        let source = Source::Card {
            card: &card,
            customer: &customer,
            address: session_address(Some("192.0.2.7".into())).unwrap(),
        };
        let limits = Limits {
            time_to_live: Some(1),
            number_of_use: Some(2),
        };
        let request = open(&own("payment"), false).payment_token_request(&source, true, limits);
        assert_eq!(request.method, "POST");
        assert_eq!(
            request.url,
            "https://api.ccbill.com/payment-tokens/merchant-only-verify"
        );
        assert_eq!(
            headers(&request),
            [
                ("accept", "application/vnd.mcn.transaction-service.api.v.2+json"),
                ("content-type", "application/json"),
                ("authorization", "Bearer t0")
            ]
        );
        assert_eq!(
            request.body,
            concat!(
                r#"{"clientAccnum":900684,"clientSubacc":0,"subscriptionId":0,"#,
                r#""customerInfo":{"customerFname":"Tyler","customerLname":"Thomas","zipcode":"85281","country":"US","email":"tthomas@xyz.example","ipAddress":"192.0.2.7"},"#,
                r#""paymentInfo":{"creditCardPaymentInfo":{"cardNum":"4473707989493598","nameOnCard":"Tyler Thomas","expMonth":"04","expYear":"2030","cvv2":"739"}},"#,
                r#""timeToLive":1,"validNumberOfUse":2}"#
            )
        );
    }

    #[test]
    fn without_its_check_the_security_code_is_not_sent() {
        let customer = customer();
        for cvc in ["739", ""] {
            let card = card(cvc);
            let source = Source::Card {
                card: &card,
                customer: &customer,
                address: None,
            };
            let request = open(&order(), false).payment_token_request(&source, false, Limits::default());
            assert_eq!(request.url, "https://api.ccbill.com/payment-tokens/merchant-only");
            assert_eq!(
                request.body,
                concat!(
                    r#"{"clientAccnum":900684,"clientSubacc":0,"subscriptionId":0,"#,
                    r#""customerInfo":{"customerFname":"Tyler","customerLname":"Thomas","zipcode":"85281","country":"US","email":"tthomas@xyz.example"},"#,
                    r#""paymentInfo":{"creditCardPaymentInfo":{"cardNum":"4473707989493598","nameOnCard":"Tyler Thomas","expMonth":"04","expYear":"2030"}}}"#
                )
            );
        }
    }

    #[test]
    fn a_sales_own_card_is_named_by_its_digits_none_of_which_is_lost() {
        for id in ["924313501000000101", "9007199254740993", "1"] {
            let source = Source::Sale(SubscriptionId::parse(id.into()).unwrap());
            let limits = Limits {
                time_to_live: Some(24),
                number_of_use: Some(3),
            };
            let request = open(&order(), true).payment_token_request(&source, true, limits);
            let expected = [
                r#"{"clientAccnum":900684,"clientSubacc":1,"subscriptionId":"#,
                id,
                r#","timeToLive":24,"validNumberOfUse":3}"#,
            ];
            assert_eq!(request.body, expected.concat());
        }
        for id in ["", "0", "0123", "-1", "1.5", "1e9", "9999999999999999999", "1}"] {
            let error = SubscriptionId::parse(id.into()).map(|_| ()).unwrap_err();
            assert_eq!(
                (error.code(), error.field()),
                (Code::OptionInvalid, Some("subscriptionId")),
                "{id}"
            );
        }
    }

    #[test]
    fn whether_3_d_secure_is_needed_is_asked_with_ten_digits_of_the_card() {
        let request = open(&own("payment"), true).three_ds_required_request(&card(""), 36);
        assert_eq!(request.method, "GET");
        assert_eq!(
            request.url,
            "https://api.ccbill.com/payment-tokens/threeds-required?bin=447370&last4=3598&clientAccnum=900684&clientSubacc=1&currencyCode=36"
        );
        assert_eq!(
            headers(&request),
            [
                ("accept", "application/vnd.mcn.transaction-service.api.v.2+json"),
                ("authorization", "Bearer t0")
            ]
        );
        assert_eq!(request.body, "");
    }

    #[test]
    fn nothing_is_asked_for_with_a_session_that_is_not_right() {
        let open = |change: fn(&mut OrderInput)| {
            let mut order = own("payment");
            change(&mut order);
            order
                .open(order.kind(), true, &PLACE, NOW)
                .map(|opened| opened.client_subacc)
                .map_err(|error| (error.code(), error.field()))
        };
        assert_eq!(open(|_| {}), Ok(1));
        assert_eq!(open(|order| order.account.client_subacc_3ds = None), Ok(0));
        assert_eq!(
            open(|order| {
                order.common.expires_at = Some(NOW);
                order.access = AccessInput::default();
            }),
            Err((Code::SessionExpired, None))
        );
        assert_eq!(
            open(|order| order.common.platform = Some("gp_api".into())),
            Err((Code::SessionWrongPlatform, None))
        );
        assert_eq!(
            open(|order| order.common.kind = Some("update".into())),
            Err((Code::SessionWrongKind, None))
        );
        assert_eq!(
            open(|order| order.access.base_url = Some("https://evil.example".into())),
            Err((Code::SessionHostRefused, Some("base_url")))
        );
        for (change, name) in [
            (
                (|order| order.account.client_accnum = None) as fn(&mut OrderInput),
                "client_accnum",
            ),
            (
                |order| {
                    order.account = AccountInput {
                        client_accnum: Some(1),
                        ..AccountInput::default()
                    }
                },
                "client_subacc",
            ),
        ] {
            assert_eq!(open(change), Err((Code::SessionMalformed, Some(name))));
        }
        for address in ["::1", "192.0.2.07", ""] {
            let error = session_address(Some(address.into())).unwrap_err();
            assert_eq!(
                (error.code(), error.field()),
                (Code::SessionMalformed, Some("ip_address"))
            );
        }
    }
}
