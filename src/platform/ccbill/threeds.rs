//! The result of 3-D Secure in the page. The merchant's server repeats these checks.

use super::{AccountInput, PaymentToken};
use crate::error::{Code, Error, Result};
use crate::json::{self, Object};
use crate::text::split_once;

/// The strings of a result, with the most characters of each. The first three are always required. Of the next six,
/// either the first or the last three are required, depending on the version of the protocol.
pub const AUTHENTICATION: [(&str, usize); 12] = [
    ("eci", 2),
    ("protocolVersion", 20),
    ("clientTransactionId", 36),
    ("dsTransId", 36),
    ("acsTransId", 36),
    ("authenticationValue", 36),
    ("xid", 50),
    ("cavv", 1024),
    ("cavvAlgorithm", 28),
    ("cardToken", 256),
    ("sdkTransId", 36),
    ("authenticationType", 36),
];

/// What the platform's script resolves to, not checked yet.
#[derive(Clone, Default)]
pub struct AuthenticationInput {
    /// One letter.
    pub status: Option<String>,
    /// Whether the customer was authenticated.
    pub success: Option<bool>,
    /// Whether there is an error.
    pub error: bool,
    /// In the order of [`AUTHENTICATION`]. A value of another type is [`UNREADABLE`](crate::lenient::UNREADABLE).
    pub texts: [Option<String>; AUTHENTICATION.len()],
    /// As a decimal number.
    pub amount: Option<String>,
    /// The numeric ISO 4217 code.
    pub currency: Option<String>,
}

/// The payment in a session.
#[derive(Clone, Debug, Default)]
pub struct PaymentInput {
    /// The account.
    pub account: AccountInput,
    /// As a decimal number.
    pub amount: Option<String>,
    /// The numeric ISO 4217 code.
    pub currency_code: Option<String>,
}

impl PaymentInput {
    /// Returns the JSON for the merchant's server, with which it charges: the token, and the result of 3-D Secure.
    ///
    /// # Errors
    /// `option_invalid` if the token is for another account; `answer_malformed`, with the member at fault.
    pub fn answer(&self, token: &PaymentToken, result: Option<&AuthenticationInput>) -> Result<String> {
        let subacc = self.account.subacc(result.is_some());
        if (Some(token.client_accnum), Some(token.client_subacc)) != (self.account.client_accnum, subacc) {
            return Err(Error::new(Code::OptionInvalid).at("threeDs"));
        }
        let Some(result) = result else {
            return Ok(token.to_json());
        };
        let success = result.checked(self)?;
        Ok(json::text(|body| {
            body.object("paymentToken", |body| token.write(body))
                .object("threedsInformation", |body| result.write(success, body));
        }))
    }
}

impl AuthenticationInput {
    /// Checks the result, and returns whether authentication succeeded. If not, the server declines the payment.
    fn checked(&self, payment: &PaymentInput) -> Result<bool> {
        let check = |fine, name| {
            if fine {
                Ok(())
            } else {
                Err(Error::new(Code::AnswerMalformed).at(name))
            }
        };
        let is_status = |text: &str| {
            text.len() == 1
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let status = self.status.as_deref().unwrap_or_default();
        check(is_status(status), "status")?;
        check(self.success.is_some(), "success")?;
        if self.success == Some(false) || self.error || !matches!(status, "Y" | "A") {
            return Ok(false);
        }
        let first = self.text(1).starts_with("1.");
        for (index, (name, longest)) in AUTHENTICATION.into_iter().enumerate() {
            let needed = match index {
                0..=2 => true,
                3..=5 => !first,
                6..=8 => first,
                _ => false,
            };
            let text = self.text(index);
            let fits = text.len() <= longest && text.bytes().all(|byte| byte.is_ascii_graphic());
            check(fits && !(needed && text.is_empty()), name)?;
        }
        check(same(self.amount.as_deref(), payment.amount.as_deref()), "amount")?;
        check(
            same(self.currency.as_deref(), payment.currency_code.as_deref()),
            "currency",
        )?;
        Ok(true)
    }

    fn write(&self, success: bool, body: &mut Object<'_>) {
        body.optional("status", self.status.as_deref())
            .flag("success", success);
        if !success {
            return;
        }
        for (index, (name, _)) in AUTHENTICATION.into_iter().enumerate() {
            body.optional(name, Some(self.text(index)).filter(|text| !text.is_empty()));
        }
        body.optional("amount", self.amount.as_deref())
            .optional("currency", self.currency.as_deref());
    }

    fn text(&self, index: usize) -> &str {
        self.texts
            .get(index)
            .and_then(Option::as_deref)
            .unwrap_or_default()
    }
}

/// Compares decimal numbers, ignoring leading and trailing zeros.
fn same(one: Option<&str>, other: Option<&str>) -> bool {
    let one = one.and_then(decimal);
    one.is_some() && one == other.and_then(decimal)
}

/// Splits a decimal number at its point.
fn decimal(text: &str) -> Option<(&str, &str)> {
    let (whole, part) = split_once(text, ".").unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_digits(whole) && whole.len() <= 12 && is_digits(part))
        .then(|| (whole.trim_start_matches('0'), part.trim_end_matches('0')))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::ccbill::TokenInput;

    const TOKEN: &str = r#"{"paymentTokenId":"a1","clientAccnum":900684,"clientSubacc":1}"#;

    fn token(subacc: u32) -> PaymentToken {
        let given = TokenInput {
            id: Some("a1".into()),
            client_accnum: Some(900_684),
            client_subacc: Some(subacc),
        };
        given.checked().unwrap()
    }

    fn payment() -> PaymentInput {
        PaymentInput {
            account: AccountInput {
                client_accnum: Some(900_684),
                client_subacc: Some(0),
                client_subacc_3ds: Some(1),
            },
            amount: Some("9.99".into()),
            currency_code: Some("978".into()),
        }
    }

    /// A valid result with these changes.
    fn result(change: &[(&str, &str)]) -> AuthenticationInput {
        let usual = [
            ("status", "Y"),
            ("success", "true"),
            ("eci", "05"),
            ("protocolVersion", "2.1.0"),
            ("amount", "9.99"),
            ("currency", "978"),
            ("clientTransactionId", "id-h76oy394utw"),
            ("acsTransId", "d6f15aae-2c9d-4333-a920-954be07c0c76"),
            ("dsTransId", "d65e93c3-35ab-41ba-b307-767bfc19eae3"),
            ("authenticationType", "01"),
            ("authenticationValue", "5VdhGOTXBJw9+kEBOTtaJiLUAr8="),
        ];
        let find = |name| {
            let mut all = change.iter().chain(&usual);
            all.find(|(other, _)| *other == name)
                .map(|(_, value)| (*value).to_owned())
        };
        AuthenticationInput {
            status: find("status"),
            success: find("success").and_then(|text| text.parse().ok()),
            error: find("error").is_some(),
            texts: AUTHENTICATION.map(|(name, _)| find(name)),
            amount: find("amount"),
            currency: find("currency"),
        }
    }

    fn handed(change: &[(&str, &str)]) -> Result<String, (Code, Option<&'static str>)> {
        payment()
            .answer(&token(1), Some(&result(change)))
            .map_err(|error| (error.code(), error.field()))
    }

    #[test]
    fn is_handed_over_by_its_documented_members() {
        let expected = |rest: &str| {
            let before = [
                r#"{"paymentToken":"#,
                TOKEN,
                r#","threedsInformation":{"status":"Y","success":"#,
            ];
            [before.concat().as_str(), rest, "}}"].concat()
        };
        assert_eq!(
            handed(&[("xid", ""), ("sdkTransId", "")]).unwrap(),
            expected(concat!(
                r#"true,"eci":"05","protocolVersion":"2.1.0","clientTransactionId":"id-h76oy394utw","#,
                r#""dsTransId":"d65e93c3-35ab-41ba-b307-767bfc19eae3","acsTransId":"d6f15aae-2c9d-4333-a920-954be07c0c76","#,
                r#""authenticationValue":"5VdhGOTXBJw9+kEBOTtaJiLUAr8=","authenticationType":"01","amount":"9.99","currency":"978""#
            ))
        );
        let old = [
            ("protocolVersion", "1.0.2"),
            ("dsTransId", ""),
            ("acsTransId", ""),
            ("authenticationValue", ""),
            ("xid", "x"),
            ("cavv", "y"),
            ("cavvAlgorithm", "2"),
        ];
        assert!(
            handed(&old)
                .unwrap()
                .contains(r#""xid":"x","cavv":"y","cavvAlgorithm":"2""#)
        );
        for name in ["xid", "cavv", "cavvAlgorithm"] {
            let change = [[(name, "")].as_slice(), &old].concat();
            assert_eq!(handed(&change), Err((Code::AnswerMalformed, Some(name))));
        }
    }

    #[test]
    fn a_failed_one_is_handed_over_as_failed_whatever_else_it_holds() {
        for (change, status) in [
            (("status", "N"), "N"),
            (("status", "U"), "U"),
            (("success", "false"), "Y"),
            (("error", "AUTHENTICATION_FAILED"), "Y"),
        ] {
            let text = handed(&[change, ("eci", ""), ("amount", "")]).unwrap();
            let expected = [r#"{"status":""#, status, r#"","success":false}}"#].concat();
            assert!(text.ends_with(&expected), "{text}");
        }
    }

    #[test]
    fn is_refused_where_the_server_would_refuse_it() {
        let long = "x".repeat(37);
        let longer = "x".repeat(1025);
        for (name, value) in [
            ("status", ""),
            ("status", "YY"),
            ("success", "yes"),
            ("eci", ""),
            ("eci", "055"),
            ("eci", "0\n"),
            ("protocolVersion", ""),
            ("protocolVersion", long.as_str()),
            ("clientTransactionId", &long),
            ("dsTransId", "a b"),
            ("acsTransId", ""),
            ("authenticationValue", &long),
            ("authenticationValue", "\u{e9}"),
            ("authenticationType", crate::lenient::UNREADABLE),
            ("cavv", &longer),
            ("amount", "9.98"),
            ("amount", "10"),
            ("amount", "9,99"),
            ("amount", "9.99."),
            ("amount", ""),
            ("amount", "9990000000000.99"),
            ("currency", "840"),
            ("currency", "EUR"),
            ("currency", ""),
        ] {
            assert_eq!(
                handed(&[(name, value)]),
                Err((Code::AnswerMalformed, Some(name))),
                "{name} {value}"
            );
        }
        for amount in ["9.990", "09.99", "9.9900"] {
            assert!(handed(&[("amount", amount)]).is_ok(), "{amount}");
        }
        let dollars = PaymentInput {
            amount: Some("36.00".into()),
            currency_code: Some("36".into()),
            ..payment()
        };
        let change = [("amount", "36"), ("currency", "036")];
        assert!(dollars.answer(&token(1), Some(&result(&change))).is_ok());
        let unknown = PaymentInput {
            amount: None,
            ..payment()
        };
        let error = unknown.answer(&token(1), Some(&result(&[]))).unwrap_err();
        assert_eq!(error.field(), Some("amount"));
    }

    #[test]
    fn a_token_of_another_account_is_refused() {
        let answer = |payment: &PaymentInput, subacc, authenticated: bool| {
            payment
                .answer(&token(subacc), authenticated.then(|| result(&[])).as_ref())
                .map_err(|error| (error.code(), error.field()))
        };
        assert_eq!(answer(&payment(), 0, false).unwrap(), TOKEN.replace(":1}", ":0}"));
        let refused = Err((Code::OptionInvalid, Some("threeDs")));
        assert_eq!(answer(&payment(), 1, false), refused);
        assert_eq!(answer(&payment(), 0, true), refused);
        let mut one = payment();
        one.account.client_subacc_3ds = None;
        assert!(answer(&one, 0, true).is_ok());
        one.account.client_accnum = Some(900_685);
        assert_eq!(answer(&one, 0, false), refused);
        assert_eq!(answer(&PaymentInput::default(), 0, false), refused);
    }
}
