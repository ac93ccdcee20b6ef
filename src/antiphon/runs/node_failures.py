"""What an exception of a node means: the error its run fails with, and whether it is worth another try.

Used by runs/executor.py. Tests: tests/unit/runs/test_executor_failures.py.
"""

from __future__ import annotations

import asyncio

from antiphon.core.errors import AntiphonError, ToolFailed
from antiphon.flows.plan import PlannedNode


def as_tool_failed(node: PlannedNode, error: BaseException) -> ToolFailed:
    """The exception's own words stay in the log: they may hold paths, addresses or keys."""
    return ToolFailed(
        f"The node {node.id!r} failed with {type(error).__name__}; the server's log has the details.",
        data={"node": node.id, "type": node.descriptor.type},
    )


def worth_another_try(error: Exception) -> bool:
    return error.retryable if isinstance(error, AntiphonError) else True


def cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
