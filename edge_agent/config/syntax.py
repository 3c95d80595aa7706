"""The small languages inside YAML texts: durations, sizes, addresses, names, secrets, exact numbers.

Each is a plain function that raises ValueError in the words of a commissioning engineer, and a type for
models.
"""
# ruff: noqa: TRY004 - models take up a ValueError as the user's mistake; a TypeError is ours

import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Annotated

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue

from edge_agent.config.yaml_nodes import Written


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a configuration may refer to outside of its files."""

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    hostname: str = field(default_factory=socket.gethostname)


@dataclass(frozen=True, slots=True)
class Origin:
    """The folder of the file a text stands in, and what is around; the context of every validation."""

    folder: Path
    surroundings: Surroundings


# --- how a value is shown in a message ------------------------------------------------------------


def quoted(value: object) -> str:
    """A value as it may stand in a message: short, printable, text in quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value.text if isinstance(value, Written) else str(value)
    if value is None or isinstance(value, dict | list):
        return "nothing" if value is None else "a mapping" if isinstance(value, dict) else "a list"
    text = str(value) if len(str(value)) <= 60 else str(value)[:57] + "..."
    return "'" + "".join(char if char.isprintable() else "?" for char in text) + "'"


# --- durations and sizes --------------------------------------------------------------------------

_SECONDS = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "min": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
_BYTES = {
    "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}  # fmt: skip
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-zµ]*)")


def duration(value: object) -> float:
    """Seconds of a text such as `250ms 1s 5min 2h 14d`."""
    amount, unit = _amount(value, "a duration such as 250ms, 1s, 5min, 2h or 14d", ("ms", "s"))
    if unit not in _SECONDS:
        meant = {"m": "5min", "M": "5min", "sec": "1s", "S": "1s", "hr": "2h", "us": "0.25ms"}.get(unit)
        such = f"; write for example {meant}" if meant else ""
        raise ValueError(
            f"'{unit}' in {quoted(value)} is not a unit of time; there are ms, s, min, h, d{such}"
        )
    return float(amount * _SECONDS[unit])


def size(value: object) -> int:
    """Bytes of a text such as `64KiB 2GiB 500kB`."""
    amount, unit = _amount(value, "a size such as 64KiB, 2GiB or 500kB", ("KiB", "MiB"))
    if unit not in _BYTES:
        meant = {"k": "KiB", "K": "KiB", "KB": "KiB or kB", "M": "MiB", "G": "GiB", "T": "TiB"}.get(unit)
        such = f"; write {meant}" if meant else ""
        raise ValueError(
            f"'{unit}' in {quoted(value)} is not a unit of size; there are {', '.join(_BYTES)}{such}"
        )
    number = amount * _BYTES[unit]
    if number.denominator != 1:
        raise ValueError(f"{quoted(value)} is not a whole number of bytes")
    return int(number)


def _amount(value: object, what: str, units: tuple[str, str]) -> tuple[Fraction, str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = quoted(value)
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{quoted(value)} is not {what}")
    if not match[2]:
        raise ValueError(f"{value} has no unit; write {value}{units[0]} or {value}{units[1]}")
    return Fraction(match[1]), match[2]


# --- numbers --------------------------------------------------------------------------------------


def exact(value: object) -> Fraction:
    """A number exactly as it is written: 0.1 is one tenth."""
    if isinstance(value, bool) or not isinstance(value, int | Written):
        raise ValueError(f"{quoted(value)} is not a number")
    return Fraction(value.text) if isinstance(value, Written) else Fraction(value)


def number(value: object) -> float:
    """A number, whole or with a decimal point."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{quoted(value)} is not a number")
    return float(value)


@dataclass(frozen=True, slots=True)
class Percent:
    """A share of a span, in percent."""

    share: Fraction

    def of(self, low: float, high: float) -> float:
        """How much that is of the span between two numbers."""
        return float(self.share * (Fraction(high) - Fraction(low)) / 100)


def in_unit(deadband: float | Percent | None, valid: Sequence[float] | None) -> float:
    """A deadband in the tag's unit; a share is one of the span of `valid`, and 0 without it."""
    if isinstance(deadband, Percent):
        return deadband.of(valid[0], valid[1]) if valid else 0.0
    return deadband or 0.0


_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?) ?%")


def deadband(value: object) -> float | Percent:
    """How far a value may move without being reported: a number in the tag's unit, or such as `2%`."""
    if not isinstance(value, str):
        found = number(value)
        if found < 0:
            raise ValueError("a deadband is not negative")
        return found
    match = _PERCENT.fullmatch(value)
    if match is None:
        raise ValueError(f'{quoted(value)} is not a deadband; write a number, or a share such as "2%"')
    if not 0 < float(match[1]) <= 100:
        raise ValueError(f"{quoted(value)}: a share is more than 0 % and at most 100 %")
    return Percent(Fraction(match[1]))


# --- names and texts ------------------------------------------------------------------------------

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def name(value: object) -> str:
    """The name of a gateway, connection, device, group or destination: it becomes part of topics."""
    text = _word(value)
    if not _NAME.fullmatch(text) or set(text) == {"."}:
        raise ValueError(
            f"{quoted(value)} cannot be a name; use letters, digits, '.', '_' and '-', at most 64"
        )
    return text


def tag_name(value: object) -> str:
    """The name of a tag, or of a part of one."""
    text = _word(value)
    if "." in text:
        raise ValueError(
            f"{quoted(value)} cannot name a tag: the dot stands between a tag and its parts; use '_'"
        )
    if not _TAG.fullmatch(text):
        raise ValueError(f"{quoted(value)} cannot name a tag; use letters, digits, '_' and '-', at most 64")
    return text


def label_name(value: object) -> str:
    """The name of a label; topics use it as {name}."""
    text = _word(value)
    if not _LABEL.fullmatch(text):
        raise ValueError(
            f"{quoted(value)} cannot name a label; begin with a letter, go on with letters, digits, '_'"
        )
    if text in ("gateway", "device", "group"):
        raise ValueError(f"'{text}' cannot name a label: topics use {{{text}}} for the {text} itself")
    return text


def words(value: object) -> str:
    """A text for people: one line, not empty."""
    text = _word(value)
    if not text.strip():
        raise ValueError("the text is empty")
    if not text.isprintable():
        raise ValueError("the text has a line break or a control character in it")
    return text


def _word(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        raise ValueError(f'{quoted(value)} is not a text; write "{quoted(value)}" in quotes')
    raise ValueError(f"a text is expected here, not {quoted(value)}")


# --- addresses ------------------------------------------------------------------------------------


def host_port(text: object, default: int) -> tuple[str, int]:
    """Host and port of `plc7:502`, `10.3.7.20`, `[fe80::1]:502`; the port may be left out."""
    if not isinstance(text, str):
        raise ValueError(f'{quoted(text)} is not an address; write for example "10.3.7.20:{default}"')
    if "://" in text:
        raise ValueError(f"{quoted(text)}: write the address without '{text.partition('//')[0]}//'")
    if text.count(":") > 1 and not text.startswith("["):
        raise ValueError(
            f"{quoted(text)}: write an IPv6 address in brackets, for example [fe80::1]:{default}"
        )
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.%\w]+\]|[A-Za-z0-9._-]+)(?::([0-9]*))?", text)
    if match is None:
        raise ValueError(f'{quoted(text)} is not an address; write for example "10.3.7.20:{default}"')
    return _host(match[1]), _port(match[2], default)


def _host(text: str) -> str:
    if re.fullmatch(r"[0-9.]+", text) and not all(
        part.isdigit() and int(part) < 256 and str(int(part)) == part for part in _four(text)
    ):
        raise ValueError(f"'{text}' is not an IPv4 address; it has four numbers from 0 to 255")
    return text.removeprefix("[").removesuffix("]")


def _four(text: str) -> list[str]:
    parts = text.split(".")
    return parts if len(parts) == 4 else [""]


def _port(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text or len(text) > 5 or not 1 <= int(text) <= 65535:
        raise ValueError(f"port '{text}' is not a number from 1 to 65535")
    return int(text)


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """Where a broker listens, with TLS or without."""

    tls: bool
    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether the broker runs on this very machine, so that nothing crosses a wire."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine by its name or address."""
    return host in ("localhost", "::1") or bool(re.fullmatch(r"127(\.[0-9]+){3}", host))


def broker_url(value: object) -> BrokerUrl:
    """A broker's address such as `mqtts://broker.example:8883`."""
    text = _word(value)
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in ("mqtt", "mqtts"):
        raise ValueError(
            f"{_without_login(text)} is not a broker; write for example mqtts://broker.example:8883"
        )
    if "@" in rest:
        raise ValueError(
            "user and password do not belong into the url; write user: {name: ..., password: ...} beside it"
        )
    address, slash, path = rest.partition("/")
    if path or "?" in address or "#" in address:
        raise ValueError(f"{quoted(text)}: nothing may follow the port; the topic is set by 'topic'")
    del slash
    host, port = host_port(address, 8883 if scheme == "mqtts" else 1883)
    return BrokerUrl(scheme == "mqtts", host, port)


def _without_login(text: str) -> str:
    return quoted(text.rpartition("@")[2]) if "@" in text else quoted(text)


# --- references and secrets -----------------------------------------------------------------------

_REFERENCE = re.compile(r"\$\{(?:(env|file|cred):([^}]*)|(hostname))\}")
_LONGEST_SECRET = 65536  # bytes: a password or a token, not a disk image


class Secret:
    """A text that never prints. `plain` says that it stood in the YAML file itself."""

    __slots__ = ("_text", "plain")

    def __init__(self, text: str, *, plain: bool = False) -> None:
        self._text = text
        self.plain = plain

    def reveal(self) -> str:
        """The text itself, for whoever must send it."""
        return self._text

    def __repr__(self) -> str:  # type: ignore[explicit-override]  # typing has it from 3.12 on
        return "(secret)"


def secret(value: object, origin: Origin) -> Secret:
    """The secret that `${env:NAME}`, `${file:path}` or `${cred:NAME}` refers to."""
    if not isinstance(value, str):
        raise ValueError("a text is expected here; put it in quotes")
    text = value
    reference = _REFERENCE.fullmatch(text)
    if reference is None:
        if "${" in text:
            raise ValueError(
                "a secret is one reference: ${env:NAME}, ${file:path} or ${cred:NAME}, nothing around it"
            )
        return Secret(text, plain=True)
    if reference[1] == "env":
        return Secret(_environment(reference[2], origin))
    path = referred_path(text, origin)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {(error.strerror or 'error').lower()}") from error
    try:
        # Editors and `echo` end a file with a line break that is not part of the password.
        return Secret(data[:_LONGEST_SECRET].decode("utf-8").rstrip("\r\n"))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None


def referred_path(value: object, origin: Origin) -> Path:
    """A path, relative to the file it stands in; `${file:...}` and `${cred:...}` give that file's path."""
    text = words(value)
    reference = _REFERENCE.fullmatch(text)
    if reference is None:
        if "${" in text:
            raise ValueError(
                f"{quoted(text)} is not a path; there are ${{env:NAME}}, ${{file:path}} and ${{cred:NAME}}"
            )
        return _joined(origin.folder, text)
    if reference[3]:
        raise ValueError("${hostname} is not a path")
    if reference[1] == "env":
        return _joined(origin.folder, _environment(reference[2], origin))
    if reference[1] == "file":
        return _joined(origin.folder, reference[2])
    folder = origin.surroundings.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ValueError(
            f"{text}: CREDENTIALS_DIRECTORY is not set; systemd sets it for LoadCredential={reference[2]}:..."
        )
    if not _NAME.fullmatch(reference[2]):
        raise ValueError(f"{quoted(reference[2])} is not the name of a credential")
    return _joined(Path(folder), reference[2])


def existing_file(value: object, origin: Origin) -> Path:
    """The path of a file that is there and can be read."""
    path = referred_path(value, origin)
    try:
        readable = path.is_file() and os.access(path, os.R_OK)
    except OSError:
        readable = False
    if not readable:
        raise ValueError(f"{path} is not a file that can be read")
    return path


def resolved(value: object, origin: Origin) -> str:
    """A text in which `${env:NAME}` and `${hostname}` are replaced by what they stand for."""
    text = words(value)

    def replacement(match: re.Match[str]) -> str:
        if match[3]:
            return origin.surroundings.hostname
        if match[1] == "env":
            return _environment(match[2], origin)
        raise ValueError(f"{match[0]} cannot stand here; there are ${{env:NAME}} and ${{hostname}}")

    filled = _REFERENCE.sub(replacement, text)
    if "${" in filled:
        raise ValueError(f"{quoted(text)}: there are ${{env:NAME}} and ${{hostname}}")
    return filled


def _joined(folder: Path, text: str) -> Path:
    if "\0" in text:
        raise ValueError("a path has no zero byte in it")
    return folder / text


def _environment(variable: str, origin: Origin) -> str:
    text = origin.surroundings.environ.get(variable)
    if text is None:
        raise ValueError(f"environment variable {quoted(variable)} is not set")
    return text


# --- types for models -----------------------------------------------------------------------------


def _origin(info: ValidationInfo) -> Origin:
    if not isinstance(info.context, Origin):
        raise TypeError("validation needs an Origin as its context")
    return info.context


def _with_origin(parse: Callable[[object, Origin], object]) -> PlainValidator:
    def validate(value: object, info: ValidationInfo) -> object:
        return parse(value, _origin(info))

    return PlainValidator(validate)


def _form(title: str, **keywords: object) -> WithJsonSchema:
    """What an editor is told of a text or a number; the title says what it is in one word."""
    return WithJsonSchema({"type": "string", "title": title, **keywords})


_AMOUNT_FORM = r"^[0-9]+(\.[0-9]+)? ?"
_NUMERIC = WithJsonSchema({"type": "number", "title": "number"})
_SHARE: JsonSchemaValue = {"type": "string", "title": "percent", "pattern": f"^{_PERCENT.pattern}$"}

Duration = Annotated[
    float,
    PlainValidator(duration),
    _form("duration", pattern=f"{_AMOUNT_FORM}({'|'.join(_SECONDS)})$", examples=["250ms", "1s", "5min"]),
]
Size = Annotated[
    int,
    PlainValidator(size),
    _form("size", pattern=f"{_AMOUNT_FORM}({'|'.join(_BYTES)})$", examples=["64KiB", "2GiB"]),
]
Exact = Annotated[Fraction, PlainValidator(exact), _NUMERIC]
Number = Annotated[float, PlainValidator(number), _NUMERIC]
Deadband = Annotated[
    float | Percent,
    PlainValidator(deadband),
    WithJsonSchema({"anyOf": [{"type": "number", "title": "number", "minimum": 0}, _SHARE]}),
]
Name = Annotated[str, PlainValidator(name), _form("name")]
TagName = Annotated[str, PlainValidator(tag_name), _form("name")]
LabelName = Annotated[str, PlainValidator(label_name), _form("name")]
Text = Annotated[str, PlainValidator(words), _form("text")]
SecretText = Annotated[
    Secret, _with_origin(secret), _form("secret", examples=["${file:path}", "${cred:name}"])
]
FilePath = Annotated[Path, _with_origin(referred_path), _form("path")]
ExistingFile = Annotated[Path, _with_origin(existing_file), _form("path")]
Resolved = Annotated[str, _with_origin(resolved), _form("text")]
Broker = Annotated[
    BrokerUrl, PlainValidator(broker_url), _form("url", pattern="^mqtts?://", examples=["mqtts://host:8883"])
]
