"""What asyncua raises -> DeviceError, and which failures end a session."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from asyncua import ua
from asyncua.ua.uaerrors import UaStructParsingError

from edge_agent.drivers.opcua.values import name
from edge_agent.errors import DeviceError

ENDING = frozenset(
    {
        "timeout",
        "disconnected",
        "BadSessionIdInvalid",
        "BadSessionClosed",
        "BadSessionNotActivated",
        "BadSecureChannelIdInvalid",
        "BadSecureChannelClosed",
        "BadSecureChannelTokenUnknown",
        "BadTcpSecureChannelUnknown",
        "BadServerHalted",
        "BadShutdown",
        "BadCommunicationError",
        "BadConnectionClosed",
    }
)
"""Reasons after which a session is of no use any more."""


@contextmanager
def translated() -> Iterator[None]:
    """The one place that knows the exceptions of asyncua; a TimeoutError is left to whoever set the time."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError as error:
        raise DeviceError("disconnected", os.strerror(error.errno) if error.errno else str(error)) from error
    except UaStructParsingError as error:
        raise DeviceError("wrong_answer", "an answer that cannot be decoded") from error
    except ua.UaStatusCodeError as error:
        raise DeviceError(name(error.code), "") from error
    except ua.UaError as error:
        raise DeviceError("wrong_answer", str(error)) from error
