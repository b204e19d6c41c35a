#!/usr/bin/env python3
"""Stripe's API contract, and how a request and an answer are checked against it. Standard library only.

  contract.py build --sdk FOLDER --out contract.json   from an unpacked `stripe` Python package (sdk_types.py)
  contract.py list --contract contract.json [REGEX]    its operations
  contract.py selftest                                 checks of the decoder and of both checks

A contract is an OpenAPI document; Stripe's own spec3.json is taken as well. A violation is (where, code, text).
Not checked: lengths and rules across fields, which the SDK's types do not say; /v2 and uploads.
"""
import argparse
import json
import re
import sys
from pathlib import Path
from urllib.parse import parse_qsl

DATA_IN_ARRAY = 20  # entries of one list that are looked at
EMPTY = {"type": "object", "properties": {}}


class Contract:
    """The operations by method and shape of the path, and the checks."""

    def __init__(self, document):
        self.version = document["info"]["version"]
        self.schemas = document["components"]["schemas"]
        self.operations = {}
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                at = (method.upper(), path.count("/"))
                self.operations.setdefault(at, []).append((path.split("/"), path, operation))
        for alike in self.operations.values():
            alike.sort(key=lambda one: one[1].count("{"))  # words before placeholders
        self.resources = {schema["x-resourceId"]: schema for schema in self.schemas.values() if "x-resourceId" in schema}

    @classmethod
    def load(cls, path):
        return cls(json.loads(Path(path).read_text()))

    def find(self, method, path):
        """The template of a path and its operation, or None."""
        parts = path.split("/")
        for words, template, operation in self.operations.get((method, path.count("/")), []):
            if all(word == part or (word.startswith("{") and part) for word, part in zip(words, parts)):
                return template, operation
        return None

    def check_request(self, operation, method, form):
        """Violations of a decoded form (POST) or query."""
        if method == "POST":
            body = operation.get("requestBody", {}).get("content", {})
            schema = next((kind["schema"] for name, kind in body.items() if "form" in name), EMPTY)
        else:
            query = [one for one in operation.get("parameters", []) if one["in"] == "query"]
            schema = {"type": "object", "properties": {one["name"]: one["schema"] for one in query},
                      "required": [one["name"] for one in query if one.get("required")], "additionalProperties": False}
        return self.form_value(form, schema)

    def check_answer(self, operation, answer):
        """Violations of a 2xx answer, and of the snapshots in the events that it holds."""
        found = self.answer_value(answer, operation["responses"]["200"]["content"]["application/json"]["schema"])
        events = answer.get("data", []) if answer.get("object") == "list" else [answer]
        for event in events if isinstance(events, list) else []:
            if event.get("object") == "event":
                found += self.check_event(event)
        return found

    def check_event(self, event):
        """Violations of the object that an event shows, which the contract itself leaves open."""
        shown = event["data"]["object"]
        schema = self.resources.get(shown.get("object"))
        if schema is None:
            return [("data.object", "unknown", f"no resource {shown.get('object')!r}")]
        return [(f"{event['type']}{at}", code, text) for at, code, text in self.answer_value(shown, schema)]

    def deref(self, schema):
        while "$ref" in schema:
            named = self.schemas[schema["$ref"].rsplit("/", 1)[1]]
            schema = {**named, **{key: value for key, value in schema.items() if key != "$ref"}}
        return schema

    def form_value(self, value, schema, at=""):
        """A decoded form value, every leaf of which is a string."""
        schema = self.deref(schema)
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            tries = [self.form_value(value, choice, at) for choice in choices]
            # The choice that went wrong deepest is the one that was meant.
            return min(tries, key=lambda found: (len(found), -max([len(one[0]) for one in found], default=0)))
        if "enum" in schema:
            fits = value in [str(word) for word in schema["enum"]]
            return [] if fits else [(at, "parameter_invalid_enum", f"{value!r} not one of {schema['enum'][:12]}")]
        kind = schema.get("type")
        if kind == "object" or "properties" in schema:
            return self.form_object(value, schema, at)
        if kind == "array":
            if not isinstance(value, list):
                return [] if value == "" else [(at, "parameter_invalid_array", f"got {value!r}")]
            items = schema.get("items", {})
            return [one for index, entry in enumerate(value) for one in self.form_value(entry, items, f"{at}[{index}]")]
        return form_leaf(value, schema, kind, at)

    def form_object(self, value, schema, at):
        if not isinstance(value, dict):
            return [] if value == "" else [(at, "parameter_invalid_object", f"got {value!r}")]
        known, extra = schema.get("properties", {}), schema.get("additionalProperties")
        inside, found = (lambda key: f"{at}[{key}]" if at else key), []
        for key, entry in value.items():
            if key in known:
                found += self.form_value(entry, known[key], inside(key))
            elif isinstance(extra, dict):
                found += self.form_value(entry, extra, inside(key))
            elif known or extra is False:
                found.append((inside(key), "parameter_unknown", "not in the contract"))
        missing = [key for key in schema.get("required", []) if key not in value]
        return found + [(inside(key), "parameter_missing", "required") for key in missing]

    def answer_value(self, value, schema, at=""):
        schema = self.deref(schema)
        if value is None:
            return [] if schema.get("nullable") or not schema else [(at, "null", "not nullable")]
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            return min((self.answer_value(value, choice, at) for choice in choices), key=len)
        if "enum" in schema:
            return [] if value in schema["enum"] else [(at, "enum", f"{value!r} not one of {schema['enum'][:12]}")]
        kind = schema.get("type") or ("object" if "properties" in schema else None)
        wanted = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
        if not isinstance(value, wanted.get(kind, object)) or (kind in ("integer", "number") and isinstance(value, bool)):
            return [(at, "type", f"{type(value).__name__} in place of {kind}")]
        if kind == "array":
            items = schema.get("items", {})
            looked_at = enumerate(value[:DATA_IN_ARRAY])
            return [one for index, entry in looked_at for one in self.answer_value(entry, items, f"{at}[{index}]")]
        return self.answer_object(value, schema, at) if kind == "object" else []

    def answer_object(self, value, schema, at):
        if value.get("deleted") is True:  # what is gone says only that
            return []
        known, resource = schema.get("properties", {}), schema.get("x-resourceId")
        found = [(f"{at}.{key}", "missing", "required") for key in schema.get("required", []) if key not in value]
        for key, entry in value.items():
            if key in known:
                found += self.answer_value(entry, known[key], f"{at}.{key}")
            elif known and resource and key != "object":
                found.append((f"{at}.{key}", "extra", "not in the contract"))
        if resource and value.get("object", resource) != resource:
            found.append((f"{at}.object", "enum", f"{value.get('object')!r} in place of {resource!r}"))
        return found


def form_leaf(value, schema, kind, at):
    if kind is None:
        return []
    if isinstance(value, (dict, list)):
        return [(at, "parameter_invalid_" + kind, "got a hash or an array")]
    pattern = {"integer": r"-?\d+", "number": r"-?\d+(\.\d+)?", "boolean": r"true|false"}.get(kind)
    if schema.get("format") == "decimal":
        pattern = r"-?\d+(\.\d+)?"
    if value != "" and pattern and not re.fullmatch(pattern, value):
        return [(at, "parameter_invalid_" + kind, f"got {value!r}")]
    return []


def decode_form(text):
    """`a[b][0][c]=v` and `a[]=v` as nested values; a level whose keys are all whole numbers is a list, but for metadata."""
    root = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        parts = [re.match(r"[^\[]*", key)[0]] + re.findall(r"\[([^\]]*)\]", key)
        level = root
        for index, part in enumerate(parts):
            part = str(len(level)) if part == "" else part
            if index == len(parts) - 1:
                level[part] = value
            else:
                level = level.setdefault(part, {})
                if not isinstance(level, dict):
                    break

    def fold(level):
        if not isinstance(level, dict):
            return level
        if level and all(key.isdigit() for key in level):
            return [fold(level[key]) for key in sorted(level, key=int)]
        return {key: inner if key == "metadata" else fold(inner) for key, inner in level.items()}

    return {key: inner if key == "metadata" else fold(inner) for key, inner in root.items()}


def selftest():
    assert decode_form("a[b][0][c]=1&a[b][1][c]=2&e[]=x&e[]=y&m[k]=&metadata[7]=x") == \
        {"a": {"b": [{"c": "1"}, {"c": "2"}]}, "e": ["x", "y"], "m": {"k": ""}, "metadata": {"7": "x"}}
    item = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
    shown = {"type": "object", "properties": {"object": {"type": "string"}, "n": {"type": "integer"}}, "required": ["n"], "x-resourceId": "thing"}
    contract = Contract({"info": {"version": "1"}, "components": {"schemas": {"I": item, "T": shown}},
                         "paths": {"/v1/x/{id}": {"post": {}, "get": {}}, "/v1/x/search": {"post": {}}}})
    assert contract.find("POST", "/v1/x/search")[0] == "/v1/x/search" and contract.find("POST", "/v1/x/9")[0] == "/v1/x/{id}"
    assert contract.find("DELETE", "/v1/x/9") is None and contract.find("POST", "/v1/x/") is None
    ref = {"$ref": "#/components/schemas/I"}
    clear = {"anyOf": [{"type": "string", "enum": [""]}, {"type": "array", "items": ref}]}
    codes = lambda found: [one[1] for one in found]
    assert contract.form_value({"n": "5"}, ref) == [] and contract.form_value("", clear) == [] and contract.form_value([{"n": "1"}], clear) == []
    assert codes(contract.form_value({"n": "x"}, ref)) == ["parameter_invalid_integer"]
    assert codes(contract.form_value({"q": "1"}, ref)) == ["parameter_unknown", "parameter_missing"]
    assert codes(contract.check_request({}, "GET", {"q": "1"})) == ["parameter_unknown"]
    assert contract.form_value([{"n": "x"}], clear)[0][0] == "[0][n]"
    assert codes(contract.answer_value({"n": None}, ref)) == ["null"] and codes(contract.answer_value({}, ref)) == ["missing"]
    assert codes(contract.answer_value({"n": True}, ref)) == ["type"] and contract.answer_value(None, {"nullable": True}) == []
    assert codes(contract.check_event({"type": "t", "data": {"object": {"object": "thing", "m": 1}}})) == ["missing", "extra"]
    print("ok")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build")
    build.add_argument("--sdk", required=True, type=Path)
    build.add_argument("--out", required=True, type=Path)
    listing = commands.add_parser("list")
    listing.add_argument("--contract", required=True)
    listing.add_argument("pattern", nargs="?", default="")
    commands.add_parser("selftest")
    arguments = parser.parse_args()
    if arguments.command == "selftest":
        selftest()
    elif arguments.command == "build":
        import sdk_types  # reads thousands of files: only where it is asked for
        document = sdk_types.document(arguments.sdk)
        arguments.out.write_text(json.dumps(document, separators=(",", ":")))
        operations, schemas = sum(map(len, document["paths"].values())), len(document["components"]["schemas"])
        print(f"{document['info']['version']}: {operations} operations, {schemas} schemas")
    else:
        for (method, _), alike in sorted(Contract.load(arguments.contract).operations.items()):
            sys.stdout.writelines(f"{method} {path}\n" for _, path, _ in alike if re.search(arguments.pattern, path))


if __name__ == "__main__":
    main()
