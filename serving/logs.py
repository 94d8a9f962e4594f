"""Logging as the settings say: text or JSON, to stderr or a file; a line a request, no personal data."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from serving.guards.request_ids import current_request_id
from studio_pipeline.errors import StorageError
from studio_pipeline.settings import Settings

requests_logger = logging.getLogger("serving.requests")

LOGGERS = ("serving", "studio_pipeline", "uvicorn")
HANDLER_NAME = "studio"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, own fields, request id, a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
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
        """Local time to the millisecond; the same second is written out once."""
        second = int(record.created)
        if second != self._second[0]:
            self._second = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._second[1]},{int(record.msecs):03d}"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line of a record, before any traceback."""
        line = super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")
        request_id = current_request_id.get()
        return f"{line} [{request_id}]" if request_id else line


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


def log_request(method: str, route: str, status: int, seconds: float) -> None:
    """One line for a request; nothing that its sender chose freely is in it."""
    if not requests_logger.isEnabledFor(logging.INFO):
        return
    milliseconds = seconds * 1000
    # To find out process, thread and calling line takes longer than to write this one.
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__.update(_blank_record())
    record.created = time.time()
    record.msecs = record.created % 1 * 1000
    record.args = (method, route, status, milliseconds)
    record.fields = {
        "method": method,
        "route": route,
        "status": status,
        "milliseconds": round(milliseconds, 2),
    }
    requests_logger.handle(record)


@cache
def _blank_record() -> dict[str, Any]:
    return vars(
        logging.LogRecord(requests_logger.name, logging.INFO, __file__, 0, "%s %s %d %.1f ms", (), None)
    )
