"""The commands that keep rows and hand them on: `store`, `export`."""

import click

from kinowatt.app.options import answer, as_json, listing, options, plain

where_rows = click.option(
    "--where", multiple=True, metavar="FILTER", help="steps>=20, model=NAME, size=480x832; several."
)
taking_claims = options(
    click.option("--assume", multiple=True, metavar="NAME=VALUE", help="What a file leaves open."),
    click.option("--map", "mapping", multiple=True, help="QUANTITY=COLUMN:UNIT of a foreign CSV."),
)
publishing = options(
    click.option("--grid", help="For codecarbon: country code, EU or WORLD; else no emissions."),
    click.option("--title", help="For hub, latex, methods."),
    click.option("--licence", help="For hub: the licence you give the rows, like cc-by-4.0."),
)


@click.group()
def store() -> None:
    """Rows in an SQLite file or a PostgreSQL database: list, show, diff, import, migrate."""


@store.command("list")
@click.argument("source")
@where_rows
@click.option("--limit", default=50, show_default=True, type=int)
@click.option("--after", help="The cursor that the page before ended with.")
@click.option("--summary", is_flag=True, help="Like rows together, with mean and range.")
@click.option("--campaigns", is_flag=True, help="Campaigns and how far they are.")
@as_json
def list_rows(
    source: str,
    where: tuple[str, ...],
    limit: int,
    after: str | None,
    summary: bool,
    campaigns: bool,
    json_: bool,
) -> None:
    """The rows of a store, a page at a time, or of files of rows."""
    from kinowatt.app import storing

    if campaigns:
        begun = storing.campaigns(source)
        answer([plain(one) for one in begun], json_, lambda: storing.show_campaigns(begun))
    elif summary:
        groups = storing.summary(source, where)
        answer([plain(one) for one in groups], json_, lambda: storing.show_summary(groups))
    else:
        found = storing.page(source, where, after, limit)
        answer(storing.page_data(found), json_, lambda: storing.show_page(found))


@store.command()
@click.argument("source")
@click.argument("name")
@as_json
def show(source: str, name: str, json_: bool) -> None:
    """One row, by its id or the start of its digest."""
    from kinowatt.app import storing

    found = storing.one(source, name)
    answer(storing.row_data(found), json_, lambda: storing.show_row(found))


@store.command()
@click.argument("left")
@click.argument("right")
@where_rows
@as_json
def diff(left: str, right: str, where: tuple[str, ...], json_: bool) -> None:
    """Rows that only one of two has, and those that differ; files of rows are welcome."""
    from kinowatt.app import storing

    found = storing.compare(left, right, where)
    answer(plain(found), json_, lambda: storing.show_difference(found, left, right))


@store.command("import")
@click.argument("target")
@click.argument("files", nargs=-1, required=True)
@taking_claims
@as_json
def import_(
    target: str, files: tuple[str, ...], assume: tuple[str, ...], mapping: tuple[str, ...],
    json_: bool,
) -> None:  # fmt: skip
    """Adds files to a store: rows of Kinowatt exactly, foreign formats as what they claim."""
    from kinowatt.app import storing

    listing("Imported", storing.take_in(target, files, assume, mapping), json_)


@store.command()
@click.argument("target")
@as_json
def migrate(target: str, json_: bool) -> None:
    """Moves a store of an older Kinowatt forwards; an SQLite file is copied first."""
    from kinowatt.app import storing

    found = storing.migrate(target)
    answer(storing.migration_data(found), json_, lambda: storing.show_migration(target, found))


@click.command()
@click.argument("source")
@click.option("--to", "format_", help="csv, parquet, jsonl, codecarbon, hub, latex, methods.")
@click.option("-o", "--output", help="A file, or a folder for hub; default: the terminal.")
@where_rows
@publishing
@click.option("--force", is_flag=True, help="Replace what is there.")
@as_json
def export(
    source: str,
    format_: str | None,
    output: str | None,
    where: tuple[str, ...],
    force: bool,
    json_: bool,
    **published: str | None,
) -> None:
    """Rows of a store or of files in another format."""
    from kinowatt.app import storing

    asked = storing.Export(
        source=source, format=format_, output=output, where=where, force=force, published=published
    )
    if output is None:
        storing.print_rows(asked, json_)
        return
    found = storing.export(asked)
    answer(found, json_, lambda: storing.show_export(found))
