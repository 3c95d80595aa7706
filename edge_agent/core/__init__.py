"""Decisions and formats as pure functions: no asyncio, clock, file, socket or third party in here."""
