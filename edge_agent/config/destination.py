"""Destinations: brokers, and the topics that every stream of a gateway gets there."""

from collections.abc import Mapping
from typing import Literal

from edge_agent.config.gateway_keys import DestinationKeys, MqttKeys
from edge_agent.config.hints import hint
from edge_agent.config.login import login
from edge_agent.config.section import Section
from edge_agent.config.settings import Destination, Device, Gateway, Tls
from edge_agent.config.syntax import quoted
from edge_agent.core.topics import expand, fault, placeholders

TopicKey = Literal["topic", "agent_topic"]

_DEFAULT = Destination("", "", 0, "", None)


def make_destination(name: str, section: Section, gateway: str) -> Destination | None:
    """One broker; None when its keys are wrong."""
    keys = section.check(DestinationKeys)
    if keys is None:
        return None
    mqtt = section.inside("mqtt")
    _check_security(mqtt, keys.mqtt)
    _check_certificates(mqtt, keys.mqtt)
    made = _destination(name, gateway, mqtt, keys)
    if keys.mqtt.keepalive != int(keys.mqtt.keepalive):
        mqtt.error("keepalive is in whole seconds", "keepalive")
    if made.window_bytes < made.batch_bytes:
        at = (
            ("window", "bytes")
            if section.inside("window", "bytes").present
            else ("payload", "batch", "max_bytes")
        )
        section.error(
            f"the window of {made.window_bytes} bytes cannot take one message of {made.batch_bytes} bytes",
            *at,
        )
    return made


def _destination(name: str, gateway: str, section: Section, keys: DestinationKeys) -> Destination:
    mqtt, batch, window = keys.mqtt, keys.payload.batch, keys.window
    return Destination(
        name=name,
        host=mqtt.url.host,
        port=mqtt.url.port,
        client_id=f"{gateway}-{name}",
        tls=Tls(mqtt.ca, mqtt.cert, mqtt.key) if mqtt.url.tls else None,
        version="3.1.1" if mqtt.version == "3.1.1" else "5",
        login=login(section, mqtt.user),
        keepalive_s=int(mqtt.keepalive),
        topic=keys.topic or _DEFAULT.topic,
        agent_topic=keys.agent_topic or _DEFAULT.agent_topic,
        batch_age_s=batch.max_age or _DEFAULT.batch_age_s,
        batch_bytes=batch.max_bytes or _DEFAULT.batch_bytes,
        window_messages=window.messages or _DEFAULT.window_messages,
        window_bytes=window.bytes or _DEFAULT.window_bytes,
    )


def _check_security(section: Section, mqtt: MqttKeys) -> None:
    """Note a connection that anyone on the way could read, and settings that cannot have an effect."""
    if mqtt.url.tls:
        if mqtt.insecure:
            section.error_at_key("'insecure' has no effect with mqtts; leave it out", "insecure")
        return
    if not mqtt.url.loopback and not mqtt.insecure:
        advice = "write mqtts://, or insecure: true beside the url when that is wanted"
        section.error(f"mqtt:// sends everything unencrypted to {mqtt.url.host}; {advice}", "url")
    for key in ("ca", "cert", "key"):
        if getattr(mqtt, key) is not None:
            section.error_at_key(f"'{key}' has no effect with mqtt://; write mqtts:// in the url", key)


def _check_certificates(section: Section, mqtt: MqttKeys) -> None:
    for key, other, what in (("cert", "key", "private key"), ("key", "cert", "certificate")):
        if getattr(mqtt, key) is not None and not section.inside(other).present:
            section.error_at_key(f"'{key}' needs its {what}; write {other}: beside it", key)


# --- topics ---------------------------------------------------------------------------------------


def check_topics(
    gateway: Gateway, destinations: Mapping[str, Section], devices: Mapping[str, Section], main: Section
) -> None:
    """Note templates that cannot be filled in, and streams that would share a topic.

    `destinations` and `devices` are the sections of the entries, `main` is that of the gateway's own file.
    """
    for name, destination in gateway.destinations.items():
        _Topics(gateway, destination, destinations[name], devices, main).check()


class _Topics:
    """The topics of one destination."""

    def __init__(
        self,
        gateway: Gateway,
        destination: Destination,
        section: Section,
        devices: Mapping[str, Section],
        main: Section,
    ) -> None:
        self._gateway = gateway
        self._destination = destination
        self._section = section
        self._devices = devices
        self._main = main
        self._lacking: dict[str, list[Device]] = {}

    def check(self) -> None:
        """Look at both templates, then at every topic that comes of them."""
        agent = self._names("agent_topic", self._destination.agent_topic, ("gateway",))
        own = {"gateway": self._gateway.id, **self._gateway.labels}
        agent_topic = self._filled("agent_topic", self._destination.agent_topic, own, None) if agent else None
        if self._names("topic", self._destination.topic, ("device", "group")):
            self._streams(own, agent_topic)

    def _names(self, key: TopicKey, template: str, needed: tuple[str, ...]) -> bool:
        """Whether a template has the form of one, with what it needs."""
        try:
            names = placeholders(template)
        except ValueError as error:
            self._note(key, str(error))
            return False
        for name in needed:
            if name not in names:
                what = "every stream has a topic of its own" if key == "topic" else "it names the gateway"
                self._note(key, f"{{{name}}} is missing; {what}")
        return all(name in names for name in needed)

    def _streams(self, own: Mapping[str, str], agent_topic: str | None) -> None:
        taken: dict[str, str] = {}
        for device in self._gateway.devices.values():
            for group in device.groups:
                values = {**own, **device.labels, "device": device.name, "group": group}
                topic = self._filled("topic", self._destination.topic, values, device)
                if topic is None:
                    break
                stream = f"{device.name}/{group}"
                if topic in taken:
                    self._note("topic", f"{taken[topic]} and {stream} would share the topic {quoted(topic)}")
                elif agent_topic and (topic + "/").startswith(agent_topic + "/"):
                    self._note(
                        "topic", f"{stream} would get {quoted(topic)}, where the agent's own messages go"
                    )
                taken[topic] = stream
        for name, devices in self._lacking.items():
            first, others = devices[0], len(devices) - 1
            whom = f" for device '{first.name}'" + (f" and {others} more" if others else "")
            self._note_lacking("topic", name, {**own, **first.labels}, whom)

    def _filled(
        self, key: TopicKey, template: str, values: Mapping[str, str], device: Device | None
    ) -> str | None:
        faulty = [name for name in placeholders(template) if fault(values.get(name, "")) is not None]
        for name in faulty:
            self._note_value(key, name, values, device)
        if faulty:
            return None
        try:
            return expand(template, values)
        except ValueError as error:
            self._note(key, str(error))
            return None

    def _note_value(self, key: TopicKey, name: str, values: Mapping[str, str], device: Device | None) -> None:
        if name not in values:
            if device is None:
                self._note_lacking(key, name, values, "")
            else:
                self._lacking.setdefault(name, []).append(device)
            return
        message = f"{quoted(values[name])} cannot stand in a topic as {{{name}}}: {fault(values[name])}"
        self._label(name, device).error(message)

    def _note_lacking(self, key: TopicKey, name: str, values: Mapping[str, str], whom: str) -> None:
        known = [each for each in values if each not in ("gateway", "device", "group")]
        close = hint(name, known) if known else ""
        advice = close or f"; write it under labels of the {'device or the ' if whom else ''}gateway"
        self._note(key, f"{{{name}}} has no value{whom}{advice}")

    def _label(self, name: str, device: Device | None) -> Section:
        """Where the value of a placeholder is written."""
        if device is not None and name in device.labels:
            return self._devices[device.name].inside("labels", name)
        if name in self._gateway.labels:
            return self._main.inside("gateway", "labels", name)
        return self._section

    def _note(self, key: TopicKey, message: str) -> None:
        if self._section.inside(key).present:
            self._section.error(message, key)
        else:
            self._section.error_at_key(f"{message} (in the default {key})")
