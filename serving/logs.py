"""Logging as the settings say: text or JSON, to stderr or a file; a line a request, no personal data."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio_pipeline.errors import StorageError
from studio_pipeline.settings import Settings

requests_logger = logging.getLogger("serving.requests")

LOGGERS = ("serving", "studio_pipeline", "uvicorn")
HANDLER_NAME = "studio"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the record's own fields, a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


@contextmanager
def logging_to(settings: Settings) -> Iterator[None]:
    """Send the service's log where the settings say, unless somebody around this call does so already."""
    if any(handler.name == HANDLER_NAME for handler in logging.getLogger(LOGGERS[0]).handlers):
        yield
        return
    handler = _handler(settings)
    # Uvicorn, started by hand, brings handlers of its own.
    loggers = [log for log in map(logging.getLogger, LOGGERS) if not (log.name == "uvicorn" and log.handlers)]
    for log in loggers:
        log.addHandler(handler)
        log.setLevel(settings.log_level)
    try:
        yield
    finally:
        for log in loggers:
            log.removeHandler(handler)
        handler.close()


def _handler(settings: Settings) -> logging.Handler:
    handler: logging.Handler = logging.StreamHandler()
    if settings.log_file is not None:
        handler = _file_handler(settings.log_file)
    handler.name = HANDLER_NAME
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else text)
    return handler


def _file_handler(file: Path) -> logging.FileHandler:
    """A handler that appends to a file.

    Raises:
        StorageError: it can't be opened, or its folder can't be made.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"Could not open the log file {file}: {error.strerror}.",
            "Point STUDIO_LOG_FILE to a file that this user may write, or unset it to log to standard error.",
        ) from None


class RequestLog:
    """ASGI middleware: one line a request with method, path, status and milliseconds."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and log how it went."""
        if scope["type"] != "http" or not requests_logger.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            _log_request(scope, status, (time.perf_counter() - start) * 1000)


def _log_request(scope: Scope, status: int, milliseconds: float) -> None:
    # The raw path is still percent-encoded, so that nobody can write a line of their own into the log.
    path = (scope.get("raw_path") or b"").decode("latin-1").partition("?")[0]
    fields = {
        "method": scope["method"],
        "path": path,
        "status": status,
        "milliseconds": round(milliseconds, 2),
    }
    arguments = (scope["method"], path, status, milliseconds)
    # Made by hand: to look for the calling line takes longer than to write this one.
    record = logging.LogRecord(
        requests_logger.name, logging.INFO, __file__, 0, "%s %s %d %.1f ms", arguments, None
    )
    record.fields = fields
    requests_logger.handle(record)
