"""A receiver of alerts on loopback, as Slack would be one."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import Any


class FakeWebhook:
    """What has been posted so far: content types with bodies, and the bodies as texts."""

    def __init__(self) -> None:
        self.posts: list[tuple[str | None, Any]] = []
        self.url = ""

    @property
    def texts(self) -> list[str]:
        return [json.dumps(body, ensure_ascii=False) for _, body in self.posts]

    def about(self, *words: str) -> list[str]:
        """Texts that hold all these words, whatever their case."""
        return [text for text in self.texts if all(word.lower() in text.lower() for word in words)]


@contextmanager
def serving(server: BaseServer) -> Iterator[Any]:
    """A server that answers in a thread of its own until the block ends."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def fake_webhook(status: int = 200, headers: Mapping[str, str] | None = None) -> Iterator[FakeWebhook]:
    received = FakeWebhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.posts.append((self.headers["Content-Type"], body))
            self.send_response(status)
            for name, value in {"Content-Length": "0", **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        received.url = f"http://127.0.0.1:{server.server_address[1]}/hook/s3cret"
        yield received
