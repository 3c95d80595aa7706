"""What is known of the tags of one group at a server, for as long as a session lasts."""

from collections.abc import Sequence

from asyncua import ua

from edge_agent.config.settings import Group, Tag
from edge_agent.drivers.opcua.columns import Columns
from edge_agent.drivers.opcua.meanings import Meanings
from edge_agent.drivers.opcua.places import Places
from edge_agent.drivers.opcua.session import Session
from edge_agent.errors import DeviceError


class Sources:
    """Places and meanings of the tags of a group, and what their columns have to know of them."""

    def __init__(self, device: str, group: Group, tags: Sequence[Tag], columns: Columns) -> None:
        self._group = group
        self._tags = tags
        self._columns = columns
        self._places = Places([each.place for each in columns.asked])
        self._namespaces: Sequence[str] | None = None
        self._registered: tuple[Sequence[ua.NodeId | str], Sequence[ua.NodeId | str]] | None = None
        self._has_meaning = any(tag.percent or tag.enum for tag in tags)
        self._meant: Sequence[ua.NodeId | str] | None = None
        self.meanings = Meanings(device, tags)

    @property
    def ends(self) -> Sequence[object]:
        """What stands at the ends of the paths, as far as it is known."""
        return self._places.ends

    @property
    def look_at(self) -> float:
        """When it is looked next whether nodes are elsewhere, in seconds of the loop."""
        return self._places.look_at

    async def find(self, session: Session, *, again: bool = False) -> Sequence[ua.NodeId | str]:
        """The nodes of what is asked for, by handle; a text is the quality of one that is not there.

        Raises DeviceError.
        """
        new = not self._places.known(session)
        nodes = list(await self._places.find(session, again=again))
        if new or self._namespaces != session.namespaces:
            self._namespaces, self._registered, self._meant = session.namespaces, None, None
            self._columns.begin(session.namespaces)
        if self._has_meaning and self._meant != nodes:
            self._meant = nodes
            await self._ask_meanings(session, nodes)
        return await self._register(session, nodes) if self._group.register else nodes

    async def moved(self, session: Session) -> bool:
        """Whether nodes are elsewhere than before, which is looked for now and then. Raises DeviceError."""
        return await self._places.moved(session)

    def doubt(self) -> None:
        """The server says that meanings have changed: ask for them anew."""
        self._meant = None

    async def _ask_meanings(self, session: Session, nodes: Sequence[ua.NodeId | str]) -> None:
        of_columns: list[ua.NodeId | str] = [""] * len(self._tags)
        for node, asked in zip(nodes, self._columns.asked, strict=True):
            for i in asked.columns:
                of_columns[i] = node
        try:
            await self.meanings.ask(session, of_columns)
        except DeviceError:
            # Ranges and texts are no reason to have no values, but a session that has ended is.
            if not session.open:
                raise
            self.meanings.lack()
        self._columns.thin(self.meanings.deadbands)

    async def _register(
        self, session: Session, nodes: Sequence[ua.NodeId | str]
    ) -> Sequence[ua.NodeId | str]:
        """The nodes as the server wants to be asked for them. Raises DeviceError."""
        if self._registered is None or self._registered[0] != nodes:
            wanted = [node for node in nodes if isinstance(node, ua.NodeId)]
            registered = iter(await session.register(wanted))
            self._registered = (nodes, [next(registered) if isinstance(n, ua.NodeId) else n for n in nodes])
        return self._registered[1]
