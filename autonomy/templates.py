"""Python speaks English, templates speak the language of their reader.

Services decide, refuse and record in English, whoever asks, so that the ledger reads the same for everybody and
a sentence is compared, never its translation. A language is therefore chosen only while a page is rendered.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.template import Origin
from django.template.backends.django import DjangoTemplates, Template
from django.template.loaders.filesystem import Loader
from django.utils import translation
from django.utils.safestring import SafeString

from audit.wording import language_of, marked
from workflows.pages.visible import visible_page


class ReaderTemplate(Template):
    """A template that is rendered in the language of its reader."""

    def render(self, context: dict[str, Any] | None = None, request: HttpRequest | None = None) -> Any:
        """Render; what Python said in English is translated by the filter ``said``.

        Characters that hide or turn round what people read are named, whichever template shows whose words.
        """
        language = language_of(request)
        if language is None:
            return _in_sight(super().render(context, request))
        with translation.override(language):
            return _in_sight(super().render(context, request))


class ReaderTemplates(DjangoTemplates):
    """Django's own templates, each a :class:`ReaderTemplate`."""

    def from_string(self, template_code: str) -> ReaderTemplate:
        """Return a template from its text."""
        return _reader(super().from_string(template_code))

    def get_template(self, template_name: str) -> ReaderTemplate:
        """Return a template by its name."""
        return _reader(super().get_template(template_name))


def _in_sight(page: str) -> SafeString:
    # It is as safe as before: each character gives way to its name, in letters, digits and brackets.
    return SafeString(visible_page(page))


def _reader(found: Template) -> ReaderTemplate:
    return ReaderTemplate(found.template, found.backend)


class OwnTemplates(Loader):
    """The portal's own templates, with every run of words in them marked for translation."""

    def get_contents(self, origin: Origin) -> str:
        """Return the text of a template; its lines are those of the file."""
        return marked(super().get_contents(origin))
