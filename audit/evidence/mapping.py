"""Which parts of a pack speak to which row of a law or a standard: a data file, checked when it is read.

The file claims nothing about compliance. Its format is in docs/evidence-pack.md.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from audit.vocabulary import Refusal, RefusalKind

DEFAULT = Path(__file__).resolve().parent / "mapping.yaml"
MOST_BYTES = 1_000_000
_TEXT = {"type": "string", "minLength": 1, "maxLength": 2_000}
_CODE = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._()/ -]{0,39}$"}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["format", "name", "frameworks"],
    "properties": {
        "format": {"const": 1},
        "name": _TEXT,
        "frameworks": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["code", "name", "source", "rows"],
                "properties": {
                    "code": {"type": "string", "pattern": r"^[a-z0-9][a-z0-9-]{0,39}$"},
                    "name": _TEXT,
                    "source": _TEXT,
                    "rows": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["id", "shows", "evidence", "text_checked"],
                            "properties": {
                                "id": _CODE,
                                "shows": _TEXT,
                                "evidence": {
                                    "type": "array",
                                    "minItems": 1,
                                    "uniqueItems": True,
                                    "items": _CODE,
                                },
                                "text_checked": {"type": "boolean"},
                                "beyond": _TEXT,
                            },
                        },
                    },
                },
            },
        },
    },
}


class UnusableMapping(Refusal):
    """A file cannot be used as a mapping; the message says where and why."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "mapping_unusable",
            f"The pack was not built: the mapping {why}",
            kind=RefusalKind.INVALID,
            next_step="Correct the file; docs/evidence-pack.md says what it may hold.",
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a framework: what the pack shows for it, in our own words, and where.

    ``beyond`` says what of it lies outside of the portal. ``text_checked``: who wrote the row had the text of
    the requirement, or a faithful copy of it, before them.
    """

    id: str
    shows: str
    evidence: tuple[str, ...]
    text_checked: bool
    beyond: str = ""


@dataclass(frozen=True, slots=True)
class Framework:
    """A law or a standard, and the rows of it that the pack speaks to."""

    code: str
    name: str
    source: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """A whole file."""

    name: str
    frameworks: tuple[Framework, ...]


def read_mapping(path: Path, known: Collection[str]) -> Mapping:
    """Read a mapping file; ``known`` are the codes of the sections and tables that a row may name.

    Raise UnusableMapping for a file that cannot be read, is not of the format, names something unknown or says
    something twice.
    """
    data = _parsed(path)
    problem = next(
        iter(sorted(Draft202012Validator(SCHEMA).iter_errors(data), key=lambda found: found.json_path)), None
    )
    if problem is not None:
        raise UnusableMapping(f"{path.name} is wrong at {problem.json_path}: {problem.message[:300]}")
    mapping = Mapping(data["name"], tuple(_framework(found) for found in data["frameworks"]))
    _require_known(mapping, frozenset(known), path.name)
    return mapping


def _parsed(path: Path) -> Any:
    try:
        raw = path.read_bytes()
        if len(raw) > MOST_BYTES:
            raise UnusableMapping(f"{path.name} is larger than {MOST_BYTES:,} bytes.")
        return yaml.safe_load(raw.decode())
    except OSError as error:
        raise UnusableMapping(f"{path} could not be read: {error.strerror}.") from error
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UnusableMapping(f"{path.name} is not YAML: {str(error)[:300]}") from error


def _framework(data: Any) -> Framework:
    rows = tuple(Row(**{**row, "evidence": tuple(row["evidence"])}) for row in data["rows"])
    return Framework(data["code"], data["name"], data["source"], rows)


def _require_known(mapping: Mapping, known: frozenset[str], name: str) -> None:
    _require_once([framework.code for framework in mapping.frameworks], name, "the framework")
    for framework in mapping.frameworks:
        _require_once([row.id for row in framework.rows], name, f"in {framework.code} the row")
        for row in framework.rows:
            if missing := [code for code in row.evidence if code not in known]:
                where = f"{framework.code} {row.id}"
                raise UnusableMapping(f"{name} names at {where} what no pack has: {', '.join(missing)}.")


def _require_once(found: list[str], name: str, what: str) -> None:
    for code in found:
        if found.count(code) > 1:
            raise UnusableMapping(f"{name} has {what} {code} twice.")
