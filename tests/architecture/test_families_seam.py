"""Only `base` knows what kind of model it has: no other package touches the parts in which families differ.

`pocket`, the recipe of one particular base, and tests may.
"""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "brandsmith"
EXEMPT = {"base", "pocket"}
ATTRIBUTES = {
    *("unet", "transformer", "conv_in", "conv_out", "down_blocks", "mid_block", "up_blocks"),
    *("alphas_cumprod", "prediction_type", "cross_attention_dim", "sample_size", "block_out_channels", "in_channels"),
    *("attn_processors", "set_attn_processor", "text_encoder", "text_encoder_2", "tokenizer_2", "unet_kwargs"),
}
"""Of a denoiser, an autoencoder or a pipeline of some family."""
INDEXED = {"text_encoders", "tokenizers"}
"""Lists whose length is the family's: to be gone through, not to be indexed with a number."""
STRINGS = {"unet", "transformer", "text_encoder", "text_encoder_2", "tokenizer_2", "model_index.json"}
"""Names of a folder's parts."""


def findings(tree: ast.AST) -> list[tuple[int, str]]:
    found = []
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
            found.append((node.lineno, f".{node.attr}"))
        elif isinstance(node, ast.Constant) and node.value in STRINGS and id(node) not in docstrings:
            found.append((node.lineno, repr(node.value)))
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            if isinstance(node.value, ast.Attribute) and node.value.attr in INDEXED:
                found.append((node.lineno, f".{node.value.attr}[{node.slice.value}]"))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            named = [a.value for a in node.args[1:2] if isinstance(a, ast.Constant)]
            found += [(node.lineno, f"getattr {name}") for name in named if name in ATTRIBUTES]
    return found


def findings_in(file: Path) -> list[tuple[int, str]]:
    return findings(ast.parse(file.read_text(encoding="utf-8")))


def test_only_base_knows_what_kind_of_model_it_has():
    files = [file for file in PACKAGE.rglob("*.py") if file.relative_to(PACKAGE).parts[0] not in EXEMPT]
    found = {f"{file.relative_to(PACKAGE)}:{line}": what for file in files for line, what in findings_in(file)}
    assert len(files) > 120, f"only {len(files)} files looked at"
    assert not found, f"of {len(files)} files looked at: {found}"


def test_the_guard_would_see_it():
    files = [file for part in EXEMPT for file in (PACKAGE / part).rglob("*.py")]
    looked = {what for file in files for _, what in findings_in(file)}
    assert {".conv_in", ".alphas_cumprod", ".down_blocks", "'model_index.json'", ".text_encoders[0]"} <= looked
    bad = "base.unet(x); t = base.tokenizers[0]; open('model_index.json'); getattr(u, 'conv_in')"
    assert len(findings(ast.parse(bad))) == 4
