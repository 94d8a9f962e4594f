"""The evaluation as an HTML report: sentences, tables and figures, and the template that joins them."""
