"""The logic: plain functions that call nothing of the host, so that tests can run them."""

from pawl.failure import permanent


def greet(input, context):
    """Greets someone; the context has the call's idempotency key."""
    name = input["name"].strip()
    if not name:
        raise permanent("there is nobody to greet; give a name")
    return {"text": f"Good morning, {name}."}
