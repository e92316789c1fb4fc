"""Chaos: the product's own processes under load, everything of it killed again and again (``make chaos``)."""
