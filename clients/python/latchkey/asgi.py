"""Guard for ASGI applications, such as FastAPI's and Starlette's: only requests that Latchkey allows reach the application.

    app = FastAPI()
    app.add_middleware(Guard, checker=AsyncChecker("127.0.0.1:50051"), profile="demo")

    @app.get("/things")
    async def things(request: Request):
        return {"tenant": principal(request.scope).tenant_slug}
"""
from __future__ import annotations

import enum
import inspect
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

import grpc

from latchkey.v1 import check_pb2

from ._checker import AsyncChecker

Scope = MutableMapping[str, Any]
Customize = Callable[[Scope, check_pb2.CheckRequest], Awaitable[None] | None]

_PRINCIPAL = "latchkey.principal"
_CREDENTIALS = (b"authorization", b"x-api-key")
# Longest values that a Check takes, in bytes.
_MAX_CREDENTIAL, _MAX_PATH, _MAX_METHOD = 8192, 8192, 128
# Longest Check that is sent, in bytes: `customize` may take further values from the request.
_MAX_CHECK = 65536
_OUTAGES = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
_UNAUTHENTICATED = frozenset(
    check_pb2.Reason.Value(f"REASON_{name}")
    for name in (
        "MISSING_CREDENTIAL", "AMBIGUOUS_CREDENTIAL", "INVALID_CREDENTIAL", "REVOKED", "EXPIRED", "DISABLED", "TENANT_REQUIRED",
        "ENVIRONMENT_MISMATCH",
    )
)
_STATUSES = {
    check_pb2.REASON_RATE_LIMITED: 429,
    check_pb2.REASON_MALFORMED_REQUEST: 400,
    check_pb2.REASON_ROUTE_NOT_FOUND: 404,
    check_pb2.REASON_METHOD_NOT_ALLOWED: 405,
}


class OnOutage(enum.Enum):
    """Handling of a request for which Latchkey makes no decision because it can't be reached in time."""

    # Responds with 503.
    FAIL_CLOSED = "fail_closed"
    # Passes the request on without a principal. An attacker who can make Latchkey unavailable is then allowed everything.
    FAIL_OPEN = "fail_open"


def principal(scope: Scope) -> check_pb2.Principal | None:
    """Returns the caller of an allowed request; None on a public route."""
    found: check_pb2.Principal | None = scope.get(_PRINCIPAL)
    return found


class Guard:
    """ASGI middleware. `customize`, a function or a coroutine function, may add to a CheckRequest what the request does not say: a
    resource, an address, scopes."""

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        checker: AsyncChecker,
        profile: str = "",
        on_outage: OnOutage = OnOutage.FAIL_CLOSED,
        customize: Customize | None = None,
    ) -> None:
        self.app, self.checker, self.profile, self.on_outage, self.customize = app, checker, profile, on_outage, customize

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        refusal = await self._decide(scope)
        if refusal is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _respond(send, *refusal)

    async def _decide(self, scope: Scope) -> tuple[int, str, list[tuple[bytes, bytes]]] | None:
        """Returns None if the request is allowed, or else the status, the reason and the headers of the response."""
        headers = list(scope.get("headers", ()))
        # The application gets neither credentials nor an earlier principal.
        scope["headers"] = [(name, value) for name, value in headers if name.lower() not in _CREDENTIALS]
        scope.pop(_PRINCIPAL, None)
        path, credential = _path(scope), _credential(headers)
        if path is None:
            return 403, "ROUTE_NOT_ALLOWED", []
        if credential is None:
            return 401, "AMBIGUOUS_CREDENTIAL", [(b"www-authenticate", b"Bearer")]
        request = check_pb2.CheckRequest(
            credential=credential, profile=self.profile, method=scope.get("method", "GET"), path=path, request_id=_request_id(headers)
        )
        if self.customize is not None:
            waiting = self.customize(scope, request)
            if inspect.isawaitable(waiting):
                await waiting
        if request.scopes_only:
            request.path = ""
        elif not request.path:
            return 403, "ROUTE_NOT_ALLOWED", []
        excess = _excess(request)
        if excess is not None:
            return excess
        try:
            response = await self.checker.check(request)
        except grpc.RpcError as error:
            # Every other error is one of this client, and admits nothing.
            if self.on_outage is OnOutage.FAIL_OPEN and error.code() in _OUTAGES:
                return None
            return 503, "UNAVAILABLE", []
        if response.decision != check_pb2.DECISION_ALLOW:
            return _denied(response)
        if response.HasField("principal"):
            scope[_PRINCIPAL] = response.principal
        return None


def _excess(check: check_pb2.CheckRequest) -> tuple[int, str, list[tuple[bytes, bytes]]] | None:
    """Returns the response to a request with a value that is longer than a Check can carry; a query does not count. Its transport could
    exceed the deadline, which is a sign of an outage."""
    if len(check.path.partition("?")[0].encode()) > _MAX_PATH or len(check.method.encode()) > _MAX_METHOD:
        return 400, "MALFORMED_REQUEST", []
    if len(check.credential.encode()) > _MAX_CREDENTIAL:
        return 401, "INVALID_CREDENTIAL", [(b"www-authenticate", b"Bearer")]
    return (400, "MALFORMED_REQUEST", []) if check.ByteSize() > _MAX_CHECK else None


def _path(scope: Scope) -> str | None:
    """Returns the path as the client sent it; None for one that no route can have, such as that of CONNECT, for bytes that no URL
    has, since servers and applications read them in different ways, and where the path is not known for certain."""
    raw = scope.get("raw_path")
    if raw:
        path = bytes(raw).split(b"?")[0].decode("latin-1")
    else:
        # The path is decoded already, so that a percent sign in it is not the beginning of a code. A router may have removed the
        # prefix below which it mounts the application. A path that begins with the prefix is denied: it may be the whole one, or
        # the rest of one that has the prefix twice.
        path, prefix = scope.get("path", ""), scope.get("root_path", "").rstrip("/")
        if prefix and (path == prefix or path.startswith(f"{prefix}/")):
            return None
        if path.startswith("/"):
            path = prefix + path
        path = quote(path, safe="/:@!$&'()*+,;=~-._")
    return path if path.startswith("/") and path.isascii() else None


def _request_id(headers: list[tuple[bytes, bytes]]) -> str:
    """Returns the identifier that the client sent if a Check can carry it; the server makes one otherwise."""
    values = [value for name, value in headers if name.lower() == b"x-request-id"]
    carried = len(values) == 1 and len(values[0]) <= 128 and all(0x20 < byte < 0x7F for byte in values[0])
    return values[0].decode("ascii") if carried else ""


def _credential(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Returns the credential, an empty text if there is none, and None for two different ones or an unreadable one."""
    found: set[str] = set()
    for name, value in headers:
        if name.lower() in _CREDENTIALS:
            if not value.isascii():
                return None
            text = _value_of(name.lower(), value.decode("ascii").strip())
            if text is None:
                return None
            found.add(text)
    found.discard("")
    return None if len(found) > 1 else next(iter(found), "")


def _value_of(name: bytes, value: str) -> str | None:
    """Returns the credential in the value of a header: an empty text if it has none, as an Authorization of another scheme
    than Bearer, and None if a Bearer credential may hide behind another scheme."""
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if name != b"authorization" or not rest:
        return value
    hidden = any(part.split()[:1] and part.split()[0].lower() == "bearer" for part in value.split(","))
    return None if hidden else ""


def _denied(response: check_pb2.CheckResponse) -> tuple[int, str, list[tuple[bytes, bytes]]]:
    name = check_pb2.Reason.Name(response.reason) if response.reason in check_pb2.Reason.values() else "REASON_UNSPECIFIED"
    headers: list[tuple[bytes, bytes]] = []
    if response.reason in _UNAUTHENTICATED:
        status = 401
        headers.append((b"www-authenticate", b"Bearer"))
    else:
        status = _STATUSES.get(response.reason, 403)
    if status == 405:
        headers.append((b"allow", ", ".join(response.allowed_methods).encode()))
    seconds = max((limit.retry_after_seconds for limit in response.rate_limits), default=0)
    # No wait helps a call that a bucket can never hold.
    if seconds and not any(limit.never for limit in response.rate_limits):
        headers.append((b"retry-after", str(seconds).encode()))
    return status, name.removeprefix("REASON_"), headers


async def _respond(send: Any, status: int, reason: str, headers: list[tuple[bytes, bytes]]) -> None:
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
