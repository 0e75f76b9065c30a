"""The frame decoder behind a message that is too big, and when nobody wants messages: only control frames count."""

from __future__ import annotations

import pytest

from gasgi.errors import FrameError
from gasgi.websocket.deflate import DeflateAgreement, Inflater
from gasgi.websocket.frames import FrameDecoder
from tests.support.frames import BINARY, CLOSE, FIN, PING, RSV1, TEXT, client_frame, close_payload
from tests.support.wire import split_everywhere
from tests.unit.test_ws_frames import LIMIT, Found, compress


@pytest.mark.parametrize(
    ("rest", "controls"),
    [
        (b"", []),
        (client_frame(FIN | BINARY, bytes(2000)) + client_frame(FIN | TEXT, b"\xff"), []),
        (
            client_frame(BINARY, bytes(300)) + client_frame(FIN | PING, b"p") + client_frame(FIN, bytes(300)),
            [(PING, b"p")],
        ),
    ],
    ids=["nothing", "messages", "fragments"],
)
@pytest.mark.parametrize(
    "large",
    [
        client_frame(FIN | BINARY, bytes(1001)),
        client_frame(BINARY, bytes(600)) + client_frame(FIN, bytes(600)),
        client_frame(FIN | RSV1 | BINARY, compress(bytes(50_000))),
        client_frame(RSV1 | BINARY, compress(bytes(50_000))) + client_frame(FIN),
    ],
    ids=["whole", "fragments", "compressed", "compressed fragments"],
)
def test_finds_the_close_frame_behind_a_message_that_is_too_big(large: bytes, rest: bytes, controls: Found) -> None:
    data = large + rest + client_frame(FIN | CLOSE, close_payload(1009))
    for pieces in split_everywhere(data):
        found, codes = decode_on(FrameDecoder(LIMIT, Inflater(DeflateAgreement())), pieces)
        assert codes == [1009]
        assert found == [*controls, (CLOSE, "")]


def test_throws_away_the_rest_of_the_message_that_is_under_way() -> None:
    begun, rest = client_frame(BINARY, bytes(100))[:50], client_frame(BINARY, bytes(100))[50:]
    for last in (client_frame(FIN, b"end"), client_frame(0, b"more") + client_frame(FIN | PING) + client_frame(FIN)):
        decoder = FrameDecoder(LIMIT, None)
        decoder.feed(begun)
        assert not decoder.advance()
        decoder.discard()
        found, codes = decode_on(decoder, [rest, last, client_frame(FIN | CLOSE)])
        assert codes == []
        assert [opcode for opcode, _ in found if opcode != PING] == [CLOSE]


def test_an_error_while_throwing_away_ends_it() -> None:
    decoder = FrameDecoder(LIMIT, None)
    decoder.discard()
    assert decode_on(decoder, [b"\x83\x80", client_frame(FIN | CLOSE)]) == ([], [1002])


def decode_on(decoder: FrameDecoder, pieces: list[bytes]) -> tuple[Found, list[int]]:
    """Feed ``pieces``, whatever goes wrong; return what was found and the close codes of what was wrong."""
    found: Found = []
    codes = []
    for piece in pieces:
        decoder.feed(piece)
        while True:
            try:
                if decoder.advance():
                    found.append((decoder.opcode, decoder.payload))
                elif not decoder.needs_turn:
                    break
            except FrameError as exc:
                codes.append(exc.close_code)
    return found, codes
