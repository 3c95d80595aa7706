"""Calling a method: its arguments as the server tells them, what a person gave for them, what came of it."""

# ruff: noqa: TRY004 - what does not fit is the mistake of whoever gave it, a ValueError

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, cast

from asyncua import ua
from asyncua.ua.uaprotocol_auto import Argument  # what is decoded; ua.Argument is a child of it

from edge_agent.config.hints import hint
from edge_agent.config.problems import counted
from edge_agent.core.floats import shortest
from edge_agent.core.nodes import BuiltIn, Method, Node
from edge_agent.core.writing import shown
from edge_agent.drivers.opcua.datatypes import DataType, Follow, Read, data_types, value_of
from edge_agent.drivers.opcua.given import TYPED, typed
from edge_agent.drivers.opcua.orders import PERHAPS_DONE, explained, refused
from edge_agent.drivers.opcua.questions import Questions
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.values import BAD, name
from edge_agent.drivers.opcua.variables import plain
from edge_agent.drivers.opcua.writing import Sessions, found
from edge_agent.errors import DeviceError
from edge_agent.ports import Called

EXACT_IN_JSON = 2**53 - 1
"""A larger whole number travels as text."""
_NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_ .-]*)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Argument:
    """One argument. `rank` as OPC UA has it: -1 for one value, 1 for a list, -2 and -3 for either."""

    name: str
    type: DataType
    rank: int

    @property
    def words(self) -> str:
        """The argument as a signature has it."""
        return f"{self.name}: {self.type.name}{'[]' if self.rank >= 0 else ''}"


@dataclass(frozen=True, slots=True)
class _Signature:
    name: str
    inputs: Sequence[_Argument]
    outputs: Sequence[_Argument]

    @property
    def words(self) -> str:
        """The method as a person reads it: `start(speed: Double, recipe: String) -> (job: UInt32)`."""
        given, taken = (", ".join(each.words for each in side) for side in (self.inputs, self.outputs))
        return f"{self.name}({given})" + (f" -> ({taken})" if taken else "")


async def call(wire: Sessions, method: Method, arguments: Sequence[str], within_s: float) -> Called:
    """Call a method once.

    Raises ValueError, in words with the signature, for arguments that do not fit, and DeviceError when the
    server refuses it or cannot be reached.
    """
    session = await wire.session()
    on, node = await found(session, method.object), await found(session, method.method)
    signature = await _signature(session, method.name, node)
    try:
        values = [_variant(argument, text) for argument, text in _assigned(signature.inputs, arguments)]
    except ValueError as error:
        raise ValueError(f"{error}; it is {signature.words}") from None
    request = ua.CallMethodRequest(ObjectId=on, MethodId=node, InputArguments=values)
    try:
        result = await session.call(request, within_s)
    except DeviceError as error:
        if error.reason not in PERHAPS_DONE:
            raise explained(error) from None
        return Called(signature.words, (), "", str(error))
    said = name(result.StatusCode.value)
    if result.StatusCode.value >> 30 >= BAD:
        if said in PERHAPS_DONE:
            return Called(signature.words, (), said, said)
        raise refused(said, _bad_arguments(signature, result))
    return Called(signature.words, _outputs(signature, result), said)


async def _signature(session: Session, called: str, node: ua.NodeId) -> _Signature:
    """A method as the server tells it. Raises DeviceError when there is none, or it must not be called."""
    questions = Questions(session)
    read, follow = questions.read, questions.follow
    asked = (ua.AttributeIds.NodeClass, ua.AttributeIds.Executable, ua.AttributeIds.UserExecutable)
    kind, able, allowed = await read([(node, each) for each in asked])
    if value_of(kind) is None:
        raise refused(name(kind.StatusCode.value if kind.StatusCode else ua.StatusCodes.BadNodeIdUnknown))
    if int(value_of(kind)) != ua.NodeClass.Method:
        raise refused("BadMethodInvalid", "the node on the server is no method")
    if value_of(able) is False:
        raise refused("BadNotExecutable")
    if value_of(allowed) is False:
        raise refused("BadUserAccessDenied")
    said = await _properties(node, follow, read)
    sides = [_list(said.get(each)) for each in ("InputArguments", "OutputArguments")]
    types = await data_types({each.DataType for side in sides for each in side}, follow, read, texts=True)
    inputs, outputs = (
        [_Argument(each.Name or f"argument {at}", types[each.DataType], each.ValueRank) for at, each in side]
        for side in (enumerate(side, 1) for side in sides)
    )
    return _Signature(called, inputs, outputs)


async def _properties(node: ua.NodeId, follow: Follow, read: Read) -> dict[str, Any]:
    """What hangs on a method to describe it, by name."""
    (hung,) = await follow([node], ua.ObjectIds.HasProperty, ua.BrowseDirection.Forward)
    nodes = {
        each.BrowseName.Name: ua.NodeId(each.NodeId.Identifier, each.NodeId.NamespaceIndex)
        for each in hung.References or ()
    }
    answers = await read([(each, ua.AttributeIds.Value) for each in nodes.values()])
    for named, answer in zip(nodes, answers, strict=True):
        if answer.StatusCode is not None and not answer.StatusCode.is_good():
            raise refused(name(answer.StatusCode.value), f"the server does not tell its {named}")
    return dict(zip(nodes, map(value_of, answers), strict=True))


def _list(said: Any) -> list[Argument]:  # noqa: ANN401 - whatever a server has there
    if said is None:
        return []
    if not isinstance(said, list) or not all(isinstance(each, Argument) for each in said):
        raise refused("BadTypeMismatch", "the server tells its arguments in a way that is not understood")
    return said


# What a person gave


def _assigned(inputs: Sequence[_Argument], given: Sequence[str]) -> list[tuple[_Argument, str]]:
    """Each argument with its text: all in their order, or all by name. Raises ValueError."""
    named = [match for match in map(_NAMED.fullmatch, given) if match is not None]
    if named:
        texts = _by_name(inputs, named)
        if len(named) < len(given):
            raise ValueError("give all arguments by name, or all in their order")
        missing = [each.name for each in inputs if each.name not in texts]
        if missing:
            raise ValueError(f"it needs {', '.join(missing)} too")
        return [(each, texts[each.name]) for each in inputs]
    if len(given) != len(inputs):
        raise ValueError(f"it takes {counted(len(inputs), 'argument')}, not {len(given)}")
    return list(zip(inputs, given, strict=True))


def _by_name(inputs: Sequence[_Argument], named: Sequence["re.Match[str]"]) -> dict[str, str]:
    """The text of each argument that is given by its name. Raises ValueError."""
    names = [each.name for each in inputs]
    texts: dict[str, str] = {}
    for match in named:
        if match[1] not in names:
            such = f"there is no argument '{match[1]}'{hint(match[1], names)}"
            raise ValueError(f"{such} (a text with = in it is given as NAME=TEXT)")
        if match[1] in texts:
            raise ValueError(f"{match[1]} is given twice")
        texts[match[1]] = match[2]
    return texts


def _variant(argument: _Argument, text: str) -> ua.Variant:
    """An argument as it is sent. Raises ValueError, in words with its name."""
    sent_as = argument.type.sent_as
    if sent_as not in TYPED:
        such = f"of type {argument.type.name}" if argument.type.name else "of any type"
        raise ValueError(f"{argument.name}: a value {such} cannot be given")
    node = Node(argument.name, "", "", cast("BuiltIn", sent_as))
    kind = ua.VariantType[sent_as]
    if argument.rank > 1:
        raise ValueError(f"{argument.name}: an array of {argument.rank} dimensions cannot be given")
    if argument.rank >= 0 or (argument.rank in (-2, -3) and text.lstrip().startswith("[")):
        values = [_sent(node, each, argument.type) for each in _elements(argument, text)]
        return ua.Variant(values, kind, is_array=True)
    return ua.Variant(_sent(node, text, argument.type), kind)


def _sent(node: Node, text: str, type_: DataType) -> object:
    value = typed(node, text, type_.texts)
    if type_.texts and isinstance(value, int) and value not in type_.texts:
        known = ", ".join(f"{number} {text}" for number, text in sorted(type_.texts.items()))
        raise ValueError(f"{node.name}: {value} is none of {known}")
    return ua.LocalizedText(text) if node.type == "LocalizedText" else value


class _Number(str):
    """A number in a list, as it is written."""

    __slots__ = ()


def _elements(argument: _Argument, text: str) -> list[str]:
    """The texts of a JSON list's elements; the type tells which of them are in quotes. Raises ValueError."""
    of_numbers = argument.type.sent_as not in ("String", "LocalizedText", "DateTime", "Guid", "ByteString")
    example = "[1, 2.5]" if of_numbers else '["a", "b"]'
    try:
        listed = json.loads(text, parse_int=_Number, parse_float=_Number)
    except ValueError:
        listed = None
    if not isinstance(listed, list):
        raise ValueError(f"{argument.name}: {shown(text)} is no list; write {example}")
    texts = ["true" if each is True else "false" if each is False else each for each in listed]
    for before, each in zip(listed, texts, strict=True):
        plainly = isinstance(before, _Number | bool)
        if not isinstance(each, str) or (plainly is not of_numbers and not argument.type.texts):
            raise ValueError(
                f"{argument.name}: {json.dumps(before)} in the list does not fit; write {example}"
            )
    return [str(each) for each in texts]


# What came of it


def _bad_arguments(signature: _Signature, result: ua.CallMethodResult) -> str:
    """Which arguments a server refuses, and why; empty when it does not say."""
    judged = zip(signature.inputs, result.InputArgumentResults or (), strict=False)
    bad = [f"{each.name} ({name(code.value)})" for each, code in judged if code.value >> 30 >= BAD]
    return f"the server refuses {', '.join(bad)}; it is {signature.words}" if bad else ""


def _outputs(signature: _Signature, result: ua.CallMethodResult) -> list[tuple[str, object]]:
    names = [each.name for each in signature.outputs]
    came = result.OutputArguments or []
    names += [f"output {at}" for at in range(len(names) + 1, len(came) + 1)]
    return [(named, _json(each.Value, each.VariantType)) for named, each in zip(names, came, strict=False)]


def _json(value: object, kind: ua.VariantType | None) -> object:
    """A value as JSON has it: all of a list, whole numbers as far as it is exact, the digits of a Float."""
    if isinstance(value, list):
        return [_json(each, kind) for each in value]
    if kind is ua.VariantType.Float and isinstance(value, float) and isfinite(value):
        return shortest([value])[0]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > EXACT_IN_JSON:
        return str(value)
    return plain(value)
