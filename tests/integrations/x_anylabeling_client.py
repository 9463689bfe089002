"""Runs in the environment of X-AnyLabeling: its own client of remote servers, driven as its window does.

Arguments: the server's address, the token, an image, and the requests as JSON: a list of {model, marks, text}. Prints
the models, the resulting shapes and the messages of the client as JSON.
"""

import json
import sys

import anylabeling.config

server_url, token, path, requests = sys.argv[1:]
settings = {"server_url": server_url, "api_key": token}
anylabeling.config.current_config_file = json.dumps({"remote_server_settings": settings})  # JSON is YAML, too

from anylabeling.services.auto_labeling.remote_server import RemoteServer  # noqa: E402
from PyQt6.QtGui import QGuiApplication, QImage  # noqa: E402

application = QGuiApplication([])
messages = []
client = RemoteServer({"type": "remote_server", "name": "remote", "display_name": "anymask"}, messages.append)
models = client.get_available_models()
image = QImage(path)
results = []
for request in json.loads(requests):
    client.set_model_id(request["model"])
    client.set_auto_labeling_marks(request.get("marks", []))
    result = client.predict_shapes(image, path, text_prompt=request.get("text"))
    shapes = [
        {
            "label": shape.label,
            "type": shape.shape_type,
            "points": [[point.x(), point.y()] for point in shape.points],
            "score": shape.score,
            "group": shape.group_id,
        }
        for shape in result.shapes
    ]
    results.append({"shapes": shapes, "replace": result.replace})
print(json.dumps({"models": models, "results": results, "messages": messages}))
