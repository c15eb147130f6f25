"""Sockets without manners: what hostile clients of every protocol do."""

import socket
import ssl
from contextlib import suppress

from .agents import PORTS, SERVED_BY
from .clients import Site, context

GREETED = ("smtp", "submission", "imap", "pop3")  # in clear; the others begin with TLS
SERVICES = tuple(PORTS)
AGENT = SERVED_BY


def connect(site: Site, domain: str, service: str, seconds: float = 60.0) -> socket.socket:
    """A connection, secured where the service begins with TLS; the greeting is read."""
    made = socket.create_connection(site.port(domain, service), seconds)
    if service not in GREETED:
        made = context(site, domain).wrap_socket(made)
    line(made)
    return made


def line(connection: socket.socket) -> bytes:
    """One line, or what came before the end."""
    heard = bytearray()
    while not heard.endswith(b"\n"):
        octet = connection.recv(1)
        if not octet:
            break
        heard += octet
    return bytes(heard)


def say(connection: socket.socket, *lines: bytes) -> bytes:
    """Send lines one by one; the last reply of each (SMTP's last line, IMAP's tagged line)."""
    heard = b""
    for text in lines:
        connection.sendall(text + b"\r\n")
        heard = line(connection)
        while heard[3:4] == b"-" or heard[:2] == b"* ":
            heard = line(connection)
    return heard


def flood(connection: socket.socket, piece: bytes, times: int) -> bytes:
    """Send the same again and again until it is enough or the peer ends it; the end of what the peer said."""
    heard = b""
    connection.settimeout(0.05)
    with suppress(OSError, ssl.SSLError):
        for _ in range(times):
            with suppress(TimeoutError):
                connection.sendall(piece)
            with suppress(TimeoutError):
                octets = connection.recv(65_536)
                if not octets:
                    break
                heard = (heard + octets)[-4096:]
    return heard
