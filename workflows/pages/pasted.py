"""A form that takes a text: pasted, or as a file that is chosen."""

from __future__ import annotations

from typing import Any

from django import forms

from agents.api.policy_files import MOST_CHARACTERS


class PastedForm(forms.Form):
    """One of the two has to be there.

    Whoever inherits has the fields ``text`` and ``file``, and says what is wrong: ``too_large``, ``nothing``.
    """

    too_large: str
    nothing: str

    def clean(self) -> Any:
        """Take the file that was chosen, if one was; there has to be one of the two."""
        cleaned = super().clean() or self.cleaned_data
        upload = cleaned.get("file")
        if upload is not None:
            if upload.size > MOST_CHARACTERS:
                raise forms.ValidationError(self.too_large)
            try:
                cleaned["text"] = upload.read().decode()
            except UnicodeDecodeError:
                raise forms.ValidationError("The file is not UTF-8 text. Save it as such.") from None
        if not cleaned.get("text", "").strip():
            raise forms.ValidationError(self.nothing)
        return cleaned
