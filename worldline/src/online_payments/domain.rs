//! What goes over the wire, in both directions.
//!
//! Every member can be missing, and what is not named here is kept in `more`, so that a newer version of the platform
//! loses nothing on its way. `Debug` shows what the log would show. The simulator in the sandbox does not use these
//! types: it writes and reads its JSON by itself, so that one misreading is not shared by both.

use serde_json::{Map, Value};

use crate::objects::objects;

objects! {
    /// Minor units and a currency.
    AmountOfMoney { amount: u64, currency_code: String, }

    /// The merchant's names of a payment.
    References {
        /// At most 40 characters.
        merchant_reference: String,
        payment_reference: String,
        merchant_parameters: String,
    }

    /// The customer's browser.
    BrowserData {
        color_depth: u32, java_enabled: bool, java_script_enabled: bool,
        /// A text, unlike in the encrypted payload.
        screen_height: String,
        /// A text, unlike in the encrypted payload.
        screen_width: String,
    }

    /// The customer's device, for 3-D Secure.
    Device {
        accept_header: String, user_agent: String, locale: String, timezone_offset_utc_minutes: String,
        ip_address: String, browser_data: BrowserData,
    }

    /// Who pays.
    Customer { merchant_customer_id: String, locale: String, device: Device, }

    /// What is paid for.
    Order { amount_of_money: AmountOfMoney, customer: Customer, references: References, }

    /// Where the shopper comes back to after 3-D Secure.
    RedirectionData { return_url: String, }

    /// 3-D Secure.
    ThreeDSecure { redirection_data: RedirectionData, skip_authentication: bool, challenge_indicator: String, }

    /// A card, by its token; or what is asked of one.
    CardPaymentMethodSpecificInput {
        token: String, payment_product_id: u32,
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

    /// Where webhooks about this one go.
    Feedbacks { webhook_url: String, webhooks_urls: Vec<String>, }

    /// `POST …/payments`. The card is named in one of four ways.
    CreatePaymentRequest {
        order: Order, card_payment_method_specific_input: CardPaymentMethodSpecificInput,
        /// Once, and only while its client session lasts. It is never stored.
        encrypted_customer_input: String,
        hosted_tokenization_id: String, hosted_fields_session_id: String, feedbacks: Feedbacks,
    }

    /// What was made beside the payment.
    CreationOutput {
        external_reference: String, is_new_token: bool, token: String, tokenization_succeeded: bool,
    }

    /// Where the shopper has to go.
    RedirectData {
        returnmac: String as "RETURNMAC",
        redirect_url: String as "redirectURL",
    }

    /// What the shopper has to do.
    MerchantAction {
        /// `REDIRECT`, `SHOW_FORM`, `SHOW_INSTRUCTIONS`, …
        action_type: String,
        redirect_data: RedirectData,
    }

    /// How far something is.
    StatusOutput {
        is_authorized: bool, is_cancellable: bool, is_refundable: bool, status_category: String, status_code: i64,
        errors: Vec<ApiErrorItem>,
    }

    /// The masked card of a payment.
    CardEssentials { bin: String, card_number: String, country_code: String, expiry_date: String, }

    /// What is known of a payment by card.
    CardPaymentMethodSpecificOutput {
        payment_product_id: u32, authorisation_code: String, card: CardEssentials, token: String,
    }

    /// What is known of a payment.
    PaymentOutput {
        amount_of_money: AmountOfMoney, acquired_amount: AmountOfMoney, references: References,
        payment_method: String, card_payment_method_specific_output: CardPaymentMethodSpecificOutput,
    }

    /// A payment.
    Payment {
        /// `<payment>_<operation>`.
        id: String,
        status: String, status_output: StatusOutput, payment_output: PaymentOutput,
    }

    /// The answer of `POST …/payments`.
    CreatePaymentResponse { creation_output: CreationOutput, merchant_action: MerchantAction, payment: Payment, }

    /// Something that was done to a payment.
    Operation {
        id: String, amount_of_money: AmountOfMoney, status: String, status_output: StatusOutput,
        payment_method: String, references: References,
    }

    /// `GET …/payments/{id}/details`.
    PaymentDetails {
        id: String, status: String, status_output: StatusOutput, payment_output: PaymentOutput,
        /// With a capital letter.
        operations: Vec<Operation> as "Operations",
    }

    /// `POST …/capture`. The amount is a bare number without a currency.
    CapturePaymentRequest { amount: u64, is_final: bool, }

    /// What a capture, a refund or a cancellation says of itself.
    OperationResponse { id: String, status: String, status_output: StatusOutput, }

    /// `GET …/captures`.
    CapturesResponse { captures: Vec<OperationResponse>, }

    /// `GET …/refunds`.
    RefundsResponse { refunds: Vec<OperationResponse>, }

    /// `POST …/refund`.
    RefundRequest { amount_of_money: AmountOfMoney, references: References, reason: String, capture_id: String, }

    /// `POST …/cancel`. Without an amount, all of it.
    CancelPaymentRequest { amount_of_money: AmountOfMoney, is_final: bool, }

    /// The answer of `POST …/cancel`.
    CancelPaymentResponse { payment: Payment, }

    /// A list of products.
    ProductFilter { products: Vec<u32>, groups: Vec<String>, }

    /// Which products are offered.
    PaymentProductFilters { exclude: ProductFilter, restrict_to: ProductFilter, tokens_only: bool, }

    /// How a hosted checkout looks and ends.
    HostedCheckoutSpecificInput {
        return_url: String, locale: String, variant: String, show_result_page: bool,
        /// Minutes.
        session_timeout: u32,
        allowed_number_of_payment_attempts: u32,
        /// With commas.
        tokens: String,
        is_recurring: bool, payment_product_filters: PaymentProductFilters,
    }

    /// `POST …/hostedcheckouts`.
    CreateHostedCheckoutRequest {
        order: Order, hosted_checkout_specific_input: HostedCheckoutSpecificInput,
        card_payment_method_specific_input: CardPaymentMethodSpecificInput, feedbacks: Feedbacks,
    }

    /// The answer of `POST …/hostedcheckouts`.
    CreateHostedCheckoutResponse {
        returnmac: String as "RETURNMAC",
        hosted_checkout_id: String, merchant_reference: String, partial_redirect_url: String, redirect_url: String,
        invalid_tokens: Vec<String>,
    }

    /// What came of a hosted checkout.
    CreatedPaymentOutput { payment: Payment, payment_status_category: String, }

    /// `GET …/hostedcheckouts/{id}`.
    GetHostedCheckoutResponse {
        /// `IN_PROGRESS`, `PAYMENT_CREATED` or `CANCELLED_BY_CONSUMER`.
        status: String,
        created_payment_output: CreatedPaymentOutput,
    }

    /// Whether the security code is asked for.
    CreditCardValidationRules { cvv_mandatory_for_existing_token: bool, cvv_mandatory_for_new_token: bool, }

    /// What a hosted tokenization asks of cards.
    CreditCardSpecificInput {
        /// With a capital letter.
        validation_rules: CreditCardValidationRules as "ValidationRules",
        payment_product_preferred_order: Vec<u32>,
    }

    /// `POST …/hostedtokenizations`.
    CreateHostedTokenizationRequest {
        variant: String, locale: String, ask_consumer_consent: bool,
        /// With commas.
        tokens: String,
        payment_product_filters: PaymentProductFilters, credit_card_specific_input: CreditCardSpecificInput,
    }

    /// The answer of `POST …/hostedtokenizations`.
    CreateHostedTokenizationResponse {
        hosted_tokenization_id: String, hosted_tokenization_url: String, partial_redirect_url: String,
        invalid_tokens: Vec<String>, expired_card_tokens: Vec<String>,
        /// Subresource integrity of the platform's script.
        sri: String,
    }

    /// `GET …/hostedtokenizations/{id}`.
    GetHostedTokenizationResponse { token: TokenResponse, token_status: String, }

    /// A masked card.
    CardWithoutCvv { card_number: String, cardholder_name: String, expiry_date: String, }

    /// What is stored of a card.
    TokenCardData { card_without_cvv: CardWithoutCvv, }

    /// A stored card.
    TokenCard { alias: String, data: TokenCardData, }

    /// `GET …/tokens/{token}`.
    TokenResponse { id: String, is_temporary: bool, payment_product_id: u32, card: TokenCard, }

    /// The same card in another system of tokens.
    ExternalTokenLinked {
        computed_token: String as "ComputedToken", gts_computed_token: String as "GTSComputedToken",
        generated_token: String as "GeneratedToken",
    }

    /// `POST …/tokens`.
    CreateTokenRequest { payment_product_id: u32, encrypted_customer_input: String, }

    /// The answer of `POST …/tokens`.
    CreatedTokenResponse {
        token: String, is_new_token: bool, token_status: String, card: CardWithoutCvv,
        external_token_linked: ExternalTokenLinked,
    }

    /// `POST …/sessions`. At most ten tokens.
    SessionRequest { tokens: Vec<String>, }

    /// What a page needs to call the client API.
    SessionResponse {
        client_session_id: String, customer_id: String, client_api_url: String, asset_url: String,
        invalid_tokens: Vec<String>,
    }

    /// A way to pay.
    PaymentProduct {
        id: u32, payment_method: String, payment_product_group: String, allows_recurring: bool,
        allows_tokenization: bool, uses_redirection_to3rd_party: bool, display_hints: Map<String, Value>,
        fields: Vec<Value>,
    }

    /// `GET …/products`.
    GetPaymentProductsResponse { payment_products: Vec<PaymentProduct>, }

    /// `GET …/services/testconnection`.
    TestConnection { result: String, }

    /// What a payment would be.
    PaymentContext { amount_of_money: AmountOfMoney, country_code: String, is_recurring: bool, }

    /// `POST …/services/getIINdetails`. Six digits or more.
    GetIinDetailsRequest { bin: String, payment_context: PaymentContext, }

    /// Another brand of the same card.
    IinDetail { payment_product_id: u32, is_allowed_in_context: bool, card_type: String, }

    /// The answer of `POST …/services/getIINdetails`.
    GetIinDetailsResponse {
        payment_product_id: u32, country_code: String, is_allowed_in_context: bool, card_type: String,
        co_brands: Vec<IinDetail>,
    }

    /// `POST …/webhooks/validateCredentials`. The secret is the signature of an empty body with it.
    ValidateCredentialsRequest { key: String, secret: String, }

    /// The answer of `POST …/webhooks/validateCredentials`.
    ValidateCredentialsResponse { result: String, }

    /// `POST …/webhooks/sendtest`.
    SendTestRequest { url: String, }

    /// One reason of a refusal.
    ApiErrorItem {
        error_code: String, category: String,
        /// The older form of `error_code`.
        code: String,
        /// Not to be trusted: it is 500 where the answer's own status is 404.
        http_status_code: u16,
        id: String, message: String, property_name: String, retriable: bool,
    }

    /// A refused request: the platform's own form.
    ErrorResponse { error_id: String, errors: Vec<ApiErrorItem>, }

    /// A refused request: `application/problem+json`.
    ProblemDetails {
        kind: String as "type",
        title: String, status: u16, detail: String, instance: String,
    }

    /// What a declined payment was.
    PaymentResult { creation_output: CreationOutput, payment: Payment, }

    /// An event of a webhook.
    WebhooksEvent {
        api_version: String,
        /// Unique: the same one again is a duplicate.
        id: String,
        created: String, merchant_id: String,
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
