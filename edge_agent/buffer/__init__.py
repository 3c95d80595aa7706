"""The log on disk: the only queue of the agent."""
