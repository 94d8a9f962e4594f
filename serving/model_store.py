"""Store of the release that answers: verification, loading, warm-up, and swaps between two requests."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from serving.experiment import Experiment, Role
from serving.runtime import release_memory
from studio_pipeline.errors import NoReleaseError, ReleaseError, StudioError
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.publishing.bundles import model_manifests, model_versions
from studio_pipeline.publishing.folders import Manifest, read_manifest, verify_folder
from studio_pipeline.publishing.layout import model_folder, shown_from, snapshot_folder
from studio_pipeline.publishing.releases import Release, current_release, pointer_identity, release_history
from studio_pipeline.publishing.snapshots import read_panel

logger = logging.getLogger(__name__)

OFF = Experiment()

POLL_SECONDS = 0.5
RETRY_SECONDS = 10.0
"""A release that could not be loaded is tried again after this time: a disk may have come back."""

HISTORY_TRIES = 3
"""Number of older releases tried at start if the current one can't be loaded."""


LoadForecaster = Callable[[Path, StudioPanel], Forecaster]
"""Builds a forecaster from a model bundle and a panel."""


def load_forecaster(bundle: Path, panel: StudioPanel) -> Forecaster:
    """The forecaster of a bundle."""
    return Forecaster(StudioModel.load(bundle), panel)


@dataclass(frozen=True)
class HeldRelease:
    """One release in memory. A request takes one of these once and answers from nothing else."""

    release: Release  # as the pointer named it; a pinned model or a challenger: under that model's version
    forecaster: Forecaster
    role: Role = "champion"
    experiment: Experiment = OFF
    challenger: HeldRelease | None = None  # the same release as the challenger answers it, if there is one

    def for_studio(self, studio_id: str) -> HeldRelease:
        """The arm that answers a studio: this release, or its challenger."""
        other = self.challenger
        if other and self.experiment.gives_to_challenger(studio_id, other.release.model_version):
            return other
        return self

    @property
    def shadow(self) -> HeldRelease | None:
        """The challenger that scores all answers of this release unseen, if any."""
        return self.challenger if self.experiment.mode == "shadow" else None


class ModelStore:
    """Holds the current release of a STUDIO_HOME and replaces it when the pointer changes.

    With a pinned model it answers from that, whatever the release says, and asks nothing of a challenger.
    """

    def __init__(
        self,
        home: Path,
        pinned_model_version: str | None = None,
        load: LoadForecaster = load_forecaster,
        experiment: Experiment = OFF,
    ) -> None:
        self._home = home
        self._pinned = pinned_model_version
        self._load = load
        self.experiment = OFF if pinned_model_version else experiment
        self._challenger_problem: str | None = None
        self.held: HeldRelease | None = None  # the release in memory, if any
        self._seen: tuple[int, int] | None = None
        self._retry_at = 0.0
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Reason for which the published release, or its challenger, is not the one that answers; None where
        all is well.

        Paths are given from STUDIO_HOME on: anybody may read this.
        """
        problem = self._problem or self._challenger_problem
        return None if problem is None else self.shown(problem)

    def shown(self, message: str) -> str:
        """A message as an answer may give it: without the place of STUDIO_HOME on this machine."""
        return shown_from(self._home, message)

    def require(self) -> HeldRelease:
        """The release in memory.

        Raises:
            NoReleaseError: there is none; the message says what to do.
        """
        if self.held is None:
            error = self._no_release()
            raise NoReleaseError(self.shown(error.what), error.remedy)
        return self.held

    def warn_if_empty(self) -> None:
        """Log a warning with a remedy if there is no release."""
        if self.held is None:
            logger.warning("There is no release to answer from. %s", self._no_release())

    def _no_release(self) -> NoReleaseError:
        if self._problem and self._pinned:
            return NoReleaseError(self._problem)
        what = self._problem or f"Nothing is published in {self._home} yet."
        return NoReleaseError(what, "Run `studio run`; this service picks the release up by itself.")

    def manifests(self) -> dict[str, Manifest]:
        """Manifest of every model bundle on the disk, by version."""
        return model_manifests(self._home)

    def refresh(self) -> None:
        """Load what the pointer names, if that is new; the old release stays where that fails."""
        try:
            self._look()
        except (OSError, StudioError) as error:
            # The next look finds the pointer new, so that it clears this problem as soon as it can.
            self._seen, self._retry_at = None, 0.0
            if self._problem != str(error):
                logger.warning("The current release can't be looked up. %s", error)
            self._problem = str(error)

    def _look(self) -> None:
        identity = pointer_identity(self._home)
        is_well = self._problem is None and self._challenger_problem is None
        if identity == self._seen and (is_well or time.monotonic() < self._retry_at):
            return
        self._seen, self._retry_at = identity, time.monotonic() + RETRY_SECONDS
        try:
            release = self._with_pin(current_release(self._home))
            if self.held is None or self.held.release != release or self._challenger_problem is not None:
                # One assignment: a request sees the old release or the new one.
                self.held = self._load_and_warm(release)
                release_memory()
                logger.info("Release %d: model %s, data %s", *_names(release))
            self._problem = None
        except NoReleaseError as error:
            self._problem = error.what if self.held else None
        # A release that can't be loaded, whatever the reason, must not take the old one down with it.
        except Exception as error:
            self._problem = str(error) if isinstance(error, StudioError) else f"The release: {error!r}"
            logger.exception("The published release can't be loaded.")
            self._fall_back()

    async def watch(self) -> None:
        """Refresh for ever, without holding up requests."""
        try:
            while True:
                await asyncio.sleep(POLL_SECONDS)
                await asyncio.to_thread(self.refresh)
        finally:
            # Only a bug or the end of the service leads here.
            self._problem = "New releases are no longer loaded. Start the service again."

    def _with_pin(self, release: Release) -> Release:
        """The release with the pinned model in the place of its own."""
        if self._pinned is None:
            return release
        versions = model_versions(self._home)
        if self._pinned not in versions:
            raise ReleaseError(
                f"STUDIO_MODEL_VERSION is {self._pinned!r}, and there is no such model.",
                f"Set it to one of {', '.join(versions)}, or unset it, and start the service again.",
            )
        return self._under(release, self._pinned)

    def _under(self, release: Release, model_version: str) -> Release:
        """A release under another model's version and figures."""
        metrics = read_manifest(model_folder(self._home, model_version)).details.get("metrics", {})
        return dataclasses.replace(release, model_version=model_version, metrics=metrics)

    def _load_and_warm(self, release: Release) -> HeldRelease:
        snapshot = snapshot_folder(self._home, release.data_version)
        verify_folder(snapshot)
        panel = read_panel(snapshot)
        forecaster = self._warmed(release.model_version, panel)
        challenger = self._challenger_of(release, panel)
        return HeldRelease(release, forecaster, experiment=self.experiment, challenger=challenger)

    def _challenger_of(self, release: Release, panel: StudioPanel) -> HeldRelease | None:
        """The release as its challenger answers it; one that can't be loaded is logged and left out."""
        self._challenger_problem = None
        version = release.challenger_model_version
        if version is None or self.experiment.mode == "off":
            return None
        try:
            forecaster = self._warmed(version, panel)
            own = self._under(release, version)
        # Whatever is wrong with a challenger, the champion answers.
        except Exception as error:
            self._challenger_problem = f"The challenger {version} can't be loaded: {error}"
            logger.exception("The challenger %s can't be loaded; the champion answers alone.", version)
            return None
        return HeldRelease(own, forecaster, role="challenger", experiment=self.experiment)

    def _warmed(self, model_version: str, panel: StudioPanel) -> Forecaster:
        bundle = model_folder(self._home, model_version)
        verify_folder(bundle)
        forecaster = self._load(bundle, panel)
        forecaster.forecast([ForwardQuery(str(name), projection_months=12) for name in panel.studio_ids[:1]])
        return forecaster

    def _fall_back(self) -> None:
        """At start, answer from the newest older release that is whole."""
        if self.held is not None:
            return
        for release in release_history(self._home)[::-1][:HISTORY_TRIES]:
            try:
                self.held = self._load_and_warm(self._with_pin(release))
            # As above: one more release that can't be loaded leaves the service without one, not down.
            except Exception:
                logger.exception("The older release %d can't be loaded either.", release.version)
            else:
                logger.warning(
                    "Answering from the older release %d: model %s, data %s", *_names(self.held.release)
                )
                return


def _names(release: Release) -> tuple[int, str, str]:
    return release.version, release.model_version, release.data_version
