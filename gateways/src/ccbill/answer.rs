//! CCBill's errors: numbers that mean one thing under 400 and another under 500.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::decline::{self, Meaning};
use super::wire::{ChargeAnswer, lenient};
use crate::error::{Doubt, Error, Refusal, Rejection, identifier, sentence};
use crate::gateway::{Approval, Decline, Outcome};
use crate::transport::Response;

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal, $($status:literal $code:literal),+;)+) => {
        /// An error of the platform's tables, by status and code together.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Fault { $($(#[doc = $doc])+ $name,)+ }

        impl Fault {
            /// Every status and code of the tables.
            pub const ALL: &'static [(u16, u32, Self)] = &[$($(($status, $code, Self::$name),)+)+];

            /// Our stable code for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

faults! {
    /// The token is not of this account.
    AccountInvalid = "account_invalid", 400 100_100;
    /// The payment token is too old, or used up.
    TokenExpired = "payment_token_expired", 400 100_102;
    /// Not described any further.
    PayoutTypeInvalid = "payout_type_invalid", 400 100_105;
    /// Not described any further.
    PrivacyTypeInvalid = "privacy_type_invalid", 400 100_106;
    /// Not described any further.
    ProgramCategoryInvalid = "program_category_invalid", 400 100_107;
    /// Not described any further.
    PaymentTypeInvalid = "payment_type_invalid", 400 100_108;
    /// Not described any further.
    ProgramParticipationInvalid = "program_participation_invalid", 400 100_109;
    /// The fields are named in the message.
    ValidationFailed = "validation_failed", 400 200_000;
    /// Of 3-D Secure.
    ThreedsTokenUnknown = "threeds_token_unknown", 400 200_502;
    /// Of 3-D Secure.
    ThreedsTokenWithoutCard = "threeds_token_without_card", 400 200_503;
    /// Of 3-D Secure: one of three faults of form.
    ThreedsFormat = "threeds_format", 400 200_603, 400 200_604, 400 200_605;
    /// The application may not do this.
    Forbidden = "forbidden", 403 100_020;
    /// There is nothing here.
    NotFound = "not_found", 404 130_000;
    /// There is no such payment token.
    TokenUnknown = "payment_token_unknown", 404 100_101;
    /// What was looked up is not there.
    ObjectUnknown = "object_unknown", 404 100_104;
    /// Of 3-D Secure.
    ThreedsTransactionUnknown = "threeds_transaction_unknown", 404 200_602;
    /// Another method is needed.
    MethodNotAllowed = "method_not_allowed", 405 130_000;
    /// An `Accept` that it does not know.
    NotAcceptable = "not_acceptable", 406 100_015;
    /// A `Content-Type` that it does not know.
    MediaTypeUnsupported = "media_type_unsupported", 415 100_004;
    /// "An error occurred, please try again later."
    Internal = "internal", 500 100_100;
    /// The transaction ran into an error.
    Transaction = "transaction_error", 500 100_103;
    /// A token could not be made.
    TokenCreation = "token_creation_failed", 500 100_105;
    /// A fault of the database, or an account whose user of the older `DataLink` is inactive: the classic fault of set-up.
    DatabaseOrDataLink = "database_or_datalink", 500 100_106;
    /// The server's address is not on the account's list.
    CallerAddress = "caller_address_not_allowed", 500 100_107;
    /// The account is deactivated, or may not do this.
    AccountNotPermitted = "account_not_permitted", 500 100_108;
    /// Three or more within an hour.
    FailedLogins = "too_many_failed_logins", 500 100_109;
    /// Too many.
    ThrottledByCount = "throttled_by_count", 500 100_110;
    /// Too much.
    ThrottledByAmount = "throttled_by_amount", 500 100_111;
    /// It cannot be told whether 3-D Secure is needed.
    ThreedsUndetermined = "threeds_undetermined", 500 100_112;
    /// The authorized amount cannot be had.
    AmountUndetermined = "amount_undetermined", 500 100_113;
    /// Of 3-D Secure: one of eight without a description.
    ThreedsService = "threeds_service_error", 500 200_000, 500 200_001, 500 200_400, 500 200_401, 500 200_500,
        500 200_501, 500 200_600, 500 200_601;
}

impl Fault {
    /// The fault of a status and a code.
    #[must_use]
    pub fn of(status: u16, code: u32) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(of_status, of_code, _)| (*of_status, *of_code) == (status, code))
            .map(|(_, _, fault)| *fault)
    }

    /// Whether it says that no bank was asked. Every refusal below 500 does; of the faults with 500 only those that
    /// turn a caller away, for the others may have come up behind the bank's answer.
    const fn is_before_the_bank(status: u16, fault: Option<Self>) -> bool {
        (status < 500 && status != 408)
            || matches!(
                fault,
                Some(
                    Self::CallerAddress
                        | Self::AccountNotPermitted
                        | Self::FailedLogins
                        | Self::ThrottledByCount
                        | Self::ThrottledByAmount
                )
            )
    }
}

/// Why a call did not get the expected answer.
#[derive(Debug)]
pub(super) enum Problem {
    /// The bearer is not taken. Nothing was done.
    Unauthorized,
    /// The platform's own refusal. Nothing was done.
    Rejected(Rejection),
    /// Nobody knows.
    Doubtful(Doubt),
}

impl Problem {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Unauthorized => Refusal::Rejected(Rejection {
                code: Some("unauthorized".into()),
                name: None,
                message: "the platform does not take these credentials".into(),
                status: Some(401),
            })
            .into(),
            Self::Rejected(rejection) => Refusal::Rejected(rejection).into(),
            Self::Doubtful(doubt) => Error::Doubtful(doubt),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody {
    /// A text in some examples.
    #[serde(deserialize_with = "lenient::needed_number")]
    error_code: u32,
    /// The rest is for people, and read as far as it can be.
    #[serde(default)]
    general_message: Value,
    #[serde(default)]
    errors: Value,
}

impl ErrorBody {
    fn message(&self) -> String {
        let mut message = self.general_message.as_str().unwrap_or_default().to_owned();
        for error in self.errors.as_array().into_iter().flatten() {
            message += "; ";
            // Null for faults of the whole.
            if let Some(field) = error["field"].as_str() {
                message += field;
                message += ": ";
            }
            message += error["message"].as_str().unwrap_or_default();
        }
        sentence(&message)
    }
}

/// Reads an answer, or what it says against it.
pub(super) fn read<T: DeserializeOwned>(answer: &Response) -> Result<T, Problem> {
    match answer.status {
        200 => serde_json::from_slice(&answer.body).map_err(|_| Problem::Doubtful(Doubt::Undecodable)),
        // Without a body, or with one that differs between the platform's texts.
        401 => Err(Problem::Unauthorized),
        400..=599 => Err(refused(answer)),
        _ => Err(Problem::Doubtful(Doubt::Undecodable)),
    }
}

fn refused(answer: &Response) -> Problem {
    let status = answer.status;
    let Ok(body) = serde_json::from_slice::<ErrorBody>(&answer.body) else {
        return Problem::Doubtful(if status >= 500 {
            Doubt::NoAnswerBehindProxy
        } else {
            Doubt::Undecodable
        });
    };
    let fault = Fault::of(status, body.error_code);
    if !Fault::is_before_the_bank(status, fault) {
        return Problem::Doubtful(Doubt::NoAnswerBehindProxy);
    }
    Problem::Rejected(Rejection {
        code: Some(body.error_code.to_string()),
        name: fault.map(|fault| fault.as_str().into()),
        message: body.message(),
        status: Some(status),
    })
}

/// What the answer to a charge says. One that contradicts itself says nothing.
pub(super) fn outcome(answer: &ChargeAnswer) -> Outcome {
    // An id of the decline says nothing more of one, and a code of none says nothing of a sale.
    let deciding: &[&str] = match answer.approved {
        true => &["declineCode", "denialId", "subscriptionId"],
        false => &["declineCode", "subscriptionId"],
    };
    if deciding.iter().any(|name| answer.is_unreadable(name)) {
        return Outcome::Unknown(Doubt::Undecodable);
    }
    if answer.approved {
        if answer.decline_code.is_some() || answer.denial_id.is_some() {
            return Outcome::Unknown(Doubt::Contradictory);
        }
        return Outcome::Approved(Approval {
            authorization: answer.payment_unique_id.as_deref().map(identifier),
            platform_id: answer.subscription_id.as_ref().map(|id| id.as_str().into()),
            ..Approval::default()
        });
    }
    if answer.subscription_id.is_some() {
        return Outcome::Unknown(Doubt::Contradictory);
    }
    match decline::meaning(answer.decline_code) {
        Meaning::Declined(word) => Outcome::Declined(Decline {
            code: answer.decline_code.map(|code| code.to_string()),
            reason: word.into(),
            message: answer.decline_text.as_deref().map(sentence),
        }),
        Meaning::Processing => Outcome::Unknown(Doubt::Pending),
        Meaning::Contradictory => Outcome::Unknown(Doubt::Contradictory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Response {
        Response {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    fn problem(status: u16, body: &str) -> Problem {
        read::<Value>(&answer(status, body)).unwrap_err()
    }

    #[test]
    fn one_number_means_two_things() {
        assert_eq!(Fault::of(400, 100_100), Some(Fault::AccountInvalid));
        assert_eq!(Fault::of(500, 100_100), Some(Fault::Internal));
        assert_eq!(Fault::of(400, 100_107), Some(Fault::ProgramCategoryInvalid));
        assert_eq!(Fault::of(500, 100_107), Some(Fault::CallerAddress));
        assert_eq!(Fault::of(404, 100_100), None);
        let mut seen = std::collections::HashSet::new();
        assert!(
            Fault::ALL
                .iter()
                .all(|(status, code, _)| seen.insert((status, code)))
        );
    }

    #[test]
    fn tells_a_refusal_from_a_doubt() {
        let error = |code: &str| format!(r#"{{"errorCode":{code},"generalMessage":"No","errors":[]}}"#);
        for (status, code) in [
            (400, "100102"),
            (400, "\"200000\""),
            (403, "100020"),
            (404, "130000"),
            (404, "999999"),
            (500, "100107"),
            (500, "100108"),
            (500, "100109"),
            (500, "100110"),
            (500, "100111"),
        ] {
            assert!(
                matches!(problem(status, &error(code)), Problem::Rejected(..)),
                "{status} {code}"
            );
        }
        for (status, body) in [
            (500, error("100100")),
            (500, error("100103")),
            (500, error("100106")),
            (500, error("100112")),
            (500, error("999999")),
            (502, error("100107000000")),
            (502, String::new()),
            (504, "<html>".into()),
            (400, "<html>".into()),
            (404, String::new()),
            (400, error("1.5")),
            (302, String::new()),
            (408, error("100100")),
            (201, "{}".into()),
            (200, "no".into()),
        ] {
            assert!(
                matches!(problem(status, &body), Problem::Doubtful(_)),
                "{status} {body}"
            );
        }
        assert!(matches!(problem(401, ""), Problem::Unauthorized));
        assert!(matches!(
            problem(401, r#"{"error":"unauthorized"}"#),
            Problem::Unauthorized
        ));
    }

    #[test]
    fn names_the_fields_and_masks_cards() {
        let body = r#"{"id":"6d3c1d6e","url":"/payment-tokens/merchant-only","errors":[
            {"field":"customerInfo.email","message":"Invalid email address"},
            {"field":null,"message":"Unsupported characters in 4473707989493598"}],
            "generalMessage":"Validation failed!","errorCode":200000,"timestamp":"2024-12-31T07:37:34.748Z"}"#;
        let Problem::Rejected(rejection) = problem(400, body) else {
            panic!("not a refusal");
        };
        assert_eq!(
            (
                rejection.code.as_deref(),
                rejection.name.as_deref(),
                rejection.status
            ),
            (Some("200000"), Some("validation_failed"), Some(400))
        );
        assert_eq!(
            rejection.message,
            "Validation failed!; customerInfo.email: Invalid email address; Unsupported characters in ****************"
        );
    }

    #[test]
    fn every_fault_is_documented() {
        let page = include_str!("../../../docs/ccbill.md");
        let rows = page.matches("` | yes |\n").count() + page.matches("` | no |\n").count();
        assert_eq!(rows, Fault::ALL.len());
        for (status, code, fault) in Fault::ALL {
            let certain = if Fault::is_before_the_bank(*status, Some(*fault)) {
                "yes"
            } else {
                "no"
            };
            let row = format!("| {status} | {code} | `{}` | {certain} |\n", fault.as_str());
            assert!(page.contains(&row), "docs/ccbill.md has no row {row}");
        }
    }
}
