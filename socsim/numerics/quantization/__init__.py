"""Post-training quantization of float networks: calibration, schemes, weights, graphs, and what it costs in error."""

from socsim.numerics.quantization.observers import OBSERVERS, Interval, Observer, observer
from socsim.numerics.quantization.report import LayerError, layer_errors
from socsim.numerics.quantization.rewriting import quantize_graph
from socsim.numerics.quantization.schemes import SCHEMES, Scheme, affine, scheme
from socsim.numerics.quantization.weights import QuantizedWeights, quantize_weights

__all__ = [
    "OBSERVERS",
    "SCHEMES",
    "Interval",
    "LayerError",
    "Observer",
    "QuantizedWeights",
    "Scheme",
    "affine",
    "layer_errors",
    "observer",
    "quantize_graph",
    "quantize_weights",
    "scheme",
]
