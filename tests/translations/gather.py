"""Every text of the portal, by the catalogue it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.db.models import Model

from tests.translations import in_python, in_templates
from tests.translations.messages import Message

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("audit", "agents", "connectors", "workflows", "autonomy")


def gathered(root: Path = ROOT) -> dict[str, list[Message]]:
    """Return the texts of each catalogue: ``django`` of templates, ``said`` of what Python says."""
    return {
        "django": list(_of_templates(root)),
        "said": [*_of_python(root), *_of_models(), *_given(root)],
    }


def _templates(root: Path) -> Iterator[Path]:
    """Yield pages, and the texts of mails."""
    for kind in ("*.html", "*.txt"):
        yield from sorted((root / "templates").rglob(kind))


def _of_templates(root: Path) -> Iterator[Message]:
    for path in _templates(root):
        yield from in_templates.messages_of(path, root)


def _given(root: Path) -> Iterator[Message]:
    for path in _templates(root):
        yield from in_templates.given_in(path, root)


def _of_python(root: Path) -> Iterator[Message]:
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            yield from in_python.messages_of(path, root)


def _of_models() -> Iterator[Message]:
    """Yield what the framework calls things by their names in the code."""
    for model in apps.get_models():
        if model._meta.app_config.name.startswith(ROOMS):
            yield from _of_model(model)


def _of_model(model: type[Model]) -> Iterator[Message]:
    opts = model._meta
    names = {str(opts.verbose_name), str(opts.verbose_name_plural)}
    names |= {str(field.verbose_name) for field in opts.get_fields() if hasattr(field, "verbose_name")}
    for name in sorted(names):
        if not name.startswith("historical"):
            yield Message(name, opts.label)
