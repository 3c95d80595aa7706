"""Protocols: one package each, imported only when a configured device needs it."""
