"""A form from a JSON Schema: what people answer is typed, and held to the schema as an agent's answer is."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from agents.decision.money import format_minor, major_to_minor
from agents.selectors import company_currency
from connectors.policies.schemas import argument_errors
from workflows.pages.rows_field import MOST_ROWS, RowsField, rows_schema
from workflows.pages.schema_parts import DEEPEST, resolved
from workflows.pages.words import humanize

LONG_TEXT = 200  # characters; more is written in several lines
FEW = 6  # so many choices are shown at once
MONEY_MEMBERS = {"minor", "currency"}
Path = tuple[str, ...]


class MoneyWidget(forms.MultiWidget):
    """An amount as people write it, and its currency."""

    use_fieldset = True

    def __init__(self, label: str) -> None:
        amount = forms.TextInput(attrs={"inputmode": "decimal", "aria-label": f"{label}, amount", "size": 14})
        currency = forms.TextInput(
            attrs={
                "maxlength": 3,
                "size": 4,
                "aria-label": f"{label}, currency",
                "autocapitalize": "characters",
            }
        )
        super().__init__([amount, currency])

    def decompress(self, value: Any) -> list[str]:
        """Show minor units as an amount; where there is none yet, the company's currency waits for it."""
        if not isinstance(value, Mapping) or not MONEY_MEMBERS.issubset(value):
            return ["", company_currency()]
        return [format_minor(value["minor"], value["currency"]).rsplit(" ", 1)[0], value["currency"]]


class MoneyField(forms.MultiValueField):
    """Money: ``12,500.00`` and ``EUR`` become minor units."""

    def __init__(self, *, label: str, **options: Any) -> None:
        parts = (forms.CharField(required=False), forms.CharField(required=False, max_length=3))
        if "minor unit" in options.get("help_text", "").lower():  # said for programs: a person types decimals
            options["help_text"] = "An amount with its decimals, and the currency."
        super().__init__(parts, label=label, require_all_fields=False, widget=MoneyWidget(label), **options)

    def compress(self, data_list: Sequence[str]) -> dict[str, Any] | None:
        """Return minor units and currency, or None without an amount: the currency is there before it."""
        amount, currency = ([*data_list, "", ""])[:2]
        if not amount and not self.required:
            return None
        if not amount or not currency:
            raise forms.ValidationError("Write the amount and its currency, e.g. 120.50 and EUR.")
        code, bare = currency.strip().upper(), amount.strip()
        try:
            minor = major_to_minor(bare.removeprefix("-"), code)
        except ValueError as error:
            raise forms.ValidationError(f"{error}.") from None
        return {"minor": -minor if bare.startswith("-") else minor, "currency": code}


class LinesField(forms.CharField):
    """A list of texts, one in each line."""

    widget = forms.Textarea(attrs={"rows": 3})

    def clean(self, value: Any) -> Any:
        lines = [_plain(line.strip()) for line in str(super().clean(value) or "").splitlines()]
        return [line for line in lines if line]


class SchemaForm(forms.Form):
    """The form of one schema. ``answer`` is the JSON value the person gave, without what they left empty."""

    use_required_attribute = True

    def __init__(
        self,
        schema: Mapping[str, Any],
        *args: Any,
        documents: Sequence[tuple[str, str]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.schema = schema
        self.documents = documents
        self.paths: dict[str, Path] = {}
        self.constants: dict[Path, Any] = {}
        self.answer: dict[str, Any] = {}
        for path, part, required, label in _leaves(schema, schema, (), "", True):
            if "const" in part:
                self.constants[path] = part["const"]
                continue
            name = ".".join(path)
            self.paths[name] = path
            self.fields[name] = self._field(part, required, label)

    @property
    def needs_files(self) -> bool:
        """Say whether a document is uploaded with it."""
        return any(isinstance(field, forms.FileField) for field in self.fields.values())

    def clean(self) -> dict[str, Any]:
        """Put the answer together and hold it to the schema, errors at the field they are about."""
        cleaned = super().clean() or self.cleaned_data
        self.answer = {}
        for path, constant in self.constants.items():
            _put(self.answer, path, constant)
        for name, path in self.paths.items():
            value = cleaned.get(name)
            if isinstance(value, UploadedFile):
                continue
            if value is not None and value != "" and (value != [] or self.fields[name].required):
                _put(self.answer, path, value)
        if not self.errors and not self.needs_files:
            for error in argument_errors(self.schema, self.answer):
                self.add_error_at(error["pointer"], error["message"])
        return cleaned

    def begin_with(self, answer: Mapping[str, Any]) -> None:
        """Show an answer that is there already, to be changed."""
        for name, path in self.paths.items():
            value: Any = answer
            for member in path:
                value = value.get(member) if isinstance(value, Mapping) else None
            if value is None:
                continue
            field = self.fields[name]
            if isinstance(field, RowsField) and not field.can_show(value):
                options = {"required": field.required, "label": field.label, "help_text": field.help_text}
                self.fields[name] = field = _json({}, options)
            self.initial[name] = _as_typed(field, value)

    def uploads(self) -> list[tuple[Path, UploadedFile]]:
        """Return the documents that came with it, by where their ids belong."""
        found = ((path, self.cleaned_data.get(name)) for name, path in self.paths.items())
        return [(path, value) for path, value in found if isinstance(value, UploadedFile)]

    def put(self, path: Path, value: Any) -> None:
        """Complete the answer with what could be known only after the form was whole."""
        _put(self.answer, path, value)

    def add_error_at(self, pointer: str, message: str) -> None:
        """Show an error at the field a JSON pointer leads to, or on top when there is none."""
        parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
        for length in range(len(parts), 0, -1):
            if ".".join(parts[:length]) in self.fields:
                self.add_error(".".join(parts[:length]), message)
                return
        self.add_error(None, f"{pointer}: {message}" if pointer else message)

    def _field(self, part: Mapping[str, Any], required: bool, label: str) -> forms.Field:
        options = {
            "required": required,
            "label": label,
            "help_text": str(part.get("description", "")),
            "initial": part.get("default"),
        }
        if part.get("format") == "document":
            return self._document(options)
        if row := rows_schema(part, self.schema, _is_plain):
            most = min(MOST_ROWS, int(part.get("maxItems", MOST_ROWS)))
            return RowsField(partial(SchemaForm, row), row, most=most, **options)
        return _MAKERS.get(_kind_of(part), _json)(part, options)

    def _document(self, options: dict[str, Any]) -> forms.Field:
        """Choose among the documents at hand, or bring one."""
        if self.documents is None:
            return forms.FileField(**options)
        return forms.ChoiceField(choices=[("", "Choose"), *self.documents], **options)


def _as_typed(field: forms.Field, value: Any) -> Any:
    """Return a JSON value as a person would have filled it in."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(field, LinesField):
        return "\n".join(str(line) for line in value)
    return json.dumps(value, ensure_ascii=False, indent=2) if isinstance(field, _JSONField) else value


def _leaves(
    schema: Mapping[str, Any], root: Mapping[str, Any], path: Path, label: str, required: bool
) -> Iterator[tuple[Path, Mapping[str, Any], bool, str]]:
    """Yield every value a person fills in, in the order of the schema: what is required first."""
    wanted = schema.get("required", ())
    members = schema.get("properties", {}).items()
    order = {name: place for place, name in enumerate(wanted)}
    for name, given in sorted(members, key=lambda item: order.get(item[0], len(order))):
        part = resolved(given, root)
        inner, needed = (*path, name), required and name in wanted
        words = str(part.get("title") or humanize(name))
        inner_label = f"{label}: {words[:1].lower()}{words[1:]}" if label else words
        if _kind_of(part) == "object" and len(inner) < DEEPEST:
            yield from _leaves(part, root, inner, inner_label, needed)
        else:
            yield inner, part, needed, inner_label


def _kind_of(part: Mapping[str, Any]) -> str:
    """Return which sort of field a schema asks for; '' for what only JSON can say."""
    types = part.get("type", "")
    types = [it for it in types if it != "null"] if isinstance(types, list) else [types]
    kind = str(types[0]) if len(types) == 1 else ""
    if "enum" in part:
        return "choice"
    if kind == "object":
        return "money" if set(part.get("properties", {})) == MONEY_MEMBERS else "object"
    if kind == "array":
        items = part.get("items", {})
        return "choices" if "enum" in items else "lines" if items.get("type") == "string" else ""
    return "date" if kind == "string" and part.get("format") == "date" else kind


def _is_plain(part: Mapping[str, Any]) -> bool:
    """Say whether a value fits into a cell of a table."""
    is_text = _kind_of(part) == "string" and part.get("format") != "document"
    return "const" in part or is_text or _kind_of(part) in ("choice", "boolean", "integer", "date", "money")


def _choice(part: Mapping[str, Any], options: dict[str, Any]) -> forms.Field:
    values = {str(value): value for value in part["enum"] if value is not None}
    choices = [(key, humanize(key)) for key in values]
    few = len(choices) <= FEW
    if not few or not options["required"]:
        choices = [("", "No answer" if few else "Choose"), *choices]
    widget = forms.RadioSelect if few else forms.Select
    return forms.TypedChoiceField(
        choices=choices, coerce=lambda key: values[key], empty_value=None, widget=widget, **options
    )


def _choices(part: Mapping[str, Any], options: dict[str, Any]) -> forms.Field:
    choices = [(str(value), humanize(str(value))) for value in part["items"]["enum"]]
    return forms.MultipleChoiceField(choices=choices, widget=forms.CheckboxSelectMultiple, **options)


def _boolean(part: Mapping[str, Any], options: dict[str, Any]) -> forms.Field:
    """Yes or No in so many words: an empty box would not tell no from not answered."""
    choices = [("yes", "Yes"), ("no", "No")]
    if not options["required"]:
        choices = [("", "No answer"), *choices]
    initial = {True: "yes", False: "no"}.get(options.pop("initial"), "")
    return forms.TypedChoiceField(
        choices=choices,
        coerce=lambda key: key == "yes",
        empty_value=None,
        widget=forms.RadioSelect,
        initial=initial,
        **options,
    )


def _integer(part: Mapping[str, Any], options: dict[str, Any]) -> forms.Field:
    return forms.IntegerField(min_value=part.get("minimum"), max_value=part.get("maximum"), **options)


class _DateField(forms.DateField):
    """A day, as RFC 3339 writes it."""

    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")

    def clean(self, value: Any) -> Any:
        day = super().clean(value)
        return day.isoformat() if day else None


def _text(part: Mapping[str, Any], options: dict[str, Any]) -> forms.Field:
    longest = part.get("maxLength")
    free = part.get("format") == "free-text"
    is_long = longest is None or longest > LONG_TEXT
    short = (
        part.get("format") in ("code", "decimal", "uuid", "email", "time", "date-time", "uri")
        or "pattern" in part
    )
    attrs = {"inputmode": "decimal"} if part.get("format") == "decimal" else {}
    widget = forms.TextInput(attrs=attrs) if short or not is_long else forms.Textarea(attrs={"rows": 3})
    return _TextField(
        free=free,
        max_length=longest,
        min_length=part.get("minLength"),
        widget=widget,
        empty_value=None,
        **options,
    )


class _TextField(forms.CharField):
    """Text in the spelling the schema admits, so that nobody is sent back for how their keyboard writes it."""

    def __init__(self, *, free: bool, **options: Any) -> None:
        super().__init__(**options)
        self.form_of_text = "NFC" if free else "NFKC"

    def to_python(self, value: Any) -> Any:
        found = super().to_python(value)
        return _plain(found, self.form_of_text) if found else found


def _plain(text: str, form: Any = "NFKC") -> str:
    return unicodedata.normalize(form, text.replace("\r\n", "\n"))


def _json(part: Mapping[str, Any], options: dict[str, Any]) -> forms.Field:
    options["help_text"] = _with(options["help_text"], "Written as JSON.")
    return _JSONField(widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}), **options)


def _with(text: str, further: str) -> str:
    return f"{text} {further}" if text else further


class _JSONField(forms.CharField):
    """What only JSON can say."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise forms.ValidationError("This is no JSON.") from None


_MAKERS: dict[str, Any] = {
    "choice": _choice,
    "choices": _choices,
    "boolean": _boolean,
    "integer": _integer,
    "date": lambda part, options: _DateField(**options),
    "string": _text,
    "lines": lambda part, options: LinesField(
        **{**options, "help_text": _with(options["help_text"], "One in each line.")}
    ),
    "money": lambda part, options: MoneyField(**options),
}


def _put(answer: dict[str, Any], path: Path, value: Any) -> None:
    place = answer
    for name in path[:-1]:
        place = place.setdefault(name, {})
    place[path[-1]] = value
