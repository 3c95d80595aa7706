"""Scans -> the documents of data messages, events in their own form. The caller turns documents into JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import cast

from edge_agent.core.events import ABSENT, OF_ALL
from edge_agent.core.floats import Parse, half, shortest
from edge_agent.core.model import GOOD, Scan, Schema, Value

WIDEST = 2**53 - 1
"""The largest whole number every JSON reader keeps exactly (RFC 8259, section 6); larger ones go as text."""

_AS_THEY_ARE = frozenset("?bBhHiIds")
"""Kinds of columns whose values need no other form."""


def message(
    gateway: str, life: str, first: int, scans: Sequence[Scan], *, done: int, parse: Parse = json.loads
) -> dict[str, object]:
    """One data message: scans of a stream from number `first` on, none missing between them; at least one.

    `done`: all numbers up to this one have been acknowledged or named in an acknowledged gap. `parse` reads
    JSON.
    """
    schema = scans[0].schema
    return {
        "v": 1,
        "gw": gateway,
        "b": life,
        "d": schema.device,
        "g": schema.group,
        "m": schema.m,
        "n": (first, first + len(scans) - 1),
        "c": done,
        **(
            {"e": [_event(schema, scan, parse) for scan in scans]}
            if schema.events
            else {"s": [_scan(schema, scan, parse) for scan in scans]}
        ),
    }


def milliseconds(time_ns: int) -> int | float:
    """UTC in ms with at most three decimals; whole numbers stay whole."""
    us = (time_ns + 500) // 1000
    return us // 1000 if us % 1000 == 0 else us / 1000


def presented(stores: Sequence[str], values: Sequence[Value], parse: Parse = json.loads) -> Sequence[Value]:
    """Values of columns of these kinds as people and JSON shall see them.

    float16 and float32 in their shortest form, whole numbers beyond 2^53 - 1 as text.
    """
    if _AS_THEY_ARE.issuperset(stores):
        return values
    if stores.count("f") == len(stores) and None not in values:
        return shortest(cast("Sequence[float]", values), parse)
    pairs = list(zip(stores, values, strict=True))
    floats = [value for store, value in pairs if store == "f" and isinstance(value, float)]
    short = iter(shortest(floats, parse))
    return [
        value
        if store in _AS_THEY_ARE or value is None
        else next(short)
        if store == "f"
        else _shown(store, value)
        for store, value in pairs
    ]


def _scan(schema: Schema, scan: Scan, parse: Parse) -> dict[str, object]:
    names = schema.names if scan.index is None else [schema.names[i] for i in scan.index]
    stores = schema.stores if scan.index is None else [schema.stores[i] for i in scan.index]
    document = _head(scan)
    values = dict(zip(names, presented(stores, scan.values, parse), strict=True))
    if scan.quality is not None:
        for name, quality in zip(names, scan.quality, strict=True):
            if quality.startswith("bad:"):
                del values[name]
        document["q"] = _quality(names, scan.quality, whole=scan.index is None)
    if values:
        document["v"] = values
    if scan.offsets_ms is not None:
        document["t"] = dict(zip(names, scan.offsets_ms, strict=True))
    return document


def _event(schema: Schema, scan: Scan, parse: Parse) -> dict[str, object]:
    """One event: what all have, null where this one has not, and those of its own fields that it has."""
    quality = scan.quality or (GOOD,) * len(schema.names)
    values = dict(zip(schema.names, presented(schema.stores, scan.values, parse), strict=True))
    lacking = {name for name, text in zip(schema.names, quality, strict=True) if text.startswith("bad:")}
    unusable = {
        name: text for name, text in zip(schema.names, quality, strict=True) if text not in (GOOD, ABSENT)
    }
    document = _head(scan)
    document |= {each.name: values[each.name] for each in OF_ALL}
    document["fields"] = {name: values[name] for name in schema.names[len(OF_ALL) :] if name not in lacking}
    if unusable:
        document["q"] = unusable
    return document


def _head(scan: Scan) -> dict[str, object]:
    document: dict[str, object] = {"ts": milliseconds(scan.time_ns)}
    if scan.lag_ns:
        document["a"] = milliseconds(scan.lag_ns)
    if scan.full or scan.filled:
        document["f" if scan.filled else "k"] = 1
    return document


def _quality(names: Sequence[str], quality: tuple[str, ...], *, whole: bool) -> Mapping[str, str]:
    if whole and len(set(quality)) == 1 and quality[0].startswith("bad:"):
        return {"*": quality[0]}
    return {name: text for name, text in zip(names, quality, strict=True) if text != GOOD}


def _shown(store: str, value: Value) -> Value:
    if isinstance(value, tuple):
        return tuple(cast("Sequence[float]", presented(store[-1] * len(value), value)))
    if store == "e" and isinstance(value, float):
        return half(value)
    wide = store in "qQ" and isinstance(value, int) and abs(value) > WIDEST
    return str(value) if wide else value
