"""The channels of alerts that the settings name: the log always, a webhook and e-mail where they are set."""

from __future__ import annotations

from studio_pipeline.alerting.delivery import Notifier
from studio_pipeline.resources.notifiers_email import EmailNotifier
from studio_pipeline.resources.notifiers_log import LogNotifier
from studio_pipeline.resources.notifiers_webhook import WebhookNotifier
from studio_pipeline.settings import Settings


def notifiers_of(settings: Settings) -> list[Notifier]:
    """Every channel that is set, the log first."""
    notifiers: list[Notifier] = [LogNotifier()]
    if settings.alert_webhook_url is not None:
        notifiers.append(WebhookNotifier(settings.alert_webhook_url))
    if settings.alert_smtp_url is not None and settings.alert_email_from is not None:
        notifiers.append(
            EmailNotifier(settings.alert_smtp_url, settings.alert_email_from, settings.alert_email_to)
        )
    return notifiers
