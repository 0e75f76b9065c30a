"""Take each accelerator from its compiled or its pure twin.

Everyone else writes ``from gasgi._accel import HeadParser``. ``gasgi.compiled`` has decided already; nothing is
caught here, so a compiled module that is there and does not load is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gasgi.compiled import IS_COMPILED, implementation
from gasgi.compiled import MODE as EXTENSIONS

if TYPE_CHECKING or not IS_COMPILED:
    from gasgi._hpack_py import HpackDecoder, HpackEncoder, check_fields
    from gasgi._parser_py import FieldReader, HeadLimits, HeadParser, RequestHead
    from gasgi._writer_py import encode_chunk, encode_response_head, join_message
    from gasgi._ws_mask_py import (
        MessageBuffer,
        apply_mask,
        encode_frame,
        encode_frame_header,
        held_bytes,
        unmask,
        unmask_text,
    )
else:
    from gasgi._hpack import HpackDecoder, HpackEncoder, check_fields
    from gasgi._parser import FieldReader, HeadLimits, HeadParser, RequestHead
    from gasgi._writer import encode_chunk, encode_response_head, join_message
    from gasgi._ws_mask import (
        MessageBuffer,
        apply_mask,
        encode_frame,
        encode_frame_header,
        held_bytes,
        unmask,
        unmask_text,
    )

__all__ = [
    "EXTENSIONS",
    "FieldReader",
    "HeadLimits",
    "HeadParser",
    "HpackDecoder",
    "HpackEncoder",
    "MessageBuffer",
    "RequestHead",
    "apply_mask",
    "check_fields",
    "encode_chunk",
    "encode_frame",
    "encode_frame_header",
    "encode_response_head",
    "held_bytes",
    "implementation",
    "join_message",
    "unmask",
    "unmask_text",
]
