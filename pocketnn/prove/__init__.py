"""Proofs that nothing can overflow: for a trained network and any input, and for any run of a training recipe."""

from pocketnn.prove.certificate import Certificate
from pocketnn.prove.data import as_data
from pocketnn.prove.inference import prove_inference
from pocketnn.prove.search import prove_training
from pocketnn.prove.text import as_text
from pocketnn.prove.training import Training, is_provable

__all__ = [
    "Certificate",
    "Training",
    "as_data",
    "as_text",
    "is_provable",
    "prove_inference",
    "prove_training",
]
