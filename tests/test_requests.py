"""evpnd.requests: the lines on the control socket, whoever writes them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.requests import (
    COMMANDS,
    FILTERS,
    ROWS_A_PART,
    RequestError,
    decode_request,
    encode_error,
    encode_request,
    encode_result,
)


def test_filters_become_canonical() -> None:
    line = encode_request(
        "show.routes", {"vni": "100", "mac": "0200.0000.00AB", "peer": "2001:DB8::0:1", "type": "mac-ip"}
    )
    assert decode_request(line) == (
        "show.routes",
        {"vni": 100, "mac": "02:00:00:00:00:ab", "peer": "2001:db8::1", "type": 2},
    )
    assert decode_request(b'{"command": "show.peers"}') == ("show.peers", {})
    assert (
        decode_request(b'{"command": "clear.peer", "filters": {"peer": "10.0.0.2", "soft": true}}')[1]["soft"] is True
    )


@pytest.mark.parametrize(
    ("line", "kind", "text"),
    [
        (b"", "bad-request", "not a line of JSON"),
        (b"{", "bad-request", "not a line of JSON"),
        (b"\xff", "bad-request", "not a line of JSON"),
        (b"[" * 60000, "bad-request", "not a line of JSON"),
        (b"[]", "bad-request", 'no "command"'),
        (b'{"command": 1}', "bad-request", 'no "command"'),
        (b'{"command": "show.moon"}', "unknown-command", "'show.moon'"),
        (b'{"command": "show.peers", "filters": [1]}', "bad-request", "no object"),
        (b'{"command": "show.peers", "filters": {"vni": 1}}', "unknown-command", "no filter 'vni'"),
        (b'{"command": "show.peer"}', "bad-request", "needs 'peer'"),
        (b'{"command": "show.peer", "filters": {"peer": "x"}}', "bad-request", "x is no address"),
        (b'{"command": "show.vni", "filters": {"vni": true}}', "bad-request", "no VNI"),
        (b'{"command": "show.vni", "filters": {"vni": 16777216}}', "bad-request", "expected 1 to 16777215"),
        (
            b'{"command": "show.vni", "filters": {"vni": "' + b"9" * 5000 + b'"}}',
            "bad-request",
            "expected 1 to 16777215",
        ),
        (b'{"command": "show.routes", "filters": {"type": "' + b"9" * 5000 + b'"}}', "bad-request", "no route type"),
        (b'{"command": "show.mac", "filters": {"mac": "02:00"}}', "bad-request", "no MAC address"),
        (b'{"command": "show.routes", "filters": {"type": "x"}}', "bad-request", "no route type"),
        (
            b'{"command": "clear.peer", "filters": {"peer": "1.1.1.1", "soft": "hard"}}',
            "bad-request",
            "hard is unknown",
        ),
    ],
)
def test_wrong_requests(line: bytes, kind: str, text: str) -> None:
    with pytest.raises(RequestError) as caught:
        decode_request(line)
    assert caught.value.kind == kind
    assert text in str(caught.value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda child: st.lists(child) | st.dictionaries(st.text() | st.sampled_from(sorted(FILTERS)), child),
    max_leaves=5,
)
_REQUESTS = st.fixed_dictionaries(
    {"command": st.sampled_from([c.name for c in COMMANDS]) | _JSON},
    optional={"filters": st.dictionaries(st.sampled_from(sorted(FILTERS)), _JSON) | _JSON},
)


@given((_REQUESTS | _JSON).map(lambda value: json.dumps(value).encode()) | st.binary())
def test_any_line_is_a_request_or_a_request_error(line: bytes) -> None:
    try:
        command, filters = decode_request(line)
    except RequestError:
        return
    assert decode_request(encode_request(command, filters)) == (command, filters)


@pytest.mark.parametrize("count", [0, 1, ROWS_A_PART - 1, ROWS_A_PART, ROWS_A_PART + 1, 5 * ROWS_A_PART])
def test_rows_come_in_parts_that_make_one_line(count: int) -> None:
    rows = [{"vni": index, "text": "a\nb"} for index in range(count)]
    for result in (rows, iter(rows)):
        parts = list(encode_result(result))
        line = b"".join(parts)
        assert line.count(b"\n") == 1 and line.endswith(b"\n")
        assert json.loads(line)["result"] == rows
        assert json.loads(line)["ok"] is True
        assert len(parts) == -(-count // ROWS_A_PART) + 1


def test_rows_are_not_made_before_their_part_is_due() -> None:
    made: list[int] = []

    def row(number: int) -> dict[str, int]:
        made.append(number)
        return {"i": number}

    parts = encode_result(row(number) for number in range(10 * ROWS_A_PART))
    next(parts)
    assert len(made) == ROWS_A_PART


@pytest.mark.parametrize("result", [{"a": 1}, "text", 5, None])
def test_results_that_are_no_rows(result: object) -> None:
    assert json.loads(b"".join(encode_result(result)))["result"] == result


def test_errors_are_one_line() -> None:
    line = encode_error("refused", "a\nb")
    assert line.count(b"\n") == 1
    assert json.loads(line)["error"] == "a\nb"


def test_rows_that_take_long_to_find_come_in_parts_of_their_own() -> None:
    parts = list(encode_result(iter([None, {"a": 1}, None, None, {"a": 2}, None])))
    assert len(parts) >= 4
    assert json.loads(b"".join(parts))["result"] == [{"a": 1}, {"a": 2}]
    assert json.loads(b"".join(encode_result(iter([None, None]))))["result"] == []
