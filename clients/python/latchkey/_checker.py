"""Checks within one deadline for all attempts. An attempt is repeated after UNAVAILABLE alone."""
from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio

from latchkey.v1 import check_pb2, check_pb2_grpc

# Pause before the second attempt, in seconds; the pause before attempt n + 1 is n times as long.
_PAUSE = 0.01
# The library's own retries would not respect the number of attempts.
_OPTIONS: Sequence[tuple[str, Any]] = (("grpc.enable_retries", 0), ("grpc.keepalive_time_ms", 30_000))


def channel_credentials(ca: bytes | None = None, cert: bytes | None = None, key: bytes | None = None) -> grpc.ChannelCredentials:
    """Returns credentials for TLS: the CA of the server's certificate (the system's by default), and a client certificate."""
    return grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=cert)


def _metadata(caller: str | None) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {caller}"),) if caller else ()


class _Attempts:
    """Time that is left, and attempts that are left."""

    def __init__(self, deadline: float, max_attempts: int) -> None:
        self.deadline, self.max_attempts, self.made = time.monotonic() + deadline, max(1, max_attempts), 0

    def timeout(self) -> float:
        self.made += 1
        return max(0.001, self.deadline - time.monotonic())

    def pause(self, error: grpc.RpcError) -> float:
        """Returns the pause before the next attempt, or raises the error if there is none."""
        pause = _PAUSE * self.made
        left = self.deadline - time.monotonic() - pause
        if error.code() is not grpc.StatusCode.UNAVAILABLE or self.made >= self.max_attempts or left <= 0:
            raise error
        return pause


class Checker:
    """Sends Checks. One object has one connection, and may be used by many threads.

    `check` returns the decision, which is a permit or a denial. It raises `grpc.RpcError` if there is no decision; treat that
    as an outage, not as a denial. The deadline, in seconds, covers all attempts. An attempt whose response was lost may have
    been charged, so that a retry can charge the rate limits twice; `max_attempts=1` turns retries off.
    `caller` is a key that is sent with each Check, for a server whose `check_auth` is `key`: one of its `check_keys`.
    """

    def __init__(
        self,
        target: str,
        credentials: grpc.ChannelCredentials | None = None,
        *,
        deadline: float = 0.2,
        max_attempts: int = 3,
        caller: str | None = None,
    ) -> None:
        self._channel = grpc.secure_channel(target, credentials, options=_OPTIONS) if credentials else grpc.insecure_channel(target, options=_OPTIONS)
        self._stub = check_pb2_grpc.CheckServiceStub(self._channel)
        self._limits, self._metadata = (deadline, max_attempts), _metadata(caller)

    def check(self, request: check_pb2.CheckRequest) -> check_pb2.CheckResponse:
        attempts = _Attempts(*self._limits)
        while True:
            try:
                return self._stub.Check(request, timeout=attempts.timeout(), metadata=self._metadata)
            except grpc.RpcError as error:
                time.sleep(attempts.pause(error))

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Checker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncChecker:
    """Sends Checks from asyncio; otherwise like `Checker`. The connection is made by the first Check, in its event loop."""

    def __init__(
        self,
        target: str,
        credentials: grpc.ChannelCredentials | None = None,
        *,
        deadline: float = 0.2,
        max_attempts: int = 3,
        caller: str | None = None,
    ) -> None:
        self._target, self._credentials = target, credentials
        self._limits, self._metadata = (deadline, max_attempts), _metadata(caller)
        self._channel: grpc.aio.Channel | None = None

    def _stub(self) -> Any:
        if self._channel is None:
            self._channel = (
                grpc.aio.secure_channel(self._target, self._credentials, options=_OPTIONS)
                if self._credentials
                else grpc.aio.insecure_channel(self._target, options=_OPTIONS)
            )
        return check_pb2_grpc.CheckServiceStub(self._channel)

    async def check(self, request: check_pb2.CheckRequest) -> check_pb2.CheckResponse:
        attempts = _Attempts(*self._limits)
        while True:
            try:
                timeout = attempts.timeout()
                response: check_pb2.CheckResponse = await self._stub().Check(request, timeout=timeout, metadata=self._metadata)
                return response
            except grpc.RpcError as error:
                await asyncio.sleep(attempts.pause(error))

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()
            self._channel = None
