import structlog
from structlog.testing import capture_logs

from edge_agent.drivers.gate import Gate
from edge_agent.errors import DeviceError

REFUSED = DeviceError("disconnected", "Connection refused")
SILENT = DeviceError("timeout", "no answer within 5 s")
DISTRUSTED = DeviceError("BadCertificateUntrusted", "the certificate is another one")


async def told(*attempts: DeviceError | None) -> list[tuple[str, str]]:
    """The events of these attempts; None is one that succeeds."""
    structlog.reset_defaults()
    gate = Gate("plc", lambda low, _: low)
    with capture_logs() as events:
        for each in attempts:
            if each is None:
                gate.opened(0.0)
            else:
                gate.failed(each, 0.0)
    return [(each["event"], each.get("why", "")) for each in events]


async def test_loss_is_one_event_however_many_attempts_meet_it() -> None:
    assert await told(REFUSED, SILENT, REFUSED, None, None) == [
        ("connection down", "Connection refused"),
        ("connection up", ""),
    ]


async def test_server_that_is_back_and_refuses_us_is_another_event() -> None:
    assert await told(REFUSED, DISTRUSTED, DISTRUSTED, None) == [
        ("connection down", "Connection refused"),
        ("connection down", "the certificate is another one"),
        ("connection up", ""),
    ]
