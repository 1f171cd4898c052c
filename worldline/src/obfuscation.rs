//! Masks requests and answers before they are logged.
//!
//! The rules are those that the official SDKs publish, without their gaps: names match in any case, and values are
//! masked whether they are strings, numbers, or inside objects and arrays. Unlike the SDKs, it also masks tokens,
//! session ids, return codes and URLs with secrets in them. It works on the parsed JSON, so an escape cannot hide a
//! name. Headers are masked unless they are known to be harmless, and card numbers are masked everywhere.

use cardseal::redact::card_digits;
use serde_json::Value;

/// A fixed length, which does not reveal that of the value.
const FIXED: &str = "********";

/// How a value is masked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Every character becomes an asterisk.
    All,
    /// Eight asterisks.
    Fixed,
    /// The last characters stay.
    Last(usize),
    /// The first characters stay.
    First(usize),
    /// The year of a date stays.
    Year,
}

/// Names in lower case. All groups but the last are from the official SDKs of the two products.
const RULES: &[(Rule, &[&str])] = &[
    (
        Rule::All,
        &[
            "additionalinfo",
            "cardholdername",
            "dateofbirth",
            "emailaddress",
            "faxnumber",
            "firstname",
            "housenumber",
            "mobilephonenumber",
            "passengername",
            "phonenumber",
            "street",
            "workphonenumber",
            "zip",
            "cvv",
            "value",
            "address",
            "cardholderaddress",
            "cardholderpostalcode",
            "cardsecuritycode",
            "city",
            "name",
            "postalcode",
            "statecode",
        ],
    ),
    (Rule::First(4), &["authenticationvalue", "cryptogram"]),
    (
        Rule::Last(4),
        &["cardnumber", "iban", "accountnumber", "reformattedaccountnumber"],
    ),
    (Rule::Year, &["expirydate"]),
    (Rule::First(6), &["bin", "paymentaccountreference"]),
    (
        Rule::Fixed,
        &[
            "keyid",
            "secretkey",
            "publickey",
            "userauthenticationtoken",
            "encryptedpayload",
            "decryptedpayload",
            "encryptedcustomerinput",
        ],
    ),
    (
        Rule::Fixed,
        &[
            // Values that move money or show cards, with or without the merchant's credentials.
            "token",
            "tokens",
            "tokenid",
            "invalidtokens",
            "expiredcardtokens",
            "cardtokens",
            "hostedtokenizationid",
            "hostedfieldssessionid",
            "clientsessionid",
            "customerid",
            "sessiontoken",
            "sessionid",
            "returnmac",
            "hostedcheckoutid",
            "clientapiurl",
            "access_token",
            "client_secret",
            "apikey",
            "secret",
            "secretapikey",
            "key",
            "password",
            "crmtoken",
            "computedtoken",
            "gtscomputedtoken",
            "generatedtoken",
            "networktoken",
            "cavv",
            "xid",
            "track2data",
            "encryptedpinblock",
            "securitycode",
            "cvc",
            // Personal data of the customer.
            "surname",
            "fullname",
            "ipaddress",
            "personalidentificationnumber",
            "fiscalnumber",
        ],
    ),
];

/// Headers that contain neither secrets nor personal data.
const PLAIN_HEADERS: &[&str] = &[
    "accept",
    "api_auth",
    "content-length",
    "content-type",
    "correlation-id",
    "date",
    "retry-count",
    "trace-id",
    "x-gcs-idempotence-key",
    "x-gcs-idempotence-request-timestamp",
    "idempotencyresponsedatetime",
    "x-gcs-servermetainfo",
    "x-wl-servermetainfo",
];

fn rule(name: &str) -> Option<Rule> {
    let name = name.to_ascii_lowercase();
    RULES
        .iter()
        .find_map(|(rule, names)| names.contains(&name.as_str()).then_some(*rule))
}

fn stars(count: usize) -> String {
    "*".repeat(count)
}

fn masked(rule: Rule, text: &str) -> String {
    let length = text.chars().count();
    // A value that would stay whole is masked whole instead.
    match rule {
        Rule::Last(keep) if length > keep => {
            let tail: String = text.chars().skip(length - keep).collect();
            format!("{}{tail}", stars(length - keep))
        }
        Rule::First(keep) if length > keep => {
            let head: String = text.chars().take(keep).collect();
            format!("{head}{}", stars(length - keep))
        }
        // `MMYY` or `MMYYYY`.
        Rule::Year if length == 4 || length == 6 => {
            let year: String = text.chars().skip(2).collect();
            format!("**{year}")
        }
        Rule::Fixed => FIXED.into(),
        Rule::All | Rule::Last(_) | Rule::First(_) | Rule::Year => stars(length),
    }
}

/// Masks a string that has no rule: card numbers, and everything in a URL but its host.
fn mask_text(text: &str) -> String {
    if let Some((scheme, rest)) = text.split_once("://") {
        let host: String = rest
            .chars()
            .take_while(|c| !matches!(c, '/' | '?' | '#'))
            .collect();
        let host = host.rsplit('@').next().unwrap_or_default();
        return card_digits(&format!("{scheme}://{host}/{FIXED}"));
    }
    card_digits(text)
}

/// Whether the name says that the value is a URL, or a part of one.
fn is_address(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("url") || name.ends_with("uri")
}

/// Returns a JSON value with its secrets masked.
#[must_use]
pub fn json(value: &Value) -> Value {
    mask_value(value, None)
}

fn is_stored_card(members: &serde_json::Map<String, Value>) -> bool {
    let has = |name| members.contains_key(name);
    has("isTemporary") || has("networkTokenLinked") || (!has("status") && (has("card") || has("eWallet")))
}

fn mask_value(value: &Value, outer: Option<Rule>) -> Value {
    match (value, outer) {
        (Value::Null, _) => Value::Null,
        (Value::Object(members), _) => members
            .iter()
            .map(|(name, value)| {
                // In the description of a stored card, `id` is its token.
                let of_token = name == "id" && is_stored_card(members);
                let rule = rule(name)
                    .or(of_token.then_some(Rule::Fixed))
                    .or(outer)
                    .or_else(|| {
                        let partial = value.as_str().is_some_and(|text| !text.contains("://"));
                        (is_address(name) && partial).then_some(Rule::Fixed)
                    });
                (mask_text(name), mask_value(value, rule))
            })
            .collect(),
        (Value::Array(items), rule) => items.iter().map(|item| mask_value(item, rule)).collect(),
        (Value::String(text), Some(rule)) => masked(rule, text).into(),
        (Value::Number(number), Some(rule)) => masked(rule, &number.to_string()).into(),
        (Value::Bool(flag), Some(rule)) => masked(rule, &flag.to_string()).into(),
        (Value::String(text), None) => mask_text(text).into(),
        (Value::Number(number), None) => {
            let text = number.to_string();
            if card_digits(&text) == text {
                value.clone()
            } else {
                stars(text.len()).into()
            }
        }
        (Value::Bool(_), None) => value.clone(),
    }
}

/// Returns the secrets of a request, to mask them in the texts of its response, too.
#[must_use]
pub fn secrets(value: &Value) -> Vec<String> {
    fn collect(value: &Value, outer: bool, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let secret = matches!(rule(name), Some(Rule::Fixed | Rule::All | Rule::First(4)));
                    collect(value, outer || secret, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, outer, found)),
            // A shorter value would be found in unrelated text.
            Value::String(text) if outer && text.len() >= 8 => found.push(text.clone()),
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut found = Vec::new();
    collect(value, false, &mut found);
    found
}

/// Masks these secrets in a text.
#[must_use]
pub fn without(secrets: &[String], text: &str) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        text = text.replace(secret.as_str(), FIXED);
    }
    text
}

/// Returns a body with its secrets masked, or only its length if it is not JSON.
#[must_use]
pub fn body(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => json(&value).to_string(),
        Ok(_) | Err(_) => format!("<{} bytes that are not JSON>", bytes.len()),
    }
}

/// Returns the value of a header, or asterisks unless the header is known to be harmless.
#[must_use]
pub fn header(name: &str, value: &str) -> String {
    let name = name.to_ascii_lowercase();
    if PLAIN_HEADERS.contains(&name.as_str()) {
        card_digits(value)
    } else {
        FIXED.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json as value;

    use super::*;

    #[test]
    fn masks_as_published() {
        for (name, before, after) in [
            ("cvv", "123", "***"),
            ("cardNumber", "4567350000427977", "************7977"),
            ("expiryDate", "1230", "**30"),
            ("bin", "12345678", "123456**"),
            ("encryptedCustomerInput", "x.y", "********"),
            ("keyId", "a-much-longer-id-than-that", "********"),
            ("cardholderName", "Zoë Müller", "**********"),
            ("value", "4567350000427977", "****************"),
            ("iban", "DE89370400440532013000", "******************3000"),
        ] {
            assert_eq!(json(&value!({ name: before }))[name], after, "{name}");
        }
    }

    /// The examples of the Acquiring SDK, and values that its own rules do not mask.
    #[test]
    fn masks_as_published_for_the_acquirer() {
        for (name, before, after) in [
            ("cardNumber", value!("1234567890123456"), "************3456"),
            ("expiryDate", value!("122024"), "**2024"),
            ("cardSecurityCode", value!("123"), "***"),
            ("bin", value!("12345678"), "123456**"),
            ("cryptogram", value!("AAAABBBB=="), "AAAA******"),
            ("authenticationValue", value!("AAAABBBB=="), "AAAA******"),
            ("paymentAccountReference", value!("V00123456789"), "V00123******"),
            ("name", value!("Bob"), "***"),
            ("postalCode", value!("1234 AB"), "*******"),
            // Values shorter than what would stay, and of other types.
            ("cardNumber", value!("411"), "***"),
            (
                "cardNumber",
                value!(4_176_669_999_000_104_u64),
                "************0104",
            ),
            ("cryptogram", value!("AAAA"), "****"),
            ("expiryDate", value!("12"), "**"),
            ("cardSecurityCode", value!(123), "***"),
            ("track2Data", value!("4176669999000104=31122011"), "********"),
            ("encryptedPinBlock", value!("0011223344556677"), "********"),
            ("access_token", value!("x"), "********"),
            ("client_secret", value!("x"), "********"),
            (
                "detail",
                value!("card 4176669999000104 refused"),
                "card **************** refused",
            ),
        ] {
            assert_eq!(
                json(&value!({ "a": [{ name: before }] }))["a"][0][name],
                after,
                "{name}"
            );
        }
        assert_eq!(header("Authorization", "Bearer x"), "********");
        assert_eq!(header("X-WL-ServerMetaInfo", "e30="), "e30=");
        // A response that repeats a secret of the request.
        let said = secrets(&value!({ "networkTokenData": { "cryptogram": "AAAABBBBCCCC" } }));
        assert_eq!(
            without(&said, "the cryptogram AAAABBBBCCCC is old"),
            "the cryptogram ******** is old"
        );
    }

    #[test]
    fn masks_what_the_published_rules_let_through() {
        let body = value!({
            "token": "tok", "hostedTokenizationId": "htp", "clientSessionId": "abc", "RETURNMAC": "mac",
            "hostedCheckoutId": "3254564310", "invalidTokens": ["first", "second"],
            "redirectUrl": "https://payment.example/hostedcheckout/Payment/Form/0123?x=1#y",
            "partialRedirectUrl": "preprod.example/hostedcheckout/0123", "merchantAction": { "redirectData": {
                "redirectURL": "https://user:pw@payment.example/0123" } },
            "customer": { "personalInformation": { "name": { "surname": "Roe", "firstName": "Jane" } },
                "billingAddress": { "city": "Ghent" } },
            "CARDNUMBER": 4567350000427977_u64, "cvv": 123, "bin": 456735,
            "value": { "inner": ["4567350000427977", true] },
            "errors": [{ "message": "card 4567 3500 0042 7977 refused" }], "4567350000427977": 1,
            "amountOfMoney": { "amount": 1000, "currencyCode": "EUR" }, "status": "CAPTURED", "id": "3254564310_0",
        });
        let shown = json(&body);
        let text = shown.to_string();
        for secret in [
            "tok",
            "htp",
            "\"abc\"",
            "\"mac\"",
            "\"3254564310\"",
            "first\"",
            "second",
            "0123",
            "Roe",
            "Jane",
            "Ghent",
            "456735000",
            "123",
            "4567 35",
            "true",
        ] {
            let allowed = text
                .replace("token", "")
                .replace("Tokens", "")
                .replace("firstName", "");
            assert!(!allowed.contains(secret), "{secret} is in {allowed}");
        }
        let token = json(
            &value!({ "id": "0123-token", "paymentProductId": 1, "card": { "alias": "************7977" } }),
        );
        assert_eq!(token["id"], "********");
        assert_eq!(shown["redirectUrl"], "https://payment.example/********");
        assert_eq!(shown["CARDNUMBER"], "************7977");
        // References that identify a payment stay.
        assert_eq!(
            (&shown["id"], &shown["status"], &shown["amountOfMoney"]["amount"]),
            (&value!("3254564310_0"), &value!("CAPTURED"), &value!(1000))
        );
    }

    #[test]
    fn shows_known_headers_only() {
        for name in [
            "Authorization",
            "authorization",
            "WWW-Authenticate",
            "Proxy-Authenticate",
            "Proxy-Authorization",
            "X-GCS-Authentication-Token",
            "x-gcs-callerpassword",
            "X-GCS-CallerPassword",
            "Cookie",
            "Set-Cookie",
            "Location",
            "X-GCS-ClientMetaInfo",
            "X-Anything-New",
        ] {
            assert_eq!(header(name, "secret"), "********", "{name}");
        }
        assert_eq!(header("Content-Type", "application/json"), "application/json");
        assert_eq!(
            header("X-GCS-Idempotence-Key", "4567350000427977"),
            "****************"
        );
    }

    #[test]
    fn shows_no_body_that_it_cannot_read() {
        assert_eq!(body(b""), "");
        assert_eq!(body(b"<html>token=1</html>"), "<20 bytes that are not JSON>");
        assert_eq!(body(b"\xff\xfe"), "<2 bytes that are not JSON>");
        assert_eq!(body(br#""4567350000427977""#), "<18 bytes that are not JSON>");
        assert_eq!(body(br#"{"c\u0076v":"123"}"#), r#"{"cvv":"***"}"#);
    }

    proptest! {
        /// At any depth, under any spelling of its name, and of any type.
        #[test]
        fn a_secret_never_comes_through(
            secret in "[A-Za-z0-9]{12,30}",
            name in prop::sample::select(vec!["token", "TOKEN", "clientSessionId", "RETURNMAC", "cvv", "hostedTokenizationId"]),
            depth in 0_usize..6,
            in_array in any::<bool>(),
        ) {
            let mut body = if in_array { value!({ name: [{ "x": secret.clone() }] }) } else { value!({ name: secret.clone() }) };
            for _ in 0..depth {
                body = value!({ "a": [body] });
            }
            prop_assert!(!super::body(body.to_string().as_bytes()).contains(&secret));
        }
    }
}
