"""Hypothesis strategies for EVPN routes."""

from __future__ import annotations

from hypothesis import strategies as st

from evpnd.evpn.routes import (
    EthernetAdRoute,
    EthernetSegmentRoute,
    InclusiveMulticastRoute,
    IpPrefixRoute,
    LeaveSynchRoute,
    MacIpRoute,
    MembershipReportSynchRoute,
    OpaqueRoute,
    Route,
    SelectiveMulticastRoute,
)


def octets(*sizes: int) -> st.SearchStrategy[bytes]:
    return st.one_of([st.binary(min_size=size, max_size=size) for size in sizes])


RD = octets(8)
ESI = octets(10)
MAC = octets(6)
LABEL = octets(3)
TAG = st.integers(0, 0xFFFFFFFF)
ADDRESS = octets(4, 16)
ANY_ADDRESS = octets(0, 4, 16)
OCTET = st.integers(0, 255)

ETHERNET_AD = st.builds(EthernetAdRoute, RD, ESI, TAG, LABEL)
MAC_IP = st.builds(MacIpRoute, RD, ESI, TAG, MAC, ANY_ADDRESS, LABEL, octets(0, 3))
INCLUSIVE_MULTICAST = st.builds(InclusiveMulticastRoute, RD, TAG, ADDRESS)
ETHERNET_SEGMENT = st.builds(EthernetSegmentRoute, RD, ESI, ADDRESS)
# an ESI or a gateway, not both: RFC 9136 section 3.1
IP_PREFIX = st.one_of(
    [
        st.builds(IpPrefixRoute, RD, esi, TAG, st.integers(0, 8 * size), octets(size), gateway, LABEL)
        for size in (4, 16)
        for esi, gateway in ((ESI, st.just(bytes(size))), (st.just(bytes(10)), octets(size)))
    ]
)
SELECTIVE_MULTICAST = st.builds(SelectiveMulticastRoute, RD, TAG, ANY_ADDRESS, ANY_ADDRESS, ADDRESS, OCTET)
REPORT_SYNCH = st.builds(MembershipReportSynchRoute, RD, ESI, TAG, ANY_ADDRESS, ANY_ADDRESS, ADDRESS, OCTET)
LEAVE_SYNCH = st.builds(LeaveSynchRoute, RD, ESI, TAG, ANY_ADDRESS, ANY_ADDRESS, ADDRESS, octets(5, 6))
OPAQUE = st.builds(OpaqueRoute, st.one_of(st.just(0), st.integers(9, 255)), st.binary(max_size=255))

ROUTE: st.SearchStrategy[Route] = st.one_of(
    ETHERNET_AD,
    MAC_IP,
    INCLUSIVE_MULTICAST,
    ETHERNET_SEGMENT,
    IP_PREFIX,
    SELECTIVE_MULTICAST,
    REPORT_SYNCH,
    LEAVE_SYNCH,
    OPAQUE,
)


@st.composite
def fields(draw: st.DrawFn) -> list[Route]:
    """Routes as they stand in a field: runs of one type, cut by others."""
    routes: list[Route] = []
    for _ in range(draw(st.integers(0, 6))):
        route = draw(ROUTE)
        routes += [route] * draw(st.integers(1, 4))
    return routes
