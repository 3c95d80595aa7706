"""Configuration: YAML files with every mistake at its place -> frozen settings.

Importing this package imports nothing: the running agent needs `settings` only, not the loader with pydantic
and YAML (13 MB). `gateway.load` and `profile.load_profile` load.
"""
