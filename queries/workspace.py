"""One place that opens everything that questions are asked through: lake, engines, saved queries, traces. Dashboard, alert engine, gateway and commands begin here."""

from functools import cached_property
from typing import Literal, Self

from queries.connections.duckdb import LakeConnection
from queries.engine import SearchEngine
from queries.engines.lake import LakeEngine
from queries.saved_queries import SavedQueries
from queries.traces.service import Traces
from tailrace import aws
from tailrace.clock import Clock
from tailrace.errors import SettingError
from tailrace.fields import AttributeRegister
from tailrace.settings import Settings
from tailrace.stores import open_store
from tailrace.stores.port import ObjectStore

EngineName = Literal["lake", "opensearch"]


class Workspace:
    """Opens each part when it is first used; may be shared by threads."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings, self.clock = settings, clock
        self.register = AttributeRegister(settings.register_path)

    @cached_property
    def store(self) -> ObjectStore:
        """Where the lake's objects are."""
        return open_store(self.settings)

    @cached_property
    def lake(self) -> LakeConnection:
        """DuckDB over the lake."""
        return LakeConnection(self.settings, self.store)

    @cached_property
    def lake_engine(self) -> LakeEngine:
        """Searches over the lake."""
        return LakeEngine(self.lake, self.register, self.clock)

    @cached_property
    def saved(self) -> SavedQueries:
        """The saved queries, ours and the user's."""
        return SavedQueries(self.lake, self.settings.saved_queries, self.clock)

    @cached_property
    def traces(self) -> Traces:
        """Traces of the lake."""
        return Traces(self.lake, self.lake_engine)

    def engine(self, name: EngineName = "lake") -> SearchEngine:
        """Answer an engine by its name; raises :class:`SettingError` where it is not set up."""
        return self.lake_engine if name == "lake" else self._opensearch

    @cached_property
    def _opensearch(self) -> SearchEngine:
        from queries.engines.opensearch import OpenSearchEngine

        if not self.settings.opensearch_url:
            raise SettingError("the setting opensearch_url is empty: there is no OpenSearch to ask")
        return OpenSearchEngine(aws.opensearch(self.settings), self.register, self.clock)

    def __enter__(self) -> Self:
        """Begin; nothing is opened yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what was opened."""
        self.close()

    def close(self) -> None:
        """Close what was opened."""
        if "lake" in self.__dict__:
            self.lake.close()
