"""`brandsmith studio`, `mcp` and `studio-user`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.options import console

commands = typer.Typer()


@commands.command(epilog="Example: [cyan]brandsmith studio my-workspace[/]")
def studio(
    workspace: Annotated[Path, typer.Argument(help="Folder to work in; made when it is not there.")] = Path("studio"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8700,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine need --users.")
    ] = "127.0.0.1",
    users: Annotated[Path | None, typer.Option(help="File of users, written by 'brandsmith studio-user'.")] = None,
    user_header: Annotated[
        str | None, typer.Option(help="Header in which a reverse proxy names who has logged in there.")
    ] = None,
    proxy: Annotated[list[str] | None, typer.Option(help="Address of that proxy; default this machine.")] = None,
    name: Annotated[list[str] | None, typer.Option(help="Another name by which browsers reach the studio.")] = None,
    executor: Annotated[str, typer.Option(help="Where work runs: local, or ray (a shared disk).")] = "local",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
) -> None:
    """Teach, create and compare in a browser."""
    from brandsmith.core.optional import need_package

    need_package("fastapi", "studio", "brandsmith studio")
    from brandsmith.studio.serve import serve
    from brandsmith.studio.settings import StudioSettings

    settings = StudioSettings(
        host=host,
        port=port,
        users=users,
        user_header=user_header,
        proxies=tuple(proxy or StudioSettings.proxies),
        names=tuple(name or ()),
        executor=executor,
    )
    serve(workspace, settings, open_browser=not no_browser, say=console.print)


@commands.command(epilog="Example: [cyan]brandsmith mcp my-workspace[/]")
def mcp(
    workspace: Annotated[Path, typer.Argument(help="Folder to work in; made when it is not there.")] = Path("studio"),
) -> None:
    """The studio's verbs for agents, by the Model Context Protocol, over this process' input and output."""
    from brandsmith.core.optional import need_package

    need_package("mcp", "mcp", "brandsmith mcp")
    need_package("fastapi", "studio", "brandsmith mcp")
    from brandsmith.studio.mcp import build_server
    from brandsmith.studio.workspace import Workspace

    build_server(Workspace.open(workspace)).run("stdio")


@commands.command("studio-user", epilog="Example: [cyan]brandsmith studio-user users.txt ada --role maker[/]")
def studio_user(
    file: Annotated[Path, typer.Argument(help="File of users; made when it is not there.")],
    name: Annotated[str, typer.Argument(help="Name to log in with.")],
    role: Annotated[str, typer.Option(help="viewer, maker or admin.")] = "maker",
) -> None:
    """Add a user of the studio, or change the password; it is asked for."""
    from brandsmith.core.optional import need_package

    need_package("argon2", "studio", "brandsmith studio-user")
    from brandsmith.studio.users import check_account, check_users_file, write_account

    check_account(name, role)
    check_users_file(file)
    write_account(file, name, role, typer.prompt("password", hide_input=True, confirmation_prompt=True))
    console.print(f"'{name}' is a {role} in {file}")
