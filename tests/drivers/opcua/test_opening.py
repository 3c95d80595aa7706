"""Answers of a server during the handshake that no simulated one gives."""

from typing import Any, cast

import pytest
from asyncua import Client, ua
from cryptography.exceptions import InvalidSignature

from edge_agent.drivers.opcua import opening
from edge_agent.drivers.opcua.offers import offers, unfit
from edge_agent.errors import DeviceError
from edge_agent.sim.opcua import OpcUaPlc


class Refusing:
    """A client whose server answers the request for a channel with a fault."""

    async def open_secure_channel(self) -> None:
        raise AssertionError


async def test_fault_in_place_of_a_channel_is_a_refusal_and_no_bug() -> None:
    with pytest.raises(DeviceError, match="disconnected: the server refuses the channel"):
        await opening._channel(cast("Client", Refusing()))


async def test_signature_that_is_not_of_the_certificate_shown_is_refused() -> None:
    async def create() -> Any:
        raise InvalidSignature

    with pytest.raises(DeviceError) as raised:
        await opening._verified(create)

    assert raised.value.reason == "BadApplicationSignatureInvalid"
    assert raised.value.detail == "the server does not have the key of the certificate that it shows"


async def test_certificate_and_names_that_cannot_be_read_are_none() -> None:
    async with OpcUaPlc(()) as plc:
        assert plc._core is not None
        (offered,) = plc._core.endpoints
        offered.ServerCertificate = b"nothing"
        offered.Server.ApplicationName = ua.LocalizedText("press\x1b[31m")
        (found,) = await offers(plc.endpoint, 2.0)

    assert found.certificate is None
    assert found.application == "press\N{REPLACEMENT CHARACTER}[31m"
    assert unfit([found], "Basic256Sha256", "sign").detail == (
        "the server has no endpoint with Basic256Sha256 sign; it has: None none; "
        "switch it on there, or write another"
    )


async def test_server_without_endpoints_is_told() -> None:
    async with OpcUaPlc(()) as plc:
        assert plc._core is not None
        plc._core.endpoints.clear()
        with pytest.raises(DeviceError, match="wrong_answer: the server lists no endpoint"):
            await offers(plc.endpoint, 2.0)
