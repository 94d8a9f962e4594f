"""The panel of studios and months: columns, arrays, reading, validation and the synthetic generator."""
