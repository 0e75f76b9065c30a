"""Run the Autobahn WebSocket test suite against an echo server and sum it up.

    python autobahn_suite.py ws://127.0.0.1:8000/echo [--cases 1.*,2.*] [--quick] [--json FILE] [-v]

The server echoes every message with its own type.

`autobahntestsuite` 25.10.1, the newest on PyPI, is Python 2 throughout: its `wstest`
does not even import on Python 3. Its cases are sound, though, and small. This loads
them from the installed package, translates them in memory, and drives them with the
WebSocket client of today's `autobahn`, as `wstest -m fuzzingclient` would. Python 2
byte strings become latin-1 text, which maps to bytes one to one.

Needs, in the environment that runs this:
    pip install autobahntestsuite==25.10.1 autobahn twisted fissix
All 517 cases take some minutes; --quick leaves out the slow ones (9: large messages,
12 and 13: compression).
"""

import argparse
import binascii
import collections
import fnmatch
import importlib.util
import json
import pathlib
import re
import sys
import types
import warnings

warnings.simplefilter("ignore")
GOOD = ("OK", "INFORMATIONAL", "UNIMPLEMENTED")


# --- the cases -------------------------------------------------------------


def load_cases():
    """{'1.1.1': class} of the installed suite, translated to Python 3."""
    from fissix.refactor import RefactoringTool

    tool = RefactoringTool(
        [f"fissix.fixes.fix_{name}" for name in ("print", "xrange", "unicode", "except", "dict", "imports")]
    )
    root = pathlib.Path(importlib.util.find_spec("autobahntestsuite").origin).parent
    modules = {"binascii": _binascii(), "pkg_resources": _resources(root), "autobahn.websocket.utf8validator": _utf8()}

    def load(name):
        if name in modules:
            return modules[name]
        source = (root / "case" / f"{name}.py").read_text(encoding="latin-1")
        source = re.sub(r"\(object, Case, ?\)", "(Case,)", source)  # no such order now
        source = source.replace("len(self.payload) / self.p", "len(self.payload) // self.p")
        source = (
            re.sub(r"""(\.encode\((['"])utf-?8\2\))""", r"\1.decode('latin-1')", source, flags=re.I)
            if name != "case12_x_x"
            else source
        )
        source = re.sub(
            r"\b(request|accept)(NoContextTakeover|MaxWindowBits)\b",
            lambda m: m[1] + re.sub("[A-Z]", lambda c: "_" + c[0].lower(), m[2]),
            source,
        )
        source = source.split("if __name__ == '__main__':")[0]
        code = str(tool.refactor_string(source + "\n", name))
        module = modules[name] = types.ModuleType(name)
        module.__dict__["__builtins__"] = {**vars(__import__("builtins")), "__import__": imports}
        exec(compile(code, name, "exec"), module.__dict__)
        return module

    def imports(name, globals=None, locals=None, fromlist=(), level=0):
        if name in modules or (root / "case" / f"{name}.py").exists():
            return load(name)
        return __import__(name, globals, locals, fromlist, level)

    load("case").Case.compare = lambda self, one, two: as_text(one) == as_text(two)
    found = {}
    for path in (root / "case").glob("case[0-9]*.py"):
        if path.stem == "case9_9_1":  # not in the suite's own list either
            continue
        module = load(path.stem)
        for value in list(vars(module).values()):
            for item in value if isinstance(value, list) else [value]:
                name = getattr(item, "__name__", "")
                if isinstance(item, type) and re.fullmatch(r"Case\d+(_\d+)+", name):
                    item.raw_bytes = path.stem == "case12_x_x"
                    found[name[4:].replace("_", ".")] = item
    return dict(sorted(found.items(), key=lambda i: [int(n) for n in i[0].split(".")]))


def as_text(value):
    """Bytes as latin-1 text, within lists and tuples too."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, (list, tuple)):
        return [as_text(v) for v in value]
    return value


def as_bytes(value):
    return value.encode("latin-1") if isinstance(value, str) else value


def _binascii():
    module = types.ModuleType("binascii")
    module.b2a_hex = module.hexlify = lambda v: binascii.b2a_hex(as_bytes(v)).decode()
    module.a2b_hex = module.unhexlify = lambda v: binascii.a2b_hex(v).decode("latin-1")
    return module


def _resources(root):
    module = types.ModuleType("pkg_resources")
    module.resource_filename = lambda package, path: str(root / path)
    return module


def _utf8():
    from autobahn.websocket.utf8validator import Utf8Validator

    class Validator(Utf8Validator):
        def validate(self, text):
            return super().validate(as_bytes(text))

    module = types.ModuleType("utf8validator")
    module.Utf8Validator = Validator
    return module


# --- the client ------------------------------------------------------------


def run(url, cases, verbose):
    """{id: (behaviour, behaviour of the close, what happened)}"""
    from autobahn.twisted.websocket import (
        WebSocketClientFactory,
        WebSocketClientProtocol,
        connectWS,
    )
    from twisted.internet import reactor

    results, queue = {}, list(cases)

    class Fuzzer(WebSocketClientProtocol):
        """What the cases know as `self.p`."""

        connectionWasOpen = False
        createWirelog = False

        def connectionMade(self):
            super().connectionMade()
            self.txFrameStats = collections.Counter()
            self.logFrames = True

        # payloads go from latin-1 text to bytes and back
        def sendFrame(self, opcode, payload=b"", **kw):
            return super().sendFrame(opcode=opcode, payload=as_bytes(payload), **kw)

        def sendMessage(self, payload, isBinary=False, **kw):
            return super().sendMessage(as_bytes(payload), isBinary, **kw)

        def sendMessageFrameData(self, payload, **kw):
            return super().sendMessageFrameData(as_bytes(payload), **kw)

        def sendCloseFrame(self, code=None, reasonUtf8=None, **kw):
            return super().sendCloseFrame(code=code, reasonUtf8=as_bytes(reasonUtf8), **kw)

        def beginMessage(self, opcode=1, **kw):
            return super().beginMessage(isBinary=opcode == 2, **kw)

        def onOpen(self):
            self.connectionWasOpen = True
            self.run_case.onOpen()

        def onMessage(self, payload, isBinary):
            raw = getattr(self.run_case, "raw_bytes", False)
            self.run_case.onMessage(payload if raw else as_text(payload), isBinary)

        def onPong(self, payload):
            self.run_case.onPong(as_text(payload))

        def onClose(self, wasClean, code, reason):
            self.run_case.onClose(wasClean, code, reason)

        def logTxFrame(self, header, payload, repeat, chopsize, sync):
            self.txFrameStats[header.opcode] += 1

        def logRxFrame(self, header, payload):
            pass

        def enableWirelog(self, enable):
            pass

        # time
        def continueLater(self, delay, call, tag=None):
            reactor.callLater(delay, lambda: self.state != self.STATE_CLOSED and call())

        def killAfter(self, delay):
            self.continueLater(delay, self.failConnection)

        def closeAfter(self, delay):
            self.continueLater(delay, self.sendClose)

        def failConnection(self):
            self._fail_connection()  # its name in today's autobahn

        def connectionLost(self, reason):
            super().connectionLost(reason)
            self.run_case.onConnectionLost(self.failedByMe)
            done(self.run_case)

    class Factory(WebSocketClientFactory):
        def buildProtocol(self, addr):
            protocol = Fuzzer()
            protocol.factory = self
            protocol.run_case = self.case(protocol)
            return protocol

        def clientConnectionFailed(self, connector, reason):
            results[queue[0]] = ("FAILED", "FAILED", f"no connection: {reason}")
            reactor.stop()

    def done(case):
        results[queue[0]] = (case.behavior, case.behaviorClose, f"{case.result} {case.resultClose}")
        if verbose:
            print(queue[0], *results[queue[0]][:2], flush=True)
        queue.pop(0)
        reactor.callLater(0, start)

    def start():
        if not queue:
            reactor.stop()
            return
        factory = Factory(url)
        # The client's own second for the closing handshake is short on a busy machine: it then calls the close unclean.
        factory.setProtocolOptions(failByDrop=False, closeHandshakeTimeout=10, serverConnectionDropTimeout=10)
        factory.case = cases[queue[0]]
        connectWS(factory)

    reactor.callWhenRunning(start)
    reactor.run()
    return results


# --- the report ------------------------------------------------------------


def outcome(result):
    behaviour, close, _ = result
    return f"CLOSE {close}" if behaviour in GOOD and close not in GOOD else behaviour


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--cases", default="*", help="patterns, with commas between them")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("-v", "--verbose", action="store_true")
    ns = parser.parse_args()
    patterns = ns.cases.split(",")
    cases = {
        i: c
        for i, c in load_cases().items()
        if any(fnmatch.fnmatch(i, p) for p in patterns) and not (ns.quick and i.split(".")[0] in ("9", "12", "13"))
    }
    results = run(ns.url, cases, ns.verbose)
    counts = collections.Counter(outcome(r) for r in results.values())
    bad = {i: (outcome(r), r[2]) for i, r in results.items() if outcome(r) not in GOOD}
    for i, (how, why) in bad.items():
        print(f"{how} {i} {why[:300]}")
    failed = sum(n for o, n in counts.items() if o not in GOOD and o != "NON-STRICT")
    failed += len(cases) - len(results)
    if ns.json:
        pathlib.Path(ns.json).write_text(
            json.dumps(
                {
                    "suite": "autobahn",
                    "url": ns.url,
                    "counts": counts,
                    "passed": len(cases) - failed,
                    "failed": failed,
                    "bad": bad,
                },
                indent=1,
            )
        )
    print(
        f"{len(cases) - failed} passed, {failed} failed (autobahn on {ns.url}: "
        + ", ".join(f"{n} {o.lower()}" for o, n in counts.most_common())
        + ")"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
