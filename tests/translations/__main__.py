"""Bring the catalogues up to date with the texts of the portal, and compile them."""

from __future__ import annotations

import sys

import django
from babel.messages.catalog import Catalog
from django.conf import settings

from tests.translations import catalogues
from tests.translations.gather import gathered
from tests.translations.messages import Message


def main() -> int:
    """Write the catalogues of every language but English; say how much is still to be translated."""
    django.setup()
    texts = gathered()
    for language, name in settings.LANGUAGES:
        if language == "en":
            continue
        new = {domain: _renewed(language, domain, texts[domain]) for domain in catalogues.DOMAINS}
        for domain, catalogue in new.items():
            path = catalogues.path_of(settings.LOCALE_PATHS[0], language, domain)
            beside = new["said"] if domain == "django" else None
            path.with_suffix(".mo").write_bytes(catalogues.compiled(catalogue, beside))
            left = len(catalogues.untranslated(catalogue))
            sys.stdout.write(f"{name}, {domain}: {len(catalogue)} texts, {left} to translate\n")
    return 0


def _renewed(language: str, domain: str, texts: list[Message]) -> Catalog:
    """Write what translators work in, with what they have done so far."""
    path = catalogues.path_of(settings.LOCALE_PATHS[0], language, domain)
    new = catalogues.renewed(catalogues.read(path, language), texts, language)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(catalogues.as_text(new))
    return new


if __name__ == "__main__":
    sys.exit(main())
