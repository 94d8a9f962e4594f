"""XGBoost, LightGBM and random forest on the core's errors, their training set and ONNX export.

Weights of the learners are fitted in `ensemble`.
"""
