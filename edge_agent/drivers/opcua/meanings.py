"""What a server says its values mean, against what the profile says: ranges for deadbands, texts of numbers.

Asked for once in a session, and again when the server says that meanings have changed. A range that it does
not tell leaves nothing out: everything is reported then, unless the tag has `valid`.
"""

from collections.abc import Mapping, Sequence

import structlog
from asyncua import ua

from edge_agent.config.settings import Tag
from edge_agent.core.nodes import Step
from edge_agent.drivers.opcua.datatypes import data_types, texts_of, value_of
from edge_agent.drivers.opcua.places import Asked, browse_path, translated
from edge_agent.drivers.opcua.questions import Questions

_RANGE, _TEXTS = "EURange", ("EnumValues", "EnumStrings")

log = structlog.get_logger("opcua")


class Meanings:
    """Of the tags of one group of a device; `ranges` are those of this session, by column."""

    def __init__(self, device: str, tags: Sequence[Tag]) -> None:
        self._log = log.bind(device=device)
        self._tags = tags
        self._told: set[tuple[str, str]] = set()
        self.ranges: Mapping[int, tuple[float, float]] = {}

    @property
    def deadbands(self) -> Mapping[int, float]:
        """The deadbands in percent, in the unit of the tag, as far as the server tells a range."""
        return {i: self._tags[i].percent * (high - low) / 100 for i, (low, high) in self.ranges.items()}

    async def ask(self, session: Asked, nodes: Sequence[ua.NodeId | str]) -> None:
        """Ask for them; `nodes` are those of the columns. Raises DeviceError."""
        there = {i: node for i, node in enumerate(nodes) if isinstance(node, ua.NodeId)}
        single = {i: node for i, node in there.items() if not self._tags[i].opcua.field}
        await self._ask_ranges(session, {i: each for i, each in single.items() if self._tags[i].percent})
        await self._ask_texts(session, {i: each for i, each in single.items() if self._tags[i].enum})

    async def _ask_ranges(self, session: Asked, nodes: Mapping[int, ua.NodeId]) -> None:
        values = await _properties(session, list(nodes.values()), (_RANGE,))
        ranges = {}
        for i, (said,) in zip(nodes, values, strict=True):
            if isinstance(said, ua.Range) and said.Low < said.High:
                ranges[i] = (float(said.Low), float(said.High))
        self._take(ranges)

    def lack(self) -> None:
        """The server tells nothing."""
        self._take({})

    def _take(self, ranges: Mapping[int, tuple[float, float]]) -> None:
        self.ranges = ranges
        lacking = [tag for i, tag in enumerate(self._tags) if tag.percent and i not in ranges]
        if bare := [tag.name for tag in lacking if not tag.deadband and self._is_news("range", tag.name)]:
            self._log.warning(
                "no range for deadband",
                tags=bare,
                advice="every change is reported; write valid: [low, high]",
            )
        if held := [tag.name for tag in lacking if tag.deadband and self._is_news("range", tag.name)]:
            self._log.info("deadband by valid", tags=held, why="the server tells no EURange")

    async def _ask_texts(self, session: Asked, nodes: Mapping[int, ua.NodeId]) -> None:
        own = await _properties(session, list(nodes.values()), _TEXTS)
        of_types = await _texts_of_types(session, list(nodes.values())) if nodes else []
        for i, said, of_type in zip(nodes, own, of_types, strict=True):
            texts = texts_of(said[0]) or texts_of(said[1]) or of_type
            odd = _differing(self._tags[i].enum, texts)
            if odd and self._is_news("texts", f"{self._tags[i].name} {odd}"):
                self._log.warning(
                    "texts differ from the server",
                    tag=self._tags[i].name,
                    differ=odd[:FEW],
                    more=max(0, len(odd) - FEW),
                    advice="correct enum: in the profile, or leave it if the profile is right",
                )

    def _is_news(self, what: str, which: str) -> bool:
        news = (what, which) not in self._told
        self._told.add((what, which))
        return news


FEW = 5
"""Texts that one event tells."""


def _differing(profile: Mapping[int, str], server: Mapping[int, str]) -> list[str]:
    """What the server calls otherwise than the profile, or knows beside it; nothing without its texts."""
    return [
        f"{number} is '{text}' at the server and {_here(profile, number)}"
        for number, text in sorted(server.items())
        if text.strip() and profile.get(number, "").strip() != text.strip()
    ]


def _here(profile: Mapping[int, str], number: int) -> str:
    return f"'{profile[number]}' in the profile" if number in profile else "not in the profile"


async def _properties(
    session: Asked, nodes: Sequence[ua.NodeId], names: Sequence[str]
) -> list[tuple[object, ...]]:
    """The values of properties of nodes by their names, None where there is none. Raises DeviceError."""
    paths = [browse_path(node, (Step("", name),), ()) for node in nodes for name in names]
    ends = await translated(session, [path for path in paths if path is not None])
    found = [end for end in ends if isinstance(end, ua.NodeId)]
    answers = iter(await Questions(session).read([(node, ua.AttributeIds.Value) for node in found]))
    values = [value_of(next(answers)) if isinstance(end, ua.NodeId) else None for end in ends]
    return [tuple(values[at : at + len(names)]) for at in range(0, len(values), len(names))]


async def _texts_of_types(session: Asked, nodes: Sequence[ua.NodeId]) -> list[Mapping[int, str]]:
    """The texts that the data types of nodes have. Raises DeviceError."""
    questions = Questions(session)
    answers = await questions.read([(node, ua.AttributeIds.DataType) for node in nodes])
    types = [said if isinstance(said := value_of(answer), ua.NodeId) else None for answer in answers]
    known = await data_types(
        dict.fromkeys(each for each in types if each is not None),
        questions.follow,
        questions.read,
        texts=True,
    )
    return [{} if each is None else known[each].texts for each in types]
