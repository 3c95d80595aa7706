"""What TLS needs of files on disk, for every connection that uses it."""

import ssl
from pathlib import Path

from edge_agent.errors import EdgeAgentError


class UnusableFile(EdgeAgentError):  # noqa: N818 - as the other failures of ours are named
    """A certificate or key that cannot be used; `file` is which, `error` what OpenSSL says of it."""

    def __init__(self, file: Path, error: Exception) -> None:
        super().__init__(f"{file}: not a usable PEM file ({error})")
        self.file = file
        self.error = error


def context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """What TLS needs, from the files as they are now: a renewed certificate counts at the next connection.

    Without `ca` the system's authorities are trusted, without `cert` we show none. Raises OSError for a file
    that cannot be read, UnusableFile for one that holds something else.
    """
    made = ssl.create_default_context() if ca is None else _trusting(ca)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert is not None:
        # load_cert_chain names no file in its errors, so each is opened before.
        for file in filter(None, (cert, key)):
            file.open("rb").close()
        try:
            # A password of "" where OpenSSL would ask for one at the terminal.
            made.load_cert_chain(cert, key, password="")
        except (ssl.SSLError, ValueError) as error:
            raise UnusableFile(key or cert, error) from error
    return made


def _trusting(ca: Path) -> ssl.SSLContext:
    # Comments in a PEM file may hold anything; an empty file must not fall back to the system's authorities.
    pem = ca.read_text(encoding="ascii", errors="ignore") or "\n"
    try:
        return ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise UnusableFile(ca, error) from error
