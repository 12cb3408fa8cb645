"""Durable pauses. Needs `permissions.timers`, and the import in wit/world.wit."""

from wit_world.imports import timers as host

from pawl.host import ask


def sleep(milliseconds):
    """Waits; survives restarts and costs nothing meanwhile."""
    ask(host.sleep, milliseconds)
