"""A small plant on this machine: simulated PLCs, a broker, the agent, and a receiver that checks every value."""
