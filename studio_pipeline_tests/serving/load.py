"""Clients that ask a service all the while, and what they were answered."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

FORWARD, SCENARIOS = "/api/v1/predict/forward", "/api/v1/scenarios"
ASKED = {"studio_id": "chain-a-1", "projection_months": 12}

PATIENCE_SECONDS = 30
"""More than a hanging server is waited for on an old connection and on a new one, on a busy machine."""


@dataclass(frozen=True)
class Answer:
    """One answer; its status is 0 where the connection broke."""

    status: int
    text: str = ""
    id: str = ""
    model_version: str = ""
    revenues: frozenset[float] = frozenset()


@dataclass
class Load:
    """Answers to forward requests, and to attempts to save a scenario, in their order."""

    url: httpx.URL
    pause_seconds: float = 0.0
    forward: list[Answer] = field(default_factory=list)
    saves: list[Answer] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def saved(self) -> list[str]:
        """Ids of the scenarios whose saving was confirmed."""
        return [answer.id for answer in self.saves if answer.status == 201]

    @contextmanager
    def running(self, asking: int, saving: int = 0) -> Iterator[None]:
        """Ask and save from so many connections at once."""
        clients = [threading.Thread(target=self._ask) for _ in range(asking)]
        clients += [threading.Thread(target=self._save) for _ in range(saving)]
        for one in clients:
            one.start()
        try:
            yield
        finally:
            self._stop.set()
            for one in clients:
                one.join()

    def _ask(self) -> None:
        for response in self._posted(FORWARD, ASKED, self.forward):
            answer, found = response.json(), Answer(response.status_code, response.text)
            if response.is_success:
                revenues = frozenset(month["revenue"] for month in answer["predictions"].values())
                found = Answer(200, "", answer["scenario_id"], answer["model_version"], revenues)
            self.forward.append(found)

    def _save(self) -> None:
        for response in self._posted(SCENARIOS, {"name": "Under load", "request": ASKED}, self.saves):
            found = response.json().get("id", "")
            self.saves.append(Answer(response.status_code, response.text, found))

    def _posted(self, path: str, body: object, answers: list[Answer]) -> Iterator[httpx.Response]:
        with httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS) as client:
            while not self._stop.wait(self.pause_seconds):
                try:
                    response = client.post(path, json=body)
                except httpx.TransportError as error:
                    answers.append(Answer(0, repr(error)))
                else:
                    yield response
