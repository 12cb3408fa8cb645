"""A tool: a leaf that does one thing; its result is recorded as a whole."""

import json
from dataclasses import dataclass
from typing import Any, Callable


@dataclass
class Tool:
    """One tool. `run(input, context)` gives the result or raises a `Failure`."""

    summary: str
    effect: str
    input: dict
    output: dict
    run: Callable[[Any, Any], Any]


def tools(**all):
    """Makes a component of tools, by name: `ToolGuest = tools(greet=Tool(…))`."""
    from wit_world.exports import ToolGuest as World
    from wit_world.exports import tool_guest
    from wit_world.imports import types

    from pawl.host import answer

    class ToolGuest(World):
        def describe(self):
            return [
                tool_guest.ToolDescription(
                    name,
                    tool.summary,
                    json.dumps(tool.input),
                    json.dumps(tool.output),
                    types.Effect[tool.effect.replace("-", "_").upper()],
                )
                for name, tool in all.items()
            ]

        def call(self, context, name, arguments):
            return answer(lambda: all[name].run(json.loads(arguments), context))

    return ToolGuest
