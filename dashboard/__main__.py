"""Runs the dashboard: ``python -m dashboard``. Everything that Streamlit would do over the network on its own is switched off."""

import sys
from pathlib import Path

from streamlit.web import cli

from dashboard.access import check_binding
from dashboard.theme import PRIMARY
from tailrace.errors import TailraceError
from tailrace.settings import Settings, load


def arguments(settings: Settings) -> list[str]:
    """Answer the words of the command ``streamlit``."""
    options = {
        "server.address": settings.dashboard_host,
        "server.port": settings.dashboard_port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.enableStaticServing": "false",
        "server.maxUploadSize": 1,
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        "theme.primaryColor": PRIMARY,
        "logger.level": "warning",
    }
    return ["streamlit", "run", str(Path(__file__).with_name("app.py")), *(f"--{name}={value}" for name, value in options.items())]


def main() -> None:
    """Check where it would be reachable from, and run."""
    try:
        settings = load().settings
        check_binding(settings.dashboard_host)
    except TailraceError as error:
        sys.stderr.write(f"tailrace: {error}\n")
        sys.exit(error.exit_code)
    sys.argv = arguments(settings)
    cli.main()


if __name__ == "__main__":
    main()
