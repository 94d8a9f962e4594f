"""Reading of monthly files: CSV and Parquet, column maps, the landing folder, the ledger of first-seen times.

The result is one table of text (`landing.RawMonths`); types and limits are checked in `validation`.
"""
