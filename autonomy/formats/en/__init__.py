"""Dates as English is written outside the United States."""
