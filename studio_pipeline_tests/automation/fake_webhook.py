"""A receiver of alerts on loopback, as Slack would be one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeWebhook:
    """What has been posted so far."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.url = ""

    def about(self, *words: str) -> list[str]:
        """Texts that hold all these words, whatever their case."""
        return [text for text in self.texts if all(word.lower() in text.lower() for word in words)]


@contextmanager
def fake_webhook() -> Iterator[FakeWebhook]:
    """A receiver that answers 200 to everything and keeps it."""
    received = FakeWebhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.texts.append(json.dumps(body, ensure_ascii=False))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    received.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
