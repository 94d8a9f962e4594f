"""The real application over a fake forecaster, and over a small real model."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_forecaster import load_fake, publish_fake
from live import Address, live
from postgresql import empty_database
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
    """Start the application on `tmp_path` with some settings, as seen from some peer.

    Where nothing is published there, model 1 on data 7 is, unless the service is to be `empty`.
    """
    monkeypatch.setattr(model_store, "POLL_SECONDS", 0.01)
    # It collects the garbage of all tests before, which takes a tenth of a second; see `test_footprint`.
    monkeypatch.setattr(model_store, "release_memory", lambda: None)

    @contextmanager
    def start(
        peer: tuple[str, int] = LOOPBACK,
        load: LoadForecaster = load_fake,
        empty: bool = False,
        **settings: object,
    ) -> Iterator[TestClient]:
        if not empty and not (tmp_path / "release.json").exists():
            publish_fake(tmp_path, 1)
        app = create_app(read_settings(env_file=None, **{"home": tmp_path, **settings}), load)
        with TestClient(app, client=peer, raise_server_exceptions=False) as client:
            yield client

    return start


@pytest.fixture
def client(client_of: MakeClient) -> Iterator[TestClient]:
    """The service with model 1 on data 7."""
    with client_of() as client:
        yield client


@pytest.fixture
def address(tmp_path: Path) -> Iterator[Address]:
    """Where the service with model 1 on data 7 listens, on a real port."""
    with live(tmp_path) as address:
        yield address


@pytest.fixture(scope="session")
def real_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a release of the small real model."""
    from small_model import publish_small_model  # it brings the libraries that train

    folder = tmp_path_factory.mktemp("home")
    publish_small_model(folder)
    return folder


@pytest.fixture(scope="session")
def real_client_of(real_home: Path) -> MakeClient:
    """Start the application on the small real model, with some settings."""

    def start(**settings: object) -> TestClient:
        app = create_app(read_settings(env_file=None, **{"home": real_home, **settings}))
        return TestClient(app, client=LOOPBACK, raise_server_exceptions=False)

    return start


@pytest.fixture(scope="module")
def real_client(real_client_of: MakeClient) -> Iterator[TestClient]:
    """The service on the small real model."""
    with real_client_of() as client:
        yield client


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of each kind."""
    with empty_database(request.param, tmp_path) as url:
        yield url
