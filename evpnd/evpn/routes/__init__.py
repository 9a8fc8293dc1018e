"""The route types of EVPN, one module each, and the tables by which the NLRI codec finds them.

A new route type is a new module here, one line in ROUTES, and in LAYOUTS (fixed sizes) or READERS (variable ones).
Every route class has TYPE, encode(), key(), body() and to_json().
"""

from __future__ import annotations

from collections.abc import Callable

from evpnd.evpn.routes import ethernet_ad, ethernet_segment, inclusive_multicast, ip_prefix, mac_ip
from evpnd.evpn.routes.ethernet_ad import EthernetAdRoute
from evpnd.evpn.routes.ethernet_segment import EthernetSegmentRoute
from evpnd.evpn.routes.inclusive_multicast import InclusiveMulticastRoute
from evpnd.evpn.routes.ip_prefix import IpPrefixRoute
from evpnd.evpn.routes.layout import Layout
from evpnd.evpn.routes.mac_ip import MacIpRoute
from evpnd.evpn.routes.opaque import OpaqueRoute

Route = EthernetAdRoute | MacIpRoute | InclusiveMulticastRoute | EthernetSegmentRoute | IpPrefixRoute | OpaqueRoute

FIXED = (ethernet_ad, mac_ip, inclusive_multicast, ethernet_segment, ip_prefix)

# by the first two octets of an NLRI
LAYOUTS: dict[bytes, Layout] = {layout.header: layout for module in FIXED for layout in module.LAYOUTS}

# route types of variable layout: value -> route, or None when the value is not of that form
READERS: dict[int, Callable[[bytes], Route | None]] = {}

__all__ = [
    "LAYOUTS",
    "READERS",
    "EthernetAdRoute",
    "EthernetSegmentRoute",
    "InclusiveMulticastRoute",
    "IpPrefixRoute",
    "MacIpRoute",
    "OpaqueRoute",
    "Route",
]
