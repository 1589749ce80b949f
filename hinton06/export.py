"""A finished net for other programs: NumPy, safetensors, ONNX and Matlab.

Not in the chapter. Every format holds the float32 arrays as they are, and beside them, as JSON
text, how the net was made (`record`). The names in Matlab's files are those of Hinton and
Salakhutdinov's public Matlab code (2006), and of a generative net and the labels those of the code
in Hinton, Osindero and Teh (2006), Appendix B.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from hinton06 import provenance
from hinton06.loading import RunFile
from hinton06.models import Classifier, DeepBeliefNet, DirectedNet, PairNet, Rbm, Stack
from hinton06.numerics import Array
from hinton06.records import Tree, to_tree
from hinton06.report.files import ReportError, save

_OPSET = 17
_IR_VERSION = 8


def export(file: RunFile, path: Path, to: str) -> None:
    """Write a finished net in one of `FORMATS`.

    Raises `ReportError` if the file cannot be written, or the library of the format is not
    installed; `RunError` if the net is not finished; ValueError if there is no such format.
    """
    if to not in FORMATS:
        raise ValueError(f"a format is one of {', '.join(FORMATS)}, not {to!r}")
    save(path, FORMATS[to].content(file.finished()))


def form_of(path: Path) -> str:
    """The format whose files have the ending of a path; ValueError if there is none."""
    for form in FORMATS:
        if path.suffix == f".{form}":
            return form
    raise ValueError(
        f"{path}: a file for other programs ends in {', '.join(f'.{f}' for f in FORMATS)}"
    )


def record(file: RunFile) -> str:
    """How a net was made, and what was measured, as JSON."""
    return json.dumps(
        {
            "made by": f"hinton06 {provenance.version()}",
            "kind": file.kind.name,
            "recipe": file.recipe,
            "settings": to_tree(file.settings),
            "lineage": to_tree(file.lineage),
            "classes": file.classes,
            "outcome": file.outcome.values(),
            "sha256": file.digest,
            "images": "(n, pixels) float32 from 0, the ground, to 1, the ink: bytes / 255",
        }
    )


def _library(name: str, form: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise ReportError(
            f"{form} needs the library {name.partition('.')[0]}: pip install 'hinton06[{form}]'"
        ) from None


# -- NumPy and safetensors -----------------------------------------------------------------------


def _npz(file: RunFile) -> bytes:
    written = io.BytesIO()
    everything: dict[str, Any] = {**file.arrays(), "record": np.array(record(file))}
    np.savez(written, **everything)
    return written.getvalue()


def _safetensors(file: RunFile) -> bytes:
    library = _library("safetensors.numpy", "safetensors")
    content: bytes = library.save(file.arrays(), metadata={"record": record(file)})
    return content


# -- Matlab --------------------------------------------------------------------------------------


def matlab_names(model: Any) -> Tree:
    """The arrays of a model under the names of the public Matlab code, biases as rows.

    Of a classifier the last row of each matrix are the biases, as there. What that code does not
    have keeps its own names.
    """
    if isinstance(model, Classifier):
        names = [*(f"w{n}" for n in range(1, len(model.weights))), "w_class"]
        return {
            name: np.vstack([weights, bias])
            for name, weights, bias in zip(names, model.weights, model.biases, strict=True)
        }
    if isinstance(model, DirectedNet | PairNet):
        return model.parameters()
    if isinstance(model, DeepBeliefNet):
        return {
            "vishid": model.vishid,
            "hidrecbiases": model.hid_rec_bias,
            "hidpen": model.hidpen,
            "penrecbiases": model.pen_rec_bias,
            **_memory(model.memory),
            "penhid": model.penhid,
            "hidgenbiases": model.hid_gen_bias,
            "hidvis": model.hidvis,
            "visgenbiases": model.vis_gen_bias,
        }
    return _of_stack(model)


def _of_stack(stack: Stack) -> Tree:
    """``vishid``, ``hidpen``, ``hidpen2`` and so on, with recognition and generative biases."""
    names: Tree = {}
    for number, rbm in enumerate(stack):
        if rbm.n_labels:
            names |= _memory(rbm)
            continue
        again = str(number) if number > 1 else ""
        weights = "vishid" if number == 0 else f"hidpen{again}"
        up = "hidrecbiases" if number == 0 else f"penrecbiases{again}"
        down = "visbiases" if number == 0 else f"hidgenbiases{again}"
        names |= {weights: rbm.weights, up: rbm.hidden_bias, down: rbm.visible_bias}
    return names


def _memory(rbm: Rbm) -> Tree:
    n = rbm.n_visible - rbm.n_labels
    return {
        "pentop": rbm.weights[:n],
        "labtop": rbm.weights[n:],
        "pengenbiases": rbm.visible_bias[:n],
        "labgenbiases": rbm.visible_bias[n:],
        "topbiases": rbm.hidden_bias,
    }


def _mat(file: RunFile) -> bytes:
    from scipy.io import savemat  # noqa: PLC0415  # slow to import

    written = io.BytesIO()
    names = matlab_names(file.model) | {"record": record(file)}
    savemat(written, names, do_compression=True, oned_as="row")  # type: ignore[arg-type]  # it can
    return written.getvalue()


# -- ONNX ----------------------------------------------------------------------------------------


class _Graph:
    """Nodes and constants of an ONNX graph, each node named after what it gives."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.outputs: list[Any] = []

    def constant(self, name: str, array: Any) -> str:
        """A constant of this name, once."""
        if name not in [constant.name for constant in self.constants]:
            self.constants.append(
                self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
            )
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """One operation."""
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def output(self, name: str, *shape: int) -> None:
        """Say that what has this name is an output, (n, ...) float32."""
        float32 = self._onnx.TensorProto.FLOAT
        self.outputs.append(self._onnx.helper.make_tensor_value_info(name, float32, ["n", *shape]))

    def affine(self, data: str, weights: Array, bias: Array, name: str) -> str:
        """``data @ weights + bias``."""
        w, b = self.constant(f"{name}_weights", weights), self.constant(f"{name}_biases", bias)
        return self.node("Gemm", [data, w, b], f"{name}_inputs")

    def layer(self, data: str, weights: Array, bias: Array, name: str) -> str:
        """Eq. 1: the probabilities of a layer's units."""
        return self.node("Sigmoid", [self.affine(data, weights, bias, name)], name)


def _onnx(file: RunFile) -> bytes:
    """The deterministic up-pass as a graph, and what the net says of labels if it knows any.

    Input ``images``; outputs ``features1`` and so on, ``log_probabilities`` of a net that
    recognises, and ``free_energies`` of one whose memory has labels.
    """
    onnx = _library("onnx", "onnx")
    _library("onnx.numpy_helper", "onnx")
    if isinstance(file.model, PairNet):
        whole = ", ".join(name for name in FORMATS if name != "onnx")
        raise ReportError(f"{file.path}: a net of pairs has no one up-pass for onnx, but {whole}")
    graph, model, data = _Graph(onnx), file.model, "images"
    layers = file.kind.up(model)
    for number, (weights, bias) in enumerate(layers, 1):
        if number == len(layers) and model.n_classes and isinstance(model, Stack | DeepBeliefNet):
            continue  # of the memory, whose units see the labels as well
        data = graph.layer(data, weights, bias, f"features{number}")
        graph.output(data, len(bias))
    if isinstance(model, Classifier | DirectedNet):
        last = (model.weights[-1], model.biases[-1]) if isinstance(model, Classifier) else (
            model.to_labels
        )  # fmt: skip
        top = graph.affine(data, *last, "classes")
        graph.node("LogSoftmax", [top], "log_probabilities", axis=1)
    elif model.n_classes:
        memory = model.memory if isinstance(model, DeepBeliefNet) else model[-1]
        _free_energies(graph, memory, data)
    if model.n_classes:
        graph.output("log_probabilities", model.n_classes)
    image = onnx.helper.make_tensor_value_info(
        "images", onnx.TensorProto.FLOAT, ["n", model.n_pixels]
    )
    made = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, "hinton06", [image], graph.outputs, graph.constants),
        opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="hinton06",
        producer_version=provenance.version(),
        doc_string=f"{file.kind.about}, {file.path.name}",
    )
    onnx.helper.set_model_props(made, {"record": record(file)})
    onnx.checker.check_model(made, full_check=True)
    content: bytes = made.SerializeToString()
    return content


def _free_energies(graph: _Graph, memory: Rbm, pen: str) -> None:
    """The memory's free energy with each label in turn, (n, n_labels), and its softmax."""
    parts = _memory(memory)
    inputs = graph.affine(pen, parts["pentop"], parts["topbiases"], "top")
    # (n, 1, top) + (labels, top): each unit's input with each label on.
    axis = graph.constant("one", np.array([1], np.int64))
    alone = graph.node("Unsqueeze", [inputs, axis], "top_inputs_alone")
    labels = graph.constant("labels", parts["labtop"])
    together = graph.node("Add", [alone, labels], "top_inputs_with_labels")
    axis = graph.constant("two", np.array([2], np.int64))
    top = graph.node(
        "ReduceSum", [graph.node("Softplus", [together], "softplus"), axis], "top_share", keepdims=0
    )
    biases = graph.constant("label_biases", parts["labgenbiases"])
    goodness = graph.node("Add", [top, biases], "goodness_of_labels")
    pen_share = graph.node(
        "MatMul",
        [pen, graph.constant("pen_biases", parts["pengenbiases"][:, np.newaxis])],
        "pen_share",
    )
    energies = graph.node("Add", [goodness, pen_share], "goodness")
    graph.node("Neg", [energies], "free_energies")
    graph.output("free_energies", memory.n_labels)
    graph.node("LogSoftmax", [goodness], "log_probabilities", axis=1)


# -- all of them ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Format:
    """A format: what it is, in words, and how a file's content in it is made."""

    about: str
    content: Callable[[RunFile], bytes]


FORMATS: Mapping[str, Format] = {
    "npz": Format("arrays by their names in the file, for NumPy", _npz),
    "safetensors": Format(
        "arrays by their names in the file, for PyTorch, JAX and others", _safetensors
    ),
    "onnx": Format(
        "the net itself, from images to features and labels, for any ONNX runtime", _onnx
    ),
    "mat": Format("arrays by the names of the public Matlab code, for Matlab and Octave", _mat),
}
