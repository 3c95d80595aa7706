"""What flows through the agent: one `Scan` per reading of a group, as columns."""

from dataclasses import dataclass, field
from typing import Literal

Value = bool | int | float | str | tuple[int | float | str, ...] | None
"""One value of a column, an array as a tuple of numbers; None wherever the quality is bad."""

Store = Literal["?", "b", "B", "h", "H", "i", "I", "q", "Q", "e", "f", "d", "s"]
"""How one value is kept in the buffer: a format character of `struct`; `s` is text of any length."""

GOOD = ""
"""Quality is carried as the text a payload shows, `bad:timeout` or `uncertain:out_of_range`; good is
empty.
"""


@dataclass(frozen=True, slots=True)
class Range:
    """What a counter holds: `zero` when it is empty; `highest` is infinite when it does not wrap around."""

    zero: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a scan: a tag, or one part of a tag that has bits (`di_word.lamp`).

    `store` is how it is kept: a Store, or for an array a number and a Store, such as `8H`. `deadband` (in the
    tag's unit) and `on_change` are what report by exception needs to know, `counter` what
    the judge of counters does; None for what is no counter.
    """

    name: str
    store: str
    deadband: float = 0.0
    on_change: bool = False
    counter: Range | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """What every scan of one stream looks like; made once per device and group.

    `document` is the canonical JSON of the device's metadata, `m` the first 8 hex digits of its SHA-256;
    `form` are the kinds of all columns in one text. With `events` each scan is one
    event, and its first columns are those of `core.events`.
    """

    device: str
    group: str
    columns: tuple[Column, ...]
    document: bytes
    m: str
    events: bool = False
    names: tuple[str, ...] = field(init=False)
    stores: tuple[str, ...] = field(init=False)
    form: str = field(init=False)

    def __post_init__(self) -> None:
        """Keep names and kinds of the columns ready: they are needed for every scan."""
        object.__setattr__(self, "names", tuple(column.name for column in self.columns))
        object.__setattr__(self, "stores", tuple(column.store for column in self.columns))
        object.__setattr__(self, "form", "".join(self.stores))

    @property
    def stream(self) -> tuple[str, str]:
        """Device and group: the name of the stream within one life of the buffer."""
        return self.device, self.group


@dataclass(frozen=True, slots=True)
class Scan:
    """One reading of a group, or what is worth reporting of it.

    `time_ns` is the agent's UTC time in ns of the middle of the first request. `values` and `quality` run
    along `index` (positions in the schema's columns, ascending), or along all columns when it is None.
    `quality` is None when every value is good. `offsets_ms` gives, when the requests of a scan lie further
    apart than the group's time resolution, each value's distance from `time_ns`. `full` marks a scan that
    carries every column on purpose. `lag_ns` is agent time minus `time_ns` when that is not agent time.
    `filled` marks what a device had recorded and gave later: it is older than what was told before it.
    """

    schema: Schema
    time_ns: int
    values: tuple[Value, ...]
    quality: tuple[str, ...] | None = None
    index: tuple[int, ...] | None = None
    offsets_ms: tuple[float, ...] | None = None
    full: bool = False
    lag_ns: int = 0
    filled: bool = False


def bad(reason: str) -> str:
    """The quality text of a value that is not known, for a reason such as `timeout`."""
    return f"bad:{reason}"


def uncertain(reason: str) -> str:
    """The quality text of a value that is there but doubtful."""
    return f"uncertain:{reason}"
