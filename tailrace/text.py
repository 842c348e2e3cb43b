r"""The log analyzer: what a word of a message is, the same in every engine.

A token is a run of letters, digits and underscore, lower-cased sign by sign (Unicode's simple mapping: no special sigma at the end of a word), cut after
255 signs. It is stated here once: as regular expressions for DuckDB, Trino and Athena, and as analysis settings for OpenSearch. ``error`` is therefore
found in ``com.shop.Error: 500``; OpenSearch's standard analyzer keeps ``com.shop.error`` together and does not find it.

All code points were compared between Java 25, DuckDB 2.0 and Python 3.11: they agree on what a letter or a digit is and on its lower case, but for those
that came with Unicode 15 and 16 (rare scripts), which are letters where the engine's Unicode knows them.
"""

import re
from typing import Any, Final

MAX_TOKEN_CHARS: Final = 255
"""Signs (code points) of a token; what follows is not searched. Lucene refuses a whole document for one term of more than 32,766 bytes."""

TOKEN_PATTERN: Final = r"[\p{L}\p{N}_]+"
"""A token, in the syntax that RE2 (DuckDB) and Java (OpenSearch, Trino, Athena) share."""

SEPARATOR_PATTERN: Final = r"[^\p{L}\p{N}_]+"
"""What stands between tokens, in the same syntax."""

LOG_ANALYZER: Final = "log"
"""The analyzer's name in OpenSearch's index settings."""

_CUT_TOKEN: Final = rf"([\p{{L}}\p{{N}}_]{{1,{MAX_TOKEN_CHARS}}}+)[\p{{L}}\p{{N}}_]*+"

ANALYSIS_SETTINGS: Final[dict[str, Any]] = {
    "analyzer": {LOG_ANALYZER: {"type": "custom", "tokenizer": "log_tokens", "filter": ["lowercase"]}},
    "tokenizer": {"log_tokens": {"type": "pattern", "pattern": _CUT_TOKEN, "group": 1}},
}
"""The ``settings.analysis`` of every index template. The tokenizer cuts by code points; the ``truncate`` filter would cut surrogate pairs in half."""

_TOKEN = re.compile(r"\w+")


def tokens(text: str) -> list[str]:
    r"""Cut a text into its tokens.

    >>> tokens("com.shop.Error: 500 order_id=17")
    ['com', 'shop', 'error', '500', 'order_id', '17']
    """
    return [lower(word)[:MAX_TOKEN_CHARS] for word in _TOKEN.findall(text)]


def lower(text: str) -> str:
    """Lower-case a text sign by sign, as Lucene and DuckDB do.

    >>> lower("ΟΔΟΣ") == "οδοσ"
    True
    """
    return text.lower() if text.isascii() else "".join(sign.lower()[0] for sign in text)
