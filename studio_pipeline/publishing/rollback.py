"""Rollback: publication of an older model version with the current data.

The result is an ordinary release (`releases`) whose decision kind is `ROLLBACK`; the promotion rules don't
replace it until there are new months (`evaluation.promotion.release_decision`).
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

from studio_pipeline.errors import CorruptReleaseError, ReleaseError
from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline.publishing.bundles import model_versions
from studio_pipeline.publishing.folders import RESTORE, read_manifest, verify_folder
from studio_pipeline.publishing.layout import model_folder
from studio_pipeline.publishing.releases import Release, current_release, publish_release

ROLLBACK = "rollback"
"""Decision kind of a release that was made by a rollback."""


def roll_back(home: Path, model_version: str, run_id: str) -> Release:
    """Publish the current data with an older model, and return the new release.

    Raises:
        NoReleaseError: nothing is published yet.
        ReleaseError: the model is unknown, is current already, or is from other months.
        CorruptReleaseError: its bundle, or the data, don't verify.
    """
    current = check_rollback(home, model_version)
    metrics = read_manifest(model_folder(home, model_version)).details.get("metrics", {})
    release = dataclasses.replace(
        current,
        model_version=model_version,
        metrics=metrics if isinstance(metrics, dict) else {},
        challenger_model_version=None,
        run_id=run_id,
        published_at=datetime.now(UTC),
        decision_kind=ROLLBACK,
    )
    return publish_release(home, release)


def check_rollback(home: Path, model_version: str) -> Release:
    """Check the conditions of `roll_back` before a run begins, and return the current release.

    Its errors are those of `roll_back`, and a CorruptReleaseError if the bundle can't be loaded.
    """
    current = current_release(home)
    versions = model_versions(home)
    if model_version not in versions:
        remedy = f"The models are {', '.join(versions)}; `studio models` shows more about them."
        raise ReleaseError(f"There is no model {model_version!r}.", remedy)
    if model_version == current.model_version:
        what = f"Model {model_version} is current already, in release {current.version}."
        raise ReleaseError(what, "`studio models` lists the others.")
    folder = model_folder(home, model_version)
    if (source := verify_folder(folder).details.get("source")) != current.source:
        what = f"Model {model_version} is from the months of {source!r}"
        remedy = "Choose a model from the same kind of months; `studio models` lists them."
        raise ReleaseError(f"{what}, and the release from those of {current.source!r}.", remedy)
    # It may verify and still not load, such as a bundle of another version of the program.
    try:
        StudioModel.load(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"{folder} is no model that this program can answer from ({error!r})."
        raise CorruptReleaseError(what, RESTORE) from error
    return current
