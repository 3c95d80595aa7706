"""Fields of an event as a server tells them -> its record.

A field that an event does not have is null, and absent. One of another type than the profile says, or one
that the server does not give, is bad with its reason: nothing is made of it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from asyncua import ua
from asyncua.ua import VariantType
from asyncua.ua.object_ids import ObjectIdNames

from edge_agent.core.events import ABSENT, EventSource
from edge_agent.core.model import GOOD, Scan, Schema, Value, bad
from edge_agent.core.nodes import BuiltIn, Node
from edge_agent.drivers.opcua.answer import Answer, ns_of
from edge_agent.drivers.opcua.event_filter import FIRST
from edge_agent.drivers.opcua.values import Uri, name, reader

Cell = tuple[Value, str]
"""Value and quality."""

NOTHING: Cell = (None, ABSENT)
SHORT: Cell = (None, bad("short_answer"))

ID, TYPE, SEVERITY, SOURCE, MESSAGE, TIME, RECEIVED = range(len(FIRST))
"""Where the fields stand that every event is asked for."""
FIRST_TYPES: tuple[BuiltIn, ...] = ("ByteString", "NodeId", "UInt16", "String", "LocalizedText")


class EventColumns:
    """Makes records of the events of a server.

    `asked` are the positions of those fields of the source that the server is asked for.
    """

    def __init__(self, schema: Schema, source: EventSource, asked: Sequence[int], uri: Uri) -> None:
        self._schema = schema
        self._asked = asked
        self._count = len(source.fields)
        self._first = [_reader(type_, uri) for type_ in FIRST_TYPES]
        # Only the type is told by its name where it has one that everybody knows.
        self._first[TYPE] = _type_reader(uri)
        self._fields = [_reader(source.fields[i].type, uri) for i in asked]

    def scan(self, told: Sequence[Answer], now_ns: int, *, full: bool = False) -> Scan:
        """The record of an event that came at `now_ns`; `full` where its source has told it again."""
        cells = [*self._cells(told)]
        quality = tuple(text for _, text in cells)
        time_ns = _time_ns(told, now_ns)
        return Scan(
            self._schema,
            time_ns,
            tuple(value for value, _ in cells),
            quality if any(quality) else None,
            full=full,
            lag_ns=now_ns - time_ns,
        )

    def _cells(self, told: Sequence[Answer]) -> Sequence[Cell]:
        fields = [NOTHING] * self._count
        if len(told) != len(FIRST) + len(self._asked):
            return [SHORT] * (len(FIRST_TYPES) + self._count)
        for i, read, answer in zip(self._asked, self._fields, told[len(FIRST) :], strict=True):
            fields[i] = read(answer)
        first = [read(answer) for read, answer in zip(self._first, told[: len(FIRST_TYPES)], strict=True)]
        return [*first, *fields]


def type_of(told: Sequence[Answer]) -> ua.NodeId | None:
    """The type of an event, where it says one."""
    found = told[TYPE].value if len(told) > TYPE else None
    return found if isinstance(found, ua.NodeId) else None


def severity_of(told: Sequence[Answer]) -> int | None:
    """How severe an event is, where it says so."""
    found = told[SEVERITY].value if len(told) > SEVERITY else None
    return found if isinstance(found, int) else None


def _time_ns(told: Sequence[Answer], now_ns: int) -> int:
    """When it happened, else when the server heard of it, else now."""
    for answer in told[TIME : RECEIVED + 1]:
        found = ns_of(answer.value) if isinstance(answer.value, datetime) else None
        if found is not None:
            return found
    return now_ns


def _reader(type_: BuiltIn, uri: Uri) -> Callable[[Answer], Cell]:
    """The function that makes value and quality of a field."""
    read = reader(Node("", "", "", type_), uri)

    def of(answer: Answer) -> Cell:
        kind, value = answer.kind, answer.value
        if value is None or (isinstance(value, ua.LocalizedText) and value.Text is None):
            return NOTHING
        if isinstance(value, ua.NodeId) and value.is_null():
            return NOTHING
        if kind == VariantType.StatusCode.value and type_ != "StatusCode" and not value.is_good():
            return None, bad(name(value.value))  # the word of a server for what it does not give
        return read(answer)

    return of


def _type_reader(uri: Uri) -> Callable[[Answer], Cell]:
    read = _reader("NodeId", uri)

    def of(answer: Answer) -> Cell:
        node = answer.value
        number = node.Identifier if isinstance(node, ua.NodeId) and node.NamespaceIndex == 0 else None
        known = ObjectIdNames.get(number) if isinstance(number, int) else None
        return read(answer) if known is None else (known, GOOD)

    return of
