//! Request and response bodies, with the names of the official SDKs.
//!
//! Every member is optional. Members that have no field are kept in `more`, so nothing is lost when the platform adds
//! some. `Debug` masks what the log masks. The sandbox does not use these types; otherwise a mistake here would go
//! unnoticed there.

use serde_json::{Map, Value};

use crate::objects::objects;

objects! {
    /// An amount, such as 1234 and `EUR` for 12.34 EUR.
    AmountOfMoney {
        /// In minor units.
        amount: u64,
        /// ISO 4217, three letters.
        currency_code: String,
    }

    /// The merchant's references for a payment.
    References {
        /// At most 40 characters.
        merchant_reference: String,
        payment_reference: String, merchant_parameters: String,
    }

    /// The shopper's browser, for 3-D Secure.
    BrowserData {
        color_depth: u32, java_enabled: bool, java_script_enabled: bool,
        /// A string here; the encrypted payload has a number.
        screen_height: String,
        /// A string here; the encrypted payload has a number.
        screen_width: String,
    }

    /// The shopper's device, for 3-D Secure.
    Device {
        accept_header: String, user_agent: String, locale: String,
        /// In minutes, as a string.
        timezone_offset_utc_minutes: String,
        ip_address: String, browser_data: BrowserData,
    }

    /// The shopper.
    Customer { merchant_customer_id: String, locale: String, device: Device, }

    /// What the shopper pays for.
    Order { amount_of_money: AmountOfMoney, customer: Customer, references: References, }

    /// How the shopper returns after 3-D Secure.
    RedirectionData { return_url: String, }

    /// Options of 3-D Secure.
    ThreeDSecure { redirection_data: RedirectionData, skip_authentication: bool, challenge_indicator: String, }

    /// The stored card of a payment, and options for payments by card.
    CardPaymentMethodSpecificInput {
        token: String,
        /// For example 1 for Visa or 3 for Mastercard.
        payment_product_id: u32,
        /// `FINAL_AUTHORIZATION`, `PRE_AUTHORIZATION` or `SALE`.
        authorization_mode: String,
        tokenize: bool, is_recurring: bool, return_url: String,
        /// `ECOMMERCE`, `MAIL` or `TELEPHONE`.
        transaction_channel: String,
        /// `merchantInitiated` or `cardholderInitiated`.
        unscheduled_card_on_file_requestor: String,
        /// `first` or `subsequent`.
        unscheduled_card_on_file_sequence_indicator: String,
        three_d_secure: ThreeDSecure,
    }

    /// Webhook URLs for this payment only.
    Feedbacks { webhook_url: String, webhooks_urls: Vec<String>, }

    /// Body of `POST …/payments`. Give the card in one of four ways: a stored token, the page's encrypted input, a
    /// hosted tokenization, or a hosted fields session.
    CreatePaymentRequest {
        order: Order, card_payment_method_specific_input: CardPaymentMethodSpecificInput,
        /// What the page encrypted. It works once, and only until its client session expires. Do not store it.
        encrypted_customer_input: String,
        hosted_tokenization_id: String, hosted_fields_session_id: String, feedbacks: Feedbacks,
    }

    /// The token that was created together with a payment.
    CreationOutput {
        external_reference: String, is_new_token: bool, token: String, tokenization_succeeded: bool,
    }

    /// The page to send the shopper to.
    RedirectData {
        returnmac: String as "RETURNMAC",
        redirect_url: String as "redirectURL",
    }

    /// What the shopper has to do before the payment can continue. Absent if nothing is left to do.
    MerchantAction {
        /// `REDIRECT`, `SHOW_FORM`, `SHOW_INSTRUCTIONS`, …
        action_type: String,
        redirect_data: RedirectData,
    }

    /// Details of a status.
    StatusOutput {
        is_authorized: bool, is_cancellable: bool, is_refundable: bool,
        /// For example `PENDING_MERCHANT`, `COMPLETED` or `UNSUCCESSFUL`.
        status_category: String,
        /// For example 5 for authorized, 9 for captured, 2 for declined, or 46 for waiting for 3-D Secure.
        status_code: i64,
        /// The reasons of a decline.
        errors: Vec<ApiErrorItem>,
    }

    /// A masked card.
    CardEssentials {
        bin: String,
        /// For example `************4675`.
        card_number: String,
        country_code: String,
        /// `MMYY`.
        expiry_date: String,
    }

    /// The card part of a payment.
    CardPaymentMethodSpecificOutput {
        payment_product_id: u32, authorisation_code: String, card: CardEssentials, token: String,
    }

    /// The amounts of a payment, and how it was paid.
    PaymentOutput {
        /// The requested amount.
        amount_of_money: AmountOfMoney,
        acquired_amount: AmountOfMoney, references: References,
        /// For example `card` or `redirect`.
        payment_method: String,
        card_payment_method_specific_output: CardPaymentMethodSpecificOutput,
    }

    /// A payment.
    Payment {
        /// For example `3254564310_0`. The part before `_` never changes; the number after it grows with each capture,
        /// refund or cancellation.
        id: String,
        /// For example `PENDING_CAPTURE`, `CAPTURED`, `REJECTED` or `REDIRECTED`.
        status: String,
        status_output: StatusOutput, payment_output: PaymentOutput,
    }

    /// Response of `POST …/payments`.
    CreatePaymentResponse { creation_output: CreationOutput, merchant_action: MerchantAction, payment: Payment, }

    /// One operation of a payment: its authorization, or a capture, refund or cancellation.
    Operation {
        id: String, amount_of_money: AmountOfMoney, status: String, status_output: StatusOutput,
        payment_method: String, references: References,
    }

    /// Response of `GET …/payments/{id}/details`.
    PaymentDetails {
        id: String, status: String, status_output: StatusOutput, payment_output: PaymentOutput,
        /// The member's name begins with a capital letter.
        operations: Vec<Operation> as "Operations",
    }

    /// Body of `POST …/capture`.
    CapturePaymentRequest {
        /// In minor units, in the currency of the payment.
        amount: u64,
        /// Whether no further capture will follow.
        is_final: bool,
    }

    /// A capture, refund or payout. A new capture usually has the status `CAPTURE_REQUESTED`, a new refund
    /// `REFUND_REQUESTED`.
    OperationResponse { id: String, status: String, status_output: StatusOutput, }

    /// Response of `GET …/captures`.
    CapturesResponse { captures: Vec<OperationResponse>, }

    /// Response of `GET …/refunds`.
    RefundsResponse { refunds: Vec<OperationResponse>, }

    /// Body of `POST …/refund`.
    RefundRequest { amount_of_money: AmountOfMoney, references: References, reason: String, capture_id: String, }

    /// Body of `POST …/cancel`. Without an amount, the whole authorization is cancelled.
    CancelPaymentRequest { amount_of_money: AmountOfMoney, is_final: bool, }

    /// Response of `POST …/cancel`.
    CancelPaymentResponse { payment: Payment, }

    /// Payment products, by id or by group.
    ProductFilter { products: Vec<u32>, groups: Vec<String>, }

    /// Limits which payment products the shopper can choose.
    PaymentProductFilters {
        exclude: ProductFilter, restrict_to: ProductFilter, tokens_only: bool,
    }

    /// Options of a hosted checkout.
    HostedCheckoutSpecificInput {
        /// At most 200 characters.
        return_url: String,
        /// For example `de_DE`.
        locale: String,
        variant: String,
        /// True by default.
        show_result_page: bool,
        /// In minutes; 180 by default.
        session_timeout: u32,
        /// 1 to 10; 10 by default.
        allowed_number_of_payment_attempts: u32,
        /// The stored cards to offer, separated by commas.
        tokens: String,
        is_recurring: bool, payment_product_filters: PaymentProductFilters,
    }

    /// Body of `POST …/hostedcheckouts`. Only the order is required.
    CreateHostedCheckoutRequest {
        order: Order, hosted_checkout_specific_input: HostedCheckoutSpecificInput,
        card_payment_method_specific_input: CardPaymentMethodSpecificInput, feedbacks: Feedbacks,
    }

    /// Response of `POST …/hostedcheckouts`.
    CreateHostedCheckoutResponse {
        /// The shopper returns with the same value. Compare them before you trust the return.
        returnmac: String as "RETURNMAC",
        hosted_checkout_id: String, merchant_reference: String,
        /// To be appended to `https://payment.`; `redirect_url` is already complete.
        partial_redirect_url: String,
        /// Where to send the shopper.
        redirect_url: String,
        /// Tokens of the request that cannot be used.
        invalid_tokens: Vec<String>,
    }

    /// The payment that a hosted checkout created.
    CreatedPaymentOutput {
        payment: Payment,
        /// `SUCCESSFUL`, `REJECTED` or `STATUS_UNKNOWN`.
        payment_status_category: String,
    }

    /// Response of `GET …/hostedcheckouts/{id}`.
    GetHostedCheckoutResponse {
        /// `IN_PROGRESS`, `PAYMENT_CREATED` or `CANCELLED_BY_CONSUMER`.
        status: String,
        /// Absent until there is a payment.
        created_payment_output: CreatedPaymentOutput,
    }

    /// Whether the shopper must type the security code.
    CreditCardValidationRules {
        /// For stored cards.
        cvv_mandatory_for_existing_token: bool,
        /// For new cards.
        cvv_mandatory_for_new_token: bool,
    }

    /// Options of the card form in a hosted tokenization.
    CreditCardSpecificInput {
        /// The member's name begins with a capital letter.
        validation_rules: CreditCardValidationRules as "ValidationRules",
        payment_product_preferred_order: Vec<u32>,
    }

    /// Body of `POST …/hostedtokenizations`. Every member is optional.
    CreateHostedTokenizationRequest {
        /// The template of the form, for example `template.html`.
        variant: String,
        /// For example `de_DE`.
        locale: String,
        /// Asks the shopper whether to store the card.
        ask_consumer_consent: bool,
        /// The stored cards to offer, separated by commas.
        tokens: String,
        payment_product_filters: PaymentProductFilters, credit_card_specific_input: CreditCardSpecificInput,
    }

    /// Response of `POST …/hostedtokenizations`.
    CreateHostedTokenizationResponse {
        hosted_tokenization_id: String,
        /// What the platform's script loads into the frame.
        hosted_tokenization_url: String,
        /// Deprecated by the platform.
        partial_redirect_url: String,
        invalid_tokens: Vec<String>, expired_card_tokens: Vec<String>,
        /// The value for the `integrity` attribute of the platform's script.
        sri: String,
    }

    /// Response of `GET …/hostedtokenizations/{id}`.
    GetHostedTokenizationResponse {
        token: TokenResponse,
        /// `UNCHANGED`, `CREATED` or `UPDATED`.
        token_status: String,
    }

    /// A masked card.
    CardWithoutCvv {
        /// Masked.
        card_number: String,
        cardholder_name: String, expiry_date: String,
    }

    /// The card in a [`TokenCard`].
    TokenCardData { card_without_cvv: CardWithoutCvv, }

    /// The card of a token.
    TokenCard { alias: String, data: TokenCardData, }

    /// Response of `GET …/tokens/{token}`.
    TokenResponse {
        id: String,
        /// A temporary token lasts two hours and works once.
        is_temporary: bool,
        payment_product_id: u32, card: TokenCard,
    }

    /// Tokens of the same card in other systems.
    ExternalTokenLinked {
        computed_token: String as "ComputedToken", gts_computed_token: String as "GTSComputedToken",
        generated_token: String as "GeneratedToken",
    }

    /// Body of `POST …/tokens`.
    CreateTokenRequest {
        payment_product_id: u32,
        /// What the page encrypted. It works once, and only until its client session expires. Do not store it.
        encrypted_customer_input: String,
    }

    /// Response of `POST …/tokens`.
    CreatedTokenResponse {
        token: String, is_new_token: bool,
        /// `UNCHANGED`, `CREATED` or `UPDATED`.
        token_status: String,
        card: CardWithoutCvv, external_token_linked: ExternalTokenLinked,
    }

    /// Body of `POST …/sessions`.
    SessionRequest {
        /// The shopper's stored cards, at most ten.
        tokens: Vec<String>,
    }

    /// Response of `POST …/sessions`: what a page needs to call the client API. Create one for each visitor, and never
    /// cache it.
    SessionResponse {
        client_session_id: String, customer_id: String, client_api_url: String, asset_url: String,
        /// Tokens of the request that cannot be used.
        invalid_tokens: Vec<String>,
    }

    /// A payment product, such as Visa (1), Mastercard (3) or PayPal (840).
    PaymentProduct {
        id: u32,
        /// For example `card` or `redirect`.
        payment_method: String,
        payment_product_group: String, allows_recurring: bool, allows_tokenization: bool,
        uses_redirection_to3rd_party: bool,
        /// Its label, logo and place in the list.
        display_hints: Map<String, Value>,
        /// The form fields of the product, with their rules.
        fields: Vec<Value>,
    }

    /// Response of `GET …/products`.
    GetPaymentProductsResponse { payment_products: Vec<PaymentProduct>, }

    /// Response of `GET …/services/testconnection`.
    TestConnection {
        /// `OK`.
        result: String,
    }

    /// The payment that a BIN lookup is for.
    PaymentContext {
        amount_of_money: AmountOfMoney,
        /// ISO 3166, two letters.
        country_code: String,
        is_recurring: bool,
    }

    /// Body of `POST …/services/getIINdetails`.
    GetIinDetailsRequest {
        /// The first six digits of the card number, or more.
        bin: String,
        payment_context: PaymentContext,
    }

    /// Another brand of the same card.
    IinDetail {
        payment_product_id: u32,
        /// Whether the merchant accepts it for this payment.
        is_allowed_in_context: bool,
        card_type: String,
    }

    /// Response of `POST …/services/getIINdetails`.
    GetIinDetailsResponse {
        payment_product_id: u32,
        /// `99` if the country is unknown.
        country_code: String,
        /// Whether the merchant accepts the card for this payment.
        is_allowed_in_context: bool,
        card_type: String, co_brands: Vec<IinDetail>,
    }

    /// Body of `POST …/webhooks/validateCredentials`.
    ValidateCredentialsRequest {
        /// The id of the webhook key.
        key: String,
        /// Not the secret itself, but its [`credentials_proof`](super::webhooks::credentials_proof).
        secret: String,
    }

    /// Response of `POST …/webhooks/validateCredentials`.
    ValidateCredentialsResponse { result: String, }

    /// Body of `POST …/webhooks/sendtest`.
    SendTestRequest { url: String, }

    /// One error of a refused request or a declined payment.
    ApiErrorItem {
        /// For example `50001130`.
        error_code: String,
        /// `DIRECT_PLATFORM_ERROR`, `PAYMENT_PLATFORM_ERROR` or `IO_ERROR`.
        category: String,
        /// Deprecated in favour of `error_code`. Some responses have only this one.
        code: String,
        /// Can be wrong: 500 in a response with status 404. Use the status of the response.
        http_status_code: u16,
        /// For example `UNKNOWN_PAYMENT_ID`.
        id: String,
        message: String,
        /// The path of the member of the request that is wrong.
        property_name: String,
        retriable: bool,
    }

    /// The body of an error, in the platform's own form.
    ErrorResponse { error_id: String, errors: Vec<ApiErrorItem>, }

    /// The body of an error, in the form of RFC 7807 (`application/problem+json`).
    ProblemDetails {
        kind: String as "type",
        title: String, status: u16, detail: String, instance: String,
    }

    /// The payment that was declined.
    PaymentResult { creation_output: CreationOutput, payment: Payment, }

    /// An event of a webhook. It has one of `payment`, `refund`, `payout` and `token`.
    WebhooksEvent {
        /// `v1`.
        api_version: String,
        /// Unique. The same id again is a duplicate.
        id: String,
        /// For example `2023-01-23T09:51:27.9529667+01:00`; the offset can also be written `+0100`.
        created: String,
        merchant_id: String,
        /// For example `payment.captured`.
        kind: String as "type",
        payment: Payment, refund: OperationResponse, payout: OperationResponse, token: TokenResponse,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn writes_the_names_of_the_platform_and_nothing_that_is_missing() {
        let request = CreateHostedTokenizationRequest {
            variant: Some("template.html".into()),
            credit_card_specific_input: Some(CreditCardSpecificInput {
                validation_rules: Some(CreditCardValidationRules {
                    cvv_mandatory_for_new_token: Some(true),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        assert_eq!(
            serde_json::to_value(&request).unwrap(),
            json!({ "variant": "template.html",
                "creditCardSpecificInput": { "ValidationRules": { "cvvMandatoryForNewToken": true } } })
        );
        let product = json!({ "id": 1, "usesRedirectionTo3rdParty": false });
        let read: PaymentProduct = serde_json::from_value(product.clone()).unwrap();
        assert_eq!(read.uses_redirection_to3rd_party, Some(false));
        assert_eq!(serde_json::to_value(&read).unwrap(), product);
    }

    #[test]
    fn keeps_what_it_does_not_know() {
        let answer =
            json!({ "payment": { "id": "1_0", "hostedCheckoutSpecificOutput": { "a": 1 } }, "new": [true] });
        let read: CreatePaymentResponse = serde_json::from_value(answer.clone()).unwrap();
        assert_eq!(read.payment.as_ref().unwrap().id.as_deref(), Some("1_0"));
        assert_eq!(serde_json::to_value(&read).unwrap(), answer);
    }

    #[test]
    fn shows_no_secret() {
        let request = CreatePaymentRequest {
            encrypted_customer_input: Some("hunter2".into()),
            hosted_tokenization_id: Some("hunter2".into()),
            card_payment_method_specific_input: Some(CardPaymentMethodSpecificInput {
                token: Some("hunter2".into()),
                ..Default::default()
            }),
            ..Default::default()
        };
        assert!(!format!("{request:?}").contains("hunter2"));
        let session = SessionResponse {
            client_session_id: Some("hunter2".into()),
            customer_id: Some("hunter2".into()),
            ..Default::default()
        };
        assert!(!format!("{session:?}").contains("hunter2"));
        let token: TokenResponse =
            serde_json::from_value(json!({ "id": "hunter2", "isTemporary": true })).unwrap();
        let event = WebhooksEvent {
            token: Some(token.clone()),
            ..Default::default()
        };
        assert!(!format!("{event:?} {token:?}").contains("hunter2"));
    }
}
