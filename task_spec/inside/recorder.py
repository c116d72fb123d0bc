"""Watches a notebook from inside its kernel: seams that are called, optimizer steps that are taken.

It runs before the first cell. A seam is wrapped where it is defined, so that a call from the cell
that defines it is seen too. What is found goes to ``claims`` (JSON) and ``arrays`` (npz).
"""

import ast
import functools
import hashlib
import inspect
import json
import os

import numpy as np
import torch
from matplotlib_inline.config import InlineBackend

_dumps, _savez, _replace = json.dumps, np.savez, os.replace


def digest(tensor):
    """Hash of a tensor's values."""
    data = tensor.detach().cpu().contiguous().numpy()
    return hashlib.blake2b(data.tobytes(), digest_size=12).hexdigest()


def digests(state):
    """{name: hash} of the tensors of a state dict."""
    return {name: digest(t) for name, t in state.items() if isinstance(t, torch.Tensor)}


class Recorder:
    """``enter`` and ``leave`` hold the handlers of seams: f(arguments, …), positional."""

    def __init__(self, seams):
        self.seams = frozenset(seams)
        self.claims = {"calls": dict.fromkeys(seams, 0), "errors": []}
        self.arrays = {}
        self.enter, self.leave = {}, {}
        self.inside = dict.fromkeys(seams, 0)

    def install(self, shell):
        """Wrap every seam that cells define from now on."""
        shell.ast_transformers.append(_Decorate(self.seams))
        shell.events.register("post_run_cell", lambda _: self._wrap_rest(shell.user_ns))
        # Figures are shown as text: nobody looks at them here, and drawing takes a fifth of a run.
        InlineBackend.instance(parent=shell).figure_formats = set()

    def _wrap_rest(self, namespace):
        # Seams that no `def` made: partial(...), a lambda, a decorator called by hand.
        for name in self.seams:
            function = namespace.get(name)
            if callable(function) and not hasattr(function, "_seam"):
                namespace[name] = self.wrap(name)(function)

    def wrap(self, name):
        """A decorator that watches a seam."""

        def decorate(function):
            if not callable(function) or inspect.isclass(function):
                return function

            @functools.wraps(function)
            def watched(*args, **kwargs):
                values = _positional(function, args, kwargs)
                self.claims["calls"][name] += 1
                self._handle(self.enter.get(name), values)
                self.inside[name] += 1
                try:
                    result = function(*args, **kwargs)
                finally:
                    self.inside[name] -= 1
                replaced = self._handle(self.leave.get(name), values, result)
                return result if replaced is None else replaced

            watched._seam = name
            return watched

        return decorate

    def _handle(self, handler, *values):
        # A submission of another shape must not stop its own run: what is not seen fails a check.
        if handler is None:
            return None
        try:
            return handler(*values)
        except Exception as error:
            if len(self.claims["errors"]) < 20:
                self.claims["errors"].append(f"{handler.__name__}: {error!r}"[:300])
            return None

    def attempt(self, name, probe, *values):
        """Run a probe; its failure becomes a claim."""
        try:
            self.claims[name] = probe(*values)
        except Exception as error:
            self.claims["errors"].append(f"{name}: {error!r}"[:300])

    def save(self, folder):
        """Write claims and arrays; the JSON last, as it says that all is there."""
        os.makedirs(folder, exist_ok=True)
        _savez(os.path.join(folder, "arrays.npz"), **self.arrays)
        path = os.path.join(folder, "claims.json")
        with open(path + ".part", "w") as file:
            file.write(_dumps(self.claims))
        _replace(path + ".part", path)


class _Decorate(ast.NodeTransformer):
    """Puts the recorder's decorator on top-level functions that are seams."""

    def __init__(self, seams):
        self.seams = seams

    def visit_Module(self, module):
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and node.name in self.seams:
                code = f"__import__('sys').modules[{__name__!r}].RECORDER.wrap({node.name!r})"
                node.decorator_list.insert(0, ast.parse(code, mode="eval").body)
        return ast.fix_missing_locations(module)


def _positional(function, args, kwargs):
    """The values of a call in the order of the signature, whatever the parameters' names."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return list(args)
    bound.apply_defaults()
    return list(bound.arguments.values())
