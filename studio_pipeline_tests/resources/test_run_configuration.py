"""Run config over YAML over defaults, generated from the pure classes."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import pytest
from pydantic import BaseModel, Field

from studio_pipeline.configuration import Configuration
from studio_pipeline.errors import SettingsError
from studio_pipeline.resources.run_configuration import (
    configuration_resource,
    override_schema,
    settings_resource,
)
from studio_pipeline.settings import Settings


class Inner(BaseModel):
    rate: float = Field(0.5, description="A rate.")


class Outer(BaseModel):
    inner: Inner = Inner()
    names: tuple[str, ...] = ()
    held: dict[str, float] = Field(default_factory=dict)
    mode: Literal["a", "b"] = "a"
    count: int | None = None


def configured(name: str, config: dict[str, object], **resources: dg.ResourceDefinition) -> Any:
    """What a run gets as the resource `name`, configured so."""

    @dg.op(required_resource_keys={name})
    def take(context) -> Any:
        return getattr(context.resources, name)

    @dg.job(resource_defs=resources)
    def job() -> None:
        take()

    run_config = {"resources": {name: {"config": config}}}
    return job.execute_in_process(run_config=run_config).output_for_node("take")


def read(config: dict[str, object], yaml: Path | None = None) -> Configuration:
    unlocked = settings_resource(Settings(config=yaml), lambda *_: nullcontext())
    return configured("configuration", config, settings=unlocked, configuration=configuration_resource())


def resolved(config: dict[str, object]) -> object:
    resource = dg.ResourceDefinition(lambda context: context.resource_config, override_schema(Outer))
    return configured("outer", config, outer=resource)


def test_every_field_is_optional_and_described_and_nested_values_pass() -> None:
    assert resolved({}) == dict.fromkeys(Outer.model_fields)
    assert override_schema(Inner).fields["rate"].description == "A rate."
    values = {"inner": {"rate": 0.7}, "names": ["x"], "held": {"a": 1.0}, "mode": "b", "count": 3}
    assert resolved(values) == values


def test_run_config_wins_over_yaml_over_defaults(tmp_path: Path) -> None:
    path = tmp_path / "studio.yaml"
    path.write_text("forecasting: {lightgbm: {n_trees: 33, max_depth: 3}}\n")
    options = {"studios": 3, "types": ["Yoga"], "held": {"avg_ticket_price": 120.0}, "last_month": "2023-06"}
    configuration = read({"forecasting": {"lightgbm": {"n_trees": 44}}, "generator": options}, path)
    assert configuration.forecasting.lightgbm.n_trees == 44
    assert configuration.forecasting.lightgbm.max_depth == 3
    assert configuration.forecasting.xgboost == Configuration().forecasting.xgboost
    assert configuration.generator.model_dump(include=set(options)) == options | {"types": ("Yoga",)}


def test_wrong_fields_are_named() -> None:
    with pytest.raises(dg.DagsterResourceFunctionError) as caught:
        read({"generator": {"studios": 0}})
    assert isinstance(caught.value.__cause__, SettingsError)
    assert "generator.studios" in str(caught.value.__cause__)
    with pytest.raises(dg.DagsterInvalidConfigError, match="stduios"):
        read({"generator": {"stduios": 3}})
