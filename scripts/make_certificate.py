"""Write a certificate for this machine alone into a folder: cert.pem, key.pem, and ca.pem, which a browser may trust.

Usage: python scripts/make_certificate.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import trustme


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1", "::1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    server.private_key_pem.write_to_path(str(folder / "key.pem"))
    for i, blob in enumerate(server.cert_chain_pems):
        blob.write_to_path(str(folder / "cert.pem"), append=bool(i))


if __name__ == "__main__":
    main()
