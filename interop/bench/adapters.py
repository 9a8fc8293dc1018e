"""One adapter a codec library, so that all are timed at the same work.

`decode` goes from a whole message to RD, MAC, IP, label and next hop of every route, and the extended communities, as
the library's own values; `text` reads all of them as text (a library whose values are text has nothing to add);
`encode` goes from values to a whole message, prepared beforehand only as plain numbers, octets or text.
"""

from __future__ import annotations

import importlib.metadata
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

RD = "10.9.0.1:100"
NEXT_HOP = "10.9.0.1"
VNI = 100
ASN_NUMBER = 65000


class Host(NamedTuple):
    """One route to make, in text, as a person would write it."""

    mac: str
    ip: str


class Reading(NamedTuple):
    """What a decoded UPDATE says, in text."""

    routes: list[tuple[str, str, str, int]]  # RD, MAC, IP, label
    next_hop: str
    communities: int


class Codec(ABC):
    """One library. `fresh` is called before each round, so that no cache outlives it."""

    package: str  # the distribution it is of

    @property
    def version(self) -> str:
        return importlib.metadata.version(self.package)

    def fresh(self) -> None:  # noqa: B027 (most have nothing to renew)
        pass

    @abstractmethod
    def decode(self, message: bytes) -> Any:
        """Read every value; the return value keeps them alive."""

    @abstractmethod
    def text(self, message: bytes) -> Reading:
        """Read every value as text."""

    @abstractmethod
    def prepare(self, hosts: Sequence[Host]) -> Any:
        """The hosts as plain values that `encode` takes."""

    @abstractmethod
    def encode(self, prepared: Any, sequence: int) -> bytes: ...


class Evpnd(Codec):
    package = "evpnd"

    @property
    def version(self) -> str:  # the checkout's, which is not installed
        import evpnd

        return evpnd.__version__

    def __init__(self) -> None:
        from evpnd.bgp import attributes, family, update
        from evpnd.evpn import extended_community, values
        from evpnd.evpn.routes.mac_ip import MacIpRoute

        self._update, self._attributes, self._communities, self._values = update, attributes, extended_community, values
        self._route, self._family = MacIpRoute, family.L2VPN_EVPN
        self._rd, self._next_hop = values.rd_from_text(RD), values.ip_from_text(NEXT_HOP)
        self._fixed = (extended_community.route_target(ASN_NUMBER, VNI), extended_community.encapsulation(8))
        self.fresh()

    def fresh(self) -> None:
        self._decoder = self._update.UpdateDecoder(self._update.Context(), self._attributes.AttributeCache())

    def decode(self, message: bytes) -> Any:
        found = self._decoder.decode(message[19:])
        number = int.from_bytes
        read = []
        for reach in found.reach:
            next_hop = reach.next_hop
            for route in reach.routes:
                read.append((route.rd, route.mac, route.ip, number(route.label1, "big"), next_hop))
        return read, found.attributes.extended_communities

    def text(self, message: bytes) -> Reading:
        found = self._decoder.decode(message[19:])
        values = self._values
        (reach,) = found.reach
        rd_text, mac_text, ip_text, number = values.rd_text, values.mac_text, values.ip_text, int.from_bytes
        routes = [
            (rd_text(route.rd), mac_text(route.mac), ip_text(route.ip), number(route.label1, "big"))
            for route in reach.routes
        ]
        communities = [self._communities.to_text(octets) for octets in found.attributes.extended_communities]
        return Reading(routes, ip_text(reach.next_hop), len(communities))

    def prepare(self, hosts: Sequence[Host]) -> Any:
        from_text = self._values
        return [(from_text.mac_from_text(host.mac), from_text.ip_from_text(host.ip)) for host in hosts]

    def encode(self, prepared: Any, sequence: int) -> bytes:
        route, rd, esi, label = self._route, self._rd, bytes(10), VNI.to_bytes(3, "big")
        nlris = [route(rd, esi, 0, mac, ip, label).encode() for mac, ip in prepared]
        communities = (*self._fixed, self._communities.mac_mobility(sequence, False))
        attributes = self._attributes.build(local_pref=100, extended_communities=communities)
        (message,) = self._update.pack_updates(attributes, self._family, self._next_hop, nlris)
        return bytes(message)


class Yabgp(Codec):
    package = "yabgp"

    def __init__(self) -> None:
        from yabgp.message.update import Update

        self._update = Update

    def decode(self, message: bytes) -> Any:
        attributes = self._update.parse(None, message[19:], asn4=True)["attr"]
        reach = attributes[14]
        next_hop = reach["nexthop"]
        read = []
        for route in reach["nlri"]:
            value = route["value"]
            read.append((value["rd"], value["mac"], value["ip"], value["label"], next_hop))
        return read, attributes[16]

    def text(self, message: bytes) -> Reading:
        read, communities = self.decode(message)
        # It reads the label as MPLS does, in the upper 20 bits.
        routes = [(rd, mac.replace("-", ":").lower(), ip, label[0] << 4 | VNI & 15) for rd, mac, ip, label, _ in read]
        return Reading(routes, read[0][4], len(communities))

    def prepare(self, hosts: Sequence[Host]) -> Any:
        return [(host.mac.replace(":", "-"), host.ip) for host in hosts]

    def encode(self, prepared: Any, sequence: int) -> bytes:
        routes = [
            {"type": 2, "value": {"rd": RD, "esi": 0, "eth_tag_id": 0, "mac": mac, "ip": ip, "label": [VNI >> 4]}}
            for mac, ip in prepared
        ]
        communities = [[0x0002, f"{ASN_NUMBER}:{VNI}"], [0x030C, 8], [0x0600, 0, sequence]]
        reach = {"afi_safi": (25, 70), "nexthop": NEXT_HOP, "nlri": routes}
        message: bytes = self._update.construct({"attr": {14: reach, 1: 0, 2: [], 5: 100, 16: communities}}, asn4=True)
        return message


class Exabgp(Codec):
    package = "exabgp"

    def __init__(self) -> None:
        from exabgp.bgp.message.direction import Direction
        from exabgp.bgp.message.open.asn import ASN
        from exabgp.bgp.message.open.capability.negotiated import Negotiated
        from exabgp.bgp.message.update import Update
        from exabgp.bgp.message.update.attribute import Attribute
        from exabgp.logger import log
        from exabgp.protocol.family import AFI, SAFI

        log.silence()
        self._unpack, self._in = Update.unpack_message, Direction.IN
        self._code = Attribute.CODE.EXTENDED_COMMUNITY
        negotiated = Negotiated({"capability": {"aigp": False}})
        negotiated.asn4, negotiated.families = True, [(AFI.l2vpn, SAFI.evpn)]
        negotiated.local_as = negotiated.peer_as = ASN(ASN_NUMBER)
        self._negotiated = negotiated
        self._encoder = _exabgp_encoder(negotiated)

    def fresh(self) -> None:
        self._negotiated.cached_attributes, self._negotiated.cached_wire = None, b""

    def decode(self, message: bytes) -> Any:
        update = self._unpack(message[19:], self._in, self._negotiated)
        read = [(route.rd, route.mac, route.ip, route.label.labels[0], route.nexthop) for route in update.nlris]
        return read, update.attributes[self._code].communities

    def text(self, message: bytes) -> Reading:
        read, communities = self.decode(message)
        routes = [(rd._str(), str(mac).lower(), str(ip), label << 4 | VNI & 15) for rd, mac, ip, label, _ in read]
        return Reading(routes, str(read[0][4]), len([repr(community) for community in communities]))

    def prepare(self, hosts: Sequence[Host]) -> Any:
        return hosts

    def encode(self, prepared: Any, sequence: int) -> bytes:
        return self._encoder(prepared, sequence)


def _exabgp_encoder(negotiated: Any) -> Callable[[Sequence[Host], int], bytes]:
    from exabgp.bgp.message import Action
    from exabgp.bgp.message.open.asn import ASN
    from exabgp.bgp.message.update import Update
    from exabgp.bgp.message.update.attribute import Attributes, LocalPreference, Origin
    from exabgp.bgp.message.update.attribute.aspath import ASPath
    from exabgp.bgp.message.update.attribute.community.extended import ExtendedCommunities
    from exabgp.bgp.message.update.attribute.community.extended.encapsulation import Encapsulation
    from exabgp.bgp.message.update.attribute.community.extended.mac_mobility import MacMobility
    from exabgp.bgp.message.update.attribute.community.extended.rt import RouteTargetASN2Number
    from exabgp.bgp.message.update.nlri.evpn.mac import MAC as Route
    from exabgp.bgp.message.update.nlri.qualifier import ESI, MAC, EthernetTag, Labels, RouteDistinguisher
    from exabgp.protocol.ip import IP

    administrator, number = RD.split(":")

    def encode(hosts: Sequence[Host], sequence: int) -> bytes:
        rd = RouteDistinguisher.fromElements(administrator, int(number))
        more = {"nexthop": IP.create(NEXT_HOP), "action": Action.ANNOUNCE}
        routes = [
            Route(rd, ESI(), EthernetTag(0), MAC(host.mac), 48, Labels([VNI >> 4]), IP.create(host.ip), **more)
            for host in hosts
        ]
        communities = ExtendedCommunities()
        communities.add(RouteTargetASN2Number(ASN(ASN_NUMBER), VNI))
        communities.add(Encapsulation(8))
        communities.add(MacMobility(sequence))
        attributes = Attributes()
        for attribute in (Origin(0), ASPath([]), LocalPreference(100), communities):
            attributes.add(attribute)
        (message,) = Update(routes, attributes).messages(negotiated)
        return bytes(message)

    return encode


class OsKen(Codec):
    package = "os-ken"

    def __init__(self) -> None:
        from os_ken.lib.packet import bgp

        self._bgp = bgp

    def decode(self, message: bytes) -> Any:
        update = self._bgp.BGPMessage.parser(message)[0]
        by_type = {attribute.type: attribute for attribute in update.path_attributes}
        reach = by_type[14]
        next_hop = reach.next_hop
        read = [(route.route_dist, route.mac_addr, route.ip_addr, route.vni, next_hop) for route in reach.nlri]
        return read, by_type[16].communities

    def text(self, message: bytes) -> Reading:
        read, communities = self.decode(message)
        return Reading([values[:4] for values in read], read[0][4], len([str(item) for item in communities]))

    def prepare(self, hosts: Sequence[Host]) -> Any:
        return hosts

    def encode(self, prepared: Any, sequence: int) -> bytes:
        bgp = self._bgp
        esi = bgp.EvpnArbitraryEsi(value=bytes(9))
        routes = [
            bgp.EvpnMacIPAdvertisementNLRI(
                route_dist=RD, esi=esi, ethernet_tag_id=0, mac_addr=host.mac, ip_addr=host.ip, vni=VNI
            )
            for host in prepared
        ]
        communities = [
            bgp.BGPTwoOctetAsSpecificExtendedCommunity(subtype=2, as_number=ASN_NUMBER, local_administrator=VNI),
            bgp.BGPEncapsulationExtendedCommunity(subtype=0x0C, tunnel_type=8),
            bgp.BGPEvpnMacMobilityExtendedCommunity(subtype=0, flags=0, sequence_number=sequence),
        ]
        attributes = [
            bgp.BGPPathAttributeMpReachNLRI(afi=25, safi=70, next_hop=NEXT_HOP, nlri=routes),
            bgp.BGPPathAttributeOrigin(value=0),
            bgp.BGPPathAttributeAsPath(value=[]),
            bgp.BGPPathAttributeLocalPref(value=100),
            bgp.BGPPathAttributeExtendedCommunities(communities=communities),
        ]
        return bytes(bgp.BGPUpdate(path_attributes=attributes).serialize())


CODECS: dict[str, type[Codec]] = {"evpnd": Evpnd, "yabgp": Yabgp, "ExaBGP": Exabgp, "os-ken": OsKen}
