"""Records of Linux's audit: pairs of which some hold pairs, and texts in hexadecimal digits (https://github.com/linux-audit/audit-documentation/wiki/SPEC-Audit-Event-Enrichment).

``type=USER_LOGIN msg=audit(1364481363.243:24287): pid=1 msg='op=login acct=726F6F74 res=success'``: the time and the number of the event are ``time`` and ``event_id``; what stands within
single quotes are pairs like the others. A text that a user may choose is in quotes, or, if it holds a blank, a quote or a control character, in hexadecimal digits without quotes.
"""

import re
from typing import Final

from collectors.readers.objects import Flat

NOTHING: Final = frozenset({"?", "(null)", "(none)"})
TEXTS: Final = frozenset(
    {"acct", "cmd", "comm", "cwd", "data", "dir", "exe", "file", "key", "name", "new-disk", "ocomm", "old-disk", "path", "proctitle", "vm", "watch"}
)
"""Fields that are in hexadecimal digits where they are not in quotes: type ``encoded`` of
https://github.com/linux-audit/audit-documentation/blob/main/specs/fields/field-dictionary.csv."""

_PAIR: Final = re.compile(r"""(?<![A-Za-z0-9_\-\[\]])([A-Za-z0-9_\-\[\]]++)=(?:"([^"]*)"|'([^']*)'|(\S*))""")
_STAMP: Final = re.compile(r"audit\(([0-9]+\.[0-9]+):([0-9]+)\):?")
_HEX: Final = re.compile(r"(?:[0-9A-F]{2})+")
_ARGUMENT: Final = re.compile(r"a[0-9]+(?:\[[0-9]+\])?")


def audited(text: str, separator: str) -> Flat:
    """Read a record."""
    del separator
    found: Flat = {}
    for name, double, single, bare in _PAIR.findall(text):
        if single:
            found.update(_within(single, name))
        elif stamp := _STAMP.fullmatch(bare):
            found["time"], found["event_id"] = stamp[1], stamp[2]
        elif double or bare not in NOTHING:
            found[name] = double or _decoded(name, bare, str(found.get("type", "")))
    return found


def _within(text: str, name: str) -> Flat:
    """Read the pairs of a message; one without any is a text."""
    inner = {key: double or _decoded(key, bare.rstrip(",)"), "") for key, double, _, bare in _PAIR.findall(text) if double or bare.rstrip(",)") not in NOTHING}
    return inner or {name: text}


def _decoded(name: str, text: str, kind: str) -> str:
    """Undo hexadecimal digits; words of a command line have zeros between them."""
    if not (name in TEXTS or (kind == "EXECVE" and _ARGUMENT.fullmatch(name))) or not _HEX.fullmatch(text):
        return text
    return bytes.fromhex(text).decode("utf-8", "replace").rstrip("\x00").replace("\x00", " ")
