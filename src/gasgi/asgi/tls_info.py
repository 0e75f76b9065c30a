"""The ``tls`` extension of a scope (ASGI TLS 0.2): which certificates, version and cipher suite a connection has."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any

__all__ = ["TlsInfo", "distinguished_name"]

VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
# RFC 4514, 3: the names that every reader must know, under those that OpenSSL gives them.
SHORT_NAMES = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}
_find_certificate = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL).search


class TlsInfo:
    """Call it with a transport's ``ssl_object``; ``certfile`` is the chain of the context, None when not known."""

    def __init__(self, context: ssl.SSLContext, certfile: str | None) -> None:
        self._context = context
        self._server_cert = _read_certificate(certfile)
        # OpenSSL's number of a suite has its protocol in the upper half, IANA's in the lower.
        self._suites: dict[str, int] = {cipher["name"]: cipher["id"] & 0xFFFF for cipher in context.get_ciphers()}

    def __call__(self, connection: Any) -> dict[str, Any]:
        """Return the extension for one connection whose handshake is done."""
        chain = _client_chain(connection)
        cipher = connection.cipher()
        return {
            # An ssl_context hook may choose another certificate by server name.
            "server_cert": self._server_cert if connection.context is self._context else None,
            "client_cert_chain": [ssl.DER_cert_to_PEM_cert(certificate) for certificate in chain],
            "client_cert_name": distinguished_name(connection.getpeercert()) if chain else None,
            # A certificate that fails verification fails the handshake.
            "client_cert_error": None,
            "tls_version": VERSIONS.get(connection.version()),
            "cipher_suite": self._suites.get(cipher[0]) if cipher else None,
        }


def distinguished_name(certificate: Any) -> str:
    """Write the subject of a certificate, as ``getpeercert()`` gives it, as RFC 4514 has it."""
    subject = certificate.get("subject", ()) if certificate else ()
    # RFC 4514, 2.1: the last name comes first.
    return ",".join(
        "+".join(f"{SHORT_NAMES.get(name, name)}={_escape(value)}" for name, value in rdn) for rdn in subject[::-1]
    )


def _escape(value: str) -> str:
    """RFC 4514, 2.4."""
    escaped = re.sub(r'(["+,;<>\\])', r"\\\1", value).replace("\0", "\\00")
    if escaped[:1] in (" ", "#"):
        escaped = "\\" + escaped
    if escaped.endswith(" ") and len(value) > 1:
        escaped = escaped[:-1] + "\\ "
    return escaped


def _client_chain(connection: Any) -> list[bytes]:
    """Return the certificates the client sent, its own first."""
    leaf = connection.getpeercert(True)
    if leaf is None:
        return []
    # Python 3.13 and aiofastnet have it; before, only the first certificate can be had.
    get_chain = getattr(connection, "get_unverified_chain", None)
    chain = get_chain() if get_chain is not None else None
    return list(chain) if chain else [leaf]


def _read_certificate(certfile: str | None) -> str | None:
    if certfile is None:
        return None
    found = _find_certificate(Path(certfile).read_text("ascii", "replace"))
    return found.group() if found else None
