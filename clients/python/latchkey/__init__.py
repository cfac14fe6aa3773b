"""Client of Latchkey: Checks with a deadline and retries, and in `latchkey.asgi` a guard for ASGI applications.

The messages and services of the contract are in `latchkey.v1`.
"""
from ._checker import AsyncChecker, Checker, channel_credentials

__all__ = ["AsyncChecker", "Checker", "channel_credentials"]
