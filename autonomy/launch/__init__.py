"""Start-up: the servers we bring along, the processes of the portal, and how all of it stops again.

Nothing here imports Django's settings: they cannot be read before the first start has made the keys.
"""
