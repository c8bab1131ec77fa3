"""The commands that serve: `serve`."""

import click

from kinowatt.app.options import as_json


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Others need an API key.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535))
@click.option("--api-key-file", type=click.Path(), help="Holds the API key; else KINOWATT_API_KEY.")
@click.option("--no-dashboard", is_flag=True, help="REST alone: starts sooner, needs less memory.")
@click.option("--store", metavar="URL|FILE", help="Whose rows to show; else the committed ones.")
@as_json
def serve(
    host: str,
    port: int,
    api_key_file: str | None,
    no_dashboard: bool,
    store: str | None,
    json_: bool,
) -> None:
    """REST and dashboard on this machine, until Ctrl-C."""
    from kinowatt.app.serve.run import serve as run
    from kinowatt.app.serve.settings import Settings, read_key

    key = read_key(api_key_file)
    settings = Settings(host=host, port=port, api_key=key, dashboard=not no_dashboard, store=store)
    run(settings, json_)
