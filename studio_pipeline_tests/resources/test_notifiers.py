"""Webhook and e-mail against real local servers, and secrets that never show."""

import logging
import socket
import socketserver
from email import message_from_string
from email.policy import default

import pytest
from pydantic import SecretStr

from studio_pipeline.alerting.conditions import Message
from studio_pipeline.errors import ChannelError, SettingsError
from studio_pipeline.resources.notifiers import EmailNotifier, LogNotifier, WebhookNotifier, notifiers_of
from studio_pipeline.settings import read_settings
from studio_pipeline_tests.automation.fake_webhook import fake_webhook, serving

MESSAGE = Message("error", "A <check> failed & more.", "Line ä: 5", "http://127.0.0.1:3000/runs/1")


class Smtp(socketserver.ThreadingTCPServer):
    """Says what a small mail server says; `refused` is a verb that it answers 550."""

    daemon_threads = True

    def __init__(self, refused: str = "") -> None:
        super().__init__(("127.0.0.1", 0), SmtpSession)
        self.refused, self.verbs, self.mails = refused, list[str](), list[str]()


class SmtpSession(socketserver.StreamRequestHandler):
    server: Smtp

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        self.say("220 here")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            self.server.verbs.append(verb)
            if verb == self.server.refused:
                self.say("550 no s3cret here")
            elif verb == "EHLO":
                self.say("250-here")
                self.say("250-8BITMIME")
                self.say("250 AUTH PLAIN")
            elif verb == "AUTH":
                self.say("235 yes")
            elif verb == "DATA":
                self.say("354 go on")
                lines = list(iter(lambda: self.rfile.readline().decode().rstrip("\r\n"), "."))
                self.server.mails.append("\n".join(lines))
                self.say("250 taken")
            else:
                self.say("221 bye" if verb == "QUIT" else "250 yes")


def email(server: Smtp) -> EmailNotifier:
    url = f"smtp://user:s3cret@127.0.0.1:{server.server_address[1]}"
    return EmailNotifier(SecretStr(url), "studio@example.org", ["a@example.org", "b@example.org"])


def test_the_webhook_gets_slacks_json() -> None:
    with fake_webhook() as webhook:
        WebhookNotifier(SecretStr(webhook.url)).send(MESSAGE, 4)
    text = "🔴 A &lt;check&gt; failed &amp; more.\nLine ä: 5\n<http://127.0.0.1:3000/runs/1>"
    assert webhook.posts == [("application/json", {"text": text})]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 500, 503])
def test_anything_but_a_2xx_is_a_failure(status: int) -> None:
    with fake_webhook(status, {"Location": "/elsewhere"}) as webhook:
        with pytest.raises(ChannelError, match=f"answered {status}") as caught:
            WebhookNotifier(SecretStr(webhook.url)).send(MESSAGE, 4)
        assert len(webhook.posts) == 1
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_webhook_that_is_away_or_silent_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = SecretStr(f"http://127.0.0.1:{silent.getsockname()[1]}/s3cret")
        with pytest.raises(ChannelError, match="can't be reached") as caught:
            WebhookNotifier(url, timeout_seconds=0.2).send(MESSAGE, 1)
    with pytest.raises(ChannelError, match="Connection refused") as away:
        WebhookNotifier(url).send(MESSAGE, 1)
    assert "s3cret" not in f"{caught.value}{away.value}"


def test_a_mail_goes_to_all_recipients_after_a_login_while_the_server_is_there() -> None:
    with serving(Smtp()) as server:
        email(server).send(MESSAGE, 4)
        email(server).send(MESSAGE, 4)
    assert server.verbs.count("AUTH") == 2
    assert server.verbs.count("RCPT") == 4
    first, second = (message_from_string(mail, policy=default) for mail in server.mails)
    assert first["Subject"] == "[error] A <check> failed & more."
    assert first["To"] == "a@example.org, b@example.org"
    assert "Line ä: 5" in first.get_content()
    assert "http://127.0.0.1:3000/runs/1" in first.get_content()
    assert first["Message-ID"] == second["Message-ID"]
    with pytest.raises(ChannelError, match="Connection refused"):
        email(server).send(MESSAGE, 1)


@pytest.mark.parametrize("verb", ["AUTH", "MAIL", "RCPT", "DATA"])
def test_a_mail_server_that_refuses_is_a_failure_without_its_words(verb: str) -> None:
    with serving(Smtp(verb)) as server, pytest.raises(ChannelError, match="mail") as caught:
        email(server).send(MESSAGE, 4)
    assert "s3cret" not in str(caught.value)


def test_a_password_is_not_sent_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio_pipeline.resources.notifiers.LOOPBACK", ())
    with serving(Smtp()) as server, pytest.raises(ChannelError, match="SMTPNotSupportedError"):
        email(server).send(MESSAGE, 4)
    assert "AUTH" not in server.verbs


def test_the_log_is_always_on(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("dagster"), "propagate", True)
    with caplog.at_level(logging.INFO):
        LogNotifier().send(MESSAGE, 4)
    assert [notifier.name for notifier in notifiers_of(read_settings(env_file=None))] == ["log"]
    assert [(record.levelname, record.getMessage().splitlines()[0]) for record in caplog.records] == [
        ("ERROR", "Alert 4: A <check> failed & more.")
    ]


def test_the_settings_name_the_channels_and_never_show() -> None:
    urls = {"alert_webhook_url": "https://h/s3cret", "alert_smtp_url": "smtps://u:s3cret@h"}
    settings = read_settings(env_file=None, alert_email_from="a@b", alert_email_to="c@d, e@f", **urls)
    assert [notifier.name for notifier in notifiers_of(settings)] == ["log", "webhook", "email"]
    assert settings.alert_email_to == ("c@d", "e@f")
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alert_webhook_url", "ftp://s3cret"),
        ("alert_webhook_url", "https://"),
        ("alert_webhook_url", "https://h:port/s3cret"),
        ("alert_webhook_url", "https://h/s3cret\nX: y"),
        ("alert_smtp_url", "h:s3cret"),
        ("alert_smtp_url", "smtp://u:s3cret@h"),
    ],
)
def test_a_wrong_channel_is_refused_without_its_secret(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"STUDIO_{name.upper()}: ") as caught:
        read_settings(env_file=None, **{name: value})
    assert "s3cret" not in str(caught.value)
