"""What a failed test shows of its lab, the choice of a cell's checks, and the record of what was shown with whom."""

from __future__ import annotations

from collections.abc import Generator

import pytest

pytest.register_assert_rewrite("interop.checks", "interop.vtep_tests")

from interop import selection  # noqa: E402
from interop.lab import Lab  # noqa: E402  # what it imports must be rewritten
from interop.recorder import Recorder  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    selection.add_options(parser)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    selection.select(config, items)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "feature(*names): what a test shows with the peers of its lab")
    config.addinivalue_line("markers", "peers(*kinds): the peers of its lab, where no parameter says them")
    config.pluginmanager.register(Recorder())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the state and the logs of the nodes of a lab that several tests share."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        labs = [value for value in item.funcargs.values() if isinstance(value, Lab)]
        report.sections += [(f"{node.name} ({type(node).__name__})", node.report()) for lab in labs for node in lab]
    return report
