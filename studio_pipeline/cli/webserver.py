"""Dagster's web UI for `studio up`: its own command behind `WebGuard`, which refuses cross-site requests.

`python -m studio_pipeline.cli.webserver --host HOST --port PORT`. Dagster's server has no log-in and executes
every request that reaches it. Any web page open in the operator's browser can send it requests; a page whose
domain name resolves to this machine (DNS rebinding) can read the answers as well. The service's own guards
are in `serving`.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

import click
from dagster_webserver.cli import dagster_webserver
from dagster_webserver.webserver import DagsterWebserver
from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.datastructures import Headers, QueryParams
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.guards.access import is_loopback
from studio_pipeline.settings import read_settings

READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, as GraphQL by GET is restricted to queries."""

FOREIGN_SITES = frozenset({"cross-site", "same-site"})
"""Values of `Sec-Fetch-Site` where a page of another origin made the request."""

GRAPHQL = "/graphql"
FORBIDDEN = 403

NO_MUTATION = (
    "Dagster's web UI answers GraphQL by GET only if it parses and every operation is a query."
    " Send anything else by POST."
)
SET_URL = "Behind a proxy, set STUDIO_DAGSTER_URL to the address that browsers use; restart `studio up`."

_PLACE = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[\w.~-]+))(?::(?P<port>\d{1,5}))?", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}

Place = tuple[str, int | None]
"""A name or an address in lower case, and a port; None where none is written."""


class WebGuard:
    """ASGI middleware that answers 403, with a remedy, to requests that the UI's own pages do not make.

    Host: the request must name a loopback host (`localhost`, 127.0.0.0/8, `[::1]`), the `--host` of
    `studio up`, or the host of STUDIO_DAGSTER_URL, with any port. Where `--host` is every address (0.0.0.0 or
    ::), any IP address is allowed too, because DNS rebinding needs a name; other names are not.

    Origin: a request that can change something (any method but GET, HEAD and OPTIONS, and every websocket)
    must come from the host and port that it is sent to, or from those of STUDIO_DAGSTER_URL. One without
    `Origin`, as curl sends it, is allowed unless `Sec-Fetch-Site` shows a page of another origin.

    GraphQL by GET: every operation must be a query.
    """

    def __init__(self, app: ASGIApp, host: str, url: str) -> None:
        self._app = app
        self._own_place = _place_of(url)
        self._names = {"localhost", host.lower()} | ({self._own_place[0]} if self._own_place else set())
        listening = _address(host)
        self._any_address = listening is not None and listening.is_unspecified

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        app = self._app if refusal is None else PlainTextResponse(f"{refusal}\n", FORBIDDEN)
        await app(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        place = _place(hosts[0]) if len(hosts) == 1 else None
        if place is None or not self._is_known(place[0]):
            return (
                f"Dagster's web UI does not answer for the host {', '.join(hosts)[:100]!r}."
                f" Open it at localhost, or at the --host of `studio up`. {SET_URL}"
            )
        reads = scope["type"] == "http" and scope["method"] in READING
        if not reads and (page := self._foreign_page(headers, place)) is not None:
            return (
                f"Dagster's web UI refuses this request from {page[:100]!r}, which is not its own address."
                f" Use the UI's pages, or a program that sends no Origin. {SET_URL}"
            )
        if reads and GRAPHQL in scope["path"] and not _only_queries(scope["query_string"]):
            return NO_MUTATION
        return None

    def _is_known(self, name: str) -> bool:
        known = name in self._names or is_loopback(name)
        return known or (self._any_address and _address(name) is not None)

    def _foreign_page(self, headers: Headers, place: Place) -> str | None:
        """The header value that shows a page of another origin; None if there is none."""
        if origins := headers.getlist("origin"):
            return next((origin for origin in origins if not self._is_own(origin, place)), None)
        return next((site for site in headers.getlist("sec-fetch-site") if site in FOREIGN_SITES), None)

    def _is_own(self, origin: str, place: Place) -> bool:
        page = _place_of(origin)
        if page is None:
            return False
        # A Host without a port is at the default one of the page's scheme.
        name, port = place
        return page in ((name, port or _DEFAULT_PORTS[urlsplit(origin).scheme]), self._own_place)


def _place(text: str) -> Place | None:
    """The parts of `NAME`, `NAME:PORT` or `[ADDRESS]:PORT`; None for anything else."""
    if (match := _PLACE.fullmatch(text.lower())) is None:
        return None
    return match["address"] or match["name"], int(match["port"]) if match["port"] else None


def _place_of(url: str) -> Place | None:
    """Host and port of a URL, with the default port filled in; None if it is not an HTTP URL."""
    scheme, _, rest = url.lower().partition("://")
    place = _place(rest.partition("/")[0])
    if place is None or scheme not in _DEFAULT_PORTS:
        return None
    return place[0], place[1] or _DEFAULT_PORTS[scheme]


def _only_queries(query_string: bytes) -> bool:
    """True if every GraphQL document among the parameters has queries and fragments only."""
    try:
        documents = [parse(text, no_location=True) for text in QueryParams(query_string).getlist("query")]
    except (GraphQLError, RecursionError):
        return False
    nodes = [node for document in documents for node in document.definitions]
    operations = [node.operation for node in nodes if isinstance(node, OperationDefinitionNode)]
    return all(operation == OperationType.QUERY for operation in operations)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


@click.command()
@click.option("--host", required=True, help="Address to listen on.")
@click.option("--port", required=True, type=click.IntRange(1, 65535), help="Port to listen on.")
def command(host: str, port: int) -> None:
    """Serve the web UI until a signal; variables DAGSTER_WEBSERVER_... count as with Dagster's command."""
    guard_web_ui(host, read_settings().dagster_url)
    dagster_webserver(
        ["-m", "studio_pipeline.definitions", "--host", host, "--port", str(port)],
        auto_envvar_prefix="DAGSTER_WEBSERVER",
    )


def guard_web_ui(host: str, url: str) -> None:
    """Put `WebGuard` in front of every application that Dagster's web server makes in this process.

    Dagster's command creates the application itself and accepts no middleware, so its class's hook
    `build_middleware` is wrapped. A version without this hook fails here, and nothing is served unguarded.
    """
    build = DagsterWebserver.build_middleware

    def build_guarded(self: Any) -> list[Middleware]:
        return [Middleware(WebGuard, host=host, url=url), *build(self)]

    DagsterWebserver.build_middleware = build_guarded  # type: ignore[method-assign]


if __name__ == "__main__":
    command()
