//! Cards as they arrive, in the clear, and what is kept of them: the last four digits.

use cardseal::card::luhn;
use cardseal::redact::card_digits;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::fields::Fields;
use super::issuer::{self, Verdict};
use super::refusal::Refusal;

/// Says that the number is a token of a card network, and of no wallet.
const NETWORK_TOKEN: &str = "327";

const UNSCHEDULED: &str = "UNSCHEDULED_CARD_ON_FILE";

/// What is kept of a card.
#[derive(Clone, Debug)]
pub(crate) struct CardFacts {
    pub(crate) last4: String,
    /// As the request has it, or by the first digit. Only two of the platform's names are known.
    pub(crate) brand: Option<String>,
    pub(crate) network_token: bool,
    /// `cardSecurityCodeResult`.
    pub(crate) code_result: &'static str,
    /// `addressVerificationResult`, if there was an address.
    pub(crate) address_result: Option<&'static str>,
    /// What is said of a card on file, without the rest.
    pub(crate) on_file: Option<Value>,
    pub(crate) verdict: Verdict,
}

impl CardFacts {
    /// `cardPaymentData` of the request.
    pub(crate) fn read(fields: &Fields, now: OffsetDateTime) -> Result<Self, Refusal> {
        let at = |name: &str| format!("cardPaymentData.{name}");
        let number_path = at("cardData.cardNumber");
        let number = fields.needed(&number_path)?;
        if !is_number(number) {
            return Err(Refusal::invalid(&number_path));
        }
        let expiry_path = at("cardData.expiryDate");
        if !is_ahead(fields.needed(&expiry_path)?, now) {
            return Err(Refusal::invalid(&expiry_path));
        }
        let code_path = at("cardData.cardSecurityCode");
        let code = fields.text(&code_path)?;
        if code.is_some_and(|code| !matches!(code.len(), 3 | 4) || !is_digits(code)) {
            return Err(Refusal::invalid(&code_path));
        }
        let method = fields.one_of(
            &at("cardholderVerificationMethod"),
            &[
                "NONE",
                "CARD_SECURITY_CODE",
                "THREE_DS",
                "SIGNATURE",
                "ONLINE_PIN",
                "OFFLINE_PIN",
                "CARDHOLDER_DEVICE",
            ],
        )?;
        if method == Some("CARD_SECURITY_CODE") && code.is_none() {
            return Err(Refusal::missing(&code_path));
        }
        // Every word of it is not known.
        fields.text(&at("cardEntryMode"))?;
        fields.flag(&at("captureImmediately"))?;
        fields.flag(&at("allowPartialApproval"))?;
        check_three_ds(fields, method)?;
        let given = fields.text(&at("brand"))?;
        let brand = given.or_else(|| by_digits(number)).map(str::to_owned);
        let network_token = fields.text(&at("walletId"))? == Some(NETWORK_TOKEN);
        let on_file = on_file(fields, brand.as_deref())?;
        let merchants_own = on_file
            .as_ref()
            .is_some_and(|on_file| on_file["initiator"] == "MERCHANT");
        let cryptogram = at("networkTokenData.cryptogram");
        if network_token && !merchants_own {
            fields.needed(&cryptogram)?;
        }
        fields.text(&cryptogram)?;
        let address = at("ecommerceData.addressVerificationData");
        Ok(Self {
            last4: number.get(number.len() - 4..).unwrap_or_default().into(),
            brand,
            network_token,
            code_result: issuer::code_result(code),
            address_result: fields.has(&address).then_some("MATCH"),
            on_file,
            verdict: issuer::of_card(number),
        })
    }

    /// What answers say of it.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({ "ecommerceData": { "cardSecurityCodeResult": self.code_result } });
        if let Some(brand) = &self.brand {
            body["brand"] = brand.as_str().into();
        }
        if let Some(result) = self.address_result {
            body["ecommerceData"]["addressVerificationResult"] = result.into();
        }
        body
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    (12..=19).contains(&text.len())
        && is_digits(text)
        && luhn(text.bytes().map(|byte| u32::from(byte - b'0')))
}

/// `MMYYYY`, and not over.
fn is_ahead(text: &str, now: OffsetDateTime) -> bool {
    let Some((month, year)) = text.split_at_checked(2) else {
        return false;
    };
    let (Ok(month), Ok(year)) = (month.parse::<u8>(), year.parse::<i32>()) else {
        return false;
    };
    text.len() == 6
        && is_digits(text)
        && (1..=12).contains(&month)
        && (year, month) >= (now.year(), u8::from(now.month()))
}

fn by_digits(number: &str) -> Option<&'static str> {
    match number.bytes().next() {
        Some(b'4') => Some("VISA"),
        Some(b'5' | b'2') => Some("MASTERCARD"),
        _ => None,
    }
}

/// A result of 3-D Secure is its authentication value: without one nothing may be flagged as authenticated.
fn check_three_ds(fields: &Fields, method: Option<&str>) -> Result<(), Refusal> {
    let at = |name: &str| format!("cardPaymentData.ecommerceData.threeDSecure.{name}");
    let flagged = fields.text(&at("threeDSecureType"))?.is_some() || method == Some("THREE_DS");
    if flagged {
        fields.needed(&at("authenticationValue"))?;
    }
    fields.one_of(
        "cardPaymentData.ecommerceData.scaExemptionRequest",
        &[
            "LOW_VALUE_PAYMENT",
            "SCA_DELEGATION",
            "SECURE_CORPORATE_PAYMENT",
            "TRANSACTION_RISK_ANALYSIS",
            "TRUSTED_BENEFICIARY",
            "AUTHENTICATION_OUTAGE",
        ],
    )?;
    Ok(())
}

/// What the request says of a card on file, checked by what the platform's reference says of it.
fn on_file(fields: &Fields, brand: Option<&str>) -> Result<Option<Value>, Refusal> {
    const PATH: &str = "cardPaymentData.cardOnFileData";
    if !fields.has(PATH) {
        return Ok(None);
    }
    let kinds = [UNSCHEDULED, "RECURRING"];
    let first = format!("{PATH}.isInitialTransaction");
    if fields.flag(&first)?.ok_or_else(|| Refusal::missing(&first))? {
        let at = |name: &str| format!("{PATH}.initialCardOnFileData.{name}");
        let kind = fields.one_of(&at("transactionType"), &kinds)?;
        let uses = ["CARDHOLDER_INITIATED", "MERCHANT_INITIATED"];
        let future = fields.one_of(&at("futureUse"), &uses)?;
        return Ok(Some(
            json!({ "initial": true, "type": kind, "future_use": future }),
        ));
    }
    let at = |name: &str| format!("{PATH}.subsequentCardOnFileData.{name}");
    let kind = fields.one_of(&at("transactionType"), &kinds)?;
    let initiator_path = at("cardOnFileInitiator");
    let initiator = fields
        .one_of(&initiator_path, &["CARDHOLDER", "MERCHANT"])?
        .ok_or_else(|| Refusal::missing(&initiator_path))?;
    let (id_path, link_path) = (
        at("initialSchemeTransactionId"),
        at("initialSchemeTransactionLinkId"),
    );
    let (id, link) = (fields.text(&id_path)?, fields.text(&link_path)?);
    if initiator == "MERCHANT" {
        fields.needed(&id_path)?;
        if brand == Some("MASTERCARD") {
            fields.needed(&link_path)?;
        }
    } else if kind.is_some_and(|kind| kind != UNSCHEDULED) {
        return Err(Refusal::invalid(&at("transactionType")));
    }
    Ok(Some(json!({
        "initial": false,
        "type": kind,
        "initiator": initiator,
        // Whatever it is, a card number is not shown.
        "initial_scheme_transaction_id": id.map(card_digits),
        "initial_scheme_transaction_link_id": link.map(card_digits),
    })))
}
