"""How an event of the ledger is told to a SIEM: pure, one module a format, nothing is sent here."""
