"""What variables are: their data types, what we may do with them, their values, and what these mean."""

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast, get_args
from uuid import UUID

from asyncua import ua

from edge_agent.core.browsed import NO_MEANING, Access, Meaning, Part, Wanted
from edge_agent.core.model import bad
from edge_agent.core.nodes import BuiltIn, Node
from edge_agent.drivers.opcua.answer import Body, answer_of
from edge_agent.drivers.opcua.datatypes import DataType, Follow, data_types, texts_of, value_of
from edge_agent.drivers.opcua.questions import ATTRIBUTES_PER_READ, Browsing, Questions
from edge_agent.drivers.opcua.structures import layouts_of, parts_of
from edge_agent.drivers.opcua.values import Uri, name, reader, uri_by

_DESCRIBING = """
AllowNulls BitMask Definition EURange EngineeringUnits EnumStrings EnumValues FalseState Icon InputArguments
InstrumentRange LocalTime MaxArrayLength MaxByteStringLength MaxStringLength NamingRule NodeVersion
OptionSetValues OutputArguments TrueState ValueAsText ValuePrecision
"""
PROPERTIES = frozenset(_DESCRIBING.split())
"""Properties by which the standard describes the node above them (OPC UA Parts 3, 5 and 8)."""

LONGEST_LIST = 64
"""Elements of an array that are kept to be shown."""
CEFACT = "un/cefact"
"""In the namespace of units whose ids are codes of the UNECE (OPC UA Part 8, 5.6.3)."""

_ATTRIBUTES = (
    ua.AttributeIds.DataType,
    ua.AttributeIds.ValueRank,
    ua.AttributeIds.UserAccessLevel,
    ua.AttributeIds.AccessLevel,
)
_SUPPORTED = frozenset(get_args(BuiltIn))
_READABLE, _WRITABLE = 1, 2  # bits of an access level (OPC UA Part 3, 8.57)


@dataclass(slots=True)
class Variable:
    """A variable, and its properties of the standard by name. Filled in as it becomes known."""

    node: ua.NodeId
    properties: Mapping[str, ua.NodeId]
    data_type: ua.NodeId | None = None
    type: str = ""
    sent_as: str = ""
    array: bool = False
    elements: int = 0
    body: Body | None = None
    parts: tuple[Part, ...] = ()
    access: Access = ""
    value: object = None
    quality: str = ""
    refused: str = ""
    meaning: Meaning = NO_MEANING


async def look_at(
    session: Browsing,
    variables: Sequence[Variable],
    wanted: Wanted,
    told: Callable[[str], None],
    follow: Follow,
) -> None:
    """Fill in what is wanted of variables. Raises DeviceError when the server does not answer."""
    work = _Work(session, told)
    await work.attributes(variables)
    types = await work.types(variables, follow, texts=wanted.meanings)
    if wanted.values or wanted.meanings:
        await work.values(variables, keep=wanted.values)
    if wanted.meanings:
        await work.meanings(variables, types)
        await work.parts(variables)


class _Work:
    def __init__(self, session: Browsing, told: Callable[[str], None]) -> None:
        self._session = session
        self._told = told
        self._uri = uri_by(session.namespaces)
        self._questions = Questions(session)

    async def attributes(self, variables: Sequence[Variable]) -> None:
        """Fill in data types, access, and whether there are many values."""
        types: dict[ua.NodeId, ua.NodeId] = {}
        for at in range(0, len(variables), ATTRIBUTES_PER_READ):
            part = variables[at : at + ATTRIBUTES_PER_READ]
            asked = [(each.node, which) for each in part for which in _ATTRIBUTES]
            answers = await self._questions.read(asked)
            for i, variable in enumerate(part):
                type_, rank, user, level = answers[4 * i : 4 * i + 4]
                its = value_of(type_)
                if isinstance(its, ua.NodeId):
                    variable.data_type = types.setdefault(its, its)
                else:
                    variable.refused = _untyped(type_)
                variable.array = isinstance(value_of(rank), int) and value_of(rank) >= 0
                variable.access = _access(value_of(level) if value_of(user) is None else value_of(user))
            self._told(f"{at + len(part)} of {len(variables)} variables")

    async def types(
        self, variables: Sequence[Variable], follow: Follow, *, texts: bool
    ) -> Mapping[ua.NodeId, DataType]:
        """Fill in names of types, and what values are sent as; gives the types."""
        ids = dict.fromkeys(each.data_type for each in variables if each.data_type is not None)
        types = await data_types(ids, follow, self._questions.read, texts=texts)
        for variable in variables:
            if variable.data_type is not None:
                its = types[variable.data_type]
                variable.sent_as = its.sent_as
                variable.type = f"{its.name}[]" if variable.array else its.name
        return types

    async def values(self, variables: Sequence[Variable], *, keep: bool) -> None:
        """Fill in values, and what they say of types that leave it open."""
        asked = [each for each in variables if "r" in each.access]
        for at in range(0, len(asked), ATTRIBUTES_PER_READ):
            part = asked[at : at + ATTRIBUTES_PER_READ]
            answers = await self._questions.read([(each.node, ua.AttributeIds.Value) for each in part])
            for variable, answer in zip(part, answers, strict=True):
                _refine(variable, answer)
                if keep:
                    variable.value, variable.quality = _shown(variable, answer, self._uri)
            self._told(f"values of {at + len(part)} of {len(asked)} variables")

    async def meanings(self, variables: Sequence[Variable], types: Mapping[ua.NodeId, DataType]) -> None:
        """Fill in units, ranges and texts."""
        wanted = ("EURange", "EngineeringUnits", "EnumStrings", "EnumValues", "FalseState", "TrueState")
        asked = [
            (each, key, each.properties[key])
            for each in variables
            for key in wanted
            if key in each.properties
        ]
        answers = await self._questions.read([(node, ua.AttributeIds.Value) for _, _, node in asked])
        said: dict[ua.NodeId, dict[str, Any]] = {}
        for (variable, key, _), answer in zip(asked, answers, strict=True):
            said.setdefault(variable.node, {})[key] = value_of(answer)
        for variable in variables:
            its = said.get(variable.node, {})
            texts = {} if variable.data_type is None else types[variable.data_type].texts
            if its or texts:
                variable.meaning = _meaning(its, texts)

    async def parts(self, variables: Sequence[Variable]) -> None:
        """Fill in what structures have."""
        asked = [each for each in variables if each.body is not None]
        layouts = await layouts_of({each.body.encoding for each in asked if each.body}, self._questions)
        for variable in asked:
            if variable.body is not None:
                variable.parts = parts_of(layouts[variable.body.encoding], variable.body)


def _untyped(answer: ua.DataValue) -> str:
    """Why a variable has no data type."""
    status = answer.StatusCode
    return bad("no_type" if status is None or status.is_good() else name(status.value))


def _access(level: object) -> Access:
    bits = level if isinstance(level, int) else 0
    return cast("Access", ("r" if bits & _READABLE else "") + ("w" if bits & _WRITABLE else ""))


def _refine(variable: Variable, answer: ua.DataValue) -> None:
    """What a value says of its variable: it is sent as what it is, whatever the variable says of itself."""
    variant = answer.Value
    if variant is None or variant.VariantType is None or variant.Value is None:
        return
    variable.array = bool(variant.is_array)
    variable.type = variable.type.removesuffix("[]") + ("[]" if variable.array else "")
    variable.sent_as = variant.VariantType.name
    value = answer_of(answer).value
    if isinstance(value, Body):
        variable.body = value
    if isinstance(value, list) and not any(isinstance(each, list) for each in value):
        variable.elements = len(value)


def _shown(variable: Variable, answer: ua.DataValue, uri: Uri) -> tuple[object, str]:
    """Value and quality, judged as those of a tag where it can be one."""
    told = answer_of(answer)
    if variable.sent_as in _SUPPORTED and not variable.array:
        return reader(Node("", "", "", cast("BuiltIn", variable.sent_as)), uri)(told)
    if told.status >> 30 >= 2:
        return None, bad(name(told.status))
    return plain(None if answer.Value is None else answer.Value.Value), ""


def plain(value: Any) -> object:  # noqa: ANN401 - whatever a server has there
    """A value as JSON can have it; of an array the first elements, of a structure its name."""
    if isinstance(value, list):
        rest = [f"... {len(value) - LONGEST_LIST} more"] if len(value) > LONGEST_LIST else []
        return [plain(each) for each in value[:LONGEST_LIST]] + rest
    if value is None or isinstance(value, bool | int | str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return _text(value)


def _text(value: Any) -> str:  # noqa: ANN401 - as above
    for type_, text in _TEXTS.items():
        if isinstance(value, type_):
            return text(value)
    return _words(value) or type(value).__name__


_TEXTS: Mapping[type, Callable[[Any], str]] = {
    datetime: datetime.isoformat,
    UUID: str,
    bytes: lambda value: base64.b64encode(value).decode(),
    ua.NodeId: lambda value: str(value.to_string()),
    ua.QualifiedName: lambda value: str(value.to_string()),
    ua.Range: lambda value: f"{value.Low:g} to {value.High:g}",
    ua.StatusCode: lambda value: name(value.value),
}


def _words(value: Any) -> str:  # noqa: ANN401 - as above
    """The text of a value that is one for people, or has one."""
    for part in ("DisplayName", "Text", "Value"):
        value = getattr(value, part, value)
    return value if isinstance(value, str) else ""


def _meaning(said: Mapping[str, Any], texts: Mapping[int, str]) -> Meaning:
    unit, bounds = said.get("EngineeringUnits"), said.get("EURange")
    coded = isinstance(unit, ua.EUInformation) and CEFACT in (unit.NamespaceUri or "").lower()
    states = tuple(_words(said.get(which)) for which in ("FalseState", "TrueState"))
    own = texts_of(said.get("EnumValues")) or texts_of(said.get("EnumStrings"))
    return Meaning(
        unit_id=int(unit.UnitId) if unit is not None and coded else None,
        unit_text=(unit.DisplayName.Text or "") if isinstance(unit, ua.EUInformation) else "",
        bounds=(float(bounds.Low), float(bounds.High)) if isinstance(bounds, ua.Range) else None,
        texts=own or texts,
        states=(states[0], states[1]) if all(states) else None,
    )
