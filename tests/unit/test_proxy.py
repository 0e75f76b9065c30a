"""What a proxy in front may say about the client, and what becomes of it."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from gasgi.errors import RequestError, SettingError
from gasgi.proxy.policy import Forwarded, ProxyPolicy, TrustedPeers
from gasgi.proxy.protocol import ProxyInfo
from gasgi.settings import FORWARDED_FIELDS, Settings
from tests.support.fake_head import FakeHead

MAX_HOPS = 32  # the policy's own: compiled, it is no attribute of the module

PEER = ("127.0.0.1", 40000)
SERVER = ("127.0.0.1", 8000)
CLIENT = "203.0.113.7"
PROXY = "10.1.2.3"  # in the trusted network of POLICY
TRUSTED = ("127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48")
POLICY = ProxyPolicy(Settings(forwarded_allow_ips=TRUSTED, forwarded_fields=FORWARDED_FIELDS))
DEFAULT = ProxyPolicy(Settings())

Fields = list[tuple[bytes, bytes]]


def rewrite(fields: Fields, policy: ProxyPolicy = POLICY, server: Any = SERVER) -> Forwarded:
    forwarded = policy.rewrite(FakeHead(b"/", fields), PEER, "http", server, True)
    return Forwarded(PEER, "http", server) if forwarded is None else forwarded


def client_of(*lines: str) -> tuple[str, int] | None:
    return rewrite([(b"x-forwarded-for", line.encode("latin-1")) for line in lines]).client


def client_by_forwarded(*lines: str) -> tuple[str, int] | None:
    return rewrite([(b"forwarded", line.encode("latin-1")) for line in lines]).client


def refusal_of(fields: Fields) -> RequestError:
    with pytest.raises(RequestError) as caught:
        rewrite(fields)
    assert caught.value.status == 400
    return caught.value


# Trust


@pytest.mark.parametrize(
    ("listed", "host", "is_trusted"),
    [
        (("127.0.0.1", "::1"), "127.0.0.1", True),
        (("127.0.0.1", "::1"), "::1", True),
        (("127.0.0.1",), "127.0.0.2", False),
        (("10.0.0.0/8",), "10.255.0.1", True),
        (("10.0.0.0/8",), "11.0.0.1", False),
        (("10.0.0.0/8",), "::ffff:10.0.0.1", True),
        (("::ffff:10.0.0.0/104",), "::ffff:10.0.0.1", True),
        (("::ffff:10.0.0.0/104",), "::ffff:11.0.0.1", False),
        (("::/0",), "2001:db8::5", True),
        (("0.0.0.0/0",), "2001:db8::5", False),
        (("0.0.0.0/0",), "192.0.2.1", True),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("10.0.0.0/8",), "010.0.0.1", False),
        (("2001:db8::/32",), "2001:db8::5", True),
        (("2001:db8::/32",), "10.0.0.1", False),
        (("*",), "198.51.100.1", True),
        ((), "127.0.0.1", False),
        (("127.0.0.1",), "no address", False),
        ((), None, True),
        ((), "", True),
    ],
)
def test_peer_is_trusted_when_listed_or_a_unix_socket(listed, host, is_trusted):
    assert ProxyPolicy(Settings(forwarded_allow_ips=listed)).is_trusted(host, None) is is_trusted
    assert TrustedPeers("forwarded_allow_ips", listed).has_peer(host) is is_trusted


@pytest.mark.parametrize("peer", ["127.0.0.1", None], ids=["tcp", "unix"])
@pytest.mark.parametrize(
    ("header", "is_trusted"),
    [
        (ProxyInfo(), True),  # none came: the peer speaks for itself
        (ProxyInfo("TCP4", (CLIENT, 50000)), False),
        (ProxyInfo("TCP4", ("10.1.2.3", 50000)), True),
        (ProxyInfo("TCP6", ("2001:db8:1::5", 50000)), True),
        (ProxyInfo("TCP6", ("2001:db8:2::5", 50000)), False),
        (ProxyInfo("UNKNOWN"), False),
        (ProxyInfo("UNIX"), False),
        (ProxyInfo("LOCAL"), False),
    ],
)
def test_behind_a_proxy_header_its_source_counts_and_not_the_peer(peer, header, is_trusted):
    assert POLICY.is_trusted(peer, header) is is_trusted


def test_star_names_no_source_of_a_proxy_header():
    policy = ProxyPolicy(Settings(forwarded_allow_ips=("*",)))
    assert policy.is_trusted("198.51.100.1", None) is True
    assert policy.is_trusted("198.51.100.1", ProxyInfo("TCP4", (CLIENT, 50000))) is False


def test_bad_network_names_the_setting():
    with pytest.raises(SettingError, match="proxy_allow_ips"):
        ProxyPolicy(Settings(proxy_allow_ips=("10.0.0.1/8",)))


def test_untrusted_peer_forwards_nothing():
    head = FakeHead(b"/", [(b"x-forwarded-for", CLIENT.encode()), (b"forwarded", b"malformed=")])
    assert POLICY.rewrite(head, PEER, "http", SERVER, False) is None


def test_trusted_peer_that_says_nothing_changes_nothing():
    assert (
        POLICY.rewrite(FakeHead(b"/", [(b"host", b"a"), (b"x-real-ip", b"1.2.3.4")]), PEER, "http", SERVER, True)
        is None
    )


# What is believed by default: what every documented proxy sets


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"forwarded", b"for=10.1.1.1;proto=https;host=evil.example"),
        (b"forwarded", b'for="malformed'),
        (b"forwarded", b"proto=https"),
        (b"x-forwarded-host", b"evil.example"),
        (b"x-forwarded-host", b"no host"),
        (b"x-forwarded-port", b"99999"),
        (b"x-forwarded-port", b"444"),
        (b"x-forwarded-prefix", b"/public"),
        (b"x-forwarded-prefix", b"//evil.example"),
        (b"script_name", b"/public"),
        (b"script_name", b"no path"),
        (b"path_info", b"/public"),
        (b"path_info", b"no path"),
        (b"x-forwarded-scheme", b"https"),
        (b"x-real-ip", b"10.1.1.1"),
    ],
)
def test_a_field_that_is_not_believed_is_neither_applied_nor_a_reason_to_refuse(name, value):
    fields = [(b"x-forwarded-for", CLIENT.encode()), (b"x-forwarded-proto", b"http"), (name, value)]
    forwarded = rewrite(fields, DEFAULT)
    assert (forwarded.client, forwarded.scheme, forwarded.server) == ((CLIENT, 0), "http", SERVER)
    assert (forwarded.root_path, forwarded.full_path("/secret")) == ("", "/secret")
    assert DEFAULT.rewrite(FakeHead(b"/", [(name, value)]), PEER, "http", SERVER, True) is None


@pytest.mark.parametrize("name", ["script_name", "path_info"])
def test_a_believed_name_that_header_map_drops_is_an_error_at_boot(name):
    with pytest.raises(SettingError, match="forwarder_headers"):
        ProxyPolicy(Settings(forwarded_fields=(name,), forwarder_headers=("REMOTE_USER",)))


# The client


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ([CLIENT], (CLIENT, 0)),
        ([f"198.51.100.1, {CLIENT}"], (CLIENT, 0)),
        ([f"198.51.100.1, {CLIENT}, {PROXY}"], (CLIENT, 0)),
        ([f"198.51.100.1,{CLIENT},,{PROXY} ,\t127.0.0.1"], (CLIENT, 0)),
        (["198.51.100.1", CLIENT], (CLIENT, 0)),
        ([CLIENT, PROXY], (CLIENT, 0)),
        ([f"{CLIENT}:5060"], (CLIENT, 5060)),
        (["2001:db8::7"], ("2001:db8::7", 0)),
        (["[2001:db8::7]"], ("2001:db8::7", 0)),
        (["[2001:db8::7]:443"], ("2001:db8::7", 443)),
        (["2001:DB8:0::7"], ("2001:db8::7", 0)),
        (["::ffff:203.0.113.7"], (CLIENT, 0)),
        ([f"{CLIENT}, 2001:db8:1::5"], (CLIENT, 0)),
        ([f"{PROXY}, 10.9.9.9"], (PROXY, 0)),  # nothing but proxies: the farthest of them
        ([""], PEER),
        ([" , "], PEER),
        (["unknown"], None),
        ([f"{CLIENT}, unknown"], None),
        (["_hidden"], None),
        (["rubbish"], PEER),
        ([f"rubbish, {PROXY}"], (PROXY, 0)),
        ([f"rubbish, {CLIENT}"], (CLIENT, 0)),
        (["203.0.113.7:99999"], PEER),
        (["203.0.113.7:"], PEER),
        (["999.0.113.7"], PEER),
        (["[2001:db8::7"], PEER),
        (["[2001:db8::7]x"], PEER),
        (["[2001:db8::7]:"], PEER),
        (["[2001:db8::7]:4x"], PEER),
        (["203.0.113.7:\xb2"], PEER),
        (["203.0.113.07"], PEER),
        (["203.0.113.7\0"], PEER),
    ],
)
def test_client_is_the_rightmost_hop_that_is_no_trusted_proxy(lines, client):
    assert client_of(*lines) == client


def test_no_more_hops_are_read_than_the_bound():
    inner = [f"10.0.{i // 250}.{i % 250 + 1}" for i in range(MAX_HOPS)]
    assert client_of(", ".join([CLIENT, *inner[1:]])) == (CLIENT, 0)
    assert client_of(", ".join([CLIENT, *inner])) == (inner[0], 0)
    assert client_of(CLIENT, *inner) == (inner[0], 0)
    assert client_of(CLIENT + "," * MAX_HOPS) == PEER
    elements = [f"for={host}" for host in inner]
    assert client_by_forwarded(", ".join([f"for={CLIENT}", *elements[1:]])) == (CLIENT, 0)
    assert client_by_forwarded(", ".join([f"for={CLIENT}", *elements])) == (inner[0], 0)
    assert client_by_forwarded(f"for={CLIENT}", *elements) == (inner[0], 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"x-forwarded-for", b"10.1.1.1"),
        (b"x-forwarded-for", b","),
        (b"forwarded", b"for=10.1.1.1"),
        (b"x-forwarded-host", b"example.com"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-prefix", b"/api"),
        (b"script_name", b"/api"),
    ],
)
def test_many_lines_of_one_field_cost_little(name, value):
    # Added to one another, each copies all before it: seconds of CPU time for what takes some 10 ms.
    padded = value if b"_" in name or b"prefix" in name else b" " * (250 - len(value)) + value
    before = time.process_time()
    rewrite([(name, padded)] * 32_000)
    assert time.process_time() - before < 1


def test_what_stands_left_of_the_hop_that_decides_is_not_looked_at():
    assert client_of("\0rubbish" * 1000, f'"x, {CLIENT}, {PROXY}') == (CLIENT, 0)
    for junk in ("for", 'for="', 'for="a\\', "for=a;for=b", "a" * 100_000, 'a="b";' * 1000):
        assert client_by_forwarded(f"{junk}, for={CLIENT}, for={PROXY}") == (CLIENT, 0)
        assert client_by_forwarded(junk, f"for={CLIENT}", f"for={PROXY}") == (CLIENT, 0)


def test_star_trusts_the_peer_but_no_hop():
    policy = ProxyPolicy(Settings(forwarded_allow_ips=("*",)))
    fields = [(b"x-forwarded-for", f"198.51.100.1, {CLIENT}".encode())]
    assert rewrite(fields, policy).client == (CLIENT, 0)


def test_star_with_networks_skips_the_hops_that_are_listed():
    policy = ProxyPolicy(Settings(forwarded_allow_ips=("*", "10.0.0.0/8")))
    fields = [(b"x-forwarded-for", f"{CLIENT}, {PROXY}".encode())]
    assert rewrite(fields, policy).client == (CLIENT, 0)


# The scheme


@pytest.mark.parametrize(
    ("fields", "scheme"),
    [
        ([(b"x-forwarded-proto", b"https")], "https"),
        ([(b"x-forwarded-proto", b"http")], "http"),
        ([(b"x-forwarded-proto", b"wss")], "https"),
        ([(b"x-forwarded-proto", b"ws")], "http"),
        ([(b"x-forwarded-proto", b"HTTPS")], "http"),  # gunicorn: the values are case-sensitive
        ([(b"x-forwarded-ssl", b"on")], "https"),
        ([(b"x-forwarded-protocol", b"ssl"), (b"x-forwarded-proto", b"https")], "https"),
        ([(b"x-forwarded-proto", b"https"), (b"x-forwarded-proto", b"https")], "https"),
        ([(b"forwarded", b"proto=https")], "https"),
        ([(b"forwarded", b"proto=wss")], "https"),
    ],
)
def test_scheme_is_what_the_secure_fields_say(fields, scheme):
    assert rewrite(fields).scheme == scheme


@pytest.mark.parametrize(
    "fields",
    [
        [(b"x-forwarded-proto", b"https"), (b"x-forwarded-ssl", b"off")],
        [(b"x-forwarded-proto", b"https"), (b"x-forwarded-proto", b"http")],
        [(b"x-forwarded-proto", b"https"), (b"forwarded", b"proto=http")],
        [(b"forwarded", b"proto=gopher")],
    ],
)
def test_schemes_that_contradict_each_other_are_refused(fields):
    refusal_of(fields)


def test_secure_fields_are_the_ones_of_the_setting():
    policy = ProxyPolicy(Settings(secure_scheme_headers=(("X-Scheme", "tls"),)))
    assert rewrite([(b"x-scheme", b"tls")], policy).scheme == "https"
    assert rewrite([(b"x-forwarded-proto", b"https")], policy).scheme == "http"


# The host


@pytest.mark.parametrize(
    ("fields", "server"),
    [
        ([(b"x-forwarded-host", b"Example.com")], ("example.com", 80)),
        ([(b"x-forwarded-host", b"example.com"), (b"x-forwarded-proto", b"https")], ("example.com", 443)),
        ([(b"x-forwarded-host", b"example.com:8443")], ("example.com", 8443)),
        ([(b"x-forwarded-host", b"example.com"), (b"x-forwarded-port", b"8443")], ("example.com", 8443)),
        ([(b"x-forwarded-host", b"[2001:db8::2]:81")], ("2001:db8::2", 81)),
        ([(b"x-forwarded-host", b"evil.example, example.com")], ("example.com", 80)),
        ([(b"x-forwarded-host", b"evil.example"), (b"x-forwarded-host", b"example.com")], ("example.com", 80)),
        ([(b"x-forwarded-port", b"8443")], ("127.0.0.1", 8443)),
        ([(b"forwarded", b'host="example.com:8443"')], ("example.com", 8443)),
        ([(b"forwarded", b"host=example.com"), (b"x-forwarded-host", b"EXAMPLE.com")], ("example.com", 80)),
    ],
)
def test_server_is_the_host_the_client_asked(fields, server):
    assert rewrite(fields).server == server


def test_port_alone_says_nothing_about_a_unix_socket():
    assert rewrite([(b"x-forwarded-port", b"443")], server=("/run/x", None)).server == ("/run/x", None)


@pytest.mark.parametrize(
    "fields",
    [
        [(b"x-forwarded-host", b"example.com/path")],
        [(b"x-forwarded-host", b"a b")],
        [(b"x-forwarded-host", b"example.com:99999")],
        [(b"x-forwarded-host", b"example.com:0")],
        [(b"x-forwarded-host", b"user@example.com")],
        [(b"x-forwarded-port", b"https")],
        [(b"x-forwarded-port", b"0")],
        [(b"x-forwarded-port", b"65536")],
        [(b"x-forwarded-host", b"a.example"), (b"forwarded", b"host=b.example")],
    ],
)
def test_bad_or_contradicting_host_is_refused(fields):
    refusal_of(fields)


# RFC 7239


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ([b"for=203.0.113.7"], (CLIENT, 0)),
        ([b"For=203.0.113.7;Proto=http;By=10.0.0.1"], (CLIENT, 0)),
        ([b'for="203.0.113.7:5060"'], (CLIENT, 5060)),
        ([b'for="[2001:db8::7]:443"'], ("2001:db8::7", 443)),
        ([b"for=198.51.100.1, for=203.0.113.7, for=10.1.2.3"], (CLIENT, 0)),
        ([b"for=198.51.100.1, for=203.0.113.7", b"for=10.1.2.3"], (CLIENT, 0)),
        ([b'for="203\\.0.113.7"'], (CLIENT, 0)),
        ([b" , for=203.0.113.7 ;; proto=http , "], (CLIENT, 0)),
        ([b"for=unknown"], None),
        ([b'for="_SEVKISEK"'], None),
        ([b"for=rubbish"], PEER),
        ([b"by=10.0.0.1"], PEER),
        ([b""], PEER),
    ],
)
def test_forwarded_names_the_client(lines, client):
    assert rewrite([(b"forwarded", line) for line in lines]).client == client


def test_forwarded_is_read_where_the_first_trusted_proxy_wrote():
    line = b"for=198.51.100.1;proto=https;host=evil.example, for=203.0.113.7;proto=http;host=a.example, for=10.1.2.3"
    forwarded = rewrite([(b"forwarded", line)])
    assert (forwarded.client, forwarded.scheme, forwarded.server) == ((CLIENT, 0), "http", ("a.example", 80))


@pytest.mark.parametrize(
    "line", [b"for", b"for=a b", b'for="a', b"for=a;for=b", b"=a", b'for="a"b', b"for = a", b"a=b=c"]
)
def test_malformed_forwarded_is_refused(line):
    refusal_of([(b"forwarded", line)])


@pytest.mark.parametrize(
    ("line", "client"),
    [
        (f'for=198.51.100.1, for="{CLIENT}";host="a,b"', (CLIENT, 0)),
        (f'for=198.51.100.1, for="{CLIENT}";host="a,\\"b,"', (CLIENT, 0)),
        (f'for=198.51.100.1, for="{CLIENT}";host="a,\\\\"', (CLIENT, 0)),
        (f'for="[2001:db8::7]:4711", for={PROXY}', ("2001:db8::7", 4711)),
    ],
)
def test_a_comma_in_quotes_parts_no_elements(line, client):
    policy = ProxyPolicy(Settings(forwarded_allow_ips=TRUSTED, forwarded_fields=("forwarded",)))
    head = FakeHead(b"/", [(b"forwarded", line.replace("host=", "secret=").encode())])
    assert policy.rewrite(head, PEER, "http", SERVER, True).client == client


def test_an_element_that_is_too_long_is_refused():
    refusal_of([(b"forwarded", b"secret=" + b"x" * 100_000)])
    refusal_of([(b"forwarded", b'secret="' + b"x," * 50_000 + b'"')])
    refusal_of([(b"forwarded", b'a="b";' * 10_000)])


def test_forwarded_and_x_forwarded_for_must_name_one_client():
    both = [(b"forwarded", b"for=203.0.113.7"), (b"x-forwarded-for", b"203.0.113.7")]
    assert rewrite(both).client == (CLIENT, 0)
    refusal_of([(b"forwarded", b"for=203.0.113.8"), (b"x-forwarded-for", b"203.0.113.7")])


def test_forwarded_that_hides_the_client_leaves_it_to_x_forwarded_for():
    assert rewrite([(b"forwarded", b"for=unknown"), (b"x-forwarded-for", b"203.0.113.7")]).client == (CLIENT, 0)


def test_fields_that_are_switched_off_are_not_read():
    policy = ProxyPolicy(Settings(forwarded_fields=("x-forwarded-for",)))
    fields = [
        (b"x-forwarded-for", b"203.0.113.7"),
        (b"x-forwarded-host", b"evil.example"),
        (b"x-forwarded-prefix", b"/evil"),
        (b"forwarded", b"for=198.51.100.1"),
    ]
    forwarded = rewrite(fields, policy)
    assert (forwarded.client, forwarded.server, forwarded.root_path) == ((CLIENT, 0), SERVER, "")


# The path


@pytest.mark.parametrize(
    ("fields", "path", "root_path", "full_path"),
    [
        ([(b"x-forwarded-prefix", b"/api")], "/items", "/api", "/api/items"),
        ([(b"x-forwarded-prefix", b"/api/")], "/api/items", "/api", "/api/api/items"),
        ([(b"x-forwarded-prefix", b"/api")], "*", "/api", "*"),
        ([(b"x-forwarded-prefix", b"/")], "/items", "", "/items"),
        ([(b"x-forwarded-prefix", b"")], "/items", "", "/items"),
        ([(b"x-forwarded-prefix", b"/Gr%C3%B6%C3%9Fe")], "/items", "/Größe", "/Größe/items"),
        ([(b"x-forwarded-prefix", b"/client, /api")], "/items", "/api", "/api/items"),
        ([(b"script_name", b"/api")], "/api/items", "/api", "/api/items"),
        ([(b"script_name", b"/api")], "/api", "/api", "/api"),
        ([(b"script_name", b"/api")], "/apiary", "/api", "/api/apiary"),
        ([(b"script_name", b"/api")], "/items", "/api", "/api/items"),
        ([(b"script_name", b"/api"), (b"path_info", b"/caf\xc3\xa9")], "/whatever", "/api", "/api/café"),
        ([(b"path_info", b"/items")], "/whatever", "", "/items"),
        ([(b"script_name", b"/api"), (b"x-forwarded-prefix", b"/api")], "/items", "/api", "/api/items"),
    ],
)
def test_root_path_is_part_of_the_path(fields, path, root_path, full_path):
    forwarded = rewrite(fields)
    assert forwarded.root_path == root_path
    assert forwarded.full_path(path) == full_path


@pytest.mark.parametrize(
    ("fields", "path", "root_path", "full_path"),
    [
        ([(b"x-forwarded-for", b"203.0.113.7")], "/items", "/app", "/app/items"),
        ([(b"x-forwarded-for", b"203.0.113.7")], "/app/items", "/app", "/app/items"),
        ([(b"path_info", b"/items")], "/whatever", "/app", "/app/items"),
        ([(b"script_name", b"/api")], "/items", "/api", "/api/items"),
        ([(b"x-forwarded-prefix", b"/app")], "/app/items", "/app", "/app/app/items"),
    ],
)
def test_root_path_is_the_setting_where_the_proxy_names_none(fields, path, root_path, full_path):
    policy = ProxyPolicy(Settings(root_path="/app", forwarded_fields=FORWARDED_FIELDS))
    forwarded = rewrite(fields, policy)
    assert forwarded.root_path == root_path
    assert forwarded.full_path(path) == full_path


@pytest.mark.parametrize(
    "fields",
    [
        [(b"x-forwarded-prefix", b"api")],
        [(b"x-forwarded-prefix", b"//evil.example")],
        [(b"x-forwarded-prefix", b"/%2Fa/../\\b")],
        [(b"x-forwarded-prefix", b"/a?b")],
        [(b"x-forwarded-prefix", b"/a%0Ab")],
        [(b"x-forwarded-prefix", b"https://evil.example")],
        [(b"x-forwarded-prefix", b"/a"), (b"script_name", b"/b")],
        [(b"script_name", b"/a"), (b"script_name", b"/b")],
        [(b"path_info", b"items")],
    ],
)
def test_prefix_that_is_no_path_is_refused(fields):
    refusal_of(fields)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "80x", "\u00b2", "1" * 5000])
def test_port_that_is_none_is_refused(port):
    refusal_of([(b"x-forwarded-port", port.encode("latin-1"))])


def test_script_name_is_read_where_both_settings_list_it():
    listed = ProxyPolicy(Settings(forwarder_headers=("SCRIPT_NAME",), forwarded_fields=("script_name",)))
    assert rewrite([(b"script_name", b"/api"), (b"path_info", b"/evil")], listed).root_path == "/api"
    everything = ProxyPolicy(Settings(forwarder_headers=("*",), forwarded_fields=("script_name",)))
    assert rewrite([(b"script_name", b"/api")], everything).root_path == "/api"


# Names with an underscore


UNDERSCORED: Fields = [(b"host", b"a"), (b"x_forwarded_for", b"1"), (b"script_name", b"/a"), (b"accept", b"*/*")]


@pytest.mark.parametrize(
    ("header_map", "forwarder_headers", "is_trusted", "kept"),
    [
        ("drop", ("SCRIPT_NAME",), False, [b"host", b"accept"]),
        ("drop", ("SCRIPT_NAME",), True, [b"host", b"script_name", b"accept"]),
        ("drop", ("*",), True, [b"host", b"x_forwarded_for", b"script_name", b"accept"]),
        ("drop", ("*",), False, [b"host", b"accept"]),
        ("dangerous", (), False, [b"host", b"x_forwarded_for", b"script_name", b"accept"]),
    ],
)
def test_names_with_an_underscore_follow_header_map(header_map, forwarder_headers, is_trusted, kept):
    policy = ProxyPolicy(Settings(header_map=header_map, forwarder_headers=forwarder_headers))
    assert [name for name, _ in policy.apply_field_policy(UNDERSCORED, is_trusted)] == kept


def test_refused_name_is_named():
    policy = ProxyPolicy(Settings(header_map="refuse"))
    with pytest.raises(RequestError, match="x_forwarded_for") as caught:
        policy.apply_field_policy(UNDERSCORED, True)
    assert caught.value.status == 400
    assert policy.apply_field_policy([(b"script_name", b"/a")], True) == [(b"script_name", b"/a")]


# The PROXY header


def test_proxy_header_is_expected_from_listed_peers_and_unix_sockets():
    on = ProxyPolicy(Settings(proxy_protocol="auto", proxy_allow_ips=("127.0.0.0/8",)))
    off = ProxyPolicy(Settings(proxy_protocol="off", proxy_allow_ips=("*",)))
    elsewhere = ProxyPolicy(Settings(proxy_protocol="auto", proxy_allow_ips=("10.0.0.0/8",)))
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert on.expects_proxy_header(accepted) is True
            assert off.expects_proxy_header(accepted) is False
            assert elsewhere.expects_proxy_header(accepted) is False
    left, right = socket.socketpair(socket.AF_UNIX)
    with left, right:
        assert elsewhere.expects_proxy_header(left) is True
        assert off.expects_proxy_header(left) is False


def test_peer_that_left_is_not_believed():
    policy = ProxyPolicy(Settings(proxy_protocol="auto", proxy_allow_ips=("*",)))
    with socket.socket() as unconnected:
        assert policy.expects_proxy_header(unconnected) is False
