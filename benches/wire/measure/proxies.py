"""Envoys with one worker each, which respond directly to every request that their filter allows."""
import json, os

from .servers import ROOT, Server

TYPES = "type.googleapis.com/envoy.extensions"
NETWORK, HTTP = f"{TYPES}.filters.network", f"{TYPES}.filters.http"


def typed(name, kind, **settings):
    return {"name": name, "typed_config": {"@type": kind, **settings}}


def by_itself(value):
    """Envoy's own filter, which knows one key."""
    keys = {"credentials": [{"key": value, "client": "bench"}], "key_sources": [{"header": "x-api-key"}]}
    return typed("envoy.filters.http.api_key_auth", f"{HTTP}.api_key_auth.v3.ApiKeyAuth", **keys)


def asking(only=None):
    """ext_authz, with the settings that the README recommends."""
    grpc = {"envoy_grpc": {"cluster_name": "authorization"}, "timeout": "0.2s"}
    settings = {"transport_api_version": "V3", "failure_mode_allow": False, "encode_raw_headers": True, "grpc_service": grpc}
    if only:
        settings["allowed_headers"] = {"patterns": [{"exact": name} for name in only]}
    return typed("envoy.filters.http.ext_authz", f"{HTTP}.ext_authz.v3.ExtAuthz", **settings)


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def place_of(server):
    """The address that a server listens on for gRPC."""
    return {"pipe": {"path": server.socket}} if server.socket else address(server.port)


def cluster(server):
    http2 = {"explicit_http_config": {"http2_protocol_options": {}}}
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "name": "authorization", "type": "STATIC",
        "typed_extension_protocol_options": {name: {"@type": f"type.googleapis.com/{name}", **http2}},
        "load_assignment": {"cluster_name": "authorization", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": place_of(server)}}]}]},
    }


def config(filters, server):
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok"}}}]
    hosts = [{"name": "all", "domains": ["*"], "routes": routes}]
    router = typed("envoy.filters.http.router", f"{HTTP}.router.v3.Router")
    manager = typed(
        "envoy.filters.network.http_connection_manager", f"{NETWORK}.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="front", route_config={"virtual_hosts": hosts}, http_filters=[*filters, router],
    )
    listener = {"name": "front", "address": address("{port}"), "filter_chains": [{"filters": [manager]}]}
    resources = {"listeners": [listener], "clusters": [cluster(server)] if server else []}
    node = {"id": "bench", "cluster": "bench"}
    return json.dumps({"node": node, "static_resources": resources})


def envoy(place, filters, server=None):
    """Starts an Envoy with these filters; `server` is the address for ext_authz."""
    program = os.path.join(ROOT, ".tools/bin/envoy")
    flags = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "--config-yaml", config(filters, server)]
    return Server(place, [program, *flags])
