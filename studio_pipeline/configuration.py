"""Configuration of the model and its checks as one typed object: defaults, tuned values, YAML, run config.

Each section is defined beside its code. Dagster's run config, which overrides the others, is converted in
`resources.run_configuration`. Paths, addresses and secrets are settings (`settings`), not configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from studio_pipeline.alerting.conditions import AlertConfig
from studio_pipeline.errors import SettingsError
from studio_pipeline.evaluation.promotion.guard_rails import PromotionConfig
from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.monitoring.thresholds import AccuracyConfig, DriftConfig
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline.panel.validation.limits import ValidationConfig
from studio_pipeline.planning.configuration import PlanningConfig
from studio_pipeline.publishing.pruning import RetentionConfig
from studio_pipeline.tuning.values import TuningConfig, read_tuned_values


class Configuration(BaseModel):
    """Every hyperparameter and threshold.

    Attributes:
        validation: limits on the rows of landed files.
        generator: the built-in fleet, used if the landing folder is empty.
        forecasting: the core, the learners, the weights and the intervals.
        promotion: conditions under which a new model replaces the published one.
        planning: costs of plans, duration of changes and bounds of levers.
        tuning: search of the learners' hyperparameters, and whether its result is used.
        retention: which old versions are removed, and when.
        accuracy: monitoring of live forecasts.
        alerts: when data count as late, and when the daily heartbeat is sent.
        drift: false-alarm rate of the drift monitor, and the end of its alarms.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    validation: ValidationConfig = ValidationConfig()
    generator: GeneratorConfig = GeneratorConfig()
    forecasting: ForecastingConfig = ForecastingConfig()
    promotion: PromotionConfig = PromotionConfig()
    planning: PlanningConfig = PlanningConfig()
    tuning: TuningConfig = TuningConfig()
    retention: RetentionConfig = RetentionConfig()
    accuracy: AccuracyConfig = AccuracyConfig()
    alerts: AlertConfig = AlertConfig()

    _untuned: ForecastingConfig | None = PrivateAttr(None)

    @property
    def untuned(self) -> ForecastingConfig:
        """`forecasting` without tuned hyperparameters."""
        return self._untuned or self.forecasting

    drift: DriftConfig = DriftConfig()


def read_configuration(
    path: Path | None, overrides: Mapping[str, Any] | None = None, home: Path | None = None
) -> Configuration:
    """Read `overrides` over the YAML of `path` over the tuned values of `home` over the typed defaults.

    Args:
        path: a YAML file, or None for the defaults.
        overrides: nested fields; a None among them overrides nothing.
        home: STUDIO_HOME, whose tuned hyperparameters are used unless `tuning.use_tuned` is false; None to
            use none.

    Raises:
        SettingsError: the file can't be read, a field is unknown or out of its range, or the tuned
            hyperparameters are corrupt.
    """
    from_file = {} if path is None else _read_yaml(path)
    configuration = _validate(from_file, "The run config" if path is None else str(path))
    if overrides:
        configuration = _validate(_merge(from_file, overrides), "The run config")
    if home is None or not configuration.tuning.use_tuned:
        return configuration
    tuned = read_tuned_values(home).values
    if not tuned:
        return configuration
    merged = _validate(
        _merge(_merge({"forecasting": tuned}, from_file), overrides or {}), "The tuned hyperparameters"
    )
    merged._untuned = configuration.forecasting
    return merged


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"STUDIO_CONFIG={path} can't be read: {error.strerror}.",
            "Correct the path or unset STUDIO_CONFIG.",
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} is not YAML: {error}.", "Correct the file or unset STUDIO_CONFIG."
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path} holds no fields.", f"Its top level is one of {', '.join(_sections())}.")
    return content


def _validate(values: Mapping[str, Any], where: str) -> Configuration:
    try:
        return Configuration.model_validate(values)
    except ValidationError as error:
        lines = [
            f"{where}: {'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_url=False, include_context=False)
        ]
        raise SettingsError(
            "\n".join(lines), f"Correct or remove these fields; the sections are {', '.join(_sections())}."
        ) from None


def _sections() -> list[str]:
    return list(Configuration.model_fields)


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for name, value in over.items():
        if isinstance(value, Mapping):
            below = under.get(name)
            merged[name] = _merge(below if isinstance(below, Mapping) else {}, value)
        elif value is not None:
            merged[name] = value
    return merged
