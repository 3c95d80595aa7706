import pytest

from edge_agent.drivers.opcua.refusal import WORDS, Shown, explained, silent_refusal
from edge_agent.errors import DeviceError

SHOWN = Shown("sha256:AB12", "/state/pki/own/cert.der", "urn:gw17:edge-agent", "user and password")
ACCEPT = "accept its certificate sha256:AB12 on the server; the file is /state/pki/own/cert.der"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            "BadSecurityChecksFailed",
            f"the server refuses the channel; as a rule it does not trust this gateway: {ACCEPT}",
        ),
        ("BadCertificateUntrusted", f"the server does not trust this gateway: {ACCEPT}"),
        (
            "BadCertificateUseNotAllowed",
            "the server does not take the certificate of this gateway (BadCertificateUseNotAllowed): "
            + ACCEPT,
        ),
        (
            "BadCertificateUriInvalid",
            f"the server does not take the name urn:gw17:edge-agent of this gateway: {ACCEPT}",
        ),
        (
            "BadCertificateTimeInvalid",
            "the server finds this gateway's certificate not valid now: is the clock of the server right?",
        ),
        (
            "BadSecurityPolicyRejected",
            "the server refuses this security: see edge-agent endpoints for what it has, and write that",
        ),
        (
            "BadIdentityTokenRejected",
            "the server does not take user and password: see edge-agent endpoints for what it takes",
        ),
        (
            "BadUserAccessDenied",
            "the server refuses user and password: is it right, may this user connect?",
        ),
        ("BadTooManySessions", "the server has no session left: end others there, or raise its limit"),
    ],
)
def test_refusal_says_which_side_refused_and_what_to_do_there(reason: str, words: str) -> None:
    said = explained(DeviceError(reason), SHOWN)

    assert (said.reason, said.detail) == (reason, words)


@pytest.mark.parametrize("reason", WORDS)
def test_every_refusal_has_whole_words_with_and_without_a_certificate(reason: str) -> None:
    for shown in (SHOWN, Shown()):
        said = explained(DeviceError(reason), shown)
        assert said.reason == reason
        assert "{" not in said.detail
        assert "  " not in said.detail


def test_open_channel_that_is_refused_does_not_speak_of_a_certificate() -> None:
    said = explained(DeviceError("BadSecurityChecksFailed"), Shown())

    assert said.detail == (
        "the server refuses a channel without security: see edge-agent endpoints for what it has"
    )


@pytest.mark.parametrize("error", [DeviceError("timeout", "no answer"), DeviceError("BadNothingToDo")])
def test_other_failures_stay_as_they_are(error: DeviceError) -> None:
    assert explained(error, SHOWN) is error
    assert silent_refusal(error, SHOWN) is error


def test_channel_that_ends_without_a_word_is_perhaps_one_of_trust() -> None:
    said = silent_refusal(DeviceError("disconnected", "connection lost"), SHOWN)

    assert said.reason == "BadSecurityChecksFailed"
    assert said.detail == (
        f"the server closes without a word; perhaps it does not trust this gateway: {ACCEPT}"
    )


def test_open_channel_that_ends_is_a_lost_connection() -> None:
    error = DeviceError("disconnected", "connection lost")

    assert silent_refusal(error, Shown()) is error
