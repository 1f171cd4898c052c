//! Reads the client's answers: what an error says about a call, and what the codes and the status say about a payment.

use cardseal_worldline::acquiring::domain::{AdditionalResponseData, ApiPaymentResource, ApiPaymentResponse};
use cardseal_worldline::acquiring::errors::{self, Fault, OAuth2Error};
use cardseal_worldline::resource::is_id;

use super::wire::is_amount;
use crate::amount::Amount;
use crate::error::{Doubt, Error, Refusal, Rejection, sentence, word};
use crate::gateway::{Approval, Capture, ChargeParams, Decline, Outcome, Pending};
use crate::worldline::refused_here;

/// What the platform said, masked. The last part of the type's address is the nearest to a code.
pub(super) fn rejection(fault: &Fault) -> Rejection {
    let problem = &fault.problem;
    let kind = problem.kind.as_deref().and_then(|kind| kind.rsplit('/').next());
    let message = problem.detail.as_deref().or(problem.title.as_deref());
    Rejection {
        code: kind.filter(|kind| !kind.is_empty()).map(word),
        name: problem.title.as_deref().map(word),
        message: sentence(message.unwrap_or_default()),
        status: Some(fault.status),
    }
}

/// A refusal is one only where the platform itself says in its own words that it did nothing.
impl From<&errors::Error> for Error {
    fn from(error: &errors::Error) -> Self {
        let rejected = |fault| Refusal::Rejected(rejection(fault)).into();
        match error {
            errors::Error::Validation(fault)
            | errors::Error::Authorization(fault)
            | errors::Error::Reference(fault) => rejected(fault),
            errors::Error::NotFound => Refusal::Rejected(Rejection {
                code: Some("not_found".into()),
                status: Some(404),
                ..Rejection::default()
            })
            .into(),
            errors::Error::Api(fault) => match fault.status {
                408 => Self::Doubtful(Doubt::TimedOut),
                400..=499 => rejected(fault),
                500..=599 => Self::Doubtful(Doubt::NoAnswerBehindProxy),
                _ => Self::Doubtful(Doubt::Undecodable),
            },
            errors::Error::Platform(_) => Self::Doubtful(Doubt::NoAnswerBehindProxy),
            // Without a token the call was not made.
            errors::Error::OAuth2(OAuth2Error::Refused {
                status,
                code,
                description,
            }) => Refusal::Rejected(Rejection {
                code: Some(code.clone()),
                message: description.clone(),
                status: Some(*status),
                ..Rejection::default()
            })
            .into(),
            errors::Error::OAuth2(OAuth2Error::Failure(_) | OAuth2Error::Unreadable) => {
                Refusal::NotSent.into()
            }
            errors::Error::Communication(why) => (*why).into(),
            errors::Error::Mistake(mistake) => refused_here(*mistake, "order_reference").into(),
        }
    }
}

impl From<errors::Error> for Error {
    fn from(error: errors::Error) -> Self {
        Self::from(&error)
    }
}

/// What the codes of an answer say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Category {
    Approved,
    Declined,
    Other,
}

pub(super) fn category(category: Option<&str>) -> Category {
    match category {
        Some("APPROVED") => Category::Approved,
        Some("DECLINED") => Category::Declined,
        // A part is never asked for; whatever else there is, is not known.
        _ => Category::Other,
    }
}

/// Our word for the advice that comes with a refusal. The platform's own codes are not published.
pub(super) fn reason(advice: Option<&AdditionalResponseData>) -> &'static str {
    match advice.and_then(|advice| advice.merchant_advice_code.as_deref()) {
        Some("01") => "card_details_outdated",
        Some("02" | "24" | "25" | "26" | "27" | "28" | "29" | "30") => "try_again_later",
        Some("03" | "21") => "do_not_try_again",
        _ => "declined",
    }
}

pub(super) fn decline(
    code: Option<&str>,
    description: Option<&str>,
    advice: Option<&AdditionalResponseData>,
) -> Outcome {
    Outcome::Declined(Decline {
        code: code.map(word),
        reason: reason(advice).into(),
        message: description.map(word),
    })
}

pub(super) fn approval(id: &str, code: Option<&str>, brand: Option<&str>) -> Approval {
    Approval {
        authorization: code.filter(|code| !code.is_empty()).map(word),
        platform_id: Some(id.into()),
        brand: brand.map(|brand| word(brand).to_lowercase()),
        last4: None,
        unverified: false,
    }
}

pub(super) fn pending(id: &str, doubt: Doubt) -> Outcome {
    Outcome::Pending(Pending {
        platform_id: id.into(),
        redirect: None,
        doubt,
    })
}

/// What a status says, given how the money was to be taken.
pub(super) fn of_status(status: Option<&str>, capture: Capture, id: &str, approval: Approval) -> Outcome {
    match (status, capture) {
        (Some("CONFIRMED"), _) | (Some("PENDING_CAPTURE"), Capture::Auto) => Outcome::Approved(approval),
        (Some("AUTHORIZED"), _) | (Some("PENDING_CAPTURE"), Capture::Later) => Outcome::Authorized(approval),
        (Some("REVERSED" | "CANCELLED"), _) => Outcome::Voided(approval),
        _ => pending(id, Doubt::Pending),
    }
}

/// The answer to a new payment.
pub(super) fn outcome(answer: &ApiPaymentResponse, id: &str, capture: Capture, amount: &Amount) -> Outcome {
    if answer.operation_id.as_deref() != Some(id) {
        return Outcome::Unknown(Doubt::WrongReference);
    }
    let status = answer.status.as_deref();
    let declined = status == Some("NOT_AUTHORIZED");
    let category = category(answer.response_code_category.as_deref());
    if category == Category::Declined && status.is_none_or(|_| declined) {
        return decline(
            answer.response_code.as_deref(),
            answer.response_code_description.as_deref(),
            answer.additional_response_data.as_ref(),
        );
    }
    let Some(payment) = answer.payment_id.as_deref().filter(|id| is_id(id)) else {
        return Outcome::Unknown(Doubt::Undecodable);
    };
    let waits = status == Some("PENDING");
    if declined
        || (category != Category::Approved && !waits)
        || answer.is_unreadable("totalAuthorizedAmount")
        || !is_amount(answer.total_authorized_amount.as_ref(), amount)
    {
        return pending(payment, Doubt::Contradictory);
    }
    let brand = answer
        .card_payment_data
        .as_ref()
        .and_then(|card| card.brand.as_deref());
    let approval = approval(payment, answer.initial_authorization_code.as_deref(), brand);
    of_status(status, capture, payment, approval)
}

/// The payment as it is now.
pub(super) fn found(payment: &ApiPaymentResource, id: &str, params: &ChargeParams<'_>) -> Outcome {
    if payment.payment_id.as_deref() != Some(id) {
        return Outcome::Unknown(Doubt::WrongReference);
    }
    let status = payment.status.as_deref();
    let operations = payment.operations.as_deref().unwrap_or_default();
    if status == Some("NOT_AUTHORIZED") {
        let first = operations
            .iter()
            .find(|operation| operation.operation_type.as_deref() == Some("AUTHORIZATION"));
        return decline(
            first.and_then(|operation| operation.response_code.as_deref()),
            first.and_then(|operation| operation.response_code_description.as_deref()),
            None,
        );
    }
    let held = matches!(status, Some("AUTHORIZED" | "PENDING_CAPTURE" | "CONFIRMED"));
    let amount = payment.total_authorized_amount.as_ref();
    if held && (payment.is_unreadable("totalAuthorizedAmount") || !is_amount(amount, params.amount)) {
        return pending(id, Doubt::Contradictory);
    }
    let brand = payment
        .card_payment_data
        .as_ref()
        .and_then(|card| card.brand.as_deref());
    let approval = approval(id, payment.initial_authorization_code.as_deref(), brand);
    of_status(status, params.capture, id, approval)
}

pub(super) fn refused(code: Option<&str>, description: Option<&str>) -> Refusal {
    Refusal::Rejected(Rejection {
        code: code.map(word),
        name: Some("DECLINED".into()),
        message: description.map(word).unwrap_or_default(),
        status: None,
    })
}
