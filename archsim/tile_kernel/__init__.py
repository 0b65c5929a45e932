"""What an analog array computes and how it learns, in vectorised numpy on [tile, row, col]."""
