"""The evaluation as an HTML report: text, tables and figures."""
