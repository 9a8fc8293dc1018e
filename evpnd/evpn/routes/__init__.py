"""The route types of EVPN, one module each, and the tables by which the NLRI codec finds them.

A new route type is a new module here and one line in FIXED (its lengths are few) or VARIABLE. Every route class has
TYPE, encode(), key(), body() and to_json(); a module in FIXED has LAYOUTS, one in VARIABLE has read().
"""

from __future__ import annotations

from collections.abc import Callable

from evpnd.evpn.routes import (
    ethernet_ad,
    ethernet_segment,
    inclusive_multicast,
    ip_prefix,
    leave_synch,
    mac_ip,
    membership_report_synch,
    selective_multicast,
)
from evpnd.evpn.routes.ethernet_ad import EthernetAdRoute
from evpnd.evpn.routes.ethernet_segment import EthernetSegmentRoute
from evpnd.evpn.routes.inclusive_multicast import InclusiveMulticastRoute
from evpnd.evpn.routes.ip_prefix import IpPrefixRoute
from evpnd.evpn.routes.layout import Layout
from evpnd.evpn.routes.leave_synch import LeaveSynchRoute
from evpnd.evpn.routes.mac_ip import MacIpRoute
from evpnd.evpn.routes.membership_report_synch import MembershipReportSynchRoute
from evpnd.evpn.routes.opaque import OpaqueRoute
from evpnd.evpn.routes.selective_multicast import SelectiveMulticastRoute

Route = (
    EthernetAdRoute
    | MacIpRoute
    | InclusiveMulticastRoute
    | EthernetSegmentRoute
    | IpPrefixRoute
    | SelectiveMulticastRoute
    | MembershipReportSynchRoute
    | LeaveSynchRoute
    | OpaqueRoute
)

FIXED = (ethernet_ad, mac_ip, inclusive_multicast, ethernet_segment, ip_prefix)

# by the first two octets of an NLRI, route type and length
LAYOUTS: dict[bytes, Layout] = {layout.header: layout for module in FIXED for layout in module.LAYOUTS}

# by route type: the value of an NLRI -> route, or None when the value is not of that form
VARIABLE: dict[int, Callable[[bytes], Route | None]] = {
    SelectiveMulticastRoute.TYPE: selective_multicast.read,
    MembershipReportSynchRoute.TYPE: membership_report_synch.read,
    LeaveSynchRoute.TYPE: leave_synch.read,
}

__all__ = [
    "LAYOUTS",
    "VARIABLE",
    "EthernetAdRoute",
    "EthernetSegmentRoute",
    "InclusiveMulticastRoute",
    "IpPrefixRoute",
    "LeaveSynchRoute",
    "MacIpRoute",
    "MembershipReportSynchRoute",
    "OpaqueRoute",
    "Route",
    "SelectiveMulticastRoute",
]
