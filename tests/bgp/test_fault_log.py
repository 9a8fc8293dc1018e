"""The words about UPDATEs with errors, and how many of them there are."""

from __future__ import annotations

from evpnd.bgp.attributes import build
from evpnd.bgp.family import IPV4_UNICAST, L2VPN_EVPN
from evpnd.bgp.fault_log import PAUSE_S, FaultLog
from evpnd.bgp.reach import Reach, Unreach
from evpnd.bgp.update import Update
from evpnd.errors import Action, ProtocolError
from evpnd.evpn.macvrf import NO_ESI, mac_key
from evpnd.evpn.nlri import join_entry
from evpnd.evpn.values import mac_from_text, rd_from_text

DROPPED = ProtocolError(3, 5, message="ATOMIC_AGGREGATE is 1 octet long", action=Action.DISCARD)
COSTLY = ProtocolError(3, 6, message="ORIGIN 3 is unknown", action=Action.WITHDRAW)


def macs(count: int) -> bytes:
    rd = rd_from_text("10.0.0.2:100")
    keys = [mac_key(rd, mac_from_text(f"02:00:00:00:00:{number:02x}")) for number in range(count)]
    return b"".join(join_entry(key, NO_ESI + bytes((0, 0, 100))) for key in keys)


def test_withdrawn_routes_are_named() -> None:
    update = Update(build(), unreach=(Unreach(L2VPN_EVPN, macs(5)),), errors=(DROPPED, COSTLY))
    line = FaultLog().line(update, 0.0)
    assert line is not None
    assert line.startswith("ATOMIC_AGGREGATE is 1 octet long; ORIGIN 3 is unknown; treated as withdrawn: ")
    assert line.endswith(" and 2 more")
    assert "route_type 2 rd 10.0.0.2:100 ethernet_tag 0 mac 02:00:00:00:00:00, route_type 2" in line


def test_routes_that_stay_are_named() -> None:
    update = Update(build(), reach=(Reach(IPV4_UNICAST, bytes(4), b"\x08\x0a"),), errors=(DROPPED,))
    line = FaultLog().line(update, 0.0)
    assert line == "ATOMIC_AGGREGATE is 1 octet long; the routes stay without the attribute: 10.0.0.0/8"


def test_many_give_a_line_now_and_then_that_counts_the_others() -> None:
    log, update = FaultLog(), Update(build(), errors=(COSTLY,))
    lines = [log.line(update, PAUSE_S * step / 100) for step in range(101)]
    first, *between, last = lines
    assert first == "ORIGIN 3 is unknown; treated as withdrawn: none"
    assert set(between) == {None}
    assert last == f"{first}; 99 other UPDATEs had errors since the last such line"
