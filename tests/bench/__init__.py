"""The agent measured beside a straight C loop: same simulator, broker, receiver and time."""
