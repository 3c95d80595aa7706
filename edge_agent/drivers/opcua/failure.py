"""What asyncua raises -> DeviceError, and which failures end a session."""

import os
import struct
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

UNDECODABLE = (
    struct.error,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What the library raises, beside errors of its own, for bytes that are not what they say they are."""


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
    except UNDECODABLE as error:
        raise DeviceError("wrong_answer", "an answer that cannot be decoded") from error
