//! Charges, voids and refunds. Whatever is not documented as "no" is doubtful here, never "not charged".

use cardseal::Code;
use cardseal::greenpay::{self, Payment, PaymentAnswer, Verb, read_payment};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::answer::{known_failure, object, rejection, undecodable};
use super::wire::{PaymentOrder, Reversal, opaque, packed, payment_answer, reversal_answer};
use super::{GreenPay, SignaturePolicy};
use crate::error::{Doubt, Refusal, Rejection, sentence, word};
use crate::gateway::{
    Approval, Change, ChargeParams, Decline, OpenSession, Outcome, PagePayload, PaymentRef,
};
use crate::lenient::text;
use crate::transport::{Response, Transport};

impl GreenPay {
    /// `POST /tokenPayment` on the merchant host: a payment order with the card token in it.
    pub(super) async fn charge_token(
        &self,
        transport: &Transport,
        params: &ChargeParams<'_>,
    ) -> Result<Outcome, Refusal> {
        let order = PaymentOrder {
            token: Some(params.token.expose_secret()),
            ..self.payment_order(params.amount, params.reference, params.description)?
        };
        match self.post(transport, "/tokenPayment", &order).await {
            Ok(answer) => self.outcome(&answer, params.reference),
            Err(error) => error.into_doubt().map(Outcome::Unknown),
        }
    }

    /// "Invoking checkout API": `POST /kount` or `/` on the checkout host with the order's session.
    pub(super) async fn charge_card(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        payload: PagePayload,
        kount: bool,
    ) -> Result<Outcome, Refusal> {
        if let PagePayload::Answer(answer) = payload {
            return self.handed_payment(&answer, session.reference);
        }
        let packed = packed(payload)?;
        match self.relay(transport, Verb::Pay { kount }, session, &packed).await {
            Ok(answer) => self.outcome(&answer, session.reference),
            Err(error) => error.into_doubt().map(Outcome::Unknown),
        }
    }

    /// The signature covers the status and the reference, and the amount is in our own order: that much of a
    /// browser's word can be believed, if it is verified. If not, the notification has to say it.
    fn handed_payment(&self, answer: &Value, reference: &str) -> Result<Outcome, Refusal> {
        let payment =
            read_payment(&self.key, 200, &payment_answer(answer)).map_err(|_| Refusal::Invalid("answer"))?;
        if payment.order_reference.as_deref() != Some(reference) {
            return Err(Refusal::Invalid("answer"));
        }
        if !payment.signature.verified {
            return Ok(Outcome::Unknown(Doubt::SignatureInvalid));
        }
        // What is not signed is not kept: the platform's notification brings it.
        Ok(match settled(payment, answer) {
            Outcome::Approved(_) => Outcome::Approved(Approval::default()),
            other @ (Outcome::Authorized(_)
            | Outcome::Voided(_)
            | Outcome::Declined(_)
            | Outcome::Pending(_)
            | Outcome::Unknown(_)) => other,
        })
    }

    /// A decline is a status of 500 with the bank's code; an approval is 200 in HTTP, 200 in the body, no
    /// contradicting bank code, and our own reference.
    fn outcome(&self, answer: &Response, reference: &str) -> Result<Outcome, Refusal> {
        if answer.status == 504 {
            return Ok(Outcome::Unknown(Doubt::NoAnswerBehindProxy));
        }
        let Some(body) = object(&answer.body) else {
            return Ok(Outcome::Unknown(undecodable(answer.status)));
        };
        let read = payment_answer(&body);
        let payment = match read_payment(&self.key, answer.status, &read) {
            Ok(payment) => payment,
            Err(error) if error.code() == Code::PlatformRejected && error.platform_code().is_some() => {
                return Err(Refusal::Rejected(Rejection {
                    code: error.platform_code().map(Into::into),
                    name: None,
                    message: sentence(error.platform_message().unwrap_or_default()),
                    status: error.status(),
                }));
            }
            Err(_) => return Ok(Outcome::Unknown(undecodable(answer.status))),
        };
        if payment.outcome == greenpay::Outcome::Unknown
            && read.status.integer() != Some(200)
            && let Some(rejection) = invalid_input(&read, answer.status)
        {
            return Err(Refusal::Rejected(rejection));
        }
        if payment.outcome != greenpay::Outcome::Unknown
            && payment.order_reference.as_deref() != Some(reference)
        {
            return Ok(Outcome::Unknown(Doubt::WrongReference));
        }
        if !payment.signature.verified && self.payment_policy == SignaturePolicy::Required {
            return Ok(Outcome::Unknown(Doubt::SignatureInvalid));
        }
        Ok(settled(payment, &body))
    }

    /// "Void or cancel transaction", "Refund transaction": the same body, whole transactions only. These answers
    /// carry no signature.
    pub(super) async fn reverse(
        &self,
        transport: &Transport,
        path: &str,
        payment: &PaymentRef<'_>,
    ) -> Result<Change, Refusal> {
        let bin = payment.bin.ok_or(Refusal::Invalid("bin"))?;
        let body = Reversal {
            secret: self.secret.expose_secret(),
            merchant_id: &self.merchant_id,
            bin: bin.get(..6).unwrap_or(bin),
            last4: payment.last4.ok_or(Refusal::Invalid("last4"))?,
            authorization: payment.authorization.ok_or(Refusal::Invalid("authorization"))?,
            order_reference: payment.reference,
        };
        let answer = match self.post(transport, path, &body).await {
            Ok(answer) if answer.status == 504 => return Ok(Change::Unknown(Doubt::NoAnswerBehindProxy)),
            Ok(answer) => answer,
            Err(error) => return error.into_doubt().map(Change::Unknown),
        };
        let Some(body) = object(&answer.body) else {
            return Ok(Change::Unknown(undecodable(answer.status)));
        };
        let body = reversal_answer(&body);
        let done = if path.ends_with("void") {
            body.void
        } else {
            body.refund
        } == Some(true);
        match (body.status.text().as_str(), body.code.integer()) {
            ("SUCCESS", Some(200)) if done && (200..300).contains(&answer.status) => {
                let ours = body
                    .order_reference
                    .is_none_or(|reference| reference == payment.reference);
                Ok(if ours {
                    Change::Done
                } else {
                    Change::Unknown(Doubt::WrongReference)
                })
            }
            // "FAIL" alone is also what a failure on the way to the bank would say. Only a reason that is known, or
            // a status that blames the request, means that nothing was done.
            ("FAIL", code) if !done => {
                let status = code.and_then(|code| u16::try_from(code).ok());
                match rejection(status, &body.errors) {
                    Some(rejection) if rejection.code.is_some() || matches!(status, Some(400..=499)) => {
                        Err(Refusal::Rejected(rejection))
                    }
                    _ => Ok(Change::Unknown(undecodable(answer.status))),
                }
            }
            // It does not say which of the two it was. A documented reason says it as well.
            (status, _) if !done && status != "SUCCESS" => match known_failure(&answer) {
                Some(rejection) => Err(Refusal::Rejected(rejection)),
                None => Ok(Change::Unknown(Doubt::Contradictory)),
            },
            _ => Ok(Change::Unknown(Doubt::Contradictory)),
        }
    }
}

/// Values in a request that the platform is taken to refuse by name before it asks a bank. The list is inferred
/// from the few documented texts of the kind ("Invalid_pan", "Invalid token"); any other text leaves a payment
/// unknown.
const INVALID_VALUES: &[&str] = &[
    "invalid amount",
    "invalid card",
    "invalid card holder",
    "invalid currency",
    "invalid currency for the terminal",
    "invalid cvc",
    "invalid expiration date",
    "invalid nickname",
    "invalid orderreference",
    "invalid request body",
    "invalid cadence",
    "invalid description",
    "invalid startdate",
    "invalid subscription",
    "invalid user",
    "invalid userid",
];

/// Whether a text blames a value in the request.
pub(super) fn invalid_value(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    INVALID_VALUES.contains(&text.strip_prefix("error: ").unwrap_or(&text))
}

/// A refusal of a value in the request, unless a bank spoke.
fn invalid_input(body: &PaymentAnswer, http_status: u16) -> Option<Rejection> {
    let bank = body.bank_code.is_some() || body.success == Some(true);
    let approval = body.authorization.as_deref().is_some_and(|text| !text.is_empty());
    let mut rejection = rejection(Some(http_status), &body.errors).filter(|_| !bank && !approval)?;
    let known = invalid_value(&rejection.message);
    rejection.code = rejection.code.or_else(|| Some("invalid_request".into()));
    known.then_some(rejection)
}

pub(super) fn settled(payment: Payment, answer: &Value) -> Outcome {
    match payment.outcome {
        greenpay::Outcome::Approved => Outcome::Approved(Approval {
            authorization: payment.authorization.filter(|text| opaque(text)),
            // The reference number of the bank.
            platform_id: text(answer, "/result/retrieval_ref_num").filter(|text| opaque(text)),
            brand: payment.brand.map(|text| word(&text)),
            last4: payment.last4,
            unverified: !payment.signature.verified,
        }),
        greenpay::Outcome::Declined => {
            let decline = payment.decline;
            Outcome::Declined(Decline {
                code: decline
                    .as_ref()
                    .and_then(|decline| decline.code.as_deref())
                    .map(sentence),
                reason: decline
                    .as_ref()
                    .map_or("declined", |decline| decline.reason)
                    .into(),
                message: decline
                    .map(|decline| sentence(&decline.message))
                    .filter(|text| !text.is_empty()),
            })
        }
        greenpay::Outcome::Unknown => Outcome::Unknown(Doubt::Contradictory),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::settings::{Mistakes, Settings};
    use crate::variants::variants;

    pub(in super::super) fn gateway() -> GreenPay {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/greenpay.json")).unwrap();
        let tree = json!({ "merchant_id": "m", "secret": "s", "public_key": vectors["rsa_keys"]["t1024"]["public_spki_pem"],
            "terminals": [{ "terminal": "t", "currency": "USD" }] });
        let mistakes = Mistakes::default();
        GreenPay::from_settings(&Settings::root(tree.as_object().unwrap(), &mistakes)).unwrap()
    }

    fn response(status: u16, body: &Value) -> Response {
        Response {
            status,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        }
    }

    #[test]
    fn one_odd_member_never_costs_the_rest_nor_makes_an_approval() {
        let gateway = gateway();
        let approved = json!({ "status": 200, "orderId": "order-1", "authorization": "533793", "last4": "1111", "brand": "Visa",
            "amount": 10, "currency": "USD", "errors": [], "_signature": "00",
            "result": { "success": true, "resp_code": "00", "reserved_private4": "", "retrieval_ref_num": "701016540713",
                "time_local_tran": "165407", "date_local_tran": "0110", "proc_code": "000000", "merchant_id": 1,
                "authorization_id_resp": "533793" } });
        for variant in variants(&approved) {
            let outcome = gateway.outcome(&response(200, &variant.body), "order-1");
            let said = format!("{} {:?}: {outcome:?}", variant.path, variant.odd);
            let decides = ["/status", "/orderId", "/result/success", "/result/resp_code"]
                .iter()
                .any(|member| variant.touches(member));
            match outcome {
                Ok(Outcome::Approved(_)) => assert!(!decides || variant.is_absent(), "{said}"),
                Ok(Outcome::Unknown(_)) => assert!(decides, "{said}"),
                // The bank's code in another form is another code, and an approval beside it a contradiction.
                Ok(
                    Outcome::Authorized(_) | Outcome::Voided(_) | Outcome::Declined(_) | Outcome::Pending(_),
                )
                | Err(_) => panic!("{said}"),
            }
        }
        let declined = json!({ "status": 500, "orderId": "order-1", "authorization": null, "errors": ["Error: declined"],
            "result": { "success": false, "resp_code": "51", "reserved_private4": "FONDOS INSUFICIENTES" } });
        for variant in variants(&declined) {
            let outcome = gateway.outcome(&response(500, &variant.body), "order-1");
            let said = format!("{} {:?}: {outcome:?}", variant.path, variant.odd);
            match outcome {
                Ok(Outcome::Declined(decline)) => assert!(
                    variant.touches("/result/resp_code") || decline.reason == "insufficient_funds",
                    "{said}: {decline:?}"
                ),
                Ok(Outcome::Unknown(_)) => assert!(
                    [
                        "/orderId",
                        "/authorization",
                        "/result/success",
                        "/result/resp_code"
                    ]
                    .iter()
                    .any(|member| variant.touches(member)),
                    "{said}"
                ),
                Ok(
                    Outcome::Approved(_) | Outcome::Authorized(_) | Outcome::Voided(_) | Outcome::Pending(_),
                )
                | Err(_) => panic!("{said}"),
            }
        }
        let refused = json!({ "status": 500, "orderId": "order-1", "errors": ["Error: Invalid card token"], "result": null });
        for variant in variants(&refused) {
            let outcome = gateway.outcome(&response(500, &variant.body), "order-1");
            let said = format!("{} {:?}: {outcome:?}", variant.path, variant.odd);
            match outcome {
                Err(Refusal::Rejected(rejection)) => {
                    assert_eq!(rejection.code.as_deref(), Some("invalid_card_token"), "{said}");
                }
                Ok(Outcome::Unknown(_)) => {
                    assert!(
                        variant.touches("/errors/0") || variant.touches("/result"),
                        "{said}"
                    );
                }
                _ => panic!("{said}"),
            }
        }
    }
}
