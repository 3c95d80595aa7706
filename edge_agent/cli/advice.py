"""What a failure at a device means, and what to do about it, for whoever stands in front of the cabinet."""

from edge_agent.config.settings import Connection, Device, ModbusConnection
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


def advice(failure: GroupRead, device: Device, connection: Connection) -> str:
    """One sentence that names what failed, where, and the way out."""
    return about(failure.reason, failure.detail, connection, device.unit)


def about(reason: str, detail: str, connection: Connection, unit: int = 0) -> str:
    """The same of what failed over a connection, at a unit behind it where it has some."""
    place, detail = connection.place, _without_place(detail, connection)
    if reason == "timeout":
        if not isinstance(connection, ModbusConnection):
            return f"no answer from {place}: is it on?"
        return f"no answer from unit {unit} at {place}: is the unit right, is it on?"
    if reason == "disconnected":
        return _unreached(place, detail)
    meaning = MEANING.get(reason, "").format(unit=unit)
    said = f"{reason} ({detail})" if detail else reason
    return f"{said} from {place}{': ' if meaning else ''}{meaning}"


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
