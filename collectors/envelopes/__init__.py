"""What log events and spans come wrapped in: bytes in, :class:`collectors.lines.Lines` or rows out, or a dead letter that holds the whole payload."""
