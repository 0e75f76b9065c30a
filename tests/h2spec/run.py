"""Run the cases of h2spec against gunicorn with gasgi.Worker: with and without TLS, compiled and pure.

    python -m tests.h2spec.run H2SPEC

H2SPEC is the path of its binary, which ``make h2spec`` builds from its source. A case that fails makes this fail.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from tests.support.certificates import make_certificates
from tests.support.gunicorn import start_gunicorn

APP = "tests.integration.http2_app:app"
CONFIG = 'http_protocols = "h2,h1"\nhttp2_cleartext = "prior-knowledge"\n'
# Without TLS a peer that begins with another protocol is answered in HTTP/1.1 (400), and the connection is closed; RFC
# 9113, 3.4 lets a server leave out the GOAWAY that h2spec waits for.
NOT_EXPECTED = {"Sends invalid connection preface"}
OPTIONS = ("--strict", "--timeout", "5", "--host", "127.0.0.1")


def run(h2spec: str, mode: str, with_tls: bool, directory: Path) -> bool:
    """Run all cases once; return whether each passed."""
    certificates = make_certificates(directory)
    tls = ("--certfile", certificates.cert, "--keyfile", certificates.key) if with_tls else ()
    with start_gunicorn(directory, APP, *tls, config=CONFIG, environ={"GASGI_EXTENSIONS": mode}) as server:
        server.wait_for_workers()
        print(f"GASGI_EXTENSIONS={mode}, {'TLS' if with_tls else 'prior knowledge'}:", flush=True)
        report = directory / "report.xml"
        command = [h2spec, *OPTIONS, "--port", str(server.address[1]), "--junit-report", str(report)]
        done = subprocess.run(
            [*command, *(["--tls", "--insecure"] if with_tls else [])], capture_output=True, text=True, check=False
        )
        cases = list(ElementTree.parse(report).iter("testcase"))
        failed = {case.get("classname", "") for case in cases if case.find("failure") is not None}
        failed |= {case.get("classname", "") for case in cases if case.find("error") is not None}
        passed = len(cases) > 140 and failed <= (set() if with_tls else NOT_EXPECTED)
        print(done.stdout.splitlines()[-1] if passed else f"{done.stdout}{done.stderr}\n{server.log}", flush=True)
    return passed


def main() -> None:
    """Run the four combinations; exit with 1 where a case failed."""
    h2spec = sys.argv[1]
    results = []
    for mode in ("require", "off"):
        for with_tls in (False, True):
            with tempfile.TemporaryDirectory() as directory:
                results.append(run(h2spec, mode, with_tls, Path(directory)))
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
