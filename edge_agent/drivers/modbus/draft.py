"""A Modbus tag as it is written, before anything is made of it."""

from dataclasses import dataclass

from edge_agent.config.section import Section
from edge_agent.drivers.modbus.keys import Addressing, DefaultKeys, LimitKeys, TagKeys


@dataclass(frozen=True, slots=True)
class Draft:
    """A tag with everything that its file says about it; `style` is None when the file says nothing."""

    name: str
    section: Section
    keys: TagKeys
    defaults: DefaultKeys
    style: Addressing | None
    limits: LimitKeys
