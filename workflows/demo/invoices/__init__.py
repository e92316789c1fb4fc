"""The invoices of the demo: facts the ERP shares, a generator, and an independent reader of totals."""
