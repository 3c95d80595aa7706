"""What a failure at a device means, and what to do about it, for whoever stands in front of the cabinet."""

from collections.abc import Mapping

from edge_agent.config.settings import Connection, Device, ModbusConnection, OpcUaConnection, SerialLine
from edge_agent.errors import DeviceError
from edge_agent.ops.reading import GroupRead

MEANING = {
    "exception:1": "it does not know this function: does the profile fit the device?",
    "exception:2": "it has no such address: does the profile fit the device and its firmware?",
    "exception:3": "it refuses the request: does the profile fit the device and its firmware?",
    "exception:4": "it reports a fault of its own: look at its display",
    "exception:5": "it needs more time: read it less often",
    "exception:6": "it is busy: read it less often",
    "exception:10": "the gateway has no path to unit {unit}: is its serial side set up?",
    "exception:11": "unit {unit} behind the gateway does not answer: is it on, is the unit right?",
    "short_answer": "the answer is too short: does the profile fit the device and its firmware?",
    "wrong_answer": "the answer belongs to something else: is it a Modbus TCP port, has it another client?",
}
"""By quality reason; exception codes are those of Modbus Application Protocol 1.1b3, section 7."""

WITHOUT_NUMBERS = {
    "wrong_answer": "what came answers something else: have two devices one unit, is there another master?",
}
"""The same for rtu and ascii, where it means something else."""
PORTS = {
    "No such file": "is not there: is the adapter plugged in? /dev/serial/by-id lists those that are",
    "Permission denied": "may not be opened by this user: is it in the group of the port, such as dialout?",
    "another program": "is open in another program: stop that one; a line has one master",
}
"""Why a serial port cannot be opened, by what the system says of it."""


def advice(failure: GroupRead, device: Device, connection: Connection) -> str:
    """One sentence that names what failed, where, and the way out."""
    return about(failure.reason, failure.detail, connection, device.unit)


def about(reason: str, detail: str, connection: Connection, unit: int = 0) -> str:
    """The same of what failed over a connection, at a unit behind it where it has some."""
    place, detail = connection.place, _without_place(detail, connection)
    if reason in ("timeout", "unit_open"):
        return _unanswered(unit, connection, detail)
    if reason == "disconnected":
        line = connection.line if isinstance(connection, ModbusConnection) else None
        return _unreached(place, detail) if line is None else _unopened(line, detail)
    if isinstance(connection, OpcUaConnection) and reason.startswith("Bad") and detail:
        return f"{place}: {detail}"  # it says itself which side refused, and what to do there
    meaning = _meanings(connection).get(reason, "").format(unit=unit)
    said = f"{reason} ({detail})" if detail else reason
    return f"{said} from {place}{': ' if meaning else ''}{meaning}"


def _meanings(connection: Connection) -> Mapping[str, str]:
    numbered = not isinstance(connection, ModbusConnection) or connection.framing == "tcp"
    return MEANING if numbered else {**MEANING, **WITHOUT_NUMBERS}


def _unanswered(unit: int, connection: Connection, detail: str) -> str:
    more = f" ({detail})" if detail else ""
    if not isinstance(connection, ModbusConnection):
        return f"no answer from {connection.place}{more}: is it on?"
    who = f"no answer from unit {unit} at {connection.place}{more}"
    if connection.line is None:
        return f"{who}: is the unit right, is it on?"
    speed, parity = connection.line.baudrate, connection.line.parity
    return f"{who}: is it on, are the unit, {speed} bit/s and parity {parity} right?"


def _unopened(line: SerialLine, detail: str) -> str:
    why = next((words for told, words in PORTS.items() if told in detail), "")
    return f"{line.path} {why}" if why else f"{line.path} cannot be opened ({detail}): is it a serial port?"


def unreached(place: str, error: DeviceError) -> str:
    """The same for a place that is no device yet."""
    if error.reason == "timeout":
        return f"no answer from {place}: is it on, is it an OPC UA server?"
    if error.reason == "disconnected":
        return _unreached(place, error.detail)
    return f"{place}: {error.detail or error.reason}"


def _unreached(place: str, detail: str) -> str:
    if "refused" in detail.lower():
        return f"connection refused by {place}: is it on, is the port right?"
    if "no answer" in detail:
        return f"{place} cannot be reached ({detail}): is the address right, is the cable in?"
    if "closed" in detail:
        return f"{place} closes the connection: does it take one client only, and has another?"
    return f"{place} cannot be reached ({detail}): is the address right, does this gateway have a way there?"


def _without_place(detail: str, connection: Connection) -> str:
    return detail.removeprefix(f"{connection.place}: ")
