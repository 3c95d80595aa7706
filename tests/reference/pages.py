"""What the generated files hold: the reference of profiles and of agent.yaml, and the schemas."""

from pathlib import Path

from edge_agent.config.gateway_keys import AdditionFile, GatewayFile
from edge_agent.config.groups import GroupKeys
from edge_agent.config.kinds import Kind
from edge_agent.config.profile import ProfileFile
from edge_agent.config.schema import gateway_schema, in_json, profile_schema
from edge_agent.drivers.kinds import kinds
from tests.reference.tables import sections, table

ROOT = Path(__file__).resolve().parents[2]
INTRODUCTIONS = Path(__file__).parent


def files() -> dict[Path, str]:
    """The text of every generated file."""
    return {
        ROOT / "docs" / "profiles.md": profiles(),
        ROOT / "docs" / "gateway.md": gateway(),
        ROOT / "edge_agent" / "schemas" / "profile-1.schema.json": in_json(profile_schema(kinds())),
        ROOT / "edge_agent" / "schemas" / "gateway-1.schema.json": in_json(gateway_schema(kinds())),
    }


def profiles() -> str:
    """The reference of device profiles."""
    parts = [
        _introduction("profiles"),
        "## Keys of every profile",
        table(ProfileFile),
        *list(sections("", ProfileFile))[1:],
    ]
    for kind in kinds().values():
        parts += [f"## With `protocol: {kind.name}`", *_protocol(kind)]
    return "\n\n".join(parts) + "\n"


def _protocol(kind: Kind) -> list[str]:
    shared = frozenset(
        field.alias or name for name, field in ProfileFile.model_fields.items() if name != "tests"
    )
    parts = [table(kind.profile_model, shared)]
    if kind.group_model is not GroupKeys:
        parts += sections("groups.<name>", kind.group_model)
    parts += sections("tags.<name>", kind.tag_model)
    return [*parts, *list(sections("", kind.profile_model, shared))[1:]]


def gateway() -> str:
    """The reference of agent.yaml."""
    parts = [
        _introduction("gateway"),
        "## Keys of agent.yaml",
        table(GatewayFile),
        "A file of `conf.d` has these: "
        + ", ".join(f"`{_key(name)}`" for name in AdditionFile.model_fields)
        + ".",
        *list(sections("", GatewayFile))[1:],
    ]
    for kind in kinds().values():
        parts += [f"## Connections with `{kind.name}`"]
        parts += sections(f"connections.<name>.{kind.name}", kind.connection_model)
    return "\n\n".join(parts) + "\n"


def _key(name: str) -> str:
    return AdditionFile.model_fields[name].alias or name


def _introduction(page: str) -> str:
    return (INTRODUCTIONS / f"{page}.md").read_text().rstrip()
