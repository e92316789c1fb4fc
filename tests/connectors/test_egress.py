"""Nothing reaches this machine, the company's inside or a cloud's metadata unless the system says so."""

from __future__ import annotations

import gzip
import ipaddress
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors import egress
from connectors.egress import Client, Reply, why_forbidden
from connectors.exceptions import DriverError, NotSent, OutcomeUnknown, PassageClosed, Rejected
from connectors.vocabulary import _MINT, Credential, Origin, Passage, SystemFacts, parse_network, plain_host


class Canary:
    """A listener on all of this machine that counts who reaches it and answers as it is told."""

    def __init__(self, answer: Callable[[socket.socket], None] | None = None) -> None:
        self.reached = 0
        self.requests: list[bytes] = []
        self._answer = answer or _ok
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.reached += 1
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            try:
                self.requests.append(connection.recv(65536))
                self._answer(connection)
            except OSError:
                pass

    def close(self) -> None:
        self._listener.close()


def _ok(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


@pytest.fixture
def canary() -> Iterator[Canary]:
    running = Canary()
    yield running
    running.close()


def facts(
    url: str, *, networks: tuple[str, ...] = (), allowed: tuple[str, ...] = (), **times: float
) -> SystemFacts:
    try:
        own = {Origin.of_url(url)}
    except ValueError:
        own = set()
    return SystemFacts(
        id="s",
        code="s",
        kind="http",
        base_url=url,
        config={},
        allowed=frozenset(own | {Origin.parse(entry) for entry in allowed}),
        networks=tuple(parse_network(entry) for entry in networks),
        connect_timeout=times.get("connect", 1),
        read_timeout=times.get("read", 1),
        total_timeout=times.get("total", 3),
    )


def passage() -> Passage:
    return Passage(_MINT, call_id="c", system_id="s", operation_code="o", reads_only=False)


def send(system: SystemFacts, *args: Any, resolver: Any = None, credential: Any = None, **kwargs: Any) -> Any:
    with Client(system, passage(), credential or Credential(), resolver=resolver) as client:
        return client.send(*(args or ("GET",)), **kwargs)


# Every way we know of to write "this machine", "the inside" or "the metadata service". {port} is the canary's.
CORPUS = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://127.127.127.127:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0x7f.0x0.0x0.0x1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0177.0000.0000.0001:{port}/",
    "http://017700000001:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.000.000.001:{port}/",
    "http://127.0.0.01:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://[::]:{port}/",
    "http://[::1]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://[::1%lo]:{port}/",
    "http://user@127.0.0.1:{port}/",
    "http://erp.example.com@127.0.0.1:{port}/",
    "http://erp.example.com:80@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@erp.example.com/",
    "http://127.0.0.1:{port}?@erp.example.com/",
    "http://erp.example.com\\@127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127。0。0。1:{port}/",
    "http://127．0．0．1:{port}/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/",
    "http://127.0.0.1%2e:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://127.0.0.1\t:{port}/",
    "http://127.0.0.1\r\n:{port}/",
    "http:// 127.0.0.1:{port}/",
    "http://127.0.0.1:{port} /",
    "http://127.0.0.1\x00.example.com:{port}/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_GET",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://[::ffff:169.254.169.254]/",
    "http://10.0.0.1:{port}/",
    "http://172.16.0.1:{port}/",
    "http://192.168.0.1:{port}/",
    "http://100.64.0.1:{port}/",
    "http://255.255.255.255:{port}/",
    "http://224.0.0.1:{port}/",
    "http://[ff02::1]:{port}/",
    "http://[fc00::1]:{port}/",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:99999/",
    "http://",
    "",
]


@pytest.mark.parametrize("url", CORPUS)
def test_no_spelling_of_a_forbidden_place_is_reached(canary: Canary, url: str) -> None:
    with pytest.raises((Rejected, NotSent)):
        send(facts(url.replace("{port}", str(canary.port))))
    assert canary.reached == 0


def test_the_corpus_is_long_enough() -> None:
    assert len(set(CORPUS)) >= 60


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["93.184.216.34", "127.0.0.1"],
        ["127.0.0.1", "93.184.216.34"],
        ["::ffff:127.0.0.1"],
        ["0.0.0.0"],
        ["169.254.169.254"],
        ["10.1.2.3"],
        ["::1"],
        ["not an address"],
        [],
    ],
)
def test_a_name_that_leads_to_a_forbidden_address_is_refused(canary: Canary, answers: list[str]) -> None:
    system = facts(f"http://erp.example.com:{canary.port}/")
    with pytest.raises((Rejected, NotSent)):
        send(system, resolver=lambda host, port: answers)
    assert canary.reached == 0


def test_a_rebinding_name_is_asked_once_and_its_answer_is_kept(canary: Canary) -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.2"] if len(asked) == 1 else ["127.0.0.1"]

    system = facts(f"http://erp.example.com:{canary.port}/", networks=("127.0.0.2/32",))
    with Client(system, passage(), Credential(), resolver=rebinding) as client:
        for _ in range(3):
            with pytest.raises(NotSent):
                client.send("GET")
    assert asked == ["erp.example.com"]
    assert canary.reached == 0


@pytest.mark.parametrize(
    "target",
    ["http://169.254.169.254/", "http://127.0.0.1:{port}/", "//127.0.0.1:{port}/", "http://localhost:{port}/"],
)
def test_a_redirect_is_an_answer_and_never_followed(target: str) -> None:
    elsewhere = Canary()
    target = target.replace("{port}", str(elsewhere.port))

    def redirect(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())

    front = Canary(redirect)
    reply = send(facts(f"http://127.0.0.1:{front.port}/", networks=("127.0.0.1/32",)))
    assert (reply.status, elsewhere.reached) == (302, 0)
    front.close()
    elsewhere.close()


def test_this_machine_has_to_be_named_on_its_own(canary: Canary) -> None:
    url = f"http://127.0.0.1:{canary.port}/"
    for wide in (("0.0.0.0/0",), ("0.0.0.0/1",), ("10.0.0.0/8",)):
        with pytest.raises(Rejected):
            send(facts(url, networks=wide))
    assert canary.reached == 0
    assert send(facts(url, networks=("127.0.0.1/32",))).status == 200


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"])
def test_metadata_is_never_reached_whatever_the_networks_say(address: str) -> None:
    wide = [parse_network("0.0.0.0/0"), parse_network("::/0"), parse_network("169.254.0.0/16")]
    assert why_forbidden(ipaddress.ip_address(address), wide)
    assert why_forbidden(ipaddress.ip_address(address), [])


def test_a_private_network_opens_itself_and_nothing_else() -> None:
    inside = [parse_network("10.2.0.0/16")]
    assert not why_forbidden(ipaddress.ip_address("10.2.3.4"), inside)
    assert why_forbidden(ipaddress.ip_address("10.3.3.4"), inside)
    assert not why_forbidden(ipaddress.ip_address("93.184.216.34"), inside)


def test_scheme_and_port_are_part_of_the_allow_list(canary: Canary) -> None:
    system = facts(f"http://127.0.0.1:{canary.port}/", networks=("127.0.0.1/32",))
    for other in ("https://127.0.0.1:{port}", "http://127.0.0.1:81", "http://127.0.0.2:{port}"):
        moved = SystemFacts(
            **{
                **{name: getattr(system, name) for name in SystemFacts.__dataclass_fields__},
                "allowed": frozenset({Origin.parse(other.replace("{port}", str(canary.port)))}),
            }
        )
        with pytest.raises(Rejected):
            send(moved)
    assert canary.reached == 0


def test_proxies_of_the_environment_are_ignored(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Canary()
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    send(facts(f"http://127.0.0.1:{canary.port}/", networks=("127.0.0.1/32",)))
    assert (proxy.reached, canary.reached) == (0, 1)
    proxy.close()


@pytest.mark.parametrize("part", ["a\r\nX: y", "a\nb", "a\x00b", "..", ".", ""])
def test_what_walks_or_ends_the_line_is_no_part_of_a_path(canary: Canary, part: str) -> None:
    with pytest.raises(Rejected):
        send(facts(f"http://127.0.0.1:{canary.port}/", networks=("127.0.0.1/32",)), "GET", [part])
    assert canary.reached == 0


def test_a_path_part_is_encoded_whole(canary: Canary) -> None:
    system = facts(f"http://127.0.0.1:{canary.port}/base/", networks=("127.0.0.1/32",))
    send(system, "GET", ["a/b?c#d", "ü %2e"], query=[("q", "x&y=z\r\n")])
    line = canary.requests[0].split(b"\r\n")[0]
    assert line == b"GET /base/a%2Fb%3Fc%23d/%C3%BC%20%252e?q=x%26y%3Dz%0D%0A HTTP/1.1"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "b\r\nX-Evil: 1"},
        {"X-A": "b\x00"},
        {"X-A\r\nX-Evil": "1"},
        {"Authorization": "Bearer stolen"},
        {"cookie": "session=1"},
        {"Host": "evil.example"},
        {"Transfer-Encoding": "chunked"},
        {"X-Forwarded-For": "10.0.0.1"},
        {"": "x"},
    ],
)
def test_headers_that_are_ours_or_broken_do_not_leave(canary: Canary, headers: dict[str, str]) -> None:
    with pytest.raises(Rejected):
        send(facts(f"http://127.0.0.1:{canary.port}/", networks=("127.0.0.1/32",)), "GET", headers=headers)
    assert canary.reached == 0


def test_a_large_request_does_not_leave(canary: Canary) -> None:
    with pytest.raises(Rejected) as refused:
        send(
            facts(f"http://127.0.0.1:{canary.port}/", networks=("127.0.0.1/32",)),
            "POST",
            body={"x": "y" * egress.MAX_REQUEST_BYTES},
        )
    assert refused.value.code == "request_too_large"
    assert canary.reached == 0


def answering(answer: Callable[[socket.socket], None], **times: float) -> DriverError:
    server = Canary(answer)
    try:
        with pytest.raises(DriverError) as failed:
            send(facts(f"http://127.0.0.1:{server.port}/", networks=("127.0.0.1/32",), **times))
        return failed.value
    finally:
        server.close()


def test_a_slow_trickle_ends_at_the_total_limit() -> None:
    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b"x")
            time.sleep(0.1)

    began = time.monotonic()
    error = answering(trickle, read=1, total=1.5)
    assert isinstance(error, OutcomeUnknown)
    assert time.monotonic() - began < 3


def test_slow_headers_end_at_the_total_limit() -> None:
    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in range(1000):
            connection.sendall(f"X-{number}: y\r\n".encode())
            time.sleep(0.1)

    began = time.monotonic()
    assert isinstance(answering(trickle, read=1, total=1.5), OutcomeUnknown)
    assert time.monotonic() - began < 3


def test_ten_gigabytes_are_cut_at_the_cap() -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n")
        for _ in range(10_000):
            connection.sendall(b"x" * 1_048_576)

    assert answering(flood, read=5, total=20).code == "answer_too_large"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_bomb_is_cut_at_the_cap(encoding: str) -> None:
    packed = (gzip.compress if encoding == "gzip" else zlib.compress)(b"0" * 200_000_000)

    def bomb(connection: socket.socket) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(packed)}\r\n\r\n"
        connection.sendall(head.encode() + packed)

    assert answering(bomb, read=5, total=20).code == "answer_too_large"


def test_an_unknown_or_broken_encoding_is_unreadable() -> None:
    for head in (b"Content-Encoding: br", b"Content-Encoding: gzip"):

        def odd(connection: socket.socket, head: bytes = head) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\nContent-Length: 4\r\n\r\nabcd")

        assert answering(odd).code == "answer_unreadable"


def test_what_broke_off_before_a_byte_left_was_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSent) as failed:
        send(facts(f"http://127.0.0.1:{port}/", networks=("127.0.0.1/32",)))
    assert failed.value.code == "unreachable"


def test_a_server_that_speaks_no_tls_was_not_sent_anything(canary: Canary) -> None:
    with pytest.raises(NotSent):
        send(facts(f"https://127.0.0.1:{canary.port}/", networks=("127.0.0.1/32",)))
    assert all(b"GET" not in request for request in canary.requests)


def test_a_closed_or_foreign_passage_lets_nothing_out(canary: Canary) -> None:
    system = facts(f"http://127.0.0.1:{canary.port}/", networks=("127.0.0.1/32",))
    closed = passage()
    closed.close()
    foreign = Passage(_MINT, call_id="c", system_id="another", operation_code="o", reads_only=False)
    for wrong in (closed, foreign):
        with pytest.raises(PassageClosed):
            Client(system, wrong, Credential())
    opened = passage()
    with Client(system, opened, Credential()) as client:
        opened.close()
        with pytest.raises(PassageClosed):
            client.send("GET")
    assert canary.reached == 0


def test_a_passage_cannot_be_made_by_hand() -> None:
    with pytest.raises(PassageClosed):
        Passage(object(), call_id="c", system_id="s", operation_code="o", reads_only=False)


def test_credentials_are_presented_as_the_account_says_and_never_printed(canary: Canary) -> None:
    system = facts(f"http://127.0.0.1:{canary.port}/", networks=("127.0.0.1/32",))
    for credential, line in (
        (Credential("bearer", secret="s3cret"), b"Authorization: Bearer s3cret"),
        (Credential("basic", "u", secret="s3cret"), b"Authorization: Basic dTpzM2NyZXQ="),
        (Credential("header", header_name="X-Api-Key", secret="s3cret"), b"X-Api-Key: s3cret"),
    ):
        send(system, credential=credential)
        assert line in canary.requests[-1]
        assert "s3cret" not in repr(credential)


def test_a_host_has_one_spelling() -> None:
    assert plain_host("erp.example.com") == "erp.example.com"
    assert plain_host("0:0:0:0:0:0:0:1") == "::1"
    for odd in ("127.1", "0x7f.1", "1", "a..b", "-a.b", "", "a" * 64):
        with pytest.raises(ValueError):
            plain_host(odd)


def test_a_cookie_is_not_sent_back() -> None:
    def baking(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nSet-Cookie: session=1\r\nContent-Length: 2\r\n\r\n{}")

    server = Canary(baking)
    system = facts(f"http://127.0.0.1:{server.port}/", networks=("127.0.0.1/32",))
    with Client(system, passage(), Credential()) as client:
        client.send("GET")
        client.send("GET")
    server.close()
    assert len(server.requests) == 2
    assert b"cookie" not in server.requests[1].lower()


@pytest.mark.parametrize("depth", [65, 600, 100_000])
def test_an_answer_nested_beyond_reason_is_no_json(depth: int) -> None:
    for opened, closed in (("[", "]"), ('{"a":', "}")):
        text = opened * depth + "1" + closed * depth
        with pytest.raises(ValueError, match="nested"):
            Reply(200, {}, text.encode()).json()


def test_an_answer_of_ordinary_depth_is_read() -> None:
    assert Reply(200, {}, b'{"a": [{"b": [1, "x", 1.5]}]}').json() == {"a": [{"b": [1, "x", "1.5"]}]}
