"""One module a page; the table of them."""

from __future__ import annotations

from fastapi import APIRouter

from brandsmith.studio.pages import design, home, jobs, login, tour

ROUTERS: tuple[APIRouter, ...] = (home.router, login.router, design.router, jobs.router, tour.router)
