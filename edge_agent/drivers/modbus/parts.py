"""The named parts of a Modbus tag: its bits as they are written."""

from itertools import pairwise

from edge_agent.config.section import Section
from edge_agent.config.syntax import quoted
from edge_agent.core.registers import Bit, Type
from edge_agent.drivers.modbus.checks import NUMBERS_ONLY, WIDTHS
from edge_agent.drivers.modbus.draft import Draft
from edge_agent.drivers.modbus.keys import PartKeys


def bits_of(draft: Draft, type_: Type) -> tuple[Bit, ...]:
    """The parts of a tag, each mistake in them noted."""
    if draft.keys.bits is None:
        return ()
    section = draft.section.inside("bits")
    width = WIDTHS.get(type_)
    if width is None:
        section.error_at_key(f"'bits' names parts of an unsigned number; this is {type_}")
        return ()
    if not draft.keys.bits:
        section.error("'bits' names no bit")
    parts = parts_written(draft)
    bits = [bit for name, part in parts.items() if (bit := _bit(section.inside(name), name, part, width))]
    for first, second in pairwise(sorted(bits, key=lambda bit: bit.shift)):
        if second.shift < first.shift + first.width:
            section.error_at_key(f"bit {second.shift} is in '{first.name}' already", second.name)
    return tuple(bits)


def parts_written(draft: Draft) -> dict[str, PartKeys | int]:
    """The parts as the file has them; what is wrong in form is noted and left out."""
    parts: dict[str, PartKeys | int] = {}
    for name, value in (draft.keys.bits or {}).items():
        section = draft.section.inside("bits", name)
        if isinstance(value, int) and not isinstance(value, bool):
            parts[name] = value
        elif isinstance(value, dict):
            keys = section.check(PartKeys)
            if keys is not None:
                parts[name] = keys
        else:
            section.error(f"{quoted(value)} is not a bit; write its number, or {{bits: [4, 5]}} for several")
    return parts


def check_parts_only(draft: Draft) -> None:
    """Note what would have an effect on the tag itself, which is not sent."""
    for key in (*NUMBERS_ONLY, "kind"):
        if key != "sentinels" and getattr(draft.keys, key) is not None:
            message = f"'{key}' has no effect: only the bits are sent; give the tag a unit to send it as well"
            draft.section.error_at_key(message, key)


def _bit(section: Section, name: str, part: PartKeys | int, width: int) -> Bit | None:
    numbers = [part] if isinstance(part, int) else sorted(part.bits)
    if not 0 <= numbers[0] <= numbers[-1] < width:
        wrong = next(number for number in numbers if not 0 <= number < width)
        section.error(f"bit {wrong} is outside: uint{width} has bits 0 to {width - 1}")
        return None
    if numbers != list(range(numbers[0], numbers[-1] + 1)):
        whole = list(range(numbers[0], numbers[-1] + 1))
        section.error(f"the bits of a part stand side by side; write {whole}", "bits")
        return None
    enum = None if isinstance(part, int) or part.enum is None else frozenset(part.enum)
    for number in enum or ():
        if not 0 <= number < 1 << len(numbers):
            message = (
                f"{number} needs more than {len(numbers)} bits; they go from 0 to {(1 << len(numbers)) - 1}"
            )
            section.error_at_key(message, "enum", number)
    return Bit(name, numbers[0], len(numbers), enum)
