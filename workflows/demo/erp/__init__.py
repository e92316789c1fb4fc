"""A real Tryton 8.2 server for the demo company, at arm's length: its own environment, process and database.

Tryton is GPL-3. Nothing of it is imported here: the portal starts it as a program and talks to it over HTTP.
"""

from __future__ import annotations
