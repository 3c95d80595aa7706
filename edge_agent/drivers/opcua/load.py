"""What devices ask of a server, against what it is known to bear."""

from collections.abc import Iterator, Mapping, Sequence

from edge_agent.config.kinds import Overload
from edge_agent.config.settings import Connection, Device, NodeLimits
from edge_agent.drivers.opcua.asked import asked_for


def overloads(connections: Mapping[str, Connection], devices: Sequence[Device]) -> Sequence[Overload]:
    """Servers with more items than they take, and groups that are sampled more often than they can be."""
    found: list[Overload] = []
    for name in connections:
        behind = [device for device in devices if device.connection == name]
        found += _too_many(name, behind)
        for device in behind:
            found += _too_often(name, device)
    return found


def _too_many(connection: str, devices: Sequence[Device]) -> Iterator[Overload]:
    most = min((limits.items for device in devices if (limits := _limits(device)).items), default=0)
    items = {device.name: _items(device) for device in devices}
    count = sum(items.values())
    if most and count > most:
        largest = max(items, key=lambda name: items[name])
        message = (
            f"the server of {connection} takes {most} items in all, and {count} are subscribed to, "
            f"{items[largest]} of them by {largest}; take groups out of the subscription with mode: read, "
            "or leave tags out with disable:"
        )
        yield Overload(message, "error", connection, largest)


def _too_often(connection: str, device: Device) -> Iterator[Overload]:
    best_s = _limits(device).sampling_s
    for group in device.groups.values():
        if group.mode == "subscribe" and group.sampling_s < best_s:
            message = (
                f"group {group.name} of {device.name} is sampled every {group.sampling_s:g} s; the server "
                f"looks every {best_s:g} s at best"
            )
            yield Overload(message, "warning", connection, device.name, group.name)


def _items(device: Device) -> int:
    groups = [name for name, group in device.groups.items() if group.mode == "subscribe"]
    return sum(len(asked_for([tag for tag in device.tags if tag.group == name])) for name in groups)


def _limits(device: Device) -> NodeLimits:
    limits = device.profile.limits
    return limits if isinstance(limits, NodeLimits) else NodeLimits()
