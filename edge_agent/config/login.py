"""User and password as they are written -> a login; a password that everyone can read is doubted."""

from edge_agent.config.gateway_keys import UserKeys
from edge_agent.config.section import Section
from edge_agent.config.settings import Login
from edge_agent.config.syntax import Secret


def login(section: Section, keys: UserKeys | None) -> Login | None:
    """The login of a section with a key `user`; None without one."""
    return None if keys is None else credentials(section, keys.name, keys.password)


def credentials(section: Section, name: str, password: Secret) -> Login:
    """The login of a section with the keys `user.name` and `user.password`."""
    if password.plain:
        advice = "write ${file:path}, ${env:NAME} or ${cred:NAME}"
        section.warning(f"the password stands here for everyone to read; {advice}", "user", "password")
    return Login(name, password.reveal())
