"""The other ends, real ones: an HTTP server, a syslog collector, a time-stamp authority, certificates."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BEGIN, END = (datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in (2020, 2120))


class Authority:
    """Makes certificates in a folder: ``root`` is the file to believe in."""

    def __init__(self, folder):
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Root of {folder.name}")])
        self._certificate = self._signed(self._name, self._key, x509.BasicConstraints(True, None))
        self.root = folder / "root.pem"
        self.root.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def make(self, name, *, address="127.0.0.1", usage=ExtendedKeyUsageOID.SERVER_AUTH):
        """Return the files of a certificate and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._signed(
            subject, key, x509.BasicConstraints(False, None), names, x509.ExtendedKeyUsage([usage])
        )
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
        private = serialization.PrivateFormat.PKCS8
        files[1].write_bytes(
            key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption())
        )
        return files

    def _signed(self, subject, key, *extensions):
        builder = (
            x509.CertificateBuilder(self._name, subject, key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(BEGIN)
            .not_valid_after(END)
        )
        for one in extensions:
            critical = isinstance(one, x509.BasicConstraints | x509.ExtendedKeyUsage)
            builder = builder.add_extension(one, critical)
        return builder.sign(self._key, hashes.SHA256())


def server_context(files):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


class Web:
    """Answers each POST with ``answer(body) -> (status, content type, body)``; keeps what it was sent."""

    def __init__(self, answer=None, *, tls=None, port=0):
        self.requests = []
        self.answer = answer or (lambda body: (200, "text/plain", b""))
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, dict(self.headers), body))
                status, kind, content = outer.answer(body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                if status in (301, 302, 307):
                    self.send_header("Location", outer.url + "/elsewhere")
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST

            def log_message(self, *args):
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args):
                pass

        self._server = Quiet(("127.0.0.1", port), Handler)
        if tls:
            self._server.socket = server_context(tls).wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class Raw:
    """A TCP server that does with each connection what ``serve(connection)`` does."""

    def __init__(self, serve, port=0):
        self._serve = serve
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        with contextlib.suppress(OSError), connection:
            self._serve(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


class Collector(Raw):
    """A syslog collector: reads messages counted in octets to the end, then closes."""

    def __init__(self, *, tls=None, port=0):
        self.messages = []
        self._context = server_context(tls) if tls else None
        super().__init__(self._read, port)

    def _read(self, connection):
        if self._context:
            connection = self._context.wrap_socket(connection, server_side=True)
        with connection, connection.makefile("rb") as lines:
            while head := lines.read(1):
                while not head.endswith(b" "):
                    head += lines.read(1)
                self.messages.append(lines.read(int(head)).decode())


def reset(connection):
    """End a connection as a crash does, with bytes that nobody read."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class TimeStamps:
    """A time-stamp authority: ``openssl ts`` with a certificate of an authority's own."""

    def __init__(self, authority, certificates=()):
        if not shutil.which("openssl"):
            raise RuntimeError("These tests need the program openssl: apt-get install openssl")
        self._folder = authority.folder
        files = authority.make("stamps", usage=ExtendedKeyUsageOID.TIME_STAMPING)
        (self._folder / "serial").write_text("01\n")
        self._config = self._folder / "tsa.cnf"
        chain = self._folder / "chain.pem"
        chain.write_bytes(b"".join(file.read_bytes() for file in certificates))
        self._config.write_text(
            "[tsa]\ndefault_tsa = one\n[one]\n"
            f"serial = {self._folder}/serial\nsigner_cert = {files[0]}\nsigner_key = {files[1]}\n"
            + (f"certs = {chain}\n" if certificates else "")
            + "signer_digest = sha256\ndefault_policy = 1.2.3.4.1\n"
            "digests = sha256\ness_cert_id_alg = sha256\n"
        )

    def answer(self, query):
        asked, given = self._folder / "query.tsq", self._folder / "reply.tsr"
        asked.write_bytes(query)
        command = ["openssl", "ts", "-reply", "-config", self._config, "-queryfile", asked, "-out", given]
        subprocess.run(command, check=True, capture_output=True)
        return 200, "application/timestamp-reply", given.read_bytes()
