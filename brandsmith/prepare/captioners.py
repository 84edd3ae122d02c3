"""Who describes pictures: any OpenAI-compatible endpoint, or an image-to-text model of transformers in a folder.

An endpoint gets each picture as a small JPEG without its metadata, and nothing else of the concept. The key, where one
is needed, is read from BRANDSMITH_API_KEY (else OPENAI_API_KEY), never from the command line; it goes to the endpoint
that was named and follows no redirection.
"""

from __future__ import annotations

import base64
import http.client
import io
import ipaddress
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from brandsmith.core.errors import BrandsmithError, InvalidConfig, MissingResource
from brandsmith.core.json_files import parse_json
from brandsmith.core.text import shortened
from brandsmith.prepare.caption_choice import ASK, CaptionChoice

SIDE_PX = 768
"""Of the longer side of a picture as it is sent."""
TIMEOUT_SEC = 120.0
"""How long an endpoint may be silent, and how long its whole answer may take."""
TRIES, FIRST_PAUSE_SEC = 3, 1.0
LARGEST_ANSWER = 1 << 20
MOST_TOKENS = 120
KEYS = ("BRANDSMITH_API_KEY", "OPENAI_API_KEY")


def build_captioner(choice: CaptionChoice) -> Callable[[np.ndarray], str] | None:
    """None where no captioner is asked for. Raises InvalidConfig, MissingResource."""
    if choice.endpoint and choice.captioner:
        raise InvalidConfig("--endpoint and --captioner are both given", hint="choose one")
    if (choice.model or choice.ask) and not choice.endpoint:
        raise InvalidConfig("--model or --ask is given without --endpoint", hint="name the endpoint too")
    if choice.endpoint:
        if not choice.model:
            raise InvalidConfig("--endpoint is given without --model", hint="name the model that it serves")
        return Endpoint(checked_url(choice.endpoint), choice.model, choice.ask or ASK)
    return LocalCaptioner.load(choice.captioner) if choice.captioner else None


def checked_url(text: str) -> str:
    """The address of chat completions below an endpoint's. Raises InvalidConfig."""
    try:
        parts = urlsplit(text)
        host = "" if parts.port == 0 else parts.hostname or ""  # a port out of range raises
    except ValueError:
        host = ""
    if not (text.isascii() and text.isprintable()) or " " in text:  # urlsplit drops line ends, http.client refuses them
        host = ""
    if not host or parts.scheme not in ("http", "https") or parts.username:
        raise InvalidConfig(
            f"--endpoint is {shortened(text)}", hint="write its address, such as http://127.0.0.1:8000/v1"
        )
    if _key() and parts.scheme == "http" and not _is_here(host):
        raise InvalidConfig(
            f"--endpoint '{text}' is not encrypted, and a key would be sent to it",
            hint=f"use https, or unset {' and '.join(KEYS)}",
        )
    address = text.rstrip("/")
    return address if address.endswith("/chat/completions") else f"{address}/chat/completions"


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _key() -> str:
    """Raises InvalidConfig for what no header can hold; http.client would print it."""
    name = next((name for name in KEYS if os.environ.get(name, "").strip()), "")
    key = os.environ.get(name, "").strip() if name else ""  # files of keys end with a line end
    if not (key.isascii() and key.isprintable()):
        raise InvalidConfig(f"{name} holds characters that no key has", hint="set it to the key alone")
    return key


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


@dataclass(frozen=True)
class Endpoint:
    """A model behind an OpenAI-compatible address."""

    url: str
    model: str
    ask: str

    def __call__(self, picture: np.ndarray) -> str:
        """What the model says of (H, W, 3) uint8. Raises BrandsmithError."""
        body = json.dumps(self._question(picture)).encode()
        for turn in range(TRIES):
            try:
                return said_in(self._answer(body))
            except urllib.error.HTTPError as error:
                if (error.code not in (408, 409, 429) and error.code < 500) or turn == TRIES - 1:
                    raise self._failed(f"{error.code} {error.reason}") from None
            except (OSError, ValueError, http.client.HTTPException) as error:
                silent = isinstance(getattr(error, "reason", error), TimeoutError)
                if silent or isinstance(error, ValueError) or turn == TRIES - 1:
                    raise self._failed(str(getattr(error, "reason", error)) or type(error).__name__) from None
            time.sleep(FIRST_PAUSE_SEC * 2**turn)
        raise AssertionError("every try returns or raises")

    def _proxies(self) -> list[urllib.request.BaseHandler]:
        """Those of the system, and none for this very machine."""
        return [urllib.request.ProxyHandler({})] if _is_here(urlsplit(self.url).hostname or "") else []

    def _failed(self, reason: str) -> BrandsmithError:
        return BrandsmithError(
            f"'{self.url}' gives no caption ({shortened(reason, 200)})",
            hint="check its address, the model's name and the key, and that the model sees pictures",
        )

    def _question(self, picture: np.ndarray) -> dict[str, Any]:
        shown = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{as_jpeg(picture)}"}}
        content = [{"type": "text", "text": self.ask}, shown]
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": MOST_TOKENS,
            "temperature": 0,
        }

    def _answer(self, body: bytes) -> str:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {_key()}"} if _key() else {})
        request = urllib.request.Request(self.url, data=body, headers=headers, method="POST")
        opener = urllib.request.build_opener(_NoRedirects, *self._proxies())
        until, content = time.monotonic() + TIMEOUT_SEC, b""
        with opener.open(request, timeout=TIMEOUT_SEC) as answer:
            while piece := answer.read1(LARGEST_ANSWER):
                content += piece
                if len(content) > LARGEST_ANSWER:
                    raise ValueError(f"an answer of more than {LARGEST_ANSWER} bytes")
                if time.monotonic() > until:
                    raise ValueError(f"an answer of more than {TIMEOUT_SEC:g} seconds")
        return content.decode()


def said_in(answer: str) -> str:
    """The text of a chat completion. Raises ValueError."""
    value = parse_json(answer)
    try:
        said = value["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise ValueError("an answer without choices, message and content") from None
    if not isinstance(said, str) or not said.strip():
        raise ValueError("an empty answer")
    return said[:2000]


def as_jpeg(picture: np.ndarray) -> str:
    """(H, W, 3) uint8 as base64 of a JPEG, no side longer than SIDE_PX, without metadata."""
    image, content = Image.fromarray(picture), io.BytesIO()
    image.thumbnail((SIDE_PX, SIDE_PX))
    image.save(content, "JPEG", quality=90)
    return base64.b64encode(content.getvalue()).decode()


@dataclass(frozen=True)
class LocalCaptioner:
    """An image-to-text model of transformers; its folder is all that is read."""

    model: Any
    processor: Any

    @classmethod
    def load(cls, folder: Path) -> LocalCaptioner:
        """Safetensors alone, and no code from the folder. Raises MissingResource, InvalidConfig."""
        if not (folder / "config.json").is_file():
            raise MissingResource(
                f"no model of transformers in '{folder}'", hint="give a folder with config.json, such as BLIP's"
            )
        from transformers import AutoModelForImageTextToText, AutoProcessor

        safe = {"local_files_only": True, "trust_remote_code": False}
        try:
            processor = AutoProcessor.from_pretrained(str(folder), **safe)
            model = AutoModelForImageTextToText.from_pretrained(str(folder), use_safetensors=True, **safe)
        except Exception as error:  # transformers raises many kinds for what it does not know
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise InvalidConfig(
                f"'{folder}' is no model that describes pictures ({shortened(reason, 160)})",
                hint="give an image-to-text model with its processor, saved as safetensors",
            ) from None
        return cls(model.eval(), processor)

    def __call__(self, picture: np.ndarray) -> str:
        """What the model says of (H, W, 3) uint8. Raises BrandsmithError."""
        import torch

        given = self.processor(images=Image.fromarray(picture), return_tensors="pt")
        with torch.no_grad():
            tokens = self.model.generate(**given, max_new_tokens=60, do_sample=False)
        said = str(self.processor.batch_decode(tokens, skip_special_tokens=True)[0]).strip()
        if not said:
            raise BrandsmithError("the model says nothing", hint="try another captioner")
        return said
