"""What docstrings must state."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.support.import_graph import read_modules

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def functions_of(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions and methods with their names; those inside functions are part of them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FUNCTIONS):
            yield f"{prefix}.{child.name}", child
        elif isinstance(child, ast.ClassDef):
            for name, method in functions_of(child, f"{prefix}.{child.name}"):
                own = ast.get_docstring(child) or ""
                if name.endswith(".__init__") and own:  # arguments of a class are described there
                    method.body.insert(0, ast.Expr(ast.Constant(own)))
                yield name, method


def arrays_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many arrays a function takes and returns, by its annotations."""
    arguments = (*function.args.args, *function.args.kwonlyargs)
    annotations = [*(each.annotation for each in arguments), function.returns]
    return sum(each is not None and "NDArray" in ast.unparse(each) for each in annotations)


def states_shapes(docstring: str) -> bool:
    """Whether there is a shape such as [H, W], or the remark that the shape does not matter."""
    return "[" in docstring or "shape" in docstring


def test_a_function_with_several_arrays_states_their_shapes() -> None:
    silent = [
        name
        for module, path in read_modules().items()
        for name, function in functions_of(ast.parse(path.read_text(encoding="utf-8")), module)
        if arrays_of(function) > 1 and not states_shapes(ast.get_docstring(function) or "")
    ]
    assert silent == []
