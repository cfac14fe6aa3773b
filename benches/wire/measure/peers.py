"""Other services of authorization and limits, each with one stored relationship, policy or limit in memory, and the
request that means "may this caller do this" for it. Their settings are the defaults, but nothing is logged below errors
and nothing is sent to their makers."""
import os, subprocess, sys, tempfile, time

from . import installs, loads, messages
from .messages import field, fields, framed
from .servers import Server, free_port, grpcurl

SPICEDB_KEY = "bench"
SCHEMA = """
definition user {}
definition route {
  relation caller: user
  permission call = caller
}
"""
CERBOS_POLICY = """
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: route
  version: default
  rules:
    - actions: [call]
      effect: EFFECT_ALLOW
      roles: [caller]
"""
LIMITS = """
domain: bench
descriptors:
  - key: caller
    value: ada
    rate_limit: {unit: second, requests_per_unit: 100000000}
  - key: caller
    value: bob
    rate_limit: {unit: second, requests_per_unit: 0}
"""


class Peer:
    """A service with its processes, the request to measure, and the results of its rounds. `decides` says from a
    response whether it allows; `asks` makes the request of a caller who is allowed, and of one who is not."""

    def __init__(self, place, name, servers, path, asks, decides, metadata=(), denies=True):
        self.name, self.servers, self.path, self.metadata = name, servers, path, list(metadata)
        self.body = os.path.join(tempfile.mkdtemp(dir=place.folder), "request")
        for allowed in (False, True) if denies else (True,):
            with open(self.body, "wb") as out:
                out.write(framed(asks(allowed)))
            self.verify(allowed, decides)

    def verify(self, allowed, decides):
        """Exits unless the service gives the expected decision, for which it has some seconds to start."""
        for _ in range(100):
            status, message, about = loads.response(self.servers[0], self.path, self.body, self.metadata)
            if status == 0 and decides(fields(message)) == allowed:
                return
            time.sleep(0.2)
        sys.exit(f"bench-peers: {self.name} did not {'allow' if allowed else 'deny'} the request; the benchmark stops: {about[-600:]}")

    def run(self, place, requests, extra):
        url = f"http://127.0.0.1:{self.servers[0].port}{self.path}"
        extra = [*extra, *(word for header in self.metadata for word in ("-H", header))]
        return loads.load(place, self.servers, url, requests, extra, self.body)

    def resident(self):
        return sum(server.resident() for server in self.servers)

    def end(self):
        for server in self.servers:
            server.end()


def caller(allowed):
    return "ada" if allowed else "bob"


def written(place, name, text):
    """Returns a new folder with one file."""
    folder = tempfile.mkdtemp(dir=place.folder)
    os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
    with open(os.path.join(folder, name), "w") as out:
        out.write(text)
    return folder


def native(place, name, server, denies=True):
    """Latchkey, or the no-op server of the same message, which can't deny."""
    asks = lambda allowed: messages.native_check(messages.key(0 if allowed else 1_000))[5:]
    return Peer(place, name, [server], messages.NATIVE, asks, lambda found: found.get(1) == 1, denies=denies)


def spicedb(place):
    start = f"schema: |-{SCHEMA.replace(chr(10), chr(10) + '  ')}\nrelationships: |-\n  route:wallets#caller@user:ada\n"
    file = os.path.join(written(place, "start.yaml", start), "start.yaml")
    command = [
        installs.module("spicedb"), "serve", "--grpc-addr", "127.0.0.1:{port}", "--grpc-preshared-key", SPICEDB_KEY,
        "--datastore-engine", "memory", "--datastore-bootstrap-files", file, "--metrics-addr", "127.0.0.1:{http}",
        "--log-level", "error", "--telemetry-endpoint", "", "--skip-release-check",
    ]
    reference = lambda kind, name: field(1, kind) + field(2, name)
    asks = lambda allowed: field(2, reference("route", "wallets")) + field(3, "call") + field(4, field(1, reference("user", caller(allowed))))
    path = "/authzed.api.v1.PermissionsService/CheckPermission"
    metadata = [f"authorization: Bearer {SPICEDB_KEY}"]
    return Peer(place, "SpiceDB", [Server(place, command)], path, asks, lambda found: found.get(2) == 2, metadata)


def openfga(place, cached=False):
    command = [
        installs.module("openfga"), "run", "--grpc-addr", "127.0.0.1:{port}", "--datastore-engine", "memory", "--http-enabled=false",
        "--playground-enabled=false", "--metrics-addr", "127.0.0.1:{http}", "--log-level", "error",
        f"--check-query-cache-enabled={str(cached).lower()}",
    ]
    server = Server(place, command)
    call = lambda method, message: grpcurl(server, f"openfga.v1.OpenFGAService/{method}", message)
    store = call("CreateStore", {"name": "bench"})["id"]
    route = {
        "type": "route", "relations": {"caller": {"this": {}}},
        "metadata": {"relations": {"caller": {"directly_related_user_types": [{"type": "user"}]}}},
    }
    model = call("WriteAuthorizationModel", {"store_id": store, "schema_version": "1.1", "type_definitions": [{"type": "user"}, route]})
    relationship = {"user": "user:ada", "relation": "caller", "object": "route:wallets"}
    call("Write", {"store_id": store, "writes": {"tuple_keys": [relationship]}})
    model = model.get("authorizationModelId") or model["authorization_model_id"]
    asked = lambda allowed: field(1, f"user:{caller(allowed)}") + field(2, "caller") + field(3, "route:wallets")
    asks = lambda allowed: field(1, store) + field(2, asked(allowed)) + field(4, model)
    name = "OpenFGA with its cache" if cached else "OpenFGA"
    return Peer(place, name, [server], "/openfga.v1.OpenFGAService/Check", asks, lambda found: found.get(1) == 1)


def ratelimit(place):
    """Envoy's rate limit service with a Redis; both share the server's core, and both are counted."""
    redis = Server(place, ["redis-server", "--bind", "127.0.0.1", "--port", "{port}", "--save", "", "--appendonly", "no"])
    environment = {
        "HOST": "127.0.0.1", "PORT": "{http}", "GRPC_HOST": "127.0.0.1", "GRPC_PORT": "{port}", "DEBUG_HOST": "127.0.0.1",
        "DEBUG_PORT": str(free_port()), "LOG_LEVEL": "error", "USE_STATSD": "false", "BACKEND_TYPE": "redis",
        "REDIS_SOCKET_TYPE": "tcp", "REDIS_URL": f"127.0.0.1:{redis.port}", "RUNTIME_ROOT": written(place, "bench/config/limits.yaml", LIMITS),
        "RUNTIME_SUBDIRECTORY": "bench", "RUNTIME_WATCH_ROOT": "false",
    }
    server = Server(place, [installs.module("service_cmd")], environment=environment)
    asks = lambda allowed: field(1, "bench") + field(2, field(1, field(1, "caller") + field(2, caller(allowed))))
    path = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
    return Peer(place, "Envoy's ratelimit with Redis", [server, redis], path, asks, lambda found: found.get(1) == 1)


def cerbos(place):
    folder = written(place, "policies/route.yaml", CERBOS_POLICY)
    settings = {
        "server.grpcListenAddr": "127.0.0.1:{port}", "server.httpListenAddr": "127.0.0.1:{http}", "storage.driver": "disk",
        "storage.disk.directory": os.path.join(folder, "policies"), "storage.disk.watchForChanges": "false", "telemetry.disabled": "true",
    }
    flags = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    server = Server(place, [installs.cerbos(), "server", "--log-level", "error", *flags])
    role = lambda allowed: "caller" if allowed else "other"
    principal = lambda allowed: field(1, caller(allowed)) + field(3, role(allowed))
    resource = field(1, "call") + field(2, field(1, "route") + field(3, "wallets"))
    asks = lambda allowed: field(1, "1") + field(3, principal(allowed)) + field(4, resource)
    effect = lambda found: fields(fields(found[2])[2])[2]
    return Peer(place, "Cerbos", [server], "/cerbos.svc.v1.CerbosService/CheckResources", asks, lambda found: effect(found) == 1)


def redis_version():
    return subprocess.check_output(["redis-server", "--version"], text=True).split("v=")[1].split()[0]
