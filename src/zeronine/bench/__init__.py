"""Measuring: training times, reading times, and accuracy on everyone's handwriting, ours beside its peers."""
