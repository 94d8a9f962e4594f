"""Responses as plain lists and numbers, each studio's name but once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, astuple
from typing import Any

from studio_pipeline.forecasting.queries import LeverEffect
from studio_pipeline.forecasting.response_regressors import Comfort
from studio_pipeline.forecasting.responses import OwnResponses, Responses


def responses_to_json(responses: Responses) -> dict[str, Any]:
    """Plain lists and numbers; floats keep every bit."""
    names = {name for own in responses.own.values() for one in own.values() for name in one.studios}
    studios = sorted(names)
    number = {name: k for k, name in enumerate(studios)}
    return {
        "effects": {
            flow: {name: list(astuple(effect)) for name, effect in effects.items()}
            for flow, effects in responses.effects.items()
        },
        "comfort": asdict(responses.comfort),
        "typical_classes": responses.typical_classes,
        "studios": studios,
        "own": {
            flow: {
                name: [[number[s] for s in one.studios], list(one.slopes), list(one.errors)]
                for name, one in own.items()
            }
            for flow, own in responses.own.items()
        },
    }


def responses_from_json(stored: Mapping[str, Any]) -> Responses:
    """Inverse of `responses_to_json`."""
    studios = stored["studios"]
    return Responses(
        {
            flow: {name: LeverEffect(*effect) for name, effect in effects.items()}
            for flow, effects in stored["effects"].items()
        },
        Comfort(**stored["comfort"]),
        {
            flow: {
                name: OwnResponses(tuple(studios[k] for k in numbers), tuple(slopes), tuple(errors))
                for name, (numbers, slopes, errors) in own.items()
            }
            for flow, own in stored["own"].items()
        },
        stored["typical_classes"],
    )
