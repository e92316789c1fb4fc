from __future__ import annotations

from agents.decision import cel
from workflows.demo.workforce import MEASURES


def test_one_invoice_is_one_however_its_number_is_written() -> None:
    once = next(measure for measure in MEASURES if measure["code"] == "invoice_once")
    keys = {
        cel.evaluate(once["key"], {"args": {"supplier": supplier, "number": number}})
        for supplier, number in (("SUP-001", "INV-7"), ("sup-001", "inv-7"), ("SUP-001", "Inv-7"))
    }
    assert len(keys) == 1
    other = cel.evaluate(once["key"], {"args": {"supplier": "SUP-001", "number": "INV-8"}})
    assert other not in keys
