"""A day in accounts payable: invoices come in, three agents work, people decide, the books are compared.

``python -m workflows.demo.day``: plays it against AUTONOMY_URL and prints one JSON object at the end.
"""
