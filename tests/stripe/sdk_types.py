"""An OpenAPI document out of the typed sources of Stripe's own Python package, which is generated from Stripe's specification.

Reads the sources with `ast`; nothing of them is imported or run. The document has exactly the API version that the package pins.
"""
import ast
import collections
import re
from pathlib import Path

PRIMITIVES = {"str": {"type": "string"}, "int": {"type": "integer"}, "float": {"type": "number"}, "bool": {"type": "boolean"},
              "Decimal": {"type": "string", "format": "decimal"}, "Any": {}, "object": {}, "None": {"nullable": True, "enum": [None]}}


class Module:
    """One source file: the names that it defines or imports, so that an annotation can be resolved."""

    known = {}

    def __init__(self, root, dotted):
        self.root, self.dotted, self.names, self.imports = root, dotted, {}, {}
        path = root / Path(*dotted.split("."))
        self.tree = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text())
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                self.imports.update({name.asname or name.name: (node.module, name.name) for name in node.names})
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef):
                self.names[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "TypedDict":
                self.names[node.targets[0].id] = node.value

    @classmethod
    def get(cls, root, dotted):
        if dotted not in cls.known:
            cls.known[dotted] = cls(root, dotted)
        return cls.known[dotted]

    def resolve(self, name):
        """The module and the node of a name, or None when it is none of Stripe's."""
        if name in self.names:
            return self, self.names[name]
        module, real = self.imports.get(name, ("", ""))
        if not module.startswith("stripe"):
            return None
        try:
            return Module.get(self.root, module).resolve(real)
        except FileNotFoundError:
            return None


class Builder:
    def __init__(self, sdk):
        self.root, self.schemas, self.paths = Path(sdk).parent, {}, collections.defaultdict(dict)

    def union(self, parts):
        words = [word for part in parts for word in part.get("enum", []) if word is not None]
        rest = [part for part in parts if "enum" not in part]
        if any(words):  # Literal[..] | str: an enum that the SDK leaves open for words to come
            rest = [part for part in rest if part != PRIMITIVES["str"]]
        choices = ([{"type": "string", "enum": words}] if words else []) + rest
        schema = choices[0] if len(choices) == 1 else {"anyOf": choices} if choices else {}
        return {**schema, "nullable": True} if any(part.get("nullable") for part in parts) else schema

    def annotation(self, node, module, scope):
        if isinstance(node, ast.Constant):
            return PRIMITIVES["None"] if node.value is None else self.annotation(ast.parse(node.value, mode="eval").body, module, scope)
        if isinstance(node, ast.BinOp):
            return self.union([self.annotation(part, module, scope) for part in flat(node)])
        if isinstance(node, ast.Subscript):
            return self.generic(node, module, scope)
        if not isinstance(node, ast.Name):
            return {}
        if node.id in PRIMITIVES:
            return PRIMITIVES[node.id]
        for outer in reversed(scope):
            for inner in getattr(outer, "body", []):
                if isinstance(inner, ast.ClassDef) and inner.name == node.id:
                    return self.named(inner, module, scope + [inner])
        found = module.resolve(node.id)
        return self.named(found[1], found[0], [found[1]]) if found else {}

    def generic(self, node, module, scope):
        head = getattr(node.value, "id", "")
        arguments = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if head == "Literal":
            values = [argument.value for argument in arguments]
            if all(isinstance(value, str) for value in values):
                return {"type": "string", "enum": values}
            return {"type": "boolean" if isinstance(values[0], bool) else "integer"}
        inside = [self.annotation(argument, module, scope) for argument in arguments]
        if head in ("NotRequired", "Required"):
            return inside[0]
        if head == "Optional":
            return {**inside[0], "nullable": True}
        if head == "Union":
            return self.union(inside)
        if head in ("List", "Sequence"):
            return {"type": "array", "items": inside[0]}
        if head in ("Dict", "UntypedStripeObject"):
            return {"type": "object", "additionalProperties": inside[-1]}
        if head == "ExpandableField":
            return {"anyOf": [{"type": "string"}] + inside, "x-expandable": True}
        if head in ("ListObject", "SearchResultObject"):
            return listing(inside[0], head == "SearchResultObject")
        return {}

    def named(self, node, module, scope):
        if isinstance(node, ast.ClassDef) and node.name in ("StripeObject", "UntypedStripeObject"):
            return {"type": "object"}
        name = module.dotted.replace("stripe.", "", 1) + ":" + ".".join(getattr(part, "name", "_") for part in scope)
        if name not in self.schemas:
            self.schemas[name] = schema = {"type": "object", "properties": {}, "required": []}
            request = module.dotted.startswith("stripe.params")
            self.fields(node, module, scope, schema, request)
            if request:
                schema["additionalProperties"] = False
            for field in [] if request else getattr(node, "body", []):
                if isinstance(field, ast.AnnAssign) and getattr(field.target, "id", "") == "OBJECT_NAME":
                    schema["x-resourceId"] = field.value.value
            if not schema["required"]:
                del schema["required"]
        return {"$ref": "#/components/schemas/" + name.replace("/", "_")}

    def fields(self, node, module, scope, schema, request):
        def put(name, annotation):
            optional = isinstance(annotation, ast.Subscript) and getattr(annotation.value, "id", "") in ("NotRequired", "Optional")
            schema["properties"][name] = self.annotation(annotation, module, scope)
            if not optional and (request or not schema["properties"][name].get("nullable")):
                schema["required"].append(name)

        if isinstance(node, ast.Call):
            for key, value in zip(node.args[1].keys, node.args[1].values):
                put(key.value, value)
            return
        for base in node.bases if request else []:
            found = module.resolve(getattr(base, "id", ""))
            if found and getattr(base, "id", "") != "RequestOptions":
                self.fields(found[1], found[0], [found[1]], schema, request)
        for field in node.body:
            if isinstance(field, ast.AnnAssign) and not ast.unparse(field.annotation).startswith("ClassVar"):
                put(field.target.id, field.annotation)

    def operation(self, function, module):
        """Adds what a method of a service does: its `_request` call names method and path, its annotations the rest."""
        calls = (call for call in ast.walk(function) if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "_request")
        call = next(calls, None)
        if call is None:
            return
        method, path = call.args[0].value, call.args[1]
        path = path.func.value.value if isinstance(path, ast.Call) else path.value
        params = next((argument for argument in function.args.args if argument.arg == "params"), None)
        schema = self.annotation(params.annotation, module, []) if params else {"type": "object", "properties": {}}
        schema = {key: value for key, value in schema.items() if key != "nullable"}
        text = {"type": "string"}
        operation = {"parameters": [{"in": "path", "name": name, "required": True, "schema": text} for name in re.findall(r"{(\w+)}", path)],
                     "responses": {"200": {"content": {"application/json": {"schema": self.annotation(function.returns, module, [])}}}}}
        if method == "post":
            operation["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": schema}}}
        else:
            whole = self.schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
            for name, kind in whole.get("properties", {}).items():
                operation["parameters"].append({"in": "query", "name": name, "required": name in whole.get("required", []), "schema": kind})
        self.paths[path][method] = operation


def flat(node):
    """The parts of `A | B | C`, in order."""
    return flat(node.left) + flat(node.right) if isinstance(node, ast.BinOp) else [node]


def listing(item, search):
    members = {"object": {"type": "string", "enum": ["search_result" if search else "list"]}, "data": {"type": "array", "items": item},
               "has_more": {"type": "boolean"}, "url": {"type": "string"}}
    return {"type": "object", "properties": members, "required": list(members)}


def document(sdk):
    """The document of an unpacked `stripe` package."""
    builder = Builder(sdk)
    for path in sorted(builder.root.glob("stripe/**/_*_service.py")):
        dotted = ".".join(path.relative_to(builder.root).with_suffix("").parts)
        if ".v2" in dotted:
            continue
        module = Module.get(builder.root, dotted)
        for service in module.names.values():
            for function in getattr(service, "body", []):
                if isinstance(function, ast.FunctionDef):
                    builder.operation(function, module)
    version = re.search(r'CURRENT = "([^"]+)"', (builder.root / "stripe/_api_version.py").read_text())[1]
    return {"openapi": "3.0.0", "info": {"title": "Stripe API, from the types of its Python package", "version": version},
            "paths": builder.paths, "components": {"schemas": builder.schemas}}
