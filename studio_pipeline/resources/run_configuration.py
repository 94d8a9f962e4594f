"""What every run begins with: settings, the lock of their home, and run config over YAML
over tuned hyperparameters over defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import NoneType
from typing import Any, Union, get_args, get_origin

import dagster as dg
from pydantic import BaseModel, Field, create_model
from threadpoolctl import threadpool_limits

from studio_pipeline.configuration import Configuration, read_configuration
from studio_pipeline.publishing.locks import lock_of_run
from studio_pipeline.settings import Settings, read_settings

RunLock = Callable[[Path, str], AbstractContextManager[None]]
"""Held on a STUDIO_HOME by a run, named by its id, from its first resource to its last."""

LOCK_TAG = "studio/lock"
"""Run tag `none`: the run writes nothing that another run reads or writes, and goes on beside it."""

PLAIN_TYPES = (bool, int, float, str)


def override_class(model: type[BaseModel]) -> type[dg.Config]:
    """A `dg.Config` with the fields of a pydantic model, each optional; the model itself checks ranges.

    Nested models become nested configs, sequences lists; what Dagster has no type for (dates, enums) is text.
    """
    fields: dict[str, Any] = {
        name: (_config_type(field.annotation) | None, Field(None, description=field.description))
        for name, field in model.model_fields.items()
    }
    return create_model(f"{model.__name__}Overrides", __base__=dg.Config, __doc__=model.__doc__, **fields)


def _config_type(annotation: Any) -> Any:
    """The type that Dagster's config system has for a pydantic field's type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return override_class(annotation)
    if annotation in PLAIN_TYPES:
        return annotation
    origin, arguments = get_origin(annotation), [a for a in get_args(annotation) if a is not NoneType]
    if origin in (tuple, list, frozenset, set):
        return list[_config_type(arguments[0])]  # type: ignore[misc]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return dict[str, _config_type(arguments[1])]  # type: ignore[misc]
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
        config_schema=override_class(Configuration).to_config_schema(),
        required_resource_keys={"settings"},
        description="Hyperparameters and thresholds.",
    )
