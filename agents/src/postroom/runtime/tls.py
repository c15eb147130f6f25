"""The certificates of a host, selected by SNI and reloaded on demand: `NAME/fullchain.pem` and `NAME/key.pem`."""

import asyncio.sslproto
import os
import ssl
from pathlib import Path

from cryptography import x509

from postroom.runtime.config import ConfigError

# asyncio reserves a read buffer of 256 KiB per TLS connection, but a record has at most 16 KiB (RFC 8446 section 5.1).
asyncio.sslproto.SSLProtocol.max_size = 16_384

# Mozilla's "intermediate" profile: TLS 1.3, and TLS 1.2 with forward secrecy and AEAD only.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!MD5"


class TlsStore:
    """All server certificates of the host."""

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._front: ssl.SSLContext | None = None

    def load(self) -> None:
        """Read every certificate.

        Raises ConfigError: there is none, or one is unreadable, malformed, or does not match its key.
        """
        contexts: dict[str, ssl.SSLContext] = {}
        first: tuple[Path, Path] | None = None
        try:
            folders = sorted(
                entry for entry in self._directory.iterdir() if (entry / "fullchain.pem").exists()
            )
        except OSError as error:
            raise ConfigError(f"{self._directory}: {error.strerror}") from error
        for folder in folders:
            pair = folder / "fullchain.pem", folder / "key.pem"
            context = _context(*pair)
            first = first or pair
            for name in _names(pair[0]):
                contexts.setdefault(name, context)
        if first is None:
            raise ConfigError(f"{self._directory}: no NAME/fullchain.pem and NAME/key.pem in it")
        if self._front is None:
            self._front = _context(*first)
            self._front.sni_callback = self._choose
        else:
            self._front.load_cert_chain(*first)
        self._contexts = contexts

    reload = load

    def context(self) -> ssl.SSLContext:
        """Return the context for new connections. It stays the same object when certificates are reloaded."""
        if self._front is None:
            self.load()
        assert self._front is not None
        return self._front

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if not name:
            return
        wanted = name.lower()
        found = self._contexts.get(wanted) or self._contexts.get("*." + wanted.partition(".")[2])
        if found is not None:
            connection.context = found


def _context(chain: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.num_tickets = 0  # a session ticket of one service must not be valid at another
    context.options |= ssl.OP_NO_TICKET
    try:
        for file in (chain, key):
            os.close(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
        context.load_cert_chain(chain, key)
    except ssl.SSLError as error:
        raise ConfigError(f"{key}: does not fit {chain.name}, or is no PEM key ({error.reason})") from error
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from error
    return context


def _names(chain: Path) -> list[str]:
    certificate = x509.load_pem_x509_certificates(chain.read_bytes())[0]
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]
