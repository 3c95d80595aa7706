"""The agent as a service: logs, the control socket, the identity of the machine."""
