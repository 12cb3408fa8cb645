"""What the component exports. Each call of the host is recorded: when the machine goes down, or the
answer takes a week, this code runs from the top, is given the recorded answers at once, and goes on
behind the last one."""

from logic import title
from pawl import human, log, tools
from pawl.agent import agent


def run(input, task):
    order = tools.call("orders.lookup", {"id": input["order"]})
    answer = human.ask(title(order), subject={"item": order["item"], "amount": order["amount"]})
    log.info(f"{answer.by} says {answer.action}")
    return {"refund": answer.approved, "by": answer.by}


AgentGuest = agent(
    summary="Asks a person whether an order is refunded.",
    input={
        "type": "object",
        "properties": {"order": {"type": "string", "description": "The order's id."}},
        "required": ["order"],
        "additionalProperties": False,
    },
    output={
        "type": "object",
        "properties": {"refund": {"type": "boolean"}, "by": {"type": "string", "description": "Who decided."}},
        "required": ["refund", "by"],
        "additionalProperties": False,
    },
    run=run,
)
