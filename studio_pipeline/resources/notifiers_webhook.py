"""Alerts as a POST of JSON that Slack, Mattermost and their like take."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from pydantic import SecretStr

from studio_pipeline.alerting.messages import Message
from studio_pipeline.errors import ChannelError

WEBHOOK_TIMEOUT_SECONDS = 5.0
SYMBOLS = {"error": "🔴", "warning": "🟠", "recovery": "🟢", "heartbeat": "💚"}
WEBHOOK_REMEDY = "Correct STUDIO_ALERT_WEBHOOK_URL or the server behind it."


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as an empty GET."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class WebhookNotifier:
    """Posts `{"text": ...}`; anything but a 2xx is a failure.

    Args:
        url: where to; secret, as whoever knows it may post.
        timeout_seconds: to connect, and to wait for each part of the answer.
    """

    name = "webhook"

    def __init__(self, url: SecretStr, timeout_seconds: float = WEBHOOK_TIMEOUT_SECONDS) -> None:
        self._url = url
        self._timeout_seconds = timeout_seconds

    def send(self, message: Message, number: int) -> None:
        """Post one message."""
        request = urllib.request.Request(  # noqa: S310 - the settings take http and https alone
            self._url.get_secret_value(),
            data=json.dumps({"text": slack_text(message)}).encode(),
            headers={"Content-Type": "application/json", "X-Alert-Number": str(number)},
            method="POST",
        )
        try:
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=self._timeout_seconds):
                return
        except urllib.error.HTTPError as error:
            error.close()
            what = f"The webhook answered {error.code}."
        except (OSError, http.client.HTTPException) as error:
            what = f"The webhook can't be reached ({_reason(error)})."
        raise ChannelError(what, WEBHOOK_REMEDY) from None


def _reason(error: Exception) -> str:
    """A reason that can't hold the URL: the operating system's words, or the name of the error."""
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return type(inner).__name__


def slack_text(message: Message) -> str:
    """The message as Slack's text, in which three characters are markup."""
    text = f"{SYMBOLS[message.kind]} {message.title}"
    if message.text:
        text += f"\n{message.text}"
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"{escaped}\n<{message.link}>" if message.link else escaped
