"""Configuration of a run: settings, the lock of their home, and run config over YAML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import NoneType
from typing import Any, Union, get_args, get_origin

import dagster as dg
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from threadpoolctl import threadpool_limits

from studio_pipeline.configuration import Configuration, read_configuration
from studio_pipeline.publishing.locks import lock_of_run
from studio_pipeline.settings import Settings, read_settings

RunLock = Callable[[Path, str], AbstractContextManager[None]]
"""Held on a STUDIO_HOME by a run, named by its id, from its first resource to its last."""

LOCK_TAG = "studio/lock"
"""Run tag `none`: the run writes nothing that another run reads or writes, and goes on beside it."""

PLAIN_TYPES = (bool, int, float, str)


def override_schema(model: type[BaseModel]) -> dg.Shape:
    """The config schema of a pydantic model's fields, each optional; the model itself checks ranges.

    Nested models become nested shapes, sequences arrays; what Dagster has no type for (dates, enums) is text.
    It is no `dg.Config`, whose texts, whole numbers and flags also accept `{"env": NAME}`: with these, run
    config could copy any secret of the environment into errors, events and MLflow.
    """
    fields = {name: _optional(field) for name, field in model.model_fields.items()}
    return dg.Shape(fields, description=model.__doc__)  # type: ignore[no-untyped-call]


def _optional(field: FieldInfo) -> dg.Field:
    return dg.Field(
        dg.Noneable(_config_type(field.annotation)),
        default_value=None,
        is_required=False,
        description=field.description,
    )


def _config_type(annotation: Any) -> Any:
    """The type that Dagster's config system has for a pydantic field's type."""
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
    """The settings, read when a run starts unless they are given; the run holds the lock of their home.

    Everything that reads or writes STUDIO_HOME depends on this resource, so a second run fails before it does
    anything. Outside a run, where one only looks at an asset, nothing is locked; nor by a run of `LOCK_TAG`.
    A run has one thread of BLAS.
    """

    runs_inside: set[str] = set()

    @contextmanager
    def read(context: dg.InitResourceContext) -> Iterator[Settings]:
        given = settings or read_settings()
        run_id = context.run.run_id if context.run else None
        # Dagster asks again for each resource that holds this one; the first to ask is the last to let go.
        if context.run is None or run_id is None or run_id in runs_inside:
            yield given
            return
        # A run's matrices are small and many: threads of BLAS wait for each other longer than they work.
        lock = nullcontext() if context.run.tags.get(LOCK_TAG) == "none" else run_lock(given.home, run_id)
        with lock, threadpool_limits(limits=1, user_api="blas"):
            runs_inside.add(run_id)
            try:
                yield given
            finally:
                runs_inside.remove(run_id)

    return dg.ResourceDefinition(read, description="Settings from the environment and .env.")


def configuration_resource() -> dg.ResourceDefinition:
    """The configuration: run config over the YAML of STUDIO_CONFIG over tuned hyperparameters over the
    typed defaults.
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
