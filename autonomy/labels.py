"""The names of models, fields, choices, forms and lists, each in the language of whoever reads them.

They stand in the code in English, once. A language is chosen only while a page is rendered, so that Python, and
what it records, goes on reading them in English (``autonomy.templates``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import wraps
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.filters import SimpleListFilter
from django.db.models import Field, Model
from django.forms import BaseForm
from django.forms import Field as FormField
from django.utils.functional import Promise
from django.utils.safestring import SafeString

from audit.wording import said, said_lazy

ROOMS = ("audit", "agents", "connectors", "workflows")


def translate_labels() -> None:
    """Let every label of the rooms be read in the language of the reader; done once, when all are known."""
    for model in apps.get_models(include_auto_created=True):
        if model.__module__.startswith((*ROOMS, "simple_history")):
            _translate_model(model)
    for form in _below(BaseForm):
        if form.__module__.startswith(ROOMS):
            for field in {**getattr(form, "base_fields", {}), **getattr(form, "declared_fields", {})}.values():
                _translate_form_field(field)
    for found in list(admin.site._registry.values()):
        if type(found).__module__.startswith(ROOMS):
            _translate_admin(found)
    for listed in _below(SimpleListFilter):
        if listed.__module__.startswith(ROOMS):
            _translate_filter(listed)


def _below(base: type) -> Iterator[Any]:
    below: list[type] = base.__subclasses__()
    for each in below:
        yield each
        yield from _below(each)


def _lazy(text: Any) -> Any:
    return said_lazy(text) if isinstance(text, str) and text and not isinstance(text, SafeString) else text


def _pairs(choices: Iterable[Any]) -> list[Any]:
    """Return choices with their words lazy; grouped ones keep their groups."""
    return [
        (key, _pairs(words)) if isinstance(words, (list, tuple)) else (key, _lazy(words))
        for key, words in choices
    ]


def _translate_model(model: type[Model]) -> None:
    opts = model._meta
    opts.verbose_name, opts.verbose_name_plural = _lazy(opts.verbose_name), _lazy(opts.verbose_name_plural)
    for field in opts.get_fields():
        if isinstance(field, Field):
            field.verbose_name, field.help_text = _lazy(field.verbose_name), _lazy(field.help_text)
            if isinstance(field.choices, list):
                field.choices = _pairs(field.choices)


def _translate_form_field(field: FormField) -> None:
    field.label, field.help_text = _lazy(field.label), _lazy(field.help_text)
    choices = getattr(field, "_choices", None)
    if isinstance(choices, list):
        field.choices = _pairs(choices)  # type: ignore[attr-defined]


def _translate_admin(found: admin.ModelAdmin[Any]) -> None:
    for name in ("fieldsets", "add_fieldsets"):
        if sets := getattr(found, name, None):
            setattr(found, name, tuple((_lazy(title), _described(options)) for title, options in sets))
    for name in ("empty_title", "empty_step"):
        if text := getattr(found, name, None):
            setattr(found, name, _lazy(text))
    for name in {*_names(found.list_display), *_names(found.readonly_fields)}:
        _translate_shown(found, name)


def _described(options: Any) -> Any:
    return {**options, "description": _lazy(options["description"])} if "description" in options else options


def _names(listed: Any) -> list[str]:
    return [name for name in listed or () if isinstance(name, str)]


def _translate_shown(found: admin.ModelAdmin[Any], name: str) -> None:
    """Let what a column shows be read in the reader's language, and its heading."""
    shown = getattr(type(found), name, None)
    if name in {field.name for field in found.model._meta.get_fields()}:
        return  # the column of the field; what is called so beside it is a verb
    if not callable(shown) or hasattr(shown, "is_translated"):
        return

    @wraps(shown)
    def translated(self: Any, obj: Any) -> Any:
        value = shown(self, obj)
        return said(value) if type(value) is str else value

    if description := getattr(shown, "short_description", ""):
        translated.short_description = _lazy(description)  # type: ignore[attr-defined]
    translated.is_translated = True  # type: ignore[attr-defined]
    setattr(type(found), name, translated)


def _translate_filter(listed: Any) -> None:
    if isinstance(getattr(listed, "title", None), (str, Promise)):
        listed.title = _lazy(listed.title)
    offered = listed.lookups
    if hasattr(offered, "is_translated"):
        return

    @wraps(offered)
    def lookups(self: Any, request: Any, model_admin: Any) -> Any:
        found = offered(self, request, model_admin)
        return None if found is None else _pairs(found)

    lookups.is_translated = True  # type: ignore[attr-defined]
    listed.lookups = lookups
