"""Validates YAML documents by the JSON Schemas beside this file, each by its kind; the first argument is their folder.

A document without a kind is a mesh configuration of Istio. Prints one line for each error; exits with 1 if there are any.
"""
import json
import pathlib
import sys

import yaml
from jsonschema import Draft7Validator

schemas, wrong = pathlib.Path(sys.argv[1]), 0
for name in sys.argv[2:]:
    for document in yaml.safe_load_all(pathlib.Path(name).read_text(encoding="utf-8")):
        kind = document.get("kind", "MeshConfig")
        schema = schemas / f"{kind}.json"
        if not schema.is_file():
            print(f"{name}: there is no schema of {kind}")
            wrong += 1
            continue
        for error in Draft7Validator(json.loads(schema.read_text(encoding="utf-8"))).iter_errors(document):
            print(f"{name}: {kind}: {'.'.join(map(str, error.absolute_path))}: {error.message}")
            wrong += 1
sys.exit(1 if wrong else 0)
