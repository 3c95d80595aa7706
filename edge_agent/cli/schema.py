"""`edge-agent schema`: the JSON Schema of a kind of file, for editors."""

import argparse

from edge_agent.config.schema import gateway_schema, in_json, profile_schema
from edge_agent.drivers.kinds import kinds

EPILOG = """\
examples:
  edge-agent schema profile > profile-1.schema.json
  # yaml-language-server: $schema=profile-1.schema.json     as the first line of a profile beside it
"""

_SCHEMAS = {"gateway": gateway_schema, "profile": profile_schema}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `edge-agent schema`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "file", choices=list(_SCHEMAS), help="agent.yaml and the files of conf.d, or a device profile"
    )


def run(args: argparse.Namespace) -> int:
    """Print a schema; always 0."""
    print(in_json(_SCHEMAS[args.file](kinds())), end="")
    return 0
