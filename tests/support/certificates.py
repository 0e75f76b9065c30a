"""Certificates for a server and its clients, made anew for every run."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

__all__ = ["Certificates", "make_certificates"]


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files."""

    ca: str
    cert: str
    key: str
    client: str  # certificate, chain and key in one file
    other_key: str  # belongs to no certificate here

    def client_context(self, with_certificate: bool = False) -> ssl.SSLContext:
        """Return a context that trusts the server and, on request, shows the client's certificate."""
        context = ssl.create_default_context(cafile=self.ca)
        if with_certificate:
            context.load_cert_chain(self.client)
        return context


def make_certificates(directory: Path) -> Certificates:
    """Write certificates for localhost, 127.0.0.1 and ::1, and one for a client."""
    authority = trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1", "::1")
    # With a name of its own beside the subject: an empty list of them fails the strict checks of Python 3.13.
    client = authority.issue_cert(
        "client.example", common_name="a, client", organization_name="gasgi", organization_unit_name="tests"
    )
    other = trustme.CA().issue_cert("localhost")
    paths = {name: str(directory / f"{name}.pem") for name in ("ca", "cert", "key", "client", "other_key")}
    authority.cert_pem.write_to_path(paths["ca"])
    server.private_key_pem.write_to_path(paths["key"])
    for i, blob in enumerate(server.cert_chain_pems):
        blob.write_to_path(paths["cert"], append=bool(i))
    client.private_key_and_cert_chain_pem.write_to_path(paths["client"])
    other.private_key_pem.write_to_path(paths["other_key"])
    return Certificates(**paths)
