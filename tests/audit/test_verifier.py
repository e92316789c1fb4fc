"""The offline verifier: what holds, holds; what was done to an export is found, and where."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import bundles, notes
from audit.merkle import Growth
from audit.standalone import verify_ledger as outside
from audit.standalone import witness as witnessing
from tests import tampering
from tests.benchmarks import ledger_bundle
from tests.tampering import EVENTS, EVERY, MALLORY, NEW, OLD, ROTATED, anchor, export, verify

PROGRAM = Path(outside.__file__)


@pytest.mark.parametrize("is_whole", [True, False])
def test_an_export_that_nobody_touched_holds(is_whole):
    report = verify(export(is_whole=is_whole).files(), [anchor(EVERY), anchor(EVENTS)])
    assert report["findings_by_code"] == {"key_joined": 1}
    assert (report["ok"], report["complete"], report["first_bad_index"]) == (True, is_whole, None)
    assert [key["trusted"] for key in report["keys"]] == [True, True]
    assert report["actions"]["by_state"].keys() >= {"confirmed", "denied"}
    assert not is_whole or report["erased"] == {"words": 11, "data": 20}


@pytest.mark.parametrize("seed", range(65))
def test_what_was_done_to_an_export_is_found_and_where(seed):
    verdict = tampering.round_of(seed)
    assert verdict.is_found, verdict.tampered.what
    assert verdict.is_located, (verdict.tampered.what, verdict.tampered.index, verdict.report)


@pytest.mark.full
def test_a_thousand_tamperings_are_all_found_and_where():
    verdicts = [tampering.round_of(seed) for seed in range(1000)]
    assert [seed for seed, one in enumerate(verdicts) if not (one.is_found and one.is_located)] == []


def test_without_a_key_of_the_auditors_nothing_is_verified_unless_they_say_so():
    files = export().files()
    with pytest.raises(outside.Unusable, match="No key to trust was given"):
        verify(files, keys=[])
    assert "signature" in verify(files, keys=[MALLORY.verifier])["findings_by_code"]


def test_a_new_key_is_trusted_only_if_an_old_one_vouches_for_it():
    one = export()
    assert verify(one.files(), keys=[OLD.verifier])["ok"]
    # Its event is there, and no checkpoint that both signed.
    for checkpoint in one.checkpoints:
        known = outside.Checkpoint.parse(checkpoint["note"])
        if len(known.note.signatures) == 2:
            checkpoint["note"] = notes.signed_checkpoint([OLD], known.size, known.root)
    report = verify(one.files(), keys=[OLD.verifier])
    assert report["findings_by_code"]["signature"] > 1
    assert report["signed_up_to"] > ROTATED
    # Who has the new key already needs no event, and the old ones are not theirs to judge.
    assert not verify(export().files(), keys=[NEW.verifier])["ok"]


def test_who_has_no_key_cannot_add_one_by_writing_an_event():
    one = export()
    for checkpoint in one.checkpoints:
        known = outside.Checkpoint.parse(checkpoint["note"])
        if len(known.note.signatures) == 2:
            # Signed by the old key, and the thief of a checkpoint puts the own signature under it.
            text = outside.checkpoint_text(OLD.name, known.size, known.root)
            checkpoint["note"] = f"{text}\n{OLD.sign(text)}{NEW.sign(text)}"
    report = verify(one.files(), keys=[OLD.verifier])
    assert [key["trusted"] for key in report["keys"]] == [True, False]
    assert not report["ok"]


def signed(size, *signers):
    return outside.Checkpoint.parse(notes.signed_checkpoint(list(signers), size, bytes(32)))


def test_the_only_key_that_signs_is_not_retired_by_an_event():
    old, new = (outside.key_digest(str(one.verifier)) for one in (OLD, NEW))
    keys = outside.Keyring([OLD.verifier], [NEW.verifier])
    assert keys.accept(signed(5, OLD))
    assert not keys.tell(5, outside.KEY_RETIRED, old)
    assert keys.accept(signed(6, OLD))
    assert keys.tell(6, outside.KEY_ADDED, new)
    both = signed(7, OLD, NEW)
    assert keys.accept(both)
    assert len(keys.adopt(both)) == 1
    assert keys.tell(7, outside.KEY_RETIRED, old)
    assert not keys.accept(signed(8, OLD))
    assert not keys.tell(8, outside.KEY_RETIRED, new)
    assert keys.accept(signed(9, NEW))


def test_what_a_witness_signed_is_found_beside_the_note():
    witness = witnessing.Key("example.org/witness", bytes(range(32)))
    one = export()
    keys = [OLD.verifier, witness.verifier]
    assert verify(one.files(), keys=keys)["findings_by_code"]["witness_missing"] == 1
    known = outside.Checkpoint.parse(one.checkpoints[3]["note"])
    line = witness.cosign(known.note.text, 1_800_000_000)
    said = {"kind": "witness", "source": "w", "content": b64encode(line.encode()).decode()}
    one.checkpoints[3]["cosignatures"] = [said]
    report = verify(one.files(), keys=keys)
    assert (report["ok"], report["witnesses"]) == (True, {"example.org/witness": known.size})
    assert any(f"signed {known.size} of" in told for told in outside.in_words(report))
    # Of another checkpoint it is worth nothing.
    one.checkpoints[3]["cosignatures"] = []
    one.checkpoints[4]["cosignatures"] = [said]
    assert "witness_missing" in verify(one.files(), keys=keys)["findings_by_code"]
    one.checkpoints[4]["cosignatures"] = [{**said, "content": "?"}]
    assert "checkpoint" in verify(one.files(), keys=keys)["findings_by_code"]


def test_an_export_of_a_part_says_when_a_checkpoint_cannot_be_compared():
    one = export(is_whole=False)
    inside = next(node["start"] + 1 for node in one.nodes if node["end"] - node["start"] > 1)
    text = notes.signed_checkpoint([OLD], inside, outside.EMPTY_ROOT)
    report = verify(one.files(), [outside.Anchor("mine", outside.Checkpoint.parse(text))])
    assert report["findings_by_code"] == {"anchor_undecided": 1, "key_joined": 1}
    assert not report["ok"]


# --- actions ---


def told(*steps):
    findings = outside.Findings()
    actions = outside.Actions(findings)
    for index, (verb, more) in enumerate(steps):
        actions.see(index, {"action": "a", "verb": verb, **more})
    return dict(findings.counts), actions.as_json()


def test_an_effect_needs_an_allow_before_it():
    allow = ("actions.action_authorized", {"decision": "allow"})
    held = ("actions.action_held", {"decision": "hold"})
    again = ("actions.action_held_again", {"decision": "hold"})
    approved = ("approvals.approval_approved", {})
    dispatched, begun = ("actions.action_dispatched", {}), ("connectors.call_begun", {})
    done = ("actions.action_confirmed", {"effect": "confirmed"})
    fine = [
        (allow, dispatched, begun, done),
        (held, approved, allow, dispatched, begun, done),
        (held, approved, again, approved, allow, dispatched, ("actions.action_in_doubt", {}), done),
    ]
    for steps in fine:
        assert told(*steps)[0] == {}
    for code, steps in (
        ("effect_without_allow", (dispatched, begun)),
        ("effect_without_allow", (begun,)),
        ("effect_without_allow", (allow, ("actions.action_stopped", {}), begun)),
        ("effect_without_allow", (("actions.action_denied", {}), dispatched)),
        ("effect_without_allow", (("x.y", {"effect": "confirmed"}),)),
        ("allow_without_approval", (held, allow, dispatched)),
        ("allow_without_approval", (held, approved, again, allow)),
        ("allow_without_decision", (("actions.action_authorized", {}),)),
        ("not_a_transition", (allow, done)),
        ("not_a_transition", (allow, dispatched, done, done)),
    ):
        assert code in told(*steps)[0], steps
    assert told(allow, dispatched)[1]["open"] == 1


# --- the tree ---


def leaves(size):
    return [outside.leaf_hash(b"%d" % at) for at in range(size)]


def subtree(hashes, start, level):
    frontier = outside.Frontier()
    for leaf in hashes[start : start + (1 << level)]:
        frontier.push(leaf)
    return frontier.root()


def root_of(hashes):
    growth = Growth()
    growth.add(hashes)
    return growth.root()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 300), st.randoms(use_true_random=False), st.floats(0, 1))
def test_any_part_of_any_tree_leads_to_its_roots(size, luck, share):
    chosen = [at for at in range(size) if luck.random() < share]
    cuts = luck.sample(range(1, size + 1), min(size, 4))
    hashes = leaves(size)
    left_out = bundles.left_out(chosen, size, cuts)
    items = [(at, 0, hashes[at]) for at in chosen]
    items += [(start, level, subtree(hashes, start, level)) for start, level in left_out]
    items.sort()
    frontier, roots = outside.Frontier(), {}
    for start, level, found in items:
        assert start == frontier.size
        frontier.push(found, level)
        roots[frontier.size] = frontier.root()
    for cut in (*cuts, size):
        assert roots[cut] == root_of(hashes[:cut])
    # Any other hash leads elsewhere.
    at = luck.randrange(len(items))
    frontier = outside.Frontier()
    for number, (_, level, found) in enumerate(items):
        frontier.push(bytes([found[0] ^ (number == at)]) + found[1:], level)
    assert frontier.root() != roots[size]


def test_whole_subtrees_are_as_few_as_can_be():
    assert list(outside.perfect(0, 7)) == [(0, 2), (4, 1), (6, 0)]
    assert list(outside.perfect(5, 16)) == [(5, 0), (6, 1), (8, 3)]
    assert list(outside.perfect(3, 3)) == []


# --- the program ---


def run(*asked):
    command = [sys.executable, "-I", str(PROGRAM), *map(str, asked)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as written:
        for name, raw in export().files().items():
            written.writestr(name, raw)
    return path


def test_the_program_says_by_its_exit_code_what_it_found(bundle, tmp_path):
    report = tmp_path / "report.json"
    kept = tmp_path / "kept"
    kept.write_text(tampering._sealed()[0][EVERY])
    fine = run(bundle, "--key", OLD.verifier, "--anchor", kept, "--json", report)
    assert (fine.returncode, fine.stdout.splitlines()[-1]) == (0, "EVERYTHING HOLDS.")
    assert json.loads(report.read_text())["ok"]
    wrong = run(bundle, "--key", MALLORY.verifier)
    assert (wrong.returncode, wrong.stdout.splitlines()[-1]) == (1, "SOMETHING DOES NOT HOLD.")
    loud = run(bundle, "--trust-keys-in-bundle")
    assert loud.returncode == 0
    assert "YOU DID NOT GIVE IT" in loud.stdout


def test_the_benchmark_writes_what_it_verifies(tmp_path):
    path = tmp_path / "bundle.zip"
    ledger_bundle.write(path, 700, OLD, every=64)
    figures = ledger_bundle.verified(path, str(OLD.verifier))
    assert (figures["ok"], figures["events"]) == (True, 700)


def test_wrong_use_is_told_in_words(bundle, tmp_path, capsys):
    text = tmp_path / "a.txt"
    text.write_text("no")
    for asked, words in (
        ((bundle,), "No key to trust was given"),
        ((), "the following arguments are required"),
        ((text, "--key", OLD.verifier), "cannot be read as a bundle"),
        ((tmp_path / "gone.zip", "--key", OLD.verifier), "cannot be read as a bundle"),
        ((tmp_path, "--key", OLD.verifier), "is not a bundle of a ledger"),
        ((bundle, "--key", "a+b"), "is not a verifier key"),
        ((bundle, "--key", OLD.verifier, "--anchor", text), "is not a checkpoint"),
        ((bundle, "--key", OLD.verifier, "--most-bytes", "10"), "unpacks to more than 10 bytes"),
    ):
        assert outside.main([str(one) for one in asked]) == 2
        assert words in capsys.readouterr().err, asked


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "else"}, "manifest is of something else"),
        ({"version": 2}, "version 2 of the format"),
        ({"tree_size": 1}, "does not fit the checkpoint"),
        ({"checkpoint": "x"}, "manifest of the bundle is malformed"),
        ({"files": 3}, "manifest of the bundle is malformed"),
    ],
)
def test_another_manifest_is_told_in_words(change, words):
    files = export().files()
    files["manifest.json"] = json.dumps({**json.loads(files["manifest.json"]), **change}).encode()
    with pytest.raises(outside.Unusable, match=words):
        verify(files)


def test_a_bundle_of_nothing_is_told_in_words():
    files = export().files()
    note = notes.signed_checkpoint([OLD], 0, outside.EMPTY_ROOT)
    manifest = {**json.loads(files["manifest.json"]), "checkpoint": note, "tree_size": 0}
    with pytest.raises(outside.Unusable, match="The bundle is empty"):
        verify({**files, "manifest.json": json.dumps(manifest).encode()})


def test_what_else_is_in_a_zip_makes_it_no_bundle(tmp_path):
    for name in ("../../etc/passwd", "more.txt", "/events.jsonl"):
        path = tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w") as written:
            for own, raw in export().files().items():
                written.writestr(own, raw)
            written.writestr(name, b"x")
        with pytest.raises(outside.Unusable, match="is not a bundle of a ledger"):
            outside.Bundle(path)


def test_a_zip_that_is_packed_in_another_way_is_no_bundle(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as written:
        for own, raw in export().files().items():
            written.writestr(own, raw)
    with pytest.raises(outside.Unusable, match="is not a bundle of a ledger"):
        outside.Bundle(path)


def test_what_is_no_text_or_no_number_is_told_in_words():
    for text in ("\ud800+00000000+AAAA", "a+\udfff+b"):
        with pytest.raises(outside.NotANote):
            outside.VerifierKey.parse(text)
    note = notes.signed_checkpoint([OLD], 1, bytes(32))
    for other in (
        note.replace("\n1\n", f"\n{'9' * 5000}\n"),
        note.replace("\n1\n", f"\n{'9' * 20}\n"),
        "\ud800" + note,
    ):
        with pytest.raises(outside.NotANote):
            outside.Checkpoint.parse(other)


def test_an_export_cannot_write_its_own_verdict_on_the_screen(bundle, tmp_path):
    files = export().files()
    manifest = json.loads(files["manifest.json"])
    origin = "x\x1b[2K\rEVERYTHING HOLDS.\x1b[8m"
    manifest["checkpoint"] = manifest["checkpoint"].replace(manifest["origin"], origin, 1)
    manifest["origin"] = origin
    path = tmp_path / "forged.zip"
    with zipfile.ZipFile(path, "w") as written:
        for name, raw in {**files, "manifest.json": json.dumps(manifest).encode()}.items():
            written.writestr(name, raw)
    answer = run(path, "--key", OLD.verifier)
    assert answer.returncode == 1
    assert not {"\x1b", "\r"} & set(answer.stdout)


def test_without_cryptography_it_says_what_is_missing(tmp_path):
    hide = "import sys; sys.modules['cryptography'] = None; sys.argv = ['x']; import runpy;"
    code = f"{hide} runpy.run_path({str(PROGRAM)!r}, run_name='__main__')"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (answer.returncode, "cryptography is missing" in answer.stderr) == (2, True)


@pytest.mark.parametrize("name", ["events.jsonl", "nodes.jsonl", "checkpoints.jsonl"])
def test_garbage_is_never_more_than_something_that_does_not_hold(name):
    files = export().files()
    for line in (b"", b"[]", b"null", b'{"index":1e400}', b"\xff\xfe", b"[" * 5000, b'{"index":-1}'):
        assert not verify({**files, name: line + b"\n" + files[name][:5000]})["ok"]
