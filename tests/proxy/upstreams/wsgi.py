import json, re, sys, urllib.parse
from wsgiref.simple_server import make_server, WSGIRequestHandler

def handler(method, path):
    if path.startswith("/v1/public/"):
        return "public"
    if path.startswith("/v1/admin/") or path == "/v1/admin":
        return "admin"
    if re.match(r"^/v1/items/[^/]+/void$", path):
        return "admin" if method == "POST" else "none"
    return "rest" if path.startswith("/v1/") else "none"

def app(environ, start):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    merchant = None
    try:
        if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            merchant = urllib.parse.parse_qs(body.decode()).get("merchant", [None])[-1]
        else:
            # Detects UTF-16 and UTF-32, and keeps the last of two members.
            merchant = json.loads(body.decode("utf-8-sig") if body.startswith(b"\xef\xbb\xbf") else body).get("merchant")
    except Exception:
        pass
    shop = urllib.parse.parse_qs(environ.get("QUERY_STRING", "")).get("shop", [None])[-1]
    seen = {"handler": handler(environ["REQUEST_METHOD"], environ["PATH_INFO"]), "merchant": merchant,
            "till": environ.get("HTTP_X_TILL_ID"), "shop": shop}
    start("200 OK", [("content-type", "application/json")])
    return [json.dumps(seen).encode()]

class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass

make_server("127.0.0.1", int(sys.argv[1]), app, handler_class=Quiet).serve_forever()
