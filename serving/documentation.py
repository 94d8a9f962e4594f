"""A page from an OpenAPI document: plain HTML, no script, nothing from another host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

Document = Mapping[str, Any]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { border-top: 1px solid #ccc; padding-top: 1.5rem; } code { background: #f3f3f3; padding: 0 .2rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { text-align: left; vertical-align: top; border-bottom: 1px solid #ddd; padding: .25rem .5rem; }
"""


def render_documentation(document: Document) -> str:
    """The page of an OpenAPI document: every operation, then every schema."""
    info = document["info"]
    body = [
        f"<h1>{escape(info['title'])}</h1>",
        f"<p>{escape(info.get('description', ''))}</p>",
        '<p>Version {}. Machine-readable: <a href="/openapi.json">/openapi.json</a>.</p>'.format(
            escape(info["version"])
        ),
        *_operations(document),
        "<h2>Schemas</h2>",
        *_schemas(document),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body>{''.join(body)}</body></html>"
    )


def _operations(document: Document) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(operation.get('description', operation.get('summary', '')))}</p>"
            if body := operation.get("requestBody"):
                yield f"<p>Body: {_type_of(body['content']['application/json']['schema'])}</p>"
            yield _table(("status", "answer", "meaning"), _answers(operation))


def _answers(operation: Document) -> Iterator[tuple[str, str, str]]:
    for status, answer in operation["responses"].items():
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        yield escape(status), _type_of(schema), escape(answer.get("description", ""))


def _schemas(document: Document) -> Iterator[str]:
    for name, schema in sorted(document.get("components", {}).get("schemas", {}).items()):
        yield f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{escape(schema.get("description", ""))}</p>'
        yield _table(("field", "type", "meaning"), _fields(schema))


def _fields(schema: Document) -> Iterator[tuple[str, str, str]]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        mark = " (required)" if name in required else ""
        meaning = escape(field.get("description", ""))
        default = (
            f" Default: <code>{escape(json.dumps(field['default']))}</code>." if "default" in field else ""
        )
        yield f"<code>{escape(name)}</code>{mark}", _type_of(field), meaning + default


def _type_of(schema: Document) -> str:
    """A schema in a few words; what has a name is a link to it."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#{name}">{name}</a>'
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_type_of(choice) for choice in choices)
    if "enum" in schema or "const" in schema:
        return " or ".join(
            f"<code>{escape(str(v))}</code>" for v in schema.get("enum", [schema.get("const")])
        )
    if schema.get("type") == "array":
        return f"list of {_type_of(schema['items'])}" if "items" in schema else "list"
    return escape(f"{schema.get('type', 'any')}{_limits(schema)}")


def _limits(schema: Document) -> str:
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    shown = [f"{sign} {schema[name]:g}" for name, sign in signs.items() if name in schema]
    return f" ({', '.join(shown)})" if shown else ""


def _table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A table of cells that are HTML already."""
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>" if body else ""
