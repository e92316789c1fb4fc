"""Somebody else's mail server and chat, on real ports: they keep what arrives, and refuse on request."""

from __future__ import annotations

import json
import socketserver
import threading
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class MailServer:
    """As much SMTP (RFC 5321) as one client needs. ``answers`` are given to RCPT, one each, then 250."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.recipients: list[str] = []
        self.answers: list[str] = []
        self._server = socketserver.ThreadingTCPServer(
            ("127.0.0.1", 0), type("Session", (_Session,), {"office": self})
        )
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Session(socketserver.StreamRequestHandler):
    office: MailServer

    def handle(self) -> None:
        self._say("220 post.example")
        while line := self.rfile.readline().decode().strip():
            word = line.split(":")[0].split(" ")[0].upper()
            if word == "RCPT":
                self._say(self.office.answers.pop(0) if self.office.answers else "250 ok")
                self.office.recipients.append(line.partition("<")[2].partition(">")[0])
            elif word == "DATA":
                self._say("354 go on")
                self.office.mails.append(message_from_bytes(self._text(), policy=policy.default))
                self._say("250 kept")
            elif word == "QUIT":
                return self._say("221 bye")
            else:
                self._say("250 ok")
        return None

    def _text(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())


class Chat:
    """An incoming webhook: keeps headers and raw bodies; ``statuses`` are answered, one each, then 200."""

    def __init__(self) -> None:
        self.messages: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                chat.messages.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(chat.statuses.pop(0) if chat.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hooks/T0?part=1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def texts(self) -> list[str]:
        return [json.loads(body)["text"] for _, body in self.messages]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def text_of(mail: Any) -> str:
    """Return what a program without HTML shows of a mail."""
    return str(mail.get_body(("plain",)).get_content()).replace("\r\n", "\n")


def html_of(mail: Any) -> str:
    """Return what most programs show of a mail."""
    return str(mail.get_body(("html",)).get_content()).replace("\r\n", "\n")
