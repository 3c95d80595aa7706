"""Units as OPC UA servers name them (UNECE Recommendation 20) -> as profiles write them (UCUM)."""

from collections.abc import Mapping

from edge_agent.config.units import SLIPS

_TABLE = """
MTR m    DMT dm    CMT cm    MMT mm    KMT km    4H um     C45 nm    INH [in_i]   FOT [ft_i]   YRD [yd_i]
SMI [mi_i]  MTK m2  CMK cm2  MMK mm2   MTQ m3    DMQ dm3   CMQ cm3   MMQ mm3      LTR L        MLT mL
HLT hL   GLL [gal_us]  SEC s MIN min   HUR h     DAY d     WEE wk    C26 ms       B98 us       C47 ns
KGM kg   GRM g     MGM mg    MC ug     TNE t     LBR [lb_av]         CEL Cel      KEL K        FAH [degF]
AMP A    4K mA     B84 uA    B22 kA    AMH A.h   E09 mA.h  COU C     VLT V        2Z mV        KVT kV
D82 uV   OHM Ohm   E45 mOhm  B49 kOhm  B75 MOhm  SIE S     FAR F     4O uF        C41 nF       4T pF
81 H     C14 mH    WTT W     C31 mW    KWT kW    MAW MW    D46 V.A   KVA kV.A     MVA MV.A     D44 var
KVR kvar WHR W.h   KWH kW.h  MWH MW.h  GWH GW.h  K3 kvar.h C79 kV.A.h             JOU J        KJO kJ
3B MJ    GV GJ     PAL Pa    A97 hPa   KPA kPa   MPA MPa   MBR mbar  BAR bar      PS [psi]     ATM atm
HN mm[Hg]          NEW N     B47 kN    B73 MN    NU N.m    B48 kN.m  4P N/m       MTS m/s      C16 mm/s
2M cm/s  2X m/min  KMH km/h  MSK m/s2  HTZ Hz    KHZ kHz   MHZ MHz   A86 GHz      RPM /min     RPS /s
2A rad/s E96 deg/s DD deg    C81 rad   MQH m3/h  G53 m3/min          MQS m3/s     E32 L/h      L2 L/min
G51 L/s  KGS kg/s  F31 kg/min          E93 kg/h  E18 t/h   KMQ kg/m3 GL g/L       23 g/cm3     M1 mg/L
GP mg/m3 GQ ug/m3  C62 1     P1 %      59 [ppm]  61 [ppb]  Q30 [pH]  D10 S/m      H61 mS/cm    G42 uS/cm
2N dB    CDL cd    LUM lm    LUX lx    D33 T     C29 mT    WEB Wb    BQL Bq
"""
"""Code and unit, of what is measured in plants; codes as the OPC Foundation's UNECE_to_OPCUA.csv has them."""

_WORDS = _TABLE.split()
UCUM: Mapping[str, str] = dict(zip(_WORDS[::2], _WORDS[1::2], strict=True))


def code(unit_id: int) -> str:
    """The code in a UnitId, which holds its letters as bytes, such as CEL; empty for one that holds none."""
    if not 0 < unit_id < 1 << 24:
        return ""
    letters = unit_id.to_bytes(3, "big").lstrip(b"\0").decode("latin-1")
    return letters if letters.isascii() and letters.isalnum() else ""


def ucum(unit_id: int | None, text: str) -> str | None:
    """The unit as UCUM writes it; None when neither the code nor the text is known beyond doubt.

    A text that merely looks like UCUM is not: a server that shows `C` means degrees, not coulombs.
    """
    known = UCUM.get(code(unit_id)) if unit_id is not None else None
    return known or SLIPS.get(text.strip())
