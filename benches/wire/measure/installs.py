"""Installs the other services that scripts/bench-peers measures, into .tools/peers, with pinned versions. Go verifies
modules with its checksum database. npm verifies the package, whose hash is compared with the one that is noted here."""
import json, os, shutil, subprocess, sys

from .servers import ROOT

FOLDER = os.path.join(ROOT, ".tools/peers")
# The program of each package, its module, the version of the module.
MODULES = {
    "spicedb": ("github.com/authzed/spicedb/cmd/spicedb", "v1.56.2"),
    "openfga": ("github.com/openfga/openfga/cmd/openfga", "v1.22.1"),
    "service_cmd": ("github.com/envoyproxy/ratelimit/src/service_cmd", "v1.4.1-0.20260122083618-3fb702589d36"),
}
PACKAGE, VERSION = "@cerbos/cerbos-linux-x64", "0.55.0"
INTEGRITY = "sha512-eLZUycJfaQWK0XTRgH/Oz2E3XiNCUavDd1LhzFxhUpZ3s5CuQqmqG327ta0On8YOTxuZO/19cG4kvfC22r03/Q=="


def go():
    found = shutil.which("go") or os.path.join(ROOT, ".tools/go/bin/go")
    if not os.path.exists(found):
        sys.exit("bench-peers: there is no Go; scripts/setup installs it")
    return found


def module(name):
    """Returns the path of a program, which Go builds unless its build information has the pinned version."""
    program, (path, version) = os.path.join(FOLDER, name), MODULES[name]
    if not built(program, path, version):
        print(f"bench-peers: building {path}@{version}", file=sys.stderr)
        environment = {**os.environ, "GOBIN": FOLDER, "CGO_ENABLED": "0", "GOSUMDB": "sum.golang.org", "GONOSUMDB": "", "GOPRIVATE": ""}
        subprocess.check_call([go(), "install", "-trimpath", "-ldflags=-s -w", f"{path}@{version}"], env=environment)
    return program


def built(program, path, version):
    about = subprocess.run([go(), "version", "-m", program], capture_output=True, text=True).stdout.split("\n")
    words = [line.split() for line in about]
    return ["path", path] in words and any(line[:1] == ["mod"] and line[2:3] == [version] for line in words)


def cerbos():
    """Returns the path of Cerbos, which npm installs unless its record has the noted hash."""
    program = os.path.join(FOLDER, "node_modules", PACKAGE, PACKAGE.split("/")[1])
    if not os.path.exists(program) or recorded() != INTEGRITY:
        print(f"bench-peers: installing {PACKAGE}@{VERSION}", file=sys.stderr)
        os.makedirs(FOLDER, exist_ok=True)
        flags = ["--silent", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix", FOLDER]
        subprocess.check_call(["npm", "install", *flags, f"{PACKAGE}@{VERSION}"])
        if recorded() != INTEGRITY:
            sys.exit(f"bench-peers: {PACKAGE}@{VERSION} has the hash {recorded()}, not {INTEGRITY}")
    return program


def recorded():
    """Returns the hash that npm verified and recorded when it installed the package."""
    try:
        with open(os.path.join(FOLDER, "node_modules/.package-lock.json")) as lock:
            return json.load(lock)["packages"][f"node_modules/{PACKAGE}"]["integrity"]
    except (OSError, KeyError):
        return None
