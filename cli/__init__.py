"""The commands of ``python -m retrograd`` that are not programs of their own."""
