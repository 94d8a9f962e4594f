"""Alerts by e-mail, through a server that the settings name."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate
from hashlib import sha256
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from studio_pipeline.alerting.messages import Message
from studio_pipeline.errors import ChannelError

EMAIL_TIMEOUT_SECONDS = 10.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")
EMAIL_REMEDY = (
    "Correct STUDIO_ALERT_SMTP_URL, STUDIO_ALERT_EMAIL_FROM or STUDIO_ALERT_EMAIL_TO, or the server."
)


class EmailNotifier:
    """Sends one mail a message.

    `smtps://` is TLS from the start. `smtp://` goes over to TLS where the server offers it; a password is
    never sent without TLS, but to this machine.

    Args:
        url: smtp(s)://user:password@host:port; secret.
        sender: address in From.
        recipients: addresses in To, at least one.
        timeout_seconds: to connect, and for each answer.
    """

    name = "email"

    def __init__(
        self,
        url: SecretStr,
        sender: str,
        recipients: Sequence[str],
        timeout_seconds: float = EMAIL_TIMEOUT_SECONDS,
    ) -> None:
        self._url = url
        self._sender = sender
        self._recipients = tuple(recipients)
        self._timeout_seconds = timeout_seconds

    def send(self, message: Message, number: int) -> None:
        """Send one mail; a mail that goes out twice has the same Message-ID."""
        mail = self._mail(message, number)
        try:
            server = self._connect()
            try:
                refused = server.send_message(mail)
            finally:
                # The mail is taken or refused by now; how the server says goodbye changes neither.
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
        server = self._open(parts)
        try:
            self._secure(server, parts)
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
        except BaseException:
            server.close()
            raise
        return server

    def _open(self, parts: SplitResult) -> smtplib.SMTP:
        host = parts.hostname or ""
        if parts.scheme == "smtps":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(host, parts.port or 465, timeout=self._timeout_seconds, context=context)
        return smtplib.SMTP(host, parts.port or 587, timeout=self._timeout_seconds)

    @staticmethod
    def _secure(server: smtplib.SMTP, parts: SplitResult) -> None:
        if parts.scheme == "smtps":
            return
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
        elif parts.username and parts.hostname not in LOOPBACK:
            raise smtplib.SMTPNotSupportedError

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
