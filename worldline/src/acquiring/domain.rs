//! What goes over the wire, in both directions.
//!
//! Every member can be missing, and what is not named here is kept in `more`. `Debug` shows what the log would show. What
//! is of a card is wiped when it is dropped. The simulator in the sandbox does not use these types.

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::objects::{Member, objects};

/// A text of a card in clear: wiped when it is dropped, and printed as asterisks.
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
    /// Minor units, a currency, and how many of the digits are behind the point.
    AmountData { amount: u64, currency_code: String, number_of_decimals: u32, }

    /// A card, or a token of a card network.
    PlainCardData {
        card_number: Concealed,
        /// `MMYYYY`.
        expiry_date: Concealed,
        card_security_code: Concealed,
        card_sequence_number: u32,
    }

    /// What comes with a token of a card network.
    NetworkTokenData { cryptogram: Concealed, eci: String, }

    /// What the merchant's own 3-D Secure server found out.
    ThreeDSecure {
        three_d_secure_type: String, version: String, eci: String, authentication_value: Concealed,
        directory_server_transaction_id: String,
    }

    /// What is compared with what the bank knows.
    AddressVerificationData { cardholder_address: String, cardholder_postal_code: String, }

    /// 3-D Secure, exemptions, address.
    ECommerceData {
        three_d_secure: ThreeDSecure, sca_exemption_request: String, address_verification_data: AddressVerificationData,
    }

    /// What a first payment says of later ones.
    InitialCardOnFileData { transaction_type: String, future_use: String, }

    /// What a later payment says of the first one.
    SubsequentCardOnFileData {
        transaction_type: String,
        /// `CARDHOLDER` or `MERCHANT`.
        card_on_file_initiator: String,
        initial_scheme_transaction_id: String, initial_scheme_transaction_link_id: String,
    }

    /// That a card is kept, or was.
    CardOnFileData {
        is_initial_transaction: bool, initial_card_on_file_data: InitialCardOnFileData,
        subsequent_card_on_file_data: SubsequentCardOnFileData,
    }

    /// The card and how it came.
    CardPaymentData {
        allow_partial_approval: bool, brand: String, brand_selector: String, capture_immediately: bool,
        card_data: PlainCardData, card_entry_mode: String, card_on_file_data: CardOnFileData,
        cardholder_verification_method: String, ecommerce_data: ECommerceData, network_token_data: NetworkTokenData,
        /// 327 for a network token that is of no wallet.
        wallet_id: String,
    }

    /// The merchant's names of something.
    PaymentReferences { merchant_reference: String, dynamic_descriptor: String, }

    /// Who sells, for payment facilitators.
    MerchantData {
        name: String, address: String, city: String, postal_code: String, state_code: String, country_code: String,
        merchant_category_code: u32, payment_facilitator_id: String, sub_merchant_id: String, tax_id: String,
    }

    /// `POST …/payments`.
    ApiPaymentRequest {
        amount: AmountData,
        /// `PRE_AUTHORIZATION` or `FINAL_AUTHORIZATION`.
        authorization_type: String,
        transaction_timestamp: String, card_payment_data: CardPaymentData, references: PaymentReferences,
        merchant: MerchantData, operation_id: String,
    }

    /// The scheme's names of something.
    ApiReferencesForResponses {
        payment_account_reference: String, retrieval_reference_number: String, scheme_transaction_id: String,
        scheme_transaction_link_id: String,
    }

    /// What the bank found when it compared.
    ECommerceDataForResponse { address_verification_result: String, card_security_code_result: String, }

    /// What is said of a card in an answer.
    CardPaymentDataForResponse { brand: String, ecommerce_data: ECommerceDataForResponse, }

    /// What to do after a refusal.
    AdditionalResponseData { merchant_advice_code: String, merchant_advice_code_description: String, }

    /// The answer of `POST …/payments`. A declined payment is one, too.
    ApiPaymentResponse {
        payment_id: String, operation_id: String, status: String, status_timestamp: String,
        total_authorized_amount: AmountData, initial_authorization_code: String, responder: String,
        response_code: String, response_code_category: String, response_code_description: String,
        references: ApiReferencesForResponses, card_payment_data: CardPaymentDataForResponse,
        additional_response_data: AdditionalResponseData,
    }

    /// Something that was done to a payment.
    SubOperation {
        /// `AUTHORIZATION`, `CAPTURE`, `REFUND`, `INCREMENT` or `AUTHORIZATION_REVERSAL`.
        operation_type: String,
        operation_id: String, operation_timestamp: String, amount: AmountData, authorization_code: String,
        response_code: String, response_code_category: String, response_code_description: String,
    }

    /// `GET …/payments/{id}`.
    ApiPaymentResource {
        payment_id: String, status: String, status_timestamp: String, total_authorized_amount: AmountData,
        initial_authorization_code: String, references: ApiReferencesForResponses,
        card_payment_data: CardPaymentDataForResponse, operations: Vec<SubOperation>,
    }

    /// `POST …/captures`.
    ApiCaptureRequest {
        operation_id: String, transaction_timestamp: String, amount: AmountData, capture_sequence_number: u32,
        is_final: bool,
    }

    /// `POST …/increments`.
    ApiIncrementRequest { operation_id: String, transaction_timestamp: String, increment_amount: AmountData, }

    /// `POST …/authorization-reversals`. Without an amount, all of it.
    ApiPaymentReversalRequest { operation_id: String, transaction_timestamp: String, reversal_amount: AmountData, }

    /// `POST …/payments/{id}/refunds`.
    ApiPaymentRefundRequest {
        operation_id: String, transaction_timestamp: String, amount: AmountData, capture_immediately: bool,
        references: PaymentReferences,
    }

    /// A payment, in short.
    ApiPaymentSummary {
        payment_id: String, status: String, status_timestamp: String, references: ApiReferencesForResponses,
    }

    /// A refund, in short.
    ApiRefundSummary {
        refund_id: String, status: String, status_timestamp: String, references: ApiReferencesForResponses,
    }

    /// The answer of captures, increments, reversals and refunds.
    ApiActionResponse {
        operation_id: String, responder: String, response_code: String, response_code_category: String,
        response_code_description: String, authorization_code: String, total_authorized_amount: AmountData,
        additional_response_data: AdditionalResponseData, payment: ApiPaymentSummary, refund: ApiRefundSummary,
    }

    /// `POST …/operations/{id}/reverse`.
    ApiTechnicalReversalRequest { operation_id: String, transaction_timestamp: String, reason: String, }

    /// The answer of it.
    ApiTechnicalReversalResponse {
        operation_id: String, responder: String, response_code: String, response_code_category: String,
        response_code_description: String,
    }

    /// `POST …/account-verifications`.
    ApiAccountVerificationRequest {
        operation_id: String, transaction_timestamp: String, card_payment_data: CardPaymentData,
        references: PaymentReferences, merchant: MerchantData,
    }

    /// The answer of it.
    ApiAccountVerificationResponse {
        operation_id: String, responder: String, response_code: String, response_code_category: String,
        response_code_description: String, references: ApiReferencesForResponses,
        card_payment_data: CardPaymentDataForResponse, additional_response_data: AdditionalResponseData,
    }

    /// `POST …/balance-inquiries`.
    ApiBalanceInquiryRequest {
        operation_id: String, transaction_timestamp: String, card_payment_data: CardPaymentData,
        references: PaymentReferences, merchant: MerchantData,
    }

    /// The answer of it.
    ApiBalanceInquiryResponse {
        operation_id: String, responder: String, response_code: String, response_code_category: String,
        response_code_description: String, available_amount: AmountData, references: ApiReferencesForResponses,
    }

    /// What is asked of a rate.
    TransactionDataForDcc { amount: AmountData, transaction_timestamp: String, transaction_type: String, }

    /// `POST …/dcc-rates`.
    GetDccRateRequest {
        operation_id: String, target_currency: String, rate_reference_id: String, card_payment_data: Value,
        point_of_sale_data: Value, transaction: TransactionDataForDcc,
    }

    /// What is offered.
    DccProposal {
        original_amount: AmountData, resulting_amount: AmountData, rate_reference_id: String, rate: Value,
    }

    /// The answer of it.
    GetDccRateResponse {
        result: String, disclaimer_receipt: String, disclaimer_display: String, proposal: DccProposal,
    }

    /// A refused request, after RFC 7807.
    ApiPaymentErrorResponse {
        kind: String as "type",
        title: String, status: u16, detail: String, instance: String, request_id: String,
    }
}
