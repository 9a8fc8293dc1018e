"""What NOTIFICATION codes are called, and the text that a peer may send with them.

RFC 4271 section 4.5, RFC 4486, RFC 5492, RFC 6608, RFC 7313, RFC 8538, RFC 9003, RFC 9384, RFC 9687.
"""

from __future__ import annotations

CEASE = 6
HARD_RESET = 9
ADMINISTRATIVE = (2, 4)  # subcodes of Cease with a text: shutdown and reset (RFC 9003 section 2)

CODES: dict[int, tuple[str, dict[int, str]]] = {
    1: ("message header error", {1: "connection not synchronized", 2: "bad message length", 3: "bad message type"}),
    2: (
        "OPEN message error",
        {
            1: "unsupported version number",
            2: "bad peer AS",
            3: "bad BGP identifier",
            4: "unsupported optional parameter",
            6: "unacceptable hold time",
            7: "unsupported capability",
            11: "role mismatch",
        },
    ),
    3: (
        "UPDATE message error",
        {
            1: "malformed attribute list",
            2: "unrecognized well-known attribute",
            3: "missing well-known attribute",
            4: "attribute flags error",
            5: "attribute length error",
            6: "invalid ORIGIN attribute",
            8: "invalid NEXT_HOP attribute",
            9: "optional attribute error",
            10: "invalid network field",
            11: "malformed AS_PATH",
        },
    ),
    4: ("hold timer expired", {}),
    5: (
        "finite state machine error",
        {
            1: "unexpected message in OpenSent",
            2: "unexpected message in OpenConfirm",
            3: "unexpected message in Established",
        },
    ),
    CEASE: (
        "cease",
        {
            1: "maximum number of prefixes reached",
            2: "administrative shutdown",
            3: "peer de-configured",
            4: "administrative reset",
            5: "connection rejected",
            6: "other configuration change",
            7: "connection collision resolution",
            8: "out of resources",
            9: "hard reset",
            10: "BFD down",
        },
    ),
    7: ("ROUTE-REFRESH message error", {1: "invalid message length"}),
    8: ("send hold timer expired", {}),
}


def error_text(code: int, subcode: int, data: bytes = b"") -> str:
    """`cease: administrative shutdown: back at noon`; numbers where there is no name."""
    name, subcodes = CODES.get(code, (f"error code {code}", {}))
    parts = [name]
    if subcode:
        parts.append(subcodes.get(subcode, f"subcode {subcode}"))
    if code == CEASE and subcode in ADMINISTRATIVE and data and 0 < data[0] < len(data):
        parts.append(_printable(data[1 : 1 + data[0]]))
    elif code == CEASE and subcode == HARD_RESET and len(data) >= 2 and tuple(data[:2]) != (CEASE, HARD_RESET):
        parts.append(error_text(data[0], data[1], data[2:]))  # RFC 8538 section 3: the reason is inside.
    return ": ".join(parts)


def _printable(text: bytes) -> str:
    """A peer's text on one line, with nothing in it that a terminal obeys (RFC 9003 section 7)."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text.decode(errors="replace"))
