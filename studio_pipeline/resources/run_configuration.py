"""Resources `settings` and `configuration` of a run, with the lock on STUDIO_HOME.

Dagster's run config overrides the YAML and the defaults, which `studio_pipeline.configuration` reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import NoneType
from typing import Any, Union, get_args, get_origin

import dagster as dg
from pydantic import BaseModel
from threadpoolctl import threadpool_limits

from studio_pipeline.configuration import Configuration, read_configuration
from studio_pipeline.publishing.locks import lock_of_run
from studio_pipeline.settings import Settings, read_settings

RunLock = Callable[[Path, str], AbstractContextManager[None]]
"""Lock that a run, given by its id, holds on a STUDIO_HOME from its first resource to its last."""

LOCK_TAG = "studio/lock"
"""Run tag; `none`: the run writes nothing that another run reads or writes, and needs no lock."""

PLAIN_TYPES = (bool, int, float, str)


def override_schema(model: type[BaseModel]) -> dg.Shape:
    """Build the config schema of a pydantic model's fields, each optional; the model itself checks ranges.

    Nested models become nested shapes, sequences arrays; types unknown to Dagster (dates, enums) become text.
    `dg.Config` is not used, as its strings, integers and booleans also accept `{"env": NAME}`: run config
    could then copy any secret of the environment into errors, events and MLflow.
    """
    fields = {
        name: dg.Field(
            dg.Noneable(_config_type(field.annotation)),
            default_value=None,
            is_required=False,
            description=field.description,
        )
        for name, field in model.model_fields.items()
    }
    return dg.Shape(fields, description=model.__doc__)  # type: ignore[no-untyped-call]


def _config_type(annotation: Any) -> Any:
    """Map a pydantic field's type to a type of Dagster's config system."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return override_schema(annotation)
    if annotation in PLAIN_TYPES:
        return annotation
    origin, arguments = get_origin(annotation), [a for a in get_args(annotation) if a is not NoneType]
    if origin in (tuple, list, frozenset, set):
        return dg.Array(_config_type(arguments[0]))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return dg.Map(str, _config_type(arguments[1]))  # type: ignore[no-untyped-call]
    if origin is Union or type(annotation).__name__ == "UnionType":
        return _config_type(arguments[0])
    return str


def settings_resource(
    settings: Settings | None = None, run_lock: RunLock = lock_of_run
) -> dg.ResourceDefinition:
    """Build the resource `settings`; while it is in use, the run holds the lock of STUDIO_HOME.

    Everything that reads or writes STUDIO_HOME depends on this resource, so a second run fails before it
    writes anything. Nothing is locked outside a run (loading an asset), or in a run with `LOCK_TAG` `none`.
    BLAS is limited to one thread during a run. Without `settings`, those of the environment are read when a
    run starts.
    """

    runs_inside: set[str] = set()

    @contextmanager
    def read(context: dg.InitResourceContext) -> Iterator[Settings]:
        given = settings or read_settings()
        run_id = context.run.run_id if context.run else None
        # Dagster initialises this resource again for each one that contains it; only the first call locks.
        if context.run is None or run_id is None or run_id in runs_inside:
            yield given
            return
        # A run has many small matrices, for which synchronising BLAS threads costs more than it saves.
        lock = nullcontext() if context.run.tags.get(LOCK_TAG) == "none" else run_lock(given.home, run_id)
        with lock, threadpool_limits(limits=1, user_api="blas"):
            runs_inside.add(run_id)
            try:
                yield given
            finally:
                runs_inside.remove(run_id)

    return dg.ResourceDefinition(read, description="Settings from the environment and .env.")


def configuration_resource() -> dg.ResourceDefinition:
    """Build the resource `configuration`.

    Order of precedence: run config, the YAML of STUDIO_CONFIG, tuned hyperparameters, typed defaults.
    """

    def read(context: dg.InitResourceContext) -> Configuration:
        settings: Settings = context.resources.settings
        return read_configuration(settings.config, context.resource_config, settings.home)

    return dg.ResourceDefinition(
        read,
        config_schema=override_schema(Configuration),
        required_resource_keys={"settings"},
        description="Hyperparameters and thresholds.",
    )
