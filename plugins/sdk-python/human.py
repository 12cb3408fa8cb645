"""People. Needs `permissions.human`, and the import in wit/world.wit."""

import json
from dataclasses import dataclass
from typing import Any

from wit_world.imports import human as host

from pawl.host import ask as request


@dataclass
class Answer:
    action: str
    data: Any
    by: str

    @property
    def approved(self):
        return self.action == "approve"


def ask(title, to=(), actions=(), form=None, subject=None, due_ms=None, on_timeout=None):
    """Asks, and waits as long as it takes: the agent costs nothing meanwhile."""

    def text(value):
        return None if value is None else json.dumps(value)

    question = host.Question(title, list(to), list(actions), text(form), text(subject), due_ms, on_timeout)
    answer = request(host.ask, question)
    return Answer(answer.action, json.loads(answer.data), answer.by)
