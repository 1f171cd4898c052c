"""What the Python clients of the Worldline family share: a marshaller that reads answers as theirs does, and remembers which members
of an answer the client's own types do not have. The clients take a marshaller as a parameter; their files stay as they were published.
"""

import json


def lost(answer, understood, path=""):
    """Paths of what an answer says and its reader does not."""
    if isinstance(answer, dict) and isinstance(understood, dict):
        for name, value in answer.items():
            if name in understood:
                yield from lost(value, understood[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"
    elif isinstance(answer, list) and isinstance(understood, list):
        for one, other in zip(answer, understood):
            yield from lost(one, other, f"{path}[]")
    elif type(answer) is not type(understood):
        yield path


def checking(marshaller_class, data_object_class):
    class Checking(marshaller_class):
        def __init__(self):
            self.lost = set()

        def unmarshal(self, response_json, type_class):
            result = super().unmarshal(response_json, type_class)
            if isinstance(result, data_object_class):
                for path in lost(json.loads(response_json), result.to_dictionary()):
                    self.lost.add(f"{type_class.__name__}{path}")
            return result

    return Checking()


def refused(exception_class, status, call):
    """Makes a call that has to be refused, and gives the exception."""
    try:
        call()
    except exception_class as exception:
        assert exception.status_code == status, (status, exception)
        return exception
    raise AssertionError(f"no {exception_class.__name__}")
