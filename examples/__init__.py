"""Complete programs to read, run and copy.

`digits` trains a small convolutional network on scikit-learn's handwritten digits (``python -m retrograd train``).
"""
