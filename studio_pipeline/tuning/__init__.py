"""Hyperparameter search for the learners: search spaces, studies, trials and the verdict on their result.

Learners and folds come from `forecasting`. Nothing here changes the configuration itself: `configuration`
reads the stored values (`values`) and puts them in the place of the defaults.
"""
