"""What a server says to an order: which side refuses it and what to do there, or that nobody knows."""

from collections.abc import Mapping

from edge_agent.errors import DeviceError

PERHAPS_DONE = frozenset(
    {
        "timeout",
        "disconnected",
        "wrong_answer",
        "short_answer",
        "BadTimeout",
        "BadRequestTimeout",
        "BadRequestInterrupted",
        "BadConnectionClosed",
        "BadCommunicationError",
        "BadSecureChannelClosed",
    }
)
"""Reasons that do not say that an order was not carried out."""

_RIGHTS = "the user of this connection may not do that: give it the right on the server"
_GONE = "the server has no such node: is the profile for this machine and its program?"
_TYPE = "the server wants another type: is the profile for this machine and its program?"
_RANGE = "the server refuses it as out of its range: look there what it takes"
_STATE = "the machine does not take it in the state it is in"
_BEHIND = "the server has no connection to what is behind it"

WORDS: Mapping[str, str] = {
    "BadUserAccessDenied": _RIGHTS,
    "BadRequestNotAllowed": _RIGHTS,
    "BadInsufficientClientProfile": _RIGHTS,
    "BadSecurityModeInsufficient": "the server wants it over an encrypted channel: write security with mode: "
    "sign_and_encrypt",
    "BadNotWritable": "it can only be read on the server: make it writable there",
    "BadWriteNotSupported": "the server cannot write it",
    "BadNodeIdUnknown": _GONE,
    "BadNodeIdInvalid": _GONE,
    "BadMethodInvalid": "the object on the server has no such method: is the profile for this machine?",
    "BadNotExecutable": "the server does not let it be called, or not now",
    "BadNothingToDo": "nothing is behind the method on the server",
    "BadTypeMismatch": _TYPE,
    "BadOutOfRange": _RANGE,
    "BadArgumentsMissing": "the server wants more arguments",
    "BadTooManyArguments": "the server wants fewer arguments",
    "BadInvalidArgument": "the server refuses an argument",
    "BadInvalidState": _STATE,
    "BadStateNotActive": _STATE,
    "BadNotImplemented": "the server has it, but does not do it",
    "BadNotSupported": "the server does not support it",
    "BadResourceUnavailable": _BEHIND,
    "BadNoCommunication": _BEHIND,
    "BadNotConnected": _BEHIND,
    "BadDeviceFailure": "what is behind the server reports a fault of its own",
}
"""By the name of the status code."""


def refused(reason: str, detail: str = "") -> DeviceError:
    """An order that was not carried out, with what to do about it where that is known."""
    words = detail or WORDS.get(reason, "")
    return DeviceError(reason, f"{words} ({reason})" if words else "")


def explained(error: DeviceError) -> DeviceError:
    """A refusal with what to do about it, unless it says so itself."""
    return error if error.detail else refused(error.reason)
