"""What a check of a data set found, as a table."""

from __future__ import annotations

from collections import Counter, defaultdict

from skineval.data.findings import Finding
from skineval.data.quality.check import Checked, Decoded
from skineval.report.document import formatting
from skineval.report.document.tables import Column, Table, tabulate

SHOWN = 20  #: findings of one code that a person is shown

_COLUMNS = (
    Column("severity", "Severity", priority=1),
    Column("code", "Finding"),
    Column("where", "Where", whole=True),
    Column("what", "What"),
)


def findings_table(checked: Checked, name: str) -> Table:
    """For people: the first few findings of each code, and below the table what to do about each code.

    Where there are none, one line says so, and of how many images.
    """
    if not checked.findings:
        return Table(f"{_title(checked, name)}; {_decoded(checked)}", _COLUMNS, ())
    shown: dict[str, list[Finding]] = defaultdict(list)
    for finding in checked.findings:
        shown[finding.code].append(finding)
    first = [finding for same in shown.values() for finding in same[:SHOWN]]
    left = {code: len(same) - SHOWN for code, same in shown.items() if len(same) > SHOWN}
    more = [f"And {formatting.count(n)} more of {code}: --format csv shows all." for code, n in left.items()]
    hints = dict.fromkeys(f"{finding.code}: {finding.hint}" for finding in checked.findings)
    lines = [line for hint in hints for line in hint.splitlines()]
    return tabulate(_title(checked, name), first, _COLUMNS, (*more, _decoded(checked), *lines))


def all_findings(checked: Checked, name: str) -> Table:
    """For programs: every finding, with what to do about it and the images to leave out to be rid of it."""
    columns = (*_COLUMNS, Column("hint", "What to do"), Column("image_ids", "Images"))
    return tabulate(_title(checked, name), checked.findings, columns, (_decoded(checked),))


def _title(checked: Checked, name: str) -> str:
    counts = Counter(finding.severity for finding in checked.findings)
    found = [formatting.plural(counts[severity], severity) for severity in ("error", "remark") if counts[severity]]
    return f"Check of {formatting.plain(name)}: {formatting.listed(found) if found else 'nothing to report'}"


def _decoded(checked: Checked) -> str:
    sums = f"; {formatting.plural(len(checked.checksums), 'checksum')} computed" if checked.checksums else ""
    return f"{_of(checked.images, 'image')} and {_of(checked.masks, 'mask')} decoded in full{sums}."


def _of(decoded: Decoded, noun: str) -> str:
    some = "" if decoded.whole == decoded.files else f"{formatting.count(decoded.whole)} of "
    return some + formatting.plural(decoded.files, noun)
