"""One module a page; the table of them."""

from __future__ import annotations

from fastapi import APIRouter

from brandsmith.studio.pages import (
    brand,
    compare,
    concept,
    create,
    design,
    home,
    jobs,
    learn,
    login,
    picture,
    pictures,
    run,
    settings,
    teach,
    tour,
    training,
    wizards,
)

ROUTERS: tuple[APIRouter, ...] = (
    home.router,
    login.router,
    design.router,
    jobs.router,
    tour.router,
    teach.router,
    training.router,
    picture.router,
    brand.router,
    concept.router,
    run.router,
    settings.router,
    wizards.router,
    create.router,
    pictures.router,
    compare.router,
    learn.router,
)
