"""Which protocol a connection speaks, chosen by ALPN or by its first bytes."""

from __future__ import annotations

import pytest

from gasgi.http1.connection import HttpConnection
from gasgi.http2.connection import Http2Connection
from gasgi.http2.wire import PREFACE
from gasgi.proxy.protocol import ProxyInfo
from gasgi.settings import Settings
from gasgi.worker.wire import ProtocolChoice, alpn_names, choose_wire
from tests.support.choice_rig import BOTH, PROXY, STRANGER, UNIX, ChoiceRig, TlsObject
from tests.support.http2 import BEGIN, frames_of
from tests.support.served import GET


@pytest.mark.parametrize(
    ("protocols", "cleartext", "is_tls", "chosen"),
    [
        (("h1",), "off", False, HttpConnection),
        (("h1",), "off", True, HttpConnection),
        (("h1",), "prior-knowledge", False, HttpConnection),
        (BOTH, "off", False, HttpConnection),
        (BOTH, "off", True, ProtocolChoice),
        (BOTH, "prior-knowledge", True, ProtocolChoice),
        (("h2",), "prior-knowledge", False, ProtocolChoice),
    ],
)
def test_nothing_is_chosen_where_there_is_no_choice(protocols, cleartext, is_tls, chosen):
    settings = Settings(http_protocols=protocols, http2_cleartext=cleartext)
    assert choose_wire(settings, is_tls) is chosen


def test_alpn_offers_what_the_setting_names_in_its_order():
    assert alpn_names(Settings()) == ["http/1.1"]
    assert alpn_names(Settings(http_protocols=BOTH)) == ["h2", "http/1.1"]
    assert alpn_names(Settings(http_protocols=("h1", "h2"))) == ["http/1.1", "h2"]


@pytest.mark.parametrize(
    ("alpn", "kind"), [("h2", Http2Connection), ("http/1.1", HttpConnection), (None, HttpConnection)]
)
@pytest.mark.parametrize("peer", [PROXY, STRANGER])
def test_alpn_decides_over_tls_whoever_the_peer_is(alpn, kind, peer):
    with ChoiceRig({**peer, "ssl_object": TlsObject(alpn), "sslcontext": object()}) as rig:
        assert type(rig.connection) is kind
        assert rig.runtime.connections == {rig.connection}
        if kind is HttpConnection:
            rig.send(GET)
        else:
            rig.send(BEGIN)
            assert frames_of(rig.transport.take())[0][0] == 4
        assert len(rig.calls) == (kind is HttpConnection)


@pytest.mark.parametrize("peer", [PROXY, UNIX], ids=["loopback", "unix"])
@pytest.mark.parametrize("size", [1, 7, 24, 1000])
def test_a_trusted_peer_that_sends_the_preface_speaks_http2_however_it_comes(peer, size):
    with ChoiceRig(peer) as rig:
        assert type(rig.connection) is ProtocolChoice
        for start in range(0, len(BEGIN), size):
            rig.send(BEGIN[start : start + size])
        assert type(rig.connection) is Http2Connection
        assert rig.runtime.connections == {rig.connection}
        assert rig.runtime.connections_ended == 0
        assert [frame[:2] for frame in frames_of(rig.transport.take())] == [(4, 0), (8, 0), (4, 1)]


def test_a_stranger_speaks_http1_from_the_first_byte():
    with ChoiceRig(STRANGER) as rig:
        assert type(rig.connection) is HttpConnection
        rig.send(GET)
        assert rig.call.scope["http_version"] == "1.1"
    with ChoiceRig(STRANGER) as rig:
        assert rig.ask(BEGIN).startswith(b"HTTP/1.1 505 ")
        assert not rig.calls


@pytest.mark.parametrize("said", [GET, b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", b"\x16\x03\x01"])
@pytest.mark.parametrize("size", [1, 1000])
def test_a_trusted_peer_that_does_not_send_the_preface_is_refused(said, size):
    with ChoiceRig(PROXY) as rig:
        for start in range(0, len(said), size):
            rig.send(said[start : start + size])
        if said == b"P":
            assert rig.transport.take() == b""
            rig.send(b"O")
        answer = rig.transport.take()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1") == 1
        assert not rig.calls
        assert any("http2_cleartext" in line for line in rig.log.levels("info"))


def test_a_silent_peer_is_closed_without_a_word():
    with ChoiceRig(PROXY, first_byte_timeout_s=5.0, header_timeout_s=3.0) as rig:
        rig.pass_time(4)
        assert not rig.transport.is_closing()
        rig.pass_time(2)
        assert rig.transport.is_closing()
        assert rig.transport.take() == b""


def test_a_preface_that_trickles_in_has_one_deadline():
    with ChoiceRig(PROXY, header_timeout_s=3.0) as rig:
        for i in range(5):
            rig.send(PREFACE[i : i + 1])
            rig.pass_time(1)
            rig.connection = rig.transport.protocol
        assert rig.transport.take().startswith(b"HTTP/1.1 400 ")
        assert type(rig.connection) is HttpConnection


def test_a_client_that_leaves_before_it_has_said_what_it_speaks_is_forgotten():
    with ChoiceRig(PROXY) as rig:
        rig.send(PREFACE[:5])
        rig.shut()
        assert rig.transport.is_closing()
        assert not rig.runtime.connections
        assert rig.runtime.connections_ended == 1


def test_a_worker_that_stops_waits_for_a_preface_no_longer_than_for_a_request():
    with ChoiceRig(PROXY) as rig:
        rig.runtime.is_draining = True
        rig.connection.drain()
        rig.pass_time(1)
        assert rig.transport.is_closing()


def test_a_connection_that_is_chosen_while_the_worker_stops_is_told():
    with ChoiceRig(PROXY) as rig:
        rig.runtime.is_draining = True
        rig.send(BEGIN)
        assert 7 in [frame[0] for frame in frames_of(rig.transport.take())], "GOAWAY"


def test_an_abort_drops_a_connection_that_has_not_chosen():
    with ChoiceRig(PROXY) as rig:
        rig.connection.abort()
        assert rig.transport.was_aborted


def test_a_proxy_header_does_not_change_who_may():
    """The peer speaks, not the client that it names; fields are believed as they are behind HTTP/1.1."""
    with ChoiceRig(PROXY) as rig:
        rig.lose()
        rig.connect(ProxyInfo("TCP4", ("192.0.2.9", 1), ("192.0.2.10", 2)))
        rig.send(BEGIN)
        assert type(rig.connection) is Http2Connection
