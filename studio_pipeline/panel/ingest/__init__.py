"""Reading of files: CSV and Parquet, column maps, the landing folder and the ledger of what was seen when."""
