"""The forty invoices of the demo are what their manifest says, to two readers that share nothing."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.harness import ROOT
from workflows.demo.invoices.generator import ORDERS, write
from workflows.demo.invoices.reader_of_totals import totals

TODAY = date(2026, 3, 14)
# Read in a process of its own, as the agents do: their modules stand beside each other and not in a package.
READ = """
import json, sys
from checks import findings
from ubl import CannotRead, read_invoice
for path in sys.argv[1:]:
    try:
        data = read_invoice(open(path, "rb").read())
        print(json.dumps({"data": data, "codes": sorted({found["code"] for found in findings(data)})}))
    except CannotRead as error:
        print(json.dumps({"failure": error.code}))
"""
CODES = {"wrong_sum": ["wrong_sum"], "wrong_vat": ["wrong_vat"], "credit_note": ["credit_note"]}
FAILURES = {"malformed": "malformed", "entity_bomb": "hostile"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("invoices")
    write(made, seed=7, today=TODAY)
    return made


@pytest.fixture(scope="module")
def entries(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "manifest.json").read_text())["files"]


@pytest.fixture(scope="module")
def readings(folder: Path, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", READ, *(str(folder / entry["file"]) for entry in entries)],
        env={"PYTHONPATH": str(ROOT / "examples" / "invoices")},
        capture_output=True,
        check=True,
        text=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_there_are_forty_with_every_case_planted(folder: Path, entries: list[dict[str, Any]]) -> None:
    assert Counter(entry["case"] for entry in entries) == {
        "ordinary": 20, "over_threshold": 4, "unknown_supplier": 3, "missing_order": 2, "changed_account": 2,
        "exact_duplicate": 1, "number_reused": 1, "wrong_sum": 1, "wrong_vat": 1, "malformed": 1,
        "entity_bomb": 1, "credit_note": 1, "currency_with_rate": 1, "currency_without_rate": 1,
    }  # fmt: skip
    assert Counter(entry["outcome"] for entry in entries) == {
        "posted": 29, "rejected": 4, "denied": 2, "exception": 5
    }  # fmt: skip
    assert all(entry["reject"] == (entry["outcome"] == "rejected") for entry in entries)
    for entry in entries:
        assert hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]
    assert len({entry["sha256"] for entry in entries}) == 40
    assert len(list(folder.iterdir())) == 41


def test_the_same_seed_on_the_same_day_gives_the_same_bytes(tmp_path: Path, folder: Path) -> None:
    again = write(tmp_path, seed=7, today=TODAY)
    assert again == json.loads((folder / "manifest.json").read_text())
    other = write(tmp_path, seed=8, today=TODAY)
    assert {entry["sha256"] for entry in other["files"]}.isdisjoint(entry["sha256"] for entry in again["files"])


def test_both_readers_find_what_the_manifest_says(
    folder: Path, entries: list[dict[str, Any]], readings: list[dict[str, Any]]
) -> None:
    for entry, reading in zip(entries, readings, strict=True):
        if entry["case"] in FAILURES:
            assert reading == {"failure": FAILURES[entry["case"]]}
            continue
        data, expected = (
            reading["data"],
            [entry[name] for name in ("number", "date", "currency", "total", "net")],
        )
        booked = data["total"]["minor"] + data["rounding"]["minor"]
        assert [data["number"], data["date"], data["currency"], booked, data["net"]["minor"]] == expected
        assert data["seller"]["name"] == entry["supplier_name"]
        assert data.get("order") == entry["order"]
        found = totals((folder / entry["file"]).read_bytes())
        assert [found[name] for name in ("number", "date", "currency", "total", "net")] == expected
        assert found["supplier_name"] == entry["supplier_name"]


def test_only_the_planted_ones_are_wrong(entries: list[dict[str, Any]], readings: list[dict[str, Any]]) -> None:
    for entry, reading in zip(entries, readings, strict=True):
        if "codes" in reading:
            assert [code for code in reading["codes"] if code != "prepaid"] == CODES.get(entry["case"], [])


def test_what_was_ordered_is_what_is_invoiced(entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        order = ORDERS.get(entry["order"])
        if order and entry["case"] not in ("credit_note", "missing_order"):
            assert entry["net"] == int(order["net_total"].replace(".", ""))
            assert (entry["supplier"], entry["currency"]) == (order["supplier"], order["currency"]) or entry[
                "case"
            ] == "currency_without_rate"
    booked = [entry["order"] for entry in entries if entry["outcome"] == "posted" and entry["order"]]
    assert len(booked) == len(set(booked))


def test_days_lie_in_this_month_and_the_last(entries: list[dict[str, Any]]) -> None:
    days = [date.fromisoformat(entry["date"]) for entry in entries if entry["date"]]
    assert min(days) >= date(2026, 2, 1)
    assert max(days) <= TODAY


def test_what_repeats_another_comes_after_it(entries: list[dict[str, Any]]) -> None:
    names = [entry["file"] for entry in entries]
    repeats = [entry for entry in entries if "after" in entry]
    assert [entry["case"] for entry in repeats] == ["exact_duplicate", "number_reused"]
    for entry in repeats:
        first = entries[names.index(entry["after"])]
        assert first["outcome"] == "posted"
        assert (first["supplier"], first["number"]) == (entry["supplier"], entry["number"])
        assert (first["total"] == entry["total"]) == (entry["case"] == "exact_duplicate")


def test_they_come_with_everything_that_invoices_come_with(
    folder: Path, entries: list[dict[str, Any]], readings: list[dict[str, Any]]
) -> None:
    read = [reading["data"] for reading in readings if "data" in reading]
    assert {part["category"] for data in read for part in data["vat_breakdown"]} == {
        "S", "Z", "E", "AE", "K", "G", "O"
    }  # fmt: skip
    assert any(line["quantity"].startswith("-") for data in read for line in data["lines"])
    assert any("base_quantity" in line for data in read for line in data["lines"])
    assert any("allowance" in line for data in read for line in data["lines"])
    assert any("charge" in line for data in read for line in data["lines"])
    assert any(len(data["vat_breakdown"]) > 1 for data in read)
    for name in ("allowances", "charges", "prepaid", "rounding"):
        assert any(data[name]["minor"] for data in read)
    assert max((folder / entry["file"]).stat().st_size for entry in entries) > 3_000_000
    assert sum("tax_number" not in data["seller"] for data in read) == 1


def test_the_other_reader_takes_nothing_hostile_and_nothing_inexact() -> None:
    with pytest.raises(ValueError, match="document type"):
        totals("<!DOCTYPE x []><x/>".encode("utf-16"))
    with pytest.raises(ValueError, match="there is no DocumentCurrencyCode"):
        totals(b"<x/>")
