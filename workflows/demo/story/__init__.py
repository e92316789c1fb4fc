"""The story of one agent's working life, played over HTTP against a running portal, and checked line by line.

Nothing here touches the database or imports a service: people act through the pages and the API they would use,
agents are processes with an address and a credential, and the books are read by somebody else's code.
"""

from __future__ import annotations
