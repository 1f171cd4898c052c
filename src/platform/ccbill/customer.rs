//! The cardholder's details, which CCBill requires with a card. They are checked by CCBill's own rules.

use crate::error::{Error, Result};
use crate::json::Object;
use crate::object::object;
use crate::redact;
use crate::text::{contains, split_once};

/// One of the customer's details.
struct Field {
    /// Its name in CCBill's own script.
    name: &'static str,
    /// Its name in the request.
    sent_as: &'static str,
    /// The most characters. CCBill documents no limit for names, telephone numbers and browser headers; those are
    /// ours.
    longest: usize,
    /// Whether it is required.
    needed: bool,
    /// Whether a person could type a card number into it by mistake.
    of_person: bool,
    form: Form,
}

/// The form of a detail. An enum, because function pointers of this type would keep formatting code in the module.
enum Form {
    Any,
    Country,
    Email,
    Address,
}

impl Form {
    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Country => text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()),
            Self::Email => is_email(text),
            Self::Address => is_ipv4(text),
        }
    }
}

const fn field(name: &'static str, longest: usize) -> Field {
    Field {
        name,
        sent_as: name,
        longest,
        needed: false,
        of_person: false,
        form: Form::Any,
    }
}

const POSTAL_CODE: &str = "postalCode";
const COUNTRY: usize = 7;
const IP_ADDRESS: &str = "ipAddress";

/// In the order of the request.
static FIELDS: [Field; 15] = [
    Field {
        sent_as: "customerFname",
        needed: true,
        of_person: true,
        ..field("firstName", 50)
    },
    Field {
        sent_as: "customerLname",
        needed: true,
        of_person: true,
        ..field("lastName", 50)
    },
    Field {
        of_person: true,
        ..field("address1", 50)
    },
    Field {
        of_person: true,
        ..field("address2", 50)
    },
    Field {
        of_person: true,
        ..field("city", 50)
    },
    field("state", 3),
    Field {
        sent_as: "zipcode",
        needed: true,
        ..field(POSTAL_CODE, 16)
    },
    Field {
        needed: true,
        form: Form::Country,
        ..field("country", 2)
    },
    field("phoneNumber", 50),
    Field {
        needed: true,
        form: Form::Email,
        ..field("email", 254)
    },
    Field {
        form: Form::Address,
        ..field(IP_ADDRESS, 15)
    },
    field("browserHttpUserAgent", 1024),
    field("browserHttpAccept", 1024),
    field("browserHttpAcceptLanguage", 1024),
    field("browserHttpAcceptEncoding", 1024),
];

/// What can be wrong with a detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerProblemCode {
    /// It is required.
    Missing,
    /// It has too many characters.
    TooLong,
    /// It contains characters other than printable ASCII.
    Characters,
    /// It has the wrong format.
    Malformed,
    /// It looks like a card number.
    IsCardNumber,
}

impl CustomerProblemCode {
    /// The code in JavaScript.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::TooLong => "too_long",
            Self::Characters => "characters",
            Self::Malformed => "malformed",
            Self::IsCardNumber => "is_card_number",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::Missing => "This is missing.",
            Self::TooLong => "This is too long.",
            Self::Characters => "This contains characters that cannot be sent.",
            Self::Malformed => "This does not have the right form.",
            Self::IsCardNumber => "This looks like a card number.",
        }
    }
}

/// A problem with one of the customer's details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerProblem {
    /// The detail at fault.
    pub field: &'static str,
    /// The code, which a page can translate.
    pub code: CustomerProblemCode,
    /// A sentence in English.
    pub message: &'static str,
}

object!(CustomerProblem, problem, {
    "field" = problem.field,
    "code" = problem.code.as_str(),
    "message" = problem.message,
});

/// The customer's details, trimmed. Empty ones are `None`.
#[derive(Clone, Default)]
pub struct Customer([Option<String>; FIELDS.len()]);

impl Customer {
    /// Reads each detail by its name.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read(mut read: impl FnMut(&'static str) -> Result<Option<String>>) -> Result<Self> {
        let blank = |c: char| c.is_whitespace() || c == '\u{feff}';
        let mut customer = Self::default();
        for (detail, field) in customer.0.iter_mut().zip(&FIELDS) {
            *detail = read(field.name)?
                .map(|text| text.trim_matches(blank).to_owned())
                .filter(|text| !text.is_empty());
        }
        Ok(customer)
    }

    /// Returns all problems, in the order of the request.
    #[must_use]
    pub fn problems(&self) -> Vec<CustomerProblem> {
        let american = self.country() == Some("US");
        let details = self.0.iter().zip(&FIELDS);
        let problem = |(detail, field): (&Option<String>, &Field)| {
            let code = field.problem(detail.as_deref(), american)?;
            Some(CustomerProblem {
                field: field.name,
                code,
                message: code.message(),
            })
        };
        details.filter_map(problem).collect()
    }

    /// Checks the details.
    ///
    /// # Errors
    /// `customer_invalid`, with all problems.
    pub fn checked(self) -> Result<Self> {
        let problems = self.problems();
        if problems.is_empty() {
            Ok(self)
        } else {
            Err(Error::customer(problems))
        }
    }

    fn country(&self) -> Option<&str> {
        self.0.get(COUNTRY)?.as_deref()
    }

    /// Writes the members of `customerInfo`. `address` is the session's, in case the page gives none.
    pub(super) fn write(&self, body: &mut Object<'_>, address: Option<&str>) {
        for (detail, field) in self.0.iter().zip(&FIELDS) {
            let default = address.filter(|_| field.name == IP_ADDRESS);
            body.optional(field.sent_as, detail.as_deref().or(default));
        }
    }
}

impl Field {
    fn problem(&self, detail: Option<&str>, american: bool) -> Option<CustomerProblemCode> {
        let Some(text) = detail else {
            return self.needed.then_some(CustomerProblemCode::Missing);
        };
        let printable = |byte: u8| matches!(byte, b' '..=b'~');
        let fits = || self.form.fits(text) && !(american && self.name == POSTAL_CODE && !is_zip_code(text));
        if self.of_person && redact::typed_card_number(text) {
            Some(CustomerProblemCode::IsCardNumber)
        } else if !text.bytes().all(printable) {
            // The schema allows all of Unicode, but the platform refuses anything but ASCII.
            Some(CustomerProblemCode::Characters)
        } else if text.len() > self.longest {
            Some(CustomerProblemCode::TooLong)
        } else {
            (!fits()).then_some(CustomerProblemCode::Malformed)
        }
    }
}

/// Whether a text has one `@`, with something before it and a host with a dot after it.
fn is_email(text: &str) -> bool {
    let Some((user, host)) = split_once(text, "@") else {
        return false;
    };
    let last_dot = host.bytes().rposition(|byte| byte == b'.');
    let has_labels = last_dot.is_some_and(|at| at > 0 && at + 1 < host.len());
    !user.is_empty() && has_labels && !contains(host, "@") && !contains(text, " ")
}

/// Whether a text is a US postal code of five or nine digits.
fn is_zip_code(text: &str) -> bool {
    let is_digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_at_checked(5).is_some_and(|(first, rest)| {
        is_digits(first, 5) && (rest.is_empty() || is_digits(rest.strip_prefix('-').unwrap_or(rest), 4))
    })
}

/// Whether a text is an IPv4 address. The platform accepts no others.
pub(super) fn is_ipv4(text: &str) -> bool {
    let is_part = |part: &[u8]| {
        let is_number = part.len() <= 3 && part.iter().all(u8::is_ascii_digit);
        let value = |sum: u32, digit: &u8| 10 * sum + u32::from(digit - b'0');
        is_number
            && (part == b"0" || !part.starts_with(b"0") && (1..=255).contains(&part.iter().fold(0, value)))
    };
    let mut parts = text.as_bytes().split(|byte| *byte == b'.');
    parts.clone().count() == 4 && parts.all(is_part)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::CustomerProblemCode::{Characters, IsCardNumber, Malformed, Missing, TooLong};
    use super::*;
    use crate::error::Code;
    use crate::json;

    const GOOD: [(&str, &str); 5] = [
        ("firstName", "Tyler"),
        ("lastName", "Thomas"),
        ("email", "tthomas@xyz.example"),
        ("postalCode", "85281"),
        ("country", "US"),
    ];

    /// A valid customer with these changes.
    fn customer(change: &[(&str, &str)]) -> Customer {
        let all = || change.iter().chain(&GOOD);
        let find = |name| {
            all()
                .find(|(other, _)| *other == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Customer::read(|name| Ok(find(name))).unwrap()
    }

    fn problems(change: &[(&str, &str)]) -> Vec<(&'static str, CustomerProblemCode)> {
        let problems = customer(change).problems();
        problems
            .iter()
            .map(|problem| (problem.field, problem.code))
            .collect()
    }

    #[test]
    fn what_must_be_there_is_missed() {
        assert_eq!(problems(&[]), []);
        let nobody = Customer::default().problems();
        let missing: Vec<_> = nobody
            .iter()
            .map(|problem| (problem.field, problem.code))
            .collect();
        assert_eq!(
            missing,
            ["firstName", "lastName", "postalCode", "country", "email"].map(|field| (field, Missing))
        );
        let error = Customer::default().checked().map(|_| ()).unwrap_err();
        assert_eq!(
            (error.code(), error.field(), error.customer_problems()),
            (Code::CustomerInvalid, Some("firstName"), nobody.as_slice())
        );
    }

    #[test]
    fn what_ccbill_would_refuse_is_said() {
        let long = "x".repeat(51);
        let long = long.as_str();
        for (name, value, code) in [
            ("firstName", " ", Some(Missing)),
            ("firstName", "Jos\u{e9}", Some(Characters)),
            ("lastName", "a\nb", Some(Characters)),
            ("lastName", long, Some(TooLong)),
            ("address1", long, Some(TooLong)),
            ("address2", long, Some(TooLong)),
            ("city", long, Some(TooLong)),
            ("phoneNumber", long, Some(TooLong)),
            ("address1", "Stra\u{df}e 1", Some(Characters)),
            ("state", "Ariz", Some(TooLong)),
            ("postalCode", "8528", Some(Malformed)),
            ("postalCode", "85281-1234", None),
            ("postalCode", "852811234", None),
            ("postalCode", "85281-123", Some(Malformed)),
            ("postalCode", "85281-", Some(Malformed)),
            ("postalCode", "SW1A 1AA", Some(Malformed)),
            ("country", "USA", Some(TooLong)),
            ("country", "us", Some(Malformed)),
            ("email", "a@b.c", None),
            ("email", "a@b..c", None),
            ("email", "a@b", Some(Malformed)),
            ("email", "@b.c", Some(Malformed)),
            ("email", "a@.c", Some(Malformed)),
            ("email", "a@b.", Some(Malformed)),
            ("email", "a@b@c.d", Some(Malformed)),
            ("email", "a b@c.example", Some(Malformed)),
            ("ipAddress", "::1", Some(Malformed)),
            ("ipAddress", "256.1.1.1", Some(Malformed)),
            ("ipAddress", "1.2.3", Some(Malformed)),
            ("ipAddress", "1.2.3.4.", Some(Malformed)),
            ("ipAddress", "01.2.3.4", Some(Malformed)),
            ("ipAddress", "+1.2.3.4", Some(Malformed)),
            ("ipAddress", "255.0.10.1", None),
            ("lastName", "4473707989493598", Some(IsCardNumber)),
            ("address2", "4473-7079-8949-3598", Some(IsCardNumber)),
            ("address1", "x4473707989493598x", Some(IsCardNumber)),
            ("city", "Packstation 20261121035004", None),
            ("address1", "PO Box 123456789012", None),
            ("phoneNumber", "+49 30 1234-567-890-12", None),
        ] {
            let expected: Vec<_> = code.map(|code| (name, code)).into_iter().collect();
            let found = problems(&[(name, value)]);
            assert_eq!(found, expected, "{name} {value}");
        }
        let mail = ["x".repeat(250), "@c.example".into()].concat();
        assert_eq!(problems(&[("email", &mail)]), [("email", TooLong)]);
        let agent = "x".repeat(1025);
        assert_eq!(
            problems(&[("browserHttpUserAgent", &agent)]),
            [("browserHttpUserAgent", TooLong)]
        );
        for (code, problem) in [("D-10115", None), ("11111111111111111", Some(TooLong))] {
            let expected: Vec<_> = problem
                .map(|problem| ("postalCode", problem))
                .into_iter()
                .collect();
            assert_eq!(problems(&[("country", "DE"), ("postalCode", code)]), expected);
        }
        assert_eq!(FIELDS.get(COUNTRY).unwrap().name, "country");
    }

    #[test]
    fn every_detail_has_its_place() {
        let all = customer(&[
            ("address1", " 1 Main St\u{feff} "),
            ("address2", "Apt #2"),
            ("city", "Tempe"),
            ("state", "AZ"),
            ("phoneNumber", "+1 480 555 5555 5555"),
            ("ipAddress", "10.70.60.14"),
            ("browserHttpUserAgent", "Mozilla/5.0 (X11; 123.0.0.0.4567890123)"),
            ("browserHttpAccept", "*/*"),
            ("browserHttpAcceptLanguage", "en-US"),
            ("browserHttpAcceptEncoding", "gzip"),
        ]);
        let text = |customer: &Customer| json::text(|body| customer.write(body, Some("192.0.2.7")));
        assert_eq!(
            text(&all),
            concat!(
                r#"{"customerFname":"Tyler","customerLname":"Thomas","address1":"1 Main St","address2":"Apt #2","city":"Tempe","#,
                r#""state":"AZ","zipcode":"85281","country":"US","phoneNumber":"+1 480 555 5555 5555","email":"tthomas@xyz.example","#,
                r#""ipAddress":"10.70.60.14","browserHttpUserAgent":"Mozilla/5.0 (X11; 123.0.0.0.4567890123)","#,
                r#""browserHttpAccept":"*/*","browserHttpAcceptLanguage":"en-US","browserHttpAcceptEncoding":"gzip"}"#
            )
        );
        assert_eq!(
            text(&customer(&[])),
            r#"{"customerFname":"Tyler","customerLname":"Thomas","zipcode":"85281","country":"US","email":"tthomas@xyz.example","ipAddress":"192.0.2.7"}"#
        );
    }
}
