"""Runs loads with h2load and returns their results: rate, latencies, processor time."""
import os, re, subprocess, sys, tempfile

from .messages import NATIVE
from .servers import pinned

METADATA = ["content-type: application/grpc", "te: trailers", "grpc-timeout: 5000m", "x-forwarded-for: 192.0.2.2"]


def with_metadata(command, metadata=()):
    return [*command, *(word for header in [*METADATA, *metadata] for word in ("-H", header))]


def response(server, path, body, metadata=()):
    """Returns the response's gRPC status (None without one), its message, and what nghttp prints about it."""
    command = with_metadata(["nghttp", "-d", body], metadata) + [f"http://127.0.0.1:{server.port}{path}"]
    verbose = subprocess.run([*command, "-v"], capture_output=True).stdout
    status = re.search(rb"grpc-status: (\d+)", verbose)
    message = subprocess.run(command, capture_output=True).stdout[5:]
    return status and int(status.group(1)), message, verbose.decode(errors="replace")


def look(name, server, path, body, allowed=True):
    """Exits unless the server gives the expected decision, since h2load counts every HTTP 200 as a success."""
    status, answer, verbose = response(server, path, body)
    # In Envoy's response, field 1 is a status, whose code is 0 or left out. In the native one, field 1 is the
    # decision; 1 is ALLOW.
    code = answer[2:2 + answer[1]][:2] if answer[:1] == b"\x0a" else b""
    yes = answer[:2] == b"\x08\x01" if path == NATIVE else code in (b"", b"\x08\x00")
    if status != 0 or yes != allowed:
        sys.exit(f"bench: {name} did not {'allow' if allowed else 'deny'} the request; the benchmark stops: {verbose[-600:]}")


class LoadResult:
    """Result of a load: requests a second, latencies and processor time of a request in microseconds."""

    def __init__(self, rate, latencies, cpu):
        self.rate, self.latencies, self.cpu = rate, sorted(latencies), cpu

    def at(self, share):
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))] if self.latencies else float("nan")


def load(place, servers, url, requests, extra, body=None, headers=()):
    """Sends the given number of requests; processor time is the sum of all servers. With a body, they are gRPC calls."""
    with tempfile.NamedTemporaryFile(dir=place.folder) as log:
        command = ["h2load", "-t", "1", "-n", str(requests), "--log-file", log.name, *extra]
        command += [word for header in headers for word in ("-H", header)]
        command += with_metadata(["-d", body]) if body else []
        before = sum(server.cpu() for server in servers)
        out = subprocess.check_output(pinned(place.client_cores, [*command, url]), text=True)
        cpu = (sum(server.cpu() for server in servers) - before) / 1_000 / requests
        done = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", out)
        if done.groups() != (str(requests), "0", "0"):
            sys.exit(f"bench: {out}")
        latencies = [int(line.split("\t")[2]) for line in open(log.name)]
    return LoadResult(float(re.search(r"([\d.]+) req/s", out).group(1)), latencies, cpu)


def check(place, server, path, body, requests, extra):
    return load(place, [server], f"http://127.0.0.1:{server.port}{path}", requests, extra, body)
