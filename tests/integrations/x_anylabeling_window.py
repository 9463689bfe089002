"""Runs in the environment of X-AnyLabeling: its own window, driven by the mouse on Qt's offscreen platform.

Arguments: the server's address, an image, clicks as JSON (a list of [x, y, 1 or 0]), and a file for a picture of the
window. Prints the shapes as JSON. Its settings go into the home folder.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import anylabeling.config

address, image, clicks, picture = sys.argv[1:]
anylabeling.config.current_config_file = str(Path.home() / ".xanylabelingrc")

from anylabeling.resources import resources  # noqa: E402, F401
from anylabeling.views.labeling.utils.theme import init_theme  # noqa: E402
from anylabeling.views.mainwindow import MainWindow  # noqa: E402
from PyQt6.QtCore import QPoint, QPointF, Qt, QTimer  # noqa: E402
from PyQt6.QtTest import QTest  # noqa: E402
from PyQt6.QtWidgets import QApplication, QLineEdit  # noqa: E402

application = QApplication([])
init_theme("light")
config = anylabeling.config.get_config(anylabeling.config.current_config_file, {"auto_save": False}, show_msg=False)
window = MainWindow(application, config=config, filename=image)
window.resize(1400, 860)
window.show()
view = window.labeling_widget.view
panel, canvas = view.auto_labeling_widget, view.canvas


def wait_for(condition: Callable[[], bool]) -> None:
    """Let the window work until something is so."""
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "X-AnyLabeling did not get there"
        QTest.qWait(50)


def type_address() -> None:
    """Fill in the dialog that asks for the server, once it is open."""
    dialog = application.activeModalWidget()
    if dialog is None:
        QTimer.singleShot(100, type_address)
        return
    dialog.findChildren(QLineEdit)[0].setText(address)
    dialog.accept()


def objects() -> list:
    """The shapes that the model has drawn."""
    return [shape for shape in canvas.shapes if shape.label == "AUTOLABEL_OBJECT"]


def on_canvas(x: float, y: float) -> QPoint:
    """Where a pixel of the image is drawn."""
    return ((QPointF(x, y) + canvas.offset_to_center()) * canvas.scale).toPoint()


wait_for(lambda: view.image is not None and not view.image.isNull())
view.toggle_auto_labeling_widget()
QTimer.singleShot(100, type_address)
panel.on_model_selected("CVHub", next(name for name in panel.model_info if "remote_server" in name))
wait_for(lambda: panel.remote_server_select_combobox.count() > 0)
for x, y, label in json.loads(clicks):
    before = objects()
    button = panel.button_add_point if label else panel.button_remove_point
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    QTest.mouseMove(canvas, on_canvas(x, y))
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=on_canvas(x, y))
    wait_for(lambda before=before: bool(objects()) and objects() != before and panel.button_add_point.isEnabled())
QTest.mouseMove(canvas, on_canvas(5, 5))
QTest.qWait(500)
window.grab().save(picture)
print(json.dumps([[[point.x(), point.y()] for point in shape.points] for shape in objects()]))
sys.stdout.flush()
os._exit(0)  # its threads would wait for a person
