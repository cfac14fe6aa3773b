"""Generates the modules of the contract, with their type stubs, when the package is built. The contract is in proto/ of the
repository, or beside this file in a source distribution."""
import pathlib
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = pathlib.Path(__file__).parent
CONTRACT = pathlib.Path("latchkey/v1")


def contract():
    for folder in (HERE / "proto", HERE.parent.parent / "proto"):
        if (folder / CONTRACT).is_dir():
            return folder
    raise SystemExit("latchkey-client: proto/latchkey/v1 is missing: build in the repository, or from a source distribution")


class Build(build_py):
    def run(self):
        super().run()
        from grpc_tools import protoc

        proto, out = contract(), self.build_lib
        files = sorted(str(path) for path in (proto / CONTRACT).glob("*.proto"))
        options = [f"--{kind}_out={out}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
        if protoc.main(["protoc", f"-I{proto}", f"-I{pathlib.Path(protoc.__file__).parent / '_proto'}", *options, *files]):
            raise SystemExit("latchkey-client: protoc failed")
        (pathlib.Path(out) / CONTRACT / "__init__.py").touch()


class Source(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        shutil.copytree(contract() / CONTRACT, pathlib.Path(base_dir) / "proto" / CONTRACT)


setup(cmdclass={"build_py": Build, "sdist": Source})
