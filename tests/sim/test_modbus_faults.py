"""Every fault in the bytes that leave a PLC, and right answers as soon as it ends."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from edge_agent.config.settings import Tag
from edge_agent.sim.faults import Faults, Random
from edge_agent.sim.framing import Frame, wrapped
from edge_agent.sim.modbus import ModbusPlc
from edge_agent.sim.places import Tcp
from edge_agent.sim.spoil import DRAWN, possible
from tests.sim.clients import HOUR_S, NOW_NS, Stream, hears, opened, says

MakeTag = Callable[..., Tag]

READ = bytes.fromhex("03 0000 0002")
HELD = "0304 00001007"  # what the first tag, 32 bits wide, holds
HELD_7 = "0304 00001067"  # the same of unit 7
READ_SECOND = bytes.fromhex("03 0002 0002")
SECOND = "0304 00002007"
WRITE = bytes.fromhex("06 0001 ffff")

TCP = "0007 0000 0007 01 03 04 00001007"
TCP_7 = "0008 0000 0007 07 03 04 00001067"
RTU = "01 03 04 00001007 b631"
ASCII = b":01030400001007E1\r\n"

every_place = pytest.mark.parametrize("place", ["tcp", "rtu", "ascii", "udp", "serial-rtu", "serial-ascii"])


@pytest.fixture
def tags(tag: MakeTag) -> list[Tag]:
    return [tag("a", "uint32", 0), tag("b", "uint32", 2), tag("c", "bool", 0, table="coil")]


@pytest.mark.parametrize(
    ("place", "faults", "leaving"),
    [
        ("tcp", Faults(), TCP),
        ("tcp", Faults(short=True), "0007 0000 0005 01 03 02 0000"),
        ("tcp", Faults(exception=4), "0007 0000 0003 01 83 04"),
        ("tcp", Faults(busy=1), "0007 0000 0003 01 83 06"),
        ("tcp", Faults(illegal=frozenset({("holding", 1)})), "0007 0000 0003 01 83 02"),
        ("tcp", Faults(illegal=frozenset({("holding", 2)})), TCP),
        ("tcp", Faults(wrong_function=True), "0007 0000 0007 01 04 04 00001007"),
        ("tcp", Faults(wrong_unit=True), "0007 0000 0007 02 03 04 00001007"),
        ("tcp", Faults(wrong_transaction=True), "0008 0000 0007 01 03 04 00001007"),
        ("tcp", Faults(wrong_length=True), "0007 0000 0008 01 03 04 00001007"),
        ("tcp", Faults(wrong_protocol=True), "0007 0001 0007 01 03 04 00001007"),
        ("tcp", Faults(split=True), TCP),
        ("tcp", Faults(twice=True), TCP + TCP),
        ("tcp", Faults(junk=True), "00ff55" + TCP),
        ("udp", Faults(wrong_transaction=True), "0008 0000 0007 01 03 04 00001007"),
        ("udp", Faults(twice=True), TCP + TCP),
        ("udp", Faults(junk=True), "00ff55" + TCP),
        ("udp", Faults(reset=True), "0007 0000 0007"),
        ("rtu", Faults(), RTU),
        ("rtu", Faults(short=True), "01 03 02 0000 b844"),
        ("rtu", Faults(exception=4), "01 83 04 40f3"),
        ("rtu", Faults(wrong_function=True), "01 04 04 00001007 b786"),
        ("rtu", Faults(wrong_unit=True), "02 03 04 00001007 8531"),
        ("rtu", Faults(wrong_checksum=True), "01 03 04 00001007 b6ce"),
        ("rtu", Faults(split=True), RTU),
        ("rtu", Faults(twice=True), RTU + RTU),
        ("rtu", Faults(junk=True), "00ff55" + RTU),
        ("serial-rtu", Faults(wrong_checksum=True), "01 03 04 00001007 b6ce"),
        ("serial-rtu", Faults(split=True), RTU),
        ("serial-rtu", Faults(twice=True), RTU + RTU),
        ("serial-rtu", Faults(junk=True), "00ff55" + RTU),
        ("serial-rtu", Faults(reset=True), "01 03 04 00"),
    ],
)
async def test_a_fault_is_in_the_bytes_that_leave(
    tags: Sequence[Tag], place: str, faults: Faults, leaving: str
) -> None:
    async with opened(tags, place) as (plc, client):
        await plc.switch(faults)
        client.send(wrapped(Frame(1, READ, 7), plc.place.mode))

        assert (await client.take(len(bytes.fromhex(leaving)))).hex(" ") == bytes.fromhex(leaving).hex(" ")
        await plc.switch(Faults())
        assert await says(client, plc, Frame(1, READ_SECOND, 8), SECOND)
        expected = set(faults.kinds) if leaving != TCP or faults.split else set()
        assert plc.injected == dict.fromkeys(expected, 1)


@pytest.mark.parametrize("place", ["ascii", "serial-ascii"])
@pytest.mark.parametrize(
    ("faults", "leaving"),
    [
        (Faults(), ASCII),
        (Faults(short=True), b":0103020000FA\r\n"),
        (Faults(wrong_unit=True), b":02030400001007E0\r\n"),
        (Faults(wrong_checksum=True), b":010304000010071E\r\n"),
        (Faults(split=True), ASCII),
        (Faults(twice=True), ASCII + ASCII),
        (Faults(junk=True), b"\x00\xff\x55" + ASCII),
    ],
)
async def test_a_fault_is_in_the_characters_that_leave(
    tags: Sequence[Tag], place: str, faults: Faults, leaving: bytes
) -> None:
    async with opened(tags, place) as (plc, client):
        await plc.switch(faults)
        client.send(wrapped(Frame(1, READ), "ascii"))

        assert await client.take(len(leaving)) == leaving
        await plc.switch(Faults())
        assert await says(client, plc, Frame(1, READ_SECOND), SECOND)


@every_place
async def test_silence_answers_nothing_until_it_ends(tags: Sequence[Tag], place: str) -> None:
    async with opened(tags, place) as (plc, client):
        await plc.switch(Faults(silence=True), 1)
        client.send(wrapped(Frame(1, READ), plc.place.mode))
        assert await says(client, plc, Frame(7, READ), HELD_7)

        await plc.switch(Faults())
        assert await says(client, plc, Frame(1, READ_SECOND), SECOND)
        assert plc.injected == {"silence": 1}


async def test_what_is_written_in_silence_is_written(tags: Sequence[Tag]) -> None:
    async with opened(tags, "tcp") as (plc, client):
        await plc.switch(Faults(silence=True), 1)
        client.send(wrapped(Frame(1, WRITE), "tcp"))
        assert await says(client, plc, Frame(7, READ), HELD_7)

        await plc.switch(Faults())
        assert await says(client, plc, Frame(1, READ), "0304 0000ffff")


@pytest.mark.parametrize(
    "faults", [Faults(exception=4), Faults(busy=1), Faults(illegal=frozenset({("holding", 1)}))]
)
async def test_what_is_refused_is_not_written(tags: Sequence[Tag], faults: Faults) -> None:
    async with opened(tags, "tcp") as (plc, client):
        await plc.switch(faults)
        client.send(wrapped(Frame(1, WRITE), "tcp"))
        assert (await client.take(9))[7] == 0x86

        await plc.switch(Faults())
        assert await says(client, plc, Frame(1, READ), HELD)


async def test_slow_answers_late(tags: Sequence[Tag]) -> None:
    async with opened(tags, "tcp") as (plc, client):
        await plc.switch(Faults(slow_s=0.05))
        clock = asyncio.get_running_loop().time
        asked = clock()

        assert await says(client, plc, Frame(1, READ), HELD)
        assert clock() - asked >= 0.045
        assert plc.injected == {"slow": 1}


@every_place
async def test_a_late_answer_keeps_no_other_unit_waiting(tags: Sequence[Tag], place: str) -> None:
    async with opened(tags, place) as (plc, client):
        await plc.switch(Faults(slow_s=HOUR_S), 1)
        client.send(wrapped(Frame(1, READ), plc.place.mode))

        assert await says(client, plc, Frame(7, READ), HELD_7)
        assert await says(client, plc, Frame(7, READ), HELD_7)


async def test_a_unit_answers_in_order(tags: Sequence[Tag]) -> None:
    async with opened(tags, "rtu") as (plc, client):
        await plc.switch(Faults(slow_s=HOUR_S), 1)
        client.send(wrapped(Frame(1, READ), "rtu"))
        assert await says(client, plc, Frame(7, READ), HELD_7)

        await plc.switch(Faults(split=True), 1)
        assert await says(client, plc, Frame(1, READ_SECOND), HELD)
        assert await hears(client, wrapped(Frame(1, bytes.fromhex(SECOND)), "rtu"))


async def test_what_is_late_leaves_when_the_fault_ends(tags: Sequence[Tag]) -> None:
    async with opened(tags, "tcp") as (plc, client):
        await plc.switch(
            Faults(random=Random(1.0, late_s=(HOUR_S, HOUR_S), without=frozenset(DRAWN) - {"slow"}))
        )
        client.send(wrapped(Frame(1, READ, 1), "tcp") + wrapped(Frame(1, READ, 2), "tcp"))
        await heard(plc, 2)

        await plc.switch(Faults(slow_s=HOUR_S))
        await plc.switch(Faults(), 7)
        assert await says(client, plc, Frame(7, READ), HELD_7)
        await plc.switch(Faults())
        assert await hears(client, wrapped(Frame(1, bytes.fromhex(HELD), 1), "tcp"))
        assert await hears(client, wrapped(Frame(1, bytes.fromhex(HELD), 2), "tcp"))


async def test_no_further_request_is_read_while_too_many_answers_are_late(tags: Sequence[Tag]) -> None:
    async with opened(tags, "tcp") as (plc, client):
        await plc.switch(Faults(slow_s=HOUR_S))
        client.send(b"".join(wrapped(Frame(1, READ, at), "tcp") for at in range(100)))
        await heard(plc, 64)
        async with Stream(plc.port) as other:
            other.send(wrapped(Frame(1, READ), "tcp"))
            await heard(plc, 65)

        await plc.switch(Faults())
        for at in range(100):
            assert await hears(client, wrapped(Frame(1, bytes.fromhex(HELD), at), "tcp"))


@pytest.mark.parametrize("place", ["tcp", "rtu", "ascii"])
async def test_a_split_answer_leaves_byte_by_byte_and_whole(tags: Sequence[Tag], place: str) -> None:
    async with opened(tags, place) as (plc, client):
        await plc.switch(Faults(split=True), 1)
        client.send(wrapped(Frame(1, READ, 7), plc.place.mode))
        sizes, data = [], b""
        answer = wrapped(Frame(1, bytes.fromhex(HELD), 7), plc.place.mode)
        other = wrapped(Frame(7, bytes.fromhex(HELD_7), 8), plc.place.mode)
        while len(data) < len(answer + other):
            some = await client.reader.read(1000) if isinstance(client, Stream) else b""
            if not data:
                client.send(wrapped(Frame(7, READ, 8), plc.place.mode))
            sizes.append(len(some))
            data += some

        assert data == answer + other  # the second waits for the end of the first
        assert sizes[0] == 1


@pytest.mark.parametrize("place", ["tcp", "rtu", "ascii"])
async def test_a_reset_comes_in_the_middle_of_an_answer(tags: Sequence[Tag], place: str) -> None:
    async with opened(tags, place) as (plc, client):
        await plc.switch(Faults(reset=True))
        client.send(wrapped(Frame(1, READ, 7), plc.place.mode))
        answer = wrapped(Frame(1, bytes.fromhex(HELD), 7), plc.place.mode)

        assert await client.take(len(answer) // 2) == answer[: len(answer) // 2]
        with pytest.raises(ConnectionResetError):
            await client.take(1)
        await plc.switch(Faults())
        async with Stream(plc.port) as again:
            assert await says(again, plc, Frame(1, READ), HELD)
        assert plc.injected == {"reset": 1}


@every_place
async def test_a_type_code_stands_in_place_of_a_single_register(tags: Sequence[Tag], place: str) -> None:
    async with opened(tags, place) as (plc, client):
        await plc.switch(Faults(single=True))

        assert await says(client, plc, Frame(1, bytes.fromhex("03 0001 0001")), "0302 0070")
        assert await says(client, plc, Frame(1, READ), HELD)
        await plc.switch(Faults())
        assert await says(client, plc, Frame(1, bytes.fromhex("03 0001 0001")), "0302 1007")
        assert plc.injected == {"single": 1}


async def test_busy_ends_after_so_many_requests(tags: Sequence[Tag]) -> None:
    async with opened(tags, "rtu") as (plc, client):
        await plc.switch(Faults(busy=2))
        await plc.switch(Faults(busy=1), 7)

        said = [await says(client, plc, Frame(1, READ), "8306") for _ in range(2)]
        assert said == [True, True]
        assert await says(client, plc, Frame(1, READ), HELD)
        assert await says(client, plc, Frame(7, READ), "8306")
        assert await says(client, plc, Frame(7, READ), HELD_7)
        assert plc.faults == plc.faults_of(7) == Faults()
        assert plc.injected == {"busy": 3}


async def test_an_illegal_address_is_found_by_halving(tags: Sequence[Tag]) -> None:
    async with opened(tags, "tcp") as (plc, client):
        await plc.switch(Faults(illegal=frozenset({("holding", 3), ("coil", 0)})))

        assert await says(client, plc, Frame(1, bytes.fromhex("03 0000 0004")), "8302")
        assert await says(client, plc, Frame(1, bytes.fromhex("03 0003 0001")), "8302")
        assert await says(client, plc, Frame(1, bytes.fromhex("03 0000 0002")), HELD)
        assert await says(client, plc, Frame(1, bytes.fromhex("01 0000 0001")), "8102")
        assert plc.injected == {"illegal": 3}


async def test_what_goes_wrong_with_one_unit_is_right_with_another(tags: Sequence[Tag]) -> None:
    async with opened(tags, "tcp") as (plc, client):
        await plc.switch(Faults(exception=4), 7)

        assert await says(client, plc, Frame(1, READ), HELD)
        assert await says(client, plc, Frame(7, READ), "8304")
        await plc.switch(Faults())
        assert await says(client, plc, Frame(7, READ), HELD_7)


@every_place
async def test_by_chance_every_fault_strikes_in_time(tags: Sequence[Tag], place: str) -> None:
    async with opened(tags, place) as (plc, _):
        await plc.switch(Faults(random=Random(0.5, seed=3)))
        for _ in range(2000):
            plc.respond(Frame(1, READ))

        kinds = set(possible(plc.place.mode, datagrams=place == "udp")) - {"single", "refuse", "random"}
        assert plc.injected.keys() == kinds
        assert 900 < plc.injected.total() < 1100


async def test_the_same_seed_gives_the_same_faults_again(tags: Sequence[Tag]) -> None:
    async with opened(tags, "rtu") as (plc, _):
        runs = []
        for seed in (1, 1, 2):
            await plc.switch(Faults(random=Random(0.5, seed=seed)))
            runs.append([plc.respond(Frame(1, READ)) for _ in range(100)])
            await plc.switch(Faults())

    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("place", ["tcp", "rtu", "ascii"])
async def test_behind_faults_by_chance_right_answers_come_at_once(tags: Sequence[Tag], place: str) -> None:
    async with opened(tags, place) as (plc, _):
        await plc.switch(Faults(random=Random(1.0, late_s=(HOUR_S, HOUR_S))))
        for _ in range(30):
            async with Stream(plc.port) as client:
                before = plc.requests
                client.send(wrapped(Frame(1, READ), plc.place.mode))
                await heard(plc, before + 1)

        await plc.switch(Faults())
        async with Stream(plc.port) as client:
            assert await says(client, plc, Frame(1, READ), HELD)


async def test_a_late_answer_to_who_has_gone_is_forgotten(tags: Sequence[Tag]) -> None:
    async with ModbusPlc(tags, at=Tcp(), clock=lambda: NOW_NS) as plc:
        await plc.switch(Faults(slow_s=HOUR_S))
        async with Stream(plc.port) as client:
            client.send(wrapped(Frame(1, READ), "tcp"))
            await heard(plc, 1)

        while plc.connections:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0)


async def heard(plc: ModbusPlc, requests: int) -> None:
    """Wait until so many requests have come; TimeoutError when they do not."""
    async with asyncio.timeout(5):
        while plc.requests < requests:  # noqa: ASYNC110 - nobody tells of them
            await asyncio.sleep(0)
    assert plc.requests == requests
