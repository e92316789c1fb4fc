from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from audit.apps import check_outlets
from audit.egress import addresses
from audit.egress.addresses import BadAddress
from audit.notes import Signer
from audit.standalone.verify_ledger import COSIGNATURE, VerifierKey

WITNESS = str(VerifierKey("example.org/witness", COSIGNATURE, b"\1" * 32))
LOG = str(Signer("example.com/ledger", bytes(range(32))).verifier)


@pytest.mark.parametrize(
    ("text", "kind", "transport", "host", "port", "path"),
    [
        ("folder:/mnt/worm/check%20points", "folder", "file", "", 0, "/mnt/worm/check points"),
        ("syslog+udp://log.example", "syslog", "udp", "log.example", 514, ""),
        ("syslog+tls://[2001:db8::1]:7000", "syslog", "tls", "2001:db8::1", 7000, ""),
        (f"witness+https://w.example/p#{WITNESS}", "witness", "https", "w.example", 443, "/p"),
        (f"witness+http://127.0.0.1:8080#{WITNESS}", "witness", "http", "127.0.0.1", 8080, ""),
        ("rfc3161+https://tsa.example/tsr?every=3600", "rfc3161", "https", "tsa.example", 443, "/tsr"),
    ],
)
def test_a_sink_is_read(text, kind, transport, host, port, path):
    found = addresses.sink(text)
    assert (found.kind, found.transport, found.host, found.port, found.path) == (
        kind, transport, host, port, path,
    )  # fmt: skip


def test_a_stream_is_read_and_its_name_has_no_secret(monkeypatch):
    found = addresses.stream(
        "ocsf+https://siem.example/in?index=main&payload=1&header=Authorization:SIEM_TOKEN&token=hush"
    )
    assert found.name == "ocsf+https://siem.example/in"
    assert found.url == "https://siem.example:443/in?index=main&token=hush"
    assert found.headers == {"Authorization": "SIEM_TOKEN"}
    with pytest.raises(BadAddress, match="SIEM_TOKEN for Authorization is not set"):
        found.secret_headers()
    monkeypatch.setenv("SIEM_TOKEN", "Splunk hush")
    assert found.secret_headers() == {"Authorization": "Splunk hush"}
    monkeypatch.setenv("SIEM_TOKEN", "two\nlines")
    with pytest.raises(BadAddress, match="no value of a header"):
        found.secret_headers()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no kind known"),
        ("ftp://x", "no kind known"),
        ("folder:relative", "whole path"),
        ("folder://host/path", "whole path"),
        ("folder:/x?payload=1", "options that are none: payload"),
        ("folder:/x?every=0", "every is a number"),
        ("folder:/x?every=1&every=2", "every twice"),
        ("syslog+tcp://", "no host"),
        ("syslog+tcp://x/path", "no path"),
        ("syslog+tcp://x:99999", "not an address"),
        ("syslog+tcp://user:hush@x", "would be shown"),
        ("witness+https://w.example/p", "the key that the witness printed"),
        (f"witness+https://w.example/p#{LOG}", "is the key of a ledger"),
        (f"witness+http://w.example#{WITNESS}", "only this machine"),
        ("rfc3161+http://10.0.0.1/", "only this machine"),
        ("folder:/with space", "characters that none can have"),
        ("folder:/" + "x" * 400, "at most 300"),
    ],
)
def test_a_sink_that_cannot_be_used_says_why(text, why):
    with pytest.raises(BadAddress, match=why) as error:
        addresses.sink(text)
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("https://siem.example/", "no kind known"),
        ("otlp+syslog+tcp://x", "no kind known"),
        ("cef+https://x/?payload=2", "payload is one of"),
        ("cef+https://x/?from=tomorrow", "from is one of"),
        ("cef+syslog+udp://x?payload=1", "datagram"),
        ("cef+syslog+tls://x?token=hush", "options that are none: token"),
        ("cef+https://x/?header=Authorization", "header is Name:VARIABLE"),
        ("cef+https://:hush@x/", "would be shown"),
    ],
)
def test_a_stream_that_cannot_be_used_says_why(text, why):
    with pytest.raises(BadAddress, match=why) as error:
        addresses.stream(text)
    assert "hush" not in str(error.value)


def test_an_address_that_is_there_twice_is_refused():
    with pytest.raises(BadAddress, match="there twice"):
        addresses.read(["folder:/a", " folder:/a?every=9"], addresses.sink)


@given(
    st.text(max_size=60), st.sampled_from(["", "folder:", "ocsf+https://", "syslog+tls://", "witness+https://"])
)
@how(deadline=None)
def test_no_text_ends_in_another_error(text, before):
    for one in (addresses.sink, addresses.stream):
        with contextlib.suppress(BadAddress):
            one(before + text)


def test_what_is_wrong_is_found_by_the_check(settings):
    assert check_outlets(None) == []
    settings.LEDGER_SINKS, settings.LEDGER_STREAMS = ["nowhere"], ["cef+https://x/?header=X-Key:NOT_SET_HERE"]
    found = check_outlets(None)
    assert [one.id for one in found] == ["audit.E011", "audit.W011"]
    assert all(one.hint for one in found)
    settings.LEDGER_STREAMS = ["nowhere"]
    assert [one.id for one in check_outlets(None)] == ["audit.E011", "audit.E012"]
