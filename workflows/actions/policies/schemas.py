"""Arguments against the schema of their operation (JSON Schema 2020-12), before any rule sees them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from agents.decision import OperationFacts

MOST_ERRORS = 10
_DECIMAL = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,6})?", re.ASCII)
formats = FormatChecker()


@formats.checks("decimal")
def is_decimal(value: object) -> bool:
    """Say whether a text is a decimal with at most six places; other types are for ``type`` to judge."""
    return not isinstance(value, str) or bool(_DECIMAL.fullmatch(value))


def schema_errors(operation: OperationFacts, arguments: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what is wrong with the arguments, each with its JSON pointer (RFC 6901); empty: they fit."""
    if operation.input_schema is None:
        return [{"at": "", "message": "the operation has no schema, so nothing can be sent to it"}]
    validator = _validator(json.dumps(operation.input_schema, sort_keys=True))
    found = validator.iter_errors(dict(arguments))
    return [_plain(error) for error, _ in zip(found, range(MOST_ERRORS), strict=False)]


@lru_cache(maxsize=512)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema), format_checker=formats)


def _plain(error: ValidationError) -> dict[str, str]:
    pointer = "".join(f"/{part}".replace("~", "~0") for part in error.absolute_path)
    return {"at": pointer, "message": error.message[:200]}
