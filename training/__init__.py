"""What a training run needs beside model, data and loss."""
