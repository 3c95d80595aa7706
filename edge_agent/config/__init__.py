"""Configuration: YAML files with every mistake at its place -> frozen settings."""

from edge_agent.config.gateway import Loaded, load
from edge_agent.config.profile import load_profile
from edge_agent.config.shelf import shipped_profiles

__all__ = ["Loaded", "load", "load_profile", "shipped_profiles"]
