"""Log groups, filters and account policies in memory, with AWS's limits."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from collectors.subscriptions.account_policy import AccountPolicy
from collectors.subscriptions.log_groups import MAX_FILTERS, LogGroup, SubscriptionFilter
from tailrace.errors import PermanentError


@dataclass(slots=True)
class MemoryLogGroups:
    """Log groups in memory; those named in ``refused`` refuse changes, and with ``refuses_policies`` the account's policies are not to be seen."""

    found: dict[LogGroup, dict[str, SubscriptionFilter]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    kept: dict[str, AccountPolicy] = field(default_factory=dict)
    refuses_policies: bool = False

    def groups(self, prefix: str) -> Sequence[LogGroup]:
        """List the log groups whose names begin so."""
        return sorted((group for group in self.found if group.name.startswith(prefix)), key=lambda group: group.name)

    def filters(self, group: str) -> Sequence[SubscriptionFilter]:
        """List the filters of a group."""
        return list(self._of(group).values())

    def put(self, group: str, wanted: SubscriptionFilter) -> None:
        """Put a filter; a third one is refused."""
        filters = self._of(group)
        if group in self.refused:
            raise PermanentError(f"{group}: AccessDeniedException")
        if wanted.name not in filters and len(filters) == MAX_FILTERS:
            raise PermanentError(f"{group}: LimitExceededException: Resource limit exceeded.")
        filters[wanted.name] = wanted

    def delete(self, group: str, name: str) -> None:
        """Delete a filter."""
        if group in self.refused or name not in self._of(group):
            raise PermanentError(f"{group}: ResourceNotFoundException: The specified subscription filter does not exist.")
        del self._of(group)[name]

    def policies(self) -> Sequence[AccountPolicy]:
        """List the policies."""
        if self.refuses_policies:
            raise PermanentError("account policies: AccessDeniedException; the caller needs the IAM action logs:DescribeAccountPolicies")
        return list(self.kept.values())

    def put_policy(self, wanted: AccountPolicy) -> None:
        """Put a policy; a second one is refused, and so is a selection that is too long."""
        if wanted.name not in self.kept and self.kept:
            raise PermanentError(f"account policy {wanted.name}: LimitExceededException: Resource limit exceeded.")
        if not wanted.fits:
            raise PermanentError(f"account policy {wanted.name}: InvalidParameterException: selectionCriteria is too long")
        self.kept[wanted.name] = wanted

    def delete_policy(self, name: str) -> None:
        """Delete a policy."""
        if self.kept.pop(name, None) is None:
            raise PermanentError(f"account policy {name}: ResourceNotFoundException: The specified policy does not exist.")

    def _of(self, group: str) -> dict[str, SubscriptionFilter]:
        for one, filters in self.found.items():
            if one.name == group:
                return filters
        raise PermanentError(f"{group}: ResourceNotFoundException: The specified log group does not exist.")
