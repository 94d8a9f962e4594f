"""The real application over a fake forecaster."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_forecaster import load_fake, publish_fake
from processes import LOOPBACK

from serving import model_store
from serving.app import create_app
from serving.model_store import LoadForecaster
from studio_pipeline.settings import read_settings

with warnings.catch_warnings():
    # Starlette asks for a successor of httpx that nothing else here needs yet.
    warnings.simplefilter("ignore", UserWarning)
    from starlette.testclient import TestClient

MakeClient = Callable[..., Any]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def client_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeClient:
    """Start the application on `tmp_path` with some settings, as seen from some peer."""
    monkeypatch.setattr(model_store, "POLL_SECONDS", 0.01)
    # It collects the garbage of all tests before, which takes a tenth of a second; `test_memory` is about it.
    monkeypatch.setattr(model_store, "release_memory", lambda: None)

    @contextmanager
    def start(
        peer: tuple[str, int] = LOOPBACK, load: LoadForecaster = load_fake, **settings: object
    ) -> Iterator[TestClient]:
        read = read_settings(env_file=None, **{"home": tmp_path, **settings})
        app = create_app(read, load)
        with TestClient(app, client=peer, raise_server_exceptions=False) as client:
            yield client

    return start


@pytest.fixture
def client(tmp_path: Path, client_of: MakeClient) -> Iterator[TestClient]:
    """The service with model 1 on data 7."""
    publish_fake(tmp_path, 1)
    with client_of() as client:
        yield client
