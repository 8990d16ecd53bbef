"""`skineval doctor`: what one pastes into a bug report."""

from __future__ import annotations

from skineval.cli.output import Format, FormatOption, QuietOption, print_table

EXAMPLE = "Example: skineval doctor"


def doctor(format: FormatOption = Format.TABLE, quiet: QuietOption = False) -> None:
    """Show versions, device, cache and plugins."""
    from skineval import api
    from skineval.report.document.tables import Column, Row, Table

    rows = tuple(Row(pair) for pair in api.diagnosis().items())
    print_table(Table("skineval on this machine", (Column("what", "What"), Column("value", "Value")), rows), format)
