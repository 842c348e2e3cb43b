"""The options that a rule file may have, each with the type it must have.

Three tables: what works here, what ElastAlert 2.31 has and does not work here yet (refused by name, never passed over), and nothing else: a typo is an error.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TEXT, NUMBER, WHOLE, FLAG, LIST, MAPPING, DURATION = "text", "number", "whole number", "true or false", "list", "mapping", "span of time"
TEXT_OR_LIST: Final = "text or list"
ANYTHING: Final = "anything"

COMMON: Final[Mapping[str, str]] = MappingProxyType(
    {
        "name": TEXT,
        "type": TEXT,
        "index": TEXT,
        "filter": LIST,
        "alert": TEXT_OR_LIST,
        "is_enabled": FLAG,
        "description": TEXT,
        "owner": TEXT,
        "priority": WHOLE,
        "category": TEXT,
        "query_key": TEXT_OR_LIST,
        "realert": DURATION,
        "buffer_time": DURATION,
        "run_every": DURATION,
        "timestamp_field": TEXT,
        "timestamp_type": TEXT,
        "include": LIST,
        "alert_subject": TEXT,
        "alert_subject_args": LIST,
        "alert_text": TEXT,
        "alert_text_args": LIST,
        "alert_text_kw": MAPPING,
        "alert_text_type": TEXT,
        "alert_missing_value": TEXT,
        "use_strftime_index": FLAG,
        "resolve_after": DURATION,
        "alert_on_resolve": FLAG,
    }
)
"""``resolve_after`` and ``alert_on_resolve`` are ours."""

BY_TYPE: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({"any": {}, "frequency": {"num_events": WHOLE, "timeframe": DURATION}})

CHANNEL_OPTIONS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "console": {},
        "webhook": {
            "http_post_url": TEXT_OR_LIST,
            "http_post_payload": MAPPING,
            "http_post_static_payload": MAPPING,
            "http_post_headers": MAPPING,
            "http_post_all_values": FLAG,
            "http_post_timeout": NUMBER,
        },
        "sns": {"sns_topic_arn": TEXT},
        "email": {
            "email": TEXT_OR_LIST,
            "from_addr": TEXT,
            "cc": TEXT_OR_LIST,
            "bcc": TEXT_OR_LIST,
            "email_reply_to": TEXT,
            "smtp_host": TEXT,
            "smtp_port": WHOLE,
        },
    }
)
"""``console`` is ElastAlert's ``debug``; ``webhook`` is its ``post``."""

CHANNEL_NAMES: Final[Mapping[str, str]] = MappingProxyType({"debug": "console", "post": "webhook", **{name: name for name in CHANNEL_OPTIONS}})

REQUIRED: Final[Mapping[str, str]] = MappingProxyType({"webhook": "http_post_url", "sns": "sns_topic_arn", "email": "email"})

NOT_YET_TYPES: Final = frozenset(
    ["blacklist", "whitelist", "change", "spike", "flatline", "new_term", "cardinality", "metric_aggregation", "spike_aggregation", "percentage_match"]
)

NOT_YET: Final = frozenset(
    [
        "import",
        "query_delay",
        "query_timezone",
        "scan_entire_timeframe",
        "realert_key",
        "exponential_realert",
        "aggregation",
        "aggregation_key",
        "aggregate_by_match_time",
        "aggregation_alert_time_compared_with_timestamp_field",
        "summary_table_fields",
        "summary_table_type",
        "summary_table_max_rows",
        "summary_prefix",
        "summary_suffix",
        "limit_execution",
        "limit_execution_coverage",
        "top_count_keys",
        "top_count_number",
        "raw_count_keys",
        "include_fields",
        "max_query_size",
        "max_scrolling_count",
        "scroll_keepalive",
        "terms_size",
        "min_doc_count",
        "match_enhancements",
        "run_enhancements_first",
        "alert_subject_max_len",
        "jinja_root_name",
        "jinja_template_path",
        "jinja_filters",
        "include_rule_params_in_matches",
        "use_local_time",
        "custom_pretty_ts_format",
        "generate_kibana_discover_url",
        "generate_opensearch_discover_url",
        "use_count_query",
        "use_terms_query",
        "attach_related",
        "es_host",
        "es_port",
        "use_ssl",
        "verify_certs",
        "es_username",
        "es_password",
        "timestamp_format",
        "timestamp_format_expr",
        "search_extra_index",
        "_source_enabled",
    ]
)
