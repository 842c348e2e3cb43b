r"""Lines as container runtimes write them to files: what stands around an application's line, so that lines of one event can be put together.

Kubernetes' CRI (https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md): ``TIME stdout F text``; a long line is cut, its pieces but the last are marked ``P``.
Docker's json-file driver (https://docs.docker.com/engine/logging/drivers/json-file/): ``{"log":"text\n","stream":"stdout","time":"TIME"}``; pieces but the last have no line feed.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, bytes_at

_CRI: Final = r"^(?P<head>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* (?P<stream>stdout|stderr) (?P<tag>[FP](?::[^ ]*)*) )(?P<text>(?s:.*))$"
_DOCKER: Final = r'^(?P<head>\{"log":")(?P<text>(?:[^"\\]|\\.)*)(?P<tail>","stream":"(?P<stream>stdout|stderr)"(?:,"attrs":\{[^{}]*\})?,"time":"[^"]*"\}\s*)$'
_FIRST: Final = r'^(?:\d{4}-\d\d-\d\dT\S+ std(?:out|err) [FP]|\{"log":")'
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Wrapped:
    """Lines taken apart: ``head``, ``text`` and ``tail``, the stream of each (empty: none is wrapped), what stands between the lines of one event, and which lines go on in the next.

    ``shown`` are the texts as the application wrote them, as far as their beginnings tell where they belong.
    """

    head: AnyArray
    text: AnyArray
    tail: AnyArray
    stream: AnyArray
    between: AnyArray
    goes_on: Mask
    shown: AnyArray


def wrapped(lines: AnyArray) -> Wrapped | None:
    """Take lines apart; ``None`` where none of them is one of a container's."""
    if not _may_be(lines) or not pc.any(pc.match_substring_regex(lines, _FIRST)).as_py():
        return None
    cri, docker = pc.extract_regex(lines, _CRI), pc.extract_regex(lines, _DOCKER)
    head, text, stream = (_coalesced(pc.struct_field(cri, name), pc.struct_field(docker, name)) for name in ("head", "text", "stream"))
    tail = pc.fill_null(pc.struct_field(docker, "tail"), "")
    is_docker = pc.is_valid(pc.struct_field(docker, "text"))
    partial = pc.fill_null(pc.starts_with(pc.struct_field(cri, "tag"), "P"), False)
    cut = pc.and_(is_docker, pc.invert(pc.fill_null(pc.ends_with(text, r"\n"), False)))
    written = pc.replace_substring_regex(pc.replace_substring(pc.replace_substring_regex(text, r"(?:\\r)?\\n$", ""), r"\t", "\t"), r'\\(["\\/])', r"\1")
    return Wrapped(
        head=pc.if_else(pc.is_valid(head), head, ""),
        text=pc.coalesce(text, lines),
        tail=tail,
        stream=pc.fill_null(stream, ""),
        between=pc.if_else(pc.or_(is_docker, partial), "", "\n"),
        goes_on=np.asarray(pc.or_(partial, cut).to_numpy(zero_copy_only=False), dtype=bool),
        shown=pc.coalesce(pc.if_else(is_docker, written, text), lines),
    )


def _may_be(lines: AnyArray) -> bool:
    """Whether a line begins as those of containers do; most runs have none, and to see that costs a twentieth of asking for the pattern."""
    first, third, fifth = (bytes_at(lines, place) for place in (0, 2, 4))
    return bool((((first == ord("{")) & (third == ord("l"))) | (fifth == ord("-"))).any())


def _coalesced(one: AnyArray, other: AnyArray) -> AnyArray:
    return pc.coalesce(one, other)


def put_together(parts: Wrapped, starts: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> pa.StringArray:
    """Answer the lines of events that begin at some lines: the head and the tail of the first line, the texts of all."""
    length = len(parts.text)
    firsts, lasts = pa.array(starts), np.append(starts[1:], length) - 1
    is_last = np.zeros(length, bool)
    is_last[lasts] = True
    texts = pc.binary_join_element_wise(parts.text, pc.if_else(pa.array(is_last), "", parts.between), "")
    offsets = pa.array(np.append(starts, length), pa.int32())
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, texts), "")
    return pc.binary_join_element_wise(_whole(parts.head.take(firsts), is_cut=parts.goes_on[lasts]), joined, parts.tail.take(firsts), "")


def _whole(heads: AnyArray, *, is_cut: Mask) -> AnyArray:
    """Mark events of CRI whose last piece is there as whole."""
    return pc.if_else(pa.array(is_cut), heads, pc.replace_substring_regex(heads, r" P((?::[^ ]*)* )$", r" F\1"))
