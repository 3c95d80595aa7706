"""Simulated PLCs and the truth about what they say: a witness that shares no code with what it judges."""
