"""The colours of every picture on light paper, and what becomes of them on dark paper."""

from __future__ import annotations

PAPER = "#ffffff"
INK = "#1f2933"
MUTED = "#5f6b78"
FAINT = "#d9dee4"
WARNING = "#a8231b"  #: of stamps, and of what is wrong
BLUE, VERMILLION, GREEN = "#0072b2", "#d55e00", "#009e73"
#: Okabe and Ito's colours (Color Universal Design, 2008), without black and without the yellow that is lost on white;
#: told apart by all common kinds of colour vision.
PALETTE = (BLUE, VERMILLION, GREEN, "#cc79a7", "#e69f00", "#56b4e9")

#: What stands for a colour on dark paper; those that are not named here stay.
_DARK = {
    PAPER: "#1b2027",
    INK: "#e3e8ed",
    MUTED: "#9aa7b4",
    FAINT: "#3a444f",
    WARNING: "#ff8074",
    BLUE: "#2e90d1",
    VERMILLION: "#ee7733",
    GREEN: "#1db58b",
}


def dark_rules() -> str:
    """A style sheet that makes an SVG follow its reader's preference for dark pages, alone or inside a page.

    It changes what `style` attributes say, as `fill:#1f2933`, so that programs without style sheets show the colours
    of light paper.
    """
    rules = "".join(
        f"[style*='{property_}:{light}']{{{property_}:{dark}!important}}"
        for light, dark in _DARK.items()
        for property_ in ("fill", "stroke")
    )
    return f"<style>@media screen and (prefers-color-scheme:dark){{{rules}}}</style>"
