"""Tools that the step may use. Needs `permissions.tools`, and the import in wit/world.wit."""

import json

from componentize_py_types import Err
from wit_world.imports import tools as host

from pawl.host import ask, failure


def call(name, input):
    """Calls one tool, `orders.lookup`, and gives its result; raises its `Failure`."""
    return json.loads(ask(host.call, name, json.dumps(input)))


def call_all(calls):
    """Calls several at once, `[("orders.lookup", {…}), …]`; gives a result or a `Failure` for each, in
    their order."""
    asked = [host.ToolCall(name, json.dumps(input)) for name, input in calls]
    return [
        failure(told.value) if isinstance(told, Err) else json.loads(told.value)
        for told in ask(host.call_all, asked)
    ]
