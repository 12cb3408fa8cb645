"""Between a plugin's functions and the host."""

import json
import traceback

from componentize_py_types import Err
from wit_world.imports import log, types

from pawl.failure import Failure


def answer(run):
    """Runs a plugin's function. What it raises on purpose, a `Failure`, goes to the host; anything else
    is a bug, and stops the plugin as a panic does."""
    try:
        return json.dumps(run())
    except Failure as failure:
        details = None if failure.details is None else json.dumps(failure.details)
        kind = types.FailureKind[failure.kind.replace("-", "_").upper()]
        raise Err(types.Failure(kind, failure.message, details, failure.retry_after_ms)) from None
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{at.filename.split('/')[-1]}:{at.lineno}"
        log.write(log.Level.ERROR, f"panicked at {place}:\n{type(error).__name__}: {error}")
        raise


def ask(call, *words):
    """Calls the host; what it answers with is a value or a `Failure`."""
    try:
        return call(*words)
    except Err as error:
        raise failure(error.value) from None


def failure(told):
    """A failure as the host gives it."""
    details = None if told.details is None else json.loads(told.details)
    return Failure(told.kind.name.lower().replace("_", "-"), told.message, details, told.retry_after_ms)
