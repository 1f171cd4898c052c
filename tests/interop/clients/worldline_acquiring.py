"""Worldline's own Acquiring client makes each of its calls of a payment at the sandbox. Prints which calls were made."""

import json
import sys
from datetime import datetime, timezone
from uuid import uuid4

from answers import checking, refused

from worldline.acquiring.sdk.communicator_configuration import CommunicatorConfiguration
from worldline.acquiring.sdk.domain.data_object import DataObject
from worldline.acquiring.sdk.factory import Factory
from worldline.acquiring.sdk.json.default_marshaller import DefaultMarshaller
from worldline.acquiring.sdk.v1.acquirer.merchant.cardpayments.get_payment_status_params import GetPaymentStatusParams
from worldline.acquiring.sdk.v1.acquirer.merchant.cardrefunds.get_refund_params import GetRefundParams
from worldline.acquiring.sdk.v1.authorization_exception import AuthorizationException
from worldline.acquiring.sdk.v1.domain.api_account_verification_request import ApiAccountVerificationRequest
from worldline.acquiring.sdk.v1.domain.api_balance_inquiry_request import ApiBalanceInquiryRequest
from worldline.acquiring.sdk.v1.domain.api_capture_request import ApiCaptureRequest
from worldline.acquiring.sdk.v1.domain.api_capture_request_for_refund import ApiCaptureRequestForRefund
from worldline.acquiring.sdk.v1.domain.api_increment_request import ApiIncrementRequest
from worldline.acquiring.sdk.v1.domain.api_payment_refund_request import ApiPaymentRefundRequest
from worldline.acquiring.sdk.v1.domain.api_payment_request import ApiPaymentRequest
from worldline.acquiring.sdk.v1.domain.api_payment_reversal_request import ApiPaymentReversalRequest
from worldline.acquiring.sdk.v1.domain.api_refund_request import ApiRefundRequest
from worldline.acquiring.sdk.v1.domain.api_refund_reversal_request import ApiRefundReversalRequest
from worldline.acquiring.sdk.v1.domain.api_technical_reversal_request import ApiTechnicalReversalRequest
from worldline.acquiring.sdk.v1.domain.get_dcc_rate_request import GetDccRateRequest
from worldline.acquiring.sdk.v1.domain.search_disputes_request import SearchDisputesRequest
from worldline.acquiring.sdk.v1.reference_exception import ReferenceException
from worldline.acquiring.sdk.v1.validation_exception import ValidationException

shop = json.load(sys.stdin)
marshaller = checking(DefaultMarshaller, DataObject)
configuration = CommunicatorConfiguration(
    api_endpoint=shop["base_url"],
    oauth2_client_id=shop["credentials"]["client_id"],
    oauth2_client_secret=shop["credentials"]["client_secret"],
    oauth2_token_uri=shop["token_uri"],
    authorization_type="OAuth2",
    connect_timeout=20,
    socket_timeout=20,
    max_connections=2,
    integrator="Cardseal tests",
)
communicator = Factory.create_communicator_from_configuration(configuration, marshaller=marshaller)
client = Factory.create_client_from_communicator(communicator)
merchant = client.v1().acquirer(shop["acquirer_id"]).merchant(shop["merchant_id"])
payments, refunds = merchant.card_payments(), merchant.card_refunds()
calls = []


def money(amount, currency="GBP"):
    return {"amount": amount, "currencyCode": currency, "numberOfDecimals": 2}


def body(request_class, members=None):
    """A request with an operation of its own."""
    common = {"operationId": str(uuid4()), "transactionTimestamp": datetime.now(timezone.utc).isoformat(timespec="seconds")}
    return request_class().from_dictionary({**common, **(members or {})})


def card_data(number="4176669999000104"):
    return {
        "cardEntryMode": "ECOMMERCE", "brand": "VISA", "cardholderVerificationMethod": "CARD_SECURITY_CODE",
        "cardData": {"cardNumber": number, "expiryDate": "122031", "cardSecurityCode": "012"},
    }


def payment(amount=200):
    return body(ApiPaymentRequest, {
        "amount": money(amount), "authorizationType": "PRE_AUTHORIZATION",
        "cardPaymentData": {**card_data(), "allowPartialApproval": False, "captureImmediately": False},
        "references": {"merchantReference": f"order-{uuid4()}"},
    })


def call(function, *arguments):
    calls.append(function.__name__)
    return function(*arguments)


def pay(amount=200):
    answer = call(payments.process_payment, payment(amount))
    assert (answer.response_code, answer.response_code_category, answer.status) == ("0", "APPROVED", "AUTHORIZED"), answer.to_dictionary()
    assert answer.total_authorized_amount.to_dictionary() == money(amount)
    return answer.payment_id


with client:
    assert call(client.v1().ping().ping) is None

    paid = pay()
    query = GetPaymentStatusParams()
    query.return_operations = True
    status = call(payments.get_payment_status, paid, query)
    assert (status.payment_id, status.status, status.operations[0].operation_type) == (paid, "AUTHORIZED", "AUTHORIZATION")
    more = call(payments.increment_payment, paid, body(ApiIncrementRequest, {"incrementAmount": money(100)}))
    assert more.total_authorized_amount.amount == 300
    less = call(payments.reverse_authorization, paid, body(ApiPaymentReversalRequest, {"reversalAmount": money(50)}))
    assert less.total_authorized_amount.amount == 250
    captured = call(payments.simple_capture_of_payment, paid, body(ApiCaptureRequest, {"amount": money(250), "isFinal": True}))
    assert captured.response_code_category == "APPROVED" and captured.payment.payment_id == paid
    back = call(payments.create_refund, paid, body(ApiPaymentRefundRequest, {"amount": money(50), "captureImmediately": True}))
    assert back.response_code_category == "APPROVED" and back.refund.refund_id

    alone = body(ApiRefundRequest, {"amount": money(70), "cardPaymentData": {**card_data(), "captureImmediately": False}})
    refund = call(refunds.process_standalone_refund, alone).refund_id
    shown = call(refunds.get_refund, refund, GetRefundParams())
    assert shown.refund_id == refund
    assert call(refunds.capture_refund, refund, body(ApiCaptureRequestForRefund)).response_code_category == "APPROVED"
    alone = body(ApiRefundRequest, {"amount": money(70), "cardPaymentData": {**card_data(), "captureImmediately": False}})
    refund = call(refunds.process_standalone_refund, alone).refund_id
    assert call(refunds.reverse_refund_authorization, refund, body(ApiRefundReversalRequest)).response_code_category == "APPROVED"

    verified = body(ApiAccountVerificationRequest, {"cardPaymentData": card_data()})
    assert call(merchant.account_verifications().process_account_verification, verified).response_code_category == "APPROVED"
    balance = body(ApiBalanceInquiryRequest, {"cardPaymentData": card_data()})
    assert call(merchant.balance_inquiries().process_balance_inquiry, balance).available_amount.amount > 0
    rate = GetDccRateRequest().from_dictionary({
        "operationId": str(uuid4()), "targetCurrency": "EUR", "cardPaymentData": {"bin": "41766699", "brand": "VISA"},
        "pointOfSaleData": {"terminalId": "12345678"},
        "transaction": {"amount": money(200), "transactionType": "PAYMENT", "transactionTimestamp": "2026-11-21T10:00:00Z"},
    })
    proposal = call(merchant.dynamic_currency_conversion().request_dcc_rate, rate).proposal
    assert proposal.original_amount.to_dictionary() == money(200) and proposal.resulting_amount.currency_code == "EUR"

    undone = payment()
    call(payments.process_payment, undone)
    undo = body(ApiTechnicalReversalRequest, {"reason": "TIMEOUT"})
    assert call(merchant.technical_reversals().technical_reversal, undone.operation_id, undo).operation_id == undo.operation_id

    # What goes wrong, each as the client's own exception with all members of the error.
    declined = call(payments.process_payment, payment(205))
    assert (declined.response_code_category, declined.status) == ("DECLINED", "NOT_AUTHORIZED"), declined.to_dictionary()
    other = client.v1().acquirer(shop["acquirer_id"]).merchant("1").card_payments()
    for exception in [
        refused(ValidationException, 400, lambda: payments.process_payment(body(ApiPaymentRequest))),
        refused(AuthorizationException, 403, lambda: other.process_payment(payment())),
        refused(ReferenceException, 404, lambda: payments.get_payment_status("none", query)),
        refused(ReferenceException, 409, lambda: payments.simple_capture_of_payment(paid, body(ApiCaptureRequest, {"amount": money(1)}))),
        # A call that is not played.
        refused(ReferenceException, 404, lambda: client.v1().dispute_management().search_disputes(SearchDisputesRequest())),
    ]:
        error = json.loads(exception.response_body)
        for name in ("type", "title", "status", "detail", "instance"):
            assert getattr(exception, name) == error[name], name
        assert exception.status == exception.status_code and error["requestId"]

print(json.dumps({"calls": sorted(set(calls)), "lost": sorted(marshaller.lost)}))
