"""A TCP proxy on loopback that can be cut, frozen and restored, in front of a real server."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


class TcpProxy:
    """Passes bytes on to a server until it is told to stop.

    Attributes:
        port: where it listens, on 127.0.0.1; the same after a cut.
        delay_seconds: by which each part of what it passes on is late.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._flows = threading.Event()
        self._flows.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.delay_seconds = 0.0
        self.port = int(self._listener.getsockname()[1])
        self._accept()

    def cut(self) -> None:
        """End all connections at once, and refuse new ones."""
        self._shut(self._listener)
        with self._lock:
            for end in self._sockets:
                self._shut(end)
            self._sockets = set()
        self._flows.set()

    def freeze(self) -> None:
        """Keep connections, and take new ones, but pass nothing on: a host that hangs."""
        self._flows.clear()

    def restore(self) -> None:
        """Pass bytes on again; after a cut, listen again."""
        self._flows.set()
        if self._listener.fileno() == -1:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._accept()

    def _accept(self) -> None:
        threading.Thread(target=self._take_connections, args=(self._listener,), daemon=True).start()

    def _take_connections(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        self._flows.wait()
        server = socket.create_connection(self._target)
        with self._lock:
            self._sockets |= {client, server}
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                self._flows.wait()
                time.sleep(self.delay_seconds)
                sink.sendall(content)
        for end in (source, sink):
            self._shut(end)

    @staticmethod
    def _shut(end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextlib.contextmanager
def tcp_proxy(host: str, port: int) -> Iterator[TcpProxy]:
    """A proxy in front of a server, for as long as the context lasts."""
    proxy = TcpProxy(host, port)
    try:
        yield proxy
    finally:
        proxy.cut()
