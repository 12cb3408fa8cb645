"""What the component exports. The effect class says what pawl may do after a crash: "pure",
"idempotent" or "at-most-once"."""

from logic import greet
from pawl.tool import Tool, tools

ToolGuest = tools(
    greet=Tool(
        summary="Greets someone.",
        effect="pure",
        input={
            "type": "object",
            "properties": {"name": {"type": "string", "description": "Who is greeted."}},
            "required": ["name"],
            "additionalProperties": False,
        },
        output={
            "type": "object",
            "properties": {"text": {"type": "string"}},
            "required": ["text"],
            "additionalProperties": False,
        },
        run=greet,
    ),
)
