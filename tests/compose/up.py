"""Does what `docker compose up --wait` does with docker-compose.yml, without an engine: starts each service's command with its
environment and mounts, in the order of depends_on, with the real programs of this machine instead of the images, and waits
until each health check passes. Then it runs the lines of standard input in a shell whose `docker compose` calls come back here.

All of it runs in one network namespace, in which the services' names are addresses of the loopback interface. Arguments: the
resolved file, the repository's folder, a folder for data, and the folders of Latchkey's and PostgreSQL's programs.
"""
import http.server
import json
import os
import pathlib
import pwd
import shlex
import subprocess
import sys
import threading
import time

import yaml

# Addresses by service. Replicas listen on all addresses, and there is one network, so one replica stands for the three.
HOSTS = {"postgres": "127.0.0.1", "redis": "127.0.0.1", "upstream": "127.0.0.9"}
ABSENT = {"latchkey-2", "latchkey-3"}


class Compose:
    def __init__(self, config, repository, data, latchkey, postgres):
        self.services = yaml.safe_load(pathlib.Path(config).read_text())["services"]
        self.repository, self.data, self.latchkey = pathlib.Path(repository), pathlib.Path(data), latchkey
        self.path = f"{postgres}:{repository}/.tools/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.started, self.processes = set(), []
        hosts = "".join(f"{HOSTS.get(name, '127.0.0.1')} {name}\n" for name in self.services)
        (self.data / "hosts").write_text("127.0.0.1 localhost\n" + hosts)
        subprocess.run(["mount", "--bind", self.data / "hosts", "/etc/hosts"], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

    def words(self, values):
        """The words of a command; the resolved file doubles each dollar sign."""
        return [str(value).replace("$$", "$") for value in values]

    def inside(self, name, image=True):
        """Returns the start of a command that runs the following words in a service's container, and its environment."""
        service = self.services[name]
        script = ["set -eu", f"root=$(mktemp -d {self.data}/root-XXXXXX)"]
        for folder in ("usr", "etc", "proc", "dev"):
            script += [f"mkdir $root/{folder}", f"mount --rbind /{folder} $root/{folder}"]
        script += [f"ln -s usr/{folder} $root/{folder}" for folder in ("bin", "sbin", "lib", "lib64")]
        script += ["mkdir $root/tmp"]
        if image:
            script += [f"mount --bind {self.latchkey} $root/usr/local/bin"]
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            if not source.startswith("/"):
                source = self.data / "volumes" / source
                source.mkdir(parents=True, exist_ok=True)
            script += [f"mkdir -p $root{target}", f"mount --bind {source} $root{target}"]
        user = "--userspec=65532:65532 --groups=" if image else ""
        script += ["chmod 755 $root", f'exec chroot {user} $root "$@"']
        environment = {"PATH": "/usr/local/bin:" + self.path, **{k: str(v) for k, v in service.get("environment", {}).items()}}
        if image:
            environment = {**self.image_environment(), **environment}
        return ["unshare", "-m", "sh", "-c", "\n".join(script), "sh"], environment

    def dockerfile(self, word):
        lines = (self.repository / "Dockerfile").read_text().split("\nFROM ")[-1].splitlines()
        return [line[len(word) + 1 :] for line in lines if line.startswith(word + " ")]

    def image_environment(self):
        return dict(pair.split("=", 1) for line in self.dockerfile("ENV") for pair in line.split())

    def spawn(self, name, words, environment):
        log = open(self.data / f"{name}.log", "ab")
        process = subprocess.Popen(words, env={"PATH": self.path, **environment}, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.processes.append((name, process))

    def start(self, name):
        if name in self.started or name in ABSENT:
            return
        self.started.add(name)
        service = self.services[name]
        for other, wanted in service.get("depends_on", {}).items():
            self.start(other)
            if wanted["condition"] == "service_healthy":
                self.wait(other)
        getattr(self, "start_" + name.split("-")[0])(name, service)

    def wait(self, name):
        if name in ABSENT:
            return
        test = self.words(self.services[name].get("healthcheck", {}).get("test", []))
        for _ in range(1800):
            if not test or self.run(name, test[1:]).returncode == 0:
                return
            time.sleep(0.1)
        sys.exit(f"{name} does not become healthy:\n{(self.data / f'{name}.log').read_text()[-3000:]}")

    def run(self, name, words, **options):
        environment = {"PATH": self.path}
        if self.services[name]["image"] == "latchkey":
            start, environment = self.inside(name)
            words = start + words
        return subprocess.run(words, env=environment, capture_output="stdout" not in options, **options)

    def start_secrets(self, name, service):
        start, environment = self.inside(name, image=False)
        words = start + self.words(service["command"])
        for _ in range(2):  # A second `up` changes nothing.
            subprocess.run(words, env=environment, check=True)
            files = {path: path.read_bytes() for path in (self.data / "volumes").rglob("*") if path.is_file()}
            assert len(files) == 4 and files == getattr(self, "secrets", files), files.keys()
            self.secrets = files

    def start_postgres(self, name, service):
        """Follows the image's entrypoint: a database cluster with this user, this password and this database."""
        environment, folder = service["environment"], self.data / "postgres"
        volume = self.data / "volumes" / "secrets-postgres"
        secret = volume / pathlib.Path(environment["POSTGRES_PASSWORD_FILE"]).name
        assert (secret.stat().st_uid, secret.stat().st_mode & 0o777) == (999, 0o400)
        password = self.data / "password"
        password.write_text(secret.read_text())
        folder.mkdir()
        # The image's user 999 is named postgres; on this machine, that name may have another number.
        account = pwd.getpwnam("postgres")
        for path in (folder, password):
            os.chown(path, account.pw_uid, account.pw_gid)
        user = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        options = ["-U", environment["POSTGRES_USER"], "--auth-local=trust", "--auth-host=scram-sha-256", "--locale=C.UTF-8", f"--pwfile={password}", "--no-sync"]
        run = lambda *words: subprocess.run([*user, *words], env={"PATH": self.path}, check=True, stdout=subprocess.DEVNULL, cwd="/")
        run("initdb", "-D", str(folder), *options)
        self.spawn(name, [*user, "postgres", "-D", str(folder), "-k", str(folder)], {})
        for _ in range(1200):
            if subprocess.run(["pg_isready", "-q", "-h", "127.0.0.1"], env={"PATH": self.path}).returncode == 0:
                break
            time.sleep(0.1)
        run("createdb", "-h", str(folder), "-U", environment["POSTGRES_USER"], environment["POSTGRES_DB"])

    def start_redis(self, name, service):
        self.spawn(name, self.words(service["command"]), {})

    def start_upstream(self, name, service):
        class Echo(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        address = (HOSTS["upstream"], int(service["environment"]["HTTP_PORT"]))
        server = http.server.ThreadingHTTPServer(address, Echo)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def start_latchkey(self, name, service):
        entrypoint, command = (json.loads(self.dockerfile(word)[0]) for word in ("ENTRYPOINT", "CMD"))
        start, environment = self.inside(name)
        self.spawn(name, start + entrypoint + command, environment)

    def start_envoy(self, name, service):
        words = self.words(service["command"])
        for volume in service["volumes"]:
            source, target = volume.split(":")[:2]
            words = [source if word == target else word for word in words]
        self.spawn(name, ["envoy", "--disable-hot-restart", "--concurrency", "1", *words], {})

    def write_docker(self):
        """Writes a program `docker`, of which `compose exec -T latchkey-1 WORDS` runs words in that container."""
        start, environment = self.inside("latchkey-1")
        lines = ["#!/bin/sh", '[ "$1 $2" != "compose up" ] || exit 0']
        lines += ['[ "$1 $2 $3 $4" = "compose exec -T latchkey-1" ] || { echo "not known: $*" >&2; exit 1; }', "shift 4"]
        lines += [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
        lines += [f"exec {shlex.join(start)} \"$@\""]
        docker = self.data / "docker"
        docker.write_text("\n".join(lines) + "\n")
        docker.chmod(0o755)

    def up(self):
        # Envoy, which waits for the others, is the last one here, since this script starts one service after the other.
        for name in sorted(self.services, key=lambda name: name == "envoy"):
            self.start(name)
        for name in self.services:
            self.wait(name)

    def stop(self):
        for _, process in reversed(self.processes):
            process.terminate()
        for _, process in self.processes:
            process.wait(120)


def main():
    compose = Compose(*sys.argv[1:])
    try:
        compose.up()
        compose.write_docker()
        lines = sys.stdin.read()
        shell = subprocess.run(["bash", "-euc", lines], env={"PATH": f"{compose.data}:{compose.path}"}, capture_output=True, text=True)
        print(json.dumps({"code": shell.returncode, "out": shell.stdout, "err": shell.stderr}))
        for name, process in compose.processes:
            assert process.poll() is None, f"{name} ended: {(compose.data / f'{name}.log').read_text()}"
    finally:
        compose.stop()


main()
