"""Where rows go: a folder a destination, with the same file names.

``sink.py``: the sink, where it is one of its own kind (``lake``, ``opensearch``). ``calls.py``: the call of a destination that takes records, and its limits; its sink is
``firehose.sinks.records.RecordSink``. ``body.py`` and ``answer.py``: what is sent, and what the answer means, where they take more than a few lines. ``firehose.sinks.registry`` lists
them all; each passes ``tests/contracts/test_sinks.py``.
"""
