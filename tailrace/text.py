r"""The log analyzer: what a word of a message is, the same in every engine.

A token is a run of letters, digits and underscore, lower-cased, cut after 32,766 bytes (the longest term that Lucene keeps). It is stated here once:
as a regular expression for DuckDB, Trino and Athena, and as analysis settings for OpenSearch. ``error`` is therefore found in
``com.shop.Error: 500``; OpenSearch's standard analyzer keeps ``com.shop.error`` together and does not find it.
"""

import re
from typing import Any, Final

MAX_TOKEN_BYTES: Final = 32_766
"""Lucene's limit of a term's length in bytes (IndexWriter.MAX_TERM_LENGTH)."""

TOKEN_PATTERN: Final = r"[\p{L}\p{N}_]+"
"""A token, in the syntax that RE2 (DuckDB) and Java (OpenSearch, Trino, Athena) share."""

SEPARATOR_PATTERN: Final = r"[^\p{L}\p{N}_]+"
"""What stands between tokens, in the same syntax."""

LOG_ANALYZER: Final = "log"
"""The analyzer's name in OpenSearch's index settings."""

ANALYSIS_SETTINGS: Final[dict[str, Any]] = {
    "analyzer": {LOG_ANALYZER: {"type": "custom", "tokenizer": "log_tokens", "filter": ["lowercase"]}},
    "tokenizer": {"log_tokens": {"type": "pattern", "pattern": SEPARATOR_PATTERN}},
}
"""The ``settings.analysis`` of every index template."""

_TOKEN = re.compile(r"\w+")


def tokens(text: str) -> list[str]:
    r"""Cut a text into its tokens.

    >>> tokens("com.shop.Error: 500 order_id=17")
    ['com', 'shop', 'error', '500', 'order_id', '17']
    """
    return [_cut(word.lower()) for word in _TOKEN.findall(text)]


def _cut(token: str) -> str:
    encoded = token.encode("utf-8", "replace")
    return token if len(encoded) <= MAX_TOKEN_BYTES else encoded[:MAX_TOKEN_BYTES].decode("utf-8", "ignore")
