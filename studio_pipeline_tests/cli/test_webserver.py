"""The web UI as `studio up` starts it: Dagster's own server obeys no other page, and still does its work."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from dagster_webserver.webserver import DagsterWebserver
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from studio_pipeline.cli import webserver
from studio_pipeline.cli.commands import up
from studio_pipeline.cli.supervisor import answers, last_lines, start, stop_groups
from studio_pipeline.settings import read_settings
from studio_pipeline_tests.benchmarks.kills import free_ports
from studio_pipeline_tests.serving.processes import wait_until

MUTATION = "mutation{setNuxSeen}"
FORGED_HOST, FORGED_ORIGIN = {"Host": "evil.example"}, {"Origin": "http://evil.example"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host and port of a web UI on an empty home."""
    folder = tmp_path_factory.mktemp("web_ui")
    settings = read_settings(env_file=None, home=folder / "home", dagster_home=folder / "dagster")
    settings.dagster_home.mkdir()
    service_port, port = free_ports()
    children = up._children("127.0.0.1", service_port, port)
    (child,) = [child for child in children if child.name == "dagster-webserver"]
    environment = up.environment_of(settings, f"http://127.0.0.1:{port}")
    process = start(child, {**environment, "PYTHONPATH": os.fspath(Path(up.__file__).parents[3])}, folder)
    try:
        wait_until(lambda: process.poll() is not None or answers(str(child.ready_url)), seconds=120)
        assert process.poll() is None, last_lines(folder / f"{child.name}.log", 50)
        yield f"127.0.0.1:{port}"
    finally:
        stop_groups([process])


def asked(address: str, method: str, headers: dict[str, str], query: str = "{version}") -> httpx.Response:
    url = f"http://{address}/graphql"
    if method == "GET":
        return httpx.get(url, params={"query": query}, headers=headers, timeout=60)
    return httpx.post(url, json={"query": query}, headers=headers, timeout=60)


@pytest.mark.slow
def test_neither_a_forged_host_nor_a_foreign_page_nor_a_mutation_by_get_is_taken(address: str) -> None:
    for method in ("GET", "POST"):
        assert asked(address, method, FORGED_HOST).status_code == 403
    assert httpx.get(f"http://{address}/", headers=FORGED_HOST).status_code == 403
    assert asked(address, "POST", FORGED_ORIGIN, MUTATION).status_code == 403
    assert asked(address, "POST", {"Sec-Fetch-Site": "cross-site"}, MUTATION).status_code == 403
    report = f"http://{address}/report_asset_materialization/registered_model"
    assert httpx.post(report, headers=FORGED_ORIGIN).status_code == 403
    refused = asked(address, "GET", {}, MUTATION)
    assert (refused.status_code, "by POST" in refused.text) == (403, True)
    assert httpx.get(f"http://{address}/graphql%0A?query={MUTATION}").status_code == 403


@pytest.mark.slow
def test_a_websocket_of_a_foreign_page_is_refused(address: str) -> None:
    host, _, port = address.partition(":")
    for named, page in ((address, "http://evil.example"), (f"evil.example:{port}", f"http://{address}")):
        with (
            socket.create_connection((host, int(port))) as connection,
            pytest.raises(InvalidStatus) as caught,
            connect(f"ws://{named}/graphql", sock=connection, origin=page, subprotocols=["graphql-ws"]),
        ):
            pass
        assert caught.value.response.status_code == 403


@pytest.mark.slow
def test_the_ui_and_programs_go_on(address: str) -> None:
    port = address.rpartition(":")[2]
    for name in ("127.0.0.1", "localhost"):
        here = f"{name}:{port}"
        page = {"Origin": f"http://{here}", "Sec-Fetch-Site": "same-origin"}
        for headers in ({}, page):
            assert "version" in asked(here, "POST", headers).json()["data"]
            assert asked(here, "POST", headers, MUTATION).json() == {"data": {"setNuxSeen": True}}
        assert "version" in asked(here, "GET", {}).json()["data"]
        assert "<html" in httpx.get(f"http://{here}/").text
        with connect(f"ws://{here}/graphql", origin=f"http://{here}", subprotocols=["graphql-ws"]) as opened:
            opened.send('{"type": "connection_init"}')
            assert opened.recv(timeout=20) == '{"type":"connection_ack"}'


def test_a_dagster_that_takes_no_middleware_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(DagsterWebserver, "build_middleware")
    monkeypatch.delattr(DagsterWebserver.__mro__[1], "build_middleware")
    with pytest.raises(AttributeError, match="build_middleware"):
        webserver.guard_web_ui("127.0.0.1", "http://127.0.0.1:3000")
