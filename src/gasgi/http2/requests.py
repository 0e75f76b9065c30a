"""The requests of an HTTP/2 connection: from the fields of a head to a conversation with the app that can start.

What is not let in is answered here.
"""

from __future__ import annotations

from gasgi._accel import RequestHead
from gasgi.asgi.admission import admit, report_refusal
from gasgi.asgi.app_task import AppTask
from gasgi.errors import RequestError
from gasgi.http2.heads import HeadReader
from gasgi.http2.priorities import Priorities
from gasgi.http2.sender import Sender
from gasgi.http2.stream import Http2Stream
from gasgi.http2.streams import Stream
from gasgi.http2.tunnel import open_session
from gasgi.serving.peer import Peer
from gasgi.serving.runtime import Runtime
from gasgi.types import Headers

__all__ = ["Requests"]


class Requests:
    """One per connection."""

    def __init__(self, runtime: Runtime, peer: Peer, sender: Sender) -> None:
        self._runtime = runtime
        self._peer = peer
        self._sender = sender
        self._heads = HeadReader(runtime.head_limits, True)
        # A proxy carries the requests of many: the words of one must not hold the others up (RFC 9218, 13.1).
        self.priorities = Priorities(sender, not peer.is_trusted)

    def begin(
        self,
        state: Stream,
        head: RequestHead | None,
        fields: Headers,
        flaw: str,
        ends_stream: bool,
        refusal: RequestError | None,
        held_at: float,
    ) -> AppTask | None:
        """Return what is to be started, None for a request that has been answered; raise StreamError.

        ``head`` is that of an upgrade; otherwise it is in the ``fields`` of an HpackDecoder that found the ``flaw``, or
        raised ``refusal``. ``held_at``: since when the request has waited for its turn, by the clock of slow requests;
        0: it has not.
        """
        stream = Http2Stream(self._sender, state)
        state.owner = stream
        try:
            if refusal is not None:
                raise refusal
            if head is None:
                head = self._heads.read(state.number, fields, flaw, ends_stream)
                if head.content_length >= 0:
                    self._sender.streams.expect_length(state, head.content_length)
            exchange = self._let_in(stream, head, held_at)
        except RequestError as exc:
            report_refusal(self._runtime, self._peer, stream.record, head, exc)
            stream.answer(exc.status, exc.fields)
            return None
        if self._sender.has_ranks or self._heads.priority is not None:
            self.priorities.begin(stream, self._heads.priority)
        return exchange

    def _let_in(self, stream: Http2Stream, head: RequestHead, held_at: float) -> AppTask:
        if head.upgrade == b"websocket":
            return open_session(self._sender, stream, head, admit(self._runtime, self._peer, stream.record, head))
        stream.begin_timing(head, held_at)
        return stream.begin(head, admit(self._runtime, self._peer, stream.record, head))
