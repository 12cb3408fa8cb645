"""Secrets that a tool may send and never sees. Needs `permissions.secrets`, and the import in wit/world.wit."""

from wit_world.imports import secrets as host

from pawl.host import ask


def get(name):
    """A placeholder for a secret, to be put into the value of a header field; the host puts the secret in its place."""
    return ask(host.get, name)
