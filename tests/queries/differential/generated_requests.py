"""Requests of the differential tests: bodies that both engines must answer alike (or refuse alike)."""

from typing import Any

from hypothesis import strategies as st

from tests.queries.differential.generated_documents import ADDRESSES, DOUBLES, KEYWORDS, LONGS, WORDS

Body = dict[str, Any]

KEYWORD_FIELDS = ("service.name", "host.name", "severity_text", "trace_id", "traceId", "attributes.tenant", "attributes.a/b~c", "event_id")
LONG_FIELDS = ("http.response.status_code", "status", "severity_number", "attributes.user.id")
DOUBLE_FIELDS = ("duration_s", "attributes.price")
TIME_FIELDS = ("@timestamp", "observed_timestamp")
IP_FIELDS = ("client.address",)
BOOLEAN_FIELDS = ("attributes.ok",)
UNKNOWN = ("nope", "attributes.nope")

keywords = st.sampled_from((*KEYWORDS, "INFO", "ERROR", "acme", "id000", 5, 10, True, 0.5, 1e7))
longs = st.one_of(st.sampled_from(LONGS[:-2]), st.sampled_from(["500", "5", 500.0, 500.5, "-1", "404.0", 1.5, -1.5, "1e2", "abc", True]))
doubles = st.one_of(st.sampled_from(DOUBLES), st.sampled_from(["0.5", 1, "-1.5", "1e10", "x"]))
dates = st.sampled_from(
    (
        "now", "now-1h", "now-1d/d", "now/h", "now+2h/h", "now-1w/w", "now/M", "2026-11-24", "2026-11", "2026-11-23T10", "2026-11-24T10:00", "2026-11-24T09:59:59.999Z",
        "2026-11-24T10:00:00.001", "2026-11-24||-1d/d", "2026-11-24T10:30:00Z||/h", "2026-11-24T12:00:00+02:00", 1_795_514_400_000, "1795514400001", 2026, "2026-11-24T10:00:00.123456Z",
        "now-1q", "yesterday", "2026-13-01", "now-", "now/2d",
    )
)  # fmt: skip
addresses = st.sampled_from((*ADDRESSES[:8], "10.0.0.0/8", "10.0.0.0/31", "2001:db8::/32", "0.0.0.0/0", "::/0", "10.0.0", "bad", "10.0.0.0/64"))
booleans = st.sampled_from([True, False, "true", "false", "yes", 1])
texts = st.lists(st.sampled_from((*WORDS, "shop", "ERROR", "οδος", "i", "straße", "X" * 300, "x" * 255)), max_size=3).map(" ".join)
patterns = st.lists(
    st.sampled_from(["*", "?", "w", "web", "W", "Err", "-1", "a", "\\*", "\\\\", "é", "err", "or", "x", "日", "𝐀", "o"]), min_size=1, max_size=4
).map("".join)

by_type: tuple[tuple[tuple[str, ...], st.SearchStrategy[Any]], ...] = (
    (KEYWORD_FIELDS, keywords),
    (LONG_FIELDS, longs),
    (DOUBLE_FIELDS, doubles),
    (TIME_FIELDS, dates),
    (IP_FIELDS, addresses),
    (BOOLEAN_FIELDS, booleans),
    (("message",), texts),
    (("attributes.tags",), st.sampled_from(["red", "green", "Green", "we", "web-1", "y" * 8192])),
    (("attributes.codes",), longs),
    (UNKNOWN, keywords),
)
pairs = st.one_of(*(st.tuples(st.sampled_from(fields), values) for fields, values in by_type))
range_pairs = st.one_of(*(st.tuples(st.just(fields), st.just(values)) for fields, values in by_type if fields != ("message",)))
any_field = st.sampled_from(
    ("attributes.tags", "attributes.codes", *KEYWORD_FIELDS, *LONG_FIELDS, *DOUBLE_FIELDS, *TIME_FIELDS, *IP_FIELDS, *BOOLEAN_FIELDS, "message", *UNKNOWN)
)
minimums = st.sampled_from([1, 2, 0, -1, "50%", "-25%", "75%", "100%", "1<50%", "0<1 2<75%", 5])


@st.composite
def ranges(draw: st.DrawFn) -> Body:
    fields, values = draw(range_pairs)
    bounds = draw(st.fixed_dictionaries({}, optional={"gt": values, "lt": values}) | st.fixed_dictionaries({}, optional={"gte": values, "lte": values}))
    zone = draw(st.sampled_from([{}, {}, {"time_zone": "+02:00"}, {"time_zone": "-0330"}])) if fields == TIME_FIELDS else {}
    return {"range": {draw(st.sampled_from(fields)): {**bounds, **zone}}}


def _matches(pair: tuple[str, Any], options: Body) -> Body:
    return {"match": {pair[0]: {"query": pair[1], **options}}}


leaves = st.one_of(
    st.just({"match_all": {}}),
    pairs.map(lambda pair: {"term": {pair[0]: pair[1]}}),
    pairs.map(lambda pair: {"term": {pair[0]: {"value": pair[1]}}}),
    st.one_of(*(st.tuples(st.sampled_from(f), st.lists(v, max_size=4)) for f, v in by_type if f != BOOLEAN_FIELDS)).map(
        lambda pair: {"terms": {pair[0]: pair[1]}}
    ),
    ranges(),
    any_field.map(lambda name: {"exists": {"field": name}}),
    st.builds(_matches, pairs, st.fixed_dictionaries({}, optional={"operator": st.sampled_from(["and", "or", "AND"]), "minimum_should_match": minimums})),
    pairs.map(lambda pair: {"match_phrase": {pair[0]: pair[1]}}),
    texts.map(lambda text: {"match_phrase": {"message": text}}),
    texts.map(lambda text: {"match": {"message": text}}),
    st.tuples(
        any_field,
        st.sampled_from(["", "w", "web", "Err", "err", "a*", "1", "É", "id0", "x" * 255, "com.shop"]),
        st.sampled_from([{}, {"case_insensitive": True}]),
    ).map(lambda three: {"prefix": {three[0]: {"value": three[1], **three[2]}}}),
    st.tuples(any_field, patterns, st.sampled_from([{}, {"case_insensitive": True}])).map(
        lambda three: {"wildcard": {three[0]: {"value": three[1], **three[2]}}}
    ),
    st.tuples(st.sampled_from(KEYWORD_FIELDS), st.sampled_from(["WEB", "é", "info"])).map(
        lambda pair: {"term": {pair[0]: {"value": pair[1], "case_insensitive": True}}}
    ),
    st.lists(st.sampled_from(["id000", "id919", "id838", "none"]), max_size=3).map(lambda values: {"ids": {"values": values}}),
)


def _bools(inner: st.SearchStrategy[Body]) -> st.SearchStrategy[Body]:
    some = st.lists(inner, max_size=3)
    parts = {"must": some, "filter": some, "should": some, "must_not": st.lists(inner, max_size=2), "minimum_should_match": minimums}
    return st.fixed_dictionaries({}, optional=parts).map(lambda parts: {"bool": parts})


queries = st.recursive(leaves, _bools, max_leaves=6)

bare = st.sampled_from(
    ["error", "Err*", "*rror", "t?meout", "500", "com.shop.Error", "a-b", "ΟΔΟΣ", '"order_id 17"', '"com shop error"', "nothing", "*", "İ*", "naïve"]
)
fielded = st.sampled_from(
    [
        "service.name:web", "service.name:We*", "service.name:*", "_exists_:service.name", "status:500", "status:>=404", "status:<404", "status:[200 TO 500}", "status:{200 TO *]", "http.response.status_code:404.0",
        "duration_s:>0.2", "@timestamp:[now-1d TO now]", "@timestamp:>=2026-11-24", "@timestamp:2026-11-24", "client.address:10.0.0.1", 'client.address:"10.0.0.0/8"', "severity_text:(ERROR OR WARN)",
        "severity_text:(ERROR WARN)", "message:(error AND timeout)", "attributes.tenant:acme", "attributes.ok:true", "attributes.user.id:[1 TO 3]", "nope:x", "*:*", "service.name:web\\-1", 'service.name:"web-1"',
        "status:abc", "service.name:a\\*b", "service.name:[a TO m]", "message:Error", 'message:"Error 500"', "attributes.price:>=1",
    ]
)  # fmt: skip
atoms = st.one_of(bare, fielded)


def _strings(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    marked = st.tuples(st.sampled_from(["", "", "NOT ", "-", "+"]), inner).map("".join)
    joined = st.lists(st.tuples(st.sampled_from([" ", " AND ", " OR "]), marked), min_size=1, max_size=3)
    return st.tuples(marked, joined).map(lambda two: two[0] + "".join(f"{join}{text}" for join, text in two[1])) | marked.map(lambda text: f"({text})")


query_strings = st.recursive(atoms, _strings, max_leaves=5)
string_queries = st.builds(
    lambda text, options: {"query_string": {"query": text, "default_field": "message", **options}},
    query_strings,
    st.fixed_dictionaries({}, optional={"default_operator": st.sampled_from(["AND", "OR", "and"])}),
)

sort_keys = st.builds(
    lambda name, options: {name: options},
    st.sampled_from((*KEYWORD_FIELDS[:3], *LONG_FIELDS, *DOUBLE_FIELDS, *TIME_FIELDS, *IP_FIELDS, *BOOLEAN_FIELDS)),
    st.fixed_dictionaries({"order": st.sampled_from(["asc", "desc"])}, optional={"missing": st.sampled_from(["_first", "_last"])}),
)
sorts = st.lists(sort_keys, max_size=2, unique_by=lambda key: next(iter(key))).map(lambda keys: [*keys, {"event_id": "asc"}])

numeric_fields = st.sampled_from((*LONG_FIELDS, *DOUBLE_FIELDS, *TIME_FIELDS, *BOOLEAN_FIELDS, "nope"))
valued_fields = st.sampled_from((*KEYWORD_FIELDS[:4], *LONG_FIELDS, *DOUBLE_FIELDS, *TIME_FIELDS, *IP_FIELDS, *BOOLEAN_FIELDS, "nope"))
metrics = st.one_of(
    st.tuples(st.sampled_from(["min", "max", "avg", "sum", "stats"]), numeric_fields).map(lambda two: {two[0]: {"field": two[1]}}),
    st.tuples(st.sampled_from(["value_count", "cardinality"]), valued_fields).map(lambda two: {two[0]: {"field": two[1]}}),
    st.tuples(st.sampled_from(["avg", "sum", "min"]), st.sampled_from(LONG_FIELDS)).map(lambda two: {two[0]: {"field": two[1], "missing": 7}}),
    st.sampled_from(["service.name", "message", "client.address"]).map(lambda name: {"avg": {"field": name}}),
    st.sampled_from(
        [
            {"avg": {"field": "attributes.price", "missing": 1.5}},
            {"max": {"field": "@timestamp", "missing": "2027-01-01"}},
            {"stats": {"field": "observed_timestamp", "missing": "2027-01-01"}},
            {"sum": {"field": "attributes.ok", "missing": True}},
            {"value_count": {"field": "client.address", "missing": "10.9.9.9"}},
            {"cardinality": {"field": "client.address", "missing": "10.9.9.9"}},
            {"cardinality": {"field": "host.name", "missing": "nothing"}},
            {"max": {"field": "nope", "missing": 5}},
        ]
    ),
)


@st.composite
def terms_aggs(draw: st.DrawFn, subs: Body) -> Body:
    body: Body = {"field": draw(valued_fields), "size": draw(st.sampled_from([1, 3, 10, 50]))}
    orders = [{"_count": "asc"}, {"_key": "asc"}, {"_key": "desc"}, [{"_count": "desc"}, {"_key": "desc"}]]
    orders += [
        {name: direction} for name, sub in subs.items() for direction in ("asc", "desc") if next(iter(sub)) in {"avg", "sum", "min", "max", "value_count"}
    ]
    orders += [
        {f"{name}.{part}": direction}
        for name, sub in subs.items()
        for part in ("avg", "max", "min", "sum", "count")
        for direction in ("asc", "desc")
        if "stats" in sub
    ]
    if draw(st.booleans()):
        body["order"] = draw(st.sampled_from(orders))
    if body["field"] in KEYWORD_FIELDS and draw(st.booleans()):
        body["missing"] = "none"
    if draw(st.booleans()):
        body["min_doc_count"] = 1
    return {"terms": body}


def _metric_orders(subs: Body) -> list[Body]:
    return [{name: direction} for name, sub in subs.items() for direction in ("asc", "desc") if next(iter(sub)) in {"sum", "value_count", "cardinality"}]


@st.composite
def date_histograms(draw: st.DrawFn, subs: Body) -> Body:
    interval = draw(st.sampled_from([{"fixed_interval": "1h"}, {"fixed_interval": "90m"}, {"fixed_interval": "12h"}, {"fixed_interval": "1d"}, {"calendar_interval": "1h"}, {"calendar_interval": "day"},
                                     {"calendar_interval": "1w"}, {"calendar_interval": "month"}, {"calendar_interval": "1q"}, {"calendar_interval": "year"}]))  # fmt: skip
    optional = {
        "time_zone": st.sampled_from(["+02:00", "-03:30", "UTC"]),
        "min_doc_count": st.sampled_from([0, 1, 2]),
        "offset": st.sampled_from(["+30m", "-2h"]),
        "order": st.sampled_from([{"_key": "desc"}, {"_count": "asc"}, {"_count": "desc"}, *_metric_orders(subs)]),
        "format": st.sampled_from(["yyyy-MM-dd'T'HH:mm:ssXXX", "epoch_millis", "yyyy-MM-dd"]),
    }
    body = draw(st.fixed_dictionaries({"field": st.sampled_from((*TIME_FIELDS, "nope"))}, optional=optional))
    if "format" not in body and "offset" not in body and draw(st.booleans()):
        body["extended_bounds"] = draw(
            st.sampled_from([{"min": "2026-11-22", "max": "2026-11-25"}, {"min": 1_795_400_000_000, "max": 1_795_500_000_000}, {"min": "now-2d", "max": "now"}])
        )
    return {"date_histogram": {**interval, **body}}


@st.composite
def bucket_aggs(draw: st.DrawFn, depth: int = 0) -> Body:
    subs: Body = draw(st.dictionaries(st.sampled_from(["m1", "m2"]), metrics, max_size=2))
    kind = draw(st.sampled_from(["terms", "terms", "dates", "dates", "histogram", "filter", "filters"]))
    if kind == "terms":
        agg = draw(terms_aggs(subs))
    elif kind == "dates":
        agg = draw(date_histograms(subs))
    elif kind == "histogram":
        agg = {
            "histogram": {
                "field": draw(st.sampled_from([*DOUBLE_FIELDS, "severity_number"])),
                "interval": draw(st.sampled_from([1, 2.5, 10])),
                "min_doc_count": draw(st.sampled_from([1, 2])),
            }
        }
    elif kind == "filter":
        agg = {"filter": draw(leaves)}
    else:
        filters = st.one_of(st.dictionaries(st.sampled_from(["a", "b"]), leaves, min_size=1, max_size=2), st.lists(leaves, min_size=1, max_size=2))
        agg = {"filters": {"filters": draw(filters), **draw(st.sampled_from([{}, {"other_bucket": True}, {"other_bucket_key": "rest"}]))}}
    if depth < 2 and draw(st.booleans()):
        subs["inner"] = draw(bucket_aggs(depth + 1))
    return {**agg, "aggs": subs} if subs else agg


aggs = st.dictionaries(st.sampled_from(["a1", "a2"]), st.one_of(bucket_aggs(), bucket_aggs(), metrics), max_size=2)


@st.composite
def searches(draw: st.DrawFn) -> Body:
    body: Body = {"query": draw(st.one_of(queries, queries, string_queries)), "sort": draw(sorts), "size": draw(st.sampled_from([0, 1, 3, 10, 100]))}
    if draw(st.booleans()):
        body["from"] = draw(st.sampled_from([0, 1, 5]))
    if draw(st.booleans()):
        body["track_total_hits"] = draw(st.sampled_from([True, False, 1, 5, 1000]))
    if draw(st.booleans()):
        body["_source"] = draw(
            st.sampled_from(
                [
                    True,
                    False,
                    "message",
                    ["service.*", "http"],
                    {"includes": ["*"], "excludes": ["attributes.*", "mess*"]},
                    {"excludes": "service"},
                    ["attributes.user.*"],
                    ["attributes"],
                    {"excludes": ["attributes"]},
                ]
            )
        )
    found = draw(aggs)
    return {**body, "aggs": found} if found else body


search_lists = st.lists(searches(), min_size=1, max_size=30)
