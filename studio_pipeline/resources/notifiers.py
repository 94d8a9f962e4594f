"""Alert channels: Dagster's log, a webhook and e-mail.

Each sends one message and raises `ChannelError` on failure, without secrets in the text. Retries are in
`alerting.delivery`, message texts in `alerting.conditions`.
"""

from __future__ import annotations

import html
import http.client
import json
import logging
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlsplit

import dagster as dg
from pydantic import SecretStr

from studio_pipeline.alerting.conditions import Message
from studio_pipeline.alerting.delivery import Notifier
from studio_pipeline.errors import ChannelError
from studio_pipeline.settings import Settings

EMAIL_TIMEOUT_SECONDS = 10.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")
EMAIL_REMEDY = (
    "Correct STUDIO_ALERT_SMTP_URL, STUDIO_ALERT_EMAIL_FROM or STUDIO_ALERT_EMAIL_TO, or the server."
)


class EmailNotifier:
    """Sends one mail per message.

    `smtps://` uses TLS from the start. `smtp://` uses STARTTLS if the server offers it; a password is never
    sent without TLS, except to this machine.

    Args:
        url: smtp(s)://user:password@host:port; secret.
    """

    name = "email"

    def __init__(self, url: SecretStr, sender: str, recipients: Sequence[str]) -> None:
        self._url, self._sender, self._recipients = url, sender, tuple(recipients)

    def send(self, message: Message, number: int) -> None:
        """Send one mail; a repeated mail has the same Message-ID."""
        mail = self._mail(message, number)
        try:
            server = self._connect()
            try:
                refused = server.send_message(mail)
            finally:
                # The mail is already accepted or refused; an error in QUIT must not change the result.
                with suppress(smtplib.SMTPException, OSError):
                    server.quit()
        except smtplib.SMTPResponseException as error:
            what = f"The mail server answered {error.smtp_code} ({type(error).__name__})."
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            what = f"The mail server did not take the mail ({reason})."
        else:
            if not refused:
                return
            what = f"The mail server refused {len(refused)} of {len(self._recipients)} recipients."
        raise ChannelError(what, EMAIL_REMEDY) from None

    def _connect(self) -> smtplib.SMTP:
        parts = urlsplit(self._url.get_secret_value())
        host, timeout, context = parts.hostname or "", EMAIL_TIMEOUT_SECONDS, ssl.create_default_context()
        server = (
            smtplib.SMTP_SSL(host, parts.port or 465, timeout=timeout, context=context)
            if parts.scheme == "smtps"
            else smtplib.SMTP(host, parts.port or 587, timeout=timeout)
        )
        try:
            if parts.scheme == "smtp":
                server.ehlo()
                if server.has_extn("starttls"):
                    server.starttls(context=context)
                elif parts.username and parts.hostname not in LOOPBACK:
                    raise smtplib.SMTPNotSupportedError
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
        except BaseException:
            server.close()
            raise
        return server

    def _mail(self, message: Message, number: int) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"] = self._sender, ", ".join(self._recipients)
        mail["Subject"] = f"[{message.kind}] {message.title}"
        mail["Date"] = formatdate()
        digest = sha256(f"{number} {message.to_json()}".encode()).hexdigest()[:20]
        mail["Message-ID"] = f"<{number}.{digest}@{self._sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.body or message.title, cte="quoted-printable")
        return mail


LEVELS = {"error": logging.ERROR, "warning": logging.WARNING}


class LogNotifier:
    """Writes each message to Dagster's logger, which the daemon and the web UI show."""

    name = "log"

    def send(self, message: Message, number: int) -> None:
        """Write one log record, which starts with the number."""
        level = LEVELS.get(message.kind, logging.INFO)
        parts = (f"Alert {number}: {message.title}", message.body)
        dg.get_dagster_logger("alerts").log(level, "\n".join(part for part in parts if part))


WEBHOOK_TIMEOUT_SECONDS = 5.0
SYMBOLS = {"error": "🔴", "warning": "🟠", "recovery": "🟢", "heartbeat": "💚"}
WEBHOOK_REMEDY = "Correct STUDIO_ALERT_WEBHOOK_URL or the server behind it."


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: a redirected POST would arrive as an empty GET."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class WebhookNotifier:
    """Posts `{"text": ...}`; anything but a 2xx is a failure.

    Args:
        url: address to post to; secret, as it is the only credential for posting.
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
    """Reason of an error without the URL: the operating system's message, or the name of the error."""
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return type(inner).__name__


def slack_text(message: Message) -> str:
    """Format a message as Slack text, with Slack's three markup characters escaped."""
    lines = filter(None, (f"{SYMBOLS[message.kind]} {message.title}", message.text))
    escaped = html.escape("\n".join(lines), quote=False)
    return f"{escaped}\n<{message.link}>" if message.link else escaped


def notifiers_of(settings: Settings) -> list[Notifier]:
    """Every configured channel, the log first."""
    notifiers: list[Notifier] = [LogNotifier()]
    if settings.alert_webhook_url is not None:
        notifiers.append(WebhookNotifier(settings.alert_webhook_url))
    if settings.alert_smtp_url is not None and settings.alert_email_from is not None:
        sender, recipients = settings.alert_email_from, settings.alert_email_to
        notifiers.append(EmailNotifier(settings.alert_smtp_url, sender, recipients))
    return notifiers
