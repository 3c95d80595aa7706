"""Modbus without numbers, RTU and ASCII: an answer is told from another one by unit, function and size alone.

So one that comes late must never meet a request that it would fit. Every request that ended without its
answer is remembered until that cannot come any more, and

* the line is left alone for a while, and what comes meanwhile is thrown away;
* an answer that fits a remembered request and not the one that waits is late, and skipped;
* a request that a remembered one's answer would fit is sent with another size: a register (eight bits) more
  is read along behind or before it. Where the device refuses both, or says nothing of what lies there, it is
  first asked for something smaller: units answer one after the other, so behind that answer nothing late is
  under way. When answers of every size may be late, it is not asked at all;
* a refusal (exception) has no size. While it may be a late one, the line is listened to for as long as an
  answer may take, and it counts only when nothing follows.

This holds over a lost connection too: a gateway hands what its serial side said to whoever is connected.
"""

import asyncio
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from struct import Struct

from typing_extensions import override

from edge_agent.drivers.modbus.framing import LONGEST, REFUSED, Cutter, Damaged
from edge_agent.drivers.modbus.line import Carrier, Heard, Reply, outcome_of, settle
from edge_agent.errors import DeviceError

LATEST_S = 60.0
"""How long after its request an answer is still reckoned with: the longest timeout that can be configured."""
SETTLED_S = 2.0
"""And after it seems to have come, or after a later one has: most likely it was lost then."""

READS = (1, 2, 3, 4)
BITS = (1, 2)
MOST_REGISTERS = 125
MOST_BITS = 2000
ADDRESSES = 65536
_READ = Struct(">BHH")  # function, address, count


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was sent, and how the answer to it begins."""

    unit: int
    pdu: bytes
    head: bytes

    @property
    def reads(self) -> bool:
        """Whether its answer carries values, so that another one's must not be taken for it."""
        return self.pdu[0] in READS

    @property
    def refusal(self) -> bytes:
        """How its refusal begins."""
        return bytes((self.unit, self.pdu[0] | REFUSED))


class Unanswered:
    """The requests whose answers may still come, over all connections to a place.

    `late` is called with the unit whenever one does. Times are those of the loop, in s.
    """

    def __init__(self, late: Callable[[int], None]) -> None:
        self._late = late
        self._until: dict[Request, float] = {}
        self._refusing: set[Request] = set()

    def add(self, request: Request, now: float) -> None:
        """This one ended without its answer."""
        self._until[request] = now + LATEST_S
        self._refusing.add(request)

    def like(self, request: Request, now: float) -> set[bytes]:
        """How the answers begin that may still come from the same function of the same unit."""
        self._until = {each: until for each, until in self._until.items() if now < until}
        return {each.head for each in self._until if each.refusal == request.refusal}

    def may_refuse(self, request: Request, now: float) -> bool:
        """Whether a refusal that comes now may be that of an earlier request."""
        late = self.like(request, now)
        self._refusing &= self._until.keys()
        return bool(late) and any(each.refusal == request.refusal for each in self._refusing)

    def listened(self, request: Request) -> None:
        """Nothing came behind a refusal: no other one of this unit is under way."""
        self._refusing = {each for each in self._refusing if each.unit != request.unit}

    def beyond(self, request: Request) -> bool:
        """Whether one that asked for the same and more is among them."""
        _, address, count = _READ.unpack(request.pdu)
        for each in self._until:
            if each.refusal == request.refusal:
                _, first, wide = _READ.unpack(each.pdu)
                if wide > count and first <= address and address + count <= first + wide:
                    return True
        return False

    def heads(self) -> Iterator[bytes]:
        """How all late answers begin."""
        for each in self._until:
            yield each.head
            yield each.refusal

    def came(self, message: bytes, now: float) -> bool:
        """Whether a message is a late answer.

        Its request is remembered for a while all the same: it may have been another answer in disguise.
        """
        for each, until in self._until.items():
            if message.startswith((each.head, each.refusal)):
                self._until[each] = min(until, now + SETTLED_S)
                self._late(each.unit)
                return True
        return False

    def doubled(self, request: Request, message: bytes, now: float) -> None:
        """An answer that nobody waited for: if it is the last one once more, the next may come twice too."""
        if message.startswith(request.head):
            self._until[request] = now + SETTLED_S

    def settled(self, request: Request, now: float) -> None:
        """The unit has answered a later request."""
        for each, until in self._until.items():
            if each.unit == request.unit:
                self._until[each] = min(until, now + SETTLED_S)


class UnnumberedLine(Carrier):
    """One request at a time over a serial line or a socket that leads to one.

    `character_s` is how long a character takes on the line (0: not known, and not ours to wait for),
    `quiet_s` how long nobody is asked after an answer stayed out.
    """

    def __init__(
        self, cutter: Cutter, unanswered: Unanswered, *, quiet_s: float, character_s: float = 0.0
    ) -> None:
        super().__init__()
        self._cutter = cutter
        self._unanswered = unanswered
        self._quiet_s = quiet_s
        self._character_s = character_s
        self._received = b""
        self._waiting: tuple[Request, Reply] | None = None
        self._refused: bytes | None = None
        self._quiet_until = 0.0
        self._answered: Request | None = None
        self.noise = 0

    async def ask(self, unit: int, request: bytes, timeout_s: float) -> Heard:
        """What answers a request PDU. Raises DeviceError."""
        asked = _request(unit, request)
        late = self._unanswered.like(asked, asyncio.get_running_loop().time())
        if not asked.reads or asked.head not in late:
            return await self._exchange(asked, timeout_s)
        if self._unanswered.beyond(asked) and (smaller := _smaller(asked, late)) is not None:
            await self._exchange(smaller, timeout_s)
            return await self._exchange(asked, timeout_s)
        refused = False
        for wider in _wider(asked, late):
            heard = await self._exchange(wider.request, timeout_s)
            if heard.pdu[0] == request[0]:
                return Heard(wider.cut(heard.pdu), heard.sent)
            refused = True
        if (smaller := _smaller(asked, late)) is not None:
            await self._exchange(smaller, timeout_s)
        elif not refused:
            raise DeviceError("timeout", "answers of every size may still come late")
        return await self._exchange(asked, timeout_s)

    async def _exchange(self, asked: Request, timeout_s: float) -> Heard:
        loop = asyncio.get_running_loop()
        if self._received:  # something came behind the last answer, and more of it may follow
            self._keep_quiet(self._quiet_s)
        if (wait_s := self._quiet_until - loop.time()) > 0:
            await asyncio.sleep(wait_s)
        self._drop_noise()
        if not self.open:
            raise DeviceError("disconnected", "closed by the device")
        reply: Reply = loop.create_future()
        self._waiting = asked, reply
        self._refused = None
        frame = self._cutter.frame(bytes((asked.unit,)) + asked.pdu)
        sent = loop.time()
        self._send(frame)
        on_wire_s = self._character_s * (len(frame) + self._cutter.characters(_longest_answer(asked)))
        try:
            pdu = await outcome_of(reply, timeout_s + on_wire_s, self._ended)
        except DeviceError as error:
            if self._refused is None or error.reason != "timeout":
                raise
            # Nothing came behind it: the refusal was the answer to this request.
            pdu = self._refused
            self._unanswered.listened(asked)
        self._unanswered.settled(asked, loop.time())
        return Heard(pdu, sent)

    def _ended(self) -> None:
        # Whoever still waits here was not answered.
        if self._waiting is not None:
            asked, _ = self._waiting
            self._waiting = None
            self._unanswered.add(asked, asyncio.get_running_loop().time())
            self._keep_quiet(self._quiet_s)

    def _keep_quiet(self, for_s: float) -> None:
        self._quiet_until = max(self._quiet_until, asyncio.get_running_loop().time() + for_s)

    def _drop_noise(self) -> None:
        self.noise += len(self._received)
        self._received = b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # What was asked before this program began may still be answered.
        self._keep_quiet(self._quiet_s)

    @override
    def _fail_all(self, reason: str, detail: str = "") -> None:
        if self._waiting is not None:
            settle(self._waiting[1], DeviceError(reason, detail))

    @override
    def _forget(self) -> None:
        self._drop_noise()

    @override
    def data_received(self, data: bytes) -> None:
        self._received = (self._received + data)[-4 * LONGEST :]
        while self._received:
            heads = list(self._unanswered.heads())
            if self._waiting is not None:
                heads += [self._waiting[0].head, self._waiting[0].refusal]
            try:
                message, end = self._cutter.cut(self._received, heads)
            except Damaged:
                self._drop_noise()
                self._fail_all("wrong_answer", "a wrong checksum")
                return
            if message is None:
                return
            self._received = self._received[end:]
            self._take(message)

    def _take(self, message: bytes) -> None:
        now = asyncio.get_running_loop().time()
        if self._waiting is None or self._waiting[1].done():
            if not self._unanswered.came(message, now) and self._answered is not None:
                self._unanswered.doubled(self._answered, message, now)
            return
        asked, reply = self._waiting
        if message.startswith(asked.head):
            self.answered = True
            self._waiting, self._answered = None, asked
            settle(reply, message[1:])
        elif message.startswith(asked.refusal) and len(message) == 3:
            self._refuse(asked, reply, message[1:])
        elif not self._unanswered.came(message, now):
            settle(reply, _wrong(asked, message))

    def _refuse(self, asked: Request, reply: Reply, pdu: bytes) -> None:
        self.answered = True
        if self._unanswered.may_refuse(asked, asyncio.get_running_loop().time()):
            self._refused = pdu  # or that of an earlier request: the line is listened to
            return
        self._waiting = None
        settle(reply, pdu)


def _request(unit: int, pdu: bytes) -> Request:
    return Request(unit, pdu, _head(unit, pdu))


def _head(unit: int, pdu: bytes) -> bytes:
    """How the answer to a request begins: with its size, with what was written, or with its kind."""
    function = pdu[0]
    if function in READS:
        return bytes((unit, function, _answer_bytes(function, int.from_bytes(pdu[3:5], "big")) & 0xFF))
    if function == 43:
        return bytes((unit, *pdu[:2]))
    return bytes((unit,)) + (pdu[:5] if function in (15, 16) else pdu)


def _answer_bytes(function: int, count: int) -> int:
    return (count + 7) // 8 if function in BITS else count * 2


def _longest_answer(asked: Request) -> int:
    """Bytes of the message that answers; nobody knows those of an identification."""
    if asked.reads:
        return 3 + asked.head[2]
    return LONGEST - 2 if asked.pdu[0] == 43 else len(asked.head)


@dataclass(frozen=True, slots=True)
class _Wider:
    """A request for more than is wanted: `skip` bytes of its data come before the wanted `size`."""

    request: Request
    skip: int
    size: int

    def cut(self, pdu: bytes) -> bytes:
        """The answer as if just the wanted had been asked for."""
        first = 2 + self.skip
        return bytes((pdu[0], self.size)) + pdu[first : first + self.size]


def _wider(asked: Request, late: Container[bytes]) -> Iterator[_Wider]:
    """What reads a request's data and more, in sizes that no late answer has: behind it, then before it."""
    function, address, count = _READ.unpack(asked.pdu)
    step, most = (8, MOST_BITS) if function in BITS else (1, MOST_REGISTERS)
    size = _answer_bytes(function, count)
    for before in (False, True):
        for more in range(step, most - count + 1, step):
            first = address - more if before else address
            if first < 0 or first + count + more > ADDRESSES:
                break
            request = _request(asked.unit, _READ.pack(function, first, count + more))
            if request.head not in late:
                yield _Wider(request, _answer_bytes(function, more) if before else 0, size)
                break


def _smaller(asked: Request, late: Container[bytes]) -> Request | None:
    """A request for less than is wanted, of a size that no late answer has."""
    function, address, count = _READ.unpack(asked.pdu)
    step = 8 if function in BITS else 1
    smaller = (
        _request(asked.unit, _READ.pack(function, address, less)) for less in range(count - step, 0, -step)
    )
    return next((each for each in smaller if each.head not in late), None)


def _wrong(asked: Request, message: bytes) -> DeviceError:
    unit, function = message[0], message[1]
    if unit != asked.unit:
        return DeviceError("wrong_answer", f"an answer of unit {unit} instead of {asked.unit}")
    if function == asked.pdu[0] and asked.reads:
        return DeviceError("short_answer", f"{len(message) - 3} bytes instead of {asked.head[2]}")
    return DeviceError("wrong_answer", f"function {function} instead of {asked.pdu[0]}")
