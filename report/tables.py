"""Tables for the terminal and for log files."""

from collections.abc import Iterable, Sequence

LOG_WIDTH = 200  # columns where there is no terminal to ask; more than a table takes


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: the first column is text, the others are numbers; a line break in a column's name is kept.

    Names are printed as they are: square brackets and colons mean nothing. In a narrow terminal the first column wraps.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title, style="bold"), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for position, name in enumerate(columns):
        table.add_column(Text(name), justify="right" if position else "left", no_wrap=position > 0, vertical="bottom")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=LOG_WIDTH)
    console.print(table)
    console.print()
