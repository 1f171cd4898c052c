//! GP API's errors: always flat, and told apart by their detailed code.

use axum::http::StatusCode;
use serde_json::json;

use crate::host::Reply;

/// The answer to a call that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: u16,
    code: &'static str,
    detailed: &'static str,
    text: String,
}

impl Refusal {
    fn new(status: u16, code: &'static str, detailed: &'static str, text: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detailed,
            // Some messages repeat what a client sent by mistake.
            text: cardseal::redact::card_digits(&text.into()),
        }
    }

    pub(crate) fn reply(&self) -> Reply {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({
            "error_code": self.code,
            "detailed_error_code": self.detailed,
            "detailed_error_description": self.text,
        });
        Reply::json(status, &body).refused(self.detailed)
    }

    pub(crate) fn invalid_token() -> Self {
        Self::new(401, "NOT_AUTHENTICATED", "40001", "Invalid access token")
    }

    pub(crate) fn expired_token() -> Self {
        Self::new(401, "NOT_AUTHENTICATED", "40002", "Access token expired")
    }

    pub(crate) fn wrong_account() -> Self {
        let text = "Access token does not match account_id or account_name";
        Self::new(403, "ACTION_NOT_AUTHORIZED", "40003", text)
    }

    pub(crate) fn wrong_credentials(text: &str) -> Self {
        Self::new(403, "ACTION_NOT_AUTHORIZED", "40004", text)
    }

    pub(crate) fn not_permitted() -> Self {
        let text = "Permission not enabled to execute action";
        Self::new(403, "ACTION_NOT_AUTHORIZED", "40212", text)
    }

    pub(crate) fn missing(fields: &str) -> Self {
        let text = format!("Request expects the following fields {fields}");
        Self::new(400, "MANDATORY_DATA_MISSING", "40005", text)
    }

    pub(crate) fn nothing_to_change() -> Self {
        let text = "Mandatory Fields missing [card expdate] See Developers Guide";
        Self::new(400, "MANDATORY_DATA_MISSING", "50021", text)
    }

    pub(crate) fn missing_one_of(fields: &str) -> Self {
        let text = format!("Request expects the following conditionally mandatory fields {fields}.");
        Self::new(400, "INVALID_REQUEST_DATA", "40007", text)
    }

    pub(crate) fn too_much(field: &str) -> Self {
        let text = format!("Request contains unexpected data: {field}");
        Self::new(400, "INVALID_REQUEST_DATA", "40006", text)
    }

    pub(crate) fn not_configured(country: &str, channel: &str, currency: &str) -> Self {
        let text = format!(
            "Merchant configuration does not exist for the following combination: country - {country}, channel - {channel}, currency - {currency}"
        );
        Self::new(400, "INVALID_REQUEST_DATA", "40041", text)
    }

    pub(crate) fn card_data(text: impl Into<String>) -> Self {
        Self::new(400, "INVALID_REQUEST_DATA", "40085", text)
    }

    pub(crate) fn refund_limit(text: impl Into<String>) -> Self {
        Self::new(400, "INVALID_REQUEST_DATA", "40087", text)
    }

    pub(crate) fn invalid_permissions() -> Self {
        Self::new(400, "INVALID_REQUEST_DATA", "40119", "Invalid permissions")
    }

    pub(crate) fn unexpected(field: &str) -> Self {
        let text = format!("{field} contains unexpected data");
        Self::new(400, "INVALID_REQUEST_DATA", "40213", text)
    }

    pub(crate) fn partial_reversal() -> Self {
        let text = "partial reversal not supported";
        Self::new(400, "INVALID_REQUEST_DATA", "40214", text)
    }

    pub(crate) fn capture_limit() -> Self {
        // The space at the end is the platform's.
        let text = "Can't settle for more than 115% of that which you authorised ";
        Self::new(400, "INVALID_REQUEST_DATA", "50020", text)
    }

    pub(crate) fn only_multi() -> Self {
        let text = "Tokentype can only be MULTI";
        Self::new(400, "INVALID_REQUEST_DATA", "50020", text)
    }

    /// The brands that the account does not take.
    pub(crate) fn unsupported() -> Self {
        // The space at the end is the platform's.
        let text = "Transaction not supported Please contact support ";
        Self::new(400, "INVALID_REQUEST_DATA", "50020", text)
    }

    pub(crate) fn held() -> Self {
        let text = "This transaction has been held";
        Self::new(400, "INVALID_REQUEST_DATA", "50020", text)
    }

    pub(crate) fn not_held() -> Self {
        let text = "Cant release transaction that is not held";
        Self::new(400, "INVALID_REQUEST_DATA", "50020", text)
    }

    pub(crate) fn not_preauthorized() -> Self {
        let text = "Cannot PROCESS Incremental Authorization over a transaction that does not have a status of PREAUTHORIZED.";
        Self::new(400, "INVALID_ACTION", "40290", text)
    }

    pub(crate) fn not_reversed() -> Self {
        let text = "36, Invalid original transaction for reauthorization-This error is returned from a CreditAuth or CreditSale if the original transaction referenced by GatewayTxnId cannot be found. This is typically because the original does not meet the criteria for the sale or authorization by GatewayTxnID. This error can also be returned if the original transaction is found, but the card number has been written over with nulls after 30 days.";
        Self::new(400, "INVALID_REQUEST_DATA", "40044", text)
    }

    pub(crate) fn unexpected_fields(fields: &str) -> Self {
        let text = format!("Request contains unexpected fields: {fields}");
        Self::new(400, "INVALID_REQUEST_DATA", "40043", text)
    }

    pub(crate) fn invalid_value(field: &str) -> Self {
        let text = format!("Invalid Value provided in the input field - {field}");
        Self::new(400, "INVALID_REQUEST_DATA", "40105", text)
    }

    pub(crate) fn no_dispute() -> Self {
        let text = "101,Unable to locate dispute record for that ID. Please recheck the ID provided.";
        Self::new(400, "INVALID_REQUEST_DATA", "40073", text)
    }

    pub(crate) fn no_dispute_of_arn() -> Self {
        // The missing space is the platform's.
        let text = "105,Unable to locate dispute record for arn. Please recheck thevalue provided for arn.";
        Self::new(400, "INVALID_REQUEST_DATA", "40048", text)
    }

    pub(crate) fn no_document() -> Self {
        let text = "128,No document found, please recheck the values provided";
        Self::new(400, "MANDATORY_DATA_MISSING", "40071", text)
    }

    /// The text is not known.
    pub(crate) fn cannot_accept() -> Self {
        let text = "Unable to accept as the dispute was not found";
        Self::new(400, "INVALID_DISPUTE_ACTION", "40067", text)
    }

    /// The text is not known.
    pub(crate) fn cannot_challenge() -> Self {
        let text = "Unable to challenge as the dispute was not found";
        Self::new(400, "INVALID_DISPUTE_ACTION", "40060", text)
    }

    pub(crate) fn challenge_without_document() -> Self {
        let text = "Unable to challenge as No document provided with the request";
        Self::new(400, "MANDATORY_DATA_MISSING", "40065", text)
    }

    pub(crate) fn single_document_only() -> Self {
        let text = "131,The dispute stage, Retrieval, can be challenged with a single document only. Please correct the request and resubmit";
        Self::new(400, "INVALID_REQUEST_DATA", "40072", text)
    }

    /// The platform's code for a capture or reversal of the wrong transaction is not documented; this is the
    /// one for an increment of it.
    pub(crate) fn wrong_state(action: &str, status: &str) -> Self {
        let text = format!("Can't {action} a Transaction that is {status}");
        Self::new(400, "INVALID_ACTION", "40290", text)
    }

    pub(crate) fn no_transaction(id: &str) -> Self {
        let text = format!("Transaction {id} not found at this location.");
        Self::new(404, "RESOURCE_NOT_FOUND", "40008", text)
    }

    pub(crate) fn no_authentication(id: &str) -> Self {
        let text = format!("Authentication {id} not found at this location.");
        Self::new(404, "RESOURCE_NOT_FOUND", "40118", text)
    }

    /// The tests of the official clients know how the text begins.
    pub(crate) fn required_element(name: &str) -> Self {
        let text = format!("Required Data Element {name}");
        Self::new(400, "INVALID_REQUEST_DATA", "40233", text)
    }

    pub(crate) fn no_payment_method(id: &str) -> Self {
        let text = format!("payment_method {id} not found at this location.");
        Self::new(404, "RESOURCE_NOT_FOUND", "40116", text)
    }

    /// A `GET` of something that is not there: `Transactions`, `PAYMENT_METHODS`, and their paths.
    pub(crate) fn nothing_to_read(name: &str, path: &str, id: &str) -> Self {
        let text = format!("{name} {id} not found at this /ucp/{path}/{id}");
        Self::new(404, "RESOURCE_NOT_FOUND", "40118", text)
    }

    /// As the tests of the platform's PHP client know it from a path that lacks its id; its status is not known.
    pub(crate) fn no_route() -> Self {
        let text = "Unproccesable resource found.";
        Self::new(404, "Invalid Resource.", "404", text)
    }

    pub(crate) fn seen_before(id: &str) -> Self {
        // The id is ours, and clients read it out of the text: its digits must not be masked by chance.
        Self {
            text: format!("Idempotency Key seen before: id={id}"),
            ..Self::new(409, "DUPLICATE_ACTION", "40039", "")
        }
    }

    pub(crate) fn processing() -> Self {
        let text = "200,eCom error—Developers are notified";
        Self::new(502, "SYSTEM_ERROR_DOWNSTREAM", "50013", text)
    }

    pub(crate) fn timed_out() -> Self {
        let text = "205,Timeout error—Action failed unexpectedly. An automatic reversal will happen if charged. Please retry the transaction..";
        Self::new(502, "SYSTEM_ERROR_DOWNSTREAM", "50013", text)
    }

    pub(crate) fn schema() -> Self {
        let text = "The line number 12 which contains '         [number] XXX [/number] ' does not conform to the schema";
        Self::new(502, "SYSTEM_ERROR_DOWNSTREAM", "50018", text)
    }

    pub(crate) fn currency_and_card() -> Self {
        let text = "currency card combination not allowed";
        Self::new(502, "SYSTEM_ERROR_DOWNSTREAM", "50024", text)
    }
}
