"""TLS with gunicorn's settings: never plaintext on a TLS port, errors in one line, the ASGI tls extension filled in."""

from __future__ import annotations

import ast
import contextlib
import re
import socket
import ssl
import struct
from pathlib import Path

import pytest

from tests.support.gunicorn import wait_until

APP = "tests.integration.apps:app"
WITHOUT_AIOFASTNET = (
    "import gasgi.worker.loops\n"
    "find_spec = gasgi.worker.loops.find_spec\n"
    "gasgi.worker.loops.find_spec = lambda name: None if name == 'aiofastnet' else find_spec(name)\n"
)


def tls(certificates) -> tuple[str, ...]:
    return ("--certfile", certificates.cert, "--keyfile", certificates.key)


def get(address, context: ssl.SSLContext, path: str = "/") -> tuple[bytes, ssl.SSLSocket]:
    plain = socket.create_connection(address)
    plain.settimeout(60)
    with context.wrap_socket(plain, server_hostname="localhost") as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while piece := client.recv(65536):
            data += piece
        return data, client


def extension(address, context: ssl.SSLContext) -> dict:
    return ast.literal_eval(get(address, context, "/tls")[0].partition(b"\r\n\r\n")[2].decode())


@pytest.mark.parametrize("aiofastnet", [True, False], ids=["aiofastnet", "own-transports"])
def test_the_extension_tells_of_the_server_and_of_no_client(start, certificates, loop, aiofastnet):
    config = "" if aiofastnet else WITHOUT_AIOFASTNET
    server = start(APP, *tls(certificates), loop=loop, config=config)
    context = certificates.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384")
    info = extension(server.address, context)
    assert info["server_cert"].strip() in Path(certificates.cert).read_text()
    assert info["server_cert"].startswith("-----BEGIN CERTIFICATE-----")
    assert info["tls_version"] == 0x0303
    assert info["cipher_suite"] in (0xC030, 0xC02C)  # RFC 5289, 3.2
    assert info["client_cert_chain"] == []
    assert info["client_cert_name"] is None
    assert info["client_cert_error"] is None
    server.stop()


def test_tls_1_3_is_told_as_such(start, certificates):
    server = start(APP, *tls(certificates))
    info = extension(server.address, certificates.client_context())
    assert info["tls_version"] == 0x0304
    assert info["cipher_suite"] in (0x1301, 0x1302, 0x1303)  # RFC 8446, B.4


def test_a_client_certificate_is_asked_for_and_told(start, certificates, loop):
    options = ("--ca-certs", certificates.ca, "--cert-reqs", str(int(ssl.CERT_REQUIRED)))
    server = start(APP, *tls(certificates), *options, loop=loop)
    info = extension(server.address, certificates.client_context(with_certificate=True))
    assert info["client_cert_chain"][0].strip() in Path(certificates.client).read_text()
    # RFC 4514: the last part of the subject first, commas escaped.
    assert info["client_cert_name"] == r"CN=a\, client,OU=tests,O=gasgi"
    assert info["client_cert_error"] is None


def test_a_client_without_the_certificate_is_refused_in_one_line(start, certificates, loop):
    options = ("--ca-certs", certificates.ca, "--cert-reqs", str(int(ssl.CERT_REQUIRED)))
    server = start(APP, *tls(certificates), *options, loop=loop)
    try:
        # TLS 1.3: the client is through before the server has looked.
        assert get(server.address, certificates.client_context())[0] == b""
    except (ssl.SSLError, ConnectionError):
        pass
    (line,) = server.wait_for("(.*Connection setup failed for 127.0.0.1.*)")
    assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in line
    log = server.stop()
    assert "Traceback" not in log
    assert log.count("PEER_DID_NOT_RETURN") == 1


def test_plaintext_on_the_tls_port_is_neither_answered_nor_a_traceback(start, certificates, loop):
    server = start(APP, *tls(certificates), loop=loop)
    with socket.create_connection(server.address) as client:
        client.settimeout(60)
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert b"HTTP/1.1" not in client.recv(65536)
    server.wait_for("Connection setup failed for 127.0.0.1")
    assert b"200 OK" in get(server.address, certificates.client_context())[0]
    log = server.stop()
    assert log.count("Connection setup failed for") == 1
    assert "Traceback" not in log


def tcp_check(address, context):
    socket.create_connection(address).close()


def tcp_check_with_reset(address, context):
    with socket.create_connection(address) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def shut_at_once(address, context):
    with socket.create_connection(address) as client:
        client.shutdown(socket.SHUT_WR)
        client.settimeout(60)
        while client.recv(65536):
            pass


def plain_request(address, context):
    with socket.create_connection(address) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        client.settimeout(60)
        with contextlib.suppress(ConnectionError):
            client.recv(65536)


def garbage(address, context):
    with socket.create_connection(address) as client:
        client.sendall(bytes(range(256)) * 8)


def half_a_hello(address, context):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    with socket.create_connection(address) as client:
        client.sendall(outgoing.read()[:100])


def certificate_rejected(address, context):
    with socket.create_connection(address) as client, contextlib.suppress(ssl.SSLError, ConnectionError):
        ssl.create_default_context().wrap_socket(client, server_hostname="localhost")


@pytest.mark.parametrize("aiofastnet", [True, False], ids=["aiofastnet", "own-transports"])
def test_a_connection_that_ends_in_the_handshake_is_one_line(start, certificates, loop, aiofastnet):
    config = "" if aiofastnet else WITHOUT_AIOFASTNET
    server = start(APP, *tls(certificates), loop=loop, config=config)
    context = certificates.client_context()
    ends = (tcp_check, tcp_check_with_reset, shut_at_once, plain_request, garbage, half_a_hello, certificate_rejected)
    for number, end in enumerate(ends, 1):
        end(server.address, context)
        server.wait_for(r"\[INFO\] Connection setup failed for 127\.0\.0\.1: ", number)
    # Whatever else was to be said of them has been said once a client behind them is through.
    assert b"200 OK" in get(server.address, context)[0]
    log = server.stop()
    lines = re.findall(
        r"(?m)^.*(?:ERROR|WARNING|Traceback|NoneType|handshake|Connection setup failed|Connection error).*$", log
    )
    assert len(lines) == len(ends), "\n".join(lines)
    assert all("[INFO] Connection setup failed for 127.0.0.1: " in line for line in lines)


def test_alpn_chooses_http_1_1(start, certificates):
    server = start(APP, *tls(certificates))
    context = certificates.client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with context.wrap_socket(socket.create_connection(server.address), server_hostname="localhost") as client:
        assert client.selected_alpn_protocol() == "http/1.1"


def test_the_ciphers_setting_is_obeyed(start, certificates):
    server = start(APP, *tls(certificates), "--ciphers", "ECDHE+AES256")
    context = certificates.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AES128")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        get(server.address, context)
    server.wait_for("NO_SHARED_CIPHER")


def test_a_handshake_that_never_ends_is_cut_off(start, certificates, loop):
    config = "gasgi_tls_handshake_timeout_s = 0.5\n"
    server = start(APP, *tls(certificates), config=config, loop=loop)
    with socket.create_connection(server.address) as client:
        client.settimeout(30)
        # The server may say so in an alert before it closes.
        while client.recv(65536):
            pass
    (line,) = server.wait_for("(.*Connection setup failed for 127.0.0.1.*)")
    log = server.stop()
    assert "Traceback" not in log
    assert "500" not in line


def test_the_hook_makes_the_context(start, certificates):
    config = (
        "import ssl\n"
        "def ssl_context(conf, default_factory):\n"
        "    context = default_factory()\n"
        "    context.minimum_version = ssl.TLSVersion.TLSv1_3\n"
        "    return context\n"
    )
    server = start(APP, *tls(certificates), config=config)
    context = certificates.client_context()
    assert extension(server.address, context)["server_cert"] is None  # the hook may have loaded another one
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        get(server.address, context)


BAD = {
    "raising hook": ("def ssl_context(conf, factory): raise OSError('vault is sealed')\n", "vault is sealed", None),
    "hook that returns nothing": (
        "def ssl_context(conf, factory): return None\n",
        "ssl_context hook must return",
        None,
    ),
    "foreign key": ("", "keyfile=", "other_key"),
    "cipher nobody knows": ("ciphers = 'NO-SUCH-CIPHER'\n", "ciphers='NO-SUCH-CIPHER'", None),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_loaded_stops_the_boot_and_serves_no_plaintext(start, certificates, case):
    config, sentence, key = BAD[case]
    keyfile = getattr(certificates, key) if key else certificates.key
    server = start(APP, "--certfile", certificates.cert, "--keyfile", keyfile, config=config, workers=0)
    assert server.wait() == 1
    log = server.log
    assert sentence in log
    assert "Traceback" not in log
    assert "Booting worker" not in log
    host, port = re.findall(r"https://([\d.]+):(\d+)", log)[0]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def test_a_certificate_that_a_reload_cannot_load_stops_instead_of_serving_plaintext(start, certificates, tmp_path):
    key = tmp_path / "key.pem"
    key.write_text(Path(certificates.key).read_text())
    server = start(APP, "--certfile", certificates.cert, "--keyfile", str(key))
    address = server.address
    key.write_text(Path(certificates.other_key).read_text())
    server.signal(1)
    assert server.wait() == 3
    assert "TLS cannot be set up from" in server.log
    assert "Traceback" not in server.log
    wait_until(lambda: not _is_open(address), "the port")


def _is_open(address) -> bool:
    try:
        socket.create_connection(address).close()
    except OSError:
        return False
    return True
