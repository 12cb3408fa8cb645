"""An agent: ordinary straight-line code that survives crashes. Everything it asks of the host is
recorded; after a crash or a pause it runs from the top, is given the recorded answers at once, and
goes on behind the last one."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass
class Handoff:
    """What an agent returns so that another one goes on."""

    agent: str
    input: Any


def agent(summary, input, output, run, capabilities=()):
    """Makes a component of an agent: `AgentGuest = agent(…)`. `run(input, task)` gives the result or
    raises a `Failure`."""
    from wit_world.exports import AgentGuest as World
    from wit_world.exports import agent_guest

    from pawl.host import answer

    class AgentGuest(World):
        def describe(self):
            return agent_guest.AgentDescription(
                summary, list(capabilities), json.dumps(input), json.dumps(output)
            )

        def run(self, task):
            to = []

            def result():
                given = run(json.loads(task.input), task)
                if isinstance(given, Handoff):
                    to.append(given.agent)
                    return given.input
                return given

            text = answer(result)
            if to:
                return agent_guest.Outcome_Handoff(agent_guest.Handoff(to[0], text))
            return agent_guest.Outcome_Completed(text)

    return AgentGuest
