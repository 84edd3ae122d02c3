"""Have a running studio draw pictures, and save the usable ones: its API with nothing but the standard library.

    brandsmith studio my-workspace --no-browser
    python examples/studio_client.py TOKEN "a blue cap" --out pictures

TOKEN is made on the studio's page Settings.
"""

import argparse
import json
import time
import urllib.parse
import urllib.request
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("token")
parser.add_argument("prompt")
parser.add_argument("--run", help="a training of the workspace")
parser.add_argument("--out", type=Path, default=Path("pictures"))
parser.add_argument("--studio", default="http://localhost:8700")
given = parser.parse_args()


def ask(path: str, body: dict | None = None) -> bytes:
    headers = {"Authorization": f"Bearer {given.token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(given.studio + path, data, headers)) as answer:
        return answer.read()


job = json.loads(ask("/api/v1/orders/sample", {"prompts": [given.prompt], "run": given.run, "seeds": 2}))
while job["state"] in ("queued", "running"):
    time.sleep(0.5)
    job = json.loads(ask(f"/api/v1/jobs/{job['id']}"))
given.out.mkdir(exist_ok=True)
for picture in json.loads(ask(f"/api/v1/items/{job['request']['folder']}"))["pictures"]:
    (given.out / Path(picture["path"]).name).write_bytes(ask(urllib.parse.quote(picture["address"])))
print(job["state"], job["reason"], *sorted(map(str, given.out.iterdir())))
