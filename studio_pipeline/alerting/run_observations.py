"""Observations on a run that ended, with text and severity: its checks, its release decision, the run itself.

The events of a run are read from Dagster in `automation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from studio_pipeline.alerting.conditions import Message, Observation, shortened, sign_of

REFUSED_KINDS = ("refresh_refused", "challenge_refused")
LONGEST_CELL = 60
LONGEST_REASON = 1500

REMEDIES = {
    "error": "What was published stays. Correct the cause and run again.",
    "warning": "The run went on. Look at the check's table in Dagster's web UI.",
    "run": "What was published stays. The run's page shows every step; correct the cause and run again.",
    "refused": "The old model goes on. The metadata of registered_model and the report hold the findings.",
}


@dataclass(frozen=True)
class CheckVerdict:
    """Result of an asset check."""

    asset: str
    check: str
    passed: bool
    is_error: bool  # True if a failure is an error rather than a warning
    description: str = ""  # the check's description of the result, may be empty
    alarm: str = ""  # a stable text that names the alarm, if the check has one
    rows: Sequence[Mapping[str, Any]] = field(default_factory=list)  # the first rows of its table of failures


def check_observation(verdict: CheckVerdict, link: str) -> Observation:
    """Observe a check. Failures are the same if they have the same alarm, or else the same description."""
    name = f"check {verdict.check} of {verdict.asset}"
    kind: Any = "error" if verdict.is_error else "warning"
    rows = [{name: value for name, value in row.items() if value not in (None, "")} for row in verdict.rows]
    cells = [
        [f"{name}: {shortened(str(value), LONGEST_CELL)}" for name, value in row.items()] for row in rows
    ]
    lines = [f"- {', '.join(row)}" for row in cells]
    text = "\n".join(part for part in (verdict.description, verdict.alarm, *lines) if part)
    message = Message(kind, f"The {name} failed.", _with_remedy(text, kind), link)
    if verdict.passed:
        message = Message("recovery", f"The {name} passed.", "", link)
    sign = f"{kind} {verdict.alarm or sign_of(verdict.description)}"
    return Observation(f"check:{verdict.asset}:{verdict.check}", name, not verdict.passed, message, sign=sign)


def _with_remedy(text: str, kind: str) -> str:
    return "\n".join(part for part in (shortened(text, LONGEST_REASON), REMEDIES[kind]) if part)


def decision_observation(kind: str, decision: str, link: str) -> Observation:
    """Observe a release decision: the refusal of a new model, or its end."""
    refused = kind in REFUSED_KINDS
    what = "challenger" if kind == "challenge_refused" else "new model"
    title = f"The {what} was refused; the old one goes on." if refused else "A model was published."
    text = f"{decision}\n{REMEDIES['refused']}" if refused else decision
    message = Message("warning" if refused else "recovery", title, text, link)
    sign = f"{kind} {sign_of(decision)}"
    return Observation("decision:registered_model", "publication of new models", refused, message, sign=sign)


def job_observation(job: str, *, failing: bool, canceled: bool, reason: str, link: str) -> Observation:
    """Observe a run of a job that failed, was canceled or succeeded."""
    name = "materialisation from the UI" if job == "__ASSET_JOB" else f"job {job}"
    verb = "was canceled" if canceled else "failed"
    title = f"A run of the {name} {verb}." if failing else f"A run of the {name} succeeded."
    text = _with_remedy(reason, "run")
    kind: Any = "recovery" if not failing else "warning" if canceled else "error"
    message = Message(kind, title, text if failing else "", link)
    return Observation(f"job:{job}", name, failing, message, sign=f"{verb} {sign_of(reason)}")
