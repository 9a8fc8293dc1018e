"""evpnd.loader: right files become a Config, wrong ones a list of all that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.config import Config, VniSettings
from evpnd.errors import ConfigError
from evpnd.loader import load
from evpnd.schema import TABLES

LEAST = """
[bgp]
asn = 65001
router_id = "10.255.0.1"
"""
PEER = """
[[bgp.peer]]
address = "10.0.0.2"
asn = 65002
"""


def read(directory: Path, text: str, **drop_ins: str) -> Config:
    """Load `text` as evpnd.toml, with conf.d/NAME.toml for each further argument."""
    (directory / "conf.d").mkdir(exist_ok=True)
    (directory / "evpnd.toml").write_text(text)
    for name, content in drop_ins.items():
        (directory / "conf.d" / f"{name}.toml").write_text(content)
    return load(directory / "evpnd.toml")


def errors(directory: Path, text: str, **drop_ins: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(directory, text, **drop_ins)
    return [error.replace(f"{directory}/", "") for error in caught.value.errors]


def test_least_configuration_has_every_default(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST + PEER)
    assert (config.bgp.asn, config.bgp.router_id, config.bgp.port) == (65001, "10.255.0.1", 179)
    peer = config.bgp.peers[0]
    assert (peer.address, peer.asn, peer.hold_time_s, peer.families) == ("10.0.0.2", 65002, 90, ("l2vpn-evpn",))
    assert config.evpn.settings(100) == VniSettings(vni=100)
    assert config.control.socket == "/run/evpnd/evpnd.sock"
    assert config.files == (str(tmp_path / "evpnd.toml"),)


def test_every_key_reaches_its_field(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        [bgp]
        asn = 4200000001
        router_id = "10.255.0.1"
        port = 1179
        listen = ["10.0.0.1", "2001:DB8::1"]
        hold_time = 9
        connect_retry = 5
        cluster_id = "1.1.1.1"
        [[bgp.peer]]
        address = "2001:0db8::2"
        asn = "external"
        description = "spine 1"
        port = 1180
        passive = true
        local_address = "2001:db8::1"
        hold_time = 0
        connect_retry = 7
        multihop = 3
        password = "s3cret"
        families = ["l2vpn-evpn", "ipv4-unicast"]
        next_hop = "self"
        maximum_prefix = 10
        allowas_in = 2
        extended_message = false
        enabled = false
        [[bgp.peer]]
        address = "10.0.0.3"
        asn = 4200000001
        route_reflector_client = true
        ttl_security = 4
        [evpn]
        route_targets = "rfc8365"
        import = "ASN:VNI"
        flooding = false
        encapsulation_absent = "reject"
        [[evpn.vni]]
        vni = 100
        rd = "10.255.0.1:100"
        import_targets = ["*:100", "65000:0100", "10.0.0.1:7"]
        export_targets = ["4200000001:100"]
        advertise = false
        flooding = true
        [[evpn.vni]]
        vni = 200
        [fib]
        resync_interval = 0
        sweep_delay = 1
        [control]
        socket = "/tmp/x.sock"
        mode = "0600"
        group = "adm"
        [log]
        level = "debug"
        format = "json"
        """,
    )
    bgp, (first, second) = config.bgp, config.bgp.peers
    assert (bgp.port, bgp.listen, bgp.cluster_id) == (1179, ("10.0.0.1", "2001:db8::1"), "1.1.1.1")
    assert (first.address, first.asn, first.port, first.passive) == ("2001:db8::2", "external", 1180, True)
    assert (first.hold_time_s, first.connect_retry_s, first.multihop, first.password) == (0, 7, 3, "s3cret")
    assert (first.families, first.next_hop, first.maximum_prefix) == (("l2vpn-evpn", "ipv4-unicast"), "self", 10)
    assert (first.allowas_in, first.extended_message, first.enabled) == (2, False, False)
    assert (second.hold_time_s, second.connect_retry_s, second.ttl_security) == (9, 5, 4)
    assert second.route_reflector_client
    assert "s3cret" not in repr(config)
    assert (config.evpn.route_targets, config.evpn.import_rule) == ("rfc8365", "ASN:VNI")
    assert (config.evpn.flooding, config.evpn.encapsulation_absent) == (False, "reject")
    vni = config.evpn.vnis[100]
    assert (vni.rd, vni.import_targets) == ("10.255.0.1:100", ("*:100", "65000:100", "10.0.0.1:7"))
    assert (vni.export_targets, vni.advertise, vni.flooding) == (("4200000001:100",), False, True)
    assert config.evpn.settings(200).flooding is False
    assert config.evpn.settings(300).flooding is False
    assert (config.fib.resync_interval_s, config.fib.sweep_delay_s) == (0, 1)
    assert (config.control.socket, config.control.mode, config.control.group) == ("/tmp/x.sock", 0o600, "adm")
    assert (config.log.level, config.log.format) == ("debug", "json")


def test_all_errors_at_once_in_the_order_of_the_files(tmp_path: Path) -> None:
    found = errors(
        tmp_path,
        '[bgp]\nasn = "65001"\nrotuer_id = "10.255.0.1"\nhold_time = 2\n[[bgp.peer]]\naddress = "10.0.0.2"\n[logs]\n',
        b='[[bgp.peer]]\naddress = "10.0.0.2"\nasn = 1\nextra = 1\n',
        a="[bgp]\nport = 0\n",
    )
    assert found == [
        'evpnd.toml:1: bgp.router_id: missing, expected an IPv4 address such as "10.255.0.1", not 0.0.0.0',
        'evpnd.toml:2: bgp.asn: "65001" is a string in quotes, expected an AS number (1 to 4294967294)',
        'evpnd.toml:3: bgp.rotuer_id: unknown key, did you mean "router_id"?',
        "evpnd.toml:4: bgp.hold_time: 2 is not possible, expected an integer, 0 or 3 to 65535 seconds",
        'evpnd.toml:5: bgp.peer.asn: missing, expected an AS number (1 to 4294967294); or "internal" or "external"',
        'evpnd.toml:7: logs: unknown table, did you mean "log"?',
        "conf.d/a.toml:2: bgp.port: 0 is not possible, expected an integer, 1 to 65535",
        "conf.d/b.toml:2: bgp.peer.address: 10.0.0.2 is there already, at evpnd.toml:6",
        "conf.d/b.toml:4: bgp.peer.extra: unknown key, expected one of: address, asn, description, port, passive, "
        "local_address, hold_time, connect_retry, multihop, ttl_security, password, families, "
        "route_reflector_client, next_hop, maximum_prefix, allowas_in, extended_message, enabled",
    ]


WRONG = [
    # where, what, a part of the error
    ("bgp", "asn = 0", "bgp.asn: 0 is reserved (RFC 7607)"),
    ("bgp", "asn = 23456", "bgp.asn: 23456 is reserved (AS_TRANS"),
    ("bgp", "asn = 4294967296", "bgp.asn: 4294967296 is not possible"),
    ("bgp", "asn = true", "bgp.asn: true is a boolean"),
    ("bgp", "asn = 1.5", "bgp.asn: 1.5 is a float"),
    ("bgp", 'router_id = "0.0.0.0"', 'bgp.router_id: "0.0.0.0" is not possible'),
    ("bgp", 'router_id = "::1"', "bgp.router_id"),
    ("bgp", "router_id = 1979-05-27", "bgp.router_id"),
    ("bgp", 'listen = "0.0.0.0"', "is a string, expected an array"),
    ("bgp", 'listen = ["10.0.0.1", "10.0.0.1"]', '"10.0.0.1" is in it twice'),
    ("bgp", 'listen = ["10.0.0.1", "0.0.0.0"]', "0.0.0.0 covers 10.0.0.1"),
    ("bgp", 'listen = ["10.0.0.2"]', "10.0.0.2 is this speaker's own"),
    ("bgp", "peer = 3", "bgp.peer: 3 is an integer, expected an array of tables, [[bgp.peer]]"),
    ("bgp", "peer = [3]", "bgp.peer: 3 is an integer, expected an array of tables"),
    ("peer", 'address = "10.0.0"', "is no address"),
    ("peer", 'address = "224.0.0.1"', "is no host's address"),
    ("peer", 'address = "fe80::1"', "is link-local"),
    ("peer", 'address = "::ffff:10.0.0.3"', 'is IPv4-mapped (RFC 4291 section 2.5.5.2), write "10.0.0.3"'),
    ("peer", 'local_address = "::FFFF:a00:3"', 'write "10.0.0.3"'),
    ("bgp", 'listen = ["::ffff:0.0.0.0"]', 'write "0.0.0.0"'),
    ("peer", 'asn = "inside"', 'expected an AS number (1 to 4294967294); or "internal" or "external"'),
    ("peer", 'asn = "external "', 'did you mean "external"'),
    ("peer", "hold_time = -1", "-1 is not possible"),
    ("peer", 'password = ""', "it has 0 octets"),
    ("peer", f'password = "{"x" * 81}"', "it has 81 octets"),
    ("peer", 'description = "a\\nb"', "control characters"),
    ("peer", "families = []", "the array is empty"),
    ("peer", 'families = ["l2vpn-evnp"]', 'did you mean "l2vpn-evpn"'),
    ("peer", 'local_address = "::1"', "::1 can't reach 10.0.0.2"),
    ("peer", 'local_address = "10.0.0.2"', "is this speaker's own"),
    ("peer", "multihop = 2\nttl_security = 1", "given together with ttl_security"),
    ("peer", "route_reflector_client = true", "expected an internal one"),
    ("peer", 'interface = "eth1"', "bgp.peer.interface: unknown key"),
    ("peer", "holdtime = 3", 'unknown key, did you mean "hold_time"?'),
    ("peer", "hold-time = 3", 'unknown key, did you mean "hold_time"?'),
    ("peer", "router_id = 3", "unknown key here, expected in [bgp]"),
    ("evpn", "vrf = 3", "evpn.vrf: unknown key"),
    ("evpn", 'route_targets = "auto"', 'expected "asn" or "rfc8365"'),
    ("vni", "vni = 0", "0 is not possible"),
    ("vni", "vni = 16777216", "16777216 is not possible"),
    ("vni", 'rd = "100"', "evpn.vni.rd"),
    ("vni", 'rd = "10.0.0.1:65536"', "evpn.vni.rd"),
    ("vni", 'rd = "4200000000:65536"', "evpn.vni.rd"),
    ("vni", 'import_targets = ["*:4294967296"]', "evpn.vni.import_targets"),
    ("vni", 'import_targets = ["*:x"]', "evpn.vni.import_targets"),
    ("vni", 'export_targets = ["*:100"]', "names no AS, which only an import may do"),
    ("fib", "sweep_delay = 3601", "0 to 3600 seconds"),
    ("control", 'socket = "evpnd.sock"', "does not begin with /"),
    ("control", f'socket = "/{"x" * 107}"', "too long"),
    ("control", "mode = 660", "no file mode"),
    ("control", 'mode = "0177"', "no file mode"),
    ("control", 'mode = "rw"', "no file mode"),
    ("log", 'level = "warn"', 'did you mean "warning"'),
]
HEADERS = {"peer": "[[bgp.peer]]", "vni": "[[evpn.vni]]"}


@pytest.mark.parametrize(("table", "setting", "expected"), WRONG, ids=[f"{t}: {s[:40]}" for t, s, _ in WRONG])
def test_impossible_values(tmp_path: Path, table: str, setting: str, expected: str) -> None:
    """Each is the only thing wrong in a configuration that is good otherwise."""
    given_keys = {line.split(" = ")[0] for line in setting.split("\n")}
    base = {
        "bgp": {"asn": "65001", "router_id": '"10.255.0.1"'},
        "peer": {"address": '"10.0.0.2"', "asn": "65002"},
        "vni": {"vni": "100"},
    }
    sections = dict.fromkeys(["bgp", "peer", table])
    text = ""
    for name in sections:
        if name == "peer" and setting.startswith("peer"):
            continue
        text += f"\n{HEADERS.get(name, f'[{name}]')}\n"
        text += "".join(f"{k} = {v}\n" for k, v in base.get(name, {}).items() if name != table or k not in given_keys)
        text += "\n" * 3 + setting + "\n" if name == table else ""
    found = errors(tmp_path, text)
    assert len(found) == 1
    assert expected in found[0]
    line = int(found[0].split(":")[1])
    assert text.split("\n")[line - 1] in [*setting.split("\n"), 'address = "10.0.0.2"']


def test_secrets_are_not_repeated(tmp_path: Path) -> None:
    assert "hunter2" not in "".join(errors(tmp_path, LEAST + PEER + f'password = "{"hunter2" * 20}"'))
    assert "77" not in "".join(errors(tmp_path, LEAST + PEER + "password = 7777"))


def test_array_items_have_their_own_line_and_all_are_reported(tmp_path: Path) -> None:
    found = errors(tmp_path, LEAST + '[[evpn.vni]]\nvni = 1\nimport_targets = [\n"*:1",\n"x",\n"*:y"]\n')
    assert [error.split(":")[1] for error in found] == ["9", "10"]


def test_duplicates_within_and_across_files(tmp_path: Path) -> None:
    vni = "[[evpn.vni]]\nvni = 100\n"
    found = errors(
        tmp_path,
        LEAST + PEER + vni + 'rd = "1:1"\n' + vni.replace("100", "200") + 'rd = "1:01"\n',
        x="[bgp]\nasn = 65001\n" + PEER + vni,
        y=vni,
    )
    assert found == [
        "evpnd.toml:14: evpn.vni.rd: 1:1 is that of VNI 100 already, expected one for each VNI",
        "conf.d/x.toml:2: bgp.asn: set already, at evpnd.toml:3; expected once",
        "conf.d/x.toml:5: bgp.peer.address: 10.0.0.2 is there already, at evpnd.toml:7",
        "conf.d/x.toml:8: evpn.vni.vni: 100 is there already, at evpnd.toml:10",
        "conf.d/y.toml:2: evpn.vni.vni: 100 is there already, at evpnd.toml:10",
    ]


def test_equal_addresses_in_other_spellings_are_duplicates(tmp_path: Path) -> None:
    other = PEER.replace("10.0.0.2", "2001:DB8:0::1") + PEER.replace("10.0.0.2", "2001:db8::1")
    assert "2001:db8::1 is there already" in errors(tmp_path, LEAST + other)[0]


def test_files_add_up_in_any_order(tmp_path: Path) -> None:
    second = PEER.replace("10.0.0.2", "10.0.0.3")
    config = read(tmp_path, PEER, b=LEAST, a=second + "[evpn]\nflooding = false\n")
    assert [peer.address for peer in config.bgp.peers] == ["10.0.0.2", "10.0.0.3"]
    assert (config.bgp.asn, config.evpn.flooding) == (65001, False)


def test_sessions_that_contradict_themselves(tmp_path: Path) -> None:
    internal = PEER.replace("65002", '"internal"')
    assert "bgp.peer.multihop: given for an internal peer" in errors(tmp_path, LEAST + internal + "multihop = 2")[0]
    assert "bgp.peer.multihop" in errors(tmp_path, LEAST + PEER.replace("65002", "65001") + "multihop = 2")[0]
    client = "route_reflector_client = true"
    assert read(tmp_path, LEAST + internal + client).bgp.peers[0].route_reflector_client
    assert len(errors(tmp_path, LEAST + PEER.replace("65002", '"external"') + client)) == 1


@pytest.mark.parametrize(
    ("listen", "local_address", "good"),
    [
        ("[]", None, False),
        ('["::"]', None, False),
        ('["10.0.0.1"]', None, True),
        ('["0.0.0.0"]', "10.0.0.1", True),
        ('["10.0.0.1"]', "10.0.0.1", True),
        ('["10.0.0.9"]', "10.0.0.1", False),
    ],
)
def test_passive_needs_an_address_to_connect_to(
    tmp_path: Path, listen: str, local_address: str | None, good: bool
) -> None:
    local = f'local_address = "{local_address}"\n' if local_address else ""
    text = f"{LEAST}listen = {listen}\n{PEER}passive = true\n{local}"
    if good:
        assert read(tmp_path, text).bgp.peers[0].passive
    else:
        assert "bgp.peer.passive: true, but bgp.listen has no address" in errors(tmp_path, text)[0]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert errors(tmp_path, "[bgp\nasn = 1")[0].startswith("evpnd.toml:1: not valid TOML: ")
    assert errors(tmp_path, "[bgp]\nasn = 1\nasn = 2\n")[0] == "evpnd.toml:3: not valid TOML: Cannot overwrite a value"
    assert errors(tmp_path, "a = [")[0].startswith("evpnd.toml: not valid TOML: ")
    (tmp_path / "evpnd.toml").write_bytes(b"[bgp]\n# \xff\n")
    with pytest.raises(ConfigError, match=r"evpnd\.toml:2: not UTF-8, expected a TOML file"):
        load(tmp_path / "evpnd.toml")
    with pytest.raises(ConfigError, match="none: no such file, expected the configuration"):
        load(tmp_path / "none")
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load(tmp_path)


def test_one_bad_file_does_not_hide_the_errors_of_others_nor_invent_any(tmp_path: Path) -> None:
    found = errors(tmp_path, "[bgp\n", a="[log]\nlevel = 1\n")
    assert [error.split(":")[0] for error in found] == ["evpnd.toml", "conf.d/a.toml"]


EXAMPLES = sorted((Path(__file__).parent.parent / "configs").glob("*.toml"))


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_load(path: Path) -> None:
    assert load(path).bgp.peers


_KEY = st.sampled_from([key.name for table in TABLES for key in table.keys] + ["peer", "vni", "nonsense", "a b"])
_SCALAR = st.sampled_from(
    ["1", "-1", "1.5", "true", '"x"', '"10.0.0.1"', "[]", "[1]", '["*:1"]', "{}", "{a = 1}", "1979-05-27", "nan", '""']
)
_HEADER = st.sampled_from(
    ["[bgp]", "[[bgp.peer]]", "[evpn]", "[[evpn.vni]]", "[fib]", "[control]", "[log]", "[x]", "[[bgp]]", "[bgp.peer.x]"]
)


@given(st.lists(_HEADER | st.builds(lambda k, v: f'"{k}" = {v}', _KEY, _SCALAR), max_size=12))
def test_any_document_is_read_or_refused_line_by_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text("\n".join(lines))
    try:
        assert load(path).files == (str(path),)
    except ConfigError as exc:
        assert exc.errors
        assert all(error.startswith(str(path)) and "\n" not in error for error in exc.errors)
