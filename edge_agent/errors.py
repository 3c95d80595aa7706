"""The failures we expect of the world; whatever else rises is a bug of ours."""


class EdgeAgentError(Exception):
    """The world failed: a file, a device, a disk, a broker. Quality changes or an attempt is repeated."""


class ConfigError(EdgeAgentError):
    """A configuration that cannot run; its text is the list of problems, ready to print."""


class DeviceError(EdgeAgentError):
    """A device gave no usable answer.

    `reason` is a quality reason as payloads carry it, such as `timeout` or `exception:2`; `detail` is for
    people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    @property
    def silent(self) -> bool:
        """Nothing came at all: whatever else is asked now would cost another timeout."""
        return self.reason in ("timeout", "disconnected", "unit_open")


class StorageError(EdgeAgentError):
    """The buffer cannot be opened or written: no space, no permission, a dying disk."""


class NotStored(StorageError):  # noqa: N818 - the word of the port: a scan that was not stored
    """A scan could not be stored; the gap that names it has been recorded."""


class LinkLost(EdgeAgentError):  # noqa: N818 - the word of the port: the link is lost
    """The connection to a broker could not be made or has ended; `detail` says why in words."""


class Refused(EdgeAgentError):  # noqa: N818 - the word of the port: the broker refused
    """The broker answered with a failure code (MQTT 5, 2.4); `name` is the code in snake_case."""

    def __init__(self, code: int, name: str) -> None:
        super().__init__(f"{name} (0x{code:02X})")
        self.code = code
        self.name = name
