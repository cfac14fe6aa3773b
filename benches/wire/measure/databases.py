"""Databases with many keys. The program itself creates the first key by import. The others are copies of its row
with their own identifiers and hashes, since a million calls would take longer than the measurement. Databases are
kept under target/ for the next time."""
import hashlib, os, shutil, sqlite3, subprocess, tempfile

from .messages import key
from .servers import ROOT, call, latchkey

PAYKORE = os.path.join(ROOT, "profiles/paykore.toml")
# A limit that no benchmark reaches. It has the period of the profile's own limit, so that a call has one bucket.
LIMITS = {"default": "key 1000000000/min"}
# Columns that differ from key to key.
OWN = {"id", "hash", "idempotency_key", "idempotency_hash"}


def first_key(server, profile="paykore"):
    call(server, "TenantService/CreateTenant", {"slug": "bench", "displayName": "Bench", "profile": profile, "plan": "scale", "rateLimits": LIMITS})
    entry = {"value": key(0), "key": {"name": "bench", "environment": "live"}}
    call(server, "KeyService/ImportKeys", {"tenant": "bench", "keys": [entry]})


def fingerprint():
    """Returns a fingerprint that changes whenever the schema or the content of the databases may have changed."""
    folder = os.path.join(ROOT, "migrations/src")
    texts = [open(entry.path, "rb").read() for entry in sorted(os.scandir(folder), key=lambda entry: entry.name) if entry.is_file()]
    texts.append(open(os.path.abspath(__file__), "rb").read())
    return hashlib.sha256(b"".join(texts)).hexdigest()[:12]


def sqlite(place, keys):
    """Creates a SQLite database with the given number of keys; returns its URL."""
    kept = os.path.join(ROOT, "target", "bench", f"keys-{keys}-{fingerprint()}.db")
    if not os.path.exists(kept):
        os.makedirs(os.path.dirname(kept), exist_ok=True)
        made = os.path.join(tempfile.mkdtemp(dir=place.folder), "latchkey.db")
        server = latchkey(place, f"sqlite://{made}?mode=rwc", PAYKORE)
        first_key(server)
        server.end()
        copy_rows(made, keys)
        shutil.move(made, kept)
    own = os.path.join(tempfile.mkdtemp(dir=place.folder), "latchkey.db")
    shutil.copyfile(kept, own)
    return f"sqlite://{own}?mode=rwc"


def copy_rows(file, keys):
    with sqlite3.connect(file) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(keys)")]
        template = database.execute(f"SELECT {', '.join(columns)} FROM keys WHERE hash = ?", [digest(0)]).fetchone()
        template = dict(zip(columns, template))
        scopes = [row[0] for row in database.execute("SELECT scope FROM grants WHERE key_id = ?", [template["id"]])]
        insert = f"INSERT INTO keys ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        database.executemany(insert, (copy_of(template, number, columns) for number in range(1, keys)))
        for scope in scopes:
            database.executemany("INSERT INTO grants (key_id, scope) VALUES (?, ?)", ((identifier(number), scope) for number in range(1, keys)))
        database.execute("ANALYZE")
    database.close()


def copy_of(template, number, columns):
    own = {"id": identifier(number), "hash": digest(number)}
    return [own.get(column) if column in OWN else template[column] for column in columns]


def digest(number):
    return hashlib.sha256(key(number).encode()).digest()


def identifier(number):
    """Returns a UUID of version 7 that no real key has: its time is too early."""
    return b"\0\0\0\0\0\0\x70\0\x80\0" + number.to_bytes(6, "big")
