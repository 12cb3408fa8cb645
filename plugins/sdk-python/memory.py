"""Memory of the run, or of what the step's `memory` names. Needs `permissions.memory`, and the import in wit/world.wit."""

import json

from wit_world.imports import memory as host

from pawl.host import ask


def get(key):
    """The value under a key; `None` when there is none."""
    value = ask(host.get, key)
    return None if value is None else json.loads(value)


def put(key, value):
    """Keeps a value, in the same commit as the calls around it."""
    ask(host.put, key, json.dumps(value))
