r"""Lines as container runtimes write them to files: what stands around an application's line, so that lines of one event can be put together.

Kubernetes' CRI (https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md): ``TIME stdout F text``; a long line is cut, its pieces but the last are marked ``P``.
Docker's json-file driver (https://docs.docker.com/engine/logging/drivers/json-file/): ``{"log":"text\n","stream":"stdout","time":"TIME"}``; pieces but the last have no line feed.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, Mask, bytes_at, matching

_CRI: Final = r"^(?P<head>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* (?P<stream>stdout|stderr) (?P<tag>[FP](?::[^ ]*)*) )(?P<text>(?s:.*))$"
_DOCKER: Final = r'^(?P<head>\{"log":")(?P<text>(?:[^"\\]|\\.)*)(?P<tail>","stream":"(?P<stream>stdout|stderr)"(?:,"attrs":\{[^{}]*\})?,"time":"[^"]*"\}\s*)$'
_CRI_FIRST: Final = r"^\d{4}-\d\d-\d\dT\S+ std(?:out|err) [FP]"
_DOCKER_FIRST: Final = r'^\{"log":"'


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


def may_be_wrapped(lines: AnyArray) -> Mask:
    """Answer which lines begin as those of a container do; a byte tells it of most."""
    cri, docker = bytes_at(lines, len("2026")) == ord("-"), bytes_at(lines, len('{"')) == ord("l")
    cri = matching(lines, _CRI_FIRST) if cri.any() else cri
    return cri | matching(lines, _DOCKER_FIRST) if docker.any() else cri


def wrapped(lines: AnyArray) -> Wrapped | None:
    """Take lines apart; ``None`` where none of them is one of a container's."""
    cri, docker = _taken_apart(lines, _CRI_FIRST, _CRI), _taken_apart(lines, _DOCKER_FIRST, _DOCKER)
    if not cri and not docker:
        return None
    none: AnyArray = pa.nulls(len(lines), pa.string())
    head, text, stream = (pc.coalesce(cri.get(name, none), docker.get(name, none)) for name in ("head", "text", "stream"))
    is_docker = pc.is_valid(docker.get("text", none))
    partial = pc.fill_null(pc.starts_with(cri.get("tag", none), "P"), False)
    cut = pc.and_(is_docker, pc.invert(pc.fill_null(pc.ends_with(text, r"\n"), False)))
    return Wrapped(
        head=pc.fill_null(head, ""),
        text=pc.coalesce(text, lines),
        tail=pc.fill_null(docker.get("tail", none), ""),
        stream=pc.fill_null(stream, ""),
        between=pc.if_else(pc.or_(is_docker, partial), "", "\n"),
        goes_on=np.asarray(pc.or_(partial, cut).to_numpy(zero_copy_only=False), dtype=bool),
        shown=pc.coalesce(pc.if_else(is_docker, _written(text), text) if docker else text, lines),
    )


def _taken_apart(lines: AnyArray, first: str, pattern: str) -> dict[str, AnyArray]:
    """Answer the parts of lines by name; none where no line begins so."""
    if not len(lines) or not pc.any(pc.match_substring_regex(lines, first)).as_py():
        return {}
    found = pc.extract_regex(lines, pattern)
    return {field.name: pc.struct_field(found, field.name) for field in found.type}


def _written(texts: AnyArray) -> AnyArray:
    """Undo the escapes of JSON as far as the beginnings of lines need it."""
    without_end = pc.replace_substring_regex(texts, r"(?:\\r)?\\n$", "")
    return pc.replace_substring_regex(pc.replace_substring(without_end, r"\t", "\t"), r'\\(["\\/])', r"\1")


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
