"""Finds the crates that are linked into `latchkey`, from cargo's metadata, for the other scripts. Builds nothing."""
import json, os, re, subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = "latchkey-cli"


def metadata():
    target = re.search(r"^host: (.+)$", subprocess.check_output(["rustc", "-vV"], text=True), re.M).group(1)
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    return json.loads(subprocess.check_output(command, cwd=ROOT))


def built_in():
    """Returns names and versions of the linked crates, without build, test and unused dependencies."""
    command = ["cargo", "tree", "--locked", "-p", PROGRAM, "-e", "normal", "--prefix", "none", "--format", "{p}"]
    lines = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    return {(name, version) for name, version in re.findall(r"^(\S+) v(\S+)", "\n".join(lines), re.M)}


def linked(nodes, packages, root):
    """Returns the linked dependencies of each linked crate."""
    built = built_in()
    is_in = lambda id: (packages[id]["name"], packages[id]["version"]) in built
    normal = lambda need: any(kind["kind"] is None for kind in need["dep_kinds"]) and is_in(need["pkg"])
    seen, waiting = {}, [root]
    while waiting:
        package = waiting.pop()
        if package not in seen:
            seen[package] = sorted(need["pkg"] for need in nodes[package]["deps"] if normal(need))
            waiting += seen[package]
    return seen


def read():
    """Returns every package by its ID, the ID of the program, and the dependencies of each linked package."""
    known = metadata()
    packages = {package["id"]: package for package in known["packages"]}
    root = next(id for id, package in packages.items() if package["name"] == PROGRAM)
    return packages, root, linked({node["id"]: node for node in known["resolve"]["nodes"]}, packages, root)
