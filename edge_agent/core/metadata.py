"""What the cloud must know to read a stream: the metadata document of a device, and its short name `m`."""

import json
from collections.abc import Mapping
from hashlib import sha256


def canonical(document: Mapping[str, object]) -> bytes:
    """JSON of a document that is the same bytes for the same content: sorted keys, no spaces, UTF-8."""
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def short_name(document: bytes) -> str:
    """`m`: the first 8 hex digits of the SHA-256 of a canonical document."""
    return sha256(document).hexdigest()[:8]
