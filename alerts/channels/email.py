"""E-mail by SMTP: STARTTLS where the server offers it, a login where one is set."""

import smtplib
from email.message import EmailMessage
from typing import Any, Final

from alerts.state import Notice
from tailrace.errors import PermanentError, TransientError
from tailrace.secrets import secret
from tailrace.settings import Settings

TIMEOUT_S: Final = 10.0


class EmailChannel:
    """Sends to the addresses that a rule names; server and sender are settings, which a rule may override."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, notice: Notice) -> None:
        """Send the message; it is refused for good only if the server says so with a 5xx."""
        host = str(notice.options.get("smtp_host") or self._settings.smtp_host)
        if not host:
            raise PermanentError("email: the setting smtp_host is empty")
        mail = mail_of(notice, self._settings.smtp_from)
        try:
            with smtplib.SMTP(host, int(notice.options.get("smtp_port") or self._settings.smtp_port), timeout=TIMEOUT_S) as server:
                self._greet(server)
                server.send_message(mail, to_addrs=recipients(notice))
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError, smtplib.SMTPAuthenticationError) as error:
            raise (PermanentError if _is_final(error) else TransientError)(f"email: {error}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise TransientError(f"email: {error}") from error

    def _greet(self, server: smtplib.SMTP) -> None:
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls()
            server.ehlo()
        if self._settings.smtp_user:
            server.login(self._settings.smtp_user, secret(self._settings.smtp_password, self._settings))


def mail_of(notice: Notice, sender: str) -> EmailMessage:
    """Answer the mail: plain text, an id that is the same in every attempt."""
    mail = EmailMessage()
    mail["Subject"] = _one_line(notice.subject)
    mail["From"] = _one_line(str(notice.options.get("from_addr") or sender))
    mail["To"] = ", ".join(_addresses(notice.options.get("email")))
    if copies := _addresses(notice.options.get("cc")):
        mail["Cc"] = ", ".join(copies)
    if reply := notice.options.get("email_reply_to"):
        mail["Reply-To"] = _one_line(str(reply))
    mail["Message-ID"] = f"<{notice.id}@tailrace>"
    mail.set_content(notice.body)
    return mail


def recipients(notice: Notice) -> list[str]:
    """Answer everybody the mail goes to."""
    return [address for name in ("email", "cc", "bcc") for address in _addresses(notice.options.get(name))]


def _addresses(value: Any) -> list[str]:  # noqa: ANN401 - a text or a list, from the rule
    items = value if isinstance(value, list) else [value] if value else []
    return [_one_line(str(item)) for item in items]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _is_final(error: smtplib.SMTPException) -> bool:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500
