"""A Modbus tag as it is written, before anything is made of it."""

from dataclasses import dataclass

from edge_agent.config.section import Section
from edge_agent.drivers.modbus.keys import Addressing, DefaultKeys, LimitKeys, Shape, TagKeys


@dataclass(frozen=True, slots=True)
class Draft:
    """A tag with everything that its file says about it; `style` is None when the file says nothing."""

    name: str
    section: Section
    keys: TagKeys
    defaults: DefaultKeys
    style: Addressing | None
    limits: LimitKeys

    @property
    def shape(self) -> Shape | None:
        """What its registers hold; None when neither the tag nor a default says it."""
        return self.keys.type or self.defaults.type

    @property
    def written(self) -> str:
        """The type as it is written."""
        return self.shape.name if self.shape else ""

    @property
    def elements(self) -> int:
        """How many numbers an array has; 0 for a single value."""
        return self.shape.elements if self.shape else 0
