"""Hooks of Schemathesis: half of the studios that it makes up become one that there is."""

import os
from typing import Any

import schemathesis

STUDIO = "studio_id"


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    return known(body)


def known(value: Any) -> Any:
    if isinstance(value, list):
        return [known(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {name: _studio(inner) if name == STUDIO else known(inner) for name, inner in value.items()}


def _studio(made_up: Any) -> Any:
    # What is wrong must stay wrong: it is there to be refused.
    sound = isinstance(made_up, str) and 0 < len(made_up) <= 200
    return os.environ["STUDIO_THAT_IS_THERE"] if sound and len(made_up) % 2 else made_up
