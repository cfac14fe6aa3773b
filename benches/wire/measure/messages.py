"""The requests that are sent: Envoy's CheckRequest as a real Envoy fills it, and the native one, both framed for gRPC."""

ENVOY, NATIVE = "/envoy.service.auth.v3.Authorization/Check", "/latchkey.v1.CheckService/Check"


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out + bytes([n]))


def field(number, value):
    """Returns an encoded field of a message: text, bytes, or a number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def framed(message):
    return b"\0" + len(message).to_bytes(4, "big") + message


def fields(message):
    """Returns the fields of an encoded message by number: numbers and bytes, the last value of each."""
    found, at = {}, 0
    while at < len(message):
        tag, at = number_at(message, at)
        value, at = number_at(message, at)
        if tag & 7 == 2:
            value, at = message[at:at + value], at + value
        found[tag >> 3] = value
    return found


def number_at(message, at):
    """Returns the varint at a place, and the place behind it."""
    value = shift = 0
    while True:
        byte = message[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return value, at


def key(number):
    """Returns the value of a key in the benchmarks' databases."""
    return f"sk_live_{number:064x}"


def headers_of(credential):
    """Returns the headers of a browser's request through Envoy: thirteen, and those that Envoy adds."""
    return [
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("x-forwarded-for", "203.0.113.7"),
        ("cookie", "session=0123456789abcdef; theme=dark; _ga=GA1.2.123456789.987654321"),
        ("referer", "https://app.paykore.dev/wallets"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"),
        ("x-request-start", "t=1718000000.123"),
        ("x-request-id", "4bc5ed4d-404d-4995-b577-b0c9b9da8d66"),
        ("origin", "https://app.paykore.dev"),
        ("x-forwarded-proto", "http"),
        credential,
        ("cache-control", "no-cache"),
        ("accept", "application/json, text/plain, */*"),
        ("accept-encoding", "gzip, deflate, br"),
        ("content-type", "application/json"),
        (":method", "GET"),
        (":authority", "api.paykore.dev"),
        (":path", "/v1/wallets?expand=items&limit=50"),
        ("accept-language", "en-US,en;q=0.9"),
        (":scheme", "http"),
    ]


def envoy_check(credential, raw=False, only=None):
    """Returns a CheckRequest as Envoy fills it: with joined or raw headers, and with all or only some names."""
    pairs = [(name, value) for name, value in headers_of(credential) if only is None or name in only]
    if raw:
        headers = field(13, b"".join(field(1, field(1, n) + field(3, v)) for n, v in pairs))
    else:
        headers = b"".join(field(3, field(1, n) + field(2, v)) for n, v in pairs)
    http = field(1, "10035188435441677784") + field(2, "GET") + headers + field(4, "/v1/wallets?expand=items&limit=50")
    http += field(5, "api.paykore.dev") + field(6, "http") + field(10, "HTTP/1.1")
    peer = lambda port: field(1, field(1, field(2, "127.0.0.1") + field(3, port)))
    asked = field(1, field(1, 1796610546) + field(2, 455122048)) + field(2, http)
    return framed(field(1, field(1, peer(39832)) + field(2, peer(10002)) + field(4, asked) + field(11, b"")))


def native_check(value):
    call = field(5, "GET") + field(6, "/v1/wallets")
    return framed(field(1, value) + field(2, "paykore") + field(4, "live") + call)
