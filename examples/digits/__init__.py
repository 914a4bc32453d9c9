"""Two scikit-learn models of handwritten digits behind one endpoint: `endpoint.yaml`, `train.py` and `model.py`."""
