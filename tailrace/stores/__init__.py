"""Where the lake's objects are: a folder on this machine, or a bucket on S3."""

from pathlib import Path

from tailrace.errors import SettingError
from tailrace.settings import Settings
from tailrace.stores.folder import FolderStore
from tailrace.stores.port import ObjectStore


def open_store(settings: Settings) -> ObjectStore:
    """Open the lake's store: a folder, or a bucket where the setting ``lake`` is ``s3://bucket/prefix``."""
    location = settings.lake_location
    if not location.startswith("s3://"):
        return FolderStore(Path(location))
    from tailrace import aws  # boto3 takes 300 ms to import, and most have their lake in a folder
    from tailrace.stores.s3 import S3Store, encryption_of

    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    if not bucket:
        raise SettingError(f"lake = {location!r}: no bucket is named, as in s3://bucket/prefix")
    return S3Store(aws.client("s3", settings), bucket, prefix, encryption=encryption_of(settings))
