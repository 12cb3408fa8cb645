"""Lines in the run's record. Always granted."""

from wit_world.imports import log as host


def debug(message):
    host.write(host.Level.DEBUG, message)


def info(message):
    host.write(host.Level.INFO, message)


def warn(message):
    host.write(host.Level.WARN, message)


def error(message):
    host.write(host.Level.ERROR, message)
