"""Telling people that something waits, by mail and by signed messages. What is told decides nothing."""

from __future__ import annotations
