"""A scenario that was answered 201 is there after its process was killed."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
from fake_forecaster import publish_fake
from processes import answers, free_port, wait_until
from test_scenario_routes import SCENARIOS, database_settings

__all__ = ["database_settings"]

PROGRAM = Path(__file__).parents[1] / "fake_service.py"
ROUNDS, SAVED_A_ROUND = 3, 5


@contextlib.contextmanager
def killed_service(home: Path, settings: dict[str, str]) -> Iterator[httpx.Client]:
    """The service, which is killed at the end as a power cut would."""
    port = free_port()
    env = os.environ | {"STUDIO_HOME": str(home), "STUDIO_LOG_FILE": str(home / "service.log")}
    env |= {f"STUDIO_{name.upper()}": value for name, value in settings.items()}
    with (
        subprocess.Popen([sys.executable, str(PROGRAM), str(port)], env=env, cwd=home) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
    ):
        try:
            wait_until(lambda: answers(client, process), seconds=30)
            yield client
        finally:
            process.send_signal(signal.SIGKILL)


def test_a_saved_scenario_outlives_its_process(tmp_path: Path, database_settings: dict[str, str]) -> None:
    publish_fake(tmp_path, 1)
    body = {"name": "Kept", "request": {"studio_id": "chain-a-1"}}
    saved: list[dict[str, object]] = []
    for _ in range(ROUNDS):
        with killed_service(tmp_path, database_settings) as client:
            for _ in range(SAVED_A_ROUND):
                response = client.post(SCENARIOS, json=body)
                assert response.status_code == 201
                saved.append(response.json())
    with killed_service(tmp_path, database_settings) as client:
        assert client.get(SCENARIOS).json()["scenarios"] == saved[::-1]
