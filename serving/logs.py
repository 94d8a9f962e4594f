"""Logging as the settings say: text or JSON, to stderr or a file; a line a request, no personal data."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from serving.guards.request_ids import current_request_id
from studio_pipeline.errors import StorageError
from studio_pipeline.settings import Settings

requests_logger = logging.getLogger("serving.requests")

LOGGERS = ("serving", "studio_pipeline", "uvicorn")
HANDLER_NAME = "studio"
MESSAGE = "%s %s %d %.1f ms"
"""Of a request: method, route, status, milliseconds."""


class RequestLine(NamedTuple):
    """A request as the log tells it.

    Attributes:
        at: when it was answered, seconds since 1970.
        method: as sent.
        route: without ids.
        status: of the answer.
        milliseconds: that it took.
        request_id: on its answer.
    """

    at: float
    method: str
    route: str
    status: int
    milliseconds: float
    request_id: str

    @property
    def arguments(self) -> tuple[object, ...]:
        """Of `MESSAGE`."""
        return self.method, self.route, self.status, self.milliseconds


class RequestFormatter(logging.Formatter, ABC):
    """Formats records, and lines of requests, of which there are many, directly."""

    @abstractmethod
    def request_line(self, line: RequestLine) -> str:
        """The line of a request, without its end."""


class JsonFormatter(RequestFormatter):
    """One JSON object a line: time, level, logger, message, request id, a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
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

    def request_line(self, line: RequestLine) -> str:
        """The line of a request."""
        told = {
            "time": _iso(line.at),
            "level": "INFO",
            "logger": requests_logger.name,
            "message": MESSAGE % line.arguments,
            "method": line.method,
            "route": line.route,
            "status": line.status,
            "milliseconds": round(line.milliseconds, 2),
            "request_id": line.request_id,
        }
        return orjson.dumps(told).decode()


class TextFormatter(RequestFormatter):
    """Time, level, logger, message and request id on one line, whatever the message holds."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._second = (-1, "")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Local time to the millisecond."""
        return self._time(record.created, record.msecs)

    def _time(self, created: float, milliseconds: float) -> str:
        """The same second is written out once."""
        second = int(created)
        if second != self._second[0]:
            self._second = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._second[1]},{int(milliseconds):03d}"

    def request_line(self, line: RequestLine) -> str:
        """The line of a request."""
        at = self._time(line.at, line.at % 1 * 1000)
        return f"{at} INFO {requests_logger.name}: {MESSAGE % line.arguments} [{line.request_id}]"

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


def requests_are_logged() -> bool:
    """Whether a line a request is wanted."""
    return requests_logger.isEnabledFor(logging.INFO)


def write_request_lines(lines: Sequence[RequestLine]) -> None:
    """Write lines of requests to every handler that the log has: to ours all at once."""
    for handler in _handlers_of(requests_logger):
        if not lines or handler.level > logging.INFO:
            continue
        if isinstance(handler, logging.StreamHandler) and isinstance(handler.formatter, RequestFormatter):
            _write(handler, handler.formatter, lines)
        else:
            for line in lines:
                handler.handle(_record(line))


def _write(
    handler: logging.StreamHandler[Any], formatter: RequestFormatter, lines: Sequence[RequestLine]
) -> None:
    text = "".join(f"{formatter.request_line(line)}\n" for line in lines)
    with handler.lock or nullcontext():
        try:
            handler.stream.write(text)
            handler.flush()
        # A log that can't be written must not take the service down; the handler tells once where it can.
        except (OSError, ValueError):
            handler.handleError(_record(lines[-1]))


def _handlers_of(log: logging.Logger | None) -> Iterator[logging.Handler]:
    """The handlers that a record of a logger reaches."""
    while log is not None:
        yield from log.handlers
        log = log.parent if log.propagate else None


def _record(line: RequestLine) -> logging.LogRecord:
    record = logging.LogRecord(requests_logger.name, logging.INFO, __file__, 0, MESSAGE, line.arguments, None)
    record.created, record.msecs = line.at, line.at % 1 * 1000
    return record
