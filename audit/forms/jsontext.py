"""JSON that somebody types."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput

MOST_CHARACTERS = 256 * 1024


class TypedJSONField(forms.JSONField):
    """A value as JSON; what is nested so deep that reading it would not end is refused like what is no JSON."""

    def to_python(self, value: Any) -> Any:
        """Return the value. Raises ValidationError."""
        if isinstance(value, str) and len(value) > MOST_CHARACTERS:
            raise forms.ValidationError(f"This is longer than {MOST_CHARACTERS:,} characters.")
        try:
            return super().to_python(value)
        except RecursionError:
            raise forms.ValidationError("This is nested too deep to be read.") from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what the form shows again: what could not be read, as it was typed."""
        try:
            return super().bound_data(data, initial)
        except RecursionError:
            return InvalidJSONInput(data)
