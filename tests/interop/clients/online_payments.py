"""The Online Payments platform's own Python client makes its main calls at the sandbox. Prints which calls were made."""

import hmac
import json
import sys
import threading
import urllib.request
from base64 import b64encode
from datetime import datetime, timedelta, timezone
from uuid import uuid4

from answers import checking, refused

from onlinepayments.sdk.call_context import CallContext
from onlinepayments.sdk.authorization_exception import AuthorizationException
from onlinepayments.sdk.communicator_configuration import CommunicatorConfiguration
from onlinepayments.sdk.declined_payment_exception import DeclinedPaymentException
from onlinepayments.sdk.declined_payout_exception import DeclinedPayoutException
from onlinepayments.sdk.declined_refund_exception import DeclinedRefundException
from onlinepayments.sdk.domain.calculate_surcharge_request import CalculateSurchargeRequest
from onlinepayments.sdk.domain.cancel_payment_request import CancelPaymentRequest
from onlinepayments.sdk.domain.capture_payment_request import CapturePaymentRequest
from onlinepayments.sdk.domain.complete_payment_request import CompletePaymentRequest
from onlinepayments.sdk.domain.create_hosted_checkout_request import CreateHostedCheckoutRequest
from onlinepayments.sdk.domain.create_hosted_tokenization_request import CreateHostedTokenizationRequest
from onlinepayments.sdk.domain.create_mandate_request import CreateMandateRequest
from onlinepayments.sdk.domain.create_payment_link_request import CreatePaymentLinkRequest
from onlinepayments.sdk.domain.create_payment_request import CreatePaymentRequest
from onlinepayments.sdk.domain.create_payout_request import CreatePayoutRequest
from onlinepayments.sdk.domain.create_token_request import CreateTokenRequest
from onlinepayments.sdk.domain.currency_conversion_request import CurrencyConversionRequest
from onlinepayments.sdk.domain.data_object import DataObject
from onlinepayments.sdk.domain.get_iin_details_request import GetIINDetailsRequest
from onlinepayments.sdk.domain.payment_product_session_request import PaymentProductSessionRequest
from onlinepayments.sdk.domain.refund_request import RefundRequest
from onlinepayments.sdk.domain.revoke_mandate_request import RevokeMandateRequest
from onlinepayments.sdk.domain.send_test_request import SendTestRequest
from onlinepayments.sdk.domain.session_request import SessionRequest
from onlinepayments.sdk.domain.subsequent_payment_request import SubsequentPaymentRequest
from onlinepayments.sdk.domain.validate_credentials_request import ValidateCredentialsRequest
from onlinepayments.sdk.factory import Factory
from onlinepayments.sdk.json.default_marshaller import DefaultMarshaller
from onlinepayments.sdk.merchant.privacypolicy.get_privacy_policy_params import GetPrivacyPolicyParams
from onlinepayments.sdk.merchant.productgroups.get_product_group_params import GetProductGroupParams
from onlinepayments.sdk.merchant.productgroups.get_product_groups_params import GetProductGroupsParams
from onlinepayments.sdk.merchant.products.get_payment_product_networks_params import GetPaymentProductNetworksParams
from onlinepayments.sdk.merchant.products.get_payment_product_params import GetPaymentProductParams
from onlinepayments.sdk.merchant.products.get_payment_products_params import GetPaymentProductsParams
from onlinepayments.sdk.merchant.products.get_product_directory_params import GetProductDirectoryParams
from onlinepayments.sdk.platform_exception import PlatformException
from onlinepayments.sdk.reference_exception import ReferenceException
from onlinepayments.sdk.idempotence_exception import IdempotenceException
from onlinepayments.sdk.validation_exception import ValidationException

setup = json.load(sys.stdin)
shop, control_url = setup["shop"], setup["control_url"]
marshaller = checking(DefaultMarshaller, DataObject)
configuration = CommunicatorConfiguration(
    api_endpoint=shop["base_url"],
    api_key_id=shop["credentials"]["api_key_id"],
    secret_api_key=shop["credentials"]["secret_api_key"],
    authorization_type="v1HMAC",
    connect_timeout=20,
    socket_timeout=20,
    max_connections=2,
    integrator="Cardseal tests",
)
communicator = Factory.create_communicator_from_configuration(configuration, marshaller=marshaller)
client = Factory.create_client_from_communicator(communicator)
merchant = client.merchant(shop["merchant_id"])
payments = merchant.payments()
calls = []


def control(path, body):
    request = urllib.request.Request(control_url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    urllib.request.urlopen(request).close()


def call(function, *arguments):
    calls.append(function.__name__)
    return function(*arguments)


def order(amount=1000):
    return {"amountOfMoney": {"amount": amount, "currencyCode": "EUR"}, "references": {"merchantReference": f"order-{uuid4().hex[:20]}"}}


def card(number="4012000033330026"):
    return {"cardNumber": number, "cardholderName": "Wile E. Coyote", "cvv": "123", "expiryDate": "0530"}


def payment(amount=1000, number="4012000033330026", **more):
    specific = {"paymentProductId": 1, "authorizationMode": "FINAL_AUTHORIZATION", "card": card(number), **more}
    return CreatePaymentRequest().from_dictionary({"order": order(amount), "cardPaymentMethodSpecificInput": specific})


def money(amount):
    return {"amountOfMoney": {"amount": amount, "currencyCode": "EUR"}}


def refund(amount):
    return RefundRequest().from_dictionary(money(amount))


def paid(amount=1000):
    return call(payments.create_payment, payment(amount)).payment.id


def captured(amount=1000):
    made = paid(amount)
    assert call(payments.capture_payment, made, CapturePaymentRequest()).status == "CAPTURE_REQUESTED"
    return made


def context_of(params_class):
    params = params_class()
    params.country_code, params.currency_code = "DE", "EUR"
    return params


def a_payment():
    made = captured()
    assert call(payments.get_payment, made).status == "CAPTURED"
    assert call(merchant.captures().get_captures, made).captures[0].capture_output.amount_of_money.amount == 1000
    over = refused(ValidationException, 400, lambda: payments.refund_payment(made, refund(1001)))
    assert over.errors[0].id == over.errors[0].message == "ACTION_NOT_ALLOWED_ON_TRANSACTION"
    assert call(payments.refund_payment, made, refund(400)).refund_output.amount_of_money.amount == 400
    output = call(merchant.refunds().get_refunds, made).refunds[0].refund_output
    assert output.card_refund_method_specific_output.total_amount_refunded == 400
    assert len(call(payments.get_payment_details, made).operations) == 3
    again = SubsequentPaymentRequest().from_dictionary({
        "order": order(700), "subsequentcardPaymentMethodSpecificInput": {"subsequentType": "Recurring", "authorizationMode": "SALE"},
    })
    assert call(merchant.subsequent().subsequent_payment, made, again).payment.status == "CAPTURED"
    held = paid()
    assert call(payments.cancel_payment, held, CancelPaymentRequest()).payment.status == "CANCELLED"


def one_key():
    """Of two calls with one key, whichever comes second finds the first at work."""
    for code, exception_class in ((None, ReferenceException), ("30001002", IdempotenceException)):
        control("/online_payments/settings", {"in_progress_code": code})
        control("/faults", {"platform": "online_payments", "route": "payments", "kind": "delay", "ms": 3000, "times": 2})
        key, request, ids, errors = str(uuid4()), payment(), [], []

        def attempt():
            context = CallContext(key)
            try:
                ids.append(payments.create_payment(request, context).payment.id)
            except exception_class as exception:
                errors.append((exception, context))

        threads = [threading.Thread(target=attempt) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(ids), len(errors)) == (1, 1), (ids, errors)
        exception, second = errors[0]
        error = exception.errors[0]
        assert (exception.status_code, error.id, error.http_status_code) == (409, "DUPLICATE_REQUEST_IN_PROGRESS", 409)
        third = CallContext(key)
        assert payments.create_payment(request, third).payment.id == ids[0]
        assert third.idempotence_request_timestamp == second.idempotence_request_timestamp is not None
    control("/online_payments/settings", {"in_progress_code": None})


def declines():
    declined = refused(DeclinedPaymentException, 402, lambda: payments.create_payment(payment(number="4321456998744563")))
    assert declined.create_payment_response.payment.status == "REJECTED"
    made = captured(2000)
    declined = refused(DeclinedRefundException, 402, lambda: payments.refund_payment(made, refund(1302)))
    assert (declined.refund_response.status, declined.refund_response.status_output.status_code) == ("REJECTED", 83)
    specific = {"paymentProductId": 1, "card": card("4321456998744563")}
    bad = CreatePayoutRequest().from_dictionary({**money(1000), "cardPayoutMethodSpecificInput": specific})
    declined = refused(DeclinedPayoutException, 402, lambda: merchant.payouts().create_payout(bad))
    assert declined.payout_result.status == "REJECTED_CREDIT"


def mistakes():
    refused(ReferenceException, 404, lambda: payments.get_payment("9999999999_0"))
    error = refused(ValidationException, 400, lambda: payments.create_payment(payment(number="123"))).errors[0]
    assert (error.id, error.property_name) == ("INVALID_VALUE", "cardPaymentMethodSpecificInput.card.cardNumber")
    other = client.merchant("000000").payments()
    refused(AuthorizationException, 403, lambda: other.create_payment(payment()))
    redirect = CreatePaymentRequest().from_dictionary({"order": order(), "redirectPaymentMethodSpecificInput": {"paymentProductId": 840}})
    made = call(payments.create_payment, redirect)
    assert made.merchant_action.redirect_data.redirect_url and made.payment.status == "REDIRECTED"
    complete = CompletePaymentRequest().from_dictionary({"order": order()})
    refused(PlatformException, 500, lambda: call(merchant.complete().complete_payment, made.payment.id, complete))


def a_card():
    request = CreateTokenRequest().from_dictionary({"paymentProductId": 1, "card": {"data": {"card": card()}}})
    made = call(merchant.tokens().create_token, request)
    assert made.is_new_token and made.external_token_linked.computed_token
    assert call(merchant.tokens().get_token, made.token).payment_product_id == 1
    session = call(merchant.sessions().create_session, SessionRequest().from_dictionary({"tokens": [made.token]}))
    assert session.client_session_id and not session.invalid_tokens
    call(merchant.tokens().delete_token, made.token)
    refused(ReferenceException, 404, lambda: merchant.tokens().get_token(made.token))


def hosted_pages():
    specific = {"returnUrl": "https://shop.example/back", "locale": "en_GB"}
    request = CreateHostedCheckoutRequest().from_dictionary({"order": order(), "hostedCheckoutSpecificInput": specific})
    made = call(merchant.hosted_checkout().create_hosted_checkout, request)
    status = call(merchant.hosted_checkout().get_hosted_checkout, made.hosted_checkout_id)
    assert status.status == "IN_PROGRESS" and status.created_payment_output is not None
    request = CreateHostedTokenizationRequest().from_dictionary({"locale": "de_DE", "tokens": "none"})
    made = call(merchant.hosted_tokenization().create_hosted_tokenization, request)
    assert made.hosted_tokenization_url and made.invalid_tokens == ["none"]
    assert call(merchant.hosted_tokenization().get_hosted_tokenization, made.hosted_tokenization_id).token is None
    request.locale = "invalid_locale"
    refused(ValidationException, 400, lambda: merchant.hosted_tokenization().create_hosted_tokenization(request))


def services():
    assert call(merchant.services().test_connection).result == "OK"
    details = call(merchant.services().get_iin_details, GetIINDetailsRequest().from_dictionary({"bin": "401200"}))
    assert (details.payment_product_id, details.card_scheme) == (1, "Visa")
    asked = {**money(1000), "cardSource": {"card": {"cardNumber": "5425233430109903"}}}
    surcharge = call(merchant.services().surcharge_calculation, CalculateSurchargeRequest().from_dictionary(asked)).surcharges[0]
    assert (surcharge.result, surcharge.total_amount.amount) == ("OK", 1366)
    asked = {"transaction": {"amount": money(1000)["amountOfMoney"]}, "cardSource": {"card": {"cardNumber": "4012000033330026"}}}
    rate = call(merchant.services().get_dcc_rate_inquiry, CurrencyConversionRequest().from_dictionary(asked))
    assert (rate.result.result, rate.proposal.target_amount.amount) == ("Allowed", 1250)
    assert len(call(merchant.products().get_payment_products, context_of(GetPaymentProductsParams)).payment_products) > 2
    assert len(call(merchant.products().get_payment_product, 1, context_of(GetPaymentProductParams)).fields) == 4
    networks = call(merchant.products().get_payment_product_networks, 302, context_of(GetPaymentProductNetworksParams)).networks
    assert "VISA" in networks
    # No product that is played has either, as with the merchant of the client's own tests.
    products, directory = merchant.products(), context_of(GetProductDirectoryParams)
    refused(ReferenceException, 404, lambda: call(products.get_product_directory, 809, directory))
    session = PaymentProductSessionRequest()
    refused(ValidationException, 400, lambda: call(products.create_payment_product_session, 302, session))
    groups = merchant.product_groups()
    assert call(groups.get_product_groups, context_of(GetProductGroupsParams)).payment_product_groups[0].id == "Cards"
    assert call(groups.get_product_group, "cards", context_of(GetProductGroupParams)).id == "Cards"
    policy = GetPrivacyPolicyParams()
    policy.locale = "nl_NL"
    assert call(merchant.privacy_policy().get_privacy_policy, policy).html_content


def webhooks():
    """The secret is sent as the signature of an empty body with it."""
    tools, key = merchant.webhooks(), shop["webhook_key"]
    signature = b64encode(hmac.digest(key["secret"].encode(), b"", "sha256")).decode()
    for secret, result in ((signature, "Valid"), ("incorrect-secret", "Invalid")):
        request = ValidateCredentialsRequest().from_dictionary({"key": key["key_id"], "secret": secret})
        assert call(tools.validate_webhook_credentials, request).result == result
    call(tools.send_test_webhook, SendTestRequest().from_dictionary({"url": control_url}))
    refused(ValidationException, 400, lambda: tools.send_test_webhook(SendTestRequest().from_dictionary({"url": "x"})))


def other_money():
    specific = {"paymentProductId": 1, "card": card(), "payoutReason": "Refund"}
    request = CreatePayoutRequest().from_dictionary({**money(1000), "cardPayoutMethodSpecificInput": specific})
    made = call(merchant.payouts().create_payout, request)
    assert call(merchant.payouts().get_payout, made.id).status == "ACCOUNT_CREDITED"

    ends = (datetime.now(timezone.utc) + timedelta(days=2)).isoformat()
    link = {"order": order(), "displayQRCode": True, "paymentLinkSpecificInput": {"recipientName": "Wile", "expirationDate": ends}}
    links = merchant.payment_links()
    made = call(links.create_payment_link, CreatePaymentLinkRequest().from_dictionary(link))
    assert made.qr_code_base64 and made.redirection_url and made.status == "ACTIVE"
    call(links.cancel_payment_link_by_id, made.payment_link_id)
    assert call(links.get_payment_link_by_id, made.payment_link_id).status == "CANCELLED"

    mandates, reference = merchant.mandates(), uuid4().hex
    request = CreateMandateRequest().from_dictionary({
        "customer": {"bankAccountIban": {"iban": "BE45000253450589"}, "companyName": "Labs"}, "customerReference": "c",
        "recurrenceType": "UNIQUE", "signatureType": "UNSIGNED", "uniqueMandateReference": reference,
    })
    assert call(mandates.create_mandate, request).mandate.status == "ACTIVE"
    assert call(mandates.block_mandate, reference).mandate.status == "BLOCKED"
    assert call(mandates.unblock_mandate, reference).mandate.status == "ACTIVE"
    revoked = RevokeMandateRequest().from_dictionary({"revocationReason": "userAction"})
    assert call(mandates.revoke_mandate, reference, revoked).mandate.status == "REVOKED"
    assert call(mandates.get_mandate, reference).mandate.status == "REVOKED"


with client:
    for flow in (one_key, a_payment, declines, mistakes, a_card, hosted_pages, services, webhooks, other_money):
        flow()

print(json.dumps({"calls": sorted(set(calls)), "lost": sorted(marshaller.lost)}))
