//! Request and response bodies, with the names of the official SDK.
//!
//! Every member is optional. Members that have no field are kept in `more`, so nothing is lost when the platform adds
//! some. `Debug` masks what the log masks, and card data is wiped when it is dropped. The sandbox does not use these
//! types; otherwise a mistake here would go unnoticed there.

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::objects::{Member, objects};

/// Card data in clear text: wiped when it is dropped, masked in `Debug` output.
#[derive(Clone)]
pub struct Concealed(SecretString);

impl From<&str> for Concealed {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<SecretString> for Concealed {
    fn from(text: SecretString) -> Self {
        Self(text)
    }
}

impl PartialEq for Concealed {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Serialize for Concealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl Member for Concealed {
    fn read(name: &str, value: Value) -> Result<Self, Value> {
        String::read(name, value).map(|text| Self(text.into()))
    }
}

objects! {
    /// An amount: 12.34 EUR is `amount` 1234, `currency_code` `EUR`, `number_of_decimals` 2.
    AmountData {
        /// In minor units.
        amount: u64,
        /// ISO 4217, three letters.
        currency_code: String,
        number_of_decimals: u32,
    }

    /// A card, or a network token with the expiry date of that token.
    PlainCardData {
        /// The PAN or the network token.
        card_number: Concealed,
        /// `MMYYYY`.
        expiry_date: Concealed,
        /// Three or four digits.
        card_security_code: Concealed,
        card_sequence_number: u32,
    }

    /// What authenticates a payment with a network token.
    NetworkTokenData { cryptogram: Concealed, eci: String, }

    /// The result of 3-D Secure. The platform does not run it; the data comes from the merchant's own 3DS server.
    ThreeDSecure {
        /// For example `THREE_DS` or `THREE_DS_ATTEMPTED`.
        three_d_secure_type: String,
        /// For example `2.2.0`.
        version: String,
        /// For example `05`.
        eci: String,
        /// The CAVV or AAV.
        authentication_value: Concealed,
        directory_server_transaction_id: String,
    }

    /// The cardholder's address, which the issuer compares with its records.
    AddressVerificationData { cardholder_address: String, cardholder_postal_code: String, }

    /// Data of an e-commerce payment.
    ECommerceData {
        three_d_secure: ThreeDSecure,
        /// The exemption from strong customer authentication, such as `LOW_VALUE_PAYMENT` or
        /// `TRANSACTION_RISK_ANALYSIS`.
        sca_exemption_request: String,
        address_verification_data: AddressVerificationData,
    }

    /// Card-on-file data of a first payment.
    InitialCardOnFileData {
        /// For example `UNSCHEDULED_CARD_ON_FILE` or `RECURRING`.
        transaction_type: String,
        /// Who will start the later payments: `CARDHOLDER_INITIATED` or `MERCHANT_INITIATED`.
        future_use: String,
    }

    /// Card-on-file data of a later payment.
    SubsequentCardOnFileData {
        /// For example `UNSCHEDULED_CARD_ON_FILE` or `RECURRING`. A payment that the cardholder starts can only be
        /// the first of them.
        transaction_type: String,
        /// `CARDHOLDER` or `MERCHANT`.
        card_on_file_initiator: String,
        /// The `scheme_transaction_id` of the first payment. Required if the merchant starts this one.
        initial_scheme_transaction_id: String,
        /// The `scheme_transaction_link_id` of the first payment. Mastercard requires it, too.
        initial_scheme_transaction_link_id: String,
    }

    /// Marks a payment with a card that the merchant stores or has stored.
    CardOnFileData {
        is_initial_transaction: bool,
        /// On the first payment.
        initial_card_on_file_data: InitialCardOnFileData,
        /// On later payments.
        subsequent_card_on_file_data: SubsequentCardOnFileData,
    }

    /// The card, and how the payment is made with it.
    CardPaymentData {
        /// Whether the issuer may approve a smaller amount than requested.
        allow_partial_approval: bool,
        /// For example `VISA` or `MASTERCARD`.
        brand: String,
        brand_selector: String,
        /// Captures at once, without a separate call.
        capture_immediately: bool,
        card_data: PlainCardData,
        /// For example `ECOMMERCE` or `MANUAL`.
        card_entry_mode: String,
        card_on_file_data: CardOnFileData,
        /// `NONE`, `CARD_SECURITY_CODE`, `THREE_DS` and others.
        cardholder_verification_method: String,
        ecommerce_data: ECommerceData, network_token_data: NetworkTokenData,
        /// The scheme's wallet number, such as 103 for Apple Pay, or 327 for a network token without a wallet.
        wallet_id: String,
    }

    /// The merchant's references for a payment or a refund.
    PaymentReferences { merchant_reference: String, dynamic_descriptor: String, }

    /// The merchant on whose behalf a payment facilitator sends the request.
    MerchantData {
        name: String, address: String, city: String, postal_code: String, state_code: String, country_code: String,
        merchant_category_code: u32, payment_facilitator_id: String, sub_merchant_id: String, tax_id: String,
    }

    /// Body of `POST …/payments`.
    ApiPaymentRequest {
        amount: AmountData,
        /// `PRE_AUTHORIZATION` or `FINAL_AUTHORIZATION`.
        authorization_type: String,
        /// RFC 3339.
        transaction_timestamp: String,
        card_payment_data: CardPaymentData, references: PaymentReferences, merchant: MerchantData,
        /// Unique for each operation, preferably a UUID. The platform uses it to detect duplicates.
        operation_id: String,
    }

    /// The card scheme's references for a payment.
    ApiReferencesForResponses {
        payment_account_reference: String, retrieval_reference_number: String,
        /// Keep it for later card-on-file payments.
        scheme_transaction_id: String,
        /// Keep it for later card-on-file payments with Mastercard.
        scheme_transaction_link_id: String,
    }

    /// The results of the issuer's checks.
    ECommerceDataForResponse {
        /// For example `MATCH`, `POSTAL_CODE_MATCH` or `NOT_VERIFIED`.
        address_verification_result: String,
        /// `MATCH`, `MISMATCH`, `NOT_VERIFIED`, `OMITTED` or `MISSING`.
        card_security_code_result: String,
    }

    /// Card data in a response.
    CardPaymentDataForResponse { brand: String, ecommerce_data: ECommerceDataForResponse, }

    /// The scheme's advice after a decline.
    AdditionalResponseData {
        /// Two digits, for example `02` to try again later or `03` not to retry.
        merchant_advice_code: String,
        merchant_advice_code_description: String,
    }

    /// Response of `POST …/payments`, for approved and for declined payments.
    ApiPaymentResponse {
        payment_id: String,
        /// The `operation_id` of the request.
        operation_id: String,
        /// `AUTHORIZED`, `NOT_AUTHORIZED`, `PENDING`, `PENDING_CAPTURE`, `CONFIRMED`, `REVERSED` or `CANCELLED`.
        status: String,
        status_timestamp: String,
        /// Less than the requested amount after a partial approval.
        total_authorized_amount: AmountData,
        initial_authorization_code: String,
        /// Who decided: `WORLDLINE`, `ISSUER`, `SCHEME` or `PARTNER`.
        responder: String,
        /// A number as text; `0` is approved.
        response_code: String,
        /// `APPROVED`, `PARTIALLY_APPROVED` or `DECLINED`.
        response_code_category: String,
        response_code_description: String, references: ApiReferencesForResponses,
        card_payment_data: CardPaymentDataForResponse, additional_response_data: AdditionalResponseData,
    }

    /// One operation of a payment.
    SubOperation {
        /// `AUTHORIZATION`, `CAPTURE`, `REFUND`, `INCREMENT` or `AUTHORIZATION_REVERSAL`.
        operation_type: String,
        operation_id: String, operation_timestamp: String, amount: AmountData, authorization_code: String,
        /// A number as text; `0` is approved.
        response_code: String,
        /// `APPROVED`, `PARTIALLY_APPROVED` or `DECLINED`.
        response_code_category: String,
        response_code_description: String,
    }

    /// Response of `GET …/payments/{id}`.
    ApiPaymentResource {
        payment_id: String,
        /// As in [`ApiPaymentResponse`].
        status: String,
        status_timestamp: String, total_authorized_amount: AmountData, initial_authorization_code: String,
        references: ApiReferencesForResponses, card_payment_data: CardPaymentDataForResponse,
        /// Only if the call asked for operations.
        operations: Vec<SubOperation>,
    }

    /// Body of `POST …/captures`.
    ApiCaptureRequest {
        operation_id: String, transaction_timestamp: String,
        /// The part to capture. Without it, the whole amount is captured.
        amount: AmountData,
        /// For partial captures.
        capture_sequence_number: u32,
        /// Releases the rest of the authorization. False by default; the platform recommends to send it always.
        is_final: bool,
    }

    /// Body of `POST …/increments`.
    ApiIncrementRequest {
        operation_id: String, transaction_timestamp: String,
        /// What is added to the authorized amount.
        increment_amount: AmountData,
    }

    /// Body of `POST …/authorization-reversals`.
    ApiPaymentReversalRequest {
        operation_id: String, transaction_timestamp: String,
        /// The part to release. Without it, the whole authorization is released.
        reversal_amount: AmountData,
    }

    /// Body of `POST …/payments/{id}/refunds`.
    ApiPaymentRefundRequest {
        operation_id: String, transaction_timestamp: String,
        /// The part to refund. Without it, the whole amount is refunded.
        amount: AmountData,
        capture_immediately: bool, references: PaymentReferences,
    }

    /// A payment's status in the response of an operation.
    ApiPaymentSummary {
        payment_id: String,
        /// As in [`ApiPaymentResponse`].
        status: String,
        status_timestamp: String, references: ApiReferencesForResponses,
    }

    /// A refund's status in the response of an operation.
    ApiRefundSummary {
        refund_id: String, status: String, status_timestamp: String, references: ApiReferencesForResponses,
    }

    /// Response of captures, increments, reversals and refunds.
    ApiActionResponse {
        operation_id: String, responder: String,
        /// A number as text; `0` is approved.
        response_code: String,
        /// `APPROVED`, `PARTIALLY_APPROVED` or `DECLINED`.
        response_code_category: String,
        response_code_description: String, authorization_code: String,
        /// Only after increments and reversals.
        total_authorized_amount: AmountData,
        additional_response_data: AdditionalResponseData,
        /// Absent after a refund.
        payment: ApiPaymentSummary,
        /// Only after a refund.
        refund: ApiRefundSummary,
    }

    /// Body of `POST …/operations/{id}/reverse`. The id in the path is that of the operation to undo.
    ApiTechnicalReversalRequest {
        /// A new id, for the reversal itself.
        operation_id: String,
        transaction_timestamp: String, reason: String,
    }

    /// Response of `POST …/operations/{id}/reverse`.
    ApiTechnicalReversalResponse {
        operation_id: String, responder: String, response_code: String, response_code_category: String,
        response_code_description: String,
    }

    /// Body of `POST …/account-verifications`. It has no amount.
    ApiAccountVerificationRequest {
        operation_id: String, transaction_timestamp: String, card_payment_data: CardPaymentData,
        references: PaymentReferences, merchant: MerchantData,
    }

    /// Response of `POST …/account-verifications`.
    ApiAccountVerificationResponse {
        operation_id: String, responder: String, response_code: String, response_code_category: String,
        response_code_description: String, references: ApiReferencesForResponses,
        card_payment_data: CardPaymentDataForResponse, additional_response_data: AdditionalResponseData,
    }

    /// Body of `POST …/balance-inquiries`.
    ApiBalanceInquiryRequest {
        operation_id: String, transaction_timestamp: String, card_payment_data: CardPaymentData,
        references: PaymentReferences, merchant: MerchantData,
    }

    /// Response of `POST …/balance-inquiries`.
    ApiBalanceInquiryResponse {
        operation_id: String, responder: String, response_code: String, response_code_category: String,
        response_code_description: String, available_amount: AmountData, references: ApiReferencesForResponses,
    }

    /// The transaction that a DCC rate is for.
    TransactionDataForDcc {
        amount: AmountData, transaction_timestamp: String,
        /// For example `PAYMENT`.
        transaction_type: String,
    }

    /// Body of `POST …/dcc-rates`.
    GetDccRateRequest {
        operation_id: String,
        /// The currency to quote, ISO 4217.
        target_currency: String,
        rate_reference_id: String,
        /// For example `{"bin": "41766699", "brand": "VISA"}`. The BIN may have up to twelve digits.
        card_payment_data: Value,
        /// For example `{"terminalId": "12345678"}`.
        point_of_sale_data: Value,
        transaction: TransactionDataForDcc,
    }

    /// A DCC offer.
    DccProposal {
        /// The amount of the request.
        original_amount: AmountData,
        /// The same in the target currency.
        resulting_amount: AmountData,
        rate_reference_id: String,
        /// Exchange rate, its inverse, the mark-up, and when the rate was quoted.
        rate: Value,
    }

    /// Response of `POST …/dcc-rates`.
    GetDccRateResponse {
        result: String, disclaimer_receipt: String, disclaimer_display: String, proposal: DccProposal,
    }

    /// The body of an error, in the form of RFC 7807.
    ApiPaymentErrorResponse {
        /// A URL that names the kind of error.
        kind: String as "type",
        title: String,
        /// The HTTP status.
        status: u16,
        detail: String,
        /// A URI of this occurrence.
        instance: String,
        /// Worldline's id of the request.
        request_id: String,
    }
}
