"""What goes over the wire: BGP recorded on the switch, and read by tshark.

Owns recording and judging; tshark is the judge that knows nothing of evpnd.

Must not know: what the speakers say.
"""

from __future__ import annotations

import socket

from interop.kinds import LabNode

FILE = "/tmp/wire.pcap"
_WARNING = 0x600000  # as tshark counts severities
_FIELDS = ("frame.number", "_ws.malformed", "_ws.expert.message", "_ws.col.Info")


def record(switch: LabNode, port: str) -> None:
    """Record the BGP of the node at one port of the switch."""
    switch.background("tcpdump", f"tcpdump -i {port} --immediate-mode -U -s 0 -w {FILE} tcp port 179")


def updates(switch: LabNode, address: str) -> int:
    """How many packets with UPDATEs `address` has sent, as tshark counts."""
    return len(_read(switch, f"ip.src == {address} && bgp.type == 2", ("frame.number",)))


def routes(switch: LabNode, address: str) -> int:
    """How many EVPN routes of its own `address` has sent, as their RDs tell: one that is said twice counts twice."""
    own = "0001" + socket.inet_aton(address).hex()  # RFC 4364 section 4.2: type 1, an address
    lines = _read(switch, f"ip.src == {address} && bgp.evpn.nlri.rd", ("bgp.evpn.nlri.rd",))
    return sum(rd.replace(":", "").startswith(own) for line in lines for rd in line.split(","))


def faults(switch: LabNode, address: str) -> list[str]:
    """What tshark does not like in the BGP that `address` has sent."""
    # Warnings and errors; notes only explain (GR helper, say). TCP's own remarks are not about messages.
    doubtful = f"_ws.malformed || (_ws.expert.severity >= {_WARNING} && !tcp.analysis.flags && !tcp.flags.reset == 1)"
    return _read(switch, f"ip.src == {address} && bgp && ({doubtful})", _FIELDS)


def _read(switch: LabNode, wanted: str, fields: tuple[str, ...]) -> list[str]:
    columns = [part for field in fields for part in ("-e", field)]
    command = ["tshark", "-n", "-r", FILE, "-o", "tcp.desegment_tcp_streams:TRUE", "-Y", wanted, "-T", "fields"]
    return switch.run([*command, *columns], timeout=60).splitlines()
