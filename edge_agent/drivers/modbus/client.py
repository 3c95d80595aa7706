"""The one place that knows pymodbus: a socket that answers a request with the raw bytes of its data.

pymodbus 3.16 does framing, transaction ids and transport. What is kept away from it, and why:
* values: its decoding costs ten times ours, and it takes short answers for good ones; our response classes
keep
  the bytes, and `read` checks function, transaction and byte count.
* retries, reconnects, the limit of unanswered requests that closes the socket of all units: these decide what
is
  polled when, which is the wire's business.
* cancellation: it waits with asyncio.wait_for, which loses a cancel on Python 3.11; `read` looks again.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsResponse, ReadDiscreteInputsResponse
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse, ReadInputRegistersResponse
from typing_extensions import override

from edge_agent.config.settings import ModbusConnection
from edge_agent.core.plan import Block
from edge_agent.core.registers import Table
from edge_agent.errors import DeviceError

FUNCTIONS: Final[dict[Table, int]] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
NEVER = 1 << 31


class _Raw(ModbusPDU):
    """A response that keeps its bytes: one byte count, then the data."""

    raw = b""

    @override
    def decode(self, data: bytes) -> None:
        """Keep what came; it is judged where it was asked for."""
        self.raw = data

    @override
    def __str__(self) -> str:
        """A constant: pymodbus makes this text for every answer, whether it logs or not."""
        return "raw response"


class _Coils(_Raw, ReadCoilsResponse):
    """Answer to function 1."""


class _Discretes(_Raw, ReadDiscreteInputsResponse):
    """Answer to function 2."""


class _Holdings(_Raw, ReadHoldingRegistersResponse):
    """Answer to function 3."""


class _Inputs(_Raw, ReadInputRegistersResponse):
    """Answer to function 4."""


class ModbusSocket:
    """One Modbus TCP connection, one request at a time; not connected at first."""

    def __init__(self, connection: ModbusConnection) -> None:
        self._connection = connection
        self._client: AsyncModbusTcpClient | None = None

    @property
    def connected(self) -> bool:
        """Is there a socket that nobody has closed?"""
        return self._client is not None and self._client.connected

    async def connect(self) -> None:
        """Open the socket. Raises DeviceError `disconnected`."""
        self.close()
        settings = self._connection
        client = AsyncModbusTcpClient(
            settings.host, port=settings.port, timeout=settings.timeout_s, retries=0, reconnect_delay=0
        )
        client.set_max_no_responses(NEVER)
        for response in (_Coils, _Discretes, _Holdings, _Inputs):
            client.register(response)
        opened = False
        try:
            with _translated():
                async with asyncio.timeout(settings.connect_timeout_s):
                    opened = await client.connect()
        except TimeoutError:
            opened = False
        finally:
            if not opened:
                client.close()
        if not opened:
            msg = f"no connection to {settings.host}:{settings.port}"
            raise DeviceError("disconnected", msg)
        self._client = client

    def close(self) -> None:
        """Close the socket; the next request needs a new one."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def read(self, unit: int, block: Block) -> bytes:
        """The data bytes of a block, exactly as many as it has. Raises DeviceError.

        An answer that does not belong to the request closes the socket: what comes behind it cannot be
        trusted.
        """
        client = self._client
        if client is None:
            raise DeviceError("disconnected")
        ask = {
            "coil": client.read_coils,
            "discrete": client.read_discrete_inputs,
            "holding": client.read_holding_registers,
            "input": client.read_input_registers,
        }[block.table]
        try:
            with _translated():
                reply = await ask(block.address, count=block.count, device_id=unit)
        except DeviceError:
            if not client.connected or client.ctx.recv_buffer:
                self.close()  # half an answer lies in the way of the next one
                raise
            raise
        if isinstance(reply, ExceptionResponse):
            if reply.function_code & 0x7F != FUNCTIONS[block.table]:
                self._distrust("an exception to another function")
            raise DeviceError(f"exception:{reply.exception_code}")
        if not isinstance(reply, _Raw) or reply.function_code != FUNCTIONS[block.table]:
            self._distrust(f"function {reply.function_code} instead of {FUNCTIONS[block.table]}")
        if reply.transaction_id != client.ctx.request_transaction_id:
            self._distrust("the answer to another request")
        return self._data(reply.raw, block)

    def _data(self, raw: bytes, block: Block) -> bytes:
        data = raw[1:]
        if not raw or raw[0] != block.size_bytes or len(data) != block.size_bytes:
            self.close()
            raise DeviceError("short_answer", f"{len(data)} bytes instead of {block.size_bytes}")
        return data

    def _distrust(self, detail: str) -> NoReturn:
        self.close()
        raise DeviceError("wrong_answer", detail)


@contextmanager
def _translated() -> Iterator[None]:
    """Failures of pymodbus and of the socket become ours; a cancel that pymodbus swallowed is raised
    again.
    """
    try:
        yield
    except ModbusException as error:
        _cancelled()
        text = str(error)
        if "No response" in text:
            raise DeviceError("timeout") from error
        reason = "wrong_answer" if "but received" in text else "disconnected"
        raise DeviceError(reason, text) from error
    except OSError as error:
        if isinstance(error, TimeoutError):
            raise
        _cancelled()
        raise DeviceError("disconnected", error.strerror or str(error)) from error
    _cancelled()


def _cancelled() -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
