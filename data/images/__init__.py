"""Image files: finding, checking and decoding them, and the preparation that makes their pixels."""
