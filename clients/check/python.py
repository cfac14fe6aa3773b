"""Calls a server by TLS with the Python package, and puts its guard in front of an application. Prints nothing if all is right."""
import asyncio
import json
import sys
import time

import grpc
from fastapi import FastAPI, Request
from latchkey import AsyncChecker, Checker, channel_credentials
from latchkey.asgi import Guard, OnOutage, principal
from latchkey.v1 import check_pb2, keys_pb2, keys_pb2_grpc

given = json.load(sys.stdin)
read = lambda name: open(given[name], "rb").read()
tls = channel_credentials(ca=read("ca"), cert=read("cert"), key=read("key"))
target, key = given["target"], given["api_key"]

caller = given["caller"]
with Checker(target, tls, deadline=10, caller=caller) as checker:
    check = lambda method: checker.check(check_pb2.CheckRequest(credential=key, method=method, path="/things"))
    assert check("GET").decision == check_pb2.DECISION_ALLOW
    denied = check("POST")
    assert (denied.decision, denied.reason) == (check_pb2.DECISION_DENY, check_pb2.REASON_INSUFFICIENT_SCOPE)
for kind in (Checker, AsyncChecker):
    for wrong in (f"{caller}\n", ""):
        try:
            kind(target, tls, caller=wrong)
            raise SystemExit("a key with a line end must be an error")
        except ValueError as error:
            assert "caller is no key" in str(error) and caller not in str(error), error
with Checker(given["closed"], deadline=0.5, max_attempts=2) as checker:
    try:
        checker.check(check_pb2.CheckRequest(credential=key))
        raise SystemExit("a closed port must be an error")
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.UNAVAILABLE, error
with grpc.secure_channel(target, tls) as channel:
    try:
        keys_pb2_grpc.KeyServiceStub(channel).ListKeys(keys_pb2.ListKeysRequest(), timeout=10)
        raise SystemExit("ListKeys must fail without a credential")
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED, error


async def application(scope, receive, send):
    names = [name for name, _ in scope["headers"]]
    assert b"x-api-key" not in names and b"authorization" not in names, names
    caller = principal(scope)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": (caller.tenant_slug if caller else "").encode()})


async def status(guard, path="/things", headers=(), method="GET", kind="http", raw=True, more=()):
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "method": method, "path": path, "headers": list(headers), "latchkey.principal": "forged"}
    scope.update(more)
    if raw:
        scope["raw_path"] = path.encode()
    async def receive():
        return {"type": "http.request", "body": b""}

    await guard(scope, receive, send)
    if kind == "websocket":
        return sent[0]["type"]
    return sent[0]["status"], sent[1]["body"].decode()


async def fastapi(checker, header):
    """The application of docs/clients.md."""
    app = FastAPI()
    app.add_middleware(Guard, checker=checker, profile="demo")

    @app.get("/things")
    async def things(request: Request):
        return {"tenant": principal(request.scope).tenant_slug}

    web = lambda headers: status(app, headers=headers, more={"http_version": "1.1", "scheme": "http", "query_string": b""})
    assert await web([header]) == (200, '{"tenant":"acme"}')
    assert (await web([]))[0] == 401


async def guards():
    checker = AsyncChecker(target, tls, deadline=10, caller=caller)
    guard, header = Guard(application, checker, profile="demo"), (b"x-api-key", key.encode())
    assert await status(guard, headers=[header]) == (200, "acme")
    assert await status(guard, headers=[(b"authorization", b"Bearer " + key.encode())]) == (200, "acme")
    assert (await status(guard))[0] == 401
    assert (await status(guard, headers=[header, (b"x-api-key", b"other")]))[0] == 401
    for other in (b"Basic YTpi", b"Bearer", b""):
        assert await status(guard, headers=[header, (b"authorization", other)]) == (200, "acme"), other
    assert (await status(guard, headers=[header, (b"authorization", b"Basic YTpi, Bearer other")]))[0] == 401
    assert (await status(guard, headers=[header], method="POST"))[0] == 403
    for path in ("", "*", "host:443"):
        assert await status(guard, path=path, headers=[header], method="CONNECT") == (403, '{"error": "ROUTE_NOT_ALLOWED"}')
    for path in ("/things/caf\u00e9", "/things/\u0080"):
        assert await status(guard, path=path, headers=[header]) == (403, '{"error": "ROUTE_NOT_ALLOWED"}')
    assert await status(guard, path="/things/caf\u00e9", headers=[header], raw=False) == (200, "acme")
    # A router that mounts the guarded application removes its prefix from `path` alone.
    for prefix, path, expected in (("/admin", "/things", 403), ("/things", "/a", 200), ("/things/", "/a", 200), ("/", "/things", 200)):
        assert (await status(guard, path=path, headers=[header], raw=False, more={"root_path": prefix}))[0] == expected, (prefix, path)
    # The whole path, or one that has the prefix twice: nothing tells them apart without `raw_path`.
    for prefix, path in (("/things", "/things/a"), ("/things", "/things"), ("/things/", "/things/a")):
        given_prefix = {"root_path": prefix}
        refused = await status(guard, path=path, headers=[header], raw=False, more=given_prefix)
        assert refused == (403, '{"error": "ROUTE_NOT_ALLOWED"}'), (prefix, path)
        assert await status(guard, path=path, headers=[header], more=given_prefix) == (200, "acme"), (prefix, path)
    full = {"root_path": "/admin", "raw_path": b"/admin/things"}
    assert (await status(guard, path="/things", headers=[header], raw=False, more=full))[0] == 403
    assert await status(guard, kind="websocket") == "websocket.close"
    assert await status(guard, headers=[header, (b"x-request-id", b"r" * 129)]) == (200, "acme")
    assert await status(guard, path="/things/a", headers=[header], raw=False) == (200, "acme")
    assert (await status(guard, path="/things/%61", headers=[header], raw=False))[0] == 403
    customized = lambda customize, **options: status(Guard(application, checker, profile="demo", customize=customize, **options), headers=[header])
    async def scopes_alone(scope, check):
        await asyncio.sleep(0)
        check.scopes_only = True
        check.scopes.append("things.read")
    assert await customized(scopes_alone) == (200, "acme")
    async def more_scopes(scope, check):
        await asyncio.sleep(0)
        check.scopes.append("things.write")
    assert (await customized(more_scopes))[0] == 403
    assert await customized(lambda scope, check: check.ClearField("path")) == (403, '{"error": "ROUTE_NOT_ALLOWED"}')
    stranger = AsyncChecker(target, tls, deadline=10)
    assert (await status(Guard(application, stranger, on_outage=OnOutage.FAIL_OPEN), headers=[header]))[0] == 503
    # A request that the server can't read is no outage: it must not pass even where outages do.
    def too_long(scope, check):
        check.scopes.extend(["s" * 1000] * 10_000)
    broken = Guard(application, checker, profile="demo", on_outage=OnOutage.FAIL_OPEN, customize=too_long)
    assert (await status(broken, headers=[header]))[0] == 400
    closed = AsyncChecker(given["closed"], deadline=0.5, max_attempts=2)
    assert (await status(Guard(application, closed), headers=[header]))[0] == 503
    assert (await status(Guard(application, closed, on_outage=OnOutage.FAIL_OPEN), headers=[header])) == (200, "")
    # A value that no Check can carry is denied without one: sending it could exceed the deadline.
    opened = Guard(application, closed, on_outage=OnOutage.FAIL_OPEN)
    assert (await status(opened, headers=[(b"x-api-key", b"k" * 8193)])) == (401, '{"error": "INVALID_CREDENTIAL"}')
    assert (await status(opened, headers=[header], path="/" + "p" * 8192)) == (400, '{"error": "MALFORMED_REQUEST"}')
    assert (await status(opened, headers=[header], method="M" * 129)) == (400, '{"error": "MALFORMED_REQUEST"}')
    def customize(_, check):
        check.resource["merchant"] = "m" * 65536

    opened = Guard(application, closed, on_outage=OnOutage.FAIL_OPEN, customize=customize)
    assert (await status(opened, headers=[header])) == (400, '{"error": "MALFORMED_REQUEST"}')
    silent = AsyncChecker(given["silent"], deadline=0.3)
    assert (await status(Guard(application, silent), headers=[header]))[0] == 503
    assert (await status(Guard(application, silent, on_outage=OnOutage.FAIL_OPEN), headers=[header])) == (200, "")
    await fastapi(checker, header)
    for one in (checker, closed, silent, stranger):
        await one.close()


def become(port, *expected):
    """Asserts that Checks by a port succeed or fail as wanted, one after the other: the checker must replace a lost connection by itself."""
    def once():
        try:
            checker.check(check_pb2.CheckRequest(credential=key, method="GET", path="/things", dry_run=True))
            return True
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE), error
            return False

    def until(wanted):
        end = time.monotonic() + 60
        while once() is not wanted:
            assert time.monotonic() < end, f"no {wanted}"
            time.sleep(0.1)

    with Checker(port, tls, deadline=1, caller=caller) as checker:
        for wanted in expected:
            until(wanted)


async def once(checker):
    return (await checker.check(check_pb2.CheckRequest(credential=key, method="GET", path="/things"))).decision


async def closed_in_flight():
    """A checker that is closed refuses the request in flight, and cancels no task."""
    silent = AsyncChecker(given["silent"], deadline=10)
    for on_outage in OnOutage:
        refused = asyncio.create_task(status(Guard(application, silent, on_outage=on_outage), headers=[(b"x-api-key", key.encode())]))
        await asyncio.sleep(0.2)
        await silent.close()
        assert (await refused)[0] == 503
    cancelled = asyncio.create_task(once(silent))
    await asyncio.sleep(0.2)
    cancelled.cancel()
    assert isinstance((await asyncio.gather(cancelled, return_exceptions=True))[0], asyncio.CancelledError)
    await silent.close()


shared = AsyncChecker(target, tls, deadline=10, caller=caller)
for _ in range(2):  # Each in an event loop of its own.
    assert asyncio.run(once(shared)) == check_pb2.DECISION_ALLOW
asyncio.run(closed_in_flight())
# One is lost without a word, and of the other, the first attempt to connect is not answered.
become(given["lossy"]["python"], True, False, True)
become(given["mute"]["python"], False, True)
asyncio.run(guards())
