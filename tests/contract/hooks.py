"""What Schemathesis cannot make up: tokens and payments that there are, and requests that can be carried out.

`CARDSEAL_SEEDS` names a file of the test with
  examples  by operation: requests that must succeed
  ids       by name of a path: what stands in its parameters for every second case
  bodies    by operation: fields of bodies, likewise
  whole     by operation: bodies that can be carried out, for every second case that is to be valid
and `CARDSEAL_STATUSES` the file to which the status codes of each operation are added.
"""

import atexit
import json
import os
from collections import Counter, defaultdict
from pathlib import Path
from zlib import crc32

import schemathesis

SEEDS = json.loads(Path(os.environ["CARDSEAL_SEEDS"]).read_text())
statuses = defaultdict(Counter)


def chosen(value, real):
    """One of `real` for every second value: the same one each time, as Hypothesis repeats what it found."""
    number = crc32(repr(value).encode())
    return real[number // 2 % len(real)] if number % 2 else value


def name(operation):
    return operation.definition.raw["operationId"]


@schemathesis.hook
def before_add_examples(context, examples):
    for example in SEEDS["examples"].get(name(context.operation), []):
        # Of a body that is signed, every byte counts.
        text = {"body": example["text"].encode(), "media_type": "application/json"} if "text" in example else {}
        example = {key: value for key, value in example.items() if key != "text"}
        examples.append(context.operation.Case(**example, **text))


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    real = SEEDS["ids"].get(context.operation.path, {})
    if not path_parameters:
        return path_parameters
    return {key: chosen(value, real[key]) if key in real else value for key, value in path_parameters.items()}


@schemathesis.hook
def map_body(context, body):
    # What was broken on purpose stays as it is: a real value in its place would mend it.
    if not isinstance(body, dict):
        return body
    real = SEEDS["bodies"].get(name(context.operation), {})
    fits = lambda value: isinstance(value, str) and 1 <= len(value) <= 8 and value.isprintable()
    return {key: chosen(value, real[key]) if key in real and fits(value) else value for key, value in body.items()}


@schemathesis.hook
def map_case(context, case):
    real = SEEDS["whole"].get(name(context.operation))
    if real and case.meta and case.meta.generation.mode.is_positive and isinstance(case.body, dict):
        case.body = chosen(case.body, real)
    return case


@schemathesis.hook
def after_call(context, case, response):
    # A method that the contract does not have is no call of the operation.
    if case.method.upper() == case.operation.method.upper():
        statuses[name(case.operation)][response.status_code] += 1


@atexit.register
def write():
    file = Path(os.environ["CARDSEAL_STATUSES"])
    earlier = json.loads(file.read_text()) if file.exists() else {}
    for operation, counts in earlier.items():
        statuses[operation].update({int(status): count for status, count in counts.items()})
    file.write_text(json.dumps({operation: dict(counts) for operation, counts in statuses.items()}))
