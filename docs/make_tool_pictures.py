"""Make the pictures of the pages on assistants and CVAT, and print what their programs exchange: make pictures.

The assistant is the SDK's client, which starts `anymask mcp` and calls its tools. CVAT's server is not here: its own
agent driver runs our function, its own SDK decodes the mask, and we draw it.
"""

from __future__ import annotations

import base64
import json
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import numpy as np
import PIL.Image
from cvat_cli._internal import agent_driver
from cvat_cli._internal.agent_driver_interaction import AgentInteractionFunctionDriver
from cvat_cli._internal.common import FunctionLoader
from cvat_sdk.masks import decode_mask
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from anymask.structures.mask import Mask
from anymask.structures.prompt import make_prompt
from anymask.visualization.overlay import draw

ROOT = Path(__file__).parent
PHOTOS, OUT = ROOT.parent / "examples" / "photos", ROOT / "images"
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("size", {"image": "citrus.jpg"}),
    ("segment", {"image": "citrus.jpg", "points": [[420, 330]]}),
    ("cutout", {"image": "citrus.jpg", "points": [[420, 330]], "save": "slice.png"}),
]

PROMPT = {"pos_points": [[1040, 600]], "neg_points": [], "obj_bbox": []}


async def assistant() -> None:
    """A session with `anymask mcp`; stores the overlay that the assistant receives."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(PHOTOS / "citrus.jpg", folder)
        command = StdioServerParameters(command=sys.executable, args=["-m", "anymask", "mcp", "--root", folder])
        async with Client(stdio_client(command)) as client:
            for name, arguments in CALLS:
                text, image = (await client.call_tool(name, arguments)).content
                print(f"→ {name} {json.dumps(arguments)}\n← {text.text}\n← {image.mime_type}")
                if name == "segment":
                    (OUT / "assistant.jpg").write_bytes(base64.b64decode(image.data))


class SameProcess:
    """Runs what the agent runs in its worker process."""

    def submit(self, function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    def result(self, value: Any) -> Any:
        return value


def cvat() -> None:
    """The shape that CVAT's agent sends for a click."""
    function = FunctionLoader("anymask.integrations.cvat", None, {}).load()
    agent_driver.set_worker_current_function(function)
    driver = AgentInteractionFunctionDriver(SimpleNamespace(), SameProcess(), function.spec)
    AgentInteractionFunctionDriver.init_worker(None)
    image = PIL.Image.open(PHOTOS / "citrus.jpg").convert("RGB")
    driver._get_sample_from_ar_params = lambda _: (SimpleNamespace(media=SimpleNamespace(load_image=lambda: image)), [])
    request = {"type": "interact", "task": 1, "frame": 0, **PROMPT}
    (shape,) = driver.calculate_result_for_ar(request, lambda **_: None)["shapes"]
    print(f"→ {request}\n← {shape['type']} of {len(shape['points'])} numbers, {shape['attributes']}")
    mask = Mask.from_array(decode_mask(shape["points"], image_width=image.width, image_height=image.height))
    prompt = make_prompt(image.size, points=PROMPT["pos_points"], labels=[1])
    drawing = draw(np.asarray(image), [mask], [prompt], max_side=1024)
    drawing.save(OUT / "cvat.jpg", quality=85)


if __name__ == "__main__":
    anyio.run(assistant)
    cvat()
