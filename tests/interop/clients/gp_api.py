"""Global Payments' client for Python, as published, against the simulated GP API.

The arguments are base URL, application id and key. Prints every call with its expected and its actual result.
"""

import json
import sys
import uuid

from globalpayments.api import CardChannel, GpApiConfig, ServicesContainer
from globalpayments.api.builders import ManagementBuilder, TransactionReportBuilder
from globalpayments.api.entities import Transaction
from globalpayments.api.entities.enums import ReportType, TransactionType
from globalpayments.api.entities.exceptions import GatewayException
from globalpayments.api.payment_methods import CreditCardData, TransactionReference
from globalpayments.api.services import ReportingService

calls = []


def note(name, wanted, call, read=lambda answer: [answer.response_code, answer.response_message]):
    """Makes a call; a refusal by the platform is its code and the beginning of its text."""
    answer = None
    try:
        answer = call()
        got = read(answer)
    except GatewayException as error:
        got = [str(error.response_code), str(error).split("Status Code: ")[-1]]
        if isinstance(wanted, list) and len(wanted) == 2:
            got[1] = got[1][: len(wanted[1])]
    calls.append({"name": name, "wanted": wanted, "got": got})
    return answer


def card(number="4263970000005262", cvn="131"):
    made = CreditCardData()
    made.number, made.exp_month, made.exp_year, made.card_holder_name = number, "12", "2035", "James Mason"
    if cvn:
        made.cvn = cvn
    return made


def stored(token):
    made = CreditCardData()
    made.token = token
    return made


def referred(transaction_id):
    made = Transaction()
    made.transaction_reference = TransactionReference()
    made.transaction_reference.transaction_id = transaction_id
    return made


def main():
    config = GpApiConfig()
    config.service_url, config.app_id, config.app_key = sys.argv[1:4]
    config.channel, config.country = CardChannel.CARD_NOT_PRESENT, "US"
    ServicesContainer.configure(config)

    sale = note("charge", ["SUCCESS", "CAPTURED"], lambda: card().charge(69).with_currency("USD").execute())
    note("security code", "MATCHED", lambda: sale, lambda answer: answer.cvn_response_message)
    note(
        "no security code",
        "NOT_CHECKED",
        lambda: card(cvn=None).charge(5).with_currency("USD").execute(),
        lambda answer: answer.cvn_response_message,
    )
    note(
        "declined",
        ["DECLINED", "DECLINED"],
        lambda: card("4000120000001154").charge(5).with_currency("USD").execute(),
    )
    held = note(
        "authorize", ["SUCCESS", "PREAUTHORIZED"], lambda: card().authorize(50).with_currency("USD").execute()
    )
    note(
        "more on it",
        "60",
        lambda: held.additional_auth(10).execute(),
        lambda answer: str(answer.authorized_amount).removesuffix(".0"),
    )
    note("capture", ["SUCCESS", "CAPTURED"], lambda: held.capture(60).execute())
    note(
        "capture too much",
        ["50020", "INVALID_REQUEST_DATA"],
        lambda: card().authorize(30).with_currency("USD").execute().capture(50).execute(),
    )
    edited = ManagementBuilder(TransactionType.Edit, sale.transaction_reference).with_amount(70).with_gratuity(1)
    note("edit", ["SUCCESS", "CAPTURED"], lambda: edited.execute())
    note("refund", ["SUCCESS", "CAPTURED"], lambda: sale.refund(10).with_currency("USD").execute())
    note("refund without a sale", ["SUCCESS", "CAPTURED"], lambda: card().refund(10).with_currency("USD").execute())
    note(
        "refund of nothing known",
        ["40008", "RESOURCE_NOT_FOUND"],
        lambda: referred(str(uuid.uuid4())).refund(10).with_currency("USD").execute(),
    )
    note(
        "reverse",
        ["SUCCESS", "REVERSED"],
        lambda: card().charge(12).with_currency("USD").execute().reverse(12).execute(),
    )
    note(
        "reverse a part",
        ["40214", "INVALID_REQUEST_DATA"],
        lambda: card().charge(12).with_currency("USD").execute().reverse(1).execute(),
    )

    key = str(uuid.uuid4())
    keyed = lambda: card().charge(5).with_currency("USD").with_idempotency_key(key).execute()
    first = note("with a key", ["SUCCESS", "CAPTURED"], keyed)
    note(
        "with it again",
        ["40039", f"DUPLICATE_ACTION - Idempotency Key seen before: id={first.transaction_id}"],
        keyed,
    )

    note("verify", ["SUCCESS", "VERIFIED"], lambda: card().verify().with_currency("USD").execute())
    note(
        "verify without a currency",
        ["40005", "MANDATORY_DATA_MISSING - Request expects the following fields currency"],
        lambda: card().verify().execute(),
    )
    note(
        "wrong security code",
        ["40085", "INVALID_REQUEST_DATA - Security Code/CVV2/CVC must be 3 digits"],
        lambda: card(cvn="1234").verify().with_currency("USD").execute(),
    )
    made = note("tokenize", ["SUCCESS", "ACTIVE"], lambda: card().tokenize().execute())
    note(
        "charge the token",
        ["SUCCESS", "CAPTURED"],
        lambda: stored(made.token).charge(5).with_currency("USD").execute(),
    )

    def update():
        changed = stored(made.token)
        changed.exp_month, changed.exp_year = "11", "2036"
        return changed.update_token_expiry()

    note("change the token", ["SUCCESS", "ACTIVE"], update)
    note("delete the token", ["SUCCESS", "DELETED"], lambda: stored(made.token).delete_token())
    note(
        "charge what is gone",
        ["40116", "RESOURCE_NOT_FOUND"],
        lambda: stored(made.token).charge(5).with_currency("USD").execute(),
    )

    note(
        "read a transaction",
        sale.transaction_id,
        lambda: ReportingService.transaction_detail(sale.transaction_id).execute(),
        lambda answer: answer.transaction_id,
    )
    note("read none", ["40118", "RESOURCE_NOT_FOUND"], lambda: ReportingService.transaction_detail("TRN_x").execute())
    listed = lambda answer: len(answer.result) > 0
    note("list transactions", True, lambda: ReportingService.find_transactions_paged(1, 10).execute(), listed)
    for kind in [
        ReportType.FindSettlementTransactionsPaged,
        ReportType.FindDepositsPaged,
        ReportType.FindDisputesPaged,
        ReportType.FindStoredPaymentMethodsPaged,
    ]:
        note(kind.name, True, lambda kind=kind: TransactionReportBuilder(kind).with_paging(1, 10).execute(), listed)
    print(json.dumps(calls))


main()
