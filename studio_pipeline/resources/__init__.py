"""Resources of the assets: MLflow, storage, run configuration and channels of alerts."""
