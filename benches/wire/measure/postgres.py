"""A PostgreSQL server with many keys, kept under target/ for the next time. The keys are copies of one that the program
created, inserted by the database itself in batches."""
import atexit, glob, os, pwd, shutil, signal, subprocess, sys

from .databases import PAYKORE, fingerprint, first_key
from .servers import ROOT, free_port, latchkey, wait_for

# Rows of one transaction.
CHUNK = 500_000


class Postgres:
    """A server on a folder. Its programs run as `postgres` if this process is root, which PostgreSQL refuses."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        if not os.path.exists(os.path.join(folder, "PG_VERSION")):
            os.makedirs(folder)
            if os.geteuid() == 0:
                shutil.chown(folder, "postgres", "postgres")
            subprocess.check_call(self.as_user(["initdb", "-D", folder, "-U", "postgres", "-A", "trust", "--no-sync"]), stdout=subprocess.DEVNULL)
        settings = ["listen_addresses=127.0.0.1", f"port={self.port}", f"unix_socket_directories=", "max_wal_size=8GB", "shared_buffers=1GB"]
        words = [word for setting in settings for word in ("-c", setting)]
        self.process = subprocess.Popen(self.as_user(["postgres", "-D", folder, *words]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        atexit.register(self.stop)
        wait_for("PostgreSQL", lambda: self.sql("SELECT 1", "postgres", check=False) == "1")

    def as_user(self, command):
        command[0] = os.path.join(self.programs, command[0])
        if os.geteuid() != 0:
            return command
        user = pwd.getpwnam("postgres")
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]

    def url(self, database="latchkey"):
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def sql(self, text, database="latchkey", check=True):
        command = [os.path.join(self.programs, "psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", self.url(database), "-c", text]
        done = subprocess.run(command, capture_output=True, text=True)
        if check and done.returncode:
            sys.exit(f"bench: {done.stderr}")
        return done.stdout.strip()

    def queries(self):
        """Returns the transactions of all closed connections; a query outside of a transaction counts as one."""
        return int(self.sql("SELECT xact_commit FROM pg_stat_database WHERE datname = 'latchkey'", "postgres"))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(120)


def with_keys(place, keys):
    """Starts a PostgreSQL with the given number of keys in the database `latchkey`."""
    folder = os.path.join(ROOT, "target", "bench", f"postgres-{keys}-{fingerprint()}")
    ready = os.path.exists(f"{folder}.ready")
    if not ready:
        shutil.rmtree(folder, ignore_errors=True)
    for parent in (ROOT, os.path.join(ROOT, "target"), os.path.dirname(folder)):
        os.makedirs(parent, exist_ok=True)
    postgres = Postgres(folder)
    if not ready:
        postgres.sql("CREATE DATABASE latchkey", "postgres")
        server = latchkey(place, postgres.url(), PAYKORE, settings={"LATCHKEY_MIGRATE": "true"})
        first_key(server)
        server.end()
        copy_rows(postgres, keys)
        open(f"{folder}.ready", "w").close()
    return postgres


def copy_rows(postgres, keys):
    columns = postgres.sql("SELECT string_agg(column_name, ',') FROM information_schema.columns WHERE table_name = 'keys' AND is_generated = 'NEVER'").split(",")
    value = "'sk_live_' || lpad(to_hex(n), 64, '0')"
    own = {
        "id": "('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid", "hash": f"sha256(convert_to({value}, 'UTF8'))",
        "idempotency_key": "NULL", "idempotency_hash": "NULL",
    }
    values = ", ".join(own.get(column, f"k.{column}") for column in columns)
    template = "sha256(convert_to('sk_live_' || lpad('', 64, '0'), 'UTF8'))"
    for first in range(1, keys, CHUNK):
        last = min(first + CHUNK, keys) - 1
        numbers = f"generate_series({first}::bigint, {last}) n"
        postgres.sql(f"INSERT INTO keys ({', '.join(columns)}) SELECT {values} FROM keys k, {numbers} WHERE k.hash = {template}")
        grants = f"FROM grants g JOIN keys k ON g.key_id = k.id, {numbers} WHERE k.hash = {template}"
        postgres.sql(f"INSERT INTO grants (key_id, scope) SELECT {own['id']}, g.scope {grants}")
        print(f"{last + 1} of {keys} keys", file=sys.stderr)
    postgres.sql("VACUUM ANALYZE")
