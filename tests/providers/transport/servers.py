"""Servers that a test writes line by line, the transports they are put before, and certificates for both."""

import asyncio
import contextlib
import datetime
import functools
import ipaddress
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.providers.transport import IDLE_S, MAX_CONNECTIONS, MAX_IDLE, Transport, trusted

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Kind = Literal["own", "httpx"]


class Peer:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> tuple[bytes, bytes]:
        """The head and body of the next request."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        if b"content-length" in fields:
            return head, await self.reader.readexactly(int(fields[b"content-length"]))
        body = b""
        if b"transfer-encoding" in fields:
            while size := int(await self.reader.readline(), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
        return head, body

    async def send(self, *pieces: bytes, pause_s: float = 0.0) -> None:
        """Send each piece by itself."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(pause_s)

    async def gone(self) -> None:
        """Return when the client has closed or reset the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def reset(self) -> None:
        """Close so that the client gets a reset rather than an end."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class Server:
    """A listening server; `connections` counts those it took."""

    def __init__(self, port: int, scheme: str, host: str) -> None:
        self.port = port
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        self.connections = 0
        self.errors: list[BaseException] = []
        self.writers: set[asyncio.StreamWriter] = set()


@contextlib.asynccontextmanager
async def serve(script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    """Run `script` for each connection and close it afterwards; an error in it fails the test at the end."""
    tasks = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        running.connections += 1
        running.writers.add(writer)
        try:
            await script(Peer(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        except Exception as exc:
            running.errors.append(exc)
        finally:
            running.writers.discard(writer)
            writer.close()

    listening = await asyncio.start_server(handle, host, 0, ssl=tls)
    running = Server(listening.sockets[0].getsockname()[1], "https" if tls else "http", host)
    try:
        yield running
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listening.wait_closed()
    for error in running.errors:
        raise error


def always(answer: bytes, *, times: int | None = None) -> Script:
    """Give `answer` to every request; after so many `times` the connection is closed."""

    async def script(peer: Peer) -> None:
        left = times
        while left is None or left > 0:
            await peer.request()
            await peer.send(answer)
            left = None if left is None else left - 1

    return script


def after_request(*pieces: bytes, pause_s: float = 0.0) -> Script:
    """Send the pieces in answer to a first request, then close."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*pieces, pause_s=pause_s)

    return script


@contextlib.asynccontextmanager
async def transport_of(
    kind: Kind,
    *,
    ca_file: str | None = None,
    max_connections: int = MAX_CONNECTIONS,
    max_idle: int = MAX_IDLE,
    idle_s: float = IDLE_S,
) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """Our transport ("own"), or httpx's as it is opened where a proxy is set ("httpx"); closed at the end."""
    transport: httpx.AsyncBaseTransport
    if kind == "own":
        transport = Transport(ca_file=ca_file, max_connections=max_connections, max_idle=max_idle, idle_s=idle_s)
    else:
        limits = httpx.Limits(
            max_connections=max_connections, max_keepalive_connections=max_idle, keepalive_expiry=idle_s
        )
        transport = httpx.AsyncHTTPTransport(verify=_trusted(ca_file), limits=limits)
    try:
        yield transport
    finally:
        await transport.aclose()


_trusted = functools.cache(trusted)  # takes 50 ms, which is too much for each test


def request(
    server: Server, path: str = "/", *, method: str = "POST", content: Any = b"{}", headers: Any = None, **limits: Any
) -> httpx.Request:
    """A request to `server` with a limit of 5 s where the test does not set another."""
    url = path if "://" in path else server.url + path
    timeout = {"pool": 5.0, "connect": 5.0, "write": 5.0, "read": 5.0, **limits}
    return httpx.Request(method, url, content=content, headers=headers, extensions={"timeout": timeout})


async def fetch(transport: httpx.AsyncBaseTransport, asked: httpx.Request) -> tuple[httpx.Response, bytes]:
    """The response and its body as it was on the wire."""
    response = await transport.handle_async_request(asked)
    try:
        return response, b"".join([piece async for piece in response.stream])  # type: ignore[union-attr]
    finally:
        await response.aclose()


async def read_into(pieces: list[bytes], response: httpx.Response) -> None:
    """Read the body so that what came before an error is kept."""
    try:
        async for piece in response.stream:  # type: ignore[union-attr]
            pieces.append(piece)  # noqa: PERF401 - it must survive the error
    finally:
        await response.aclose()


async def until(condition: Callable[[], bool]) -> None:
    """Wait, for 3 s at most, until a condition holds."""
    async with asyncio.timeout(3):
        while not condition():  # noqa: ASYNC110 - what is waited for is the server's, which knows no events
            await asyncio.sleep(0.005)


class Authority:
    """A certificate authority that lives for a test."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self._sign(self._name, self._key, ca=True)
        self.ca_file = self._write(f"{name}.pem", self._certificate.public_bytes(serialization.Encoding.PEM))

    def server_context(self, *names: str) -> ssl.SSLContext:
        """A context for a server that answers to `names`, which may be addresses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.server_files(*names))
        return context

    def server_files(self, *names: str) -> tuple[str, str]:
        """The files of a certificate for `names` and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]), key, names=names)
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        stem = names[0].replace(":", "_")
        return self._write(f"{stem}.crt", pem), self._write(f"{stem}.key", secret)

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, names: tuple[str, ...] = (), ca: bool = False
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, content: bytes) -> str:
        path = self._folder / name
        path.write_bytes(content)
        return str(path)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
