"""Running checks: what is told of one that fails, and what is not run after it."""

from __future__ import annotations

from interop.lab import Lab, wait_until
from interop.suite import Suite
from interop.topology import Node, Topology

LAB = Lab(Topology("alone", {"host": Node("linux")}))  # not brought up: these checks ask no node


def test_a_failed_check_tells_expected_and_seen_and_the_others_are_run() -> None:
    suite = Suite()
    suite.converged(lambda _: None)

    @suite.check("the moon is full")
    def moon(lab: Lab) -> None:
        wait_until(lambda: 0, 0.1, "expected a full moon")

    @suite.check("one is two")
    def numbers(lab: Lab) -> None:
        raise AssertionError

    @suite.check("nothing is divided by zero")
    def division(lab: Lab) -> None:
        print(1 // len(""))

    suite.check("the sun is up")(lambda _: None)
    results = {result.name: result.error for result in suite.run(LAB)}
    assert list(results) == ["converged", *suite.checks]
    assert results["the moon is full"] == "not within 0.1 s: expected a full moon\nlast seen: 0"
    assert results["one is two"].startswith("raise AssertionError\n(test_suite.py:")
    assert results["nothing is divided by zero"].startswith("ZeroDivisionError: ")
    assert results["converged"] == results["the sun is up"] == ""


def test_nothing_is_checked_in_a_lab_that_does_not_converge() -> None:
    suite = Suite()

    @suite.converged
    def never(lab: Lab) -> None:
        wait_until(lambda: False, 0.1, "sessions")

    suite.check("the sun is up")(lambda _: None)
    results = list(suite.run(LAB))
    assert [result.name for result in results] == ["converged"]
    assert "FAILED" in str(results[0]) and "not within 0.1 s: sessions" in str(results[0])


def test_nodes_come_in_the_order_that_was_asked_for() -> None:
    nodes = {f"host{number}": Node("linux", ("date +%s%N >/tmp/when",)) for number in range(6)}

    def order(name: str, seed: int = 0) -> list[str]:
        with Lab(Topology("many", nodes), order=name, seed=seed) as lab:
            return sorted(nodes, key=lambda node: int(lab[node].read("/tmp/when")))

    assert order("devices") == order("containerlab") == list(nodes)
    assert order("reverse") == list(nodes)[::-1]
    assert order("random", 3) == order("random", 3) != order("random", 4)
