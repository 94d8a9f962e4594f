"""Logging of the service: text or JSON, to stderr or a file; one line per request, no personal data."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from studio_pipeline.errors import StorageError
from studio_pipeline.settings import Settings

current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")
"""Id of the request in progress; empty outside of requests."""

requests_logger = logging.getLogger("serving.requests")

LOGGERS = ("serving", "studio_pipeline", "uvicorn")
HANDLER_NAME = "studio"


def log_request(method: str, route: str, status: int, seconds: float) -> None:
    """Log one answered request.

    Args:
        method: HTTP method, as sent.
        route: path template, without ids.
        status: HTTP status of the answer.
        seconds: time to the end of the answer.
    """
    if requests_logger.isEnabledFor(logging.INFO):
        milliseconds = seconds * 1000
        fields = {
            "method": method,
            "route": route,
            "status": status,
            "milliseconds": round(milliseconds, 2),
        }
        # Not by `info`, which searches the stack for the calling line.
        record = requests_logger.makeRecord(
            requests_logger.name,
            logging.INFO,
            __file__,
            0,
            "%s %s %d %.1f ms",
            (method, route, status, milliseconds),
            None,
            extra={"request_fields": fields},
        )
        requests_logger.handle(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request id, a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, Any] = {
            "time": _iso(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "request_fields", {}),
        }
        if request_id := current_request_id.get():
            line["request_id"] = request_id
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


class TextFormatter(logging.Formatter):
    """Time, level, logger, message and request id on one line, whatever the message holds."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._second = (-1, "")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Local time to the millisecond; the text of a second is reused: 2 % of a forward request."""
        second = int(record.created)
        if second != self._second[0]:
            self._second = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._second[1]},{int(record.msecs):03d}"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line of a record, before any traceback."""
        line = super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")
        request_id = current_request_id.get()
        return f"{line} [{request_id}]" if request_id else line


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


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
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
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
