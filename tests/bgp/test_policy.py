"""What is accepted, and what iBGP, eBGP and reflection do to a path on its way out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evpnd.bgp.aspath import AS_CONFED_SEQUENCE, AS_CONFED_SET, AS_SEQUENCE, AS_SET, AsPath
from evpnd.bgp.attribute_section import Attribute
from evpnd.bgp.attributes import PathAttributes, build
from evpnd.bgp.path import Path, Source
from evpnd.bgp.policy import NO_ADVERTISE, NO_EXPORT, Exported, ExportPolicy, ImportPolicy

ROUTER, CLUSTER, OTHER = bytes((1, 1, 1, 1)), bytes((9, 9, 9, 9)), bytes((2, 2, 2, 2))
VTEP, BODY = bytes((10, 0, 0, 7)), bytes(13)
IBGP = ExportPolicy(
    local_asn=65001, router_id=ROUTER, cluster_id=CLUSTER, ebgp=False, client=False, as4=True, limit=4096
)
CLIENT = replace(IBGP, client=True)
EBGP = replace(IBGP, ebgp=True)

LOCAL = Source("local", local=True)
PEER = Source("peer", router_id=OTHER)
CLIENT_PEER = Source("client", router_id=OTHER, client=True)
EXTERNAL = Source("external", router_id=OTHER, ebgp=True)


def path(source: Source, attributes: PathAttributes | None = None) -> Path:
    return Path(source, attributes or build(), VTEP, BODY)


def told(policy: ExportPolicy, source: Source, attributes: PathAttributes | None = None) -> Exported:
    exported = policy.export(path(source, attributes))
    assert exported is not None
    return exported


@pytest.mark.parametrize(
    ("policy", "source", "expected"),
    [
        (IBGP, LOCAL, True),
        (IBGP, EXTERNAL, True),
        (IBGP, PEER, False),  # RFC 4271 section 9.2: not from iBGP to iBGP
        (IBGP, CLIENT_PEER, True),  # RFC 4456 section 6: from a client to all
        (CLIENT, PEER, True),
        (CLIENT, CLIENT_PEER, True),
        (EBGP, PEER, True),
        (EBGP, LOCAL, True),
    ],
)
def test_who_is_told_what(policy: ExportPolicy, source: Source, expected: bool) -> None:
    assert (policy.export(path(source)) is not None) is expected


def test_next_hop_is_unchanged_unless_configured() -> None:
    for policy in (IBGP, EBGP, CLIENT):
        assert told(policy, LOCAL).next_hop == VTEP
    assert told(replace(EBGP, next_hop_self=ROUTER), LOCAL).next_hop == ROUTER


def test_ibgp_gets_a_local_preference() -> None:
    assert told(IBGP, LOCAL).attributes.local_pref == 100
    assert told(IBGP, EXTERNAL, build(as_path=(1,), local_pref=7)).attributes.local_pref == 7


def test_ebgp_prepends_and_keeps_internal_attributes_inside() -> None:
    inside = build(local_pref=200, originator_id=OTHER, cluster_list=(OTHER,), med=5, as_path=(65009,))
    attributes = told(EBGP, PEER, inside).attributes
    assert attributes.as_path.asns() == (65001, 65009)
    assert attributes.local_pref is None
    assert attributes.originator_id is None
    assert attributes.cluster_list == ()
    assert attributes.med is None
    assert told(EBGP, LOCAL, build(med=5)).attributes.med == 5


@pytest.mark.parametrize("source", [PEER, CLIENT_PEER, EXTERNAL])
def test_non_transitive_communities_stay_inside(source: Source) -> None:
    """RFC 4360 section 6: all types with the bit, known or not, are removed; the rest stays in its order."""
    target, mobility = bytes.fromhex("0002fde900000064"), bytes.fromhex("0600010000000001")
    inner = tuple(bytes.fromhex(octets) for octets in ("4004fdea4b000000", "4002fdea00000064", "4300000000000000"))
    mixed = build(as_path=(65009,), extended_communities=(inner[0], target, *inner[1:], mobility), med=5)
    assert told(CLIENT, source, mixed).attributes.extended_communities == mixed.extended_communities
    attributes = told(EBGP, source, mixed).attributes
    assert attributes == told(EBGP, source, mixed.replace({16: target + mobility})).attributes
    assert attributes.extended_communities == (target, mobility)
    bare = told(EBGP, source, build(as_path=(65009,), extended_communities=inner)).attributes
    assert bare.get(16) is None


def test_reflection_says_who_and_through_whom() -> None:
    attributes = told(IBGP, CLIENT_PEER).attributes
    assert attributes.originator_id == OTHER
    assert attributes.cluster_list == (CLUSTER,)
    again = told(IBGP, CLIENT_PEER, build(originator_id=VTEP, cluster_list=(OTHER,))).attributes
    assert again.originator_id == VTEP
    assert again.cluster_list == (CLUSTER, OTHER)


def test_reflection_changes_nothing_else() -> None:
    unknown = Attribute(0xC0, 99, b"\x01\x02")
    before = build(med=3, local_pref=7, extended_communities=(bytes(8),), others=(unknown,))
    after = told(CLIENT, PEER, before).attributes
    untouched = {item.code: item.value for item in after.items if item.code not in (9, 10)}
    assert untouched == {item.code: item.value for item in before.items}
    partial = after.get(99)
    assert partial is not None
    assert partial.flags & 0x20  # RFC 4271 section 5: not recognized on the way


@pytest.mark.parametrize(("community", "policy"), [(NO_EXPORT, EBGP), (NO_ADVERTISE, EBGP), (NO_ADVERTISE, IBGP)])
def test_well_known_communities(community: int, policy: ExportPolicy) -> None:
    assert policy.export(path(LOCAL, build(communities=(community,)))) is None
    assert policy.export(path(LOCAL, build(communities=(1,)))) is not None


def test_no_export_stays_inside() -> None:
    assert IBGP.export(path(LOCAL, build(communities=(NO_EXPORT,)))) is not None


def test_attributes_too_long_for_the_session_are_not_told() -> None:
    """RFC 8654 section 4: received in an extended message, no room in an ordinary one."""
    long = build(communities=range(1000))
    assert IBGP.export(path(EXTERNAL, long)) is None
    assert replace(IBGP, limit=65535).export(path(EXTERNAL, long)) is not None


IMPORT = ImportPolicy(local_asn=65001, router_id=ROUTER, cluster_id=CLUSTER)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        (build(as_path=(65009, 65001)), "own AS in the AS path"),
        (build(originator_id=ROUTER), "originated by this router"),
        (build(cluster_list=(OTHER, CLUSTER)), "own cluster in the cluster list"),
        (build(as_path=(65009,), originator_id=OTHER, cluster_list=(OTHER,)), None),
    ],
)
def test_loops_are_refused(attributes: PathAttributes, reason: str | None) -> None:
    assert IMPORT.rejection(attributes) == reason


@pytest.mark.parametrize("kind", [AS_SET, AS_CONFED_SET])
def test_sets_are_refused_wherever_they_stand(kind: int) -> None:
    sequence = (AS_SEQUENCE, (65009,))
    for segments in (((kind, (65008,)),), (sequence, (kind, (65008,))), ((kind, (65008,)), sequence)):
        assert IMPORT.rejection(build(as_path=AsPath(segments))) == "set in the AS path"
    assert IMPORT.rejection(build(as_path=AsPath((sequence, (AS_CONFED_SEQUENCE, (65008,)))))) is None


def test_allowas_in_counts_occurrences() -> None:
    lenient = replace(IMPORT, allowas_in=1)
    assert lenient.rejection(build(as_path=(65001,))) is None
    assert lenient.rejection(build(as_path=(65001, 65001))) == "own AS in the AS path"
