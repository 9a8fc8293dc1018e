"""A live session fed with a hundred thousand messages that are wrong somewhere: it always comes back."""

from __future__ import annotations

import logging
import random
from dataclasses import replace

import pytest

from evpnd.bgp.attributes import build
from evpnd.bgp.family import L2VPN_EVPN
from evpnd.bgp.framing import KEEPALIVE, MAX_EXTENDED, NOTIFICATION, ROUTE_REFRESH, frame
from evpnd.bgp.fsm import State
from evpnd.bgp.message import encode_open
from evpnd.bgp.negotiation import make_open
from evpnd.bgp.update import end_of_rib, pack_updates, pack_withdrawals
from tests.bgp.wires import OURS, THEIRS, Script, listening, run, session, until
from tests.vector_files import vectors

MESSAGES = 100_000
A_SESSION = 30  # messages sent in one go; what ends the session makes the rest of them be lost


def originals() -> list[bytes]:
    """What the mutations start from: our own messages, and the UPDATEs of other implementations."""
    attributes = build(as_path=(65002,), next_hop=bytes(4), communities=(1, 2), extended_communities=(bytes(8),) * 3)
    macs = [bytes.fromhex("0221 00010aff00020064" + "00" * 14 + f"30 0200000000{n:02x} 00 000064") for n in range(5)]
    ours = [
        *pack_updates(attributes, L2VPN_EVPN, bytes((10, 255, 0, 2)), macs),
        *pack_withdrawals(L2VPN_EVPN, macs),
        end_of_rib(L2VPN_EVPN),
        frame(KEEPALIVE, b""),
        frame(ROUTE_REFRESH, b"\0\x19\0\x46"),
        frame(NOTIFICATION, b"\6\2\5hello"),
        encode_open(make_open(THEIRS)),
    ]
    return ours * 5 + [vector.data for vector in vectors("update") if vector.data[18:19] == b"\2"]


def mutate(message: bytes, rng: random.Random) -> bytes:
    """One or two octets changed, put in or taken out; the header tells the truth about the length most times."""
    data = bytearray(message[19:])
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(data) + 1)
        change = rng.random()
        if change < 0.85 and at < len(data):
            data[at] = rng.choice((0, 1, 0xFF, 0x80, rng.randrange(256)))
        elif change < 0.93:
            data[at:at] = rng.randbytes(rng.randint(1, 4))
        else:
            del data[at : at + rng.randint(1, 4)]
    if rng.random() < 0.99:
        return frame(message[18], bytes(data))
    whole = bytearray(message[:19] + data)
    whole[rng.randrange(19)] = rng.randrange(256)
    return bytes(whole)


def test_a_hundred_thousand_mutated_messages(caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(4271)
    sources = originals()

    async def feed(port: int, one) -> None:  # type: ignore[no-untyped-def]
        """One connection's worth: a session, perhaps a mutated OPEN, and messages until it ends."""
        await until(lambda: one.state is State.ACTIVE)
        script = await Script.connect(port)
        opening = encode_open(make_open(THEIRS))
        script.writer.write(mutate(opening, rng) if rng.random() < 0.1 else opening)
        script.writer.write(frame(KEEPALIVE, b""))
        messages = [mutate(rng.choice(sources), rng) for _ in range(A_SESSION)]
        script.writer.write(b"".join(messages) + frame(NOTIFICATION, b"\6\3"))
        if any(int.from_bytes(message[16:18], "big") != len(message) for message in messages):
            script.writer.write(bytes(MAX_EXTENDED))  # the message that is said to be longer ends some time
        while await script.reader.read(65536):
            pass
        script.abort()

    async def work() -> None:
        one, owner = session(replace(OURS, passive=True), uniform=lambda low, high: 0.0)
        async with listening(one) as listener:
            one.start()
            received = one.counters.received
            while received.total() < MESSAGES:
                await feed(listener.port, one)
                owner.news.clear()
            # And now a sane one.
            await until(lambda: one.state is State.ACTIVE)
            script = await Script.connect(listener.port)
            await script.establish()
            await owner.wait("established")
            script.writer.write(end_of_rib(L2VPN_EVPN))
            await owner.wait("update")
            assert one.problem is None
            assert len(one.counters.errors) >= 3
            script.abort()

    with caplog.at_level(logging.ERROR, logger="evpnd"):
        run("uvloop", work(), limit_s=240)
    assert "internal error" not in caplog.text
