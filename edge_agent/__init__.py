"""edge_agent: PLC data to an MQTT broker; never a wrong value, never a silent loss."""

__version__ = "0.1.0"
