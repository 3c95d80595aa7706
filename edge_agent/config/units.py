"""Units of measure as UCUM writes them (`kW.h`, `Cel`, `%`, `1`): a check of their form."""

import re
from collections.abc import Mapping

_ATOM = r"(?:[A-Za-z%'\"_]+(?:\[[^\]\s]+\])?|\[[^\]\s]+\]|10[*^][+-]?[0-9]+)(?:[+-]?[0-9]+)?|[0-9]+"
_TERM = rf"(?:{_ATOM})(?:\{{[!-z|~]*\}})?|\{{[!-z|~]*\}}"
_UNIT = re.compile(rf"/?(?:{_TERM})(?:[./](?:{_TERM}))*")

SLIPS: Mapping[str, str] = {
    "°C": "Cel", "℃": "Cel", "degC": "Cel", "°F": "[degF]", "degF": "[degF]", "°": "deg", "celsius": "Cel",
    "Wh": "W.h", "kWh": "kW.h", "MWh": "MW.h", "GWh": "GW.h", "VA": "V.A", "kVA": "kV.A", "MVA": "MV.A",
    "VAh": "V.A.h", "kVAh": "kV.A.h", "VAr": "var", "VAR": "var", "kVAr": "kvar", "kVAR": "kvar",
    "varh": "var.h", "kvarh": "kvar.h", "kVArh": "kvar.h", "kVARh": "kvar.h", "Ah": "A.h", "mAh": "mA.h",
    "Nm": "N.m", "kNm": "kN.m", "rpm": "/min", "RPM": "/min", "U/min": "/min", "1/min": "/min",
    "sec": "s", "secs": "s", "hr": "h", "hrs": "h", "kph": "km/h", "kmh": "km/h", "psi": "[psi]",
    "percent": "%", "ppm": "[ppm]", "ohm": "Ohm", "Ω": "Ohm", "kΩ": "kOhm", "µm": "um", "µs": "us",
    "m²": "m2", "m³": "m3", "m³/h": "m3/h", "m^3": "m3", "m^3/h": "m3/h", "m/s²": "m/s2", "inch": "[in_i]",
    "hp": "[HP]", "-": "1", "none": "1",
}  # fmt: skip


def unit_fault(text: str) -> str | None:
    """What is wrong with a unit, in words; None when it may stand."""
    if text in SLIPS:
        return f"'{text}' is not a UCUM unit; write {SLIPS[text]}" + (
            ' in quotes: "1"' if SLIPS[text] == "1" else ""
        )
    close = text.replace(" ", "")
    if close != text:
        return f"'{text}': a unit has no spaces; write {SLIPS.get(close, text.replace(' ', '.'))}"
    if len(text) > 40 or not _UNIT.fullmatch(text):
        return f"'{text[:40]}' is not a UCUM unit; write for example kW.h, Cel, m3/h, % or \"1\""
    return None
