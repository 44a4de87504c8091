"""Models: a layout and the kernels that give its loss and gradient."""
