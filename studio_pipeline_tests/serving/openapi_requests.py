"""Requests made from the OpenAPI document: one for each operation, about one studio."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.testclient import TestClient

Document = Mapping[str, Any]

STUDIO = "studio_id"


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    described: Document = field(repr=False)
    document: Document = field(repr=False)

    @property
    def body_schema(self) -> Document | None:
        body = self.described.get("requestBody")
        return None if body is None else body["content"]["application/json"]["schema"]

    @property
    def takes_a_studio(self) -> bool:
        named = [parameter["name"] for parameter in self.described.get("parameters", ())]
        return STUDIO in named or STUDIO in str(self.smallest_body("x"))

    def smallest_body(self, studio_id: str) -> Any:
        """What the body must hold, and every studio's id that it may hold."""
        return None if self.body_schema is None else smallest(self.body_schema, self.document, studio_id)

    def request(self, studio_id: str) -> dict[str, Any]:
        """Arguments of a client's `request`."""
        values = {
            parameter["name"]: studio_id
            if parameter["name"] == STUDIO
            else smallest(parameter["schema"], self.document, studio_id)
            for parameter in self.described.get("parameters", ())
            if parameter.get("required") or parameter["name"] == STUDIO
        }
        in_path = {name: value for name, value in values.items() if f"{{{name}}}" in self.path}
        return {
            "method": self.method.upper(),
            "url": self.path.format(**in_path),
            "params": {name: value for name, value in values.items() if name not in in_path},
            "json": self.smallest_body(studio_id),
        }


def operations(document: Document) -> Iterator[Operation]:
    """Every operation of the document."""
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            yield Operation(method, path, described, document)


def described(client: TestClient) -> list[Operation]:
    """Every operation of a service."""
    return list(operations(client.get("/openapi.json").json()))


def smallest(schema: Document, document: Document, studio_id: str) -> Any:
    """The smallest value of a schema that names a studio wherever it can."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    for choice in schema.get("anyOf") or schema.get("oneOf") or ():
        return smallest(choice, document, studio_id)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type")
    if kind == "object":
        return _smallest_object(schema, document, studio_id)
    if kind == "array":
        return [smallest(schema["items"], document, studio_id)] * max(schema.get("minItems", 1), 1)
    if kind in ("number", "integer"):
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        return min(least, schema.get("maximum", least))
    return {"string": "x" * schema.get("minLength", 1), "boolean": False}.get(str(kind))


def _smallest_object(schema: Document, document: Document, studio_id: str) -> dict[str, Any]:
    needed = set(schema.get("required", ()))
    value = {}
    for name, inner in schema.get("properties", {}).items():
        if name == STUDIO:
            value[name] = studio_id
        elif name in needed or STUDIO in str(smallest(inner, document, studio_id)):
            value[name] = smallest(inner, document, studio_id)
    return value
