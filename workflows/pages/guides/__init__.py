"""Four guided paths that end with something that works: a system, an agent, a contract, a workflow.

Where somebody stands in one is read from what there is already, so that each can be left and taken up again
and nothing is half done. What is typed and not saved yet is kept in the session. Every step calls the service
that the admin and the API call.
"""

from __future__ import annotations
