"""``python -m sandbox.servers opensearch|trino|s3``: run one server in the foreground until it is interrupted."""

from pathlib import Path

import click

from sandbox.servers.opensearch import start_opensearch
from sandbox.servers.running import ServerName, missing, until_asked
from sandbox.servers.s3 import start_s3
from sandbox.servers.trino import start_trino


@click.command()
@click.argument("server", type=click.Choice(["opensearch", "trino", "s3"]))
@click.option("--port", type=click.IntRange(1, 65_535), help="Port; default 9200, 8080, 8333.")
@click.option("--data", type=click.Path(path_type=Path), default=Path("data/servers"), show_default=True, help="Folder of its data.")
@click.option("--s3-url", default="http://127.0.0.1:8333", show_default=True, help="The S3 server that Trino reads; it must have a bucket `lake`.")
def main(server: ServerName, port: int | None, data: Path, s3_url: str) -> None:
    """Run a real server in the foreground.

    Example: python -m sandbox.servers opensearch --port 9200
    """
    lacking = missing(server)
    if lacking:
        raise click.ClickException(lacking)
    folder = (data / server).absolute()
    match server:
        case "opensearch":
            running = start_opensearch(folder, port or 9200)
        case "s3":
            running = start_s3(folder, port or 8333)
        case "trino":
            running = start_trino(folder, port or 8080, s3_url)
    until_asked(running, click.echo)


if __name__ == "__main__":
    main()
