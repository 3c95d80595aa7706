"""The metadata document of a device: what the cloud must know to read its streams."""

from edge_agent.config.settings import Device, Gateway, Group, Tag
from edge_agent.core.metadata import canonical

WIDE = frozenset({"int64", "uint64", "Int64", "UInt64"})


def device_document(gateway: Gateway, device: Device) -> bytes:
    """Canonical JSON with profile, labels, groups and, per column of its scans, type, unit and texts."""
    profile = device.profile
    tags: dict[str, object] = {}
    for tag in device.tags:
        if tag.address.whole:
            tags[tag.name] = _column(tag, device)
        for part in tag.address.bits:
            texts = tag.parts.get(part.name)
            kind = "bool" if part.width == 1 else f"uint{part.width}"
            tags[f"{tag.name}.{part.name}"] = _present(
                {"type": kind, "group": tag.group, "enum": _texts(texts or {}) or None}
            )
    return canonical(
        {
            "v": 1,
            "gw": gateway.id,
            "d": device.name,
            "profile": {"id": profile.id, "version": profile.version, "hash": profile.digest[:12]},
            "labels": {**gateway.labels, **device.labels},
            "groups": {name: _group(group) for name, group in device.groups.items()},
            "tags": tags,
        }
    )


def _group(group: Group) -> dict[str, object]:
    source = group.events
    if source is None:
        return {
            "interval_s": group.interval_s,
            "report": group.report,
            "heartbeat_s": group.heartbeat_s,
        }
    return {
        "mode": "events",
        "interval_s": group.interval_s,
        "severity": source.severity,
        "fields": {
            field.name: _present({"type": field.type, "wide": True if field.type in WIDE else None})
            for field in source.fields
        },
    }


def _column(tag: Tag, device: Device) -> dict[str, object]:
    return _present(
        {
            "type": tag.type,
            "group": tag.group,
            "unit": tag.unit,
            "quantity": tag.quantity,
            "kind": tag.kind,
            "enum": _texts(tag.enum) or None,
            "enum_else": tag.enum_else,
            "flags": _texts(tag.flags) or None,
            "deadband": f"{tag.percent:g}%" if tag.percent else tag.deadband or None,
            "report": tag.report
            or ("on_change" if tag.deadband or tag.percent else device.groups[tag.group].report),
            "wide": True if tag.type.partition("[")[0] in WIDE else None,
        }
    )


def _present(members: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}


def _texts(texts: "dict[int, str] | object") -> dict[str, str]:
    return {str(number): text for number, text in texts.items()} if isinstance(texts, dict) else {}
