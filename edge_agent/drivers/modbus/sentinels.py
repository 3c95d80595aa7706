"""What stands for "no value" in registers: as it is written -> as it stands there."""

import struct

from edge_agent.config.yaml_nodes import Hexadecimal, Written
from edge_agent.core.orders import BITS, NUMBERS
from edge_agent.core.registers import BCD, FLOATS, Type, bits, bounds


def contents(written: int | Written, type_: Type) -> frozenset[int]:
    """Contents of the registers of a number of this type, each as one unsigned number.

    `0x...` says the contents themselves, any other number what they hold before `scale`. Raises ValueError,
    in words, for what they cannot hold.
    """
    if isinstance(written, Hexadecimal):
        return frozenset((_fitting(written, type_),))
    if type_ in FLOATS:
        return _of_float(written, type_)
    if isinstance(written, Written):
        raise ValueError(f"{written.text} is not a whole number; this is {type_}")  # noqa: TRY004 - their mistake
    low, high = bounds(type_)
    if not low <= written <= high:
        such = f"; 0x{written:X} would be its bits" if 0 < written < 1 << bits(type_) else ""
        raise ValueError(f"{written} is outside of {type_}, which goes from {low} to {high}{such}")
    return frozenset((int(str(written), 16) if type_ in BCD else written % (1 << bits(type_)),))


def _fitting(written: Hexadecimal, type_: Type) -> int:
    width = bits(type_)
    if 0 <= written < 1 << width:
        return int(written)
    raise ValueError(f"{written:#x} is no content of {width} bits, as {type_} has")


def _of_float(written: int | Written, type_: Type) -> frozenset[int]:
    """The float nearest to a decimal; a whole number has to be one."""
    form = NUMBERS[type_]
    try:
        data = struct.pack(f">{form}", written)
    except OverflowError:
        data = b""
    if not data or (isinstance(written, int) and struct.unpack(f">{form}", data)[0] != written):
        shown = written.text if isinstance(written, Written) else written
        raise ValueError(f"{shown} is no value of {type_}; bits are written as 0x...")
    (held,) = struct.unpack(f">{BITS[bits(type_)]}", data)
    # Zero is one number and two patterns.
    return frozenset((0, 1 << (bits(type_) - 1))) if written == 0 else frozenset((held,))
