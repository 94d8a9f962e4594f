"""The panel of studios and months: columns, arrays, reading, validation and the synthetic generator.

This package ends where months are validated and stand in arrays; features and models are built from them in
`forecasting`. It imports nothing of the project but `errors`.
"""
