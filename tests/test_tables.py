"""evpnd.tables and evpnd.views: what people see, wide and narrow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.requests import COMMANDS
from evpnd.tables import Detail, duration, plain, render
from evpnd.views import FAILURES, FIB, MACS, PEER, PEERS, ROUTES, VIEWS, VNIS, VTEPS, keys

UP: dict[str, Any] = {
    "address": "10.255.0.1",
    "asn": 65000,
    "description": "reflector 1",
    "state": "established",
    "uptime_s": 93784.2,
    "routes_in": 12000,
    "routes_accepted": 11998,
    "routes_out": 40,
    "messages_in": 1234,
    "messages_out": 345,
    "problem": None,
}
DOWN: dict[str, Any] = {
    "address": "2001:db8:1::2",
    "asn": "external",
    "description": "",
    "state": "active",
    "uptime_s": None,
    "routes_in": 0,
    "routes_accepted": 0,
    "routes_out": 0,
    "messages_in": 0,
    "messages_out": 0,
    "problem": "connect to 2001:db8:1::2: connection refused",
}


def test_peers_on_a_wide_terminal() -> None:
    assert list(render(PEERS, [UP, DOWN], 160)) == [
        "PEER                 AS  STATE           UP     IN  ACCEPTED  OUT  MSG IN  MSG OUT  DESCRIPTION  PROBLEM",
        "10.255.0.1        65000  established  1d02h  12000     11998   40    1234      345  reflector 1",
        "2001:db8:1::2  external  active                  0         0    0       0        0               "
        "connect to 2001:db8:1::2: connection refused",
    ]


def test_peers_on_a_terminal_of_80_columns() -> None:
    assert list(render(PEERS, [UP, DOWN], 80)) == [
        "PEER                 AS  STATE           UP     IN  ACCEPTED  OUT  DESCRIPTION",
        "10.255.0.1        65000  established  1d02h  12000     11998   40  reflector 1",
        "2001:db8:1::2  external  active                  0         0    0",
        "    connect to 2001:db8:1::2: connection refused",
        "",
        "left out for want of width (--wide shows all): MSG IN, MSG OUT",
    ]


def test_peers_on_a_very_narrow_terminal() -> None:
    lines = list(render(PEERS, [UP, DOWN], 50))
    assert lines[:5] == [
        "PEER                 AS  STATE        ACCEPTED  OUT",
        "10.255.0.1        65000  established     11998   40",
        "2001:db8:1::2  external  active              0    0",
        "    connect to 2001:db8:1::2: connection refused",
        "",
    ]
    assert " ".join(lines[5:]).endswith("UP, IN, MSG IN, MSG OUT, DESCRIPTION")


def test_optional_columns_vanish_when_empty() -> None:
    assert "PROBLEM" not in next(render(PEERS, [UP]))
    assert "DESCRIPTION" not in next(render(PEERS, [DOWN]))


def test_no_rows_are_said_in_words() -> None:
    assert list(render(PEERS, [])) == ["no peers are configured"]
    assert list(render(FAILURES, [])) == ["no failures"]
    for view, nothing in ((MACS, "no such MACs"), (VTEPS, "no remote VTEPs")):
        (line,) = render(view, [])
        assert line.startswith(f"{nothing}; a VNI that does not work has none, and `evpnctl show vni`")


def test_peer_in_full() -> None:
    peer = UP | {
        "kind": "internal",
        "md5": True,
        "families": ["l2vpn-evpn"],
        "routes_by_type": {"2": 11000, "3": 1000},
        "messages": [{"type": "update", "in": 1200, "out": 300}],
        "update_errors": [
            {"age_s": 61, "action": "withdraw", "message": "ORIGIN is 7", "data": "40010107" * 10},
        ],
        "new_key": {"a": 1, "b": [2, 3]},
    }
    assert list(render(PEER, peer, 60)) == [
        "Session",
        "  peer         10.255.0.1",
        "  description  reflector 1",
        "  AS           65000",
        "  kind         internal",
        "  state        established",
        "  up for       1d02h",
        "",
        "Transport",
        "  TCP MD5  yes",
        "",
        "Negotiated",
        "  families  l2vpn-evpn",
        "",
        "Routes",
        "  in          12000",
        "  accepted    11998",
        "  out         40",
        "  in by type  type 2: 11000, type 3: 1000",
        "",
        "Messages",
        "  MESSAGE    IN  OUT",
        "  update   1200  300",
        "",
        "Errors in UPDATEs",
        "    AGO  ACTION    ERROR",
        "  1m01s  withdraw  ORIGIN is 7",
        "      " + ("40010107" * 10)[:54],
        "      " + ("40010107" * 10)[54:],
        "",
        "More",
        "  new key  a=1 b=2 3",
    ]


def test_routes() -> None:
    common = {"esi": "00:" * 9 + "00", "ethernet_tag": 0, "next_hop": "10.255.0.2", "peer": "10.0.0.1", "best": True}
    communities = ["rt:65001:100", "encapsulation:vxlan", "mac-mobility:5"]
    rows = [
        common
        | {
            "route_type": 2,
            "rd": "10.255.0.2:2",
            "mac": "02:00:00:00:00:01",
            "ip": "10.1.0.1",
            "label1": 100,
            "label2": 5000,
            "attributes": {"as_path": [65002, {"as_set": [1, 2]}], "extended_communities": communities},
        },
        common
        | {"route_type": 3, "rd": "10.255.0.2:2", "originator_ip": "10.255.0.2", "best": False, "attributes": {}}
        | {"why": "not best: the other has a lower next hop"},
        common | {"route_type": 5, "rd": "1:1", "prefix": "10.2.0.0/16", "gateway_ip": "0.0.0.0", "label1": 5000},
        common | {"route_type": 99, "raw": "0102", "peer": "local", "stale": True},
    ]
    assert list(render(ROUTES, rows)) == [
        "    TYPE         RD            MAC                IP           NEXT HOP       LABEL  PEER      "
        "ATTRIBUTES                                          WHY NOT",
        "*   2 mac-ip     10.255.0.2:2  02:00:00:00:00:01  10.1.0.1     10.255.0.2  100/5000  10.0.0.1  "
        "path 65002 as_set=1 2, rt:65001:100 mac-mobility:5",
        "    3 multicast  10.255.0.2:2                     10.255.0.2   10.255.0.2            10.0.0.1  "
        "                                                    not best: the other has a lower next hop",
        "*   5 prefix     1:1                              10.2.0.0/16  10.255.0.2      5000  10.0.0.1",
        "*s  99                                            0102         10.255.0.2            local",
    ]
    narrow = list(render(ROUTES, rows, 80))
    assert all(len(line) <= 80 for line in narrow)
    assert narrow[1:4] == [
        "*   2 mac-ip     10.255.0.2:2  02:00:00:00:00:01  10.1.0.1     10.255.0.2",
        "    3 multicast  10.255.0.2:2                     10.255.0.2   10.255.0.2",
        "    not best: the other has a lower next hop",
    ]


def test_macs_vnis_and_vteps() -> None:
    macs = [
        {"vni": 100, "mac": "02:00:00:00:00:01", "kind": "local", "sticky": True, "port": "veth1", "sequence": 0},
        {"vni": 100, "mac": "02:00:00:00:00:02", "kind": "remote", "vtep": "10.255.0.2", "sequence": 3, "ips": ["::1"]},
    ]
    assert list(render(MACS, macs, 100)) == [
        "VNI  MAC                KIND          WHERE       SEQUENCE  IPS",
        "100  02:00:00:00:00:01  local sticky  veth1              0",
        "100  02:00:00:00:00:02  remote        10.255.0.2         3  ::1",
    ]
    vnis: list[dict[str, Any]] = [
        {"vni": 100, "device": "vx100", "problem": "vx100 is not in a bridge", "warnings": ["MTU is 1500", "b"]},
        {"vni": 200, "import_targets": ["*:200", "*:268435656"], "export_targets": ["1:268435656"]},
    ]
    text = "\n".join(render(VNIS, vnis))
    assert "vx100 is not in a bridge" in text
    assert "MTU is 1500; b" in text
    assert "*:200 *:200(rfc8365)  1:200(rfc8365)" in text
    vteps = [{"vni": 100, "vtep": "10.255.0.2", "flood": True, "macs": 5, "rd": "10.255.0.2:2", "peer": "10.0.0.1"}]
    assert list(render(VTEPS, vteps)) == [
        "VNI  VTEP        FLOOD  MACS  RD            PEER",
        "100  10.255.0.2  yes       5  10.255.0.2:2  10.0.0.1",
    ]


def test_fib() -> None:
    lines = list(
        render(FIB, {"desired": 3, "owned": 3, "pending": 0, "failures": 2, "written": 6, "resync_took_s": 0.0123})
    )
    assert lines == [
        "Entries",
        "  desired        3",
        "  in the kernel  3",
        "  pending        0",
        "  failed         2: `evpnctl show fib failures` lists them",
        "",
        "Kernel",
        "  requests         6",
        "  comparison took  0.012 s",
    ]


@pytest.mark.parametrize(
    ("unread", "said"),
    [
        (1, ["1 device: its table was too large"]),
        (2, ["2 devices: their tables were too large"]),
        (0, []),
        (None, []),
    ],
)
def test_tables_that_are_still_searched_are_said_in_words(unread: int | None, said: list[str]) -> None:
    lines = list(render(FIB, {"desired": 3, "stale": 5, "unread": unread}))
    assert [line.partition("searching  ")[2].partition(" to be read")[0] for line in lines[3:]] == said


def test_every_command_has_a_view_and_reads_some_keys() -> None:
    assert set(VIEWS) == {command.name for command in COMMANDS}
    assert all(keys(view) for view in VIEWS.values())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"), (86400, "1d00h"), (1e6, "11d13h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_durations_of_nothing() -> None:
    assert [duration(value) for value in (None, float("inf"), "x")] == ["", "", ""]


def test_text_from_afar_cannot_touch_the_terminal() -> None:
    assert plain("\x1b[2Jgone\r\n") == "?[2Jgone??"
    rows = [DOWN | {"problem": "peer said: \x1b]0;x\x07"}]
    assert all(line.isprintable() for width in (None, 40) for line in render(PEERS, rows, width))


_VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.lists(st.integers(), max_size=3)
)


@given(st.data(), st.sampled_from(sorted(VIEWS)), st.none() | st.integers(1, 200))
def test_any_row_is_printed(data: st.DataObject, name: str, width: int | None) -> None:
    view = VIEWS[name]
    tables = {section.rows for section in view.sections} if isinstance(view, Detail) else set()
    names = st.sampled_from([*sorted(keys(view) - tables), "other"])
    row = st.dictionaries(names, _VALUES)
    result = data.draw(row if isinstance(view, Detail) else st.lists(row, max_size=4))
    assert all(line.isprintable() for line in render(view, result, width))
