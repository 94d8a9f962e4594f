"""Logging of the service: text or JSON, to stderr or a file; one line per request, no personal data."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from studio_pipeline.errors import StorageError
from studio_pipeline.settings import Settings

current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")
"""Id of the request in progress; empty outside of requests."""

LOGGERS = ("serving", "studio_pipeline", "uvicorn")
HANDLER_NAME = "studio"

requests_logger = logging.getLogger("serving.requests")

WRITE_SECONDS = 0.1
"""Time for which lines of requests are gathered: written one by one they take 8 % of a forward answer."""


class RequestLine(NamedTuple):
    """One answered request."""

    at: float  # seconds since the epoch
    method: str  # as sent, or `other`
    route: str  # path template, without ids
    status: int
    milliseconds: float
    request_id: str

    def __str__(self) -> str:
        """Its text for a person."""
        return f"{self.method} {self.route} {self.status} {self.milliseconds:.1f} ms"


class RequestLines(list[RequestLine]):
    """The message of a log record that stands for several requests."""

    def __str__(self) -> str:
        """One line a request."""
        return "\n".join(map(str, self))


class RequestLog:
    """Gathers the lines of requests on the event loop, and logs them together."""

    def __init__(self) -> None:
        self._lines = RequestLines()

    def note(self, method: str, route: str, status: int, seconds: float, request_id: str) -> None:
        """One request that has just been answered."""
        if not requests_logger.isEnabledFor(logging.INFO):
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(WRITE_SECONDS, self.write)
        self._lines.append(RequestLine(time.time(), method, route, status, seconds * 1000, request_id))

    def write(self) -> None:
        """Log what was noted."""
        lines, self._lines = self._lines, RequestLines()
        if lines:
            requests_logger.info(lines)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request id, a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record; several of one that stands for several requests."""
        if isinstance(record.msg, RequestLines):
            return "\n".join(map(self._of_request, record.msg))
        line: dict[str, Any] = {
            "time": _iso(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := current_request_id.get():
            line["request_id"] = request_id
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()

    @staticmethod
    def _of_request(line: RequestLine) -> str:
        fields = {
            "time": _iso(line.at),
            "level": "INFO",
            "logger": requests_logger.name,
            "message": str(line),
            **line._asdict(),
            "milliseconds": round(line.milliseconds, 2),
        }
        del fields["at"]
        return orjson.dumps(fields).decode()


class TextFormatter(logging.Formatter):
    """Time, level, logger, message and request id on one line, whatever the message holds."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record; several of one that stands for several requests."""
        if not isinstance(record.msg, RequestLines):
            return super().format(record)
        return "\n".join(
            f"{_local(line.at)} INFO {requests_logger.name}: {line} [{line.request_id}]"
            for line in record.msg
        )

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line of a record, before any traceback."""
        line = super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")
        request_id = current_request_id.get()
        return f"{line} [{request_id}]" if request_id else line


def _local(at: float) -> str:
    """A time as `logging.Formatter` writes it."""
    return f"{_second(int(at))},{int(at % 1 * 1000):03d}"


@lru_cache(1)
def _second(at: int) -> str:
    return time.strftime(logging.Formatter.default_time_format, time.localtime(at))


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


@contextmanager
def logging_to(settings: Settings) -> Iterator[None]:
    """Send the service's log where the settings say, unless somebody around this call does so already."""
    if any(handler.name == HANDLER_NAME for handler in logging.getLogger(LOGGERS[0]).handlers):
        yield
        return
    handler = _file_handler(settings.log_file) if settings.log_file else logging.StreamHandler()
    handler.name = HANDLER_NAME
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
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


def _file_handler(file: Path) -> logging.FileHandler:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"Could not open the log file {file}: {error.strerror}.",
            "Point STUDIO_LOG_FILE to a file that this user may write, or unset it to log to standard error.",
        ) from None
