"""Starts and stops the measured servers, each on a port of its own and identified by its process."""
import atexit, contextlib, glob, json, os, re, signal, socket, subprocess, sys, tempfile, time, urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
ROOT_KEY = "root-key-of-the-benchmark-0123456789"
MASTER_KEY = "bWFzdGVyLWtleS1vZi10aGUtYmVuY2htYXJrLTAxMjM="


class Place:
    """The measured build, the folder of its files, and the cores of servers and clients."""

    def __init__(self, profile, folder, server_cores="0", client_cores="1"):
        self.profile, self.folder = profile, folder
        alone = os.cpu_count() == 1
        self.server_cores, self.client_cores = (None, None) if alone else (server_cores, client_cores)

    def program(self, name):
        return os.path.join(ROOT, "target", {"dev": "debug"}.get(self.profile, self.profile), name)


def build(profile):
    command = ["cargo", "build", "--locked", "--profile", profile, "-p", "latchkey-cli", "-p", "latchkey-bench-wire"]
    subprocess.check_call(command, cwd=ROOT)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, ask, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if ask():
                return
        time.sleep(0.05)
    sys.exit(f"bench: waited for {what}")


def pinned(cores, command):
    return ["taskset", "-c", str(cores), *command] if cores is not None else command


class Server:
    """A server on a port of its own, optionally under callgrind."""

    def __init__(self, place, command, folder=None, environment=None, counted=False, path=None):
        self.port, self.http, self.socket = free_port(), free_port(), path
        command = [word.replace("{port}", str(self.port)).replace("{http}", str(self.http)) for word in command]
        self.counts = os.path.join(tempfile.mkdtemp(dir=place.folder), "counts") if counted else None
        if counted:
            command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={self.counts}", *command]
        environment = {k: v.format(port=self.port, http=self.http) for k, v in (environment or {}).items()}
        self.errors = tempfile.TemporaryFile()
        environment = {**os.environ, **environment}
        command, folder = pinned(place.server_cores, command), folder or place.folder
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=self.errors)
        atexit.register(self.process.kill)  # whatever ends the benchmark, nothing is left behind
        wait_for(command[-1], self.listens)

    def listens(self):
        if self.process.poll() is not None:
            self.errors.seek(0)
            sys.exit(f"bench: the server ended: {self.errors.read().decode(errors='replace')[-1_000:]}")
        if self.socket:
            return not socket.socket(socket.AF_UNIX).connect(self.socket)
        return not socket.create_connection(("127.0.0.1", self.port), 1).close()

    def cpu(self):
        """Returns the processor time so far, in nanoseconds."""
        return sum(int(open(f).read().split()[0]) for f in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"))

    def resident(self):
        """Returns the size of the process in megabytes."""
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{self.process.pid}/status").read()).group(1)) / 1024

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def instructions(self, work):
        """Returns the instructions that callgrind counts during the work."""
        self.control("--zero")
        self.control("--instr=on")
        work()
        self.control("--instr=off")
        self.control("--dump")
        newest = max(glob.glob(f"{self.counts}*"), key=os.path.getmtime)
        return int(re.findall(r"^totals: (\d+)", open(newest).read(), re.M)[-1])

    def control(self, what):
        command = ["callgrind_control", what, str(self.process.pid)]
        subprocess.check_call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def noop(place, which, counted=False):
    return Server(place, [place.program("latchkey-bench-wire"), which, "127.0.0.1:{port}"], None, None, counted)


def latchkey(place, database, profile, counted=False, settings=None, path=None):
    """Starts the program as shipped, on a database and with one profile; `path` is that of a Unix socket for gRPC."""
    environment = {
        "LATCHKEY_GRPC_ADDR": "127.0.0.1:{port}", "LATCHKEY_HTTP_ADDR": "127.0.0.1:{http}", "LATCHKEY_ROOT_KEY": ROOT_KEY,
        "LATCHKEY_MASTER_KEY": MASTER_KEY, "LATCHKEY_DATABASE_URL": database, "LATCHKEY_PROFILES": profile, **(settings or {}),
    }
    if path:
        environment["LATCHKEY_GRPC_ADDR"] = f"unix:{path}"
    server = Server(place, [place.program("latchkey"), "serve"], tempfile.mkdtemp(dir=place.folder), environment, counted, path)
    wait_for("latchkey", lambda: urllib.request.urlopen(f"http://127.0.0.1:{server.http}/readyz").status == 200)
    return server


def call(server, method, message):
    """Sends a management call with a JSON message."""
    return grpcurl(server, f"latchkey.v1.{method}", message, "-H", f"authorization: Bearer {ROOT_KEY}")


def grpcurl(server, method, message, *flags):
    """Sends a call with a JSON message to any server with reflection."""
    command = [os.path.join(ROOT, ".tools/bin/grpcurl"), "-plaintext", *flags, "-d", json.dumps(message)]
    return json.loads(subprocess.check_output([*command, f"127.0.0.1:{server.port}", method]))


def ask(place, server, keys, batch, callers, cost, first=0):
    """Checks the given number of keys, each once; see benches/wire/src/client.rs."""
    words = [f"127.0.0.1:{server.port}", first, keys, batch, callers, cost]
    command = [place.program("latchkey-bench-wire"), "ask", *map(str, words)]
    result = json.loads(subprocess.check_output(pinned(place.client_cores, command)))
    if result["failed"]:
        sys.exit(f"bench: {result['failed']} of {keys} keys were denied: {result}")
    return result
