"""The benchmark's own parts: its messages mean what they should, its clock counts, its verdicts are right."""

from __future__ import annotations

import pytest

from evpnd.bgp.family import L2VPN_EVPN
from evpnd.bgp.update import decode_update
from interop.bench import wire
from interop.bench.results import MEASURES, Measure, Result, as_json, table, verdict

ADD = next(measure for measure in MEASURES if measure.key == "macs.add")


@pytest.mark.parametrize("with_ip", [False, True])
def test_mac_updates_decode_to_the_macs_they_announce(with_ip: bool) -> None:
    updates = wire.mac_updates(5, 120, 50, vteps=2, vni=100, with_ip=with_ip)
    decoded = [decode_update(message[19:]) for message in updates]
    routes = [route for update in decoded for reach in update.reach for route in reach.routes]
    assert [route.mac for route in routes] == [wire.mac(number) for number in range(5, 125)]
    assert {len(route.ip) for route in routes} == {4 if with_ip else 0}
    assert [update.reach[0].next_hop for update in decoded] == [wire.vtep(0), wire.vtep(1), wire.vtep(0)]


def test_withdrawals_have_the_keys_of_what_was_announced() -> None:
    announced, withdrawn = (wire.mac_updates(0, 100, 50, vteps=3, vni=100, gone=gone) for gone in (False, True))
    for first, second in zip(announced, withdrawn, strict=True):
        reach, unreach = decode_update(first[19:]).reach[0], decode_update(second[19:]).unreach[0]
        assert [route.key() for route in reach.routes] == [route.key() for route in unreach.routes]


def test_flood_updates_decode_to_type_3_with_a_pmsi_tunnel() -> None:
    (update,) = (decode_update(message[19:]) for message in wire.flood_updates(range(100, 101), 1))
    (route,) = update.reach[0].routes
    assert route.TYPE == 3
    assert update.attributes.pmsi is not None and update.attributes.pmsi.endpoint == wire.vtep(0)


def test_end_of_rib_is_one() -> None:
    assert decode_update(wire.end_of_rib()[19:]).end_of_rib == L2VPN_EVPN


def test_scanner_finds_what_the_encoder_wrote_in_any_pieces() -> None:
    stream = b"".join(wire.mac_updates(0, 100, 50, vteps=1, vni=100)) + wire.message(wire.KEEPALIVE)
    buffer, found = bytearray(), []
    for start in range(0, len(stream), 7):
        buffer += stream[start : start + 7]
        for kind, body in wire.scan_messages(buffer):
            if kind == wire.UPDATE:
                found += [value[23:29] for _, value in wire.announced_routes(body)]
    assert found == [wire.mac(number) for number in range(100)]


def _by_target(**values: float) -> dict[str, Result]:
    return {name.replace("_", "-"): Result("m", name.replace("_", "-"), (value,)) for name, value in values.items()}


def test_verdict_on_ratios_and_bounds() -> None:
    other = ADD.than
    assert verdict(ADD, {"evpnd": Result("m", "evpnd", (1.0,)), other: Result("m", other, (5.0,))}) == "met"
    assert verdict(ADD, {"evpnd": Result("m", "evpnd", (1.0,)), other: Result("m", other, (4.9,))}) == "NOT met"
    bound = Measure("m", "a bound", "s", goal=3)
    assert verdict(bound, _by_target(evpnd=3)) == "met"
    assert verdict(bound, _by_target(evpnd=3.1)) == "NOT met"
    assert verdict(bound, {"evpnd": Result("m", "evpnd", failure="it fell over")}) == "NOT met"
    rate = Measure("m", "a rate", "routes/s", times=5, than="yabgp", higher_is_better=True)
    assert verdict(rate, _by_target(evpnd=500, yabgp=100)) == "met"
    assert verdict(rate, _by_target(evpnd=499, yabgp=100)) == "NOT met"


def test_table_and_json_show_the_same_medians() -> None:
    results = [Result("macs.add", "evpnd", (0.4, 0.5, 0.9)), Result("macs.add", "frr-10.7", (3.0,))]
    row = table(results).splitlines()[1]
    assert "0.5" in row and "6.0x" in row and row.endswith("met")
    listed = as_json(results, {})["measures"]
    assert isinstance(listed, list)
    assert [result["median"] for result in listed[0]["results"]] == [0.5, 3.0]
