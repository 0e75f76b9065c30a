# cython: language_level=3
"""Decode and encode the header blocks of HTTP/2. Twin of _hpack_py.py, which has the contract."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t, uint8_t
from libc.string cimport memcmp, memcpy

from gasgi.answer_length cimport content_length_of

from gasgi.errors import ASGIMisuse, Http2Error, RequestError
from gasgi.hpack_tables import (
    CONNECTION_FIELDS,
    DEFAULT_TABLE_BYTES,
    ENTRY_OVERHEAD,
    HUFFMAN_ACCEPTS,
    HUFFMAN_CODES,
    HUFFMAN_EMITS,
    HUFFMAN_FAILS,
    HUFFMAN_STEPS,
    INTEGER_MAX,
    NEVER_INDEXED,
    REMEMBERED_VALUES,
    STATIC_NAMES,
    STATIC_STATUSES,
    STATIC_TABLE,
    VOLATILE,
)
from gasgi.http2_codes import COMPRESSION_ERROR
from gasgi.tables import COMMON_FIELD_NAMES, TOKEN_BYTES

cdef enum:
    OVERHEAD = 32
    TABLE_BYTES = 4096
    STATICS = 61
    STATIC_DATE = 33
    STACK_BYTES = 1024  # as in the .pxd: usual strings and blocks fit, so that no allocation is needed
    INTEGER_OCTETS = 5  # what the longest integer takes, its prefix included: sizes are below 2**31
    SPACE = 32
    TAB = 9

cdef enum:
    STEP_EMITS = 1 << 16
    STEP_FAILS = 1 << 17
    STEP_ACCEPTS = 1 << 18

cdef enum:
    SOUND = 0
    BAD_NAME = 1
    CONTROL_IN_VALUE = 2
    BLANK_AROUND_VALUE = 3

# What an encoder, and who checks its fields, do with a name.
cdef enum:
    PLAIN = 0
    NEVER = 1
    CHANGES = 2
    CONTENT_LENGTH = 3
    DATE = 4
    SERVER = 5
    CONNECTION = 6

cdef enum:
    SLOTS = 256

cdef struct KnownName:
    const char* name
    uint32_t size
    uint8_t index
    uint8_t kind

cdef tuple FLAWS = (
    "",
    "field name is not a token in lower case",
    "control character in a field value",
    "field value begins or ends with whitespace",
)

cdef uint32_t STEPS[4096]
cdef uint32_t CODES[256]
cdef uint8_t CODE_BITS[256]
# What a byte of a name becomes: its lower case, or 0 where RFC 9110, 5.6.2 does not allow it in a token.
cdef uint8_t LOWER[256]
# 1 for each byte that RFC 9110, 5.5 does not allow in a value: controls other than HTAB.
cdef uint8_t BAD_IN_VALUE[256]
cdef Entry STATIC[STATICS]
cdef uint8_t STATUS_BYTE[1000]  # the whole field of a status that the static table has, otherwise 0
cdef KnownName KNOWN[SLOTS]  # a quarter full at most, so that a search soon meets an empty slot
cdef dict NAMES = {}
cdef list OWNERS = []


cdef inline uint32_t slot_of(const uint8_t* name, Py_ssize_t size) noexcept nogil:
    return (<uint32_t>size * 37 + name[0] * 3 + name[size - 1] * 11 + name[size >> 1] * 5) % SLOTS


cdef const KnownName* find_known(const uint8_t* name, Py_ssize_t size) noexcept nogil:
    """What is known of a name in lower case, or NULL."""
    if size == 0:
        return NULL
    cdef uint32_t slot = slot_of(name, size)
    while KNOWN[slot].name != NULL:
        if KNOWN[slot].size == <uint32_t>size and memcmp(KNOWN[slot].name, name, size) == 0:
            return &KNOWN[slot]
        slot = (slot + 1) % SLOTS
    return NULL


cdef _fill_tables():
    cdef int i
    cdef uint32_t slot
    cdef bytes name
    cdef tuple field
    cdef const uint8_t* source
    if (ENTRY_OVERHEAD != OVERHEAD or DEFAULT_TABLE_BYTES != TABLE_BYTES or len(STATIC_TABLE) != STATICS
            or STATIC_NAMES[b"date"] != STATIC_DATE or len(HUFFMAN_STEPS) != 4096
            or HUFFMAN_EMITS != STEP_EMITS or HUFFMAN_FAILS != STEP_FAILS or HUFFMAN_ACCEPTS != STEP_ACCEPTS
            or INTEGER_MAX != 0xFFFFFFFF or REMEMBERED_VALUES != REMEMBERED):
        raise ImportError("hpack_tables differs from the compiled codec; build it again")
    for i in range(4096):
        STEPS[i] = HUFFMAN_STEPS[i]
    for i in range(256):
        CODES[i], CODE_BITS[i] = HUFFMAN_CODES[i]
        LOWER[i] = 0
        BAD_IN_VALUE[i] = (i < SPACE and i != TAB) or i == 127
        KNOWN[i].name = NULL
    for i in TOKEN_BYTES:
        LOWER[i] = i + 32 if c"A" <= i <= c"Z" else i
    for name in [*STATIC_NAMES, *COMMON_FIELD_NAMES]:
        name = name.lower()
        NAMES.setdefault(name, name)
    for i in range(STATICS):
        field = (NAMES[STATIC_TABLE[i][0]], STATIC_TABLE[i][1])
        OWNERS.append(field)
        STATIC[i].field = <PyObject*>field
        STATIC[i].size = len(field[0]) + len(field[1]) + OVERHEAD
        STATIC[i].mark = SOUND
    for i in range(1000):
        STATUS_BYTE[i] = 0x80 | STATIC_STATUSES[i] if i in STATIC_STATUSES else 0
    for name in sorted({*STATIC_NAMES, *NEVER_INDEXED, *VOLATILE, *CONNECTION_FIELDS}):
        OWNERS.append(name)
        source = <const uint8_t*>PyBytes_AS_STRING(name)
        slot = slot_of(source, PyBytes_GET_SIZE(name))
        while KNOWN[slot].name != NULL:
            slot = (slot + 1) % SLOTS
        KNOWN[slot].name = <const char*>source
        KNOWN[slot].size = PyBytes_GET_SIZE(name)
        KNOWN[slot].index = STATIC_NAMES.get(name, 0)
        KNOWN[slot].kind = (
            CONTENT_LENGTH if name == b"content-length" else DATE if name == b"date" else SERVER if name == b"server"
            else NEVER if name in NEVER_INDEXED else CHANGES if name in VOLATILE
            else CONNECTION if name in CONNECTION_FIELDS else PLAIN
        )


_fill_tables()


# ---- the dynamic table ----

cdef inline Entry* entry_at(Table* table, uint32_t i) noexcept nogil:
    """The entry ``i``, from the newest on; i < count, which the caller has checked."""
    return &table.ring[(table.newest + i) & (table.capacity - 1)]


cdef int evict(Table* table, uint32_t keep) except -1:
    cdef Entry* oldest
    while table.count and table.size > keep:
        oldest = entry_at(table, table.count - 1)
        table.count -= 1
        table.size -= oldest.size
        Py_DECREF(<object>oldest.field)
    return 0


cdef int insert(Table* table, tuple field, uint32_t size, uint32_t mark) except -1:
    """Put an entry in front (RFC 7541, 4.4): one that is larger than the table leaves it empty."""
    cdef Entry* ring
    cdef Entry* entry
    cdef uint32_t capacity, i
    if size > table.max_size:
        return evict(table, 0)
    evict(table, table.max_size - size)
    if table.count == table.capacity:
        # An entry counts 32 or more, so that the size of the table bounds the ring.
        capacity = max(16, table.capacity * 2)
        ring = <Entry*>PyMem_Malloc(capacity * sizeof(Entry))
        if ring == NULL:
            raise MemoryError()
        for i in range(table.count):
            ring[i] = entry_at(table, i)[0]
        PyMem_Free(table.ring)
        table.ring = ring
        table.capacity = capacity
        table.newest = 0
    table.newest = (table.newest - 1) & (table.capacity - 1)
    entry = &table.ring[table.newest]
    Py_INCREF(field)
    entry.field = <PyObject*>field
    entry.size = size
    entry.mark = mark
    table.count += 1
    table.size += size
    return 0


cdef int release(Table* table) except -1:
    evict(table, 0)
    PyMem_Free(table.ring)
    table.ring = NULL
    return 0


# ---- decoding ----

cdef error(str text):
    return Http2Error(COMPRESSION_ERROR, text)


cdef uint32_t read_integer(
    const uint8_t* source, Py_ssize_t size, Py_ssize_t* position, uint32_t mask
) except? 0xFFFFFFFF:
    """Read an integer (RFC 7541, 5.1); the first octet is there."""
    cdef uint64_t number = source[position[0]] & mask
    cdef uint8_t octet
    cdef int shift
    position[0] += 1
    if number < mask:
        return <uint32_t>number
    for shift in range(0, 35, 7):
        if position[0] == size:
            raise error("header block ends within an integer")
        octet = source[position[0]]
        position[0] += 1
        number += <uint64_t>(octet & 0x7F) << shift
        if octet < 0x80:
            if number > 0xFFFFFFFFU:
                break
            return <uint32_t>number
    raise error("integer is too large")


cdef Py_ssize_t decode_huffman(const uint8_t* source, Py_ssize_t size, uint8_t* target) except -1:
    """Decode into ``target``, which has room for 8/5 of the octets and one more; return how many symbols."""
    cdef uint32_t step = STEP_ACCEPTS
    cdef Py_ssize_t i, count = 0
    for i in range(size):
        # A state has eight bits and a nibble four, so that the index is below 4096.
        step = STEPS[(step & 0xFF) << 4 | source[i] >> 4]
        target[count] = <uint8_t>(step >> 8)
        count += (step & STEP_EMITS) != 0
        if step & STEP_FAILS:
            raise error("EOS in a Huffman string")
        step = STEPS[(step & 0xFF) << 4 | (source[i] & 15)]
        target[count] = <uint8_t>(step >> 8)
        count += (step & STEP_EMITS) != 0
        if step & STEP_FAILS:
            raise error("EOS in a Huffman string")
    if not step & STEP_ACCEPTS:
        raise error("invalid padding of a Huffman string")
    return count


cdef bytes read_string(const uint8_t* source, Py_ssize_t size, Py_ssize_t* position):
    cdef uint8_t stack[STACK_BYTES]
    cdef uint8_t* target = stack
    cdef const uint8_t* octets
    cdef bint is_huffman
    cdef Py_ssize_t length, room
    if position[0] == size:
        raise error("header block ends within a field")
    is_huffman = source[position[0]] >> 7
    length = read_integer(source, size, position, 0x7F)
    if length > size - position[0]:
        raise error("header block ends within a string")
    octets = source + position[0]
    position[0] += length
    if not is_huffman:
        return PyBytes_FromStringAndSize(<const char*>octets, length)
    room = length * 8 // 5 + 2
    if room > STACK_BYTES:
        target = <uint8_t*>PyMem_Malloc(room)
        if target == NULL:
            raise MemoryError()
    try:
        return PyBytes_FromStringAndSize(<const char*>target, decode_huffman(octets, length, target))
    finally:
        if target != stack:
            PyMem_Free(target)


cdef uint32_t find_flaw(bytes name, bytes value) noexcept:
    """What RFC 9113, 8.2.1 does not allow of a field; the colon of a pseudo-field is no flaw."""
    cdef const uint8_t* source = <const uint8_t*>PyBytes_AS_STRING(name)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(name), i, start
    cdef uint8_t bad = 0
    start = 1 if size and source[0] == c":" else 0
    if size == start:
        return BAD_NAME
    for i in range(start, size):
        # LOWER is 0 for what is in no token, and no byte of a name is 0 then.
        bad |= (LOWER[source[i]] != source[i]) | (source[i] == 0)
    if bad:
        return BAD_NAME
    source = <const uint8_t*>PyBytes_AS_STRING(value)
    size = PyBytes_GET_SIZE(value)
    for i in range(size):
        bad |= BAD_IN_VALUE[source[i]]
    if bad:
        return CONTROL_IN_VALUE
    if size and (is_blank(source[0]) or is_blank(source[size - 1])):
        return BLANK_AROUND_VALUE
    return SOUND


cdef inline bint is_blank(uint8_t byte) noexcept nogil:
    return byte == SPACE or byte == TAB


@cython.final
cdef class HpackDecoder:
    """Decode the header blocks of one connection, in the order they come."""

    def __init__(self, max_table_bytes=TABLE_BYTES, max_list_bytes=65536, max_fields=105):
        self._max_table_bytes = max_table_bytes
        self._max_list_bytes = max_list_bytes
        self._max_fields = max_fields
        self._table.max_size = min(self._max_table_bytes, <uint32_t>TABLE_BYTES)

    def __dealloc__(self):
        release(&self._table)

    @property
    def flaw(self):
        """What makes the message of the last block malformed (RFC 9113, 8.2.1); empty when nothing does."""
        return FLAWS[self._flaw]

    cpdef list decode(self, bytes block):
        """Return the fields of a whole header block; raise Http2Error or RequestError."""
        cdef Py_ssize_t size = len(block)  # unlike PyBytes_GET_SIZE it refuses None
        cdef const uint8_t* source = <const uint8_t*>PyBytes_AS_STRING(block)
        cdef Py_ssize_t position = 0, count = 0
        cdef long long list_bytes = 0
        cdef uint32_t index
        cdef uint8_t first
        cdef Entry* entry
        cdef Entry literal
        cdef list fields = []
        cdef tuple field
        cdef bint is_too_long = False, is_too_large = False
        self._flaw = SOUND
        while position < size:
            first = source[position]
            if first > 0x80 and first < 0xFF:
                position += 1
                entry = self._entry_at(first & 0x7F)
            elif first & 0x80:
                index = read_integer(source, size, &position, 0x7F)
                entry = self._entry_at(index)
            elif first & 0xE0 == 0x20:
                if count:
                    raise error("table size update after a field")
                index = read_integer(source, size, &position, 0x1F)
                if index > self._max_table_bytes:
                    raise error("table size update above the setting")
                self._table.max_size = index
                evict(&self._table, index)
                continue
            else:
                field = self._read_literal(source, size, &position, &literal)
                entry = &literal
                if first & 0x40:
                    insert(&self._table, field, literal.size, literal.mark)
            count += 1
            list_bytes += entry.size
            if count > self._max_fields or list_bytes > self._max_list_bytes or is_too_long or is_too_large:
                if not is_too_long and not is_too_large:
                    is_too_long = count > self._max_fields
                    is_too_large = not is_too_long
                    fields.clear()
                continue
            if entry.mark and not self._flaw:
                self._flaw = entry.mark
            fields.append(<tuple>entry.field)
        if is_too_long or is_too_large:
            detail = "too many fields" if is_too_long else "header list is too large"
            raise RequestError(431, detail)
        return fields

    cdef Entry* _entry_at(self, uint32_t index) except NULL:
        if 0 < index <= STATICS:
            return &STATIC[index - 1]
        if index > STATICS and index - STATICS <= self._table.count:
            return entry_at(&self._table, index - STATICS - 1)
        raise error("index outside the header tables")

    cdef tuple _read_literal(self, const uint8_t* source, Py_ssize_t size, Py_ssize_t* position, Entry* literal):
        """Read a literal; ``literal`` borrows the field that is returned."""
        cdef uint32_t index = read_integer(source, size, position, 0x3F if source[position[0]] & 0x40 else 0x0F)
        cdef bytes name, value
        cdef PyObject* known
        cdef tuple field
        if index:
            name = <bytes>PyTuple_GET_ITEM(<tuple>self._entry_at(index).field, 0)
        else:
            name = read_string(source, size, position)
            known = PyDict_GetItem(NAMES, name)
            if known != NULL:
                name = <bytes>known
        value = read_string(source, size, position)
        field = (name, value)
        literal.field = <PyObject*>field
        # Both are shorter than the block and its Huffman strings decoded, far below 2**31.
        literal.size = <uint32_t>(PyBytes_GET_SIZE(name) + PyBytes_GET_SIZE(value) + OVERHEAD)
        literal.mark = find_flaw(name, value)
        return field


# ---- the fields of an answer ----

cdef bytes lower_name(bytes name):
    """Return the name in lower case, itself where it is; raise ASGIMisuse for what is no token."""
    cdef const uint8_t* source = <const uint8_t*>PyBytes_AS_STRING(name)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(name), i
    cdef uint8_t bad = 0, differs = 0
    cdef bytes lower
    for i in range(size):
        bad |= LOWER[source[i]] == 0
        differs |= LOWER[source[i]] ^ source[i]
    if bad or size == 0:
        raise ASGIMisuse(f"invalid header name {name!r}")
    if not differs:
        return name
    lower = PyBytes_FromStringAndSize(NULL, size)
    for i in range(size):
        PyBytes_AS_STRING(lower)[i] = LOWER[source[i]]
    return lower


cdef tuple pair_of(header):
    try:
        name, value = header
    except (TypeError, ValueError):
        raise ASGIMisuse(f"a header must be a pair of name and value, not {header!r}") from None
    return name, value


cpdef tuple check_fields(int status, headers, tuple server, tuple date):
    """Return the fields of a response as they may be sent, and the app's content-length; raise ASGIMisuse."""
    cdef list fields = []
    cdef long long length = -1, given
    cdef const KnownName* known
    cdef const uint8_t* source
    cdef Py_ssize_t size, i
    cdef uint8_t bad
    cdef tuple pair
    cdef bytes name, lower, value
    if not 100 <= status <= 999:
        raise ASGIMisuse(f"status must be a number from 100 to 999, not {status}")
    for header in headers:
        pair = <tuple>header if PyTuple_CheckExact(header) and PyTuple_GET_SIZE(header) == 2 else pair_of(header)
        if not PyBytes_CheckExact(pair[0]) or not PyBytes_CheckExact(pair[1]):
            if not isinstance(pair[0], bytes) or not isinstance(pair[1], bytes):
                raise ASGIMisuse(f"header names and values must be bytes, not {pair[0]!r}: {pair[1]!r}")
            pair = (bytes(pair[0]), bytes(pair[1]))
        name = <bytes>PyTuple_GET_ITEM(pair, 0)
        value = <bytes>PyTuple_GET_ITEM(pair, 1)
        lower = lower_name(name)
        source = <const uint8_t*>PyBytes_AS_STRING(value)
        size = PyBytes_GET_SIZE(value)
        bad = 0
        for i in range(size):
            bad |= BAD_IN_VALUE[source[i]]
        if bad:
            raise ASGIMisuse(f"control character in the value of header {lower!r}")
        if size and (is_blank(source[0]) or is_blank(source[size - 1])):
            value = value.strip(b" \t")
        known = find_known(<const uint8_t*>PyBytes_AS_STRING(lower), PyBytes_GET_SIZE(lower))
        if known != NULL and known.kind >= CONTENT_LENGTH:
            if known.kind == DATE:
                date = None
            elif known.kind == SERVER:
                server = None
            elif known.kind == CONNECTION:
                continue
            else:
                given = content_length_of(value)
                if length >= 0:
                    if length != given:
                        raise ASGIMisuse(f"content-length given twice: {length} and {given}")
                    continue
                length = given
                if status < 200 or status == 204 or status == 205:
                    continue
        if lower is not name or value is not <bytes>PyTuple_GET_ITEM(pair, 1):
            pair = (lower, value)
        fields.append(pair)
    if server is not None:
        fields.append(server)
    if date is not None:
        fields.append(date)
    return fields, length


# ---- encoding ----

cdef int reserve(Output* output, Py_ssize_t more) except -1:
    """Make room for ``more`` bytes after what has been written."""
    cdef Py_ssize_t capacity = output.capacity * 2
    cdef uint8_t* data
    if output.size + more <= output.capacity:
        return 0
    if capacity < output.size + more:
        capacity = output.size + more
    data = <uint8_t*>PyMem_Realloc(NULL if output.data == output.stack else output.data, capacity)
    if data == NULL:
        raise MemoryError()
    if output.data == output.stack:
        memcpy(data, output.stack, output.size)
    output.data = data
    output.capacity = capacity
    return 0


cdef inline void put_integer(Output* output, uint8_t flags, uint32_t mask, uint32_t number) noexcept nogil:
    """Write an integer; the room for it has been made."""
    if number < mask:
        output.data[output.size] = <uint8_t>(flags | number)
        output.size += 1
        return
    output.data[output.size] = <uint8_t>(flags | mask)
    output.size += 1
    number -= mask
    while number >= 0x80:
        output.data[output.size] = <uint8_t>(0x80 | (number & 0x7F))
        output.size += 1
        number >>= 7
    output.data[output.size] = <uint8_t>number
    output.size += 1


cdef void put_string(Output* output, const uint8_t* source, Py_ssize_t size) noexcept nogil:
    """Write a string, with Huffman where that is shorter; the room for it has been made."""
    cdef uint64_t bits = 0, code = 0
    cdef uint32_t held = 0
    cdef uint8_t* target
    cdef Py_ssize_t i
    for i in range(size):
        bits += CODE_BITS[source[i]]
    if <Py_ssize_t>((bits + 7) >> 3) >= size:
        put_integer(output, 0, 0x7F, <uint32_t>size)
        memcpy(output.data + output.size, source, size)
        output.size += size
        return
    put_integer(output, 0x80, 0x7F, <uint32_t>((bits + 7) >> 3))
    target = output.data + output.size
    for i in range(size):
        # At most 7 bits are held and 30 come, which a word of 64 has room for.
        code = code << CODE_BITS[source[i]] | CODES[source[i]]
        held += CODE_BITS[source[i]]
        while held >= 8:
            held -= 8
            target[0] = <uint8_t>(code >> held)
            target += 1
    if held:
        target[0] = <uint8_t>(code << (8 - held) | (0xFF >> held))
        target += 1
    output.size = target - output.data


cdef void put_literal(
    Output* output, uint8_t flags, uint32_t mask, uint8_t index, bytes name, bytes value
) noexcept:
    put_integer(output, flags, mask, index)
    if index == 0:
        put_string(output, <const uint8_t*>PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
    put_string(output, <const uint8_t*>PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))


cdef uint32_t find_in(Table* table, bytes name, bytes value) noexcept:
    """The place of a field in the table, from the newest on and counted from 1, or 0."""
    cdef uint32_t name_size = <uint32_t>PyBytes_GET_SIZE(name)
    cdef uint32_t size = name_size + <uint32_t>PyBytes_GET_SIZE(value) + OVERHEAD
    cdef uint32_t i
    cdef Entry* entry
    cdef PyObject* other
    for i in range(table.count):
        entry = entry_at(table, i)
        if entry.size != size or entry.mark != name_size:
            continue
        other = <PyObject*>PyTuple_GET_ITEM(<tuple>entry.field, 1)
        if other != <PyObject*>value and memcmp(
            PyBytes_AS_STRING(<bytes>other), PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)
        ):
            continue
        other = <PyObject*>PyTuple_GET_ITEM(<tuple>entry.field, 0)
        if other == <PyObject*>name or not memcmp(
            PyBytes_AS_STRING(<bytes>other), PyBytes_AS_STRING(name), name_size
        ):
            return i + 1
    return 0


@cython.final
cdef class HpackEncoder:
    """Encode the header blocks of one connection; they must be sent in the order they were encoded."""

    def __cinit__(self):
        self._table.max_size = TABLE_BYTES
        self._smallest = -1

    def __dealloc__(self):
        release(&self._table)

    cpdef set_max_table_bytes(self, size):
        """Obey the peer's SETTINGS_HEADER_TABLE_SIZE; the next block begins with the update (RFC 7541, 4.2)."""
        cdef uint32_t wanted = min(size, TABLE_BYTES)
        if wanted == self._table.max_size and self._smallest < 0:
            return
        self._smallest = wanted if self._smallest < 0 else min(<long long>wanted, self._smallest)
        self._table.max_size = wanted
        evict(&self._table, wanted)

    cpdef bytes encode(self, int status, fields):
        """Encode the head of a response; ``fields`` come from ``check_fields``, or are known to be as valid."""
        cdef Output output
        output.data = output.stack
        output.size = 0
        output.capacity = STACK_BYTES
        try:
            self._put_updates(&output)
            if not 100 <= status <= 999:
                raise ValueError("no status")
            if STATUS_BYTE[status]:
                output.data[output.size] = STATUS_BYTE[status]
                output.size += 1
            else:
                memcpy(output.data + output.size, b"\x08\x03", 2)
                output.data[output.size + 2] = <uint8_t>(c"0" + status // 100)
                output.data[output.size + 3] = <uint8_t>(c"0" + status // 10 % 10)
                output.data[output.size + 4] = <uint8_t>(c"0" + status % 10)
                output.size += 5
            self._put_fields(&output, fields)
            return PyBytes_FromStringAndSize(<const char*>output.data, output.size)
        finally:
            if output.data != output.stack:
                PyMem_Free(output.data)

    cpdef bytes encode_trailers(self, fields):
        """Encode fields without a status."""
        cdef Output output
        output.data = output.stack
        output.size = 0
        output.capacity = STACK_BYTES
        try:
            self._put_updates(&output)
            self._put_fields(&output, fields)
            return PyBytes_FromStringAndSize(<const char*>output.data, output.size)
        finally:
            if output.data != output.stack:
                PyMem_Free(output.data)

    cdef int _put_updates(self, Output* output) except -1:
        """Write what the peer has not been told; the stack has room for it."""
        if self._smallest < 0:
            return 0
        put_integer(output, 0x20, 0x1F, <uint32_t>self._smallest)
        if self._smallest != self._table.max_size:
            put_integer(output, 0x20, 0x1F, self._table.max_size)
        self._smallest = -1
        return 0

    cdef int _put_fields(self, Output* output, fields) except -1:
        for field in fields:
            if PyTuple_CheckExact(field) and PyTuple_GET_SIZE(field) == 2:
                self._put_field(output, <bytes?><object>PyTuple_GET_ITEM(field, 0),
                                <bytes?><object>PyTuple_GET_ITEM(field, 1), field)
            else:
                name, value = field
                self._put_field(output, <bytes?>name, <bytes?>value, (name, value))
        return 0

    cdef int _put_field(self, Output* output, bytes name, bytes value, object field) except -1:
        cdef Py_ssize_t name_size = len(name), value_size = len(value)
        cdef Py_ssize_t size = name_size + value_size + OVERHEAD
        cdef const KnownName* known = find_known(<const uint8_t*>PyBytes_AS_STRING(name), name_size)
        cdef uint8_t index = 0
        cdef uint32_t place
        # A string is never longer than its octets and their length, and there are three integers.
        reserve(output, name_size + value_size + 3 * (INTEGER_OCTETS + 1))
        if known != NULL:
            index = known.index
            if known.kind == DATE:
                return self._put_date(output, name, value)
            if known.kind == NEVER:
                put_literal(output, 0x10, 0x0F, index, name, value)
                return 0
            if known.kind == CHANGES or known.kind == CONTENT_LENGTH:
                put_literal(output, 0, 0x0F, index, name, value)
                return 0
        place = find_in(&self._table, name, value)
        if place:
            put_integer(output, 0x80, 0x7F, STATICS + place)
        elif size > self._table.max_size // 4 or not self._was_seen(
            <const uint8_t*>PyBytes_AS_STRING(value), value_size, name_size
        ):
            put_literal(output, 0, 0x0F, index, name, value)
        else:
            insert(&self._table, <tuple>field, <uint32_t>size, <uint32_t>name_size)
            put_literal(output, 0x40, 0x3F, index, name, value)
        return 0

    cdef int _put_date(self, Output* output, bytes name, bytes value) except -1:
        """Write the date, which is the same object for a second, as it was encoded last."""
        cdef Py_ssize_t start = output.size, size
        if value is self._date:
            size = PyBytes_GET_SIZE(self._date_literal)
            memcpy(output.data + start, PyBytes_AS_STRING(self._date_literal), size)
            output.size += size
            return 0
        put_literal(output, 0, 0x0F, STATIC_DATE, name, value)
        self._date = value
        self._date_literal = PyBytes_FromStringAndSize(<const char*>output.data + start, output.size - start)
        return 0

    cdef bint _was_seen(self, const uint8_t* value, Py_ssize_t value_size, Py_ssize_t name_size) noexcept:
        """Whether the value came before, as far as a few remembered numbers can tell; remembers it."""
        cdef uint64_t word = 0, key
        cdef Py_ssize_t start = max(0, value_size - 8), i
        for i in range(start, value_size):
            word |= <uint64_t>value[i] << (8 * (i - start))
        key = word * 0x9E3779B97F4A7C15U + (<uint64_t>name_size << 16) + <uint64_t>value_size + 1
        # Six bits: below the 64 places.
        if self._seen[key >> 58] == key:
            return True
        self._seen[key >> 58] = key
        return False
