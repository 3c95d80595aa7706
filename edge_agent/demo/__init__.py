"""A small plant on this machine.

Simulated PLCs, a broker, the agent, and a receiver that checks every value.
"""
