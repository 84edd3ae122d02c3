"""Teach the demo brand to the embedded base with LoRA, then draw with it.

python examples/teach_and_draw.py --steps 400 --out out/example
"""

import argparse
from pathlib import Path

from PIL import Image

import brandsmith


def main(steps: int, out: Path) -> None:
    concept = brandsmith.load_concept("demo")
    base = brandsmith.load_base("pocket")
    config = brandsmith.build_config("lora", base="pocket", steps=steps, checkpoint_every=steps)
    run = brandsmith.train(config, concept, base, out / "run")
    _, checkpoint = run.checkpoints()[-1]

    prompts = [f"a {concept.token} cap", f"a woman wearing a blue {concept.token} sweater"]
    settings = brandsmith.DrawSettings(num_steps=20, guidance_scale=1.5)
    with brandsmith.load_adapter(base, checkpoint):
        pictures = brandsmith.sample(base, prompts, [1000, 1001], settings)
    for prompt, picture in zip(prompts, pictures, strict=True):
        file = out / f"{prompt.replace(' ', '_')}.png"
        Image.fromarray(picture).save(file)
        print(file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400, help="training steps")
    parser.add_argument("--out", type=Path, default=Path("out/example"), help="folder for run and pictures")
    main(**vars(parser.parse_args()))
