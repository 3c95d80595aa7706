from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.crypto import security_policies

from edge_agent.config.settings import Tag
from edge_agent.core.nodes import Node
from edge_agent.sim.certificates import Made, made
from edge_agent.sim.opcua import OpcUaPlc
from edge_agent.sim.opcua_security import URI, Security

TAGS = (Tag("force", "fast", "UInt32", Node("force", "urn:acme", "s=force", "UInt32")),)
CLIENT = made("urn:client")


@asynccontextmanager
async def connected(plc: OpcUaPlc, server: Made, client: Made = CLIENT) -> AsyncIterator[Client]:
    """A client of asyncua alone, over an encrypted channel."""
    found = Client(plc.endpoint)
    found.application_uri = "urn:client"
    policy: Any = security_policies.SecurityPolicyBasic256Sha256(
        server.certificate, client.certificate, client.key, ua.MessageSecurityMode.SignAndEncrypt
    )
    found.security_policy = policy
    found.uaclient.set_security(policy)
    async with found:
        yield found


async def test_three_policies_in_two_modes_are_offered_with_the_certificate() -> None:
    async with OpcUaPlc(TAGS, security=Security()) as plc:
        offered = await Client(plc.endpoint).connect_and_get_server_endpoints()

    assert [(each.SecurityPolicyUri.partition("#")[2], each.SecurityMode.name) for each in offered] == [
        (policy, mode)
        for policy in ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")
        for mode in ("Sign", "SignAndEncrypt")
    ]
    (shown,) = {each.ServerCertificate for each in offered}
    assert made(URI).der != shown
    assert {each.Server.ApplicationUri for each in offered} == {URI}


async def test_an_open_endpoint_and_logins_are_offered_when_they_are_wanted() -> None:
    security = Security(open=True, policies=(), logins=("anonymous", "password", "certificate"))
    async with OpcUaPlc(TAGS, security=security) as plc:
        (offered,) = await Client(plc.endpoint).connect_and_get_server_endpoints()

    assert offered.SecurityMode == ua.MessageSecurityMode.None_
    assert {each.TokenType for each in offered.UserIdentityTokens} == {
        ua.UserTokenType.Anonymous,
        ua.UserTokenType.UserName,
    }


async def test_client_with_a_certificate_that_is_trusted_is_let_in() -> None:
    security = Security(trusted=[CLIENT.fingerprint])
    async with OpcUaPlc(TAGS, security=security) as plc, connected(plc, security.certificate) as client:
        assert await client.nodes.server_state.read_value() == ua.ServerState.Running


@pytest.mark.parametrize(
    ("refuses", "code"),
    [
        ("channel", ua.StatusCodes.BadSecurityChecksFailed),
        ("session", ua.StatusCodes.BadCertificateUntrusted),
    ],
)
async def test_client_with_another_certificate_is_refused(refuses: str, code: int) -> None:
    security = Security(trusted=[], refuses=refuses)  # type: ignore[arg-type]  # a row of a table
    async with OpcUaPlc(TAGS, security=security) as plc:
        with pytest.raises(ua.UaStatusCodeError) as raised:
            async with connected(plc, security.certificate):
                pass

    assert raised.value.code == code


async def test_certificate_stays_when_the_server_starts_again() -> None:
    security = Security()
    async with OpcUaPlc(TAGS, security=security) as plc:
        await plc.restart()
        async with connected(plc, security.certificate) as client:
            assert await client.nodes.server_state.read_value() == ua.ServerState.Running
