"""What the simulator says a tag holds -> the value that a server sends."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncua import ua

LIFTED: Mapping[str, Callable[[Any], Any]] = {
    "DateTime": datetime.fromisoformat,
    "Guid": UUID,
    "ByteString": b64decode,
    "LocalizedText": ua.LocalizedText,
    "XmlElement": ua.XmlElement,
    "QualifiedName": ua.QualifiedName,
    "NodeId": ua.NodeId.from_string,
    "ExpandedNodeId": ua.NodeId.from_string,
}
"""The value of a type by its text; values of other types are what the simulator says."""


def lift(type_: str, raw: Any) -> Any:  # noqa: ANN401 - values of the library
    """A value of a built-in type; of an array a list."""
    if isinstance(raw, tuple):
        return list(raw)
    make = LIFTED.get(type_)
    return raw if make is None else make(raw)
