"""The job that makes an older model current: a run like any other, and the release is its lineage."""

import dagster as dg

from studio_pipeline.assets.registry import release_metadata
from studio_pipeline.publishing.releases import current_release
from studio_pipeline.publishing.rollback import ROLLBACK, roll_back
from studio_pipeline.resources.mlflow_tracking import Entry, MlflowTracking
from studio_pipeline.settings import Settings

ROLLBACK_RELEASE = "rollback_release"
ROLLBACK_OP = "make_current"


@dg.op(
    name=ROLLBACK_OP,
    description="Publish today's data with an older model, as a new release.",
    # Plain text: the `str` of a `dg.Config` would also take {"env": NAME}, and the error show the value.
    config_schema={"version": dg.Field(str, description="The model to go back to.")},
)
def make_current(
    context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings], mlflow: MlflowTracking
) -> None:
    """Publish, tell Dagster that `registered_model` is another one now, and move the aliases."""
    before = current_release(settings.home)
    release = roll_back(settings.home, context.op_config["version"], context.run_id)
    told = f"Rolled back by hand from model {before.model_version} to model {release.model_version}."
    context.log_event(
        dg.AssetMaterialization(
            "registered_model",
            description=told,
            metadata=release_metadata(release)
            | {
                "decision_kind": ROLLBACK,
                "decision": told,
                "findings": "",
                "model_promoted": False,
                "published": True,
            },
            tags={"dagster/data_version": f"{release.model_version}/{release.data_version}"},
        )
    )
    mlflow.log(Entry(tags={"data_version": release.data_version, "decision": told}))
    mlflow.set_aliases(release.model_version, None)


@dg.job(
    name=ROLLBACK_RELEASE,
    description="Make an older model current, with today's data; materialise `studio_forecasts` after it.",
)
def rollback_release() -> None:
    """One step."""
    make_current()


forecast_release = dg.define_asset_job(
    "forecast_release",
    selection=["studio_forecasts"],
    description="The published release's forecasts anew, as after a rollback.",
)
