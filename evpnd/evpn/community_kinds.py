"""Numbers of the extended communities that EVPN uses: type and subtype octets, flags, algorithms, tunnel types.

Owns the numbers only; evpnd.evpn.extended_community builds and reads, evpnd.evpn.community_text spells.

RFC 4360 and RFC 5668 (route targets), RFC 9012 section 4.1 (encapsulation), RFC 7432 section 7 (MAC mobility, ESI
label, ES-Import, default gateway), RFC 9135 section 8 (router's MAC), RFC 8214 section 3.1 (layer 2 attributes), RFC
8584 section 2.2 and RFC 9785 (DF election), RFC 9047 (ARP/ND), draft-ietf-idr-link-bandwidth.
"""

from __future__ import annotations

SIZE = 8

# first two octets, type and subtype
MAC_MOBILITY = b"\x06\x00"
ESI_LABEL = b"\x06\x01"
ES_IMPORT = b"\x06\x02"
ROUTER_MAC = b"\x06\x03"
L2_ATTRIBUTES = b"\x06\x04"
E_TREE = b"\x06\x05"  # RFC 8317 section 5.1
DF_ELECTION = b"\x06\x06"
ARP_ND = b"\x06\x08"
MULTICAST_FLAGS = b"\x06\x09"  # RFC 9251 section 9.4
ENCAPSULATION = b"\x03\x0c"
DEFAULT_GATEWAY = b"\x03\x0d"
LINK_BANDWIDTH = b"\x40\x04"
LINK_BANDWIDTH_TRANSITIVE = b"\x00\x04"
ROUTE_TARGETS = frozenset((b"\x00\x02", b"\x01\x02", b"\x02\x02"))  # by 2-octet AS, IPv4 address, 4-octet AS

# tunnel types of the encapsulation community, IANA "BGP Tunnel Encapsulation Attribute Tunnel Types"
VXLAN = 8
NVGRE = 9
MPLS = 10

STICKY = 0x01  # RFC 7432 section 7.7
SINGLE_ACTIVE = 0x01  # RFC 7432 section 7.5

# RFC 9047 section 2
ARP_ND_ROUTER = 0x01
ARP_ND_OVERRIDE = 0x02
ARP_ND_IMMUTABLE = 0x08

# RFC 8214 section 3.1
L2_BACKUP = 0x01
L2_PRIMARY = 0x02
L2_CONTROL_WORD = 0x04

# RFC 8584 section 2.2, RFC 9785 section 3: algorithms and capabilities
DF_DEFAULT = 0
DF_HIGHEST_RANDOM_WEIGHT = 1
DF_HIGHEST_PREFERENCE = 2
DF_LOWEST_PREFERENCE = 3
DF_DONT_PREEMPT = 0x8000
DF_AC_INFLUENCED = 0x4000
