"""One module a page; the table of them."""

from __future__ import annotations

from fastapi import APIRouter

from brandsmith.studio.pages import home, login

ROUTERS: tuple[APIRouter, ...] = (home.router, login.router)
