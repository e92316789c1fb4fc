"""Bring the catalogues up to date with the texts of the portal, and compile them."""

from __future__ import annotations

import sys

import django
from django.conf import settings

from tests.translations import catalogues
from tests.translations.gather import gathered


def main() -> int:
    """Write the catalogues of every language but English; say how much is still to be translated."""
    django.setup()
    texts = gathered()
    for language, name in settings.LANGUAGES:
        if language == "en":
            continue
        for domain in catalogues.DOMAINS:
            path = catalogues.path_of(settings.LOCALE_PATHS[0], language, domain)
            new = catalogues.renewed(catalogues.read(path, language), texts[domain], language)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(catalogues.as_text(new))
            path.with_suffix(".mo").write_bytes(catalogues.compiled(new))
            left = len(catalogues.untranslated(new))
            sys.stdout.write(f"{name}, {domain}: {len(new)} texts, {left} to translate\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
