"""An account-level subscription filter policy: one for all log groups of an account in a Region, but for those that it excludes.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutAccountPolicy.html: one policy an account and Region, on top of the two filters of each group;
the one selection it knows is ``LogGroupName NOT IN [...]``, at most 25 KB long; log groups that are made later have it at once.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

POLICY_TYPE: Final = "SUBSCRIPTION_FILTER_POLICY"
MAX_SELECTION_BYTES: Final = 25 * 1024
"""Bytes of UTF-8 that selection criteria may have."""

_NOT_IN: Final = "LogGroupName NOT IN "


@dataclass(frozen=True, slots=True)
class AccountPolicy:
    """A policy; ``excluded`` are the names of the log groups that it leaves out, sorted."""

    name: str
    destination_arn: str
    pattern: str = ""
    role_arn: str = ""
    excluded: tuple[str, ...] = ()

    @property
    def selection(self) -> str:
        """The selection criteria; empty: all groups.

        >>> AccountPolicy("a", "arn", excluded=("/x", "/y")).selection
        'LogGroupName NOT IN ["/x", "/y"]'
        """
        return _NOT_IN + json.dumps(list(self.excluded), ensure_ascii=False) if self.excluded else ""

    @property
    def document(self) -> str:
        """The policy's document: where it sends to."""
        role = {"RoleArn": self.role_arn} if self.role_arn else {}
        return json.dumps({"DestinationArn": self.destination_arn, **role, "FilterPattern": self.pattern, "Distribution": "Random"})

    @property
    def fits(self) -> bool:
        """Whether AWS takes the list of what it leaves out."""
        return len(self.selection.encode()) <= MAX_SELECTION_BYTES

    def covers(self, group: str) -> bool:
        """Whether events of a group are sent."""
        return group not in self.excluded


def read_policy(name: str, document: str, selection: str) -> AccountPolicy:
    """Read what AWS answers; a selection that is not understood excludes nothing that is known.

    >>> read_policy("a", '{"DestinationArn": "arn", "FilterPattern": ""}', 'LogGroupName NOT IN ["/x"]').excluded
    ('/x',)
    """
    found = json.loads(document)
    return AccountPolicy(name, found.get("DestinationArn", ""), found.get("FilterPattern", ""), found.get("RoleArn", ""), sorted_names(_names(selection)))


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """Put names in order, each once."""
    return tuple(sorted(set(names)))


def _names(selection: str) -> list[str]:
    start = selection.find("[")
    if start < 0:
        return []
    try:
        return [str(name) for name in json.loads(selection[start:])]
    except ValueError:
        return []
