"""What stands in a pack: every table read once, into files, and its first rows kept for the documents."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from audit import evidence
from audit.evidence import Mapping, Scope, Section, Table
from audit.services.evidence.cells import for_machines, for_spreadsheet

FORMAT = "autonomy-os.evidence-pack/1"
FOLDER = "tables"
CLAIM = (
    "This pack shows what the portal recorded. It says which parts of it speak to which row of a law or a"
    " standard; it does not say that anything is complied with. That is for whoever audits."
)


@dataclass(frozen=True, slots=True)
class Filled:
    """A table with the first of its rows; ``count`` is how many there are in its files."""

    table: Table
    rows: list[Sequence[Any]]
    count: int

    @property
    def is_cut(self) -> bool:
        """Tell whether the documents show fewer rows than there are."""
        return self.count > len(self.rows)


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that the documents of a pack are made of."""

    company: str
    first: date
    last: date
    time_zone: str
    scope: Scope
    departments: tuple[str, ...]
    built_at: datetime
    built_by: str
    limit: int
    sections: list[tuple[Section, list[Filled]]]
    mapping: Mapping

    @property
    def title(self) -> str:
        """Return what the pack is called."""
        return f"Evidence {self.first} to {self.last}"

    @property
    def is_over(self) -> bool:
        """Tell whether the period had ended when the pack was built."""
        return self.scope.until <= self.built_at

    @property
    def filled(self) -> dict[str, Filled]:
        """Return the tables by their codes."""
        return {one.table.code: one for _, tables in self.sections for one in tables}


def read_sections(folder: Path, scope: Scope, limit: int) -> list[tuple[Section, list[Filled]]]:
    """Read every table for a period into files below ``folder``; return what documents show of them."""
    tables = evidence.registered()
    (folder / FOLDER).mkdir()
    return [
        (section, [_fill(table, scope, folder / FOLDER, limit) for table in tables[section.code]])
        for section in evidence.SECTIONS
    ]


def _fill(table: Table, scope: Scope, folder: Path, limit: int) -> Filled:
    codes = [column.code for column in table.columns]
    kept: list[Sequence[Any]] = []
    count = 0
    # A spreadsheet takes a file for UTF-8 that begins with its mark.
    with (
        (folder / f"{table.name}.csv").open("w", encoding="utf-8-sig", errors="replace", newline="") as sheet,
        (folder / f"{table.name}.jsonl").open("w", encoding="utf-8", errors="replace") as stream,
    ):
        writer = csv.writer(sheet)
        writer.writerow(codes)
        for count, row in enumerate(table.rows(scope), 1):
            writer.writerow([for_spreadsheet(cell) for cell in row])
            stream.write(_json(dict(zip(codes, map(for_machines, row), strict=True))) + "\n")
            if count <= limit:
                kept.append(row)
    return Filled(table, kept, count)


def as_data(contents: Contents) -> dict[str, Any]:
    """Return the pack as JSON has it (docs/evidence-pack.schema.json)."""
    return {
        "format": FORMAT,
        "company": contents.company,
        "title": contents.title,
        "claim": CLAIM,
        "built_at": for_machines(contents.built_at),
        "built_by": contents.built_by,
        "period": {
            "first": contents.first.isoformat(),
            "last": contents.last.isoformat(),
            "time_zone": contents.time_zone,
            "since": for_machines(contents.scope.since),
            "until": for_machines(contents.scope.until),
            "is_over": contents.is_over,
        },
        "departments": list(contents.departments) if contents.departments else None,
        "rows_shown_at_most": contents.limit,
        "sections": [
            {
                "code": section.code,
                "title": section.title,
                "says": section.says,
                "tables": list(map(_table, tables)),
            }
            for section, tables in contents.sections
        ],
    }


def _table(filled: Filled) -> dict[str, Any]:
    table = filled.table
    codes = [column.code for column in table.columns]
    return {
        "code": table.code,
        "title": table.title,
        "says": table.says,
        "whole_company": table.whole_company,
        "columns": [{"code": it.code, "title": it.title, "kind": it.kind.value} for it in table.columns],
        "count": filled.count,
        "rows": [dict(zip(codes, map(for_machines, row), strict=True)) for row in filled.rows],
        "files": {kind: f"{FOLDER}/{table.name}.{kind}" for kind in ("csv", "jsonl")},
    }


def judged(contents: Contents) -> dict[str, Any]:
    """Return for each row of the mapping which tables speak to it and whether they have anything to say."""
    filled = contents.filled
    sections = {section.code: section.title for section, _ in contents.sections}

    def part(code: str) -> dict[str, Any]:
        of = [one for one in filled.values() if code in (one.table.code, one.table.section)]
        title = sections.get(code) or filled[code].table.title
        entries = sum(one.count for one in of)
        return {"code": code, "title": title, "entries": entries, "has_content": bool(entries)}

    def row(it: evidence.Row) -> dict[str, Any]:
        parts = [part(code) for code in it.evidence]
        having = sum(one["has_content"] for one in parts)
        content = "all" if having == len(parts) else "some" if having else "none"
        said = {"id": it.id, "shows": it.shows, "text_checked": it.text_checked, "content": content}
        return {**said, "evidence": parts, **({"beyond": it.beyond} if it.beyond else {})}

    return {
        "format": FORMAT,
        "name": contents.mapping.name,
        "claim": CLAIM,
        "frameworks": [
            {"code": it.code, "name": it.name, "source": it.source, "rows": list(map(row, it.rows))}
            for it in contents.mapping.frameworks
        ],
    }


def write_json(path: Path, data: Any) -> None:
    """Write JSON for people to look into, the same for the same data."""
    path.write_text(_json(data, indent=1) + "\n", encoding="utf-8", errors="replace")


def _json(data: Any, indent: int | None = None) -> str:
    return json.dumps(data, ensure_ascii=False, indent=indent, allow_nan=False)
