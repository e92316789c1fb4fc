"""Where a form asks which operations something is about, it offers those that there are."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextInputWidget

from agents import registry
from audit.wording import said_lazy


class OperationsInput(UnfoldAdminTextInputWidget):
    """A line for a code or a pattern; the codes of all operations are offered, each with its name."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Write the line and what it offers; what is offered is read when the form is shown."""
        offered = f"offered-{name}"
        line = super().render(name, value, {**(attrs or {}), "list": offered}, renderer)
        known = ((one.code, said_lazy(one.name)) for one in registry.all_operations())
        options = format_html_join("", '<option value="{}">{}</option>', known)
        return format_html('{}<datalist id="{}">{}</datalist>', line, offered, options)
