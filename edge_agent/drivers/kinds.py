"""How each known protocol is configured; what `check` and the loader need of a driver."""

from collections.abc import Mapping
from importlib import import_module

from edge_agent.config.kinds import Kind

_BUILT_IN: Mapping[str, str] = {
    "modbus": "edge_agent.drivers.modbus.settings:KIND",
    "opcua": "edge_agent.drivers.opcua.settings:KIND",
}


def kinds() -> Mapping[str, Kind]:
    """How each known protocol is configured; loads no protocol library."""
    return {name: _load(reference) for name, reference in _BUILT_IN.items()}


def _load(reference: str) -> Kind:
    module, _, attribute = reference.partition(":")
    kind = getattr(import_module(module), attribute)
    if not isinstance(kind, Kind):
        raise TypeError(f"{reference} is not a Kind")
    return kind
