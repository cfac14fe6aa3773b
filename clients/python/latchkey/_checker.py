"""Checks within one deadline for all attempts. An attempt is repeated after UNAVAILABLE alone."""
from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio

from latchkey.v1 import check_pb2, check_pb2_grpc

# Pause before the second attempt, in seconds; the pause before attempt n + 1 is n times as long.
_PAUSE = 0.01
_OPTIONS: Sequence[tuple[str, Any]] = (
    # The library's own retries would not respect the number of attempts.
    ("grpc.enable_retries", 0),
    # A connection that was lost without a word is replaced after 15 seconds, also where calls are rare.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    # After an outage the connection is back within about a second; by default the pause grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


def channel_credentials(ca: bytes | None = None, cert: bytes | None = None, key: bytes | None = None) -> grpc.ChannelCredentials:
    """Returns credentials for TLS: the CA of the server's certificate (the system's by default), and a client certificate."""
    return grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=cert)


def _metadata(caller: str | None) -> tuple[tuple[str, str], ...]:
    if caller is None:
        return ()
    # The library's own error would show the key.
    if not caller or any(not "!" <= character <= "~" for character in caller):
        raise ValueError("caller is no key: it must have printable ASCII characters alone, and no line end of a file")
    return (("authorization", f"Bearer {caller}"),)


def _is_cancelled() -> bool:
    """Returns whether the running task itself is being cancelled. Python 3.10 can't tell, and takes each one for that."""
    task = asyncio.current_task()
    return task is None or sys.version_info < (3, 11) or task.cancelling() > 0


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
    """Sends Checks from asyncio; otherwise like `Checker`. The first Check of an event loop makes the connection of that loop.

    After `close`, Checks in flight raise `grpc.RpcError` with the code CANCELLED, and the next one connects again.
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
        self._target, self._credentials = target, credentials
        self._limits, self._metadata = (deadline, max_attempts), _metadata(caller)
        # A channel works in the event loop alone in which it was made.
        self._channels: dict[asyncio.AbstractEventLoop, grpc.aio.Channel] = {}

    def _channel(self) -> grpc.aio.Channel:
        loop = asyncio.get_running_loop()
        if loop not in self._channels:
            for ended in [one for one in list(self._channels) if one.is_closed()]:
                self._channels.pop(ended, None)
            self._channels[loop] = (
                grpc.aio.secure_channel(self._target, self._credentials, options=_OPTIONS)
                if self._credentials
                else grpc.aio.insecure_channel(self._target, options=_OPTIONS)
            )
        return self._channels[loop]

    async def _once(self, request: check_pb2.CheckRequest, timeout: float) -> check_pb2.CheckResponse:
        channel = self._channel()
        # The generated types are those of stubs for threads.
        stub: Any = check_pb2_grpc.CheckServiceStub(channel)
        try:
            response: check_pb2.CheckResponse = await stub.Check(request, timeout=timeout, metadata=self._metadata)
            return response
        except asyncio.CancelledError:
            # A channel that is closed cancels its calls, and the caller's task goes on.
            if self._channels.get(asyncio.get_running_loop()) is channel or _is_cancelled():
                raise
            nothing = grpc.aio.Metadata()
            raise grpc.aio.AioRpcError(grpc.StatusCode.CANCELLED, nothing, nothing, "the checker was closed") from None

    async def check(self, request: check_pb2.CheckRequest) -> check_pb2.CheckResponse:
        attempts = _Attempts(*self._limits)
        while True:
            try:
                return await self._once(request, attempts.timeout())
            except grpc.RpcError as error:
                await asyncio.sleep(attempts.pause(error))

    async def close(self) -> None:
        """Closes the connection of the running event loop."""
        channel = self._channels.pop(asyncio.get_running_loop(), None)
        if channel is not None:
            await channel.close()
