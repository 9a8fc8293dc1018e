"""What evpnctl prints for each command: the columns and sections, and so the keys that the daemon's rows must have.

VIEWS has one view for each command of evpnd.requests; `keys(view)` are the row keys it reads. A handler may leave out a
key that it has nothing for (None does as well), and may add others: `--json` prints them, and details show them in the
end. Numbers are numbers, times are seconds (`_s`), and absent addresses are None. docs/commands.md is made from this.

Must not know: how the rows come about, where they are printed.
"""

from __future__ import annotations

from evpnd import cells
from evpnd.tables import Column, Detail, Item, Section, Table, View, duration

_NO_VNI = "; a VNI that does not work has none, and `evpnctl show vni` says why it does not"
PROBLEM = Column("PROBLEM", ("problem",), "the first thing that keeps it from working", optional=True, note=True)

PEERS = Table(
    (
        Column("PEER", ("address",), "the peer's address"),
        Column("AS", ("asn",), "its AS number", right=True),
        Column("STATE", ("state",), "the state of its FSM (RFC 4271 section 8.2.2)"),
        Column("UP", ("uptime_s",), "how long the session has been up", duration, right=True, spare=1),
        Column("IN", ("routes_in",), "routes that it sent", right=True, spare=2),
        Column("ACCEPTED", ("routes_accepted",), "those of them that policy and loop checks let in", right=True),
        Column("OUT", ("routes_out",), "routes sent to it", right=True),
        Column("MSG IN", ("messages_in",), "BGP messages from it", right=True, spare=5),
        Column("MSG OUT", ("messages_out",), "BGP messages to it", right=True, spare=4),
        Column("DESCRIPTION", ("description",), "as configured", optional=True, spare=3),
        PROBLEM,
    ),
    "no peers are configured",
)

_MESSAGES = Table(
    (
        Column("MESSAGE", ("type",), "the type"),
        Column("IN", ("in",), "received", right=True),
        Column("OUT", ("out",), "sent", right=True),
    ),
    "",
)

_ERRORS = Table(
    (
        Column("AGO", ("age_s",), "when", duration, right=True),
        Column("ACTION", ("action",), "what was done (RFC 7606 section 2)"),
        Column("ERROR", ("message",), "what was wrong"),
        Column("DATA", ("data",), "the octets, in hex", optional=True, note=True),
    ),
    "",
)

PEER = Detail(
    (
        Section(
            "Session",
            (
                Item("address", "peer"),
                Item("description", "description"),
                Item("asn", "AS"),
                Item("kind", "kind", "`external`, `internal` or `route reflector client`"),
                Item("router_id", "router id"),
                Item("hostname", "host name", "from its FQDN capability"),
                Item("state", "state"),
                Item("uptime_s", "up for", "", duration),
                Item("problem", "problem", "the first thing that keeps the session from working"),
                Item("last_error", "last error", "why the session ended the last time"),
                Item("last_error_age_s", "error was", "how long ago", cells.ago),
                Item("established_count", "times up"),
            ),
        ),
        Section(
            "Transport",
            (
                Item("local_address", "local address"),
                Item("local_port", "local port"),
                Item("remote_port", "remote port"),
                Item("passive", "passive"),
                Item("multihop", "multihop"),
                Item("ttl_security", "TTL security"),
                Item("md5", "TCP MD5"),
            ),
        ),
        Section(
            "Negotiated",
            (
                Item("hold_time_s", "hold time", "in seconds"),
                Item("keepalive_s", "keepalive", "in seconds"),
                Item("families", "families"),
                Item("capabilities_sent", "we offer"),
                Item("capabilities_received", "peer offers"),
            ),
        ),
        Section(
            "Routes",
            (
                Item("routes_in", "in"),
                Item("routes_accepted", "accepted"),
                Item("routes_out", "out"),
                Item("routes_by_type", "in by type", "an object of counts by route type", cells.by_type),
                Item("routes_rejected", "rejected", "an object of counts by reason"),
                Item("routes_stale", "stale", "routes kept since the session went down, not confirmed yet"),
                Item("maximum_prefix", "maximum", "", cells.unless(0)),
                Item("end_of_rib_in", "End-of-RIB in", "the families it was received for"),
                Item("end_of_rib_out", "End-of-RIB out", "the families it was sent for"),
            ),
        ),
        Section("Messages", rows="messages", table=_MESSAGES),
        Section("Errors in UPDATEs", rows="update_errors", table=_ERRORS),
    ),
    said=("messages_in", "messages_out"),
)

ROUTES = Table(
    (
        Column("", ("best", "stale"), "`*` the best path; `s` kept from a session that went down", text=cells.mark),
        Column("TYPE", ("route_type",), "the route type", cells.route_type),
        Column("RD", ("rd",), "the route distinguisher"),
        Column(
            "ESI",
            ("esi",),
            "the Ethernet segment, if there is one",
            cells.unless(cells.ZERO_ESI),
            optional=True,
            spare=3,
        ),
        Column(
            "TAG", ("ethernet_tag",), "the Ethernet tag, if there is one", cells.unless(0), right=True, optional=True
        ),
        Column("MAC", ("mac",), "the MAC address", optional=True),
        Column(
            "IP",
            ("ip", "prefix", *cells.ROUTE_KEYS, "raw"),
            "the host's IP address, the prefix, or the originator",
            text=cells.place,
        ),
        Column("NEXT HOP", ("next_hop",), "the VTEP", spare=1),
        Column("LABEL", ("label1", "label2"), "the VNI, or two", text=cells.labels, right=True, spare=2),
        Column("PEER", ("peer",), "whom it is from; `local` is ourselves", spare=4),
        Column("ATTRIBUTES", ("attributes",), "AS path, preference, communities", cells.attributes, spare=9),
        Column("WHY NOT", ("why",), "why it is not imported or not installed", optional=True, note=True),
    ),
    "no such routes",
)

VNIS = Table(
    (
        Column("VNI", ("vni",), "the VNI", right=True),
        Column("DEVICE", ("device",), "the VXLAN device"),
        Column("BRIDGE", ("bridge",), "its bridge"),
        Column("VTEP", ("vtep",), "our address for it"),
        Column("RD", ("rd",), "its route distinguisher", spare=3),
        Column(
            "IMPORT",
            ("import_targets",),
            "the route targets imported; `*` is any AS, `100(rfc8365)` is 268435456 + 100 (RFC 8365 section 5.1.2.1)",
            cells.targets,
            spare=5,
        ),
        Column("EXPORT", ("export_targets",), "the route targets exported", cells.targets, spare=4),
        Column("LOCAL", ("local_macs",), "MACs learned here", right=True),
        Column("REMOTE", ("remote_macs",), "MACs of other VTEPs", right=True),
        Column("VTEPS", ("remote_vteps",), "other VTEPs, to which broadcasts are sent", right=True),
        PROBLEM,
        Column("WARNING", ("warnings",), "what works, but not well", cells.sentences, optional=True, note=True),
    ),
    "no VNIs: there is no VXLAN device",
)

MACS = Table(
    (
        Column("VNI", ("vni",), "the VNI", right=True),
        Column("MAC", ("mac",), "the address"),
        Column(
            "KIND",
            ("kind", "sticky"),
            "local, remote, or unreached: no route leads to a VTEP; sticky: it may not move",
            text=cells.kind,
        ),
        Column("WHERE", ("port", "vtep"), "the bridge port or the VTEP"),
        Column("SEQUENCE", ("sequence",), "its mobility sequence number (RFC 7432 section 15)", right=True, spare=2),
        Column("IPS", ("ips",), "the host's IP addresses", optional=True, spare=1),
        PROBLEM,
    ),
    f"no such MACs{_NO_VNI}",
)

VTEPS = Table(
    (
        Column("VNI", ("vni",), "the VNI", right=True),
        Column("VTEP", ("vtep",), "its address"),
        Column("FLOOD", ("flood",), "whether it is in the flood list"),
        Column("MACS", ("macs",), "MACs behind it", right=True),
        Column("RD", ("rd",), "the route distinguisher of its type 3 route", spare=2),
        Column("PEER", ("peer",), "whom that route is from", spare=1),
        PROBLEM,
    ),
    f"no remote VTEPs{_NO_VNI}",
)

FIB = Detail(
    (
        Section(
            "Entries",
            (
                Item("problem", "problem", "what keeps us from reading or writing the kernel's tables"),
                Item("desired", "desired", "entries that the kernel should hold"),
                Item("owned", "in the kernel", "entries of ours that it holds"),
                Item("pending", "pending", "entries to be written or removed"),
                Item("failures", "failed", "entries that the kernel refused", cells.failed),
                Item("waiting", "waiting", "entries that wait for their device to join a bridge"),
                Item("yielded", "yielded", "entries that gave way to a local MAC"),
                Item("stale", "stale", "entries of an earlier run, not confirmed yet"),
                Item("unread", "searching", "devices still searched for an earlier run's entries", cells.searched),
                Item("foreign", "foreign", "others' entries on our VXLAN devices, left alone"),
                Item("local", "local", "MACs on other ports of the bridges"),
            ),
        ),
        Section(
            "Kernel",
            (
                Item("links", "devices", "network devices known"),
                Item("vnis", "VNIs", "VNIs found on them"),
                Item("written", "requests", "requests sent to the kernel"),
                Item("batches", "batches", "how many sends they took"),
                Item("refused", "refused", "requests that it refused"),
                Item("events", "events", "notifications read"),
                Item("overruns", "overruns", "times it had more to say than the socket's buffer held"),
                Item("resyncs", "comparisons", "times all tables were read and compared"),
                Item("resync_took_s", "comparison took", "the last one, in seconds", cells.seconds),
            ),
        ),
    )
)

FAILURES = Table(
    (
        Column("ENTRY", ("entry",), "what was to be written"),
        Column("ERRNO", ("errno",), "the kernel's error", spare=1),
        Column("TRIES", ("count",), "how often it was tried", right=True),
        Column("RETRY IN", ("retry_in_s",), "when it is tried again", duration, right=True),
        Column("ERROR", ("error",), "the kernel's words", note=True),
    ),
    "no failures",
)

_LISTENERS = Table(
    (
        Column("ADDRESS", ("address",), "where connections of peers are accepted"),
        Column("PORT", ("port",), "the TCP port", right=True),
        Column("PROBLEM", ("problem",), "why they are not; it is tried again until it works", optional=True, note=True),
    ),
    "",
)

VERSION = Detail(
    (
        Section(
            "",
            (
                Item("version", "evpnd"),
                Item("python", "Python"),
                Item("pid", "process"),
                Item("uptime_s", "up for", "", duration),
                Item("asn", "AS"),
                Item("router_id", "router id"),
                Item("files", "configuration", "the files it was read from"),
            ),
        ),
        Section("Listening", rows="listeners", table=_LISTENERS),
    )
)

_DONE = Detail((Section("", (Item("done", "done", "what was done"),)),))

VIEWS: dict[str, View] = {
    "show.peers": PEERS,
    "show.peer": PEER,
    "show.routes": ROUTES,
    "show.vni": VNIS,
    "show.mac": MACS,
    "show.vteps": VTEPS,
    "show.fib": FIB,
    "show.fib.failures": FAILURES,
    "show.version": VERSION,
    "clear.peer": _DONE,
}


def keys(view: View) -> set[str]:
    """The row keys that a view reads."""
    if isinstance(view, Table):
        return {key for column in view.columns for key in column.keys}
    return {item.key for s in view.sections for item in s.items} | {s.rows for s in view.sections if s.rows}
