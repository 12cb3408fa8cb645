"""Why something did not give a result. Choose the kind by who can act: a workflow retries what is
transient, and nothing else by itself."""


class Failure(Exception):
    """What a plugin raises, and what its calls of the host raise."""

    def __init__(self, kind, message, details=None, retry_after_ms=None):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = details
        self.retry_after_ms = retry_after_ms


def invalid_input(message, **more):
    """The request is wrong; the same request will fail again."""
    return Failure("invalid-input", message, **more)


def transient(message, **more):
    """Passing trouble; the same request may succeed later."""
    return Failure("transient", message, **more)


def permanent(message, **more):
    """The request is right but cannot be carried out."""
    return Failure("permanent", message, **more)


def denied(message, **more):
    """The request is not allowed."""
    return Failure("denied", message, **more)
