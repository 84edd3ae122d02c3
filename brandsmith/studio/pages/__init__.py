"""One module a page; the table of them."""

from __future__ import annotations

from fastapi import APIRouter

from brandsmith.studio.pages import concept, design, home, jobs, login, picture, run, teach, tour, training

ROUTERS: tuple[APIRouter, ...] = (
    home.router,
    login.router,
    design.router,
    jobs.router,
    tour.router,
    teach.router,
    training.router,
    picture.router,
    concept.router,
    run.router,
)
