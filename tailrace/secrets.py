"""Settings that are references: ``ssm:/name`` is a parameter of Systems Manager (decrypted), ``secretsmanager:name`` a secret. All else is the value itself."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from tailrace import aws
from tailrace.errors import SettingError
from tailrace.settings import Settings


def secret(value: str, settings: Settings) -> str:
    """Answer what a value stands for; it is asked for once in a process. Raises :class:`SettingError` where it cannot be had."""
    kind, mark, name = value.partition(":")
    return _asked(kind, name, settings) if mark and kind in _STORES else value


@lru_cache(maxsize=64)
def _asked(kind: str, name: str, settings: Settings) -> str:
    try:
        return _STORES[kind](name, settings)
    except (BotoCoreError, ClientError) as error:
        raise SettingError(f"{kind}:{name} cannot be read: {error}") from error


def _parameter(name: str, settings: Settings) -> str:
    return aws.client("ssm", settings).get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]


def _secret(name: str, settings: Settings) -> str:
    return str(aws.client("secretsmanager", settings).get_secret_value(SecretId=name)["SecretString"])


_STORES: Final[Mapping[str, Callable[[str, Settings], str]]] = MappingProxyType({"ssm": _parameter, "secretsmanager": _secret})
