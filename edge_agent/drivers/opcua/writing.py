"""Writing one value to a node: held against the node first, written once, read back until it is there.

What the server tells of the node counts as much as the profile: its type, whether it may be written, its
range and the texts of its numbers. A range in the profile (`valid`) stands in place of the server's, which
is that of normal operation (EURange, OPC UA Part 8, 5.6.2) and may be too narrow.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

from asyncua import ua

from edge_agent.config.settings import Tag
from edge_agent.core.floats import within
from edge_agent.core.model import Value, bad
from edge_agent.core.nodes import INTEGERS, STORES, BuiltIn, Node, Place, Spot
from edge_agent.core.payload import presented
from edge_agent.core.writing import shown
from edge_agent.drivers.opcua.answer import answer_of
from edge_agent.drivers.opcua.datatypes import data_types, texts_of, value_of
from edge_agent.drivers.opcua.given import REGISTERS, TYPED, Typed, typed
from edge_agent.drivers.opcua.orders import PERHAPS_DONE, explained, refused
from edge_agent.drivers.opcua.places import located
from edge_agent.drivers.opcua.questions import Questions
from edge_agent.drivers.opcua.session import Session, reading
from edge_agent.drivers.opcua.values import BAD, counts, name, reader
from edge_agent.drivers.typed import is_number
from edge_agent.errors import DeviceError
from edge_agent.ports import Written

READ_BACK_S = 0.1
"""Between two looks whether a value has been taken over: a PLC does so once in its cycle."""

_ASKED = (
    ua.AttributeIds.DataType,
    ua.AttributeIds.ValueRank,
    ua.AttributeIds.AccessLevel,
    ua.AttributeIds.UserAccessLevel,
    ua.AttributeIds.Value,
)
_WRITE = 2  # bit of an access level (OPC UA Part 3, 8.57)
_SAID = ("EURange", "EnumValues", "EnumStrings")


class Sessions(Protocol):
    """A wire, as far as an order needs it."""

    async def session(self) -> Session:
        """The live session. Raises DeviceError."""
        ...


@dataclass(frozen=True, slots=True)
class _Told:
    """What a server says of a node: the built-in type of its values, its range, the texts of its numbers.

    `locale` is that of the text it has now.
    """

    type: BuiltIn
    bounds: tuple[float, float] | None
    texts: Mapping[int, str]
    locale: str | None


async def write(wire: Sessions, tag: Tag, text: str, within_s: float) -> Written:
    """Write what a person gave for a tag, and read it back until it is there or the time is over.

    Raises DeviceError when the server, or what it says of the node, refuses it, or when it cannot be told.
    """
    loop = asyncio.get_running_loop()
    session = await wire.session()
    node = await found(session, tag.opcua)
    told = await _told(session, node, tag)
    value = _variant(_value(tag, text, told), told)
    until = loop.time() + within_s
    failure = ""
    try:
        code = await session.write(node, value)
        if code >> 30 >= BAD:
            raise refused(name(code))
    except DeviceError as error:
        if error.reason not in PERHAPS_DONE:
            raise explained(error) from None
        failure = str(error)
    held, quality = await _read_back(wire, tag.opcua)
    while not _is_there(value, held) and loop.time() + READ_BACK_S < until:
        await asyncio.sleep(READ_BACK_S)
        held, quality = await _read_back(wire, tag.opcua)
    return Written(_is_there(value, held), *_shown(tag.opcua, held, quality), f"as {told.type}", failure)


async def found(session: Session, node: Node | Spot) -> ua.NodeId:
    """The id of a node in this session. Raises DeviceError when the server does not have it."""
    place = Place(node.namespace, node.id) if isinstance(node, Spot) else node.place
    (its,) = await located(session, [place])
    if isinstance(its, str):
        await session.look_around()
        (its,) = await located(session, [place])
    if isinstance(its, str):
        where = f"no namespace {node.namespace}" if not place.path else "nothing at the end of its path"
        raise DeviceError(its.removeprefix("bad:"), f"the server has {where}")
    return its


async def _told(session: Session, node: ua.NodeId, tag: Tag) -> _Told:
    """What the server says of a node that is to be written. Raises DeviceError where it must not be."""
    questions = Questions(session)
    read, follow = questions.read, questions.follow
    data_type, rank, level, user, present = await read([(node, each) for each in _ASKED])
    its = value_of(data_type)
    if not isinstance(its, ua.NodeId):
        raise _untyped(data_type)
    _check_access(value_of(level), value_of(user))
    _check_rank(value_of(rank), present)
    types = await data_types([its], follow, read, texts=True)
    (hung,) = await follow([node], ua.ObjectIds.HasProperty, ua.BrowseDirection.Forward)
    nodes = {
        each.BrowseName.Name: ua.NodeId(each.NodeId.Identifier, each.NodeId.NamespaceIndex)
        for each in hung.References or ()
        if each.BrowseName.Name in _SAID
    }
    answers = await read([(each, ua.AttributeIds.Value) for each in nodes.values()])
    said = dict(zip(nodes, map(value_of, answers), strict=True))
    return _Told(
        _type(types[its].sent_as, present, tag),
        _bounds(said.get("EURange")),
        texts_of(said.get("EnumValues")) or texts_of(said.get("EnumStrings")) or types[its].texts,
        getattr(value_of(present), "Locale", None),
    )


def _untyped(answer: ua.DataValue) -> DeviceError:
    status = answer.StatusCode
    if status is None or status.is_good():
        return refused("BadTypeMismatch", "the node on the server is no variable")
    return refused(name(status.value))


def _check_access(level: object, user: object) -> None:
    """Refuse what the server does not let be written; what it does not say is left to its answer."""
    if isinstance(level, int) and not level & _WRITE:
        raise refused("BadNotWritable")
    if isinstance(user, int) and not user & _WRITE:
        raise refused("BadUserAccessDenied")


def _check_rank(rank: object, present: ua.DataValue) -> None:
    array = present.Value is not None and present.Value.is_array
    if array or (isinstance(rank, int) and rank >= 0):
        raise refused("BadTypeMismatch", "the node on the server is an array; a tag writes one value")


def _type(declared: str, present: ua.DataValue, tag: Tag) -> BuiltIn:
    """The built-in type in which a value is sent: that of the node, or of its value where that is open."""
    sent_as = declared
    if not sent_as and present.Value is not None and present.Value.VariantType is not None:
        sent_as = present.Value.VariantType.name.replace("Null", "")
    sent_as = sent_as or tag.type
    if sent_as not in TYPED:
        raise refused("BadTypeMismatch", f"values of type {sent_as} cannot be written")
    if not counts(tag.opcua.type, sent_as):
        words = f"the node has values of type {sent_as}, the profile says {tag.type}; write type: {sent_as}"
        raise refused("BadTypeMismatch", words)
    return cast("BuiltIn", sent_as)


def _bounds(said: Any) -> tuple[float, float] | None:  # noqa: ANN401 - whatever a server has there
    """A range, unless it is one that nobody has filled in."""
    return (said.Low, said.High) if isinstance(said, ua.Range) and said.Low < said.High else None


def _value(tag: Tag, text: str, told: _Told) -> Typed:
    """The value to be sent. Raises DeviceError for what the server says it cannot be."""
    node = replace(tag.opcua, type=told.type)
    texts = tag.enum or told.texts
    if node.type in INTEGERS and not texts and not is_number(text.strip()):
        raise refused("BadTypeMismatch", f"{shown(text)} is no number, and the server has no texts for it")
    try:
        value = typed(node, text, texts)
    except ValueError as error:
        raise refused("BadOutOfRange", str(error).removeprefix(f"{node.name}: ")) from None
    if node.type not in REGISTERS or not isinstance(value, int | float):
        return value
    if node.type in INTEGERS and told.texts and value not in told.texts:
        known = ", ".join(f"{number} {text}" for number, text in sorted(told.texts.items()))
        raise refused("BadOutOfRange", f"{value} is none of the server's: {known}")
    bounds = told.bounds
    if bounds is not None and node.valid is None and not within(value, bounds, single=node.type == "Float"):
        low, high = map(shown, bounds)
        ways = "where the machine takes more, write valid: [low, high] in the profile"
        raise refused("BadOutOfRange", f"{shown(value)} is outside of its range, {low} to {high}; {ways}")
    return value


def _variant(value: Typed, told: _Told) -> ua.Variant:
    if told.type == "LocalizedText":
        return ua.Variant(ua.LocalizedText(str(value), told.locale), ua.VariantType.LocalizedText)
    return ua.Variant(value, ua.VariantType[told.type])


async def _read_back(wire: Sessions, node: Node) -> tuple[ua.DataValue | None, str]:
    """What the node shows now; None with the quality of that when nobody can tell."""
    try:
        session = await wire.session()
        (answer,) = await session.read(reading([await found(session, node)], ua.TimestampsToReturn.Neither))
    except DeviceError as error:
        return None, bad(error.reason)
    return answer, ""


def _is_there(value: ua.Variant, held: ua.DataValue | None) -> bool:
    if held is None or held.Value is None or (held.StatusCode is not None and held.StatusCode.is_bad()):
        return False
    seen, sent = held.Value.Value, value.Value
    if isinstance(sent, ua.LocalizedText):
        return isinstance(seen, ua.LocalizedText) and seen.Text == sent.Text
    return type(seen) is type(sent) and bool(seen == sent)


def _shown(node: Node, held: ua.DataValue | None, quality: str) -> tuple[Value, str]:
    """Value and quality as a reading of the tag would show them."""
    if held is None:
        return None, quality
    value, quality = reader(node)(answer_of(held))
    (short,) = presented([STORES.get(node.type, "s")], [value])
    return short, quality
