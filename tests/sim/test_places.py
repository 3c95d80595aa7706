"""The same answers at every place: connections, datagrams, TLS and serial ports, in all framings."""

import asyncio
import errno
import os
import socket
import termios
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from edge_agent.config.settings import Tag
from edge_agent.sim import serial_port
from edge_agent.sim.faults import Faults
from edge_agent.sim.framing import Frame, Mode, wrapped
from edge_agent.sim.modbus import ModbusPlc, Others
from edge_agent.sim.places import Serial, Tcp, Udp
from tests.brokers import Certificates
from tests.sim.clients import HOUR_S, NOW_NS, Datagrams, Pty, Stream, contexts, hears, opened, says

MakeTag = Callable[..., Tag]

READ = bytes.fromhex("03 0000 0002")
HELD = "0304 00001007"  # what the first tag, 32 bits wide, holds at tick 7
HELD_7 = "0304 00001067"  # of unit 7, whose ticks run 96 ahead
WRITE = bytes.fromhex("10 0000 0002 04 01020304")
WRITTEN = "10 0000 0002"
READ_BACK = "0304 01020304"

every_place = pytest.mark.parametrize("place", ["tcp", "rtu", "ascii", "udp", "serial-rtu", "serial-ascii"])
every_line = pytest.mark.parametrize("place", ["rtu", "ascii", "serial-rtu", "serial-ascii"])


@pytest.fixture
def tags(tag: MakeTag) -> list[Tag]:
    return [tag("a", "uint32", 0), tag("b", "uint32", 2)]


@every_place
async def test_a_request_is_answered(tags: Sequence[Tag], place: str) -> None:
    async with opened(tags, place) as (plc, client):
        assert await says(client, plc, Frame(1, READ, 9), HELD)
        assert plc.requests == 1


@every_place
async def test_what_is_written_is_read_back(tags: Sequence[Tag], place: str) -> None:
    async with opened(tags, place) as (plc, client):
        assert await says(client, plc, Frame(1, WRITE), WRITTEN)
        assert await says(client, plc, Frame(1, READ), READ_BACK)


@every_place
async def test_a_bad_request_is_refused(tags: Sequence[Tag], place: str) -> None:
    async with opened(tags, place) as (plc, client):
        assert await says(client, plc, Frame(1, bytes.fromhex("03 0100 0001")), "8302")


@every_line
async def test_who_is_not_there_does_not_answer_on_a_line(tags: Sequence[Tag], place: str) -> None:
    async with opened(tags, place) as (plc, client):
        client.send(wrapped(Frame(2, READ), plc.place.mode))

        assert await says(client, plc, Frame(1, WRITE), WRITTEN)


@pytest.mark.parametrize("place", ["tcp", "udp"])
async def test_a_gateway_answers_for_who_is_not_there(tags: Sequence[Tag], place: str) -> None:
    async with opened(tags, place) as (plc, client):
        assert await says(client, plc, Frame(2, READ), "830b")


@pytest.mark.parametrize(("mode", "others", "first"), [("tcp", "ignore", 1), ("rtu", "refuse", 2)])
async def test_what_others_do_can_be_chosen(
    tags: Sequence[Tag], mode: Mode, others: Others, first: int
) -> None:
    at = Tcp(mode=mode, quiet_s=HOUR_S)
    async with ModbusPlc(tags, at=at, others=others) as plc, Stream(plc.port) as client:
        client.send(wrapped(Frame(2, READ), mode) + wrapped(Frame(1, READ), mode))

        begin = await client.take(7 if mode == "tcp" else 1)
        assert begin[-1] == first


@every_line
async def test_a_broadcast_is_done_by_all_and_answered_by_none(tags: Sequence[Tag], place: str) -> None:
    async with opened(tags, place) as (plc, client):
        client.send(wrapped(Frame(0, WRITE), plc.place.mode))

        assert await says(client, plc, Frame(1, READ), READ_BACK)
        assert await says(client, plc, Frame(7, READ), READ_BACK)


async def test_an_rtu_request_may_come_in_pieces(tags: Sequence[Tag]) -> None:
    async with opened(tags, "rtu") as (plc, client):
        request = wrapped(Frame(1, WRITE), "rtu")
        for at in range(len(request)):
            client.send(request[at : at + 1])
            await asyncio.sleep(0)

        assert await hears(client, wrapped(Frame(1, bytes.fromhex(WRITTEN)), "rtu"))
        assert plc.requests == 1


async def test_behind_junk_a_line_is_heard_again_after_a_pause(tags: Sequence[Tag]) -> None:
    at = Tcp(mode="rtu")
    async with ModbusPlc(tags, at=at, clock=lambda: NOW_NS) as plc, Stream(plc.port) as client:
        client.send(b"\x00\xff" + wrapped(Frame(1, WRITE), "rtu"))
        answer = b""
        while not answer:
            client.send(wrapped(Frame(1, READ), "rtu"))
            with suppress(TimeoutError):  # the first ones may come too soon behind the junk
                async with asyncio.timeout(0.05):
                    answer = await client.reader.read(1)

        assert answer + await client.take(8) == wrapped(Frame(1, bytes.fromhex(HELD)), "rtu")


async def test_a_datagram_holds_whole_requests(tags: Sequence[Tag]) -> None:
    async with opened(tags, "udp") as (plc, client):
        request = wrapped(Frame(1, READ, 5), "tcp")
        for part in (request[:6], request[6:], b"", request[:2] + b"\0\1" + request[4:]):
            client.send(part)

        assert await says(client, plc, Frame(1, READ, 6), HELD)
        assert plc.requests == 1


async def test_datagrams_of_several_clients_are_answered_to_each(tags: Sequence[Tag]) -> None:
    async with opened(tags, "udp") as (plc, one), Datagrams(plc.port) as other:
        await plc.switch(Faults(slow_s=HOUR_S), 1)
        one.send(wrapped(Frame(1, WRITE, 1), "tcp"))

        assert await says(other, plc, Frame(7, WRITE, 2), WRITTEN)
        assert plc.connections == 1
        await plc.switch(Faults())
        assert await hears(one, wrapped(Frame(1, bytes.fromhex(WRITTEN), 1), "tcp"))


async def test_datagrams_are_lost_where_too_many_answers_are_late(tags: Sequence[Tag]) -> None:
    async with opened(tags, "udp") as (plc, client), Datagrams(plc.port) as other:
        await plc.switch(Faults(slow_s=HOUR_S), 1)
        for at in range(70):
            client.send(wrapped(Frame(1, READ, at), "tcp"))

        assert await says(other, plc, Frame(7, READ), HELD_7)
        assert plc.requests == 64 + 1


async def test_a_udp_port_that_refuses_is_closed_and_comes_back(tags: Sequence[Tag]) -> None:
    async with opened(tags, "udp") as (plc, client):
        await plc.switch(Faults(refuse=True))
        client.send(b"?")
        with pytest.raises(ConnectionRefusedError):
            await client.take(1)

        await plc.switch(Faults())
        assert await says(client, plc, Frame(1, READ), HELD)


async def test_a_udp_port_in_use_is_an_os_error(tags: Sequence[Tag]) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))

        with pytest.raises(OSError, match="in use"):
            await ModbusPlc(tags, at=Udp(port=taken.getsockname()[1])).__aenter__()


async def test_a_mistake_of_ours_at_a_udp_port_is_raised_at_the_end(tags: Sequence[Tag]) -> None:
    def broken() -> int:
        raise LookupError("no clock")

    plc = await ModbusPlc(tags, at=Udp(), clock=broken).__aenter__()
    async with Datagrams(plc.port) as client:
        client.send(wrapped(Frame(1, READ), "tcp"))
        while plc.requests == 0:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0)

    with pytest.raises(LookupError, match="no clock"):
        await plc.__aexit__(None, None, None)


@pytest.mark.parametrize("mode", ["tcp", "rtu"])
async def test_a_request_is_answered_in_tls(
    tags: Sequence[Tag], certificates: Certificates, mode: Mode
) -> None:
    server, trusting = contexts(certificates.server, certificates.ca)
    at = Tcp(mode=mode, tls=server)

    async with ModbusPlc(tags, at=at, clock=lambda: NOW_NS) as plc, Stream(plc.port, trusting) as client:
        assert await says(client, plc, Frame(1, READ), HELD)


async def test_a_client_without_tls_is_let_go(tags: Sequence[Tag], certificates: Certificates) -> None:
    server, trusting = contexts(certificates.server, certificates.ca)

    async with ModbusPlc(tags, at=Tcp(tls=server), clock=lambda: NOW_NS) as plc:
        async with Stream(plc.port) as plain:
            plain.send(wrapped(Frame(1, READ), "tcp"))
            with suppress(ConnectionResetError):
                await plain.reader.read()
        async with Stream(plc.port, trusting) as client:
            assert await says(client, plc, Frame(1, READ), HELD)


async def test_a_serial_port_is_set_up_as_its_place_says(tags: Sequence[Tag]) -> None:
    async with Pty() as pty:
        at = Serial(pty.path, baudrate=19200, parity="none", stopbits=2)
        async with ModbusPlc(tags, at=at):
            _, _, form, editing, speed_in, speed_out, _ = termios.tcgetattr(pty.far)

    assert speed_in == speed_out == termios.B19200
    assert form & termios.CSTOPB
    assert not editing & (termios.ECHO | termios.ICANON | termios.ISIG)


@pytest.mark.parametrize(("baudrate", "quiet_s"), [(300, 11 * 3.5 / 300), (9600, 0.02), (115200, 0.02)])
def test_the_pause_behind_a_frame_follows_the_speed(baudrate: int, quiet_s: float) -> None:
    assert Serial("/dev/null", baudrate=baudrate).quiet_s == pytest.approx(quiet_s)


def test_a_speed_that_does_not_exist_is_refused(tags: Sequence[Tag]) -> None:
    with pytest.raises(ValueError, match="12345 is no speed of a serial port"):
        ModbusPlc(tags, at=Serial("/dev/null", baudrate=12345))


@pytest.mark.parametrize(("path", "why"), [("/nowhere/tty", "No such file"), ("/dev/null", "/dev/null")])
async def test_a_serial_port_that_is_none_is_an_os_error(tags: Sequence[Tag], path: str, why: str) -> None:
    with pytest.raises(OSError, match=why):
        await ModbusPlc(tags, at=Serial(path)).__aenter__()


async def test_a_serial_port_in_use_is_an_os_error(tags: Sequence[Tag]) -> None:
    async with opened(tags, "serial-rtu") as (plc, _):
        assert isinstance(plc.place, Serial)

        with pytest.raises(OSError, match=plc.place.path) as error:
            await ModbusPlc(tags, at=plc.place).__aenter__()
        assert error.value.errno == errno.EBUSY


async def test_a_serial_port_that_refuses_is_closed_and_comes_back(tags: Sequence[Tag]) -> None:
    async with opened(tags, "serial-rtu") as (plc, client):
        await plc.switch(Faults(refuse=True))
        assert plc.connections == 0

        await plc.switch(Faults())
        assert plc.connections == 1
        assert await says(client, plc, Frame(1, READ), HELD)


async def test_a_serial_port_that_has_gone_is_told_and_raised_at_the_end(tags: Sequence[Tag]) -> None:
    async with Pty() as pty:
        plc = await ModbusPlc(tags, at=Serial(pty.path)).__aenter__()
        pty.close()
        async with asyncio.timeout(5):
            await plc.gone.wait()

        with pytest.raises(OSError, match="the serial port has gone"):
            await plc.__aexit__(None, None, None)


def test_what_nobody_reads_on_a_line_is_lost() -> None:
    reading, writing = os.pipe2(os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(65536))

    serial_port._send(writing, b"one more")

    os.close(reading)
    os.close(writing)
