"""Start gunicorn with gasgi.Worker from an installed package, take one answer from it, and stop it.

Usage: serve_once.py PYTHON compiled|pure
PYTHON is the interpreter of the environment under test. Fails unless the answer came from the implementation named.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

DEADLINE_S = 60
APP = """
import json
from gasgi._accel import implementation

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = await receive()
    answer = json.dumps({"kinds": sorted(set(implementation().values())), "got": body["body"].decode()}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": answer})
"""


def main() -> int:
    # Not resolved: the way a virtual environment is found is through its own link to the interpreter.
    python, expected = os.path.abspath(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "answer.py").write_text(APP)
        command = [python, "-m", "gunicorn", "answer:app", "-k", "gasgi.Worker", "-b", "127.0.0.1:0"]
        server = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        watchdog = threading.Timer(DEADLINE_S, server.kill)
        watchdog.start()
        try:
            port = wait_for_port(server)
            answer = ask(port)
        finally:
            server.terminate()
            print(server.stderr.read(), end="", file=sys.stderr)
            code = server.wait()
            watchdog.cancel()
    print(f"{expected}: {answer}, gunicorn exited {code}")
    return 0 if answer == {"kinds": [expected], "got": "hello"} and code == 0 else 1


def wait_for_port(server: subprocess.Popen[str]) -> int:
    """Return the port gunicorn names in its log; connections wait in its backlog until a worker is up."""
    for line in server.stderr:
        print(line, end="", file=sys.stderr)
        if match := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", line):
            return int(match[1])
    raise SystemExit(f"gunicorn ended before it listened: exit code {server.wait()}")


def ask(port: int) -> dict[str, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    connection.request("POST", "/", b"hello")
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


if __name__ == "__main__":
    sys.exit(main())
