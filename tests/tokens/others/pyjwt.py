"""Verifies tokens as a service in Python would: PyJWT, and the key set over HTTP.

Reads {"jwks", "issuer", "audience", "algorithms", "tokens"} as JSON, and returns for each token its subject,
or the name of the error."""
import json
import sys

import jwt

ask = json.load(sys.stdin)
keys = jwt.PyJWKClient(ask["jwks"])


def judge(token):
    try:
        key = keys.get_signing_key_from_jwt(token)
        claims = jwt.decode(
            token,
            key,
            algorithms=ask["algorithms"],
            issuer=ask["issuer"],
            audience=ask["audience"],
            options={"require": ["exp", "iat", "nbf", "iss", "aud", "sub", "jti"]},
        )
        return {"subject": claims["sub"]}
    except jwt.exceptions.PyJWTError as error:
        return {"error": type(error).__name__}


json.dump([judge(token) for token in ask["tokens"]], sys.stdout)
