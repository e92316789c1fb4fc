"""The tables of django-oauth-toolkit, made in one step (see MIGRATION_MODULES)."""

from __future__ import annotations
