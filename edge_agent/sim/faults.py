"""What a simulated PLC does wrong on demand: data only."""

from dataclasses import dataclass, fields

from edge_agent.core.registers import Table


@dataclass(frozen=True, slots=True)
class Random:
    """Now and then one fault: a request gets one with probability `chance`, drawn alike from all that fit.

    It takes the place of what else goes wrong. `seed` makes the same draws again. An answer that is drawn to
    be late is so by `late_s`, from and to. `without` are kinds that are not drawn.
    """

    chance: float
    seed: int = 0
    late_s: tuple[float, float] = (0.05, 0.3)  # the most of it passes a client that waits for 100 ms
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one call to an OPC UA server may ask for; 0 is no limit.

    Nodes to `read`, `browse`, `register` or read the `history` of, `items` to make, paths to `translate`.
    `told` says whether clients find them among the server's OperationLimits, where 0 stands otherwise;
    `too_large` that a call for more is refused as if its answer were too large, not for too many operations.
    """

    read: int = 0
    items: int = 0
    browse: int = 0
    translate: int = 0
    register: int = 0
    history: int = 0
    told: bool = True
    too_large: bool = False


@dataclass(frozen=True, slots=True)
class Late:
    """Nodes of `tags` (all without any) that are there only so many seconds after each restart."""

    seconds: float
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong just now; nothing by default.

    `silence`: requests are taken (what they write is written) and never answered. `refuse`: nobody listens,
    connections are reset. `slow_s`: seconds by which every answer comes late.

    Modbus only. Refused is a request, and then it writes nothing: with `exception` every one, with this code;
    the next `busy` ones, with code 6; with `illegal` those that touch one of these addresses, with code 2.

    Wrong is an answer: `short`, one register (or byte of bits) less than asked for, sound in itself;
    `single`, a type code in place of the one register asked for; `wrong_function`, `wrong_unit`,
    `wrong_transaction`, `wrong_length` (one more than follows), `wrong_protocol`, `wrong_checksum`: what
    their names say, in the framings that have it.

    Wrong is the way it leaves: `split` byte by byte, `twice` in one piece, behind `junk`; `reset`: half of
    it, then the connection is reset (where there is none, the rest stays out).

    `random`: any of these, one now and then.

    OPC UA only: `frozen`: bytes stop both ways without a close, and go on from there. `missing`: tags whose
    nodes do not exist. `bad`: tags whose status is BadDeviceFailure. `limits`: how much one call may ask for.
    `sessions`: so many at once, `publish`: so many publish requests wait at once; 0 for any number.
    `clock_s`: by so much the server's clock is ahead, and every time that it says. `no_history`: nothing of
    the past can be read; `page`: at most so many values of it come in one answer, 0 for the usual number.
    From the next restart on: `late_nodes`, and `namespaces` that come before those of the tags.
    """

    silence: bool = False
    refuse: bool = False
    slow_s: float = 0.0
    short: bool = False
    exception: int | None = None
    busy: int = 0
    illegal: frozenset[tuple[Table, int]] = frozenset()
    single: bool = False
    wrong_function: bool = False
    wrong_unit: bool = False
    wrong_transaction: bool = False
    wrong_length: bool = False
    wrong_protocol: bool = False
    wrong_checksum: bool = False
    split: bool = False
    twice: bool = False
    junk: bool = False
    reset: bool = False
    random: Random | None = None
    frozen: bool = False
    missing: frozenset[str] = frozenset()
    bad: frozenset[str] = frozenset()
    limits: Limits = Limits()
    sessions: int = 0
    publish: int = 0
    clock_s: float = 0.0
    no_history: bool = False
    page: int = 0
    late_nodes: Late | None = None
    namespaces: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What of all this is wrong, by name; `slow_s` is "slow"."""
        return tuple(
            field.name.removesuffix("_s")
            for field in fields(self)
            if getattr(self, field.name) != field.default
        )

    @property
    def late(self) -> bool:
        """Whether an answer may come late."""
        return bool(self.slow_s) or self.random is not None
