"""The guard of Dagster's web UI: who is answered, by host, by origin and by what is asked."""

import asyncio
from typing import Any

import pytest

from studio_pipeline.cli.webserver import WebGuard

Header = tuple[str, str]

HERE = ("host", "127.0.0.1:3000")
OWN = ("origin", "http://127.0.0.1:3000")
PUBLIC = "HTTPS://dagster.example.org/ui"


async def inner(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers everything with 200, and takes every websocket."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"fine"})


def exchange(
    *headers: Header,
    method: str = "GET",
    path: str = "/",
    query: str = "",
    listens: str = "127.0.0.1",
    url: str = "http://127.0.0.1:3000",
) -> tuple[int, str]:
    """Status and text of an answer; a websocket that is taken counts as 101."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket" if method == "WEBSOCKET" else "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "extensions": {"websocket.http.response": {}},
    }
    asyncio.run(WebGuard(inner, listens, url)(scope, receive, send))
    if sent[0]["type"] == "websocket.accept":
        return 101, ""
    return sent[0]["status"], sent[1]["body"].decode()


def status(*headers: Header, **asked: str) -> int:
    return exchange(*headers, **asked)[0]


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost:3000", "LOCALHOST:9", "127.0.0.1", "127.0.0.1:3000", "127.9.9.9:1",
        "[::1]", "[::1]:3000", "[::ffff:127.0.0.1]:3000", "box.lan:3000", "dagster.example.org",
    ],
)  # fmt: skip
def test_loopback_names_and_configured_ones_are_hosts_and_a_request_has_one(host: str) -> None:
    assert status(("host", host), listens="box.lan", url=PUBLIC) == 200
    assert status(("host", host), ("host", host), listens="box.lan", url=PUBLIC) == 403
    assert status(listens="box.lan", url=PUBLIC) == 403


FOREIGN_HOSTS = ["evil.example", "evil.example:3000", "localhost.evil.example", "127.0.0.1.evil.example"]
NO_HOSTS = ["", ":3000", "evil@127.0.0.1", "127.0.0.1:x", "127.0.0.1/evil", "[::1", "::1", "böse.example"]


@pytest.mark.parametrize("host", [*FOREIGN_HOSTS, *NO_HOSTS, "192.0.2.7:3000", "[2001:db8::7]", "0.0.0.0:1"])
@pytest.mark.parametrize("method", ["GET", "POST", "WEBSOCKET"])
def test_any_other_host_is_refused(host: str, method: str) -> None:
    assert status(("host", host), method=method, path="/graphql") == 403
    assert status(HERE, ("host", host), method=method, path="/graphql") == 403


@pytest.mark.parametrize("listens", ["0.0.0.0", "::"])  # noqa: S104 - nothing is bound
def test_where_every_address_is_listened_on_addresses_are_hosts_and_names_are_not(listens: str) -> None:
    for host in ["192.0.2.7:3000", "[2001:db8::7]:3000", "0.0.0.0:3000", "[::]:3000", "localhost:3000"]:
        assert status(("host", host), listens=listens) == 200
    for host in [*FOREIGN_HOSTS, *NO_HOSTS]:
        assert status(("host", host), listens=listens) == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "WEBSOCKET"])
@pytest.mark.parametrize(
    ("host", "headers", "answered"),
    [
        ("127.0.0.1:3000", [], True),
        ("127.0.0.1:3000", [OWN], True),
        ("localhost:3000", [("origin", "http://localhost:3000")], True),
        ("[::1]:3000", [("origin", "http://[::1]:3000")], True),
        ("localhost", [("origin", "http://localhost")], True),
        ("localhost", [("origin", "https://localhost")], True),
        ("localhost:443", [("origin", "https://localhost")], True),
        ("127.0.0.1:3000", [OWN, ("sec-fetch-site", "cross-site")], True),
        ("127.0.0.1:3000", [("sec-fetch-site", "same-origin")], True),
        ("127.0.0.1:3000", [("sec-fetch-site", "none")], True),
        ("127.0.0.1:3000", [("sec-fetch-site", "cross-site")], False),
        ("127.0.0.1:3000", [("sec-fetch-site", "same-site")], False),
        ("127.0.0.1:3000", [("origin", "http://evil.example")], False),
        ("127.0.0.1:3000", [("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")], False),
        ("127.0.0.1:3000", [OWN, ("origin", "http://evil.example")], False),
        ("127.0.0.1:3000", [("origin", "null")], False),
        ("127.0.0.1:3000", [("origin", "")], False),
        ("127.0.0.1:3000", [("origin", "ftp://127.0.0.1:3000")], False),
        ("127.0.0.1:3000", [("origin", "http://127.0.0.1:3000.evil.example")], False),
        ("127.0.0.1:3000", [("origin", "http://127.0.0.1:8000")], False),
        ("127.0.0.1:3000", [("origin", "http://127.0.0.1")], False),
        ("127.0.0.1:3000", [("origin", "http://localhost:3000")], False),
        ("localhost:443", [("origin", "http://localhost")], False),
    ],
)
def test_changes_and_websockets_come_from_the_ui_or_from_no_page(host, headers, answered, method) -> None:
    expected = {True: 101 if method == "WEBSOCKET" else 200, False: 403}[answered]
    assert status(("host", host), *headers, method=method, path="/graphql") == expected


def test_a_link_on_another_page_leads_to_the_ui() -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        assert status(HERE, ("sec-fetch-site", "cross-site"), method=method, path="/runs/1") == 200


def test_behind_a_proxy_the_configured_url_is_an_origin_whatever_host_is_passed_on() -> None:
    for host in ["dagster.example.org", "127.0.0.1:3000"]:
        origin = ("origin", "https://dagster.example.org")
        assert status(("host", host), origin, method="POST", url=PUBLIC) == 200
        assert status(("host", host), origin, method="POST") == 403


QUERIES = ["{version}", "query A{version} query B{version}", "query A{...F} fragment F on Query{version}"]
OTHERS = [
    "mutation{setNuxSeen}",
    "query A{version} mutation B{setNuxSeen}",
    "subscription{capturedLogs{stdout}}",
    "{version",
    "",
    "{a" * 5000 + "}" * 5000,
]


@pytest.mark.parametrize("path", ["/graphql", "/prefix/graphql", "/graphql\n", "/graphql/"])
@pytest.mark.parametrize("document", [*QUERIES, *OTHERS])
def test_graphql_by_get_reads_only(path: str, document: str) -> None:
    expected = 200 if document in QUERIES else 403
    assert status(HERE, path=path, query=f"query={document}") == expected
    assert status(HERE, path=path, query=f"query={document}", method="HEAD") == expected
    assert status(HERE, path=path, query=f"query={document}", method="POST") == 200


def test_every_document_of_a_get_is_looked_at() -> None:
    mutation = "query=mutation{setNuxSeen}"
    for query in [f"{mutation}&query={{version}}", f"query={{version}}&{mutation}", "query=%6Dutation{a}"]:
        assert status(HERE, path="/graphql", query=query) == 403
    assert status(HERE, path="/graphql") == 200
    assert status(HERE, path="/assets", query="query=any words") == 200


def test_a_refusal_says_what_to_do() -> None:
    for (_, text), fault, remedy in (
        (exchange(("host", "evil.example")), "'evil.example'", "localhost"),
        (
            exchange(HERE, ("origin", "http://evil.example"), method="POST"),
            "'http://evil.example'",
            "no Origin",
        ),
        (exchange(HERE, path="/graphql", query="query=mutation{setNuxSeen}"), "GET", "by POST"),
    ):
        assert fault in text
        assert remedy in text


def test_what_is_no_request_passes() -> None:
    passed: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope["type"])

    asyncio.run(WebGuard(app, "127.0.0.1", PUBLIC)({"type": "lifespan"}, None, None))
    assert passed == ["lifespan"]
