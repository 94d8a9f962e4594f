"""Reading of monthly files into one table of text (`landing.RawMonths`); `validation` gives it types."""
