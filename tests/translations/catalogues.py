"""The catalogues of a language on disk: gathered texts in, translations kept, compiled for the portal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from tests.translations.messages import Message

DOMAINS = ("django", "said")
# A file says when it was made; the same texts make the same file on every day.
ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)
HEADER = "# Texts of the portal. Gathered and compiled by `make messages`; translate here.\n#"


def path_of(root: Path, language: str, domain: str) -> Path:
    """Return where the catalogue of a language lies."""
    return root / language / "LC_MESSAGES" / f"{domain}.po"


def read(path: Path, language: str) -> Catalog:
    """Return a catalogue; one that is not there yet is empty."""
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def renewed(old: Catalog, messages: Iterable[Message], language: str) -> Catalog:
    """Return a catalogue of exactly these texts, with the translations there were."""
    new = Catalog(locale=language, header_comment=HEADER, project="Autonomy OS", fuzzy=False)
    for text, plural in sorted({(message.text, message.plural) for message in messages}):
        key = (text, plural) if plural else text
        known = old.get(text)
        fits = known is not None and isinstance(known.string, tuple) == bool(plural)
        new.add(key, known.string if fits and known is not None else None)
    return new


def as_text(catalogue: Catalog) -> bytes:
    """Return the file translators work in; the same for the same texts, whenever it is written."""
    out = BytesIO()
    write_po(out, catalogue, width=0, no_location=True, omit_header=True, sort_output=False)
    head = (
        f'{HEADER}\nmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Language: {catalogue.locale}\\n"\n"Plural-Forms: {catalogue.plural_forms}\\n"\n\n'
    )
    return head.encode() + out.getvalue()


def compiled(catalogue: Catalog, beside: Catalog | None = None) -> bytes:
    """Return the file the portal reads; ``beside`` gives texts that a template may show as they are, too."""
    out = BytesIO()
    plain = Catalog(
        catalogue.locale, charset="utf-8", creation_date=ANY_DAY, revision_date=ANY_DAY, fuzzy=False
    )
    for message in catalogue:
        if message.id and message.string and (not isinstance(message.string, tuple) or all(message.string)):
            plain.add(message.id, message.string)
    for message in beside or ():
        if isinstance(message.id, str) and message.id and message.string and message.id not in plain:
            plain.add(message.id, message.string)
    write_mo(out, plain)
    return out.getvalue()


def untranslated(catalogue: Catalog) -> list[str]:
    """Return the texts that nobody has translated yet."""
    return [
        message.id if isinstance(message.id, str) else message.id[0]
        for message in catalogue
        if message.id and not (all(message.string) if isinstance(message.string, tuple) else message.string)
    ]


def filled(messages: Iterable[Message], translate: Mapping[str, str], language: str) -> Catalog:
    """Return a catalogue with translations given by their texts."""
    catalogue = renewed(Catalog(locale=language), messages, language)
    for message in catalogue:
        if isinstance(message.id, tuple):
            message.string = tuple(translate.get(each, "") for each in message.id)
        elif message.id:
            message.string = translate.get(message.id, "")
    return catalogue
