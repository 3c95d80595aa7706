"""Simulated PLCs and the truth about what they say: a witness that shares no code with what it judges."""

IDENTITY = ("edge_agent", "simulated PLC", "1.0")
"""What every simulated device says it is: maker, product, version."""
