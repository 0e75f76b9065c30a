"""ASGI extensions: rows F1 to F8 of docs/asgi.md; those for files have a module of their own."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from gasgi.asgi.tls_info import distinguished_name
from gasgi.errors import ASGIMisuse
from tests.support.answers import read_response
from tests.support.served import GET, Served
from tests.support.tcp_server import LOOPS, on_loop, serve

GET_TRAILERS = b"GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n"


def test_f2_push_is_not_announced_and_raises() -> None:
    with Served() as rig:
        rig.ask()
        assert "http.response.push" not in rig.call.scope["extensions"]
        rig.call.start()
        with pytest.raises(ASGIMisuse):
            rig.call.say("push", path="/", headers=[])


@pytest.mark.parametrize("starts", [False, True])
def test_f5_early_hints_are_sent_before_the_head_as_often_as_the_app_likes(starts: bool) -> None:
    with Served() as rig:
        rig.ask()
        if starts:
            rig.call.start()
        rig.call.say("early_hint", links=[b"</a>", b"</b>"])
        rig.call.say("early_hint", links=(b"</c>",))
        assert rig.transport.take() == (
            b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nlink: </b>\r\n\r\n"
            b"HTTP/1.1 103 Early Hints\r\nlink: </c>\r\n\r\n"
        )
        if not starts:
            rig.call.start()
        rig.call.say("body", body=b"ok")
        assert read_response(rig.transport.take())[0] == 200


def test_f5_early_hints_within_the_body_are_ignored() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.start()
        rig.call.say("body", body=b"a", more_body=True)
        rig.transport.take()
        rig.call.say("early_hint", links=[b"</a>"])
        assert rig.transport.take() == b""


@pytest.mark.parametrize("links", [["</a>"], [b"</a>\r\nx: y"], [5]], ids=str)
def test_f5_a_link_that_is_no_field_value_raises(links: Any) -> None:
    with Served() as rig:
        rig.ask()
        with pytest.raises(ASGIMisuse):
            rig.call.say("early_hint", links=links)


def test_f5_informational_of_gunicorn_s_own_worker_is_understood() -> None:
    with Served() as rig:
        rig.ask()
        rig.call.say("informational", status=102, headers=[(b"x-a", b"1")])
        assert rig.transport.take() == b"HTTP/1.1 102 Processing\r\nx-a: 1\r\n\r\n"


def test_f6_trailers_are_announced_only_to_clients_that_take_them() -> None:
    with Served() as rig:
        rig.ask(GET)
        assert "http.response.trailers" not in rig.call.scope["extensions"]
    with Served() as rig:
        rig.ask(GET_TRAILERS)
        assert rig.call.scope["extensions"]["http.response.trailers"] == {}


def test_f6_trailers_are_gathered_until_the_last() -> None:
    with Served() as rig:
        rig.ask(GET_TRAILERS)
        rig.call.start(trailers=True)
        rig.call.say("body", body=b"a")
        rig.transport.take()
        rig.call.say("trailers", headers=[(b"x-a", b"1")], more_trailers=True)
        assert rig.transport.take() == b""
        rig.call.say("trailers", headers=[(b"x-b", b"2")])
        assert rig.transport.take() == b"0\r\nx-a: 1\r\nx-b: 2\r\n\r\n"


def test_f6_trailers_come_behind_a_stream() -> None:
    with Served() as rig:
        rig.ask(GET_TRAILERS)
        rig.call.start(trailers=True)
        rig.call.say("body", body=b"a", more_body=True)
        rig.call.say("body", body=b"b", more_body=False)
        with pytest.raises(ASGIMisuse):
            rig.call.say("body", body=b"c")
        rig.transport.take()
        rig.call.say("trailers", headers=[(b"x-a", b"1")])
        assert rig.transport.take() == b"0\r\nx-a: 1\r\n\r\n"


def test_f6_trailers_are_left_out_for_a_client_that_takes_none() -> None:
    with Served() as rig:
        rig.ask(GET)
        rig.call.start(trailers=True)
        rig.call.say("body", body=b"a")
        rig.call.say("trailers", headers=[(b"x-a", b"1")])
        assert read_response(rig.transport.take())[2] == b"a"


def test_f6_trailers_have_no_pseudo_headers() -> None:
    with Served() as rig:
        rig.ask(GET_TRAILERS)
        rig.call.start(trailers=True)
        rig.call.say("body", body=b"a")
        with pytest.raises(ASGIMisuse):
            rig.call.say("trailers", headers=[(b":path", b"/")])


def test_f7_tls_is_absent_without_tls() -> None:
    with Served() as rig:
        rig.ask()
        assert "tls" not in rig.call.scope["extensions"]


class Pki:
    """An authority, a server context that asks for client certificates, and a client context that shows one."""

    def __init__(self, folder: Path, version: ssl.TLSVersion, shows: bool) -> None:
        authority = trustme.CA()
        server = authority.issue_cert("localhost")
        client = authority.issue_cert("someone@example.org", common_name='Some, "One"', organization_name="Org")
        self.certfile = str(folder / "server.pem")
        server.private_key_and_cert_chain_pem.write_to_path(self.certfile)
        self.server_pem = server.cert_chain_pems[0].bytes().decode()
        self.client_pem = client.cert_chain_pems[0].bytes().decode()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certfile)
        self.context.verify_mode = ssl.CERT_OPTIONAL
        authority.configure_trust(self.context)
        self.client_context = ssl.create_default_context()
        self.client_context.maximum_version = self.client_context.minimum_version = version
        authority.configure_trust(self.client_context)
        if shows:
            client.configure_cert(self.client_context)


@pytest.mark.parametrize("loop_name", LOOPS)
@pytest.mark.parametrize("plain_transports", [False, True])
@pytest.mark.parametrize("shows", [False, True])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@on_loop
async def test_f7_tls_tells_certificates_version_and_cipher_suite(
    tmp_path: Path, loop_name: str, plain_transports: bool, shows: bool, version: ssl.TLSVersion
) -> None:
    pki = Pki(tmp_path, version, shows)
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["extensions"]["tls"])
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    async with serve(app, None, pki.context, pki.certfile, plain_transports) as served:
        reader, writer = await served.connect(ssl=pki.client_context, server_hostname="localhost")
        for _ in range(2):
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n")
        name = writer.get_extra_info("cipher")[0]
        suites = {cipher["name"]: cipher["id"] & 0xFFFF for cipher in pki.client_context.get_ciphers()}
        writer.close()
    tls = seen[0]
    assert tls["server_cert"].split() == pki.server_pem.split()
    assert tls["tls_version"] == int(version)
    assert tls["cipher_suite"] == suites[name]
    assert tls["client_cert_error"] is None
    if shows:
        assert tls["client_cert_chain"][0].split() == pki.client_pem.split()
        assert tls["client_cert_name"].startswith('CN=Some\\, \\"One\\",')
    else:
        assert (tls["client_cert_chain"], tls["client_cert_name"]) == ([], None)
    assert seen[0] == seen[1]
    assert seen[0] is not seen[1]
    assert seen[0]["client_cert_chain"] is not seen[1]["client_cert_chain"]


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ((), ""),
        (((("countryName", "US"),), (("organizationName", "A"),), (("commonName", "x"),)), "CN=x,O=A,C=US"),
        (((("organizationalUnitName", "Sales"), ("commonName", "J. Smith")),), "OU=Sales+CN=J. Smith"),
        (((("commonName", 'James "Jim" Smith, III'),),), 'CN=James \\"Jim\\" Smith\\, III'),
        (((("commonName", " #a "),),), "CN=\\ #a\\ "),
        (((("commonName", "#a"),),), "CN=\\#a"),
        (((("commonName", " "),),), "CN=\\ "),
        (((("commonName", "a\0b"),),), "CN=a\\00b"),
        (((("emailAddress", "a@b"),),), "emailAddress=a@b"),
    ],
    ids=str,
)
def test_f7_names_are_written_as_in_rfc_4514(subject: Any, name: str) -> None:
    assert distinguished_name({"subject": subject}) == name


def test_f8_debug_is_not_implemented() -> None:
    with Served() as rig:
        rig.ask()
        assert "http.response.debug" not in rig.call.scope["extensions"]
        with pytest.raises(ASGIMisuse):
            rig.call.say("debug", info={})
