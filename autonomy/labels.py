"""The names of models, fields, choices, forms and lists, each in the language of whoever reads them.

They stand in the code in English, once. A language is chosen only while a page is rendered, so that Python, and
what it records, goes on reading them in English (``autonomy.templates``).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.filters import SimpleListFilter
from django.db.models import Field, Model
from django.forms import BaseForm
from django.forms.utils import pretty_name
from django.utils.functional import Promise

from audit.wording import lazy_pairs, lazy_words, said, said_lazy, translate_field

ROOMS = ("audit", "agents", "connectors", "workflows")


def translate_labels() -> None:
    """Let every label of the rooms be read in the language of the reader; done once, when all are known."""
    _translate_rooms()
    for model in apps.get_models(include_auto_created=True):
        if model.__module__.startswith((*ROOMS, "simple_history")):
            _translate_model(model)
    for form in _below(BaseForm):
        if form.__module__.startswith(ROOMS):
            _translate_form(form)
    for found in list(admin.site._registry.values()):
        if type(found).__module__.startswith(ROOMS):
            _translate_admin(found)
    for listed in _below(SimpleListFilter):
        if listed.__module__.startswith(ROOMS):
            _translate_filter(listed)


def _translate_rooms() -> None:
    for room in apps.get_app_configs():
        if room.name.startswith(ROOMS):
            room.verbose_name = said_lazy(str(room.verbose_name))


def _below(base: type) -> Iterator[Any]:
    below: list[type] = base.__subclasses__()
    for each in below:
        yield each
        yield from _below(each)


def _translate_model(model: type[Model]) -> None:
    opts = model._meta
    # A plural that nobody wrote is lazy already, and ends in an English s.
    opts.verbose_name, opts.verbose_name_plural = (
        said_lazy(str(opts.verbose_name)),
        said_lazy(str(opts.verbose_name_plural)),
    )
    for field in opts.get_fields():
        if isinstance(field, Field):
            field.verbose_name, field.help_text = lazy_words(field.verbose_name), lazy_words(field.help_text)
            if isinstance(field.choices, list):
                field.choices = lazy_pairs(field.choices)


def _translate_form(form: Any) -> None:
    for name, field in {**getattr(form, "base_fields", {}), **getattr(form, "declared_fields", {})}.items():
        if field.label is None:
            field.label = pretty_name(name)
        translate_field(field)
    # The admin makes a form of its own out of it for each page, and reads these anew.
    for given in ("labels", "help_texts"):
        words = getattr(getattr(form, "Meta", None), given, None) or {}
        for name, text in words.items():
            words[name] = lazy_words(text)


def _translate_admin(found: admin.ModelAdmin[Any]) -> None:
    for name in ("fieldsets", "add_fieldsets"):
        if sets := getattr(found, name, None):
            setattr(found, name, tuple((lazy_words(title), _described(options)) for title, options in sets))
    for name in ("empty_title", "empty_step"):
        if text := getattr(found, name, None):
            setattr(found, name, lazy_words(text))
    for name in getattr(found, "said_fields", ()):
        _show_said(found, name)
    for name in {*_names(found.list_display), *_names(found.readonly_fields), *_described_names(type(found))}:
        _translate_shown(type(found), found.model, name)
    for inline in found.inlines:
        if inline.verbose_name_plural:
            inline.verbose_name_plural = lazy_words(inline.verbose_name_plural)
        for name in _described_names(inline):
            _translate_shown(inline, inline.model, name)


def _show_said(found: Any, name: str) -> None:
    """Show a field that holds a sentence of ours in the reader's language, in its column and in its row."""
    field, said_name = found.model._meta.get_field(name), f"said_{name}"

    def shown(self: Any, obj: Any) -> str:
        return said(getattr(obj, name))

    shown.short_description = lazy_words(str(field.verbose_name))  # type: ignore[attr-defined]
    shown.admin_order_field = name  # type: ignore[attr-defined]
    shown.is_translated = True  # type: ignore[attr-defined]
    setattr(type(found), said_name, shown)
    for listed in ("list_display", "list_display_links", "fields"):
        if names := getattr(found, listed, None):
            setattr(found, listed, tuple(said_name if it == name else it for it in names))
    found.readonly_fields = (*found.readonly_fields, said_name)
    if found.fieldsets:
        found.fieldsets = tuple(
            (title, _renamed(options, name, said_name)) for title, options in found.fieldsets
        )


def _renamed(options: Any, name: str, other: str) -> Any:
    shown = tuple(other if it == name else it for it in options["fields"])
    return {**options, "fields": shown}


def _described(options: Any) -> Any:
    return (
        {**options, "description": lazy_words(options["description"])} if "description" in options else options
    )


def _described_names(kind: type) -> Iterator[str]:
    """Yield what a page may show beside the fields it always shows; a verb is no such thing."""
    for name in dir(kind):
        shown = getattr(kind, name, None)
        described = callable(shown) and hasattr(shown, "short_description")
        if described and not (hasattr(shown, "permission") or hasattr(shown, "original_function_name")):
            yield name


def _names(listed: Any) -> list[str]:
    return [name for name in listed or () if isinstance(name, str)]


def _translate_shown(kind: type, model: type[Model], name: str) -> None:
    """Let what a column shows be read in the reader's language, and its heading."""
    shown = getattr(kind, name, None)
    if name in {field.name for field in model._meta.get_fields()}:
        return  # the column of the field; what is called so beside it is a verb
    if not callable(shown) or hasattr(shown, "is_translated"):
        return

    @wraps(shown)
    def translated(self: Any, obj: Any) -> Any:
        value = shown(self, obj)
        return said(value) if type(value) is str else value

    if description := getattr(shown, "short_description", ""):
        translated.short_description = lazy_words(description)  # type: ignore[attr-defined]
    translated.is_translated = True  # type: ignore[attr-defined]
    setattr(kind, name, translated)


def _translate_filter(listed: Any) -> None:
    if isinstance(getattr(listed, "title", None), (str, Promise)):
        listed.title = lazy_words(listed.title)
    offered = listed.lookups
    if hasattr(offered, "is_translated"):
        return

    @wraps(offered)
    def lookups(self: Any, request: Any, model_admin: Any) -> Any:
        found = offered(self, request, model_admin)
        return None if found is None else lazy_pairs(found)

    lookups.is_translated = True  # type: ignore[attr-defined]
    listed.lookups = lookups
