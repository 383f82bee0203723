"""What Numba compiles: one module of loops for each family of kernels. Importing one imports Numba."""
