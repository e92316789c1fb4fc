"""What talks to the network, against real servers that fail in every way."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.egress import daily, stamping, web, wire
from audit.egress.der import with_ordered_certificates
from audit.egress.failures import NotTaken, TooLarge
from audit.egress.folder import Folder
from tests.audit.outside.servers import Authority, Collector, Raw, TimeStamps, Web, reset


@pytest.fixture
def authority(tmp_path):
    made = tmp_path / "authority"
    made.mkdir()
    return Authority(made)


def deliver(url, **more):
    return web.deliver(url, b"[]", "application/json", headers={}, **more)


def test_what_is_posted_arrives_as_it_was_with_the_headers_and_no_more():
    with Web() as server:
        web.deliver(f"{server.url}/in?index=main", b"{}", "application/json", headers={"Authorization": "hush"})
    path, headers, body = server.requests[0]
    assert (path, body, headers["Authorization"], headers["Content-Type"]) == (
        "/in?index=main", b"{}", "hush", "application/json",
    )  # fmt: skip


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 429, 500, 503])
def test_every_answer_but_a_success_is_a_failure_and_no_redirect_is_followed(status):
    said = rf"answered {status} no\\u001b\[2J thanks"
    with (
        Web(lambda body: (status, "text/plain", b"no\x1b[2J thanks")) as server,
        pytest.raises(NotTaken, match=said),
    ):
        deliver(server.url)
    assert len(server.requests) == 1


def test_413_is_too_large():
    with Web(lambda body: (413, "text/plain", b"")) as server, pytest.raises(TooLarge):
        deliver(server.url)


def test_a_long_answer_is_not_read_to_its_end():
    answer = 200, "text/plain", b"x" * 1_000_000
    with Web(lambda body: answer) as server, pytest.raises(NotTaken, match="longer than"):
        deliver(server.url)


def trickle(connection):
    """A slow loris the other way: a header, a byte at a time."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(600):
        connection.sendall(b"x")
        time.sleep(0.05)


def silent(connection):
    time.sleep(30)


def garbage(connection):
    connection.recv(65536)
    connection.sendall(os.urandom(2000))


def cut_off(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")


@pytest.mark.parametrize("serve", [trickle, silent, garbage, cut_off, reset])
def test_no_server_holds_a_thread_beyond_the_deadline(serve):
    with Raw(serve) as server:
        began = time.monotonic()
        with pytest.raises(NotTaken):
            web.post(f"http://127.0.0.1:{server.port}/", b"x", "text/plain", seconds=0.5)
        # A trickle would last 30 seconds, silence as long.
        assert time.monotonic() - began < 15


def test_nobody_listening_is_said_without_the_address():
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    with pytest.raises(NotTaken, match="Connection refused") as error:
        deliver(f"http://127.0.0.1:{port}/?token=hush")
    assert "hush" not in str(error.value)


def test_a_certificate_has_to_be_believed_and_for_that_host(authority):
    right, wrong = authority.make("right"), authority.make("wrong", address="192.0.2.1")
    with Web(tls=right) as server:
        assert deliver(server.url, authorities=str(authority.root)).status == 200
        with pytest.raises(NotTaken, match="CERTIFICATE_VERIFY_FAILED"):
            deliver(server.url)
    with Web(tls=wrong) as server, pytest.raises(NotTaken, match="CERTIFICATE_VERIFY_FAILED"):
        deliver(server.url, authorities=str(authority.root))
    assert server.requests == []


MESSAGES = [b"<110>1 one", b"<110>1 two\nwith a line", "<110>1 drei ü".encode()] * 200


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_messages_arrive_in_their_order(authority, transport):
    files = authority.make("collector") if transport == "tls" else None
    with Collector(tls=files) as collector:
        wire.send("127.0.0.1", collector.port, transport, MESSAGES, authorities=str(authority.root))
        assert collector.messages == [one.decode() for one in MESSAGES]


def test_datagrams_are_sent_one_a_message():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(10)
        wire.send("127.0.0.1", listening.getsockname()[1], "udp", MESSAGES[:2])
        assert [listening.recv(65536) for _ in range(2)] == MESSAGES[:2]


@pytest.mark.parametrize("serve", [silent, reset, lambda connection: reset(connection) or connection.recv(10)])
@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_collector_that_did_not_read_to_the_end_has_not_taken_it(serve, transport, monkeypatch):
    monkeypatch.setattr(wire, "DEADLINE_SECONDS", 0.5)
    with Raw(serve) as server, pytest.raises(NotTaken):
        wire.send("127.0.0.1", server.port, transport, MESSAGES)


def test_a_collector_with_a_wrong_certificate_is_told_nothing(authority):
    with Collector(tls=authority.make("collector")) as collector:
        with pytest.raises(NotTaken, match="CERTIFICATE_VERIFY_FAILED"):
            wire.send("127.0.0.1", collector.port, "tls", MESSAGES)
        assert collector.messages == []


# -- folders


def names(path):
    return sorted(one.name for one in path.iterdir())


@pytest.mark.parametrize("links", [True, False])
def test_a_folder_keeps_each_checkpoint_and_overwrites_none(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(
            os, "link", lambda *_: (_ for _ in ()).throw(OSError(95, "Operation not supported"))
        )
    (tmp_path / ".00000000000000000007.checkpoint.4711").write_text("half")
    kept = Folder(str(tmp_path))
    kept.put(7, "seven\n")
    kept.put(7, "seven\n")
    kept.put(12, "twelve\n")
    with pytest.raises(NotTaken, match="holds another checkpoint"):
        kept.put(12, "another\n")
    assert names(tmp_path) == ["00000000000000000007.checkpoint", "00000000000000000012.checkpoint"]
    assert (tmp_path / "00000000000000000012.checkpoint").read_text() == "twelve\n"
    with pytest.raises(NotTaken, match="holds a checkpoint of 12 events, and the ledger has 9"):
        Folder(str(tmp_path)).put(9, "nine\n")


def test_a_folder_that_is_not_mounted_is_not_made(tmp_path):
    with pytest.raises(NotTaken, match="cannot be written: No such file"):
        Folder(str(tmp_path / "worm")).put(1, "one\n")
    assert not (tmp_path / "worm").exists()
    assert names(tmp_path) == []


def test_a_day_has_a_file_and_half_a_line_is_ended(tmp_path):
    path = str(tmp_path / "ledger.log")
    daily.append(path, ["one", "two"], date(2026, 11, 29))
    with (tmp_path / "ledger-2026-11-29.log").open("a") as file:
        file.write("hal")
    daily.append(path, ["three"], date(2026, 11, 29))
    daily.append(path, ["four"], date(2026, 11, 30))
    assert (tmp_path / "ledger-2026-11-29.log").read_text() == "one\ntwo\nhal\nthree\n"
    assert (tmp_path / "ledger-2026-11-30.log").read_text() == "four\n"
    with pytest.raises(NotTaken, match="cannot be written"):
        daily.append("/nowhere/at/all.log", ["x"], date(2026, 11, 30))


# -- time-stamps, by openssl


def test_a_time_stamp_is_checked_to_be_for_this_and_signed_by_whom_we_trust(authority, tmp_path):
    stamps = TimeStamps(authority)
    other = tmp_path / "other"
    other.mkdir()
    ask = stamps.answer
    with Web(ask) as server:

        def post(body):
            return web.post(server.url, body, stamping.QUERY)

        token = stamping.stamp("a note\n", post, str(authority.root))
        assert stamping.stamp("a note\n", post)[:1] == token[:1] == b"\x30"
        with pytest.raises(NotTaken, match="no time-stamp"):
            stamping.stamp("a note\n", post, str(Authority(other).root))
        first = server.requests[0][2]
        server.answer = lambda body: ask(first)
        with pytest.raises(NotTaken, match="another request"):
            stamping.stamp("a note\n", post)
        with pytest.raises(NotTaken, match="something else"):
            stamping.stamp("another note\n", post)
        for content in (b"", b"\x30", os.urandom(200), bytes.fromhex("30053003020102")):
            server.answer = lambda body, content=content: (200, stamping.REPLY, content)
            with pytest.raises(NotTaken):
                stamping.stamp("a note\n", post)
        server.answer = lambda body: (503, "text/plain", b"later")
        with pytest.raises(NotTaken, match="answered 503 later"):
            stamping.stamp("a note\n", post)
    # The token is what an auditor checks with other tools.
    (tmp_path / "note").write_text("a note\n")
    (tmp_path / "token").write_bytes(token)
    import subprocess

    checked = subprocess.run(
        ["openssl", "ts", "-verify", "-data", tmp_path / "note", "-in", tmp_path / "token", "-token_in",
         "-CAfile", authority.root], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Verification: OK" in checked.stdout, checked.stderr


def test_certificates_out_of_order_are_put_in_order(authority):
    """As ``openssl ts`` sends them: by itself the library takes them in one order of two only."""
    others = [authority.make(name)[0] for name in ("one", "two", "three")]
    for chain in (others, others[::-1]):
        with Web(TimeStamps(authority, [authority.root, *chain]).answer) as server:
            assert stamping.stamp(
                "a note\n",
                lambda body, url=server.url: web.post(url, body, stamping.QUERY),
                str(authority.root),
            )


@given(st.binary(max_size=80))
@settings(deadline=None)
def test_no_bytes_break_the_reading_of_der(junk):
    with contextlib.suppress(ValueError):
        assert len(with_ordered_certificates(junk)) == len(junk)


def test_many_at_once_share_nothing():
    with Web() as server:
        threads = [threading.Thread(target=deliver, args=(server.url,)) for _ in range(8)]
        [one.start() for one in threads]
        [one.join() for one in threads]
    assert len(server.requests) == 8
